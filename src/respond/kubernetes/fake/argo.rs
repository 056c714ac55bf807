//! A Rollout and an Application for the API server of tests, with controllers that do, from one
//! look to the next, what the real ones were seen to do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rollout::{patched, rejected};
use super::{Reply, Seen, State, write};
use crate::model::name::{Kind, ObjectPath, Target};

pub(in crate::respond) const ROLLOUT: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/checkout";
pub(in crate::respond) const SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";
pub(in crate::respond) const PODS: &str = "/api/v1/namespaces/shop/pods";
/// What the Rollout refers to, where that is staged.
pub(in crate::respond) const REFERENCED: &str = "/apis/apps/v1/namespaces/shop/deployments/checkout-base";
pub(in crate::respond) const APPLICATION: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop";

pub(in crate::respond) const PROJECT: &str = "/apis/argoproj.io/v1alpha1/namespaces/argocd/appprojects/default";

/// Commits, the oldest first.
pub(in crate::respond) const COMMITS: [&str; 3] = [
    "1111111aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "2222222bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    "3333333ccccccccccccccccccccccccccccccccc",
];

type Objects = BTreeMap<String, Value>;

pub(super) fn answer(state: &mut State, seen: &Seen) -> Option<Reply> {
    let path = seen.path.split('?').next()?;
    let own = owner(path);
    if !state.argo.contains_key(own) {
        return None;
    }
    let scales = path.ends_with("/scale");
    Some(match seen.method.as_str() {
        "GET" if scales => Reply::json(200, scale(&state.argo[own])),
        "GET" => {
            if state.follows {
                roll_out(&mut state.argo);
                restart(&mut state.argo);
                synchronise(&mut state.argo);
            }
            Reply::json(200, state.argo[own].clone())
        }
        "PATCH" if seen.path.contains("dryRun=All") => {
            let (code, value) = patch(state, &seen.body, false);
            Reply::json(code, value)
        }
        "PATCH" => write(state, &seen.body, patch),
        _ => return None,
    })
}

/// The object of a path, also of that of one of its subresources.
fn owner(path: &str) -> &str {
    ["/status", "/scale"].iter().find_map(|part| path.strip_suffix(part)).unwrap_or(path)
}

fn scale(object: &Value) -> Value {
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": object["metadata"],
        "spec": { "replicas": object["spec"]["replicas"] },
        "status": { "replicas": object["status"]["replicas"], "selector": "app=checkout" },
    })
}

/// All of them that actions change and that is not used up. What runs is ours only where no policy
/// decides it.
pub(super) fn holds(objects: &Objects) -> Value {
    let held = |path: &str| {
        let object = objects.get(path)?;
        let policy = object.pointer("/spec/syncPolicy").is_some_and(Value::is_object);
        let runs = object.pointer("/status/operationState/syncResult/revision").filter(|_| !policy);
        Some(json!([object["spec"], object["status"]["abort"], runs]))
    };
    json!([held(ROLLOUT), held(APPLICATION)])
}

/// Applies a JSON Patch to the object that was asked for last. A status is written by itself, and
/// the rest without it.
fn patch(state: &mut State, steps: &Value, keep: bool) -> (u16, Value) {
    let asked = state.seen.last().unwrap().path.clone();
    let asked = asked.split('?').next().unwrap();
    let of_status = asked.ends_with("/status");
    for step in steps.as_array().unwrap().iter().filter(|step| step["op"] != "test") {
        let of = step["path"].as_str().unwrap();
        assert_eq!(of.starts_with("/status/"), of_status, "{of} is not written through {asked}");
        assert_eq!(of == "/spec/replicas", asked.ends_with("/scale"), "{of} is not written through {asked}");
    }
    let now = &state.argo[owner(asked)];
    let Some(mut next) = patched(now, steps) else { return rejected() };
    if !of_status {
        next["metadata"]["generation"] = json!(now["metadata"]["generation"].as_u64().unwrap() + 1);
    }
    if keep {
        state.argo.insert(owner(asked).to_owned(), next.clone());
    }
    (200, next)
}

fn target(kind: Kind, namespace: &str, name: &str) -> Target {
    Target { kind, path: ObjectPath::new(namespace, name), uid: None, ..super::payments() }
}

pub(in crate::respond) fn checkout() -> Target {
    target(Kind::Rollout, "shop", "checkout")
}

pub(in crate::respond) fn shop() -> Target {
    target(Kind::Application, "argocd", "shop")
}

/// The template of `checkout` in a version.
pub(in crate::respond) fn template(version: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "checkout" } },
        "spec": { "containers": [{ "name": "app", "image": format!("registry.example/checkout:{version}"),
            "env": [{ "name": "GREETING", "value": "grüß dich" }] }] },
    })
}

