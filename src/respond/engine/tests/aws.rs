//! What the promises of the gateway come to for AWS, where no system checks a precondition for us.

use super::*;
use crate::model::plan::Revision;
use crate::respond::aws::fake::{self, payments};

#[tokio::test]
async fn stable_again_after_the_circuit_breaker_is_not_ours() {
    let fake = fake::Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&Request::RollBack { target: payments(), to: Revision::Named("payments:40".into()) }).await;
    fake.state().then = Some(|state| {
        state.ecs.rollouts.last_mut().unwrap()["status"] = json!("ROLLBACK_SUCCESSFUL");
        state.ecs.service["taskDefinition"] = json!(fake::task(42));
    });
    let ended = room.apply(plan, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "overridden", "6 of 6 run, but of payments:42: {:?}", ended.outcome);
}

#[tokio::test]
async fn another_service_of_the_name_is_neither_written_nor_a_success() {
    let fake = fake::Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let want = Request::Scale { target: payments(), to: Replicas::Exactly(12) };
    let plan = room.plan(&want).await;
    fake.state().ecs.service["createdAt"] = json!(1_790_000_777.0);
    let ended = room.apply(plan, &pad).await.unwrap();
    assert!(matches!(&ended.outcome, Outcome::Refused { why } if why.contains("another object")), "{ended:?}");
    assert!(fake.state().writes().is_empty());
    let plan = room.plan(&want).await;
    fake.state().then = Some(|state| state.ecs.service["createdAt"] = json!(1_790_000_778.0));
    assert_eq!(room.apply(plan, &pad).await.unwrap().outcome.as_str(), "failed");
}

#[tokio::test]
async fn tasks_that_cannot_be_placed_time_out_and_say_why() {
    let fake = fake::Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&Request::Scale { target: payments(), to: Replicas::Exactly(12) }).await;
    {
        let mut state = fake.state();
        state.ecs.follows = false;
        let message =
            "(service payments) was unable to place a task because no container instance met all of its needs.";
        state.ecs.service["events"] = json!([{ "message": message }]);
    }
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::TimedOut { words } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(words.starts_with("6 of 12 running, 0 pending; (service payments) was unable to place"), "{words}");
}
