//! What went before: all histories read once at start.
//!
//! Owns: reading them together, within a time, and putting what they tell in order. Must not:
//! let one slow system keep the others' past from the screen.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::TimeDelta;
use futures::FutureExt as _;
use futures::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Span, World};
use crate::model::log::LogBatch;
use crate::model::name::Origin;
use crate::model::signal::{Gap, Signal, Stamped};
use crate::text::Safe;

use super::{Connector, Ctx, Follow, History};

/// How long one system may take, by the wall: somebody looks at the screen.
const LIMIT: Duration = Duration::from_secs(10);
/// The same in a drill, whose systems are on this machine and answer: a busy machine must not
/// make it tell another story.
const DRILL_LIMIT: Duration = Duration::from_secs(60);
/// Lines are told in steps of this length. How a server cuts its answer must not show: a batch
/// that spans minutes would put the lines of the first behind what others tell of the last.
const STEP_MS: i64 = 15_000;

/// What was before the start, apart from the sources that tell of what comes after it.
pub struct Past {
    histories: Vec<(Origin, Box<dyn History>)>,
    clock: Clock,
    start: World,
    follow: watch::Receiver<Follow>,
}

/// What histories told.
#[derive(Debug, Default)]
pub struct BackFill {
    /// By the time they occurred; those of one moment by origin.
    pub signals: Vec<Stamped<Signal>>,
    /// A `Gap` for each system whose past could not be read.
    pub failures: Vec<Stamped<Signal>>,
}

/// How long one system may take to tell what went before, by the wall.
pub(super) fn patience(clock: &Clock) -> Duration {
    if clock.is_driven() { DRILL_LIMIT } else { LIMIT }
}

impl Past {
    /// Takes the histories out of `connectors`.
    pub(super) fn take(
        connectors: &mut [Connector],
        clock: Clock,
        start: World,
        follow: watch::Receiver<Follow>,
    ) -> Self {
        let of = |connector: &mut Connector| Some((connector.origin.clone(), connector.history.take()?));
        Self { histories: connectors.iter_mut().filter_map(of).collect(), clock, start, follow }
    }

    /// The moment at which it ends and the present begins.
    pub fn start(&self) -> World {
        self.start
    }

    /// Reads all histories for the time `since` before the start, together, each within ten seconds of
    /// wall time.
    pub async fn read(self, since: TimeDelta) -> BackFill {
        let Self { histories, clock, start, follow } = self;
        let span = Span::before(start, since);
        let (hold, limit) = (clock.hold(), patience(&clock));
        let cancel = CancellationToken::new();
        let reads = histories.iter().map(|(origin, history)| {
            let cx = Ctx {
                clock: clock.clone(),
                origin: origin.clone(),
                start,
                cancel: cancel.child_token(),
                follow: follow.clone(),
            };
            async move {
                let read = AssertUnwindSafe(history.between(&cx, span)).catch_unwind();
                match tokio::time::timeout(limit, read).await {
                    Ok(Ok(Ok(signals))) => Ok(signals),
                    Ok(Ok(Err(why))) => Err((origin, format!("what {origin} knows from before was not read: {why}"))),
                    Ok(Err(_)) => Err((
                        origin,
                        format!("reading what {origin} knows from before failed by a fault of this program"),
                    )),
                    Err(_) => Err((
                        origin,
                        format!("what {origin} knows from before was not read: no answer in {} s", limit.as_secs()),
                    )),
                }
            }
        });
        let mut filled = BackFill::default();
        for read in join_all(reads).await {
            match read {
                Ok(signals) => filled.signals.extend(signals.into_iter().flat_map(in_steps)),
                Err((origin, what)) => filled.failures.push(Stamped {
                    origin: origin.clone(),
                    occurred: span.from,
                    observed: clock.now(),
                    body: Signal::Gap(Gap { from: span.from, to: span.to, what: Safe::from(what) }),
                }),
            }
        }
        // Stable: what one system told of one moment stays in its order.
        filled.signals.sort_by(|a, b| (a.occurred, &a.origin).cmp(&(b.occurred, &b.origin)));
        drop(hold);
        filled
    }
}

/// A batch of log lines parted by [`STEP_MS`], each part with the time of its newest line; any
/// other signal as it is.
fn in_steps(signal: Stamped<Signal>) -> Vec<Stamped<Signal>> {
    let Signal::Logs(batch) = &signal.body else { return vec![signal] };
    let mut steps: BTreeMap<i64, Vec<(i64, LogBatch)>> = BTreeMap::new();
    for (line, stream, text) in batch.iter() {
        let at = World::from_timestamp_millis(line.at_ms).unwrap_or(signal.occurred);
        let parts = steps.entry(line.at_ms.div_euclid(STEP_MS)).or_default();
        if parts.is_empty() {
            parts.push((line.at_ms, LogBatch::default()));
        }
        let Some((newest, part)) = parts.last_mut() else { continue };
        *newest = line.at_ms.max(*newest);
        if !part.push(stream, at, text) {
            parts.push((line.at_ms, LogBatch::default()));
        }
    }
    let parts = steps.into_values().flatten().filter(|(_, part)| !part.is_empty());
    parts
        .map(|(newest, part)| Stamped {
            origin: signal.origin.clone(),
            occurred: World::from_timestamp_millis(newest).unwrap_or(signal.occurred),
            observed: signal.observed,
            body: Signal::Logs(part),
        })
        .collect()
}

#[cfg(test)]
#[path = "backfill/tests.rs"]
mod tests;
