//! From sources to the session: bounded, and never silent about what it dropped.
//!
//! Every source has a queue of its own, and the session drains them in turn, so that a source
//! that talks much cannot keep the others from being heard. State waits when the session is
//! behind, because it must not be lost; log lines do not wait, because a source that waits falls
//! behind the system it reads: the oldest go, and a `Gap` counts them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::{Clock, Hold, World};
use crate::model::log::LogBatch;
use crate::model::name::Origin;
use crate::model::signal::{Gap, Signal, SourceState, Stamped};
use crate::text::Safe;

use super::Batch;

/// How many waiting batches that carry state make a sender wait.
const STATES: usize = 64;
/// How many waiting lines of one source are kept; above it the oldest go.
const LINES: usize = 64 * 1024;
/// How much waiting text of one source is kept, in bytes.
const TEXT: usize = 16 * 1024 * 1024;
/// Small neighbours are handed over together up to so many signals …
const MERGED_SIGNALS: usize = 256;
/// … and so many lines: one turn of the session's loop stays short.
const MERGED_LINES: usize = 4 * 1024;

/// Where a source puts its signals. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Outlet {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

/// The session's end: all sources' queues, drained in turn.
#[derive(Debug, Default)]
pub struct Inbox {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queues: Mutex<Turns>,
    /// Told when a queue got something. There is one reader, and a permit waits for it.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Turns {
    list: Vec<Arc<Queue>>,
    next: usize,
    /// The session's end is gone: nobody waits for room any more.
    closed: bool,
}

#[derive(Debug)]
struct Queue {
    origin: Origin,
    clock: Clock,
    waiting: Mutex<Waiting>,
    /// Told when a sender may look again whether there is room.
    room: Notify,
    /// How many `Link(Live)` came through: the supervisor tells success by it.
    lives: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// Items that carry state.
    states: usize,
    lines: usize,
    text: usize,
    dropped: Option<Dropped>,
}

#[derive(Debug)]
struct Item {
    signals: Vec<Stamped<Signal>>,
    hold: Hold,
}

/// Lines that went before they were read. They were the oldest, so they are told first.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    lines: u64,
    from_ms: i64,
    to_ms: i64,
}

impl Outlet {
    /// Hands over signals with the times at which they occurred. Waits while the queue is full
    /// of state; when it is full of log lines, the oldest lines go and a `Gap` counts them.
    pub async fn send(&self, signals: Vec<(World, Signal)>, hold: Hold) {
        if signals.is_empty() {
            return;
        }
        let observed = self.queue.clock.now();
        let signals = signals.into_iter().map(|(occurred, body)| Stamped {
            origin: self.queue.origin.clone(),
            occurred,
            observed,
            body,
        });
        let mut item = Some(Item { signals: signals.collect(), hold });
        loop {
            let room = self.queue.room.notified();
            tokio::pin!(room);
            // Registered before the look, so that room made in between is not missed.
            room.as_mut().enable();
            let closed = lock(&self.shared.queues).closed;
            if lock(&self.queue.waiting).offer(&mut item, closed, &self.queue.lives) {
                break;
            }
            room.await;
        }
        self.shared.filled.notify_one();
    }

    /// Waits until the queue takes state at once. As long as nobody else fills it, a `send` after it
    /// does not wait: what is dropped while it waits has handed over nothing yet.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.queue.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if lock(&self.shared.queues).closed || lock(&self.queue.waiting).states < STATES {
                return;
            }
            room.await;
        }
    }

    /// Hands over one signal that occurred now.
    pub(crate) async fn tell(&self, signal: Signal) {
        let now = self.queue.clock.now();
        self.send(vec![(now, signal)], self.queue.clock.hold()).await;
    }

    /// How many successful reads were told so far.
    pub(crate) fn lives(&self) -> u64 {
        self.queue.lives.load(Ordering::Relaxed)
    }
}

impl Inbox {
    /// An inbox without sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// A queue for a new source.
    pub fn outlet(&self, origin: Origin, clock: Clock) -> Outlet {
        let queue =
            Arc::new(Queue { origin, clock, waiting: Mutex::default(), room: Notify::new(), lives: AtomicU64::new(0) });
        lock(&self.shared.queues).list.push(Arc::clone(&queue));
        Outlet { queue, shared: Arc::clone(&self.shared) }
    }

