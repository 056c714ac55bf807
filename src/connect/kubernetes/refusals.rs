//! Several kinds of one source, of which some may be refused.
//!
//! Owns: that a kind that is refused limits the view and is tried again, and that all of them
//! refused is the source's refusal. Must not: know a kind, or go on when the cluster does not know
//! us: then what is not read any more would pass for what is.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::World;
use crate::connect::SourceError;
use crate::text::Safe;

use super::follow::Follower;
use super::lane::{Lane, News, Out, Take};
use super::wire::Object;

/// How often a kind that was refused is tried again, in world time.
const AGAIN: Duration = Duration::from_secs(60);

/// The kinds of one run of a source.
pub(super) struct Refusals {
    kinds: usize,
    /// Why, by kind, of those that are refused now.
    refused: Mutex<BTreeMap<&'static str, Safe>>,
}

impl Refusals {
    /// None of so many kinds is refused yet.
    pub(super) fn among(kinds: usize) -> Self {
        Self { kinds, refused: Mutex::default() }
    }

    /// Follows one kind as long as not all are refused.
    pub(super) async fn follow<O: Out, S: Send, T: Object>(
        &self,
        lane: &Lane<'_, O, S>,
        follower: &mut Follower<T>,
        take: impl Take<S, T>,
    ) -> Result<Infallible, SourceError> {
        let kind = follower.plural();
        let take = |state: &mut S, now: World, news: News<T>| {
            self.lock().remove(kind);
            lane.link.limit((kind, "all"), None);
            take(state, now, news)
        };
        let mut hold = lane.cx.clock.hold();
        loop {
            // World time stands still until the follower holds it.
            let held = async move { drop(hold) };
            let Err(error) = follower.follow_after(lane, &take, held).await;
            let SourceError::Denied(why) = error else { return Err(error) };
            tracing::info!(kind, %why, "refused");
            lane.link.limit((kind, "all"), Some(why.clone()));
            if let Some(why) = self.all(kind, why) {
                return Err(SourceError::Denied(why));
            }
            hold = lane.cx.clock.due(lane.cx.clock.next_multiple(AGAIN)).await;
        }
    }

    /// One kind is refused. If that makes all of them: why the first is.
    fn all(&self, kind: &'static str, why: Safe) -> Option<Safe> {
        let mut refused = self.lock();
        refused.insert(kind, why);
        (refused.len() >= self.kinds).then(|| refused.values().next().cloned()).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Safe>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
