//! What a plan to roll back or to restart says, against an API server on loopback.

use serde_json::{Value, json};

use super::fake::Fake;
use super::fake::rollout::{stage, target};
use crate::clock::Clock;
use crate::model::name::Kind;
use crate::model::plan::{OwnerEffect, Permission, Plan, Preview, Refusal, Request, Revision, Room, Tier};
use crate::respond::{Cluster, Engine};

async fn staged(kind: Kind) -> Fake {
    let fake = Fake::start().await;
    stage(&mut fake.state(), kind);
    fake
}

async fn planned(fake: &Fake, want: &Request) -> Result<Plan, Refusal> {
    let cluster = Cluster { fits: Some(1), service: Some("payments".into()), ..Cluster::default() };
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(want, &cluster).await
}

async fn plan(fake: &Fake, kind: Kind, to: Revision) -> Result<Plan, Refusal> {
    planned(fake, &Request::RollBack { target: target(kind), to }).await
}

async fn back(fake: &Fake) -> Plan {
    plan(fake, Kind::Deployment, Revision::Previous).await.unwrap()
}

fn fact<'a>(plan: &'a Plan, label: &str) -> &'a str {
    plan.facts.iter().find(|fact| fact.label == label).map_or("", |fact| fact.words.as_str())
}

#[tokio::test]
async fn a_rollback_says_where_it_goes_what_differs_and_what_stays() {
    let fake = staged(Kind::Deployment).await;
    let plan = back(&fake).await;
    assert_eq!(plan.title, "roll back Deployment payments");
    assert_eq!(plan.changes[0].shown(), "template payments:2.9.0 → payments:2.8.0");
    assert_eq!(plan.changes[1].shown(), "annotation kubernetes.io/change-cause “ci/payments” → nothing");
    assert_eq!(plan.changes.len(), 2, "what kubectl keeps is not touched");
    assert!(fact(&plan, "to").starts_with("revision 2 payments:2.8.0, "), "{}", fact(&plan, "to"));
    let others = fact(&plan, "revisions");
    assert!(
        others.starts_with("3 payments:2.9.0, ") && others.contains("(ci/payments), now; 1 payments:2.7.4, "),
        "{others}"
    );
    assert_eq!(fact(&plan, "differs"), "payments env RATE_LIMIT nothing → 6");
    assert_eq!(fact(&plan, "stays"), "ConfigMap limits, and schemas do not roll back");
    assert_eq!(plan.undo.as_deref(), Some("back to payments:2.9.0, while nobody else has changed the template"));
    assert_eq!(plan.blast.words, "6 of 6 ready now; while it rolls 1 may be away, 2 more at a time");
    let Room::Counted { fit: 1, wait: 1, .. } = plan.room else { panic!("{:?}", plan.room) };
    assert!(
        plan.command.ends_with("--context prod -n shop rollout undo deploy/payments --to-revision=2"),
        "{}",
        plan.command
    );
    assert_eq!(
        (plan.tier, &plan.permission, &plan.preview),
        (Tier::Reversible, &Permission::Allowed, &Preview::Accepted)
    );
    assert_eq!(Engine::blocked(&plan), None);
    let state = fake.state();
    let asked = &state.seen.iter().find(|seen| seen.method == "POST").unwrap().body["spec"]["resourceAttributes"];
    assert_eq!(
        (&asked["verb"], &asked["resource"], &asked["subresource"]),
        (&json!("patch"), &json!("deployments"), &json!(""))
    );
    assert!(state.writes().is_empty());
}

#[tokio::test]
async fn another_revision_is_named_by_its_number_and_one_that_is_not_there_is_refused_with_those_that_are() {
    for kind in [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet] {
        let fake = staged(kind).await;
        let oldest = plan(&fake, kind, Revision::Named("1".into())).await.unwrap();
        assert_eq!(oldest.changes[0].shown(), "template payments:2.9.0 → payments:2.7.4");
        let why = async |name: &str| plan(&fake, kind, Revision::Named(name.into())).await.unwrap_err().why;
        assert!(why("9").await.contains("has no revision 9 (kept: 3, 2, 1)"), "{kind}");
        assert!(why("stable").await.contains("has no revision stable"), "{kind}");
        assert!(why("3").await.contains("has the template of revision 3 already"), "{kind}");
        fake.state().revisions.retain(|item| item["metadata"]["name"] == "payments-3");
        let none = plan(&fake, kind, Revision::Previous).await.unwrap_err().why;
        assert!(none.contains("no earlier revision to go back to (kept: 3)"), "{none}");
    }
}

