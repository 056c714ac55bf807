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
