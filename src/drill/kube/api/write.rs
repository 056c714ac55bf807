//! Writing: patches and replacements of workloads, their scale, autoscalers and custom resources; deletion of pods; events that clients post.
//!
//! Owns: preconditions, validation, dry runs, and the list of what was taken. Must not: run a
//! controller: what a write sets off happens from the next tick on.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::daemonsets::count_template;
use super::super::kinds::{Kind, Resource};
use super::super::state::State;
use super::super::store::Key;
use super::super::value::{at, cut, int, list, put, stamp, text};
use super::super::{Cluster, Taken};
use super::negotiate::PROTOBUF;
use super::patch::{Refused, json_patch, merge_patch};
use super::status::Failure;
use super::{Call, json_answer, proto_in, scale_of, shown, strategic};

/// The most replicas of one workload: the API would take more, the machine that runs the drill
/// would not.
const MOST: i64 = 5000;

/// The body of a request to create or replace something, as JSON.
pub(super) fn read(resource: &Resource, headers: &HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    let media = media(headers);
    if media == PROTOBUF {
        return proto_in::read(resource, body);
    }
    if !matches!(media, "" | "application/json") {
        return Err(Failure::unsupported());
    }
    parse(body)
}

fn parse(body: &Bytes) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|error| Failure::bad_request(format!("the object provided is unrecognized (it is no JSON): {error}")))
}

fn media(headers: &HeaderMap) -> &str {
    let whole = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim()
}

/// Whether the request only asks what would happen; `of` is the kind of its options.
fn is_dry(value: &str, of: &str) -> Result<bool, Failure> {
    match value {
        "" => Ok(false),
        "All" => Ok(true),
        other => {
            let message = format!("Unsupported value: [{other:?}]: supported values: \"All\"");
            Err(Failure::invalid_kind(("meta.k8s.io", of), "", "dryRun", "FieldValueNotSupported", &message))
        }
    }
}

/// PATCH and PUT.
pub(super) fn change(
    cluster: &Cluster,
    call: &Call,
    verb: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Failure> {
    let dry = is_dry(call.query.get("dryRun"), if verb == "patch" { "PatchOptions" } else { "UpdateOptions" })?;
    let answer = {
        let mut state = cluster.lock();
        let kind = call.stored().ok_or_else(Failure::not_allowed)?;
        let old = state.store.get(kind, &call.key()).cloned().ok_or_else(|| call.not_found())?;
        let scaling = call.sub.as_deref() == Some("scale");
        let status = call.sub.as_deref() == Some("status");
        let before = if scaling { scale_of(&old) } else { shown(call.resource, &old) };
        let wanted = match verb {
            "patch" => patched(kind, &before, headers, body)?,
            _ => read(call.resource, headers, body)?,
        };
        preconditions(call, verb, &before, &wanted)?;
        let mut next = if scaling {
            let mut next = Value::clone(&old);
            put(
                &mut next,
                &["spec", "replicas"],
                json!(replicas(call.resource, call, at(&wanted, &["spec", "replicas"]))?),
            );
            next
        } else if status {
            // All else that such a request says is passed over.
            let mut next = Value::clone(&old);
            put(&mut next, &["status"], at(&wanted, &["status"]).clone());
            next
        } else {
            admit(call, kind, &old, wanted)?
        };
        // A Service has no generation.
        if at(&next, &["spec"]) != at(&old, &["spec"]) && kind != Kind::Service {
            let generation = int(&old, &["metadata", "generation"]).saturating_add(1);
            put(&mut next, &["metadata", "generation"], json!(generation));
        }
        if !dry && next != *old {
            next = Value::clone(&state.store.put(kind, next));
            take(&mut state, verb, call);
        }
        if scaling { scale_of(&next) } else { shown(call.resource, &next) }
    };
    if !dry {
        cluster.publish();
    }
    Ok(json_answer(StatusCode::OK, &answer))
}

fn take(state: &mut State, verb: &str, call: &Call) {
    let key = call.key();
    let what = format!("{verb} {} {}/{}", call.what(), key.namespace, key.name);
    state.taken.push(Taken { at: state.now, what });
}

fn patched(kind: Kind, before: &Value, headers: &HeaderMap, body: &Bytes) -> Result<Value, Failure> {
    let media = media(headers);
    if kind.is_custom() && media.contains("strategic") {
        return Err(Failure::unsupported());
    }
    let patch = match media {
        "application/json-patch+json" | "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
            serde_json::from_slice(body).map_err(|error| {
                let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
                Failure::bad_request(format!("error decoding patch: {why}"))
            })?
        }
        _ => return Err(Failure::unsupported()),
    };
    if media == "application/json-patch+json" {
        return json_patch(before, &patch).map_err(|refused| match refused {
            Refused::Malformed => Failure::bad_request("the body is no JSON Patch"),
            Refused::Inapplicable => Failure::inapplicable(),
        });
    }
    if !patch.is_object() {
        return Err(Failure::bad_request("the patch is no JSON object"));
    }
    let mut out = before.clone();
    if media == "application/merge-patch+json" {
        merge_patch(&mut out, &patch);
    } else {
        strategic::apply(&mut out, &patch);
    }
    Ok(out)
}