    /// The next batch of any source. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Batch {
        loop {
            if let Some(batch) = self.try_next() {
                return batch;
            }
            self.shared.filled.notified().await;
        }
    }

    /// The next batch, if one waits.
    pub fn try_next(&mut self) -> Option<Batch> {
        let mut turns = lock(&self.shared.queues);
        // A queue whose source is gone stays until what it said last was read.
        turns.list.retain(|queue| Arc::strong_count(queue) > 1 || !lock(&queue.waiting).is_empty());
        let count = turns.list.len();
        for step in 0..count {
            let at = (turns.next + step) % count;
            let Some(queue) = turns.list.get(at) else { continue };
            let Some(batch) = lock(&queue.waiting).take(&queue.origin, &queue.clock) else { continue };
            queue.room.notify_waiters();
            turns.next = (at + 1) % count;
            return Some(batch);
        }
        None
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut turns = lock(&self.shared.queues);
        turns.closed = true;
        for queue in turns.list.drain(..) {
            *lock(&queue.waiting) = Waiting::default();
            queue.room.notify_waiters();
        }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.dropped.is_none()
    }

    /// Takes the item if there is room for it; `false` leaves it with the caller.
    fn offer(&mut self, item: &mut Option<Item>, closed: bool, lives: &AtomicU64) -> bool {
        let Some(new) = item.as_ref() else { return true };
        let state = new.is_state();
        if !closed && state && self.states >= STATES {
            return false;
        }
        let Some(new) = item.take() else { return true };
        if closed {
            return true;
        }
        let live = |signal: &&Stamped<Signal>| matches!(signal.body, Signal::Link(SourceState::Live { .. }));
        let told = new.signals.iter().filter(live).count();
        lives.fetch_add(told.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        self.states += usize::from(state);
        self.lines += new.lines();
        self.text += new.text();
        self.items.push_back(new);
        self.drop_oldest_lines();
        if self.items.len() > 2 * STATES {
            self.keep_last_link();
        }
        true
    }

    fn drop_oldest_lines(&mut self) {
        let mut at = 0;
        while self.lines > LINES || self.text > TEXT {
            let Some(item) = self.items.get_mut(at) else { return };
            let Some(place) = item.signals.iter().position(|signal| matches!(signal.body, Signal::Logs(_))) else {
                at += 1;
                continue;
            };
            if let Signal::Logs(logs) = item.signals.remove(place).body {
                self.lines -= logs.len();
                self.text -= logs.text().len();
                count_dropped(&mut self.dropped, &logs);
            }
            if item.signals.is_empty() {
                self.items.remove(at);
            }
        }
    }

    /// A source that tells lines and its state forever, to a session that does not listen, must
    /// not fill memory with its state: only the last counts.
    fn keep_last_link(&mut self) {
        let is_link = |signal: &Stamped<Signal>| matches!(signal.body, Signal::Link(_));
        let mut seen = false;
        for item in self.items.iter_mut().rev() {
            if !item.signals.iter().any(is_link) {
                continue;
            }
            if seen {
                item.signals.retain(|signal| !is_link(signal));
            }
            seen = true;
        }
        self.items.retain(|item| !item.signals.is_empty());
    }

    /// The first item, with its small neighbours.
    fn take(&mut self, origin: &Origin, clock: &Clock) -> Option<Batch> {
        let mut signals = Vec::new();
        if let Some(dropped) = self.dropped.take() {
            signals.push(dropped.signal(origin, clock.now()));
        }
        let Some(first) = self.pop() else {
            return (!signals.is_empty()).then(|| Batch { signals, hold: clock.hold() });
        };
        let mut lines = first.lines();
        let mut hold = first.hold;
        signals.extend(first.signals);
        while let Some(next) = self.items.front() {
            lines += next.lines();
            if signals.len() + next.signals.len() > MERGED_SIGNALS || lines > MERGED_LINES {
                break;
            }
            let Some(next) = self.pop() else { break };
            signals.extend(next.signals);
            // One hold keeps the world as still as two.
            hold = next.hold;
        }
        Some(Batch { signals, hold })
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.states -= usize::from(item.is_state());
        self.lines -= item.lines();
        self.text -= item.text();
        Some(item)
    }
}

impl Item {
    /// Whether something is in it that must not be lost. A link is not: the next one replaces it.
    fn is_state(&self) -> bool {
        self.signals.iter().any(|signal| !matches!(signal.body, Signal::Logs(_) | Signal::Link(_)))
    }

    fn logs(&self) -> impl Iterator<Item = &LogBatch> {
        self.signals.iter().filter_map(|signal| match &signal.body {
            Signal::Logs(logs) => Some(logs),
            _ => None,
        })
    }

    fn lines(&self) -> usize {
        self.logs().map(LogBatch::len).sum()
    }

    fn text(&self) -> usize {
        self.logs().map(|logs| logs.text().len()).sum()
    }
}

fn count_dropped(dropped: &mut Option<Dropped>, logs: &LogBatch) {
    for line in logs.index() {
        let so_far = dropped.get_or_insert(Dropped { lines: 0, from_ms: line.at_ms, to_ms: line.at_ms });
        so_far.lines += 1;
        so_far.from_ms = so_far.from_ms.min(line.at_ms);
        so_far.to_ms = so_far.to_ms.max(line.at_ms);
    }
}

impl Dropped {
    fn signal(self, origin: &Origin, now: World) -> Stamped<Signal> {
        let at = |ms| World::from_timestamp_millis(ms).unwrap_or(now);
        let (lines, were) = if self.lines == 1 { ("line", "was") } else { ("lines", "were") };
        let what = format!("{} {lines} {were} dropped: the session could not keep up", self.lines);
        let gap = Gap { from: at(self.from_ms), to: at(self.to_ms), what: Safe::from(what) };
        Stamped { origin: origin.clone(), occurred: gap.from, observed: now, body: Signal::Gap(gap) }
    }
}

/// What is behind these locks is consistent between statements, so a panic elsewhere does not
/// spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "outlet/tests.rs"]
mod tests;
