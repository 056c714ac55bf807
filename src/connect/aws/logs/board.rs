//! Which groups Live Tail tells of, and whether it told all: what its sessions and the reading by
//! `FilterLogEvents` have to know of each other.
//!
//! Owns: the *doubt* about a group. A session tells what is ingested while it lasts. What came
//! before it, between it and the one before, or more than it tells in a second, is in doubt until
//! a search that began [`SETTLE`] later has read it. Until then the group's window stays put.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use tokio::sync::Notify;

use crate::clock::World;
use crate::text::Safe;

/// How long after it was ingested an event is sure to be found by a search.
const SETTLE: TimeDelta = TimeDelta::seconds(15);
/// Sentences that a limited view is described with.
const SENTENCES: usize = 3;

/// What is known of all groups and sessions.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
    /// A session began or ended: there is something to search for.
    changed: Notify,
    /// The searches had a turn.
    turned: Notify,
}

#[derive(Debug, Default)]
struct State {
    tailed: BTreeMap<Safe, Tailed>,
    /// Sessions that are being started.
    starting: BTreeSet<usize>,
    /// Groups whose session ended and that were not searched since.
    lost: BTreeSet<Safe>,
    /// Groups that do not exist, as searches found.
    absent: BTreeSet<Safe>,
    /// What limits the searches.
    searches: Vec<String>,
    /// What limits each session, by its number.
    sessions: BTreeMap<usize, String>,
}

/// A group that a session tells of.
#[derive(Debug)]
struct Tailed {
    /// What came up to here is in doubt; `None` if nothing is.
    doubt: Option<World>,
    /// Why, if it is worth a sentence.
    why: Option<&'static str>,
}

impl Board {
    /// The source starts anew: nothing is tailed, and so many sessions are to be started.
    pub(super) fn reset(&self, sessions: usize) {
        *self.lock() = State { starting: (0..sessions).collect(), ..State::default() };
    }

    /// A session is being started.
    pub(super) fn starts(&self, session: usize) {
        self.lock().starting.insert(session);
    }

    /// A session tells of `groups` from `now` on. `why` says why there was none before, if there
    /// should have been one.
    pub(super) fn begins(&self, session: usize, groups: &[Safe], now: World, why: Option<&'static str>) {
        let mut state = self.lock();
        state.sessions.remove(&session);
        state.starting.remove(&session);
        for group in groups {
            state.lost.remove(group);
            state.tailed.insert(group.clone(), Tailed { doubt: Some(now), why });
        }
        drop(state);
        self.changed.notify_one();
    }

    /// A session told a sample only.
    pub(super) fn sampled(&self, groups: &[Safe], now: World) {
        let mut state = self.lock();
        for group in groups {
            if let Some(tailed) = state.tailed.get_mut(group) {
                *tailed = Tailed {
                    doubt: Some(now),
                    why: Some("come as a sample, because there are more than 500 a second; the others come later"),
                };
            }
        }
    }

