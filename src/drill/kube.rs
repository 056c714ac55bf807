//! The simulated cluster: an object store with its controllers, and the Kubernetes API on top.
//!
//! Owns: the cluster's state behind one lock (the drill is a world of its own, nobody else waits
//! for it), and the wake-up of whoever watches. Must not: import `connect` (a shared bug would
//! hide), read a clock, or simulate what a service does under load: usage, readiness and log
//! lines come from the world's physics through the methods of [`Cluster`].

mod api;
mod autoscaler;
mod daemonsets;
mod deployments;
mod events;
mod found;
mod gitops;
mod keda;
mod kinds;
mod kubelet;
mod logs;
mod metrics;
mod nodes;
mod pods;
mod replicasets;
mod revisions;
mod rollouts;
mod scheduler;
mod seed;
mod select;
mod state;
mod statefulsets;
mod store;
mod traffic;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use crate::clock::World;

use events::Note;
use kinds::Kind;
use kubelet::Life;
use state::{Denial, State};
use store::Key;

pub use traffic::{Flow, RouteKind, RouteSpec};

/// What a cluster starts with.
#[derive(Clone, Debug, Default)]
pub struct ClusterSpec {
    /// The cluster's name in the kubeconfig, also the context's.
    pub name: String,
    /// Who the API says we are (SelfSubjectReview).
    pub user: String,
    /// Nodes.
    pub nodes: Vec<NodeSpec>,
    /// Workloads, running since before the epoch.
    pub workloads: Vec<WorkloadSpec>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<AutoscalerSpec>,
    /// Argo CD Applications.
    pub applications: Vec<ApplicationSpec>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Allocatable CPU in thousandths of a core.
    pub cpu: u64,
    /// Allocatable memory in bytes.
    pub memory: u64,
    /// Pods it may run.
    pub pods: u32,
}

/// What runs the pods of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet: its pods have numbers and are replaced one after the other.
    StatefulSet,
    /// A DaemonSet: one pod a node, whatever the replicas say.
    DaemonSet,
    /// A Rollout of Argo Rollouts: a canary of these steps.
    Rollout(Vec<CanaryStep>),
}

/// A step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryStep {
    /// The new version's share in per cent.
    SetWeight(u32),
    /// Nothing goes on for so long, or until somebody says so.
    Pause(Option<Duration>),
}

/// One workload.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// What runs its pods.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name; also the value of its pods' `app` label and its container's name.
    pub name: String,
    /// Replicas at the epoch.
    pub replicas: u32,
    /// Its revisions before the epoch, oldest first: image and when it was rolled out.
    pub revisions: Vec<(String, World)>,
    /// CPU request and limit of one pod, thousandths of a core; a limit of 0 is none.
    pub cpu: (u64, u64),
    /// Memory request and limit of one pod, bytes; a limit of 0 is none.
    pub memory: (u64, u64),
    /// Annotations of the object.
    pub annotations: BTreeMap<String, String>,
    /// From being scheduled to being ready.
    pub start_delay: Duration,
}

/// One autoscaler on CPU.
#[derive(Clone, Debug)]
pub struct AutoscalerSpec {
    /// Namespace of the autoscaler and its deployment.
    pub namespace: String,
    /// The deployment's name; also the autoscaler's.
    pub deployment: String,
    /// Fewest replicas.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
    /// Target average CPU in per cent of the request.
    pub cpu_percent: u32,
    /// Whether KEDA makes it, from a ScaledObject of the deployment's name.
    pub keda: bool,
}

/// One Argo CD Application. What its workloads were released as so far is in its repository, and
/// what a pipeline releases from then on is a commit, which Argo CD syncs.
#[derive(Clone, Debug)]
pub struct ApplicationSpec {
    /// Its name, in the namespace `argocd`.
    pub name: String,
    /// The deployments that it manages: namespace and name.
    pub workloads: Vec<(String, String)>,
    /// The repository's URL.
    pub repository: String,
    /// Whether it undoes what somebody changes beside git.
    pub self_heal: bool,
}

