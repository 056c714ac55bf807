//! Prometheus' HTTP API, v1.
//!
//! Shapes: <https://prometheus.io/docs/prometheus/latest/querying/api/>. Values are strings,
//! `"+Inf"` included; an error is 400 (422 if the query cannot be executed) with
//! `{status: "error", errorType, error}`.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value as Json, json};

use crate::clock;
use crate::drill::promql::{self, Labels, Matcher, QueryError, Value};
use crate::drill::world::{ActiveAlert, SCRAPE_SECONDS};

use super::Shared;
use super::form::Form;

/// The API over the world's metrics.
pub(in crate::drill) fn router(world: Shared) -> Router {
    Router::new()
        .route("/api/v1/query", get(query).post(query))
        .route("/api/v1/query_range", get(query_range).post(query_range))
        .route("/api/v1/series", get(series).post(series))
        .route("/api/v1/labels", get(labels).post(labels))
        .route("/api/v1/label/{name}/values", get(label_values))
        .route("/api/v1/rules", get(rules))
        .route("/api/v1/alerts", get(alerts))
        .route("/api/v1/targets", get(targets))
        .route("/api/v1/metadata", get(|| async { done(json!({})) }))
        .route("/api/v1/status/buildinfo", get(build_info))
        .route("/-/healthy", get(|| async { "Prometheus Server is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Prometheus Server is Ready.\n" }))
        .with_state(world)
}

fn done(data: Json) -> Response {
    axum::Json(json!({ "status": "success", "data": data })).into_response()
}

struct Refused(QueryError);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, kind) = match &self.0 {
            QueryError::Parse { .. } | QueryError::Stretch(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            QueryError::Execution(_) => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        refused(status, kind, &self.0.to_string())
    }
}

fn refused(status: StatusCode, kind: &str, why: &str) -> Response {
    (status, axum::Json(json!({ "status": "error", "errorType": kind, "error": why }))).into_response()
}

fn bad(why: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, "bad_data", why)
}

async fn query(State(world): State<Shared>, RawQuery(raw): RawQuery, body: Bytes) -> Response {
    let form = Form::of(raw.as_deref(), &body);
    let world = world.lock();
    let at = match form.get("time").map(moment) {
        None => world.now().timestamp_millis(),
        Some(Some(at)) => at,
        Some(None) => return bad("invalid parameter \"time\": cannot parse to a valid timestamp"),
    };
    let text = form.get("query").unwrap_or("");
    let found = promql::parse(text).and_then(|expr| promql::instant(world.store(), &expr, at));
    match found {
        Ok(value) => done(shown(value, at)),
        Err(error) => Refused(error).into_response(),
    }
}

async fn query_range(State(world): State<Shared>, RawQuery(raw): RawQuery, body: Bytes) -> Response {
    let form = Form::of(raw.as_deref(), &body);
    let parameter = |name: &str, read: fn(&str) -> Option<i64>| {
        let text = form.get(name).unwrap_or("");
        read(text).ok_or_else(|| format!("invalid parameter {name:?}: cannot parse {text:?}"))
    };
    let (start, end, step) = match (parameter("start", moment), parameter("end", moment), parameter("step", length)) {
        (Ok(start), Ok(end), Ok(step)) => (start, end, step),
        (Err(why), _, _) | (_, Err(why), _) | (_, _, Err(why)) => return bad(&why),
    };
    let world = world.lock();
    let expr = match promql::parse(form.get("query").unwrap_or("")) {
        Ok(expr) => expr,
        Err(error) => return Refused(error).into_response(),
    };
    // There is nothing after now: points beyond would only cost time.
    let end = end.min(world.now().timestamp_millis().max(start));
    match promql::range(world.store(), &expr, start, end, step) {
        Ok(series) => {
            let result: Vec<_> = series
                .into_iter()
                .map(|(metric, points)| {
                    let values: Vec<_> = points.into_iter().map(|(at, value)| pair(at, value)).collect();
                    json!({ "metric": metric, "values": values })
                })
                .collect();
            done(json!({ "resultType": "matrix", "result": result }))
        }
        Err(error) => Refused(error).into_response(),
    }
}

