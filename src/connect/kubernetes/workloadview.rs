//! Workloads and autoscalers as the screen knows them, and what was changed between two looks.
//!
//! Owns: the translation of fields, who keeps a workload as it is, and changes that no
//! ReplicaSet tells of. Pure. Must not: read anything else to find out.

use std::collections::BTreeMap;

use crate::clock::World;
use crate::model::change::{Change, ChangeKind};
use crate::model::cluster::{Autoscaler, Workload};
use crate::model::name::{Kind, ObjectPath, Uid, WorkloadKey};
use crate::text::{Safe, clean};

use super::objects;
use super::podview::{lossy, sum_of};
use super::quantity::{millicores, whole};
use super::rollouts::{Images, images, title, written};
use super::wire::Meta;

/// The record of a workload.
pub(super) fn workload(kind: Kind, from: &objects::Workload) -> Workload {
    let (meta, spec, status) = (&from.metadata, &from.spec, &from.status);
    let daemons = kind == Kind::DaemonSet;
    let pick = |of_others: u32, of_daemons: u32| if daemons { of_daemons } else { of_others };
    Workload {
        key: WorkloadKey { kind, path: ObjectPath::new(meta.namespace.as_str(), meta.name.as_str()) },
        uid: Uid::from(meta.uid.as_str()),
        // The API server fills replicas in; 1 is its default.
        desired: pick(spec.replicas.unwrap_or(1), status.desired_number_scheduled),
        updated: pick(status.updated_replicas, status.updated_number_scheduled),
        ready: pick(status.ready_replicas, status.number_ready),
        total: pick(status.replicas, status.current_number_scheduled),
        revision: revision(kind, from),
        images: safe(&images(from)),
        generation: meta.generation,
        observed_generation: status.observed_generation,
        paused: spec.paused,
        trouble: trouble(from),
        selector: safe(&spec.selector.match_labels),
        managed_by: managed_by(meta),
        cpu_request: sum_of(spec.template.together(), false, "cpu", millicores),
        memory_request: sum_of(spec.template.together(), false, "memory", whole),
    }
}

/// The record of an autoscaler, if it scales something that we know.
pub(super) fn autoscaler(from: &objects::Autoscaler) -> Option<Autoscaler> {
    let (meta, spec) = (&from.metadata, &from.spec);
    let namespace = meta.namespace.as_str();
    Some(Autoscaler {
        path: ObjectPath::new(namespace, meta.name.as_str()),
        target: WorkloadKey {
            kind: Kind::parse(&spec.scale_target_ref.kind)?,
            path: ObjectPath::new(namespace, spec.scale_target_ref.name.as_str()),
        },
        min: spec.min_replicas.unwrap_or(1),
        max: spec.max_replicas,
        desired: from.status.desired_replicas,
    })
}

/// What somebody changed between two looks: the number of replicas, and the template of a
/// StatefulSet or DaemonSet. A Deployment's template is told by its ReplicaSets.
pub(super) fn moved(now_is: &Workload, was: &Workload, meta: &Meta, now: World) -> Vec<Change> {
    let mut changes = Vec::new();
    if now_is.uid != was.uid {
        // Another object of the same name.
        return changes;
    }
    let base = |kind, id: String, title: String| Change {
        id: Safe::from(id),
        at: now,
        kind,
        workload: Some(now_is.key.clone()),
        service: None,
        title: Safe::from(title),
        before: None,
        after: None,
        by: None,
        revision: now_is.revision.clone(),
    };
    if now_is.key.kind != Kind::DaemonSet && now_is.desired != was.desired {
        changes.push(Change {
            before: Some(Safe::from(was.desired.to_string())),
            after: Some(Safe::from(now_is.desired.to_string())),
            ..base(
                ChangeKind::Scale,
                format!("{}#{}", now_is.uid, now_is.generation),
                format!("replicas {}→{}", was.desired, now_is.desired),
            )
        });
    }
    if now_is.key.kind != Kind::Deployment
        && let (Some(new), Some(old)) = (&now_is.revision, &was.revision)
        && new != old
    {
        let (before, after) = (plain(&was.images), plain(&now_is.images));
        changes.push(Change {
            before: Some(written(&before)),
            after: Some(written(&after)),
            by: meta.annotations.get("kubernetes.io/change-cause").map(|cause| clean(cause)),
            ..base(ChangeKind::Rollout, format!("{}@{new}", now_is.uid), title(Some(&before), &after))
        });
    }
    changes
}

fn revision(kind: Kind, from: &objects::Workload) -> Option<Safe> {
    let annotation = |name: &str| from.metadata.annotations.get(name).cloned();
    let text = match kind {
        Kind::Deployment => annotation("deployment.kubernetes.io/revision"),
        // The status of a DaemonSet names no revision; this annotation counts its templates.
        Kind::DaemonSet => annotation("deprecated.daemonset.template.generation"),
        _ => Some(from.status.update_revision.clone()),
    };
    text.filter(|text| !text.is_empty()).map(Safe::from)
}

fn trouble(from: &objects::Workload) -> Option<Safe> {
    let failing = from.status.conditions.iter().find(|condition| {
        matches!(
            (condition.kind.as_str(), condition.status.as_str()),
            ("ReplicaFailure", "True") | ("Progressing", "False")
        )
    })?;
    let message = lossy(&failing.message);
    Some(if message.is_empty() {
        Safe::from(failing.reason.as_str())
    } else {
        Safe::from(format!("{}: {message}", failing.reason))
    })
}

