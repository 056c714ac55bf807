//! A shop on three nodes, whose time a test moves, and a way to talk to its API.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::TimeDelta;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use warroom::clock::World;
use warroom::drill::kube::{AutoscalerSpec, Cluster, ClusterSpec, NodeSpec, PodView, WorkloadKind, WorkloadSpec};

pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/payments";
pub(crate) const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/payments/scale";
pub(crate) const PODS: &str = "/api/v1/namespaces/shop/pods";
pub(crate) const EVENTS: &str = "/api/v1/namespaces/shop/events";
pub(crate) const HPA: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/payments";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A shop on three nodes, whose time a test moves.
pub(crate) struct Shop {
    pub(crate) cluster: Cluster,
    pub(crate) now: World,
}

pub(crate) fn epoch() -> World {
    World::from_timestamp(1_795_000_000, 0).unwrap()
}

pub(crate) fn deployment(name: &str, replicas: u32, cpu: u64) -> WorkloadSpec {
    let image = |tag: &str| format!("registry.example/{name}:{tag}");
    WorkloadSpec {
        kind: WorkloadKind::Deployment,
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

pub(crate) fn node(name: &str, zone: &str) -> NodeSpec {
    NodeSpec { name: name.into(), zone: zone.into(), cpu: 4000, memory: 16 << 30, pods: 110 }
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(1, Vec::new())
    }

    pub(crate) fn autoscaled() -> Self {
        let scaler = AutoscalerSpec {
            namespace: "shop".into(),
            deployment: "payments".into(),
            min: 2,
            max: 4,
            cpu_percent: 50,
            keda: false,
        };
        Self::with(1, vec![scaler])
    }

    pub(crate) fn with(seed: u64, autoscalers: Vec<AutoscalerSpec>) -> Self {
        let spec = ClusterSpec {
            name: "drill".into(),
            user: "alex@example.com".into(),
            nodes: vec![node("a1", "eu-1a"), node("b1", "eu-1b"), node("c1", "eu-1c")],
            workloads: vec![deployment("payments", 4, 500), deployment("catalog", 2, 250)],
            autoscalers,
            applications: Vec::new(),
        };
        Self { cluster: Cluster::new(spec, epoch(), seed), now: epoch() }
    }

    /// With a third workload, `ledger`, that has had two versions: 1.0.0 and 1.1.0.
    pub(crate) fn beside(kind: WorkloadKind, replicas: u32) -> Self {
        let mut shop = Self::new();
        shop.cluster.add(&WorkloadSpec { kind, ..deployment("ledger", replicas, 250) });
        shop.seconds(1);
        shop
    }

    /// The pods of `ledger` that are not on their way out.
    pub(crate) fn ledger(&self) -> Vec<PodView> {
        self.cluster.pods("shop", "ledger")
    }

    /// What a pipeline does: another version of `ledger`.
    pub(crate) fn release(&self, version: &str) {
        self.cluster.release("shop", "ledger", &format!("registry.example/ledger:{version}"), "carol");
    }

    pub(crate) fn seconds(&mut self, count: i64) {
        self.now += TimeDelta::seconds(count);
        self.cluster.tick(self.now);
    }

    pub(crate) fn pods(&self) -> Vec<PodView> {
        self.cluster.pods("shop", "payments")
    }

    pub(crate) fn ready(&self) -> usize {
        self.pods().iter().filter(|pod| pod.ready).count()
    }

    pub(crate) async fn raw(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        let answer = self.cluster.router().oneshot(request).await.unwrap();
        (answer.status(), to_bytes(answer.into_body(), 16 << 20).await.unwrap())
    }

    pub(crate) async fn call(&self, method: &str, path: &str, media: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let (code, bytes) = self.raw(request.body(body).unwrap()).await;
        (code.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (code, value) = self.call("GET", path, "", Value::Null).await;
        assert_eq!(code, 200, "{path}: {value}");
        value
    }

    pub(crate) async fn patch(&self, path: &str, media: &str, body: Value) -> (u16, Value) {
        self.call("PATCH", path, media, body).await
    }

    pub(crate) async fn scale(&self, replicas: u32) {
        let (code, scale) = self.patch(SCALE, MERGE, json!({"spec": {"replicas": replicas}})).await;
        assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(replicas)));
    }

    /// Opens a watch; each item is one event.
    pub(crate) async fn watch(&self, path: &str) -> impl futures::Stream<Item = Value> + Unpin + use<> {
        let answer = self.cluster.router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        Box::pin(answer.into_body().into_data_stream().flat_map(|chunk| {
            let text = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
            let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            futures::stream::iter(events)
        }))
    }
}

pub(crate) fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    object["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == kind).unwrap()
}
