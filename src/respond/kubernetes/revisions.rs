//! The revisions of a workload: a Deployment's ReplicaSets, the ControllerRevisions of a
//! StatefulSet or a DaemonSet. Read, put in order, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::World;
use crate::model::name::Kind;

use super::client::{Api, ApiError, PAGES, encoded};
use super::fields::lean;
use super::objects::List;
use super::place::Place;

/// Numbers a Deployment's ReplicaSets.
const NUMBER: &str = "deployment.kubernetes.io/revision";
/// Tells them apart: it is theirs, not the template's.
const HASH: &str = "pod-template-hash";
/// What people say of a revision.
pub(super) const CAUSE: &str = "kubernetes.io/change-cause";
/// What `kubectl rollout undo` leaves on the Deployment as it is; all else comes from the ReplicaSet.
const DEPLOYMENTS_OWN: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    NUMBER,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

/// One revision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Revision {
    pub(super) number: i64,
    /// When its template was used for the first time.
    pub(super) made: Option<World>,
    /// The template as it would stand in the workload.
    pub(super) template: Value,
    annotations: BTreeMap<String, String>,
}

/// Whether a kind has revisions of Kubernetes' own.
pub(super) fn has(kind: Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet)
}

/// All revisions of `object`, the newest first.
pub(super) async fn read(api: &Api, place: &Place, object: &Value) -> Result<Vec<Revision>, ApiError> {
    let resource = if place.kind == Kind::Deployment { "replicasets" } else { "controllerrevisions" };
    let selector = encoded(&selector(object));
    let path = format!("/apis/apps/v1/namespaces/{}/{resource}?labelSelector={selector}&limit=100", place.namespace);
    let (mut found, mut next) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let page: List<Value> = api.get(&format!("{path}{next}")).await?;
        found.extend(page.items.iter().filter_map(|item| revision(place.kind, object, item)));
        match page.metadata.next {
            Some(token) if !token.is_empty() => next = format!("&continue={}", encoded(&token)),
            _ => {
                found.sort_by_key(|revision| std::cmp::Reverse(revision.number));
                return Ok(found);
            }
        }
    }
    Err(ApiError::Strange(crate::text::Safe::fixed("the list of revisions does not end")))
}

/// A revision, if `item` is one of `object`.
fn revision(kind: Kind, object: &Value, item: &Value) -> Option<Revision> {
    let uid = object.pointer("/metadata/uid")?.as_str()?;
    let owners = item.pointer("/metadata/ownerReferences")?.as_array()?;
    if !owners.iter().any(|owner| owner["controller"] == json!(true) && owner["uid"] == uid) {
        return None;
    }
    let annotations: BTreeMap<String, String> = item
        .pointer("/metadata/annotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let (number, mut template) = if kind == Kind::Deployment {
        let mut template = item.pointer("/spec/template")?.clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(HASH);
        }
        (annotations.get(NUMBER)?.parse().ok()?, template)
    } else {
        let mut template = item.pointer("/data/spec/template")?.clone();
        // How the controller tells a strategic merge to take the whole.
        template.as_object_mut()?.remove("$patch");
        (item.get("revision")?.as_i64()?, template)
    };
    alike(&mut template, object.pointer("/spec/template")?);
    let made = item.pointer("/metadata/creationTimestamp").and_then(Value::as_str).and_then(|at| at.parse().ok());
    Some(Revision { number, made, template, annotations })
}

/// Some versions write `creationTimestamp: null` into every template and others do not; a revision
/// that one of them kept is written as the server writes it now.
fn alike(template: &mut Value, now: &Value) {
    let stamp = |value: &Value| value.pointer("/metadata/creationTimestamp").cloned();
    let there = stamp(now);
    let Some(meta) = template.pointer_mut("/metadata").and_then(Value::as_object_mut) else { return };
    if meta.get("creationTimestamp").is_none_or(Value::is_null) {
        match there {
            Some(Value::Null) => meta.insert("creationTimestamp".into(), Value::Null),
            _ => meta.remove("creationTimestamp"),
        };
    }
}

impl Revision {
    /// Whether it is the template that the object has.
    pub(super) fn is(&self, template: &Value) -> bool {
        lean(&self.template) == lean(template)
    }

    /// What somebody said it was for.
    pub(super) fn cause(&self) -> Option<&str> {
        self.annotations.get(CAUSE).map(String::as_str).filter(|cause| !cause.is_empty())
    }