/// UID and resource version, as facts/actions.md measured them.
fn preconditions(call: &Call, verb: &str, before: &Value, wanted: &Value) -> Result<(), Failure> {
    let name = call.name.as_deref().unwrap_or_default();
    let meta = |object: &Value, field: &str| text(object, &["metadata", field]).to_owned();
    let given = meta(wanted, "name");
    if !given.is_empty() && given != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    let (uid, is) = (meta(wanted, "uid"), meta(before, "uid"));
    if !uid.is_empty() && uid != is {
        if verb == "patch" && call.sub.is_none() {
            return Err(Failure::invalid(call.resource, name, "metadata.uid", &format!("{uid:?}: field is immutable")));
        }
        return Err(Failure::other_uid(call, &uid, &is));
    }
    let version = meta(wanted, "resourceVersion");
    if !version.is_empty() && version != meta(before, "resourceVersion") {
        return Err(Failure::modified(call.resource, name));
    }
    Ok(())
}

fn replicas(resource: &Resource, call: &Call, value: &Value) -> Result<i64, Failure> {
    let name = call.name.as_deref().unwrap_or_default();
    let of = if call.sub.is_some() { ("autoscaling", "Scale") } else { (resource.group, resource.kind) };
    let invalid = |why: &str| {
        let message = format!("Invalid value: {value}: {why}");
        Failure::invalid_kind(of, name, "spec.replicas", "FieldValueInvalid", &message)
    };
    match value {
        // Zero is left out by clients that omit what is empty.
        Value::Null => Ok(0),
        value => match value.as_i64() {
            Some(number) if number < 0 => Err(invalid("must be greater than or equal to 0")),
            Some(number) if number > MOST => {
                Err(invalid(&format!("the drill runs at most {MOST} pods of one workload")))
            }
            Some(number) => Ok(number),
            None => Err(invalid("must be an integer")),
        },
    }
}

