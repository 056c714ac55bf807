//! CloudWatch Logs, by `FilterLogEvents`: the log groups of the services.
//!
//! Owns: which group is read when, within one budget for all of them. Must not: let one group
//! that is missing, forbidden or throttled take the others with it.

mod past;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::clock::{Hold, World};
use crate::config::Catalogue;
use crate::connect::{Ctx, Ended, Follow, Outlet, Source, SourceError};
use crate::model::log::LogBatch;
use crate::model::signal::{Gap, Signal, SourceState};
use crate::text::Safe;

use super::Account;
use super::budget::Budget;
use super::failure::Failure;
use super::window::Window;

pub(in crate::connect) use past::LogsHistory;
use read::{Page, Reading, request};

/// Pages of one group that are read in a row; the others want their turn.
const PAGES: usize = 20;
/// How often a group is tried in a row when it is throttled.
const TRIES: usize = 3;
/// When a group that is missing or forbidden is asked for again.
const LATER: TimeDelta = TimeDelta::minutes(1);
/// Sentences that a limited view is described with.
const SENTENCES: usize = 3;

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
        let new = |name: &Safe| Group { name: name.clone(), last_read: None, trouble: None, behind: false };
        let groups = names.iter().map(new).collect();
        let budget = Budget::new(account.access.logs.calls_per_second);
        let shared = Arc::new(Shared { account, catalogue, names, budget, windows: Mutex::default() });
        Some((Self { shared: Arc::clone(&shared), groups }, LogsHistory::new(shared)))
    }
}

impl Shared {
    fn with_window<T>(&self, group: &Safe, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        act(windows.entry(group.clone()).or_default())
    }

    /// The groups of the services that are followed.
    fn followed(&self, follow: &Follow) -> BTreeSet<Safe> {
        let services = follow.services.iter().filter_map(|name| self.catalogue.service(name));
        services.flat_map(|service| service.log_groups.iter().cloned()).collect()
    }
}

impl Source for Logs {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.shared);
            let client = shared.account.logs().await?;
            let every = shared.account.access.logs.every.max(Duration::from_secs(1));
            self.groups.iter_mut().for_each(|group| group.trouble = None);
            let mut hold = cx.clock.hold();
            loop {
                let next = cx.clock.next_multiple(every);
                let turn = Turn { shared: &shared, reading: Reading::new(&client), cx, out, next };
                match turn.all(&mut self.groups, &hold).await {
                    Ok(0) => drop(hold),
                    Ok(_) => {
                        let live = SourceState::Live { limited: limited(&self.groups) };
                        out.send(vec![(cx.clock.now(), Signal::Link(live))], hold).await;
                    }
                    Err(failure) => return Err(shared.account.heed(failure.into()).await),
                }
                hold = tokio::select! {
                    () = cx.cancel.cancelled() => return Ok(Ended),
                    hold = cx.clock.due(cx.clock.next_multiple(every)) => hold,
                };
            }
        })
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
            if group.trouble.as_ref().is_some_and(|(_, until)| *until > now) {
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
                    group.trouble = Some((why.clone(), now + LATER));
                    refused = Some(Failure::Forbidden(why));
                }
                Err(Failure::Missing(why) | Failure::Refused(why)) => {
                    // AWS has told us so: that is a successful read of what is.
                    read += 1;
                    group.trouble = Some((why, now + LATER));
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
        let clock = &self.cx.clock;
        let (mut open, lost) =
            self.shared.with_window(&group.name, |window| window.next(clock.now().timestamp_millis()));
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
            let more = page.token.clone();
            self.tell(&group.name, page, open.from, hold).await;
            open.token = more;
            if open.token.is_none() {
                group.behind = false;
                self.shared.with_window(&group.name, |window| window.completed(open.began));
                return Ok(());
            }
        }
        group.behind = true;
        self.shared.with_window(&group.name, |window| window.keep_open(open));
        Ok(())
    }

    /// Hands over what of the page was not told before.
    async fn tell(&self, group: &Safe, page: Page, from: i64, hold: &Hold) {
        let now = self.cx.clock.now();
        let batches = self.shared.with_window(group, |window| page.batches(group, window, from, now));
        for (at, batch) in batches {
            let batch: LogBatch = batch;
            self.out.send(vec![(at, Signal::Logs(batch))], hold.clone()).await;
        }
    }
}

/// What limits the view.
fn limited(groups: &[Group]) -> Option<Safe> {
    let mut sentences: Vec<String> =
        groups.iter().filter_map(|group| group.trouble.as_ref()).map(|(why, _)| why.to_string()).collect();
    sentences.sort();
    let behind: Vec<_> = groups.iter().filter(|group| group.behind).map(|group| group.name.as_str()).collect();
    match behind.as_slice() {
        [] => {}
        [one] => sentences.insert(0, format!("lines of {one} come late: the call budget is used up")),
        [one, rest @ ..] => sentences
            .insert(0, format!("lines of {one} and {} more groups come late: the call budget is used up", rest.len())),
    }
    let more = sentences.len().saturating_sub(SENTENCES);
    sentences.truncate(SENTENCES);
    if more > 0 {
        sentences.push(format!("and {more} more groups"));
    }
    (!sentences.is_empty()).then(|| Safe::from(sentences.join("; ")))
}

#[cfg(test)]
#[path = "logs/tests.rs"]
mod tests;
