//! Strategic merge patch, as kubectl sends it for built-in kinds.
//!
//! Owns: lists that are merged by a key, and the directives `$patch`, `$setElementOrder`,
//! `$deleteFromPrimitiveList` and `$retainKeys`
//! (k8s.io/apimachinery `util/strategicpatch`). Must not: know a schema beyond the merge keys.

use serde_json::{Map, Value};

use super::super::value::object;

/// The key by which a list of objects is merged; `None` for one that is replaced.
fn merge_key(list: &str) -> Option<&'static str> {
    match list {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => {
            Some("name")
        }
        "ports" => Some("containerPort"),
        "volumeMounts" => Some("mountPath"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

/// Applies `patch` to `document`.
pub(super) fn apply(document: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *document = patch.clone();
        return;
    };
    match fields.get("$patch").and_then(Value::as_str) {
        Some("delete") => {
            *document = Value::Object(Map::new());
            return;
        }
        Some("replace") => {
            *document = Value::Object(fields.iter().filter(|(key, _)| !key.starts_with('$')).map(own).collect());
            return;
        }
        _ => {}
    }
    let map = object(document);
    if let Some(kept) = fields.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| kept.iter().any(|name| name.as_str() == Some(key)));
    }
    for (key, value) in fields {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(old)), Some(gone)) = (map.get_mut(list), value.as_array()) {
                old.retain(|item| !gone.contains(item));
            }
        } else if !key.starts_with('$') {
            match (value, merge_key(key)) {
                (Value::Null, _) => {
                    map.remove(key);
                }
                (Value::Array(items), Some(name)) => {
                    merge_list(map.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new())), items, name);
                }
                (Value::Object(_), _) => apply(map.entry(key.clone()).or_insert(Value::Null), value),
                _ => {
                    map.insert(key.clone(), value.clone());
                }
            }
        }
    }
    // After the merges: the order that the client wants.
    for (key, value) in fields {
        if let Some((list, order)) = key.strip_prefix("$setElementOrder/").zip(value.as_array())
            && let (Some(Value::Array(items)), Some(name)) = (map.get_mut(list), merge_key(list))
        {
            let place = |item: &Value| order.iter().position(|wanted| wanted.get(name) == item.get(name));
            items.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
        }
    }
}

fn own((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

fn merge_list(old: &mut Value, items: &[Value], name: &str) {
    if !old.is_array() {
        *old = Value::Array(Vec::new());
    }
    let Some(list) = old.as_array_mut() else { return };
    let directive = |item: &Value| item.get("$patch").and_then(Value::as_str).map(str::to_owned);
    if items.iter().any(|item| directive(item).as_deref() == Some("replace")) {
        *list = items.iter().filter(|item| directive(item).is_none()).cloned().collect();
        return;
    }
    for item in items {
        let same = list.iter().position(|it| it.get(name).is_some() && it.get(name) == item.get(name));
        match (directive(item).as_deref(), same) {
            (Some("delete"), Some(index)) => {
                list.remove(index);
            }
            (Some("delete"), None) => {}
            (_, Some(index)) => {
                if let Some(slot) = list.get_mut(index) {
                    apply(slot, item);
                }
            }
            (_, None) => {
                let mut new = Value::Null;
                apply(&mut new, item);
                list.push(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn containers_and_their_environment_are_merged_by_name() {
        let mut document = json!({"containers": [
            {"name": "app", "image": "a:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
            {"name": "proxy", "image": "p:1"},
        ]});
        let patch = json!({
            "$setElementOrder/containers": [{"name": "app"}, {"name": "proxy"}],
            "containers": [{"name": "app", "image": "a:2",
                "env": [{"name": "A", "$patch": "delete"}, {"name": "C", "value": "3"}]}],
        });
        apply(&mut document, &patch);
        assert_eq!(
            document,
            json!({"containers": [
                {"name": "app", "image": "a:2", "env": [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}]},
                {"name": "proxy", "image": "p:1"},
            ]})
        );
    }

    #[test]
    fn lists_without_a_key_are_replaced_and_null_removes() {
        let mut document = json!({"args": ["a"], "strategy": {"type": "RollingUpdate", "rollingUpdate": {}}});
        apply(&mut document, &json!({"args": ["b"], "strategy": {"$retainKeys": ["type"], "type": "Recreate"}}));
        assert_eq!(document, json!({"args": ["b"], "strategy": {"type": "Recreate"}}));
        apply(&mut document, &json!({"args": null}));
        assert_eq!(document, json!({"strategy": {"type": "Recreate"}}));
    }
}
