//! The simulated cluster through stock clients on loopback: kube's own, and a reader of the
//! protobuf form that shares nothing with the writer.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event};
use kube::{Client, Config};
use prost::Message;
use serde_json::json;
use warroom::clock::World;
use warroom::drill::kube::{Cluster, ClusterSpec, NodeSpec, WorkloadKind, WorkloadSpec};

fn epoch() -> World {
    World::from_timestamp(1_795_000_000, 0).unwrap()
}

/// A cluster that listens on a free port, and its kubeconfig.
async fn served() -> (Cluster, String, String) {
    let node = |name: &str| NodeSpec { name: name.into(), zone: "z1".into(), cpu: 8000, memory: 32 << 30, pods: 50 };
    let payments = WorkloadSpec {
        kind: WorkloadKind::Deployment,
        namespace: "shop".into(),
        name: "payments".into(),
        replicas: 3,
        revisions: vec![("registry.example/payments:1.0.0".into(), epoch() - TimeDelta::days(3))],
        cpu: (500, 0),
        memory: (256 << 20, 512 << 20),
        annotations: BTreeMap::new(),
        start_delay: Duration::from_secs(3),
    };
    let spec = ClusterSpec {
        name: "the drill: \"one\"".into(),
        user: "alex".into(),
        nodes: vec![node("n1"), node("n2")],
        workloads: vec![payments],
        autoscalers: Vec::new(),
        applications: Vec::new(),
    };
    let cluster = Cluster::new(spec, epoch(), 7);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, cluster.router()).into_future());
    let kubeconfig = cluster.kubeconfig(&url);
    (cluster, url, kubeconfig)
}

async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn kubes_own_client_lists_scales_and_watches_it() {
    let (cluster, _, kubeconfig) = served().await;
    let client = client(&kubeconfig).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    let page = pods.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((page.items.len(), page.metadata.remaining_item_count), (2, Some(1)));

    let streaming = watcher::Config::default().streaming_lists();
    let mut events = watcher::watcher(pods, streaming).boxed();
    let mut seen = 0;
    loop {
        match events.try_next().await.unwrap().unwrap() {
            Event::Init => {}
            Event::InitApply(_) => seen += 1,
            Event::InitDone => break,
            other => panic!("before the initial events were over: {other:?}"),
        }
    }
    assert_eq!(seen, 3);

    let scale = json!({"spec": {"replicas": 4}});
    let scaled = deployments.patch_scale("payments", &PatchParams::default(), &Patch::Merge(&scale)).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(4));
    cluster.tick(epoch() + TimeDelta::seconds(1));
    match events.try_next().await.unwrap().unwrap() {
        Event::Apply(pod) => assert!(pod.metadata.name.unwrap().starts_with("payments-")),
        other => panic!("a pod was expected: {other:?}"),
    }
    cluster.tick(epoch() + TimeDelta::seconds(10));
    let payments = deployments.get("payments").await.unwrap();
    assert_eq!(payments.status.unwrap().available_replicas, Some(4));

    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 9}});
    match deployments.patch_scale("payments", &PatchParams::default(), &Patch::Merge(&stale)).await {
        Err(kube::Error::Api(status)) => assert_eq!((status.code, status.reason.as_str()), (409, "Conflict")),
        other => panic!("a conflict was expected: {other:?}"),
    }
    let known = client.list_api_groups().await.unwrap();
    assert!(known.groups.iter().any(|group| group.name == "metrics.k8s.io"));
}

// A trimmed reader, written from k8s.io/api's generated.proto.
#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, optional, tag = "1")]
    api_version: Option<String>,
    #[prost(string, optional, tag = "2")]
    kind: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchEvent {
    #[prost(string, optional, tag = "1")]
    kind: Option<String>,
    #[prost(message, optional, tag = "2")]
    object: Option<RawExtension>,
}

