//! Where the reading of one log group stands.
//!
//! Owns: from when the next read starts, and which events were told already. A read starts a
//! little before the newest event that was seen, and now and then longer before it, because lines of
//! other streams arrive late; what is read twice is told once. Times are milliseconds since the epoch, as the API's.
//!
//! `FilterLogEvents` gives each event an id, `StartLiveTail` gives none. A group that is read by
//! both knows its events by what they are: stream, time and message, and the how-manieth of its
//! like it is in one reading. So two equal lines of one millisecond are two, however they came.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

/// How far a read goes back behind the newest event.
const OVERLAP: i64 = 10_000;
/// How far it goes back behind the last complete read, when the group is quiet: a line may arrive
/// so late and is still told.
const QUIET: i64 = 120_000;
/// How far a first read goes back behind the start, when there was no complete one: a line may
/// arrive so late.
const FIRST: i64 = 60_000;
/// How often a read goes back behind the last complete one, however busy the group is. Between,
/// reads of a busy group start a little before its newest event.
const DEEP: i64 = 60_000;
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
    /// When a read last began that went back so far.
    deep: Option<i64>,
    open: Option<Open>,
    told: Told,
    /// Events are known by what they are, not by their ids.
    by_content: bool,
    /// From when the present is read: what is later is not the past's to tell.
    present: Option<i64>,
}

/// One event, as far as it tells it from others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) stream: &'a str,
    pub(super) at: i64,
    pub(super) message: &'a str,
}

/// One reading of a stretch of time, whole and without repetition: a search over its pages, or a
/// Live Tail session. Counts equal events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pass {
    counts: HashMap<u64, (i64, u32)>,
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
    /// What was met on its pages.
    pub(super) pass: Pass,
}

/// Events that were told, by a hash of their identity.
#[derive(Debug, Default)]
struct Told {
    hasher: RandomState,
    known: HashSet<u64>,
    order: VecDeque<(i64, u64)>,
    /// The newest time of those that there was no room to remember.
    forgot: Option<i64>,
}

impl Window {
    /// A window whose events come with and without ids.
    pub(super) fn by_content() -> Self {
        Self { by_content: true, ..Self::default() }
    }

    /// The read to go on with, and from when to when lines are lost because reading fell too far
    /// behind. The present began at `start`.
    pub(super) fn next(&mut self, now: i64, start: i64) -> (Open, Option<(i64, i64)>) {
        let limit = now.saturating_sub(BEHIND);
        if let Some(open) = self.open.take()
            && open.began >= limit
        {
            return (open, None);
        }
        let from = self.from(now, start);
        self.present.get_or_insert(from);
        let lost = (from < limit).then_some((from, limit));
        let from = from.min(self.deeper(now).unwrap_or(from)).max(limit);
        (Open { from, began: now, token: None, pass: Pass::default() }, lost)
    }

    /// From when a read that begins at `now` has to start to miss nothing.
    pub(super) fn from(&self, now: i64, start: i64) -> i64 {
        let newest = self.newest.map(|at| at.saturating_sub(OVERLAP));
        let complete = self.complete.map(|at| at.saturating_sub(QUIET));
        newest.max(complete).unwrap_or(start.saturating_sub(FIRST)).min(now)
    }

    /// From when a read that begins at `now` has to start to find what arrived late, if it is time
    /// for such a one.
    fn deeper(&mut self, now: i64) -> Option<i64> {
        if now.saturating_sub(*self.deep.get_or_insert(now)) < DEEP {
            return None;
        }
        self.deep = Some(now);
        // What was told and is not remembered would be told again.
        let remembered = self.told.forgot.map_or(i64::MIN, |at| at.saturating_add(1));
        Some(self.complete?.saturating_sub(QUIET).max(remembered))
    }

    /// Whether the event was not told before; it counts as told from now on. An event from the
    /// future does not move the window there.
    pub(super) fn fresh(&mut self, event: Event<'_>, pass: &mut Pass, now: i64) -> bool {
        self.newest = self.newest.max(Some(event.at.min(now)));
        self.told(event, pass)
    }

    /// The same for an event that is read as the past, beside the present: what that reads is left
    /// to it. It may have told the event and forgotten that since.
    pub(super) fn fresh_in_past(&mut self, event: Event<'_>, pass: &mut Pass, now: i64) -> bool {
        self.present.is_none_or(|from| event.at < from) && self.fresh(event, pass, now)
    }

    /// The same for an event of Live Tail while it is not certain that all before it was told: it
    /// must not move the window over what is missing.
    pub(super) fn fresh_in_doubt(&mut self, event: Event<'_>, pass: &mut Pass) -> bool {
        self.told(event, pass)
    }

