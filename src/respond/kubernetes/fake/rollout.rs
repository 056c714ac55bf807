//! Workloads with revisions for the API server of tests: what a rollback reads, the patch of a
//! whole object, and a controller that follows it.

use serde_json::{Value, json};

use super::{Reply, Seen, State, status, write};
use crate::model::name::{Kind, Target};

pub(super) const NUMBER: &str = "deployment.kubernetes.io/revision";

/// A template of `payments` of this version; the limit is a variable that 2.9.0 lost.
pub(in crate::respond) fn template(version: &str) -> Value {
    let env = match version {
        "2.9.0" => json!([{ "name": "GREETING", "value": "grüß\tdich" }]),
        _ => json!([{ "name": "GREETING", "value": "grüß\tdich" }, { "name": "RATE_LIMIT", "value": "6" }]),
    };
    json!({
        "metadata": { "creationTimestamp": null, "labels": { "app": "payments" } },
        "spec": {
            "containers": [{ "name": "payments", "image": format!("registry.example/payments:{version}"), "env": env,
                "envFrom": [{ "configMapRef": { "name": "limits" } }] }],
            "restartPolicy": "Always",
        },
    })
}

/// Puts a workload of `kind` with three revisions, 2.7.4, 2.8.0 and 2.9.0, in the place of the
/// Deployment.
pub(in crate::respond) fn stage(state: &mut State, kind: Kind) {
    let deployment = kind == Kind::Deployment;
    let annotations = if deployment {
        json!({ NUMBER: "3", "kubernetes.io/change-cause": "ci/payments", "team": "money",
            "kubectl.kubernetes.io/last-applied-configuration": "{\"spec\":{\"template\":{}}}" })
    } else {
        json!({ "team": "money" })
    };
    state.object = json!({
        "kind": kind.as_str(), "apiVersion": "apps/v1",
        "metadata": { "name": "payments", "namespace": "shop", "uid": "uid-1", "generation": 4,
            "resourceVersion": "104", "labels": {}, "annotations": annotations },
        "spec": { "replicas": 6, "selector": { "matchLabels": { "app": "payments" } }, "template": template("2.9.0") },
        "status": { "observedGeneration": 4, "replicas": 6, "readyReplicas": 6, "availableReplicas": 6,
            "updatedReplicas": 6, "updatedNumberScheduled": 6, "numberAvailable": 6, "numberReady": 6,
            "desiredNumberScheduled": 6, "currentRevision": "r3", "updateRevision": "r3", "conditions": [] },
    });
    if kind == Kind::DaemonSet {
        state.object["spec"].as_object_mut().unwrap().remove("replicas");
    }
    let meta = |number: usize| {
        json!({ "name": format!("payments-{number}"), "creationTimestamp": format!("2026-11-{:02}T02:30:00Z", 7 * number),
            "ownerReferences": [{ "kind": kind.as_str(), "name": "payments", "uid": "uid-1", "controller": true }] })
    };
    let versions = ["2.7.4", "2.8.0", "2.9.0"];
    state.revisions = (1..)
        .zip(versions)
        .map(|(number, version)| {
            let mut item = json!({ "metadata": meta(number) });
            let mut template = template(version);
            if deployment {
                template["metadata"]["labels"]["pod-template-hash"] = json!(format!("h{number}"));
                let mut annotations = json!({ NUMBER: number.to_string(), "team": "money",
                "deployment.kubernetes.io/desired-replicas": "6" });
                if number == 3 {
                    annotations["kubernetes.io/change-cause"] = json!("ci/payments");
                }
                item["metadata"]["annotations"] = annotations;
                item["spec"] = json!({ "template": template });
            } else {
                template["$patch"] = json!("replace");
                template["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
                item["revision"] = json!(number);
                item["data"] = json!({ "spec": { "template": template } });
            }
            item
        })
        .collect();
    // Of another workload with the same labels.
    let mut foreign = state.revisions[1].clone();
    foreign["metadata"]["ownerReferences"][0]["uid"] = json!("uid-9");
    state.revisions.push(foreign);
}

/// The target, as a pane would name it.
pub(in crate::respond) fn target(kind: Kind) -> Target {
    Target { kind, ..super::payments() }
}

pub(super) fn answer(state: &mut State, seen: &Seen) -> Option<Reply> {
    let kind = state.object["kind"].as_str()?.to_ascii_lowercase();
    let base = "/apis/apps/v1/namespaces/shop/";
    let path = seen.path.split('?').next()?.strip_prefix(base)?;
    let own = format!("{kind}s/payments");
    let lists = if kind == "deployment" { "replicasets" } else { "controllerrevisions" };
    Some(match seen.method.as_str() {
        "GET" if path == lists => {
            assert!(seen.path.contains("labelSelector=app%3Dpayments"), "{}", seen.path);
            let items = json!({ "kind": "List", "metadata": {}, "items": state.revisions });
            Reply::json(200, items)
        }
        "GET" if path == own && kind != "deployment" => Reply::json(200, state.look()),
        "PATCH" if path == own && seen.path.contains("dryRun=All") => {
            let (code, value) = patch(state, &seen.body, false);
            Reply::json(code, value)
        }
        "PATCH" if path == own => write(state, &seen.body, patch),
        _ => return None,
    })
}

/// Applies a JSON Patch to the object, all or nothing.
fn patch(state: &mut State, steps: &Value, keep: bool) -> (u16, Value) {
    let Some(mut next) = patched(&state.object, steps) else { return rejected() };
    if keep {
        changed_by(&mut next, &state.object, "warroom");
        state.object = next.clone();
    }
    (200, next)
}

/// An object after a JSON Patch, if all of it fits.
pub(super) fn patched(object: &Value, steps: &Value) -> Option<Value> {
    let mut next = object.clone();
    for step in steps.as_array().unwrap() {
        let path = step["path"].as_str().unwrap();
        let (parent, last) = path.rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        let there = next.pointer(path).cloned();
        let inside = next.pointer_mut(parent).and_then(Value::as_object_mut)?;
        let fits = match step["op"].as_str().unwrap() {
            // As measured: a test of what is not there passes only against null.
            "test" => there.unwrap_or(Value::Null) == step["value"],
            "replace" if there.is_none() => false,
            "add" | "replace" => {
                inside.insert(last, step["value"].clone());
                true
            }
            "remove" => inside.remove(&last).is_some(),
            other => panic!("{other} is not an operation that was agreed on"),
        };
        if !fits {
            return None;
        }
    }
    Some(next)
}

pub(super) fn rejected() -> (u16, Value) {
    (422, status("the server rejected our request due to an error in our request"))
}

/// What the server notes of a change by `manager`.
fn changed_by(next: &mut Value, before: &Value, manager: &str) {
    let generation = before["metadata"]["generation"].as_i64().unwrap() + i64::from(next["spec"] != before["spec"]);
    next["metadata"]["generation"] = json!(generation);
    next["metadata"]["resourceVersion"] = json!((100 + generation).to_string());
    if next["spec"]["template"] != before["spec"]["template"] {
        next["metadata"]["managedFields"] = json!([{ "manager": manager, "operation": "Update",
            "time": "2026-11-21T03:24:00Z", "fieldsV1": { "f:spec": { "f:template": {} } } }]);
        for count in ["updatedReplicas", "updatedNumberScheduled"] {
            next["status"][count] = json!(0);
        }
        next["status"]["updateRevision"] = json!(format!("r{generation}"));
    }
}

/// Somebody else sets the template.
pub(in crate::respond) fn template_by(state: &mut State, manager: &str, version: &str) {
    edit(state, manager, "/spec/template", template(version));
}

/// Somebody else restarts it.
pub(in crate::respond) fn restarted(state: &mut State) {
    let at = json!({ "kubectl.kubernetes.io/restartedAt": "2026-11-21T03:00:00Z" });
    edit(state, "kubectl-rollout", "/spec/template/metadata/annotations", at);
}

fn edit(state: &mut State, manager: &str, pointer: &str, value: Value) {
    let mut next = state.object.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    next.pointer_mut(parent).unwrap()[last] = value;
    changed_by(&mut next, &state.object, manager);
    state.object = next;
}

/// What the controllers do from one look to the next, beside what all workloads have in common.
pub(super) fn follow(state: &mut State) {
    let status = &mut state.object["status"];
    let updated = status["updatedReplicas"].clone();
    for count in ["updatedNumberScheduled", "numberAvailable", "numberReady"] {
        status[count] = updated.clone();
    }
    if updated == json!(6) {
        status["currentRevision"] = status["updateRevision"].clone();
    }
    if state.object["kind"] != "Deployment" {
        return;
    }
    // Rolling back renumbers.
    let number = |item: &Value| item["metadata"]["annotations"][NUMBER].as_str().unwrap().parse::<u32>().unwrap();
    let highest = state.revisions.iter().filter(|item| !is_foreign(item)).map(number).max();
    let wanted = state.object["spec"]["template"].clone();
    for item in state.revisions.iter_mut().filter(|item| !is_foreign(item)) {
        let mut template = item["spec"]["template"].clone();
        template["metadata"]["labels"].as_object_mut().unwrap().remove("pod-template-hash");
        if template == wanted && Some(number(item)) != highest {
            let next = json!((highest.unwrap() + 1).to_string());
            item["metadata"]["annotations"][NUMBER] = next.clone();
            state.object["metadata"]["annotations"][NUMBER] = next;
            return;
        }
    }
}

fn is_foreign(item: &Value) -> bool {
    item["metadata"]["ownerReferences"][0]["uid"] != "uid-1"
}
