//! A pod as the screen knows it, from a pod as the API tells it.
//!
//! Owns: the rules of kubectl's `printPod` for the status word, readiness and restarts, and who
//! owns a pod. Pure. Must not: read anything else to find out.

use crate::model::cluster::Pod;
use crate::model::name::{Kind, ObjectPath, Uid, WorkloadKey};
use crate::text::{Safe, clean};

use super::quantity::{millicores, whole};
use super::wire::{self, Object as _};

/// The label that a ReplicaSet's pods carry; a Deployment's ReplicaSet ends with its value.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// The same for a Rollout of Argo Rollouts.
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";
/// The label of pods made from a ControllerRevision.
const REVISION_HASH: &str = "controller-revision-hash";

/// What kubectl prints of a pod.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    status: String,
    ready: u16,
    containers: u16,
    restarts: u32,
}

/// The record of a pod.
pub(super) fn pod(from: &wire::Pod) -> Pod {
    let meta = from.meta();
    let (no_spec, no_status) = (wire::PodSpec::default(), wire::PodStatus::default());
    let (spec, status) = (from.spec.as_ref().unwrap_or(&no_spec), from.status.as_ref().unwrap_or(&no_status));
    let printed = print(meta, spec, status);
    let label = |name: &str| meta.labels.get(name).map(|value| clean(value));
    let sum = |limits, resource, read| total(spec, limits, resource, read);
    Pod {
        path: ObjectPath::new(meta.namespace.as_str(), meta.name.as_str()),
        uid: Uid::from(meta.uid.as_str()),
        owner: owner(meta),
        revision: [TEMPLATE_HASH, ROLLOUT_HASH, REVISION_HASH].into_iter().find_map(label),
        node: Some(&spec.node_name).filter(|name| !name.is_empty()).map(|name| clean(name)),
        status: Safe::from(printed.status),
        ready: printed.ready,
        containers: printed.containers,
        restarts: printed.restarts,
        is_ready: is_true(&status.conditions, "Ready"),
        terminating: meta.deletion_timestamp.is_some(),
        created: meta.created().unwrap_or_default(),
        last_end: last_end(status),
        message: message(status),
        cpu_request: sum(false, "cpu", millicores),
        cpu_limit: sum(true, "cpu", millicores),
        memory_request: sum(false, "memory", whole),
        memory_limit: sum(true, "memory", whole),
        image: spec.containers.first().map(|container| short_image(&container.image)).unwrap_or_default(),
    }
}

/// The workload that owns a pod. A ReplicaSet that carries its template's hash at the end of its
/// name belongs to the Deployment, or the Rollout, of the name before it: no other read is needed.
pub(super) fn owner(meta: &wire::Meta) -> Option<WorkloadKey> {
    let controller = meta.controller()?;
    let key = |kind, name: &str| Some(WorkloadKey { kind, path: ObjectPath::new(meta.namespace.as_str(), name) });
    match Kind::parse(&controller.kind)? {
        Kind::ReplicaSet => {
            let named_by = |label: &str| {
                let hash = meta.labels.get(label)?;
                controller.name.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())
            };
            match (named_by(ROLLOUT_HASH), named_by(TEMPLATE_HASH)) {
                (Some(name), _) => key(Kind::Rollout, name),
                (None, Some(name)) => key(Kind::Deployment, name),
                (None, None) => key(Kind::ReplicaSet, &controller.name),
            }
        }
        kind @ (Kind::StatefulSet | Kind::DaemonSet | Kind::Job) => key(kind, &controller.name),
        // A node's mirror pods, and what is no owner of pods.
        _ => None,
    }
}

/// An image's tag, or the start of its digest: what differs between two releases.
pub(super) fn short_image(image: &str) -> Safe {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    // A colon before the last slash is a registry's port.
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match (tag, digest) {
        (Some(tag), _) => clean(tag),
        (None, Some(digest)) => match digest.split_once(':') {
            Some((kind, sum)) => Safe::from(format!("{kind}:{}", sum.chars().take(12).collect::<String>())),
            None => clean(digest),
        },
        (None, None) if image.is_empty() => Safe::default(),
        (None, None) => Safe::fixed("latest"),
    }
}

/// Text that a program wrote.
pub(super) fn lossy(text: &[u8]) -> Safe {
    Safe::from(String::from_utf8_lossy(text).trim())
}

