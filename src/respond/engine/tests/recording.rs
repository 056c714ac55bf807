//! The record first: nothing is written before the intent is durable, nothing is said to be done
//! before the outcome is, and what a process left open is settled by the next.

use std::sync::Arc;

use super::*;
use crate::respond::pad::durable;

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
async fn an_outcome_that_cannot_be_recorded_is_not_done() {
    let fake = Fake::start().await;
    let room = room(&fake);
    let pad = Pad { full_from: Some(1), ..Pad::of(&fake) };
    let why = room.apply(room.plan(&scale(12)).await, &pad).await.unwrap_err().why;
    assert!(why.contains("ended verified (12 of 12 ready), but that could not be recorded"), "{why}");
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
        let ended = room.settle(plan.clone(), &pad).await.unwrap();
        assert_eq!((ended.outcome.as_str(), ended.outcome.words().as_str()), (outcome, words));
        assert_eq!(pad.kinds(), [EntryKind::Outcome]);
        assert!(fake.state().writes().is_empty());
        let again = room.settle(plan, &pad).await.unwrap_err();
        assert!(again.why.contains("writes once"), "settled once: {again}");
    }
}

/// Its section was taken out of the configuration after the process died.
#[tokio::test]
async fn what_no_system_of_the_configuration_serves_any_more_is_unknown_and_says_what_to_do() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    let without = Engine::of(fake.env(), room.clock.clone(), Vec::new());
    let ended = without.settle(left(plan.clone(), false), &ana(), &pad).await.unwrap();
    let Outcome::Unknown { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    for part in ["cannot be read any more", "serves a Deployment", "shop/payments", "by other means", "`:note`"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(pad.kinds(), [EntryKind::Outcome], "it is on the record");

    let elsewhere = Engine::of("prod-us".into(), room.clock.clone(), Vec::new());
    let why = elsewhere.settle(left(plan, false), &ana(), &pad).await.unwrap_err().why;
    assert!(why.contains("this session acts on prod-us"), "{why}");
    assert_eq!(pad.kinds().len(), 1, "another session's to tell");
}

/// A file that is begun for the outcome.
struct Beside {
    pad: Pad,
    begun: std::sync::atomic::AtomicUsize,
    room: bool,
}

impl Recorder for Beside {
    fn ready(&self) -> futures::future::BoxFuture<'_, Result<(), Refusal>> {
        self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let ready = if self.room { Ok(()) } else { Err(guard::refusal("the disk is full")) };
        Box::pin(std::future::ready(ready))
    }

    fn append(
        &self,
        draft: crate::model::entry::Draft,
        at: World,
        observed: World,
        how: Durability,
    ) -> crate::record::Receipt {
        self.pad.append(draft, at, observed, how)
    }
}

#[tokio::test]
async fn a_file_for_an_outcome_is_begun_when_there_is_one_and_not_while_another_action_goes_on_there() {
    let fake = Fake::start().await;
    let room = room(&fake);
    let beside = |room| Beside { pad: Pad::of(&fake), begun: Default::default(), room };
    let begun = |beside: &Beside| beside.begun.load(std::sync::atomic::Ordering::SeqCst);
    let plan = room.plan(&scale(12)).await;
    let busy = room.engine.places.enter(&plan, &plan.target.origin.env).unwrap();
    let full = beside(false);
    let (waiting, ()) = futures::join!(room.settle(plan.clone(), &full), async {
        tokio::task::yield_now().await;
        assert_eq!((begun(&full), full.pad.kinds().len()), (0, 0));
        drop(busy);
    });
    let why = waiting.unwrap_err().why;
    assert!(why.contains("ended unknown (") && why.contains("could not be recorded (the disk is full)"), "{why}");
    assert_eq!((begun(&full), full.pad.kinds().len()), (1, 0));

    // There is room again.
    let told = beside(true);
    room.settle(plan, &told).await.unwrap();
    assert_eq!((begun(&told), told.pad.kinds()), (1, vec![EntryKind::Outcome]));
}

#[tokio::test]
async fn each_of_two_open_intents_on_one_target_is_settled() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let (first, second) = (room.plan(&scale(9)).await, room.plan(&scale(12)).await);
    fake.state().set_by("warroom", 12);
    let (one, two) = futures::join!(room.settle(first, &pad), room.settle(second, &pad));
    assert_eq!((one.unwrap().outcome.as_str(), two.unwrap().outcome.as_str()), ("overridden", "verified"));
    assert_eq!(pad.kinds(), [EntryKind::Outcome, EntryKind::Outcome]);
}

#[tokio::test]
async fn what_cannot_be_read_for_as_long_as_its_plan_is_patient_stays_open_and_may_be_read_later() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    fake.state().set_by("warroom", 12);
    fake.state().forbidden = vec!["/apis/apps/v1/namespaces/shop/deployments/payments"];
    let why = room.settle(plan.clone(), &pad).await.unwrap_err().why;
    for part in ["what became of it could not be read", "between the intent"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert_eq!(pad.kinds(), [], "nobody knows how it ended");
    fake.state().forbidden.clear();
    let ended = room.settle(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Verified { after_seconds: None, words: "12 of 12 ready".into() });
    let title = pad.last().title;
    assert!(title.ends_with("replicas 6 → 12, 12 of 12 ready, as a later look found"), "{title}");
}

#[tokio::test]
async fn a_person_who_wants_it_over_waits_half_a_minute_for_what_cannot_be_read_and_it_is_unknown_then() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    fake.state().forbidden = vec!["/apis/apps/v1/namespaces/shop/deployments/payments"];
    let before = room.clock.now();
    let ended = room.engine.settle(left(plan, true), &ana(), &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "unknown", "{:?}", ended.outcome);
    assert!((30..40).contains(&(room.clock.now() - before).num_seconds()));
    assert_eq!(pad.kinds(), [EntryKind::Outcome]);
}
