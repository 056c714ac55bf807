//! The detector of breach and recovery: one run of samples on one side of a threshold at a time.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::model::service::{Side, Threshold};
use crate::text::Safe;

use super::super::words;
use super::SignalRow;

/// What the detector remembers of one signal.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// The side of the newest values, and the first of them in a row.
    side: Option<(bool, World)>,
    /// The newest value.
    last: Option<(World, f64)>,
    /// The newest value before the breach, or before what may become one.
    good: Option<f64>,
    /// The newest value of the breach.
    bad: Option<f64>,
    /// The worst value of the breach.
    worst: Option<f64>,
    /// Since when it is in breach.
    breached: Option<World>,
}

/// A signal went over to the other side and stayed.
#[derive(Debug)]
pub(super) struct Turn {
    breach: bool,
    /// The first sample on the new side.
    at: World,
    /// Since when it was in breach.
    since: World,
    before: Option<f64>,
    worst: Option<f64>,
}

impl Run {
    /// Takes one value in, newer than all before.
    pub(super) fn step(&mut self, at: World, value: f64, threshold: Threshold, patience: TimeDelta) -> Option<Turn> {
        // What happened in a silence is not known: a run does not reach across it.
        let silence = self.last.is_some_and(|(last, _)| at - last > patience);
        let bad = threshold.breached(value);
        let first = match self.side {
            Some((side, first)) if side == bad && !silence => first,
            _ => at,
        };
        self.side = Some((bad, first));
        self.last = Some((at, value));
        if bad {
            self.bad = Some(value);
            self.worst = Some(match (self.worst, threshold.side) {
                (Some(worst), Side::Above) => worst.max(value),
                (Some(worst), Side::Below) => worst.min(value),
                (None, _) => value,
            });
        } else if self.breached.is_none() {
            self.good = Some(value);
            self.worst = None;
        }
        let lasted = (at - first).to_std().unwrap_or_default();
        match self.breached {
            None if bad && lasted >= threshold.hold => {
                self.breached = Some(first);
                Some(Turn { breach: true, at: first, since: first, before: self.good, worst: self.worst })
            }
            Some(since) if !bad && lasted >= threshold.recover => {
                self.breached = None;
                self.good = Some(value);
                Some(Turn { breach: false, at: first, since, before: self.bad, worst: self.worst.take() })
            }
            _ => None,
        }
    }
}

impl Turn {
    pub(super) fn breached_since(&self) -> Option<World> {
        self.breach.then_some(self.at)
    }

    pub(super) fn finding(
        self,
        origin: &Origin,
        service: &ServiceName,
        signal: &SignalRow,
        query: Option<Safe>,
    ) -> Finding {
        let write = |value: f64| Safe::from(signal.unit.write(value));
        let now = signal.latest().map(|(_, value)| write(value));
        let limit =
            signal.threshold.map_or_else(String::new, |it| format!(" (limit {})", words::limit(signal.unit, it.limit)));
        let subject = format!("{service} {}", signal.name);
        let value = now.as_ref().map_or("", |value| value.as_str());
        let key = format!("{origin}/{service}/{}/{}", signal.name, words::stamp(self.since));
        let mut finding = if self.breach {
            let title = format!("{subject} {value}{limit}");
            Finding::new(EntryKind::Breach, origin, self.at, subject, title, format!("breach/{key}"))
        } else {
            let title = format!("{subject} back at {value}{limit}");
            Finding::new(EntryKind::Recovered, origin, self.at, subject, title, format!("recovered/{key}"))
        };
        if !self.breach {
            let worst = self.worst.map_or_else(String::new, |worst| format!(", at worst {}", signal.unit.write(worst)));
            finding.detail = Some(Safe::from(format!("in breach for {}{worst}", words::long(self.at - self.since))));
        }
        finding.service = Some(service.clone());
        finding.before = self.before.map(write);
        finding.after = now;
        finding.evidence = query;
        finding
    }
}
