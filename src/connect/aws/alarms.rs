//! CloudWatch alarms, metric and composite, and their past.
//!
//! Owns: the pages of `DescribeAlarms` and `DescribeAlarmHistory` and their translation. Must
//! not: drop alarms that are fine: that an alarm is `OK` since 03:41 is told, and worth knowing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, AlarmType, CompositeAlarm, HistoryItemType, MetricAlarm, ScanBy, StateValue,
};
use aws_smithy_types::DateTime;
use futures::future::BoxFuture;
use serde::Deserialize;

use crate::clock::{Span, World};
use crate::connect::{Ctx, Ended, History, Outlet, Source, SourceError};
use crate::model::alert::{Alert, AlertKey, AlertSeverity, AlertState};
use crate::model::signal::{Delta, Gap, Signal, SourceState, Stamped};
use crate::text::Safe;

use super::failure::explain;
use super::{Account, Client, world};

/// Pages of 100 that are read at most: 10,000 alarms or transitions.
const PAGES: usize = 100;
/// Alarms of one page: the most that the API gives.
const PAGE: i32 = 100;
const READING: &str = "reading alarms of CloudWatch";
const READING_PAST: &str = "reading the alarms' history of CloudWatch";

/// The alarms of an account.
pub(in crate::connect) struct Alarms {
    account: Arc<Account>,
}

/// Their past.
pub(in crate::connect) struct AlarmsHistory {
    account: Arc<Account>,
}

/// One alarm, as it is now.
#[derive(Clone)]
struct Alarm {
    alert: Alert,
    /// Its summary is its description, which holds for the past too. Else it is why the state is
    /// what it is.
    described: bool,
}

/// `HistoryData` of a state update: JSON in text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transition {
    new_state: NewState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewState {
    state_value: String,
    state_reason: Option<String>,
}

impl Alarms {
    pub(in crate::connect) fn new(account: Arc<Account>) -> (Self, AlarmsHistory) {
        (Self { account: Arc::clone(&account) }, AlarmsHistory { account })
    }
}

impl Source for Alarms {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            let client = self.account.cloudwatch().await?;
            let every = self.account.access.alarms_every.max(Duration::from_secs(1));
            let mut hold = cx.clock.hold();
            loop {
                let now = cx.clock.now();
                let (alarms, limited) = match described(&client, &self.account.access.alarm_prefixes, now).await {
                    Ok(alarms) => alarms,
                    Err(error) => return Err(self.account.heed(error).await),
                };
                let alarms = alarms.into_values().map(|alarm| alarm.alert).collect();
                // Of a list that is not whole, what is missing has not ended.
                let alerts = Signal::Alerts(if limited.is_none() { Delta::All(alarms) } else { Delta::Upsert(alarms) });
                out.send(vec![(now, alerts), (now, Signal::Link(SourceState::Live { limited }))], hold).await;
                hold = tokio::select! {
                    () = cx.cancel.cancelled() => return Ok(Ended),
                    hold = cx.clock.due(cx.clock.next_multiple(every)) => hold,
                };
            }
        })
    }
}

impl History for AlarmsHistory {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let client = self.account.cloudwatch().await?;
            let prefixes = &self.account.access.alarm_prefixes;
            // The history names alarms without their ARN, which is their identity.
            let (known, _) = described(&client, prefixes, cx.clock.now()).await?;
            let by_name: BTreeMap<Safe, Alarm> =
                known.into_values().map(|alarm| (alarm.alert.name.clone(), alarm)).collect();
            let (items, more) = transitions(&client, span).await?;
            let ours = |item: &&AlarmHistoryItem| {
                let name = item.alarm_name().unwrap_or_default();
                prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix))
            };
            let mut signals: Vec<_> =
                items.iter().filter(ours).filter_map(|item| transition(item, &by_name, span)).collect();
            if more {
                // The newest come first, so what is missing is the oldest.
                let to = signals.last().map_or(span.to, |(at, _)| *at);
                let what = Safe::fixed("more changes of alarms than can be read");
                signals.push((span.from, Signal::Gap(Gap { from: span.from, to, what })));
            }
            // Times are whole seconds: of two changes in one, the later must stay the later.
            signals.reverse();
            let observed = cx.clock.now();
            let stamp = |(occurred, body)| Stamped { origin: cx.origin.clone(), occurred, observed, body };
            Ok(signals.into_iter().map(stamp).collect())
        })
    }
}

