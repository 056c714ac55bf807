//! One page of log events, and the lines in it.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;

use crate::clock::World;
use crate::model::log::{LogBatch, LogStream};
use crate::text::Safe;

use super::super::Client;
use super::super::failure::{Failure, explain};
use super::super::window::{Event, Pass, Window};

/// The most that the API gives on one page.
const EVENTS: i32 = 10_000;

/// A client that reads pages.
pub(super) struct Reading<'a> {
    client: &'a Client<aws_sdk_cloudwatchlogs::Client>,
}

/// What to read. Times are milliseconds since the epoch.
pub(super) struct Request<'a> {
    group: &'a Safe,
    from: i64,
    to: Option<i64>,
    token: Option<String>,
}

/// One page. It may be empty and yet not be the last.
pub(super) struct Page {
    events: Vec<FilteredLogEvent>,
    /// The next page.
    pub(super) token: Option<String>,
}

/// Lines on their way into batches.
pub(super) struct Lines<'a> {
    now: World,
    streams: BTreeMap<(&'a Safe, &'a str), LogStream>,
    full: Vec<(World, LogBatch)>,
    open: Option<(World, LogBatch)>,
}

pub(super) fn request(group: &Safe, from: i64, to: Option<i64>, token: Option<String>) -> Request<'_> {
    Request { group, from, to, token }
}

/// Whether a group is configured by its ARN, as one of another account is.
pub(super) fn is_arn(group: &str) -> bool {
    group.starts_with("arn:")
}

impl<'a> Reading<'a> {
    pub(super) fn new(client: &'a Client<aws_sdk_cloudwatchlogs::Client>) -> Self {
        Self { client }
    }

    /// One call of the API.
    pub(super) async fn page(&self, asked: Request<'_>) -> Result<Page, Failure> {
        let read = self
            .client
            .sdk
            .filter_log_events()
            .set_log_group_name((!is_arn(asked.group)).then(|| asked.group.to_string()))
            .set_log_group_identifier(is_arn(asked.group).then(|| asked.group.to_string()))
            .start_time(asked.from.max(0))
            .set_end_time(asked.to)
            .limit(EVENTS)
            .set_next_token(asked.token);
        let read = read.send().await.map_err(|error| {
            explain(
                &format!("reading log group {} of CloudWatch", asked.group),
                &error,
                &self.client.place,
                &self.client.login,
            )
        })?;
        let token = read.next_token.filter(|token| !token.is_empty());
        Ok(Page { events: read.events.unwrap_or_default(), token })
    }
}

impl Page {
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The time of its last event, in milliseconds.
    pub(super) fn newest(&self) -> Option<i64> {
        self.events.iter().filter_map(FilteredLogEvent::timestamp).max()
    }

    /// The lines that were not told before, in batches that occurred when their newest line did.
    /// Lines before `from` were not asked for: an answer from before, whose lines may be forgotten.
    pub(super) fn batches(
        &self,
        group: &Safe,
        window: &mut Window,
        pass: &mut Pass,
        from: i64,
        now: World,
    ) -> Vec<(World, LogBatch)> {
        let mut lines = Lines::new(now);
        for found in &self.events {
            let (stream, message) = (found.log_stream_name().unwrap_or_default(), found.message().unwrap_or_default());
            let at = found.timestamp().unwrap_or(now.timestamp_millis());
            if at < from {
                continue;
            }
            let event = Event { id: found.event_id(), stream, at, message };
            if window.fresh(event, pass, now.timestamp_millis()) {
                lines.push(group, stream, at, message);
            }
        }
        lines.batches()
    }
}

impl<'a> Lines<'a> {
    pub(super) fn new(now: World) -> Self {
        Self { now, streams: BTreeMap::new(), full: Vec::new(), open: None }
    }

    /// Appends a line of `stream` that was written at `at`, in milliseconds.
    pub(super) fn push(&mut self, group: &'a Safe, stream: &'a str, at: i64, message: &str) {
        let at = World::from_timestamp_millis(at).unwrap_or(self.now);
        let new = || LogStream { group: group.clone(), name: Safe::from(stream) };
        let stream = self.streams.entry((group, stream)).or_insert_with(new);
        let (newest, batch) = self.open.get_or_insert_with(|| (at, LogBatch::default()));
        *newest = at.max(*newest);
        // Each event ends with the line break that its writer ended it with.
        if !batch.push(stream, at, message.trim_end_matches(['\r', '\n'])) {
            self.full.extend(self.open.take());
        }
    }

    /// The batches, with the times of their newest lines.
    pub(super) fn batches(mut self) -> Vec<(World, LogBatch)> {
        self.full.extend(self.open);
        self.full
    }
}
