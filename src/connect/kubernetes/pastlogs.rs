//! What the pods of declared services logged before we came, bounded.
//!
//! Owns: which logs are read back, how far, and saying what was left out. Must not: read what is
//! to come; `podlogs` does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use crate::clock::{Span, World};
use crate::connect::backfill::patience;
use crate::connect::{Ctx, History, SourceError};
use crate::model::log::LogBatch;
use crate::model::signal::{Gap, Signal, Stamped};
use crate::text::Safe;

use super::access::Cluster;
use super::call::Fault;
use super::follow::Follower;
use super::loglines::Mark;
use super::logstream::{Log, Reading, Until};
use super::namespaces::is_name;
use super::podlogs::{STREAMS, Wanted, containers};
use super::pods::PODS;
use super::roster::Roster;
use super::wire;

/// Lines of one log.
const LINES: u32 = 2000;
/// Logs that are read at a time.
const AT_A_TIME: usize = 4;
/// All logs together end this long before whoever asks stops waiting.
const MARGIN: Duration = Duration::from_secs(2);
/// A log whose answer has not begun after this share of the time is given up: one kubelet that hangs
/// must not take the time of all the others.
const TO_BEGIN: u32 = 4;

/// The logs of declared services as the kubelets still have them.
pub(super) struct PastLogs {
    cluster: Arc<Cluster>,
    roster: Arc<Roster>,
}

impl PastLogs {
    /// Reads the logs of what `roster` declares.
    pub(super) fn new(cluster: Arc<Cluster>, roster: Arc<Roster>) -> Self {
        Self { cluster, roster }
    }

    async fn containers(&self) -> Result<Vec<Wanted>, SourceError> {
        let services = self.roster.catalogue().services();
        let workloads = services.iter().flat_map(|service| &service.workloads);
        // Only their namespaces: at 10,000 pods the whole cluster is being listed elsewhere.
        let names: BTreeSet<String> =
            workloads.map(|workload| workload.namespace.to_string()).filter(|name| is_name(name)).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = names.into_iter().collect();
        let pods = Follower::<wire::Pod>::within(Arc::clone(&self.cluster), PODS, &names).collect().await?;
        let members = pods.iter().filter_map(|pod| self.roster.member(pod));
        Ok(members.flat_map(|(pod, member)| containers(&pod, &member)).collect())
    }

    /// What the log of one container tells until `until`, and a `Gap` for what it does not.
    async fn read(&self, cx: &Ctx, span: Span, of: Wanted, until: Instant) -> Vec<Stamped<Signal>> {
        let log = Log { cluster: Arc::clone(&self.cluster), key: of.key, stream: of.stream };
        let lives: &[Until] =
            if of.restarts > 0 { &[Until::Before(LINES), Until::Now(LINES)] } else { &[Until::Now(LINES)] };
        let mut signals = Vec::new();
        for life in lives {
            let begin = until.min(Instant::now() + patience(&cx.clock) / TO_BEGIN);
            let opened = timeout_at(begin, log.open(*life, &Mark::start(span.from))).await;
            let mut reading = match opened {
                Ok(Ok(reading)) => reading,
                // Gone, or never there.
                Ok(Err(Fault::Missing(_) | Fault::Refused(_))) => continue,
                Ok(Err(fault)) => {
                    signals.push(gap(cx, span, SourceError::from(fault).to_string()));
                    continue;
                }
                Err(_) => {
                    let what = format!("log of {} before the start: no answer in time", log.key.pod);
                    signals.push(gap(cx, span, what));
                    continue;
                }
            };
            let mut told = Told { newest: span.from, signals: &mut signals };
            let over = timeout_at(until, told.all(cx, span, &log, &mut reading)).await;
            let (newest, how) = match over {
                Ok(()) if reading.is_whole() => continue,
                Ok(()) => (told.newest, "it broke off"),
                Err(_) => (told.newest, "there was no time to read more"),
            };
            let what = format!("log of {} before the start: {how}", log.key.pod);
            signals.push(gap(cx, Span { from: newest.min(span.to), to: span.to }, what));
        }
        signals
    }
}

/// What one log told so far.
struct Told<'a> {
    newest: World,
    signals: &'a mut Vec<Stamped<Signal>>,
}

impl Told<'_> {
    async fn all(&mut self, cx: &Ctx, span: Span, log: &Log, reading: &mut Reading) {
        let mut lines = 0;
        let mut oldest = span.to;
        while let Some((_hold, batches)) = reading.next(&cx.clock).await {
            for (_, batch) in batches {
                let mut within = LogBatch::default();
                let mut newest = None;
                for (line, stream, text) in batch.iter() {
                    lines += 1;
                    let Some(at) = World::from_timestamp_millis(line.at_ms) else { continue };
                    oldest = oldest.min(at);
                    self.newest = self.newest.max(at);
                    // As exact as lines are kept: what follows live begins with the same millisecond.
                    if span.from <= at && line.at_ms < span.to.timestamp_millis() {
                        newest = newest.max(Some(at));
                        within.push(stream, at, text);
                    }
                }
                if let Some(newest) = newest {
                    self.signals.push(super::stamped(cx, newest, Signal::Logs(within)));
                }
            }
        }
        if lines >= LINES {
            let what = format!("log of {} before the start: only its last {LINES} lines were read", log.key.pod);
            self.signals.push(gap(cx, Span { from: span.from, to: oldest }, what));
        }
    }
}

impl History for PastLogs {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let until = Instant::now() + patience(&cx.clock).saturating_sub(MARGIN);
            let mut all = self.containers().await?;
            let mut signals = Vec::new();
            if all.len() > STREAMS {
                let what = format!("logs before the start: only {STREAMS} of {} containers were read", all.len());
                signals.push(gap(cx, span, what));
                all.truncate(STREAMS);
            }
            let reads = all.into_iter().enumerate().map(|(at, of)| async move {
                let told = self.read(cx, span, of, until).await;
                (at, told)
            });
            // As they end, so that one that hangs holds up no other; told in their own order.
            let mut told: Vec<_> = futures::stream::iter(reads).buffer_unordered(AT_A_TIME).collect().await;
            told.sort_by_key(|(at, _)| *at);
            signals.extend(told.into_iter().flat_map(|(_, signals)| signals));
            Ok(signals)
        })
    }
}

fn gap(cx: &Ctx, span: Span, what: String) -> Stamped<Signal> {
    let gap = Gap { from: span.from, to: span.to, what: Safe::from(what) };
    super::stamped(cx, span.to, Signal::Gap(gap))
}