    /// A session is over, or there was to be one; `why` is a sentence if that is worth one.
    pub(super) fn ends(&self, session: usize, groups: &[Safe], why: Option<&Safe>) {
        let mut state = self.lock();
        state.starting.remove(&session);
        for group in groups {
            state.tailed.remove(group);
            state.lost.insert(group.clone());
        }
        match why {
            Some(why) => _ = state.sessions.insert(session, why.to_string()),
            None => _ = state.sessions.remove(&session),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Whether a session tells of any group, or may soon.
    pub(super) fn tails(&self) -> bool {
        let state = self.lock();
        !state.tailed.is_empty() || !state.starting.is_empty()
    }

    /// Whether Live Tail has told all of the group up to now.
    pub(super) fn is_certain(&self, group: &Safe) -> bool {
        self.lock().tailed.get(group).is_some_and(|tailed| tailed.doubt.is_none())
    }

    /// Whether the group is to be searched: in a `round`, if no session told all of it; between
    /// rounds, if there is something new to search for.
    pub(super) fn wants_search(&self, group: &Safe, round: bool) -> bool {
        let state = self.lock();
        match state.tailed.get(group) {
            Some(tailed) => tailed.doubt.is_some(),
            None => round || state.lost.contains(group),
        }
    }

    /// A search that began at `began` read everything.
    pub(super) fn searched(&self, group: &Safe, began: World) {
        let mut state = self.lock();
        state.lost.remove(group);
        if let Some(tailed) = state.tailed.get_mut(group)
            && tailed.doubt.is_some_and(|doubt| began >= doubt + SETTLE)
        {
            *tailed = Tailed { doubt: None, why: None };
        }
    }

    /// The group cannot be searched. The doubt is given up; up to when it was, for a `Gap`.
    pub(super) fn give_up(&self, group: &Safe) -> Option<World> {
        let mut state = self.lock();
        state.lost.remove(group);
        let tailed = state.tailed.get_mut(group)?;
        tailed.why = None;
        tailed.doubt.take()
    }

    /// When searches are due before `round`, because something can be settled then.
    pub(super) fn due(&self, round: World, now: World) -> World {
        let state = self.lock();
        let settles = state.tailed.values().filter_map(|tailed| Some(tailed.doubt? + SETTLE));
        settles.filter(|at| *at > now).chain([round]).min().unwrap_or(round)
    }

    /// Resolves when a session began or ended.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The searches had a turn. What they found absent, and what limits them.
    pub(super) fn turned(&self, absent: BTreeSet<Safe>, limits: Vec<String>) {
        let mut state = self.lock();
        state.absent = absent;
        state.searches = limits;
        drop(state);
        self.turned.notify_waiters();
    }

    /// Waits for the searches' next turn; it tells what is absent.
    pub(super) async fn next_turn(&self) {
        self.turned.notified().await;
    }

    /// Those of `groups` that are there, as far as is known.
    pub(super) fn present(&self, groups: &[Safe]) -> Vec<Safe> {
        let state = self.lock();
        groups.iter().filter(|group| !state.absent.contains(*group)).cloned().collect()
    }

    /// What limits the view.
    pub(super) fn limited(&self) -> Option<Safe> {
        let state = self.lock();
        let mut sentences: Vec<String> = state.sessions.values().cloned().collect();
        let mut whys: BTreeMap<&str, Vec<&Safe>> = BTreeMap::new();
        for (group, tailed) in &state.tailed {
            if let (Some(why), Some(_)) = (tailed.why, tailed.doubt) {
                whys.entry(why).or_default().push(group);
            }
        }
        sentences.extend(whys.into_iter().map(|(why, groups)| format!("lines of {} {why}", some(&groups))));
        sentences.extend(state.searches.iter().cloned());
        let more = sentences.len().saturating_sub(SENTENCES);
        sentences.truncate(SENTENCES);
        if more > 0 {
            sentences.push(format!("and {more} more groups"));
        }
        (!sentences.is_empty()).then(|| Safe::from(sentences.join("; ")))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names one group and counts the others.
pub(super) fn some<T: std::fmt::Display>(groups: &[T]) -> String {
    match groups {
        [] => String::new(),
        [one] => one.to_string(),
        [one, other] => format!("{one} and {other}"),
        [one, rest @ ..] => format!("{one} and {} other groups", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> World {
        World::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_group_is_searched_until_a_search_has_settled_what_is_in_doubt() {
        let (board, a, b) = (Board::default(), Safe::fixed("/a"), Safe::fixed("/b"));
        let groups = [a.clone()];
        assert!(board.wants_search(&a, true) && !board.wants_search(&a, false));
        board.begins(0, &groups, at(0), None);
        assert!(board.wants_search(&a, false) && !board.is_certain(&a) && board.tails());
        assert_eq!((board.due(at(60), at(1)), board.due(at(60), at(20))), (at(15), at(60)));
        board.searched(&a, at(14));
        assert!(!board.is_certain(&a), "it may not have found what was ingested last");
        board.searched(&a, at(15));
        assert!(board.is_certain(&a) && !board.wants_search(&a, true) && board.wants_search(&b, true));
        assert_eq!(board.limited(), None);
        board.sampled(&groups, at(30));
        assert!(board.wants_search(&a, false));
        assert!(board.limited().unwrap().contains("lines of /a come as a sample"));
        assert_eq!(board.give_up(&a), Some(at(30)));
        assert_eq!((board.limited(), board.give_up(&a)), (None, None));
        board.ends(0, &groups, Some(&Safe::fixed("the session broke")));
        assert!(board.wants_search(&a, false) && !board.tails());
        assert_eq!(board.limited().as_deref(), Some("the session broke"));
    }
}
