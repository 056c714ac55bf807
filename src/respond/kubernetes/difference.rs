//! What differs between two pod templates, in words. Pure.
//!
//! Containers, variables and volumes are told by their names, as people know them, not by their
//! places in a list.

use std::collections::BTreeSet;

use serde_json::Value;

/// Differences that are told one by one.
const TOLD: usize = 6;
/// Characters of a value that are told.
const VALUE: usize = 48;
/// Parts of names whose values are nobody's to read.
const SECRET: &[&str] = &["pass", "pwd", "secret", "token", "key", "credential", "dsn", "auth", "cert"];

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf<'a> {
    /// Its JSON Pointer within the template, by the places of the first.
    pub(super) pointer: String,
    /// Its names, as people know them.
    path: Vec<String>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

/// All fields that differ. What is `null` is not there.
pub(super) fn leaves<'a>(before: &'a Value, after: &'a Value) -> Vec<Leaf<'a>> {
    let mut out = Vec::new();
    walk((Some(before), Some(after)), String::new(), &[], &mut out);
    out
}

type Pair<'a> = (Option<&'a Value>, Option<&'a Value>);

fn walk<'a>(pair: Pair<'a>, pointer: String, path: &[String], out: &mut Vec<Leaf<'a>>) {
    let there = |value: Option<&'a Value>| value.filter(|value| !value.is_null());
    let pair = (there(pair.0), there(pair.1));
    let deeper = |name: &str| [path, &[name.to_owned()]].concat();
    match pair {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                walk((before.get(key), after.get(key)), format!("{pointer}/{escaped}"), &deeper(key), out);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if named(before) && named(after) => {
            let find = |list: &'a [Value], name: &str| list.iter().position(|item| item["name"] == name);
            let names: BTreeSet<&str> = before.iter().chain(after).filter_map(|item| item["name"].as_str()).collect();
            let told = out.len();
            for name in names {
                let (was, is) = (find(before, name), find(after, name));
                let place = was.or(is).unwrap_or_default();
                let pair = (was.and_then(|at| before.get(at)), is.and_then(|at| after.get(at)));
                walk(pair, format!("{pointer}/{place}"), &deeper(name), out);
            }
            if out.len() == told {
                // The same by name: their order is all that differs.
                out.push(Leaf { pointer, path: deeper("order"), before: None, after: None });
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (at, pair) in before.iter().zip(after).enumerate() {
                walk((Some(pair.0), Some(pair.1)), format!("{pointer}/{at}"), &deeper(&(at + 1).to_string()), out);
            }
        }
        (before, after) => out.push(Leaf { pointer, path: path.to_vec(), before, after }),
    }
}

/// Whether the items of a list are known by names of their own.
fn named(list: &[Value]) -> bool {
    let names: BTreeSet<&str> = list.iter().filter_map(|item| item["name"].as_str()).collect();
    names.len() == list.len()
}

