//! What a plan says, against an API server on loopback.

mod pictures;
mod traffic;

use serde_json::json;

use super::fake::{Fake, payments};
use crate::clock::Clock;
use crate::model::name::Target;
use crate::model::plan::{OwnerEffect, Permission, Plan, Preview, Refusal, Replicas, Request, Room, Tier};
use crate::respond::{Cluster, Engine};

async fn plan_as(fake: &Fake, target: Target, to: Replicas, cluster: &Cluster) -> Result<Plan, Refusal> {
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(&Request::Scale { target, to }, cluster).await
}

async fn plan(fake: &Fake, to: Replicas) -> Result<Plan, Refusal> {
    plan_as(fake, payments(), to, &Cluster::default()).await
}

async fn refused(fake: &Fake, to: Replicas) -> String {
    plan(fake, to).await.expect_err("it was planned").why.to_string()
}

fn hpa(min: u32, max: u32) -> serde_json::Value {
    json!([
        { "metadata": { "name": "other" }, "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "cart" }, "maxReplicas": 3 } },
        { "metadata": { "name": "payments" }, "spec": {
            "scaleTargetRef": { "kind": "Deployment", "name": "payments" }, "minReplicas": min, "maxReplicas": max } },
    ])
}

#[tokio::test]
async fn a_plan_says_all_that_a_tired_person_needs() {
    let fake = Fake::start().await;
    let cluster = Cluster {
        fits: Some(3),
        full: Some("500m cpu, zone b full".into()),
        load: Some("cpu 97 % of the limit on 6 pods".into()),
        service: Some("checkout".into()),
        ..Cluster::default()
    };
    let plan = plan_as(&fake, payments(), Replicas::By(6), &cluster).await.unwrap();
    assert_eq!(plan.title, "scale Deployment payments");
    let change = &plan.changes[0];
    assert_eq!((&*change.pointer, &*change.before, &*change.after), ("/spec/replicas", "6", "12"));
    assert_eq!(plan.undo.as_deref(), Some("12 → 6, while nobody else has changed it"));
    assert_eq!(plan.blast.words, "+6 of 6 (100 % more), 6 ready now");
    let Room::Counted { fit: 3, wait: 3, words } = &plan.room else { panic!("{:?}", plan.room) };
    assert_eq!(*words, "3 of 6 fit now; 3 would wait for a node (500m cpu, zone b full)");
    assert_eq!(
        (plan.tier, &plan.permission, &plan.preview),
        (Tier::Reversible, &Permission::Allowed, &Preview::Accepted)
    );
    assert!(plan.command.ends_with("--context prod -n shop scale deploy/payments --replicas=12"), "{}", plan.command);
    assert_eq!((plan.expires_at - plan.read_at).num_seconds(), 90);
    assert_eq!(plan.service, Some("checkout".into()));
    assert_eq!(plan.target.uid, Some("uid-1".into()));
    assert_eq!(Engine::blocked(&plan), None);
    assert!(fake.state().writes().is_empty(), "planning changes nothing");
}

#[tokio::test]
async fn two_autoscalers_of_one_workload_block_a_plan_and_say_what_to_change() {
    let fake = Fake::start().await;
    let both = [hpa(2, 8), hpa(2, 8)].map(|list| list[1].clone());
    fake.state().autoscalers = json!(both);
    let up = plan(&fake, Replicas::Exactly(12)).await.unwrap();
    let owner = &up.owners[0];
    assert_eq!((&*owner.name, owner.effect), ("HPA payments 2–8", OwnerEffect::Reverts));
    assert!(owner.words.starts_with("sets it back within 15 s; change its floor instead: kubectl"), "{}", owner.words);
    assert!(
        owner.words.ends_with(r#"patch hpa payments --type=merge -p '{"spec":{"minReplicas":12,"maxReplicas":12}}'"#),
        "{}",
        owner.words
    );
    assert!(Engine::blocked(&up).unwrap().contains("would be undone"));
    let down = plan(&fake, Replicas::Exactly(4)).await.unwrap();
    assert!(down.owners[0].words.ends_with(r#"-p '{"spec":{"maxReplicas":4}}'"#), "{}", down.owners[0].words);
}

#[tokio::test]
async fn from_zero_the_autoscaler_is_only_told_because_no_floor_brings_replicas_back() {
    let fake = Fake::start().await;
    fake.state().autoscalers = hpa(2, 8);
    fake.state().set_by("kubectl", 0);
    let plan = plan(&fake, Replicas::Exactly(3)).await.unwrap();
    assert_eq!(plan.owners[0].effect, OwnerEffect::MayRevert);
    assert!(plan.owners[0].words.contains("keeps between 2 and 8"), "{}", plan.owners[0].words);
    assert_eq!(plan.blast.words, "+3, where there is none");
    assert_eq!(Engine::blocked(&plan), None);
}

#[tokio::test]
async fn keda_is_named_for_the_autoscaler_that_it_owns_when_its_own_object_cannot_be_read() {
    let fake = Fake::start().await;
    fake.state().autoscalers = json!([{ "metadata": { "name": "keda-hpa-pay" }, "spec": {
        "scaleTargetRef": { "kind": "Deployment", "name": "payments" }, "maxReplicas": 9 } }]);
    let plan = plan(&fake, Replicas::Exactly(8)).await.unwrap();
    assert_eq!(plan.owners[0].name, "KEDA ScaledObject pay 1–9");
    assert!(
        plan.owners[0].words.ends_with("annotate scaledobject pay --overwrite autoscaling.keda.sh/paused-replicas=8")
    );
    assert!(Engine::blocked(&plan).is_some());
}

#[tokio::test]
async fn argo_cd_heals_itself_unless_it_is_told_not_to() {
    let fake = Fake::start().await;
    let tracking = json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/payments" });
    fake.state().object["metadata"]["annotations"] = tracking;
    let effect = async |application| {
        fake.state().application = application;
        let plan = plan(&fake, Replicas::Exactly(8)).await.unwrap();
        assert_eq!(plan.owners[0].name, "Argo CD app shop");
        plan.owners[0].effect
    };
    let heals = json!({ "syncPolicy": { "automated": { "selfHeal": true } } });
    let mut ignores = heals.clone();
    ignores["ignoreDifferences"] =
        json!([{ "group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"] }]);
    assert_eq!(effect(Some(json!({ "spec": heals }))).await, OwnerEffect::Reverts);
    assert_eq!(effect(Some(json!({ "spec": ignores }))).await, OwnerEffect::Informs);
    assert_eq!(effect(Some(json!({ "spec": { "syncPolicy": null } }))).await, OwnerEffect::MayRevert);
    assert_eq!(effect(None).await, OwnerEffect::MayRevert, "the Application may not be read");
    let applied = json!({ "spec": { "template": {} } }).to_string();
    fake.state().object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = json!(applied);
    assert_eq!(effect(Some(json!({ "spec": heals }))).await, OwnerEffect::Informs, "git says nothing of replicas");
}

#[tokio::test]
async fn argo_cd_that_tracks_by_the_label_of_charts_is_seen_if_the_application_names_the_object() {
    let fake = Fake::start().await;
    fake.state().object["metadata"]["labels"] = json!({ "app.kubernetes.io/instance": "shop" });
    let owners = async |application: Option<serde_json::Value>| {
        fake.state().application = application;
        plan(&fake, Replicas::Exactly(8)).await.unwrap().owners
    };
    let of = |kind: &str| {
        json!({ "spec": { "syncPolicy": { "automated": { "selfHeal": true } } },
            "status": { "resources": [{ "kind": kind, "namespace": "shop", "name": "payments" }] } })
    };
    let heals = owners(Some(of("Deployment"))).await;
    assert_eq!((&*heals[0].name, heals[0].effect), ("Argo CD app shop", OwnerEffect::Reverts));
    assert_eq!(owners(Some(of("Service"))).await, [], "of the two that are called so it is the other");
    assert_eq!(owners(None).await[0].effect, OwnerEffect::MayRevert, "it may not be read");
    fake.state().object["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("shop");
    assert_eq!(owners(None).await, [], "Helm has labelled it");
    fake.state().object["metadata"]["labels"] = json!({ "app.kubernetes.io/instance": "cart" });
    fake.state().object["metadata"]["annotations"] = json!({});
    assert_eq!(owners(None).await, [], "there is no such Application");
    fake.state().object["metadata"]["labels"] = json!({ "app.kubernetes.io/instance": "Shop (eu)" });
    assert_eq!(owners(None).await, [], "nor can there be one");
}

#[tokio::test]
async fn flux_helm_and_operators_are_named() {
    let fake = Fake::start().await;
    fake.state().object["metadata"]["labels"] = json!({
        "kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "app.kubernetes.io/managed-by": "Helm",
    });
    fake.state().object["metadata"]["ownerReferences"] =
        json!([{ "kind": "Shop", "name": "main", "controller": true }]);
    let plan = plan(&fake, Replicas::Exactly(8)).await.unwrap();
    let names: Vec<_> = plan.owners.iter().map(|owner| owner.name.as_str()).collect();
    assert_eq!(names, ["Flux Kustomization shop", "Helm its release", "Shop main"]);
    assert!(plan.owners.iter().all(|owner| owner.effect == OwnerEffect::MayRevert));
    assert!(plan.owners[0].words.ends_with("flux suspend kustomization shop -n flux-system"));
    assert_eq!(Engine::blocked(&plan), None, "told, and left to the person");
}

#[tokio::test]
async fn fewer_replicas_take_more_confirmation() {
    let fake = Fake::start().await;
    assert_eq!(plan(&fake, Replicas::By(-2)).await.unwrap().tier, Tier::Lowers);
    {
        let mut state = fake.state();
        state.follows = false;
        state.object["status"]["readyReplicas"] = json!(0);
    }
    let grave = plan(&fake, Replicas::By(-2)).await.unwrap();
    assert_eq!(grave.tier, Tier::Grave);
    assert_eq!(Engine::blocked(&grave), None, "a second person may let it");
    let last = plan(&fake, Replicas::Exactly(0)).await.unwrap();
    assert_eq!((last.tier, &*last.changes[0].after), (Tier::Grave, "0"));
}

#[tokio::test]
async fn a_number_that_cannot_be_meant_is_refused() {
    let fake = Fake::start().await;
    assert!(refused(&fake, Replicas::By(-9)).await.contains("cannot have -3"));
    assert!(refused(&fake, Replicas::Exactly(6)).await.contains("has 6 replicas already"));
    assert!(refused(&fake, Replicas::By(0)).await.contains("nothing to change"));
    assert!(refused(&fake, Replicas::Exactly(1200)).await.contains("from 6 to 1200"));
    assert!(refused(&fake, Replicas::By(i32::MAX)).await.contains("times as many"));
    assert!(plan(&fake, Replicas::Exactly(60)).await.is_ok(), "ten times is not more than ten times");
}

#[tokio::test]
async fn another_object_of_the_same_name_is_not_the_one_that_was_picked() {
    let fake = Fake::start().await;
    fake.state().object["metadata"]["uid"] = json!("uid-2");
    assert!(refused(&fake, Replicas::Exactly(8)).await.contains("another object"));
}

#[tokio::test]
async fn a_name_that_is_a_path_is_refused_before_any_request() {
    let fake = Fake::start().await;
    for name in ["payments/../secrets", "payments?x", "", "Pay ments"] {
        let mut target = payments();
        target.path.name = name.into();
        assert!(plan_as(&fake, target, Replicas::Exactly(8), &Cluster::default()).await.is_err());
    }
    assert!(fake.state().seen.is_empty());
}

#[tokio::test]
async fn the_cluster_is_asked_whether_it_is_allowed_and_would_accept() {
    let fake = Fake::start().await;
    fake.state().allowed = false;
    let denied = plan(&fake, Replicas::Exactly(8)).await.unwrap();
    assert!(
        matches!(&denied.permission, Permission::Denied { why } if why.contains("patch deployments/scale of payments"))
    );
    assert!(Engine::blocked(&denied).is_some());
    {
        let state = fake.state();
        let review = state.seen.iter().find(|seen| seen.method == "POST").unwrap();
        let asked = &review.body["spec"]["resourceAttributes"];
        assert_eq!(
            (&asked["verb"], &asked["subresource"], &asked["name"]),
            (&json!("patch"), &json!("scale"), &json!("payments"))
        );
    }

    fake.state().allowed = true;
    fake.state().dry_run = Some((400, "admission webhook \"x\" does not support dry run"));
    let plan_without = plan(&fake, Replicas::Exactly(8)).await.unwrap();
    assert!(matches!(&plan_without.preview, Preview::Unavailable { .. }), "not the same as refused");
    assert_eq!(Engine::blocked(&plan_without), None);

    fake.state().dry_run = Some((422, "denied by quota"));
    let against = plan(&fake, Replicas::Exactly(8)).await.unwrap();
    assert!(matches!(&against.preview, Preview::Refused { why } if why.contains("denied by quota")));
    assert!(Engine::blocked(&against).is_some());
}

#[tokio::test]
async fn the_context_is_the_environments_and_never_the_ambient_one() {
    let (fake, other) = (Fake::start().await, Fake::start().await);
    fake.write_kubeconfig(&[("other", &other.url), ("prod", &fake.url)], "other");
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    // Somebody switches contexts while we run.
    fake.write_kubeconfig(&[("prod", &other.url)], "prod");
    let want = Request::Scale { target: payments(), to: Replicas::Exactly(8) };
    engine.plan(&want, &Cluster::default()).await.unwrap();
    assert!(!fake.state().seen.is_empty());
    assert!(other.state().seen.is_empty());
}

#[tokio::test]
async fn an_environment_that_cannot_be_acted_on_says_why() {
    let fake = Fake::start().await;
    let why = |change: &dyn Fn(&mut crate::config::Environment)| {
        let mut env = fake.environment();
        change(&mut env);
        Engine::new(&env, Clock::real()).err().expect("it was let through").why.to_string()
    };
    assert!(why(&|env| env.write = crate::config::WritePolicy::Deny).contains("read-only"));
    assert!(why(&|env| env.kubernetes.as_mut().unwrap().context = Some("gone".into())).contains("no context gone"));
    std::fs::write(fake.environment().kubernetes.unwrap().kubeconfig.unwrap(), "users: [{token: t0ps3cret}").unwrap();
    let broken = why(&|_| ());
    assert!(broken.contains("could not read the kubeconfig") && !broken.contains("t0ps3cret"), "{broken}");
}

#[tokio::test]
async fn a_drill_reaches_nothing_but_this_machine() {
    let fake = Fake::start().await;
    let mut env = fake.environment();
    env.drill = true;
    assert!(Engine::new(&env, Clock::real()).is_ok());
    fake.write_kubeconfig(&[("prod", "https://192.0.2.1:6443")], "prod");
    assert!(Engine::new(&env, Clock::real()).err().unwrap().why.contains("not on this machine"));
    env.kubernetes.as_mut().unwrap().kubeconfig = None;
    assert!(Engine::new(&env, Clock::real()).err().unwrap().why.contains("no kubeconfig"));
}

#[test]
fn commands_can_be_pasted() {
    use super::scale::quoted;
    assert_eq!(quoted("arn:aws:eks:eu-west-1:1:cluster/x"), "arn:aws:eks:eu-west-1:1:cluster/x");
    assert_eq!(quoted("it's; rm -rf $HOME"), r"'it'\''s; rm -rf $HOME'");
    assert_eq!(quoted(""), "''");
}
