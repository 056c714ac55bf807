//! The cluster as of the epoch: everything has been running for a while.
//!
//! Owns: the objects that a specification becomes. Must not: run anything after the epoch.

mod workloads;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::clock::World;

use super::events::EventBook;
use super::gitops::{self, AppRun, Commit};
use super::kinds::Kind;
use super::metrics::Measured;
use super::nodes::{self, NodeRun};
use super::seed::Seed;
use super::state::State;
use super::store::{Key, Store};
use super::value::{at, list, put, seconds, stamp, text};
use super::{ApplicationSpec, AutoscalerSpec, ClusterSpec, WorkloadSpec};
pub(super) use workloads::settle;

/// How old a cluster is whose deployments do not say how old they are, in seconds.
const AGE: u64 = 90 * 86_400;

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
        rollouts_seen: [0; 2],
        stateful_sets_seen: (0, 0, 0),
        daemon_sets_seen: [0; 4],
        endpoints_seen: (0, 0),
        events: EventBook::default(),
        measured: Measured::default(),
        denied: Vec::new(),
        taken: Vec::new(),
    };
    let namespaces: BTreeSet<&str> = ["default", "kube-node-lease", "kube-public", "kube-system"]
        .into_iter()
        .chain(spec.workloads.iter().map(|it| it.namespace.as_str()))
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
    for workload in &spec.workloads {
        settle(&mut state, workload, epoch);
    }
    for scaler in &spec.autoscalers {
        autoscaler(&mut state, scaler, epoch);
    }
    if !spec.applications.is_empty() {
        state.store.put(Kind::AppProject, project(dice, born));
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

/// Puts an image into the first container of a workload's template.
pub(super) fn set_image(workload: &mut Value, image: &str) {
    let mut containers = list(workload, &["spec", "template", "spec", "containers"]).to_vec();
    if let Some(first) = containers.first_mut() {
        put(first, &["image"], json!(image));
    }
    put(workload, &["spec", "template", "spec", "containers"], Value::Array(containers));
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

/// The project that every Argo CD comes with: it lets everything through at all times.
fn project(dice: Seed, born: World) -> Value {
    let any = json!([{"group": "*", "kind": "*"}]);
    json!({
        "metadata": {"name": gitops::PROJECT, "namespace": gitops::NAMESPACE, "generation": 1,
            "uid": dice.uid(&["project", gitops::PROJECT]), "creationTimestamp": stamp(born)},
        "spec": {"sourceRepos": ["*"], "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": any},
        "status": {},
    })
}

/// An Application whose repository tells of all releases of its workloads so far.
fn application(state: &mut State, spec: &ApplicationSpec, cluster: &ClusterSpec, born: World) {
    let key = Key::new(gitops::NAMESPACE, spec.name.clone());
    let managed: Vec<&WorkloadSpec> = cluster
        .workloads
        .iter()
        .filter(|it| spec.workloads.iter().any(|(namespace, name)| (namespace, name) == (&it.namespace, &it.name)))
        .collect();
    let mut releases: Vec<(World, &WorkloadSpec, &str)> =
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
            "project": gitops::PROJECT, "source": source,
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
