//! What a plan rests on beside what it writes, and what else its action keeps busy.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::model::name::Kind;
use crate::model::plan::Share;
use crate::respond::aws::fake as aws_fake;
use crate::respond::aws::fake::{LISTENER, RULE};
use crate::respond::kubernetes::fake::mesh::{self, divert, path};
use crate::respond::kubernetes::fake::scalers::hpa;

/// Three destinations, of which one keeps its weight.
async fn three(kind: Kind) -> Fake {
    let fake = Fake::start().await;
    mesh::put(&mut fake.state());
    let route = |name: &str, weight: u32| match kind {
        Kind::VirtualService => json!({ "destination": { "host": name }, "weight": weight }),
        _ => json!({ "name": name, "port": 80, "weight": weight }),
    };
    let list = json!([route("partner-a", 60), route("partner-b", 30), route("partner-c", 10)]);
    let pointer = if kind == Kind::VirtualService { "/spec/http/0/route" } else { "/spec/rules/0/backendRefs" };
    *fake.state().objects.at(path(kind)).pointer_mut(pointer).unwrap() = list;
    fake
}

fn two_of_three(kind: Kind) -> Request {
    divert(kind, &[("partner-a", 30), ("partner-b", 60)])
}

/// How somebody else moves what the plan shows and does not write.
type Edit = (Kind, fn(&mut Value), &'static str);

const EDITS: [Edit; 6] = [
    (Kind::VirtualService, |it| it["spec"]["http"][0]["route"][2]["weight"] = json!(100), "its destinations changed"),
    (
        Kind::VirtualService,
        |it| {
            let more = json!({ "destination": { "host": "partner-d" }, "weight": 900 });
            it["spec"]["http"][0]["route"].as_array_mut().unwrap().push(more);
        },
        "its destinations changed",
    ),
    (
        Kind::VirtualService,
        |it| {
            let mut other = it["spec"]["http"][0].clone();
            other["match"] = json!([{ "uri": { "prefix": "/beta" } }]);
            it["spec"]["http"].as_array_mut().unwrap().insert(0, other);
        },
        "what its route is for changed",
    ),
    (Kind::HttpRoute, |it| it["spec"]["rules"][0]["backendRefs"][2]["weight"] = json!(100), "its destinations changed"),
    (
        Kind::HttpRoute,
        |it| it["spec"]["rules"][0]["matches"] = json!([{ "method": "POST" }]),
        "what its route is for changed",
    ),
    (Kind::HttpRoute, |it| it["spec"]["rules"][0]["name"] = json!("beta"), "what its route is for changed"),
];

#[tokio::test]
async fn shares_are_not_written_where_they_would_come_to_others_than_were_shown() {
    for (kind, edit, words) in EDITS {
        let fake = three(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let plan = room.plan(&two_of_three(kind)).await;
        assert_eq!(plan.changes.len(), 2, "the third keeps its weight");
        edit(fake.state().objects.at(path(kind)));
        let theirs = fake.state().objects.at(path(kind))["spec"].clone();
        let again = room.engine.plan(&two_of_three(kind), &Cluster::default()).await;
        if let Ok(again) = again {
            assert!(Engine::voided(&plan, &again).is_some(), "{words}: read again it is another plan");
        }
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{words}: {:?}", ended.outcome) };
        assert!(why.contains(words), "{why}");
        assert_eq!(fake.state().objects.at(path(kind))["spec"], theirs);
    }
}

#[tokio::test]
async fn an_undo_is_of_the_route_that_was_written_and_of_no_other_in_its_place() {
    for (kind, edit, words) in EDITS {
        let fake = three(kind).await;
        let (room, pad) = (room(&fake), Pad::of(&fake));
        let done = room.apply(room.plan(&two_of_three(kind)).await, &pad).await.unwrap();
        assert_eq!(done.outcome.as_str(), "verified");
        edit(fake.state().objects.at(path(kind)));
        let undo = Request::Undo { plan: Box::new(done.plan) };
        let why = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err().why;
        assert!(why.contains(&format!("{words} since")), "{why}");
    }
}

#[tokio::test]
async fn a_switch_is_not_written_into_another_selector_than_pods_were_counted_by() {
    let fake = Fake::start().await;
    mesh::put(&mut fake.state());
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let wish = mesh::wish(Kind::Service);
    let edit = |app: &str| fake.state().objects.at(path(Kind::Service))["spec"]["selector"]["app"] = json!(app);
    let plan = room.plan(&wish).await;
    edit("checkout-next");
    let ended = room.apply(plan, &pad).await.unwrap();
    let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
    assert!(why.contains("its selector changed since the plan was made"), "{why}");
    assert_eq!(fake.state().objects.at(path(Kind::Service))["spec"]["selector"]["color"], "blue");

    edit("checkout");
    let done = room.apply(room.plan(&wish).await, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
    edit("checkout-next");
    let why = room.try_plan(&undo(done.plan)).await.unwrap_err().why;
    assert!(why.contains("its selector changed since"), "{why}");
}

fn aws_room(fake: &aws_fake::Fake) -> Room {
    let (clock, driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
    let env = fake.environment();
    let aws = crate::respond::aws::Aws::new(&env, env.aws.as_ref().unwrap(), clock.clone());
    Room { engine: Engine::of(env.name, clock.clone(), vec![Box::new(aws)]), clock, world: tokio::spawn(run(driver)) }
}

#[tokio::test]
async fn actions_that_were_not_shown_are_not_written_over() {
    const REDIRECT: &str = "<member><Type>redirect</Type><Order>1</Order></member>";
    for (kind, arn) in [(Kind::ListenerRule, RULE), (Kind::Listener, LISTENER)] {
        let fake = aws_fake::Fake::start().await;
        let room = aws_room(&fake);
        let shares = vec![Share { destination: "green".into(), weight: 40 }];
        let plan = room.plan(&Request::Divert { target: aws_fake::target(kind, "", arn), shares }).await;
        fake.state().traffic.before = REDIRECT;
        let ended = room.apply(plan, &Pad::default()).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{:?}", ended.outcome) };
        assert!(why.contains("are others than were shown"), "{why}");
        assert!(fake.state().writes().is_empty());
    }
}

#[tokio::test]
async fn a_reading_of_before_the_write_is_not_taken_for_somebody_elses_change() {
    let fake = aws_fake::Fake::start().await;
    let room = aws_room(&fake);
    let want = Request::Scale { target: aws_fake::payments(), to: Replicas::Exactly(12) };
    let plan = room.plan(&want).await;
    // The read after the write is served by what has not heard of it.
    fake.state().then = Some(|state| state.ecs.service["desiredCount"] = json!(6));
    let told = Mutex::new(Vec::new());
    let tell = |progress| {
        if let Progress::Under { words } = progress {
            if words.contains("may still come to light") {
                fake.state().ecs.service["desiredCount"] = json!(12);
            }
            told.lock().unwrap().push(words.to_string());
        }
    };
    let ended = room.engine.apply(plan, &ana(), &Pad::default(), &tell).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "verified", "{:?}", ended.outcome);
    assert!(told.lock().unwrap().iter().any(|words| words.contains("the write may still come to light")));
}

#[tokio::test]
async fn a_workload_and_its_autoscaler_are_changed_by_one_action_at_a_time() {
    let fake = Fake::start().await;
    fake.state().autoscalers = json!([hpa(2, 8)]);
    let room = Arc::new(room(&fake));
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let pad = Pad { owed: Some(owed), ..Pad::of(&fake) };
    let floor = room
        .plan(&Request::Bound {
            target: crate::model::name::Target { kind: Kind::HorizontalPodAutoscaler, uid: None, ..payments() },
            floor: Some(7),
            cap: None,
        })
        .await;
    assert_eq!(floor.affects[0].kind, Kind::Deployment);
    fake.state().autoscalers = json!([]);
    let plain = room.plan(&scale(12)).await;
    assert_eq!(plain.target.kind, Kind::Deployment);
    let action = tokio::spawn({
        let room = Arc::clone(&room);
        async move { room.apply(floor, &pad).await }
    });
    let first = owing.recv().await.unwrap();
    let why = room.apply(plain, &Pad::of(&fake)).await.unwrap_err().why;
    assert!(why.contains("another action on Deployment shop/payments in prod-eu is under way"), "{why}");
    action.abort();
    drop(first);
}

#[tokio::test]
async fn zones_and_weights_of_a_load_balancer_are_changed_by_one_action_at_a_time() {
    let fake = aws_fake::Fake::start().await;
    let room = Arc::new(aws_room(&fake));
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let pad = Pad { owed: Some(owed), ..Pad::default() };
    let shares = vec![Share { destination: "green".into(), weight: 40 }];
    let weights = |kind, arn| Request::Divert { target: aws_fake::target(kind, "", arn), shares: shares.clone() };
    let zone = room
        .plan(&Request::Evacuate {
            target: aws_fake::target(Kind::LoadBalancer, "", aws_fake::BALANCER),
            zone: "eu-central-1a".into(),
            minutes: 60,
        })
        .await;
    let rule = room.plan(&weights(Kind::ListenerRule, RULE)).await;
    let listener = room.plan(&weights(Kind::Listener, LISTENER)).await;
    let action = tokio::spawn({
        let room = Arc::clone(&room);
        async move { room.apply(rule, &pad).await }
    });
    let first = owing.recv().await.unwrap();
    for other in [zone, listener] {
        let why = room.apply(other, &Pad::default()).await.unwrap_err().why;
        let busy = format!("another action on LoadBalancer {} in prod-eu is under way", aws_fake::BALANCER);
        assert!(why.contains(&busy), "{why}");
    }
    action.abort();
    drop(first);
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn a_plan_is_read_again_when_what_it_counts_was_changed_beside_it() {
    let fake = aws_fake::Fake::start().await;
    let room = aws_room(&fake);
    let shares = vec![Share { destination: "green".into(), weight: 40 }];
    let weights = Request::Divert { target: aws_fake::target(Kind::ListenerRule, "", RULE), shares };
    let zone = Request::Evacuate {
        target: aws_fake::target(Kind::LoadBalancer, "", aws_fake::BALANCER),
        zone: "eu-central-1a".into(),
        minutes: 60,
    };
    let (shown, rule) = (room.plan(&zone).await, room.plan(&weights).await);
    let later = room.clock.now() + TimeDelta::seconds(1);
    drop(room.clock.due(later).await);
    let done = room.apply(rule, &Pad::default()).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified");
    let why = room.apply(shown, &Pad::default()).await.unwrap_err().why;
    assert!(why.contains("ListenerRule") && why.contains("was changed since move shop away"), "{why}");
    // Read again it counts the targets that take traffic by now.
    let again = room.plan(&zone).await;
    assert_eq!(again.blast.words, "2 of 6 healthy targets get no new connections");
    assert_eq!(room.apply(again, &Pad::default()).await.unwrap().outcome.as_str(), "verified");
}

#[tokio::test]
async fn a_rollout_under_an_autoscaler_is_bounded_verified_and_undone() {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        let mut hpa = hpa(2, 8);
        hpa["spec"]["scaleTargetRef"] = json!({ "kind": "Rollout", "name": "payments" });
        state.autoscalers = json!([hpa]);
        state.object["kind"] = json!("Rollout");
        state.object["status"]["stableRS"] = json!("x1");
        state.object["status"]["currentPodHash"] = json!("x1");
    }
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let target = crate::model::name::Target { kind: Kind::Rollout, uid: None, ..payments() };
    let plan = room.plan(&Request::Scale { target, to: Replicas::Exactly(8) }).await;
    assert_eq!(plan.title, "scale Rollout payments by HPA payments");
    let done = room.apply(plan, &pad).await.unwrap();
    assert_eq!(done.outcome.as_str(), "verified", "{:?}", done.outcome);
    let undo = room.plan(&Request::Undo { plan: Box::new(done.plan) }).await;
    assert_eq!(undo.changed(), "floor 8 → 2");
}

#[tokio::test]
async fn a_floor_that_is_lowered_is_judged_by_what_it_lets_come() {
    use crate::config::{Policy, Rule};
    let fake = Fake::start().await;
    fake.state().autoscalers = json!([hpa(4, 8)]);
    let least = Policy {
        name: "three".into(),
        say: "three replicas carry the load".into(),
        environments: Vec::new(),
        kinds: Vec::new(),
        targets: Vec::new(),
        actions: Vec::new(),
        tiers: Vec::new(),
        services: Vec::new(),
        rule: Rule::LeastReady(3),
        tests: Vec::new(),
    };
    let room = Room::under(&fake, vec![least]);
    let target = crate::model::name::Target { kind: Kind::HorizontalPodAutoscaler, uid: None, ..payments() };
    let bound = |floor| Request::Bound { target: target.clone(), floor: Some(floor), cap: None };
    let low = room.plan(&bound(1)).await;
    assert_eq!((low.blast.wanted_after, low.blast.fewest_ready), (6, Some(1)));
    assert!(Engine::blocked(&low).is_some_and(|why| why.contains("by policy three")));
    assert_eq!(Engine::blocked(&room.plan(&bound(3)).await), None);
}
