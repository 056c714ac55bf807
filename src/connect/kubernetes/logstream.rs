//! One container's log, opened and read batch by batch.
//!
//! Owns: the request, and a body turned into batches of dated lines that were not told before.
//! Must not: decide whose log is read.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use kube::client::Body;

use crate::clock::{Clock, Hold, World};
use crate::model::log::{LogBatch, LogStream};
use crate::text::Lines;

use super::access::Cluster;
use super::call::{Ask, Fault};
use super::follow::encode;
use super::loglines::{Mark, Resume, dated, is_cut_stamp};
use super::podlogs::Key;

/// A container's log.
pub(super) struct Log {
    pub(super) cluster: Arc<Cluster>,
    pub(super) key: Key,
    pub(super) stream: LogStream,
}

/// Which log, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The log of the container's last life.
    PreviousEnd,
    /// The current log, as it grows.
    Cut,
    /// So many of the current log's last lines.
    Now(u32),
    /// So many of the last lines of the container's last life.
    Before(u32),
}

/// A log that is being read.
pub(super) struct Reading {
    body: Body,
    stream: LogStream,
    lines: Lines,
    resume: Resume,
    over: bool,
}

impl Log {
    /// Opens it at `mark`.
    pub(super) async fn open(&self, until: Until, mark: &Mark) -> Result<Reading, Fault> {
        let Key { pod, container } = &self.key;
        let mut uri = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true&sinceTime={}",
            pod.namespace,
            pod.name,
            encode(container),
            encode(&mark.since()),
        );
        let which = match until {
            Until::PreviousEnd => "&previous=true",
            Until::Cut => "&follow=true",
            Until::Now(_) => "",
            Until::Before(_) => "&previous=true",
        };
        uri.push_str(which);
        if let Until::Now(lines) | Until::Before(lines) = until {
            uri.push_str(&format!("&tailLines={lines}"));
        }
        let answer = self.cluster.open(&Ask { uri, accept: "text/plain, */*", doing: &self.doing() }).await?;
        Ok(Reading {
            body: answer.into_body(),
            stream: self.stream.clone(),
            lines: Lines::default(),
            resume: Resume::new(mark.clone()),
            over: false,
        })
    }

    /// In words: `read the log of shop/web-1, container app`.
    pub(super) fn doing(&self) -> String {
        format!("read the log of {}, container {}", self.key.pod, self.key.container)
    }
}

impl Reading {
    /// What came since the last call: batches with the time of their newest line. `None` at the
    /// end, whether it was reached or cut off: what is missing is read again from the mark.
    pub(super) async fn next(&mut self, clock: &Clock) -> Option<(Hold, Vec<(World, LogBatch)>)> {
        if self.over {
            return None;
        }
        let data = match self.body.frame().await {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            // After a cut the last line may be a half: it comes whole the next time.
            Some(Err(_)) => return None,
            None => {
                self.over = true;
                Bytes::new()
            }
        };
        let hold = clock.hold();
        let now = clock.now();
        let (stream, resume) = (&self.stream, &mut self.resume);
        let mut batches = Vec::new();
        let mut batch = (World::MIN_UTC, LogBatch::default());
        let mut take = |line: &str| {
            let (at, text) = match dated(line) {
                Some((at, text)) if !resume.is_new(at, text) => return,
                Some(dated) => dated,
                // An answer that something on the way ended too soon: the line comes whole later.
                None if is_cut_stamp(line) => return,
                // The kubelet's own words about the log.
                None => (now, line),
            };
            batch.0 = batch.0.max(at);
            if !batch.1.push(stream, at, text) {
                batches.push(std::mem::replace(&mut batch, (World::MIN_UTC, LogBatch::default())));
            }
        };
        self.lines.push(&data, &mut take);
        if self.over {
            self.lines.finish(&mut take);
        }
        if !batch.1.is_empty() {
            batches.push(batch);
        }
        Some((hold, batches))
    }

    /// Whether its end was reached, and not cut off.
    pub(super) fn is_whole(&self) -> bool {
        self.over
    }

    /// How far it is.
    pub(super) fn mark(&self) -> &Mark {
        self.resume.mark()
    }
}
