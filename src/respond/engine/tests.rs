//! The promises of the gateway, for scaling, against an API server on loopback that fails as
//! asked: intent before write, one write a plan, undo is the inverse, success is identity live.

mod argo;
mod autoscaled;
mod aws;
mod guards;
mod rollouts;
pub(in crate::respond) mod steps;
mod tiers;
mod traffic;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::task::JoinHandle;

use steps::Served;

use super::*;
use crate::clock::{Driver, World};
use crate::model::entry::{ActorKind, Body, Draft, Entry, EntryId, EntryKind};
use crate::model::plan::Replicas;
use crate::record::{Durable, JournalError, Receipt};
use crate::respond::kubernetes::fake::{Fake, Fault, payments, set_by};

/// A journal that keeps, refuses, or makes one wait.
#[derive(Default)]
pub(in crate::respond) struct Pad {
    kept: Mutex<Vec<Draft>>,
    /// The server looks at this when a request comes in.
    intents: Arc<AtomicUsize>,
    /// Refuses from this entry on.
    full_from: Option<usize>,
    /// Receipts that were not given yet.
    owed: Option<tokio::sync::mpsc::UnboundedSender<Owed>>,
}

type Owed = (Draft, tokio::sync::oneshot::Sender<Result<Durable, JournalError>>);

impl Pad {
    fn of(fake: &Fake) -> Self {
        Self::at(fake)
    }

    fn at(served: &impl Served) -> Self {
        Self { intents: served.intents(), ..Self::default() }
    }

    fn kinds(&self) -> Vec<EntryKind> {
        self.kept.lock().unwrap().iter().map(|draft| draft.kind).collect()
    }

    fn last(&self) -> Draft {
        self.kept.lock().unwrap().last().unwrap().clone()
    }
}

fn durable(draft: Draft, at: World) -> Durable {
    Durable::pretended(Entry { id: EntryId("01".into()), occurred_at: at, observed_at: at, draft })
}

impl Recorder for Pad {
    fn append(&self, draft: Draft, occurred_at: World, _observed_at: World, durability: Durability) -> Receipt {
        assert_eq!(durability, Durability::Now);
        let (tell, receipt) = Receipt::promised();
        if let Some(owed) = &self.owed {
            owed.send((draft, tell)).unwrap();
            return receipt;
        }
        let mut kept = self.kept.lock().unwrap();
        if self.full_from.is_some_and(|from| kept.len() >= from) {
            tell.send(Err(JournalError::Failed("no space left on device".into()))).unwrap();
            return receipt;
        }
        if draft.kind == EntryKind::Intent {
            self.intents.fetch_add(1, Ordering::SeqCst);
        }
        kept.push(draft.clone());
        tell.send(Ok(durable(draft, occurred_at))).unwrap();
        receipt
    }
}

/// An engine whose world runs as fast as it can.
pub(in crate::respond) struct Room {
    engine: Engine,
    clock: Clock,
    world: JoinHandle<()>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.world.abort();
    }
}

async fn run(mut driver: Driver) {
    loop {
        driver.settled().await;
        let to = driver.now() + TimeDelta::seconds(1);
        driver.advance(to);
        tokio::task::yield_now().await;
    }
}

fn room(fake: &Fake) -> Room {
    Room::of(fake)
}

impl Served for Fake {
    fn env(&self) -> EnvId {
        self.environment().name
    }

    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator> {
        let env = self.environment();
        let kubernetes = Kubernetes::new(&env, env.kubernetes.as_ref().unwrap(), clock.clone()).unwrap();
        Box::new(kubernetes.write_limit(Duration::from_millis(200)))
    }

    fn intents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.intents)
    }

    fn writes(&self) -> Vec<usize> {
        self.state().writes().iter().map(|write| write.intents).collect()
    }

    fn holds(&self) -> serde_json::Value {
        self.state().object["spec"].clone()
    }
}

fn ana() -> Actor {
    Actor { kind: ActorKind::Human, name: "ana".into(), known_by: Some("ssh user".into()) }
}

fn scale(to: u32) -> Request {
    Request::Scale { target: payments(), to: Replicas::Exactly(to) }
}

impl Room {
    fn of(served: &impl Served) -> Self {
        Self::under(served, Vec::new())
    }

