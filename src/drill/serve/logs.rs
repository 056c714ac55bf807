//! CloudWatch Logs over awsJson 1.1.
//!
//! Shapes: the service model `logs-2014-03-28`. `FilterLogEvents` gives up to 10,000 events or
//! 1 MB a page, may give an empty page with a token (it does so here for every fifth search, so
//! that clients meet it), and its `endTime` is inclusive. A token belongs to its own search.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use crate::drill::World;
use crate::drill::world::LogEvent;

use super::aws::{Answer, AwsError, error, page, text, texts};
use super::doc::Doc;
use super::pattern::Pattern;

/// Bytes of one page, counted as CloudWatch does: 26 for each event beside its message.
const PAGE_BYTES: usize = 1 << 20;
const EVENT_BYTES: usize = 26;

pub(super) fn answer(world: &World, operation: &str, input: &Json) -> Answer {
    match operation {
        "FilterLogEvents" => filter(world, input),
        "GetLogEvents" => get(world, input),
        "DescribeLogGroups" => groups(world, input),
        "DescribeLogStreams" => streams(world, input),
        other => Err(error("UnknownOperationException", format!("this drill does not serve CloudWatch Logs' {other}"))),
    }
}

pub(super) fn invalid(why: impl Into<String>) -> AwsError {
    error("InvalidParameterException", why)
}

/// The events of the group that a request names.
fn asked<'a>(world: &'a World, input: &Json) -> Result<(&'a str, &'a [LogEvent]), AwsError> {
    let name = text(input, "logGroupName").or_else(|| text(input, "logGroupIdentifier"));
    group(world, name.ok_or_else(|| invalid("logGroupName or logGroupIdentifier is required"))?)
}

/// The events of a group, by its name or ARN.
pub(super) fn group<'a>(world: &'a World, name: &str) -> Result<(&'a str, &'a [LogEvent]), AwsError> {
    let name = name.split(":log-group:").last().unwrap_or(name).trim_end_matches(":*");
    let known = world.scenario().file.workloads.iter().filter_map(|workload| workload.log_group.as_deref());
    match known.into_iter().find(|known| *known == name) {
        Some(known) => Ok((known, world.logs().groups.get(known).map_or(&[][..], Vec::as_slice))),
        None => Err(error("ResourceNotFoundException", "The specified log group does not exist.")),
    }
}

fn millis(input: &Json, name: &str) -> Result<Option<i64>, AwsError> {
    match input.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => match value.as_i64().filter(|at| *at >= 0) {
            Some(at) => Ok(Some(at)),
            None => Err(invalid(format!("{name} must be a time in milliseconds since the epoch"))),
        },
    }
}

