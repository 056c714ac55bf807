//! Argo Rollouts: a canary in steps, its abort, its retry and the way back.

use serde_json::{Value, json};
use warroom::drill::kube::{CanaryStep, PodView, WorkloadKind};

use super::shop::*;

const ROLLOUT: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/ledger";
const STATUS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/ledger/status";

/// A shop with a Rollout of four pods at version 1.1.0, of these steps.
fn with(steps: &[CanaryStep]) -> Shop {
    Shop::beside(WorkloadKind::Rollout(steps.to_vec()), 4)
}

fn halves() -> Shop {
    with(&[CanaryStep::SetWeight(50), CanaryStep::Pause(None)])
}

/// How many pods there are of each of two versions, and how many of all are ready.
fn pods(shop: &Shop, old: &str, new: &str) -> (usize, usize, usize) {
    let pods = shop.ledger();
    let of = |version: &str| pods.iter().filter(|pod| pod.image.ends_with(version)).count();
    (of(old), of(new), pods.iter().filter(|pod| pod.ready).count())
}

async fn says(shop: &Shop) -> (String, String) {
    let status = shop.get(ROLLOUT).await["status"].clone();
    let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
    (text("phase"), text("message"))
}

fn words(phase: &str, message: &str) -> (String, String) {
    (phase.to_owned(), message.to_owned())
}

/// As the gateway writes it: identity and value tested, then written.
async fn abort(shop: &Shop, aborted: bool) {
    let uid = shop.get(ROLLOUT).await["metadata"]["uid"].clone();
    let (before, write) = match aborted {
        true => (Value::Null, json!({"op": "add", "path": "/status/abort", "value": true})),
        false => (json!(true), json!({"op": "remove", "path": "/status/abort"})),
    };
    let patch = json!([{"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/status/abort", "value": before}, write]);
    let (code, answer) = shop.patch(STATUS, JSON_PATCH, patch).await;
    assert_eq!(code, 200, "{answer}");
}

#[tokio::test]
async fn a_canary_stops_at_its_pause_and_goes_on_when_the_pause_is_taken_away() {
    let mut shop = halves();
    assert_eq!(says(&shop).await, words("Healthy", ""));
    shop.release("2.0.0");
    for _ in 0..60 {
        shop.seconds(1);
        let (old, new, ready) = pods(&shop, "1.1.0", "2.0.0");
        assert!(old + new <= 5 && ready >= 3, "{old} {new} {ready}");
    }
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await), ((2, 2, 4), words("Paused", "CanaryPauseStep")));
    let rollout = shop.get(ROLLOUT).await;
    let (status, meta) = (&rollout["status"], &rollout["metadata"]);
    assert_eq!((&status["currentStepIndex"], &status["updatedReplicas"]), (&json!(1), &json!(2)));
    assert_eq!(status["observedGeneration"], meta["generation"].to_string());
    assert_ne!(status["stableRS"], status["currentPodHash"]);
    assert_eq!(meta["annotations"]["rollout.argoproj.io/revision"], "3");
    shop.seconds(900);
    assert_eq!(says(&shop).await.0, "Paused", "a pause is no lack of progress");

    let go_on = json!({"status": {"pauseConditions": null}, "spec": {"replicas": 9}});
    assert_eq!(shop.patch(STATUS, MERGE, go_on).await.0, 200);
    shop.seconds(60);
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await), ((0, 4, 4), words("Healthy", "")));
    let after = shop.get(ROLLOUT).await;
    assert_eq!(after["status"]["stableRS"], after["status"]["currentPodHash"]);
    assert_eq!(after["spec"], rollout["spec"], "a status says nothing of the specification");
}

