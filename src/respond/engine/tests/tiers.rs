//! What keeps a plan from being applied, at the gateway, where no session gets around it: its age,
//! its tier, the configuration's policies.

use super::*;
use crate::config::{Freeze, Policy, Rule};
use crate::respond::pad::durable;

pub(super) fn policy(name: &str, rule: Rule) -> Policy {
    Policy {
        name: name.into(),
        say: "the team says so".into(),
        environments: Vec::new(),
        kinds: Vec::new(),
        targets: Vec::new(),
        actions: Vec::new(),
        tiers: Vec::new(),
        services: Vec::new(),
        rule,
        tests: Vec::new(),
    }
}

/// `incident`: whether one is open.
async fn apply_while(incident: bool, room: &Room, plan: Plan, pad: &Pad) -> Result<Ended, Refusal> {
    let actor = ana();
    let confirmed = Confirmed { incident, ..Confirmed::by(&actor) };
    room.engine.apply_confirmed(plan, confirmed, pad, &|_| ()).await
}

#[tokio::test]
async fn the_last_replica_goes_with_a_second_persons_consent_and_not_without() {
    let fake = Fake::start().await;
    let (room, pad) = (room(&fake), Pad::of(&fake));
    let plan = room.plan(&scale(0)).await;
    assert_eq!(plan.tier, Tier::Grave);
    assert!(room.apply(plan.clone(), &pad).await.unwrap_err().why.contains("second person"));
    let other = room.plan(&scale(1)).await;
    let wrong =
        Warrant { hash: warrant(&Plan { tier: Tier::Grave, ..other }).unwrap().hash, ..warrant(&plan).unwrap() };
    let why = room.engine.apply_with(plan.clone(), Some(&wrong), &ana(), &pad, &|_| ()).await.unwrap_err().why;
    assert!(why.contains("not the plan that was consented to"), "{why}");
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());

    let let_by = warrant(&plan);
    let ended = room.engine.apply_with(plan, let_by.as_ref(), &ana(), &pad, &|_| ()).await.unwrap();
    assert_eq!((ended.outcome.as_str(), fake.state().replicas()), ("verified", 0));
    let intent = pad.kept.lock().unwrap()[0].clone();
    assert_eq!(intent.detail.as_deref(), Some("with the consent of bob (user 1002)"));
    assert!(intent.pinned);
    let back = room.plan(&Request::Undo { plan: Box::new(ended.plan) }).await;
    assert_eq!(room.apply(back, &pad).await.unwrap().outcome.as_str(), "verified");
    assert_eq!(fake.state().replicas(), 6);
}

#[tokio::test]
async fn what_a_policy_denies_is_not_applied_and_what_takes_a_second_person_waits_for_one() {
    let fake = Fake::start().await;
    let pad = Pad::of(&fake);
    let denied = Room::under(&fake, vec![policy("floor", Rule::LeastReady(3))]).plan(&scale(2)).await;
    let why = room(&fake).apply(denied, &pad).await.unwrap_err().why;
    assert_eq!(why, "by policy floor: the team says so");
    let allowed = Room::under(&fake, vec![policy("floor", Rule::LeastReady(3))]).plan(&scale(3)).await;
    assert_eq!((Engine::blocked(&allowed), allowed.facts.len()), (None, 0));

    let room = Room::under(&fake, vec![policy("two", Rule::SecondPerson)]);
    let plan = room.plan(&scale(7)).await;
    assert_eq!(plan.tier, Tier::Grave);
    assert!(room.apply(plan.clone(), &pad).await.is_err());
    let ended = room.engine.apply_with(plan.clone(), warrant(&plan).as_ref(), &ana(), &pad, &|_| ()).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "verified");
}

