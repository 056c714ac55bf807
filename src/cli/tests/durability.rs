//! The power goes at any moment: what was shown as recorded is there, and the next start takes
//! the incident up again.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::{Rehearsal, ana, due, run};
use crate::clock::{Clock, World};
use crate::model::command::Command;
use crate::model::entry::{Body, Entry, EntryId, EntryKind};
use crate::model::plan::Outcome;
use crate::record::testing::{MemoryDisk, journal_dirs, read_on, verify_on};
use crate::record::{Archive, IncidentRecord};
use crate::session::{ActionState, Bearings, Core, Ledger, ResumeOffer};
use crate::text::Safe;

const ROOT: &str = "/records";
const SPEED: f64 = 600.0;

/// The disk as a power cut leaves it at the moment when something was shown.
struct Cut {
    /// How many of the entries had been shown.
    shown: usize,
    at: World,
    disk: MemoryDisk,
}

fn archive(disk: &MemoryDisk) -> Archive {
    Archive::on(ROOT, Arc::new(disk.clone()))
}

/// Notes every entry that it is shown, and cuts the power each time.
#[derive(Default)]
struct Witness {
    seen: HashSet<EntryId>,
    shown: Vec<Entry>,
    cuts: Vec<Cut>,
}

impl Witness {
    fn look(&mut self, core: &Core, disk: &MemoryDisk) {
        let before = self.shown.len();
        for entry in &core.entries {
            if self.seen.insert(entry.id.clone()) {
                self.shown.push(entry.clone());
            }
        }
        if self.shown.len() > before {
            // Of what was not synced nothing remains, or some of it, at any byte.
            let extra = [0, 1, 97, 1_000, usize::from(u16::MAX)][self.cuts.len() % 5];
            let disk = disk.after_power_cut(extra);
            self.cuts.push(Cut { shown: self.shown.len(), at: core.now, disk });
        }
    }

    fn shown_at(&self, cut: &Cut) -> &[Entry] {
        &self.shown[..cut.shown]
    }
}

fn has(entries: &[Entry], kind: EntryKind) -> bool {
    entries.iter().any(|entry| entry.draft.kind == kind)
}

fn outcomes(record: &IncidentRecord) -> Vec<&Outcome> {
    record
        .entries
        .iter()
        .filter_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { outcome, .. }) => Some(outcome),
            _ => None,
        })
        .collect()
}

