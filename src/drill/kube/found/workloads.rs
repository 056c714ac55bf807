//! Workloads as of the epoch: their revisions have been rolled out, their pods run.
//!
//! Owns: what a [`WorkloadSpec`] becomes. Must not: know the rest of the cluster.

use serde_json::{Value, json};

use crate::clock::World;

use super::super::daemonsets::count_template;
use super::super::deployments::REVISION;
use super::super::kinds::Kind;
use super::super::kubelet::Life;
use super::super::state::{State, controller};
use super::super::store::Key;
use super::super::value::{cpu, int, memory, put, seconds, stamp, text};
use super::super::{CanaryStep, WorkloadKind, WorkloadSpec};
use super::{AGE, service, set_image};

/// From a pod's start to the epoch at the least, in seconds: nothing is starting at the epoch.
const SETTLED: u64 = 600;

/// Plays a workload's revisions, each at its time, and lets the last one's pods start.
pub(in crate::drill::kube) fn settle(state: &mut State, spec: &WorkloadSpec, epoch: World) {
    let (kind, key) = (kind_of(spec), Key::new(spec.namespace.clone(), spec.name.clone()));
    state.delays.insert((kind, key.clone()), spec.start_delay);
    let born = epoch - seconds(AGE);
    let fallback = [(format!("registry.example/{}:1.0.0", spec.name), born)];
    let revisions = if spec.revisions.is_empty() { &fallback[..] } else { &spec.revisions[..] };
    for (index, (image, when)) in revisions.iter().enumerate() {
        state.now = *when;
        if index == 0 {
            state.store.put(kind, object(state, spec, image, *when));
            if kind != Kind::DaemonSet {
                service(state, &spec.namespace, &spec.name, 80, "http", Some(&spec.name), *when);
            }
        } else {
            state.store.edit(kind, &key, |it| {
                let old = it.clone();
                set_image(it, image);
                if kind == Kind::DaemonSet {
                    count_template(&old, it);
                }
            });
        }
        revise(state, kind, &key, (index + 1 == revisions.len()).then_some(spec.replicas));
    }
    state.store.edit(kind, &key, |it| put(it, &["metadata", "generation"], json!(revisions.len())));
    let rolled = revisions.last().map_or(born, |(_, when)| *when);
    start_pods(state, kind, &key, rolled.min(epoch - seconds(SETTLED)), spec.start_delay.as_secs());
    state.now = rolled.min(epoch);
    state.report_replica_sets();
    state.run_deployments();
    state.run_rollouts();
    state.run_stateful_sets();
    state.run_daemon_sets();
}

fn kind_of(spec: &WorkloadSpec) -> Kind {
    match spec.kind {
        WorkloadKind::Deployment => Kind::Deployment,
        WorkloadKind::StatefulSet => Kind::StatefulSet,
        WorkloadKind::DaemonSet => Kind::DaemonSet,
        WorkloadKind::Rollout(_) => Kind::Rollout,
    }
}

/// Writes a template down as a revision. Only the last one, that of `replicas`, has pods; the others
/// are what a rollback can choose from.
fn revise(state: &mut State, kind: Kind, key: &Key, replicas: Option<u32>) {
    match kind {
        Kind::Deployment => {
            state.set_replicas(key, i64::from(replicas.unwrap_or(0)));
            state.run_deployments();
            // A rollout of the past is over: older revisions are empty.
            retire(state, key, replicas);
        }
        Kind::Rollout => state.settle_rollout(key, replicas.unwrap_or(0)),
        _ => {
            if let Some(workload) = state.store.get(kind, key).cloned() {
                state.revision_now(kind, &workload);
            }
        }
    }
}

/// Gives all replicas of a deployment to the newest revision.
fn retire(state: &mut State, key: &Key, replicas: Option<u32>) {
    let newest =
        state.store.get(Kind::Deployment, key).map(|it| text(it, &["metadata", "annotations", REVISION]).to_owned());
    for set in sets_of(state, "Deployment", key) {
        state.store.edit(Kind::ReplicaSet, &set, |object| {
            let current = newest.as_deref() == Some(text(object, &["metadata", "annotations", REVISION]));
            let wanted = replicas.filter(|_| current).unwrap_or(0);
            put(object, &["spec", "replicas"], json!(wanted));
        });
    }
}

/// The ReplicaSets of a workload.
fn sets_of(state: &State, kind: &str, of: &Key) -> Vec<Key> {
    let is_it = |owner: &Value| text(owner, &["kind"]) == kind && text(owner, &["name"]) == of.name;
    let owned = |set: &Value| controller(set).is_some_and(is_it);
    let sets = state.store.all(Kind::ReplicaSet);
    sets.filter(|(set, object)| set.namespace == of.namespace && owned(object)).map(|(set, _)| set.clone()).collect()
}