#[tokio::test]
async fn a_revision_that_runs_already_is_skipped() {
    let fake = staged(Kind::Deployment).await;
    // Somebody went back to 2.8.0 by hand, and the controller has not renumbered it yet.
    let version = super::fake::rollout::template("2.8.0");
    fake.state().object["spec"]["template"] = version;
    let plan = back(&fake).await;
    assert_eq!(plan.changes[0].shown(), "template payments:2.8.0 → payments:2.9.0");
}

#[tokio::test]
async fn a_paused_deployment_is_resumed_first() {
    let fake = staged(Kind::Deployment).await;
    fake.state().object["spec"]["paused"] = json!(true);
    for want in [
        Request::RollBack { target: target(Kind::Deployment), to: Revision::Previous },
        Request::Restart { target: target(Kind::Deployment) },
    ] {
        let why = planned(&fake, &want).await.unwrap_err().why;
        assert!(why.contains("is paused") && why.ends_with("rollout resume deploy/payments"), "{why}");
    }
}

#[tokio::test]
async fn another_object_or_one_that_goes_is_not_rolled_back() {
    let fake = staged(Kind::Deployment).await;
    fake.state().object["metadata"]["deletionTimestamp"] = json!("2026-11-21T03:24:00Z");
    assert!(plan(&fake, Kind::Deployment, Revision::Previous).await.unwrap_err().why.contains("is being deleted"));
    fake.state().object["metadata"]["uid"] = json!("uid-2");
    assert!(plan(&fake, Kind::Deployment, Revision::Previous).await.unwrap_err().why.contains("another object"));
}

#[tokio::test]
async fn all_pods_at_once_take_the_name() {
    let fake = staged(Kind::Deployment).await;
    fake.state().object["spec"]["strategy"] = json!({ "type": "Recreate" });
    let plan = back(&fake).await;
    assert_eq!((plan.tier, &plan.room), (Tier::Lowers, &Room::NotNeeded));
    assert!(plan.blast.words.contains("all of them end before the first new one starts"), "{}", plan.blast.words);
}

/// Tracked by Argo CD since before its first revision: the controller copies annotations to each.
fn tracked(fake: &Fake) {
    let mut state = fake.state();
    let state = &mut *state;
    for object in state.revisions.iter_mut().chain([&mut state.object]) {
        object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] =
            json!("shop:apps/Deployment:shop/payments");
    }
}

#[tokio::test]
async fn an_application_that_heals_itself_blocks_a_bare_rollback_and_leaves_a_restart_alone() {
    let fake = staged(Kind::Deployment).await;
    tracked(&fake);
    let owned = async |spec: Value| {
        fake.state().application = Some(json!({ "spec": spec }));
        let plan = back(&fake).await;
        assert_eq!(plan.owners[0].name, "Argo CD app shop");
        (plan.owners[0].effect, plan.owners[0].words.to_string(), Engine::blocked(&plan))
    };
    let heals = json!({ "syncPolicy": { "automated": { "selfHeal": true } } });
    let (effect, words, blocked) = owned(heals.clone()).await;
    assert_eq!(effect, OwnerEffect::Reverts);
    assert!(words.contains("revert the commit in git"), "{words}");
    assert!(blocked.unwrap().contains("would be undone"));
    let (effect, words, blocked) = owned(json!({ "syncPolicy": { "automated": {} } })).await;
    assert_eq!((effect, blocked), (OwnerEffect::MayRevert, None));
    assert!(words.contains("next commit") && words.contains("revert the commit in git, too"), "{words}");

    let ignoring = |pointers: Value| {
        let mut spec = heals.clone();
        spec["ignoreDifferences"] = json!([{ "group": "apps", "kind": "Deployment", "jsonPointers": pointers }]);
        spec
    };
    assert_eq!(owned(ignoring(json!(["/spec/template"]))).await.0, OwnerEffect::Informs);
    let image = "/spec/template/spec/containers/0/image";
    assert_eq!(owned(ignoring(json!([image]))).await.0, OwnerEffect::Reverts, "the variable would be set back");
    assert_eq!(owned(ignoring(json!(["/spec/temp"]))).await.0, OwnerEffect::Reverts);

    fake.state().application = Some(json!({ "spec": heals }));
    let restart = planned(&fake, &Request::Restart { target: target(Kind::Deployment) }).await.unwrap();
    assert_eq!((restart.owners[0].effect, Engine::blocked(&restart)), (OwnerEffect::Informs, None));
}

