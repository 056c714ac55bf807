//! Rollouts: a canary that is aborted, retried and rolled back.

use std::time::Duration;

use serde_json::{Value, json};
use warroom::model::name::{Kind, ObjectPath, WorkloadKey};
use warroom::model::plan::{Replicas, Request, Revision, Tier};
use warroom::respond::Engine;

use super::{Gateway, PATIENCE, target};
use crate::kit::{Session, configured};
use crate::kubernetes::Shop;

const NAME: &str = "checkout";

/// A Rollout of four pods that has come up, with these steps.
async fn rolled_out(shop: &Shop, steps: Value) {
    let labels = json!({ "app": NAME });
    shop.apply(&json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": { "name": NAME },
        "spec": { "replicas": 4, "selector": { "matchLabels": labels }, "strategy": { "canary": { "steps": steps } },
            "template": { "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "app", "image": "registry.example/checkout:1.0.0" }] } } },
    }));
    settled(shop, "it is healthy", |it| healthy(it) && it["status"]["availableReplicas"] == 4).await;
}

fn healthy(it: &Value) -> bool {
    // Argo Rollouts writes it as text.
    let generation = it["metadata"]["generation"].to_string();
    it["status"]["phase"] == "Healthy" && it["status"]["observedGeneration"].as_str() == Some(&*generation)
}

/// Looks at the Rollout until it is as it is meant to be and its controller has been quiet for a
/// second. A change that comes while the controller writes the status may be lost on Argo Rollouts
/// 1.9: it puts what it wrote over what its cache has learnt meanwhile ("persisted to informer"),
/// and looks again with the next event or its resync of 15 minutes.
async fn settled(shop: &Shop, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    const QUIET: usize = 5;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let (mut version, mut same) = (Value::Null, 0);
    loop {
        tick.tick().await;
        let now: Value = serde_json::from_str(&shop.kubectl(&["get", "-o", "json", "rollout", NAME])).unwrap();
        let seen = &now["metadata"]["resourceVersion"];
        same = if *seen == version { same + 1 } else { 0 };
        version = seen.clone();
        if same >= QUIET && fits(&now) {
            return now;
        }
        assert!(tokio::time::Instant::now() < deadline, "not seen within {PATIENCE:?}: {what}\n{now:#}");
    }
}

fn set_image(shop: &Shop, version: &str) {
    let patch = json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": format!("registry.example/checkout:{version}") }]);
    shop.kubectl(&["patch", "rollout", NAME, "--type=json", "-p", &patch.to_string()]);
}

