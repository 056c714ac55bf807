//! `pods/log`.
//!
//! Owns: what of a container's log a request gets, and following it. Must not: write to a log.

use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::Timelike as _;
use futures::stream;
use tokio::sync::watch::Receiver;

use crate::clock::World;

use super::super::Cluster;
use super::super::kubelet::{Life, PodRun};
use super::super::logs::{Line, Log};
use super::super::store::Key;
use super::super::value::{moment, seconds, stamp_nanos};
use super::Call;
use super::status::Failure;

/// A log that is followed until its container ends.
struct Follow {
    cluster: Cluster,
    key: Key,
    uid: String,
    /// Which run of the container this is about.
    run: u32,
    /// The number of the next line to send.
    next: u64,
    stamps: bool,
    pulse: Receiver<u64>,
    pending: VecDeque<Bytes>,
}

pub(super) fn answer(cluster: &Cluster, call: &Call) -> Result<Response, Failure> {
    let query = &call.query;
    let number = |name: &str, least: i64| {
        let text = query.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text
            .parse::<i64>()
            .map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        u64::try_from(number).ok().filter(|_| number >= least).map(Some).ok_or_else(|| {
            let bound = if least == 0 { "greater than or equal to 0" } else { "greater than 0" };
            let message = format!("Invalid value: {number}: must be {bound}");
            let pod = call.name.as_deref().unwrap_or_default();
            Failure::invalid_kind(("", "PodLogOptions"), pod, name, "FieldValueInvalid", &message)
        })
    };
    let (tail, limit) = (number("tailLines", 0)?, number("limitBytes", 1)?);
    let since_seconds = number("sinceSeconds", 1)?;
    let since = match query.get("sinceTime") {
        "" => None,
        // An API server asks its kubelet in whole seconds, so a line of that second may come again.
        text => Some(moment(text).and_then(|at| at.with_nanosecond(0)).ok_or_else(|| unreadable(text))?),
    };
    let stamps = query.is_true("timestamps");
    let pulse = cluster.0.pulse.subscribe();
    let (body, follow) = {
        let state = cluster.lock();
        let key = call.key();
        let run = state.pods.get(&key).ok_or_else(|| call.not_found())?;
        let log = chosen(run, &key, query.get("container"), query.is_true("previous"))?;
        let since = since.or_else(|| since_seconds.map(|ago| state.now - seconds(ago)));
        let body = render(log, since, tail, limit, stamps);
        let follow = query.is_true("follow") && !query.is_true("previous") && limit.is_none();
        let follow = follow.then(|| Follow {
            cluster: cluster.clone(),
            uid: run.uid.clone(),
            run: run.restarts,
            next: log.end(),
            key,
            stamps,
            pulse,
            pending: VecDeque::new(),
        });
        (body, follow)
    };
    let media = [(header::CONTENT_TYPE, "text/plain")];
    let Some(mut follow) = follow else { return Ok((media, body).into_response()) };
    if !body.is_empty() {
        follow.pending.push_back(body.into());
    }
    let lines = stream::unfold(follow, |mut follow| async move {
        let chunk = follow.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), follow))
    });
    Ok((media, Body::from_stream(lines)).into_response())
}

/// A time that is none, in the words of Go.
fn unreadable(text: &str) -> Failure {
    let layout = "2006-01-02T15:04:05Z07:00";
    Failure::bad_request(format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""))
}

/// The log that is asked for, or the kubelet's refusal.
fn chosen<'a>(run: &'a PodRun, key: &Key, container: &str, previous: bool) -> Result<&'a Log, Failure> {
    let (name, pod) = (&run.container, &key.name);
    if !container.is_empty() && container != name {
        return Err(Failure::bad_request(format!("container {container} is not valid for pod {pod}")));
    }
    if previous {
        let missing =
            || Failure::bad_request(format!("previous terminated container {name:?} in pod {pod:?} not found"));
        return match run.life {
            // Its last run is the one that just ended.
            Life::Ended { .. } => Ok(&run.log),
            _ => run.previous.as_ref().ok_or_else(missing),
        };
    }
    match run.life {
        Life::Unscheduled => Err(Failure::bad_request(format!("pod {pod} does not have a host assigned"))),
        Life::Creating { .. } => Err(Failure::bad_request(format!(
            "container {name:?} in pod {pod:?} is waiting to start: ContainerCreating"
        ))),
        Life::Running { .. } | Life::Ended { .. } => Ok(&run.log),
    }
}

fn render(log: &Log, since: Option<World>, tail: Option<u64>, limit: Option<u64>, stamps: bool) -> String {
    let lines = log.from(0);
    let skip = tail.map_or(0, |tail| lines.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX)));
    let mut out = String::new();
    for line in lines.skip(skip).filter(|line| since.is_none_or(|since| line.at >= since)) {
        write_line(line, stamps, &mut out);
    }
    if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit < out.len()) {
        out.truncate((0..=limit).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0));
    }
    out
}

fn write_line(line: &Line, stamps: bool, out: &mut String) {
    if stamps {
        out.push_str(&stamp_nanos(line.at));
        out.push(' ');
    }
    out.push_str(&line.text);
    out.push('\n');
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(chunk) = self.pending.pop_front() {
            return Some(chunk);
        }
        loop {
            self.pulse.borrow_and_update();
            let (text, over) = self.read();
            if !text.is_empty() {
                return Some(text.into());
            }
            if over || self.pulse.changed().await.is_err() {
                return None;
            }
        }
    }

    /// New lines, and whether there will be no more.
    fn read(&mut self) -> (String, bool) {
        let state = self.cluster.lock();
        let Some(run) = state.pods.get(&self.key).filter(|run| run.uid == self.uid) else {
            return (String::new(), true);
        };
        let same = run.restarts == self.run;
        // Lines of a run that has been restarted meanwhile are the previous log.
        let Some(log) = (if same { Some(&run.log) } else { run.previous.as_ref() }) else {
            return (String::new(), true);
        };
        let mut out = String::new();
        for line in log.from(self.next) {
            write_line(line, self.stamps, &mut out);
        }
        self.next = log.end();
        (out, !same || matches!(run.life, Life::Ended { .. }))
    }
}
