//! The ReplicaSet controller: as many pods as a ReplicaSet says.
//!
//! Owns: making pods from a template, and the choice of whom to stop. Must not: know about
//! rollouts.

use serde_json::{Value, json};

use super::events::Note;
use super::kinds::Kind;
use super::kubelet::{Life, PodRun};
use super::logs::Log;
use super::state::{State, controller};
use super::store::Key;
use super::value::{at, int, put, resources_milli, stamp, text};

/// From being scheduled to being ready if nobody said, in seconds.
const START_DELAY: u64 = 5;

impl State {
    /// Makes and stops pods.
    pub(super) fn run_replica_sets(&mut self) {
        for key in self.store.keys(Kind::ReplicaSet) {
            let Some(set) = self.store.get(Kind::ReplicaSet, &key) else { continue };
            let wanted = usize::try_from(int(set, &["spec", "replicas"])).unwrap_or(0);
            let mut live: Vec<Key> = self.live(&key).map(|(pod, _)| pod.clone()).collect();
            for _ in live.len()..wanted {
                if let Some(name) = self.make_pod(&key) {
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

    /// Makes one pod of a ReplicaSet's template; its name.
    pub(super) fn make_pod(&mut self, set_key: &Key) -> Option<String> {
        let set = self.store.get(Kind::ReplicaSet, set_key)?;
        let uid_of_set = text(set, &["metadata", "uid"]).to_owned();
        let template = at(set, &["spec", "template"]);
        let deployment = controller(set).map_or("", |owner| text(owner, &["name"])).to_owned();
        let labels = at(template, &["metadata", "labels"]).clone();
        let annotations = at(template, &["metadata", "annotations"]).clone();
        let mut spec = at(template, &["spec"]).clone();
        let made = self.made.entry(set_key.clone()).or_default();
        // A name that is taken gives way to the next one, as a name that the API refuses does.
        let name = loop {
            *made += 1;
            let suffix = self.seed.suffix(&["pod", &set_key.namespace, &set_key.name, &made.to_string()]);
            let name = format!("{}-{suffix}", set_key.name);
            if !self.pods.contains_key(&Key::new(set_key.namespace.clone(), name.clone())) {
                break name;
            }
        };
        let uid = self.seed.uid(&["pod", &set_key.namespace, &name, &made.to_string()]);
        let container = at(&spec, &["containers"]).get(0).cloned().unwrap_or(Value::Null);
        let delay = self.delays.get(&Key::new(set_key.namespace.clone(), deployment.clone()));
        let delay = delay.map_or(START_DELAY, std::time::Duration::as_secs);
        let run = PodRun {
            uid: uid.clone(),
            deployment,
            replica_set: set_key.name.clone(),
            container: text(&container, &["name"]).to_owned(),
            image: text(&container, &["image"]).to_owned(),
            created: self.now,
            cpu: resources_milli(&spec, "requests", "cpu"),
            memory: resources_milli(&spec, "requests", "memory") / 1000,
            delays: (delay / 3, delay - delay / 3),
            node: None,
            scheduled: None,
            unfit: None,
            life: Life::Unscheduled,
            restarts: 0,
            back_off: 0,
            last: None,
            probe: true,
            probe_told: None,
            kill: None,
            usage: None,
            ready: false,
            ready_changed: self.now,
            deleted: None,
            log: Log::default(),
            previous: None,
        };
        let toleration =
            |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        put(
            &mut spec,
            &["tolerations"],
            json!([toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")]),
        );
        put(&mut spec, &["serviceAccountName"], json!("default"));
        put(&mut spec, &["enableServiceLinks"], json!(true));
        put(&mut spec, &["priority"], json!(0));
        let mut pod = json!({
            "metadata": {
                "name": name, "generateName": format!("{}-", set_key.name), "namespace": set_key.namespace,
                "uid": uid, "creationTimestamp": stamp(self.now), "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set_key.name,
                    "uid": uid_of_set, "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        });
        if !annotations.is_null() {
            put(&mut pod, &["metadata", "annotations"], annotations);
        }
        self.pods.insert(Key::new(set_key.namespace.clone(), name.clone()), run);
        self.store.put(Kind::Pod, pod);
        Some(name)
    }
}

/// How much a pod is worth keeping, least first: without a node, not running, not ready, newest;
/// the order of kube-controller-manager's `ActivePodsWithRanks`.
fn keep_worth(run: &PodRun) -> (bool, bool, bool, std::cmp::Reverse<crate::clock::World>) {
    (run.node.is_some(), matches!(run.life, Life::Running { .. }), run.ready, std::cmp::Reverse(run.created))
}
