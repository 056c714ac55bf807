//! The AWS endpoint: one address that tells services and protocols apart by what clients send.
//!
//! awsJson names its operation in `X-Amz-Target`, rpc-v2-cbor in the path, query in the body.
//! Signatures are taken without a look: there is nothing here to protect. Request ids count up.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde_json::Value as Json;

use super::Shared;
use super::doc::{Doc, from_cbor};
use super::form::Form as Parameters;
use super::{balancing, cloudwatch, dns, ecs, logs, shift, sts, tail};

/// An error in AWS' form.
#[derive(Debug)]
pub(super) struct AwsError {
    pub(super) code: &'static str,
    pub(super) why: String,
}

pub(super) fn error(code: &'static str, why: impl Into<String>) -> AwsError {
    AwsError { code, why: why.into() }
}

pub(super) type Answer = Result<Doc, AwsError>;

/// The account's services over the world.
pub(in crate::drill) fn router(world: Shared) -> Router {
    Router::new()
        .route("/", post(by_target))
        .route("/service/{service}/operation/{operation}", post(by_path))
        .route("/2013-04-01/hostedzone/{zone}/rrset", get(dns::list))
        .route("/2013-04-01/hostedzone/{zone}/rrset/", post(dns::change))
        .route("/2013-04-01/change/{id}", get(dns::status))
        .route("/managedresources/{resource}", get(shift::managed))
        .route("/zonalshifts", post(shift::start))
        .route("/zonalshifts/{id}", delete(shift::cancel))
        .with_state(world)
}

#[derive(Clone, Copy)]
enum Form {
    Json10,
    Json11,
    Cbor,
}

async fn by_target(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(target) = headers.get("x-amz-target").and_then(|target| target.to_str().ok()) else {
        let answered = balancing::answer(&mut world.lock(), &Parameters::of(None, &body));
        return answered.unwrap_or_else(|| sts::answer(&world, &body));
    };
    let (service, operation) = target.split_once('.').unwrap_or((target, ""));
    let input: Option<Json> = if body.is_empty() { Some(Json::default()) } else { serde_json::from_slice(&body).ok() };
    let form = if service.starts_with("Logs_") { Form::Json11 } else { Form::Json10 };
    let json = |answer: Result<Json, AwsError>| respond(Form::Json11, answer.map(Doc::Json));
    let answer = match (service, input) {
        ("AmazonEC2ContainerServiceV20141113", Some(input)) => {
            return json(ecs::answer(&mut world.lock(), operation, &input));
        }
        ("AnyScaleFrontendService", Some(input)) => return json(ecs::scaling(&mut world.lock(), operation, &input)),
        ("Logs_20140328", Some(input)) if operation == "StartLiveTail" => match tail::start(&world, &input) {
            Ok(stream) => return stream,
            Err(error) => Err(error),
        },
        (_, None) => Err(error("SerializationException", "the request's body is not JSON")),
        ("GraniteServiceVersion20100801", Some(input)) => cloudwatch::answer(&world.lock(), operation, &input),
        ("Logs_20140328", Some(input)) => logs::answer(&world.lock(), operation, &input),
        _ => Err(error("UnknownOperationException", format!("this drill does not serve {target}"))),
    };
    respond(form, answer)
}

async fn by_path(
    State(world): State<Shared>,
    Path((service, operation)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let speaks_cbor = headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor");
    let answer = match (service.as_str(), from_cbor(&body)) {
        _ if !speaks_cbor => Err(error("UnknownOperationException", "only rpc-v2-cbor is spoken on this path")),
        (_, None) => Err(error("SerializationException", "the request's body is not CBOR")),
        ("GraniteServiceVersion20100801", Some(input)) => cloudwatch::answer(&world.lock(), &operation, &input),
        _ => Err(error("UnknownOperationException", format!("this drill does not serve {service}.{operation}"))),
    };
    respond(Form::Cbor, answer)
}

fn respond(form: Form, answer: Answer) -> Response {
    let (status, doc, code) = match answer {
        Ok(doc) => (StatusCode::OK, doc, None),
        Err(AwsError { code, why }) => {
            let doc = Doc::Map(vec![("__type", Doc::text(code)), ("message", Doc::Text(why))]);
            (StatusCode::BAD_REQUEST, doc, Some(code))
        }
    };
    let (kind, body) = match form {
        Form::Json10 => ("application/x-amz-json-1.0", doc.json().to_string().into_bytes()),
        Form::Json11 => ("application/x-amz-json-1.1", doc.json().to_string().into_bytes()),
        Form::Cbor => ("application/cbor", doc.cbor()),
    };
    let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
    let headers = response.headers_mut();
    if matches!(form, Form::Cbor) {
        headers.insert("smithy-protocol", header::HeaderValue::from_static("rpc-v2-cbor"));
    }
    if let Some(code) = code
        && let Ok(value) = format!("{code};Sender").parse()
    {
        headers.insert(HeaderName::from_static("x-amzn-query-error"), value);
    }
    if let Ok(id) = request_id().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}

/// Looks like a UUID and counts up.
pub(super) fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("d0000000-0000-4000-8000-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A member of a request, as text.
pub(super) fn text<'a>(input: &'a Json, name: &str) -> Option<&'a str> {
    input.get(name)?.as_str()
}

/// A member of a request, as a list of texts.
pub(super) fn texts<'a>(input: &'a Json, name: &str) -> Vec<&'a str> {
    input
        .get(name)
        .and_then(Json::as_array)
        .map(|all| all.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default()
}

/// A time of a request in seconds since the epoch, in milliseconds.
pub(super) fn time(input: &Json, name: &str) -> Option<i64> {
    let value = input.get(name)?;
    match value.as_str() {
        Some(text) => chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis()),
        None => value.as_f64().filter(|at| at.abs() < 1e12).map(|at| (at * 1000.0).round() as i64),
    }
}

/// How many a page may hold.
pub(super) fn page(input: &Json, name: &str, usual: usize, most: u64) -> Result<usize, AwsError> {
    match input.get(name).filter(|value| !value.is_null()) {
        None => Ok(usual),
        Some(value) => match value.as_u64() {
            Some(n) if (1..=most).contains(&n) => Ok(n as usize),
            _ => Err(error(
                if name == "MaxRecords" { "ValidationError" } else { "InvalidParameterException" },
                format!(
                    "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value between 1 and {most}"
                ),
            )),
        },
    }
}