fn signature(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn filter(world: &World, input: &Json) -> Answer {
    let (name, events) = asked(world, input)?;
    let (from, to) = (millis(input, "startTime")?.unwrap_or(0), millis(input, "endTime")?.unwrap_or(i64::MAX));
    if from > to {
        return Err(invalid("startTime must not be after endTime"));
    }
    let limit = page(input, "limit", 10_000, 10_000)?;
    let pattern_text = text(input, "filterPattern").unwrap_or("");
    let pattern = Pattern::parse(pattern_text).map_err(|why| invalid(format!("Invalid filter pattern: {why}")))?;
    let streams = texts(input, "logStreamNames");
    let prefix = text(input, "logStreamNamePrefix");
    if !streams.is_empty() && prefix.is_some() {
        return Err(invalid("logStreamNames and logStreamNamePrefix cannot be given together"));
    }
    let search =
        signature(&[name, pattern_text, &from.to_string(), &to.to_string(), &streams.join(","), prefix.unwrap_or("")]);
    let first = events.partition_point(|event| event.at < from);
    let start = match text(input, "nextToken") {
        None => {
            if search.is_multiple_of(5) && first < events.len() {
                let empty = Doc::List(Vec::new());
                return Ok(Doc::Map(vec![
                    ("events", empty.clone()),
                    ("searchedLogStreams", empty),
                    ("nextToken", token(search, first)),
                ]));
            }
            first
        }
        Some(text) => begin(text, search).ok_or_else(|| invalid("The specified nextToken is invalid."))?.max(first),
    };
    let (mut found, mut bytes, mut next) = (Vec::new(), 0, None);
    for (at, event) in events.iter().enumerate().skip(start).take_while(|(_, event)| event.at <= to) {
        let wanted = (streams.is_empty() || streams.contains(&&*event.stream))
            && prefix.is_none_or(|prefix| event.stream.starts_with(prefix))
            && pattern.matches(&event.message);
        if !wanted {
            continue;
        }
        if found.len() >= limit || bytes + event.message.len() + EVENT_BYTES > PAGE_BYTES {
            next = Some(at);
            break;
        }
        bytes += event.message.len() + EVENT_BYTES;
        found.push(Doc::Map(vec![
            ("logStreamName", Doc::text(&*event.stream)),
            ("timestamp", Doc::Int(event.at)),
            ("message", Doc::text(&event.message)),
            ("ingestionTime", Doc::Int(ingested(event))),
            ("eventId", Doc::Text(event_id(event))),
        ]));
    }
    let mut out = vec![("events", Doc::List(found)), ("searchedLogStreams", Doc::List(Vec::new()))];
    out.extend(next.map(|at| ("nextToken", token(search, at))));
    Ok(Doc::Map(out))
}

fn token(search: u64, at: usize) -> Doc {
    Doc::Text(URL_SAFE_NO_PAD.encode(format!("{search:016x}/{at}")))
}

fn begin(token: &str, search: u64) -> Option<usize> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (of, at) = decoded.split_once('/')?;
    (u64::from_str_radix(of, 16) == Ok(search)).then(|| at.parse().ok())?
}

/// The end of the second that the line was written in.
pub(super) fn ingested(event: &LogEvent) -> i64 {
    event.at - event.at.rem_euclid(1000) + 1000
}

/// 56 digits, as CloudWatch's are: time first, so that they sort.
fn event_id(event: &LogEvent) -> String {
    format!("{:026}{:030}", event.at, event.number)
}

fn get(world: &World, input: &Json) -> Answer {
    let (_, events) = asked(world, input)?;
    let stream = text(input, "logStreamName").ok_or_else(|| invalid("logStreamName is required"))?;
    let of_stream: Vec<_> = events.iter().filter(|event| &*event.stream == stream).collect();
    if of_stream.is_empty() {
        return Err(error("ResourceNotFoundException", "The specified log stream does not exist."));
    }
    let (from, to) = (millis(input, "startTime")?.unwrap_or(0), millis(input, "endTime")?.unwrap_or(i64::MAX));
    let limit = page(input, "limit", 10_000, 10_000)?;
    let wanted: Vec<_> = of_stream.into_iter().filter(|event| event.at >= from && event.at < to).collect();
    let ahead = input.get("startFromHead").and_then(Json::as_bool).unwrap_or(false);
    let place = |text: &str| text.split_once('/').and_then(|(way, at)| Some((way == "f", at.parse::<usize>().ok()?)));
    let (start, end) = match text(input, "nextToken") {
        Some(text) => match place(text) {
            Some((true, at)) => (at.min(wanted.len()), at.saturating_add(limit).min(wanted.len())),
            Some((false, at)) => (at.min(wanted.len()).saturating_sub(limit), at.min(wanted.len())),
            None => return Err(invalid("The specified nextToken is invalid.")),
        },
        None if ahead => (0, limit.min(wanted.len())),
        None => (wanted.len().saturating_sub(limit), wanted.len()),
    };
    let shown = wanted.get(start..end).unwrap_or_default().iter().map(|event| {
        Doc::Map(vec![
            ("timestamp", Doc::Int(event.at)),
            ("message", Doc::text(&event.message)),
            ("ingestionTime", Doc::Int(ingested(event))),
        ])
    });
    Ok(Doc::Map(vec![
        ("events", Doc::List(shown.collect())),
        ("nextForwardToken", Doc::Text(format!("f/{end}"))),
        ("nextBackwardToken", Doc::Text(format!("b/{start}"))),
    ]))
}

