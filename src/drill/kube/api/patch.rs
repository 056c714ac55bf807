//! JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386).
//!
//! Owns: applying a client's patch to a document. Must not: know what the document is; whether
//! the result makes sense is the caller's question.

use serde_json::Value;

/// Why a patch was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is no patch.
    Malformed,
    /// It does not fit the document, or one of its tests fails.
    Inapplicable,
}

/// Operations of one JSON Patch, as in kube-apiserver.
const OPERATIONS: usize = 10_000;
/// Bytes that the `copy` operations of one patch may add: each can double the document.
const COPIED: usize = 3 << 20;
/// Levels of a document: what serde_json reads at the most.
const DEPTH: usize = 128;

/// Applies a JSON Patch; all of it or nothing.
pub(super) fn json_patch(document: &Value, patch: &Value) -> Result<Value, Refused> {
    let operations = patch.as_array().ok_or(Refused::Malformed)?;
    if operations.len() > OPERATIONS {
        return Err(Refused::Inapplicable);
    }
    let (mut out, mut copied_bytes) = (document.clone(), 0);
    for operation in operations {
        let field = |name: &str| operation.get(name).and_then(Value::as_str);
        let path = pointer(field("path").ok_or(Refused::Malformed)?)?;
        let value = || operation.get("value").cloned().ok_or(Refused::Malformed);
        let from = || pointer(field("from").ok_or(Refused::Malformed)?);
        match field("op").ok_or(Refused::Malformed)? {
            // What is not there passes a test against null, as in kube-apiserver.
            "test" => {
                if *find(&out, &path).unwrap_or(&Value::Null) != value()? {
                    return Err(Refused::Inapplicable);
                }
            }
            "add" => add(&mut out, &path, value()?)?,
            "remove" => {
                remove(&mut out, &path)?;
            }
            "replace" => {
                remove(&mut out, &path)?;
                add(&mut out, &path, value()?)?;
            }
            "move" => {
                let moved = remove(&mut out, &from()?)?;
                add(&mut out, &path, moved)?;
            }
            "copy" => {
                let copied = find(&out, &from()?).cloned().ok_or(Refused::Inapplicable)?;
                copied_bytes += copied.to_string().len();
                if copied_bytes > COPIED {
                    return Err(Refused::Inapplicable);
                }
                add(&mut out, &path, copied)?;
            }
            _ => return Err(Refused::Malformed),
        }
    }
    Ok(out)
}

/// Applies a merge patch: null removes.
pub(super) fn merge_patch(document: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *document = patch.clone();
        return;
    };
    let map = super::super::value::object(document);
    for (key, value) in fields {
        if value.is_null() {
            map.remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The steps of a JSON pointer.
fn pointer(text: &str) -> Result<Vec<String>, Refused> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let steps = text.strip_prefix('/').ok_or(Refused::Malformed)?;
    Ok(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

fn find<'a>(document: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(document, |inner, step| match inner {
        Value::Object(map) => map.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn parent<'a, 'p>(document: &'a mut Value, path: &'p [String]) -> Result<(&'a mut Value, &'p str), Refused> {
    let (last, steps) = path.split_last().ok_or(Refused::Inapplicable)?;
    let mut inner = document;
    for step in steps {
        inner = match inner {
            Value::Object(map) => map.get_mut(step),
            Value::Array(list) => step.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
            _ => None,
        }
        .ok_or(Refused::Inapplicable)?;
    }
    Ok((inner, last))
}

/// Whether a value has at most `levels` levels.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else { return false };
    match value {
        Value::Object(map) => map.values().all(|value| is_shallow(value, inner)),
        Value::Array(list) => list.iter().all(|value| is_shallow(value, inner)),
        _ => true,
    }
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), Refused> {
    if !is_shallow(&value, DEPTH.saturating_sub(path.len())) {
        return Err(Refused::Inapplicable);
    }
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, path)? {
        (Value::Object(map), key) => {
            map.insert(key.to_owned(), value);
            Ok(())
        }
        (Value::Array(list), "-") => {
            list.push(value);
            Ok(())
        }
        (Value::Array(list), index) => {
            let index =
                index.parse::<usize>().ok().filter(|index| *index <= list.len()).ok_or(Refused::Inapplicable)?;
            list.insert(index, value);
            Ok(())
        }
        _ => Err(Refused::Inapplicable),
    }
}

fn remove(document: &mut Value, path: &[String]) -> Result<Value, Refused> {
    if path.is_empty() {
        return Ok(document.take());
    }
    match parent(document, path)? {
        (Value::Object(map), key) => map.remove(key).ok_or(Refused::Inapplicable),
        (Value::Array(list), index) => {
            let index = index.parse::<usize>().ok().filter(|index| *index < list.len()).ok_or(Refused::Inapplicable)?;
            Ok(list.remove(index))
        }
        _ => Err(Refused::Inapplicable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_whose_test_fails_changes_nothing() {
        let document = json!({"metadata": {"uid": "a"}, "spec": {"replicas": 3}});
        let patch = |uid: &str| {
            json!([{"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "replace", "path": "/spec/replicas", "value": 6}])
        };
        assert_eq!(json_patch(&document, &patch("a")).unwrap()["spec"]["replicas"], json!(6));
        assert_eq!(json_patch(&document, &patch("b")), Err(Refused::Inapplicable));
        let absent = |value: Value| json!([{"op": "test", "path": "/metadata/labels", "value": value}]);
        assert_eq!(json_patch(&document, &absent(Value::Null)).unwrap(), document);
        assert_eq!(json_patch(&document, &absent(json!({}))), Err(Refused::Inapplicable));
    }

    #[test]
    fn every_operation_of_the_rfc_is_done() {
        let document = json!({"a/b": 1, "list": [1, 3]});
        let patch = json!([
            {"op": "add", "path": "/list/1", "value": 2}, {"op": "add", "path": "/list/-", "value": 4},
            {"op": "copy", "from": "/a~1b", "path": "/copy"}, {"op": "move", "from": "/a~1b", "path": "/moved"},
            {"op": "remove", "path": "/list/0"},
        ]);
        assert_eq!(json_patch(&document, &patch).unwrap(), json!({"list": [2, 3, 4], "copy": 1, "moved": 1}));
        assert_eq!(json_patch(&document, &json!([{"op": "remove", "path": "/list/9"}])), Err(Refused::Inapplicable));
        assert_eq!(json_patch(&document, &json!({"op": "remove"})), Err(Refused::Malformed));
    }

    #[test]
    fn a_patch_cannot_grow_a_document_without_bounds() {
        let repeated = |path: &str, times| json!(vec![json!({"op": "copy", "from": "", "path": path}); times]);
        let doubling = json_patch(&json!({"list": []}), &repeated("/list/-", 40));
        assert!(doubling == Err(Refused::Inapplicable), "2^40 times the document");
        let nesting = json_patch(&json!({"a": 1}), &repeated("/a", 200));
        assert!(nesting == Err(Refused::Inapplicable), "200 levels");
    }

    #[test]
    fn null_removes_in_a_merge_patch() {
        let mut document = json!({"a": 1, "b": {"c": 2}});
        merge_patch(&mut document, &json!({"a": null, "b": {"d": 3}, "e": {"f": null}}));
        assert_eq!(document, json!({"b": {"c": 2, "d": 3}, "e": {}}));
    }
}
