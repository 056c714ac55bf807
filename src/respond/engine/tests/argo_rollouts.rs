//! The promises of the gateway for Argo Rollouts whose pods are made anew, or whose template stands
//! in a Deployment.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::model::plan::Revision;
use crate::respond::kubernetes::fake::State;
use crate::respond::kubernetes::fake::argo::{
    PODS, REFERENCED, ROLLOUT, SETS, checkout, stage_pods, stage_reference, stage_rollout, template,
};

async fn staged() -> Fake {
    let fake = Fake::start().await;
    stage_rollout(&mut fake.state());
    stage_pods(&mut fake.state());
    fake
}

async fn referring() -> Fake {
    let fake = staged().await;
    stage_reference(&mut fake.state());
    fake
}

fn restart() -> Request {
    Request::Restart { target: checkout() }
}

fn back() -> Request {
    Request::RollBack { target: checkout(), to: Revision::Previous }
}

fn spec(fake: &Fake, path: &str) -> Value {
    fake.state().argo[path]["spec"].clone()
}

#[tokio::test]
async fn a_restart_is_written_once_and_done_when_no_pod_is_older() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&restart()).await;
    let ended = room.apply(plan.clone(), &pad).await.unwrap();
    let Outcome::Verified { after_seconds, words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!((words.as_str(), *after_seconds > Some(0)), ("8 of 8 pods are new, 8 of 8 ready", true));
    let at = fake.state().argo[ROLLOUT]["spec"]["restartAt"].clone();
    let writes = fake.state().writes();
    assert_eq!((writes.len(), writes[0].intents), (1, 1));
    assert_eq!(
        writes[0].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "uid-r" },
            { "op": "test", "path": "/spec/restartAt", "value": null },
            { "op": "add", "path": "/spec/restartAt", "value": at },
        ])
    );
    // Those of others are none of it.
    let pods = fake.state().argo[PODS]["items"].clone();
    assert_eq!(pods[8]["metadata"]["creationTimestamp"], "2026-11-10T00:00:00Z");
    let undo = Request::Undo { plan: Box::new(ended.plan) };
    let why = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err().why;
    assert!(why.contains("cannot be undone: the old pods are gone"), "{why}");
}

#[tokio::test]
async fn a_restart_that_a_budget_holds_up_is_not_done() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&restart()).await;
    fake.state().follows = false;
    fake.state().argo.get_mut(ROLLOUT).unwrap()["status"]["observedGeneration"] = json!("8");
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*words, "0 of 8 pods are new, 8 of 8 ready");
}

#[tokio::test]
async fn a_template_in_a_deployment_goes_back_there_and_forward_again() {
    let fake = referring().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let (before, rollout) = (spec(&fake, REFERENCED), spec(&fake, ROLLOUT));
    let done = room.apply(room.plan(&back()).await, &pad).await.unwrap();
    assert_eq!(done.outcome.words().as_str(), "8 of 8 ready", "{:?}", done.outcome);
    let writes = fake.state().writes();
    assert_eq!((writes.len(), writes[0].intents), (1, 1));
    assert!(writes[0].path.starts_with(REFERENCED), "{}", writes[0].path);
    assert_eq!(
        writes[0].body,
        json!([
            { "op": "test", "path": "/metadata/uid", "value": "uid-d" },
            { "op": "test", "path": "/spec/replicas", "value": 0 },
            { "op": "test", "path": "/spec/template", "value": template("2.9.0") },
            { "op": "replace", "path": "/spec/template", "value": template("2.8.0") },
        ])
    );
    assert_eq!(spec(&fake, ROLLOUT), rollout, "the Rollout itself is left alone");

    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!(undo.title, "undo the rollback of Rollout checkout");
    // The canary waits at its pause again, and that is not the end of a rollout.
    let undone = room.apply(undo, &pad).await.unwrap();
    assert_eq!((undone.outcome.as_str(), spec(&fake, REFERENCED)), ("timed out", before));
}

#[tokio::test]
async fn a_kill_at_any_step_is_settled_by_what_is_there() {
    for (start, want, path) in [(false, restart(), ROLLOUT), (true, back(), REFERENCED)] {
        for steps in 1..=3 {
            let fake = if start { referring().await } else { staged().await };
            let before = spec(&fake, path);
            let (first, pad) = (room(&fake), Pad::of(&fake));
            let plan = first.plan(&want).await;
            let told = Arc::new(tokio::sync::Semaphore::new(0));
            {
                let tell = |_| told.add_permits(1);
                let killed = async { drop(told.acquire_many(steps).await.unwrap()) };
                let actor = ana();
                let action = first.engine.apply(plan.clone(), &actor, &pad, &tell);
                tokio::select! { biased; () = killed => {}, _ = action => {} }
            }
            let writes = fake.state().writes();
            assert!(writes.len() <= 1 && writes.iter().all(|write| write.intents == 1), "{} {steps}", plan.title);
            if pad.kinds() != [EntryKind::Intent] {
                continue;
            }
            let written = !writes.is_empty();
            let ended = room(&fake).settle(plan.clone(), &pad).await.unwrap();
            match ended.outcome.as_str() {
                "verified" => assert_ne!(spec(&fake, path), before, "{} {steps}", plan.title),
                other => assert_eq!((other, written), ("unknown", false), "{} {steps}", plan.title),
            }
            assert!(fake.state().writes().len() <= 1, "settling writes nothing");
        }
    }
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    for (start, want, path) in [(false, restart(), ROLLOUT), (true, back(), REFERENCED)] {
        let fake = if start { referring().await } else { staged().await };
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&want).await;
        {
            let mut state = fake.state();
            state.follows = false;
            let spec = &mut state.argo.get_mut(path).unwrap()["spec"];
            spec["restartAt"] = json!("2026-11-20T00:00:00Z");
            spec["template"] = template("2.9.1");
        }
        let theirs = spec(&fake, path);
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert!(why.contains("was changed since the plan was made"), "{why}");
        assert_eq!(spec(&fake, path), theirs);
    }
}

