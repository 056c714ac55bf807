//! What takes an action back while that is under way: nobody waits for an outcome that may take an
//! hour, and of the two only one is told to have worked out.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::*;
use crate::model::name::{Kind, Target};
use crate::model::plan::Revision;
use crate::respond::kubernetes::fake::State;
use crate::respond::kubernetes::fake::argo::{ROLLOUT, checkout, stage_rollout};
use crate::respond::kubernetes::fake::rollout::{stage, target};
use crate::respond::kubernetes::fake::scalers::hpa;

/// Applies `plan`, and while it is under way with these words what `next` wants of it.
async fn beside(
    room: &Room,
    pad: &Pad,
    plan: Plan,
    words: &str,
    next: impl Fn(&Plan) -> Request,
) -> (Outcome, Result<Ended, Refusal>) {
    let (under, second) = (Semaphore::new(0), plan.clone());
    let tell = |progress| {
        if let Progress::Under { words: said } = progress
            && said.contains(words)
        {
            under.add_permits(1);
        }
    };
    let first = async { room.engine.apply(plan, &ana(), pad, &tell).await.unwrap().outcome };
    let second = async {
        under.acquire().await.unwrap().forget();
        // Its patience does not run out while the next one is planned.
        let hold = room.clock.hold();
        let next = room.plan(&next(&second)).await;
        drop(hold);
        room.let_apply(next, pad).await
    };
    futures::join!(first, second)
}

/// A canary that waits at its pause, and then for nobody.
fn pauses(state: &mut State) {
    state.follows = false;
    let rollout = state.argo.get_mut(ROLLOUT).unwrap();
    rollout["status"]["observedGeneration"] = json!("8");
    rollout["status"]["currentPodHash"] = json!("h3");
}

#[tokio::test]
async fn a_rollout_that_waits_at_a_pause_can_be_aborted_and_is_no_success_then() {
    let fake = Fake::start().await;
    stage_rollout(&mut fake.state());
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&Request::RollBack { target: checkout(), to: Revision::Named("3".into()) }).await;
    fake.state().then = Some(pauses);
    let abort = |_: &Plan| {
        fake.state().then = Some(|state| state.follows = true);
        Request::Abort { target: checkout() }
    };
    let (first, second) = beside(&room, &pad, plan, "Paused: CanaryPauseStep", abort).await;
    assert_eq!(second.unwrap().outcome.as_str(), "verified");
    assert!(matches!(&first, Outcome::Failed { why } if why.contains("RolloutAborted")), "{first:?}");
    assert_eq!(pad.kinds().iter().filter(|kind| **kind == EntryKind::Outcome).count(), 2);
}

#[tokio::test]
async fn a_scale_that_hangs_is_undone_at_once_and_ends_as_undone() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    fake.state().then = Some(|state| state.follows = false);
    let back = |plan: &Plan| {
        fake.state().then = Some(|state| state.follows = true);
        undo(plan.clone())
    };
    let (first, second) = beside(&room, &pad, plan, "6 of 12 ready", back).await;
    assert_eq!(second.unwrap().outcome.as_str(), "verified");
    let Outcome::Overridden { words } = first else { panic!("{first:?}") };
    assert_eq!(words, "undone meanwhile by `scale Deployment payments back`: replicas is 6");
    assert_eq!(fake.state().replicas(), 6);
}

#[tokio::test]
async fn anything_else_waits_and_so_does_an_undo_of_what_may_not_be_written_yet() {
    let fake = Fake::start().await;
    let (room, pad) = (Arc::new(room(&fake)), Pad::of(&fake));
    let plan = room.plan(&scale(12)).await;
    fake.state().then = Some(|state| state.follows = false);
    let (first, second) = beside(&room, &pad, plan.clone(), "6 of 12 ready", |_| scale(9)).await;
    assert!(second.unwrap_err().why.contains("another action on Deployment shop/payments in prod-eu is under way"));
    assert_eq!(first.as_str(), "timed out");

    // Its intent is on its way to the disk.
    let back = room.plan(&undo(plan)).await;
    let up = room.plan(&scale(15)).await;
    let of_up = Plan { request: undo(up.clone()), ..back };
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let slow = Pad { owed: Some(owed), ..Pad::of(&fake) };
    let action = tokio::spawn({
        let room = Arc::clone(&room);
        async move { room.apply(up, &slow).await }
    });
    let first = owing.recv().await.unwrap();
    let why = room.let_apply(of_up, &pad).await.unwrap_err().why;
    assert!(why.contains("another action on Deployment shop/payments in prod-eu is under way"), "{why}");
    action.abort();
    drop(first);
}

#[tokio::test]
async fn no_action_is_waited_for_longer_than_an_hour_whatever_its_object_says() {
    // What Kubernetes takes for no deadline at all.
    let never = json!(i32::MAX);
    let (fake, rollouts) = (Fake::start().await, Fake::start().await);
    stage(&mut fake.state(), Kind::Deployment);
    fake.state().object["spec"]["progressDeadlineSeconds"] = never.clone();
    stage_rollout(&mut rollouts.state());
    rollouts.state().argo.get_mut(ROLLOUT).unwrap()["spec"]["progressDeadlineSeconds"] = never;
    let waits = async |fake: &Fake, want: Request| {
        let plan = room(fake).plan(&want).await;
        assert_eq!(plan.patience_seconds, 3600, "{}", plan.title);
    };
    waits(&fake, scale(12)).await;
    waits(&fake, Request::RollBack { target: target(Kind::Deployment), to: Revision::Previous }).await;
    waits(&fake, Request::Restart { target: target(Kind::Deployment) }).await;
    waits(&rollouts, Request::RollBack { target: checkout(), to: Revision::Previous }).await;
    waits(&rollouts, Request::Restart { target: checkout() }).await;
    waits(&rollouts, Request::Abort { target: checkout() }).await;
    fake.state().autoscalers = json!([hpa(2, 8)]);
    let target = Target { kind: Kind::HorizontalPodAutoscaler, uid: None, ..payments() };
    waits(&fake, Request::Bound { target, floor: Some(7), cap: None }).await;
}
