//! The service board: how each declared service is, by its signals, alerts and workloads.
//!
//! Owns: the samples of the last hour, breaches and recoveries, and each service's health. Must
//! not: go by the arrival of a sample, or show silence as health.

mod run;

use std::collections::{HashMap, VecDeque};

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::model::service::{Threshold, Unit};
use crate::model::signal::Sample;
use crate::text::Safe;

use super::alerts::AlertBook;
use super::words;
use super::workloads::Workloads;
use run::Run;

/// Samples older than this are let go.
const KEEP: TimeDelta = TimeDelta::hours(1);
/// However often a signal is read, its last hour takes no more room than this.
const KEEP_AT_MOST: usize = 4096;
/// Without a value for this long, or for four steps if that is longer, nothing is known.
const STALE: TimeDelta = TimeDelta::seconds(60);

/// How a service is. Ordered by need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A signal is in breach.
    Failing,
    /// An alert about it fires or a workload of it is hurt, but no signal is in breach.
    Hurt,
    /// There is no fresh signal: silence is not health.
    Unknown,
    /// All signals are fresh and within their thresholds.
    Fine,
}

impl Health {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "FAILING",
            Self::Hurt => "HURT",
            Self::Unknown => "unknown",
            Self::Fine => "fine",
        }
    }
}

/// How many services are how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthCounts {
    /// With a signal in breach.
    pub failing: usize,
    /// With an alert or a hurt workload.
    pub hurt: usize,
    /// Without a fresh signal.
    pub unknown: usize,
    /// The rest.
    pub fine: usize,
}

/// One service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRow {
    /// Its name.
    pub name: ServiceName,
    /// How it is.
    pub health: Health,
    /// Since when it is so.
    pub since: Option<World>,
    /// Why, in words: `no signal for 3 min`, `2 alerts fire`.
    pub why: Safe,
    /// Its signals in the order of the catalogue.
    pub signals: Vec<SignalRow>,
}

/// One signal of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRow {
    /// Its name.
    pub name: Safe,
    /// How values are written.
    pub unit: Unit,
    /// What counts as a breach.
    pub threshold: Option<Threshold>,
    /// Samples of the last hour, oldest first. `None` is a query without a value.
    pub recent: VecDeque<(World, Option<f64>)>,
    /// Since when it is in breach, by the first sample that was.
    pub breached_since: Option<World>,
}

impl SignalRow {
    /// The newest value with its time.
    pub fn latest(&self) -> Option<(World, f64)> {
        self.recent.iter().rev().find_map(|(at, value)| value.map(|value| (*at, value)))
    }

    /// The last value within the minute that starts at `minute`.
    pub fn in_minute(&self, minute: World) -> Option<f64> {
        let end = minute + TimeDelta::minutes(1);
        let inside = self.recent.iter().rev().skip_while(|(at, _)| *at >= end).take_while(|(at, _)| *at >= minute);
        inside.filter_map(|(_, value)| *value).next()
    }

    /// How long the newest value counts as fresh: 60 s, or four steps if that is longer. A step
    /// is the median of the last distances between samples.
    pub fn patience(&self) -> TimeDelta {
        let times: Vec<_> = self.recent.iter().rev().take(6).map(|(at, _)| *at).collect();
        let mut steps: Vec<_> = times.windows(2).map(|pair| pair[0] - pair[1]).collect();
        steps.sort();
        steps.get(steps.len() / 2).map_or(STALE, |step| STALE.max(*step * 4))
    }

    /// Whether the newest value is too old at `now` to say how the service is.
    pub fn stale(&self, now: World) -> bool {
        self.latest().is_none_or(|(at, _)| now - at > self.patience())
    }

    /// The newest value in words, such as `errors 7.2 % (limit 1 %)`.
    fn words(&self) -> String {
        let value = self.latest().map_or_else(|| "without a value".into(), |(_, value)| self.unit.write(value));
        match self.threshold {
            Some(threshold) => format!("{} {value} (limit {})", self.name, words::limit(self.unit, threshold.limit)),
            None => format!("{} {value}", self.name),
        }
    }

    fn keep(&mut self, at: World, value: Option<f64>) {
        self.recent.push_back((at, value));
        while self.recent.len() > KEEP_AT_MOST || self.recent.front().is_some_and(|(oldest, _)| at - *oldest > KEEP) {
            self.recent.pop_front();
        }
    }
}

/// How each service is.
#[derive(Debug, Default)]
pub struct ServiceBoard {
    rows: Vec<ServiceRow>,
    /// Place in the catalogue.
    order: HashMap<ServiceName, usize>,
    /// What the detector remembers of each signal, in the order of the row's signals.
    runs: HashMap<ServiceName, Vec<Run>>,
}

impl ServiceBoard {
    /// All services of the catalogue, nothing known of any.
    pub fn new(catalogue: &Catalogue) -> Self {
        let mut board = Self::default();
        for (at, service) in catalogue.services().iter().enumerate() {
            board.order.insert(service.name.clone(), at);
            board.runs.insert(service.name.clone(), service.signals.iter().map(|_| Run::default()).collect());
            let signals = service.signals.iter().map(|spec| SignalRow {
                name: spec.name.clone(),
                unit: spec.unit,
                threshold: spec.threshold,
                recent: VecDeque::new(),
                breached_since: None,
            });
            board.rows.push(ServiceRow {
                name: service.name.clone(),
                health: Health::Unknown,
                since: None,
                why: Safe::fixed(if service.signals.is_empty() { "no signal" } else { "no value yet" }),
                signals: signals.collect(),
            });
        }
        board
    }

