//! The simulated cluster, as its world and its API's clients meet it.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::TimeDelta;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use warroom::clock::World;
use warroom::drill::kube::{AutoscalerSpec, Cluster, ClusterSpec, DeploymentSpec, Kill, NodeSpec, PodView, Taken};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/payments";
const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/payments/scale";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const EVENTS: &str = "/api/v1/namespaces/shop/events";
const HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/payments";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// A shop on three nodes, whose time a test moves.
struct Shop {
    cluster: Cluster,
    now: World,
}

fn epoch() -> World {
    World::from_timestamp(1_795_000_000, 0).unwrap()
}

fn deployment(name: &str, replicas: u32, cpu: u64) -> DeploymentSpec {
    let image = |tag: &str| format!("registry.example/{name}:{tag}");
    DeploymentSpec {
        namespace: "shop".into(),
        name: name.into(),
        replicas,
        revisions: vec![
            (image("1.0.0"), epoch() - TimeDelta::days(20)),
            (image("1.1.0"), epoch() - TimeDelta::hours(2)),
        ],
        cpu: (cpu, cpu * 2),
        memory: (256 << 20, 512 << 20),
        annotations: BTreeMap::new(),
        start_delay: Duration::from_secs(6),
    }
}

fn node(name: &str, zone: &str) -> NodeSpec {
    NodeSpec { name: name.into(), zone: zone.into(), cpu: 4000, memory: 16 << 30, pods: 110 }
}

impl Shop {
    fn new() -> Self {
        Self::with(1, Vec::new())
    }

    fn autoscaled() -> Self {
        let scaler =
            AutoscalerSpec { namespace: "shop".into(), deployment: "payments".into(), min: 2, max: 4, cpu_percent: 50 };
        Self::with(1, vec![scaler])
    }

    fn with(seed: u64, autoscalers: Vec<AutoscalerSpec>) -> Self {
        let spec = ClusterSpec {
            name: "drill".into(),
            user: "alex@example.com".into(),
            nodes: vec![node("a1", "eu-1a"), node("b1", "eu-1b"), node("c1", "eu-1c")],
            deployments: vec![deployment("payments", 4, 500), deployment("catalog", 2, 250)],
            autoscalers,
        };
        Self { cluster: Cluster::new(spec, epoch(), seed), now: epoch() }
    }

    fn seconds(&mut self, count: i64) {
        self.now += TimeDelta::seconds(count);
        self.cluster.tick(self.now);
    }

    fn pods(&self) -> Vec<PodView> {
        self.cluster.pods("shop", "payments")
    }

    fn ready(&self) -> usize {
        self.pods().iter().filter(|pod| pod.ready).count()
    }

    async fn raw(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        let answer = self.cluster.router().oneshot(request).await.unwrap();
        (answer.status(), to_bytes(answer.into_body(), 16 << 20).await.unwrap())
    }