fn shown(value: Value, at: i64) -> Json {
    match value {
        Value::Scalar(value) => json!({ "resultType": "scalar", "result": pair(at, value) }),
        Value::Text(text) => json!({ "resultType": "string", "result": [seconds(at), text] }),
        Value::Vector(samples) => {
            let result: Vec<_> = samples
                .into_iter()
                .map(|sample| json!({ "metric": sample.labels, "value": pair(at, sample.value) }))
                .collect();
            json!({ "resultType": "vector", "result": result })
        }
        Value::Matrix(series) => {
            let result: Vec<_> = series
                .into_iter()
                .map(|(metric, points)| {
                    let values: Vec<_> = points.into_iter().map(|(at, value)| pair(at, value)).collect();
                    json!({ "metric": metric, "values": values })
                })
                .collect();
            json!({ "resultType": "matrix", "result": result })
        }
    }
}

fn pair(at: i64, value: f64) -> Json {
    json!([seconds(at), number(value)])
}

/// Seconds since the Unix epoch; whole ones without a fraction, as Prometheus writes them.
fn seconds(at: i64) -> Json {
    if at % 1000 == 0 { json!(at / 1000) } else { json!(at as f64 / 1000.0) }
}

/// As Prometheus writes values: Go's `f`, or `e` for the very small and the very large.
fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".into()
    } else if size.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        exponential(value)
    } else {
        value.to_string()
    }
}

