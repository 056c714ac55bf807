//! The API's objects as they come over the wire, trimmed to what is used.
//!
//! Owns: one set of types that reads both protobuf (field numbers of `k8s.io/api/core/v1` and
//! `k8s.io/apimachinery`, Kubernetes 1.36) and JSON, skipping unknown fields; and the `k8s\0`
//! envelope. Must not: interpret. Texts that programs inside containers write are bytes here,
//! because nothing makes them UTF-8 and one bad text must not cost a whole page.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::clock::World;

/// The magic bytes before a protobuf object.
pub(super) const MAGIC: &[u8] = b"k8s\0";

/// An answer that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is malformed ({0})")]
pub(super) struct Malformed(pub(super) String);

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// A kind of object that can be listed and watched.
pub(super) trait Object: DeserializeOwned + Send + 'static {
    /// Whether it is asked for as protobuf.
    const PROTOBUF: bool = false;

    /// Its metadata.
    fn meta(&self) -> &Meta;

    /// One object, without its envelope.
    fn from_protobuf(_raw: &[u8]) -> Result<Self, Malformed> {
        Err(Malformed("protobuf was not asked for".into()))
    }
}

/// One page of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The token of the next page; empty on the last.
    pub(super) next: String,
    /// The resource version to watch from.
    pub(super) version: String,
}

/// What is inside a protobuf envelope (`runtime.Unknown`); the bytes are shared, not copied.
pub(super) fn unwrap(enveloped: &Bytes) -> Result<Bytes, Malformed> {
    if !enveloped.starts_with(MAGIC) {
        return Err(Malformed("no k8s envelope".into()));
    }
    Ok(Unknown::decode(enveloped.slice(MAGIC.len()..))?.raw)
}

/// The `Status` in a protobuf envelope.
pub(super) fn status(enveloped: &Bytes) -> Result<Status, Malformed> {
    Ok(Status::decode(unwrap(enveloped)?)?)
}

/// Reads a page of JSON.
pub(super) fn json_page<T: DeserializeOwned>(raw: &[u8]) -> Result<Page<T>, Malformed> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct List<T> {
        #[serde(default)]
        metadata: ListMeta,
        #[serde(default = "Vec::new", deserialize_with = "null_is_empty")]
        items: Vec<T>,
    }
    let list: List<T> = serde_json::from_slice(raw)?;
    Ok(Page { items: list.items, next: list.metadata.next, version: list.metadata.resource_version })
}

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "bytes", tag = "2")]
    raw: Bytes,
}

/// `metav1.Status`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    #[prost(bytes = "vec", tag = "3")]
    #[serde(deserialize_with = "text")]
    pub(super) message: Vec<u8>,
    #[prost(int32, tag = "6")]
    pub(super) code: i32,
}

/// `metav1.WatchEvent`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WatchEvent {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(message, optional, tag = "2")]
    pub(super) object: Option<RawExtension>,
}

/// `runtime.RawExtension`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RawExtension {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) raw: Bytes,
}

/// `metav1.ListMeta`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    #[prost(string, tag = "2")]
    pub(super) resource_version: String,
    #[prost(string, tag = "3")]
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// `metav1.ObjectMeta`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
    #[prost(string, tag = "5")]
    pub(super) uid: String,
    #[prost(string, tag = "6")]
    pub(super) resource_version: String,
    #[prost(int64, tag = "7")]
    pub(super) generation: i64,
    #[prost(message, optional, tag = "8")]
    pub(super) creation_timestamp: Option<Time>,
    #[prost(message, optional, tag = "9")]
    pub(super) deletion_timestamp: Option<Time>,
    #[prost(btree_map = "string, string", tag = "11")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "13")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) owner_references: Vec<Owner>,
}

impl Meta {
    /// The owner that controls it, if it has one.
    pub(super) fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// When it was created, if it says so.
    pub(super) fn created(&self) -> Option<World> {
        self.creation_timestamp.as_ref().and_then(Time::world)
    }
}

/// `metav1.OwnerReference`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Owner {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "3")]
    pub(super) name: String,
    #[prost(string, tag = "4")]
    pub(super) uid: String,
    #[prost(bool, tag = "6")]
    pub(super) controller: bool,
}

/// `metav1.Time`: RFC 3339 in JSON.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Time {
    /// As world time; `None` for Go's zero time and for what no calendar has.
    pub(super) fn world(&self) -> Option<World> {
        World::from_timestamp(self.seconds, u32::try_from(self.nanos).unwrap_or(0)).filter(|at| at.timestamp() > 0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = String::deserialize(deserializer)?.parse::<World>().unwrap_or_default();
        Ok(Self { seconds: at.timestamp(), nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0) })
    }
}