#[tokio::test]
async fn an_abort_brings_the_stable_version_back_and_a_retry_starts_anew() {
    let mut shop = halves();
    shop.release("2.0.0");
    shop.seconds(60);
    let before = shop.get(ROLLOUT).await;
    abort(&shop, true).await;
    shop.seconds(30);
    assert_eq!(pods(&shop, "1.1.0", "2.0.0"), (4, 0, 4));
    let aborted = words("Degraded", "RolloutAborted: Rollout aborted update to revision 3");
    assert_eq!(says(&shop).await, aborted);
    let rollout = shop.get(ROLLOUT).await;
    assert_eq!((&rollout["spec"], &rollout["status"]["currentStepIndex"]), (&before["spec"], &json!(0)));
    assert!(rollout["status"]["abortedAt"].is_string() && rollout["status"]["pauseConditions"].is_null());
    let events = shop.get(EVENTS).await;
    let events = events["items"].as_array().unwrap();
    assert!(events.iter().any(|event| event["reason"] == "RolloutAborted" && event["type"] == "Warning"));

    abort(&shop, false).await;
    shop.seconds(2);
    assert_eq!(says(&shop).await.0, "Progressing");
    shop.seconds(60);
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await.0), ((2, 2, 4), "Paused".to_owned()));

    abort(&shop, true).await;
    shop.seconds(30);
    // The version that is stable is written back: no steps, and the abort is over.
    let sets = shop.get("/apis/apps/v1/namespaces/shop/replicasets?labelSelector=app%3Dledger").await;
    let stable = rollout["status"]["stableRS"].clone();
    let of = |set: &&Value| set["metadata"]["labels"]["rollouts-pod-template-hash"] == stable;
    let mut template = sets["items"].as_array().unwrap().iter().find(of).unwrap()["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().unwrap().remove("rollouts-pod-template-hash");
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    assert_eq!(shop.patch(ROLLOUT, JSON_PATCH, patch).await.0, 200);
    shop.seconds(3);
    let now = shop.get(ROLLOUT).await;
    assert_eq!((says(&shop).await, &now["status"]["abort"]), (words("Healthy", ""), &Value::Null));
    assert_eq!(now["metadata"]["annotations"]["rollout.argoproj.io/revision"], "4", "an old one under a new number");
    assert_eq!(now["status"]["currentStepIndex"], 2);
}

#[tokio::test]
async fn a_canary_that_never_gets_ready_takes_too_long_and_takes_no_stable_pod_too_many() {
    let mut shop = halves();
    shop.release("2.0.0");
    for _ in 0..700 {
        for pod in shop.ledger().iter().filter(|pod| pod.image.ends_with("2.0.0")) {
            shop.cluster.set_ready("shop", &pod.name, false);
        }
        shop.seconds(1);
        assert!(pods(&shop, "1.1.0", "2.0.0").2 >= 3);
    }
    let (phase, message) = says(&shop).await;
    assert_eq!(phase, "Degraded");
    assert!(message.starts_with("ProgressDeadlineExceeded: ReplicaSet \"ledger-"), "{message}");
}

#[tokio::test]
async fn a_pause_of_a_length_ends_by_itself_and_a_scale_keeps_the_shares() {
    let pause = CanaryStep::Pause(Some(std::time::Duration::from_secs(45)));
    let mut shop = with(&[CanaryStep::SetWeight(25), pause, CanaryStep::SetWeight(50), CanaryStep::Pause(None)]);
    shop.release("2.0.0");
    shop.seconds(30);
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await.0), ((3, 1, 4), "Paused".to_owned()));
    shop.seconds(90);
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await.0), ((2, 2, 4), "Paused".to_owned()));
    let scale = format!("{ROLLOUT}/scale");
    for (count, both) in [(8, (4, 4, 8)), (2, (1, 1, 2))] {
        let (code, answer) = shop.patch(&scale, MERGE, json!({"spec": {"replicas": count}})).await;
        assert_eq!((code, &answer["spec"]["replicas"]), (200, &json!(count)));
        shop.seconds(60);
        assert_eq!(pods(&shop, "1.1.0", "2.0.0"), both);
        assert_eq!(shop.get(&scale).await["status"], json!({"replicas": count, "selector": "app=ledger"}));
    }
}

#[tokio::test]
async fn a_custom_resource_speaks_json_alone_and_its_status_is_a_part_of_its_own() {
    let shop = halves();
    let (code, _) = shop.patch(ROLLOUT, STRATEGIC, json!({"spec": {}})).await;
    assert_eq!(code, 415);
    let (code, answer) = shop.patch(ROLLOUT, MERGE, json!({"status": {"abort": true}})).await;
    assert_eq!((code, &answer["status"]["abort"]), (200, &Value::Null), "passed over");
    let (code, dry) = shop.patch(&format!("{STATUS}?dryRun=All"), MERGE, json!({"status": {"abort": true}})).await;
    assert_eq!((code, &dry["status"]["abort"]), (200, &json!(true)));
    assert_eq!(shop.get(ROLLOUT).await["status"]["abort"], Value::Null, "a dry run changes nothing");
    assert_eq!(shop.patch(STATUS, MERGE, json!({"metadata": {"uid": "another"}})).await.0, 409);
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let ask = async |resource: &str, sub: &str| {
        let group = if resource == "rollouts" { "argoproj.io" } else { "apps" };
        let about =
            json!({"verb": "patch", "group": group, "resource": resource, "subresource": sub, "namespace": "shop"});
        shop.call("POST", review, "application/json", json!({"spec": {"resourceAttributes": about}})).await.1["status"]
            ["allowed"]
            .clone()
    };
    for (resource, sub, allowed) in [
        ("rollouts", "status", true),
        ("rollouts", "scale", true),
        ("statefulsets", "", true),
        ("statefulsets", "scale", true),
        ("daemonsets", "", true),
        ("daemonsets", "scale", false),
        ("controllerrevisions", "", false),
    ] {
        assert_eq!(ask(resource, sub).await, json!(allowed), "{resource}/{sub}");
    }
    shop.cluster.deny("patch", "rollouts/status");
    assert_eq!(ask("rollouts", "status").await, json!(false));
    assert_eq!(shop.patch(STATUS, MERGE, json!({"status": {"abort": true}})).await.0, 403);
}

