//! CloudWatch's alarms: their states by period, and the history of those.
//!
//! Owns: metric samples as CloudWatch would hold them, evaluation, transitions. Must not: speak
//! its protocols.

use chrono::TimeDelta;

use crate::clock;
use crate::drill::promql::{self, Expr, Store, Value};
use crate::drill::scenario::{AlarmSpec, CompositeSpec, MetricSpec, Scenario, Statistic};

use super::rule::{self, Rule};

/// States of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drill) enum AlarmState {
    Ok,
    Alarm,
    InsufficientData,
}

impl AlarmState {
    /// The name in the API.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// What an alarm looks at.
#[derive(Clone, Debug)]
pub(in crate::drill) enum Watches {
    Metric(AlarmSpec),
    Others(CompositeSpec, Rule),
}

/// One alarm.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Alarm {
    pub(in crate::drill) name: String,
    pub(in crate::drill) watches: Watches,
    pub(in crate::drill) state: AlarmState,
    pub(in crate::drill) reason: String,
    pub(in crate::drill) since: clock::World,
    pub(in crate::drill) configured: clock::World,
}

impl Alarm {
    pub(in crate::drill) fn is_composite(&self) -> bool {
        matches!(self.watches, Watches::Others(..))
    }
}

/// A change of state.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Transition {
    pub(in crate::drill) alarm: String,
    pub(in crate::drill) composite: bool,
    pub(in crate::drill) at: clock::World,
    pub(in crate::drill) from: AlarmState,
    pub(in crate::drill) to: AlarmState,
    pub(in crate::drill) from_reason: String,
    pub(in crate::drill) reason: String,
}

/// A metric with its samples.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Metric {
    pub(in crate::drill) spec: MetricSpec,
    query: Expr,
    /// Milliseconds since the Unix epoch and value.
    samples: Vec<(i64, f64)>,
}

impl Metric {
    /// The statistic of the period that begins at `start`, if it has a sample.
    pub(in crate::drill) fn statistic(&self, statistic: Statistic, start: i64, period_ms: i64) -> Option<f64> {
        let from = self.samples.partition_point(|(at, _)| *at < start);
        let to = self.samples.partition_point(|(at, _)| *at < start.saturating_add(period_ms));
        let values = self.samples.get(from..to.max(from))?;
        let all = || values.iter().map(|(_, value)| *value);
        if values.is_empty() {
            return None;
        }
        Some(match statistic {
            Statistic::Average => all().sum::<f64>() / values.len() as f64,
            Statistic::Maximum => all().fold(f64::NEG_INFINITY, f64::max),
            Statistic::Minimum => all().fold(f64::INFINITY, f64::min),
            Statistic::Sum => all().sum(),
        })
    }
}

/// All metrics and alarms.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Alarms {
    pub(in crate::drill) metrics: Vec<Metric>,
    /// By name, metric alarms first.
    pub(in crate::drill) alarms: Vec<Alarm>,
    /// Oldest first.
    pub(in crate::drill) history: Vec<Transition>,
}

