//! Pods in `application/vnd.kubernetes.protobuf`.
//!
//! Owns: the messages, by the field numbers of k8s.io/api `core/v1/generated.proto` and
//! k8s.io/apimachinery `meta/v1/generated.proto`, as much of them as the objects have; and the
//! envelope: `k8s\0` and a `runtime.Unknown`. A watch event is a bare `WatchEvent` whose object
//! is such an envelope. The real encoder writes every field that is no pointer, empty ones too, hence
//! the many `optional`s that are always there. Must not: be shared with the reading side (a shared bug would hide).

use std::collections::BTreeMap;

use prost::Message;
use serde_json::Value;

use super::super::value::{at, int, list, moment, text};

const MAGIC: &[u8; 4] = b"k8s\0";

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, optional, tag = "1")]
    api_version: Option<String>,
    #[prost(string, optional, tag = "2")]
    kind: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchEvent {
    #[prost(string, optional, tag = "1")]
    kind: Option<String>,
    #[prost(message, optional, tag = "2")]
    object: Option<Raw>,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, optional, tag = "1")]
    seconds: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct ListMeta {
    #[prost(string, optional, tag = "2")]
    resource_version: Option<String>,
    #[prost(string, optional, tag = "3")]
    token: Option<String>,
    #[prost(int64, optional, tag = "4")]
    remaining: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Owner {
    #[prost(string, optional, tag = "1")]
    kind: Option<String>,
    #[prost(string, optional, tag = "3")]
    name: Option<String>,
    #[prost(string, optional, tag = "4")]
    uid: Option<String>,
    #[prost(string, optional, tag = "5")]
    api_version: Option<String>,
    #[prost(bool, optional, tag = "6")]
    controller: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    block_deletion: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct ObjectMeta {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    generate_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    namespace: Option<String>,
    #[prost(string, optional, tag = "5")]
    uid: Option<String>,
    #[prost(string, optional, tag = "6")]
    resource_version: Option<String>,
    #[prost(int64, optional, tag = "7")]
    generation: Option<i64>,
    #[prost(message, optional, tag = "8")]
    created: Option<Time>,
    #[prost(message, optional, tag = "9")]
    deleted: Option<Time>,
    #[prost(int64, optional, tag = "10")]
    grace: Option<i64>,
    #[prost(btree_map = "string, string", tag = "11")]
    labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "13")]
    owners: Vec<Owner>,
}

