//! The few fields of the API's objects that a scale looks at. Everything else is skipped.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) generation: i64,
    pub(super) creation_timestamp: Option<String>,
    pub(super) deletion_timestamp: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) owner_references: Vec<OwnerReference>,
    #[serde(deserialize_with = "or_default")]
    pub(super) managed_fields: Vec<ManagedField>,
}

/// One of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerReference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) controller: Option<bool>,
}

/// One of `metadata.managedFields`: who wrote which fields last.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ManagedField {
    pub(super) manager: String,
    pub(super) operation: String,
    pub(super) subresource: String,
    pub(super) time: Option<String>,
    pub(super) fields_v1: serde_json::Value,
}

impl Meta {
    /// Who set the field at a JSON Pointer last, if the server says. What is below a list that is
    /// owned as one is its owner's; lists whose items have owners of their own are not followed,
    /// because those have keys, not places.
    pub(super) fn set_by(&self, pointer: &str) -> Option<&ManagedField> {
        let owned = pointer.replace('/', "/f:");
        let owns = |field: &&ManagedField| {
            let mut at = owned.as_str();
            if field.fields_v1.pointer(at).is_some() {
                return true;
            }
            while let Some(end) = at.rfind('/').filter(|end| *end > 0) {
                at = &at[..end];
                if let Some(above) = field.fields_v1.pointer(at) {
                    return above.as_object().is_some_and(serde_json::Map::is_empty);
                }
            }
            false
        };
        self.managed_fields.iter().filter(owns).max_by(|a, b| a.time.cmp(&b.time))
    }
}

/// Anything, as far as it is identified.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Object {
    pub(super) metadata: Meta,
}

/// A Deployment, StatefulSet or Rollout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workload {
    pub(super) metadata: Meta,
    pub(super) spec: WorkloadSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: WorkloadStatus,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadSpec {
    /// Not set means 1.
    pub(super) replicas: Option<u32>,
    pub(super) paused: bool,
    pub(super) progress_deadline_seconds: Option<u32>,
}

/// Its `status`: counts that are zero are left out by the server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WorkloadStatus {
    #[serde(deserialize_with = "number")]
    pub(super) observed_generation: i64,
    pub(super) replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) available_replicas: u32,
    pub(super) updated_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
}

/// One of `status.conditions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// `autoscaling/v1` Scale.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scale {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    pub(super) spec: ScaleSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: ScaleStatus,
}

/// Its `spec`. The server leaves `replicas` out when it is 0 (`omitempty`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ScaleSpec {
    pub(super) replicas: Option<u32>,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ScaleStatus {
    /// The label selector of the pods, in the form of the query parameter.
    pub(super) selector: String,
}

impl Scale {
    pub(super) fn replicas(&self) -> u32 {
        self.spec.replicas.unwrap_or(0)
    }
}

/// A list of anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(super) struct List<T> {
    pub(super) metadata: ListMeta,
    #[serde(deserialize_with = "or_default", bound(deserialize = "T: Deserialize<'de>"))]
    pub(super) items: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { metadata: ListMeta::default(), items: Vec::new() }
    }
}

/// A list's `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMeta {
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// `autoscaling/v2` HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Autoscaler {
    pub(super) metadata: Meta,
    pub(super) spec: AutoscalerSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: AutoscalerStatus,
}

impl Autoscaler {
    /// What its conditions say against it: it cannot reach its target, or has no metrics.
    pub(super) fn trouble(&self) -> Option<String> {
        let failing = |kind: &str| {
            self.status.conditions.iter().find(|condition| condition.kind == kind && condition.status == "False")
        };
        let condition = failing("AbleToScale").or_else(|| failing("ScalingActive"))?;
        Some(format!("{}: {}", condition.reason, condition.message))
    }
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AutoscalerStatus {
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AutoscalerSpec {
    pub(super) scale_target_ref: TargetRef,
    /// Not set means 1.
    pub(super) min_replicas: Option<u32>,
    pub(super) max_replicas: u32,
}

/// `spec.scaleTargetRef`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TargetRef {
    pub(super) kind: String,
    pub(super) name: String,
}

/// A pod that waits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: PodStatus,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    pub(super) phase: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) conditions: Vec<Condition>,
}

/// `argoproj.io/v1alpha1` Application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Application {
    pub(super) spec: ApplicationSpec,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ApplicationSpec {
    #[serde(deserialize_with = "or_default")]
    pub(super) sync_policy: SyncPolicy,
    #[serde(deserialize_with = "or_default")]
    pub(super) ignore_differences: Vec<IgnoreDifference>,
}

/// `spec.destination` of an Application: where what it makes goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Destination {
    #[serde(deserialize_with = "or_default")]
    pub(super) server: String,
    /// The cluster's name, in the place of its address.
    #[serde(deserialize_with = "or_default")]
    pub(super) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) namespace: String,
}

impl Destination {
    /// What Argo CD calls the cluster that it is in itself.
    const HERE: [&str; 2] = ["https://kubernetes.default.svc", "in-cluster"];

    /// What it names that may be another cluster than the one at `server`, which the Application was
    /// read from. One that is known there by another address cannot be told from another cluster.
    pub(super) fn elsewhere(&self, server: &str) -> Option<&str> {
        let named = if self.server.is_empty() { &self.name } else { &self.server };
        let plain = |address: &str| address.trim_end_matches('/').to_owned();
        let here = named.is_empty() || Self::HERE.contains(&&*plain(named)) || plain(named) == plain(server);
        (!here).then_some(named)
    }
}

/// `spec.syncPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SyncPolicy {
    pub(super) automated: Option<Automated>,
}

/// `spec.syncPolicy.automated`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Automated {
    pub(super) self_heal: Option<bool>,
    /// Not set means true.
    pub(super) enabled: Option<bool>,
}

/// One of `spec.ignoreDifferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IgnoreDifference {
    pub(super) kind: String,
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) json_pointers: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) jq_path_expressions: Vec<String>,
}

/// `SelfSubjectAccessReview`, as answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AccessReview {
    pub(super) status: AccessStatus,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AccessStatus {
    pub(super) allowed: bool,
    pub(super) reason: String,
    pub(super) evaluation_error: String,
}

/// `APIGroup`: which versions a group is served as.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Group {
    #[serde(deserialize_with = "or_default")]
    pub(super) versions: Vec<GroupVersion>,
}

/// One of its versions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupVersion {
    pub(super) version: String,
}

/// `metav1.Status`: how the server says no.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) message: String,
}

/// Argo Rollouts writes a generation as text.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default())
}

/// The server writes some empty lists and maps as `null`.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}
