//! What a plan for an Application says, against an API server on loopback.

mod windows;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::model::name::{Kind, ObjectPath, WorkloadKey};
use crate::model::plan::{Ends, OwnerEffect, Permission, Plan, Preview, Refusal, Replicas, Request, Revision, Tier};
use crate::respond::kubernetes::fake::argo::{APPLICATION, COMMITS, shop, source, stage_application};
use crate::respond::kubernetes::fake::rollout::{stage, target};
use crate::respond::kubernetes::fake::{Fake, payments};
use crate::respond::{Cluster, Engine};
use crate::tui::tests::plans::picture;

const AUTOMATED: &str = "/spec/syncPolicy/automated";
const NAMESPACE: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd";

async fn staged() -> Fake {
    let fake = Fake::start().await;
    let mut state = fake.state();
    state.follows = false;
    stage_application(&mut state);
    drop(state);
    fake
}

async fn planned(fake: &Fake, want: Request) -> Result<Plan, Refusal> {
    Engine::new(&fake.environment(), Clock::real()).unwrap().plan(&want, &Cluster::default()).await
}

async fn to(fake: &Fake, to: Revision) -> Result<Plan, Refusal> {
    planned(fake, Request::RollBack { target: shop(), to }).await
}

async fn named(fake: &Fake, name: &str) -> Result<Plan, Refusal> {
    to(fake, Revision::Named(name.into())).await
}

fn app(fake: &Fake, change: impl FnOnce(&mut Value)) {
    change(fake.state().argo.get_mut(APPLICATION).unwrap());
}

fn fact<'a>(plan: &'a Plan, label: &str) -> &'a str {
    plan.facts.iter().find(|fact| fact.label == label).map_or("", |fact| fact.words.as_str())
}

