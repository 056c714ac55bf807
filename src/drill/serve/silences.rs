//! Alertmanager's silences.
//!
//! Measured behaviour that is kept: empty matchers are 422, a silence that would match everything
//! is 400, deleting an unknown one is 500, and changed matchers end the old silence and make one
//! with a new id.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::clock;
use crate::drill::promql::Matcher;
use crate::drill::rng::Rng;
use crate::drill::world::Silence;

use super::Shared;
use super::alertmanager::{filters, refused};
use super::form::Form;

/// Silences that are kept: more are a mistake.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<PostedMatcher>,
    starts_at: clock::World,
    ends_at: clock::World,
    created_by: String,
    comment: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedMatcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

fn shown(silence: &Silence, now: clock::World) -> Json {
    let matchers: Vec<_> = silence
        .matchers
        .iter()
        .map(|m| json!({ "name": m.label, "value": m.value, "isRegex": m.regex.is_some(), "isEqual": m.equal }))
        .collect();
    json!({
        "id": silence.id,
        "status": { "state": silence.state(now) },
        "updatedAt": silence.updated,
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": silence.ends,
        "startsAt": silence.starts,
        "matchers": matchers,
        "annotations": {},
    })
}

pub(super) async fn list(State(world): State<Shared>, RawQuery(raw): RawQuery) -> Response {
    let wanted = match filters(&Form::of(raw.as_deref(), &Bytes::new())) {
        Ok(wanted) => wanted,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    let world = world.lock();
    let fits = |silence: &&Silence| {
        wanted.iter().all(|w| silence.matchers.iter().any(|m| m.label == w.label && w.matches(&m.value)))
    };
    let found: Vec<_> = world.alerts().silences.iter().filter(fits).map(|s| shown(s, world.now())).collect();
    axum::Json(found).into_response()
}

pub(super) async fn one(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let world = world.lock();
    match world.alerts().silences.iter().find(|silence| silence.id == id) {
        Some(silence) => axum::Json(shown(silence, world.now())).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn end(State(world): State<Shared>, Path(id): Path<String>) -> Response {
    let mut world = world.lock();
    let now = world.now();
    match world.alerts_mut().silences.iter_mut().find(|silence| silence.id == id) {
        Some(silence) if silence.ends > now => {
            silence.ends = now;
            silence.updated = now;
            StatusCode::OK.into_response()
        }
        Some(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, &format!("silence {id} already expired")),
        None => refused(StatusCode::INTERNAL_SERVER_ERROR, "silence not found"),
    }
}

pub(super) async fn set(State(world): State<Shared>, body: Bytes) -> Response {
    let posted: Posted = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &format!("parsing silence body failed: {why}")),
    };
    if posted.matchers.is_empty() {
        let why = json!({ "code": 612, "message": "silence.matchers in body should have at least 1 items" });
        return (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(why)).into_response();
    }
    let matchers = match posted.matchers.iter().map(matcher).collect::<Result<Vec<_>, _>>() {
        Ok(matchers) => matchers,
        Err(why) => return refused(StatusCode::BAD_REQUEST, &why),
    };
    if matchers.iter().all(|matcher| matcher.matches("")) {
        return refused(
            StatusCode::BAD_REQUEST,
            "invalid silence: at least one matcher must not match the empty string",
        );
    }
    let mut world = world.lock();
    let now = world.now();
    if posted.ends_at <= posted.starts_at {
        return refused(StatusCode::BAD_REQUEST, "failed to create silence: start time must be before end time");
    }
    if posted.ends_at <= now {
        return refused(StatusCode::BAD_REQUEST, "failed to create silence: end time can't be in the past");
    }
    let seed = world.alerts().silences.len() as u64;
    let silences = &mut world.alerts_mut().silences;
    if silences.len() >= MOST {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "exceeded maximum number of silences");
    }
    let wanted = posted.id.filter(|id| !id.is_empty());
    let mut silence = Silence {
        id: new_id(seed),
        matchers,
        starts: posted.starts_at.max(now),
        ends: posted.ends_at,
        updated: now,
        created_by: posted.created_by,
        comment: posted.comment,
    };
    if let Some(wanted) = wanted {
        let Some(old) = silences.iter_mut().find(|silence| silence.id == wanted) else {
            return refused(StatusCode::NOT_FOUND, "silence not found");
        };
        let key = |s: &Silence| {
            s.matchers
                .iter()
                .map(|m| (m.label.clone(), m.value.clone(), m.equal, m.regex.is_some()))
                .collect::<Vec<_>>()
        };
        if key(old) == key(&silence) && old.state(now) != "expired" {
            silence.id = old.id.clone();
            silence.starts = old.starts;
            *old = silence;
            return axum::Json(json!({ "silenceID": wanted })).into_response();
        }
        if old.ends > now {
            old.ends = now;
            old.updated = now;
        }
    }
    let id = silence.id.clone();
    silences.push(silence);
    axum::Json(json!({ "silenceID": id })).into_response()
}

fn matcher(posted: &PostedMatcher) -> Result<Matcher, String> {
    if posted.name.is_empty() {
        return Err("invalid silence: invalid label matcher 0: invalid label name \"\"".into());
    }
    let regex = if posted.is_regex {
        let anchored = format!("^(?:{})$", posted.value);
        Some(Regex::new(&anchored).map_err(|why| format!("invalid silence: invalid label matcher: {why}"))?)
    } else {
        None
    };
    Ok(Matcher { label: posted.name.clone(), value: posted.value.clone(), equal: posted.is_equal, regex })
}

fn new_id(seed: u64) -> String {
    let mut rng = Rng::named(seed, "silence");
    let (a, b) = (rng.next(), rng.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}
