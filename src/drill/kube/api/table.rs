//! Tables: the columns that kubectl prints, made by the server (`meta.k8s.io/v1 Table`).
//!
//! Owns: columns and cells of every kind, after kubectl's `printers/internalversion`. Ages are
//! world time, which a client's own clock would get wrong. Must not: select or sort.

use serde_json::{Value, json};

use crate::clock::World;

use super::super::kinds::{Behind, Kind, Resource};
use super::super::value::{age_at, at, int, list, milli, moment, text};
use super::negotiate::Include;

/// Name, type, priority (1 is shown by `-o wide` alone).
type Column = (&'static str, &'static str, u8);

const NAME: Column = ("Name", "string", 0);
const AGE: Column = ("Age", "string", 0);
const CONTAINERS: [Column; 3] = [("Containers", "string", 1), ("Images", "string", 1), ("Selector", "string", 1)];

fn columns(behind: Behind) -> Vec<Column> {
    let s = |name| (name, "string", 0);
    let n = |name| (name, "integer", 0);
    let wide = |name| (name, "string", 1);
    let mut out = vec![NAME];
    match behind {
        Behind::Stored(Kind::Pod) => {
            out.extend([s("Ready"), s("Status"), s("Restarts"), AGE, wide("IP"), wide("Node")]);
            out.extend([wide("Nominated Node"), wide("Readiness Gates")]);
        }
        Behind::Stored(Kind::Deployment) => {
            out.extend([s("Ready"), n("Up-to-date"), n("Available"), AGE]);
            out.extend(CONTAINERS);
        }
        Behind::Stored(Kind::ReplicaSet) => {
            out.extend([n("Desired"), n("Current"), n("Ready"), AGE]);
            out.extend(CONTAINERS);
        }
        Behind::Stored(Kind::Node) => {
            out.extend([s("Status"), s("Roles"), AGE, s("Version"), wide("Internal-IP"), wide("External-IP")]);
            out.extend([wide("OS-Image"), wide("Kernel-Version"), wide("Container-Runtime")]);
        }
        Behind::Stored(Kind::Event) => {
            out = vec![s("Last Seen"), s("Type"), s("Reason"), s("Object"), wide("Subobject"), wide("Source")];
            out.extend([s("Message"), wide("First Seen"), ("Count", "integer", 1), ("Name", "string", 1)]);
        }
        Behind::Stored(Kind::Autoscaler) => {
            out.extend([s("Reference"), s("Targets"), s("MinPods"), n("MaxPods"), n("Replicas"), AGE]);
        }
        Behind::Stored(Kind::ScaledObject) => {
            out.extend([s("ScaleTargetKind"), s("ScaleTargetName"), n("Min"), n("Max"), s("Ready"), s("Paused"), AGE]);
        }
        Behind::Stored(Kind::Application) => out.extend([s("Sync Status"), s("Health Status"), wide("Revision")]),
        Behind::Stored(Kind::ControllerRevision) => out.extend([s("Controller"), n("Revision"), AGE]),
        Behind::Stored(Kind::Rollout) => {
            out.extend([n("Desired"), n("Current"), n("Up-to-date"), n("Available"), AGE]);
        }
        Behind::Stored(Kind::AppProject) => out.push(AGE),
        Behind::Stored(Kind::Namespace) => out.extend([s("Status"), AGE]),
        Behind::Stored(Kind::Service) => {
            out.extend([s("Type"), s("Cluster-IP"), s("External-IP"), s("Port(s)"), AGE, wide("Selector")]);
        }
        Behind::Stored(Kind::VirtualService) => out.extend([s("Gateways"), s("Hosts"), AGE]),
        Behind::Stored(Kind::DestinationRule) => out.extend([s("Host"), AGE]),
        Behind::Stored(Kind::HttpRoute) => out.extend([s("Hostnames"), AGE]),
        Behind::Stored(Kind::EndpointSlice) => out.extend([s("AddressType"), s("Ports"), s("Endpoints"), AGE]),
        Behind::Stored(Kind::StatefulSet) => out.extend([s("Ready"), AGE, wide("Containers"), wide("Images")]),
        Behind::Stored(Kind::DaemonSet) => {
            out.extend([
                n("Desired"),
                n("Current"),
                n("Ready"),
                n("Up-to-date"),
                n("Available"),
                s("Node Selector"),
                AGE,
            ]);
            out.extend(CONTAINERS);
        }
        Behind::Usage(_) => out.extend([s("cpu"), s("memory"), s("Window")]),
        Behind::Review => out.push(AGE),
    }
    out
}

