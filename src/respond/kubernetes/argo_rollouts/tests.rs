//! What a plan for a Rollout says, against an API server on loopback.

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{OwnerEffect, Permission, Plan, Preview, Refusal, Replicas, Request, Revision, Tier};
use crate::respond::kubernetes::fake::Fake;
use crate::respond::kubernetes::fake::argo::{
    APPLICATION, REFERENCED, ROLLOUT, SETS, checkout, shop, stage_application, stage_reference, stage_rollout,
};
use crate::respond::{Cluster, Engine};
use crate::tui::tests::plans::picture;

async fn staged() -> Fake {
    let fake = Fake::start().await;
    let mut state = fake.state();
    state.follows = false;
    stage_rollout(&mut state);
    drop(state);
    fake
}

async fn planned(fake: &Fake, want: Request) -> Result<Plan, Refusal> {
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(&want, &Cluster::default()).await
}

async fn abort(fake: &Fake) -> Result<Plan, Refusal> {
    planned(fake, Request::Abort { target: checkout() }).await
}

async fn back(fake: &Fake, to: Revision) -> Result<Plan, Refusal> {
    planned(fake, Request::RollBack { target: checkout(), to }).await
}

fn set(fake: &Fake, pointer: &str, value: Value) {
    let mut state = fake.state();
    let rollout = state.argo.get_mut(ROLLOUT).unwrap();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    rollout.pointer_mut(parent).unwrap()[last] = value;
}

fn fact<'a>(plan: &'a Plan, label: &str) -> &'a str {
    plan.facts.iter().find(|fact| fact.label == label).map_or("", |fact| fact.words.as_str())
}

#[tokio::test]
async fn an_abort_says_what_serves_then_and_that_the_new_version_stays_wanted() {
    let fake = staged().await;
    let plan = abort(&fake).await.unwrap();
    assert_eq!(plan.title, "abort the rollout of Rollout checkout");
    let change = &plan.changes[0];
    assert_eq!((&*change.pointer, &*change.before, &*change.after), ("/status/abort", "null", "true"));
    assert_eq!(fact(&plan, "from"), "revision 5 (checkout:2.9.0)");
    assert!(fact(&plan, "to").starts_with("revision 4 (checkout:2.8.0), as it is stable"), "{}", fact(&plan, "to"));
    assert!(fact(&plan, "spec").starts_with("still holds the new version"));
    assert_eq!(plan.blast.words, "4 pods of the new version; the stable one has 4 ready and goes to 8");
    assert_eq!(plan.undo.as_deref(), Some("retries the rollout of revision 5 (checkout:2.9.0) from its first step"));
    assert_eq!((plan.tier, &plan.permission, &plan.preview), (Tier::Lowers, &Permission::Allowed, &Preview::Accepted));
    assert!(
        plan.command.ends_with(
            r#"-n shop patch rollout checkout --subresource=status --type=merge -p '{"status":{"abort":true}}'"#
        ),
        "{}",
        plan.command
    );
    assert_eq!(plan.target.uid, Some("uid-r".into()));
    assert_eq!(Engine::blocked(&plan), None);
    let state = fake.state();
    assert!(state.writes().is_empty(), "planning changes nothing");
    let review = state.seen.iter().find(|seen| seen.method == "POST").unwrap();
    let asked = &review.body["spec"]["resourceAttributes"];
    assert_eq!((&asked["resource"], &asked["subresource"]), (&json!("rollouts"), &json!("status")));
}

#[tokio::test]
async fn an_abort_that_would_do_nothing_is_refused() {
    let fake = staged().await;
    let why = async || abort(&fake).await.unwrap_err().why.to_string();
    set(&fake, "/status/abort", json!(true));
    assert!(why().await.contains("was aborted already; its specification still holds revision 5"));
    set(&fake, "/status/abort", json!(false));
    assert_eq!(&*abort(&fake).await.unwrap().changes[0].before, "false");
    set(&fake, "/metadata/generation", json!(8));
    assert!(why().await.contains("its controller has not looked at that yet"));
    set(&fake, "/metadata/generation", json!(7));
    set(&fake, "/status/currentPodHash", json!("h4"));
    assert!(why().await.contains("no rollout of Rollout shop/checkout in prod-eu is under way"));
    set(&fake, "/status/stableRS", json!(""));
    assert!(why().await.contains("never rolled out a version to the end"));
    set(&fake, "/metadata/deletionTimestamp", json!("2026-11-21T03:00:00Z"));
    assert!(why().await.contains("is being deleted"));
    fake.state().argo.remove(ROLLOUT);
    assert!(why().await.contains("is not there"));
}