/// The GitOps tool or Helm release that sets the object back to what it says.
fn managed_by(meta: &Meta) -> Option<Safe> {
    let (labels, annotations) = (&meta.labels, &meta.annotations);
    let named = |tool: &str, name: &str| Some(Safe::from(format!("{tool} {name}")));
    if let Some(tracking) = annotations.get("argocd.argoproj.io/tracking-id") {
        // `shop:apps/Deployment:shop/web`; a copy of that has its annotations and another name.
        let mut parts = tracking.splitn(3, ':');
        let (name, place) = (parts.next().unwrap_or_default(), parts.nth(1));
        if place.is_none_or(|place| place == format!("{}/{}", meta.namespace, meta.name)) {
            return named("Argo CD", name);
        }
    }
    if let Some(name) = labels.get("argocd.argoproj.io/instance") {
        return named("Argo CD", name);
    }
    for label in ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"] {
        if let Some(name) = labels.get(label) {
            return named("Flux", name);
        }
    }
    let by_helm = labels.get("app.kubernetes.io/managed-by").is_some_and(|tool| tool == "Helm");
    match annotations.get("meta.helm.sh/release-name") {
        Some(release) if by_helm => named("Helm", release),
        _ => None,
    }
}

fn plain(map: &BTreeMap<Safe, Safe>) -> Images {
    map.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn safe(map: &BTreeMap<String, String>) -> BTreeMap<Safe, Safe> {
    map.iter().map(|(key, value)| (clean(key), clean(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(kind: Kind, value: Value) -> Workload {
        workload(kind, &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_deployment() {
        let workload = of(
            Kind::Deployment,
            json!({
                "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": 7,
                    "annotations": {"deployment.kubernetes.io/revision": "42",
                        "argocd.argoproj.io/tracking-id": "shop-web:apps/Deployment:shop/web"}},
                "spec": {"replicas": 6, "paused": true, "selector": {"matchLabels": {"app": "web"}},
                    "template": {"metadata": {"creationTimestamp": null}, "spec": {"containers": [
                        {"name": "app", "image": "shop/web:2.9.0", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}}]}}},
                "status": {"replicas": 7, "readyReplicas": 5, "updatedReplicas": 2, "observedGeneration": 6,
                    "conditions": [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"},
                        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]},
            }),
        );
        assert_eq!((workload.desired, workload.updated, workload.ready, workload.total), (6, 2, 5, 7));
        assert_eq!((workload.generation, workload.observed_generation, workload.paused), (7, 6, true));
        assert_eq!(workload.revision.as_deref(), Some("42"));
        assert_eq!(workload.trouble.as_deref(), Some("ProgressDeadlineExceeded: timed out"));
        assert_eq!(workload.managed_by.as_deref(), Some("Argo CD shop-web"));
        assert_eq!((workload.cpu_request, workload.memory_request), (250, 64 << 20));
        assert_eq!(workload.images.get("app").map(|image| image.as_str()), Some("shop/web:2.9.0"));
        assert_eq!(workload.selector.get("app").map(|value| value.as_str()), Some("web"));
    }

    #[test]
    fn a_copy_with_the_annotations_of_another_is_not_managed_as_that_is() {
        let named = |name: &str| {
            let tracking = json!({"argocd.argoproj.io/tracking-id": "shop-web:apps/Deployment:shop/web"});
            let meta = json!({"name": name, "namespace": "shop", "annotations": tracking});
            of(Kind::Deployment, json!({"metadata": meta})).managed_by
        };
        assert_eq!(named("web").as_deref(), Some("Argo CD shop-web"));
        assert_eq!(named("web-debug"), None);
    }

    #[test]
    fn a_daemon_set_counts_nodes() {
        let workload = of(
            Kind::DaemonSet,
            json!({"metadata": {"name": "agent"}, "status": {"desiredNumberScheduled": 5, "currentNumberScheduled": 4,
                "updatedNumberScheduled": 3, "numberReady": 2}}),
        );
        assert_eq!((workload.desired, workload.total, workload.updated, workload.ready), (5, 4, 3, 2));
    }

    #[test]
    fn a_stateful_sets_new_revision_is_a_rollout() {
        let object = |revision: &str, tag: &str| -> objects::Workload {
            serde_json::from_value(json!({
                "metadata": {"name": "db", "namespace": "shop", "uid": "u"},
                "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "db", "image": format!("db:{tag}")}]}}},
                "status": {"updateRevision": revision},
            }))
            .unwrap()
        };
        let now = World::from_timestamp(1_795_000_000, 0).unwrap();
        let (old, new) = (object("db-1", "15"), object("db-2", "16"));
        let (was, is) = (workload(Kind::StatefulSet, &old), workload(Kind::StatefulSet, &new));
        let changes = moved(&is, &was, &new.metadata, now);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].title.as_str(), changes[0].id.as_str()), ("image 15→16", "u@db-2"));
        assert_eq!(changes[0].kind, ChangeKind::Rollout);
        assert!(moved(&is, &is, &new.metadata, now).is_empty());
    }

    #[test]
    fn an_autoscaler_names_what_it_scales() {
        let scaler = |kind: &str| {
            autoscaler(
                &serde_json::from_value(json!({
                    "metadata": {"name": "web", "namespace": "shop"},
                    "spec": {"scaleTargetRef": {"kind": kind, "name": "web"}, "maxReplicas": 8},
                    "status": {"desiredReplicas": 4},
                }))
                .unwrap(),
            )
        };
        let known = scaler("Deployment").unwrap();
        assert_eq!(
            (known.min, known.max, known.desired, known.target.to_string().as_str()),
            (1, 8, 4, "Deployment shop/web")
        );
        assert_eq!(scaler("Rollout").unwrap().target.to_string(), "Rollout shop/web");
        assert_eq!(scaler("Cart"), None, "no kind that is known");
    }
}