/// All alarms by ARN, and what is missing among them.
async fn described(
    client: &Client<aws_sdk_cloudwatch::Client>,
    prefixes: &[String],
    now: World,
) -> Result<(BTreeMap<Safe, Alarm>, Option<Safe>), SourceError> {
    let mut alarms = BTreeMap::new();
    let mut limited = None;
    let wanted: Vec<Option<&String>> =
        if prefixes.is_empty() { vec![None] } else { prefixes.iter().map(Some).collect() };
    for prefix in wanted {
        let mut token = None;
        for page in 0.. {
            if page == PAGES {
                limited = Some(Safe::from(format!("only the first {} alarms are read", alarms.len())));
                break;
            }
            let read = client
                .sdk
                .describe_alarms()
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .set_alarm_name_prefix(prefix.cloned())
                .max_records(PAGE)
                .set_next_token(token);
            let read = read.send().await.map_err(|error| explain(READING, &error, &client.place, &client.login))?;
            let metric = read.metric_alarms().iter().map(|alarm| (metric_alert(alarm, now), alarm.alarm_description()));
            let composite =
                read.composite_alarms().iter().map(|alarm| (composite_alert(alarm, now), alarm.alarm_description()));
            let both = metric
                .chain(composite)
                .map(|(alert, description)| Alarm { described: text(description).is_some(), alert });
            alarms.extend(both.map(|alarm| (alarm.alert.key.0.clone(), alarm)));
            token = read.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
    }
    Ok((alarms, limited))
}

/// The state changes in `span`, newest first, and whether there are more than can be read.
async fn transitions(
    client: &Client<aws_sdk_cloudwatch::Client>,
    span: Span,
) -> Result<(Vec<AlarmHistoryItem>, bool), SourceError> {
    let mut items = Vec::new();
    let mut token = None;
    for _ in 0..PAGES {
        let read = client
            .sdk
            .describe_alarm_history()
            // Without types it tells of metric alarms only.
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .history_item_type(HistoryItemType::StateUpdate)
            .start_date(DateTime::from_millis(span.from.timestamp_millis()))
            .end_date(DateTime::from_millis(span.to.timestamp_millis()))
            .scan_by(ScanBy::TimestampDescending)
            .max_records(PAGE)
            .set_next_token(token);
        let read = read.send().await.map_err(|error| explain(READING_PAST, &error, &client.place, &client.login))?;
        token = read.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        items.extend(read.alarm_history_items.unwrap_or_default());
        if token.is_none() {
            return Ok((items, false));
        }
    }
    Ok((items, true))
}

fn metric_alert(alarm: &MetricAlarm, now: World) -> Alert {
    let dimensions = alarm.dimensions().iter().take(30);
    let labels = dimensions.filter_map(|one| Some((Safe::from(one.name()?), Safe::from(one.value()?))));
    Alert {
        key: key(alarm.alarm_arn(), alarm.alarm_name()),
        name: Safe::from(alarm.alarm_name().unwrap_or("alarm without a name")),
        severity: AlertSeverity::Unknown,
        state: state(alarm.state_value()),
        since: since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp(), now),
        labels: labels.collect(),
        summary: summary(alarm.alarm_description(), alarm.state_reason()),
        link: link(alarm.alarm_arn()),
    }
}

