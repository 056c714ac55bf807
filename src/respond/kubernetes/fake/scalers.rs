//! Autoscalers for the API server of tests, and what their controllers do to the Deployment.

use serde_json::{Value, json};

use super::{Reply, Seen, State, set_by, status, write};

const HPAS: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/";
const SCALED: &str = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects";
const PINNED: &str = "autoscaling.keda.sh/paused-replicas";

/// The autoscaler `payments`; a floor of 0 is one that is not set.
pub(in crate::respond) fn hpa(floor: u32, cap: u32) -> Value {
    let mut hpa = json!({
        "kind": "HorizontalPodAutoscaler", "apiVersion": "autoscaling/v2",
        "metadata": { "name": "payments", "namespace": "shop", "uid": "hpa-1", "resourceVersion": "7",
            "annotations": { "team": "money" } },
        "spec": { "scaleTargetRef": { "kind": "Deployment", "name": "payments" }, "maxReplicas": cap,
            "metrics": [{ "type": "Resource" }] },
        "status": { "conditions": null },
    });
    if floor > 0 {
        hpa["spec"]["minReplicas"] = json!(floor);
    }
    hpa
}

/// KEDA's ScaledObject `pay` of `payments`.
pub(in crate::respond) fn scaled_object(spec: Value, annotations: Value) -> Value {
    let mut scaled = json!({
        "kind": "ScaledObject", "apiVersion": "keda.sh/v1alpha1",
        "metadata": { "name": "pay", "namespace": "shop", "uid": "so-1", "resourceVersion": "7",
            "annotations": annotations },
        "spec": spec, "status": {},
    });
    scaled["spec"]["scaleTargetRef"] = json!({ "name": "payments" });
    scaled
}

pub(super) fn answer(state: &mut State, seen: &Seen) -> Option<Reply> {
    let path = seen.path.split('?').next()?;
    if state.follows && seen.method == "GET" {
        follow(state);
    }
    if seen.method == "GET" && path == SCALED && !state.scaled.is_empty() {
        return Some(Reply::json(200, json!({ "kind": "List", "metadata": {}, "items": state.scaled })));
    }
    if !path.starts_with(HPAS) && !path.starts_with(&format!("{SCALED}/")) {
        return None;
    }
    let object = at(state, path)?.clone();
    Some(match seen.method.as_str() {
        "GET" => Reply::json(200, object),
        "PATCH" if seen.path.contains("dryRun=All") => {
            let (code, value) = patch(state, &seen.body, false);
            Reply::json(code, value)
        }
        "PATCH" => write(state, &seen.body, patch),
        _ => return None,
    })
}

fn at<'a>(state: &'a mut State, path: &str) -> Option<&'a mut Value> {
    let name = path.rsplit('/').next()?;
    let all = if path.starts_with(HPAS) { state.autoscalers.as_array_mut()? } else { &mut state.scaled };
    all.iter_mut().find(|one| one["metadata"]["name"] == name)
}

/// Applies a JSON Patch to the object that was asked for last, all or nothing.
fn patch(state: &mut State, steps: &Value, keep: bool) -> (u16, Value) {
    let path = state.seen.last().unwrap().path.split('?').next().unwrap().to_owned();
    let object = at(state, &path).unwrap();
    let mut next = object.clone();
    let mut owned = json!({});
    for step in steps.as_array().unwrap() {
        let pointer = step["path"].as_str().unwrap();
        let there = next.pointer(pointer).cloned();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        let last = last.replace("~1", "/");
        let fits = match (step["op"].as_str().unwrap(), next.pointer_mut(parent).and_then(Value::as_object_mut)) {
            ("test", _) => there.unwrap_or(Value::Null) == step["value"],
            ("replace", _) if there.is_none() => false,
            ("add" | "replace", Some(inside)) => {
                inside.insert(last.clone(), step["value"].clone());
                true
            }
            ("remove", Some(inside)) => inside.remove(&last).is_some(),
            _ => false,
        };
        if !fits {
            return (422, status("the server rejected our request due to an error in our request"));
        }
        if step["op"] != "test" {
            let within = if parent == "/spec" { "f:spec" } else { "f:annotations" };
            owned[within][format!("f:{last}")] = json!({});
        }
    }
    if next["spec"]["minReplicas"].as_u64() > next["spec"]["maxReplicas"].as_u64().filter(|_| path.starts_with(HPAS)) {
        return (422, status("spec.maxReplicas: Invalid value: must be greater than or equal to `minReplicas`"));
    }
    if keep {
        if owned.get("f:annotations").is_some() {
            owned = json!({ "f:metadata": owned });
        }
        next["metadata"]["managedFields"] = json!([{ "manager": "warroom", "operation": "Update",
            "time": "2026-11-21T03:24:00Z", "fieldsV1": owned }]);
        *object = next.clone();
    }
    (200, next)
}

/// Somebody else sets a field of the autoscaler.
pub(in crate::respond) fn edit(state: &mut State, field: &str, value: u32) {
    let hpa = &mut state.autoscalers[0];
    hpa["spec"][field] = json!(value);
    hpa["metadata"]["managedFields"] = json!([{ "manager": "kubectl-edit", "operation": "Update",
        "time": "2026-11-21T03:25:00Z", "fieldsV1": { "f:spec": { format!("f:{field}"): {} } } }]);
}

/// What KEDA and the autoscaler's controller do from one look to the next.
fn follow(state: &mut State) {
    for scaled in state.scaled.clone() {
        let count = |field: &str| scaled["spec"][field].as_u64();
        let (floor, cap) = (count("minReplicaCount").unwrap_or(0), count("maxReplicaCount").unwrap_or(100));
        let mut made = hpa(u32::try_from(floor.max(1)).unwrap(), u32::try_from(cap).unwrap());
        made["metadata"]["name"] = json!("keda-hpa-pay");
        made["metadata"]["ownerReferences"] = json!([{ "kind": "ScaledObject", "name": "pay", "controller": true }]);
        let notes = &scaled["metadata"]["annotations"];
        if let Some(pinned) = notes[PINNED].as_str() {
            state.autoscalers = json!([]);
            set(state, pinned.parse().unwrap());
        } else if notes["autoscaling.keda.sh/paused"] == "true" {
            state.autoscalers = json!([]);
        } else {
            state.autoscalers = json!([made]);
        }
    }
    let all = state.autoscalers.as_array().cloned().unwrap_or_default();
    let mut ours = all.iter().filter(|hpa| hpa["spec"]["scaleTargetRef"]["name"] == "payments");
    if let (Some(hpa), None) = (ours.next(), ours.next()) {
        let floor = u32::try_from(hpa["spec"]["minReplicas"].as_u64().unwrap_or(1)).unwrap();
        let cap = u32::try_from(hpa["spec"]["maxReplicas"].as_u64().unwrap()).unwrap();
        let now = u32::try_from(state.replicas()).unwrap();
        if now > 0 {
            set(state, now.clamp(floor, cap.max(floor)));
        }
    }
}

fn set(state: &mut State, replicas: u32) {
    if state.replicas() != u64::from(replicas) {
        set_by(&mut state.object, "horizontal-pod-autoscaler", replicas);
    }
}
