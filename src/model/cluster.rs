//! What is known of a Kubernetes cluster: small records, not the API's own objects.

use std::collections::BTreeMap;

use crate::clock::World;
use crate::text::Safe;

use super::name::{ObjectPath, Uid, WorkloadKey};

/// CPU in thousandths of a core.
pub type MilliCores = u64;
/// Memory in bytes.
pub type Bytes = u64;

/// One pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Namespace and name.
    pub path: ObjectPath,
    /// Its identity.
    pub uid: Uid,
    /// The workload that owns it; a ReplicaSet's owner is resolved to its Deployment.
    pub owner: Option<WorkloadKey>,
    /// The ReplicaSet or ControllerRevision hash it was made from, if any.
    pub revision: Option<Safe>,
    /// Where it runs.
    pub node: Option<Safe>,
    /// The status word that `kubectl get pods` prints: `Running`, `CrashLoopBackOff`, `Pending`.
    pub status: Safe,
    /// Containers that are ready.
    pub ready: u16,
    /// Containers in all.
    pub containers: u16,
    /// Restarts of all containers.
    pub restarts: u32,
    /// Whether the Ready condition is true.
    pub is_ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// When it was created.
    pub created: World,
    /// Why a container last ended, such as `OOMKilled`, with the time.
    pub last_end: Option<(Safe, World)>,
    /// What the scheduler or a waiting container says, for people.
    pub message: Option<Safe>,
    /// Sum of the containers' CPU requests; 0 means none set.
    pub cpu_request: MilliCores,
    /// Sum of the containers' CPU limits; 0 if any has none.
    pub cpu_limit: MilliCores,
    /// Sum of the containers' memory requests; 0 means none set.
    pub memory_request: Bytes,
    /// Sum of the containers' memory limits; 0 if any has none.
    pub memory_limit: Bytes,
    /// The first container's image tag or digest, short.
    pub image: Safe,
}

/// A pod by name, before the pod itself was read: what `kubectl get pods` prints of it, and no
/// more. Which workload it belongs to is not known, nor what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPod {
    /// Its namespace. A list of the whole cluster names pods without it.
    pub namespace: Option<Safe>,
    /// Its name.
    pub name: Safe,
    /// Containers that are ready, and containers in all.
    pub ready: Option<(u16, u16)>,
    /// The status word.
    pub status: Safe,
    /// Restarts of all containers.
    pub restarts: Option<u32>,
    /// How old it is, as the cluster writes it: `5d3h`.
    pub age: Safe,
    /// Where it runs.
    pub node: Option<Safe>,
}

impl NamedPod {
    /// Whether the words are those of a pod that runs with all its containers, or is done. It may
    /// be in trouble all the same: names tell little.
    pub fn looks_well(&self) -> bool {
        match self.status.as_str() {
            "Running" => self.ready.is_none_or(|(ready, all)| ready >= all),
            "Completed" | "Succeeded" => true,
            _ => false,
        }
    }
}

/// CPU and memory of one pod or node, as measured over a short window.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// A pod's place, or a node's name without a namespace.
    pub of: ObjectPath,
    /// The end of the window.
    pub at: World,
    /// CPU over the window.
    pub cpu: MilliCores,
    /// Memory at its end.
    pub memory: Bytes,
}

/// A Deployment, StatefulSet or DaemonSet.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Kind and place.
    pub key: WorkloadKey,
    /// Its identity.
    pub uid: Uid,
    /// Replicas wanted.
    pub desired: u32,
    /// Replicas of the newest template.
    pub updated: u32,
    /// Replicas that are ready.
    pub ready: u32,
    /// Replicas that exist.
    pub total: u32,
    /// The revision that is rolled out, by the `deployment.kubernetes.io/revision` annotation.
    pub revision: Option<Safe>,
    /// Images of its containers, by container name.
    pub images: BTreeMap<Safe, Safe>,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// Whether a rollout is paused.
    pub paused: bool,
    /// What a failing condition says, such as `ProgressDeadlineExceeded`.
    pub trouble: Option<Safe>,
    /// Labels of the pods it selects (`matchLabels` only).
    pub selector: BTreeMap<Safe, Safe>,
    /// Who keeps it as it is: Argo CD, Flux, Helm; with the object's name.
    pub managed_by: Option<Safe>,
    /// CPU request of one pod of its template.
    pub cpu_request: MilliCores,
    /// Memory request of one pod of its template.
    pub memory_request: Bytes,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: Safe,
    /// The Ready condition.
    pub ready: bool,
    /// Pressure conditions that are true, such as `MemoryPressure`.
    pub pressures: Vec<Safe>,
    /// Whether it takes no new pods.
    pub unschedulable: bool,
    /// `topology.kubernetes.io/zone`.
    pub zone: Option<Safe>,
    /// CPU that pods may ask for.
    pub cpu: MilliCores,
    /// Memory that pods may ask for.
    pub memory: Bytes,
    /// Pods that it may run.
    pub pods: u32,
}

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaler {
    /// Its place.
    pub path: ObjectPath,
    /// What it scales.
    pub target: WorkloadKey,
    /// `spec.minReplicas`, 1 if not set.
    pub min: u32,
    /// `spec.maxReplicas`.
    pub max: u32,
    /// `status.desiredReplicas`.
    pub desired: u32,
}

/// A warning event.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterEvent {
    /// The event object's UID: the same event counted up keeps it.
    pub uid: Uid,
    /// Kind of the object that it is about, as Kubernetes writes it.
    pub kind: Safe,
    /// The object that it is about.
    pub about: ObjectPath,
    /// Such as `FailedScheduling`.
    pub reason: Safe,
    /// For people.
    pub message: Safe,
    /// How often it was seen.
    pub count: u32,
    /// When it was first seen.
    pub first: World,
    /// When it was last seen.
    pub last: World,
}