fn is_true(conditions: &[wire::Condition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.kind == kind && condition.status == "True")
}

/// `printPod` of kubectl (pkg/printers/internalversion), without its columns for people.
fn print(meta: &wire::Meta, spec: &wire::PodSpec, status: &wire::PodStatus) -> Printed {
    let mut reason = if status.reason.is_empty() { status.phase.clone() } else { status.reason.clone() };
    let gated = |condition: &wire::Condition| condition.kind == "PodScheduled" && condition.reason == "SchedulingGated";
    if status.conditions.iter().any(gated) {
        reason = "SchedulingGated".into();
    }
    let is_sidecar =
        |name: &str| spec.init_containers.iter().any(|container| container.name == name && container.is_sidecar());
    let sidecars = spec.init_containers.iter().filter(|container| container.is_sidecar()).count();
    let (mut ready, mut restarts, mut sidecar_restarts) = (0u16, 0u32, 0u32);
    let count = |container: &wire::ContainerStatus| u32::try_from(container.restart_count).unwrap_or(0);

    let mut initializing = false;
    for (at, container) in status.init_container_statuses.iter().enumerate() {
        restarts = restarts.saturating_add(count(container));
        let sidecar = is_sidecar(&container.name);
        if sidecar {
            sidecar_restarts = sidecar_restarts.saturating_add(count(container));
        }
        let terminated = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        if terminated.is_some_and(|end| end.exit_code == 0) {
            continue;
        }
        if sidecar && container.started == Some(true) {
            ready = ready.saturating_add(u16::from(container.ready));
            continue;
        }
        reason = match (terminated, waiting) {
            (Some(end), _) => format!("Init:{}", ending(end)),
            (None, Some(wait)) if !wait.reason.is_empty() && wait.reason != "PodInitializing" => {
                format!("Init:{}", wait.reason)
            }
            _ => format!("Init:{at}/{}", spec.init_containers.len()),
        };
        initializing = true;
        break;
    }

    if !initializing || is_true(&status.conditions, "Initialized") {
        restarts = sidecar_restarts;
        let mut running = false;
        for container in status.container_statuses.iter().rev() {
            restarts = restarts.saturating_add(count(container));
            let state = container.state.as_ref();
            let waiting = state.and_then(|state| state.waiting.as_ref());
            match (waiting, state.and_then(|state| state.terminated.as_ref())) {
                (Some(waiting), _) if !waiting.reason.is_empty() => reason = waiting.reason.clone(),
                (_, Some(end)) => reason = ending(end),
                _ if container.ready && state.is_some_and(|state| state.running.is_some()) => {
                    running = true;
                    ready = ready.saturating_add(1);
                }
                _ => {}
            }
        }
        if reason == "Completed" && running {
            reason = if is_true(&status.conditions, "Ready") { "Running" } else { "NotReady" }.into();
        }
    }

    if meta.deletion_timestamp.is_some() {
        if status.reason == "NodeLost" {
            reason = "Unknown".into();
        } else if status.phase != "Succeeded" && status.phase != "Failed" {
            reason = "Terminating".into();
        }
    }
    let containers = u16::try_from(spec.containers.len() + sidecars).unwrap_or(u16::MAX);
    Printed { status: reason, ready, containers, restarts }
}

fn ending(end: &wire::Terminated) -> String {
    if !end.reason.is_empty() {
        end.reason.clone()
    } else if end.signal != 0 {
        format!("Signal:{}", end.signal)
    } else {
        format!("ExitCode:{}", end.exit_code)
    }
}

fn last_end(status: &wire::PodStatus) -> Option<(Safe, crate::clock::World)> {
    status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .flat_map(|container| [&container.state, &container.last_state])
        .filter_map(|state| state.as_ref()?.terminated.as_ref())
        // An init container's regular end is no news.
        .filter(|end| end.exit_code != 0 || end.signal != 0)
        .filter_map(|end| Some((Safe::from(ending(end)), end.finished_at.as_ref()?.world()?)))
        .max_by_key(|(_, at)| *at)
}

fn message(status: &wire::PodStatus) -> Option<Safe> {
    let unscheduled = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "PodScheduled" && condition.status == "False")
        .map(|condition| &condition.message);
    let waiting = || {
        let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
        containers
            .filter_map(|container| Some(&container.state.as_ref()?.waiting.as_ref()?.message))
            .find(|m| !m.is_empty())
    };
    unscheduled
        .filter(|message| !message.is_empty())
        .or_else(waiting)
        .or(Some(&status.message).filter(|message| !message.is_empty()))
        .map(|message| lossy(message))
}

