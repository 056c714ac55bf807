//! What holds for every action of every system: the process killed anywhere, done and undone,
//! a network that fails, somebody else's edit, a disk that is full.
//!
//! The record is a real journal here: what a killed process left is what its disk has after a
//! power cut.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{Semaphore, oneshot};

use super::actions::{ACTIONS, Action, Undo};
use super::*;
use crate::model::entry::Draft;
use crate::record::testing::{MemoryDisk, read_on};
use crate::record::{Durability, Durable, IncidentRecord, Journal, JournalError, Receipt, StartInfo};

const DIR: &str = "/records/2026-11-21-checkout";

/// Tries every action, some at a time: a server that does not answer costs time by the wall. One
/// that fails does not hide another.
pub(super) async fn each<F: Future<Output = ()>>(check: impl Fn(&'static Action) -> F) {
    let tried = |action: &'static Action| {
        let tried = AssertUnwindSafe(check(action)).catch_unwind();
        async move { tried.await.err().map(|_| action.name) }
    };
    let failed = futures::stream::iter(ACTIONS).map(tried).buffer_unordered(8).filter_map(std::future::ready);
    let failed: Vec<_> = failed.collect().await;
    assert!(failed.is_empty(), "{failed:?}");
}

/// Where a process is stopped at an entry.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    /// It is handed over, and did not come to the disk.
    Lost,
    /// It is durable, and the process does not know yet.
    Kept,
}

/// A process's journal, and where in it the process is stopped.
struct Paper {
    disk: MemoryDisk,
    journal: Journal,
    intents: Arc<AtomicUsize>,
    stop: Option<(EntryKind, Stop)>,
    stopped: Arc<Semaphore>,
    /// Whoever waits for these waits for ever.
    never: Mutex<Vec<oneshot::Sender<Result<Durable, JournalError>>>>,
}

impl Paper {
    fn on(disk: MemoryDisk, served: &dyn Served) -> Self {
        let info = StartInfo {
            titles: Default::default(),
            incident: Some("2026-11-21-checkout".into()),
            version: "0.1.0".into(),
            drill: false,
            env: "prod-eu".into(),
            actor: ana(),
            at: World::from_timestamp(1_795_000_000, 0).unwrap(),
        };
        let journal = Journal::create(Path::new(DIR), info, Arc::new(disk.clone())).unwrap();
        let (stopped, never) = (Arc::new(Semaphore::new(0)), Mutex::default());
        Self { disk, journal, intents: served.intents(), stop: None, stopped, never }
    }

    fn new(served: &dyn Served) -> Self {
        Self::on(MemoryDisk::default(), served)
    }

    /// What a power cut leaves.
    fn left(&self) -> MemoryDisk {
        self.disk.after_power_cut(0)
    }
}

impl Recorder for Paper {
    fn append(&self, draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        let stop = self.stop.filter(|(kind, _)| *kind == draft.kind).map(|(_, stop)| stop);
        let counts = (draft.kind == EntryKind::Intent).then(|| Arc::clone(&self.intents));
        let count = move || {
            if let Some(intents) = counts {
                intents.fetch_add(1, Ordering::SeqCst);
            }
        };
        if stop == Some(Stop::Lost) {
            self.stopped.add_permits(1);
        } else {
            let receipt = self.journal.append(draft, occurred_at, observed_at, durability);
            if stop.is_none() {
                return receipt.watched(|_| count());
            }
            let stopped = Arc::clone(&self.stopped);
            tokio::spawn(async move {
                receipt.await.unwrap();
                count();
                stopped.add_permits(1);
            });
        }
        let (tell, never) = Receipt::promised();
        self.never.lock().unwrap().push(tell);
        never
    }
}

fn record(disk: &MemoryDisk) -> IncidentRecord {
    read_on(disk, Path::new(DIR))
}

/// Intents and outcomes that were recorded.
fn kinds(disk: &MemoryDisk) -> Vec<EntryKind> {
    let all = record(disk).entries.into_iter().map(|entry| entry.draft.kind);
    all.filter(|kind| [EntryKind::Intent, EntryKind::Outcome].contains(kind)).collect()
}

