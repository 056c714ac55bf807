//! The cluster's whole state, and the order in which a second of world time passes.
//!
//! Owns: who runs when. Everything here is a function of the seed, the tick and the ordered
//! calls. Must not: do I/O or read a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::clock::World;

use super::Taken;
use super::autoscaler::ScalerRun;
use super::events::EventBook;
use super::gitops::AppRun;
use super::kinds::Kind;
use super::kubelet::PodRun;
use super::metrics::Measured;
use super::nodes::NodeRun;
use super::seed::Seed;
use super::store::{Key, Store};
use super::value::{at, text};

/// Kubernetes' default period of the autoscaler and of metrics-server's scrapes, in seconds.
pub(super) const SYNC: i64 = 15;

/// Something the caller may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) verb: String,
    /// Such as `deployments/scale`.
    pub(super) resource: String,
    /// Only what spans all namespaces is denied.
    pub(super) only_across: bool,
}

/// Everything behind the cluster's one lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) now: World,
    pub(super) seed: Seed,
    pub(super) store: Store,
    pub(super) pods: BTreeMap<Key, PodRun>,
    pub(super) nodes: BTreeMap<String, NodeRun>,
    pub(super) scalers: BTreeMap<Key, ScalerRun>,
    pub(super) apps: BTreeMap<Key, AppRun>,
    /// From being scheduled to being ready, by workload.
    pub(super) delays: BTreeMap<(Kind, Key), Duration>,
    /// Pods ever made, by what controls them: the next one's name comes from it.
    pub(super) made: BTreeMap<(Kind, Key), u64>,
    /// Up to which versions of Deployments and ReplicaSets the controller has looked.
    pub(super) deployments_seen: (u64, u64),
    /// Up to which versions of Rollouts and ReplicaSets.
    pub(super) rollouts_seen: [u64; 2],
    /// Up to which versions of StatefulSets, Pods and ControllerRevisions.
    pub(super) stateful_sets_seen: (u64, u64, u64),
    /// Up to which versions of DaemonSets, Pods, ControllerRevisions and Nodes.
    pub(super) daemon_sets_seen: [u64; 4],
    /// Up to which versions of Pods and Services the EndpointSlices are made.
    pub(super) endpoints_seen: (u64, u64),
    pub(super) events: EventBook,
    pub(super) measured: Measured,
    pub(super) denied: Vec<Denial>,
    pub(super) taken: Vec<Taken>,
}

impl State {
    /// Runs every second after the last one up to `now`, and what is left of one.
    pub(super) fn tick(&mut self, now: World) {
        while self.now < now {
            self.now = now.min(self.now + chrono::TimeDelta::seconds(1));
            self.second();
        }
    }

    /// Status flows up (pods, ReplicaSets, Deployments), then intent flows down (autoscaler, git,
    /// workloads, ReplicaSets, scheduler): what one second decides, the next one sees.
    fn second(&mut self) {
        self.run_nodes();
        self.run_kubelets();
        if self.now.timestamp() % SYNC == 0 {
            self.measure();
            self.run_autoscalers();
        }
        self.report_replica_sets();
        self.run_keda();
        self.run_gitops();
        self.run_deployments();
        self.run_rollouts();
        self.run_replica_sets();
        self.run_stateful_sets();
        self.run_daemon_sets();
        self.run_scheduler();
        self.run_routes();
        self.run_endpoints();
        if self.now.timestamp() % 60 == 0 {
            self.forget_old_events();
        }
    }

    /// The pods of a workload that are not terminating.
    pub(super) fn pods_of<'a>(&'a self, kind: Kind, of: &'a Key) -> impl Iterator<Item = (&'a Key, &'a PodRun)> {
        self.all_pods_of(kind, of).filter(|(_, run)| run.deleted.is_none())
    }

    /// The pods of a workload, those that are terminating too.
    pub(super) fn all_pods_of<'a>(&'a self, kind: Kind, of: &'a Key) -> impl Iterator<Item = (&'a Key, &'a PodRun)> {
        self.pods.iter().filter(move |(key, run)| {
            key.namespace == of.namespace && run.workload.0 == kind && run.workload.1 == of.name
        })
    }

    /// Objects of a kind in a namespace, with the name of the owner of kind `owner` they have.
    pub(super) fn owned_by(&self, kind: Kind, owner: &Key, uid: &str) -> Vec<Key> {
        self.store
            .all(kind)
            .filter(|(key, object)| {
                key.namespace == owner.namespace && controller(object).is_some_and(|it| text(it, &["uid"]) == uid)
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Whether the caller may not do `verb` on `resource` (with its subresource).
    pub(super) fn is_denied(&self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        self.denied.iter().any(|denial| {
            (denial.verb == "*" || denial.verb == verb)
                && (denial.resource == "*" || denial.resource == resource)
                && (!denial.only_across || namespace.is_none_or(str::is_empty))
        })
    }
}

/// The owner reference that controls an object.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    at(object, &["metadata", "ownerReferences"])
        .as_array()?
        .iter()
        .find(|owner| at(owner, &["controller"]).as_bool() == Some(true))
}