#[derive(Clone, PartialEq, Message)]
struct Quantity {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Resources {
    #[prost(btree_map = "string, message", tag = "1")]
    limits: BTreeMap<String, Quantity>,
    #[prost(btree_map = "string, message", tag = "2")]
    requests: BTreeMap<String, Quantity>,
}

#[derive(Clone, PartialEq, Message)]
struct Port {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    number: Option<i32>,
    #[prost(string, optional, tag = "4")]
    protocol: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Toleration {
    #[prost(string, optional, tag = "1")]
    key: Option<String>,
    #[prost(string, optional, tag = "2")]
    operator: Option<String>,
    #[prost(string, optional, tag = "4")]
    effect: Option<String>,
    #[prost(int64, optional, tag = "5")]
    seconds: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(string, optional, tag = "1")]
    ip: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    image: Option<String>,
    #[prost(message, repeated, tag = "6")]
    ports: Vec<Port>,
    #[prost(message, optional, tag = "8")]
    resources: Option<Resources>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSpec {
    #[prost(message, repeated, tag = "2")]
    containers: Vec<Container>,
    #[prost(string, optional, tag = "3")]
    restart_policy: Option<String>,
    #[prost(int64, optional, tag = "4")]
    grace: Option<i64>,
    #[prost(string, optional, tag = "8")]
    service_account: Option<String>,
    #[prost(string, optional, tag = "10")]
    node: Option<String>,
    #[prost(string, optional, tag = "19")]
    scheduler: Option<String>,
    #[prost(message, repeated, tag = "22")]
    tolerations: Vec<Toleration>,
}

#[derive(Clone, PartialEq, Message)]
struct Condition {
    #[prost(string, optional, tag = "1")]
    kind: Option<String>,
    #[prost(string, optional, tag = "2")]
    status: Option<String>,
    #[prost(message, optional, tag = "4")]
    since: Option<Time>,
    #[prost(string, optional, tag = "5")]
    reason: Option<String>,
    #[prost(string, optional, tag = "6")]
    message: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Waiting {
    #[prost(string, optional, tag = "1")]
    reason: Option<String>,
    #[prost(string, optional, tag = "2")]
    message: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Running {
    #[prost(message, optional, tag = "1")]
    since: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Terminated {
    #[prost(int32, optional, tag = "1")]
    exit_code: Option<i32>,
    #[prost(string, optional, tag = "3")]
    reason: Option<String>,
    #[prost(message, optional, tag = "5")]
    started: Option<Time>,
    #[prost(message, optional, tag = "6")]
    finished: Option<Time>,
    #[prost(string, optional, tag = "7")]
    container: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerState {
    #[prost(message, optional, tag = "1")]
    waiting: Option<Waiting>,
    #[prost(message, optional, tag = "2")]
    running: Option<Running>,
    #[prost(message, optional, tag = "3")]
    terminated: Option<Terminated>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerStatus {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(message, optional, tag = "2")]
    state: Option<ContainerState>,
    #[prost(message, optional, tag = "3")]
    last: Option<ContainerState>,
    #[prost(bool, optional, tag = "4")]
    ready: Option<bool>,
    #[prost(int32, optional, tag = "5")]
    restarts: Option<i32>,
    #[prost(string, optional, tag = "6")]
    image: Option<String>,
    #[prost(string, optional, tag = "7")]
    image_id: Option<String>,
    #[prost(string, optional, tag = "8")]
    container_id: Option<String>,
    #[prost(bool, optional, tag = "9")]
    started: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct PodStatus {
    #[prost(string, optional, tag = "1")]
    phase: Option<String>,
    #[prost(message, repeated, tag = "2")]
    conditions: Vec<Condition>,
    #[prost(string, optional, tag = "3")]
    message: Option<String>,
    #[prost(string, optional, tag = "4")]
    reason: Option<String>,
    #[prost(string, optional, tag = "5")]
    host: Option<String>,
    #[prost(string, optional, tag = "6")]
    address: Option<String>,
    #[prost(message, optional, tag = "7")]
    started: Option<Time>,
    #[prost(message, repeated, tag = "8")]
    containers: Vec<ContainerStatus>,
    #[prost(string, optional, tag = "9")]
    qos: Option<String>,
    #[prost(message, repeated, tag = "12")]
    addresses: Vec<Address>,
}

#[derive(Clone, PartialEq, Message)]
struct Pod {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(message, optional, tag = "2")]
    spec: Option<PodSpec>,
    #[prost(message, optional, tag = "3")]
    status: Option<PodStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct PodList {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ListMeta>,
    #[prost(message, repeated, tag = "2")]
    items: Vec<Pod>,
}

/// `metav1.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ListMeta>,
    #[prost(string, optional, tag = "2")]
    status: Option<String>,
    #[prost(string, optional, tag = "3")]
    message: Option<String>,
    #[prost(string, optional, tag = "4")]
    reason: Option<String>,
    #[prost(int32, optional, tag = "6")]
    code: Option<i32>,
}

/// One pod.
pub(super) fn pod(object: &Value) -> Vec<u8> {
    envelope("Pod", Pod::from(object).encode_to_vec())
}

/// A page of a list.
pub(super) fn pod_list<'a>(
    objects: impl Iterator<Item = &'a Value>,
    version: &str,
    token: &str,
    remaining: Option<i64>,
) -> Vec<u8> {
    let metadata = ListMeta { resource_version: Some(version.to_owned()), token: Some(token.to_owned()), remaining };
    let items = objects.map(Pod::from).collect();
    envelope("PodList", PodList { metadata: Some(metadata), items }.encode_to_vec())
}

/// A watch event about a pod (or a bookmark), in its frame: a big-endian length before it.
pub(super) fn pod_event(kind: &str, object: &Value) -> Vec<u8> {
    frame(kind, pod(object))
}

/// The watch event `ERROR` with a `Status`, in its frame.
pub(super) fn error_event(status: &Value) -> Vec<u8> {
    let status = Status {
        metadata: Some(ListMeta::default()),
        status: own(status, &["status"]),
        message: own(status, &["message"]),
        reason: own(status, &["reason"]),
        code: i32::try_from(int(status, &["code"])).ok(),
    };
    frame("ERROR", envelope("Status", status.encode_to_vec()))
}

fn envelope(kind: &str, raw: Vec<u8>) -> Vec<u8> {
    let type_meta = TypeMeta { api_version: Some("v1".to_owned()), kind: Some(kind.to_owned()) };
    let mut out = MAGIC.to_vec();
    out.extend(Unknown { type_meta: Some(type_meta), raw }.encode_to_vec());
    out
}

fn frame(kind: &str, object: Vec<u8>) -> Vec<u8> {
    let event = WatchEvent { kind: Some(kind.to_owned()), object: Some(Raw { raw: object }) }.encode_to_vec();
    let length = u32::try_from(event.len()).unwrap_or(u32::MAX);
    let mut out = length.to_be_bytes().to_vec();
    out.extend(event);
    out
}

fn own(value: &Value, path: &[&str]) -> Option<String> {
    Some(text(value, path).to_owned())
}

fn time(value: &Value, path: &[&str]) -> Option<Time> {
    moment(text(value, path)).map(|at| Time { seconds: Some(at.timestamp()) })
}

fn strings(value: &Value, path: &[&str]) -> BTreeMap<String, String> {
    let map = at(value, path).as_object();
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn quantities(value: &Value, path: &[&str]) -> BTreeMap<String, Quantity> {
    strings(value, path).into_iter().map(|(key, text)| (key, Quantity { text: Some(text) })).collect()
}

impl From<&Value> for Pod {
    fn from(object: &Value) -> Self {
        let (spec, status) = (at(object, &["spec"]), at(object, &["status"]));
        Self {
            metadata: Some(ObjectMeta::from(at(object, &["metadata"]))),
            spec: spec.is_object().then(|| PodSpec::from(spec)),
            status: status.is_object().then(|| PodStatus::from(status)),
        }
    }
}

impl From<&Value> for ObjectMeta {
    fn from(meta: &Value) -> Self {
        let owner = |it: &Value| Owner {
            kind: own(it, &["kind"]),
            name: own(it, &["name"]),
            uid: own(it, &["uid"]),
            api_version: own(it, &["apiVersion"]),
            controller: at(it, &["controller"]).as_bool(),
            block_deletion: at(it, &["blockOwnerDeletion"]).as_bool(),
        };
        Self {
            name: own(meta, &["name"]),
            generate_name: own(meta, &["generateName"]),
            namespace: own(meta, &["namespace"]),
            uid: own(meta, &["uid"]),
            resource_version: own(meta, &["resourceVersion"]),
            generation: at(meta, &["generation"]).as_i64(),
            created: time(meta, &["creationTimestamp"]),
            deleted: time(meta, &["deletionTimestamp"]),
            grace: at(meta, &["deletionGracePeriodSeconds"]).as_i64(),
            labels: strings(meta, &["labels"]),
            annotations: strings(meta, &["annotations"]),
            owners: list(meta, &["ownerReferences"]).iter().map(owner).collect(),
        }
    }
}

impl From<&Value> for PodSpec {
    fn from(spec: &Value) -> Self {
        let port = |it: &Value| Port {
            name: own(it, &["name"]),
            number: i32::try_from(int(it, &["containerPort"])).ok(),
            protocol: own(it, &["protocol"]),
        };
        let toleration = |it: &Value| Toleration {
            key: own(it, &["key"]),
            operator: own(it, &["operator"]),
            effect: own(it, &["effect"]),
            seconds: at(it, &["tolerationSeconds"]).as_i64(),
        };
        let container = |it: &Value| Container {
            name: own(it, &["name"]),
            image: own(it, &["image"]),
            ports: list(it, &["ports"]).iter().map(port).collect(),
            resources: Some(Resources {
                limits: quantities(it, &["resources", "limits"]),
                requests: quantities(it, &["resources", "requests"]),
            }),
        };
        Self {
            containers: list(spec, &["containers"]).iter().map(container).collect(),
            restart_policy: own(spec, &["restartPolicy"]),
            grace: at(spec, &["terminationGracePeriodSeconds"]).as_i64(),
            service_account: own(spec, &["serviceAccountName"]),
            node: own(spec, &["nodeName"]),
            scheduler: own(spec, &["schedulerName"]),
            tolerations: list(spec, &["tolerations"]).iter().map(toleration).collect(),
        }
    }
}

impl From<&Value> for PodStatus {
    fn from(status: &Value) -> Self {
        let condition = |it: &Value| Condition {
            kind: own(it, &["type"]),
            status: own(it, &["status"]),
            since: time(it, &["lastTransitionTime"]),
            reason: own(it, &["reason"]),
            message: own(it, &["message"]),
        };
        let container = |it: &Value| ContainerStatus {
            name: own(it, &["name"]),
            state: Some(ContainerState::from(at(it, &["state"]))),
            last: Some(ContainerState::from(at(it, &["lastState"]))),
            ready: Some(at(it, &["ready"]).as_bool().unwrap_or_default()),
            restarts: Some(i32::try_from(int(it, &["restartCount"])).unwrap_or(i32::MAX)),
            image: own(it, &["image"]),
            image_id: own(it, &["imageID"]),
            container_id: own(it, &["containerID"]),
            started: at(it, &["started"]).as_bool(),
        };
        Self {
            phase: own(status, &["phase"]),
            conditions: list(status, &["conditions"]).iter().map(condition).collect(),
            message: own(status, &["message"]),
            reason: own(status, &["reason"]),
            host: own(status, &["hostIP"]),
            address: own(status, &["podIP"]),
            started: time(status, &["startTime"]),
            containers: list(status, &["containerStatuses"]).iter().map(container).collect(),
            qos: own(status, &["qosClass"]),
            addresses: list(status, &["podIPs"]).iter().map(|it| Address { ip: own(it, &["ip"]) }).collect(),
        }
    }
}

impl From<&Value> for ContainerState {
    fn from(state: &Value) -> Self {
        let waiting =
            state.get("waiting").map(|it| Waiting { reason: own(it, &["reason"]), message: own(it, &["message"]) });
        let running = state.get("running").map(|it| Running { since: time(it, &["startedAt"]) });
        let terminated = state.get("terminated").map(|it| Terminated {
            exit_code: i32::try_from(int(it, &["exitCode"])).ok(),
            reason: own(it, &["reason"]),
            started: time(it, &["startedAt"]),
            finished: time(it, &["finishedAt"]),
            container: own(it, &["containerID"]),
        });
        Self { waiting, running, terminated }
    }
}