/// The object as it will be stored: what clients may not change is as it was.
fn admit(call: &Call, kind: Kind, old: &Value, wanted: Value) -> Result<Value, Failure> {
    let mut next = wanted;
    if !next.is_object() {
        return Err(Failure::bad_request("the body is no object"));
    }
    cut(&mut next, &["apiVersion"]);
    cut(&mut next, &["kind"]);
    put(&mut next, &["status"], at(old, &["status"]).clone());
    cut(&mut next, &["metadata", "managedFields"]);
    for field in ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences"] {
        match at(old, &["metadata", field]) {
            Value::Null => cut(&mut next, &["metadata", field]),
            value => put(&mut next, &["metadata", field], value.clone()),
        }
    }
    let name = call.name.as_deref().unwrap_or_default();
    let invalid = |field: &str, why: &str| Failure::invalid(call.resource, name, field, why);
    if let Some((field, why)) = super::super::traffic::refused(kind, &next) {
        return Err(invalid(field, &why));
    }
    if kind == Kind::Rollout {
        replicas(call.resource, call, at(&next, &["spec", "replicas"]))?;
    }
    if kind.is_custom() {
        return Ok(next);
    }
    if kind == Kind::Service {
        if at(&next, &["spec", "clusterIP"]) != at(old, &["spec", "clusterIP"]) {
            return Err(invalid("spec.clusterIPs[0]", "may not change once set"));
        }
        let selector = at(&next, &["spec", "selector"]).as_object();
        if let Some((key, value)) = selector.into_iter().flatten().find(|(_, value)| !value.is_string()) {
            return Err(Failure::bad_request(format!("spec.selector.{key}: {value} is no text")));
        }
        return Ok(next);
    }
    if kind == Kind::Autoscaler {
        // The API's default.
        if at(&next, &["spec", "minReplicas"]).is_null() {
            put(&mut next, &["spec", "minReplicas"], json!(1));
        }
        let (least, most) = (int(&next, &["spec", "minReplicas"]), int(&next, &["spec", "maxReplicas"]));
        if least < 0 || most > MOST {
            return Err(invalid("spec.maxReplicas", &format!("{most}: the drill scales from 0 to {MOST}")));
        }
        if most < 1 {
            return Err(invalid("spec.maxReplicas", &format!("{most}: must be greater than 0")));
        }
        if least > most {
            return Err(invalid(
                "spec.maxReplicas",
                &format!("{most}: must be greater than or equal to `minReplicas`"),
            ));
        }
        return Ok(next);
    }
    if kind == Kind::StatefulSet {
        fixed(old, &next).map_err(|why| Failure::forbidden_field(call.resource, name, "spec", why))?;
    }
    let spec = at(&next, &["spec"]);
    let count = match at(spec, &["replicas"]) {
        Value::Null => 1,
        value => replicas(call.resource, call, value)?,
    };
    if at(spec, &["selector"]) != at(old, &["spec", "selector"]) {
        let is = at(spec, &["selector"]).to_string();
        return Err(invalid("spec.selector", &format!("{is}: field is immutable")));
    }
    let labels = at(spec, &["selector", "matchLabels"]);
    if !super::super::select::match_labels(labels, at(spec, &["template"])) {
        return Err(invalid("spec.template.metadata.labels", "`selector` does not match template `labels`"));
    }
    let containers = list(spec, &["template", "spec", "containers"]);
    if containers.is_empty() {
        return Err(invalid("spec.template.spec.containers", "Required value"));
    }
    for (index, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            if text(container, &[field]).is_empty() {
                return Err(invalid(&format!("spec.template.spec.containers[{index}].{field}"), "Required value"));
            }
        }
    }
    if kind == Kind::DaemonSet {
        count_template(old, &mut next);
    } else {
        put(&mut next, &["spec", "replicas"], json!(count));
    }
    for field in ["strategy", "updateStrategy", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        if at(&next, &["spec", field]).is_null() && !at(old, &["spec", field]).is_null() {
            put(&mut next, &["spec", field], at(old, &["spec", field]).clone());
        }
    }
    Ok(next)
}