/// `shop/checkout` with eight pods, half of them a canary of 2.9.0 that waits at its first pause;
/// 2.8.0 is stable, and 2.7.4 was before it.
pub(in crate::respond) fn stage_rollout(state: &mut State) {
    let sets: Vec<_> = [("2.7.4", 3, 0), ("2.8.0", 4, 4), ("2.9.0", 5, 4)]
        .map(|(version, number, pods)| {
            let mut template = template(version);
            template["metadata"]["labels"]["rollouts-pod-template-hash"] = json!(format!("h{number}"));
            json!({
                "metadata": { "name": format!("checkout-h{number}"), "uid": format!("uid-h{number}"),
                    "labels": { "app": "checkout", "rollouts-pod-template-hash": format!("h{number}") },
                    "annotations": { "rollout.argoproj.io/revision": number.to_string() },
                    "ownerReferences": [{ "kind": "Rollout", "name": "checkout", "uid": "uid-r", "controller": true }] },
                "spec": { "template": template },
                "status": { "replicas": pods, "readyReplicas": pods, "availableReplicas": pods },
            })
        })
        .into();
    state.argo.insert(SETS.into(), json!({ "metadata": {}, "items": sets }));
    state.argo.insert(
        ROLLOUT.into(),
        json!({
            "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1",
            "metadata": { "name": "checkout", "namespace": "shop", "uid": "uid-r", "generation": 7 },
            "spec": { "replicas": 8, "selector": { "matchLabels": { "app": "checkout" } }, "template": template("2.9.0"),
                "strategy": { "canary": { "steps": [{ "setWeight": 50 }, { "pause": {} }] } } },
            "status": { "observedGeneration": "7", "phase": "Paused", "message": "CanaryPauseStep",
                "currentPodHash": "h5", "stableRS": "h4", "currentStepIndex": 1, "replicas": 8, "updatedReplicas": 4,
                "readyReplicas": 8, "availableReplicas": 8 },
        }),
    );
}

/// The canary of 2.9.0 came to nothing: 2.8.0 is what is wanted and what runs.
pub(in crate::respond) fn settle_rollout(state: &mut State) {
    let sets = state.argo.get_mut(SETS).unwrap();
    while !(grow(sets, "h4", 8) && grow(sets, "h5", 0)) {}
    let rollout = state.argo.get_mut(ROLLOUT).unwrap();
    rollout["spec"]["template"] = template("2.8.0");
    rollout["status"]["currentPodHash"] = json!("h4");
}

/// The template of `checkout` stands in a Deployment without pods of its own.
pub(in crate::respond) fn stage_reference(state: &mut State) {
    let rollout = state.argo.get_mut(ROLLOUT).unwrap();
    let template = rollout["spec"].as_object_mut().unwrap().remove("template").unwrap();
    rollout["spec"]["workloadRef"] =
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout-base", "scaleDown": "onsuccess" });
    rollout["status"]["workloadObservedGeneration"] = json!("3");
    state.argo.insert(
        REFERENCED.into(),
        json!({
            "kind": "Deployment", "apiVersion": "apps/v1",
            "metadata": { "name": "checkout-base", "namespace": "shop", "uid": "uid-d", "generation": 3 },
            "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "checkout" } }, "template": template },
            "status": { "observedGeneration": 3 },
        }),
    );
}

/// The pods of `checkout`: four of each version.
pub(in crate::respond) fn stage_pods(state: &mut State) {
    let pods: Vec<_> = (0..8)
        .map(|number| {
            let set = if number < 4 { "h4" } else { "h5" };
            json!({ "metadata": { "name": format!("checkout-{set}-{number}"), "namespace": "shop",
                "creationTimestamp": "2026-11-10T00:00:00Z", "labels": { "app": "checkout" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": format!("checkout-{set}"),
                    "uid": format!("uid-{set}"), "controller": true }] } })
        })
        .collect();
    // Somebody else's, of the same labels.
    let other = json!({ "metadata": { "name": "job", "creationTimestamp": "2026-11-10T00:00:00Z" } });
    let all = [pods, vec![other]].concat();
    state.argo.insert(PODS.into(), json!({ "metadata": {}, "items": all }));
}

/// Argo Rollouts ends older pods, two at a look, and their ReplicaSets make others.
fn restart(objects: &mut Objects) {
    let at = objects.get(ROLLOUT).map(|rollout| rollout["spec"]["restartAt"].clone()).unwrap_or_default();
    let (Some(at), Some(pods)) = (at.as_str().map(str::to_owned), objects.get_mut(PODS)) else { return };
    let old = pods["items"].as_array_mut().unwrap().iter_mut().filter(|pod| {
        let made = pod["metadata"]["creationTimestamp"].as_str().unwrap();
        pod["metadata"]["ownerReferences"].is_array() && made < at.as_str()
    });
    for pod in old.take(2) {
        pod["metadata"]["creationTimestamp"] = json!(at);
    }
}

