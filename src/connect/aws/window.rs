//! Where the reading of one log group stands.
//!
//! Owns: from when the next read starts, and which events were told already. A read starts a
//! little before the newest event that was seen, because lines of other streams arrive late;
//! what is read twice is told once. Times are milliseconds since the epoch, as the API's.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

/// How far a read goes back behind the newest event.
const OVERLAP: i64 = 10_000;
/// How far it goes back behind the last complete read, when the group is quiet: a line may arrive
/// so late and is still told.
const QUIET: i64 = 120_000;
/// Where a first read starts without a past.
const FIRST: i64 = 60_000;
/// A group that is further behind than this cannot be caught up with by reading on.
const BEHIND: i64 = 15 * 60_000;
/// Events that are remembered at most.
const REMEMBERED: usize = 100_000;

/// One group's reading.
#[derive(Debug, Default)]
pub(super) struct Window {
    newest: Option<i64>,
    /// When the last complete read began.
    complete: Option<i64>,
    open: Option<Open>,
    told: Told,
}

/// A read that goes over pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// From when it reads.
    pub(super) from: i64,
    /// When it began.
    pub(super) began: i64,
    /// The next page; none for the first.
    pub(super) token: Option<String>,
}

/// Events that were told, by a hash of their identity.
#[derive(Debug, Default)]
struct Told {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<(i64, u64)>,
}

impl Window {
    /// The read to go on with, and from when to when lines are lost because reading fell too far
    /// behind.
    pub(super) fn next(&mut self, now: i64) -> (Open, Option<(i64, i64)>) {
        let limit = now.saturating_sub(BEHIND);
        if let Some(open) = self.open.take()
            && open.began >= limit
        {
            return (open, None);
        }
        let newest = self.newest.map(|at| at.saturating_sub(OVERLAP));
        let complete = self.complete.map(|at| at.saturating_sub(QUIET));
        let from = newest.max(complete).unwrap_or(now.saturating_sub(FIRST)).min(now);
        let lost = (from < limit).then_some((from, limit));
        (Open { from: from.max(limit), began: now, token: None }, lost)
    }

    /// Whether the event was not told before; it counts as told from now on. An event from the
    /// future does not move the window there.
    pub(super) fn fresh(&mut self, id: &[&str], at: i64, now: i64) -> bool {
        self.newest = self.newest.max(Some(at.min(now)));
        self.told.fresh(id, at)
    }

    /// There are more pages.
    pub(super) fn keep_open(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// All pages were read.
    pub(super) fn completed(&mut self, began: i64) {
        self.complete = self.complete.max(Some(began));
        // Reads that follow start no earlier than the next one does.
        let from = self.newest.map(|at| at.saturating_sub(OVERLAP));
        if let Some(from) = from.max(Some(began.saturating_sub(QUIET))) {
            self.told.forget_before(from);
        }
    }
}

impl Told {
    fn fresh(&mut self, id: &[&str], at: i64) -> bool {
        let hash = self.hasher.hash_one(id);
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back((at, hash));
        if self.order.len() > REMEMBERED
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    fn forget_before(&mut self, from: i64) {
        let known = &mut self.known;
        self.order.retain(|(at, hash)| {
            let keep = *at >= from;
            if !keep {
                known.remove(hash);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    #[test]
    fn a_late_line_is_told_and_no_line_twice() {
        let mut window = Window::default();
        let (open, _) = window.next(NOW);
        assert_eq!((open.from, open.token), (NOW - FIRST, None));
        assert!(window.fresh(&["a"], NOW - 100, NOW));
        window.completed(NOW);
        let (open, _) = window.next(NOW + 5_000);
        assert_eq!(open.from, NOW - 100 - OVERLAP);
        assert!(!window.fresh(&["a"], NOW - 100, NOW));
        assert!(window.fresh(&["late"], NOW - 9_000, NOW));
    }

    #[test]
    fn a_quiet_group_is_not_read_from_its_last_line_forever() {
        let mut window = Window::default();
        window.fresh(&["a"], NOW, NOW);
        window.completed(NOW + 3_600_000);
        let (open, lost) = window.next(NOW + 3_605_000);
        assert_eq!((open.from, lost), (NOW + 3_600_000 - QUIET, None));
        assert!(window.told.known.is_empty(), "what cannot come again is forgotten");
    }

    #[test]
    fn reading_goes_on_at_the_page_where_it_stopped() {
        let mut window = Window::default();
        let page = Open { from: NOW - 5, began: NOW, token: Some("t".into()) };
        window.keep_open(page.clone());
        assert_eq!(window.next(NOW + 1_000), (page, None));
        assert_eq!(window.next(NOW + 1_000).0.token, None);
    }

    #[test]
    fn who_is_too_far_behind_says_what_is_lost_and_goes_on() {
        let mut window = Window::default();
        window.fresh(&["a"], NOW, NOW);
        window.completed(NOW);
        let later = NOW + 3_600_000;
        let (open, lost) = window.next(later);
        assert_eq!(open.from, later - BEHIND);
        assert_eq!(lost, Some((NOW - OVERLAP, later - BEHIND)));
        window.keep_open(Open { from: NOW, began: NOW, token: Some("old".into()) });
        assert_eq!(window.next(later).0.token, None);
    }

    #[test]
    fn times_that_make_no_sense_do_no_harm() {
        let mut window = Window::default();
        assert!(window.fresh(&["a"], i64::MAX, NOW));
        assert!(window.fresh(&["b"], i64::MIN, NOW));
        window.completed(NOW);
        assert_eq!(window.next(NOW + 5).0.from, NOW - OVERLAP);
        window.next(i64::MIN);
    }
}