#[tokio::test]
async fn without_a_ready_stable_pod_an_abort_takes_the_last_capacity() {
    let fake = staged().await;
    fake.state().argo.get_mut(SETS).unwrap()["items"][1]["status"]["readyReplicas"] = json!(0);
    assert_eq!(abort(&fake).await.unwrap().tier, Tier::Grave, "a second person has to agree");
}

#[tokio::test]
async fn a_canary_without_traffic_is_aborted_by_one_key() {
    let fake = staged().await;
    set(&fake, "/spec/strategy", json!({ "canary": { "trafficRouting": { "istio": {} }, "steps": [] } }));
    set(&fake, "/status/canary", json!({ "weights": { "canary": { "weight": 0 } } }));
    assert_eq!(abort(&fake).await.unwrap().tier, Tier::Reversible);
    set(&fake, "/status/canary", json!({ "weights": { "canary": { "weight": 20 } } }));
    let moves = abort(&fake).await.unwrap();
    assert_eq!(moves.tier, Tier::Lowers);
    assert!(
        moves.blast.words.starts_with("4 pods of the new version, with 20 % of the traffic;"),
        "{}",
        moves.blast.words
    );
    set(&fake, "/spec/strategy", json!({ "blueGreen": { "activeService": "checkout" } }));
    assert_eq!(abort(&fake).await.unwrap().tier, Tier::Reversible, "it is not promoted yet");
}

#[tokio::test]
async fn a_rollback_goes_to_the_stable_version_while_another_is_rolled_out() {
    let fake = staged().await;
    let plan = back(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.changed(), "template checkout:2.9.0 → checkout:2.8.0");
    assert_eq!(fact(&plan, "to"), "revision 4 (checkout:2.8.0), which is stable: its steps are skipped");
    assert_eq!(fact(&plan, "revisions"), "revision 3 (checkout:2.7.4)");
    assert_eq!(fact(&plan, "stays"), "ConfigMaps, Secrets and schemas do not roll back");
    assert_eq!(
        plan.undo.as_deref(),
        Some("back to revision 5 (checkout:2.9.0), while nobody else has changed the template")
    );
    assert_eq!((plan.tier, plan.owners.len(), Engine::blocked(&plan)), (Tier::Reversible, 0, None));

    let older = back(&fake, Revision::Named("3".into())).await.unwrap();
    assert_eq!(
        fact(&older, "to"),
        "revision 3 (checkout:2.7.4), which goes through the steps as any new version, pauses included"
    );
    let why = async |to: &str| back(&fake, Revision::Named(to.into())).await.unwrap_err().why.to_string();
    assert!(why("9").await.contains("keeps no revision 9; those it keeps: 3, 4, 5"));
    assert!(why("latest").await.contains("keeps no revision latest"));
    assert!(why("5").await.contains("at revision 5 (checkout:2.9.0) already"));

    // When all of it is the new version, the one before is the newest that is not.
    set(&fake, "/status/stableRS", json!("h5"));
    let previous = back(&fake, Revision::Previous).await.unwrap();
    assert!(fact(&previous, "to").starts_with("revision 4"));
    fake.state().argo.get_mut(SETS).unwrap()["items"].as_array_mut().unwrap().drain(..2);
    assert!(back(&fake, Revision::Previous).await.unwrap_err().why.contains("keeps no earlier version"));
}

