//! The picture: what is known now, and the detectors that notice what matters.
//!
//! Owns: the alert book, the log store, workloads, the service board, changes, the source board
//! and all detectors. Pure: no I/O, no clock, no locks. State changes in [`Picture::apply`] and
//! [`Picture::tick`] alone, by the times that signals carry, never by their arrival.

pub mod alerts;
mod bursts;
pub mod changes;
mod events;
mod evidence;
pub mod logs;
pub mod services;
pub mod situation;
pub mod sources;
mod told;
mod tracks;
pub mod twins;
mod words;
pub mod workloads;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::finding::Finding;
use crate::model::log::LogBatch;
use crate::model::name::Origin;
use crate::model::signal::{Sample, Signal, Stamped};

/// Lines that were written no longer ago than this when they were read are live.
const LIVE: TimeDelta = TimeDelta::minutes(2);

/// Everything that is known now.
#[derive(Debug)]
pub struct Picture {
    /// The services that were declared.
    pub catalogue: Arc<Catalogue>,
    /// Alerts of all sources.
    pub alerts: alerts::AlertBook,
    /// Log lines, each once.
    pub logs: logs::LogStore,
    /// Log lines that two sources told.
    pub twins: twins::Twins,
    /// Workloads, pods and nodes.
    pub workloads: workloads::Workloads,
    /// How each service is.
    pub services: services::ServiceBoard,
    /// What was changed.
    pub changes: changes::Changes,
    /// How each source is.
    pub sources: sources::SourceBoard,
    bursts: bursts::Bursts,
    events: events::Events,
    /// Minutes of the last hour of which samples or lines came since the recorder asked.
    touched: BTreeSet<i64>,
    /// World time of the last tick.
    now: Option<World>,
    /// What was hurt when the services were judged last.
    judged: u64,
    /// Stands in for the workloads while the past is told: how they are now says nothing of then.
    past: Option<workloads::Workloads>,
}