    /// All services by need: failing, hurt, unknown, fine; then in the catalogue's order.
    pub fn rows(&self) -> &[ServiceRow] {
        &self.rows
    }

    /// One service.
    pub fn row(&self, name: &ServiceName) -> Option<&ServiceRow> {
        self.rows.iter().find(|row| row.name == *name)
    }

    /// How many are how.
    pub fn counts(&self) -> HealthCounts {
        let mut counts = HealthCounts::default();
        for row in &self.rows {
            match row.health {
                Health::Failing => counts.failing += 1,
                Health::Hurt => counts.hurt += 1,
                Health::Unknown => counts.unknown += 1,
                Health::Fine => counts.fine += 1,
            }
        }
        counts
    }

    /// Takes one sample in. A sample that is not newer than the newest of its signal says
    /// nothing new and is left out.
    pub(super) fn sample(&mut self, origin: &Origin, sample: &Sample, catalogue: &Catalogue) -> Option<Finding> {
        let row = self.rows.iter_mut().find(|row| row.name == sample.service)?;
        let slot = row.signals.iter().position(|signal| signal.name == sample.signal)?;
        let signal = row.signals.get_mut(slot)?;
        if signal.recent.back().is_some_and(|(newest, _)| sample.at <= *newest) {
            return None;
        }
        // 0/0 is how PromQL says that there was nothing to count.
        let value = sample.value.filter(|value| !value.is_nan());
        signal.keep(sample.at, value);
        let patience = signal.patience();
        let run = self.runs.get_mut(&sample.service)?.get_mut(slot)?;
        let turn = run.step(sample.at, value?, signal.threshold?, patience)?;
        signal.breached_since = turn.breached_since();
        let query = catalogue.signal(&sample.service, &sample.signal).map(|spec| spec.query.clone());
        Some(turn.finding(origin, &sample.service, signal, query))
    }

    /// Judges each service anew by what is known at `now`.
    pub(super) fn judge(&mut self, now: World, alerts: &AlertBook, workloads: &Workloads) {
        for row in &mut self.rows {
            let firing: Vec<_> = alerts.firing_for(&row.name).map(|alert| alert.alert.since).collect();
            let hurt = workloads.hurt_of(&row.name).count();
            let (health, since, why) = judged(row, now, &firing, hurt);
            // A hurt workload does not say since when: it counts from when it was noticed.
            row.since = match since {
                Some(since) => Some(since),
                None if health == row.health => row.since,
                None => Some(now),
            };
            row.health = health;
            if row.why != why.as_str() {
                row.why = Safe::from(why);
            }
        }
        let place = |row: &ServiceRow| (row.health, self.order.get(&row.name).copied());
        if !self.rows.is_sorted_by_key(place) {
            self.rows.sort_by_key(place);
        }
    }
}

fn judged(row: &ServiceRow, now: World, firing: &[World], hurt: usize) -> (Health, Option<World>, String) {
    let breached: Vec<_> = row.signals.iter().filter(|signal| signal.breached_since.is_some()).collect();
    if let Some(since) = breached.iter().filter_map(|signal| signal.breached_since).min() {
        let mut why = breached.iter().map(|signal| signal.words()).collect::<Vec<_>>().join(", ");
        if let Some(last) = breached
            .iter()
            .filter(|signal| signal.stale(now))
            .filter_map(|signal| signal.latest())
            .max_by_key(|(at, _)| *at)
        {
            why = format!("{why}, last read {} ago", words::long(now - last.0));
        }
        return (Health::Failing, Some(since), why);
    }
    if !firing.is_empty() || hurt > 0 {
        let mut reasons = Vec::new();
        if !firing.is_empty() {
            reasons.push(format!("{} {}", words::many(firing.len(), "alert"), verb(firing.len())));
        }
        if hurt > 0 {
            reasons.push(format!("{} hurt", words::many(hurt, "workload")));
        }
        return (Health::Hurt, firing.iter().min().copied(), reasons.join(", "));
    }
    if row.signals.is_empty() {
        return (Health::Unknown, None, "no signal".into());
    }
    let stale: Vec<_> = row.signals.iter().filter(|signal| signal.stale(now)).collect();
    if stale.is_empty() {
        return (Health::Fine, None, "all signals within their limits".into());
    }
    let newest = stale.iter().filter_map(|signal| signal.latest()).map(|(at, _)| at).max();
    let which = match stale.as_slice() {
        [one] if row.signals.len() > 1 => one.name.as_str(),
        _ => "signal",
    };
    match newest {
        Some(at) => (Health::Unknown, Some(at), format!("no {which} for {}", words::long(now - at))),
        None if which == "signal" => {
            (Health::Unknown, row.since.filter(|_| row.health == Health::Unknown), "no value yet".into())
        }
        None => (Health::Unknown, None, format!("no {which} yet")),
    }
}

fn verb(count: usize) -> &'static str {
    if count == 1 { "fires" } else { "fire" }
}
