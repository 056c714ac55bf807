//! What the controllers, the scheduler and the kubelets do.

use chrono::TimeDelta;
use serde_json::{Value, json};
use warroom::drill::kube::{Kill, Taken};

use super::shop::*;

#[tokio::test]
async fn at_the_epoch_everything_has_been_running_for_a_while() {
    let shop = Shop::new();
    let payments = shop.get(DEPLOYMENT).await;
    assert_eq!(payments["status"]["availableReplicas"], 4);
    assert_eq!(payments["metadata"]["generation"], payments["status"]["observedGeneration"]);
    assert_eq!(payments["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    assert_eq!(condition(&payments, "Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(shop.ready(), 4);
    assert!(shop.pods().iter().all(|pod| pod.created < epoch() - TimeDelta::minutes(10)));
    let sets = shop.get("/apis/apps/v1/replicasets?labelSelector=app%3Dpayments").await;
    let mut revisions: Vec<_> = sets["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        .collect();
    revisions.sort_by_key(|revision| revision.as_str());
    assert_eq!(revisions, ["1", "2"]);
}

#[tokio::test]
async fn one_seed_tells_the_same_story_and_another_has_other_names() {
    let story = async |seed| {
        let mut shop = Shop::with(seed, Vec::new());
        shop.scale(6).await;
        let victim = shop.pods()[0].name.clone();
        shop.cluster.kill("shop", &victim, Kill::Crash);
        shop.seconds(90);
        (shop.get("/api/v1/pods").await, shop.get("/api/v1/events").await)
    };
    let (one, again, other) = (story(1).await, story(1).await, story(2).await);
    assert_eq!(one, again);
    assert_ne!(names(&one.0), names(&other.0));
}

#[tokio::test]
async fn scaling_up_makes_pods_that_become_ready_after_their_delay() {
    let mut shop = Shop::new();
    shop.scale(6).await;
    assert_eq!(shop.cluster.taken(), [Taken { at: epoch(), what: "patch deployments/scale shop/payments".into() }]);
    assert_eq!(shop.cluster.taken(), [], "told once");
    shop.seconds(1);
    assert_eq!((shop.pods().len(), shop.ready()), (6, 4));
    shop.seconds(5);
    assert_eq!(shop.ready(), 4);
    shop.seconds(2);
    assert_eq!(shop.ready(), 6);
    shop.seconds(1);
    let payments = shop.get(DEPLOYMENT).await;
    assert_eq!(payments["status"]["availableReplicas"], 6);
    assert_eq!(payments["status"]["observedGeneration"], payments["metadata"]["generation"]);
}

#[tokio::test]
async fn scaling_down_stops_the_unready_and_then_the_newest() {
    let mut shop = Shop::new();
    let (old, sick): (Vec<_>, _) = (shop.pods(), shop.pods()[1].name.clone());
    shop.scale(5).await;
    shop.seconds(10);
    let new = shop.pods().into_iter().find(|pod| !old.iter().any(|it| it.name == pod.name)).unwrap();
    shop.cluster.set_ready("shop", &sick, false);
    shop.seconds(1);
    shop.scale(3).await;
    shop.seconds(1);
    let left: Vec<String> = shop.pods().into_iter().map(|pod| pod.name).collect();
    assert_eq!(left.len(), 3);
    assert!(!left.contains(&sick) && !left.contains(&new.name));
    let terminating = shop.get(&format!("{PODS}/{sick}")).await;
    assert!(terminating["metadata"]["deletionTimestamp"].is_string());
    shop.seconds(2);
    let (code, gone) = shop.call("GET", &format!("{PODS}/{sick}"), "", Value::Null).await;
    assert_eq!((code, &gone["reason"]), (404, &json!("NotFound")));
}

#[tokio::test]
async fn a_release_rolls_out_within_its_bounds_and_an_old_template_renumbers_its_revision() {
    let mut shop = Shop::new();
    shop.cluster.release("shop", "payments", "registry.example/payments:2.0.0", "carol");
    let mut fewest = 4;
    for _ in 0..120 {
        shop.seconds(1);
        assert!(shop.pods().len() <= 5, "no more than the surge");
        fewest = fewest.min(shop.ready());
    }
    assert_eq!(fewest, 3, "a quarter may be unavailable, no more");
    assert!(shop.pods().iter().all(|pod| pod.ready && pod.image.ends_with("2.0.0")));
    let payments = shop.get(DEPLOYMENT).await;
    assert_eq!(payments["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    let cause = &payments["metadata"]["annotations"]["kubernetes.io/change-cause"];
    assert_eq!(cause, "carol");

    // Back to 1.1.0, with the empty fields that typed clients write.
    let mut template = payments["spec"]["template"].clone();
    template["metadata"]["creationTimestamp"] = Value::Null;
    template["spec"]["containers"][0]["image"] = json!("registry.example/payments:1.1.0");
    let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
    assert_eq!(shop.patch(DEPLOYMENT, JSON_PATCH, patch).await.0, 200);
    shop.seconds(120);
    assert!(shop.pods().iter().all(|pod| pod.ready && pod.image.ends_with("1.1.0")));
    let sets = shop.get("/apis/apps/v1/namespaces/shop/replicasets?labelSelector=app=payments").await;
    let mut revisions: Vec<&str> = sets["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap())
        .collect();
    revisions.sort_unstable();
    assert_eq!(revisions, ["1", "3", "4"], "revision 2 became 4");
}

#[tokio::test]
async fn a_release_that_never_gets_ready_stalls_and_says_so() {
    let mut shop = Shop::new();
    shop.cluster.release("shop", "payments", "registry.example/payments:broken", "carol");
    for _ in 0..700 {
        shop.seconds(1);
        for pod in shop.pods().iter().filter(|pod| pod.image.ends_with("broken")) {
            shop.cluster.set_ready("shop", &pod.name, false);
        }
    }
    assert_eq!(shop.ready(), 3);
    let payments = shop.get(DEPLOYMENT).await;
    assert_eq!(condition(&payments, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(condition(&payments, "Available")["status"], "True");
}

#[tokio::test]
async fn what_fits_nowhere_stays_pending_and_the_scheduler_says_why() {
    let mut shop = Shop::new();
    shop.scale(30).await;
    shop.seconds(20);
    let pending = shop.pods().into_iter().find(|pod| pod.node.is_none()).unwrap();
    let pod = shop.get(&format!("{PODS}/{}", pending.name)).await;
    let scheduled = condition(&pod, "PodScheduled");
    assert_eq!((&pod["status"]["phase"], &scheduled["reason"]), (&json!("Pending"), &json!("Unschedulable")));
    let events = shop.get(&format!("{EVENTS}?fieldSelector=type=Warning,involvedObject.name={}", pending.name)).await;
    assert_eq!(events["items"][0]["reason"], "FailedScheduling");
    let message = events["items"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("0/3 nodes are available: 3 Insufficient cpu."), "{message}");
    let bound: u64 = shop.pods().iter().filter(|pod| pod.node.is_some()).count() as u64;
    assert_eq!(bound, 22, "eight on the node without a catalog pod, seven on each of the others");
}

#[tokio::test]
async fn a_container_that_keeps_ending_waits_longer_each_time() {
    let mut shop = Shop::new();
    let victim = shop.pods()[0].name.clone();
    let path = format!("{PODS}/{victim}");
    shop.cluster.log("shop", &victim, "the first run");
    let mut waits = Vec::new();
    for _ in 0..8 {
        shop.cluster.kill("shop", &victim, Kill::OutOfMemory);
        shop.seconds(1);
        let mut waited = 1;
        while shop.get(&path).await["status"]["containerStatuses"][0]["state"]["running"].is_null() {
            shop.seconds(1);
            waited += 1;
        }
        waits.push(waited - 1);
    }
    assert_eq!(waits, [1, 10, 20, 40, 80, 160, 300, 300]);
    let status = &shop.get(&path).await["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 8);
    assert_eq!(status["lastState"]["terminated"]["reason"], "OOMKilled");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 137);
    let events = shop.get(&format!("{EVENTS}?fieldSelector=reason=BackOff")).await;
    assert!(events["items"][0]["count"].as_u64().unwrap() > 3, "counted up, not repeated");
    assert_eq!(events["items"].as_array().unwrap().len(), 1);
    shop.seconds(3700);
    assert!(names(&shop.get(EVENTS).await).is_empty(), "events are kept for an hour");
}

#[tokio::test]
async fn the_autoscaler_takes_a_plain_scale_back_but_leaves_zero_alone() {
    let mut shop = Shop::autoscaled();
    let busy = |shop: &Shop| {
        for pod in shop.pods() {
            shop.cluster.set_usage("shop", &pod.name, 250, 128 << 20);
        }
    };
    busy(&shop);
    shop.seconds(30);
    shop.scale(8).await;
    shop.seconds(15);
    assert_eq!(shop.get(SCALE).await["spec"]["replicas"], 4);
    let hpa = shop.get(HPA).await;
    assert_eq!(condition(&hpa, "ScalingLimited")["reason"], "TooManyReplicas");
    shop.scale(0).await;
    shop.seconds(60);
    assert_eq!(shop.get(SCALE).await["spec"]["replicas"], 0);
    assert_eq!(condition(&shop.get(HPA).await, "ScalingActive")["reason"], "ScalingDisabled");
}

#[tokio::test]
async fn the_autoscaler_grows_at_once_and_shrinks_after_five_minutes() {
    let mut shop = Shop::autoscaled();
    let (code, _) = shop.patch(HPA, MERGE, json!({"spec": {"maxReplicas": 8}})).await;
    assert_eq!(code, 200);
    let load = |shop: &Shop, cpu| {
        for pod in shop.pods() {
            shop.cluster.set_usage("shop", &pod.name, cpu, 128 << 20);
        }
    };
    load(&shop, 400);
    shop.seconds(30);
    assert_eq!(shop.get(SCALE).await["spec"]["replicas"], 7, "400m of 500m against 50 %: 4 × 1.6");
    for _ in 0..25 {
        load(&shop, 100);
        shop.seconds(10);
    }
    assert_eq!(shop.get(SCALE).await["spec"]["replicas"], 7, "stabilised");
    for _ in 0..12 {
        load(&shop, 100);
        shop.seconds(10);
    }
    assert!(shop.get(SCALE).await["spec"]["replicas"].as_i64().unwrap() < 7);
    let (code, status) = shop.patch(HPA, MERGE, json!({"spec": {"minReplicas": 9}})).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn metrics_refresh_every_fifteen_seconds() {
    let mut shop = Shop::new();
    let pod = shop.pods()[0].name.clone();
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/{pod}");
    shop.seconds(15);
    shop.cluster.set_usage("shop", &pod, 400, 64 << 20);
    shop.seconds(15);
    let usage = shop.get(&path).await["containers"][0]["usage"].clone();
    assert_eq!(usage, json!({"cpu": "400000000n", "memory": "65536Ki"}));
    shop.cluster.set_usage("shop", &pod, 900, 64 << 20);
    shop.seconds(1);
    assert_eq!(shop.get(&path).await["containers"][0]["usage"], usage, "until the next scrape");
    shop.seconds(15);
    assert_eq!(shop.get(&path).await["containers"][0]["usage"]["cpu"], "900000000n");
    let nodes = shop.get("/apis/metrics.k8s.io/v1beta1/nodes").await;
    assert_eq!(names(&nodes), ["a1", "b1", "c1"]);
}

#[tokio::test]
async fn a_node_that_is_not_ready_loses_its_pods_after_five_minutes() {
    let mut shop = Shop::new();
    shop.cluster.set_node_ready("a1", false);
    shop.seconds(1);
    let node = shop.get("/api/v1/nodes/a1").await;
    assert_eq!(condition(&node, "Ready")["status"], "False");
    assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/zone"], "eu-1a");
    assert!(shop.pods().iter().all(|pod| pod.ready != (pod.node.as_deref() == Some("a1"))));
    shop.seconds(320);
    assert!(shop.pods().iter().all(|pod| pod.ready && pod.node.as_deref() != Some("a1")));
    shop.cluster.set_node_ready("a1", true);
    shop.seconds(1);
    assert_eq!(condition(&shop.get("/api/v1/nodes/a1").await, "Ready")["status"], "True");
}
