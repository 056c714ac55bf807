//! Argo CD and KEDA beside the simulated cluster's own controllers.

use serde_json::{Value, json};
use warroom::drill::kube::{ApplicationSpec, AutoscalerSpec, Cluster, ClusterSpec};

use super::shop::*;

const APP: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop";
const PROJECT: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default";
const SCALED: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/payments";
const KEDA_HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/keda-hpa-payments";

/// `payments` under an autoscaler, `catalog` without one; both from git.
fn shop(self_heal: bool, keda: bool) -> Shop {
    let workload = |name: &str| ("shop".to_owned(), name.to_owned());
    let spec = ClusterSpec {
        name: "drill".into(),
        user: "alex@example.com".into(),
        nodes: vec![node("a1", "eu-1a"), node("b1", "eu-1b"), node("c1", "eu-1c")],
        workloads: vec![deployment("payments", 4, 500), deployment("catalog", 2, 250)],
        autoscalers: vec![AutoscalerSpec {
            namespace: "shop".into(),
            deployment: "payments".into(),
            min: 2,
            max: 4,
            cpu_percent: 50,
            keda,
        }],
        applications: vec![ApplicationSpec {
            name: "shop".into(),
            workloads: vec![workload("payments"), workload("catalog")],
            repository: "https://git.example/shop.git".into(),
            self_heal,
        }],
    };
    Shop { cluster: Cluster::new(spec, epoch(), 1), now: epoch() }
}

impl Shop {
    async fn image(&self) -> String {
        let payments = self.get(DEPLOYMENT).await;
        payments["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    async fn set_image(&self, image: &str) {
        let containers = json!([{"name": "payments", "image": image}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        assert_eq!(self.patch(DEPLOYMENT, STRATEGIC, patch).await.0, 200);
    }

    /// Seconds until `payments` has this image.
    async fn seconds_until(&mut self, image: &str) -> i64 {
        for passed in 0..400 {
            if self.image().await.ends_with(image) {
                return passed;
            }
            self.seconds(1);
        }
        panic!("it never came: {}", self.image().await);
    }

    async fn app(&self) -> Value {
        self.get(APP).await
    }
}

fn sync(app: &Value) -> (&str, &str) {
    let said = |field: &str| app["status"][field]["status"].as_str().unwrap();
    (said("sync"), said("health"))
}

#[tokio::test]
async fn an_application_tells_its_history_and_finds_what_is_its_own() {
    let shop = shop(true, false);
    let app = shop.app().await;
    assert_eq!(sync(&app), ("Synced", "Healthy"));
    let history = app["status"]["history"].as_array().unwrap();
    let ids: Vec<_> = history.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3], "two releases of each");
    assert_eq!(history[3]["revision"], app["status"]["sync"]["revision"]);
    let payments = shop.get(DEPLOYMENT).await;
    let annotations = &payments["metadata"]["annotations"];
    assert_eq!(annotations["argocd.argoproj.io/tracking-id"], "shop:apps/Deployment:shop/payments");
    let replicas = |of: &Value| {
        let applied =
            of["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
        serde_json::from_str::<Value>(applied).unwrap()["spec"]["replicas"].clone()
    };
    assert_eq!(replicas(&payments), Value::Null, "an autoscaler's number is not git's");
    let catalog = shop.get("/apis/apps/v1/namespaces/shop/deployments/catalog").await;
    assert_eq!(replicas(&catalog), 2);
    let group = shop.get("/apis/argoproj.io/v1alpha1").await;
    assert_eq!(group["resources"][0]["name"], "applications");
    let all = shop.get("/apis/argoproj.io/v1alpha1/applications").await;
    assert_eq!((all["kind"].as_str(), all["items"].as_array().unwrap().len()), (Some("ApplicationList"), 1));
    assert_eq!(shop.patch(APP, STRATEGIC, json!({})).await.0, 415, "custom resources know no strategic merge");
}

#[tokio::test]
async fn a_release_is_a_commit_that_is_synced() {
    let mut shop = shop(true, false);
    shop.cluster.release("shop", "payments", "registry.example/payments:1.2.0", "ci/payments");
    assert!(shop.image().await.ends_with(":1.1.0"), "a commit alone changes nothing");
    assert_eq!(shop.seconds_until(":1.2.0").await, 1);
    assert_eq!(shop.app().await["status"]["operationState"]["phase"], "Running");
    shop.seconds(60);
    let app = shop.app().await;
    assert_eq!(sync(&app), ("Synced", "Healthy"));
    assert_eq!(app["status"]["operationState"]["phase"], "Succeeded");
    assert_eq!(app["status"]["history"].as_array().unwrap().last().unwrap()["id"], 4);
    let payments = shop.get(DEPLOYMENT).await;
    assert_eq!(payments["metadata"]["annotations"]["kubernetes.io/change-cause"], "ci/payments");
    assert_eq!(payments["status"]["updatedReplicas"], 4);
}

#[tokio::test]
async fn what_is_changed_beside_git_is_healed_at_once_and_later_each_time() {
    let mut shop = shop(true, false);
    let mut waits = Vec::new();
    for _ in 0..4 {
        shop.set_image("registry.example/payments:1.0.0").await;
        waits.push(shop.seconds_until(":1.1.0").await);
    }
    assert_eq!(waits[0], 2, "noticed, then healed");
    assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]) && waits[3] >= 15, "{waits:?}");
    shop.seconds(60);
    let app = shop.app().await;
    assert_eq!(sync(&app), ("Synced", "Healthy"));
    assert_eq!(app["status"]["history"].as_array().unwrap().len(), 4, "healing is no new entry");

    let catalog = "/apis/apps/v1/namespaces/shop/deployments/catalog";
    let scaled = shop.patch(&format!("{catalog}/scale"), MERGE, json!({"spec": {"replicas": 5}})).await;
    assert_eq!(scaled.0, 200);
    shop.seconds(400);
    assert_eq!(shop.get(catalog).await["spec"]["replicas"], 2, "git names the number");
    shop.scale(3).await;
    shop.seconds(10);
    assert_eq!(shop.get(DEPLOYMENT).await["spec"]["replicas"], 3, "and leaves that of an autoscaler alone");
}