/// The page of a listing, with the token of the next.
fn paged(all: Vec<Doc>, input: &Json, name: &'static str) -> Answer {
    let limit = page(input, "limit", 50, 50)?;
    let start: usize = match text(input, "nextToken") {
        None => 0,
        Some(token) => {
            begin(token, signature(&[name])).ok_or_else(|| invalid("The specified nextToken is invalid."))?
        }
    };
    let count = all.len();
    let shown: Vec<_> = all.into_iter().skip(start).take(limit).collect();
    let end = start.saturating_add(shown.len());
    let mut out = vec![(name, Doc::List(shown))];
    if end < count {
        out.push(("nextToken", token(signature(&[name]), end)));
    }
    Ok(Doc::Map(out))
}

fn groups(world: &World, input: &Json) -> Answer {
    let file = &world.scenario().file;
    let prefix = text(input, "logGroupNamePrefix");
    let part = text(input, "logGroupNamePattern").map(str::to_lowercase);
    let born = world.scenario().epoch().timestamp_millis() - 86_400_000 * 200;
    let all = world
        .scenario()
        .log_groups()
        .into_iter()
        .filter(|name| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .filter(|name| part.as_ref().is_none_or(|part| name.to_lowercase().contains(part)))
        .map(|name| {
            let events = world.logs().groups.get(&name).map_or(&[][..], Vec::as_slice);
            let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_BYTES).sum();
            let arn = format!("arn:aws:logs:{}:{}:log-group:{name}", file.region, file.account);
            Doc::Map(vec![
                ("logGroupName", Doc::Text(name)),
                ("creationTime", Doc::Int(born)),
                ("retentionInDays", Doc::Int(30)),
                ("metricFilterCount", Doc::Int(0)),
                ("arn", Doc::Text(format!("{arn}:*"))),
                ("logGroupArn", Doc::Text(arn)),
                ("storedBytes", Doc::Int(bytes as i64)),
                ("logGroupClass", Doc::text("STANDARD")),
            ])
        })
        .collect();
    paged(all, input, "logGroups")
}

fn streams(world: &World, input: &Json) -> Answer {
    let (name, events) = asked(world, input)?;
    let prefix = text(input, "logStreamNamePrefix");
    let mut found: std::collections::BTreeMap<&str, (i64, i64)> = std::collections::BTreeMap::new();
    for event in events.iter().filter(|event| prefix.is_none_or(|prefix| event.stream.starts_with(prefix))) {
        found.entry(&event.stream).and_modify(|(_, last)| *last = event.at).or_insert((event.at, event.at));
    }
    let mut found: Vec<_> = found.into_iter().collect();
    if text(input, "orderBy") == Some("LastEventTime") {
        found.sort_by_key(|(_, (_, last))| *last);
    }
    if input.get("descending").and_then(Json::as_bool).unwrap_or(false) {
        found.reverse();
    }
    let file = &world.scenario().file;
    let all = found
        .into_iter()
        .map(|(stream, (first, last))| {
            Doc::Map(vec![
                ("logStreamName", Doc::text(stream)),
                ("creationTime", Doc::Int(first)),
                ("firstEventTimestamp", Doc::Int(first)),
                ("lastEventTimestamp", Doc::Int(last)),
                ("lastIngestionTime", Doc::Int(last)),
                ("uploadSequenceToken", Doc::text("0")),
                (
                    "arn",
                    Doc::Text(format!(
                        "arn:aws:logs:{}:{}:log-group:{name}:log-stream:{stream}",
                        file.region, file.account
                    )),
                ),
            ])
        })
        .collect();
    paged(all, input, "logStreams")
}
