//! Pods as their controllers make them: from a template, for one workload.
//!
//! Owns: a new pod's object and what is known of it beside. Must not: decide how many there are.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::kubelet::{Life, PodRun};
use super::logs::Log;
use super::state::State;
use super::store::Key;
use super::value::{at, put, resources_milli, stamp, text};

/// From being scheduled to being ready if nobody said, in seconds.
const START_DELAY: u64 = 5;
/// The label by which pods tell their ControllerRevision.
pub(super) const REVISION_HASH: &str = "controller-revision-hash";

/// A pod that is to be made.
pub(super) struct Mould {
    /// What controls it: kind, place and UID.
    pub(super) owner: (Kind, Key, String),
    /// The workload that people know it by.
    pub(super) workload: (Kind, String),
    /// With the labels that its controller adds.
    pub(super) template: Value,
    /// Its name, if that is not left to chance.
    pub(super) name: Option<String>,
    /// The one node that it may run on.
    pub(super) node: Option<String>,
}

impl State {
    /// Makes one pod; its name.
    pub(super) fn make_pod(&mut self, mould: Mould) -> String {
        let Mould { owner: (kind, owner, uid_of_owner), workload, template, name, node } = mould;
        let mut labels = at(&template, &["metadata", "labels"]).clone();
        let annotations = at(&template, &["metadata", "annotations"]).clone();
        let mut spec = at(&template, &["spec"]).clone();
        let (namespace, seed) = (owner.namespace.clone(), self.seed);
        let made = self.made.entry((kind, owner.clone())).or_default();
        *made += 1;
        let name = name.unwrap_or_else(|| {
            loop {
                let suffix = seed.suffix(&["pod", &namespace, &owner.name, &made.to_string()]);
                let name = format!("{}-{suffix}", owner.name);
                // A name that is taken gives way to the next one, as a name that the API refuses does.
                if !self.pods.contains_key(&Key::new(namespace.clone(), name.clone())) {
                    break name;
                }
                *made += 1;
            }
        });
        let uid = seed.uid(&["pod", &namespace, &name, &made.to_string()]);
        let container = at(&spec, &["containers"]).get(0).cloned().unwrap_or(Value::Null);
        let delay = self.delays.get(&(workload.0, Key::new(namespace.clone(), workload.1.clone())));
        let delay = delay.map_or(START_DELAY, std::time::Duration::as_secs);
        let run = PodRun {
            uid: uid.clone(),
            workload,
            replica_set: if kind == Kind::ReplicaSet { owner.name.clone() } else { String::new() },
            revision: text(&labels, &[REVISION_HASH]).to_owned(),
            pinned: node.clone(),
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
        self.admit(kind, &name, &mut labels, &mut spec, node);
        let word = match kind {
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            _ => "ReplicaSet",
        };
        let mut pod = json!({
            "metadata": {
                "name": name, "generateName": format!("{}-", owner.name), "namespace": namespace,
                "uid": uid, "creationTimestamp": stamp(self.now), "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": word, "name": owner.name,
                    "uid": uid_of_owner, "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        });
        if !annotations.is_null() {
            put(&mut pod, &["metadata", "annotations"], annotations);
        }
        self.pods.insert(Key::new(namespace, name.clone()), run);
        self.store.put(Kind::Pod, pod);
        name
    }

    /// What the controller and the API server add to a template's pod.
    fn admit(&self, kind: Kind, name: &str, labels: &mut Value, spec: &mut Value, node: Option<String>) {
        let forever = |key: &str, effect: &str| json!({"key": key, "operator": "Exists", "effect": effect});
        let toleration = |key: &str| {
            let mut out = forever(key, "NoExecute");
            // The pods of a DaemonSet stay on their node whatever becomes of it.
            if kind != Kind::DaemonSet {
                out["tolerationSeconds"] = json!(300);
            }
            out
        };
        let mut tolerations =
            vec![toleration("node.kubernetes.io/not-ready"), toleration("node.kubernetes.io/unreachable")];
        if kind == Kind::DaemonSet {
            let pressure = ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"];
            tolerations.extend(pressure.map(|what| forever(&format!("node.kubernetes.io/{what}"), "NoSchedule")));
            let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
            put(
                spec,
                &["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"],
                json!([{"matchFields": [field]}]),
            );
        }
        if kind == Kind::StatefulSet {
            let ordinal = name.rsplit('-').next().unwrap_or_default();
            put(labels, &["statefulset.kubernetes.io/pod-name"], json!(name));
            put(labels, &["apps.kubernetes.io/pod-index"], json!(ordinal));
            put(spec, &["hostname"], json!(name));
        }
        put(spec, &["tolerations"], Value::Array(tolerations));
        put(spec, &["serviceAccountName"], json!("default"));
        put(spec, &["enableServiceLinks"], json!(true));
        put(spec, &["priority"], json!(0));
    }
}