    fn told(&mut self, event: Event<'_>, pass: &mut Pass) -> bool {
        let Event { id, stream, at, message } = event;
        let hasher = &self.told.hasher;
        let hash = match id {
            Some(id) if !self.by_content => hasher.hash_one(id),
            _ => {
                let like = hasher.hash_one((stream, at, message));
                if self.by_content { hasher.hash_one((like, pass.count(like, at))) } else { like }
            }
        };
        self.told.fresh(hash, at)
    }

    /// There are more pages.
    pub(super) fn keep_open(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// All pages were read; or Live Tail told all there was up to `began`.
    pub(super) fn completed(&mut self, began: i64) {
        self.complete = self.complete.max(Some(began));
        // Reads that follow start no earlier.
        if let Some(complete) = self.complete {
            self.told.forget_before(complete.saturating_sub(QUIET));
        }
    }
}

impl Pass {
    /// The how-manieth of its like an event is.
    fn count(&mut self, like: u64, at: i64) -> u32 {
        let (_, count) = self.counts.entry(like).or_insert((at, 0));
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets events that are too old to come again, when there are many. A search ends by
    /// itself; a session lasts for hours.
    pub(super) fn trim(&mut self, now: i64) {
        if self.counts.len() > REMEMBERED {
            self.counts.retain(|_, (at, _)| *at >= now.saturating_sub(QUIET));
        }
        if self.counts.len() > REMEMBERED {
            self.counts.clear();
        }
    }
}

impl Told {
    fn fresh(&mut self, hash: u64, at: i64) -> bool {
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back((at, hash));
        if self.order.len() > REMEMBERED
            && let Some((at, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.forgot = self.forgot.max(Some(at));
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

    fn event<'a>(id: Option<&'a str>, message: &'a str, at: i64) -> Event<'a> {
        Event { id, stream: "s", at, message }
    }

    impl Window {
        fn meets(&mut self, id: &str, at: i64) -> bool {
            self.fresh(event(Some(id), "", at), &mut Pass::default(), NOW)
        }
    }

    #[test]
    fn a_late_line_is_told_and_no_line_twice() {
        let mut window = Window::default();
        let (open, _) = window.next(NOW, NOW);
        assert_eq!((open.from, open.token), (NOW - FIRST, None));
        assert!(window.meets("a", NOW - 100));
        window.completed(NOW);
        let (open, _) = window.next(NOW + 5_000, NOW);
        assert_eq!(open.from, NOW - 100 - OVERLAP);
        assert!(!window.meets("a", NOW - 100));
        assert!(window.meets("late", NOW - 9_000));
    }

    #[test]
    fn a_group_that_is_reached_long_after_the_start_is_read_from_there() {
        assert_eq!(Window::default().next(NOW + 600_000, NOW), (opened(NOW - FIRST, NOW + 600_000), None));
        let later = NOW + 2 * BEHIND;
        let lost = Some((NOW - FIRST, NOW + BEHIND));
        assert_eq!(Window::default().next(later, NOW), (opened(NOW + BEHIND, later), lost));
    }

    fn opened(from: i64, began: i64) -> Open {
        Open { from, began, token: None, pass: Pass::default() }
    }

    #[test]
    fn a_line_of_a_busy_group_that_arrives_a_minute_late_is_told() {
        let mut window = Window::default();
        let (mut told, mut deep) = (Vec::new(), 0);
        // A read every five seconds, each with a new line; one line of the beginning is ingested
        // after 50 seconds.
        for read in 0..40_i64 {
            let now = NOW + read * 5_000;
            let (open, lost) = window.next(now, NOW);
            assert_eq!(lost, None);
            deep += i64::from(read > 0 && open.from < now - 5_000 - OVERLAP);
            let late = [("late", NOW + 1_000)].into_iter().filter(|_| read >= 10);
            let lines = (0..=read).map(|line| (format!("{line}"), NOW + line * 5_000));
            for (id, at) in lines.chain(late.map(|(id, at)| (id.to_owned(), at))).filter(|(_, at)| *at >= open.from) {
                if window.fresh(event(Some(&id), "", at), &mut Pass::default(), now) {
                    told.push(id);
                }
            }
            window.completed(now);
        }
        assert_eq!(told.iter().filter(|id| *id == "late").count(), 1);
        assert_eq!(told.len(), 41, "and no line twice");
        assert_eq!(deep, 3, "once a minute");
    }

    #[test]
    fn a_group_so_busy_that_not_all_is_remembered_is_told_once_all_the_same() {
        let mut window = Window::default();
        window.next(NOW, NOW);
        // A line a millisecond: two minutes are more than is remembered.
        let tell = |window: &mut Window, from: i64, to: i64| {
            (from..to)
                .filter(|at| window.fresh(event(Some(&at.to_string()), "", *at), &mut Pass::default(), to))
                .count()
        };
        assert_eq!(tell(&mut window, NOW, NOW + 110_000), 110_000);
        window.completed(NOW + 110_000);
        let (open, _) = window.next(NOW + 110_001, NOW);
        assert!(open.from < NOW + 110_000 - OVERLAP, "it goes back as far as it remembers");
        assert_eq!(tell(&mut window, open.from, NOW + 110_000), 0);
    }

    #[test]
    fn a_quiet_group_is_not_read_from_its_last_line_forever() {
        let mut window = Window::default();
        window.meets("a", NOW);
        window.completed(NOW + 3_600_000);
        let (open, lost) = window.next(NOW + 3_605_000, NOW);
        assert_eq!((open.from, lost), (NOW + 3_600_000 - QUIET, None));
        assert!(window.told.known.is_empty(), "what cannot come again is forgotten");
    }

    #[test]
    fn reading_goes_on_at_the_page_where_it_stopped() {
        let mut window = Window::default();
        let page = Open { from: NOW - 5, began: NOW, token: Some("t".into()), pass: Pass::default() };
        window.keep_open(page.clone());
        assert_eq!(window.next(NOW + 1_000, NOW), (page, None));
        assert_eq!(window.next(NOW + 1_000, NOW).0.token, None);
    }

    #[test]
    fn who_is_too_far_behind_says_what_is_lost_and_goes_on() {
        let mut window = Window::default();
        window.meets("a", NOW);
        window.completed(NOW);
        let later = NOW + 3_600_000;
        let (open, lost) = window.next(later, NOW);
        assert_eq!(open.from, later - BEHIND);
        assert_eq!(lost, Some((NOW - OVERLAP, later - BEHIND)));
        window.keep_open(Open { from: NOW, began: NOW, token: Some("old".into()), pass: Pass::default() });
        assert_eq!(window.next(later, NOW).0.token, None);
    }

    #[test]
    fn times_that_make_no_sense_do_no_harm() {
        let mut window = Window::default();
        assert!(window.meets("a", i64::MAX));
        assert!(window.meets("b", i64::MIN));
        window.completed(NOW);
        assert_eq!(window.next(NOW + 5, NOW).0.from, NOW - OVERLAP);
        window.next(i64::MIN, NOW);
    }

    #[test]
    fn equal_lines_are_as_many_as_the_reading_that_saw_most_of_them() {
        let mut window = Window::by_content();
        let (mut session, mut search, mut again) = (Pass::default(), Pass::default(), Pass::default());
        let tailed = |window: &mut Window, pass: &mut Pass| window.fresh_in_doubt(event(None, "same", NOW - 5), pass);
        let found =
            |window: &mut Window, pass: &mut Pass, id| window.fresh(event(Some(id), "same", NOW - 5), pass, NOW);
        assert!(tailed(&mut window, &mut session));
        assert!(!found(&mut window, &mut search, "1"), "the session told it");
        assert!(found(&mut window, &mut search, "2"), "the session began after it");
        assert!(!tailed(&mut window, &mut session), "the search told it");
        assert_eq!([found(&mut window, &mut again, "1"), found(&mut window, &mut again, "2")], [false, false]);
        assert!(found(&mut window, &mut again, "3"));
        assert!(window.fresh_in_doubt(event(None, "same", NOW - 4), &mut session), "another millisecond");
    }

    #[test]
    fn the_past_does_not_tell_what_the_present_told_and_forgot() {
        let mut window = Window::default();
        let (open, _) = window.next(NOW, NOW);
        assert!(window.meets("early", NOW - 50_000) && window.meets("late", NOW));
        window.completed(open.began);
        let mut past = |id, at| window.fresh_in_past(event(Some(id), "", at), &mut Pass::default(), NOW);
        assert!(!past("early", NOW - 50_000));
        assert!(past("earlier", NOW - FIRST - 1));
        assert!(!past("earlier", NOW - FIRST - 1));
    }

    #[test]
    fn what_comes_in_doubt_does_not_move_the_window() {
        let mut window = Window::by_content();
        window.fresh(event(None, "a", NOW), &mut Pass::default(), NOW);
        window.completed(NOW);
        window.fresh_in_doubt(event(None, "b", NOW + 60_000), &mut Pass::default());
        assert_eq!(window.next(NOW + 60_000, NOW).0.from, NOW - OVERLAP);
    }

    #[test]
    fn a_session_of_hours_does_not_grow() {
        let (mut window, mut pass) = (Window::by_content(), Pass::default());
        for n in 0..300_000_i64 {
            assert!(window.fresh(event(None, "x", NOW + n), &mut pass, NOW + n));
            if n % 500 == 0 {
                window.completed(NOW + n);
                pass.trim(NOW + n);
            }
        }
        assert!(pass.counts.len() <= REMEMBERED + 500, "{}", pass.counts.len());
        assert!(window.told.known.len() <= REMEMBERED, "{}", window.told.known.len());
    }
}
