//! Alerts that a restarted Alertmanager was not told of again yet.
//!
//! Alertmanager keeps alerts in memory alone. After its restart the list is empty until those who
//! raise alerts say so again; Prometheus does within its resend delay (one minute, unless
//! configured) and the interval of the rule's group. An alert that is missing meanwhile has not
//! ended, and to say so would be a false entry, followed by a doubled one. Owns: telling the one
//! from the other. Must not: read the server.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::alert::{Alert, AlertKey};
use crate::text::Safe;

/// How long after its start a server may lack alerts that fire.
const RELEARNS: TimeDelta = TimeDelta::minutes(5);

/// What the server listed last, and what it forgot.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    /// When the server was started, if it says so.
    born: Option<World>,
    asked: bool,
    /// The last list.
    listed: BTreeMap<AlertKey, Alert>,
    /// What it listed before its restart and not since.
    kept: BTreeMap<AlertKey, Alert>,
    /// Since when those fire that it was told of again. Whoever raised them may have been restarted,
    /// too, and count anew; Alertmanager itself takes the earlier of two starts that overlap.
    since: BTreeMap<AlertKey, World>,
    /// Since when they fire as the server itself had it last.
    starts: BTreeMap<AlertKey, World>,
}

impl Forgotten {
    /// Whether it has to be known when the server was started: an alert is not listed any more, or
    /// begins anew. Whoever raised it may have told it of that before it was read again.
    pub(super) fn asks(&self, alerts: &[Alert]) -> bool {
        let anew = |alert: &Alert| self.starts.get(&alert.key).is_some_and(|before| *before < alert.since);
        !self.asked || self.missing(alerts).next().is_some() || alerts.iter().any(anew)
    }

    /// The server was started then; with `None` it does not say.
    pub(super) fn born(&mut self, at: Option<World>, now: World) {
        self.asked = true;
        let restarted = self.born.is_some() && at.is_some_and(|at| Some(at) != self.born && now - at < RELEARNS);
        if restarted {
            self.kept.append(&mut self.listed);
        }
        self.born = at.or(self.born);
    }

    /// The whole set: `alerts` as the server lists them, and what it has forgotten. And what is to
    /// be said of that.
    pub(super) fn with(&mut self, mut alerts: Vec<Alert>, now: World) -> (Vec<Alert>, Option<Safe>) {
        let known = self.born.is_some_and(|born| now - born < RELEARNS);
        if !known {
            self.kept.clear();
        }
        let mut since = std::mem::take(&mut self.since);
        let starts = alerts.iter().map(|alert| (alert.key.clone(), alert.since)).collect();
        let before = std::mem::replace(&mut self.starts, starts);
        for alert in &mut alerts {
            // One that ended and fires anew between two reads is another.
            let same = before.get(&alert.key) == Some(&alert.since);
            let told = since.remove(&alert.key).filter(|_| same);
            let before = self.kept.remove(&alert.key).map(|kept| kept.since).or(told);
            if let Some(before) = before.filter(|before| *before < alert.since) {
                alert.since = before;
                self.since.insert(alert.key.clone(), before);
            }
        }
        self.listed = alerts.iter().map(|alert| (alert.key.clone(), alert.clone())).collect();
        if self.kept.is_empty() {
            return (alerts, None);
        }
        let why = format!(
            "it was restarted and may not know all alerts again yet: {} it told before are shown as they were",
            self.kept.len()
        );
        alerts.extend(self.kept.values().cloned());
        (alerts, Some(Safe::from(why)))
    }

    /// An alert as it was told last, if it was.
    pub(super) fn told(&self, key: &AlertKey) -> Option<&Alert> {
        self.listed.get(key).or_else(|| self.kept.get(key))
    }

    fn missing<'a>(&'a self, alerts: &'a [Alert]) -> impl Iterator<Item = &'a AlertKey> {
        let there: std::collections::BTreeSet<_> = alerts.iter().map(|alert| &alert.key).collect();
        self.listed.keys().filter(move |key| !there.contains(key))
    }
}