/// The differences but images and what a restart notes: `payments env RATE_LIMIT: nothing → 100; …`.
pub(super) fn words(leaves: &[Leaf<'_>]) -> Option<String> {
    let told: Vec<String> = leaves.iter().filter(|leaf| !is_image(leaf)).map(sentence).collect();
    let (shown, rest) = told.split_at(told.len().min(TOLD));
    let mut shown = shown.join("; ");
    if !rest.is_empty() {
        shown.push_str(&format!("; and {} more", rest.len()));
    }
    (!shown.is_empty()).then_some(shown)
}

fn is_image(leaf: &Leaf<'_>) -> bool {
    leaf.path.last().is_some_and(|last| last == "image") && leaf.before.is_some() && leaf.after.is_some()
}

fn sentence(leaf: &Leaf<'_>) -> String {
    let skipped = ["spec", "containers"];
    let mut name: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
    while name.first().is_some_and(|first| skipped.contains(first)) {
        name.remove(0);
    }
    let variable = leaf.path.iter().rposition(|part| part == "env").and_then(|at| leaf.path.get(at + 1));
    if variable.is_some() && name.last() == Some(&"value") {
        name.pop();
    }
    let name = name.join(" ");
    if leaf.before.is_none() && leaf.after.is_none() {
        return format!("{name} changes");
    }
    let secret = variable.into_iter().chain(leaf.path.last()).any(|part| {
        let part = part.to_ascii_lowercase();
        SECRET.iter().any(|word| part.contains(word))
    });
    let untold = secret || [leaf.before, leaf.after].into_iter().flatten().any(|value| literal(value).is_none());
    let told = |of: Option<&Value>| of.map_or(Some("nothing".to_owned()), literal);
    match (leaf.before, leaf.after, told(leaf.before), told(leaf.after)) {
        (Some(_), None, ..) if untold => format!("{name} goes"),
        (None, Some(_), ..) if untold => format!("{name} comes"),
        (.., Some(before), Some(after)) if !untold => format!("{name} {before} → {after}"),
        _ => format!("{name} changes"),
    }
}

/// A value as it is told. What has parts of its own may hold anything, and is not.
fn literal(of: &Value) -> Option<String> {
    let text = match of {
        // A variable that comes or goes is told by what it holds.
        Value::Object(map) if map.contains_key("name") => map.get("value").and_then(Value::as_str)?.to_owned(),
        Value::Object(_) => return None,
        Value::Array(list) if list.iter().any(|item| item.is_object() || item.is_array()) => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(match text.char_indices().nth(VALUE) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    })
}

/// The images that change: `payments:2.9.0 → payments:2.8.0`.
pub(super) fn images(leaves: &[Leaf<'_>]) -> Option<String> {
    let told: Vec<String> = leaves
        .iter()
        .filter(|leaf| is_image(leaf))
        .filter_map(|leaf| {
            let (before, after) = (leaf.before?.as_str()?, leaf.after?.as_str()?);
            let short = |image: &str| image.rsplit('/').next().unwrap_or(image).to_owned();
            // The registry is told where it is what differs.
            let alike = short(before) != short(after);
            Some(if alike {
                format!("{} → {}", short(before), short(after))
            } else {
                format!("{before} → {after}")
            })
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The images of a template: `payments:2.8.0`.
pub(super) fn runs(template: &Value) -> String {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let images = containers.into_iter().flatten().filter_map(|container| container["image"].as_str());
    let short: Vec<&str> = images.map(|image| image.rsplit('/').next().unwrap_or(image)).collect();
    if short.is_empty() { "no image".to_owned() } else { short.join(", ") }
}

/// ConfigMaps and Secrets that a template takes content from, by kind and name.
pub(super) fn sources(template: &Value) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    gather(template, &mut out);
    out
}

fn gather(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let (kind, field) = match key.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" => ("ConfigMap", "name"),
                    "secretRef" | "secretKeyRef" => ("Secret", "name"),
                    "secret" => ("Secret", if inner.get("secretName").is_some() { "secretName" } else { "name" }),
                    _ => ("", ""),
                };
                if let Some(name) = inner.get(field).and_then(Value::as_str).filter(|_| !kind.is_empty()) {
                    out.insert(format!("{kind} {name}"));
                }
                gather(inner, out);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| gather(item, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(image: &str, env: Value) -> Value {
        json!({ "metadata": { "labels": { "app": "payments" } }, "spec": { "containers": [
            { "name": "payments", "image": image, "env": env },
            { "name": "proxy", "image": "registry.example/proxy:1.0" },
        ] } })
    }

    #[test]
    fn what_differs_is_told_by_the_names_that_people_know() {
        let before = template(
            "registry.example/payments:2.9.0",
            json!([{ "name": "B", "value": "1" }, { "name": "A", "value": "x" }]),
        );
        let after = template(
            "registry.example/payments:2.8.0",
            json!([{ "name": "RATE_LIMIT", "value": "100" }, { "name": "A", "value": "y" }, { "name": "B", "value": "1" }]),
        );
        let leaves = leaves(&before, &after);
        assert_eq!(images(&leaves).unwrap(), "payments:2.9.0 → payments:2.8.0");
        assert_eq!(words(&leaves).unwrap(), "payments env A x → y; payments env RATE_LIMIT nothing → 100");
        assert_eq!(
            leaves.iter().map(|leaf| leaf.pointer.as_str()).collect::<Vec<_>>(),
            ["/spec/containers/0/env/1/value", "/spec/containers/0/env/0", "/spec/containers/0/image",]
        );
    }

    #[test]
    fn values_of_secrets_are_not_told() {
        let with = |value: &str| template("payments:1", json!([{ "name": "DB_PASSWORD", "value": value }]));
        let (before, after) = (with("hunter2"), with("hunter3"));
        assert_eq!(words(&leaves(&before, &after)).unwrap(), "payments env DB_PASSWORD changes");
        let none = template("payments:1", json!([]));
        assert_eq!(words(&leaves(&none, &after)).unwrap(), "payments env DB_PASSWORD comes");
        let mut third = after.clone();
        third["spec"]["containers"][1]["name"] = json!("another");
        let told = words(&leaves(&after, &third)).unwrap();
        assert_eq!(told, "another comes; proxy goes", "a whole container may hold anything");
    }

    #[test]
    fn an_image_of_another_registry_is_told_whole_and_the_same_template_says_nothing() {
        let (before, after) =
            (template("a.example/payments:1", json!([])), template("b.example/payments:1", json!([])));
        assert_eq!(images(&leaves(&before, &after)).unwrap(), "a.example/payments:1 → b.example/payments:1");
        assert!(leaves(&before, &before).is_empty());
        let mut null = before.clone();
        null["metadata"]["creationTimestamp"] = Value::Null;
        assert!(leaves(&before, &null).is_empty(), "null is not there");
    }

    #[test]
    fn many_differences_are_counted_and_a_long_value_is_cut() {
        let many = |to: u32| json!({ "metadata": { "annotations": (0..9).map(|n| (format!("a{n}"), json!(to.to_string().repeat(80)))).collect::<serde_json::Map<_, _>>() } });
        let (before, after) = (many(1), many(2));
        let told = words(&leaves(&before, &after)).unwrap();
        assert!(told.ends_with("; and 3 more") && told.contains("111…"), "{told}");
    }

    #[test]
    fn lists_without_names_are_told_by_place_or_whole() {
        let args = |of: &[&str]| json!({ "spec": { "containers": [{ "name": "a", "args": of }] } });
        let (before, after) = (args(&["--x", "--y"]), args(&["--x", "--z"]));
        assert_eq!(words(&leaves(&before, &after)).unwrap(), "a args 2 --y → --z");
        let (before, after) = (args(&["--x"]), args(&["--x", "--z"]));
        assert_eq!(words(&leaves(&before, &after)).unwrap(), r#"a args ["--x"] → ["--x","--z"]"#);
    }

    #[test]
    fn what_does_not_come_back_is_found_wherever_it_is_named() {
        let template = json!({ "spec": {
            "volumes": [{ "configMap": { "name": "limits" } }, { "secret": { "secretName": "tls" } }],
            "containers": [{ "envFrom": [{ "secretRef": { "name": "db" } }],
                "env": [{ "valueFrom": { "configMapKeyRef": { "name": "limits", "key": "x" } } }] }],
        } });
        let found: Vec<String> = sources(&template).into_iter().collect();
        assert_eq!(found, ["ConfigMap limits", "Secret db", "Secret tls"]);
    }
}