/// A table of objects. `header` is false in every watch event but the first.
pub(super) fn table<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    metadata: Value,
    include: Include,
    header: bool,
    now: World,
) -> Value {
    let rows: Vec<Value> = objects.map(|object| row(resource, object, include, now)).collect();
    let definitions: Vec<Value> = columns(resource.behind)
        .into_iter()
        .map(|(name, kind, priority)| {
            let format = if matches!(name, "Name") { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "priority": priority, "description": name})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": if header { json!(definitions) } else { Value::Null }, "rows": rows})
}

fn row(resource: &Resource, object: &Value, include: Include, now: World) -> Value {
    let mut row = json!({"cells": cells(resource.behind, object, now)});
    match include {
        Include::Nothing => {}
        Include::Metadata => row["object"] = partial(object),
        Include::Object => row["object"] = super::shown(resource, object),
    }
    row
}

/// `PartialObjectMetadata`.
pub(super) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": at(object, &["metadata"])})
}

fn cells(behind: Behind, object: &Value, now: World) -> Vec<Value> {
    let of = |path: &[&str]| at(object, path).clone();
    let number = |path: &[&str]| json!(int(object, path));
    let or_none = |text: &str| json!(if text.is_empty() { "<none>" } else { text });
    let name = of(&["metadata", "name"]);
    let age = json!(age_at(object, &["metadata", "creationTimestamp"], now));
    match behind {
        Behind::Stored(Kind::Pod) => pod(object, now, name, age),
        Behind::Stored(kind @ (Kind::Deployment | Kind::ReplicaSet)) => {
            let (names, images) = containers(object);
            let selector = json!(labels(at(object, &["spec", "selector", "matchLabels"])));
            let (wanted, ready) = (int(object, &["spec", "replicas"]), int(object, &["status", "readyReplicas"]));
            if kind == Kind::Deployment {
                let (updated, available) =
                    (number(&["status", "updatedReplicas"]), number(&["status", "availableReplicas"]));
                return vec![
                    name,
                    json!(format!("{ready}/{wanted}")),
                    updated,
                    available,
                    age,
                    names,
                    images,
                    selector,
                ];
            }
            vec![name, json!(wanted), number(&["status", "replicas"]), json!(ready), age, names, images, selector]
        }
        Behind::Stored(Kind::Node) => {
            let ready = list(object, &["status", "conditions"]).iter().find(|it| text(it, &["type"]) == "Ready");
            let is_ready = ready.is_some_and(|it| text(it, &["status"]) == "True");
            let mut status = if is_ready { "Ready" } else { "NotReady" }.to_owned();
            if at(object, &["spec", "unschedulable"]).as_bool() == Some(true) {
                status.push_str(",SchedulingDisabled");
            }
            let info = |field: &str| of(&["status", "nodeInfo", field]);
            let address = list(object, &["status", "addresses"]).iter().find(|it| text(it, &["type"]) == "InternalIP");
            let address = or_none(address.map_or("", |it| text(it, &["address"])));
            let (os, kernel, runtime) = (info("osImage"), info("kernelVersion"), info("containerRuntimeVersion"));
            vec![
                name,
                json!(status),
                json!("<none>"),
                age,
                info("kubeletVersion"),
                address,
                json!("<none>"),
                os,
                kernel,
                runtime,
            ]
        }
        Behind::Stored(Kind::Event) => {
            let seen = |path: &[&str]| json!(age_at(object, path, now));
            let about = |field: &str| text(object, &["involvedObject", field]);
            let what = format!("{}/{}", about("kind").to_lowercase(), about("name"));
            let source = [text(object, &["source", "component"]), text(object, &["source", "host"])];
            let source = source.iter().filter(|it| !it.is_empty()).copied().collect::<Vec<_>>().join(", ");
            vec![
                seen(&["lastTimestamp"]),
                of(&["type"]),
                of(&["reason"]),
                json!(what),
                json!(about("fieldPath")),
                json!(source),
                json!(text(object, &["message"]).trim()),
                seen(&["firstTimestamp"]),
                number(&["count"]),
                name,
            ]
        }
        Behind::Stored(Kind::Autoscaler) => {
            let target = at(object, &["spec", "scaleTargetRef"]);
            let reference = format!("{}/{}", text(target, &["kind"]), text(target, &["name"]));
            let metric = list(object, &["spec", "metrics"]).first().unwrap_or(&Value::Null);
            let goal = int(metric, &["resource", "target", "averageUtilization"]);
            let current = list(object, &["status", "currentMetrics"]).first();
            let current = current.map(|it| int(it, &["resource", "current", "averageUtilization"]));
            let current = current.map_or_else(|| "<unknown>".to_owned(), |percent| format!("{percent}%"));
            let least = json!(int(object, &["spec", "minReplicas"]).to_string());
            let (most, replicas) = (number(&["spec", "maxReplicas"]), number(&["status", "currentReplicas"]));
            vec![name, json!(reference), json!(format!("cpu: {current}/{goal}%")), least, most, replicas, age]
        }
        Behind::Stored(Kind::VirtualService) => vec![name, of(&["spec", "gateways"]), of(&["spec", "hosts"]), age],
        Behind::Stored(Kind::DestinationRule) => vec![name, of(&["spec", "host"]), age],
        Behind::Stored(Kind::HttpRoute) => vec![name, of(&["spec", "hostnames"]), age],
        Behind::Stored(Kind::EndpointSlice) => {
            let joined = |values: Vec<String>| or_none(&values.join(","));
            let ports = list(object, &["ports"]).iter().map(|port| int(port, &["port"]).to_string()).collect();
            let ends = list(object, &["endpoints"]).iter().flat_map(|end| list(end, &["addresses"]));
            let ends = ends.filter_map(Value::as_str).map(str::to_owned).collect();
            vec![name, of(&["addressType"]), joined(ports), joined(ends), age]
        }
        Behind::Stored(Kind::ScaledObject) => {
            let is = |kind: &str| {
                let found = list(object, &["status", "conditions"]).iter().find(|it| text(it, &["type"]) == kind);
                json!(found.map_or("Unknown", |it| text(it, &["status"])))
            };
            let (least, most) = (of(&["spec", "minReplicaCount"]), of(&["spec", "maxReplicaCount"]));
            let (kind, target) = (of(&["status", "scaleTargetKind"]), of(&["spec", "scaleTargetRef", "name"]));
            vec![name, kind, target, least, most, is("Ready"), is("Paused"), age]
        }
        Behind::Stored(Kind::Application) => {
            let said = |path: &[&str]| json!(text(object, path));
            let (sync, health) = (said(&["status", "sync", "status"]), said(&["status", "health", "status"]));
            vec![name, sync, health, said(&["status", "sync", "revision"])]
        }
        Behind::Stored(Kind::Namespace) => vec![name, of(&["status", "phase"]), age],
        Behind::Stored(Kind::Service) => {
            let ports = list(object, &["spec", "ports"]).iter();
            let ports: Vec<String> =
                ports.map(|it| format!("{}/{}", int(it, &["port"]), text(it, &["protocol"]))).collect();
            let selector = json!(labels(at(object, &["spec", "selector"])));
            let (kind, address) = (of(&["spec", "type"]), of(&["spec", "clusterIP"]));
            vec![name, kind, address, json!("<none>"), json!(ports.join(",")), age, selector]
        }
        Behind::Usage(kind) => {
            let used = match kind {
                Kind::Node => at(object, &["usage"]),
                _ => list(object, &["containers"]).first().map_or(&Value::Null, |it| at(it, &["usage"])),
            };
            let cpu = milli(text(used, &["cpu"])).unwrap_or(0);
            vec![name, json!(format!("{cpu}m")), at(used, &["memory"]).clone(), of(&["window"])]
        }
        Behind::Stored(Kind::StatefulSet) => {
            let (names, images) = containers(object);
            let (wanted, ready) = (int(object, &["spec", "replicas"]), int(object, &["status", "readyReplicas"]));
            vec![name, json!(format!("{ready}/{wanted}")), age, names, images]
        }
        Behind::Stored(Kind::DaemonSet) => {
            let (names, images) = containers(object);
            let counts = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"];
            let counts = counts.into_iter().chain(["numberAvailable"]).map(|field| number(&["status", field]));
            let selector = json!(labels(at(object, &["spec", "selector", "matchLabels"])));
            let nodes = json!(labels(at(object, &["spec", "template", "spec", "nodeSelector"])));
            std::iter::once(name).chain(counts).chain([nodes, age, names, images, selector]).collect()
        }
        Behind::Stored(Kind::ControllerRevision) => {
            let owner = list(object, &["metadata", "ownerReferences"]).first().unwrap_or(&Value::Null);
            let group = text(owner, &["apiVersion"]).split('/').next().unwrap_or_default();
            let controller = format!("{}.{group}/{}", text(owner, &["kind"]).to_lowercase(), text(owner, &["name"]));
            vec![name, json!(controller), number(&["revision"]), age]
        }
        Behind::Stored(Kind::Rollout) => {
            let counts =
                ["HPAReplicas", "updatedReplicas", "availableReplicas"].map(|field| number(&["status", field]));
            [name, number(&["spec", "replicas"])].into_iter().chain(counts).chain([age]).collect()
        }
        Behind::Stored(Kind::AppProject) | Behind::Review => vec![name, age],
    }
}