/// A session on what a cut left: it is offered the incident, takes it up, waits for the outcome
/// of what was in flight, and leaves.
async fn taken_up(world: &Rehearsal, disk: &MemoryDisk) -> (ResumeOffer, Core) {
    let mut offered = None;
    let core = run(world.opening(&archive(disk)), |core| {
        if offered.is_none() {
            offered.clone_from(&core.resume);
            return core.resume.iter().map(|_| Command::Resume).collect();
        }
        let settled = core.actions.iter().all(|action| matches!(action.state, ActionState::Ended(_)));
        let done = core.incident.is_some() && core.unrecorded == 0 && core.backfilling == 0 && settled;
        if done { vec![Command::Quit] } else { Vec::new() }
    })
    .await;
    (offered.unwrap(), core)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_survives_a_power_cut_at_any_moment_and_the_next_start_takes_it_up() {
    let world = Rehearsal::start(None, SPEED).await;
    let disk = MemoryDisk::default();
    let (mut witness, mut steps) = (Witness::default(), world.responder());
    run(world.opening(&archive(&disk)), |core| {
        witness.look(core, &disk);
        if has(&core.entries, EntryKind::Outcome) { vec![Command::Quit] } else { due(&mut steps, core.now) }
    })
    .await;
    assert!(witness.cuts.len() > 20, "{} moments", witness.cuts.len());

    for cut in &witness.cuts {
        let mut kept = Vec::new();
        for dir in journal_dirs(&cut.disk) {
            let verified = verify_on(&cut.disk, &dir);
            assert_eq!(verified.faults, [], "at {} in {}", cut.at, dir.display());
            kept.extend(read_on(&cut.disk, &dir).entries);
        }
        for entry in witness.shown_at(cut) {
            assert!(kept.contains(entry), "at {}: shown and lost: {entry:?}", cut.at);
        }
        let offer = Ledger::open(archive(&cut.disk), bearings(true)).left_open()();
        let declared = has(witness.shown_at(cut), EntryKind::Opened);
        assert!(offer.is_some() || !declared, "at {}: an open incident is not offered", cut.at);
        assert_eq!(Ledger::open(archive(&cut.disk), bearings(false)).left_open()(), None, "a drill's is a drill's");
    }

    // The last moment, and the one at which an action was in flight.
    let in_flight =
        |cut: &&Cut| has(witness.shown_at(cut), EntryKind::Intent) && !has(witness.shown_at(cut), EntryKind::Outcome);
    let during = witness.cuts.iter().rfind(in_flight).expect("an intent is shown before its outcome");
    let [unsent, shared] = [0, 1].map(|_| during.disk.after_power_cut(0));
    let (offer, core) = taken_up(&world, &during.disk).await;
    assert_eq!(offer.open_intents, 1);
    let id = core.incident.unwrap().id;
    assert_eq!(offer.id, id);
    let record = archive(&during.disk).read(&id).unwrap();
    assert!(record.open_intents().is_empty());
    assert!(
        matches!(outcomes(&record)[..], [Outcome::Verified { .. }]),
        "the world had taken the write: {:?}",
        outcomes(&record)
    );
    assert_eq!(verify_on(&during.disk, &Path::new(ROOT).join(id.as_str())).faults, []);
    assert_eq!(record.writers.len(), 2);
    assert!(record.writers[1].predecessor.is_some() && record.writers[1].sealed && !record.writers[0].sealed);

    // Two people start a session at the same moment: one reads what became of it, both know.
    let ((_, ana_s), (_, ben_s)) = tokio::join!(taken_up(&world, &shared), taken_up(&world, &shared));
    let record = archive(&shared).read(&id).unwrap();
    assert!(matches!(outcomes(&record)[..], [Outcome::Verified { .. }]), "once: {:?}", outcomes(&record));
    for core in [ana_s, ben_s] {
        let done: Vec<_> = core.actions.iter().map(|action| &action.state).collect();
        assert!(matches!(done[..], [ActionState::Ended(Outcome::Verified { .. })]), "{done:?}");
    }
    assert_eq!(verify_on(&shared, &Path::new(ROOT).join(id.as_str())).faults, []);

    let (offer, core) = taken_up(&world, &witness.cuts.last().unwrap().disk).await;
    assert_eq!(offer.open_intents, 0);
    // What was done is known, to be undone; nothing was read for it.
    let done: Vec<_> = core.actions.iter().map(|action| &action.state).collect();
    assert!(matches!(done[..], [ActionState::Ended(_)]), "{done:?}");

    // The same moment in a world that never heard of it: the write had not gone out.
    let elsewhere = Rehearsal::start(Some(during.at), SPEED).await;
    let (offer, core) = taken_up(&elsewhere, &unsent).await;
    assert_eq!(offer.open_intents, 1);
    let record = archive(&unsent).read(&core.incident.unwrap().id).unwrap();
    assert!(record.open_intents().is_empty());
    assert!(
        matches!(outcomes(&record)[..], [Outcome::Unknown { .. }]),
        "nobody may say that it was done, nor that it failed: {:?}",
        outcomes(&record)
    );
}

fn bearings(drill: bool) -> Bearings {
    Bearings { env: Safe::fixed("prod-eu"), titles: Default::default(), drill, actor: ana(), at: Clock::real().now() }
}

#[tokio::test]
async fn a_note_from_before_anybody_declared_an_incident_reaches_it_after_a_crash() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let disk = MemoryDisk::default().young();
    let mut left = None;
    let mut noted = false;
    run(super::faults::bare(&archive(&disk)), |core| {
        if has(&core.entries, EntryKind::Note) {
            left = Some(disk.after_power_cut(0));
            return vec![Command::Quit];
        }
        let say = !std::mem::replace(&mut noted, true);
        if say { vec![Command::Note { text: Safe::fixed("the phone rang") }] } else { Vec::new() }
    })
    .await;
    let disk = left.unwrap();
    let mut opened = false;
    let core = run(super::faults::bare(&archive(&disk)), |core| {
        if core.incident.is_some() && core.unrecorded == 0 {
            return vec![Command::Quit];
        }
        let say = !std::mem::replace(&mut opened, true);
        if say { vec![Command::Open { title: Safe::fixed("payments") }] } else { Vec::new() }
    })
    .await;
    let record = archive(&disk).read(&core.incident.unwrap().id).unwrap();
    let notes: Vec<_> = record.entries.iter().filter(|entry| entry.draft.title == "the phone rang").collect();
    assert_eq!(notes.len(), 1, "{:?}", record.entries);
}