impl Alarms {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let file = &scenario.file;
        let metrics = file
            .metrics
            .iter()
            .filter_map(|spec| {
                let query = promql::parse(spec.query.get_ref()).ok()?;
                Some(Metric { spec: spec.clone(), query, samples: Vec::new() })
            })
            .collect();
        let configured = file.epoch - TimeDelta::days(34);
        let fresh = |name: &str, watches: Watches| Alarm {
            name: name.to_owned(),
            watches,
            state: AlarmState::Ok,
            reason: "Threshold not crossed for the evaluation periods.".into(),
            since: file.epoch - TimeDelta::days(9),
            configured,
        };
        let metric = file.alarms.iter().map(|spec| fresh(spec.name.get_ref(), Watches::Metric(spec.clone())));
        let composite = file.composites.iter().filter_map(|spec| {
            let rule = rule::parse(spec.rule.get_ref()).ok()?;
            Some(fresh(spec.name.get_ref(), Watches::Others(spec.clone(), rule)))
        });
        let mut alarms: Vec<_> = metric.chain(composite).collect();
        alarms.sort_by(|a, b| a.is_composite().cmp(&b.is_composite()).then_with(|| a.name.cmp(&b.name)));
        Self { metrics, alarms, history: Vec::new() }
    }

    /// Takes a sample of each metric and, at full minutes, evaluates the alarms.
    pub(super) fn sample(&mut self, store: &Store, now: clock::World) {
        let at = now.timestamp_millis();
        if now.timestamp() % 60 == 0 {
            self.evaluate(now);
        }
        for metric in &mut self.metrics {
            let value = match promql::instant(store, &metric.query, at) {
                Ok(Value::Scalar(value)) => Some(value),
                Ok(Value::Vector(samples)) => samples.first().map(|sample| sample.value),
                _ => None,
            };
            metric.samples.extend(value.filter(|value| value.is_finite()).map(|value| (at, value)));
        }
    }

    /// The metric of this id.
    pub(in crate::drill) fn metric(&self, id: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.spec.id.get_ref() == id)
    }

    fn evaluate(&mut self, now: clock::World) {
        let mut changes = Vec::new();
        for (at, alarm) in self.alarms.iter().enumerate() {
            let Watches::Metric(spec) = &alarm.watches else { continue };
            let Some(metric) = self.metric(spec.metric.get_ref()) else { continue };
            if let Some((state, reason)) = judged(spec, metric, now)
                && state != alarm.state
            {
                changes.push((at, state, reason));
            }
        }
        self.apply(changes, now);
        let mut changes = Vec::new();
        for (at, alarm) in self.alarms.iter().enumerate() {
            let Watches::Others(_, rule) = &alarm.watches else { continue };
            let holds = rule.holds(&|name| self.alarms.iter().find(|a| a.name == name).map(|a| a.state));
            let state = if holds { AlarmState::Alarm } else { AlarmState::Ok };
            if state != alarm.state {
                let moved: Vec<_> = rule
                    .names()
                    .into_iter()
                    .filter(|name| self.alarms.iter().any(|other| other.name == *name && other.since == now))
                    .collect();
                let reason = format!(
                    "{} transitioned to {} at {}",
                    moved.join(", "),
                    state.as_str(),
                    now.format("%A %d %B, %Y %T UTC")
                );
                changes.push((at, state, reason));
            }
        }
        self.apply(changes, now);
    }

    fn apply(&mut self, changes: Vec<(usize, AlarmState, String)>, now: clock::World) {
        for (at, to, reason) in changes {
            let Some(alarm) = self.alarms.get_mut(at) else { continue };
            self.history.push(Transition {
                alarm: alarm.name.clone(),
                composite: alarm.is_composite(),
                at: now,
                from: alarm.state,
                to,
                from_reason: std::mem::replace(&mut alarm.reason, reason.clone()),
                reason,
            });
            alarm.state = to;
            alarm.since = now;
        }
    }
}

/// The state that the last periods make, with CloudWatch's words for it. `None` while there are
/// not enough of them yet.
fn judged(spec: &AlarmSpec, metric: &Metric, now: clock::World) -> Option<(AlarmState, String)> {
    let period = i64::try_from(spec.period.as_millis()).ok()?;
    let end = now.timestamp_millis() / period * period;
    let points: Vec<f64> = (1..=i64::from(spec.evaluate))
        .filter_map(|n| metric.statistic(spec.statistic, end - n * period, period))
        .collect();
    if points.len() < spec.evaluate as usize {
        return None;
    }
    let bad: Vec<_> = points.iter().filter(|value| spec.comparison.holds(**value, spec.threshold)).collect();
    let state = if bad.len() >= spec.bad as usize { AlarmState::Alarm } else { AlarmState::Ok };
    let shown = if state == AlarmState::Alarm { bad } else { points.iter().collect() };
    let list: Vec<_> = shown.iter().map(|value| format!("{value:.4}")).collect();
    let reason = format!(
        "Threshold Crossed: {} out of the last {} datapoints [{}] {} {} the threshold ({}).",
        shown.len(),
        spec.evaluate,
        list.join(", "),
        if state == AlarmState::Alarm { "were" } else { "were not" },
        spec.comparison.in_words(),
        spec.threshold,
    );
    Some((state, reason))
}