#[tokio::test]
async fn what_a_policy_says_of_one_service_holds_for_all_that_share_a_target() {
    let fake = Fake::start().await;
    let pad = Pad::of(&fake);
    let of_checkout = |rule| vec![Policy { services: vec!["checkout".into()], ..policy("ours", rule) }];
    // Payments was declared first: the plan is said to be its.
    let shared = Cluster { service: Some("payments".into()), also: vec!["checkout".into()], ..Cluster::default() };
    let room = Room::under(&fake, of_checkout(Rule::Deny));
    let denied = room.engine.plan(&scale(8), &shared).await.unwrap();
    assert_eq!(Engine::blocked(&denied).as_deref(), Some("by policy ours: the team says so"));
    let alone = Cluster { also: Vec::new(), ..shared.clone() };
    assert_eq!(Engine::blocked(&room.engine.plan(&scale(8), &alone).await.unwrap()), None);
    let room = Room::under(&fake, of_checkout(Rule::SecondPerson));
    assert_eq!(room.engine.plan(&scale(8), &shared).await.unwrap().tier, Tier::Grave);

    // Right before its intent, too.
    let room = Room::under(&fake, of_checkout(Rule::Freeze(soon())));
    let start = room.clock.now();
    let plan = room.engine.plan(&scale(8), &shared).await.unwrap();
    drop(room.clock.due(start + TimeDelta::seconds(31)).await);
    let let_by = warrant(&plan);
    let late = room.engine.apply_with(plan, let_by.as_ref(), &ana(), &pad, &|_| ()).await;
    let why = late.unwrap_err().why;
    assert!(why.starts_with("a policy denies it that did not"), "{why}");
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());
}

#[tokio::test]
async fn a_freeze_blocks_and_during_an_incident_warns_and_is_on_the_record() {
    let fake = Fake::start().await;
    let pad = Pad::of(&fake);
    let always = Freeze::Once { from: World::UNIX_EPOCH, to: World::MAX_UTC };
    let room = Room::under(&fake, vec![policy("christmas", Rule::Freeze(always))]);
    let blocked = room.plan(&scale(8)).await;
    assert_eq!(Engine::blocked(&blocked).as_deref(), Some("by policy christmas: the team says so"));
    let warned = room.engine.plan_during(true, &scale(8), &Cluster::default()).await.unwrap();
    assert!(Engine::blocked(&warned).is_none() && warned.facts[0].warns);
    apply_while(true, &room, warned, &pad).await.unwrap();
    let intent = pad.kept.lock().unwrap()[0].clone();
    assert_eq!((intent.detail.as_deref(), intent.pinned), (Some("christmas: the team says so"), true));
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

/// A freeze that begins half a minute after the world of a room does.
fn soon() -> Freeze {
    let start = World::from_timestamp(1_795_000_000, 0).unwrap();
    Freeze::Once { from: start + TimeDelta::seconds(30), to: World::MAX_UTC }
}

#[tokio::test]
async fn a_plan_that_a_freeze_caught_up_with_is_voided_before_its_intent() {
    let fake = Fake::start().await;
    let pad = Pad::of(&fake);
    let room = Room::under(&fake, vec![policy("evening", Rule::Freeze(soon()))]);
    // The world stands still while both are planned.
    let hold = room.clock.hold();
    let start = room.clock.now();
    let (alone, during) = (room.plan(&scale(8)).await, room.plan(&scale(9)).await);
    assert_eq!((Engine::blocked(&alone), alone.facts.len()), (None, 0), "nothing is said of it yet");
    drop(hold);
    drop(room.clock.due(start + TimeDelta::seconds(31)).await);

    let why = room.apply(alone, &pad).await.unwrap_err().why;
    assert_eq!(
        why,
        "a policy denies it that did not when scale Deployment payments was planned (evening: the team says so): plan \
         it again and look at it anew"
    );
    let why = apply_while(true, &room, during, &pad).await.unwrap_err().why;
    assert!(why.starts_with("a policy warns of it that did not"), "a warning nobody has seen: {why}");
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());
}

#[tokio::test]
async fn a_plan_that_was_only_warned_of_is_voided_once_the_incident_is_closed() {
    let fake = Fake::start().await;
    let pad = Pad::of(&fake);
    let always = Freeze::Once { from: World::UNIX_EPOCH, to: World::MAX_UTC };
    let room = Room::under(&fake, vec![policy("christmas", Rule::Freeze(always))]);
    let warned = room.engine.plan_during(true, &scale(8), &Cluster::default()).await.unwrap();
    let why = apply_while(false, &room, warned.clone(), &pad).await.unwrap_err().why;
    assert!(why.starts_with("a policy denies it") && why.contains("christmas: the team says so"), "{why}");
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());
    let ended = apply_while(true, &room, warned, &pad).await.unwrap();
    assert_eq!(ended.outcome.as_str(), "verified", "it was seen, and the incident is open");
}

