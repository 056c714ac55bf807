//! Signals: what sources say. Each is one observation, stamped with where and when.

use crate::clock::World;
use crate::text::Safe;

use super::alert::{Alert, AlertKey};
use super::change::Change;
use super::cluster::{Autoscaler, ClusterEvent, NamedPod, Node, Pod, Usage, Workload};
use super::log::LogBatch;
use super::name::{ObjectPath, Origin, ServiceName, WorkloadKey};

/// A body with its origin and its two times.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped<T> {
    /// Where it came from.
    pub origin: Origin,
    /// When it happened, by the system that tells it. Detectors go by this time.
    pub occurred: World,
    /// When we learned of it.
    pub observed: World,
    /// What it is.
    pub body: T,
}

/// One observation.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Alerts of one source.
    Alerts(Delta<Alert, AlertKey>),
    /// Lines of logs.
    Logs(LogBatch),
    /// All pods of one cluster by name, ahead of the first list of the pods themselves. It is
    /// for the eye: nothing is concluded from it.
    PodNames(Vec<NamedPod>),
    /// Pods of one cluster.
    Pods(Delta<Pod, ObjectPath>),
    /// CPU and memory, as measured.
    Usage(Vec<Usage>),
    /// Deployments, StatefulSets and DaemonSets of one cluster.
    Workloads(Delta<Workload, WorkloadKey>),
    /// Nodes of one cluster; the key is the node's name without a namespace.
    Nodes(Delta<Node, ObjectPath>),
    /// HorizontalPodAutoscalers of one cluster.
    Autoscalers(Delta<Autoscaler, ObjectPath>),
    /// Warning events of one cluster.
    Event(ClusterEvent),
    /// Values of services' signals, in the order of their times.
    Samples(Vec<Sample>),
    /// A rollout or another change that somebody made.
    Change(Change),
    /// The state of the source itself.
    Link(SourceState),
    /// Something that could not be seen.
    Gap(Gap),
}

/// A change of a keyed set.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta<T, K> {
    /// The whole set: what is not in it is gone.
    All(Vec<T>),
    /// New or changed members.
    Upsert(Vec<T>),
    /// Members that are gone.
    Remove(Vec<K>),
}

/// One value of one service signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The service.
    pub service: ServiceName,
    /// The signal's name in the catalogue, such as `errors`.
    pub signal: Safe,
    /// The time of the value.
    pub at: World,
    /// The value in the signal's unit. `None`: the query gave no value, which is not zero.
    pub value: Option<f64>,
}

/// How a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// First contact is being made.
    Connecting,
    /// Reads succeed. Stamped anew with each successful read: its age is the data's age.
    Live {
        /// What limits the view although reads succeed: fewer namespaces, polling for a watch.
        limited: Option<Safe>,
    },
    /// The last read failed; the next is at `until`, by the wall but told in world time.
    Retrying {
        /// The next attempt.
        until: World,
        /// What was attempted, on what, and what came back.
        why: Safe,
    },
    /// The system refuses us; retried slowly.
    Denied {
        /// What was attempted, on what, and what to do.
        why: Safe,
    },
    /// It will not come back in this run.
    Ended {
        /// Why.
        why: Safe,
    },
}

/// Something that could not be seen: part of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From when.
    pub from: World,
    /// Until when.
    pub to: World,
    /// What is missing and why: `throttled`, `412 lines dropped`, `sampled`.
    pub what: Safe,
}