#[tokio::test]
async fn a_rollback_within_the_window_goes_there_at_once_and_says_so() {
    let fake = staged().await;
    for (at, day) in ["07", "14", "21"].into_iter().enumerate() {
        fake.state().argo.get_mut(SETS).unwrap()["items"][at]["metadata"]["creationTimestamp"] =
            json!(format!("2026-11-{day}T02:30:00Z"));
    }
    let to = async |window: u32, stable: &str, revision: &str| {
        set(&fake, "/spec/rollbackWindow", json!({ "revisions": window }));
        set(&fake, "/status/stableRS", json!(stable));
        let plan = back(&fake, Revision::Named(revision.into())).await.unwrap();
        let to = plan.facts.iter().find(|fact| fact.label == "to").unwrap();
        assert_eq!(to.warns, to.words.contains("rollbackWindow"));
        assert_eq!(fact(&plan, "pauses").is_empty(), to.warns, "what is skipped is not waited for");
        to.words.to_string()
    };
    let within = "which lies within rollbackWindow: its steps, pauses and analyses are skipped";
    assert_eq!(to(1, "h4", "3").await, format!("revision 3 (checkout:2.7.4), {within}"));
    assert!(to(2, "h5", "3").await.ends_with(within));
    for outside in [to(1, "h5", "3").await, to(0, "h4", "3").await] {
        assert!(outside.ends_with("which goes through the steps as any new version, pauses included"), "{outside}");
    }
    set(&fake, "/status/currentPodHash", json!("h3"));
    assert!(!to(9, "h4", "5").await.contains("rollbackWindow"), "forward is no rollback");
}

#[tokio::test]
async fn a_command_is_kept_whole() {
    let fake = staged().await;
    let long = json!([{ "name": "BANNER", "value": "it's ".repeat(2_000) }]);
    fake.state().argo.get_mut(SETS).unwrap()["items"][1]["spec"]["template"]["spec"]["containers"][0]["env"] = long;
    let plan = back(&fake, Revision::Previous).await.unwrap();
    let (_, patch) = plan.command.split_once(" -p ").unwrap();
    let patch = patch.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().replace(r"'\''", "'");
    let patch: Value = serde_json::from_str(&patch).unwrap();
    assert_eq!(patch[0]["value"]["spec"]["containers"][0]["env"][0]["value"].as_str().unwrap().len(), 10_000);
}

#[tokio::test]
async fn a_rollback_through_the_steps_waits_as_long_as_they_do_and_says_where_somebody_has_to() {
    let fake = staged().await;
    let steps = json!([{ "setWeight": 20 }, { "pause": { "duration": "1m30s" } }, { "pause": { "duration": 30 } },
        { "pause": { "duration": "60" } }, { "pause": { "duration": "10m" } }, { "pause": {} }, { "pause": {} }]);
    set(&fake, "/spec/strategy", json!({ "canary": { "steps": steps } }));
    let older = back(&fake, Revision::Named("3".into())).await.unwrap();
    assert_eq!(fact(&older, "pauses"), "it waits 780 s by itself, 2 times until somebody promotes it");
    let stable = back(&fake, Revision::Previous).await.unwrap();
    assert_eq!((fact(&stable, "pauses"), older.patience_seconds - stable.patience_seconds), ("", 780), "steps skipped");
    set(&fake, "/spec/strategy", json!({ "canary": { "steps": [{ "pause": { "duration": "soon" } }] } }));
    let strange = back(&fake, Revision::Named("3".into())).await.unwrap();
    assert_eq!(fact(&strange, "pauses"), "once for a time that is not understood");
    assert_eq!(strange.patience_seconds, stable.patience_seconds);
    set(&fake, "/spec/strategy", json!({ "canary": { "steps": [{ "pause": { "duration": "1.5h" } }] } }));
    let long = back(&fake, Revision::Named("3".into())).await.unwrap();
    assert_eq!((fact(&long, "pauses"), long.patience_seconds), ("it waits 5400 s by itself", 3600), "an hour at most");
}

