//! The detector of error bursts: errors a minute in a service's logs, far above what is usual.
//!
//! Owns: when a burst starts and ends. Must not: go by the arrival of lines. A minute is judged
//! when it is complete, and judged again if lines of it come late. That there is a burst is told
//! by whole minutes; when it began and ended, by the errors of each second: what is dated to the
//! start of its minute may come to stand before its cause.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::text::{Safe, redact};

use super::evidence;
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
    /// The minute that made it a burst.
    start: i64,
    /// Its first error.
    began: World,
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
        let at = last_of(logs, service, calm, burst.limit / 2.0).unwrap_or_else(|| start_of(calm)).max(burst.began);
        let mut finding = Finding::new(EntryKind::ErrorBurstEnded, &burst.origin, at, subject(service), title, key);
        finding.service = Some(service.clone());
        finding.before = Some(Safe::from(format!("{}/min", burst.peak)));
        finding.after = Some(Safe::from(format!("{errors}/min")));
        Some(finding)
    }

    fn start(&mut self, logs: &LogStore, minute: i64, errors: u32, usual: f64, limit: f64) -> Option<Finding> {
        let service = &self.service;
        // Without a line that shows it there is nothing to tell: it left the store long ago.
        let seen = logs.errors_in(service, start_of(minute))?;
        let (line, count, of) = (seen.commonest, seen.count, seen.lines.len());
        let at = first_of(logs, service, minute, limit).unwrap_or_else(|| start_of(minute));
        let usual = if usual < 10.0 { format!("{usual:.1}") } else { format!("{usual:.0}") };
        let usual = usual.trim_end_matches(".0");
        let title = format!("{service} logs {errors} errors a minute, usually {usual}");
        let key = format!("error_burst/{service}/{}", words::stamp(start_of(minute)));
        // Cut before it is redacted, a secret at the cut might not be known for one.
        let excerpt = words::excerpt(&redact(line.text), 300);
        let mut finding = Finding::new(EntryKind::ErrorBurst, line.origin, at, subject(service), title, key);
        finding.detail = Some(Safe::from(format!("{count} of {of} like: {excerpt}")));
        finding.service = Some(service.clone());
        finding.before = Some(Safe::from(format!("{usual}/min")));
        finding.after = Some(Safe::from(format!("{errors}/min")));
        finding.evidence = Some(Safe::from(format!(
            "errors of {service} in the minute from {}, in {} of {}",
            words::stamp(start_of(minute)),
            line.stream.group,
            line.origin
        )));
        finding.excerpt = Some(evidence::excerpt(&seen, errors));
        let origin = line.origin.clone();
        self.burst = Some(Burst { origin, start: minute, began: at, limit, peak: errors, calm: None, calm_minutes: 0 });
        self.settled = minute;
        Some(finding)
    }
}

/// The first error of a burst that fills `minute`: from there on, errors come faster than `limit`
/// a minute. Errors at the usual pace before it are none of it. It may lie in the minute before,
/// of which it took too little to be seen there.
fn first_of(logs: &LogStore, service: &ServiceName, minute: i64, limit: f64) -> Option<World> {
    let pace = limit / 60.0;
    let (mut ahead, mut lowest, mut from) = (0.0, f64::INFINITY, i64::MIN);
    for (second, errors) in logs.counters().errors_by_second(service, minute) {
        // Of the seconds that are as good, the last: nothing was amiss until then.
        if ahead <= lowest {
            (lowest, from) = (ahead, second);
        }
        ahead += f64::from(errors) - pace;
    }
    let mut seconds = logs.counters().errors_by_second(service, minute);
    second_of(seconds.find(|(second, errors)| *second >= from && *errors > 0)?.0)
}

/// The last error of a burst that is over in `calm`: until there, errors came faster than `limit`
/// a minute.
fn last_of(logs: &LogStore, service: &ServiceName, calm: i64, limit: f64) -> Option<World> {
    let pace = limit / 60.0;
    let (mut ahead, mut highest, mut last) = (0.0, 0.0, None);
    for (second, errors) in logs.counters().errors_by_second(service, calm) {
        ahead += f64::from(errors) - pace;
        if errors > 0 && ahead >= highest {
            (highest, last) = (ahead, Some(second));
        }
    }
    second_of(last?)
}

fn second_of(second: i64) -> Option<World> {
    World::from_timestamp(second, 0)
}

fn subject(service: &ServiceName) -> String {
    format!("{service} log errors")
}

fn start_of(minute: i64) -> World {
    World::from_timestamp(minute.saturating_mul(60), 0).unwrap_or(World::UNIX_EPOCH)
}
