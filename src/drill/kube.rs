//! The simulated cluster: an object store with its controllers, and the Kubernetes API on top.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::World;

/// What a cluster starts with.
#[derive(Clone, Debug, Default)]
pub struct ClusterSpec {
    /// The cluster's name in the kubeconfig, also the context's.
    pub name: String,
    /// Who the API says we are (SelfSubjectReview).
    pub user: String,
    /// Nodes.
    pub nodes: Vec<NodeSpec>,
    /// Deployments, running since before the epoch.
    pub deployments: Vec<DeploymentSpec>,
    /// HorizontalPodAutoscalers.
    pub autoscalers: Vec<AutoscalerSpec>,
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

/// One deployment.
#[derive(Clone, Debug)]
pub struct DeploymentSpec {
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
    /// Annotations of the Deployment.
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
#[derive(Clone, Debug)]
pub struct Cluster {}

impl Cluster {
    /// A cluster as of `epoch`, all its deployments available. `seed` decides names and UIDs.
    pub fn new(_spec: ClusterSpec, _epoch: World, _seed: u64) -> Self {
        Self {}
    }

    /// Runs the controllers, the scheduler and the kubelets up to `now`, one second of world
    /// time, and publishes what changed. A pure function of what came before.
    pub fn tick(&self, _now: World) {}

    /// The pods of a deployment that are not terminating, by name.
    pub fn pods(&self, _namespace: &str, _deployment: &str) -> Vec<PodView> {
        Vec::new()
    }

    /// What metrics.k8s.io says of a pod from now on: thousandths of a core, bytes.
    pub fn set_usage(&self, _namespace: &str, _pod: &str, _cpu: u64, _memory: u64) {}

    /// What the pod's readiness probe says from now on.
    pub fn set_ready(&self, _namespace: &str, _pod: &str, _ready: bool) {}

    /// Ends a pod's container; the kubelet restarts it with the usual back-off.
    pub fn kill(&self, _namespace: &str, _pod: &str, _why: Kill) {}

    /// Whether a node's kubelet reports it ready, and under CPU pressure in words.
    pub fn set_node_ready(&self, _node: &str, _ready: bool) {}

    /// Appends a line to a pod's log, at the time of the last tick.
    pub fn log(&self, _namespace: &str, _pod: &str, _line: &str) {}

    /// A warning event about a pod.
    pub fn warn(&self, _namespace: &str, _pod: &str, _reason: &str, _message: &str) {}

    /// What a pipeline does: a new image in the deployment's template. `by` becomes the
    /// `kubernetes.io/change-cause` annotation's author.
    pub fn release(&self, _namespace: &str, _deployment: &str, _image: &str, _by: &str) {}

    /// Changes taken through the API since the last call, in order.
    pub fn taken(&self) -> Vec<Taken> {
        Vec::new()
    }

    /// The API, to be served on loopback without TLS.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }

    /// A kubeconfig for the API at `url` (`http://127.0.0.1:PORT`).
    pub fn kubeconfig(&self, _url: &str) -> String {
        String::new()
    }
}
