//! Failures as the API server words them (`metav1.Status`).
//!
//! Owns: codes, reasons and sentences, taken from k8s.io/apimachinery `api/errors`. Must not:
//! decide that something fails.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::kinds::Resource;
use super::{Call, json_answer};

/// A request that was not done.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// Null where the real server leaves it out.
    details: Value,
    /// Where a list may go on all the same.
    token: Option<String>,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: json!({}), token: None }
    }

    fn about(mut self, resource: &Resource, name: &str) -> Self {
        self.details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            self.details["group"] = json!(resource.group);
        }
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { details: Value::Null, ..Self::new(400, "BadRequest", message) }
    }

    pub(super) fn forbidden(user: &str, verb: &str, call: &Call) -> Self {
        let resource = call.resource;
        let name = call.name.as_deref().unwrap_or_default();
        let subject = if name.is_empty() { resource.qualified() } else { format!("{} {name:?}", resource.qualified()) };
        let scope = match call.namespace.as_deref() {
            Some(namespace) => format!("in the namespace {namespace:?}"),
            None => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{subject} is forbidden: User {user:?} cannot {verb} resource {:?} in API group {:?} {scope}",
            call.what(),
            resource.group
        );
        Self::new(403, "Forbidden", message).about(resource, name)
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", resource.qualified())).about(resource, name)
    }

    /// A path outside of every group and version: the one refusal that is no `Status`.
    pub(super) fn no_page() -> Self {
        Self { details: Value::Null, ..Self::new(404, "", "404 page not found") }
    }

    /// No such resource in a group and version that is served.
    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(super) fn not_acceptable() -> Self {
        let available = "application/json, application/vnd.kubernetes.protobuf, application/json;stream=watch, \
                         application/vnd.kubernetes.protobuf;stream=watch";
        let message = format!("406: Not Acceptable\n\nAvailable representations: {available}");
        Self::new(406, "NotAcceptable", message)
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    /// The UID of a patch of a subresource is not the object's.
    pub(super) fn other_uid(call: &Call, uid: &str, is: &str) -> Self {
        let (what, name) = (call.what(), call.name.as_deref().unwrap_or_default());
        let subject =
            if call.resource.group.is_empty() { what.clone() } else { format!("{what}.{}", call.resource.group) };
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {is}");
        let message = format!("Operation cannot be fulfilled on {subject} {name:?}: {why}");
        let mut failure = Self::new(409, "Conflict", message).about(call.resource, name);
        failure.details["kind"] = json!(what);
        failure
    }

    /// A deletion's precondition does not hold; named by kind, unlike every other conflict.
    pub(super) fn not_the_one(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.kind);
        let mut failure = Self::new(409, "Conflict", message).about(resource, name);
        failure.details["kind"] = json!(resource.kind);
        failure
    }

    pub(super) fn exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", resource.qualified()))
            .about(resource, name)
    }

    pub(super) fn modified(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self { details: Value::Null, ..Self::new(410, "Expired", message) }
    }

    /// The moment of a list's first page is forgotten; `token` goes on with what there is now.
    pub(super) fn page_expired(token: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a new \
                       list without the continue parameter, or use the continue token in this response to retrieve the \
                       remainder of the results. Continuing with the provided token results in an inconsistent list - \
                       objects that were created, modified, or deleted between the time the first chunk was returned and \
                       now may show up in the list.";
        Self { token: Some(token), ..Self::expired(message) }
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    pub(super) fn unsupported() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    pub(super) fn invalid(resource: &Resource, name: &str, field: &str, message: &str) -> Self {
        Self::invalid_kind(
            (resource.group, resource.kind),
            name,
            field,
            "FieldValueInvalid",
            &format!("Invalid value: {message}"),
        )
    }

    /// A field that may not be changed as it was.
    pub(super) fn forbidden_field(resource: &Resource, name: &str, field: &str, why: &str) -> Self {
        let of = (resource.group, resource.kind);
        Self::invalid_kind(of, name, field, "FieldValueForbidden", &format!("Forbidden: {why}"))
    }

    /// As [`Failure::invalid`], for a kind that is no resource, such as `ListOptions`.
    pub(super) fn invalid_kind(of: (&str, &str), name: &str, field: &str, reason: &str, message: &str) -> Self {
        let (group, kind) = of;
        let subject = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut failure = Self::new(422, "Invalid", format!("{subject} {name:?} is invalid: {field}: {message}"));
        failure.details = json!({"kind": kind, "causes": [{"reason": reason, "message": message, "field": field}]});
        for (key, value) in [("name", name), ("group", group)] {
            if !value.is_empty() {
                failure.details[key] = json!(value);
            }
        }
        failure
    }

    /// A patch that cannot be applied, also one whose `test` fails: kube-apiserver gives no detail.
    pub(super) fn inapplicable() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// A resource version that is still to come.
    pub(super) fn too_new(wanted: u64, current: u64) -> Self {
        let mut failure =
            Self::new(504, "Timeout", format!("Timeout: Too large resource version: {wanted}, current: {current}"));
        failure.details = json!({"causes": [{"reason": "ResourceVersionTooLarge",
            "message": "Too large resource version"}], "retryAfterSeconds": 1});
        failure
    }

    /// The `Status` object.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code});
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        if let Some(token) = &self.token {
            status["metadata"]["continue"] = json!(token);
        }
        status
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if self.reason.is_empty() {
            return (code, format!("{}\n", self.message)).into_response();
        }
        json_answer(code, &self.status())
    }
}
