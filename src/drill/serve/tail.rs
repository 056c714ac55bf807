//! CloudWatch Logs' `StartLiveTail`: lines as they are written, in a stream of events.
//!
//! Shapes: the service model `logs-2014-03-28`; the framing is `application/vnd.amazon.eventstream`
//! (AWS, "Event stream encoding": big-endian lengths, CRC-32 of the prelude and of the message,
//! string headers of type 7). An initial response, a `sessionStart`, then a `sessionUpdate` for
//! every second of world time, also an empty one; after three hours a `SessionTimeoutException`.
//! While the world stands still an empty update goes out every second by the wall.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use futures::stream;
use serde_json::Value as Json;
use tokio::time::sleep;

use crate::clock::{self, Wall, wall};
use crate::drill::world::LogEvent;

use super::Shared;
use super::aws::{AwsError, request_id, text, texts};
use super::doc::Doc;
use super::logs::{group, ingested, invalid};
use super::pattern::Pattern;

/// Groups of one session.
const GROUPS: usize = 10;
/// Events of one update; of more it takes a sample.
const EVENTS: usize = 500;
/// How long a session lasts, in world time.
const LASTS: TimeDelta = TimeDelta::hours(3);
/// How often the world is looked at, by the wall.
const LOOK: Duration = Duration::from_millis(50);
/// The longest silence, by the wall.
const SILENCE: Duration = Duration::from_secs(1);
/// Updates that wait to be sent; of a world that runs faster than the client reads, the oldest go.
const BUFFERED: usize = 10_000;
const KIND: &str = "application/vnd.amazon.eventstream";

struct Session {
    world: Shared,
    groups: Vec<Tailed>,
    streams: Vec<String>,
    prefixes: Vec<String>,
    pattern: Pattern,
    began: clock::World,
    /// The last second that was told.
    told: clock::World,
    frames: VecDeque<Vec<u8>>,
    /// When the last frame was made, by the wall.
    spoke: Wall,
    ended: bool,
}

struct Tailed {
    name: String,
    arn: String,
    /// How many of its events were told or lie before the session.
    position: usize,
}

/// Starts a session, or says why not.
pub(super) fn start(world: &Shared, input: &Json) -> Result<Response, AwsError> {
    let named = texts(input, "logGroupIdentifiers");
    if named.is_empty() || named.len() > GROUPS {
        return Err(invalid(format!("logGroupIdentifiers takes 1 to {GROUPS} log groups")));
    }
    let owned = |name| texts(input, name).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let (streams, prefixes) = (owned("logStreamNames"), owned("logStreamNamePrefixes"));
    if !streams.is_empty() && !prefixes.is_empty() {
        return Err(invalid("logStreamNames and logStreamNamePrefixes cannot be given together"));
    }
    if named.len() > 1 && !(streams.is_empty() && prefixes.is_empty()) {
        return Err(invalid("streams can be named for one log group only"));
    }
    let text_of = text(input, "logEventFilterPattern").unwrap_or("");
    let pattern = Pattern::parse(text_of).map_err(|why| invalid(format!("Invalid filter pattern: {why}")))?;
    let (groups, began) = {
        let world = world.lock();
        let mut groups = Vec::new();
        for arn in &named {
            if !arn.starts_with("arn:") || arn.ends_with('*') {
                return Err(invalid(format!("{arn} is not the ARN of a log group; it does not end with an asterisk")));
            }
            let (name, events) = group(&world, arn)?;
            groups.push(Tailed { name: name.to_owned(), arn: (*arn).to_owned(), position: events.len() });
        }
        (groups, world.now())
    };
    let id = request_id();
    let arns = || Doc::List(named.iter().map(|arn| Doc::text(*arn)).collect());
    let list = |all: &[String]| Doc::List(all.iter().map(Doc::text).collect());
    let begins = Doc::Map(vec![
        ("requestId", Doc::text(&id)),
        ("sessionId", Doc::Text(request_id())),
        ("logGroupIdentifiers", arns()),
        ("logStreamNames", list(&streams)),
        ("logStreamNamePrefixes", list(&prefixes)),
        ("logEventFilterPattern", Doc::text(text_of)),
    ]);
    let frames = [("initial-response", Doc::Map(Vec::new())), ("sessionStart", begins)];
    let session = Session {
        world: world.clone(),
        groups,
        streams,
        prefixes,
        pattern,
        began,
        told: began,
        frames: frames.into_iter().map(|(kind, doc)| event(kind, &doc)).collect(),
        spoke: wall(),
        ended: false,
    };
    let body = Body::from_stream(stream::unfold(session, |mut session| async {
        let frame = session.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(frame)), session))
    }));
    Ok(([(header::CONTENT_TYPE, KIND), (header::HeaderName::from_static("x-amzn-requestid"), id.as_str())], body)
        .into_response())
}

