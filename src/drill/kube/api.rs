//! The Kubernetes API over HTTP: from a request to an answer.
//!
//! Owns: paths, verbs and permissions. Must not: change an object but through `write`. Requests
//! come from whoever finds the port: every size is bounded, and what is not understood is
//! answered with a `Status`.

mod discovery;
mod list;
mod logs;
mod negotiate;
mod patch;
mod proto;
mod proto_in;
mod review;
mod status;
mod strategic;
mod table;
mod watch;
mod write;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Cluster;
use super::kinds::{self, Behind, Kind, Resource};
use super::state::State;
use super::store::Key;
use super::value::{at, put};
use status::Failure;

/// The largest body that is read, as in kube-apiserver.
const BODY: usize = 3 << 20;

pub(super) fn router(cluster: Cluster) -> Router {
    Router::new().fallback(handle).with_state(cluster)
}

/// A request to a resource, taken apart.
#[derive(Debug)]
struct Call {
    resource: &'static Resource,
    namespace: Option<String>,
    name: Option<String>,
    sub: Option<String>,
    query: Query,
}

/// Query parameters; the last of a name counts.
#[derive(Debug, Default)]
struct Query(BTreeMap<String, String>);

impl Query {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True" | "t")
    }
}

impl Call {
    /// `pods/log`, `deployments`.
    fn what(&self) -> String {
        match &self.sub {
            Some(sub) => format!("{}/{sub}", self.resource.plural),
            None => self.resource.plural.to_owned(),
        }
    }

    fn key(&self) -> Key {
        Key::new(self.namespace.clone().unwrap_or_default(), self.name.clone().unwrap_or_default())
    }

    fn stored(&self) -> Option<Kind> {
        match self.resource.behind {
            Behind::Stored(kind) => Some(kind),
            _ => None,
        }
    }

    fn not_found(&self) -> Failure {
        Failure::not_found(self.resource, self.name.as_deref().unwrap_or_default())
    }

    /// Refuses what the caller was denied.
    fn permit(&self, state: &State, verb: &str) -> Result<(), Failure> {
        if state.is_denied(verb, &self.what(), self.namespace.as_deref()) {
            return Err(Failure::forbidden(&state.user, verb, self));
        }
        Ok(())
    }
}

/// Answers with a JSON document.
fn json_answer(code: StatusCode, value: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

async fn handle(Shared(cluster): Shared<Cluster>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let query = Query(pairs.map(|pairs| pairs.0.into_iter().collect()).unwrap_or_default());
    let body = match to_bytes(body, BODY).await {
        Ok(body) => body,
        Err(_) => return Failure::too_large().into_response(),
    };
    let path = parts.uri.path().to_owned();
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let answer = match steps.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => return "ok".into_response(),
        ["version"] => Ok(json_answer(StatusCode::OK, &discovery::version())),
        ["openapi", "v3"] => Ok(json_answer(StatusCode::OK, &json!({"paths": {}}))),
        [] => Ok(json_answer(StatusCode::OK, &discovery::paths())),
        ["api"] => Ok(discovery::core(&parts.headers)),
        ["apis"] => Ok(discovery::groups(&parts.headers)),
        ["apis", group] => discovery::group(group),
        ["api", version] => discovery::resources("", version),
        ["apis", group, version] => discovery::resources(group, version),
        ["api", version, rest @ ..] => match call("", version, rest, query) {
            Ok(call) => dispatch(&cluster, call, &parts.method, &parts.headers, &body),
            Err(failure) => Err(failure),
        },
        ["apis", group, version, rest @ ..] => match call(group, version, rest, query) {
            Ok(call) => dispatch(&cluster, call, &parts.method, &parts.headers, &body),
            Err(failure) => Err(failure),
        },
        _ => Err(Failure::no_page()),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

/// Names in a path arrive percent-encoded; Kubernetes' own names never need it.
fn call(group: &str, version: &str, rest: &[&str], query: Query) -> Result<Call, Failure> {
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() && rest != ["status"] => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (plural, name, sub) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some(*name), None),
        [plural, name, sub @ ..] => (*plural, Some(*name), Some(sub.join("/"))),
        [] => return Err(Failure::no_such_path()),
    };
    if !kinds::is_served(group, version) {
        return Err(Failure::no_page());
    }
    let resource = kinds::find(group, version, plural).ok_or_else(Failure::no_such_path)?;
    if resource.namespaced != namespace.is_some() && (name.is_some() || !resource.namespaced) {
        return Err(Failure::no_such_path());
    }
    Ok(Call { resource, namespace: namespace.map(str::to_owned), name: name.map(str::to_owned), sub, query })
}