    /// The annotations of the Deployment that change when it goes back to this revision: key,
    /// value now, value then.
    pub(super) fn annotated(&self, object: &Value) -> Vec<(String, Value, Value)> {
        let empty = serde_json::Map::new();
        let now = object.pointer("/metadata/annotations").and_then(Value::as_object).unwrap_or(&empty);
        let keys: std::collections::BTreeSet<&String> = now.keys().chain(self.annotations.keys()).collect();
        keys.into_iter()
            .filter(|key| !DEPLOYMENTS_OWN.contains(&key.as_str()))
            .map(|key| {
                let then = self.annotations.get(key).map_or(Value::Null, |value| json!(value));
                (key.clone(), now.get(key).cloned().unwrap_or(Value::Null), then)
            })
            .filter(|(_, now, then)| now != then)
            .collect()
    }
}

/// The pods of a workload, in the form of the query parameter.
pub(super) fn selector(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let mut parts: Vec<String> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    for one in object.pointer("/spec/selector/matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = text(&one["key"]);
        let values: Vec<String> = one["values"].as_array().into_iter().flatten().map(text).collect();
        parts.push(match one["operator"].as_str().unwrap_or_default() {
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key,
            "DoesNotExist" => format!("!{key}"),
            _ => format!("{key} in ({})", values.join(",")),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Value {
        json!({
            "metadata": { "uid": "u", "annotations": {
                NUMBER: "3", "team": "money", CAUSE: "ci/payments",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
            } },
            "spec": { "template": { "metadata": { "labels": { "app": "payments" } } }, "selector": {
                "matchLabels": { "app": "payments" },
                "matchExpressions": [
                    { "key": "tier", "operator": "In", "values": ["a", "b"] },
                    { "key": "track", "operator": "NotIn", "values": ["canary"] },
                    { "key": "team", "operator": "Exists" }, { "key": "old", "operator": "DoesNotExist" },
                ],
            } },
        })
    }

    #[test]
    fn a_selector_is_written_as_the_query_wants_it() {
        assert_eq!(selector(&object()), "app=payments,tier in (a,b),track notin (canary),team,!old");
    }

    #[test]
    fn only_what_the_object_owns_is_a_revision_and_the_hash_is_not_the_templates() {
        let mut set = json!({
            "metadata": { "annotations": { NUMBER: "2" }, "creationTimestamp": "2026-11-21T02:30:00Z",
                "ownerReferences": [{ "uid": "u", "controller": true }] },
            "spec": { "template": { "metadata": { "creationTimestamp": null, "labels": { "app": "payments", HASH: "x" } } } },
        });
        let found = revision(Kind::Deployment, &object(), &set).unwrap();
        assert_eq!(found.template, json!({ "metadata": { "labels": { "app": "payments" } } }));
        assert!(found.number == 2 && found.made.is_some() && found.is(&object()["spec"]["template"]));
        set["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        assert_eq!(revision(Kind::Deployment, &object(), &set), None);
        set["metadata"]["ownerReferences"][0] = json!({ "uid": "u" });
        assert_eq!(revision(Kind::Deployment, &object(), &set), None, "an owner that does not control it");
    }

    #[test]
    fn a_controller_revision_is_written_as_the_server_writes_templates() {
        let mut of = object();
        of["spec"]["template"]["metadata"]["creationTimestamp"] = Value::Null;
        let item = json!({
            "metadata": { "ownerReferences": [{ "uid": "u", "controller": true }] }, "revision": 7,
            "data": { "spec": { "template": { "$patch": "replace", "metadata": { "labels": { "app": "payments" } } } } },
        });
        let found = revision(Kind::StatefulSet, &of, &item).unwrap();
        assert_eq!((found.number, &found.template), (7, &of["spec"]["template"]));
    }

    #[test]
    fn annotations_go_back_as_kubectl_has_them() {
        let annotations = BTreeMap::from([(NUMBER.to_owned(), "2".to_owned()), ("since".into(), "2.8".into())]);
        let then = Revision { number: 2, made: None, template: Value::Null, annotations };
        assert_eq!(
            then.annotated(&object()),
            [
                (CAUSE.to_owned(), json!("ci/payments"), Value::Null),
                ("since".to_owned(), Value::Null, json!("2.8")),
                ("team".to_owned(), json!("money"), Value::Null),
            ]
        );
    }
}
