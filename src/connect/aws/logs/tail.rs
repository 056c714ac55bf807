//! CloudWatch Logs, by `StartLiveTail`: lines as they are ingested.
//!
//! Owns: the sessions, each of up to ten groups, and what becomes of one that ends. Must not:
//! call anything that the budget of `FilterLogEvents` counts. What a session did not tell is the
//! searches' to read: see [`Board`](super::board::Board).
//!
//! The API's limits (CloudWatch Logs API Reference, `StartLiveTail`): groups by ARN, ten a
//! session; one update a second with at most 500 events, above which it is a sample
//! (`sessionMetadata.sampled`); a session ends after three hours with `SessionTimeoutException`;
//! who reads too slowly loses the oldest of ten updates. It is billed by the minute.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::error::StartLiveTailResponseStreamError;
use aws_sdk_cloudwatchlogs::types::{LiveTailSessionLogEvent, LiveTailSessionUpdate, StartLiveTailResponseStream};
use aws_smithy_runtime_api::client::result::SdkError;
use tokio::time::{sleep, timeout};

use crate::clock::wall;
use crate::connect::{Ctx, Outlet};
use crate::model::signal::{Signal, SourceState};
use crate::text::Safe;

use super::super::Client;
use super::super::failure::{self, Failure, explain};
use super::super::window::{Event, Pass};
use super::Shared;
use super::board::some;
use super::read::{Lines, is_arn};

/// Groups of one session: the most that the API takes.
pub(super) const GROUPS: usize = 10;
/// A session that says nothing for so long, by the wall, is dead: it has to say something every
/// second.
const SILENCE: Duration = Duration::from_secs(15);
/// The first wait before another session; it doubles …
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// … up to this, which is also the wait when AWS says no.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A session that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(60);
const RENEWED: &str =
    "may be missing for some seconds: their Live Tail session ended, and what came before the next is being read";

/// One session after the other for the same groups.
pub(super) struct Tail<'a> {
    pub(super) number: usize,
    pub(super) groups: &'a [Safe],
    pub(super) shared: &'a Shared,
    pub(super) client: &'a Client<aws_sdk_cloudwatchlogs::Client>,
    pub(super) cx: &'a Ctx,
    pub(super) out: &'a Outlet,
}

/// How a session came to its end.
enum Over {
    /// Three hours.
    Limit,
    /// Anything else.
    Lost(Safe),
}

/// A session's reading.
struct Session<'a> {
    groups: &'a [Safe],
    /// The groups by the names that events have them by.
    names: BTreeMap<String, &'a Safe>,
    /// What was met of each.
    passes: BTreeMap<&'a Safe, Pass>,
}

