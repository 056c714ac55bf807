//! What log groups hold from before: the newest first, as far as time and room go.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::clock::{Span, World};
use crate::connect::backfill::patience;
use crate::connect::{Ctx, History, SourceError};
use crate::model::signal::{Gap, Signal, Stamped};
use crate::text::Safe;

use super::super::failure::Failure;
use super::super::window::Pass;
use super::read::{Reading, request};
use super::{PAGES, Shared};

/// Lines of one group that are read at most.
const LINES: usize = 20_000;
/// All groups together end this long before whoever asks stops waiting.
const MARGIN: Duration = Duration::from_secs(2);
/// The newest slice of the past; each one before is twice as long …
const FIRST_SLICE: TimeDelta = TimeDelta::minutes(2);
/// … up to this.
const LONGEST_SLICE: TimeDelta = TimeDelta::minutes(16);
/// A past that ends this close to now is where reading live goes on from.
const ADJACENT: TimeDelta = TimeDelta::minutes(2);

/// The past of an account's log groups.
pub(in crate::connect) struct LogsHistory {
    shared: Arc<Shared>,
}

/// The past of one group, as far as it was read.
struct Progress<'a> {
    group: &'a Safe,
    lines: usize,
    /// Why no more is read.
    done: Option<Safe>,
    signals: Vec<(World, Signal)>,
    /// Whether one slice was read whole.
    whole: bool,
}

impl LogsHistory {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl History for LogsHistory {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let shared = &self.shared;
            let client = shared.account.logs().await?;
            let reading = Reading::new(&client);
            let until = Instant::now() + patience(&cx.clock).saturating_sub(MARGIN);
            let new = |group| Progress { group, lines: 0, done: None, signals: vec![], whole: false };
            let mut all: Vec<Progress<'_>> = shared.names.iter().map(new).collect();
            // Slices outside, groups inside: the newest of every group before the older of any.
            for slice in slices(span) {
                for progress in all.iter_mut().filter(|progress| progress.done.is_none()) {
                    progress.slice(shared, &reading, cx, slice, until).await?;
                    if let Some(why) = progress.done.clone().filter(|_| slice.from > span.from) {
                        let what = Safe::from(format!("older lines of {}: {why}", progress.group));
                        let gap = Gap { from: span.from, to: slice.from, what };
                        progress.signals.push((span.from, Signal::Gap(gap)));
                    }
                }
            }
            if cx.clock.now() - span.to < ADJACENT {
                for progress in all.iter().filter(|progress| progress.whole) {
                    shared.with_window(progress.group, |window| window.completed(span.to.timestamp_millis()));
                }
            }
            let observed = cx.clock.now();
            let stamp = |(occurred, body)| Stamped { origin: cx.origin.clone(), occurred, observed, body };
            Ok(all.into_iter().flat_map(|progress| progress.signals).map(stamp).collect())
        })
    }
}

impl Progress<'_> {
    /// Reads one slice. A group that cannot be read is a gap; AWS that cannot be read is an error.
    async fn slice(
        &mut self,
        shared: &Shared,
        reading: &Reading<'_>,
        cx: &Ctx,
        slice: Span,
        until: Instant,
    ) -> Result<(), SourceError> {
        let (from, to) = (slice.from.timestamp_millis(), slice.to.timestamp_millis() - 1);
        let mut token = None;
        let mut pass = Pass::default();
        let mut reached = slice.from;
        let why = 'pages: {
            for _ in 0..PAGES {
                if tokio::time::timeout_at(until, shared.budget.take()).await.is_err() {
                    break 'pages Safe::fixed("there was no time to read more");
                }
                let asked = request(self.group, from, Some(to), token);
                let page = match tokio::time::timeout_at(until, reading.page(asked)).await {
                    Err(_) => break 'pages Safe::fixed("there was no time to read more"),
                    Ok(Err(Failure::Throttled(why))) => {
                        shared.budget.throttled();
                        break 'pages why;
                    }
                    Ok(Err(Failure::Missing(why) | Failure::Forbidden(why) | Failure::Refused(why))) => {
                        break 'pages why;
                    }
                    Ok(Err(failure)) => return Err(failure.into()),
                    Ok(Ok(page)) => page,
                };
                shared.budget.answered();
                self.lines += page.len();
                reached = page.newest().and_then(World::from_timestamp_millis).unwrap_or(reached).max(reached);
                let now = cx.clock.now();
                let batches =
                    shared.with_window(self.group, |window| page.batches(self.group, window, &mut pass, from, now));
                self.signals.extend(batches.into_iter().map(|(at, batch)| (at, Signal::Logs(batch))));
                token = page.token;
                if token.is_none() {
                    self.whole = true;
                    if self.lines >= LINES {
                        self.done = Some(Safe::from(format!("more than {LINES} lines")));
                    }
                    return Ok(());
                }
            }
            Safe::fixed("too many lines")
        };
        // A slice is read from its beginning, so what is missing of it is its end.
        let what = Safe::from(format!("lines of {}: {why}", self.group));
        let gap = Gap { from: reached.min(slice.to), to: slice.to, what };
        self.signals.push((gap.from, Signal::Gap(gap)));
        self.done = Some(why);
        Ok(())
    }
}

/// `span` in slices, the newest first.
fn slices(span: Span) -> Vec<Span> {
    let mut slices = Vec::new();
    let mut to = span.to;
    let mut length = FIRST_SLICE;
    // A span of a year has some thirty thousand slices; nobody reads that many.
    while to > span.from && slices.len() < 1_000 {
        let from = (to - length).max(span.from);
        slices.push(Span { from, to });
        to = from;
        length = (length * 2).min(LONGEST_SLICE);
    }
    slices
}