/// `resource.Quantity`: its text.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Quantity {
    #[prost(string, tag = "1")]
    pub(super) text: String,
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(Self {
            text: match Written::deserialize(deserializer)? {
                Written::Text(text) => text,
                Written::Number(number) => number.to_string(),
            },
        })
    }
}

/// `v1.Pod`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<Meta>,
    #[prost(message, optional, tag = "2")]
    pub(super) spec: Option<PodSpec>,
    #[prost(message, optional, tag = "3")]
    pub(super) status: Option<PodStatus>,
}

impl Object for Pod {
    const PROTOBUF: bool = true;

    fn meta(&self) -> &Meta {
        static NOTHING: std::sync::LazyLock<Meta> = std::sync::LazyLock::new(Meta::default);
        self.metadata.as_ref().unwrap_or(&NOTHING)
    }

    fn from_protobuf(raw: &[u8]) -> Result<Self, Malformed> {
        Ok(Self::decode(raw)?)
    }
}

/// `v1.PodSpec`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) containers: Vec<Container>,
    #[prost(string, tag = "10")]
    pub(super) node_name: String,
    #[prost(message, repeated, tag = "20")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) init_containers: Vec<Container>,
}

/// `v1.Container`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) image: String,
    #[prost(message, optional, tag = "8")]
    pub(super) resources: Option<Resources>,
    #[prost(string, tag = "24")]
    pub(super) restart_policy: String,
}

impl Container {
    /// An init container that keeps running beside the others.
    pub(super) fn is_sidecar(&self) -> bool {
        self.restart_policy == "Always"
    }
}

/// `v1.ResourceRequirements`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    #[prost(btree_map = "string, message", tag = "1")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) limits: BTreeMap<String, Quantity>,
    #[prost(btree_map = "string, message", tag = "2")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) requests: BTreeMap<String, Quantity>,
}

/// `v1.PodStatus`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[prost(string, tag = "1")]
    pub(super) phase: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) conditions: Vec<Condition>,
    #[prost(bytes = "vec", tag = "3")]
    #[serde(deserialize_with = "text")]
    pub(super) message: Vec<u8>,
    #[prost(string, tag = "4")]
    pub(super) reason: String,
    #[prost(message, repeated, tag = "8")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "10")]
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) init_container_statuses: Vec<ContainerStatus>,
}

/// `v1.PodCondition`; the conditions of other kinds have the same JSON.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[prost(string, tag = "1")]
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) status: String,
    #[prost(string, tag = "5")]
    pub(super) reason: String,
    #[prost(bytes = "vec", tag = "6")]
    #[serde(deserialize_with = "text")]
    pub(super) message: Vec<u8>,
}

/// `v1.ContainerStatus`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) state: Option<ContainerState>,
    #[prost(message, optional, tag = "3")]
    pub(super) last_state: Option<ContainerState>,
    #[prost(bool, tag = "4")]
    pub(super) ready: bool,
    #[prost(int32, tag = "5")]
    pub(super) restart_count: i32,
    #[prost(bool, optional, tag = "9")]
    pub(super) started: Option<bool>,
}

/// `v1.ContainerState`: one of three.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    #[prost(message, optional, tag = "1")]
    pub(super) waiting: Option<Waiting>,
    #[prost(message, optional, tag = "2")]
    pub(super) running: Option<Running>,
    #[prost(message, optional, tag = "3")]
    pub(super) terminated: Option<Terminated>,
}

/// `v1.ContainerStateWaiting`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    #[prost(string, tag = "1")]
    pub(super) reason: String,
    #[prost(bytes = "vec", tag = "2")]
    #[serde(deserialize_with = "text")]
    pub(super) message: Vec<u8>,
}

/// `v1.ContainerStateRunning`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Running {}

/// `v1.ContainerStateTerminated`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated {
    #[prost(int32, tag = "1")]
    pub(super) exit_code: i32,
    #[prost(int32, tag = "2")]
    pub(super) signal: i32,
    #[prost(string, tag = "3")]
    pub(super) reason: String,
    #[prost(message, optional, tag = "6")]
    pub(super) finished_at: Option<Time>,
}

/// Go writes an empty list or map as `null` now and then.
pub(super) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default().into_bytes())
}
