//! A long quiet night: the rolling record holds the last hour and not every hour.

mod settling;

use std::path::{Path, PathBuf};

use super::*;
use crate::model::entry::{ActorKind, EntryKind};
use crate::record::testing::{MemoryDisk, at, draft, journal_dirs, read_on, wait};
use crate::respond::Recorder as _;

fn ledger(disk: &MemoryDisk) -> Ledger {
    on(Archive::on("/records", Arc::new(disk.clone())))
}

fn on(archive: Archive) -> Ledger {
    let actor = Actor { kind: ActorKind::Human, name: Safe::fixed("ana"), known_by: None };
    let bearings =
        Bearings { env: Safe::fixed("prod-eu"), titles: Default::default(), drill: false, actor, at: at(0, 0) };
    Ledger::open(archive, bearings)
}

fn note(ledger: &mut Ledger, minute: u32, title: &str) {
    let (occurred_at, observed_at) = (at(minute, 0), at(minute, 0));
    let dated = Dated { draft: draft(EntryKind::Note, title), occurred_at, observed_at };
    wait(ledger.append(dated, Durability::Now)).expect("it is kept");
}

/// Titles of the notes of each rolling journal, and whether it was sealed.
fn journals(disk: &MemoryDisk) -> Vec<(Vec<String>, bool)> {
    let dirs: Vec<PathBuf> = journal_dirs(disk).into_iter().collect();
    let journal = |dir: &PathBuf| {
        let record = read_on(disk, dir);
        let notes = record.entries.iter().filter(|entry| entry.draft.kind == EntryKind::Note);
        (notes.map(|entry| entry.draft.title.to_string()).collect(), record.writers[0].sealed)
    };
    dirs.iter().map(journal).collect()
}

#[test]
fn after_an_hour_the_next_rolling_journal_is_begun_and_the_old_one_is_sealed() {
    let disk = MemoryDisk::default().young();
    let mut ledger = ledger(&disk);
    note(&mut ledger, 59, "early");
    assert!(ledger.renew().is_none(), "its hour is not over");
    note(&mut ledger, 60, "on the hour");
    let work = ledger.renew().expect("its hour is over");
    assert!(ledger.renew().is_none(), "one is under way");
    note(&mut ledger, 61, "meanwhile");
    work();
    note(&mut ledger, 62, "after");
    wait(ledger.close()).expect("both are sealed");
    // Nobody waits for the seal of the old one, but it comes.
    let begun = crate::clock::wall();
    while !journals(&disk).iter().all(|(_, sealed)| *sealed) && begun.elapsed() < std::time::Duration::from_secs(20) {
        std::thread::yield_now();
    }
    let strings = |notes: &[&str]| notes.iter().map(|note| (*note).to_owned()).collect::<Vec<_>>();
    assert_eq!(journals(&disk), [(strings(&["early", "on the hour", "meanwhile"]), true), (strings(&["after"]), true)]);
}

#[test]
fn a_quiet_night_of_samples_alone_renews_it_too() {
    let disk = MemoryDisk::default().young();
    let mut ledger = ledger(&disk);
    let sample = |minute| TrackSample {
        at: at(minute, 0),
        track: Safe::fixed("payments errors"),
        service: None,
        unit: crate::model::service::Unit::Ratio,
        limit: None,
        values: std::collections::BTreeMap::default(),
    };
    ledger.track(vec![sample(10)]);
    assert!(ledger.renew().is_none());
    ledger.track(vec![sample(70)]);
    assert!(ledger.renew().is_some());
}

