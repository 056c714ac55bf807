//! Alert rules, the alerts they give, and the silences over them.
//!
//! Owns: what Prometheus' rule manager and Alertmanager would know. Must not: speak their
//! protocols.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::clock;
use crate::drill::promql::{self, Expr, Labels, Matcher, Store, Value};
use crate::drill::scenario::{AlertRule, Scenario};

/// An alert that holds: pending, or firing.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drill) struct ActiveAlert {
    /// All labels, `alertname` included.
    pub(in crate::drill) labels: Labels,
    /// Its place among the rules.
    pub(in crate::drill) rule: usize,
    /// Since when it holds.
    pub(in crate::drill) active: clock::World,
    /// Since when it fires.
    pub(in crate::drill) fired: Option<clock::World>,
    /// The expression's last value.
    pub(in crate::drill) value: f64,
}

impl ActiveAlert {
    /// Prometheus' fingerprint of the labels: FNV-1a over names and values, 0xff between.
    pub(in crate::drill) fn fingerprint(&self) -> String {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        for (name, value) in &self.labels {
            name.bytes().for_each(&mut add);
            add(0xff);
            value.bytes().for_each(&mut add);
            add(0xff);
        }
        format!("{hash:016x}")
    }
}

/// A silence.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Silence {
    pub(in crate::drill) id: String,
    pub(in crate::drill) matchers: Vec<Matcher>,
    pub(in crate::drill) starts: clock::World,
    pub(in crate::drill) ends: clock::World,
    pub(in crate::drill) updated: clock::World,
    pub(in crate::drill) created_by: String,
    pub(in crate::drill) comment: String,
}

impl Silence {
    pub(in crate::drill) fn state(&self, now: clock::World) -> &'static str {
        if now >= self.ends {
            "expired"
        } else if now < self.starts {
            "pending"
        } else {
            "active"
        }
    }

    pub(in crate::drill) fn covers(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.get(&m.label).map_or("", String::as_str)))
    }
}

/// All rules with their alerts, and all silences.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Alerts {
    rules: Vec<(AlertRule, Expr)>,
    active: BTreeMap<(usize, Labels), ActiveAlert>,
    pub(in crate::drill) silences: Vec<Silence>,
    /// When the rules were last evaluated.
    pub(in crate::drill) evaluated: Option<clock::World>,
}

impl Alerts {
    pub(super) fn new(scenario: &Scenario) -> Self {
        // Reading the scenario has refused rules that do not parse.
        let rules = scenario
            .file
            .alerts
            .iter()
            .filter_map(|rule| Some((rule.clone(), promql::parse(rule.expr.get_ref()).ok()?)))
            .collect();
        Self { rules, active: BTreeMap::new(), silences: Vec::new(), evaluated: None }
    }

    pub(super) fn evaluate(&mut self, store: &Store, now: clock::World) {
        let mut holding = BTreeMap::new();
        for (at, (rule, expr)) in self.rules.iter().enumerate() {
            let Ok(Value::Vector(samples)) = promql::instant(store, expr, now.timestamp_millis()) else { continue };
            for sample in samples {
                let mut labels = sample.labels;
                labels.remove("__name__");
                labels.extend(rule.labels.clone());
                labels.insert("alertname".into(), rule.name.clone());
                let key = (at, labels);
                let mut alert = self.active.remove(&key).unwrap_or_else(|| ActiveAlert {
                    labels: key.1.clone(),
                    rule: at,
                    active: now,
                    fired: None,
                    value: sample.value,
                });
                alert.value = sample.value;
                let hold = TimeDelta::from_std(rule.hold).unwrap_or_default();
                if alert.fired.is_none() && now - alert.active >= hold {
                    alert.fired = Some(now);
                }
                holding.insert(key, alert);
            }
        }
        // What does not hold any more is resolved, and leaves Alertmanager's list.
        self.active = holding;
        self.evaluated = Some(now);
    }

    /// The rules, in the scenario's order.
    pub(in crate::drill) fn rules(&self) -> impl Iterator<Item = &AlertRule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    pub(in crate::drill) fn rule(&self, at: usize) -> Option<&AlertRule> {
        self.rules.get(at).map(|(rule, _)| rule)
    }

    /// All alerts that hold, pending ones too.
    pub(in crate::drill) fn active(&self) -> impl Iterator<Item = &ActiveAlert> {
        self.active.values()
    }

    /// The alerts that fire, each with since when.
    pub(in crate::drill) fn firing(&self) -> impl Iterator<Item = (&ActiveAlert, clock::World)> {
        self.active.values().filter_map(|alert| alert.fired.map(|fired| (alert, fired)))
    }
}
