//! The same workload as a drill's cluster is given it and as a real server is.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use warroom::clock::World;
use warroom::drill::kube::{CanaryStep, WorkloadKind, WorkloadSpec};

/// A workload of the drill's that was rolled out five minutes before.
pub(super) fn workload(kind: WorkloadKind, name: &str, replicas: u32, now: World) -> WorkloadSpec {
    WorkloadSpec {
        kind,
        namespace: "shop".into(),
        name: name.into(),
        replicas,
        revisions: vec![(format!("registry.example/{name}:1.0.0"), now - TimeDelta::minutes(5))],
        cpu: (100, 0),
        memory: (64 << 20, 0),
        annotations: BTreeMap::new(),
        start_delay: Duration::from_secs(1),
    }
}

/// The same for a real server.
pub(super) fn object(kind: &WorkloadKind, name: &str, replicas: u32) -> Value {
    let labels = json!({"app": name});
    let mut spec = json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
        "metadata": {"labels": labels}, "spec": {"containers": [{"name": name,
            "image": format!("registry.example/{name}:1.0.0"),
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}});
    let (version, word) = match kind {
        WorkloadKind::Deployment => ("apps/v1", "Deployment"),
        WorkloadKind::StatefulSet => {
            spec["serviceName"] = json!(name);
            ("apps/v1", "StatefulSet")
        }
        WorkloadKind::DaemonSet => {
            spec.as_object_mut().unwrap().remove("replicas");
            ("apps/v1", "DaemonSet")
        }
        WorkloadKind::Rollout(steps) => {
            let step = |step: &CanaryStep| match step {
                CanaryStep::SetWeight(weight) => json!({"setWeight": weight}),
                CanaryStep::Pause(None) => json!({"pause": {}}),
                CanaryStep::Pause(Some(long)) => json!({"pause": {"duration": long.as_secs()}}),
            };
            spec["strategy"] = json!({"canary": {"steps": steps.iter().map(step).collect::<Vec<_>>()}});
            ("argoproj.io/v1alpha1", "Rollout")
        }
    };
    json!({"apiVersion": version, "kind": word, "metadata": {"name": name}, "spec": spec})
}
