//! What plans for AWS say, against a server on loopback.

mod owners;
mod room;

use serde_json::json;

use super::call::Call;
use super::fake::{BALANCER, Fake, LISTENER, RULE, payments, target};
use super::gate::allowed;
use crate::clock::Clock;
use crate::model::name::{Kind, ObjectPath};
use crate::model::plan::{
    Ends, OwnerEffect, Permission, Plan, Preview, Refusal, Replicas, Request, Revision, Share, Tier,
};
use crate::respond::{Cluster, Engine};

async fn plan(fake: &Fake, want: Request) -> Result<Plan, Refusal> {
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(&want, &Cluster::default()).await
}

async fn refused(fake: &Fake, want: Request) -> String {
    plan(fake, want).await.expect_err("it was planned").why.to_string()
}

fn scale(to: u32) -> Request {
    Request::Scale { target: payments(), to: Replicas::Exactly(to) }
}

fn back() -> Request {
    Request::RollBack { target: payments(), to: Revision::Previous }
}

#[tokio::test]
async fn a_plan_for_a_service_of_ecs_says_all_that_a_tired_person_needs() {
    let fake = Fake::start().await;
    let plan = plan(&fake, Request::Scale { target: payments(), to: Replicas::By(6) }).await.unwrap();
    assert_eq!((plan.title.as_str(), plan.changed().as_str()), ("scale EcsService payments", "tasks 6 → 12"));
    assert_eq!(plan.undo.as_deref(), Some("12 → 6, while nobody else has changed it"));
    assert_eq!(plan.blast.words, "+6 of 6 (100 % more), 6 running now");
    let takes = plan.facts.iter().find(|fact| fact.label == "takes").unwrap();
    assert_eq!(takes.words, "34 s to 50 s as its newest 5 tasks did, from being asked for to running");
    assert!(plan.owners.is_empty() && plan.tier == Tier::Reversible);
    let uid = plan.target.uid.as_ref().unwrap();
    assert_eq!(uid.as_str(), "arn:aws:ecs:eu-central-1:111122223333:service/prod/payments of 1790000000.123");
    let command = format!(
        "aws --region eu-central-1 --endpoint-url {} ecs update-service --cluster prod --service payments \
         --desired-count 12",
        fake.url
    );
    assert_eq!(*plan.command, *command);
    assert!(matches!(plan.permission, Permission::Unknown { .. }));
    assert!(matches!(&plan.preview, Preview::Unavailable { why } if why.contains("no dry run; it is read again")));
    assert_eq!(Engine::blocked(&plan), None);
    let state = fake.state();
    assert!(state.writes().is_empty(), "planning changes nothing");
    let signature = &state.seen[0].authorization;
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDRILL000000000000/"), "{signature}");
    assert!(signature.contains("/eu-central-1/ecs/aws4_request, SignedHeaders="), "{signature}");
    assert!(signature.contains("host;") && signature.contains("x-amz-target"), "{signature}");
}

#[tokio::test]
async fn a_scalable_target_with_policies_is_named_and_its_limits_are_offered() {
    let fake = Fake::start().await;
    fake.state().ecs.limits = Some((2, 8));
    assert_eq!(plan(&fake, scale(12)).await.unwrap().owners[0].effect, OwnerEffect::Informs, "no policy, no change");

    fake.state().ecs.policies = vec!["cpu-60"];
    let outside = plan(&fake, scale(12)).await.unwrap();
    assert_eq!(outside.owners[0].name, "scalable target 2–8");
    assert_eq!(outside.owners[0].effect, OwnerEffect::Reverts);
    assert_eq!(outside.owners[0].words, "takes it back within its limits (cpu-60); change its floor instead");
    assert!(Engine::blocked(&outside).is_some());
    let instead = outside.instead.unwrap();
    assert_eq!(instead.words, "plan its floor of 12");

    let inside = plan(&fake, scale(8)).await.unwrap();
    assert_eq!(inside.owners[0].effect, OwnerEffect::MayRevert);
    assert_eq!(Engine::blocked(&inside), None);

    let limits = plan(&fake, *instead.request).await.unwrap();
    assert_eq!(limits.changed(), "fewest tasks 2 → 12, most tasks 8 → 12");
    assert_eq!(limits.facts[0].words, "6 → 12 at once: the limits clamp the count");
    assert!(limits.command.ends_with(
        "--resource-id service/prod/payments --scalable-dimension ecs:service:DesiredCount --min-capacity 12 \
         --max-capacity 12"
    ));
    let lower = plan(&fake, Request::Bound { target: payments(), floor: None, cap: Some(4) }).await.unwrap();
    assert_eq!((lower.tier, lower.changed().as_str()), (Tier::Lowers, "most tasks 8 → 4"), "it takes tasks away");
    let nonsense = Request::Bound { target: payments(), floor: Some(9), cap: Some(3) };
    assert!(refused(&fake, nonsense).await.contains("a floor of 9 lies above a cap of 3"));
}

