//! Keeps sources running: each in a task of its own, with back-off, and none able to take the
//! program down.
//!
//! Owns: when a source runs again, and what is told about it meanwhile. Must not: know what a
//! source reads. Back-off goes by the wall, because the system that failed lives there; a
//! drill's back-off is short, because there a minute by the wall is an hour of the story.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use chrono::TimeDelta;
use futures::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Wall, World, wall};
use crate::model::signal::{Signal, SourceState};
use crate::text::Safe;

use super::{Connector, Ctx, Ended, Follow, Inbox, Outlet, Past, SourceError};

/// The first wait after a failure; it doubles from there.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, unless the system asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often a system that refuses us is asked again.
const DENIED_WAIT: Duration = Duration::from_secs(60);
/// A system that asks for more than this is asked again all the same: somebody looks at a screen.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The longest wait in a drill.
const DRILL_WAIT: Duration = Duration::from_secs(2);
/// How long sources may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// All running sources. Dropping it ends them.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<()>,
    cancel: CancellationToken,
    nudge: Arc<Notify>,
}

/// Starts to read at this moment, at which the past ends and the present begins for all: the past to
/// be read, and every source running until [`Supervisor::shutdown`]. Needs a runtime.
pub fn begin(
    mut connectors: Vec<Connector>,
    clock: &Clock,
    follow: watch::Receiver<Follow>,
    inbox: &Inbox,
) -> (Past, Supervisor) {
    let start = clock.now();
    let past = Past::take(&mut connectors, clock.clone(), start, follow.clone());
    (past, supervise(connectors, clock.clone(), start, follow, inbox))
}

/// Runs every source, from `start` on.
fn supervise(
    connectors: Vec<Connector>,
    clock: Clock,
    start: World,
    follow: watch::Receiver<Follow>,
    inbox: &Inbox,
) -> Supervisor {
    let mut tasks = JoinSet::new();
    let cancel = CancellationToken::new();
    let nudge = Arc::new(Notify::new());
    for connector in connectors {
        let out = inbox.outlet(connector.origin.clone(), clock.clone());
        let cx = Ctx {
            clock: clock.clone(),
            origin: connector.origin.clone(),
            start,
            cancel: cancel.child_token(),
            follow: follow.clone(),
        };
        let keeper = Keeper { pace: Pace::new(clock.clone()), nudge: Arc::clone(&nudge), cx, out };
        tasks.spawn(keeper.keep(connector));
    }
    Supervisor { tasks, cancel, nudge }
}

impl Supervisor {
    /// Lets every source that waits try again at once: after somebody logged in, for instance.
    pub fn retry_now(&self) {
        self.nudge.notify_waiters();
    }

    /// Ends all sources. Takes at most two seconds of wall time; what has not ended by then is
    /// left behind.
    pub async fn shutdown(mut self) {
        self.cancel.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!("sources did not end within {FAREWELL:?} and were left behind");
        }
        self.tasks.abort_all();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Keeps one source running.
struct Keeper {
    cx: Ctx,
    out: Outlet,
    pace: Pace,
    nudge: Arc<Notify>,
}

impl Keeper {
    async fn keep(mut self, mut connector: Connector) {
        let cancel = self.cx.cancel.clone();
        let work = async {
            self.tell(SourceState::Connecting).await;
            loop {
                let (before, since) = (self.out.lives(), wall());
                // A source that panicked is not run again, so its broken state is never seen.
                let run = AssertUnwindSafe(connector.source.run(&self.cx, &self.out)).catch_unwind().await;
                if self.out.lives() > before {
                    self.pace.lived(wall().duration_since(since));
                }
                let result = run.unwrap_or_else(|panic| Err(SourceError::Fatal(last_words(panic.as_ref()))));
                let wait = match result {
                    Ok(Ended) if self.cx.cancel.is_cancelled() => return,
                    Ok(Ended) => return self.end(Safe::fixed("the source ended by itself")).await,
                    Err(SourceError::Fatal(why)) => return self.end(why).await,
                    Err(SourceError::Denied(why) | SourceError::Unknown(why)) => {
                        tracing::warn!(origin = %self.cx.origin, %why, "denied");
                        self.tell(SourceState::Denied { why }).await;
                        self.pace.limit(DENIED_WAIT)
                    }
                    Err(SourceError::Retry { why, after }) => {
                        let wait = self.pace.next(after);
                        let until = self.pace.world_after(wait);
                        tracing::info!(origin = %self.cx.origin, %why, ?wait, "retrying");
                        self.tell(SourceState::Retrying { until, why }).await;
                        wait
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.nudge.notified() => {}
                }
            }
        };
        tokio::select! {
            () = work => {}
            // Sources only read, so one that is dropped half-way leaves nothing undone.
            () = cancel.cancelled() => {}
        }
    }

    async fn tell(&self, state: SourceState) {
        self.out.tell(Signal::Link(state)).await;
    }

    async fn end(&self, why: Safe) {
        tracing::error!(origin = %self.cx.origin, %why, "ended");
        self.tell(SourceState::Ended { why }).await;
    }
}

/// How long to wait, and when that is in world time.
struct Pace {
    clock: Clock,
    waits: Box<dyn Iterator<Item = Duration> + Send + Sync>,
    /// The wait before the run that is under way.
    last: Duration,
    started: (Wall, World),
}

impl Pace {
    fn new(clock: Clock) -> Self {
        let started = (wall(), clock.now());
        Self { clock, waits: waits(), last: Duration::ZERO, started }
    }

    /// A run had success. Back-off starts anew only if it lasted longer than the wait before it:
    /// a server that answers once and hangs up is not asked again and again every second.
    fn lived(&mut self, lasted: Duration) {
        if lasted >= self.last {
            self.waits = waits();
        }
    }

    fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.waits.next().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.last = wait;
        self.limit(wait.max(asked.unwrap_or_default()).min(PATIENCE))
    }

    fn limit(&self, wait: Duration) -> Duration {
        if self.clock.is_driven() { wait.min(DRILL_WAIT) } else { wait }
    }

    /// World time after `wait` by the wall. A drill's clock is taken to run on as fast as it ran
    /// so far; it may run slower, so this is the earliest.
    fn world_after(&self, wait: Duration) -> World {
        let now = self.clock.now();
        let speed = if self.clock.is_driven() {
            let by_wall = wall().duration_since(self.started.0).as_secs_f64().max(0.001);
            let by_world = (now - self.started.1).as_seconds_f64();
            (by_world / by_wall).clamp(1.0, 10_000.0)
        } else {
            1.0
        };
        let ahead = (wait.as_secs_f64() * speed * 1000.0).round();
        now.checked_add_signed(TimeDelta::milliseconds(ahead as i64)).unwrap_or(now)
    }
}

fn waits() -> Box<dyn Iterator<Item = Duration> + Send + Sync> {
    let waits = ExponentialBuilder::default()
        .with_factor(2.0)
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .with_jitter()
        .without_max_times();
    Box::new(waits.build())
}

fn last_words(panic: &(dyn Any + Send)) -> Safe {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Safe::from(format!("the source failed by a fault of this program ({what}); please report it with the log file"))
}

#[cfg(test)]
#[path = "supervisor/tests.rs"]
mod tests;