fn composite_alert(alarm: &CompositeAlarm, now: World) -> Alert {
    let state = match (state(alarm.state_value()), alarm.actions_suppressed_by()) {
        (AlertState::Firing, Some(_)) => AlertState::Suppressed {
            by: alarm
                .actions_suppressor()
                .map_or_else(|| Safe::fixed("its suppressor"), |arn| Safe::from(name_in(arn).unwrap_or(arn))),
        },
        (state, _) => state,
    };
    Alert {
        key: key(alarm.alarm_arn(), alarm.alarm_name()),
        name: Safe::from(alarm.alarm_name().unwrap_or("alarm without a name")),
        severity: AlertSeverity::Unknown,
        state,
        since: since(alarm.state_transitioned_timestamp(), alarm.state_updated_timestamp(), now),
        labels: BTreeMap::new(),
        summary: summary(alarm.alarm_description(), alarm.state_reason()),
        link: link(alarm.alarm_arn()),
    }
}

fn transition(item: &AlarmHistoryItem, known: &BTreeMap<Safe, Alarm>, span: Span) -> Option<(World, Signal)> {
    let at = item.timestamp().and_then(world).filter(|at| span.contains(*at))?;
    let data = item.history_data().and_then(|data| serde_json::from_str::<Transition>(data).ok());
    let (state_value, reason) = match data {
        Some(data) => (data.new_state.state_value, data.new_state.state_reason),
        // "Alarm updated from OK to ALARM"
        None => (item.history_summary()?.rsplit_once(" to ")?.1.trim().to_owned(), None),
    };
    let name = Safe::from(item.alarm_name()?);
    let state = state(Some(&StateValue::from(state_value.as_str())));
    let Alarm { mut alert, described } = known.get(&name).cloned().unwrap_or_else(|| Alarm {
        // It was deleted since: its name is all that is left of it.
        alert: Alert {
            key: AlertKey(name.clone()),
            name,
            severity: AlertSeverity::Unknown,
            state: AlertState::NoData,
            since: at,
            labels: BTreeMap::new(),
            summary: None,
            link: None,
        },
        described: false,
    });
    if !described {
        alert.summary = text(reason.as_deref());
    }
    alert.state = state;
    alert.since = at;
    Some((at, Signal::Alerts(Delta::Upsert(vec![alert]))))
}

fn state(value: Option<&StateValue>) -> AlertState {
    match value {
        Some(StateValue::Alarm) => AlertState::Firing,
        Some(StateValue::Ok) => AlertState::Resolved,
        // `INSUFFICIENT_DATA`, and whatever may be invented yet.
        _ => AlertState::NoData,
    }
}

/// When the state changed. `StateUpdatedTimestamp` also moves when only the evaluation changes;
/// not every server tells the other.
fn since(transitioned: Option<&DateTime>, updated: Option<&DateTime>, now: World) -> World {
    transitioned.or(updated).and_then(world).unwrap_or(now)
}

fn key(arn: Option<&str>, name: Option<&str>) -> AlertKey {
    AlertKey(Safe::from(arn.or(name).unwrap_or_default()))
}

fn summary(description: Option<&str>, reason: Option<&str>) -> Option<Safe> {
    text(description).or_else(|| text(reason))
}

fn text(text: Option<&str>) -> Option<Safe> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(Safe::from)
}

/// The alarm's name in `arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME`.
fn name_in(arn: &str) -> Option<&str> {
    arn.splitn(7, ':').nth(6)
}

/// The console's page. Names may hold anything, so all but the plainest characters are escaped.
fn link(arn: Option<&str>) -> Option<Safe> {
    let arn = arn?;
    let mut parts = arn.split(':');
    if parts.nth(1)? != "aws" {
        return None;
    }
    let region = parts.nth(1).filter(|region| region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))?;
    let escaped: String = name_in(arn)?
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    Some(Safe::from(format!(
        "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#alarmsV2:alarm/{escaped}"
    )))
}

#[cfg(test)]
#[path = "alarms/tests.rs"]
mod tests;
