//! What the pods of declared services logged before we came, bounded.
//!
//! Owns: which logs are read back, how far, and saying what was left out. Must not: read what is
//! to come; `podlogs` does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;

use crate::clock::Span;
use crate::connect::{Ctx, History, SourceError};
use crate::model::log::LogBatch;
use crate::model::signal::{Gap, Signal, Stamped};
use crate::text::Safe;

use super::access::Cluster;
use super::call::Fault;
use super::follow::Follower;
use super::loglines::Mark;
use super::logstream::{Log, Until};
use super::namespaces::is_name;
use super::podlogs::{STREAMS, Wanted, containers};
use super::pods::PODS;
use super::roster::Roster;
use super::wire;

/// Lines of one log.
const LINES: u32 = 2000;
/// Logs that are read at a time.
const AT_A_TIME: usize = 4;
/// A log that takes longer than this, by the wall, is given up.
const PATIENCE: Duration = Duration::from_secs(20);

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

    async fn read(&self, cx: &Ctx, span: Span, of: Wanted) -> Vec<Stamped<Signal>> {
        let log = Log { cluster: Arc::clone(&self.cluster), key: of.key, stream: of.stream };
        let lives: &[Until] =
            if of.restarts > 0 { &[Until::Before(LINES), Until::Now(LINES)] } else { &[Until::Now(LINES)] };
        let mut signals = Vec::new();
        for until in lives {
            match tokio::time::timeout(PATIENCE, self.life(cx, span, &log, *until)).await {
                Ok(Ok(life)) => signals.extend(life),
                // Gone, or never there.
                Ok(Err(Fault::Missing(_) | Fault::Refused(_))) => {}
                Ok(Err(fault)) => signals.push(gap(cx, span, SourceError::from(fault).to_string())),
                Err(_) => {
                    let what = format!("log of {} before the start: not read within {PATIENCE:?}", log.key.pod);
                    signals.push(gap(cx, span, what));
                }
            }
        }
        signals
    }

    async fn life(&self, cx: &Ctx, span: Span, log: &Log, until: Until) -> Result<Vec<Stamped<Signal>>, Fault> {
        let mut reading = log.open(until, &Mark::start(span.from)).await?;
        let (mut signals, mut lines) = (Vec::new(), 0);
        let mut oldest = span.to;
        while let Some((_hold, batches)) = reading.next(&cx.clock).await {
            for (_, batch) in batches {
                let mut within = LogBatch::default();
                let mut newest = None;
                for (line, stream, text) in batch.iter() {
                    lines += 1;
                    let Some(at) = crate::clock::World::from_timestamp_millis(line.at_ms) else { continue };
                    oldest = oldest.min(at);
                    if span.contains(at) {
                        newest = newest.max(Some(at));
                        within.push(stream, at, text);
                    }
                }
                if let Some(newest) = newest {
                    signals.push(super::stamped(cx, newest, Signal::Logs(within)));
                }
            }
        }
        if lines >= LINES {
            let what = format!("log of {} before the start: only its last {LINES} lines were read", log.key.pod);
            signals.push(gap(cx, Span { from: span.from, to: oldest }, what));
        }
        Ok(signals)
    }
}

impl History for PastLogs {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let mut all = self.containers().await?;
            let mut signals = Vec::new();
            if all.len() > STREAMS {
                let what = format!("logs before the start: only {STREAMS} of {} containers were read", all.len());
                signals.push(gap(cx, span, what));
                all.truncate(STREAMS);
            }
            let mut reads =
                futures::stream::iter(all.into_iter().map(|of| self.read(cx, span, of))).buffered(AT_A_TIME);
            while let Some(some) = reads.next().await {
                signals.extend(some);
            }
            Ok(signals)
        })
    }
}

fn gap(cx: &Ctx, span: Span, what: String) -> Stamped<Signal> {
    let gap = Gap { from: span.from, to: span.to, what: Safe::from(what) };
    super::stamped(cx, span.to, Signal::Gap(gap))
}
