//! Workloads with their pods, and nodes.

use std::collections::VecDeque;

use crate::clock::World;
use crate::model::cluster::{Autoscaler, Bytes, MilliCores, Node, Pod, Workload};
use crate::model::name::{Origin, ServiceName, WorkloadKey};
use crate::text::Safe;

/// One workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadRow {
    /// The cluster.
    pub origin: Origin,
    /// Kind and place.
    pub key: WorkloadKey,
    /// The object, if it was seen; pods may come first.
    pub workload: Option<Workload>,
    /// The service it belongs to.
    pub service: Option<ServiceName>,
    /// The autoscaler that owns its replicas.
    pub autoscaler: Option<Autoscaler>,
    /// Its pods, hurt ones first.
    pub pods: Vec<PodRow>,
    /// CPU of all pods as a share of their limits (of requests where there is no limit).
    pub cpu_share: Option<f64>,
    /// Memory likewise.
    pub memory_share: Option<f64>,
    /// CPU shares of the last hour, oldest first.
    pub recent_cpu: VecDeque<(World, f64)>,
    /// Whether something is wrong with it.
    pub hurt: bool,
    /// What is wrong, in words.
    pub trouble: Option<Safe>,
}

/// One pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    /// The pod.
    pub pod: Pod,
    /// CPU when it was last measured.
    pub cpu: Option<MilliCores>,
    /// Memory when it was last measured.
    pub memory: Option<Bytes>,
    /// CPU as a share of the limit, or of the request.
    pub cpu_share: Option<f64>,
    /// Memory likewise.
    pub memory_share: Option<f64>,
    /// What is wrong, in words: `pending 3 min: no node fits 500m cpu`.
    pub trouble: Option<Safe>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeRow {
    /// The cluster.
    pub origin: Origin,
    /// The node.
    pub node: Node,
    /// CPU as a share of what pods may ask for.
    pub cpu_share: Option<f64>,
    /// Memory likewise.
    pub memory_share: Option<f64>,
    /// What is wrong, in words.
    pub trouble: Option<Safe>,
}

/// Pods by how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// All that are meant to run.
    pub all: usize,
    /// Those with trouble.
    pub hurt: usize,
}

/// How many more pods of given requests the nodes take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// That many, up to the number that was asked for.
    pub fit: u32,
    /// Ready, schedulable nodes that were counted.
    pub nodes: u32,
}

/// Workloads with their pods, and nodes.
#[derive(Debug, Default)]
pub struct Workloads {
    rows: Vec<WorkloadRow>,
    nodes: Vec<NodeRow>,
}

impl Workloads {
    /// All workloads by need: hurt first, then by service and name.
    pub fn rows(&self) -> &[WorkloadRow] {
        &self.rows
    }

    /// All nodes by need.
    pub fn nodes(&self) -> &[NodeRow] {
        &self.nodes
    }

    /// Pods by how they are.
    pub fn pod_counts(&self) -> PodCounts {
        PodCounts::default()
    }

    /// One workload.
    pub fn row(&self, key: &WorkloadKey) -> Option<&WorkloadRow> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// The workloads of that name, given with or without `namespace/`.
    pub fn named(&self, _name: &str) -> Vec<&WorkloadRow> {
        Vec::new()
    }

    /// How many of `count` more pods with these requests fit on the nodes now, by the requests
    /// of the pods that run there. `None` when nodes are not known.
    pub fn fit(&self, _origin: &Origin, _cpu: MilliCores, _memory: Bytes, _count: u32) -> Option<Fit> {
        None
    }
}