#[tokio::test]
async fn what_a_rollback_cannot_do_it_refuses() {
    let fake = staged().await;
    let why = async || back(&fake, Revision::Previous).await.unwrap_err().why.to_string();
    set(&fake, "/spec/paused", json!(true));
    assert!(why().await.contains("is paused"));
    set(&fake, "/spec/paused", json!(false));
    set(&fake, "/spec/workloadRef", json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout" }));
    assert!(why().await.contains("from Deployment shop/checkout in prod-eu (workloadRef), and that is not there"));
    set(&fake, "/spec/workloadRef", json!({ "apiVersion": "v1", "kind": "PodTemplate", "name": "checkout" }));
    assert!(why().await.contains("from the PodTemplate checkout (workloadRef), and of those only a Deployment"));
    set(&fake, "/spec/workloadRef", Value::Null);
    fake.state().argo.get_mut(SETS).unwrap()["items"][1]["spec"]["template"]["spec"]["huge"] =
        json!("x".repeat(70_000));
    assert!(why().await.contains("too large to be kept in the record"));
}

#[tokio::test]
async fn an_application_that_heals_itself_would_undo_it_and_its_own_rollback_is_offered() {
    let fake = staged().await;
    stage_application(&mut fake.state());
    set(
        &fake,
        "/metadata/annotations",
        json!({ "argocd.argoproj.io/tracking-id": "shop:argoproj.io/Rollout:shop/checkout" }),
    );
    let plan = back(&fake, Revision::Previous).await.unwrap();
    assert_eq!((plan.owners[0].name.as_str(), plan.owners[0].effect), ("Argo CD app shop", OwnerEffect::Reverts));
    assert!(Engine::blocked(&plan).unwrap().contains("would be undone"));
    let instead = plan.instead.unwrap();
    assert_eq!(instead.words, "roll back Application shop and turn its auto-sync off");
    assert_eq!(*instead.request, Request::RollBack { target: shop(), to: Revision::Previous });
    let back_instead = planned(&fake, *instead.request).await.unwrap();
    assert_eq!(Engine::blocked(&back_instead), None);

    let abort = abort(&fake).await.unwrap();
    assert_eq!(abort.owners[0].effect, OwnerEffect::Informs, "git holds no status");
    assert_eq!((Engine::blocked(&abort), &abort.instead), (None, &None));

    fake.state().argo.get_mut(APPLICATION).unwrap()["spec"]["syncPolicy"]["automated"]["selfHeal"] = json!(false);
    let told = back(&fake, Revision::Previous).await.unwrap();
    assert_eq!((told.owners[0].effect, Engine::blocked(&told), told.instead), (OwnerEffect::MayRevert, None, None));
}

async fn restart(fake: &Fake) -> Result<Plan, Refusal> {
    planned(fake, Request::Restart { target: checkout() }).await
}

#[tokio::test]
async fn a_restart_says_how_many_pods_end_at_a_time_and_that_there_is_no_way_back() {
    let fake = staged().await;
    let plan = restart(&fake).await.unwrap();
    assert_eq!((plan.title.as_str(), plan.changed().as_str()), ("restart Rollout checkout", "restarted never → now"));
    assert_eq!((&*plan.changes[0].pointer, &*plan.changes[0].before), ("/spec/restartAt", "null"));
    assert_eq!(plan.blast.words, "8 of 8 ready now; 2 at a time end before others take their place");
    assert_eq!((plan.tier, &plan.undo, Engine::blocked(&plan)), (Tier::Reversible, &None, None));
    assert!(fact(&plan, "versions").contains("revision 4 (checkout:2.8.0) and of revision 5 (checkout:2.9.0) alike"));
    assert_eq!(Engine::voided(&plan, &restart(&fake).await.unwrap()), None, "read again it is the same");

    set(&fake, "/spec/strategy", json!({ "canary": { "maxUnavailable": 0 } }));
    assert!(restart(&fake).await.unwrap().blast.words.contains("1 at a time"), "one at least");
    for (more, away) in [(json!({}), "2 at a time"), (json!({ "maxUnavailable": 3 }), "3 at a time")] {
        set(&fake, "/spec/strategy", json!({ "blueGreen": more }));
        assert!(restart(&fake).await.unwrap().blast.words.contains(away), "{away}, for a blue-green one as well");
    }
    set(&fake, "/spec/strategy", json!({ "blueGreen": { "activeService": "checkout" } }));
    set(&fake, "/spec/replicas", json!(1));
    set(&fake, "/status/replicas", json!(1));
    set(&fake, "/status/readyReplicas", json!(1));
    let last = restart(&fake).await.unwrap();
    assert_eq!((last.tier, fact(&last, "capacity").is_empty()), (Tier::Lowers, false));
    set(&fake, "/spec/paused", json!(true));
    assert!(restart(&fake).await.is_ok(), "pods are made anew all the same");
    set(&fake, "/spec/replicas", json!(0));
    assert!(restart(&fake).await.unwrap_err().why.contains("has no pods"));
}

#[tokio::test]
async fn a_restart_that_would_wait_for_pods_that_are_not_ready_is_refused() {
    let fake = staged().await;
    set(&fake, "/status/readyReplicas", json!(7));
    let one = restart(&fake).await.unwrap();
    assert_eq!(one.blast.words, "7 of 8 ready now; 1 at a time end before others take their place");
    assert_eq!(one.blast.fewest_ready, Some(6));
    for ready in [6, 0] {
        set(&fake, "/status/readyReplicas", json!(ready));
        let why = restart(&fake).await.unwrap_err().why;
        assert!(why.contains(&format!("has {ready} of 8 pods ready, and Argo Rollouts restarts none")), "{why}");
        assert!(why.contains("while fewer than 7 are"), "{why}");
    }
    // One more than was asked for, by the weight of a canary.
    set(&fake, "/status/readyReplicas", json!(7));
    set(&fake, "/status/replicas", json!(9));
    assert!(restart(&fake).await.unwrap_err().why.contains("while fewer than 8 are"));
}

#[tokio::test]
async fn an_application_that_heals_itself_leaves_a_restart_alone() {
    let fake = staged().await;
    stage_application(&mut fake.state());
    let tracked = json!({ "argocd.argoproj.io/tracking-id": "shop:argoproj.io/Rollout:shop/checkout" });
    set(&fake, "/metadata/annotations", tracked);
    let plan = restart(&fake).await.unwrap();
    assert_eq!((plan.owners[0].effect, Engine::blocked(&plan)), (OwnerEffect::Informs, None));
}

#[tokio::test]
async fn a_template_that_stands_in_a_deployment_is_written_there_if_that_has_no_pods_of_its_own() {
    let fake = staged().await;
    stage_reference(&mut fake.state());
    let plan = back(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.target.to_string(), "Deployment shop/checkout-base in prod-eu");
    assert_eq!((plan.target.uid.clone(), plan.name_to_type()), (Some("uid-d".into()), "checkout-base"));
    assert_eq!((plan.title.as_str(), plan.tier), ("roll back Rollout checkout", Tier::Reversible));
    assert_eq!(plan.changed(), "template checkout:2.9.0 → checkout:2.8.0");
    assert_eq!(
        fact(&plan, "writes"),
        "Deployment shop/checkout-base in prod-eu, which Rollout shop/checkout in prod-eu takes its template from \
         (workloadRef)"
    );
    assert!(plan.command.contains("patch deployment checkout-base --type=json"), "{}", plan.command);
    let asked = |fake: &Fake| {
        let state = fake.state();
        let review = state.seen.iter().rev().find(|seen| seen.method == "POST").unwrap();
        review.body["spec"]["resourceAttributes"]["resource"].clone()
    };
    assert_eq!(asked(&fake), "deployments");

    let why = async || back(&fake, Revision::Previous).await.unwrap_err().why.to_string();
    let of = |pointer: &str, value: Value| {
        *fake.state().argo.get_mut(REFERENCED).unwrap().pointer_mut(pointer).unwrap() = value;
    };
    of("/metadata/generation", json!(4));
    assert!(why().await.contains("the controller of Rollout shop/checkout in prod-eu has not looked at that yet"));
    of("/metadata/generation", json!(3));
    of("/spec/replicas", json!(2));
    assert!(why().await.contains("has 2 pods of its own: they would be replaced at once"));
    of("/spec/replicas", json!(0));
    of("/metadata/uid", json!(""));
    assert!(why().await.contains("is another object"));
}

/// The Deployment that the Rollout refers to, as a pane would name it.
fn base() -> Target {
    Target { kind: Kind::Deployment, path: ObjectPath::new("shop", "checkout-base"), ..checkout() }
}

#[tokio::test]
async fn a_deployment_that_a_rollout_takes_its_template_from_is_not_changed_as_an_idle_one() {
    const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";
    let fake = staged().await;
    stage_reference(&mut fake.state());
    let rollout = fake.state().argo[ROLLOUT].clone();
    fake.state().argo.insert(ROLLOUTS.into(), json!({ "metadata": {}, "items": [rollout] }));
    let all = || {
        [
            (Request::Restart { target: base() }, "restart"),
            (Request::RollBack { target: base(), to: Revision::Named("3".into()) }, "rollback"),
            (Request::Scale { target: base(), to: Replicas::Exactly(2) }, "scale"),
        ]
    };
    for (want, command) in all() {
        let why = planned(&fake, want).await.unwrap_err().why;
        assert!(why.contains("is what Rollout shop/checkout takes its template from (workloadRef)"), "{why}");
        assert!(why.contains(&format!("`:{command} Rollout shop/checkout` does it there")), "{why}");
    }
    // With pods of its own it can be scaled, to none of them as well.
    fake.state().argo.get_mut(REFERENCED).unwrap()["spec"]["replicas"] = json!(3);
    let down = planned(&fake, Request::Scale { target: base(), to: Replicas::Exactly(0) }).await.unwrap();
    assert_eq!((&*down.owners[0].name, down.owners[0].effect), ("Rollout shop/checkout", OwnerEffect::MayRevert));
    assert!(planned(&fake, Request::Restart { target: base() }).await.is_err());

    // One of another name is none of it, and what cannot be read is said.
    fake.state().argo.get_mut(ROLLOUTS).unwrap()["items"][0]["spec"]["workloadRef"]["name"] = json!("other");
    let own = planned(&fake, Request::Restart { target: base() }).await.unwrap();
    assert_eq!(own.owners, []);
    fake.state().forbidden = vec![ROLLOUTS];
    for want in [Request::Restart { target: base() }, Request::Scale { target: base(), to: Replicas::Exactly(4) }] {
        let plan = planned(&fake, want).await.unwrap();
        let told = &plan.owners[0];
        assert_eq!((&*told.name, told.effect), ("Argo Rollouts", OwnerEffect::MayRevert));
        assert!(told.words.starts_with("could not be read") && Engine::blocked(&plan).is_none(), "{}", told.words);
    }
}

#[tokio::test]
async fn plans_for_a_rollout_at_80_by_24() {
    let fake = staged().await;
    insta::assert_snapshot!("restart", picture(&steady(restart(&fake).await.unwrap())));
    insta::assert_snapshot!("abort", picture(&steady(abort(&fake).await.unwrap())));
    insta::assert_snapshot!("rollback", picture(&steady(back(&fake, Revision::Previous).await.unwrap())));
    let scale = Request::Scale { target: checkout(), to: Replicas::Exactly(11) };
    insta::assert_snapshot!("scale", picture(&steady(planned(&fake, scale).await.unwrap())));
    let aborted = abort(&fake).await.unwrap();
    set(&fake, "/status/abort", json!(true));
    let retry = Request::Undo { plan: Box::new(aborted) };
    insta::assert_snapshot!("retry", picture(&steady(planned(&fake, retry).await.unwrap())));
    set(&fake, "/status/abort", json!(false));
    stage_reference(&mut fake.state());
    insta::assert_snapshot!("rollback_referenced", picture(&steady(back(&fake, Revision::Previous).await.unwrap())));
}

/// Without what is another on every run.
fn steady(mut plan: Plan) -> Plan {
    let command = plan.command.split_once(" --context").unwrap().1;
    plan.command = match command.split_once(r#""restartAt":""#) {
        Some((start, end)) => format!(r#"kubectl --context{start}"restartAt":"2026-11-21T03:29:50Z{}"#, &end[20..]),
        None => format!("kubectl --context{command}"),
    }
    .into();
    plan.read_at = "2026-11-21T03:29:50Z".parse().unwrap();
    plan.expires_at = plan.read_at + chrono::TimeDelta::seconds(90);
    plan
}