impl Picture {
    /// Nothing is known yet.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self {
            alerts: alerts::AlertBook::default(),
            logs: logs::LogStore::default(),
            twins: twins::Twins::default(),
            workloads: workloads::Workloads::default(),
            services: services::ServiceBoard::new(&catalogue),
            changes: changes::Changes::default(),
            sources: sources::SourceBoard::default(),
            bursts: bursts::Bursts::default(),
            events: events::Events::default(),
            touched: BTreeSet::new(),
            now: None,
            judged: 0,
            past: None,
            catalogue,
        }
    }

    /// As [`Picture::new`], with another cap for the log store, in bytes of text and index.
    pub fn with_log_cap(catalogue: Arc<Catalogue>, cap: usize) -> Self {
        Self { logs: logs::LogStore::with_cap(cap), ..Self::new(catalogue) }
    }

    /// From here on the past is told, until [`Picture::recalled`]. What is told meanwhile of the
    /// cluster as it is now is shown, and nothing of the past is judged by it.
    pub fn recall(&mut self) {
        self.past = Some(workloads::Workloads::default());
    }

    /// While the past is still being read: alerts as they are now, to be shown. Nothing is noticed of
    /// them before they are told again, after [`Picture::replay`].
    pub fn preview(&mut self, alerts: Stamped<Signal>) {
        let _ = self.apply(alerts);
    }

    /// The past was read, and is told from here on. What was shown meanwhile of alerts makes room for
    /// it: how they are now says nothing of then. Where no past was waited for, nothing was only shown.
    pub fn replay(&mut self) {
        if self.is_recalling() {
            self.alerts = alerts::AlertBook::default();
        }
    }

    /// Whether the past is still being read or told: what is not known of it may be there.
    pub fn is_recalling(&self) -> bool {
        self.past.is_some()
    }

    /// The past was told.
    pub fn recalled(&mut self, now: World) {
        if self.past.take().is_some() {
            self.judge(now);
        }
    }

    /// Takes one signal in, and tells what the detectors notice.
    pub fn apply(&mut self, signal: Stamped<Signal>) -> Vec<Finding> {
        let Stamped { origin, occurred, observed, body } = signal;
        // What a source says of itself is no news of the world.
        if !matches!(body, Signal::Link(_) | Signal::Gap(_) | Signal::Logs(_) | Signal::Samples(_)) {
            self.sources.news(&origin, occurred);
        }
        let catalogue = Arc::clone(&self.catalogue);
        let mut judge = false;
        let findings = match body {
            Signal::Alerts(delta) => {
                judge = true;
                self.alerts.apply(&origin, occurred, delta, &catalogue)
            }
            Signal::Logs(batch) => self.lines(&origin, observed, batch),
            Signal::PodNames(names) => {
                self.workloads.name_pods(&origin, names);
                Vec::new()
            }
            Signal::Pods(delta) => self.workloads.pods(&origin, occurred, delta, &catalogue),
            Signal::Usage(usages) => {
                self.workloads.usage(&origin, occurred, usages);
                Vec::new()
            }
            Signal::Workloads(delta) => {
                self.workloads.workloads(&origin, occurred, delta, &catalogue);
                Vec::new()
            }
            Signal::Nodes(delta) => self.workloads.nodes_delta(&origin, occurred, delta),
            Signal::Autoscalers(delta) => {
                self.workloads.autoscalers(&origin, delta);
                Vec::new()
            }
            Signal::Event(event) => {
                let workloads = self.past.as_ref().unwrap_or(&self.workloads);
                self.events.apply(&origin, event, workloads).into_iter().collect()
            }
            Signal::Samples(samples) => {
                judge = true;
                self.samples(&origin, observed, &samples)
            }
            Signal::Change(change) => self.changes.apply(&origin, change, observed, &catalogue).into_iter().collect(),
            Signal::Link(state) => self.sources.link(&origin, occurred, state),
            Signal::Gap(gap) => self.sources.gap(&origin, occurred, gap).into_iter().collect(),
        };
        if judge || self.judged != self.workloads.version() {
            self.judge(self.now.map_or(occurred, |now| now.max(occurred)));
        }
        findings
    }

    /// Lets world time pass: for what is noticed by its absence.
    pub fn tick(&mut self, now: World) -> Vec<Finding> {
        self.now = Some(now);
        self.alerts.tick(now);
        self.changes.tick(now);
        self.logs.tick(now);
        let mut findings = self.sources.tick(now);
        if self.past.is_none() {
            findings.extend(self.workloads.tick(now));
        }
        findings.extend(self.bursts.advance(&self.logs, now));
        self.judge(now);
        findings
    }

    fn judge(&mut self, now: World) {
        self.services.judge(now, &self.alerts, self.past.as_ref().unwrap_or(&self.workloads));
        self.judged = self.workloads.version();
    }

    fn lines(&mut self, origin: &Origin, observed: World, batch: LogBatch) -> Vec<Finding> {
        let newest = batch.index().iter().map(|line| line.at_ms).max().and_then(World::from_timestamp_millis);
        if let Some(newest) = newest {
            self.sources.news(origin, newest);
        }
        let batch = self.twins.without(origin, batch, &self.catalogue);
        self.touch(observed, batch.index().iter().map(|line| line.at_ms));
        for (service, minute) in self.logs.push(origin, batch, observed, &self.catalogue) {
            self.bursts.touch(&service, minute);
        }
        // The lines' own times tell how far their world has come, also between ticks. Of lines
        // that are read long after they were written, more may come of the same minutes: those
        // are judged when time passes.
        match newest.filter(|newest| observed - *newest < LIVE) {
            Some(newest) => self.bursts.advance(&self.logs, newest.min(observed)),
            None => Vec::new(),
        }
    }

    fn samples(&mut self, origin: &Origin, observed: World, samples: &[Sample]) -> Vec<Finding> {
        self.touch(observed, samples.iter().map(|sample| sample.at.timestamp_millis()));
        if let Some(newest) = samples.iter().filter(|sample| sample.value.is_some()).map(|sample| sample.at).max() {
            self.sources.news(origin, newest);
        }
        let catalogue = &self.catalogue;
        let board = &mut self.services;
        samples.iter().filter_map(|sample| board.sample(origin, sample, catalogue)).collect()
    }
}