fn image(it: &Value) -> &str {
    it["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap()
}

/// The images of the pods that are not on their way out.
fn images(shop: &Shop) -> Vec<String> {
    let pods: Value =
        serde_json::from_str(&shop.kubectl(&["get", "pods", "-l", "app=checkout", "-o", "json"])).unwrap();
    let alive = pods["items"].as_array().unwrap().iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let mut images: Vec<_> = alive
        .map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
        .collect();
    images.sort();
    images
}

fn rollout(shop: &Shop) -> warroom::model::name::Target {
    target(Kind::Rollout, &shop.namespace, NAME)
}

async fn a_canary_is_aborted_retried_and_rolled_back() {
    let shop = Shop::open().await;
    rolled_out(&shop, json!([{ "setWeight": 50 }, { "pause": {} }])).await;
    let gateway = Gateway::open(&shop);
    let abort = Request::Abort { target: rollout(&shop) };
    let nothing = gateway.try_plan(&abort).await.unwrap_err();
    assert!(nothing.why.contains("no rollout of Rollout"), "{nothing}");

    set_image(&shop, "2.0.0");
    let paused = |it: &Value| it["status"]["phase"] == "Paused" && it["status"]["updatedReplicas"] == 2;
    settled(&shop, "the canary's pause", |it| paused(it) && it["status"]["availableReplicas"] == 4).await;
    let plan = gateway.plan(&abort).await;
    assert_eq!((plan.changes[0].pointer.as_str(), plan.tier), ("/status/abort", Tier::Lowers));
    assert!(plan.facts[1].words.starts_with("revision 1 (checkout:1.0.0)"), "{:?}", plan.facts);
    assert_eq!(Engine::blocked(&plan), None);
    let (aborted, words) = gateway.apply(plan).await;
    assert!(
        words.contains("4 of 4 ready, the new one 0; RolloutAborted: Rollout aborted update to revision 2"),
        "{words}"
    );
    assert_eq!(images(&shop), ["1.0.0"; 4]);
    let now = settled(&shop, "it is degraded", |it| it["status"]["phase"] == "Degraded").await;
    assert_eq!(image(&now), "registry.example/checkout:2.0.0", "the specification still holds the new version");
    assert!(gateway.try_plan(&abort).await.unwrap_err().why.contains("aborted already"));

    // Undone: it starts at its first step again.
    let (retried, words) = gateway.undo(aborted).await;
    assert!(words.starts_with("Progressing") || words.starts_with("Paused"), "{words}");
    settled(&shop, "the canary's pause again", |it| paused(it) && it["status"]["abort"].is_null()).await;
    // And the undo of that aborts it again.
    let (_, words) = gateway.undo(retried).await;
    assert!(words.contains("RolloutAborted"), "{words}");

    // The version that is stable is written back: its steps are skipped, and the abort is over.
    let back = Request::RollBack { target: rollout(&shop), to: Revision::Previous };
    settled(&shop, "it is degraded", |it| it["status"]["phase"] == "Degraded").await;
    let plan = gateway.plan(&back).await;
    assert_eq!(plan.changed(), "template checkout:2.0.0 → checkout:1.0.0");
    let told = plan.facts.iter().find(|fact| fact.label == "to").unwrap();
    assert_eq!(told.words, "revision 1 (checkout:1.0.0), which is stable: its steps are skipped");
    // The command that is offered does the same.
    let command = format!("{} --dry-run=server", plan.command);
    let ran = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    let (_, words) = gateway.apply(plan).await;
    assert_eq!(words, "4 of 4 ready");
    let now = settled(&shop, "it is healthy", healthy).await;
    assert_eq!((image(&now), now["status"]["abort"].is_null()), ("registry.example/checkout:1.0.0", true));
    assert_eq!(images(&shop), ["1.0.0"; 4]);
}

async fn an_earlier_revision_is_rolled_out_and_undone_to_the_very_template() {
    let shop = Shop::open().await;
    rolled_out(&shop, json!([])).await;
    for version in ["2.0.0", "3.0.0"] {
        set_image(&shop, version);
        settled(&shop, "the new version is stable", |it| {
            healthy(it) && it["status"]["stableRS"] == it["status"]["currentPodHash"]
        })
        .await;
    }
    let gateway = Gateway::open(&shop);
    let before = settled(&shop, "it", healthy).await;
    let to = |to: &str| Request::RollBack { target: rollout(&shop), to: Revision::Named(to.into()) };
    assert!(gateway.try_plan(&to("7")).await.unwrap_err().why.contains("those it keeps: 1, 2, 3"));
    assert!(gateway.try_plan(&to("3")).await.unwrap_err().why.contains("already"));
    let stale = gateway.plan(&to("2")).await;
    let (done, words) = gateway.act(&to("1")).await;
    assert_eq!((words.as_str(), images(&shop)), ("4 of 4 ready", vec!["1.0.0".to_owned(); 4]));
    let refused = gateway.engine.apply(stale, &gateway.actor, &gateway.journal, &|_| ()).await.unwrap().outcome;
    assert!(refused.words().contains("template was changed since the plan was made"), "{refused:?}");
    settled(&shop, "it is healthy", healthy).await;
    let (_, words) = gateway.undo(done).await;
    assert_eq!((words.as_str(), images(&shop)), ("4 of 4 ready", vec!["3.0.0".to_owned(); 4]));
    let after = settled(&shop, "it", healthy).await;
    assert_eq!(after["spec"], before["spec"]);
}

async fn a_rollout_is_seen_by_its_pods_and_scaled() {
    let shop = Shop::open().await;
    rolled_out(&shop, json!([{ "setWeight": 50 }, { "pause": {} }])).await;
    let mut session = Session::start(&configured(&shop.config()));
    let key = WorkloadKey { kind: Kind::Rollout, path: ObjectPath::new(shop.namespace.as_str(), NAME) };
    session.until("its pods", |s| s.picture.workloads.row(&key).is_some_and(|row| row.pods.len() == 4)).await;
    session.end().await;

    let gateway = Gateway::open(&shop);
    let scale = |to| Request::Scale { target: rollout(&shop), to: Replicas::Exactly(to) };
    let (done, words) = gateway.act(&scale(6)).await;
    assert_eq!(words, "6 of 6 ready");
    settled(&shop, "it is healthy", healthy).await;
    set_image(&shop, "2.0.0");
    settled(&shop, "the canary's pause", |it| it["status"]["phase"] == "Paused").await;
    let (_, words) = gateway.undo(done).await;
    assert_eq!(words, "4 of 4 ready", "also in the middle of a rollout");
}

mod real {
    mod argo {
        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn a_canary_is_aborted_retried_and_rolled_back() {
            super::super::a_canary_is_aborted_retried_and_rolled_back().await;
        }

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn an_earlier_revision_is_rolled_out_and_undone_to_the_very_template() {
            super::super::an_earlier_revision_is_rolled_out_and_undone_to_the_very_template().await;
        }

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn a_rollout_is_seen_by_its_pods_and_scaled() {
            super::super::a_rollout_is_seen_by_its_pods_and_scaled().await;
        }
    }
}