#[test]
fn an_action_that_outlasts_the_hour_has_its_outcome_in_the_new_journal() {
    let disk = MemoryDisk::default().young();
    let mut ledger = ledger(&disk);
    let (tell, _told) = tokio::sync::mpsc::unbounded_channel();
    ledger.tell_of_written(tell);
    let engine = ledger.recorder(Some(Vitals::default()), Arc::default()).expect("there is a journal");
    note(&mut ledger, 60, "an hour");
    ledger.renew().expect("its hour is over")();
    note(&mut ledger, 61, "after");
    let outcome = engine.append(draft(EntryKind::Outcome, "done"), at(62, 0), at(62, 0), Durability::Now);
    wait(outcome).expect("the outcome is kept");
    let newest = journal_dirs(&disk).into_iter().next_back().expect("there are two");
    assert!(read_on(&disk, &newest).entries.iter().any(|entry| entry.draft.kind == EntryKind::Outcome));
}

#[test]
fn a_seal_is_not_dated_before_an_outcome_that_the_engine_wrote() {
    let disk = MemoryDisk::default();
    let mut ledger = ledger(&disk);
    let (tell, _told) = tokio::sync::mpsc::unbounded_channel();
    ledger.tell_of_written(tell);
    ledger.keep_time(Clock::driven(at(13, 0)).0);
    let Message::IncidentReady { id, .. } = ledger.declare("x".into(), "x".into(), at(1, 0))() else {
        panic!("not ready")
    };
    ledger.write_to(&id);
    note(&mut ledger, 2, "early");
    let engine = ledger.recorder(Some(Vitals::default()), Arc::default()).expect("there is a journal");
    wait(engine.append(draft(EntryKind::Outcome, "done"), at(12, 0), at(12, 0), Durability::Now)).expect("it is kept");
    wait(ledger.seal(&id));
    wait(ledger.close()).expect("the other is sealed");
    let record = read_on(&disk, &Path::new("/records").join(id.as_str()));
    let seal = record.entries.iter().find(|entry| entry.draft.kind == EntryKind::Sealed).expect("it is sealed");
    assert_eq!(seal.occurred_at, at(13, 0));
    assert!(record.entries.iter().all(|entry| entry.observed_at <= seal.observed_at));
}

#[test]
fn an_outcome_that_comes_as_the_incident_is_sealed_is_kept() {
    // The two run beside each other: whichever comes first, a journal is there that takes it.
    for _ in 0..50 {
        let disk = MemoryDisk::default();
        let mut ledger = ledger(&disk);
        let (tell, _told) = tokio::sync::mpsc::unbounded_channel();
        ledger.tell_of_written(tell);
        let Message::IncidentReady { id, .. } = ledger.declare("x".into(), "x".into(), at(1, 0))() else {
            panic!("not ready")
        };
        ledger.write_to(&id);
        let engine = ledger.recorder(Some(Vitals::default()), Arc::default()).expect("there is a journal");
        let (begun, begin) = std::sync::mpsc::channel();
        let acting = std::thread::spawn(move || {
            let append = |_| engine.append(draft(EntryKind::Outcome, "done"), at(2, 0), at(2, 0), Durability::Soon);
            let mut receipts: Vec<_> = (0..20).map(append).collect();
            begun.send(()).expect("somebody waits");
            receipts.extend((0..200).map(append));
            receipts
        });
        begin.recv().expect("it began");
        let sealing = ledger.seal(&id);
        let receipts = acting.join().expect("it ends");
        wait(sealing);
        wait(ledger.close()).expect("the other is sealed");
        assert_eq!(receipts.into_iter().map(wait).filter(Result::is_err).count(), 0);
    }
}

#[test]
fn an_export_tells_the_times_of_the_zone_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut ledger = ledger(&MemoryDisk::default()).in_zone(Some(chrono_tz::Europe::Berlin));
    let Message::IncidentReady { id, .. } = ledger.declare("x".into(), "x".into(), at(1, 0))() else {
        panic!("not ready")
    };
    ledger.write_to(&id);
    note(&mut ledger, 2, "early");
    let path = folder.path().join("x.md");
    assert_eq!(ledger.export(Some(id), Some(path.clone()))(), Message::Exported(Ok(path.clone())));
    let text = std::fs::read_to_string(path).expect("it was written");
    assert!(text.contains("Europe/Berlin") && text.contains("| 03:02Z | 04:02 CET |"), "{text}");
}
