//! metrics.k8s.io: CPU and memory as the last scrape found them.
//!
//! Owns: the measurement every fifteen seconds, and its objects. Must not: invent usage of a pod
//! that nobody has set.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::World;

use super::kinds::Kind;
use super::kubelet::Life;
use super::state::State;
use super::store::Key;
use super::value::{at, stamp};

/// What a node needs for itself: thousandths of a core.
const NODE_CPU: u64 = 60;

/// The last scrape.
#[derive(Debug, Default)]
pub(super) struct Measured {
    at: Option<World>,
    /// Thousandths of a core, bytes.
    pub(super) pods: BTreeMap<Key, (u64, u64)>,
    nodes: BTreeMap<String, (u64, u64)>,
}

impl State {
    /// Scrapes every container that runs.
    pub(super) fn measure(&mut self) {
        let pods: BTreeMap<Key, (u64, u64)> = self
            .pods
            .iter()
            .filter(|(_, run)| matches!(run.life, Life::Running { .. }))
            .filter_map(|(key, run)| Some((key.clone(), run.usage?)))
            .collect();
        let mut nodes: BTreeMap<String, (u64, u64)> =
            self.nodes.iter().map(|(name, run)| (name.clone(), (NODE_CPU, run.memory / 20))).collect();
        for (key, (cpu, memory)) in &pods {
            let node = self.pods.get(key).and_then(|run| run.node.as_ref());
            if let Some(sum) = node.and_then(|node| nodes.get_mut(node)) {
                *sum = (sum.0.saturating_add(*cpu), sum.1.saturating_add(*memory));
            }
        }
        self.measured = Measured { at: Some(self.now), pods, nodes };
    }

    /// The objects of metrics.k8s.io for pods or for nodes.
    pub(super) fn usage(&self, of: Kind) -> Vec<Value> {
        let Some(when) = self.measured.at else { return Vec::new() };
        let when = stamp(when);
        let usage = |(cpu, memory): (u64, u64)| {
            let nanos = cpu.saturating_mul(1_000_000);
            json!({"cpu": format!("{nanos}n"), "memory": format!("{}Ki", memory / 1024)})
        };
        let labels = |kind, key: &Key| {
            self.store.get(kind, key).map_or(Value::Null, |object| at(object, &["metadata", "labels"]).clone())
        };
        if of == Kind::Node {
            let row = |(name, used): (&String, &(u64, u64))| {
                json!({"metadata": {"name": name, "creationTimestamp": stamp(self.now),
                    "labels": labels(Kind::Node, &Key::new("", name.clone()))},
                    "timestamp": when, "window": "15s", "usage": usage(*used)})
            };
            return self.measured.nodes.iter().map(row).collect();
        }
        let row = |(key, used): (&Key, &(u64, u64))| {
            let container = &self.pods.get(key)?.container;
            Some(
                json!({"metadata": {"name": key.name, "namespace": key.namespace, "creationTimestamp": stamp(self.now),
                "labels": labels(Kind::Pod, key)},
                "timestamp": when, "window": "15s", "containers": [{"name": container, "usage": usage(*used)}]}),
            )
        };
        self.measured.pods.iter().filter_map(row).collect()
    }
}