#[tokio::test]
async fn a_rollback_turns_auto_sync_off_and_syncs_the_version_before_in_one_write() {
    let fake = staged().await;
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.title, "roll back Application shop");
    assert_eq!(
        plan.changed(),
        "auto-sync on (heals itself, prunes) → off, version 3333333 (entry 2) → 2222222 (entry 1)"
    );
    let [auto, operation] = plan.changes.as_slice() else { panic!("{:?}", plan.changes) };
    assert_eq!((&*auto.before, &*auto.after), (r#"{"prune":true,"selfHeal":true}"#, "null"));
    let asked: Value = serde_json::from_str(&operation.after).unwrap();
    assert_eq!(
        asked,
        json!({
            "info": [{ "name": "to", "value": "1" }, { "name": "from", "value": "2" },
                { "name": "after", "value": "2026-11-12T02:29:58Z" }],
            "initiatedBy": { "username": "warroom" },
            "sync": { "revision": COMMITS[1], "source": source(), "syncOptions": ["CreateNamespace=true"],
                "syncStrategy": { "apply": {} } },
        })
    );
    assert_eq!(fact(&plan, "to"), "2222222 (entry 1), deployed 2026-11-11T02:30:00Z by auto-sync");
    assert_eq!(fact(&plan, "revisions"), "1111111 (entry 0)");
    assert!(fact(&plan, "auto-sync").contains("nobody turns it on again"));
    assert_eq!(fact(&plan, "cure"), "revert the commit in https://git.example/shop.git, then undo this");
    assert!(plan.undo.as_ref().unwrap().contains("that rolls forward to what git says"));
    assert_eq!(plan.blast.words, "Deployment payments: made anew where the versions differ");
    assert_eq!(
        (plan.tier, plan.ends, &plan.permission, &plan.preview),
        (Tier::Reversible, Ends::Reminder, &Permission::Allowed, &Preview::Accepted)
    );
    assert!(plan.command.contains("-n argocd patch application shop --type=merge -p "), "{}", plan.command);
    assert_eq!((plan.target.uid.clone(), Engine::blocked(&plan)), (Some("uid-a".into()), None));
    assert!(fake.state().writes().is_empty(), "planning changes nothing");
    let again = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!((Engine::voided(&plan, &again), &again.changes), (None, &plan.changes), "read again it is the same");
}

#[tokio::test]
async fn the_version_that_is_meant_is_found_in_the_history() {
    let fake = staged().await;
    let chosen = async |name: &str| {
        let plan = named(&fake, name).await.unwrap();
        plan.changes[1].words.as_ref().unwrap().to_string()
    };
    assert_eq!(chosen("0").await, "3333333 (entry 2) → 1111111 (entry 0)");
    assert_eq!(chosen("1111111aaa").await, "3333333 (entry 2) → 1111111 (entry 0)");
    let why = async |name: &str| named(&fake, name).await.unwrap_err().why.to_string();
    assert!(why("2").await.contains("at 3333333 (entry 2) already"));
    assert!(
        why("111111").await.contains("keeps no entry or revision `111111`; the newest it keeps: 3333333 (entry 2)")
    );
    assert!(why("7").await.contains("keeps no entry"));

    // A sync that was repeated is no version of its own, and one that failed has no entry.
    app(&fake, |app| {
        let mut again = app["status"]["history"][2].clone();
        again["id"] = json!(3);
        app["status"]["history"].as_array_mut().unwrap().push(again);
    });
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.changes[1].words.as_deref(), Some("3333333 (entry 3) → 2222222 (entry 1)"));
    app(&fake, |app| {
        app["status"]["operationState"]["phase"] = json!("Failed");
        app["status"]["operationState"]["syncResult"]["revision"] = json!("4444444ddddddddddddddddddddddddddddddddd");
    });
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.changes[1].words.as_deref(), Some("4444444 (not in the history) → 3333333 (entry 3)"));

    app(&fake, |app| app["status"]["history"] = json!([]));
    assert!(to(&fake, Revision::Previous).await.unwrap_err().why.contains("its history is nothing"));
    app(&fake, |app| app["status"]["history"] = json!([{ "id": 0, "revision": COMMITS[0], "deployedAt": "" }]));
    assert!(to(&fake, Revision::Previous).await.unwrap_err().why.contains("does not say where its manifests were"));
}

#[tokio::test]
async fn what_was_only_tried_or_only_in_part_is_not_what_runs() {
    let fake = staged().await;
    for sync in [json!({ "dryRun": true }), json!({ "resources": [{ "kind": "ConfigMap", "name": "limits" }] })] {
        app(&fake, |app| {
            let state = &mut app["status"]["operationState"];
            state["syncResult"]["revision"] = json!(COMMITS[1]);
            state["operation"]["sync"] = sync.clone();
        });
        let plan = to(&fake, Revision::Previous).await.unwrap();
        assert_eq!(plan.changes[1].words.as_deref(), Some("3333333 (entry 2) → 2222222 (entry 1)"), "{sync}");
    }
}

#[tokio::test]
async fn a_command_is_kept_whole() {
    let fake = staged().await;
    app(&fake, |app| app["status"]["history"][1]["source"]["helm"] = json!({ "values": "a: 1\n".repeat(2_000) }));
    let plan = to(&fake, Revision::Previous).await.unwrap();
    let (_, patch) = plan.command.split_once(" -p ").unwrap();
    let patch: Value = serde_json::from_str(patch.trim_matches('\'')).unwrap();
    assert_eq!(patch["operation"]["sync"]["source"]["helm"]["values"].as_str().unwrap().len(), 10_000);
}

