//! ARC zonal shift, REST with JSON.
//!
//! Shapes: the service model `arc-zonal-shift-2022-10-30`.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde_json::{Map, Value as Json, json};

use crate::clock;
use crate::drill::World;
use crate::drill::cloud::{Cloud, Shift};

use super::Shared;
use super::balancing::arn;

/// Of all that is shifted, the longest.
const LONGEST: i64 = 72 * 60;

fn seconds(at: clock::World) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

fn answer(status: StatusCode, body: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn refused(status: StatusCode, code: &'static str, why: &str) -> Response {
    let mut response = answer(status, &json!({ "message": why }));
    response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), header::HeaderValue::from_static(code));
    response
}

fn missing() -> Response {
    refused(StatusCode::NOT_FOUND, "ResourceNotFoundException", "The input requested a resource that was not found.")
}

/// `30m` or `2h`, in minutes.
fn minutes(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    let minutes = match unit {
        "m" => number,
        "h" => number.checked_mul(60)?,
        _ => return None,
    };
    (1..=LONGEST).contains(&minutes).then_some(minutes)
}

fn told(world: &World, resource: &str, shift: &Shift) -> Json {
    let status = match (shift.cancelled, shift.is_active(world.now())) {
        (true, _) => "CANCELED",
        (false, true) => "ACTIVE",
        (false, false) => "EXPIRED",
    };
    json!({
        "zonalShiftId": shift.id, "resourceIdentifier": resource, "awayFrom": shift.away_from,
        "expiryTime": seconds(shift.expires), "startTime": seconds(shift.started), "status": status,
        "comment": shift.comment,
    })
}

pub(super) async fn managed(State(world): State<Shared>, Path(resource): Path<String>) -> Response {
    let world = world.lock();
    let now = world.now();
    let Some(balancer) = world.cloud().balancers.iter().find(|one| arn(&world, one) == resource) else {
        return missing();
    };
    let active: Vec<_> = balancer.shifts.iter().filter(|shift| shift.is_active(now)).collect();
    let weights: Map<_, _> = world
        .cloud()
        .zones
        .iter()
        .map(|zone| {
            let id = Cloud::zone_id(zone);
            let away = active.iter().any(|shift| shift.away_from == id);
            (id, json!(if away { 0.0 } else { 1.0 }))
        })
        .collect();
    let shifts: Vec<_> = active
        .iter()
        .map(|shift| {
            let mut told = told(&world, &resource, shift);
            told["appliedStatus"] = json!("APPLIED");
            told
        })
        .collect();
    answer(
        StatusCode::OK,
        &json!({
            "arn": resource, "name": balancer.name, "appliedWeights": weights, "zonalShifts": shifts,
            "autoshifts": [], "zonalAutoshiftStatus": "DISABLED",
        }),
    )
}

pub(super) async fn start(State(world): State<Shared>, body: Bytes) -> Response {
    let invalid = |why: &str| refused(StatusCode::BAD_REQUEST, "ValidationException", why);
    let Ok(input) = serde_json::from_slice::<Json>(&body) else { return invalid("the request's body is not JSON") };
    let field = |name: &str| input.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (resource, away_from) = (field("resourceIdentifier"), field("awayFrom"));
    let Some(length) = minutes(&field("expiresIn")) else { return invalid("expiresIn is a time such as 30m or 2h") };
    let mut world = world.lock();
    let now = world.now();
    let names: Vec<_> = world.cloud().balancers.iter().map(|one| arn(&world, one)).collect();
    let Some(at) = names.iter().position(|name| *name == resource) else { return missing() };
    if !world.cloud().zones.iter().any(|zone| Cloud::zone_id(zone) == away_from) {
        return invalid("awayFrom is not the id of a zone of the resource");
    }
    let shifts = &mut world.cloud_mut().balancers[at].shifts;
    if shifts.iter().any(|shift| shift.is_active(now)) {
        return refused(
            StatusCode::CONFLICT,
            "ConflictException",
            "There's already an active zonal shift for that resource.",
        );
    }
    let shift = Shift {
        id: format!("9f1d8a5c-0000-4000-8000-{:012x}", shifts.len() + 1 + at * 0x1000),
        away_from,
        comment: field("comment").chars().take(128).collect(),
        started: now,
        expires: now + TimeDelta::minutes(length),
        cancelled: false,
    };
    shifts.push(shift.clone());
    let told = told(&world, &resource, &shift);
    answer(StatusCode::CREATED, &told)
}

pub(super) async fn cancel(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    let now = world.now();
    let names: Vec<_> = world.cloud().balancers.iter().map(|one| arn(&world, one)).collect();
    for (at, resource) in names.iter().enumerate() {
        let shifts = &mut world.cloud_mut().balancers[at].shifts;
        if let Some(shift) = shifts.iter_mut().find(|shift| shift.id == id) {
            if !shift.is_active(now) {
                return refused(StatusCode::CONFLICT, "ConflictException", "The zonal shift isn't active.");
            }
            shift.cancelled = true;
            let shift = shift.clone();
            let told = told(&world, resource, &shift);
            return answer(StatusCode::OK, &told);
        }
    }
    missing()
}
