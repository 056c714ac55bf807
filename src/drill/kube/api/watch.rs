//! Watches: a stream of events after a resource version.
//!
//! Owns: event order, selectors that an object enters and leaves, bookmarks, 410, time-outs (in
//! world time). Must not: poll: the stream sleeps until something is published.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;

use crate::clock::World;

use super::super::Cluster;
use super::super::kinds::Kind;
use super::super::select::Selector;
use super::super::state::State;
use super::super::store::{Change, Key};
use super::super::value::{put, seconds};
use super::list::{selector, version};
use super::negotiate::{Form, Include, PROTOBUF, form};
use super::status::Failure;
use super::{Call, proto, shown, table};

/// How long a quiet watch goes without a bookmark, in seconds of world time.
const BOOKMARK: u64 = 60;
/// The longest watch if the client names none (`--min-request-timeout`), in seconds of world time.
const LONGEST: u64 = 1800;
/// The annotation of the bookmark that ends the initial events.
const INITIAL_END: &str = "k8s.io/initial-events-end";

struct Watch {
    cluster: Cluster,
    call: Call,
    kind: Kind,
    form: Form,
    selector: Selector,
    pulse: Receiver<u64>,
    /// Everything up to here has been sent.
    position: u64,
    /// Whether tables have had their columns.
    headed: bool,
    start: Start,
    bookmarks: bool,
    bookmarked: World,
    until: World,
    ended: bool,
}

/// What is sent before the changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Changes,
    Objects,
    /// And a bookmark that says that these were all.
    ObjectsAndMark,
}

pub(super) fn answer(cluster: &Cluster, call: &Call, headers: &HeaderMap) -> Result<Response, Failure> {
    let form = form(call, headers)?;
    let kind = call.stored().ok_or_else(Failure::not_allowed)?;
    let selector = selector(call, kind)?;
    let from = version(call)?;
    let initial = call.query.is_true("sendInitialEvents");
    if initial && call.query.get("resourceVersionMatch") != "NotOlderThan" {
        let message = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        let of = ("meta.k8s.io", "ListOptions");
        return Err(Failure::invalid_kind(of, "", "resourceVersionMatch", "FieldValueForbidden", message));
    }
    let timeout = call.query.get("timeoutSeconds").parse::<u64>().ok().filter(|timeout| *timeout > 0);
    let pulse = cluster.0.pulse.subscribe();
    let (now, current) = {
        let state = cluster.lock();
        (state.now, state.store.version())
    };
    if let Some(wanted) = from.filter(|wanted| *wanted > current) {
        return Err(Failure::too_new(wanted, current));
    }
    let start = match (initial, from) {
        (true, _) => Start::ObjectsAndMark,
        (false, None) => Start::Objects,
        (false, Some(_)) => Start::Changes,
    };
    let watch = Watch {
        cluster: cluster.clone(),
        call: Call {
            resource: call.resource,
            namespace: call.namespace.clone(),
            name: call.name.clone(),
            sub: None,
            query: super::Query::default(),
        },
        kind,
        form,
        selector,
        pulse,
        position: from.unwrap_or(current),
        headed: false,
        start,
        bookmarks: call.query.is_true("allowWatchBookmarks") || initial,
        bookmarked: now,
        until: now + seconds(timeout.unwrap_or(LONGEST)),
        ended: false,
    };
    let body = Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), watch))
    }));
    let media =
        if form == Form::Protobuf { "application/vnd.kubernetes.protobuf;stream=watch" } else { "application/json" };
    debug_assert!(media.starts_with(PROTOBUF) || form != Form::Protobuf);
    Ok(([(header::CONTENT_TYPE, media)], body).into_response())
}