    fn under(served: &impl Served, policies: Vec<Policy>) -> Self {
        let (clock, driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
        let engine = Engine::of(served.env(), clock.clone(), vec![served.actuator(&clock)]).with_policies(policies);
        Self { engine, clock, world: tokio::spawn(run(driver)) }
    }

    async fn plan(&self, want: &Request) -> Plan {
        self.engine.plan(want, &Cluster::default()).await.unwrap()
    }

    async fn apply(&self, plan: Plan, pad: &Pad) -> Result<Ended, Refusal> {
        self.engine.apply(plan, &ana(), pad, &|_| ()).await
    }
}

#[tokio::test]
async fn a_scale_is_intended_written_watched_and_told() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    let steps = Mutex::new(Vec::new());
    let tell = |progress| {
        let Progress::Under { words } = progress else { panic!("the end is returned") };
        steps.lock().unwrap().push(words.to_string());
    };
    let ended = room.engine.apply(plan.clone(), &ana(), &pad, &tell).await.unwrap();

    let Outcome::Verified { after_seconds, words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "12 of 12 ready");
    assert!(*after_seconds >= 2, "two looks at least");
    assert_eq!(*steps.lock().unwrap(), ["recording the intent", "writing", "9 of 12 ready, 9 of the newest revision"]);
    assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome]);
    let intent = pad.kept.lock().unwrap()[0].clone();
    assert_eq!(intent.body, Some(Body::Intent(Box::new(plan.clone()))));
    assert_eq!((intent.before.as_deref(), intent.after.as_deref()), (Some("6"), Some("12")));
    assert_eq!(intent.evidence[0].query, Some(plan.command.clone()));
    assert_eq!((intent.subject.as_str(), intent.source.as_str()), ("Deployment shop/payments", "prod-eu/kubernetes"));
    let outcome = pad.last();
    assert!(outcome.title.starts_with("scale Deployment payments: replicas 6 → 12, 12 of 12 ready after "));
    assert_eq!(outcome.body, Some(Body::Outcome { plan: plan.id, outcome: ended.outcome }));

    let writes = fake.state().writes();
    assert_eq!((writes.len(), writes[0].intents), (1, 1), "one write, the intent durable before it");
    assert_eq!(
        writes[0].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "uid-1" },
            { "op": "test", "path": "/spec/replicas", "value": 6 },
            { "op": "replace", "path": "/spec/replicas", "value": 12 },
        ])
    );
}

#[tokio::test]
async fn a_journal_that_fails_stops_the_action() {
    let fake = Fake::start().await;
    let room = room(&fake);
    let pad = Pad { full_from: Some(0), ..Pad::of(&fake) };
    let refusal = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap_err();
    assert!(refusal.why.contains("nothing was changed") && refusal.why.contains("no space left"), "{refusal}");
    assert!(fake.state().writes().is_empty());
    assert_eq!(fake.state().replicas(), 6);
}

#[tokio::test]
async fn nothing_is_written_while_the_intent_is_not_durable() {
    let fake = Fake::start().await;
    let room = Arc::new(room(&fake));
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let pad = Pad { owed: Some(owed), ..Pad::of(&fake) };
    let plan = room.plan(&scale(12)).await;
    let hold = room.clock.hold();
    let action = tokio::spawn({
        let (room, plan) = (Arc::clone(&room), plan.clone());
        async move { room.apply(plan, &pad).await }
    });
    let (draft, tell) = owing.recv().await.unwrap();
    assert_eq!(draft.kind, EntryKind::Intent);
    // Other requests come and go in the meantime; the write is not among them.
    room.plan(&scale(8)).await;
    room.plan(&scale(9)).await;
    assert!(fake.state().writes().is_empty());
    let why = room.apply(room.plan(&scale(8)).await, &Pad::of(&fake)).await.unwrap_err().why;
    assert!(why.contains("another action"), "{why}");

    drop(hold);
    tell.send(Ok(durable(draft, room.clock.now()))).unwrap();
    let (draft, tell) = owing.recv().await.unwrap();
    assert_eq!((draft.kind, fake.state().writes().len()), (EntryKind::Outcome, 1));
    assert!(!action.is_finished(), "done is not said before the outcome is durable");
    tell.send(Ok(durable(draft, room.clock.now()))).unwrap();
    assert!(matches!(action.await.unwrap().unwrap().outcome, Outcome::Verified { .. }));
}

