//! The tables of a scenario that say how its world is watched: the service catalogue, alert
//! rules, CloudWatch's metrics and alarms, and what is logged.
//!
//! Owns: names and meaning of their keys. Must not: check what one key says against another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::model::service::{Side, Unit};

use super::units::duration;

/// A service of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct ServiceTable {
    pub(in crate::drill) name: Spanned<String>,
    #[serde(default)]
    pub(in crate::drill) title: Option<String>,
    #[serde(default)]
    pub(in crate::drill) owner: Option<String>,
    pub(in crate::drill) workloads: Vec<Spanned<String>>,
    /// What divides its traffic: a kind, and which one.
    #[serde(default)]
    pub(in crate::drill) routes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::drill) log_groups: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::drill) alarms: Vec<String>,
    #[serde(default)]
    pub(in crate::drill) dashboards: Vec<String>,
    #[serde(default)]
    pub(in crate::drill) runbook: Option<String>,
    #[serde(default)]
    pub(in crate::drill) depends_on: Vec<Spanned<String>>,
    #[serde(default, rename = "signal")]
    pub(in crate::drill) signals: Vec<SignalTable>,
}

/// A signal of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct SignalTable {
    pub(in crate::drill) name: String,
    pub(in crate::drill) query: Spanned<String>,
    pub(in crate::drill) unit: UnitName,
    #[serde(default)]
    pub(in crate::drill) above: Option<f64>,
    #[serde(default)]
    pub(in crate::drill) below: Option<f64>,
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(in crate::drill) hold: Duration,
    #[serde(default = "two_minutes", deserialize_with = "duration")]
    pub(in crate::drill) recover: Duration,
}

impl SignalTable {
    pub(super) fn limit(&self) -> Option<(f64, Side)> {
        self.above.map(|limit| (limit, Side::Above)).or_else(|| self.below.map(|limit| (limit, Side::Below)))
    }
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn two_minutes() -> Duration {
    Duration::from_secs(120)
}

/// How a signal's values are written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum UnitName {
    Ratio,
    Seconds,
    PerSecond,
    Count,
    Bytes,
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Ratio => Self::Ratio,
            UnitName::Seconds => Self::Seconds,
            UnitName::PerSecond => Self::PerSecond,
            UnitName::Count => Self::Count,
            UnitName::Bytes => Self::Bytes,
        }
    }
}

/// A rule of Prometheus, whose alerts go to Alertmanager.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AlertRule {
    /// `alertname`.
    pub(in crate::drill) name: String,
    /// PromQL that gives something while the alert holds.
    pub(in crate::drill) expr: Spanned<String>,
    /// How long it holds before it fires.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub(in crate::drill) hold: Duration,
    /// Labels on top of those of the expression.
    #[serde(default)]
    pub(in crate::drill) labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub(in crate::drill) annotations: BTreeMap<String, String>,
}

/// A metric of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct MetricSpec {
    /// Its name here, for alarms to refer to.
    pub(in crate::drill) id: Spanned<String>,
    /// Its namespace.
    pub(in crate::drill) namespace: String,
    /// Its name.
    pub(in crate::drill) name: String,
    /// Its dimensions.
    #[serde(default)]
    pub(in crate::drill) dimensions: BTreeMap<String, String>,
    /// Its unit, in CloudWatch's words.
    #[serde(default)]
    pub(in crate::drill) unit: Option<String>,
    /// PromQL that gives its value.
    pub(in crate::drill) query: Spanned<String>,
}

/// A metric alarm of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AlarmSpec {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub(in crate::drill) description: Option<String>,
    /// The `id` of its metric.
    pub(in crate::drill) metric: Spanned<String>,
    /// The statistic.
    pub(in crate::drill) statistic: Statistic,
    /// The comparison that is bad.
    pub(in crate::drill) comparison: Comparison,
    /// The threshold.
    pub(in crate::drill) threshold: f64,
    /// The period.
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(in crate::drill) period: Duration,
    /// Periods that are looked at.
    pub(in crate::drill) evaluate: u32,
    /// Bad periods among them that make an alarm.
    pub(in crate::drill) bad: u32,
}

/// Statistics of a metric alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::drill) enum Statistic {
    Average,
    Maximum,
    Minimum,
    Sum,
}

impl Statistic {
    /// The name in the API.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
            Self::Sum => "Sum",
        }
    }
}

/// Comparisons of a metric alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are CloudWatch's own")]
pub(in crate::drill) enum Comparison {
    GreaterThanThreshold,
    GreaterThanOrEqualToThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// The name in the API.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => "GreaterThanThreshold",
            Self::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Self::LessThanThreshold => "LessThanThreshold",
            Self::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
        }
    }

    /// In the words of a state's reason.
    pub(in crate::drill) fn in_words(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => "greater than",
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }

    /// Whether `value` is bad.
    pub(in crate::drill) fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanThreshold => value > threshold,
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }
}

/// A composite alarm of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct CompositeSpec {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub(in crate::drill) description: Option<String>,
    /// Such as `ALARM("a") AND NOT ALARM("b")`.
    pub(in crate::drill) rule: Spanned<String>,
}

/// A sort of log line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct LogSpec {
    /// The workload whose pods write it.
    pub(in crate::drill) workload: Spanned<String>,
    /// What makes it be written.
    pub(in crate::drill) when: LogWhen,
    /// Lines per occurrence; for `steady`, lines a second of the whole workload.
    pub(in crate::drill) share: f64,
    /// Lines a second at most, of the whole workload.
    #[serde(default = "four")]
    pub(in crate::drill) most: f64,
    /// The shape of the line.
    #[serde(default)]
    pub(in crate::drill) format: LogFormat,
    /// Its level.
    pub(in crate::drill) level: String,
    /// Its text, with `{ms}`, `{id}`, `{user}`, `{amount}`, `{attempt}`, `{pod}`, `{n}` filled in.
    pub(in crate::drill) text: String,
}

fn four() -> f64 {
    4.0
}

/// What makes a line be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum LogWhen {
    /// A request was answered as it should be.
    Served,
    /// A request failed.
    Failed,
    /// A request was accepted to be finished later.
    Deferred,
    /// A request was refused (429).
    Refused,
    /// A call was refused by the callee (429).
    CallRefused,
    /// A call was not answered in time.
    CallTimedOut,
    /// A call was made again.
    CallRetried,
    /// The worker made a call.
    WorkerCall,
    /// CPU is short.
    Starved,
    /// Time passes.
    Steady,
}

/// The shape of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum LogFormat {
    /// `2026-11-21T03:14:07.123Z ERROR text`.
    #[default]
    Plain,
    /// A JSON object with `ts`, `level`, `service`, `msg`, `trace_id`.
    Json,
    /// `ts=… level=… msg="…"`.
    Logfmt,
}