#[tokio::test]
async fn pauses_are_lengths_as_go_writes_them() {
    for (length, seconds) in [(json!("1m30s"), 90), (json!("0.5m"), 30), (json!("40"), 40), (json!(20), 20)] {
        let mut shop = with(&[]);
        let steps = json!([{"setWeight": 50}, {"pause": {"duration": length}}]);
        let strategy = json!({"spec": {"strategy": {"canary": {"steps": steps}}}});
        assert_eq!(shop.patch(ROLLOUT, MERGE, strategy).await.0, 200);
        shop.release("2.0.0");
        let since = async |shop: &Shop| shop.get(ROLLOUT).await["status"]["pauseConditions"][0]["startTime"].clone();
        while since(&shop).await.is_null() {
            shop.seconds(1);
            assert!(shop.now < epoch() + chrono::TimeDelta::minutes(3), "it never pauses");
        }
        let began = since(&shop).await.as_str().unwrap().parse::<warroom::clock::World>().unwrap();
        while !since(&shop).await.is_null() {
            shop.seconds(1);
            assert!((shop.now - began).num_seconds() <= seconds, "{length} is no longer than that");
        }
        assert_eq!((shop.now - began).num_seconds(), seconds, "{length}");
    }
}

fn names(pods: &[PodView]) -> Vec<String> {
    pods.iter().map(|pod| pod.name.clone()).collect()
}

/// As the gateway writes it.
async fn restart(shop: &Shop) -> Value {
    let at = shop.now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert_eq!(shop.patch(ROLLOUT, MERGE, json!({"spec": {"restartAt": at}})).await.0, 200);
    json!(at)
}

#[tokio::test]
async fn a_restart_evicts_what_is_older_some_at_a_time_and_then_it_is_done() {
    let mut shop = with(&[]);
    let before = names(&shop.ledger());
    let at = restart(&shop).await;
    shop.seconds(1);
    assert_eq!(says(&shop).await, words("Progressing", "rollout is restarting"));
    for _ in 0..90 {
        shop.seconds(1);
        assert!(pods(&shop, "1.1.0", "2.0.0").2 >= 3, "one at a time");
    }
    let after = shop.ledger();
    assert!(after.len() == 4 && names(&after).iter().all(|pod| !before.contains(pod)), "{after:?}");
    let rollout = shop.get(ROLLOUT).await;
    assert_eq!((says(&shop).await, &rollout["status"]["restartedAt"]), (words("Healthy", ""), &at));
    assert_eq!(rollout["metadata"]["annotations"]["rollout.argoproj.io/revision"], "2", "no new version");
    shop.seconds(120);
    assert_eq!(names(&shop.ledger()), names(&after), "once");

    // Two may be away.
    let two = json!({"spec": {"strategy": {"canary": {"maxUnavailable": 2}}}});
    assert_eq!(shop.patch(ROLLOUT, MERGE, two).await.0, 200);
    restart(&shop).await;
    shop.seconds(2);
    assert_eq!(pods(&shop, "1.1.0", "2.0.0").2, 2);
}

#[tokio::test]
async fn a_restart_in_a_canarys_pause_keeps_both_versions_and_a_new_template_ends_it() {
    let mut shop = halves();
    shop.release("2.0.0");
    shop.seconds(60);
    let before = names(&shop.ledger());
    restart(&shop).await;
    shop.seconds(90);
    assert_eq!((pods(&shop, "1.1.0", "2.0.0"), says(&shop).await.0), ((2, 2, 4), "Paused".to_owned()));
    assert!(names(&shop.ledger()).iter().all(|pod| !before.contains(pod)));

    let ends = restart(&shop).await;
    shop.release("3.0.0");
    shop.seconds(2);
    let stable: Vec<_> = shop.ledger().into_iter().filter(|pod| pod.image.ends_with("1.1.0")).collect();
    assert_eq!(shop.get(ROLLOUT).await["status"]["restartedAt"], ends);
    shop.seconds(90);
    let still = names(&shop.ledger());
    assert!(!stable.is_empty() && names(&stable).iter().any(|pod| still.contains(pod)), "older pods stay");
}
