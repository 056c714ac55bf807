//! The ReplicaSet controller: as many pods as a ReplicaSet says.
//!
//! Owns: how many pods of a ReplicaSet there are, and the choice of whom to stop. Must not: know
//! about rollouts.

use serde_json::{Value, json};

use super::events::Note;
use super::kinds::Kind;
use super::kubelet::{Life, PodRun};
use super::pods::Mould;
use super::state::{State, controller};
use super::store::Key;
use super::value::{at, int, put, stamp, text};

impl State {
    /// Makes and stops pods.
    pub(super) fn run_replica_sets(&mut self) {
        for key in self.store.keys(Kind::ReplicaSet) {
            let Some(set) = self.store.get(Kind::ReplicaSet, &key) else { continue };
            let wanted = usize::try_from(int(set, &["spec", "replicas"])).unwrap_or(0);
            let mut live: Vec<Key> = self.live(&key).map(|(pod, _)| pod.clone()).collect();
            for _ in live.len()..wanted {
                if let Some(name) = self.make_pod_of(&key) {
                    self.note_set(&key, "SuccessfulCreate", &format!("Created pod: {name}"));
                }
            }
            if live.len() > wanted {
                live.sort_by_key(|pod| self.pods.get(pod).map(keep_worth));
                for pod in live.iter().take(live.len() - wanted) {
                    self.terminate(pod);
                    self.note_set(&key, "SuccessfulDelete", &format!("Deleted pod: {}", pod.name));
                }
            }
        }
    }

    /// Publishes the status of every ReplicaSet.
    pub(super) fn report_replica_sets(&mut self) {
        for key in self.store.keys(Kind::ReplicaSet) {
            let (mut total, mut ready) = (0_u32, 0_u32);
            for (_, run) in self.live(&key) {
                total += 1;
                ready += u32::from(run.ready);
            }
            let Some(set) = self.store.get(Kind::ReplicaSet, &key) else { continue };
            let generation = int(set, &["metadata", "generation"]);
            let status = at(set, &["status"]);
            let same = int(status, &["replicas"]) == i64::from(total)
                && int(status, &["readyReplicas"]) == i64::from(ready)
                && int(status, &["observedGeneration"]) == generation;
            if !same {
                let status = json!({"replicas": total, "fullyLabeledReplicas": total, "readyReplicas": ready,
                    "availableReplicas": ready, "observedGeneration": generation});
                self.store.edit(Kind::ReplicaSet, &key, |set| put(set, &["status"], status));
            }
        }
    }

    fn live<'a>(&'a self, set: &'a Key) -> impl Iterator<Item = (&'a Key, &'a PodRun)> {
        self.pods
            .iter()
            .filter(move |(key, run)| key.namespace == set.namespace && run.replica_set == set.name)
            .filter(|(_, run)| run.deleted.is_none())
    }

    fn note_set(&mut self, key: &Key, reason: &str, message: &str) {
        self.note(Note {
            kind: Kind::ReplicaSet,
            key,
            source: "replicaset-controller",
            host: "",
            warning: false,
            reason,
            message,
            container: "",
        });
    }

    /// A ReplicaSet of no pods yet, for the template that its owner has. `label`: what tells its pods
    /// from those of the owner's other ReplicaSets.
    pub(super) fn new_set(
        &self,
        owner: &Value,
        (api_version, kind): (&str, &str),
        key: &Key,
        (label, hash): (&str, &str),
        annotations: Value,
    ) -> Value {
        let mut template = at(owner, &["spec", "template"]).clone();
        put(&mut template, &["metadata", "labels", label], json!(hash));
        let mut selector = at(owner, &["spec", "selector"]).clone();
        put(&mut selector, &["matchLabels", label], json!(hash));
        json!({
            "metadata": {
                "name": key.name, "namespace": key.namespace, "generation": 1,
                "uid": self.seed.uid(&["replicaset", &key.namespace, &key.name, &stamp(self.now)]),
                "creationTimestamp": stamp(self.now), "labels": at(&template, &["metadata", "labels"]),
                "annotations": annotations,
                "ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": at(owner, &["metadata", "name"]),
                    "uid": at(owner, &["metadata", "uid"]), "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
            "status": {"replicas": 0, "observedGeneration": 1},
        })
    }

    /// Makes one pod of a ReplicaSet's template; its name.
    pub(super) fn make_pod_of(&mut self, set_key: &Key) -> Option<String> {
        let set = self.store.get(Kind::ReplicaSet, set_key)?;
        let owner = controller(set);
        let kind =
            if owner.is_some_and(|it| text(it, &["kind"]) == "Rollout") { Kind::Rollout } else { Kind::Deployment };
        let mould = Mould {
            owner: (Kind::ReplicaSet, set_key.clone(), text(set, &["metadata", "uid"]).to_owned()),
            workload: (kind, owner.map_or("", |owner| text(owner, &["name"])).to_owned()),
            template: at(set, &["spec", "template"]).clone(),
            name: None,
            node: None,
        };
        Some(self.make_pod(mould))
    }
}

/// How much a pod is worth keeping, least first: without a node, not running, not ready, newest;
/// the order of kube-controller-manager's `ActivePodsWithRanks`.
fn keep_worth(run: &PodRun) -> (bool, bool, bool, std::cmp::Reverse<crate::clock::World>) {
    (run.node.is_some(), matches!(run.life, Life::Running { .. }), run.ready, std::cmp::Reverse(run.created))
}
