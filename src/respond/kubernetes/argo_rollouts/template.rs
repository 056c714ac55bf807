//! Pod templates of a Rollout, as its ReplicaSets keep them.

use serde_json::{Value, json};

use super::objects::{HASH, ReplicaSet};

/// What Argo Rollouts put into the template of a canary or of the stable version for as long as it
/// is one, as JSON.
const EPHEMERAL: &str = "rollout.argoproj.io/ephemeral-metadata";

/// The template as it was in the Rollout: without what Argo Rollouts added for the ReplicaSet.
pub(super) fn of(set: &ReplicaSet) -> Value {
    let mut template = set.spec.template.clone();
    let added: Value =
        set.metadata.annotations.get(EPHEMERAL).and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    for part in ["labels", "annotations"] {
        let Some(own) = template.pointer_mut(&format!("/metadata/{part}")).and_then(Value::as_object_mut) else {
            continue;
        };
        if part == "labels" {
            own.remove(HASH);
        }
        for (key, value) in added.get(part).and_then(Value::as_object).into_iter().flatten() {
            if own.get(key) == Some(value) {
                own.remove(key);
            }
        }
        if own.is_empty()
            && let Some(meta) = template.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            meta.remove(part);
        }
    }
    // The server writes it into every template of a ReplicaSet, whatever the Rollout says.
    if let Some(meta) = template.pointer_mut("/metadata").and_then(Value::as_object_mut)
        && meta.get("creationTimestamp").is_some_and(Value::is_null)
    {
        meta.remove("creationTimestamp");
    }
    template
}

/// The same as a JSON Patch, for a command line.
pub(super) fn patch(template: &Value) -> String {
    json!([{ "op": "replace", "path": "/spec/template", "value": template }]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(annotations: &Value, labels: &Value) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": "checkout-abc", "annotations": annotations },
            "spec": { "template": {
                "metadata": { "creationTimestamp": null, "labels": labels, "annotations": { "role": "canary" } },
                "spec": { "containers": [{ "name": "app", "image": "registry.example/shop/checkout:2.9.0" }] },
            } },
        }))
        .unwrap()
    }

    #[test]
    fn a_template_is_taken_without_what_argo_rollouts_added() {
        let labels = json!({ HASH: "abc", "app": "checkout", "role": "canary" });
        let plain = of(&set(&json!({}), &labels));
        assert_eq!(
            plain["metadata"],
            json!({ "labels": { "app": "checkout", "role": "canary" }, "annotations": { "role": "canary" } })
        );
        let added = json!({ "labels": { "role": "canary", "app": "not this" }, "annotations": { "role": "canary" } });
        let of_a_canary = of(&set(&json!({ EPHEMERAL: added.to_string() }), &labels));
        assert_eq!(of_a_canary["metadata"], json!({ "labels": { "app": "checkout" } }));
        assert_eq!(of_a_canary["spec"], plain["spec"]);
    }
}