/// Whether nothing is changed that a StatefulSet keeps for life.
fn fixed(old: &Value, next: &Value) -> Result<(), &'static str> {
    const OPEN: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let rest = |object: &Value| {
        let fields = at(object, &["spec"]).as_object().into_iter().flatten();
        let kept = fields.filter(|(key, _)| !OPEN.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect::<serde_json::Map<_, _>>()
    };
    if rest(old) == rest(next) {
        return Ok(());
    }
    Err("updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
         'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")
}

/// DELETE of a pod: what controls it makes a new one.
pub(super) fn delete_pod(
    cluster: &Cluster,
    call: &Call,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Failure> {
    let options = if body.is_empty() { json!({}) } else { read(call.resource, headers, body)? };
    let dry = is_dry(call.query.get("dryRun"), "DeleteOptions")?
        || is_dry(list(&options, &["dryRun"]).first().and_then(Value::as_str).unwrap_or(""), "DeleteOptions")?;
    let answer = {
        let mut state = cluster.lock();
        let key = call.key();
        let pod = state.store.get(Kind::Pod, &key).cloned().ok_or_else(|| call.not_found())?;
        for field in ["uid", "resourceVersion"] {
            let (wanted, is) = (text(&options, &["preconditions", field]), text(&pod, &["metadata", field]));
            if !wanted.is_empty() && wanted != is {
                let (what, then) = if field == "uid" {
                    ("UID", "deleted and then recreated")
                } else {
                    ("ResourceVersion", "modified")
                };
                let why = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({is}). The object \
                     might have been {then}"
                );
                return Err(Failure::not_the_one(call.resource, &key.name, &why));
            }
        }
        let grace = at(&options, &["gracePeriodSeconds"])
            .as_i64()
            .or_else(|| call.query.get("gracePeriodSeconds").parse().ok());
        if !dry {
            if grace == Some(0) {
                state.remove_pod(&key);
            } else {
                state.terminate(&key);
            }
            take(&mut state, "delete", call);
        }
        let now = state.store.get(Kind::Pod, &key).cloned();
        shown(call.resource, now.as_deref().unwrap_or(&pod))
    };
    if !dry {
        cluster.publish();
    }
    Ok(json_answer(StatusCode::OK, &answer))
}

/// POST of an event.
pub(super) fn create_event(
    cluster: &Cluster,
    call: &Call,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Failure> {
    let mut event = read(call.resource, headers, body)?;
    let dry = is_dry(call.query.get("dryRun"), "CreateOptions")?;
    let namespace = call.namespace.clone().ok_or_else(Failure::not_allowed)?;
    if call.name.is_some() {
        return Err(Failure::not_allowed());
    }
    let answer = {
        let mut state = cluster.lock();
        if state.store.get(Kind::Namespace, &Key::new("", namespace.clone())).is_none() {
            return Err(Failure::not_found(call.resource, &namespace));
        }
        let about = text(&event, &["involvedObject", "namespace"]);
        if !about.is_empty() && about != namespace {
            return Err(Failure::invalid(
                call.resource,
                "",
                "involvedObject.namespace",
                "does not match event.namespace",
            ));
        }
        let made = state.store.version().to_string();
        let mut name = text(&event, &["metadata", "name"]).to_owned();
        if name.is_empty() {
            let prefix = text(&event, &["metadata", "generateName"]);
            if prefix.is_empty() {
                return Err(Failure::invalid(
                    call.resource,
                    "",
                    "metadata.name",
                    "Required value: name or generateName is required",
                ));
            }
            name = format!("{prefix}{}", state.seed.suffix(&["posted", prefix, &made]));
        }
        let key = Key::new(namespace.clone(), name.clone());
        if state.store.get(Kind::Event, &key).is_some() {
            return Err(Failure::exists(call.resource, &name));
        }
        cut(&mut event, &["apiVersion"]);
        cut(&mut event, &["kind"]);
        let now = stamp(state.now);
        let uid = state.seed.uid(&["event", &namespace, &name, &made]);
        for (field, value) in
            [("name", name), ("namespace", namespace), ("uid", uid), ("creationTimestamp", now.clone())]
        {
            put(&mut event, &["metadata", field], json!(value));
        }
        for field in ["firstTimestamp", "lastTimestamp"] {
            if at(&event, &[field]).is_null() {
                put(&mut event, &[field], json!(now));
            }
        }
        if !dry {
            event = Value::clone(&state.store.put(Kind::Event, event));
            let what = format!("create events {}/{}", key.namespace, key.name);
            let at = state.now;
            state.taken.push(Taken { at, what });
        }
        shown(call.resource, &event)
    };
    if !dry {
        cluster.publish();
    }
    Ok(json_answer(StatusCode::CREATED, &answer))
}