impl Watch {
    /// The next events, together; `None` when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.ended {
                return None;
            }
            // Marked as seen before it is read: what comes after wakes us again.
            self.pulse.borrow_and_update();
            let mut out = Vec::new();
            let cluster = self.cluster.clone();
            self.collect(&cluster.lock(), &mut out);
            if !out.is_empty() {
                return Some(out.into());
            }
            if self.ended || self.pulse.changed().await.is_err() {
                return None;
            }
        }
    }

    fn collect(&mut self, state: &State, out: &mut Vec<u8>) {
        if self.start != Start::Changes {
            for (key, object) in state.store.all(self.kind) {
                if self.is_here(key) && self.selector.matches(object) {
                    self.event("ADDED", object, state.now, out);
                }
            }
            self.position = state.store.version();
            if self.start == Start::ObjectsAndMark {
                self.bookmark(true, state.now, out);
            }
            self.start = Start::Changes;
        }
        let Some(changes) = state.store.since(self.kind, self.position) else {
            let message = format!("too old resource version: {} ({})", self.position, state.store.version());
            let status = Failure::expired(message).status();
            match self.form {
                Form::Protobuf => out.extend(proto::error_event(&status)),
                _ => line("ERROR", &status, out),
            }
            self.ended = true;
            return;
        };
        let changes: Vec<&Change> = changes.filter(|change| self.is_here(&change.key)).collect();
        for change in changes {
            let was = change.was.as_ref().is_some_and(|was| self.selector.matches(was));
            let is = !change.gone && self.selector.matches(&change.is);
            let kind = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            // What left the selection is told as it was when it still belonged to it, at the
            // version of the change.
            let object = match &change.was {
                Some(was) if !is && !change.gone => {
                    let mut last = Value::clone(was);
                    put(&mut last, &["metadata", "resourceVersion"], json!(change.version.to_string()));
                    Arc::new(last)
                }
                _ => Arc::clone(&change.is),
            };
            self.event(kind, &object, state.now, out);
        }
        self.position = self.position.max(state.store.version());
        if state.now >= self.until {
            // A client that resumes after this one misses nothing and repeats nothing.
            if self.bookmarks {
                self.bookmark(false, state.now, out);
            }
            self.ended = true;
        } else if self.bookmarks && state.now - self.bookmarked >= seconds(BOOKMARK) {
            self.bookmark(false, state.now, out);
        }
    }

    fn is_here(&self, key: &Key) -> bool {
        self.call.namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace)
    }

    fn event(&mut self, kind: &str, object: &Value, now: World, out: &mut Vec<u8>) {
        match self.form {
            Form::Json => line(kind, &shown(self.call.resource, object), out),
            Form::Metadata => line(kind, &table::partial(object), out),
            Form::Table(include) => {
                let meta = json!({"resourceVersion": super::at(object, &["metadata", "resourceVersion"])});
                let rows = std::iter::once(object);
                line(kind, &table::table(self.call.resource, rows, meta, include, !self.headed, now), out);
                self.headed = true;
            }
            Form::Protobuf => out.extend(proto::pod_event(kind, object)),
        }
    }

    fn bookmark(&mut self, initial_end: bool, now: World, out: &mut Vec<u8>) {
        self.bookmarked = now;
        let mut mark = json!({"metadata": {"resourceVersion": self.position.to_string(), "creationTimestamp": null}});
        if initial_end {
            put(&mut mark, &["metadata", "annotations", INITIAL_END], json!("true"));
        }
        match self.form {
            Form::Protobuf => out.extend(proto::pod_event("BOOKMARK", &mark)),
            Form::Metadata => line("BOOKMARK", &table::partial(&mark), out),
            Form::Json => line("BOOKMARK", &shown(self.call.resource, &mark), out),
            Form::Table(_) => {
                // A table has no place for annotations; its row's object has.
                let meta = json!({"resourceVersion": self.position.to_string()});
                let rows = std::iter::once(&mark);
                let mut table = table::table(self.call.resource, rows, meta, Include::Metadata, !self.headed, now);
                if let Some(row) = table.pointer_mut("/rows/0") {
                    put(row, &["cells"], json!([]));
                }
                self.headed = true;
                line("BOOKMARK", &table, out);
            }
        }
    }
}

fn line(kind: &str, object: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(json!({"type": kind, "object": object}).to_string().as_bytes());
    out.push(b'\n');
}