impl Session {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            sleep(LOOK).await;
            self.look();
        }
    }

    /// Makes the updates of the seconds that have passed.
    fn look(&mut self) {
        let world = self.world.lock();
        let now = world.now();
        let mut seconds: BTreeMap<i64, Vec<Doc>> = BTreeMap::new();
        for tailed in &mut self.groups {
            let events = world.logs().groups.get(&tailed.name).map_or(&[][..], Vec::as_slice);
            for event in events.iter().skip(tailed.position) {
                let stream = &*event.stream;
                let wanted = (self.streams.is_empty() || self.streams.iter().any(|name| name == stream))
                    && (self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| stream.starts_with(prefix)))
                    && self.pattern.matches(&event.message);
                if wanted {
                    seconds.entry(ingested(event)).or_default().push(result(event, &tailed.arn));
                }
            }
            tailed.position = events.len();
        }
        drop(world);
        while self.told < now && !self.ended {
            self.told += TimeDelta::seconds(1);
            let events = seconds.remove(&self.told.timestamp_millis()).unwrap_or_default();
            self.say(event("sessionUpdate", &update(events)));
            if self.told - self.began >= LASTS {
                let why = Doc::Map(vec![("message", Doc::text("The session has timed out after 3 hours."))]);
                self.say(exception("SessionTimeoutException", &why));
                self.ended = true;
            }
        }
        if wall().duration_since(self.spoke) >= SILENCE {
            self.say(event("sessionUpdate", &update(Vec::new())));
        }
    }

    fn say(&mut self, frame: Vec<u8>) {
        self.spoke = wall();
        self.frames.push_back(frame);
        if self.frames.len() > BUFFERED {
            self.frames.pop_front();
        }
    }
}

fn result(event: &LogEvent, arn: &str) -> Doc {
    Doc::Map(vec![
        ("logStreamName", Doc::text(&*event.stream)),
        ("logGroupIdentifier", Doc::text(arn)),
        ("message", Doc::text(&event.message)),
        ("timestamp", Doc::Int(event.at)),
        ("ingestionTime", Doc::Int(ingested(event))),
    ])
}

/// One second's update: all its events, or [`EVENTS`] of them from all over the second.
fn update(events: Vec<Doc>) -> Doc {
    let all = events.len();
    let sampled = all > EVENTS;
    let shown = events.into_iter().enumerate().filter(|(at, _)| !sampled || at * EVENTS % all < EVENTS);
    Doc::Map(vec![
        ("sessionMetadata", Doc::Map(vec![("sampled", Doc::Bool(sampled))])),
        ("sessionResults", Doc::List(shown.map(|(_, event)| event).collect())),
    ])
}

fn event(kind: &str, doc: &Doc) -> Vec<u8> {
    let headers = [(":message-type", "event"), (":event-type", kind), (":content-type", "application/json")];
    frame(&headers, doc.json().to_string().as_bytes())
}

fn exception(kind: &str, doc: &Doc) -> Vec<u8> {
    let headers = [(":message-type", "exception"), (":exception-type", kind), (":content-type", "application/json")];
    frame(&headers, doc.json().to_string().as_bytes())
}

/// One message: total length, length of the headers, their checksum; the headers; the payload;
/// the checksum of it all.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend(name.as_bytes());
        head.push(7);
        head.extend((value.len() as u16).to_be_bytes());
        head.extend(value.as_bytes());
    }
    let total = 12 + head.len() + payload.len() + 4;
    let mut out = Vec::with_capacity(total);
    out.extend((total as u32).to_be_bytes());
    out.extend((head.len() as u32).to_be_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out.extend(head);
    out.extend(payload);
    out.extend(crc32(&out).to_be_bytes());
    out
}

/// The CRC-32 of IEEE 802.3, reflected, as zlib's.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_the_checksums_of_their_bytes() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // A message of the AWS SDKs' own test suite ("payload_one_str_header").
        let bytes = frame(&[("content-type", "application/json")], br#"{'foo':'bar'}"#);
        assert_eq!(bytes.len(), 61);
        assert_eq!(bytes[8..12], [0x07, 0xfd, 0x83, 0x96]);
        assert_eq!(bytes[57..], [0x8d, 0x9c, 0x08, 0xb1]);
    }

    #[test]
    fn of_more_than_five_hundred_events_a_sample_is_told_as_such() {
        for (all, shown, sampled) in [(0, 0, false), (500, 500, false), (501, 500, true), (1_234, 500, true)] {
            let told = update((0..all).map(Doc::Int).collect()).json();
            assert_eq!(told["sessionResults"].as_array().unwrap().len(), shown, "{all}");
            assert_eq!(told["sessionMetadata"]["sampled"], sampled);
        }
    }
}
