//! Workloads with their pods, and nodes.
//!
//! Owns: what is known of the clusters' workloads, pods, nodes and autoscalers, whether each is
//! hurt and why, and how many more pods fit. Must not: keep a history of a pod, or do work that
//! grows with the cluster when one pod changes.

mod detect;
mod index;
mod named;
mod nodes;
mod pods;
mod trouble;

use std::collections::VecDeque;

use crate::clock::World;
use crate::model::cluster::{Autoscaler, Bytes, MilliCores, NamedPod, Node, Pod, Workload};
use crate::model::name::{ObjectPath, Origin, ServiceName, WorkloadKey};
use crate::text::Safe;

use super::told::{Flood, Told};
use index::{Cluster, Home};

/// One workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadRow {
    /// The source that tells of it: that of the object where it was seen, else that of its pods.
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
    /// The same by how they are.
    pub counts: PodCounts,
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

impl WorkloadRow {
    /// Its hurt pods. Does not look at the healthy thousands.
    pub fn hurt_pods(&self) -> impl Iterator<Item = &PodRow> {
        self.pods.iter().take_while(|pod| pod.trouble.is_some())
    }

    /// Whether one of its pods is hurt.
    pub fn has_hurt_pods(&self) -> bool {
        self.hurt_pods().next().is_some()
    }
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
    /// The source that tells of it.
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
    /// Those of which no more than the name is known yet; they are not among the others.
    pub named: usize,
    /// The first list of pods is still coming in: there may be more of each.
    pub reading: bool,
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
    /// The slot of each row, in the order of the rows. A slot stays a row's while rows move.
    slots: Vec<usize>,
    /// By slot: where the row is, and what is kept of it beside the row.
    homes: Vec<Home>,
    free: Vec<usize>,
    clusters: Vec<Cluster>,
    /// Slots whose rows are to be summed up anew.
    dirty: Vec<usize>,
    /// Rows are out of order.
    unsorted: bool,
    counts: PodCounts,
    told: Told,
    flood: Flood,
    /// When what changes by time alone was looked at last.
    checked: Option<World>,
    /// Counts changes of what is hurt.
    version: u64,
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
        let named = self.clusters.iter().map(|cluster| cluster.named.left()).sum();
        PodCounts { named, reading: self.clusters.iter().any(Cluster::reads), ..self.counts }
    }

    /// The pods of which no more than the name is known yet, with the source that named them:
    /// those that do not look well first.
    pub fn named_pods(&self) -> impl Iterator<Item = (&Origin, &NamedPod)> {
        self.clusters.iter().flat_map(|cluster| cluster.named.rows().map(|pod| (&cluster.pods_from, pod)))
    }

    /// One workload.
    pub fn row(&self, key: &WorkloadKey) -> Option<&WorkloadRow> {
        let slot = self.clusters.iter().find_map(|cluster| cluster.index.get(key))?;
        self.rows.get(self.homes.get(*slot)?.at)
    }

    /// One workload of the cluster that `origin` tells of.
    pub fn row_in(&self, origin: &Origin, key: &WorkloadKey) -> Option<&WorkloadRow> {
        let cluster = self.of(origin)?;
        self.rows.get(self.homes.get(*cluster.index.get(key)?)?.at)
    }

    /// The workloads of that name, given with or without `namespace/`.
    pub fn named(&self, name: &str) -> Vec<&WorkloadRow> {
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        let fits = |path: &ObjectPath| path.name == name && namespace.is_none_or(|wanted| path.namespace == wanted);
        self.rows.iter().filter(|row| fits(&row.key.path)).collect()
    }

    /// The hurt workloads of a service.
    pub fn hurt_of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a WorkloadRow> {
        self.hurt().filter(move |row| row.service.as_ref() == Some(service))
    }

    /// All hurt workloads.
    pub fn hurt(&self) -> impl Iterator<Item = &WorkloadRow> {
        // Hurt ones come first, so that this does not look at the healthy thousands.
        self.rows.iter().take_while(|row| row.hurt)
    }

    /// The zone of a node.
    pub fn zone(&self, origin: &Origin, node: &str) -> Option<&Safe> {
        let cluster = self.of(origin)?;
        cluster.nodes.get(node)?.node.zone.as_ref()
    }

    /// The workload that owns a pod.
    pub fn owner(&self, origin: &Origin, pod: &ObjectPath) -> Option<&WorkloadRow> {
        let cluster = self.of(origin)?;
        self.rows.get(self.homes.get(cluster.pods.get(pod)?.slot)?.at)
    }

    /// The cluster that `origin` tells of: an environment has one.
    fn of(&self, origin: &Origin) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.env == origin.env)
    }

    /// Changes whenever something is hurt that was not, or the reverse.
    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
