//! Several sessions and one change: one of them tells its end, and no file is begun for nothing.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::model::entry::{Body, Entry};
use crate::model::plan::{Outcome, Plan};
use crate::record::testing::plan;
use crate::record::{Holder, read_incident};
use crate::respond::Recorder as _;
use crate::session::ledger::recorder::Settler;

struct Session {
    ledger: Ledger,
    told: UnboundedReceiver<Envelope>,
}

impl Session {
    fn of(archive: &Archive) -> Self {
        let mut ledger = on(archive.clone());
        let (tell, told) = unbounded_channel();
        ledger.tell_of_written(tell);
        Self { ledger, told }
    }

    async fn writes(&mut self, minute: u32, kind: EntryKind, body: Body) {
        let draft = crate::model::entry::Draft { body: Some(body), ..draft(kind, "ana did it") };
        let dated = Dated { draft, occurred_at: at(minute, 0), observed_at: at(minute, 0) };
        self.ledger.append(dated, Durability::Now).await.expect("it is kept");
    }

    async fn begins(&mut self, id: &str) -> Plan {
        let plan = plan(id, "kubectl");
        self.writes(1, EntryKind::Intent, Body::Intent(Box::new(plan.clone()))).await;
        plan
    }

    fn finds(&self) -> Vec<OpenIntent> {
        self.ledger.open_intents()()
    }

    fn settling(&self, open: &OpenIntent) -> Settling {
        self.ledger.settling(open, Arc::default()).expect("there is a journal")
    }

    /// The outcome that it learns of.
    async fn learns(&mut self) -> Entry {
        match self.told.recv().await.expect("it is told").message {
            Message::Settled(entry) | Message::Written { entry, .. } => entry,
            other => panic!("{other:?}"),
        }
    }
}

fn verified() -> Outcome {
    Outcome::Verified { after_seconds: Some(1), words: Safe::fixed("live") }
}

fn ended(plan: &Plan) -> Body {
    Body::Outcome { plan: plan.id.clone(), outcome: verified() }
}

async fn tells(settler: Settler, plan: &Plan) {
    settler.ready().await.expect("there is room");
    let draft = crate::model::entry::Draft { body: Some(ended(plan)), ..draft(EntryKind::Outcome, "live") };
    settler.append(draft, at(5, 0), at(5, 0), Durability::Now).await.expect("it is kept");
    settler.close(at(6, 0)).await;
}

/// Every outcome that stands in the archive.
fn outcomes(archive: &Archive, plan: &Plan) -> Vec<Holder> {
    let told = archive.outcomes(&plan.id, "prod-eu", false).expect("it can be read");
    told.into_iter().map(|(holder, _)| holder).collect()
}

/// The disk of a test and that of this machine, with its locks.
fn archives() -> (tempfile::TempDir, [Archive; 2]) {
    let folder = tempfile::tempdir().expect("there is room");
    let real = Archive::new(folder.path().join("records"));
    (folder, [Archive::on("/records", Arc::new(MemoryDisk::default().young())), real])
}

#[tokio::test]
async fn of_two_sessions_that_find_one_open_intent_one_tells_its_outcome_and_both_know_it() {
    let (_folder, archives) = archives();
    for archive in archives {
        let plan = Session::of(&archive).begins("p1").await;
        let (first, mut second) = (Session::of(&archive), Session::of(&archive));
        // Both start together: neither has it yet.
        let [mine, theirs] = [first.finds(), second.finds()].map(|found| found[0].clone());
        let Ok(Taken::Ours(settler, held)) = first.settling(&mine).take(|| ()).await else { panic!("it is free") };
        assert!(Session::of(&archive).finds().is_empty(), "whoever starts now is not told of it");
        let (waits, mut waiting) = unbounded_channel();
        let other = tokio::spawn(second.settling(&theirs).take(move || waits.send(()).unwrap_or_default()));
        waiting.recv().await.expect("the second one waits");
        tells(settler, &plan).await;
        drop(held);
        let Ok(Taken::Told(outcome)) = other.await.expect("it ends") else { panic!("it is told already") };
        assert_eq!(outcome, verified());
        assert_eq!(second.learns().await.draft.kind, EntryKind::Outcome);
        assert_eq!(outcomes(&archive, &plan), [mine.held], "once");
    }
}