/// Makes the pods of the newest revision as if they had been started one after the other.
fn start_pods(state: &mut State, kind: Kind, key: &Key, rolled: World, delay: u64) {
    let Some(workload) = state.store.get(kind, key).cloned() else { return };
    let mut turn = 0;
    let mut start = |state: &mut State, make: &mut dyn FnMut(&mut State) -> Option<String>| {
        state.now = rolled + seconds(turn * 2);
        turn += 1;
        let Some(name) = make(state) else { return };
        let pod = Key::new(key.namespace.clone(), name);
        state.run_scheduler();
        let started = state.now + seconds(delay / 3);
        let ready = state.now + seconds(delay);
        if let Some(run) = state.pods.get_mut(&pod).filter(|run| run.node.is_some()) {
            run.life = Life::Running { since: started };
            (run.ready, run.ready_changed) = (true, ready);
        }
        state.show(&pod);
    };
    match kind {
        Kind::StatefulSet => {
            let (revision, _) = state.revision_now(kind, &workload);
            for ordinal in 0..int(&workload, &["spec", "replicas"]) {
                start(state, &mut |state| state.add_ordinal(&workload, ordinal, &revision));
            }
        }
        Kind::DaemonSet => {
            let (_, hash) = state.revision_now(kind, &workload);
            for node in state.daemon_nodes(&workload) {
                start(state, &mut |state| Some(state.add_daemon(&workload, &node, &hash)));
            }
        }
        _ => {
            let word = if kind == Kind::Rollout { "Rollout" } else { "Deployment" };
            for set in sets_of(state, word, key) {
                let count = state.store.get(Kind::ReplicaSet, &set).map_or(0, |it| int(it, &["spec", "replicas"]));
                for _ in 0..count {
                    start(state, &mut |state| state.make_pod_of(&set));
                }
            }
        }
    }
}

/// A new workload.
fn object(state: &State, spec: &WorkloadSpec, image: &str, when: World) -> Value {
    let labels = json!({"app": spec.name});
    let (word, more) = match &spec.kind {
        WorkloadKind::Deployment => (
            "deployment",
            json!({
                "replicas": spec.replicas, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            }),
        ),
        WorkloadKind::StatefulSet => (
            "statefulset",
            json!({
                "replicas": spec.replicas, "serviceName": spec.name, "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            }),
        ),
        WorkloadKind::DaemonSet => (
            "daemonset",
            json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}),
        ),
        WorkloadKind::Rollout(steps) => {
            let steps: Vec<Value> = steps.iter().map(step).collect();
            ("rollout", json!({"replicas": spec.replicas, "strategy": {"canary": {"steps": steps}}}))
        }
    };
    let mut out = json!({
        "metadata": {
            "name": spec.name, "namespace": spec.namespace, "generation": 1, "labels": labels,
            "uid": state.seed.uid(&[word, &spec.namespace, &spec.name]),
            "creationTimestamp": stamp(when), "annotations": spec.annotations,
        },
        "spec": {
            "selector": {"matchLabels": labels}, "revisionHistoryLimit": 10, "template": template(spec, image),
        },
        "status": {},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        put(&mut out, &["spec", field], value.clone());
    }
    if spec.kind == WorkloadKind::DaemonSet {
        let old = out.clone();
        count_template(&old, &mut out);
    }
    out
}

fn step(step: &CanaryStep) -> Value {
    match step {
        CanaryStep::SetWeight(weight) => json!({ "setWeight": weight }),
        CanaryStep::Pause(None) => json!({"pause": {}}),
        CanaryStep::Pause(Some(long)) => json!({"pause": {"duration": format!("{}s", long.as_secs())}}),
    }
}

fn template(spec: &WorkloadSpec, image: &str) -> Value {
    let mut requests = json!({"cpu": cpu(spec.cpu.0), "memory": memory(spec.memory.0)});
    let mut limits = json!({});
    if spec.cpu.1 > 0 {
        put(&mut limits, &["cpu"], json!(cpu(spec.cpu.1)));
    }
    if spec.memory.1 > 0 {
        put(&mut limits, &["memory"], json!(memory(spec.memory.1)));
    }
    if spec.cpu.0 == 0 && spec.memory.0 == 0 {
        requests = json!({});
    }
    json!({
        "metadata": {"labels": {"app": spec.name}},
        "spec": {
            "containers": [{
                "name": spec.name, "image": image, "imagePullPolicy": "IfNotPresent",
                "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"},
                    "periodSeconds": 1, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 1},
                "resources": {"requests": requests, "limits": limits},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler", "securityContext": {},
        },
    })
}
