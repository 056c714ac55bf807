//! The same promises for AWS, where no system checks a precondition for us.

use super::*;
use crate::model::name::Kind;
use crate::model::plan::Revision;
use crate::model::plan::Share;
use crate::respond::aws::fake::{self, BALANCER, LISTENER, RULE, State, payments, target};

fn pad(fake: &fake::Fake) -> Pad {
    Pad { intents: Arc::clone(&fake.intents), ..Pad::default() }
}

fn room(fake: &fake::Fake) -> Room {
    let (clock, driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
    let env = fake.environment();
    let aws = Aws::new(&env, env.aws.as_ref().unwrap(), clock.clone()).write_limit(Duration::from_millis(200));
    let engine = Engine::of(env.name, clock.clone(), vec![Box::new(aws)]);
    Room { engine, clock, world: tokio::spawn(run(driver)) }
}

/// One action: how the account is before it, what is asked for, what tells that it was done, and
/// how somebody else would do something different.
struct Action {
    name: &'static str,
    before: fn(&mut State),
    want: fn() -> Request,
    /// What the action is about, for people.
    shown: fn(&State) -> String,
    done: &'static str,
    /// The name of the write.
    write: &'static str,
    foreign: fn(&mut State),
    /// What its body holds.
    body: &'static str,
    /// How somebody else would take it back.
    set_back: fn(&mut State),
    can_be_undone: bool,
}

const ACTIONS: &[Action] = &[
    Action {
        name: "scale",
        body: r#"{"cluster":"prod","desiredCount":12,"service":"payments"}"#,
        before: |_| (),
        want: || Request::Scale { target: payments(), to: Replicas::Exactly(12) },
        shown: |state| state.ecs.desired().to_string(),
        done: "12",
        write: "UpdateService",
        foreign: |state| state.ecs.service["desiredCount"] = json!(9),
        set_back: |state| state.ecs.service["desiredCount"] = json!(9),
        can_be_undone: true,
    },
    Action {
        name: "limit",
        body: r#""MinCapacity":7,"#,
        before: |state| state.ecs.limits = Some((2, 8)),
        want: || Request::Bound { target: payments(), floor: Some(7), cap: None },
        shown: |state| format!("{:?}", state.ecs.limits.unwrap()),
        done: "(7, 8)",
        write: "RegisterScalableTarget",
        foreign: |state| state.ecs.limits = Some((4, 8)),
        set_back: |state| state.ecs.limits = Some((4, 8)),
        can_be_undone: true,
    },
    Action {
        name: "roll back",
        body: r#"task-definition/payments:41""#,
        before: |_| (),
        want: || Request::RollBack { target: payments(), to: Revision::Previous },
        shown: |state| state.ecs.revision().to_string(),
        done: "41",
        write: "UpdateService",
        foreign: |state| state.ecs.roll(43, "SUCCESSFUL"),
        set_back: |state| state.ecs.roll(43, "SUCCESSFUL"),
        can_be_undone: true,
    },
    Action {
        name: "stop a deployment",
        body: r#"payments/d3","stopType":"ROLLBACK""#,
        before: |state| state.ecs.roll(43, "IN_PROGRESS"),
        want: || Request::RollBack { target: payments(), to: Revision::Previous },
        shown: |state| state.ecs.revision().to_string(),
        done: "42",
        write: "StopServiceDeployment",
        foreign: |state| state.ecs.rollouts.last_mut().unwrap()["status"] = json!("SUCCESSFUL"),
        set_back: |state| state.ecs.rollouts.last_mut().unwrap()["status"] = json!("SUCCESSFUL"),
        can_be_undone: false,
    },
    Action {
        name: "divert a rule",
        body: "TargetGroupStickinessConfig.DurationSeconds=600",
        before: |state| state.traffic.before = OIDC,
        want: || divert(Kind::ListenerRule, "", RULE, "green", 40),
        shown: |state| format!("{:?}", state.traffic.groups),
        done: "[60, 40]",
        write: "ModifyRule",
        foreign: |state| state.traffic.groups = [5, 5],
        set_back: |state| state.traffic.groups = [1, 0],
        can_be_undone: true,
    },
    Action {
        name: "divert a listener",
        body: "DefaultActions.member.1.Type=forward",
        before: |state| state.traffic.groups = [1, 1],
        want: || divert(Kind::Listener, "", LISTENER, "blue", 20),
        shown: |state| format!("{:?}", state.traffic.groups),
        done: "[20, 80]",
        write: "ModifyListener",
        foreign: |state| state.traffic.groups = [5, 5],
        set_back: |state| state.traffic.groups = [1, 1],
        can_be_undone: true,
    },
    Action {
        name: "divert records",
        body: "<Action>DELETE</Action><ResourceRecordSet><Name>api.example.com.</Name>",
        before: |_| (),
        want: || divert(Kind::RecordSet, "Z0EXAMPLE", "api.example.com/A", "b", 25),
        shown: |state| format!("{:?}", state.traffic.records),
        done: "[75, 25]",
        write: "ChangeResourceRecordSets",
        foreign: |state| state.traffic.records = [5, 5],
        set_back: |state| state.traffic.records = [10, 0],
        can_be_undone: true,
    },
    Action {
        name: "evacuate",
        body: r#""expiresIn":"60m""#,
        before: |_| (),
        want: || Request::Evacuate {
            target: target(Kind::LoadBalancer, "", BALANCER),
            zone: "eu-central-1a".into(),
            minutes: 60,
        },
        shown: |state| format!("{:?}", state.traffic.shifts.iter().map(|(_, zone, _)| zone).collect::<Vec<_>>()),
        done: "[\"euc1-az2\"]",
        write: "StartZonalShift",
        foreign: |state| state.traffic.shifts = vec![("x".into(), "euc1-az2".into(), "somebody else's".into())],
        set_back: |state| state.traffic.shifts.clear(),
        can_be_undone: true,
    },
];

/// An action before the forward action, which has to be sent along as it is.
const OIDC: &str = "<member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig><Scope>a &amp; b</Scope>\
                    <AuthenticationRequestExtraParams/></AuthenticateOidcConfig></member>";

fn divert(kind: Kind, namespace: &str, name: &str, destination: &str, weight: u32) -> Request {
    let shares = vec![Share { destination: destination.into(), weight }];
    Request::Divert { target: target(kind, namespace, name), shares }
}

async fn start(action: &Action) -> fake::Fake {
    let fake = fake::Fake::start().await;
    (action.before)(&mut fake.state());
    fake
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
        (Fault::Status(400), "refused"),
        (Fault::Status(403), "refused"),
        (Fault::Status(429), "refused"),
        (Fault::Status(500), "unknown"),
        (Fault::Status(503), "unknown"),
        (Fault::StatusAfter(503), "verified"),
        (Fault::StatusAfter(504), "verified"),
    ];
    for action in ACTIONS {
        for (fault, expected) in faults {
            let case = format!("{}, {fault:?}", action.name);
            let fake = start(action).await;
            let (room, pad) = (room(&fake), pad(&fake));
            let plan = room.plan(&(action.want)()).await;
            fake.state().fault = fault;
            let ended = room.apply(plan.clone(), &pad).await.unwrap();
            assert_eq!(ended.outcome.as_str(), expected, "{case}: {:?}", ended.outcome);
            assert_eq!(pad.kinds(), [EntryKind::Intent, EntryKind::Outcome], "{case}");
            let again = room.apply(plan, &pad).await.unwrap_err();
            // Of records, the wait for resolvers is longer than a plan lives.
            let spent = ["writes once", "refresh the plan"].iter().any(|why| again.why.contains(why));
            assert!(spent, "{case}: {again}");
            let state = fake.state();
            let writes = state.writes();
            assert_eq!(writes.len(), 1, "{case}");
            assert_eq!((writes[0].operation.as_str(), writes[0].intents), (action.write, 1), "{case}");
            assert!(writes[0].body.contains(action.body), "{case}: {}", writes[0].body);
            assert_eq!((action.shown)(&state) == action.done, expected == "verified", "{case}: success is identity");
        }
    }
}