#[tokio::test]
async fn a_disk_that_takes_longer_than_the_plan_lives_stops_the_action() {
    let fake = Fake::start().await;
    let (clock, mut driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
    let env = fake.environment();
    let engine = Engine::new(&env, clock.clone()).unwrap();
    let plan = engine.plan(&scale(12), &Cluster::default()).await.unwrap();
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let pad = Pad { owed: Some(owed), ..Pad::of(&fake) };
    let slow_disk = async {
        for _ in 0..2 {
            let (draft, tell) = owing.recv().await.unwrap();
            driver.advance(clock.now() + TimeDelta::seconds(91));
            tell.send(Ok(durable(draft, clock.now()))).unwrap();
        }
    };
    let actor = ana();
    let (ended, ()) = tokio::join!(engine.apply(plan, &actor, &pad, &|_| ()), slow_disk);
    assert!(matches!(ended.unwrap().outcome, Outcome::Refused { why } if why.contains("nothing was written")));
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_is_not_done() {
    let fake = Fake::start().await;
    let room = room(&fake);
    let pad = Pad { full_from: Some(1), ..Pad::of(&fake) };
    let why = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap_err().why;
    assert!(why.contains("ended verified (12 of 12 ready), but that could not be recorded"), "{why}");
}

#[tokio::test]
async fn one_plan_writes_at_most_once_whatever_the_network_does() {
    let faults = [
        (Fault::None, "verified"),
        (Fault::CutBefore, "unknown"),
        (Fault::CutAfter, "verified"),
        (Fault::HangBefore, "unknown"),
        (Fault::HangAfter, "verified"),
        (Fault::Twice, "verified"),
        (Fault::Status(401), "refused"),
        (Fault::Status(403), "refused"),
        (Fault::Status(409), "refused"),
        (Fault::Status(422), "refused"),
        (Fault::Status(429), "refused"),
        (Fault::Status(500), "unknown"),
        (Fault::Status(503), "unknown"),
        (Fault::Status(504), "unknown"),
        (Fault::StatusAfter(503), "verified"),
        (Fault::StatusAfter(504), "verified"),
    ];
    for (fault, expected) in faults {
        let fake = Fake::start().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&scale(12)).await;
        fake.state().fault = fault;
        let ended = room.apply(plan.clone(), &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), expected, "{fault:?}: {:?}", ended.outcome);
        assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome], "{fault:?}");
        let again = room.apply(plan, &pad).await.unwrap_err();
        assert!(again.why.contains("writes once"), "{again}");
        let state = fake.state();
        assert_eq!(state.writes().len(), 1, "{fault:?}");
        assert_eq!(state.writes()[0].intents, 1, "{fault:?}");
        assert_eq!(state.replicas() == 12, expected == "verified", "{fault:?}: success is identity live");
    }
}

#[tokio::test]
async fn a_kill_at_any_step_leaves_an_intent_before_every_write_and_settles_without_one() {
    for to in [15, 2, 0] {
        steps::killed_at_each_step(Fake::start, &scale(to)).await;
        steps::do_and_undo_is_the_identity(Fake::start, &scale(to)).await;
    }
}

#[tokio::test]
async fn an_open_intent_is_settled_by_what_is_there() {
    type Case = (fn(&Fake), &'static str, &'static str);
    let cases: [Case; 4] = [
        (|_| (), "unknown", "the program ended between the intent and its outcome; replicas is 6"),
        (|fake| fake.state().set_by("warroom", 12), "verified", "12 of 12 ready"),
        (
            |fake| fake.state().set_by("kubectl", 9),
            "overridden",
            "replicas is 9, set by kubectl at 2026-11-21T03:24:00Z",
        ),
        (
            |fake| fake.state().object["metadata"]["uid"] = json!("uid-2"),
            "failed",
            "Deployment shop/payments in prod-eu was replaced by another object of its name",
        ),
    ];
    for (meanwhile, outcome, words) in cases {
        let fake = Fake::start().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&scale(12)).await;
        meanwhile(&fake);
        let ended = room.engine.settle(plan.clone(), &ana(), &pad).await.unwrap();
        assert_eq!((ended.outcome.as_str(), ended.outcome.words().as_str()), (outcome, words));
        assert_eq!(pad.kinds(), [EntryKind::Outcome]);
        assert!(fake.state().writes().is_empty());
        let again = room.engine.settle(plan, &ana(), &pad).await.unwrap_err();
        assert!(again.why.contains("writes once"), "settled once: {again}");
    }
}

#[tokio::test]
async fn do_and_undo_is_the_identity() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let before = fake.state().object["spec"].clone();
    let done = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap();
    assert_ne!(fake.state().object["spec"], before);

    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!((undo.title.as_str(), undo.tier), ("scale Deployment payments back", crate::model::plan::Tier::Lowers));
    let undone = room.apply(undo, &pad).await.unwrap();
    assert_eq!(undone.outcome.as_str(), "verified");
    assert_eq!(fake.state().object["spec"], before);
    let again = room.engine.plan(&Request::Undo { plan: Box::new(undone.plan) }, &Cluster::default()).await.unwrap();
    assert_eq!(&*again.changes[0].after, "12", "undoing the undo does it again");
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    // Between the plan and the confirmation.
    let plan = room.plan(&scale(12)).await;
    fake.state().set_by("kubectl", 9);
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*why, "nothing was changed: replicas went from 6 to 9 since the plan was made; look again");
    assert_eq!(fake.state().replicas(), 9);

    // Between the action and its undo.
    let done = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified");
    let undo = Request::Undo { plan: Box::new(done.plan) };
    for replicas in [7, 12] {
        fake.state().set_by("kube-controller-manager", replicas);
        let refusal = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err();
        assert!(refusal.why.contains("set by kube-controller-manager"), "{refusal}");
    }
    assert_eq!(fake.state().writes().len(), 2);
    assert_eq!(fake.state().replicas(), 12);
}

