//! The cluster as of the epoch: everything has been running for a while.
//!
//! Owns: the objects that a specification becomes. Must not: run anything after the epoch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::clock::World;

use super::deployments::REVISION;
use super::events::EventBook;
use super::gitops::{self, AppRun, Commit};
use super::kinds::Kind;
use super::kubelet::Life;
use super::metrics::Measured;
use super::nodes::{self, NodeRun};
use super::seed::Seed;
use super::state::State;
use super::store::{Key, Store};
use super::value::{at, cpu, list, memory, put, seconds, stamp, text};
use super::{ApplicationSpec, AutoscalerSpec, ClusterSpec, DeploymentSpec};

/// How old a cluster is whose deployments do not say how old they are, in seconds.
const AGE: u64 = 90 * 86_400;
/// From a pod's start to the epoch at the least, in seconds: nothing is starting at the epoch.
const SETTLED: u64 = 600;

pub(super) fn cluster(spec: &ClusterSpec, epoch: World, seed: u64) -> State {
    let dice = Seed(seed);
    let born = epoch - seconds(AGE);
    let mut state = State {
        cluster: spec.name.clone(),
        user: spec.user.clone(),
        now: epoch,
        seed: dice,
        // A cluster that has lived has counted a long way.
        store: Store::new(4_000_000 + dice.below(2_000_000, &["version"])),
        pods: BTreeMap::new(),
        nodes: BTreeMap::new(),
        scalers: BTreeMap::new(),
        apps: BTreeMap::new(),
        delays: BTreeMap::new(),
        made: BTreeMap::new(),
        deployments_seen: (0, 0),
        endpoints_seen: (0, 0),
        events: EventBook::default(),
        measured: Measured::default(),
        denied: Vec::new(),
        taken: Vec::new(),
    };
    let namespaces: BTreeSet<&str> = ["default", "kube-node-lease", "kube-public", "kube-system"]
        .into_iter()
        .chain(spec.deployments.iter().map(|it| it.namespace.as_str()))
        .chain((!spec.applications.is_empty()).then_some(gitops::NAMESPACE))
        .collect();
    for name in namespaces {
        state.store.put(
            Kind::Namespace,
            json!({
                "metadata": {"name": name, "uid": dice.uid(&["namespace", name]), "creationTimestamp": stamp(born),
                    "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            }),
        );
    }
    for (index, node) in spec.nodes.iter().enumerate() {
        let run = NodeRun::new(node, born);
        state.store.put(Kind::Node, nodes::object(dice, node, &run, index));
        state.nodes.insert(node.name.clone(), run);
    }
    service(&mut state, "default", "kubernetes", 443, "https", None, born);
    for deployment in &spec.deployments {
        settle(&mut state, deployment, epoch, born);
    }
    for scaler in &spec.autoscalers {
        autoscaler(&mut state, scaler, epoch);
    }
    for app in &spec.applications {
        application(&mut state, app, spec, born);
    }
    state.run_keda();
    // What was told while the past was played is older than the hour that events are kept.
    state.now = epoch;
    for key in state.store.keys(Kind::Event) {
        state.store.remove(Kind::Event, &key);
    }
    state.events = EventBook::default();
    state.taken.clear();
    state.measure();
    state.run_endpoints();
    state.store.compact();
    state
}

/// Plays a deployment's revisions, each at its time, and lets the last one's pods start.
fn settle(state: &mut State, spec: &DeploymentSpec, epoch: World, born: World) {
    let key = Key::new(spec.namespace.clone(), spec.name.clone());
    state.delays.insert(key.clone(), spec.start_delay);
    let fallback = [(format!("registry.example/{}:1.0.0", spec.name), born)];
    let revisions = if spec.revisions.is_empty() { &fallback[..] } else { &spec.revisions[..] };
    let first = revisions.first().map_or(born, |(_, when)| *when);
    for (index, (image, when)) in revisions.iter().enumerate() {
        let last = index + 1 == revisions.len();
        state.now = *when;
        if index == 0 {
            state.store.put(Kind::Deployment, deployment(state, spec, image, first));
            service(state, &spec.namespace, &spec.name, 80, "http", Some(&spec.name), first);
        } else {
            state.store.edit(Kind::Deployment, &key, |it| {
                let generation = at(it, &["metadata", "generation"]).as_i64().unwrap_or(1);
                put(it, &["metadata", "generation"], json!(generation + 1));
                set_image(it, image);
            });
        }
        // Only the last revision has pods; the others are what a rollback can choose from.
        let replicas = if last { spec.replicas } else { 0 };
        state.set_replicas(&key, i64::from(replicas));
        state.run_deployments();
        // A rollout of the past is over: older revisions are empty.
        retire(state, &key, last.then_some(replicas));
    }
    state.store.edit(Kind::Deployment, &key, |it| put(it, &["metadata", "generation"], json!(revisions.len())));
    let rolled = revisions.last().map_or(born, |(_, when)| *when);
    start_pods(state, &key, rolled.min(epoch - seconds(SETTLED)), spec.start_delay.as_secs());
    state.now = rolled.min(epoch);
    state.report_replica_sets();
    state.run_deployments();
}

/// Gives all replicas to the newest revision.
fn retire(state: &mut State, key: &Key, replicas: Option<u32>) {
    let newest =
        state.store.get(Kind::Deployment, key).map(|it| text(it, &["metadata", "annotations", REVISION]).to_owned());
    let sets: Vec<Key> =
        state.store.keys(Kind::ReplicaSet).into_iter().filter(|set| set.namespace == key.namespace).collect();
    for set in sets {
        state.store.edit(Kind::ReplicaSet, &set, |object| {
            let mine = text(at(object, &["metadata", "ownerReferences"]).get(0).unwrap_or(&Value::Null), &["name"])
                == key.name;
            if mine {
                let current = newest.as_deref() == Some(text(object, &["metadata", "annotations", REVISION]));
                let wanted = replicas.filter(|_| current).unwrap_or(0);
                put(object, &["spec", "replicas"], json!(wanted));
            }
        });
    }
}

/// Makes the pods of the newest revision as if they had been started one after the other.
fn start_pods(state: &mut State, key: &Key, rolled: World, delay: u64) {
    let wanted: Vec<(Key, i64)> = state
        .store
        .all(Kind::ReplicaSet)
        .filter(|(set, _)| set.namespace == key.namespace)
        .filter(|(_, set)| {
            text(at(set, &["metadata", "ownerReferences"]).get(0).unwrap_or(&Value::Null), &["name"]) == key.name
        })
        .map(|(set, object)| (set.clone(), at(object, &["spec", "replicas"]).as_i64().unwrap_or(0)))
        .collect();
    let mut turn = 0;
    for (set, count) in wanted {
        for _ in 0..count {
            state.now = rolled + seconds(turn * 2);
            turn += 1;
            let Some(name) = state.make_pod(&set) else { continue };
            let pod = Key::new(set.namespace.clone(), name);
            state.run_scheduler();
            let started = state.now + seconds(delay / 3);
            let ready = state.now + seconds(delay);
            if let Some(run) = state.pods.get_mut(&pod).filter(|run| run.node.is_some()) {
                run.life = Life::Running { since: started };
                (run.ready, run.ready_changed) = (true, ready);
            }
            state.show(&pod);
        }
    }
}

fn deployment(state: &State, spec: &DeploymentSpec, image: &str, when: World) -> Value {
    let labels = json!({"app": spec.name});
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
    let mut annotations = json!(spec.annotations);
    if annotations.as_object().is_none_or(serde_json::Map::is_empty) {
        annotations = json!({});
    }
    json!({
        "metadata": {
            "name": spec.name, "namespace": spec.namespace, "generation": 1, "labels": labels,
            "uid": state.seed.uid(&["deployment", &spec.namespace, &spec.name]),
            "creationTimestamp": stamp(when), "annotations": annotations,
        },
        "spec": {
            "replicas": spec.replicas, "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "template": {
                "metadata": {"labels": labels},
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
            },
        },
        "status": {},
    })
}

/// Puts an image into the first container of a deployment's template.
pub(super) fn set_image(deployment: &mut Value, image: &str) {
    let mut containers = list(deployment, &["spec", "template", "spec", "containers"]).to_vec();
    if let Some(first) = containers.first_mut() {
        put(first, &["image"], json!(image));
    }
    put(deployment, &["spec", "template", "spec", "containers"], Value::Array(containers));
}

fn service(state: &mut State, namespace: &str, name: &str, port: u16, port_name: &str, app: Option<&str>, when: World) {
    let place = state.seed.below(250 * 250, &["service", namespace, name]);
    let ip = if app.is_some() { format!("10.96.{}.{}", place / 250, 2 + place % 250) } else { "10.96.0.1".to_owned() };
    let target = if app.is_some() { 8080 } else { 6443 };
    let mut service = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": state.seed.uid(&["service", namespace, name]),
            "creationTimestamp": stamp(when), "labels": {"app": app.unwrap_or("kubernetes")}},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "sessionAffinity": "None",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
            "ports": [{"name": port_name, "port": port, "protocol": "TCP", "targetPort": target}]},
        "status": {"loadBalancer": {}},
    });
    if let Some(app) = app {
        put(&mut service, &["spec", "selector"], json!({"app": app}));
    }
    state.store.put(Kind::Service, service);
}