fn set<'a>(sets: &'a mut Value, hash: &str) -> &'a mut Value {
    let items = sets["items"].as_array_mut().unwrap();
    items.iter_mut().find(|set| set["metadata"]["labels"]["rollouts-pod-template-hash"] == hash).unwrap()
}

/// Sets the pods of a version, three more at the most; whether it has all of them.
fn grow(sets: &mut Value, hash: &str, to: u64) -> bool {
    let status = &mut set(sets, hash)["status"];
    let now = status["availableReplicas"].as_u64().unwrap();
    let next = if now < to { (now + 3).min(to) } else { to };
    for count in ["replicas", "readyReplicas", "availableReplicas"] {
        status[count] = json!(next);
    }
    next == to
}

/// Argo Rollouts.
fn roll_out(objects: &mut Objects) {
    let Some(mut rollout) = objects.get(ROLLOUT).cloned() else { return };
    let referenced = objects.get(REFERENCED).cloned();
    let sets = objects.get_mut(SETS).unwrap();
    let generation = rollout["metadata"]["generation"].to_string();
    let theirs = referenced.as_ref().map(|it| it["metadata"]["generation"].to_string());
    let seen = theirs.as_ref().is_none_or(|theirs| rollout["status"]["workloadObservedGeneration"] == **theirs);
    if rollout["status"]["observedGeneration"] != generation || !seen {
        rollout["status"]["observedGeneration"] = json!(generation);
        if let Some(theirs) = theirs {
            rollout["status"]["workloadObservedGeneration"] = json!(theirs);
        }
        let wanted = referenced.as_ref().map_or(&rollout["spec"]["template"], |it| &it["spec"]["template"]).clone();
        let wanted = &wanted;
        let made = sets["items"].as_array().unwrap().iter().find(|set| {
            let mut of = set["spec"]["template"].clone();
            of["metadata"]["labels"].as_object_mut().unwrap().remove("rollouts-pod-template-hash");
            of == *wanted
        });
        let hash = made.unwrap()["metadata"]["labels"]["rollouts-pod-template-hash"].clone();
        if hash != rollout["status"]["currentPodHash"] {
            rollout["status"]["currentPodHash"] = hash;
            rollout["status"].as_object_mut().unwrap().remove("abort");
            rollout["status"]["phase"] = json!("Progressing");
        }
    }
    let wanted = rollout["spec"]["replicas"].as_u64().unwrap();
    let word = |name: &str| rollout["status"][name].as_str().unwrap().to_owned();
    let (current, stable) = (word("currentPodHash"), word("stableRS"));
    let (phase, message) = if rollout["status"]["abort"] == json!(true) {
        // First all pods of the stable version, then none of the new one.
        let full = grow(sets, &stable, wanted);
        if full && grow(sets, &current, 0) {
            ("Degraded", "RolloutAborted: Rollout aborted update to revision 5")
        } else {
            ("Progressing", "more replicas need to be updated")
        }
    } else if current == stable {
        for other in ["h3", "h4", "h5"].into_iter().filter(|hash| *hash != current) {
            grow(sets, other, 0);
        }
        if grow(sets, &current, wanted) {
            ("Healthy", "")
        } else {
            ("Progressing", "updated replicas are still becoming available")
        }
    } else if current == "h5" {
        grow(sets, &stable, 4);
        grow(sets, &current, 4);
        ("Paused", "CanaryPauseStep")
    } else {
        // Goes through its steps without a pause.
        if grow(sets, &current, wanted) {
            rollout["status"]["stableRS"] = json!(current);
        }
        ("Progressing", "more replicas need to be updated")
    };
    let count = |sets: &mut Value, hash: &str| set(sets, hash)["status"]["availableReplicas"].as_u64().unwrap();
    let all: u64 = ["h3", "h4", "h5"].map(|hash| count(sets, hash)).iter().sum();
    let status = &mut rollout["status"];
    (status["phase"], status["message"]) = (json!(phase), json!(message));
    for name in ["replicas", "readyReplicas", "availableReplicas"] {
        status[name] = json!(all);
    }
    status["updatedReplicas"] = json!(count(sets, &current));
    objects.insert(ROLLOUT.into(), rollout);
}

