//! Nodes: what their kubelets report, and what the node controller makes of it.
//!
//! Owns: node conditions and taints, and the eviction of pods from a node that is not ready.
//! Must not: place pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::World;

use super::NodeSpec;
use super::events::Note;
use super::kinds::Kind;
use super::seed::Seed;
use super::select::match_labels;
use super::state::State;
use super::store::Key;
use super::value::{cpu, cut, memory, put, seconds, stamp};

/// The default `tolerationSeconds` of pods for a node that is not ready.
const TOLERATED: u64 = 300;
/// How often a kubelet refreshes an unchanged status (`nodeStatusReportFrequency`), in seconds.
const HEARTBEAT: i64 = 300;
/// What the API server and the nodes say they are.
pub(super) const VERSION: &str = "v1.33.4";
/// The taint of a node that is not ready.
pub(super) const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// What a node's kubelet knows.
#[derive(Clone, Debug)]
pub(super) struct NodeRun {
    pub(super) zone: String,
    /// Allocatable: thousandths of a core, bytes, pods.
    pub(super) cpu: u64,
    pub(super) memory: u64,
    pub(super) slots: u32,
    /// What it reports.
    pub(super) ready: bool,
    /// What it will report at the next tick.
    pub(super) wanted: bool,
    /// When `ready` changed.
    pub(super) changed: World,
}

impl NodeRun {
    pub(super) fn new(spec: &NodeSpec, since: World) -> Self {
        Self {
            zone: spec.zone.clone(),
            cpu: spec.cpu,
            memory: spec.memory,
            slots: spec.pods,
            ready: true,
            wanted: true,
            changed: since,
        }
    }

    fn conditions(&self, now: World) -> Value {
        let condition = |kind: &str, status: &str, reason: &str, message: &str, since: World| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(since)})
        };
        let (status, reason, message) = if self.ready {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            // What a kubelet says that gets too little CPU to list its containers.
            ("False", "KubeletNotReady", "PLEG is not healthy: pleg was last seen active 3m1.5s ago; threshold is 3m0s")
        };
        let first = self.changed.min(now);
        json!([
            condition(
                "MemoryPressure",
                "False",
                "KubeletHasSufficientMemory",
                "kubelet has sufficient memory available",
                first
            ),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure", first),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available", first),
            condition("Ready", status, reason, message, self.changed),
        ])
    }
}

/// A new node object.
pub(super) fn object(seed: Seed, spec: &NodeSpec, run: &NodeRun, index: usize) -> Value {
    let (name, zone) = (&spec.name, &spec.zone);
    let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase()).trim_end_matches('-');
    let region = if region.is_empty() { zone } else { region };
    let resources = |spare: u64| {
        json!({"cpu": cpu(spec.cpu + spare), "memory": memory(spec.memory), "pods": spec.pods.to_string(),
            "ephemeral-storage": "104845292Ki"})
    };
    let identity = seed.uid(&["node", name]);
    json!({
        "metadata": {
            "name": name, "uid": identity, "creationTimestamp": stamp(run.changed),
            "labels": {
                "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
                "topology.kubernetes.io/region": region, "topology.kubernetes.io/zone": zone,
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"podCIDR": format!("10.244.{index}.0/24"), "podCIDRs": [format!("10.244.{index}.0/24")]},
        "status": {
            "capacity": resources(0), "allocatable": resources(0), "conditions": run.conditions(run.changed),
            "addresses": [
                {"type": "InternalIP", "address": format!("10.0.{}.{}", index / 200, 10 + index % 200)},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "operatingSystem": "linux", "kernelVersion": "6.1.0-26-amd64",
                "osImage": "Debian GNU/Linux 12 (bookworm)", "containerRuntimeVersion": "containerd://1.7.24",
                "kubeletVersion": VERSION, "kubeProxyVersion": VERSION, "bootID": identity,
                "machineID": identity.replace('-', ""), "systemUUID": identity,
            },
        },
    })
}

impl State {
    /// Whether a node has all labels of a pod's `nodeSelector`; without one each has.
    pub(super) fn is_selected(&self, node: &str, selector: &Value) -> bool {
        let asks = selector.as_object().is_some_and(|labels| !labels.is_empty());
        let found = self.store.get(Kind::Node, &Key::new("", node));
        !asks || found.is_some_and(|node| match_labels(selector, node))
    }

    pub(super) fn run_nodes(&mut self) {
        let now = self.now;
        let beat = now.timestamp() % HEARTBEAT == 0;
        let mut turned = Vec::new();
        let mut drained: BTreeMap<String, ()> = BTreeMap::new();
        for (name, run) in &mut self.nodes {
            let changed = run.ready != run.wanted;
            if changed {
                (run.ready, run.changed) = (run.wanted, now);
            }
            if changed || beat {
                turned.push((name.clone(), run.clone(), changed));
            }
            if !run.ready && now - run.changed >= seconds(TOLERATED) {
                drained.insert(name.clone(), ());
            }
        }
        for (name, run, changed) in turned {
            let key = Key::new("", name);
            self.store.edit(Kind::Node, &key, |node| {
                put(node, &["status", "conditions"], run.conditions(now));
                if run.ready {
                    cut(node, &["spec", "taints"]);
                } else {
                    let taint =
                        |effect: &str| json!({"key": NOT_READY, "effect": effect, "timeAdded": stamp(run.changed)});
                    put(node, &["spec", "taints"], json!([taint("NoSchedule"), taint("NoExecute")]));
                }
            });
            if changed {
                let reason = if run.ready { "NodeReady" } else { "NodeNotReady" };
                let message = format!("Node {} status is now: {reason}", key.name);
                let host = &key.name;
                self.note(Note {
                    kind: Kind::Node,
                    key: &key,
                    source: "kubelet",
                    host,
                    warning: false,
                    reason,
                    message: &message,
                    container: "",
                });
            }
        }
        if !drained.is_empty() {
            let evicted: Vec<Key> = self
                .pods
                .iter()
                // The pods of a DaemonSet tolerate it.
                .filter(|(_, run)| run.deleted.is_none() && run.pinned.is_none())
                .filter(|(_, run)| run.node.as_ref().is_some_and(|node| drained.contains_key(node)))
                .map(|(key, _)| key.clone())
                .collect();
            for key in evicted {
                self.note(Note {
                    kind: Kind::Pod,
                    key: &key,
                    source: "taint-eviction-controller",
                    host: "",
                    warning: false,
                    reason: "TaintManagerEviction",
                    message: &format!("Marking for deletion Pod {}/{}", key.namespace, key.name),
                    container: "",
                });
                self.terminate(&key);
            }
        }
    }
}
