//! Pod templates of a Rollout: what a ReplicaSet keeps of one, and two of them for people.

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

/// `checkout:2.8.0`, of each container, without the registry.
pub(super) fn images(template: &Value) -> Vec<String> {
    containers(template).map(|(_, image)| short(image).to_owned()).collect()
}

fn containers(template: &Value) -> impl Iterator<Item = (&str, &str)> {
    template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten().map(|container| {
        let word = |key: &str| container.get(key).and_then(Value::as_str).unwrap_or_default();
        (word("name"), word("image"))
    })
}

fn short(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or(image)
}

/// `checkout:2.9.0 → checkout:2.8.0 and 3 fields more`. Of two of which only one went through a
/// ReplicaSet, which writes every default down, no more than the images can be compared.
pub(super) fn words(before: &Value, after: &Value, alike: bool) -> String {
    let mut told = Vec::new();
    for (name, image) in containers(before) {
        match containers(after).find(|(other, _)| *other == name) {
            Some((_, other)) if other != image => told.push(format!("{} → {}", short(image), short(other))),
            Some(_) => {}
            None => told.push(format!("without {}", short(image))),
        }
    }
    for (name, image) in containers(after) {
        if !containers(before).any(|(other, _)| other == name) {
            told.push(format!("with {}", short(image)));
        }
    }
    let others = if alike { differences(before, after).saturating_sub(told.len()) } else { 0 };
    let fields = |count| if count == 1 { "1 field".to_owned() } else { format!("{count} fields") };
    match (told.as_slice(), others) {
        ([], 0) => "another one, of the same images".to_owned(),
        ([], others) => format!("another one: no image, but {}", fields(others)),
        (told, 0) => told.join(", "),
        (told, others) => format!("{} and {} more", told.join(", "), fields(others)),
    }
}

/// How many values are not the same, or are in one of the two alone.
fn differences(before: &Value, after: &Value) -> usize {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let gone = before.keys().filter(|key| !after.contains_key(*key)).count();
            let rest: usize =
                after.iter().map(|(key, after)| before.get(key).map_or(1, |before| differences(before, after))).sum();
            gone + rest
        }
        (Value::Array(before), Value::Array(after)) => {
            let both: usize = before.iter().zip(after).map(|(before, after)| differences(before, after)).sum();
            both + before.len().abs_diff(after.len())
        }
        (before, after) => usize::from(before != after),
    }
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

    #[test]
    fn two_templates_are_told_by_their_images_and_what_else_differs() {
        let before = json!({ "spec": { "containers": [
            { "name": "app", "image": "r.example/checkout:2.9.0", "env": [{ "name": "A", "value": "1" }] },
            { "name": "proxy", "image": "envoy:1" },
        ] } });
        let mut after = before.clone();
        after["spec"]["containers"][0]["image"] = json!("r.example/checkout:2.8.0");
        assert_eq!(words(&before, &after, true), "checkout:2.9.0 → checkout:2.8.0");
        after["spec"]["containers"][0]["env"][0]["value"] = json!("2");
        after["spec"]["hostNetwork"] = json!(true);
        assert_eq!(words(&before, &after, true), "checkout:2.9.0 → checkout:2.8.0 and 2 fields more");
        let mut env = before.clone();
        env["spec"]["containers"][0]["env"][0]["value"] = json!("2");
        assert_eq!(words(&before, &env, true), "another one: no image, but 1 field");
        let mut alone = before.clone();
        alone["spec"]["containers"].as_array_mut().unwrap().pop();
        assert_eq!(words(&before, &alone, true), "without envoy:1");
        assert_eq!(words(&alone, &before, true), "with envoy:1");
    }
}