#[derive(Clone, PartialEq, Message)]
struct RawExtension {
    #[prost(bytes = "vec", optional, tag = "1")]
    raw: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadPodList {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ReadListMeta>,
    #[prost(message, repeated, tag = "2")]
    items: Vec<ReadPod>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadListMeta {
    #[prost(string, optional, tag = "2")]
    resource_version: Option<String>,
    #[prost(string, optional, tag = "3")]
    token: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadPod {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ReadMeta>,
    #[prost(message, optional, tag = "2")]
    spec: Option<ReadSpec>,
    #[prost(message, optional, tag = "3")]
    status: Option<ReadStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadMeta {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "3")]
    namespace: Option<String>,
    #[prost(map = "string, string", tag = "11")]
    labels: std::collections::HashMap<String, String>,
    #[prost(map = "string, string", tag = "12")]
    annotations: std::collections::HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadSpec {
    #[prost(string, optional, tag = "10")]
    node: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadStatus {
    #[prost(string, optional, tag = "1")]
    phase: Option<String>,
    #[prost(message, repeated, tag = "8")]
    containers: Vec<ReadContainer>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadContainer {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(bool, optional, tag = "4")]
    ready: Option<bool>,
    #[prost(string, optional, tag = "6")]
    image: Option<String>,
}

/// The message in an envelope, and its kind.
fn open<M: Message + Default>(bytes: &[u8]) -> (String, M) {
    let unknown = Unknown::decode(bytes.strip_prefix(b"k8s\0").unwrap()).unwrap();
    (unknown.type_meta.unwrap().kind.unwrap(), M::decode(&*unknown.raw).unwrap())
}

async fn ask(url: &str, path: &str, accept: &str) -> reqwest::Response {
    // Only to make sure that no proxy of the environment stands between.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("{url}{path}")).header("accept", accept).send().await.unwrap()
}

/// The next framed watch event.
async fn frame(response: &mut reqwest::Response, buffer: &mut Vec<u8>) -> (String, Vec<u8>) {
    loop {
        if let Some((length, rest)) = buffer.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if rest.len() >= length {
                let event = WatchEvent::decode(&rest[..length]).unwrap();
                buffer.drain(..4 + length);
                return (event.kind.unwrap(), event.object.unwrap().raw.unwrap());
            }
        }
        buffer.extend(response.chunk().await.unwrap().expect("the watch goes on"));
    }
}

#[tokio::test]
async fn pods_read_the_same_in_protobuf() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (cluster, url, _) = served().await;
    let protobuf = "application/vnd.kubernetes.protobuf";
    let answer = ask(&url, "/api/v1/pods?limit=2", protobuf).await;
    assert_eq!(answer.headers()["content-type"], protobuf);
    let (kind, list) = open::<ReadPodList>(&answer.bytes().await.unwrap());
    let metadata = list.metadata.unwrap();
    assert_eq!((kind.as_str(), list.items.len()), ("PodList", 2));
    assert!(!metadata.token.unwrap().is_empty());
    let first = list.items[0].clone();
    let meta = first.metadata.unwrap();
    assert_eq!((meta.namespace.as_deref(), meta.labels["app"].as_str()), (Some("shop"), "payments"));
    assert!(first.spec.unwrap().node.unwrap().starts_with('n'));
    let status = first.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert_eq!(status.containers[0].ready, Some(true));
    assert_eq!(status.containers[0].image.as_deref(), Some("registry.example/payments:1.0.0"));

    let version = metadata.resource_version.unwrap();
    let path = format!("/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion={version}");
    let mut watch = ask(&url, &path, "application/vnd.kubernetes.protobuf;stream=watch").await;
    assert_eq!(watch.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let name = meta.name.unwrap();
    cluster.set_ready("shop", &name, false);
    cluster.tick(epoch() + TimeDelta::seconds(1));
    let mut buffer = Vec::new();
    let (kind, object) = frame(&mut watch, &mut buffer).await;
    let (_, pod) = open::<ReadPod>(&object);
    assert_eq!((kind.as_str(), pod.metadata.unwrap().name), ("MODIFIED", Some(name)));
    assert_eq!(pod.status.unwrap().containers[0].ready, Some(false));
    cluster.tick(epoch() + TimeDelta::seconds(61));
    let (kind, _) = frame(&mut watch, &mut buffer).await;
    assert_eq!(kind, "BOOKMARK");

    let initial = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut watch = ask(&url, initial, "application/vnd.kubernetes.protobuf;stream=watch").await;
    let mut buffer = Vec::new();
    for _ in 0..3 {
        assert_eq!(frame(&mut watch, &mut buffer).await.0, "ADDED");
    }
    let (kind, object) = frame(&mut watch, &mut buffer).await;
    let (_, mark) = open::<ReadPod>(&object);
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(mark.metadata.unwrap().annotations["k8s.io/initial-events-end"], "true");

    cluster.set_ready("shop", "nobody", true);
    cluster.compact();
    let mut watch = ask(
        &url,
        &format!("/api/v1/pods?watch=1&resourceVersion={version}"),
        "application/vnd.kubernetes.protobuf;stream=watch",
    )
    .await;
    let (kind, object) = frame(&mut watch, &mut Vec::new()).await;
    let unknown = Unknown::decode(object.strip_prefix(b"k8s\0").unwrap()).unwrap();
    assert_eq!((kind.as_str(), unknown.type_meta.unwrap().kind.as_deref()), ("ERROR", Some("Status")));
    let other = ask(&url, "/api/v1/nodes", protobuf).await;
    assert_eq!(other.status(), 406);
}
