//! Reviews: who am I, and may I.
//!
//! Owns: the answers of the authentication and authorization groups. Roles are not simulated:
//! the caller may do what the API serves, less what the cluster was told to deny. Must not:
//! store anything.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::kinds::RESOURCES;
use super::super::state::State;
use super::super::value::{at, put, text};
use super::status::Failure;
use super::{Call, json_answer, write};

pub(super) fn answer(state: &State, call: &Call, headers: &HeaderMap, body: &Bytes) -> Result<Response, Failure> {
    let mut review = write::read(call.resource, headers, body)?;
    put(&mut review, &["kind"], json!(call.resource.kind));
    put(&mut review, &["apiVersion"], json!(call.resource.api_version()));
    let status = match call.resource.kind {
        "SelfSubjectReview" => json!({"userInfo": {"username": state.user, "groups": ["system:authenticated"]}}),
        "SelfSubjectAccessReview" => access(state, at(&review, &["spec"])),
        _ => rules(state, text(&review, &["spec", "namespace"])),
    };
    put(&mut review, &["status"], status);
    Ok(json_answer(StatusCode::CREATED, &review))
}

fn access(state: &State, spec: &Value) -> Value {
    let about = at(spec, &["resourceAttributes"]);
    if about.is_null() {
        let reads = matches!(text(spec, &["nonResourceAttributes", "verb"]), "get" | "head");
        return json!({"allowed": reads});
    }
    let (verb, group, plural) = (text(about, &["verb"]), text(about, &["group"]), text(about, &["resource"]));
    let sub = text(about, &["subresource"]);
    let what = if sub.is_empty() { plural.to_owned() } else { format!("{plural}/{sub}") };
    let served = RESOURCES.iter().filter(|row| row.group == group && row.plural == plural).any(|row| {
        let verbs = if sub.is_empty() { Some(row.verbs) } else { row.sub(sub).map(|sub| sub.verbs) };
        verbs.is_some_and(|verbs| verbs.contains(&verb))
    });
    if state.is_denied(verb, &what, Some(text(about, &["namespace"]))) {
        return json!({"allowed": false, "reason": format!("the drill denies {verb} on {what}")});
    }
    if served { json!({"allowed": true, "reason": "the drill serves it"}) } else { json!({"allowed": false}) }
}

fn rules(state: &State, namespace: &str) -> Value {
    let mut rules = Vec::new();
    for row in RESOURCES {
        let mut add = |what: String, verbs: &[&str]| {
            let allowed: Vec<&&str> =
                verbs.iter().filter(|verb| !state.is_denied(verb, &what, Some(namespace))).collect();
            if !allowed.is_empty() {
                rules.push(json!({"verbs": allowed, "apiGroups": [row.group], "resources": [what]}));
            }
        };
        add(row.plural.to_owned(), row.verbs);
        for sub in row.subs {
            add(format!("{}/{}", row.plural, sub.name), sub.verbs);
        }
    }
    let open = ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];
    let open = json!([{"verbs": ["get"], "nonResourceURLs": open}]);
    json!({"resourceRules": rules, "nonResourceRules": open, "incomplete": false})
}
