//! Nodes: how they are, and what room they have.

use std::collections::HashMap;

use crate::clock::World;
use crate::model::cluster::{Bytes, MilliCores, Node, Usage};
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{ObjectPath, Origin};
use crate::model::signal::Delta;
use crate::text::Safe;

use super::{Fit, NodeRow, Workloads, trouble};

/// One node as it was told and measured last.
#[derive(Debug)]
pub(super) struct NodeState {
    origin: Origin,
    pub(super) node: Node,
    usage: Option<(World, MilliCores, Bytes)>,
}

/// What the pods of one node ask for.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    cpu: MilliCores,
    memory: Bytes,
    pods: u32,
}

impl Workloads {
    /// Takes in what one cluster says of its nodes.
    pub(in crate::observe) fn nodes_delta(
        &mut self,
        origin: &Origin,
        at: World,
        delta: Delta<Node, ObjectPath>,
    ) -> Vec<Finding> {
        let index = self.cluster(origin);
        let nodes = &mut self.clusters[index].nodes;
        let upserts = match delta {
            Delta::All(all) => {
                let there: std::collections::BTreeSet<_> = all.iter().map(|node| node.name.clone()).collect();
                nodes.retain(|name, _| there.contains(name));
                all
            }
            Delta::Upsert(some) => some,
            Delta::Remove(gone) => {
                for path in gone {
                    nodes.remove(&path.name);
                }
                Vec::new()
            }
        };
        let mut findings = Vec::new();
        for node in upserts {
            let known = nodes.get(&node.name);
            let usage = known.and_then(|known| known.usage);
            findings.extend(turn(origin, at, known.map(|known| &known.node), &node));
            nodes.insert(node.name.clone(), NodeState { origin: origin.clone(), node, usage });
        }
        self.rebuild_nodes();
        findings
    }

    /// Takes in what was measured of a node. Whether it says anything new.
    pub(super) fn node_usage(&mut self, cluster: usize, usage: &Usage) -> bool {
        let Some(state) = self.clusters[cluster].nodes.get_mut(&usage.of.name) else { return false };
        if state.usage.is_some_and(|(last, ..)| usage.at <= last) {
            return false;
        }
        state.usage = Some((usage.at, usage.cpu, usage.memory));
        true
    }

    pub(super) fn rebuild_nodes(&mut self) {
        let rows = self.clusters.iter().flat_map(|cluster| {
            cluster.nodes.values().map(|NodeState { origin, node, usage }| {
                let (cpu, memory) = (usage.map(|(_, cpu, _)| cpu), usage.map(|(.., memory)| memory));
                NodeRow {
                    origin: origin.clone(),
                    cpu_share: trouble::share(cpu, node.cpu, 0),
                    memory_share: trouble::share(memory, node.memory, 0),
                    trouble: trouble::of_node(node, cpu, memory).map(Safe::from),
                    node: node.clone(),
                }
            })
        });
        self.nodes = rows.collect();
        // By need: conditions, then whatever else there is to say; names are in order already.
        self.nodes.sort_by_key(|row| (trouble::conditions(&row.node).is_empty(), row.trouble.is_none()));
    }

    /// How many of `count` more pods with these requests fit on the nodes now, by the requests
    /// of the pods that run there. `None` when nodes are not known.
    pub fn fit(&self, origin: &Origin, cpu: MilliCores, memory: Bytes, count: u32) -> Option<Fit> {
        let cluster = self.of(origin)?;
        if cluster.nodes.is_empty() {
            return None;
        }
        let mut loads: HashMap<&Safe, Load> = HashMap::new();
        for row in self.rows.iter().filter(|row| row.origin.env == origin.env) {
            for pod in row.pods.iter().map(|row| &row.pod).filter(|pod| !trouble::finished(pod)) {
                let Some(node) = &pod.node else { continue };
                let load = loads.entry(node).or_default();
                load.cpu = load.cpu.saturating_add(pod.cpu_request);
                load.memory = load.memory.saturating_add(pod.memory_request);
                load.pods += 1;
            }
        }
        let mut fit: u64 = 0;
        let mut nodes = 0;
        for NodeState { node, .. } in cluster.nodes.values().filter(|it| it.node.ready && !it.node.unschedulable) {
            nodes += 1;
            let load = loads.get(&node.name).copied().unwrap_or_default();
            let room = |of: u64, taken: u64, each: u64| of.saturating_sub(taken).checked_div(each).unwrap_or(u64::MAX);
            let pods = u64::from(node.pods.saturating_sub(load.pods));
            let here = room(node.cpu, load.cpu, cpu).min(room(node.memory, load.memory, memory)).min(pods);
            fit = fit.saturating_add(here);
        }
        Some(Fit { fit: u32::try_from(fit).unwrap_or(u32::MAX).min(count), nodes })
    }
}

/// What a node's conditions became.
fn turn(origin: &Origin, at: World, before: Option<&Node>, node: &Node) -> Option<Finding> {
    let was = before.map(trouble::conditions).unwrap_or_default();
    let is = trouble::conditions(node);
    let place = node.zone.as_ref().map_or_else(|| node.name.to_string(), |zone| format!("{} (zone {zone})", node.name));
    if is.iter().any(|condition| !was.contains(condition)) {
        let title = format!("node {place}: {}", is.join(", "));
        let key = format!("node_trouble/{origin}/{}", node.name);
        return Some(Finding::new(EntryKind::NodeTrouble, origin, at, node.name.clone(), title, key));
    }
    if is.is_empty() && !was.is_empty() {
        let title = format!("node {place} is well again: {} is over", was.join(", "));
        let key = format!("node_recovered/{origin}/{}", node.name);
        return Some(Finding::new(EntryKind::NodeRecovered, origin, at, node.name.clone(), title, key));
    }
    None
}