#[tokio::test]
async fn a_rollback_goes_to_the_task_definition_that_succeeded_before() {
    let fake = Fake::start().await;
    // One that failed in between is none to go back to.
    fake.state().ecs.roll(43, "ROLLBACK_SUCCESSFUL");
    fake.state().ecs.roll(44, "SUCCESSFUL");
    let plan = plan(&fake, back()).await.unwrap();
    assert_eq!(plan.changed(), "task definition payments:44 → payments:42");
    assert_eq!(plan.facts[0].words, "web: registry.example/payments:2.44.0 → registry.example/payments:2.42.0");
    assert!(plan.command.ends_with("--task-definition payments:42"), "{}", plan.command);
    assert_eq!(plan.undo.as_deref(), Some("payments:42 → payments:44, while nobody else has changed it"));
    assert!(plan.facts.iter().all(|fact| !fact.warns));
    let takes = plan.facts.iter().find(|fact| fact.label == "takes").unwrap();
    assert_eq!(takes.words, "3 min to 6 min as its last 3 deployments did, from start to finish");

    fake.state().ecs.image = |_| "payments:latest".into();
    let same = self::plan(&fake, back()).await.unwrap();
    assert!(same.facts.iter().any(|fact| fact.warns && fact.words.contains("a tag that moves")));
}

#[tokio::test]
async fn a_deployment_in_flight_is_stopped_instead() {
    let fake = Fake::start().await;
    fake.state().ecs.roll(43, "IN_PROGRESS");
    let plan = plan(&fake, back()).await.unwrap();
    assert_eq!(plan.changed(), "deployment of payments:43 under way → rolled back to payments:42");
    assert!(plan.command.ends_with("service-deployment/prod/payments/d3 --stop-type ROLLBACK"), "{}", plan.command);
    assert_eq!((plan.undo.as_ref(), plan.tier), (None, Tier::Lowers), "what nothing takes back takes the name");
    assert!(plan.facts[0].words.ends_with("does not go on: deploy payments:43 again"));
    let undo = Request::Undo { plan: Box::new(plan) };
    fake.state().ecs.rollouts.last_mut().unwrap()["status"] = json!("ROLLBACK_SUCCESSFUL");
    assert!(refused(&fake, undo).await.contains("does not go on"));
    fake.state().ecs.follows = false;
    fake.state().ecs.rollouts.last_mut().unwrap()["status"] = json!("ROLLBACK_IN_PROGRESS");
    assert!(refused(&fake, back()).await.contains("being rolled back already"));
}