fn labels(map: &Value) -> String {
    let pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

fn containers(object: &Value) -> (Value, Value) {
    let all = list(object, &["spec", "template", "spec", "containers"]);
    let join = |field: &str| json!(all.iter().map(|it| text(it, &[field])).collect::<Vec<_>>().join(","));
    (join("name"), join("image"))
}

/// `printPod` of kubectl's server-side printers.
fn pod(object: &Value, now: World, name: Value, age: Value) -> Vec<Value> {
    let phase = text(object, &["status", "phase"]);
    let mut reason = match text(object, &["status", "reason"]) {
        "" => phase.to_owned(),
        reason => reason.to_owned(),
    };
    let (mut ready, mut restarts, mut last): (usize, i64, Option<World>) = (0, 0, None);
    for status in list(object, &["status", "containerStatuses"]).iter().rev() {
        restarts = restarts.saturating_add(int(status, &["restartCount"]));
        last = last.max(moment(text(status, &["lastState", "terminated", "finishedAt"])));
        let waiting = text(status, &["state", "waiting", "reason"]);
        let ended = text(status, &["state", "terminated", "reason"]);
        if !waiting.is_empty() {
            reason = waiting.to_owned();
        } else if !ended.is_empty() {
            reason = ended.to_owned();
        } else if at(status, &["ready"]).as_bool() == Some(true) && status.pointer("/state/running").is_some() {
            ready += 1;
        }
    }
    if !at(object, &["metadata", "deletionTimestamp"]).is_null() {
        reason = "Terminating".to_owned();
    }
    let restarts = match last {
        Some(when) if restarts > 0 => format!("{restarts} ({} ago)", super::super::value::age(when, now)),
        _ => restarts.to_string(),
    };
    let total = list(object, &["spec", "containers"]).len();
    let or_none = |text: &str| json!(if text.is_empty() { "<none>" } else { text });
    let (address, node) = (or_none(text(object, &["status", "podIP"])), or_none(text(object, &["spec", "nodeName"])));
    let ready = json!(format!("{ready}/{total}"));
    vec![name, ready, json!(reason), json!(restarts), age, address, node, json!("<none>"), json!("<none>")]
}
