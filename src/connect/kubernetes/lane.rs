//! What the followers of a source share: where signals go, what is said of the source itself,
//! and the form in which news reach it.
//!
//! Owns: the order of a source's signals. Must not: read.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::clock::{Hold, World};
use crate::connect::{Ctx, Outlet};
use crate::model::signal::{Signal, SourceState};
use crate::text::Safe;

/// Where signals go: the outlet, or a test's list.
pub(super) trait Out: Clone + Send + Sync + 'static {
    /// Waits until there is room for signals.
    fn room(&self) -> impl Future<Output = ()> + Send;
    /// Hands over signals with the times at which they occurred.
    fn send(&self, signals: Vec<(World, Signal)>, hold: Hold) -> impl Future<Output = ()> + Send;
}

impl Out for Outlet {
    async fn room(&self) {
        Self::room(self).await;
    }

    async fn send(&self, signals: Vec<(World, Signal)>, hold: Hold) {
        Self::send(self, signals, hold).await;
    }
}

/// What a source says of itself: live, and within which limits.
#[derive(Debug, Default)]
pub(super) struct Link(Mutex<BTreeMap<Lack, Safe>>);

/// What is limited, and what of it is lacking: each has its own reason, and ends by itself.
pub(super) type Lack = (&'static str, &'static str);

impl Link {
    /// Sets or lifts a limit.
    pub(super) fn limit(&self, lack: Lack, why: Option<Safe>) {
        let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => limits.insert(lack, why),
            None => limits.remove(&lack),
        };
    }

    /// A read just succeeded.
    pub(super) fn live(&self) -> Signal {
        let limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut words: Vec<&str> = limits.values().map(Safe::as_str).collect();
        words.dedup();
        Signal::Link(SourceState::Live { limited: (!words.is_empty()).then(|| Safe::from(words.join("; "))) })
    }
}

/// What a follower works with: `S` is what the source keeps between signals. Signals are made
/// and sent under its lock, so that two kinds of one source never overtake each other.
pub(super) struct Lane<'a, O, S> {
    pub(super) cx: &'a Ctx,
    pub(super) out: &'a O,
    pub(super) link: &'a Link,
    pub(super) state: &'a tokio::sync::Mutex<S>,
}

impl<O: Out, S: Send> Lane<'_, O, S> {
    /// Turns news into signals, and hands them over with a sign of life. Dropped before it is over,
    /// it has taken in nothing: it waits for room first, and from there on for nothing.
    pub(super) async fn hand<T>(&self, take: &impl Take<S, T>, news: News<T>, hold: Hold) {
        let mut state = self.state.lock().await;
        self.out.room().await;
        let now = self.cx.clock.now();
        let mut signals = take(&mut state, now, news);
        signals.push((now, self.link.live()));
        self.out.send(signals, hold).await;
    }

    /// Says that the source lives, as of when it was heard last.
    pub(super) async fn beat(&self, heard: World, hold: Hold) {
        self.out.send(vec![(heard, self.link.live())], hold).await;
    }
}

/// Turns news into signals.
pub(super) trait Take<S, T>: Fn(&mut S, World, News<T>) -> Vec<(World, Signal)> + Send + Sync {}
impl<S, T, F: Fn(&mut S, World, News<T>) -> Vec<(World, Signal)> + Send + Sync> Take<S, T> for F {}

/// What was learned.
#[derive(Debug)]
pub(super) enum News<T> {
    /// A page of a list. What is in no page between `first` and `last` is gone.
    Page { items: Vec<T>, first: bool, last: bool },
    /// Changes, in order.
    Changes(Vec<Change<T>>),
}

/// One change.
#[derive(Debug)]
pub(super) enum Change<T> {
    /// It is new or different.
    Put(T),
    /// It is gone; this is how it was.
    Gone(T),
}
