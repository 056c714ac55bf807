//! What is wrong with a pod, a workload or a node, in words.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::cluster::{Bytes, MilliCores, Node, Pod};
use crate::model::name::Kind;
use crate::model::service::Unit;

use super::super::words;
use super::detect::Restarts;
use super::{PodCounts, PodRow, WorkloadRow};

/// What a pod may take to be scheduled, started and ready before that counts as trouble.
pub(super) const GRACE: TimeDelta = TimeDelta::seconds(30);
/// For how long a kill or a restart counts as recent.
pub(super) const RECENT: TimeDelta = TimeDelta::minutes(10);
/// From this share of its limit on, a pod's CPU is being throttled, or nearly.
const HOT: f64 = 0.9;

/// Sums of use and of what it is measured against.
#[derive(Default)]
pub(super) struct Shares {
    used: u64,
    limit: u64,
    request: u64,
    unlimited: bool,
    measured: bool,
}

impl Shares {
    pub(super) fn add(&mut self, used: Option<u64>, limit: u64, request: u64) {
        let Some(used) = used else { return };
        self.measured = true;
        self.used = self.used.saturating_add(used);
        self.limit = self.limit.saturating_add(limit);
        self.request = self.request.saturating_add(request);
        self.unlimited |= limit == 0;
    }

    /// Of the limits; of the requests where there is a pod without a limit.
    pub(super) fn share(&self) -> Option<f64> {
        let of = if self.unlimited { self.request } else { self.limit };
        (self.measured && of > 0).then(|| self.used as f64 / of as f64)
    }
}

/// A single pod's or node's share.
pub(super) fn share(used: Option<u64>, limit: u64, request: u64) -> Option<f64> {
    let mut one = Shares::default();
    one.add(used, limit, request);
    one.share()
}

/// Whether a pod has ended for good: it did its work, was evicted, or is the failed try of a Job.
/// Such pods stay listed for days, and what replaced them is another pod; that a Job gave up is
/// told by its warning event.
pub(super) fn finished(pod: &Pod) -> bool {
    let of_job = pod.owner.as_ref().is_some_and(|owner| owner.kind == Kind::Job);
    match pod.status.as_str() {
        "Completed" | "Succeeded" | "Evicted" | "NodeShutdown" | "Terminated" => true,
        "Error" | "Failed" | "OOMKilled" | "DeadlineExceeded" => of_job,
        _ => false,
    }
}

/// Whether a pod is meant to run now.
pub(super) fn meant_to_run(pod: &Pod) -> bool {
    !finished(pod) && !pod.terminating
}

/// Whether the scheduler has not found a node.
pub(super) fn pending(pod: &Pod) -> bool {
    pod.node.is_none() && pod.status == "Pending"
}

/// Whether it is in the back-off of a container that crashes again and again; an init
/// container's is written `Init:CrashLoopBackOff`.
pub(super) fn backs_off(pod: &Pod) -> bool {
    pod.status.ends_with("CrashLoopBackOff")
}

/// When a container was last killed for its memory.
pub(super) fn oom(pod: &Pod) -> Option<World> {
    pod.last_end.as_ref().filter(|(reason, _)| *reason == "OOMKilled").map(|(_, at)| *at)
}

/// Whether a pod's trouble may change although nothing is told of it.
pub(super) fn changes_by_time(pod: &Pod, restarts: Option<&Restarts>, now: World) -> bool {
    meant_to_run(pod) && (!pod.is_ready || restarts.is_some() || oom(pod).is_some_and(|at| now - at <= RECENT + GRACE))
}

