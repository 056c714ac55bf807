//! CloudWatch Logs: the log groups of the services, by `FilterLogEvents` or, where the
//! configuration says so, by `StartLiveTail`.
//!
//! Owns: which group is searched when, within one budget for all of them. Must not: let one group
//! that is missing, forbidden or throttled take the others with it.

mod board;
mod past;
mod read;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::clock::{Hold, World};
use crate::config::Catalogue;
use crate::connect::{Ctx, Ended, Follow, Outlet, Source, SourceError};
use crate::model::log::LogBatch;
use crate::model::signal::{Gap, Signal, SourceState};
use crate::text::Safe;

use super::budget::Budget;
use super::failure::Failure;
use super::window::{Pass, Window};
use super::{Account, Client};

use board::{Board, some};
pub(in crate::connect) use past::LogsHistory;
use read::{Page, Reading, request};
use tail::Tail;

/// Pages of one group that are read in a row; the others want their turn.
const PAGES: usize = 20;
/// How often a group is tried in a row when it is throttled.
const TRIES: usize = 3;
/// When a group that is missing or forbidden is asked for again.
const LATER: TimeDelta = TimeDelta::minutes(1);
/// The word that stands for all groups among those of Live Tail.
const ALL: &str = "*";

/// The log groups of an account.
pub(in crate::connect) struct Logs {
    shared: Arc<Shared>,
    groups: Vec<Group>,
}

/// What reading live and reading the past have in common.
struct Shared {
    account: Arc<Account>,
    catalogue: Arc<Catalogue>,
    names: Vec<Safe>,
    /// Those of them that come by Live Tail.
    live: Vec<Safe>,
    /// What the configuration wants by Live Tail and nothing is called.
    unknown: Vec<String>,
    board: Board,
    budget: Budget,
    /// Where the reading of each group stands.
    windows: Mutex<BTreeMap<Safe, Window>>,
}

/// One group, as the live reading sees it.
struct Group {
    name: Safe,
    last_read: Option<World>,
    /// Why it cannot be read, and when it is asked for again.
    trouble: Option<(Safe, World)>,
    /// It is not there.
    absent: bool,
    /// Its lines come late.
    behind: bool,
}

impl Logs {
    /// The groups of all services and those that are configured beside them; `None` if there is
    /// none.
    pub(in crate::connect) fn new(account: Arc<Account>, catalogue: Arc<Catalogue>) -> Option<(Self, LogsHistory)> {
        let of_services = catalogue.services().iter().flat_map(|service| service.log_groups.iter().cloned());
        let beside = account.access.logs.groups.iter().map(|group| Safe::from(group.as_str()));
        let mut seen = BTreeSet::new();
        let names: Vec<Safe> = of_services.chain(beside).filter(|name| seen.insert(name.clone())).collect();
        if names.is_empty() {
            return None;
        }
        let new =
            |name: &Safe| Group { name: name.clone(), last_read: None, trouble: None, absent: false, behind: false };
        let groups = names.iter().map(new).collect();
        let (live, unknown) = by_live_tail(&account.access.logs.live_tail, &names, &catalogue);
        let budget = Budget::new(account.access.logs.calls_per_second);
        let (board, windows) = (Board::default(), Mutex::default());
        let shared = Arc::new(Shared { account, catalogue, names, live, unknown, board, budget, windows });
        Some((Self { shared: Arc::clone(&shared), groups }, LogsHistory::new(shared)))
    }
}

impl Shared {
    fn with_window<T>(&self, group: &Safe, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || if self.live.contains(group) { Window::by_content() } else { Window::default() };
        act(windows.entry(group.clone()).or_insert_with(new))
    }

    /// The groups of the services that are followed.
    fn followed(&self, follow: &Follow) -> BTreeSet<Safe> {
        let services = follow.services.iter().filter_map(|name| self.catalogue.service(name));
        services.flat_map(|service| service.log_groups.iter().cloned()).collect()
    }
}

/// The groups that `wanted` names, by themselves, by their service or all; and what of `wanted`
/// names nothing.
fn by_live_tail(wanted: &[String], names: &[Safe], catalogue: &Catalogue) -> (Vec<Safe>, Vec<String>) {
    let groups_of = |word: &String| -> Vec<Safe> {
        let service = catalogue.services().iter().find(|service| service.name.as_str() == word);
        let of_service = |name: &Safe| service.is_some_and(|service| service.log_groups.contains(name));
        names.iter().filter(|name| word == ALL || name.as_str() == word || of_service(name)).cloned().collect()
    };
    let live: BTreeSet<Safe> = wanted.iter().flat_map(groups_of).collect();
    let unknown = wanted.iter().filter(|word| groups_of(word).is_empty()).cloned().collect();
    // In the order of the names, so that a session's groups are the same each time.
    (names.iter().filter(|name| live.contains(*name)).cloned().collect(), unknown)
}

