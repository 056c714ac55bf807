//! The kinds that are read as JSON, trimmed to what is used.
//!
//! Owns: their shapes. One shape serves Deployment, StatefulSet, DaemonSet and ReplicaSet, whose
//! fields do not contradict each other. Must not: interpret.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clock::World;

use super::wire::{Condition, Container, Meta, Object, PodSpec, Quantity, Time, null_is_empty};

/// A Deployment, StatefulSet, DaemonSet or ReplicaSet (`apps/v1`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workload {
    pub(super) metadata: Meta,
    pub(super) spec: WorkloadSpec,
    pub(super) status: WorkloadStatus,
}

/// Its wish.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<u32>,
    pub(super) paused: bool,
    pub(super) selector: Selector,
    pub(super) template: Template,
}

/// `metav1.LabelSelector`, the plain half.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Selector {
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) match_labels: BTreeMap<String, String>,
}

/// The pod template.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    pub(super) spec: PodSpec,
}

impl Template {
    /// The containers that run at the same time.
    pub(super) fn together(&self) -> impl Iterator<Item = &Container> {
        self.spec.containers.iter().chain(self.spec.init_containers.iter().filter(|init| init.is_sidecar()))
    }
}

/// Its state. The first five are of Deployments and StatefulSets, the next four of DaemonSets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkloadStatus {
    pub(super) replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) updated_replicas: u32,
    pub(super) update_revision: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) conditions: Vec<Condition>,
    pub(super) desired_number_scheduled: u32,
    pub(super) current_number_scheduled: u32,
    pub(super) updated_number_scheduled: u32,
    pub(super) number_ready: u32,
    pub(super) observed_generation: i64,
}

/// A Deployment, for when its template was last changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rolled {
    metadata: RolledMeta,
    status: RolledStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RolledMeta {
    #[serde(flatten)]
    meta: Meta,
    #[serde(deserialize_with = "null_is_empty")]
    managed_fields: Vec<ManagedField>,
}

/// One of `metadata.managedFields`: who wrote which fields last, and when.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManagedField {
    subresource: String,
    time: Option<Time>,
    #[serde(rename = "fieldsV1")]
    fields: Option<ManagedFields>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ManagedFields {
    #[serde(rename = "f:spec")]
    spec: Option<ManagedSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ManagedSpec {
    #[serde(rename = "f:template")]
    template: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RolledStatus {
    #[serde(deserialize_with = "null_is_empty")]
    conditions: Vec<RolledCondition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RolledCondition {
    #[serde(rename = "type")]
    kind: String,
    last_update_time: Option<Time>,
}

impl Rolled {
    /// When its template was last changed, as near as it tells. Whoever owns fields of the
    /// template wrote some field at that time or later, and `Progressing` was last updated when
    /// the rollout ended or, while it lasts, made progress: the earlier of the two is nearer.
    pub(super) fn at(&self) -> Option<World> {
        let templates = self.metadata.managed_fields.iter().filter(|field| {
            let spec = field.fields.as_ref().and_then(|fields| fields.spec.as_ref());
            field.subresource.is_empty() && spec.is_some_and(|spec| spec.template.is_some())
        });
        let written = templates.filter_map(|field| field.time.as_ref()?.world()).max();
        let progress = self.status.conditions.iter().find(|condition| condition.kind == "Progressing");
        let progressed = progress.and_then(|condition| condition.last_update_time.as_ref()?.world());
        written.into_iter().chain(progressed).min()
    }
}

/// A HorizontalPodAutoscaler (`autoscaling/v2`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Autoscaler {
    pub(super) metadata: Meta,
    pub(super) spec: AutoscalerSpec,
    pub(super) status: AutoscalerStatus,
}

/// Its wish.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AutoscalerSpec {
    pub(super) scale_target_ref: Reference,
    pub(super) min_replicas: Option<u32>,
    pub(super) max_replicas: u32,
}

/// Its state.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AutoscalerStatus {
    pub(super) desired_replicas: u32,
}

/// Kind, place and name of another object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A Node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) metadata: Meta,
    pub(super) spec: NodeSpec,
    pub(super) status: NodeStatus,
}

/// Its wish.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpec {
    pub(super) unschedulable: bool,
}

/// Its state.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeStatus {
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) conditions: Vec<Condition>,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) allocatable: BTreeMap<String, Quantity>,
}

/// An event (`v1`; what `events.k8s.io/v1` writes is read here too).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) metadata: Meta,
    pub(super) involved_object: Reference,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) reason: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub(super) message: String,
    pub(super) count: Option<u32>,
    pub(super) first_timestamp: Option<Time>,
    pub(super) last_timestamp: Option<Time>,
    pub(super) event_time: Option<Time>,
    pub(super) series: Option<Series>,
}

/// How often an event repeated.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Series {
    pub(super) count: u32,
    pub(super) last_observed_time: Option<Time>,
}

macro_rules! objects {
    ($($name:ident)*) => {$(
        impl Object for $name {
            fn meta(&self) -> &Meta {
                &self.metadata
            }
        }
    )*};
}

objects! { Workload Autoscaler Node Event }

impl Object for Rolled {
    fn meta(&self) -> &Meta {
        &self.metadata.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_tells_when_its_template_was_changed() {
        let time = |minute: u32| format!("2026-11-21T03:{minute:02}:00Z");
        let field = |manager: &str, minute, fields: serde_json::Value| json!({"manager": manager, "operation": "Update", "time": time(minute), "fieldsV1": fields});
        let of = |fields: Vec<serde_json::Value>, progressed: Option<u32>| {
            let conditions: Vec<_> = progressed
                .map(|minute| json!({"type": "Progressing", "status": "True", "lastUpdateTime": time(minute)}))
                .into_iter()
                .collect();
            let read: Rolled = serde_json::from_value(json!({
                "metadata": {"name": "web", "namespace": "shop", "managedFields": fields},
                "status": {"conditions": conditions},
            }))
            .unwrap();
            assert_eq!(read.meta().name, "web");
            read.at().map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        };
        let template = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}});
        let fields = vec![
            field("kubectl-client", 1, template.clone()),
            field("kubectl-rollout", 20, template.clone()),
            field("hpa", 30, json!({"f:spec": {"f:replicas": {}}})),
            json!({"manager": "m", "subresource": "status", "time": time(40), "fieldsV1": template}),
        ];
        assert_eq!(of(fields.clone(), Some(21)), Some(time(20)), "progress ends later than it began");
        assert_eq!(of(fields, Some(15)), Some(time(15)), "the manager wrote something else later");
        assert_eq!(of(vec![], Some(21)), Some(time(21)));
        assert_eq!(of(vec![], None), None);
    }
}