/// What is wrong with a pod.
pub(super) fn of_pod(row: &PodRow, restarts: Option<&Restarts>, now: World) -> Option<String> {
    let pod = &row.pod;
    if !meant_to_run(pod) {
        return None;
    }
    let age = now - pod.created;
    if pending(pod) {
        return (age > GRACE).then(|| format!("pending {}{}", words::short(age), scheduler(pod)));
    }
    let mut parts = Vec::new();
    let status = pod.status.as_str();
    if backs_off(pod) {
        parts.push("crash loop".to_owned());
    } else if failed(status) {
        let message = pod.message.as_ref().map_or_else(String::new, |text| format!(": {}", words::excerpt(text, 120)));
        parts.push(format!("{status}{message}"));
    } else if !pod.is_ready {
        let started = pod.last_end.as_ref().map_or(pod.created, |(_, end)| pod.created.max(*end));
        if now - started > GRACE {
            let word = if status == "Running" { "not ready" } else { status };
            parts.push(format!("{word} {}/{}", pod.ready, pod.containers));
        }
    }
    if let (Some(share), true) = (row.cpu_share, pod.cpu_limit > 0)
        && share >= HOT
    {
        parts.push(format!("cpu {} of limit", words::percent(share)));
    }
    if restarts.is_some_and(|restarts| restarts.since(now - RECENT) > 0) {
        parts.push(words::many(pod.restarts as usize, "restart"));
    }
    if oom(pod).is_some_and(|at| now - at <= RECENT) {
        parts.push("OOM".into());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The status words of `kubectl get pods` that tell a failure rather than a start.
fn failed(status: &str) -> bool {
    const WORDS: [&str; 7] = ["Err", "BackOff", "Invalid", "Failed", "OOMKilled", "Unknown", "Lost"];
    WORDS.iter().any(|word| status.contains(word))
}

/// What the scheduler says, shortened to what an operator can act on.
pub(super) fn scheduler(pod: &Pod) -> String {
    let Some(message) = pod.message.as_ref().filter(|message| !message.is_empty()) else { return String::new() };
    let mut lacks = Vec::new();
    if message.contains("Insufficient cpu") {
        lacks.push(words::cpu(pod.cpu_request));
    }
    if message.contains("Insufficient memory") {
        lacks.push(format!("{} memory", Unit::Bytes.write(pod.memory_request as f64)));
    }
    if !lacks.is_empty() {
        return format!(": no node fits {}", lacks.join(" and "));
    }
    // `0/3 nodes are available: 3 node(s) had untolerated taint {…}. preemption: …`
    let rest = message.split_once("nodes are available: ").map_or(message.as_str(), |(_, rest)| rest);
    let rest = rest.split(". ").next().unwrap_or(rest);
    format!(": {}", words::excerpt(rest.trim_end_matches('.'), 120))
}

/// What is wrong with a workload.
pub(super) fn of_workload(row: &WorkloadRow, counts: PodCounts, short: bool) -> Option<String> {
    let condition = row.workload.as_ref().and_then(|workload| workload.trouble.as_ref());
    if let Some(condition) = condition {
        return Some(words::excerpt(condition, 160));
    }
    if let Some(first) = row.hurt_pods().next().and_then(|pod| pod.trouble.as_ref()) {
        let all = counts.all.max(counts.hurt);
        return Some(if all == 1 { first.to_string() } else { format!("{} of {all} pods: {first}", counts.hurt) });
    }
    let workload = row.workload.as_ref().filter(|_| short)?;
    Some(format!("{} of {} ready", workload.ready, workload.desired))
}

/// The conditions of a node that are trouble.
pub(super) fn conditions(node: &Node) -> Vec<String> {
    let not_ready = (!node.ready).then(|| "NotReady".to_owned());
    not_ready.into_iter().chain(node.pressures.iter().map(ToString::to_string)).collect()
}

/// What is wrong with a node.
pub(super) fn of_node(node: &Node, cpu: Option<MilliCores>, memory: Option<Bytes>) -> Option<String> {
    let mut parts = conditions(node);
    let hot = |used, of| share(used, of, 0).filter(|share| *share >= HOT);
    if let Some(share) = hot(cpu, node.cpu) {
        parts.push(format!("cpu {}", words::percent(share)));
    }
    if let Some(share) = hot(memory, node.memory) {
        parts.push(format!("memory {}", words::percent(share)));
    }
    if node.unschedulable {
        parts.push("takes no new pods".into());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