/// `argocd/shop`, which follows the newest of three commits by itself.
pub(in crate::respond) fn stage_application(state: &mut State) {
    let history: Vec<_> = (0..)
        .zip(COMMITS)
        .map(|(id, commit)| {
            json!({ "id": id, "revision": commit, "deployedAt": format!("2026-11-1{id}T02:30:00Z"),
                "initiatedBy": { "automated": true }, "source": source() })
        })
        .collect();
    let version = json!({ "revision": COMMITS[2], "source": source() });
    state.argo.insert(PROJECT.into(), json!({ "metadata": { "name": "default" }, "spec": {} }));
    state.argo.insert(
        APPLICATION.into(),
        json!({
            "kind": "Application", "apiVersion": "argoproj.io/v1alpha1",
            "metadata": { "name": "shop", "namespace": "argocd", "uid": "uid-a", "generation": 9 },
            "spec": { "project": "default", "source": source(),
                "destination": { "server": "https://kubernetes.default.svc", "namespace": "shop" },
                "syncPolicy": { "automated": { "prune": true, "selfHeal": true }, "syncOptions": ["CreateNamespace=true"] } },
            "status": {
                "sync": { "status": "Synced", "revision": COMMITS[2] }, "health": { "status": "Healthy" },
                "history": history, "reconciledAt": "2026-11-13T00:00:00Z",
                "resources": [{ "kind": "Deployment", "name": "payments" }, { "kind": "ConfigMap", "name": "limits" }],
                "operationState": { "phase": "Succeeded", "startedAt": "2026-11-12T02:29:58Z",
                    "finishedAt": "2026-11-12T02:30:00Z", "syncResult": version,
                    "operation": { "initiatedBy": { "automated": true }, "retry": { "limit": 5 },
                        "sync": { "revision": COMMITS[2], "source": source() } } },
            },
        }),
    );
}

pub(in crate::respond) fn source() -> Value {
    json!({ "repoURL": "https://git.example/shop.git", "path": "app", "targetRevision": "main" })
}

/// Argo CD. Each look is a second later than the one before, and long after the tests' world.
fn synchronise(objects: &mut Objects) {
    let looks = objects.get("looks").and_then(Value::as_u64).unwrap_or(0) + 1;
    let Some(app) = objects.get_mut(APPLICATION) else { return };
    let now =
        json!(chrono::DateTime::from_timestamp(1_795_100_000 + i64::try_from(looks).unwrap(), 0).unwrap().to_rfc3339());
    let git = app["status"]["sync"]["revision"].clone();
    let operation = app["operation"].clone();
    let state = app["status"]["operationState"].clone();
    // It writes what it read without what is empty.
    if app["spec"]["syncPolicy"] == json!({}) {
        app["spec"].as_object_mut().unwrap().remove("syncPolicy");
    }
    if operation.is_null() {
        let synced = &state["syncResult"]["revision"];
        let automated = app.pointer("/spec/syncPolicy/automated").is_some_and(|auto| auto["enabled"] != json!(false));
        app["status"]["sync"]["status"] = json!(if *synced == git { "Synced" } else { "OutOfSync" });
        if automated && *synced != git && state["phase"] == "Succeeded" {
            app["operation"] =
                json!({ "initiatedBy": { "automated": true }, "sync": { "revision": git, "source": source() } });
        } else {
            app["status"]["health"]["status"] = json!("Healthy");
            app["status"]["reconciledAt"] = now;
        }
    } else if state["phase"] != "Running" {
        let mut taken = operation;
        taken["retry"] = json!({});
        app["status"]["operationState"] = json!({ "phase": "Running", "startedAt": now, "operation": taken });
    } else {
        app["operation"] = Value::Null;
        let sync = &operation["sync"];
        let mut result = json!({ "revision": sync["revision"].as_str().unwrap_or_default() });
        for part in ["source", "sources", "revisions"] {
            if !sync[part].is_null() {
                result[part] = sync[part].clone();
            }
        }
        let state = &mut app["status"]["operationState"];
        state["finishedAt"] = now.clone();
        if sync["revision"] == COMMITS[0] {
            (state["phase"], state["message"]) = (json!("Failed"), json!("one or more objects failed to apply"));
        } else {
            (state["phase"], state["message"]) = (json!("Succeeded"), json!("successfully synced (all tasks run)"));
            let history = app["status"]["history"].as_array_mut().unwrap();
            let mut entry = result.clone();
            entry["id"] = json!(history.last().map_or(0, |last| last["id"].as_i64().unwrap() + 1));
            (entry["deployedAt"], entry["initiatedBy"]) = (now.clone(), operation["initiatedBy"].clone());
            history.push(entry);
        }
        app["status"]["operationState"]["syncResult"] = result;
        // Of the same second, and of what ran before.
        app["status"]["reconciledAt"] = now;
    }
    objects.insert("looks".into(), json!(looks));
}