    async fn call(&self, method: &str, path: &str, media: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let (code, bytes) = self.raw(request.body(body).unwrap()).await;
        (code.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (code, value) = self.call("GET", path, "", Value::Null).await;
        assert_eq!(code, 200, "{path}: {value}");
        value
    }

    async fn patch(&self, path: &str, media: &str, body: Value) -> (u16, Value) {
        self.call("PATCH", path, media, body).await
    }

    async fn scale(&self, replicas: u32) {
        let (code, scale) = self.patch(SCALE, MERGE, json!({"spec": {"replicas": replicas}})).await;
        assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(replicas)));
    }

    /// Opens a watch; each item is one event.
    async fn watch(&self, path: &str) -> impl futures::Stream<Item = Value> + Unpin + use<> {
        let answer = self.cluster.router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        Box::pin(answer.into_body().into_data_stream().flat_map(|chunk| {
            let text = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
            let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            futures::stream::iter(events)
        }))
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    object["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == kind).unwrap()
}

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
    assert_eq!(cause, "registry.example/payments:2.0.0 released by carol");

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
async fn the_log_of_the_run_before_can_be_read() {
    let mut shop = Shop::new();
    let victim = shop.pods()[0].name.clone();
    let log = format!("{PODS}/{victim}/log");
    let read = async |shop: &Shop, query: &str| {
        let (code, body) = shop.raw(Request::get(format!("{log}?{query}")).body(Body::empty()).unwrap()).await;
        (code.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    assert_eq!(read(&shop, "previous=true").await.0, 400);
    shop.cluster.log("shop", &victim, "one");
    shop.cluster.log("shop", &victim, "two");
    shop.seconds(5);
    shop.cluster.log("shop", &victim, "three");
    assert_eq!(read(&shop, "").await, (200, "one\ntwo\nthree\n".into()));
    assert_eq!(read(&shop, "tailLines=1").await.1, "three\n");
    assert_eq!(read(&shop, "sinceSeconds=2").await.1, "three\n");
    assert_eq!(
        read(&shop, "sinceTime=2026-11-18T11:06:40.000001Z").await.1,
        "two\nthree\n",
        "lines of one tick differ in time"
    );
    let stamped = read(&shop, "timestamps=true&tailLines=1").await.1;
    assert_eq!(stamped, "2026-11-18T11:06:45.000000000Z three\n");
    assert_eq!(read(&shop, "container=other").await.0, 400);
    shop.cluster.kill("shop", &victim, Kill::Crash);
    shop.seconds(2);
    assert_eq!(read(&shop, "previous=true").await.1, "one\ntwo\nthree\n");
    assert_eq!(read(&shop, "").await.1, "");
}

#[tokio::test]
async fn a_followed_log_goes_on_until_its_container_ends() {
    let mut shop = Shop::new();
    let victim = shop.pods()[0].name.clone();
    shop.cluster.log("shop", &victim, "before");
    let request = Request::get(format!("{PODS}/{victim}/log?follow=true")).body(Body::empty()).unwrap();
    let mut body = shop.cluster.router().oneshot(request).await.unwrap().into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "before\n");
    let reader = tokio::spawn(async move {
        let first = body.next().await.unwrap().unwrap();
        (first, body.next().await.is_none())
    });
    tokio::task::yield_now().await;
    shop.cluster.log("shop", &victim, "after");
    while !reader.is_finished() {
        tokio::task::yield_now().await;
        shop.cluster.kill("shop", &victim, Kill::Crash);
        shop.seconds(1);
    }
    assert_eq!(reader.await.unwrap(), (Bytes::from("after\n"), true));
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

#[tokio::test]
async fn a_guarded_patch_is_refused_as_the_real_server_refuses_it() {
    let shop = Shop::new();
    let uid = shop.get(DEPLOYMENT).await["metadata"]["uid"].clone();
    let guarded = |uid: &Value, from: u32| {
        json!([{"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/spec/replicas", "value": from},
            {"op": "replace", "path": "/spec/replicas", "value": 6}])
    };
    for path in [DEPLOYMENT, SCALE] {
        for patch in [guarded(&json!("another"), 4), guarded(&uid, 5)] {
            let (code, status) = shop.patch(path, JSON_PATCH, patch).await;
            assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
            assert_eq!(status["message"], "the server rejected our request due to an error in our request");
        }
    }
    let wrong = json!({"metadata": {"uid": "another"}, "spec": {"replicas": 6}});
    assert_eq!(shop.patch(SCALE, MERGE, wrong.clone()).await.0, 409);
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, wrong).await.0, 422);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}});
    assert_eq!(shop.patch(SCALE, MERGE, stale.clone()).await.0, 409);
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, stale).await.0, 409);
    let mut put = shop.get(SCALE).await;
    put["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(shop.call("PUT", SCALE, "application/json", put).await.0, 409);
    for bad in [json!(-1), json!("many"), json!(1.5)] {
        assert_eq!(shop.patch(SCALE, MERGE, json!({"spec": {"replicas": bad}})).await.0, 422);
    }
    assert_eq!(shop.cluster.taken(), [], "nothing of this was taken");
    assert_eq!(shop.patch(SCALE, JSON_PATCH, guarded(&uid, 4)).await.0, 200);
    assert_eq!(shop.get(DEPLOYMENT).await["spec"]["replicas"], 6);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_and_changes_nothing() {
    let shop = Shop::new();
    let before = shop.get(DEPLOYMENT).await;
    let query = "?dryRun=All&fieldManager=warroom&fieldValidation=Strict";
    let (code, scale) = shop.patch(&format!("{SCALE}{query}"), MERGE, json!({"spec": {"replicas": 9}})).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(9)));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "payments", "image": "x:2"}]}}}});
    let strategic = "application/strategic-merge-patch+json";
    let (code, would) = shop.patch(&format!("{DEPLOYMENT}{query}"), strategic, image).await;
    let container = &would["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((code, &container["image"]), (200, &json!("x:2")));
    assert_eq!(container["resources"]["requests"]["cpu"], "500m", "merged by name, not replaced");
    assert_eq!(shop.get(DEPLOYMENT).await, before);
    assert_eq!(shop.cluster.taken(), []);
    assert_eq!(shop.patch(&format!("{SCALE}?dryRun=Some"), MERGE, json!({})).await.0, 400);
}