impl Tail<'_> {
    /// Keeps a session open. Ends only with a failure that concerns everything: the groups of a
    /// session that failed otherwise are searched until there is another.
    pub(super) async fn run(&self) -> Failure {
        let board = &self.shared.board;
        let mut wait = FIRST_WAIT;
        let mut renewed = None;
        loop {
            let groups = board.present(self.groups);
            if groups.is_empty() {
                board.ends(self.number, &[], None);
                board.next_turn().await;
                continue;
            }
            board.starts(self.number);
            let began = wall();
            let over = self.session(&groups, renewed).await;
            if began.elapsed() >= GOOD {
                wait = FIRST_WAIT;
            }
            renewed = Some(RENEWED);
            let meanwhile = |why: &Safe| Safe::from(format!("{why}; FilterLogEvents reads its groups meanwhile"));
            match over {
                Ok(Over::Limit) => {
                    board.ends(self.number, &groups, None);
                    continue;
                }
                Ok(Over::Lost(why)) => board.ends(self.number, &groups, Some(&meanwhile(&why))),
                Err(failure @ (Failure::Unknown(_) | Failure::Fault(_))) => return failure,
                Err(failure) => {
                    tracing::info!(why = %failure.sentence(), "no Live Tail");
                    board.ends(self.number, &groups, Some(&meanwhile(failure.sentence())));
                    match failure {
                        // Which group it is, the searches tell: the others need not wait.
                        Failure::Missing(_) | Failure::Refused(_) => {
                            let told = async {
                                board.next_turn().await;
                                while board.present(&groups).len() == groups.len() {
                                    board.next_turn().await;
                                }
                            };
                            _ = timeout(LONGEST_WAIT, told).await;
                            continue;
                        }
                        Failure::Forbidden(_) => wait = LONGEST_WAIT,
                        _ => {}
                    }
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn session(&self, groups: &[Safe], renewed: Option<&'static str>) -> Result<Over, Failure> {
        let what = format!("tailing {} of CloudWatch Logs", some(groups));
        let arns = self.arns(groups).await?;
        let asked = self.client.sdk.start_live_tail().set_log_group_identifiers(Some(arns)).send();
        // The SDK waits for the first message beyond its own time-outs.
        let answer = timeout(SILENCE * 2, asked).await;
        let answer = answer.map_err(|_| {
            Failure::Other(Safe::from(format!("{what}: {} sent no first message in time", self.client.place)))
        })?;
        let mut stream = answer.map_err(|why| explain(&what, &why, &self.client.place, &self.client.login))?;
        let names = groups.iter().map(|group| (name_of(group).to_owned(), group)).collect();
        let passes = groups.iter().map(|group| (group, Pass::default())).collect();
        let mut session = Session { groups, names, passes };
        loop {
            match timeout(SILENCE, stream.response_stream.recv()).await {
                Err(_) => return Ok(lost(&what, &format!("no update within {} s", SILENCE.as_secs()))),
                Ok(Ok(None)) => return Ok(lost(&what, "the stream ended")),
                Ok(Err(why)) => return self.broken(&what, &why),
                Ok(Ok(Some(StartLiveTailResponseStream::SessionStart(_)))) => {
                    self.shared.board.begins(self.number, groups, self.cx.clock.now(), renewed);
                }
                Ok(Ok(Some(StartLiveTailResponseStream::SessionUpdate(update)))) => {
                    self.tell(&update, &mut session).await;
                }
                Ok(Ok(Some(_))) => {}
            }
        }
    }

    fn broken<R>(&self, what: &str, why: &SdkError<StartLiveTailResponseStreamError, R>) -> Result<Over, Failure>
    where
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        match why {
            SdkError::ServiceError(service) => match service.err() {
                StartLiveTailResponseStreamError::SessionTimeoutException(_) => Ok(Over::Limit),
                error @ StartLiveTailResponseStreamError::SessionStreamingException(_) => {
                    Ok(lost(what, &format!("CloudWatch broke the session off ({error})")))
                }
                error => Err(failure::in_stream(what, error, &self.client.login)),
            },
            other => Ok(lost(what, &format!("the stream broke ({})", failure::root_cause(other as &dyn Error)))),
        }
    }

    /// Hands over what of an update was not told before, and that the source lives.
    async fn tell(&self, update: &LiveTailSessionUpdate, session: &mut Session<'_>) {
        let (board, now) = (&self.shared.board, self.cx.clock.now());
        let hold = self.cx.clock.hold();
        if update.session_metadata().is_some_and(|metadata| metadata.sampled()) {
            board.sampled(session.groups, now);
        }
        let mut events: Vec<&LiveTailSessionLogEvent> = update.session_results().iter().collect();
        // Streams come one after the other; a stable sort keeps the order within each.
        events.sort_by_key(|event| event.timestamp());
        let now_ms = now.timestamp_millis();
        let certain: BTreeMap<&Safe, bool> =
            session.groups.iter().map(|group| (group, board.is_certain(group))).collect();
        // Groups that nobody asked for: nobody else tells of them.
        let names = events.iter().map(|event| event.log_group_identifier().unwrap_or_default());
        let strangers = names.filter(|name| session.group(name).is_none()).map(|name| (name, Safe::from(name)));
        let strangers: BTreeMap<&str, Safe> = strangers.collect();
        let mut lines = Lines::new(now);
        for found in events {
            let (stream, message) = (found.log_stream_name().unwrap_or_default(), found.message().unwrap_or_default());
            let at = found.timestamp().unwrap_or(now_ms);
            let name = found.log_group_identifier().unwrap_or_default();
            if let Some(stranger) = strangers.get(name) {
                lines.push(stranger, stream, at, message);
                continue;
            }
            let Some(group) = session.group(name) else { continue };
            let Some(pass) = session.passes.get_mut(group) else { continue };
            let event = Event { id: None, stream, at, message };
            let certain = certain.get(group).copied().unwrap_or(false);
            let fresh = self.shared.with_window(group, |window| {
                if certain { window.fresh(event, pass, now_ms) } else { window.fresh_in_doubt(event, pass) }
            });
            if fresh {
                lines.push(group, stream, at, message);
            }
        }
        for (group, pass) in &mut session.passes {
            pass.trim(now_ms);
            if certain.get(group) == Some(&true) {
                self.shared.with_window(group, |window| window.completed(now_ms));
            }
        }
        let mut signals: Vec<_> = lines.batches().into_iter().map(|(at, batch)| (at, Signal::Logs(batch))).collect();
        signals.push((now, Signal::Link(SourceState::Live { limited: board.limited() })));
        self.out.send(signals, hold).await;
    }

    /// The groups as the API wants them. STS tells whose they are; calls of it are no budget's.
    async fn arns(&self, groups: &[Safe]) -> Result<Vec<String>, Failure> {
        let mut prefix = None;
        let mut arns = Vec::new();
        for group in groups {
            if is_arn(group) {
                arns.push(group.trim_end_matches(":*").to_owned());
                continue;
            }
            if prefix.is_none() {
                prefix = Some(self.shared.account.log_group_prefix().await?);
            }
            arns.push(format!("{}{group}", prefix.as_deref().unwrap_or_default()));
        }
        Ok(arns)
    }
}

impl<'a> Session<'a> {
    /// The group that an event names: by its ARN, its name, or `ACCOUNT:NAME`.
    fn group(&self, named: &str) -> Option<&'a Safe> {
        let found = self.names.get(name_of(named)).or_else(|| self.names.get(named.split_once(':')?.1));
        match (found, self.groups) {
            (Some(group), _) => Some(group),
            (None, [only]) => Some(only),
            _ => None,
        }
    }
}

/// The name in `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`; names have no colon.
fn name_of(group: &str) -> &str {
    let name = group.split_once(":log-group:").map_or(group, |(_, name)| name);
    name.strip_suffix(":*").unwrap_or(name)
}

fn lost(what: &str, came: &str) -> Over {
    let why = Safe::from(format!("{what}: {came}"));
    tracing::info!(%why, "a Live Tail session was lost");
    Over::Lost(why)
}

#[cfg(test)]
#[path = "tail/tests.rs"]
mod tests;