#[tokio::test]
async fn flux_helm_and_operators_are_named_with_the_lasting_cure() {
    let fake = staged(Kind::Deployment).await;
    {
        let mut state = fake.state();
        state.object["metadata"]["labels"] =
            json!({ "kustomize.toolkit.fluxcd.io/name": "shop", "app.kubernetes.io/managed-by": "Helm" });
        state.object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("pay");
        state.object["metadata"]["ownerReferences"] = json!([{ "kind": "Shop", "name": "main", "controller": true }]);
    }
    let plan = back(&fake).await;
    let told: Vec<_> = plan.owners.iter().map(|owner| (owner.name.as_str(), owner.words.as_str())).collect();
    assert_eq!(told[0].0, "Flux Kustomization shop");
    assert!(told[0].1.contains("revert the commit in git, too; to hold it off: flux suspend"), "{}", told[0].1);
    assert_eq!(told[1].0, "Helm pay");
    assert!(told[1].1.ends_with("helm rollback pay -n shop"), "{}", told[1].1);
    assert_eq!(told[2].0, "Shop main");
    assert!(plan.owners.iter().all(|owner| owner.effect == OwnerEffect::MayRevert));
}

/// A plan on the smallest screen, made at a moment of its own; its kubeconfig is wherever.
async fn pictured(fake: &Fake, want: &Request) -> String {
    let (clock, _driver) = Clock::driven("2026-11-21T03:29:52Z".parse().unwrap());
    let cluster =
        Cluster { fits: Some(9), load: Some("cpu 97 % on 6 pods; errors 31.2 %".into()), ..Cluster::default() };
    let mut plan = Engine::new(&fake.environment(), clock).unwrap().plan(want, &cluster).await.unwrap();
    let kubeconfig = fake.environment().kubernetes.unwrap().kubeconfig.unwrap();
    plan.command = plan.command.replace(&format!("--kubeconfig {} ", kubeconfig.display()), "").into();
    crate::tui::tests::plans::picture(&plan)
}

#[tokio::test]
async fn a_plan_to_roll_back_at_80_by_24() {
    let fake = staged(Kind::Deployment).await;
    tracked(&fake);
    fake.state().application = Some(json!({ "spec": { "syncPolicy": { "automated": {} } } }));
    let want = Request::RollBack { target: target(Kind::Deployment), to: Revision::Previous };
    insta::assert_snapshot!(pictured(&fake, &want).await);
}

#[tokio::test]
async fn a_plan_to_roll_a_stateful_set_with_a_broken_pod_back_at_80_by_24() {
    let fake = staged(Kind::StatefulSet).await;
    fake.state().object["status"]["readyReplicas"] = json!(5);
    fake.state().follows = false;
    let want = Request::RollBack { target: target(Kind::StatefulSet), to: Revision::Named("1".into()) };
    insta::assert_snapshot!(pictured(&fake, &want).await);
}

#[tokio::test]
async fn a_plan_to_restart_at_80_by_24() {
    let fake = staged(Kind::DaemonSet).await;
    let want = Request::Restart { target: target(Kind::DaemonSet) };
    insta::assert_snapshot!(pictured(&fake, &want).await);
}

#[tokio::test]
async fn a_restart_says_that_there_is_no_way_back() {
    for (kind, short) in
        [(Kind::Deployment, "deploy"), (Kind::StatefulSet, "statefulset"), (Kind::DaemonSet, "daemonset")]
    {
        let fake = staged(kind).await;
        let plan = planned(&fake, &Request::Restart { target: target(kind) }).await.unwrap();
        assert_eq!((plan.changes[0].shown().as_str(), &plan.undo), ("restarted never → now", &None));
        assert_eq!(plan.tier, Tier::Lowers, "what nothing takes back takes the name");
        assert!(plan.command.ends_with(&format!("rollout restart {short}/payments")), "{}", plan.command);
        assert_eq!(Engine::blocked(&plan), None);
    }
}
