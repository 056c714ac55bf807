//! One container's logs, followed: the end of its last life, and the current one as it grows.
//!
//! Owns: how far each was read, and what becomes of a last life that cannot be read. Must not:
//! choose whose logs are followed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::SubsecRound as _;
use tokio::sync::mpsc;

use crate::clock::{Wall, World, wall};
use crate::connect::{Ctx, SourceError};
use crate::model::signal::{Gap, Signal};
use crate::text::Safe;

use super::call::Fault;
use super::lane::Out;
use super::loglines::Mark;
use super::logstream::{Log, Reading, Until};
use super::podlogs::Key;

/// Without a byte for this long, by the wall or in world time, the API server is asked whether it is
/// there: often enough that a source that has nothing to tell does not look late.
const QUIET: Duration = Duration::from_secs(60);
/// How often the log of a container's last life is tried before the current one is read without it.
const TRIES: u32 = 6;

/// How far a container's logs were read. Written by the stream as it reads.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) mark: Mark,
    /// Restarts whose previous log was read to its end, or given up.
    restarts: u32,
    /// How often the previous log could not be read.
    failures: u32,
}

/// What a stream shares with the source.
#[derive(Clone)]
pub(super) struct Wire {
    /// Told when the stream is open.
    pub(super) opened: mpsc::Sender<Key>,
    /// When a byte of any log came last. Not a message: busy logs would keep the source busy.
    pub(super) heard: Arc<Mutex<Heard>>,
}

/// A moment, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Heard {
    wall: Wall,
    pub(super) world: World,
}

impl Progress {
    /// Nothing from before the millisecond of `start` is to be read, and no log of a life before.
    pub(super) fn new(start: World, restarts: u32) -> Self {
        Self { mark: Mark::start(start.trunc_subsecs(3)), restarts, failures: 0 }
    }
}

impl Heard {
    pub(super) fn now(cx: &Ctx) -> Self {
        Self { wall: wall(), world: cx.clock.now() }
    }

    /// Whether it is so long ago that the API server may be gone.
    pub(super) fn is_quiet(self, cx: &Ctx) -> bool {
        let world = (cx.clock.now() - self.world).to_std().unwrap_or_default();
        world.max(wall().duration_since(self.wall)) >= QUIET
    }
}

/// Follows one log to its end: whether it told anything.
pub(super) async fn tail<O: Out>(
    log: &Log,
    restarts: u32,
    progress: &Mutex<Progress>,
    cx: &Ctx,
    out: &O,
    wire: &Wire,
) -> Result<bool, Fault> {
    let mark = || locked(progress).mark.clone();
    let mut told = false;
    let mut lost = None;
    if locked(progress).restarts < restarts {
        // What the container said between the cut and its end stands in the previous log alone.
        let end = match log.open(Until::PreviousEnd, &mark()).await {
            Ok(mut reading) => {
                told |= pump(&mut reading, log, progress, cx, out, wire).await;
                if reading.is_whole() { Ok(()) } else { Err(Fault::retry(&log.doing(), "it broke off")) }
            }
            Err(fault) => Err(fault),
        };
        let mut progress = locked(progress);
        match end {
            // It may be gone; the current one is another matter.
            Ok(()) | Err(Fault::Missing(_) | Fault::Refused(_)) => {
                (progress.restarts, progress.failures) = (restarts, 0);
            }
            Err(fault) => {
                progress.failures = progress.failures.saturating_add(1);
                if progress.failures < TRIES {
                    return Err(fault);
                }
                lost = Some(SourceError::from(fault));
            }
        }
    }
    let from = mark();
    let mut reading = log.open(Until::Cut, &from).await?;
    if let Some(why) = lost {
        // The current log can be read and the one before cannot.
        let (now, pod) = (cx.clock.now(), &log.key.pod);
        let what = Safe::from(format!("what {pod} said last before its restart: {why}"));
        let gap = Gap { from: from.at().min(now), to: now, what };
        out.send(vec![(gap.from, Signal::Gap(gap))], cx.clock.hold()).await;
        let mut progress = locked(progress);
        (progress.restarts, progress.failures) = (restarts, 0);
    }
    // Whether it ends or is cut off, it is opened again.
    told |= pump(&mut reading, log, progress, cx, out, wire).await;
    Ok(told)
}

/// Hands over what comes of an open log: whether it told anything.
async fn pump<O: Out>(
    reading: &mut Reading,
    log: &Log,
    progress: &Mutex<Progress>,
    cx: &Ctx,
    out: &O,
    wire: &Wire,
) -> bool {
    let mut told = false;
    *locked(&wire.heard) = Heard::now(cx);
    // Without a receiver the source is ending.
    let _ = wire.opened.send(log.key.clone()).await;
    while let Some((hold, batches)) = reading.next(&cx.clock).await {
        *locked(&wire.heard) = Heard::now(cx);
        let signals: Vec<_> = batches.into_iter().map(|(at, batch)| (at, Signal::Logs(batch))).collect();
        if !signals.is_empty() {
            out.send(signals, hold).await;
        }
        // After the hand-over: what was not handed over is read again. What the kubelet says of
        // the log is no progress in it.
        let mut progress = locked(progress);
        told |= progress.mark != *reading.mark();
        progress.mark.clone_from(reading.mark());
    }
    told
}

/// A panic elsewhere does not spoil what is behind these locks.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
