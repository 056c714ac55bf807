//! KEDA: ScaledObjects, each of which makes an autoscaler and keeps it as it says itself.
//!
//! Owns: the HPA `keda-hpa-NAME` of each ScaledObject, and its pausing. The rules are KEDA's
//! (`controllers/keda/scaledobject_controller.go`, `hpa.go`). Its triggers are the CPU of the pods
//! alone, which the autoscaler measures. Must not: decide on replicas while it is not paused.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::state::State;
use super::store::Key;
use super::value::{at, cut, int, list, put, stamp, text};

/// Pauses at so many replicas.
const PAUSED_AT: &str = "autoscaling.keda.sh/paused-replicas";
/// Pauses at as many as there are.
const PAUSED: &str = "autoscaling.keda.sh/paused";

impl State {
    pub(super) fn run_keda(&mut self) {
        for key in self.store.keys(Kind::ScaledObject) {
            self.run_scaled_object(&key);
        }
    }

    fn run_scaled_object(&mut self, key: &Key) {
        let Some(object) = self.store.get(Kind::ScaledObject, key) else { return };
        let mut next = Value::clone(object);
        let target = Key::new(key.namespace.clone(), text(&next, &["spec", "scaleTargetRef", "name"]));
        let hpa = Key::new(key.namespace.clone(), format!("keda-hpa-{}", key.name));
        let note = |name: &str| text(&next, &["metadata", "annotations", name]).to_owned();
        let pinned = note(PAUSED_AT).parse::<i64>().ok().filter(|count| (0..=5000).contains(count));
        let paused = pinned.is_some() || note(PAUSED) == "true";
        if paused {
            self.store.remove(Kind::Autoscaler, &hpa);
            self.scalers.remove(&hpa);
            if let Some(count) = pinned {
                self.set_replicas(&target, count);
            }
        } else {
            self.keep_autoscaler(&next, &hpa, &target);
        }
        let now = stamp(self.now);
        super::deployments::condition(
            &mut next,
            "Ready",
            "True",
            "ScaledObjectReady",
            "ScaledObject is defined correctly and is ready for scaling",
            &now,
        );
        let (is, reason, message) = match paused {
            true => ("True", "ScaledObjectPaused", "ScaledObject is paused"),
            false => ("False", "ScaledObjectUnpaused", "pause annotation removed for ScaledObject"),
        };
        super::deployments::condition(&mut next, "Paused", is, reason, message, &now);
        // This API's conditions have no times.
        if let Some(conditions) = next.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            for condition in conditions {
                cut(condition, &["lastUpdateTime"]);
                cut(condition, &["lastTransitionTime"]);
            }
        }
        put(&mut next, &["status", "hpaName"], json!(if paused { "" } else { hpa.name.as_str() }));
        put(&mut next, &["status", "scaleTargetKind"], json!("apps/v1.Deployment"));
        self.store.put(Kind::ScaledObject, next);
    }

    /// Makes the autoscaler, or sets its bounds as the ScaledObject has them.
    fn keep_autoscaler(&mut self, scaled: &Value, hpa: &Key, target: &Key) {
        // An autoscaler's floor is 1; to 0 and back KEDA scales by itself.
        let floor = int(scaled, &["spec", "minReplicaCount"]).max(1);
        let cap = at(scaled, &["spec", "maxReplicaCount"]).as_i64().unwrap_or(100).max(floor);
        let goal = list(scaled, &["spec", "triggers"]).first();
        let goal = goal.map_or(80, |it| text(it, &["metadata", "value"]).parse::<i64>().unwrap_or(80));
        let current = self.store.get(Kind::Deployment, target).map_or(0, |it| int(it, &["spec", "replicas"]));
        if current == 0 && int(scaled, &["spec", "minReplicaCount"]) > 0 {
            self.set_replicas(target, floor);
        }
        let meta = |field: &str| at(scaled, &["metadata", field]).clone();
        let mut object = match self.store.get(Kind::Autoscaler, hpa) {
            Some(object) => Value::clone(object),
            None => json!({
                "metadata": {
                    "name": hpa.name, "namespace": hpa.namespace, "generation": 1,
                    "uid": self.seed.uid(&["autoscaler", &hpa.namespace, &hpa.name, &stamp(self.now)]),
                    "creationTimestamp": stamp(self.now),
                    "labels": {"scaledobject.keda.sh/name": meta("name"), "app.kubernetes.io/managed-by": "keda-operator"},
                    "ownerReferences": [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": meta("name"),
                        "uid": meta("uid"), "controller": true, "blockOwnerDeletion": true}],
                },
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target.name},
                    "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": goal}}}],
                },
                "status": {"currentReplicas": current, "desiredReplicas": current},
            }),
        };
        put(&mut object, &["spec", "minReplicas"], json!(floor));
        put(&mut object, &["spec", "maxReplicas"], json!(cap));
        self.store.put(Kind::Autoscaler, object);
    }
}
