//! The tables of a scenario that say what its world is made of: nodes, workloads, the load that
//! these serve, the calls that they make, and the systems of others.
//!
//! Owns: names and meaning of their keys. Must not: check what one key says against another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::units::{cpu, duration, memory, seconds};

/// One node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct NodeShape {
    /// Its name.
    pub(in crate::drill) name: String,
    /// Its zone.
    pub(in crate::drill) zone: String,
    /// Allocatable CPU, thousandths of a core.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) cpu: u64,
    /// Allocatable memory, bytes.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) memory: u64,
    /// Pods it may run.
    pub(in crate::drill) pods: u32,
}

/// What runs the pods of a workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(in crate::drill) enum Runner {
    #[default]
    Deployment,
    /// Its pods have numbers and are replaced one after the other.
    StatefulSet,
    /// One pod a node.
    DaemonSet,
    /// Of Argo Rollouts: another version is a canary first.
    Rollout,
}

/// A step of a Rollout's canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum StepShape {
    /// `{ weight = 25 }`: the new version's share in per cent.
    Weight(u32),
    /// `"pause"`: until somebody goes on.
    Pause,
    /// `{ wait = "5m" }`.
    Wait(#[serde(deserialize_with = "duration")] Duration),
}

/// One workload with its load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Workload {
    /// `namespace/name`.
    pub(in crate::drill) path: Spanned<String>,
    /// What runs its pods.
    #[serde(default)]
    pub(in crate::drill) kind: Runner,
    /// Replicas at the epoch. A DaemonSet has none of its own.
    #[serde(default)]
    pub(in crate::drill) replicas: Option<u32>,
    /// The steps of a Rollout.
    #[serde(default)]
    pub(in crate::drill) steps: Vec<StepShape>,
    /// The image at the epoch and since when it runs, then its predecessors, newest first.
    pub(in crate::drill) revisions: Vec<Revision>,
    /// CPU request and limit.
    pub(in crate::drill) cpu: CpuShape,
    /// Memory request, limit, and what a pod at rest uses.
    pub(in crate::drill) memory: MemoryShape,
    /// From being scheduled to being ready.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) starts_in: Duration,
    /// An autoscaler, if it has one.
    #[serde(default)]
    pub(in crate::drill) autoscaler: Option<AutoscalerShape>,
    /// Annotations of the object.
    #[serde(default)]
    pub(in crate::drill) annotations: BTreeMap<String, String>,
    /// The requests it serves.
    pub(in crate::drill) serves: Serves,
    /// The calls it makes for each request.
    #[serde(default)]
    pub(in crate::drill) calls: Vec<Call>,
    /// The calls it makes on its own account.
    #[serde(default)]
    pub(in crate::drill) worker: Option<Worker>,
    /// What other images do differently.
    #[serde(default, rename = "version")]
    pub(in crate::drill) versions: Vec<Version>,
    /// The CloudWatch log group that its pods write to.
    #[serde(default)]
    pub(in crate::drill) log_group: Option<String>,
}

impl Workload {
    /// Its namespace.
    pub(in crate::drill) fn namespace(&self) -> &str {
        self.path.get_ref().split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Its name.
    pub(in crate::drill) fn name(&self) -> &str {
        self.path.get_ref().split_once('/').map_or(self.path.get_ref(), |(_, name)| name)
    }
}

/// One image that a deployment has run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Revision {
    /// The image.
    pub(in crate::drill) image: String,
    /// How long before the epoch it was rolled out.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) before: Duration,
}

/// CPU of one pod, thousandths of a core.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct CpuShape {
    /// Request.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) request: u64,
    /// Limit.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) limit: u64,
}

/// Memory of one pod, bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct MemoryShape {
    /// Request.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) request: u64,
    /// Limit.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) limit: u64,
    /// At rest.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) rest: u64,
}

/// An autoscaler on CPU.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AutoscalerShape {
    /// Fewest replicas.
    pub(in crate::drill) min: u32,
    /// Most replicas.
    pub(in crate::drill) max: u32,
    /// Target average CPU in per cent of the request.
    pub(in crate::drill) cpu_percent: u32,
    /// Whether KEDA makes it, from a ScaledObject.
    #[serde(default)]
    pub(in crate::drill) keda: bool,
}

/// An Argo CD Application: releases of its workloads are commits that Argo CD syncs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct ApplicationShape {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// The workloads that it manages, `namespace/name`.
    pub(in crate::drill) workloads: Vec<Spanned<String>>,
    /// The repository's URL, as it is shown.
    pub(in crate::drill) repository: String,
    /// Whether it undoes what is changed beside git.
    #[serde(default)]
    pub(in crate::drill) self_heal: bool,
}