/// The sum over all containers that run at the same time. Of limits it is 0 if any has none.
fn total(spec: &wire::PodSpec, limits: bool, resource: &str, read: fn(&str) -> Option<u64>) -> u64 {
    let together = spec.containers.iter().chain(spec.init_containers.iter().filter(|init| init.is_sidecar()));
    sum_of(together, limits, resource, read)
}

/// As [`total`], of given containers.
pub(super) fn sum_of<'a>(
    containers: impl Iterator<Item = &'a wire::Container>,
    limits: bool,
    resource: &str,
    read: fn(&str) -> Option<u64>,
) -> u64 {
    let mut sum = 0u64;
    for container in containers {
        let amounts = container.resources.as_ref().map(|set| if limits { &set.limits } else { &set.requests });
        match amounts.and_then(|amounts| read(&amounts.get(resource)?.text)) {
            Some(amount) => sum = sum.saturating_add(amount),
            None if limits => return 0,
            None => {}
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(value: Value) -> Pod {
        pod(&serde_json::from_value(value).unwrap())
    }

    fn with(status: Value) -> Value {
        json!({
            "metadata": {"name": "a", "namespace": "shop"},
            "spec": {"containers": [{"name": "app"}, {"name": "proxy"}]},
            "status": status,
        })
    }

    fn container(state: Value) -> Value {
        json!({"name": "app", "ready": state.get("running").is_some(), "restartCount": 2, "state": state})
    }

    #[test]
    fn the_status_word_is_kubectls() {
        let run = json!({"running": {}});
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let ready = json!([{"type": "Ready", "status": "True"}]);
        for (status, word) in [
            (json!({"phase": "Running", "containerStatuses": [container(run.clone())]}), "Running"),
            (json!({"phase": "Pending"}), "Pending"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted"),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
                "SchedulingGated",
            ),
            (
                json!({"phase": "Running", "containerStatuses": [container(json!({"waiting": {"reason": "CrashLoopBackOff"}}))]}),
                "CrashLoopBackOff",
            ),
            (
                json!({"phase": "Pending", "containerStatuses": [container(json!({"waiting": {"reason": "ContainerCreating"}}))]}),
                "ContainerCreating",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [container(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))]}),
                "OOMKilled",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [container(json!({"terminated": {"exitCode": 3}}))]}),
                "ExitCode:3",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [container(json!({"terminated": {"exitCode": 137, "signal": 9}}))]}),
                "Signal:9",
            ),
            (json!({"phase": "Succeeded", "containerStatuses": [container(done.clone())]}), "Completed"),
            (
                json!({"phase": "Running", "conditions": ready, "containerStatuses": [container(done.clone()), container(run.clone())]}),
                "Running",
            ),
            (json!({"phase": "Running", "containerStatuses": [container(done), container(run.clone())]}), "NotReady"),
            // The first container's word stands: kubectl goes from the last to the first.
            (
                json!({"phase": "Running", "containerStatuses": [
                    container(json!({"waiting": {"reason": "ImagePullBackOff"}})),
                    container(json!({"waiting": {"reason": "CrashLoopBackOff"}})),
                ]}),
                "ImagePullBackOff",
            ),
            (json!({"phase": "Unknown"}), "Unknown"),
        ] {
            assert_eq!(of(with(status.clone())).status, word, "{status}");
        }
    }

    #[test]
    fn init_containers_speak_first() {
        for (init, word) in [
            (json!({"waiting": {"reason": "PodInitializing"}}), "Init:1/2"),
            (json!({"running": {}}), "Init:1/2"),
            (json!({"waiting": {"reason": "CrashLoopBackOff"}}), "Init:CrashLoopBackOff"),
            (json!({"terminated": {"exitCode": 1}}), "Init:ExitCode:1"),
            (json!({"terminated": {"exitCode": 1, "signal": 15}}), "Init:Signal:15"),
            (json!({"terminated": {"exitCode": 1, "reason": "Error"}}), "Init:Error"),
        ] {
            let pod = of(json!({
                "metadata": {"name": "a"},
                "spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "one"}, {"name": "two"}]},
                "status": {"phase": "Pending",
                    "initContainerStatuses": [
                        {"name": "one", "restartCount": 1, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                        {"name": "two", "restartCount": 4, "state": init}],
                    "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}]},
            }));
            assert_eq!((pod.status.as_str(), pod.restarts), (word, 5));
        }
    }

    #[test]
    fn a_sidecar_counts_as_a_container() {
        let pod = of(json!({
            "metadata": {"name": "a"},
            "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}}],
                "initContainers": [
                    {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1}}},
                    {"name": "once", "resources": {"requests": {"cpu": "9"}}}]},
            "status": {"phase": "Running",
                "initContainerStatuses": [
                    {"name": "mesh", "ready": true, "started": true, "restartCount": 3, "state": {"running": {}}},
                    {"name": "once", "restartCount": 7, "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": "app", "ready": true, "restartCount": 1, "state": {"running": {}}}]},
        }));
        assert_eq!((pod.status.as_str(), pod.ready, pod.containers, pod.restarts), ("Running", 2, 2, 4));
        assert_eq!((pod.cpu_request, pod.cpu_limit, pod.memory_limit), (1100, 2000, 0));
    }

    #[test]
    fn a_pod_that_is_deleted_is_terminating_unless_it_has_ended() {
        for (phase, reason, word) in [
            ("Running", "", "Terminating"),
            ("Pending", "", "Terminating"),
            ("Succeeded", "", "Succeeded"),
            ("Running", "NodeLost", "Unknown"),
        ] {
            let mut value = with(json!({"phase": phase, "reason": reason}));
            value["metadata"]["deletionTimestamp"] = json!("2026-11-21T03:00:00Z");
            let pod = of(value);
            assert_eq!(pod.status, word);
            assert!(pod.terminating);
        }
    }

    #[test]
    fn why_it_waits_and_how_it_ended_are_kept() {
        let pod = of(with(json!({
            "phase": "Running",
            "containerStatuses": [{
                "name": "app", "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s \u{1b}[31mrestarting"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-21T03:10:00Z"}},
            }],
        })));
        assert_eq!(pod.message.as_deref(), Some("back-off 40s restarting"));
        assert_eq!(pod.last_end, Some(("OOMKilled".into(), "2026-11-21T03:10:00Z".parse().unwrap())));
        let pod = of(with(json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]})));
        assert_eq!(pod.message.as_deref(), Some("0/3 nodes are available"));
    }

    #[test]
    fn a_replica_sets_pod_belongs_to_its_deployment() {
        let owned = |kind: &str, name: &str, hash: &str| {
            of(json!({"metadata": {"name": "p", "namespace": "shop", "labels": {"pod-template-hash": hash},
                "ownerReferences": [{"kind": kind, "name": name, "controller": true}]}}))
            .owner
            .map(|key| key.to_string())
        };
        for (kind, name, hash, owner) in [
            ("ReplicaSet", "web-7d9f", "7d9f", Some("Deployment shop/web")),
            ("ReplicaSet", "by-hand", "7d9f", Some("ReplicaSet shop/by-hand")),
            ("ReplicaSet", "7d9f", "7d9f", Some("ReplicaSet shop/7d9f")),
            ("StatefulSet", "db", "", Some("StatefulSet shop/db")),
            ("Job", "once", "", Some("Job shop/once")),
            ("Node", "n1", "", None),
            ("Rollout", "r", "", None),
        ] {
            assert_eq!(owned(kind, name, hash).as_deref(), owner, "{kind} {name}");
        }
        let pod =
            of(json!({"metadata": {"name": "p", "namespace": "shop", "labels": {"rollouts-pod-template-hash": "6d4"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-6d4", "controller": true}]}}));
        assert_eq!(pod.owner.map(|key| key.to_string()).as_deref(), Some("Rollout shop/checkout"));
        assert_eq!(pod.revision.as_deref(), Some("6d4"));
    }

    #[test]
    fn images_are_told_by_what_changes() {
        for (image, short) in [
            ("registry.example:5000/shop/web:2.9.0", "2.9.0"),
            ("web:2.9.0@sha256:0123456789abcdef", "2.9.0"),
            ("registry.example:5000/web@sha256:0123456789abcdef", "sha256:0123456789ab"),
            ("registry.example:5000/web", "latest"),
            ("", ""),
        ] {
            assert_eq!(short_image(image), short, "{image}");
        }
    }
}