#[tokio::test]
async fn a_kill_at_any_step_leaves_an_intent_before_every_write_and_settles_without_one() {
    for action in ACTIONS {
        for steps in 1..=3 {
            let case = format!("{}, step {steps}", action.name);
            let fake = start(action).await;
            let (room, pad) = (room(&fake), pad(&fake));
            let plan = room.plan(&(action.want)()).await;
            let told = Arc::new(tokio::sync::Semaphore::new(0));
            {
                let tell = |_| told.add_permits(1);
                let killed = async { drop(told.acquire_many(steps).await.unwrap()) };
                let actor = ana();
                let acting = room.engine.apply(plan.clone(), &actor, &pad, &tell);
                tokio::select! { biased; () = killed => {}, _ = acting => {} }
            }
            let writes = fake.state().writes();
            assert!(writes.len() <= 1 && writes.iter().all(|write| write.intents == 1), "{case}");
            if pad.kinds() != [EntryKind::Intent] {
                continue;
            }
            // The next process knows the plan from the record alone.
            let kept = serde_json::to_string(&plan).unwrap();
            assert_eq!(crate::text::redact(&kept), kept, "{case}: an ARN or an id is no secret");
            let plan: Plan = serde_json::from_str(&kept).unwrap();
            let ended = self::room(&fake).engine.settle(plan, &ana(), &pad).await.unwrap();
            let done = (action.shown)(&fake.state()) == action.done;
            match ended.outcome.as_str() {
                "verified" => assert!(done, "{case}"),
                other => assert_eq!((other, done), ("unknown", false), "{case}"),
            }
            assert!(fake.state().writes().len() <= 1, "{case}: settling writes nothing");
        }
    }
}