/// Plans and applies it; the plan as the record has it.
async fn done(action: &Action, room: &Room, paper: &Paper, want: &Request) -> Ended {
    let plan = room.plan(want).await;
    let ended = room.let_apply(plan, paper).await.unwrap();
    let waits = action.undo == Undo::Waits && want.is_undo();
    let expected = if waits { "timed out" } else { "verified" };
    assert_eq!(ended.outcome.as_str(), expected, "{}: {:?}", action.name, ended.outcome);
    let recorded = record(&paper.left()).entries.into_iter().find_map(|entry| match entry.draft.body {
        Some(Body::Intent(kept)) if kept.id == ended.plan.id => Some(*kept),
        _ => None,
    });
    Ended { plan: recorded.unwrap(), ..ended }
}

/// The steps between which a process can end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Intent(Stop),
    /// The request is out, and did or did not arrive.
    Sent(Fault),
    Outcome(Stop),
    /// So many steps were told of.
    Told(u32),
}

/// Kills the process there; `false` if it had ended by then. The next process finds the open
/// intent, reads the system and says what happened: nothing is written without a durable intent,
/// nothing twice, and "verified" is said of what is there.
async fn killed(action: &'static Action, at: At, after: &serde_json::Value) -> bool {
    let case = format!("{}, killed at {at:?}", action.name);
    let server = action.start().await;
    let before = server.holds();
    let (first, mut paper) = (room(&*server), Paper::new(&*server));
    let plan = first.plan(&action.want()).await;
    match at {
        At::Intent(stop) => paper.stop = Some((EntryKind::Intent, stop)),
        At::Outcome(stop) => paper.stop = Some((EntryKind::Outcome, stop)),
        At::Sent(fault) => server.fail(fault),
        At::Told(_) => {}
    }
    let (told, let_by, actor) = (Semaphore::new(0), warrant(&plan), ana());
    let ended = {
        let tell = |_| told.add_permits(1);
        let kill = async {
            match at {
                At::Intent(_) | At::Outcome(_) => drop(paper.stopped.acquire().await.unwrap()),
                At::Told(step) => drop(told.acquire_many(step).await.unwrap()),
                At::Sent(_) => {
                    while server.writes().is_empty() {
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        let acting = first.engine.apply_with(plan.clone(), let_by.as_ref(), &actor, &paper, &tell);
        // Dropping the action is what a kill does to it.
        tokio::select! { biased; () = kill => false, _ = acting => true }
    };
    let writes = server.writes();
    assert!(writes.len() <= 1 && writes.iter().all(|write| write.intents == 1), "{case}: {writes:?}");
    if ended {
        return false;
    }

    // The next process knows what the disk has, and nothing else.
    let disk = paper.left();
    let recorded = kinds(&disk);
    let open = record(&disk).open_intents();
    match at {
        At::Intent(Stop::Lost) => assert!(recorded.is_empty(), "{case}"),
        At::Outcome(Stop::Kept) => assert_eq!(recorded, [EntryKind::Intent, EntryKind::Outcome], "{case}"),
        At::Told(1) => assert!(recorded.len() <= 1, "{case}"),
        _ => assert_eq!(recorded, [EntryKind::Intent], "{case}"),
    }
    assert_eq!(open.len(), usize::from(recorded == [EntryKind::Intent]), "{case}: every open intent is found");
    if recorded.is_empty() {
        assert!(writes.is_empty() && server.holds() == before, "{case}: without an intent nothing is touched");
    }
    for (_, plan) in open {
        let next = Room::after(&first, &*server);
        let successor = Paper::on(disk.clone(), &*server);
        let settled = next.settle(plan, &successor).await.unwrap();
        let is_done = server.holds() == *after;
        match (at, settled.outcome.as_str()) {
            (At::Sent(Fault::HangAfter) | At::Outcome(_), said) => {
                assert_eq!((said, is_done), ("verified", true), "{case}: {settled:?}")
            }
            (At::Sent(_) | At::Intent(_), said) => {
                assert_eq!((said, server.holds()), ("unknown", before.clone()), "{case}: {settled:?}");
            }
            (_, "verified") => assert!(is_done, "{case}"),
            // A write still on its way may land after the last look: unknown is what it is.
            (_, said) => assert_eq!(said, "unknown", "{case}: {settled:?}"),
        }
        let disk = successor.left();
        assert_eq!(kinds(&disk), [EntryKind::Intent, EntryKind::Outcome], "{case}");
        assert!(record(&disk).open_intents().is_empty(), "{case}");
    }
    assert_eq!(server.writes().len(), writes.len(), "{case}: settling writes nothing");
    true
}

#[tokio::test]
async fn killed_between_any_two_steps_the_next_start_finds_the_intent_and_says_what_happened() {
    each(async |action| {
        let whole = action.start().await;
        done(action, &room(&*whole), &Paper::new(&*whole), &action.want()).await;
        let after = whole.holds();
        for at in [
            At::Intent(Stop::Lost),
            At::Intent(Stop::Kept),
            At::Sent(Fault::HangBefore),
            At::Sent(Fault::HangAfter),
            At::Outcome(Stop::Lost),
            At::Outcome(Stop::Kept),
        ] {
            assert!(killed(action, at, &after).await, "{} never came to {at:?}", action.name);
        }
        let mut step = 1;
        while killed(action, At::Told(step), &after).await {
            step += 1;
        }
        assert!(step > 2, "{} tells of more steps than {step}", action.name);
    })
    .await;
}

#[tokio::test]
async fn done_and_undone_all_is_as_it_was_and_undoing_that_does_it_again() {
    each(async |action| {
        let server = action.start().await;
        let (room, paper) = (room(&*server), Paper::new(&*server));
        let before = server.holds();
        let first = done(action, &room, &paper, &action.want()).await;
        let after = server.holds();
        assert_ne!(after, before, "{} did nothing", action.name);
        let writes = server.writes();
        for part in action.wire {
            assert!(writes[0].wire.contains(part), "{} without {part}: {}", action.name, writes[0].wire);
        }
        assert_eq!(first.plan.undo.is_some(), action.undo != Undo::Never, "{}: the plan says so before", action.name);
        if action.undo == Undo::Never {
            let why = room.try_plan(&undo(first.plan)).await.expect_err(action.name).why;
            assert!(
                ["cannot be undone", "does not go on"].iter().any(|words| why.contains(words)),
                "{}: {why}",
                action.name
            );
            assert_eq!(server.writes().len(), 1, "{}", action.name);
            return;
        }
        let back = done(action, &room, &paper, &undo(first.plan)).await;
        assert_eq!(server.holds(), before, "{}", back.plan.title);
        done(action, &room, &paper, &undo(back.plan)).await;
        assert_eq!(server.holds(), after, "{}: undoing the undo", action.name);
        let intents: Vec<_> = server.writes().iter().map(|write| write.intents).collect();
        assert_eq!(intents, [1, 2, 3], "{}: one write for each intent, and after it", action.name);
    })
    .await;
}

/// What the network or the system does to the write, and what may be said of it then.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::None, "verified"),
    (Fault::CutBefore, "unknown"),
    (Fault::CutAfter, "verified"),
    (Fault::HangBefore, "unknown"),
    (Fault::HangAfter, "verified"),
    (Fault::Twice, "verified"),
    (Fault::Throttled, "refused"),
    (Fault::Status(401), "refused"),
    (Fault::Status(403), "refused"),
    (Fault::Status(409), "refused"),
    (Fault::Status(422), "refused"),
    (Fault::Status(429), "refused"),
    (Fault::Status(500), "unknown"),
    (Fault::Status(503), "unknown"),
    (Fault::Status(504), "unknown"),
    (Fault::StatusAfter(500), "verified"),
    (Fault::StatusAfter(503), "verified"),
    (Fault::StatusAfter(504), "verified"),
];

#[tokio::test]
async fn one_plan_writes_at_most_once_whatever_the_network_does() {
    each(async |action| {
        for (fault, expected) in FAULTS {
            let case = format!("{}, {fault:?}", action.name);
            let server = action.start().await;
            let (room, paper) = (room(&*server), Paper::new(&*server));
            let before = server.holds();
            let plan = room.plan(&action.want()).await;
            assert!(server.writes().is_empty() && server.holds() == before, "{case}: planning changes nothing");
            server.fail(*fault);
            let ended = room.let_apply(plan.clone(), &paper).await.unwrap();
            assert_eq!(ended.outcome.as_str(), *expected, "{case}: {:?}", ended.outcome);
            assert_eq!(server.holds() != before, *expected == "verified", "{case}: success is what is there");
            assert_eq!(kinds(&paper.left()), [EntryKind::Intent, EntryKind::Outcome], "{case}");
            let again = room.let_apply(plan, &paper).await.unwrap_err();
            // Of some the wait is longer than a plan lives.
            let spent = ["writes once", "refresh the plan"].iter().any(|why| again.why.contains(why));
            assert!(spent, "{case}: {again}");
            let intents: Vec<_> = server.writes().iter().map(|write| write.intents).collect();
            assert_eq!(intents, [1], "{case}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    each(async |action| {
        // Between the plan and its confirmation: it is void.
        if !action.makes {
            let server = action.start().await;
            let (room, paper) = (room(&*server), Paper::new(&*server));
            let plan = room.plan(&action.want()).await;
            action.edit(&server);
            let theirs = server.holds();
            let ended = room.let_apply(plan, &paper).await.unwrap();
            assert_eq!(ended.outcome.as_str(), "refused", "{}: {:?}", action.name, ended.outcome);
            assert_eq!(server.holds(), theirs, "{}", action.name);
        }

        // Right after the write: that is no success.
        let server = action.start().await;
        let (first, paper) = (room(&*server), Paper::new(&*server));
        let plan = first.plan(&action.want()).await;
        action.edit_then(&server);
        let ended = first.let_apply(plan, &paper).await.unwrap();
        assert_eq!(ended.outcome.as_str(), "overridden", "{}: {:?}", action.name, ended.outcome);

        // Between the action and its undo, and between the undo's plan and its confirmation.
        let server = action.start().await;
        let (first, paper) = (room(&*server), Paper::new(&*server));
        let ended = done(action, &first, &paper, &action.want()).await;
        let back = match action.undo {
            Undo::Never => None,
            Undo::Back | Undo::Waits => Some(first.plan(&undo(ended.plan.clone())).await),
        };
        action.edit(&server);
        let theirs = server.holds();
        if let Some(back) = back {
            let late = first.let_apply(back, &paper).await.unwrap();
            assert_eq!(late.outcome.as_str(), "refused", "{}: {:?}", action.name, late.outcome);
        }
        let planned = first.try_plan(&undo(ended.plan.clone())).await;
        assert!(planned.is_err(), "{}: {planned:?}", action.name);
        // Nor does the next process say that it is as it was to be.
        let next = Room::after(&first, &*server);
        let settled = next.settle(ended.plan, &Pad::of(&*server)).await.unwrap();
        assert_ne!(settled.outcome.as_str(), "verified", "{}: {:?}", action.name, settled.outcome);
        assert_eq!(server.holds(), theirs, "{}", action.name);
    })
    .await;
}

#[tokio::test]
async fn with_a_disk_that_is_full_or_broken_nothing_is_written() {
    each(async |action| {
        let full: [fn(&MemoryDisk); 2] = [|disk| disk.fill_up(200), MemoryDisk::break_syncs];
        for fails in full {
            let server = action.start().await;
            let (room, paper) = (room(&*server), Paper::new(&*server));
            let before = server.holds();
            let plan = room.plan(&action.want()).await;
            fails(&paper.disk);
            let refusal = room.let_apply(plan, &paper).await.unwrap_err();
            assert!(refusal.why.contains("nothing was changed"), "{}: {refusal}", action.name);
            assert!(server.writes().is_empty() && server.holds() == before, "{}", action.name);
        }
        // An outcome that cannot be kept is not told as one.
        let server = action.start().await;
        let (room, pad) = (room(&*server), Pad { full_from: Some(1), ..Pad::of(&*server) });
        let refusal = room.let_apply(room.plan(&action.want()).await, &pad).await.unwrap_err();
        assert!(refusal.why.contains("ended verified") && refusal.why.contains("could not be recorded"), "{refusal}");
        assert_eq!((server.writes().len(), server.writes()[0].intents), (1, 1), "{}", action.name);
    })
    .await;
}