impl Source for Logs {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.shared);
            let client = shared.account.logs().await?;
            self.groups.iter_mut().for_each(|group| group.trouble = None);
            let chunks = shared.live.chunks(tail::GROUPS).enumerate();
            shared.board.reset(chunks.len());
            let tail = |(number, groups)| Tail { number, groups, shared: &shared, client: &client, cx, out };
            let tails: Vec<Tail<'_>> = chunks.map(tail).collect();
            let mut sessions: FuturesUnordered<_> = tails.iter().map(Tail::run).collect();
            tokio::select! {
                ended = self.search(&shared, &client, cx, out) => ended,
                Some(failure) = sessions.next() => Err(shared.account.heed(failure.into()).await),
            }
        })
    }
}

impl Logs {
    /// Reads the groups in rounds, and between rounds those that Live Tail left in doubt.
    async fn search(
        &mut self,
        shared: &Shared,
        client: &Client<aws_sdk_cloudwatchlogs::Client>,
        cx: &Ctx,
        out: &Outlet,
    ) -> Result<Ended, SourceError> {
        let every = shared.account.access.logs.every.max(Duration::from_secs(1));
        let mut hold = cx.clock.hold();
        let mut due = cx.clock.now();
        loop {
            let round = cx.clock.now() >= due;
            if round {
                due = cx.clock.next_multiple(every);
            }
            let turn = Turn { shared, reading: Reading::new(client), cx, out, next: due, round };
            let read = turn.all(&mut self.groups, &hold).await;
            let mut limits = limits(&self.groups, &shared.unknown);
            let read = match read {
                // What comes by Live Tail goes on, whatever the searches meet.
                Err(failure) if shared.board.tails() && !matches!(failure, Failure::Unknown(_) | Failure::Fault(_)) => {
                    limits.insert(0, failure.sentence().to_string());
                    0
                }
                Err(failure) => return Err(shared.account.heed(failure.into()).await),
                Ok(read) => read,
            };
            let absent = self.groups.iter().filter(|group| group.absent).map(|group| group.name.clone());
            shared.board.turned(absent.collect(), limits);
            if read > 0 {
                let live = SourceState::Live { limited: shared.board.limited() };
                out.send(vec![(cx.clock.now(), Signal::Link(live))], hold).await;
            } else {
                drop(hold);
            }
            hold = tokio::select! {
                () = cx.cancel.cancelled() => return Ok(Ended),
                hold = cx.clock.due(shared.board.due(due, cx.clock.now())) => hold,
                () = shared.board.changed() => cx.clock.hold(),
            };
        }
    }
}

/// One round over the groups.
struct Turn<'a> {
    shared: &'a Shared,
    reading: Reading<'a>,
    cx: &'a Ctx,
    out: &'a Outlet,
    /// When the next round is due.
    next: World,
    /// Whether this is a round, and not something between.
    round: bool,
}

