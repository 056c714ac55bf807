//! Alertmanager, by its API v2: the alerts that it holds now.
//!
//! Owns: polling `GET /api/v2/alerts` and translating what comes. Must not: keep a history. The
//! API has none; what was resolved is simply not in the next answer. What a restart made the
//! server forget is not resolved, see `forgotten`. Grafana serves the same shapes below
//! `/api/alertmanager/grafana`: only the base URL differs.

mod forgotten;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use futures::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::clock::World;
use crate::config::HttpAccess;
use crate::model::alert::{Alert, AlertKey, AlertSeverity, AlertState};
use crate::model::signal::{Delta, Signal, SourceState};
use crate::text::Safe;

use super::http::{Allowed, Answer, Reader};
use super::{Ctx, Ended, Outlet, Source, SourceError};

use forgotten::Forgotten;

const ALERTS: &str = "/api/v2/alerts";
const STATUS: &str = "/api/v2/status";
const ALLOWED: Allowed = &[(Method::GET, ALERTS), (Method::GET, STATUS)];
/// More alerts than this cannot be looked at; the rest is counted.
const MOST: usize = 5_000;
/// Labels of one alert that are kept.
const LABELS: usize = 64;

/// One Alertmanager.
pub(super) struct Alertmanager {
    access: HttpAccess,
    drill: bool,
    forgotten: Forgotten,
}

/// `gettableAlert` of the API's specification, the fields that are read. Every one may be
/// missing: what is there is worth showing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    starts_at: String,
    #[serde(rename = "generatorURL", default)]
    generator_url: String,
    #[serde(default)]
    status: RawStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    #[serde(default)]
    state: String,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

impl Alertmanager {
    /// The server at `access`.
    pub(super) fn new(access: HttpAccess, drill: bool) -> Self {
        Self { access, drill, forgotten: Forgotten::default() }
    }
}

impl Source for Alertmanager {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            let reader = Reader::new("Alertmanager", &self.access, self.drill, ALLOWED).await?;
            let every = self.access.every.max(Duration::from_secs(1));
            let mut hold = cx.clock.hold();
            loop {
                let now = cx.clock.now();
                let answer = reader.get(ALERTS, &[("active", "true"), ("silenced", "true"), ("inhibited", "true")]);
                let (alerts, limited) = translate(&answer.await?, now, &self.forgotten)?;
                if self.forgotten.asks(&alerts) {
                    self.forgotten.born(started(&reader).await, now);
                }
                let (alerts, kept) = self.forgotten.with(alerts, now);
                let limited = limited.or(kept);
                let alerts = Signal::Alerts(Delta::All(alerts));
                out.send(vec![(now, alerts), (now, Signal::Link(SourceState::Live { limited }))], hold).await;
                hold = tokio::select! {
                    () = cx.cancel.cancelled() => return Ok(Ended),
                    hold = cx.clock.due(cx.clock.next_multiple(every)) => hold,
                };
            }
        })
    }
}

/// When the server was started, by its own clock, if it says so. Grafana and others that speak the
/// API do not.
async fn started(reader: &Reader) -> Option<World> {
    #[derive(Deserialize)]
    struct Status {
        uptime: String,
    }
    let answer = reader.get(STATUS, &[]).await.ok().filter(|answer| answer.status.is_success())?;
    DateTime::parse_from_rfc3339(&answer.json::<Status>().ok()?.uptime).ok().map(|at| at.to_utc())
}

