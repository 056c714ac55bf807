//! The promises of the gateway, for replicas: what is written, and when it is said to be live.

use std::sync::Mutex;

use super::*;
use crate::respond::kubernetes::fake::State;

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
    assert!(after_seconds.is_some_and(|seconds| seconds >= 2), "two looks at least");
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
    fake.state().then = Some(|state| state.object["metadata"]["uid"] = json!("uid-3"));
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "failed", "12 of 12 are ready, but of another object");
}

#[tokio::test]
async fn stable_is_not_ours() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    for (replicas, then) in [
        (4, (|state| state.set_by("horizontal-pod-autoscaler", 4)) as fn(&mut State)),
        (6, |state| state.set_by("horizontal-pod-autoscaler", 6)),
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
