//! One page of log events, and the lines in it.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;

use crate::clock::World;
use crate::model::log::{LogBatch, LogStream};
use crate::text::Safe;

use super::super::Client;
use super::super::failure::{Failure, explain};
use super::super::window::Window;

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

pub(super) fn request(group: &Safe, from: i64, to: Option<i64>, token: Option<String>) -> Request<'_> {
    Request { group, from, to, token }
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
            .log_group_name(asked.group.as_str())
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
    pub(super) fn batches(&self, group: &Safe, window: &mut Window, from: i64, now: World) -> Vec<(World, LogBatch)> {
        let mut streams: BTreeMap<&str, LogStream> = BTreeMap::new();
        let mut batches = Vec::new();
        let mut open: Option<(World, LogBatch)> = None;
        for event in &self.events {
            let at_ms = event.timestamp().unwrap_or(now.timestamp_millis());
            if at_ms < from {
                continue;
            }
            let (name, message) = (event.log_stream_name().unwrap_or_default(), event.message().unwrap_or_default());
            let fresh = match event.event_id() {
                Some(id) => window.fresh(&[id], at_ms, now.timestamp_millis()),
                None => window.fresh(&[name, &at_ms.to_string(), message], at_ms, now.timestamp_millis()),
            };
            if !fresh {
                continue;
            }
            let at = World::from_timestamp_millis(at_ms).unwrap_or(now);
            let stream =
                streams.entry(name).or_insert_with(|| LogStream { group: group.clone(), name: Safe::from(name) });
            let (newest, batch) = open.get_or_insert_with(|| (at, LogBatch::default()));
            *newest = at.max(*newest);
            // Each event ends with the line break that its writer ended it with.
            if !batch.push(stream, at, message.trim_end_matches(['\r', '\n'])) {
                batches.extend(open.take());
            }
        }
        batches.extend(open);
        batches
    }
}