/// The alerts, and what is missing among them. One that was told before is among them as long as it
/// is in the answer: to leave it out would say that it ended.
fn translate(answer: &Answer, now: World, before: &Forgotten) -> Result<(Vec<Alert>, Option<Safe>), SourceError> {
    if !answer.status.is_success() {
        return Err(SourceError::Retry {
            why: Safe::from(format!(
                "reading {}: {}: {}; check that it is an Alertmanager with API v2",
                answer.place,
                answer.status,
                answer.excerpt()
            )),
            after: None,
        });
    }
    let all: Vec<Value> = answer.json()?;
    let count = all.len();
    let read: Vec<_> = all
        .into_iter()
        .map(|value| {
            let fingerprint = value.get("fingerprint").and_then(Value::as_str).map(|text| AlertKey(Safe::from(text)));
            let raw = serde_json::from_value::<Raw>(value).ok();
            let known = raw.as_ref().map(key).or(fingerprint).and_then(|key| before.told(&key));
            (raw, known)
        })
        .collect();
    // Those that were told before have their place; what is left is for new ones.
    let mut room = MOST.saturating_sub(read.iter().filter(|(_, known)| known.is_some()).count());
    let (mut alerts, mut unread) = (Vec::new(), 0);
    for (raw, known) in read {
        match (raw, known) {
            (Some(raw), Some(_)) => alerts.push(alert(raw, now)),
            (Some(raw), None) if room > 0 => {
                room -= 1;
                alerts.push(alert(raw, now));
            }
            (None, Some(known)) => {
                unread += 1;
                alerts.push(known.clone());
            }
            (_, None) => {}
        }
    }
    let missing = count - alerts.len();
    let limited = match (missing, unread) {
        (0, 0) => None,
        (0, unread) => Some(format!("{unread} of {count} alerts cannot be read: shown as before")),
        (missing, 0) => Some(format!("{missing} of {count} alerts are not shown")),
        (missing, unread) => {
            Some(format!("{missing} of {count} alerts are not shown; {unread} cannot be read: shown as before"))
        }
    };
    Ok((alerts, limited.map(Safe::from)))
}

fn key(raw: &Raw) -> AlertKey {
    if !raw.fingerprint.is_empty() {
        return AlertKey(Safe::from(raw.fingerprint.as_str()));
    }
    // Labels are an alert's identity; the fingerprint is their hash.
    let labels: Vec<_> = raw.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    AlertKey(Safe::from(labels.join(",")))
}

fn alert(raw: Raw, now: World) -> Alert {
    let note = |keys: &[&str]| {
        let found = keys.iter().find_map(|key| raw.annotations.get(*key).filter(|text| !text.trim().is_empty()));
        found.map(|text| Safe::from(text.trim()))
    };
    let name = raw.labels.get("alertname").filter(|name| !name.is_empty());
    let name = name.map_or_else(|| Safe::fixed("alert without a name"), |name| Safe::from(name.as_str()));
    let state = match raw.status.state.as_str() {
        "suppressed" => AlertState::Suppressed { by: suppressed_by(&raw.status) },
        // `unprocessed` is an alert that was not routed yet: it fires all the same.
        _ => AlertState::Firing,
    };
    let link = Some(raw.generator_url.as_str()).filter(|url| is_web(url)).map(Safe::from);
    Alert {
        key: key(&raw),
        name,
        severity: raw.labels.get("severity").map_or(AlertSeverity::Unknown, |text| AlertSeverity::parse(text)),
        state,
        // An alert without a start has been seen now for the first time.
        since: DateTime::parse_from_rfc3339(&raw.starts_at).map_or(now, |at| at.to_utc()),
        summary: note(&["summary", "description", "message"]),
        link: link.or_else(|| note(&["runbook_url"]).filter(|url| is_web(url))),
        labels: raw
            .labels
            .iter()
            .take(LABELS)
            .map(|(key, value)| (Safe::from(key.as_str()), Safe::from(value.as_str())))
            .collect(),
    }
}

fn suppressed_by(status: &RawStatus) -> Safe {
    let list = |what: &str, ids: &[String]| match ids {
        [] => None,
        [one] => Some(format!("{what} {one}")),
        [one, rest @ ..] => Some(format!("{what} {one} and {} more", rest.len())),
    };
    list("silence", &status.silenced_by)
        .or_else(|| list("inhibited by", &status.inhibited_by))
        .map_or_else(|| Safe::fixed("muted"), Safe::from)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
#[path = "alertmanager/tests.rs"]
mod tests;