#[tokio::test]
async fn without_self_heal_and_without_auto_sync_it_is_let_be() {
    for patch in [json!({"selfHeal": false}), Value::Null] {
        let mut shop = shop(true, false);
        assert_eq!(shop.patch(APP, MERGE, json!({"spec": {"syncPolicy": {"automated": patch}}})).await.0, 200);
        shop.set_image("registry.example/payments:1.0.0").await;
        shop.seconds(120);
        assert!(shop.image().await.ends_with(":1.0.0"));
        assert_eq!(sync(&shop.app().await), ("OutOfSync", "Healthy"));
    }
}

#[tokio::test]
async fn an_operation_goes_back_for_good_only_without_auto_sync() {
    let mut shop = shop(true, false);
    shop.cluster.release("shop", "payments", "registry.example/payments:1.2.0", "ci/payments");
    shop.seconds(60);
    let app = shop.app().await;
    let before = app["status"]["history"][3]["revision"].clone();
    let operation = json!({"operation": {"initiatedBy": {"username": "ana"}, "sync": {"revision": before}}});
    assert_eq!(shop.patch(APP, MERGE, operation.clone()).await.0, 200);
    assert_eq!(shop.seconds_until(":1.1.0").await, 1);
    assert!(shop.seconds_until(":1.2.0").await <= 2, "auto-sync rolls it forward again");
    shop.seconds(30);

    let automated = app["spec"]["syncPolicy"]["automated"].clone();
    shop.patch(APP, MERGE, json!({"spec": {"syncPolicy": {"automated": null}}})).await;
    shop.patch(APP, MERGE, operation).await;
    shop.seconds(90);
    assert!(shop.image().await.ends_with(":1.1.0"));
    let app = shop.app().await;
    assert_eq!(sync(&app), ("OutOfSync", "Healthy"));
    let state = &app["status"]["operationState"];
    assert_eq!((&state["phase"], &state["syncResult"]["revision"]), (&json!("Succeeded"), &before));
    assert_eq!(app["operation"], Value::Null);
    let last = app["status"]["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["revision"], &last["initiatedBy"]["username"]), (&before, &json!("ana")));
    shop.patch(APP, MERGE, json!({"spec": {"syncPolicy": {"automated": automated}}})).await;
    assert!(shop.seconds_until(":1.2.0").await <= 2);

    let unknown = json!({"operation": {"sync": {"revision": "deadbeef"}}});
    shop.patch(APP, MERGE, unknown).await;
    shop.seconds(2);
    let app = shop.app().await;
    assert_eq!((&app["status"]["operationState"]["phase"], &app["operation"]), (&json!("Error"), &Value::Null));
}

#[tokio::test]
async fn its_project_lets_it_be_synced_only_in_its_windows() {
    let mut shop = shop(true, false);
    let windows = async |shop: &Shop, windows: Value| {
        assert_eq!(shop.patch(PROJECT, MERGE, json!({"spec": {"syncWindows": windows}})).await.0, 200);
    };
    let deny = |by_hand: bool| json!([{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "manualSync": by_hand}]);
    let project = shop.get(PROJECT).await;
    assert_eq!((&project["kind"], &project["spec"]["syncWindows"]), (&json!("AppProject"), &Value::Null));
    windows(&shop, deny(true)).await;
    shop.cluster.release("shop", "payments", "registry.example/payments:1.2.0", "ci/payments");
    shop.seconds(120);
    assert!(shop.image().await.ends_with(":1.1.0"), "git is not followed");
    assert_eq!(sync(&shop.app().await), ("OutOfSync", "Healthy"));

    // What is asked for by hand is let through, or not.
    let asked =
        |revision: &Value| json!({"operation": {"initiatedBy": {"username": "ana"}, "sync": {"revision": revision}}});
    let git = shop.app().await["status"]["sync"]["revision"].clone();
    shop.patch(APP, MERGE, asked(&git)).await;
    assert!(shop.seconds_until(":1.2.0").await <= 2);
    shop.seconds(60);
    windows(&shop, deny(false)).await;
    let earlier = shop.app().await["status"]["history"][3]["revision"].clone();
    shop.patch(APP, MERGE, asked(&earlier)).await;
    shop.seconds(30);
    let held = shop.app().await["status"]["operationState"].clone();
    assert_eq!(
        (&held["phase"], &held["message"]),
        (&json!("Running"), &json!("Sync operation blocked by sync window"))
    );
    shop.seconds(30);
    assert_eq!(shop.app().await["status"]["operationState"]["startedAt"], held["startedAt"]);
    assert!(shop.image().await.ends_with(":1.2.0"));
    windows(&shop, Value::Null).await;
    assert!(shop.seconds_until(":1.1.0").await <= 2, "it was waiting");

    shop.patch(APP, MERGE, json!({"spec": {"project": "gone", "syncPolicy": null}})).await;
    shop.patch(APP, MERGE, asked(&git)).await;
    shop.seconds(60);
    let state = shop.app().await["status"]["operationState"].clone();
    assert_eq!(state["message"], "application references project gone which does not exist");
}

#[tokio::test]
async fn keda_keeps_its_autoscaler_as_it_says_itself_and_pausing_takes_it_away() {
    let mut shop = shop(false, true);
    let hpa = shop.get(KEDA_HPA).await;
    assert_eq!(hpa["metadata"]["labels"]["scaledobject.keda.sh/name"], "payments");
    assert_eq!((&hpa["spec"]["minReplicas"], &hpa["spec"]["maxReplicas"]), (&json!(2), &json!(4)));
    shop.patch(KEDA_HPA, MERGE, json!({"spec": {"minReplicas": 3}})).await;
    shop.patch(SCALED, MERGE, json!({"spec": {"maxReplicaCount": 6}})).await;
    shop.seconds(1);
    let hpa = shop.get(KEDA_HPA).await;
    assert_eq!((&hpa["spec"]["minReplicas"], &hpa["spec"]["maxReplicas"]), (&json!(2), &json!(6)));

    let pin = |count: Value| json!({"metadata": {"annotations": {"autoscaling.keda.sh/paused-replicas": count}}});
    shop.patch(SCALED, MERGE, pin(json!("6"))).await;
    shop.seconds(20);
    assert_eq!(shop.ready(), 6);
    assert_eq!(shop.call("GET", KEDA_HPA, "", Value::Null).await.0, 404);
    assert_eq!(condition(&shop.get(SCALED).await, "Paused")["status"], "True");
    shop.patch(SCALED, MERGE, pin(Value::Null)).await;
    shop.seconds(1);
    assert_eq!(shop.get(KEDA_HPA).await["spec"]["maxReplicas"], 6);
}