#[tokio::test]
async fn do_and_undo_is_the_identity() {
    for action in ACTIONS {
        let fake = start(action).await;
        let (room, pad) = (room(&fake), pad(&fake));
        let before = (action.shown)(&fake.state());
        let done = room.apply(room.plan(&(action.want)()).await, &pad).await.unwrap();
        assert_eq!((action.shown)(&fake.state()), action.done, "{}: {:?}", action.name, done.outcome);
        let undo = Request::Undo { plan: Box::new(done.plan) };
        if !action.can_be_undone {
            assert!(room.engine.plan(&undo, &Cluster::default()).await.is_err(), "{}", action.name);
            continue;
        }
        let undone = room.apply(room.plan(&undo).await, &pad).await.unwrap();
        assert_eq!(undone.outcome.as_str(), "verified", "{}: {:?}", action.name, undone.outcome);
        assert_eq!((action.shown)(&fake.state()), before, "{}", action.name);
    }
}

#[tokio::test]
async fn what_somebody_else_set_is_never_overwritten() {
    for action in ACTIONS {
        let fake = start(action).await;
        let (room, pad) = (room(&fake), pad(&fake));
        // Between the plan and its confirmation.
        let plan = room.plan(&(action.want)()).await;
        (action.foreign)(&mut fake.state());
        let foreign = (action.shown)(&fake.state());
        let ended = room.apply(plan, &pad).await.unwrap();
        let Outcome::Refused { why } = &ended.outcome else { panic!("{}: {:?}", action.name, ended.outcome) };
        assert!(why.contains("since the plan was made; look again"), "{}: {why}", action.name);
        assert!(fake.state().writes().is_empty(), "{}: nothing was sent", action.name);
        assert_eq!((action.shown)(&fake.state()), foreign, "{}", action.name);

        // Between the action and its undo.
        let fake = start(action).await;
        let room = self::room(&fake);
        let done = room.apply(room.plan(&(action.want)()).await, &self::pad(&fake)).await.unwrap();
        (action.foreign)(&mut fake.state());
        let undo = Request::Undo { plan: Box::new(done.plan) };
        let refusal = room.engine.plan(&undo, &Cluster::default()).await.unwrap_err();
        assert!(!refusal.why.is_empty(), "{}", action.name);
    }
}

#[tokio::test]
async fn what_is_set_back_after_the_write_is_no_success() {
    for action in ACTIONS {
        let fake = start(action).await;
        let (room, pad) = (room(&fake), pad(&fake));
        let plan = room.plan(&(action.want)()).await;
        fake.state().then = Some(action.set_back);
        let ended = room.apply(plan, &pad).await.unwrap();
        assert_eq!(ended.outcome.as_str(), "overridden", "{}: {:?}", action.name, ended.outcome);
    }
}

#[tokio::test]
async fn stable_again_after_the_circuit_breaker_is_not_ours() {
    let fake = fake::Fake::start().await;
    let (room, pad) = (room(&fake), pad(&fake));
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
    let (room, pad) = (room(&fake), pad(&fake));
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
    let (room, pad) = (room(&fake), pad(&fake));
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