/// A pod as the world's physics needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Where it runs; `None` while pending.
    pub node: Option<String>,
    /// Its image.
    pub image: String,
    /// Whether it takes traffic.
    pub ready: bool,
    /// When it was created.
    pub created: World,
}

/// Why a container ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// By the kernel, for its memory: exit code 137, reason `OOMKilled`.
    OutOfMemory,
    /// By itself: exit code 1, reason `Error`.
    Crash,
}

/// A change that came in through the API, for the world's story.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// World time of the tick it was taken in.
    pub at: World,
    /// Such as `patch deployments/scale payments/payments`.
    pub what: String,
}

/// The simulated cluster. Clones are the same cluster.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told at the end of a tick or of a write: the number of times that something was published.
    pulse: watch::Sender<u64>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Cluster").field("name", &state.cluster).field("now", &state.now).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster as of `epoch`, all its workloads available. `seed` decides names and UIDs.
    pub fn new(spec: ClusterSpec, epoch: World, seed: u64) -> Self {
        let state = Mutex::new(found::cluster(&spec, epoch, seed));
        Self(Arc::new(Shared { state, pulse: watch::Sender::new(0) }))
    }

    /// Each change of the state is complete before the next statement, so a panic elsewhere does
    /// not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self) {
        self.0.pulse.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Runs the controllers, the scheduler and the kubelets up to `now`, one second of world
    /// time, and publishes what changed. A pure function of what came before. A longer step is
    /// taken second by second.
    pub fn tick(&self, now: World) {
        self.lock().tick(now);
        self.publish();
    }

    /// Adds a workload that has been running since before now, in a namespace that is there.
    pub fn add(&self, spec: &WorkloadSpec) {
        let mut state = self.lock();
        let now = state.now;
        found::settle(&mut state, spec, now);
        state.now = now;
        drop(state);
        self.publish();
    }

    /// The pods of the workloads of a name that are not terminating, by name.
    pub fn pods(&self, namespace: &str, workload: &str) -> Vec<PodView> {
        self.lock()
            .pods
            .iter()
            .filter(|(key, run)| key.namespace == namespace && run.workload.1 == workload && run.deleted.is_none())
            .map(|(key, run)| PodView {
                name: key.name.clone(),
                node: run.node.clone(),
                image: run.image.clone(),
                ready: run.ready,
                created: run.created,
            })
            .collect()
    }

    /// What metrics.k8s.io says of a pod from now on: thousandths of a core, bytes. Like the
    /// real one it is scraped every 15 s, and only while the container runs.
    pub fn set_usage(&self, namespace: &str, pod: &str, cpu: u64, memory: u64) {
        if let Some(run) = self.lock().pods.get_mut(&Key::new(namespace, pod)) {
            run.usage = Some((cpu, memory));
        }
    }

    /// What the pod's readiness probe says from now on.
    pub fn set_ready(&self, namespace: &str, pod: &str, ready: bool) {
        if let Some(run) = self.lock().pods.get_mut(&Key::new(namespace, pod)) {
            run.probe = ready;
        }
    }

    /// Ends a pod's container; the kubelet restarts it with the usual back-off. A container that
    /// does not run is left alone.
    pub fn kill(&self, namespace: &str, pod: &str, why: Kill) {
        if let Some(run) = self.lock().pods.get_mut(&Key::new(namespace, pod)) {
            run.kill = matches!(run.life, Life::Running { .. }).then_some(why);
        }
    }

    /// Whether a node's kubelet reports it ready, from the next tick on; if not, its condition
    /// says that it is too busy to list its containers. Its pods are not ready then, and are
    /// evicted after 300 s.
    pub fn set_node_ready(&self, node: &str, ready: bool) {
        if let Some(run) = self.lock().nodes.get_mut(node) {
            run.wanted = ready;
        }
    }

    /// Appends a line to a pod's log, at the time of the last tick. Who follows the log is woken
    /// at the end of the next one: a line for each of a thousand requests must not wake anybody.
    pub fn log(&self, namespace: &str, pod: &str, line: &str) {
        let now = self.lock().now;
        self.log_at(namespace, pod, now, line);
    }

    /// As [`Cluster::log`], for a line that was written at `at`, within the second of the last
    /// tick: a kubelet stamps lines with the nanosecond that it read them at.
    pub fn log_at(&self, namespace: &str, pod: &str, at: World, line: &str) {
        if let Some(run) = self.lock().pods.get_mut(&Key::new(namespace, pod)) {
            for line in line.split('\n') {
                run.log.push(at, line);
            }
        }
    }

    /// A warning event about a pod.
    pub fn warn(&self, namespace: &str, pod: &str, reason: &str, message: &str) {
        self.lock().note_container(&Key::new(namespace, pod), true, reason, message);
        self.publish();
    }

    /// A warning event about a node, by its kubelet.
    pub fn warn_node(&self, node: &str, reason: &str, message: &str) {
        let key = Key::new("", node);
        self.lock().note(Note {
            kind: Kind::Node,
            key: &key,
            source: "kubelet",
            host: node,
            warning: true,
            reason,
            message,
            container: "",
        });
        self.publish();
    }

    /// What a pipeline does: a new image in the workload's template. `by` becomes the
    /// `kubernetes.io/change-cause` annotation: readers tell it as the author. Where an Application
    /// manages the workload it is a commit to its repository, and Argo CD's to sync.
    pub fn release(&self, namespace: &str, workload: &str, image: &str, by: &str) {
        let key = Key::new(namespace, workload);
        if self.lock().commit(&key, image, by) {
            return;
        }
        for kind in kinds::WORKLOADS {
            self.lock().store.edit(kind, &key, |object| {
                let old = object.clone();
                let generation = value::int(object, &["metadata", "generation"]).saturating_add(1);
                value::put(object, &["metadata", "generation"], json!(generation));
                value::put(object, &["metadata", "annotations", "kubernetes.io/change-cause"], json!(by));
                found::set_image(object, image);
                if kind == Kind::DaemonSet {
                    daemonsets::count_template(&old, object);
                }
            });
        }
        self.publish();
    }

    /// Changes taken through the API since the last call, in order. What a dry run would have
    /// changed and what changed nothing is not among them.
    pub fn taken(&self) -> Vec<Taken> {
        std::mem::take(&mut self.lock().taken)
    }

    /// From now on the API answers 403 to `verb` (`get`, `list`, `watch`, `patch`, `update`,
    /// `delete`, `create`, or `*`) on `resource` (`pods`, `deployments/scale`, or `*`), and access
    /// reviews say so.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.add_denial(verb, resource, false);
    }

    /// As [`Cluster::deny`], but only for requests that span all namespaces: what a role in
    /// single namespaces gives.
    pub fn deny_across_namespaces(&self, verb: &str, resource: &str) {
        self.add_denial(verb, resource, true);
    }

    fn add_denial(&self, verb: &str, resource: &str, only_across: bool) {
        self.lock().denied.push(Denial { verb: verb.to_owned(), resource: resource.to_owned(), only_across });
    }

    /// Lifts what [`Cluster::deny`] and [`Cluster::deny_across_namespaces`] denied.
    pub fn allow(&self, verb: &str, resource: &str) {
        self.lock().denied.retain(|denial| denial.verb != verb || denial.resource != resource);
    }

    /// Forgets the history of all objects, as a compaction of etcd does: resource versions before
    /// the newest are expired from now on, and running watches that lag behind end with 410.
    pub fn compact(&self) {
        self.lock().store.compact();
    }

    /// The API, to be served on loopback without TLS.
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// A kubeconfig for the API at `url` (`http://127.0.0.1:PORT`).
    pub fn kubeconfig(&self, url: &str) -> String {
        let (cluster, user) = {
            let state = self.lock();
            (json!(state.cluster), json!(state.user))
        };
        // JSON strings are YAML strings: whatever the names hold, they are quoted rightly.
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {cluster}\nclusters:\n- name: {cluster}\n  cluster:\n    \
             server: {url}\ncontexts:\n- name: {cluster}\n  context:\n    cluster: {cluster}\n    user: {user}\n    \
             namespace: default\nusers:\n- name: {user}\n  user:\n    token: drill\npreferences: {{}}\n",
            url = json!(url),
        )
    }
}