#[tokio::test]
async fn what_cannot_work_is_refused_and_says_what_to_do() {
    let fake = Fake::start().await;
    assert!(refused(&fake, scale(6)).await.contains("wants 6 tasks already"));
    assert!(refused(&fake, scale(1200)).await.contains("from 6 to 1200"));
    assert!(refused(&fake, Request::Restart { target: payments() }).await.contains("no such thing"));
    fake.state().ecs.inactive = vec![41];
    assert!(refused(&fake, back()).await.contains("payments:41 is inactive: ECS starts nothing from it"));
    fake.state().ecs.rollouts.clear();
    assert!(refused(&fake, back()).await.contains("name a task definition, FAMILY:REVISION"));
    for (kind, words) in [("CODE_DEPLOY", "deployed by CodeDeploy"), ("EXTERNAL", "controller of its own (EXTERNAL)")] {
        fake.state().ecs.service["deploymentController"]["type"] = json!(kind);
        assert!(refused(&fake, back()).await.contains(words));
        assert!(plan(&fake, scale(8)).await.is_ok(), "its count is nobody else's");
    }
    fake.state().ecs.service["schedulingStrategy"] = json!("DAEMON");
    assert!(refused(&fake, scale(8)).await.contains("no count of its own"));
    let gone = Request::Scale { target: target(Kind::EcsService, "prod", "cart"), to: Replicas::Exactly(3) };
    assert!(refused(&fake, gone).await.contains("is not there"));
    let elsewhere = Request::Scale { target: target(Kind::EcsService, "test", "payments"), to: Replicas::Exactly(3) };
    assert!(refused(&fake, elsewhere).await.contains("Cluster not found"));
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn a_name_that_is_a_path_is_refused_before_any_request() {
    let fake = Fake::start().await;
    for (cluster, name) in [("prod/x", "payments"), ("prod", "pay/ments"), ("", "payments"), ("prod", "")] {
        let want = Request::Scale { target: target(Kind::EcsService, cluster, name), to: Replicas::Exactly(3) };
        assert!(refused(&fake, want).await.contains("not a name that ECS could have given"));
    }
    assert!(fake.state().seen.is_empty());
}

#[tokio::test]
async fn the_last_task_takes_more_than_a_name() {
    let fake = Fake::start().await;
    assert_eq!(plan(&fake, scale(4)).await.unwrap().tier, Tier::Lowers);
    let grave = plan(&fake, scale(0)).await.unwrap();
    assert_eq!(grave.tier, Tier::Grave);
    assert_eq!(Engine::blocked(&grave), None, "a second person may let it");
}

#[tokio::test]
async fn a_drill_asks_nothing_that_is_not_on_this_machine() {
    let fake = Fake::start().await;
    let mut env = fake.environment();
    let endpoints = &mut env.aws.as_mut().unwrap().endpoints;
    endpoints.insert("ecs".into(), "https://ecs.eu-central-1.amazonaws.com".into());
    let engine = Engine::new(&env, Clock::real()).unwrap();
    let why = engine.plan(&scale(8), &Cluster::default()).await.unwrap_err().why;
    assert!(why.contains("not on this machine"), "{why}");
    env.aws.as_mut().unwrap().endpoints.clear();
    let engine = Engine::new(&env, Clock::real()).unwrap();
    let why = engine.plan(&scale(8), &Cluster::default()).await.unwrap_err().why;
    assert!(why.contains("needs an endpoint on this machine for ecs"), "{why}");
}

#[test]
fn what_is_not_on_the_list_does_not_leave() {
    assert!(allowed(&Call::ecs("UpdateService", json!({}))).unwrap().writes);
    assert!(!allowed(&Call::ecs("DescribeServices", json!({}))).unwrap().writes);
    for operation in ["DeleteService", "RunTask", "StopTask", "ExecuteCommand", "RegisterTaskDefinition"] {
        assert_eq!(allowed(&Call::ecs(operation, json!({}))), None, "{operation}");
    }
    assert_eq!(allowed(&Call::scaling("DeregisterScalableTarget", json!({}))), None);
    let elsewhere = Call { path: "/x".into(), ..Call::ecs("UpdateService", json!({})) };
    assert_eq!(allowed(&elsewhere), None);
}

fn divert(kind: Kind, namespace: &str, name: &str, shares: &[(&str, u32)]) -> Request {
    let shares = shares.iter().map(|(name, weight)| Share { destination: (*name).into(), weight: *weight }).collect();
    Request::Divert { target: target(kind, namespace, name), shares }
}

fn rule(shares: &[(&str, u32)]) -> Request {
    divert(Kind::ListenerRule, "", RULE, shares)
}

#[tokio::test]
async fn a_divert_says_where_each_per_cent_goes_and_whether_anybody_is_there() {
    let fake = Fake::start().await;
    let plan = plan(&fake, rule(&[("green", 10)])).await.unwrap();
    assert_eq!(
        (plan.title.as_str(), plan.changed().as_str()),
        ("divert a rule of shop", "blue 100 % → 90 %, green 0 % → 10 %")
    );
    let facts: Vec<_> = plan.facts.iter().map(|fact| (fact.label.as_str(), fact.words.as_str(), fact.warns)).collect();
    assert_eq!(
        facts,
        [
            ("traffic", "now blue 100 %, green 0 %; then blue 90 %, green 10 %", false),
            ("capacity", "green: 3 healthy targets for 10 %, 3.3 % each; a target carries 33.3 % of it now", false),
            ("sticky", "clients stay with their target group for 600 s", true),
            ("no guard", "ELB has no compare-and-swap: a change within the same second could be lost", true),
            ("deploys", "no ECS service is configured for it, so none was looked at", false),
        ]
    );
    assert_eq!(plan.blast.words, "10 % of its requests go elsewhere; 3 healthy targets carry them now, 6 will");
    assert_eq!((plan.blast.ready_before, plan.blast.fewest_ready), (3, Some(6)));
    assert_eq!((plan.tier, plan.ends), (Tier::Lowers, Ends::Reminder));
    assert_eq!(plan.undo.as_deref(), Some("blue 90 % → 100 %, green 10 % → 0 %, while nobody else has changed it"));
    assert!(plan.command.contains("elbv2 modify-rule --rule-arn arn:aws:") && plan.command.contains("\"Weight\":90"));
    assert!(plan.command.contains("\"DurationSeconds\":600"), "the whole action list: {}", plan.command);
    let listener = self::plan(&fake, divert(Kind::Listener, "", LISTENER, &[("green", 10)])).await.unwrap();
    assert!(listener.command.contains("modify-listener") && listener.title == "divert a listener of shop");
}

#[tokio::test]
async fn traffic_is_never_sent_where_nobody_is() {
    let fake = Fake::start().await;
    fake.state().traffic.healthy = [3, 0];
    for shares in [&[("green", 100)][..], &[("green", 10)], &[("blue", 60), ("green", 40)]] {
        let why = refused(&fake, rule(shares)).await;
        assert!(why.contains("green has no healthy target, of 3: "), "{why}");
    }
    assert!(refused(&fake, rule(&[("blue", 0), ("green", 0)])).await.contains("the shares make 0 %"));
    assert!(refused(&fake, rule(&[("blue", 20), ("green", 30)])).await.contains("have to make 100 %"));
    assert!(refused(&fake, rule(&[("green", 1000)])).await.contains("at most 100 %"));
    assert!(refused(&fake, rule(&[("red", 1)])).await.contains("no destination `red`; it sends blue 100 %, green 0 %"));
    assert!(fake.state().writes().is_empty());
}

#[tokio::test]
async fn all_traffic_to_fewer_targets_than_carry_it_takes_a_second_person() {
    let fake = Fake::start().await;
    fake.state().traffic.healthy = [3, 2];
    let some = plan(&fake, rule(&[("green", 40)])).await.unwrap();
    assert_eq!(some.tier, Tier::Lowers);
    let all = plan(&fake, rule(&[("green", 100)])).await.unwrap();
    assert_eq!((all.tier, all.blast.fewest_ready), (Tier::Grave, Some(2)));
    let capacity = all.facts.iter().find(|fact| fact.label == "capacity").unwrap();
    assert_eq!(
        (capacity.words.as_str(), capacity.warns),
        (
            "green: 2 healthy targets for 100 %, 50 % each; a target carries 33.3 % of it now; 1 more are not healthy",
            true
        )
    );
}

#[tokio::test]
async fn what_is_done_again_is_left_over_again() {
    let fake = Fake::start().await;
    fake.state().ecs.limits = Some((2, 8));
    let limit = Request::Bound { target: payments(), floor: Some(4), cap: None };
    for want in [rule(&[("green", 40)]), records(&[("b", 25)]), limit] {
        let done = plan(&fake, want).await.unwrap();
        let undo = Plan { request: Request::Undo { plan: Box::new(done.clone()) }, ..done.clone() };
        // As it stands after do and undo, doing it again is asked for as the undo of the undo.
        let undo = Plan { changes: done.changes.iter().map(|change| change.inverse()).collect(), ..undo };
        let again = plan(&fake, Request::Undo { plan: Box::new(undo) }).await.unwrap();
        assert_eq!((done.ends, again.ends), (Ends::Reminder, Ends::Reminder), "{}", again.title);
        assert_eq!(again.title, done.title);
    }
}

fn records(shares: &[(&str, u32)]) -> Request {
    divert(Kind::RecordSet, "Z0EXAMPLE", "api.example.com/A", shares)
}

#[tokio::test]
async fn records_tell_what_they_lead_to_and_how_long_it_takes() {
    let fake = Fake::start().await;
    let plan = plan(&fake, records(&[("b", 25)])).await.unwrap();
    assert_eq!(
        (plan.title.as_str(), plan.changed().as_str()),
        ("divert api.example.com A", "a 100 % → 75 %, b 0 % → 25 %")
    );
    assert_eq!(plan.facts[0].words, "now a 100 %, b 0 %; then a 75 %, b 25 %");
    assert_eq!(plan.facts[1].words, "a: 192.0.2.1");
    assert!(plan.facts.iter().any(|fact| fact.words.contains("then up to 30 s in resolvers")));
    assert!(plan.facts.iter().any(|fact| fact.warns && fact.words.starts_with("b has no health check")));
    assert!(plan.command.contains("change-resource-record-sets --hosted-zone-id Z0EXAMPLE --change-batch"));
    assert!(plan.command.contains("\"Action\":\"DELETE\"") && plan.command.contains("\"TTL\":30"), "{}", plan.command);
    let signature = fake.state().seen[0].authorization.clone();
    assert!(signature.contains("/us-east-1/route53/aws4_request"), "{signature}");
    assert!(refused(&fake, records(&[("b", 256)])).await.contains("at most 100 %"));
    assert!(refused(&fake, records(&[("a", 0), ("b", 0)])).await.contains("the shares make 0 %"));
    let odd = divert(Kind::RecordSet, "Z0EXAMPLE", "../change/A", &[("b", 25)]);
    assert!(refused(&fake, odd).await.contains("is not ZONEID/NAME/TYPE"));
    // The same name and weights with other values is another thing to send traffic to.
    let mut seen = records(&[("b", 25)]);
    if let Request::Divert { target, .. } = &mut seen {
        target.uid = plan.target.uid.clone();
    }
    fake.state().traffic.values[1] = "203.0.113.9";
    assert!(refused(&fake, seen).await.contains("another object"));
}

#[tokio::test]
async fn answers_are_not_led_to_what_fails_its_health_check() {
    let fake = Fake::start().await;
    fake.state().traffic.passing = [Some(true), Some(false)];
    let why = refused(&fake, records(&[("b", 100)])).await;
    assert!(why.contains("b fails its health check (Failure: HTTP Status Code 503)"), "{why}");
    fake.state().traffic.passing = [Some(false), Some(true)];
    let away = plan(&fake, records(&[("b", 50)])).await.unwrap();
    let health: Vec<_> =
        away.facts.iter().filter(|fact| fact.label == "health").map(|fact| fact.words.as_str()).collect();
    assert_eq!(health, ["a fails its health check (Failure: HTTP Status Code 503)", "b passes its health check"]);
}

#[tokio::test]
async fn records_that_external_dns_writes_are_left_to_it() {
    let fake = Fake::start().await;
    let note = "&quot;heritage=external-dns,external-dns/owner=prod,external-dns/resource=ingress/shop/web&quot;";
    for name in ["api.example.com.", "a-api.example.com.", "cname-api.example.com."] {
        fake.state().traffic.notes = vec![(name, note)];
        let plan = plan(&fake, records(&[("b", 25)])).await.unwrap();
        assert_eq!((plan.owners[0].name.as_str(), plan.owners[0].effect), ("external-dns prod", OwnerEffect::Reverts));
        assert!(plan.owners[0].words.contains("aws-weight of ingress/shop/web"), "{}", plan.owners[0].words);
        assert!(Engine::blocked(&plan).is_some());
    }
    fake.state().traffic.notes = vec![("api.example.com.", "&quot;v=spf1 -all&quot;"), ("x.example.com.", note)];
    assert!(plan(&fake, records(&[("b", 25)])).await.unwrap().owners.is_empty());
}

fn away(zone: &str, minutes: u32) -> Request {
    Request::Evacuate { target: target(Kind::LoadBalancer, "", BALANCER), zone: zone.into(), minutes }
}

#[tokio::test]
async fn a_zone_is_left_for_a_time_and_what_is_left_has_to_bear_it() {
    let fake = Fake::start().await;
    let plan = plan(&fake, away("eu-central-1a", 60)).await.unwrap();
    assert_eq!(plan.title, "move shop away from eu-central-1a");
    assert_eq!(plan.changed(), "zone eu-central-1a served → shifted away");
    assert_eq!(plan.blast.words, "1 of 3 healthy targets get no new connections");
    assert_eq!(plan.facts[1].words, "2 healthy targets are left, each with 50 % more to do: scale up first");
    assert_eq!(plan.ends, Ends::BySystem { at: plan.read_at + chrono::TimeDelta::hours(1) });
    assert_eq!(plan.undo.as_deref(), Some("cancel the shift; it ends by itself after 1 hour"));
    assert!(plan.command.ends_with("--away-from euc1-az2 --expires-in 60m --comment incident"), "{}", plan.command);
    assert_eq!((plan.tier, plan.blast.fewest_ready), (Tier::Lowers, Some(2)));
    let also = Cluster { also: vec!["search".into()], ..Cluster::default() };
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    let shared = engine.plan(&away("eu-central-1a", 60), &also).await.unwrap();
    assert!(shared.facts.iter().any(|fact| fact.warns && fact.words == "it serves other services, too: search"));
    assert_eq!(shared.tier, Tier::Grave, "what touches several services takes a second person");
    assert!(self::plan(&fake, away("euc1-az2", 60)).await.is_ok(), "by its id, too");
    assert!(refused(&fake, away("eu-central-1d", 60)).await.contains("it is in eu-central-1c (euc1-az1), "));
    for minutes in [0, 72 * 60 + 1] {
        assert!(refused(&fake, away("euc1-az2", minutes)).await.contains("between one minute and 72 hours"));
    }
    fake.state().traffic.zones[0] = vec!["eu-central-1a"; 3];
    let last = self::plan(&fake, away("eu-central-1a", 60)).await.unwrap();
    assert_eq!(last.tier, Tier::Grave, "nobody is left");
    fake.state().traffic.shifts = vec![("x".into(), "euc1-az1".into(), "game day".into())];
    assert!(refused(&fake, away("euc1-az2", 60)).await.contains("away from euc1-az1 already (game day)"));
}

/// Each plan at 80×24, and all that it tells in it.
#[tokio::test]
async fn plans_at_80_by_24() {
    let fake = Fake::start().await;
    {
        let mut state = fake.state();
        state.ecs.limits = Some((2, 8));
        state.ecs.policies = vec!["cpu-60"];
        state.traffic.tags = vec![("aws:cloudformation:stack-name", "shop")];
    }
    let (clock, _driver) = Clock::driven(chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap());
    let engine = Engine::new(&fake.environment(), clock).unwrap();
    let shown = async |want: Request| {
        let mut plan = engine.plan(&want, &Cluster::default()).await.unwrap();
        plan.command = plan.command.replace(&fake.url, "http://127.0.0.1:4566").as_str().into();
        crate::tui::tests::plans::picture(&plan)
    };
    insta::assert_snapshot!("scale", shown(scale(8)).await);
    insta::assert_snapshot!("limit", shown(Request::Bound { target: payments(), floor: Some(7), cap: None }).await);
    insta::assert_snapshot!("roll_back", shown(back()).await);
    insta::assert_snapshot!("divert_a_rule", shown(rule(&[("green", 10)])).await);
    let listener = divert(Kind::Listener, "", LISTENER, &[("green", 10)]);
    insta::assert_snapshot!("divert_a_listener", shown(listener).await);
    insta::assert_snapshot!("divert_records", shown(records(&[("b", 25)])).await);
    insta::assert_snapshot!("evacuate", shown(away("eu-central-1a", 60)).await);
    fake.state().ecs.roll(43, "IN_PROGRESS");
    insta::assert_snapshot!("stop_a_deployment", shown(back()).await);
}