#[tokio::test]
async fn several_sources_go_back_together() {
    let fake = staged().await;
    app(&fake, |app| {
        let both = |chart: &str| json!([source(), { "repoURL": "https://charts.example", "chart": "db", "targetRevision": chart }]);
        let entry = |id: u8, commit: &str, chart: &str| {
            json!({ "id": id, "deployedAt": "2026-11-11T02:30:00Z", "source": { "repoURL": "" }, "sources": both(chart),
                "revisions": [commit, chart] })
        };
        app["status"]["history"] = json!([entry(0, COMMITS[0], "1.0.3"), entry(1, COMMITS[0], "1.1.0")]);
        app["status"]["operationState"]["syncResult"] = json!({ "revision": "", "source": { "repoURL": "" }, "sources": both("1.1.0"), "revisions": [COMMITS[0], "1.1.0"] });
    });
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.changes[1].words.as_deref(), Some("1111111+1.1.0 (entry 1) → 1111111+1.0.3 (entry 0)"));
    let asked: Value = serde_json::from_str(&plan.changes[1].after).unwrap();
    assert_eq!(asked["sync"]["revisions"], json!([COMMITS[0], "1.0.3"]));
    assert_eq!(asked["sync"]["sources"].as_array().unwrap().len(), 2);
    assert_eq!((&asked["sync"]["revision"], &asked["sync"]["source"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn several_workloads_are_more_than_one_keys_worth() {
    let fake = staged().await;
    app(&fake, |app| {
        app["status"]["resources"] = (0..6).map(|n| json!({ "kind": "Deployment", "name": format!("d{n}") })).collect();
    });
    let plan = to(&fake, Revision::Previous).await.unwrap();
    assert_eq!(plan.tier, Tier::Grave, "for all that is known they are several services");
    assert_eq!(plan.affects.len(), 6, "no other action runs on any of them meanwhile");
    assert!(plan.blast.words.starts_with("Deployment d0, Deployment d1, Deployment d2, Deployment d3 and 2 more:"));
}

#[tokio::test]
async fn an_application_touches_the_services_whose_workloads_it_deploys() {
    let fake = staged().await;
    app(&fake, |app| {
        let of = |name: &str| json!({ "kind": "Deployment", "namespace": "shop", "name": name });
        app["status"]["resources"] = json!([of("cart"), of("checkout"), of("checkout-worker"), of("unknown")]);
    });
    let key = |name: &str| WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new("shop", name) };
    let known = [("cart", "cart"), ("checkout", "checkout"), ("checkout-worker", "checkout"), ("search", "search")];
    let workloads = known.map(|(name, service)| (key(name), service.into())).into();
    let cluster = Cluster { workloads, ..Cluster::default() };
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    for to in [Revision::Previous, Revision::Named("current".into())] {
        let plan = engine.plan(&Request::RollBack { target: shop(), to }, &cluster).await.unwrap();
        assert_eq!((&plan.service, &*plan.services), (&None, &["cart".into(), "checkout".into()][..]));
    }
}

#[tokio::test]
async fn where_auto_sync_is_off_only_the_version_is_written() {
    let fake = staged().await;
    for off in [Value::Null, json!({ "enabled": false, "selfHeal": true })] {
        app(&fake, |app| app["spec"]["syncPolicy"]["automated"] = off.clone());
        let plan = to(&fake, Revision::Previous).await.unwrap();
        assert_eq!((plan.changes.len(), &*plan.changes[0].pointer, plan.ends), (1, "/operation", Ends::Stays));
        assert_eq!(plan.undo.as_deref(), Some("syncs 3333333 (entry 2) again, while nobody else has synced it"));
        assert!(named(&fake, "current").await.unwrap_err().why.contains("off already"));
    }
}

#[tokio::test]
async fn an_application_that_is_being_synced_is_left_to_it() {
    let fake = staged().await;
    app(&fake, |app| {
        app["operation"] = json!({ "sync": {} });
        app["status"]["operationState"]["message"] = json!("waiting for healthy state of apps/Deployment/payments");
    });
    let why = to(&fake, Revision::Previous).await.unwrap_err().why;
    assert!(why.contains("is being synced (waiting for healthy state") && why.contains("terminate-op shop"), "{why}");
    assert_eq!(named(&fake, "current").await.unwrap().changes.len(), 1, "auto-sync can be turned off all the same");
}

#[tokio::test]
async fn what_made_the_application_turns_auto_sync_on_again() {
    let fake = staged().await;
    let set = format!("{NAMESPACE}/applicationsets/shops");
    app(&fake, |app| {
        app["metadata"]["ownerReferences"] = json!([{ "kind": "ApplicationSet", "name": "shops", "controller": true }]);
    });
    let owner = async || {
        let plan = to(&fake, Revision::Previous).await.unwrap();
        assert_eq!(plan.owners[0].name, "ApplicationSet shops");
        (plan.owners[0].effect, Engine::blocked(&plan).is_some())
    };
    assert_eq!(owner().await, (OwnerEffect::Reverts, true), "it may not be read");
    fake.state().argo.insert(set.clone(), json!({ "spec": { "syncPolicy": null } }));
    assert_eq!(owner().await, (OwnerEffect::Reverts, true));
    for leaves in [
        json!({ "syncPolicy": { "applicationsSync": "create-only" } }),
        json!({ "ignoreApplicationDifferences": [{ "jsonPointers": ["/spec/syncPolicy"] }] }),
        json!({ "ignoreApplicationDifferences": [{ "name": "shop", "jqPathExpressions": [".spec.syncPolicy.automated"] }] }),
    ] {
        fake.state().argo.insert(set.clone(), json!({ "spec": leaves }));
        assert_eq!(owner().await, (OwnerEffect::Informs, false), "{leaves}");
    }
    let other = json!({ "ignoreApplicationDifferences": [{ "name": "cart", "jsonPointers": ["/spec/syncPolicy"] }] });
    fake.state().argo.insert(set, json!({ "spec": other }));
    assert_eq!(owner().await, (OwnerEffect::Reverts, true));
}

#[tokio::test]
async fn a_parent_application_is_named() {
    let fake = staged().await;
    let parent = format!("{NAMESPACE}/applications/root");
    let plan = async || to(&fake, Revision::Previous).await.unwrap();
    // The label is also one of charts.
    app(&fake, |app| app["metadata"]["labels"] = json!({ "app.kubernetes.io/instance": "root" }));
    assert!(plan().await.owners.is_empty(), "there is no such Application");
    let mut heals = json!({ "spec": { "syncPolicy": { "automated": { "selfHeal": true } } } });
    fake.state().argo.insert(parent.clone(), heals.clone());
    assert!(plan().await.owners.is_empty(), "it does not name this as its own");
    heals["status"] = json!({ "resources": [{ "kind": "Application", "namespace": "argocd", "name": "shop" }] });
    fake.state().argo.insert(parent.clone(), heals.clone());
    assert_eq!(plan().await.owners[0].effect, OwnerEffect::Reverts);
    app(&fake, |app| {
        app["metadata"]["annotations"] =
            json!({ "argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/shop" });
    });
    let by_annotation = plan().await;
    assert_eq!(
        (by_annotation.owners[0].name.as_str(), by_annotation.owners[0].effect),
        ("parent app root", OwnerEffect::Reverts)
    );
    assert!(Engine::blocked(&by_annotation).unwrap().contains("auto-sync is on again in seconds"));
    let mut leaves = heals;
    leaves["spec"]["ignoreDifferences"] =
        json!([{ "kind": "Application", "jsonPointers": ["/spec/syncPolicy/automated"] }]);
    fake.state().argo.insert(parent.clone(), leaves);
    assert_eq!(plan().await.owners[0].effect, OwnerEffect::Informs);
    fake.state().argo.insert(parent, json!({ "spec": {} }));
    assert_eq!(plan().await.owners[0].effect, OwnerEffect::MayRevert);
    app(&fake, |app| app["spec"]["syncPolicy"] = json!({}));
    assert!(plan().await.owners.is_empty(), "without auto-sync there is nothing that they would write again");
}

#[tokio::test]
async fn what_would_be_undone_offers_what_stays() {
    let fake = staged().await;
    let tracked = json!({ "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/payments" });
    fake.state().object["metadata"]["annotations"] = tracked.clone();
    let scale = planned(&fake, Request::Scale { target: payments(), to: Replicas::Exactly(8) }).await.unwrap();
    assert!(Engine::blocked(&scale).is_some());
    let hold = scale.instead.as_ref().unwrap();
    assert_eq!(hold.words, "turn auto-sync of Application shop off first, at the version that runs");
    let held = planned(&fake, (*hold.request).clone()).await.unwrap();
    assert_eq!((held.changed().as_str(), held.ends), ("auto-sync on (heals itself, prunes) → off", Ends::Reminder));
    assert_eq!(Engine::blocked(&held), None);

    stage(&mut fake.state(), crate::model::name::Kind::Deployment);
    let kind = crate::model::name::Kind::Deployment;
    for (key, value) in tracked.as_object().unwrap() {
        fake.state().object["metadata"]["annotations"][key] = value.clone();
    }
    let annotations = fake.state().object["metadata"]["annotations"].clone();
    let mut bare = annotations.clone();
    bare.as_object_mut().unwrap().remove("kubectl.kubernetes.io/last-applied-configuration");
    fake.state().object["metadata"]["annotations"] = bare;
    let back = planned(&fake, Request::RollBack { target: target(kind), to: Revision::Previous }).await.unwrap();
    assert!(Engine::blocked(&back).is_some(), "{:?}", back.owners);
    assert_eq!(*back.instead.unwrap().request, Request::RollBack { target: shop(), to: Revision::Previous });

    app(&fake, |app| app["spec"]["syncPolicy"]["automated"] = json!({}));
    let scale = planned(&fake, Request::Scale { target: payments(), to: Replicas::Exactly(8) }).await.unwrap();
    assert_eq!((Engine::blocked(&scale), scale.instead), (None, None));
}

#[tokio::test]
async fn an_application_has_no_replicas_and_no_rollout_of_its_own() {
    let fake = staged().await;
    let scale = planned(&fake, Request::Scale { target: shop(), to: Replicas::Exactly(2) }).await.unwrap_err();
    assert!(scale.why.contains("no replicas of its own"), "{scale}");
    let abort = planned(&fake, Request::Abort { target: shop() }).await.unwrap_err();
    assert!(abort.why.contains("does not know how"), "{abort}");
    let mut cart = shop();
    cart.path.name = "cart".into();
    let gone = planned(&fake, Request::RollBack { target: cart, to: Revision::Previous }).await.unwrap_err();
    assert!(gone.why.contains("give its namespace"), "{gone}");
}

#[tokio::test]
async fn plans_for_an_application_at_80_by_24() {
    let fake = staged().await;
    insta::assert_snapshot!("rollback", picture(&steady(to(&fake, Revision::Previous).await.unwrap())));
    let held = steady(named(&fake, "current").await.unwrap());
    insta::assert_snapshot!("auto_sync_off", picture(&held));
    app(&fake, |app| {
        app.pointer_mut("/spec/syncPolicy").unwrap().as_object_mut().unwrap().remove("automated");
        app["status"]["sync"]["status"] = json!("OutOfSync");
        assert_eq!(app.pointer(AUTOMATED), None);
    });
    let on = steady(planned(&fake, Request::Undo { plan: Box::new(held) }).await.unwrap());
    assert_eq!(fact(&on, "forward"), "within seconds, to what git says: 3333333 when it was last looked at");
    insta::assert_snapshot!("auto_sync_on", picture(&on));
}

/// Without what is another on every run.
fn steady(mut plan: Plan) -> Plan {
    let command = plan.command.split_once(" --context").unwrap().1;
    plan.command = format!("kubectl --context{command}").into();
    plan.read_at = "2026-11-21T03:29:50Z".parse().unwrap();
    plan.expires_at = plan.read_at + chrono::TimeDelta::seconds(90);
    plan
}

#[tokio::test]
async fn an_application_that_deploys_to_another_cluster_changes_nothing_of_that_name_here() {
    let fake = staged().await;
    let key = crate::model::name::WorkloadKey {
        kind: crate::model::name::Kind::Deployment,
        path: crate::model::name::ObjectPath::new("shop", "payments"),
    };
    let cluster = Cluster { workloads: [(key, "payments".into())].into(), ..Cluster::default() };
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    let want = Request::RollBack { target: shop(), to: Revision::Previous };
    let plan = async || engine.plan(&want, &cluster).await.unwrap();
    for here in [
        json!({ "server": "https://kubernetes.default.svc", "namespace": "shop" }),
        json!({ "name": "in-cluster", "namespace": "shop" }),
        json!({ "server": format!("{}/", fake.url), "namespace": "shop" }),
    ] {
        app(&fake, |app| app["spec"]["destination"] = here.clone());
        let plan = plan().await;
        // It says no namespace of its own.
        assert_eq!(plan.affects[0].path.to_string(), "shop/payments", "{here}");
        assert_eq!(plan.blast.words, "Deployment payments: made anew where the versions differ");
    }
    app(&fake, |app| {
        app["spec"]["destination"] = json!({ "name": "prod-us", "namespace": "shop" });
        app["status"]["resources"] = json!([{ "kind": "Deployment", "namespace": "shop", "name": "payments" },
            { "kind": "Deployment", "namespace": "payments", "name": "ledger" }]);
    });
    let there = plan().await;
    assert_eq!(there.affects, []);
    assert_eq!(
        there.blast.words,
        "Deployment payments, Deployment ledger in the cluster prod-us: made anew where the versions differ"
    );
    assert_eq!(there.tier, Tier::Grave, "for all that is known here they are two services");
}

#[tokio::test]
async fn a_workload_belongs_to_an_application_that_deploys_it_here_and_by_its_own_name() {
    let fake = staged().await;
    let scale = Request::Scale { target: payments(), to: Replicas::Exactly(8) };
    let tracked = |id: &str| {
        fake.state().object["metadata"]["annotations"] = json!({ "argocd.argoproj.io/tracking-id": id });
    };
    tracked("shop:apps/Deployment:shop/payments");
    let plan = planned(&fake, scale.clone()).await.unwrap();
    assert_eq!((plan.owners[0].effect, plan.instead.is_some()), (OwnerEffect::Reverts, true));

    app(&fake, |app| app["spec"]["destination"] = json!({ "server": "https://10.2.0.1:6443", "namespace": "shop" }));
    let plan = planned(&fake, scale.clone()).await.unwrap();
    assert_eq!((plan.owners[0].name.as_str(), plan.owners[0].effect), ("Argo CD app shop", OwnerEffect::MayRevert));
    assert!(plan.owners[0].words.contains("deploys to https://10.2.0.1:6443, which may be another cluster"));
    assert_eq!((Engine::blocked(&plan), plan.instead), (None, None), "nothing of that cluster is offered");

    // A copy that was made with the annotations of what it was copied from.
    tracked("shop:apps/Deployment:shop/payments-of-old");
    assert!(planned(&fake, scale).await.unwrap().owners.is_empty());
}

#[tokio::test]
async fn who_asks_for_a_sync_is_who_argo_cd_is_told_of() {
    let fake = staged().await;
    let engine = Engine::new(&fake.environment(), Clock::real()).unwrap();
    let cluster = Cluster { by: "ana".into(), ..Cluster::default() };
    let want = Request::RollBack { target: shop(), to: Revision::Previous };
    let plan = engine.plan(&want, &cluster).await.unwrap();
    let asked: Value = serde_json::from_str(&plan.changes[1].after).unwrap();
    assert_eq!(asked["initiatedBy"], json!({ "username": "ana via warroom" }));
}
