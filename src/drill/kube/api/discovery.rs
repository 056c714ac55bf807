//! Discovery: what the API serves, aggregated (v2) and by group.
//!
//! Owns: the documents that `kubectl` and client libraries ask for first. Must not: know
//! resources that [`kinds`] does not list.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::kinds::{self, RESOURCES, Resource};
use super::super::nodes::VERSION;
use super::json_answer;
use super::status::Failure;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn version() -> Value {
    json!({"major": "1", "minor": "33", "gitVersion": VERSION, "gitCommit": "drill", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64"})
}

pub(super) fn paths() -> Value {
    json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
}

/// `/api`: the core group.
pub(super) fn core(headers: &HeaderMap) -> Response {
    if wants_aggregated(headers) {
        return aggregated(&[""]);
    }
    json_answer(
        StatusCode::OK,
        &json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]}),
    )
}

/// `/apis`: all groups with a name.
pub(super) fn groups(headers: &HeaderMap) -> Response {
    let named: Vec<&str> =
        kinds::groups().into_iter().map(|(group, _)| group).filter(|group| !group.is_empty()).collect();
    if wants_aggregated(headers) {
        return aggregated(&named);
    }
    let groups: Vec<Value> = named.iter().filter_map(|name| describe(name)).collect();
    json_answer(StatusCode::OK, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

/// `/apis/GROUP`.
pub(super) fn group(name: &str) -> Result<Response, Failure> {
    let mut group = describe(name).ok_or_else(Failure::no_page)?;
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Ok(json_answer(StatusCode::OK, &group))
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(super) fn resources(group: &str, version: &str) -> Result<Response, Failure> {
    let rows: Vec<&Resource> = RESOURCES.iter().filter(|row| row.group == group && row.version == version).collect();
    let first = rows.first().ok_or_else(Failure::no_page)?;
    let mut out = Vec::new();
    for row in &rows {
        out.push(json!({"name": row.plural, "singularName": row.singular, "namespaced": row.namespaced,
            "kind": row.kind, "verbs": row.verbs, "shortNames": row.short, "categories": row.categories}));
        for sub in row.subs {
            let mut line = json!({"name": format!("{}/{}", row.plural, sub.name), "singularName": "",
                "namespaced": row.namespaced, "kind": row.kind, "verbs": sub.verbs});
            if !sub.kind.0.is_empty() {
                line["group"] = json!(sub.kind.0);
                line["version"] = json!(sub.kind.1);
                line["kind"] = json!(sub.kind.2);
            }
            out.push(line);
        }
    }
    let list =
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": out});
    Ok(json_answer(StatusCode::OK, &list))
}

fn describe(name: &str) -> Option<Value> {
    let (group, versions) = kinds::groups().into_iter().find(|(group, _)| *group == name && !group.is_empty())?;
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    Some(json!({"name": group, "versions": versions, "preferredVersion": versions.first()}))
}

fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        words.next() == Some("application/json")
            && ["as=APIGroupDiscoveryList", "v=v2", "g=apidiscovery.k8s.io"]
                .iter()
                .all(|word| part.split(';').any(|it| it.trim() == *word))
    })
}

fn aggregated(names: &[&str]) -> Response {
    let all = kinds::groups();
    let items: Vec<Value> = all
        .iter()
        .filter(|(group, _)| names.contains(group))
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let rows = RESOURCES.iter().filter(|row| row.group == *group && row.version == *version);
                    json!({"version": version, "freshness": "Current", "resources": rows.map(row).collect::<Vec<_>>()})
                })
                .collect();
            let mut metadata = json!({"creationTimestamp": null});
            if !group.is_empty() {
                metadata["name"] = json!(group);
            }
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": items});
    (StatusCode::OK, [(header::CONTENT_TYPE, AGGREGATED)], list.to_string()).into_response()
}

fn row(row: &Resource) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subs: Vec<Value> = row
        .subs
        .iter()
        .map(|sub| {
            let of = if sub.kind.0.is_empty() { (row.group, row.version, row.kind) } else { sub.kind };
            json!({"subresource": sub.name, "responseKind": kind(of.0, of.1, of.2), "verbs": sub.verbs})
        })
        .collect();
    let scope = if row.namespaced { "Namespaced" } else { "Cluster" };
    json!({"resource": row.plural, "responseKind": kind(row.group, row.version, row.kind), "scope": scope,
        "singularResource": row.singular, "verbs": row.verbs, "shortNames": row.short,
        "categories": row.categories, "subresources": subs})
}