/// Go's `e`: a sign and two digits at least, `1e-09`.
fn exponential(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |rest| ("-", rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A time as Unix seconds or RFC 3339, in milliseconds.
fn moment(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        // A year 5000 is far enough, and far from overflow.
        return (seconds.is_finite() && seconds.abs() < 1e11).then_some((seconds * 1000.0).round() as i64);
    }
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

/// A step as seconds or a duration, in milliseconds.
fn length(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => (seconds.is_finite() && seconds.abs() < 1e9).then_some((seconds * 1000.0).round() as i64),
        Err(_) => promql::length(text),
    }
}

/// The `match[]` selectors and the stretch of a request for series.
fn selection(form: &Form, now: clock::World) -> Result<(Vec<Vec<Matcher>>, i64, i64), QueryError> {
    let matchers = form.all("match[]").map(promql::parse_matchers).collect::<Result<Vec<_>, _>>()?;
    let from = form.get("start").and_then(moment).unwrap_or(i64::MIN / 2);
    let to = form.get("end").and_then(moment).unwrap_or(now.timestamp_millis());
    Ok((matchers, from, to))
}

fn selected(world: &Shared, raw: Option<&str>, body: &Bytes) -> Result<BTreeSet<Labels>, QueryError> {
    let form = Form::of(raw, body);
    let world = world.lock();
    let (mut matchers, from, to) = selection(&form, world.now())?;
    if matchers.is_empty() {
        matchers.push(Vec::new());
    }
    let mut found = BTreeSet::new();
    for matchers in &matchers {
        let series = world.store().select(None, matchers);
        found.extend(series.filter(|series| series.lives(from, to)).map(|series| series.labels.clone()));
    }
    Ok(found)
}

async fn series(State(world): State<Shared>, RawQuery(raw): RawQuery, body: Bytes) -> Response {
    if Form::of(raw.as_deref(), &body).get("match[]").is_none() {
        return bad("no match[] parameter provided");
    }
    match selected(&world, raw.as_deref(), &body) {
        Ok(found) => done(json!(found)),
        Err(error) => Refused(error).into_response(),
    }
}

async fn labels(State(world): State<Shared>, RawQuery(raw): RawQuery, body: Bytes) -> Response {
    match selected(&world, raw.as_deref(), &body) {
        Ok(found) => {
            let names: BTreeSet<&String> = found.iter().flat_map(|labels| labels.keys()).collect();
            done(json!(names))
        }
        Err(error) => Refused(error).into_response(),
    }
}

async fn label_values(State(world): State<Shared>, Path(name): Path<String>, RawQuery(raw): RawQuery) -> Response {
    match selected(&world, raw.as_deref(), &Bytes::new()) {
        Ok(found) => {
            let values: BTreeSet<&String> = found.iter().filter_map(|labels| labels.get(&name)).collect();
            done(json!(values))
        }
        Err(error) => Refused(error).into_response(),
    }
}

fn alert(world: &crate::drill::World, alert: &ActiveAlert) -> Json {
    let rule = world.alerts().rule(alert.rule);
    json!({
        "labels": alert.labels,
        "annotations": rule.map(|rule| &rule.annotations),
        "state": if alert.fired.is_some() { "firing" } else { "pending" },
        "activeAt": alert.active,
        "value": exponential(alert.value),
    })
}

async fn alerts(State(world): State<Shared>) -> Response {
    let world = world.lock();
    let alerts: Vec<_> = world.alerts().active().map(|active| alert(&world, active)).collect();
    done(json!({ "alerts": alerts }))
}

async fn rules(State(world): State<Shared>) -> Response {
    let world = world.lock();
    let rules: Vec<_> = world
        .alerts()
        .rules()
        .enumerate()
        .map(|(at, rule)| {
            let active: Vec<_> = world.alerts().active().filter(|alert| alert.rule == at).collect();
            let state = match (active.is_empty(), active.iter().any(|alert| alert.fired.is_some())) {
                (true, _) => "inactive",
                (false, true) => "firing",
                (false, false) => "pending",
            };
            json!({
                "type": "alerting",
                "name": rule.name,
                "query": rule.expr.get_ref(),
                "duration": rule.hold.as_secs(),
                "keepFiringFor": 0,
                "labels": rule.labels,
                "annotations": rule.annotations,
                "alerts": active.into_iter().map(|active| alert(&world, active)).collect::<Vec<_>>(),
                "health": "ok",
                "state": state,
                "evaluationTime": 0.0004,
                "lastEvaluation": world.alerts().evaluated,
            })
        })
        .collect();
    done(json!({ "groups": [{
        "name": "services",
        "file": "/etc/prometheus/rules/services.yml",
        "interval": SCRAPE_SECONDS,
        "limit": 0,
        "evaluationTime": 0.003,
        "lastEvaluation": world.alerts().evaluated,
        "rules": rules,
    }] }))
}

async fn targets(State(world): State<Shared>) -> Response {
    let world = world.lock();
    let at = world.now().timestamp_millis();
    let expr = promql::parse("up").and_then(|expr| promql::instant(world.store(), &expr, at));
    let Ok(Value::Vector(samples)) = expr else { return done(json!({ "activeTargets": [], "droppedTargets": [] })) };
    let last = world.alerts().evaluated;
    let active: Vec<_> = samples
        .into_iter()
        .map(|mut sample| {
            sample.labels.remove("__name__");
            let job = sample.labels.get("job").cloned().unwrap_or_default();
            json!({
                "discoveredLabels": sample.labels,
                "labels": sample.labels,
                "scrapePool": job,
                "scrapeUrl": format!("http://{job}/metrics"),
                "globalUrl": format!("http://{job}/metrics"),
                "lastError": if sample.value > 0.0 { "" } else { "connection refused" },
                "lastScrape": last,
                "lastScrapeDuration": 0.004,
                "health": if sample.value > 0.0 { "up" } else { "down" },
                "scrapeInterval": format!("{SCRAPE_SECONDS}s"),
                "scrapeTimeout": "10s",
            })
        })
        .collect();
    done(json!({ "activeTargets": active, "droppedTargets": [], "droppedTargetCounts": {} }))
}

async fn build_info() -> Response {
    done(json!({
        "version": "3.5.0", "revision": "drill", "branch": "HEAD", "buildUser": "warroom", "buildDate": "20261121", "goVersion": "none",
    }))
}