/// An Application whose repository tells of all releases of its workloads so far.
fn application(state: &mut State, spec: &ApplicationSpec, cluster: &ClusterSpec, born: World) {
    let key = Key::new(gitops::NAMESPACE, spec.name.clone());
    let managed: Vec<&DeploymentSpec> = cluster
        .deployments
        .iter()
        .filter(|it| spec.workloads.iter().any(|(namespace, name)| (namespace, name) == (&it.namespace, &it.name)))
        .collect();
    let mut releases: Vec<(World, &DeploymentSpec, &str)> =
        managed.iter().flat_map(|it| it.revisions.iter().map(|(image, when)| (*when, *it, image.as_str()))).collect();
    releases.sort_by_key(|(when, ..)| *when);
    let mut run = AppRun::default();
    let mut manifests = BTreeMap::new();
    for (number, (when, deployment, image)) in releases.into_iter().enumerate() {
        let scaled = cluster
            .autoscalers
            .iter()
            .any(|it| (&it.namespace, &it.deployment) == (&deployment.namespace, &deployment.name));
        let place = Key::new(deployment.namespace.clone(), deployment.name.clone());
        let Some(live) = state.store.get(Kind::Deployment, &place) else { continue };
        manifests.insert(place, manifest(live, image, scaled));
        let revision = gitops::revision(state.seed, &spec.name, number, image);
        run.commits.push(Commit { revision, at: when, manifests: manifests.clone() });
    }
    for (place, manifest) in &manifests {
        let tracking = format!("{}:apps/Deployment:{}/{}", spec.name, place.namespace, place.name);
        state.store.edit(Kind::Deployment, place, |it| {
            put(it, &["metadata", "annotations", gitops::TRACKING], json!(tracking));
            put(it, &["metadata", "annotations", gitops::APPLIED], json!(manifest.to_string()));
        });
    }
    run.synced = run.commits.last().map(|last| last.revision.clone()).unwrap_or_default();
    let namespace = managed.first().map_or("default", |it| it.namespace.as_str());
    let source = json!({"repoURL": spec.repository, "path": spec.name, "targetRevision": "HEAD"});
    let mut app = json!({
        "metadata": {"name": key.name, "namespace": key.namespace, "generation": 1,
            "uid": state.seed.uid(&["application", &key.name]), "creationTimestamp": stamp(born)},
        "spec": {
            "project": "default", "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": spec.self_heal}},
        },
        "status": {"sourceType": "Directory"},
    });
    for commit in &run.commits {
        let when = stamp(commit.at);
        let entry = json!({"revision": commit.revision, "deployStartedAt": when, "deployedAt": when,
            "initiatedBy": {"automated": true}, "source": source});
        gitops::remember(&mut app, entry);
    }
    state.store.put(Kind::Application, app);
    state.apps.insert(key, run);
    state.run_gitops();
}