#[tokio::test]
async fn a_disk_that_takes_longer_than_the_plan_lives_or_until_a_freeze_begins_stops_the_write() {
    for (policies, seconds, words) in [
        (Vec::new(), 91, "nothing was written: scale Deployment payments was planned"),
        (vec![policy("evening", Rule::Freeze(soon()))], 31, "nothing was written: a policy denies it"),
    ] {
        let fake = Fake::start().await;
        let (clock, mut driver) = Clock::driven(World::from_timestamp(1_795_000_000, 0).unwrap());
        let engine = Engine::new(&fake.environment(), clock.clone()).unwrap().with_policies(policies);
        let plan = engine.plan(&scale(12), &Cluster::default()).await.unwrap();
        let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
        let pad = Pad { owed: Some(owed), ..Pad::of(&fake) };
        let slow_disk = async {
            for _ in 0..2 {
                let (draft, tell) = owing.recv().await.unwrap();
                driver.advance(clock.now() + TimeDelta::seconds(seconds));
                tell.send(Ok(durable(draft, clock.now()))).unwrap();
            }
        };
        let actor = ana();
        let (ended, ()) = tokio::join!(engine.apply(plan, &actor, &pad, &|_| ()), slow_disk);
        let Outcome::Refused { why } = ended.unwrap().outcome else { panic!("it was written") };
        assert!(why.starts_with(words), "{why}");
        assert!(fake.state().writes().is_empty());
    }
}

#[tokio::test]
async fn a_policy_looks_at_the_tier_that_a_plan_has_by_itself_whichever_comes_first() {
    let fake = Fake::start().await;
    let (second, mut low) = (policy("two", Rule::SecondPerson), policy("evening", Rule::Freeze(soon())));
    low.tiers = vec![Tier::Reversible];
    for policies in [vec![second.clone(), low.clone()], vec![low, second]] {
        let (room, pad) = (Room::under(&fake, policies), Pad::of(&fake));
        let start = room.clock.now();
        let plan = room.plan(&scale(8)).await;
        assert_eq!((plan.tier, plan.raised_from), (Tier::Grave, Some(Tier::Reversible)));
        drop(room.clock.due(start + TimeDelta::seconds(31)).await);
        let let_by = warrant(&plan);
        let why = room.engine.apply_with(plan, let_by.as_ref(), &ana(), &pad, &|_| ()).await.unwrap_err().why;
        assert!(why.contains("evening"), "{why}");
    }
}

#[tokio::test]
async fn a_window_that_is_closed_takes_the_right_to_write_with_it() {
    let fake = Fake::start().await;
    let (room, pad, actor) = (room(&fake), Pad::of(&fake), ana());
    let pass = Pass::default();
    pass.withdraw();
    let plan = room.plan(&scale(8)).await;
    let late = Confirmed { pass, ..Confirmed::by(&actor) };
    let why = room.engine.apply_confirmed(plan, late, &pad, &|_| ()).await.unwrap_err().why;
    assert!(why.contains("the write window was closed before that"), "{why}");
    assert!(pad.kinds().is_empty() && fake.state().writes().is_empty());

    // While the intent is on its way to the disk.
    let (owed, mut owing) = tokio::sync::mpsc::unbounded_channel();
    let pad = Pad { owed: Some(owed), ..Pad::of(&fake) };
    let (plan, pass) = (room.plan(&scale(8)).await, Pass::default());
    let confirmed = Confirmed { pass: pass.clone(), ..Confirmed::by(&actor) };
    let slow_disk = async {
        for _ in 0..2 {
            let (draft, tell) = owing.recv().await.unwrap();
            pass.withdraw();
            tell.send(Ok(durable(draft, room.clock.now()))).unwrap();
        }
    };
    let (ended, ()) = tokio::join!(room.engine.apply_confirmed(plan, confirmed, &pad, &|_| ()), slow_disk);
    let Outcome::Refused { why } = ended.unwrap().outcome else { panic!("it was written") };
    assert!(why.starts_with("nothing was written: the write window was closed"), "{why}");
    assert!(fake.state().writes().is_empty());
}