/// The requests that a workload serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Serves {
    /// Requests a second from outside at the epoch; 0 if only other workloads call it.
    #[serde(default)]
    pub(in crate::drill) rate: f64,
    /// By how much of itself the rate rises in the hours after the epoch, an hour.
    #[serde(default)]
    pub(in crate::drill) growth: f64,
    /// CPU time of one request, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// Latency of one request with nothing in its way, calls not counted, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) latency: f64,
    /// Mean of the tail that comes on top of it, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) tail: f64,
    /// Share of requests that fail with nothing wrong.
    #[serde(default)]
    pub(in crate::drill) fails: f64,
    /// Requests that one pod keeps waiting before it refuses more.
    #[serde(default = "default_slots")]
    pub(in crate::drill) slots: u32,
}

fn default_slots() -> u32 {
    128
}

/// The calls that a request leads to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Call {
    /// `namespace/name` of a workload, or the name of an external.
    pub(in crate::drill) to: Spanned<String>,
    /// Calls per request.
    pub(in crate::drill) share: f64,
    /// CPU time of one attempt at the caller, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// How long the caller waits, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) timeout: f64,
    /// Attempts after the first.
    #[serde(default)]
    pub(in crate::drill) retries: u32,
    /// Retries allowed in all, as a share of first attempts.
    #[serde(default = "one")]
    pub(in crate::drill) retry_budget: f64,
    /// Wait before the first retry, seconds; it doubles with each.
    #[serde(default, deserialize_with = "seconds")]
    pub(in crate::drill) backoff: f64,
    /// What a refusal (429) of the callee means for the request.
    #[serde(default)]
    pub(in crate::drill) on_refusal: OnRefusal,
}

fn one() -> f64 {
    1.0
}

/// What a refusal (429) of the callee means for the caller's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum OnRefusal {
    /// It fails.
    #[default]
    Fail,
    /// It is accepted (202) and finished later.
    Defer,
    /// The refusal is handed on.
    Pass,
}

/// Calls that a workload makes on its own account, from a queue that never runs dry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Worker {
    /// `namespace/name` of a workload, or the name of an external.
    pub(in crate::drill) to: Spanned<String>,
    /// First attempts a second, of all pods, when nothing limits them.
    pub(in crate::drill) demand: f64,
    /// Limit on attempts a second of one pod, retries counted; 0 is none.
    #[serde(default)]
    pub(in crate::drill) limit: f64,
    /// Loops that one pod runs at once: they compete with requests for CPU when it is short.
    pub(in crate::drill) loops: u32,
    /// CPU time of one attempt, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// Attempts after the first.
    #[serde(default)]
    pub(in crate::drill) retries: u32,
}

/// What an image does differently.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Version {
    /// The image.
    pub(in crate::drill) image: String,
    /// Its worker's limit; 0 is none.
    #[serde(default)]
    pub(in crate::drill) worker_limit: Option<f64>,
    /// CPU time of one request, as a factor.
    #[serde(default = "one")]
    pub(in crate::drill) cpu_factor: f64,
    /// Share of requests that it fails on top.
    #[serde(default)]
    pub(in crate::drill) fails: f64,
}

/// What divides the calls to a Service between several.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct RouteShape {
    /// The object's kind.
    pub(in crate::drill) kind: RouteName,
    /// Its `namespace/name`.
    pub(in crate::drill) path: Spanned<String>,
    /// The workload of that namespace whose callers it is about.
    pub(in crate::drill) host: Spanned<String>,
    /// Who takes the calls.
    pub(in crate::drill) to: Vec<WayShape>,
}

impl RouteShape {
    /// Its namespace.
    pub(in crate::drill) fn namespace(&self) -> &str {
        self.path.get_ref().split_once('/').map_or("", |(namespace, _)| namespace)
    }
}

/// A kind of object that divides calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::drill) enum RouteName {
    VirtualService,
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
}

impl RouteName {
    /// As the API writes it.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::VirtualService => "VirtualService",
            Self::HttpRoute => "HTTPRoute",
        }
    }
}

/// One that takes calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct WayShape {
    /// A workload of the route's namespace.
    pub(in crate::drill) service: Spanned<String>,
    /// Its weight.
    pub(in crate::drill) weight: u32,
}

/// A system of somebody else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct External {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// Calls a second that it takes; it refuses the rest with 429.
    pub(in crate::drill) limit: f64,
    /// Its latency, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) latency: f64,
    /// Mean of the tail on top, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) tail: f64,
    /// By which factor the latency grows while it refuses nearly everything.
    #[serde(default)]
    pub(in crate::drill) slows: f64,
}