/// Argo Rollouts has so many pods of 2.7.4, 2.8.0 and 2.9.0, and does nothing more.
fn stand(fake: &Fake, strategy: &Value, pods: [u32; 3], stable: &str) {
    let mut state = fake.state();
    for (at, count) in pods.into_iter().enumerate() {
        state.argo.get_mut(SETS).unwrap()["items"][at]["status"] =
            json!({ "replicas": count, "readyReplicas": count, "availableReplicas": count });
    }
    let all: u32 = pods.into_iter().sum();
    let rollout = state.argo.get_mut(ROLLOUT).unwrap();
    rollout["spec"]["strategy"] = strategy.clone();
    rollout["status"]["stableRS"] = json!(stable);
    for count in ["replicas", "readyReplicas", "availableReplicas"] {
        rollout["status"][count] = json!(all);
    }
    state.follows = false;
    // It has seen what is written.
    state.then = Some(|state| state.argo.get_mut(ROLLOUT).unwrap()["status"]["observedGeneration"] = json!("8"));
}

#[tokio::test]
async fn a_scale_is_told_by_the_versions_that_count_and_not_by_all_pods_there_are() {
    let canary = json!({ "canary": { "steps": [{ "setWeight": 50 }, { "pause": {} }] } });
    let colors = json!({ "blueGreen": { "activeService": "checkout" } });
    for (strategy, pods, stable, expected) in [
        // Half of nine is five, of each.
        (&canary, [0, 5, 5], "h4", "verified"),
        (&canary, [0, 5, 3], "h4", "timed out"),
        // Those of before a promotion stay for a while.
        (&colors, [0, 8, 9], "h5", "verified"),
        (&colors, [0, 9, 9], "h4", "verified"),
        (&colors, [0, 8, 9], "h4", "timed out"),
    ] {
        let fake = staged().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&Request::Scale { target: checkout(), to: Replicas::Exactly(9) }).await;
        stand(&fake, strategy, pods, stable);
        let ended = room.apply(plan, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), expected, "{pods:?} {stable}: {:?}", ended.outcome);
    }
}

/// What becomes of a Rollout between plan and write, or between write and look, and what is said then.
type Strayed = (fn(&mut State), &'static str);
const STRAYS: [Strayed; 3] = [
    (|state| state.argo.get_mut(ROLLOUT).unwrap()["metadata"]["uid"] = json!("uid-other"), "was replaced by another"),
    (
        |state| state.argo.get_mut(ROLLOUT).unwrap()["spec"]["workloadRef"]["name"] = json!("checkout-next"),
        "does not take its template from Deployment shop/checkout-base in prod-eu any more",
    ),
    (|state| drop(state.argo.remove(ROLLOUT)), "was deleted"),
];

#[tokio::test]
async fn a_template_in_a_deployment_is_not_written_for_a_rollout_that_does_not_take_it_from_there() {
    for (stray, told) in STRAYS {
        let fake = referring().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back()).await;
        assert_eq!(plan.affects[0].uid, Some("uid-r".into()), "the Rollout by its UID, whoever asked for it by name");
        stray(&mut fake.state());
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{told}: {:?}", ended.outcome) };
        assert!(why.starts_with("nothing was changed: ") && why.contains(told), "{why}");
        assert!(fake.state().writes().is_empty(), "{told}");
    }
}

#[tokio::test]
async fn a_rollout_that_goes_elsewhere_after_the_write_is_not_told_as_rolled_back() {
    for (stray, told) in STRAYS {
        let fake = referring().await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&back()).await;
        fake.state().then = Some(stray);
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Failed { why } = &ended.outcome else { panic!("{told}: {:?}", ended.outcome) };
        assert!(why.contains(told), "{why}");
        assert_eq!(fake.state().writes().len(), 1);
    }
}

#[tokio::test]
async fn a_restart_that_a_new_template_ends_is_not_done() {
    let fake = staged().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&restart()).await;
    fake.state().follows = false;
    fake.state().then = Some(|state| {
        let rollout = state.argo.get_mut(ROLLOUT).unwrap();
        rollout["status"]["observedGeneration"] = json!("8");
        rollout["status"]["restartedAt"] = rollout["spec"]["restartAt"].clone();
    });
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::Failed { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert_eq!(*why, "0 of 8 pods are new, 8 of 8 ready; Argo Rollouts ended the restart before the others were");
}