#[tokio::test]
async fn another_object_of_the_name_is_neither_written_nor_a_success() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    fake.state().object["metadata"]["uid"] = json!("uid-2");
    let ended = room.apply(plan, &pad).await.unwrap();
    assert!(
        matches!(&ended.outcome, Outcome::Refused { why } if why.contains("another object")),
        "{:?}",
        ended.outcome
    );
    assert_eq!(fake.state().replicas(), 6);

    fake.state().object["metadata"]["uid"] = json!("uid-1");
    let plan = room.plan(&scale(12)).await;
    fake.state().then = Some(|object| object["metadata"]["uid"] = json!("uid-3"));
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "failed", "12 of 12 are ready, but of another object");
}

#[tokio::test]
async fn stable_is_not_ours() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    for (replicas, then) in [
        (4, (|object| set_by(object, "horizontal-pod-autoscaler", 4)) as fn(&mut serde_json::Value)),
        (6, |object| set_by(object, "horizontal-pod-autoscaler", 6)),
    ] {
        fake.state().set_by("kubectl", 6);
        let plan = room.plan(&scale(12)).await;
        fake.state().then = Some(then);
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Overridden { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert_eq!(
            words.as_str(),
            format!("replicas is {replicas}, set by horizontal-pod-autoscaler at 2026-11-21T03:24:00Z")
        );
    }
}

#[tokio::test]
async fn what_does_not_come_up_times_out_and_says_what_waits() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    {
        let mut state = fake.state();
        state.follows = false;
        let unschedulable =
            json!([{ "type": "PodScheduled", "status": "False", "message": "0/5 nodes are available" }]);
        state.pods = vec![
            json!({ "metadata": { "name": "a" }, "status": { "phase": "Pending", "conditions": unschedulable } }),
            json!({ "metadata": { "name": "b" }, "status": { "phase": "Running" } }),
        ];
    }
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "6 of 12 ready, 1 pending: 0/5 nodes are available");
    assert!(pad.last().title.contains("timed out, 6 of 12 ready"));
}

#[tokio::test]
async fn a_status_that_tells_of_the_spec_before_ours_is_not_believed() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    {
        let mut state = fake.state();
        state.follows = false;
        for count in ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"] {
            state.object["status"][count] = json!(12);
        }
    }
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "timed out", "the controller never observed the write");
}

#[tokio::test]
async fn a_plan_from_zero_tests_for_the_zero_that_the_server_leaves_out() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    fake.state().set_by("kubectl", 0);
    let plan = room.plan(&scale(3)).await;
    assert!(plan.undo.as_ref().unwrap().contains("a second person has to consent"));
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "verified");
    assert_eq!(fake.state().writes()[0].body[1], json!({ "op": "test", "path": "/spec/replicas", "value": null }));
}

#[tokio::test]
async fn a_plan_that_is_old_blocked_or_of_another_environment_is_not_applied() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    drop(room.clock.due(plan.expires_at + TimeDelta::seconds(1)).await);
    assert!(room.apply(plan.clone(), &pad).await.unwrap_err().why.contains("refresh the plan"));

    let mut future = room.plan(&scale(12)).await;
    future.read_at += TimeDelta::hours(1);
    future.expires_at += TimeDelta::hours(1);
    assert!(room.apply(future, &pad).await.unwrap_err().why.contains("clock went back"));

    let mut elsewhere = room.plan(&scale(12)).await;
    elsewhere.target.origin.env = "staging".into();
    assert!(room.apply(elsewhere, &pad).await.unwrap_err().why.contains("this session acts on prod-eu"));

    let mut grave = room.plan(&scale(12)).await;
    grave.tier = crate::model::plan::Tier::Grave;
    assert!(room.apply(grave, &pad).await.unwrap_err().why.contains("second person"));
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());
}

#[tokio::test]
async fn a_refreshed_plan_says_what_moved_under_it() {
    let fake = Fake::start().await;
    let room = room(&fake);
    let want = Request::Scale { target: payments(), to: Replicas::By(6) };
    let old = room.plan(&want).await;
    assert_eq!(Engine::voided(&old, &room.plan(&want).await), None);
    fake.state().set_by("kubectl", 9);
    let why = Engine::voided(&old, &room.plan(&want).await).unwrap();
    assert_eq!(why, "it changed meanwhile: replicas 6 → 12 is replicas 9 → 15 now");
}
