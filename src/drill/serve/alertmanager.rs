//! Alertmanager's HTTP API, v2: alerts, groups and status. Silences have a file of their own.
//!
//! Shapes: `api/v2/openapi.yaml` of Alertmanager. `endsAt` of a firing alert is a rolling expiry,
//! four minutes after the last evaluation as Prometheus sends it; a resolved alert leaves the
//! list. An error is a JSON string.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use regex::Regex;
use serde_json::{Value as Json, json};

use crate::clock;
use crate::drill::World;
use crate::drill::promql::{Matcher, parse_matchers};
use crate::drill::world::ActiveAlert;

use super::Shared;
use super::form::{Form, encoded};
use super::silences;

/// The one receiver of the world's Alertmanager.
const RECEIVER: &str = "pager";

/// The API over the world's alerts.
pub(in crate::drill) fn router(world: Shared) -> Router {
    Router::new()
        .route("/api/v2/alerts", get(alerts))
        .route("/api/v2/alerts/groups", get(groups))
        .route("/api/v2/receivers", get(|| async { axum::Json(json!([{ "name": RECEIVER }])) }))
        .route("/api/v2/status", get(status))
        .route("/api/v2/silences", get(silences::list).post(silences::set))
        .route("/api/v2/silence/{id}", get(silences::one).delete(silences::end))
        .route("/-/healthy", get(|| async { "OK" }))
        .route("/-/ready", get(|| async { "OK" }))
        .with_state(world)
}

/// Alertmanager's errors are a JSON string.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!(why))).into_response()
}

/// What a request wants to see.
struct Wanted {
    active: bool,
    silenced: bool,
    receiver: Option<Regex>,
    matchers: Vec<Matcher>,
}

impl Wanted {
    fn of(raw: Option<&str>) -> Result<Self, String> {
        let form = Form::of(raw, &Bytes::new());
        let flag = |name: &str| match form.get(name) {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(format!("{name} in query must be of type boolean: {other:?}")),
        };
        // Nothing here is ever inhibited or unprocessed, but a bad value of those is one, too.
        flag("inhibited")?;
        flag("unprocessed")?;
        let receiver = form.get("receiver").map(|text| {
            Regex::new(&format!("^(?:{text})$")).map_err(|why| format!("failed to parse receiver param: {why}"))
        });
        Ok(Self {
            active: flag("active")?,
            silenced: flag("silenced")?,
            receiver: receiver.transpose()?,
            matchers: filters(&form)?,
        })
    }

    fn takes(&self, alert: &ActiveAlert, silenced: bool) -> bool {
        (if silenced { self.silenced } else { self.active })
            && self.receiver.as_ref().is_none_or(|receiver| receiver.is_match(RECEIVER))
            && self.matchers.iter().all(|m| m.matches(alert.labels.get(&m.label).map_or("", String::as_str)))
    }
}

/// The matchers of all `filter` parameters.
pub(super) fn filters(form: &Form) -> Result<Vec<Matcher>, String> {
    let mut all = Vec::new();
    for filter in form.all("filter") {
        let matchers = parse_matchers(filter).map_err(|_| format!("bad matcher format: {filter}"))?;
        // A bare name is no matcher here, other than in a selector.
        if matchers.iter().any(|matcher| matcher.label == "__name__") {
            return Err(format!("bad matcher format: {filter}"));
        }
        all.extend(matchers);
    }
    Ok(all)
}

fn silenced_by(world: &World, alert: &ActiveAlert) -> Vec<String> {
    let now = world.now();
    let silences = world.alerts().silences.iter();
    silences.filter(|s| s.state(now) == "active" && s.covers(&alert.labels)).map(|s| s.id.clone()).collect()
}

fn shown(world: &World, alert: &ActiveAlert, fired: clock::World, silenced_by: &[String]) -> Json {
    let rule = world.alerts().rule(alert.rule);
    let updated = world.alerts().evaluated.unwrap_or(fired);
    json!({
        "annotations": rule.map(|rule| rule.annotations.clone()).unwrap_or_default(),
        "endsAt": updated + TimeDelta::minutes(4),
        "fingerprint": alert.fingerprint(),
        "receivers": [{ "name": RECEIVER }],
        "startsAt": fired,
        "status": {
            "inhibitedBy": [],
            "mutedBy": [],
            "silencedBy": silenced_by,
            "state": if silenced_by.is_empty() { "active" } else { "suppressed" },
        },
        "updatedAt": updated,
        "generatorURL": rule.map(|rule| format!(
            "http://prometheus.{}.example/graph?g0.expr={}&g0.tab=1",
            world.scenario().environment(),
            encoded(rule.expr.get_ref())
        )).unwrap_or_default(),
        "labels": alert.labels,
    })
}

/// The alerts that a request wants, with the label they are grouped by.
fn wanted(world: &World, raw: Option<&str>) -> Result<Vec<(String, Json)>, String> {
    let wanted = Wanted::of(raw)?;
    let mut found: Vec<_> = world
        .alerts()
        .firing()
        .map(|(alert, fired)| (alert, fired, silenced_by(world, alert)))
        .filter(|(alert, _, silenced)| wanted.takes(alert, !silenced.is_empty()))
        .collect();
    found.sort_by_key(|(alert, ..)| alert.fingerprint());
    Ok(found
        .into_iter()
        .map(|(alert, fired, silenced)| {
            let service = alert.labels.get("service").cloned().unwrap_or_default();
            (service, shown(world, alert, fired, &silenced))
        })
        .collect())
}

async fn alerts(State(world): State<Shared>, RawQuery(raw): RawQuery) -> Response {
    match wanted(&world.lock(), raw.as_deref()) {
        Ok(found) => axum::Json(found.into_iter().map(|(_, alert)| alert).collect::<Vec<_>>()).into_response(),
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

async fn groups(State(world): State<Shared>, RawQuery(raw): RawQuery) -> Response {
    match wanted(&world.lock(), raw.as_deref()) {
        Ok(found) => {
            let mut groups: BTreeMap<String, Vec<Json>> = BTreeMap::new();
            for (service, alert) in found {
                groups.entry(service).or_default().push(alert);
            }
            let shown: Vec<_> = groups
                .into_iter()
                .map(|(service, alerts)| {
                    json!({ "labels": { "service": service }, "receiver": { "name": RECEIVER }, "alerts": alerts })
                })
                .collect();
            axum::Json(shown).into_response()
        }
        Err(why) => refused(StatusCode::BAD_REQUEST, &why),
    }
}

async fn status(State(world): State<Shared>) -> Response {
    let world = world.lock();
    axum::Json(json!({
        "cluster": { "name": "drill", "peers": [], "status": "ready" },
        "config": { "original": "route:\n  receiver: pager\n  group_by: [service]\nreceivers:\n- name: pager\n" },
        "uptime": world.scenario().epoch() - TimeDelta::days(9),
        "versionInfo": {
            "branch": "HEAD", "buildDate": "20261121", "buildUser": "warroom", "goVersion": "none",
            "revision": "drill", "version": "0.31.1",
        },
    }))
    .into_response()
}