impl Turn<'_> {
    /// Reads the groups: those that are followed first, then the others, longest unread first.
    /// When the budget is short, the rest has its turn in the rounds that follow. Gives how many
    /// were read.
    async fn all(&self, groups: &mut [Group], hold: &Hold) -> Result<usize, Failure> {
        let followed = self.shared.followed(&self.cx.follow.borrow());
        groups.sort_by_key(|group| (!followed.contains(&group.name), group.last_read));
        let mut others = 0;
        let mut read = 0;
        let mut refused = None;
        for group in groups {
            let now = self.cx.clock.now();
            let troubled = group.trouble.as_ref().is_some_and(|(_, until)| *until > now);
            if troubled || !self.shared.board.wants_search(&group.name, self.round) {
                continue;
            }
            let follows = followed.contains(&group.name);
            if !follows && others > 0 && now >= self.next {
                break;
            }
            others += usize::from(!follows);
            group.last_read = Some(now);
            match self.one(group, hold).await {
                Ok(()) => read += 1,
                Err(Failure::Forbidden(why)) => {
                    self.leave_out(group, &why, hold).await;
                    group.trouble = Some((why.clone(), now + LATER));
                    refused = Some(Failure::Forbidden(why));
                }
                Err(Failure::Missing(why) | Failure::Refused(why)) => {
                    // AWS has told us so: that is a successful read of what is.
                    read += 1;
                    self.leave_out(group, &why, hold).await;
                    group.trouble = Some((why, now + LATER));
                    group.absent = true;
                }
                Err(Failure::Throttled(why)) => {
                    group.behind = true;
                    refused = Some(Failure::Throttled(why));
                }
                Err(other) => return Err(other),
            }
        }
        match refused {
            // Not one group was read: that is no limited view, it is none.
            Some(failure) if read == 0 => Err(failure),
            _ => Ok(read),
        }
    }

    /// Reads one group up to now, or as far as its share goes.
    async fn one(&self, group: &mut Group, hold: &Hold) -> Result<(), Failure> {
        let (clock, start) = (&self.cx.clock, self.cx.start.timestamp_millis());
        let (mut open, lost) =
            self.shared.with_window(&group.name, |window| window.next(clock.now().timestamp_millis(), start));
        if let Some((from, to)) = lost {
            let at = |ms| World::from_timestamp_millis(ms).unwrap_or(clock.now());
            let why = if group.behind { "throttled" } else { "the source was not reachable" };
            let gap = Gap { from: at(from), to: at(to), what: Safe::from(format!("lines of {}: {why}", group.name)) };
            self.out.send(vec![(gap.from, Signal::Gap(gap))], hold.clone()).await;
        }
        let mut tries = 0;
        for _ in 0..PAGES {
            self.shared.budget.take().await;
            let asked = request(&group.name, open.from, None, open.token.clone());
            let page = match self.reading.page(asked).await {
                Ok(page) => page,
                Err(Failure::Throttled(_)) if tries + 1 < TRIES => {
                    tries += 1;
                    self.shared.budget.throttled();
                    continue;
                }
                // The token has grown too old: the window knows what was told already.
                Err(Failure::Refused(_)) if open.token.is_some() => {
                    open.token = None;
                    open.pass = Pass::default();
                    continue;
                }
                Err(failure) => {
                    if matches!(failure, Failure::Throttled(_)) {
                        self.shared.budget.throttled();
                    }
                    self.shared.with_window(&group.name, |window| window.keep_open(open));
                    return Err(failure);
                }
            };
            self.shared.budget.answered();
            group.trouble = None;
            group.absent = false;
            let more = page.token.clone();
            self.tell(&group.name, page, &mut open.pass, open.from, hold).await;
            open.token = more;
            if open.token.is_none() {
                group.behind = false;
                self.shared.with_window(&group.name, |window| window.completed(open.began));
                let began = World::from_timestamp_millis(open.began).unwrap_or(clock.now());
                self.shared.board.searched(&group.name, began);
                return Ok(());
            }
        }
        group.behind = true;
        self.shared.with_window(&group.name, |window| window.keep_open(open));
        Ok(())
    }

    /// What Live Tail did not tell of a group cannot be read: that is said, and not tried for ever.
    async fn leave_out(&self, group: &Group, why: &Safe, hold: &Hold) {
        let Some(to) = self.shared.board.give_up(&group.name) else { return };
        let start = self.cx.start.timestamp_millis();
        let from = self.shared.with_window(&group.name, |window| window.from(to.timestamp_millis(), start));
        let from = World::from_timestamp_millis(from).unwrap_or(to);
        let what = Safe::from(format!("lines of {} that Live Tail did not tell: {why}", group.name));
        self.out.send(vec![(from, Signal::Gap(Gap { from, to, what }))], hold.clone()).await;
    }

    /// Hands over what of the page was not told before.
    async fn tell(&self, group: &Safe, page: Page, pass: &mut Pass, from: i64, hold: &Hold) {
        let now = self.cx.clock.now();
        let batches = self
            .shared
            .with_window(group, |window| page.batches(group, from, now, |event, now| window.fresh(event, pass, now)));
        for (at, batch) in batches {
            let batch: LogBatch = batch;
            self.out.send(vec![(at, Signal::Logs(batch))], hold.clone()).await;
        }
    }
}

/// What limits the searches, in sentences.
fn limits(groups: &[Group], unknown: &[String]) -> Vec<String> {
    let mut sentences: Vec<String> =
        groups.iter().filter_map(|group| group.trouble.as_ref()).map(|(why, _)| why.to_string()).collect();
    sentences.sort();
    let behind: Vec<_> = groups.iter().filter(|group| group.behind).map(|group| &group.name).collect();
    if !behind.is_empty() {
        sentences.insert(0, format!("lines of {} come late: the call budget is used up", some(&behind)));
    }
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        sentences.push(format!(
            "live_tail names {unknown}, which is neither a log group that is read nor a service with one"
        ));
    }
    sentences
}

#[cfg(test)]
#[path = "logs/tests.rs"]
mod tests;
