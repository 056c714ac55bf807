//! The detector of error bursts: errors a minute in a service's logs, far above what is usual.
//!
//! Owns: when a burst starts and ends. Must not: go by the arrival of lines. A minute is judged
//! when it is complete, and judged again if lines of it come late.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::text::{Safe, redact_safe};

use super::logs::{LogStore, minute_of};
use super::words;

/// Fewer errors in a minute are no burst, however unusual.
const LEAST: f64 = 20.0;
/// So many times the usual is a burst.
const FACTOR: f64 = 4.0;
/// The usual is the mean of so many minutes before.
const USUAL: i64 = 10;
/// With fewer minutes to compare with, what is usual is not known.
const KNOWN: usize = 2;
/// So many complete minutes under half of what made it a burst end it.
const CALM: i64 = 3;
/// Sources tell a minute's last lines some seconds late.
const LATE: TimeDelta = TimeDelta::seconds(30);
/// The store's counters reach back so far; older minutes cannot be judged.
const REACH: i64 = 6 * 60;

/// The bursts of all services.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    states: Vec<State>,
}

#[derive(Debug)]
struct State {
    service: ServiceName,
    /// The last minute that was judged, in minutes since the Unix epoch.
    checked: i64,
    /// Minutes up to here were told of: late lines do not change that.
    settled: i64,
    burst: Option<Burst>,
}

#[derive(Debug)]
struct Burst {
    origin: Origin,
    start: i64,
    /// Errors in a minute that made it a burst.
    limit: f64,
    peak: u32,
    /// The first minute of a run of calm ones.
    calm: Option<i64>,
    /// Calm minutes in that run. Minutes of which nothing was read do not count.
    calm_minutes: i64,
}

impl Bursts {
    /// Errors came in for a minute: if it was judged already, it is judged again.
    pub(super) fn touch(&mut self, service: &ServiceName, minute: i64) {
        let Some(state) = self.states.iter_mut().find(|state| state.service == *service) else { return };
        if minute > state.checked {
            return;
        }
        let calm = state.burst.as_mut().and_then(|burst| {
            burst.calm_minutes = 0;
            burst.calm.take()
        });
        let again = calm.map_or(minute, |calm| calm.min(minute)) - 1;
        state.checked = again.max(state.settled).min(state.checked);
    }

    /// Judges every minute that is complete at `now`.
    pub(super) fn advance(&mut self, logs: &LogStore, now: World) -> Vec<Finding> {
        let Some(first) = logs.counters().first() else { return Vec::new() };
        let complete = minute_of(now - LATE) - 1;
        for service in logs.counters().services() {
            if !self.states.iter().any(|state| state.service == *service) {
                // The store's first minute was not seen whole.
                let state = State { service: service.clone(), checked: first, settled: i64::MIN, burst: None };
                self.states.push(state);
            }
        }
        let mut findings = Vec::new();
        for state in &mut self.states {
            state.checked = state.checked.max(complete.saturating_sub(REACH));
            while state.checked < complete {
                state.checked += 1;
                findings.extend(state.judge(logs, first, state.checked));
            }
        }
        findings
    }
}

impl State {
    fn judge(&mut self, logs: &LogStore, first: i64, minute: i64) -> Option<Finding> {
        let counters = logs.counters();
        let errors = counters.minute(Some(&self.service), minute).errors();
        let Some(burst) = &mut self.burst else {
            let before = (minute - USUAL..minute).filter(|before| *before > first && counters.has(*before));
            let before: Vec<_> = before.map(|at| counters.minute(Some(&self.service), at).errors()).collect();
            if before.len() < KNOWN {
                return None;
            }
            let usual = before.iter().map(|count| f64::from(*count)).sum::<f64>() / before.len() as f64;
            let limit = LEAST.max(FACTOR * usual);
            return (f64::from(errors) >= limit).then(|| self.start(logs, minute, errors, usual, limit)).flatten();
        };
        burst.peak = burst.peak.max(errors);
        if f64::from(errors) >= burst.limit / 2.0 {
            burst.calm = None;
            burst.calm_minutes = 0;
            return None;
        }
        if !counters.has(minute) {
            return None;
        }
        let calm = *burst.calm.get_or_insert(minute);
        burst.calm_minutes += 1;
        if burst.calm_minutes < CALM {
            return None;
        }
        let burst = self.burst.take()?;
        self.settled = minute;
        let service = &self.service;
        let title = format!("{service} logs {errors} errors a minute again, {} at the peak", burst.peak);
        let key = format!("error_burst_ended/{service}/{}", words::stamp(start_of(burst.start)));
        let at = start_of(calm);
        let mut finding = Finding::new(EntryKind::ErrorBurstEnded, &burst.origin, at, subject(service), title, key);
        finding.service = Some(service.clone());
        finding.before = Some(Safe::from(format!("{}/min", burst.peak)));
        finding.after = Some(Safe::from(format!("{errors}/min")));
        Some(finding)
    }

    fn start(&mut self, logs: &LogStore, minute: i64, errors: u32, usual: f64, limit: f64) -> Option<Finding> {
        let service = &self.service;
        let at = start_of(minute);
        // Without a line that shows it there is nothing to tell: it left the store long ago.
        let (line, count, of) = logs.commonest_error(service, at)?;
        let usual = if usual < 10.0 { format!("{usual:.1}") } else { format!("{usual:.0}") };
        let usual = usual.trim_end_matches(".0");
        let title = format!("{service} logs {errors} errors a minute, usually {usual}");
        let key = format!("error_burst/{service}/{}", words::stamp(at));
        let excerpt = redact_safe(Safe::from(words::excerpt(line.text, 300)));
        let mut finding = Finding::new(EntryKind::ErrorBurst, line.origin, at, subject(service), title, key);
        finding.detail = Some(Safe::from(format!("{count} of {of} like: {excerpt}")));
        finding.service = Some(service.clone());
        finding.before = Some(Safe::from(format!("{usual}/min")));
        finding.after = Some(Safe::from(format!("{errors}/min")));
        finding.evidence = Some(Safe::from(format!("{} of {}: {excerpt}", line.stream.group, line.origin)));
        let origin = line.origin.clone();
        self.burst = Some(Burst { origin, start: minute, limit, peak: errors, calm: None, calm_minutes: 0 });
        self.settled = minute;
        Some(finding)
    }
}

fn subject(service: &ServiceName) -> String {
    format!("{service} log errors")
}

fn start_of(minute: i64) -> World {
    World::from_timestamp(minute.saturating_mul(60), 0).unwrap_or(World::UNIX_EPOCH)
}