fn dispatch(
    cluster: &Cluster,
    call: Call,
    method: &Method,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Failure> {
    let watching = *method == Method::GET && call.query.is_true("watch");
    let verb = match (method.as_str(), &call.name) {
        ("GET" | "HEAD", Some(_)) if !watching => "get",
        ("GET" | "HEAD", _) if !watching => "list",
        ("GET" | "HEAD", _) => "watch",
        ("POST", _) => "create",
        ("PUT", Some(_)) => "update",
        ("PATCH", Some(_)) => "patch",
        ("DELETE", Some(_)) => "delete",
        ("DELETE", None) => "deletecollection",
        _ => return Err(Failure::not_allowed()),
    };
    let verbs = match &call.sub {
        None => call.resource.verbs,
        Some(sub) => match call.resource.sub(sub) {
            Some(sub) => sub.verbs,
            // Commands inside pods are not simulated, and nobody may run any.
            None if matches!(sub.as_str(), "exec" | "attach" | "portforward" | "proxy" | "eviction") => {
                return Err(Failure::forbidden(&cluster.lock().user, verb, &call));
            }
            None => return Err(Failure::no_such_path()),
        },
    };
    call.permit(&cluster.lock(), verb)?;
    if !verbs.contains(&verb) {
        return Err(Failure::not_allowed());
    }
    match (verb, call.resource.behind) {
        ("create", Behind::Review) => review::answer(&cluster.lock(), &call, headers, body),
        ("create", _) => write::create_event(cluster, &call, headers, body),
        ("patch" | "update", _) => write::change(cluster, &call, verb, headers, body),
        ("delete", _) => write::delete_pod(cluster, &call, headers, body),
        ("watch", _) => watch::answer(cluster, &call, headers),
        ("list", _) => list::answer(&cluster.lock(), &call, headers),
        _ if call.sub.as_deref() == Some("log") => logs::answer(cluster, &call),
        _ => list::one(&cluster.lock(), &call, headers),
    }
}

/// An object as a version of the API shows it, with its type.
fn shown(resource: &Resource, object: &Value) -> Value {
    let mut out = object.clone();
    if resource.group == "autoscaling" && resource.version == "v1" {
        let metric = at(object, &["spec", "metrics"]).get(0).cloned().unwrap_or(Value::Null);
        let goal = at(&metric, &["resource", "target", "averageUtilization"]).clone();
        let current = at(object, &["status", "currentMetrics"]).get(0).cloned().unwrap_or(Value::Null);
        let current = at(&current, &["resource", "current", "averageUtilization"]).clone();
        super::value::cut(&mut out, &["spec", "metrics"]);
        put(&mut out, &["spec", "targetCPUUtilizationPercentage"], goal);
        for field in ["conditions", "currentMetrics"] {
            super::value::cut(&mut out, &["status", field]);
        }
        if !current.is_null() {
            put(&mut out, &["status", "currentCPUUtilizationPercentage"], current);
        }
    }
    put(&mut out, &["apiVersion"], json!(resource.api_version()));
    put(&mut out, &["kind"], json!(resource.kind));
    out
}

/// The `scale` subresource of a workload or a ReplicaSet (autoscaling/v1).
fn scale_of(object: &Value) -> Value {
    let meta = |name: &str| at(object, &["metadata", name]).clone();
    let labels = at(object, &["spec", "selector", "matchLabels"]).as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": meta("name"), "namespace": meta("namespace"), "uid": meta("uid"),
            "resourceVersion": meta("resourceVersion"), "creationTimestamp": meta("creationTimestamp")},
        "spec": {"replicas": at(object, &["spec", "replicas"])},
        "status": {"replicas": super::value::int(object, &["status", "replicas"]), "selector": selector.join(",")},
    })
}