#[tokio::test]
async fn what_is_denied_is_answered_403_and_access_reviews_say_so() {
    let shop = Shop::new();
    let may = async |sub: &str, verb: &str| {
        let attributes = json!({"namespace": "shop", "verb": verb, "group": "apps", "resource": "deployments", "subresource": sub, "name": "payments"});
        let review = json!({"spec": {"resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (code, answer) = shop.call("POST", path, "application/json", review).await;
        assert_eq!(code, 201);
        answer["status"]["allowed"].as_bool().unwrap()
    };
    assert!(may("scale", "patch").await);
    assert!(!may("", "delete").await, "not served, so not allowed");
    shop.cluster.deny("patch", "deployments/scale");
    assert!(!may("scale", "patch").await);
    assert!(may("", "patch").await, "the subresource is a resource of its own");
    let (code, status) = shop.patch(SCALE, MERGE, json!({"spec": {"replicas": 6}})).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert_eq!(
        status["message"],
        "deployments.apps \"payments\" is forbidden: User \"alex@example.com\" cannot patch resource \
         \"deployments/scale\" in API group \"apps\" in the namespace \"shop\""
    );
    shop.cluster.allow("patch", "deployments/scale");
    assert!(may("scale", "patch").await);

    shop.cluster.deny_across_namespaces("list", "pods");
    assert_eq!(shop.call("GET", "/api/v1/pods", "", Value::Null).await.0, 403);
    assert_eq!(names(&shop.get(PODS).await).len(), 6);
}

#[tokio::test]
async fn what_is_not_served_is_refused_with_a_status() {
    let shop = Shop::new();
    let pod = shop.pods()[0].name.clone();
    for (method, path, code) in [
        ("DELETE", DEPLOYMENT, 405),
        ("DELETE", PODS, 405),
        ("POST", PODS, 405),
        ("POST", "/api/v1/namespaces/shop/pods/x/exec", 403),
        ("GET", "/api/v1/secrets", 404),
        ("GET", "/api/v1/replicationcontrollers", 404),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/none", 404),
        ("GET", "/api/v1/pods?fieldSelector=spec.colour%3Dred", 400),
        ("GET", "/api/v1/pods?limit=x", 400),
        ("GET", "/api/v1/pods?continue=%21", 400),
        ("GET", "/nothing", 404),
    ] {
        let (got, status) = shop.call(method, path, "application/json", Value::Null).await;
        assert_eq!((got, &status["kind"], &status["code"]), (code, &json!("Status"), &json!(code)), "{method} {path}");
    }
    let (code, _) = shop.patch(SCALE, "application/apply-patch+yaml", json!({})).await;
    assert_eq!(code, 415);
    let (code, deleted) = shop.call("DELETE", &format!("{PODS}/{pod}"), "application/json", Value::Null).await;
    assert_eq!((code, &deleted["metadata"]["name"]), (200, &json!(pod)));
    assert_eq!(shop.cluster.taken()[0].what, format!("delete pods shop/{pod}"));
}

#[tokio::test]
async fn a_paged_list_is_of_one_moment() {
    let mut shop = Shop::new();
    let whole = shop.get(PODS).await;
    let first = shop.get(&format!("{PODS}?limit=4")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().unwrap();
    shop.scale(1).await;
    shop.seconds(10);
    let second = shop.get(&format!("{PODS}?limit=4&continue={token}")).await;
    let paged: Vec<&str> = names(&first).into_iter().chain(names(&second)).collect();
    assert_eq!(paged, names(&whole));
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    shop.cluster.compact();
    let (code, status) = shop.call("GET", &format!("{PODS}?limit=4&continue={token}"), "", Value::Null).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn a_watch_tells_what_happened_since_and_then_what_happens() {
    let mut shop = Shop::new();
    let version = shop.get(PODS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    shop.scale(5).await;
    shop.seconds(1);
    let running = format!(
        "{PODS}?watch=1&resourceVersion={version}&labelSelector=app%3Dpayments&fieldSelector=status.phase%3DRunning"
    );
    let mut all = shop.watch(&format!("{PODS}?watch=1&resourceVersion={version}")).await;
    let mut ran = shop.watch(&running).await;
    let added = all.next().await.unwrap();
    assert_eq!((&added["type"], &added["object"]["kind"]), (&json!("ADDED"), &json!("Pod")));
    shop.seconds(2);
    assert_eq!(ran.next().await.unwrap()["type"], "ADDED", "it enters the selection when it runs");
    shop.scale(4).await;
    shop.seconds(4);
    let gone = loop {
        let event = all.next().await.unwrap();
        if event["type"] == "DELETED" {
            break event;
        }
    };
    assert_eq!(gone["object"]["metadata"]["name"], added["object"]["metadata"]["name"]);
}

#[tokio::test]
async fn a_watch_marks_its_place_and_ends_in_world_time() {
    let mut shop = Shop::new();
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=90";
    let mut watch = shop.watch(&format!("/apis/apps/v1/deployments?{query}")).await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(watch.next().await.unwrap());
    }
    let types: Vec<_> = kinds.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ADDED", "ADDED", "BOOKMARK"]);
    assert_eq!(kinds[2]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    shop.seconds(60);
    let mark = watch.next().await.unwrap();
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Deployment")));
    shop.seconds(30);
    assert_eq!(watch.next().await.unwrap()["type"], "BOOKMARK");
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_expired() {
    let mut shop = Shop::new();
    let version = shop.get(PODS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    shop.scale(5).await;
    shop.seconds(2);
    shop.cluster.compact();
    let mut watch = shop.watch(&format!("{PODS}?watch=1&resourceVersion={version}")).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.next().await, None);
    let exact = format!("{PODS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(shop.call("GET", &exact, "", Value::Null).await.0, 410);
    assert_eq!(shop.call("GET", &format!("{PODS}?resourceVersion=99999999"), "", Value::Null).await.0, 504);
}

#[tokio::test]
async fn a_table_holds_what_kubectl_prints() {
    let mut shop = Shop::new();
    shop.seconds(60);
    let table = async |path: &str| {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        let (code, body) = shop.raw(Request::get(path).header("accept", accept).body(Body::empty()).unwrap()).await;
        assert_eq!(code, 200);
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let pods = table(PODS).await;
    let columns: Vec<&str> =
        pods["columnDefinitions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(columns[..7], ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node"]);
    let cells = pods["rows"][5]["cells"].as_array().unwrap();
    assert_eq!(cells[1..5], [json!("1/1"), json!("Running"), json!("0"), json!("120m")]);
    assert_eq!(pods["rows"][5]["object"]["kind"], "PartialObjectMetadata");
    let bare = table(&format!("{PODS}?includeObject=None")).await;
    assert!(bare["rows"][0]["object"].is_null());
    let deployments = table("/apis/apps/v1/deployments").await;
    assert_eq!(
        deployments["rows"][1]["cells"].as_array().unwrap()[..5],
        [json!("payments"), json!("4/4"), json!(4), json!(4), json!("20d")]
    );
    for path in [
        "/api/v1/nodes",
        "/api/v1/events",
        "/api/v1/namespaces",
        "/api/v1/services",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/statefulsets",
        "/apis/apps/v1/daemonsets",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/metrics.k8s.io/v1beta1/pods",
        "/apis/metrics.k8s.io/v1beta1/nodes",
    ] {
        let table = table(path).await;
        let width = table["columnDefinitions"].as_array().unwrap().len();
        assert!(
            table["rows"].as_array().unwrap().iter().all(|row| row["cells"].as_array().unwrap().len() == width),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_posted_event_is_kept() {
    let shop = Shop::new();
    let event = json!({"metadata": {"generateName": "note-"}, "involvedObject": {"kind": "Deployment", "namespace": "shop", "name": "payments"},
        "reason": "Noted", "message": "scaled by alex", "type": "Normal", "count": 1});
    assert_eq!(shop.call("POST", EVENTS, "application/json", event).await.0, 201);
    let events = shop.get(&format!("{EVENTS}?fieldSelector=reason=Noted")).await;
    assert_eq!(events["items"][0]["message"], "scaled by alex");
}