/// What git holds of a deployment. Its replicas are left to an autoscaler, if it has one.
fn manifest(live: &Value, image: &str, scaled: bool) -> Value {
    let meta = at(live, &["metadata"]);
    let mut out = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "labels": meta["labels"]},
        "spec": {"selector": at(live, &["spec", "selector"]), "template": at(live, &["spec", "template"])},
    });
    if !scaled {
        put(&mut out, &["spec", "replicas"], at(live, &["spec", "replicas"]).clone());
    }
    set_image(&mut out, image);
    out
}

fn autoscaler(state: &mut State, spec: &AutoscalerSpec, epoch: World) {
    let target = Key::new(spec.namespace.clone(), spec.deployment.clone());
    if spec.keda {
        scaled_object(state, spec, epoch);
        return;
    }
    let found = state.store.get(Kind::Deployment, &target);
    let when = found.map_or_else(|| stamp(epoch), |it| text(it, &["metadata", "creationTimestamp"]).to_owned());
    let replicas = found.map_or(0, |it| at(it, &["spec", "replicas"]).as_i64().unwrap_or(0));
    let identity = state.seed.uid(&["autoscaler", &spec.namespace, &spec.deployment]);
    state.store.put(
        Kind::Autoscaler,
        json!({
            "metadata": {"name": spec.deployment, "namespace": spec.namespace, "uid": identity,
                "creationTimestamp": when, "generation": 1},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec.deployment},
                "minReplicas": spec.min, "maxReplicas": spec.max,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": spec.cpu_percent}}}],
            },
            "status": {"currentReplicas": replicas, "desiredReplicas": replicas, "observedGeneration": 1},
        }),
    );
    state.scalers.insert(target, super::autoscaler::ScalerRun::default());
}

/// What KEDA makes an autoscaler from.
fn scaled_object(state: &mut State, spec: &AutoscalerSpec, epoch: World) {
    let identity = state.seed.uid(&["scaledobject", &spec.namespace, &spec.deployment]);
    state.store.put(
        Kind::ScaledObject,
        json!({
            "metadata": {"name": spec.deployment, "namespace": spec.namespace, "uid": identity,
                "creationTimestamp": stamp(epoch), "generation": 1},
            "spec": {
                "scaleTargetRef": {"name": spec.deployment},
                "minReplicaCount": spec.min, "maxReplicaCount": spec.max,
                "triggers": [{"type": "cpu", "metricType": "Utilization",
                    "metadata": {"value": spec.cpu_percent.to_string()}}],
            },
            "status": {},
        }),
    );
}
