//! The scheduler: requests against what nodes can give.
//!
//! Owns: the choice of a node, and the words for why there is none. Must not: start a container.

use std::collections::BTreeMap;

use serde_json::Value;

use super::events::Note;
use super::kinds::Kind;
use super::kubelet::{Life, PodRun};
use super::nodes::NOT_READY;
use super::state::State;
use super::store::Key;
use super::value::{at, seconds};

/// How long the scheduler waits before it says again that a pod fits nowhere, in seconds.
const REPEAT: u64 = 60;

/// What a node has given away.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    cpu: u64,
    memory: u64,
    pods: u32,
}

impl State {
    pub(super) fn run_scheduler(&mut self) {
        let waiting: Vec<Key> = self
            .pods
            .iter()
            .filter(|(_, run)| run.node.is_none() && run.deleted.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let mut given: BTreeMap<String, Given> =
            self.nodes.keys().map(|name| (name.clone(), Given::default())).collect();
        for run in self.pods.values() {
            if let Some(sum) = run.node.as_ref().and_then(|node| given.get_mut(node)) {
                sum.add(run);
            }
        }
        for key in waiting {
            let Some(run) = self.pods.get(&key) else { continue };
            match self.place(&key, run, &given) {
                Ok(node) => {
                    if let Some(sum) = given.get_mut(&node) {
                        sum.add(run);
                    }
                    let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
                    if let Some(run) = self.pods.get_mut(&key) {
                        run.unfit = None;
                        run.node = Some(node);
                        run.scheduled = Some(self.now);
                        run.life = Life::Creating { since: self.now };
                    }
                    self.bind(&key);
                    self.note_scheduling(&key, false, "Scheduled", &message);
                }
                Err(message) => {
                    let again = match &run.unfit {
                        Some((said, when)) => *said != message || self.now - *when >= seconds(REPEAT),
                        None => true,
                    };
                    if again {
                        if let Some(run) = self.pods.get_mut(&key) {
                            run.unfit = Some((message.clone(), self.now));
                        }
                        self.show(&key);
                        self.note_scheduling(&key, true, "FailedScheduling", &message);
                    }
                }
            }
        }
    }

    fn note_scheduling(&mut self, key: &Key, warning: bool, reason: &str, message: &str) {
        self.note(Note {
            kind: Kind::Pod,
            key,
            source: "default-scheduler",
            host: "",
            warning,
            reason,
            message,
            container: "",
        });
    }

    /// The node that takes a pod, or the scheduler's sentence. Among nodes that fit: first the
    /// zone and then the node with the fewest of its siblings, then the least requested.
    fn place(&self, key: &Key, pod: &PodRun, given: &BTreeMap<String, Given>) -> Result<String, String> {
        let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
        let mut best: Option<((usize, usize, u64), &String)> = None;
        let sibling = |other: &Key, run: &PodRun| {
            other.namespace == key.namespace && run.workload == pod.workload && run.deleted.is_none()
        };
        let mut short_of_resources = 0_u32;
        let object = self.store.get(Kind::Pod, key);
        let selector = object.map_or(&Value::Null, |pod| at(pod, &["spec", "nodeSelector"]));
        for (name, node) in &self.nodes {
            if pod.pinned.as_ref().is_some_and(|only| only != name) {
                *reasons.entry("node(s) didn't satisfy plugin(s) [NodeAffinity]".to_owned()).or_default() += 1;
                continue;
            }
            if !self.is_selected(name, selector) {
                *reasons.entry("node(s) didn't match Pod's node affinity/selector".to_owned()).or_default() += 1;
                continue;
            }
            // Who is made for one node tolerates what becomes of it.
            if !node.ready && pod.pinned.is_none() {
                *reasons.entry(format!("node(s) had untolerated taint {{{NOT_READY}: }}")).or_default() += 1;
                continue;
            }
            let used = given.get(name).copied().unwrap_or_default();
            let lacks = [
                (used.pods >= node.slots, "Too many pods"),
                (used.cpu.saturating_add(pod.cpu) > node.cpu, "Insufficient cpu"),
                (used.memory.saturating_add(pod.memory) > node.memory, "Insufficient memory"),
            ];
            let mut fits = true;
            for (_, reason) in lacks.iter().filter(|(lacking, _)| *lacking) {
                fits = false;
                *reasons.entry((*reason).to_owned()).or_default() += 1;
            }
            if !fits {
                short_of_resources += 1;
                continue;
            }
            let near = |run: &PodRun| run.node.as_ref().and_then(|other| self.nodes.get(other));
            let in_zone =
                self.pods.iter().filter(|(k, r)| sibling(k, r) && near(r).is_some_and(|n| n.zone == node.zone));
            let on_node = self.pods.iter().filter(|(k, r)| sibling(k, r) && r.node.as_ref() == Some(name));
            let share = used.cpu.saturating_add(pod.cpu).saturating_mul(1000) / node.cpu.max(1);
            let rank = (in_zone.count(), on_node.count(), share);
            if best.as_ref().is_none_or(|(lowest, _)| rank < *lowest) {
                best = Some((rank, name));
            }
        }
        match best {
            Some((_, name)) => Ok(name.clone()),
            None => Err(unschedulable(self.nodes.len(), &reasons, short_of_resources)),
        }
    }
}

impl Given {
    fn add(&mut self, run: &PodRun) {
        self.cpu = self.cpu.saturating_add(run.cpu);
        self.memory = self.memory.saturating_add(run.memory);
        self.pods = self.pods.saturating_add(1);
    }
}

/// The words of `FitError` in kube-scheduler: reasons sorted as texts, then why preemption
/// does not help.
fn unschedulable(nodes: usize, reasons: &BTreeMap<String, u32>, short: u32) -> String {
    let mut parts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    let unhelpful = u32::try_from(nodes).unwrap_or(u32::MAX).saturating_sub(short);
    let mut preemption = Vec::new();
    if short > 0 {
        preemption.push(format!("{short} No preemption victims found for incoming pod"));
    }
    if unhelpful > 0 {
        preemption.push(format!("{unhelpful} Preemption is not helpful for scheduling"));
    }
    let head = format!("0/{nodes} nodes are available");
    if parts.is_empty() {
        return format!("{head}.");
    }
    format!("{head}: {}. preemption: {head}: {}.", parts.join(", "), preemption.join(", "))
}
