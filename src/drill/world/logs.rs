//! What the services write to their logs.
//!
//! Owns: the lines of each second, by the state of the services, and the store that CloudWatch
//! Logs reads from. Must not: write more than a light drill needs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta};

use crate::clock;
use crate::drill::kube::PodView;
use crate::drill::rng::Rng;
use crate::drill::scenario::{LogFormat, LogSpec, LogWhen, Scenario, Workload};

use super::fleet::Fleet;
use super::physics::{Body, Physics};

/// Lines a second of the whole world, whatever the scenario says.
const MOST_LINES: usize = 60;

/// One event of a log group.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drill) struct LogEvent {
    /// Milliseconds since the Unix epoch.
    pub(in crate::drill) at: i64,
    /// The log stream: the pod's name.
    pub(in crate::drill) stream: Arc<str>,
    /// The line.
    pub(in crate::drill) message: String,
    /// Its number in the world, from 0.
    pub(in crate::drill) number: u64,
}

/// All events, by log group, in order of time.
#[derive(Clone, Debug, Default)]
pub(in crate::drill) struct LogStore {
    pub(in crate::drill) groups: BTreeMap<String, Vec<LogEvent>>,
    count: u64,
}

/// Writes the lines of each second.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    rng: Rng,
    streams: BTreeMap<String, Arc<str>>,
}

struct Line<'a> {
    offset_ms: i64,
    spec: &'a LogSpec,
    workload: &'a Workload,
    pod: &'a str,
    text: String,
}

impl Writer {
    pub(super) fn new(_scenario: &Scenario, seed: u64) -> Self {
        Self { rng: Rng::named(seed, "logs"), streams: BTreeMap::new() }
    }

    /// Writes the second that ends at `now`.
    pub(super) fn write(
        &mut self,
        scenario: &Scenario,
        physics: &Physics,
        views: &[Vec<PodView>],
        now: clock::World,
        store: &mut LogStore,
        fleet: &mut dyn Fleet,
    ) {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for spec in &scenario.file.logs {
            let Some(at) = scenario.workload_at(spec.workload.get_ref()) else { continue };
            let (Some(workload), Some(body), Some(pods)) =
                (scenario.file.workloads.get(at), physics.bodies.get(at), views.get(at))
            else {
                continue;
            };
            let writers: Vec<_> = pods.iter().filter(|pod| pod.ready).collect();
            let count = self.rng.poisson((rate(spec, body) * spec.share).min(spec.most));
            for _ in 0..count {
                let at = self.rng.below(writers.len() as u64) as usize;
                let Some(pod) = writers.get(at) else { break };
                let text = self.fill(&spec.text, spec.when, workload, body);
                let offset_ms = self.rng.below(1000) as i64;
                lines.push(Line { offset_ms, spec, workload, pod: &pod.name, text });
            }
        }
        lines.sort_by_key(|line| line.offset_ms);
        lines.truncate(MOST_LINES);
        let second = now - TimeDelta::seconds(1);
        for line in lines {
            let at = second + TimeDelta::milliseconds(line.offset_ms);
            let message = self.shaped(&line, at);
            fleet.log(line.workload.namespace(), line.pod, at, &message);
            if let Some(group) = &line.workload.log_group {
                let stream = match self.streams.get(line.pod) {
                    Some(stream) => Arc::clone(stream),
                    None => {
                        let stream: Arc<str> = line.pod.into();
                        self.streams.insert(line.pod.to_owned(), Arc::clone(&stream));
                        stream
                    }
                };
                let event = LogEvent { at: at.timestamp_millis(), stream, message, number: store.count };
                store.count += 1;
                match store.groups.get_mut(group) {
                    Some(events) => events.push(event),
                    None => {
                        store.groups.insert(group.clone(), vec![event]);
                    }
                }
            }
        }
    }

    fn shaped(&mut self, line: &Line<'_>, at: clock::World) -> String {
        let stamp = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let LogSpec { level, .. } = line.spec;
        match line.spec.format {
            LogFormat::Plain => format!("{stamp} {level} {}", line.text),
            LogFormat::Json => serde_json::json!({
                "ts": stamp,
                "level": level,
                "service": line.workload.name(),
                "msg": line.text,
                "trace_id": format!("{:016x}", self.rng.next()),
            })
            .to_string(),
            LogFormat::Logfmt => format!("ts={stamp} level={} msg={:?}", level.to_ascii_lowercase(), line.text),
        }
    }

    fn fill(&mut self, text: &str, when: LogWhen, workload: &Workload, body: &Body) -> String {
        let mut out = String::with_capacity(text.len() + 24);
        let mut rest = text;
        // Writing to a String cannot fail.
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                out.push('{');
                rest = after;
                break;
            };
            let _ = match name {
                "ms" => write!(out, "{:.0}", self.milliseconds(when, workload, body)),
                "id" => write!(out, "{:08x}", self.rng.next() as u32),
                "user" => write!(out, "{}", 10_000 + self.rng.below(80_000)),
                "amount" => write!(out, "{}.{:02}", 4 + self.rng.below(180), self.rng.below(100)),
                "attempt" => write!(out, "{}", 1 + self.rng.below(u64::from(retries(workload)) + 1)),
                "n" => write!(out, "{:.0}", body.now.in_flight),
                "cpu" => write!(out, "{:.0}", body.now.utilisation.min(1.0) * 100.0),
                other => write!(out, "{{{other}}}"),
            };
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn milliseconds(&mut self, when: LogWhen, workload: &Workload, body: &Body) -> f64 {
        let face = body.now.face;
        1000.0
            * match when {
                LogWhen::CallTimedOut => workload.calls.first().map_or(1.0, |call| call.timeout),
                LogWhen::CallRefused | LogWhen::Refused => 0.008 + self.rng.exponential(0.01),
                LogWhen::CallRetried => {
                    let first = workload.calls.first().map_or(0.1, |call| call.backoff.max(0.05));
                    first * f64::from(1u8 << self.rng.below(3))
                }
                _ => face.fixed + self.rng.exponential(face.tail),
            }
    }
}

fn retries(workload: &Workload) -> u32 {
    let calls = workload.calls.iter().map(|call| call.retries);
    calls.chain(workload.worker.iter().map(|worker| worker.retries)).max().unwrap_or(0)
}

/// Occurrences a second.
fn rate(spec: &LogSpec, body: &Body) -> f64 {
    let now = &body.now;
    match spec.when {
        LogWhen::Served => now.served,
        LogWhen::Failed => now.failed,
        LogWhen::Deferred => now.deferred,
        LogWhen::Refused => now.refused,
        LogWhen::CallRefused => now.attempts_refused,
        LogWhen::CallTimedOut => now.attempts_timed_out,
        LogWhen::CallRetried => now.retries,
        LogWhen::WorkerCall => now.worker,
        LogWhen::Starved if now.utilisation > 1.0 => now.ready as f64,
        LogWhen::Starved => 0.0,
        LogWhen::Steady => 1.0,
    }
}
