//! KEDA's ScaledObject, as far as scaling by it goes.
//!
//! Its rules, from its documentation (2.10 to 2.19): `minReplicaCount` is 0 and `maxReplicaCount`
//! 100 if not set, and KEDA keeps them in the autoscaler that it makes. The annotation
//! `paused-replicas` scales to its value and takes the autoscaler away, whatever the counts say;
//! `paused` does so at the number there is. `idleReplicaCount` has to stay below the floor.

use serde::Deserialize;

use crate::respond::kubernetes::objects::{Condition, Meta, TargetRef, or_default};

/// The annotation that pins the replicas.
pub(super) const PINNED: &str = "autoscaling.keda.sh/paused-replicas";

/// The annotation that keeps KEDA's hands off the replicas that there are.
pub(super) const PAUSED: &str = "autoscaling.keda.sh/paused";

/// `keda.sh/v1alpha1` ScaledObject.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ScaledObject {
    pub(super) metadata: Meta,
    pub(super) spec: Spec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: Status,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) scale_target_ref: Reference,
    pub(super) min_replica_count: Option<u32>,
    pub(super) max_replica_count: Option<u32>,
    pub(super) idle_replica_count: Option<u32>,
}

/// Its `spec.scaleTargetRef`: without a kind it is a Deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    kind: String,
    name: String,
}

impl Reference {
    pub(super) fn target(&self) -> TargetRef {
        let kind = if self.kind.is_empty() { "Deployment" } else { &self.kind };
        TargetRef { kind: kind.to_owned(), name: self.name.clone() }
    }
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    /// The autoscaler that it made.
    pub(super) hpa_name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
}

impl ScaledObject {
    /// The number that it is pinned at.
    pub(super) fn pinned(&self) -> Option<u32> {
        self.metadata.annotations.get(PINNED)?.parse().ok()
    }

    /// The autoscaler that it makes.
    pub(super) fn autoscaler(&self) -> String {
        match self.status.hpa_name.as_str() {
            "" => format!("keda-hpa-{}", self.metadata.name),
            name => name.to_owned(),
        }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let failing = |kind: &str, status: &str| {
            self.status.conditions.iter().find(|condition| condition.kind == kind && condition.status == status)
        };
        let condition = failing("Ready", "False").or_else(|| failing("Fallback", "True"))?;
        Some(format!("{}: {}", condition.reason, condition.message))
    }
}

/// The pointer of an annotation.
pub(super) fn annotation(name: &str) -> String {
    format!("/metadata/annotations/{}", name.replace('~', "~0").replace('/', "~1"))
}