#[tokio::test]
async fn a_session_that_dies_while_it_settles_leaves_the_intent_to_the_next() {
    let (_folder, archives) = archives();
    for archive in archives {
        let plan = Session::of(&archive).begins("p1").await;
        let (first, second) = (Session::of(&archive), Session::of(&archive));
        let open = first.finds().remove(0);
        let taken = first.settling(&open).take(|| ()).await;
        let (waits, mut waiting) = unbounded_channel();
        let other = tokio::spawn(second.settling(&open).take(move || waits.send(()).unwrap_or_default()));
        waiting.recv().await.expect("the second one waits");
        // What the end of its process does to it.
        drop((taken, first));
        let Ok(Taken::Ours(settler, _held)) = other.await.expect("it ends") else { panic!("nobody told it") };
        tells(settler, &plan).await;
        assert_eq!(outcomes(&archive, &plan).len(), 1);
    }
}

#[tokio::test]
async fn what_a_session_is_doing_is_its_own_also_after_its_rolling_journal_was_renewed() {
    let (_folder, archives) = archives();
    for archive in archives {
        let mut acts = Session::of(&archive);
        let held = acts.ledger.hold(&plan("p1", "kubectl").id)().expect("nobody has it");
        assert!(acts.ledger.hold(&plan("p1", "kubectl").id)().is_err(), "once");
        let plan = acts.begins("p1").await;
        acts.writes(61, EntryKind::Note, Body::Gap { from: at(60, 0), to: at(61, 0) }).await;
        acts.ledger.renew().expect("its hour is over")();
        acts.writes(62, EntryKind::Note, Body::Gap { from: at(60, 0), to: at(61, 0) }).await;
        let other = Session::of(&archive);
        assert!(other.finds().is_empty(), "its process lives");
        drop(held);
        assert_eq!(other.finds().len(), 1);
        acts.writes(63, EntryKind::Outcome, ended(&plan)).await;
        assert!(other.finds().is_empty());
    }
}

#[tokio::test]
async fn an_outcome_that_another_record_tells_is_brought_to_the_incident_that_holds_the_intent() {
    let archive = Archive::on("/records", Arc::new(MemoryDisk::default().young()));
    let mut first = Session::of(&archive);
    let plan = first.begins("p1").await;
    let open = first.finds().remove(0);
    // Carried into the incident of a session that reads only, and settled where it was found first.
    let declare = first.ledger.declare("x".into(), "x".into(), at(2, 0));
    let Message::IncidentReady { id, .. } = declare() else { panic!("not ready") };
    let mut reads = Session::of(&archive);
    let Message::IncidentReady { .. } = reads.ledger.take_up(id.clone())() else { panic!("not ready") };
    reads.ledger.write_to(&id);
    reads.writes(2, EntryKind::Intent, Body::Intent(Box::new(plan.clone()))).await;
    let Ok(Taken::Ours(settler, held)) = first.settling(&open).take(|| ()).await else { panic!("it is free") };
    tells(settler, &plan).await;
    drop(held);
    let mut next = Session::of(&archive);
    let carried = next.finds().remove(0);
    assert_eq!(carried.held, Holder::Incident(id.clone()), "its carrier lives, and cannot tell it");
    let Ok(Taken::Told(_)) = next.settling(&carried).take(|| ()).await else { panic!("it is told already") };
    assert_eq!(next.learns().await.occurred_at, at(5, 0), "its own time stays");
    assert_eq!(outcomes(&archive, &plan), [Holder::Incident(id), open.held]);
    assert!(next.finds().is_empty());
}

#[tokio::test]
async fn no_file_is_begun_for_an_outcome_that_is_not_told() {
    let folder = tempfile::tempdir().expect("there is room");
    let archive = Archive::new(folder.path());
    Session::of(&archive).begins("p1").await;
    let next = Session::of(&archive);
    let open = next.finds().remove(0);
    let Holder::Rolling(name) = &open.held else { panic!("{:?}", open.held) };
    let dir = folder.path().join(".rolling").join(name.as_str());
    let Ok(Taken::Ours(settler, held)) = next.settling(&open).take(|| ()).await else { panic!("it is free") };
    // The engine refused.
    settler.close(at(6, 0)).await;
    drop(held);
    assert_eq!(read_incident(&dir).expect("it can be read").writers.len(), 1);
    let locks = std::fs::read_dir(folder.path().join(".held")).expect("it is there");
    assert_eq!(locks.count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_where_it_was_begun_says_so() {
    let disk = MemoryDisk::default().young();
    let archive = Archive::on("/records", Arc::new(disk.clone()));
    Session::of(&archive).begins("p1").await;
    let next = Session::of(&archive);
    let open = next.finds().remove(0);
    let Ok(Taken::Ours(settler, _held)) = next.settling(&open).take(|| ()).await else { panic!("it is free") };
    disk.fill_up(0);
    let why = settler.ready().await.expect_err("the disk is full").why;
    assert!(why.starts_with("its outcome cannot be recorded where it was begun: "), "{why}");
}
