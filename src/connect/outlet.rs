//! From sources to the session: bounded, and never silent about what it dropped.

use crate::clock::{Hold, World};
use crate::model::name::Origin;
use crate::model::signal::Signal;

use super::Batch;

/// Where a source puts its signals. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Outlet {}

impl Outlet {
    /// Hands over signals with the times at which they occurred. Waits while the queue is full
    /// of state; when it is full of log lines, the oldest lines go and a `Gap` counts them.
    pub async fn send(&self, _signals: Vec<(World, Signal)>, _hold: Hold) {}
}

/// The session's end: all sources' queues, drained in turn.
#[derive(Debug)]
pub struct Inbox {}

impl Inbox {
    /// A queue for a new source.
    pub fn outlet(&self, _origin: Origin, _clock: crate::clock::Clock) -> Outlet {
        Outlet {}
    }

    /// The next batch of any source.
    pub async fn next(&mut self) -> Batch {
        std::future::pending().await
    }
}
