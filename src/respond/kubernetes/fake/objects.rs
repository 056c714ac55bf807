//! Objects of any kind for the fake API server: by their paths, with lists, label selectors and
//! JSON Patch as the real one has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Fault, Reply, Seen, State, refused, status};

/// Objects by the paths that they are read at.
#[derive(Default)]
pub(in crate::respond) struct Objects {
    pub(in crate::respond) by_path: BTreeMap<String, Value>,
    /// What controllers do before each read that comes after a write.
    pub(in crate::respond) controllers: Option<fn(&mut BTreeMap<String, Value>)>,
    written: bool,
}

impl Objects {
    /// Puts an object where the API has it.
    pub(in crate::respond) fn put(&mut self, collection: &str, object: Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.by_path.insert(format!("{collection}/{name}"), object);
    }

    /// Pods with these labels, ready or not.
    pub(in crate::respond) fn pods(&mut self, prefix: &str, count: usize, ready: bool, labels: &Value) {
        for number in 0..count {
            self.put(
                "/api/v1/namespaces/shop/pods",
                json!({
                    "metadata": { "name": format!("{prefix}-{number}"), "namespace": "shop", "labels": labels },
                    "status": { "phase": "Running", "conditions": [
                        { "type": "Ready", "status": if ready { "True" } else { "False" } },
                    ] },
                }),
            );
        }
    }

    /// A Service with this selector.
    pub(in crate::respond) fn service(&mut self, name: &str, selector: &Value) {
        self.put(
            "/api/v1/namespaces/shop/services",
            json!({
                "metadata": { "name": name, "namespace": "shop", "uid": format!("service-{name}"), "generation": 1 },
                "spec": { "selector": selector, "ports": [{ "port": 80 }] },
            }),
        );
    }

    pub(in crate::respond) fn at(&mut self, path: &str) -> &mut Value {
        self.by_path.get_mut(path).unwrap_or_else(|| panic!("nothing at {path}"))
    }
}

/// The answer about an object or a collection that was put here.
pub(super) fn answer(state: &mut State, seen: &Seen, path: &str) -> Option<Reply> {
    if seen.method == "PATCH" {
        state.objects.by_path.contains_key(path).then_some(())?;
        let dry = seen.path.contains("dryRun=All");
        return Some(if dry { apply(state, path, &seen.body, false) } else { write(state, path, &seen.body) });
    }
    if let Some(controllers) = state.objects.controllers.filter(|_| state.objects.written) {
        controllers(&mut state.objects.by_path);
    }
    if let Some(object) = state.objects.by_path.get(path) {
        return Some(Reply::json(200, object.clone()));
    }
    let of = |key: &str| {
        key.rsplit_once('/').is_some_and(|(parent, _)| parent == path || without_namespace(parent) == Some(path.into()))
    };
    let inside: Vec<&Value> =
        state.objects.by_path.iter().filter(|(key, _)| of(key)).map(|(_, object)| object).collect();
    if inside.is_empty() {
        return None;
    }
    let wanted = selector(&seen.path);
    let has = |object: &Value| wanted.iter().all(|(key, value)| object["metadata"]["labels"][key] == json!(value));
    let items: Vec<&Value> = inside.into_iter().filter(|object| has(object)).collect();
    Some(Reply::json(200, json!({ "kind": "List", "metadata": {}, "items": items })))
}

/// Where the API lists a kind of all namespaces.
fn without_namespace(path: &str) -> Option<String> {
    let (group, rest) = path.split_once("/namespaces/")?;
    Some(format!("{group}/{}", rest.split_once('/')?.1))
}

fn selector(path: &str) -> Vec<(String, String)> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let wanted = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector=")).unwrap_or_default();
    let wanted = wanted.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/");
    let pairs = wanted.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn write(state: &mut State, path: &str, patch: &Value) -> Reply {
    let fault = std::mem::replace(&mut state.fault, Fault::None);
    let reply = fault.meets(|| apply(state, path, patch, true), refused);
    if let Some(then) = state.then.take_if(|_| fault.takes()) {
        then(state);
    }
    reply
}

/// Applies a JSON Patch, all or nothing. A test of what is not there passes against `null` alone.
fn apply(state: &mut State, path: &str, patch: &Value, keep: bool) -> Reply {
    let mut object = state.objects.at(path).clone();
    for step in patch.as_array().unwrap() {
        let pointer = step["path"].as_str().unwrap();
        let there = object.pointer(pointer).cloned();
        let fits = match step["op"].as_str().unwrap() {
            "test" => there.unwrap_or(Value::Null) == step["value"],
            "replace" => match object.pointer_mut(pointer) {
                Some(at) => {
                    *at = step["value"].clone();
                    true
                }
                None => false,
            },
            other => panic!("{other} is not an operation that was agreed on"),
        };
        if !fits {
            return Reply::json(422, status("the server rejected our request due to an error in our request"));
        }
    }
    if keep {
        let generation = object["metadata"]["generation"].as_i64().unwrap_or(1) + 1;
        object["metadata"]["generation"] = json!(generation);
        object["metadata"]["resourceVersion"] = json!((100 + generation).to_string());
        state.objects.by_path.insert(path.to_owned(), object.clone());
        state.objects.written = true;
    }
    Reply::json(200, object)
}
