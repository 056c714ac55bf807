//! One watch: opened, read, and opened again from where it was cut or fell silent.
//!
//! Owns: how far changes were handed over, and signs of life. Bodies are taken apart event by
//! event. Must not: list, or know what a kind means.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::BodyExt as _;

use crate::clock::wall;
use crate::connect::SourceError;
use crate::connect::http::failure::root_cause;

use super::access::Cluster;
use super::call::{Ask, Fault, JSON, media_type};
use super::event::{Event, decode};
use super::follow::{End, Resource, Scope, add, encode};
use super::frames::{Frames, Framing};
use super::lane::{Change, Lane, News, Out, Take};
use super::wire::Object;

/// Signs of life of an open watch, in world time.
const BEAT: Duration = Duration::from_secs(15);
/// A stream that is silent for this long, by the wall, is opened again from where it was: its other
/// end may be gone. API servers send a bookmark about once a minute.
const QUIET: Duration = Duration::from_secs(75);
/// The API server ends a watch after this many seconds, and it is opened again.
const WATCH_SECONDS: u32 = 300;
/// A watch that ends sooner than this, by the wall, without a word is a failure.
const AT_ONCE: Duration = Duration::from_secs(1);
const WATCH_FORMS: &str = "application/vnd.kubernetes.protobuf;stream=watch, application/json";

/// The watch of one scope.
pub(super) struct Watch<'a, T> {
    pub(super) cluster: &'a Cluster,
    pub(super) resource: &'a Resource,
    pub(super) protobuf: bool,
    pub(super) scope: &'a mut Scope,
    /// How many watches of the kind were not open yet.
    pub(super) closed: &'a AtomicUsize,
    pub(super) kind: PhantomData<fn() -> T>,
}

impl<T: Object> Watch<'_, T> {
    /// Watches, and opens the stream again from where it was cut, until there is nothing to
    /// resume from.
    pub(super) async fn run<O: Out, S: Send>(
        mut self,
        lane: &Lane<'_, O, S>,
        take: &impl Take<S, T>,
    ) -> Result<End, SourceError> {
        let doing = self.resource.doing("watch", self.scope.namespace.as_deref());
        let mut first = true;
        loop {
            let mut uri = format!(
                "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={}",
                self.resource.path(self.scope.namespace.as_deref()),
                encode(&self.scope.version),
            );
            add(&mut uri, self.resource.query);
            let accept = if self.protobuf { WATCH_FORMS } else { JSON };
            let answer = match self.cluster.open(&Ask { uri, accept, doing: &doing }).await {
                Ok(answer) => answer,
                Err(Fault::Gone) => return Ok(End::Relist),
                Err(Fault::Forbidden(_) | Fault::Missing(_)) => return Ok(End::Poll),
                Err(Fault::Form(_)) if self.protobuf => return Ok(End::Json),
                Err(fault) => return Err(fault.into()),
            };
            let (opened, from) = (wall(), self.scope.version.clone());
            if std::mem::take(&mut first) && self.closed.fetch_sub(1, Ordering::Relaxed) == 1 {
                // All of them are open, whatever was not allowed before.
                lane.link.limit((self.resource.plural, "changes"), None);
            }
            lane.beat(lane.cx.clock.now(), lane.cx.clock.hold()).await;
            let framing = if media_type(&answer).contains("protobuf") { Framing::Lengths } else { Framing::Lines };
            let how = match self.stream(answer.into_body(), framing, lane, take, &doing).await? {
                Over::Relist => return Ok(End::Relist),
                Over::Cut(how) => how,
            };
            // Half an event is no news, nor is one that came before.
            if self.scope.version == from && wall().duration_since(opened) < AT_ONCE {
                return Err(Fault::retry(&doing, &how).into());
            }
        }
    }

    async fn stream<O: Out, S: Send>(
        &mut self,
        mut body: kube::client::Body,
        framing: Framing,
        lane: &Lane<'_, O, S>,
        take: &impl Take<S, T>,
        doing: &str,
    ) -> Result<Over, SourceError> {
        let clock = &lane.cx.clock;
        let mut frames = Frames::new(framing);
        let (mut heard, mut heard_at) = (wall(), clock.now());
        let mut beat = clock.next_multiple(BEAT);
        loop {
            tokio::select! {
                frame = body.frame() => {
                    let data = match frame {
                        None => return Ok(Over::Cut("the API server ended the stream".into())),
                        Some(Err(error)) => {
                            return Ok(Over::Cut(format!("the stream broke off ({})", root_cause(&error))));
                        }
                        Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                    };
                    let hold = clock.hold();
                    (heard, heard_at) = (wall(), clock.now());
                    frames.push(&data);
                    let (changes, version, end) = events(&mut frames, framing, doing);
                    lane.hand(take, News::Changes(changes), hold).await;
                    // Not before: what was not handed over is told again.
                    if let Some(version) = version {
                        self.scope.version = version;
                    }
                    if let Some(end) = end {
                        return end;
                    }
                }
                () = tokio::time::sleep_until((heard + QUIET).into()) => {
                    return Ok(Over::Cut("the stream fell silent".into()));
                }
                hold = clock.due(beat) => {
                    lane.beat(heard_at, hold).await;
                    beat = clock.next_multiple(BEAT);
                }
            }
        }
    }
}

/// The complete events, the version that they end at, and the end of the stream if one of them is
/// it.
type Events<T> = (Vec<Change<T>>, Option<String>, Option<Result<Over, SourceError>>);

/// Reads the events that are complete.
fn events<T: Object>(frames: &mut Frames, framing: Framing, doing: &str) -> Events<T> {
    let (mut changes, mut version) = (Vec::new(), None);
    let end = loop {
        let event = match frames.next() {
            Ok(Some(raw)) => decode::<T>(framing, &raw).map_err(|malformed| malformed.to_string()),
            Ok(None) => break None,
            Err(large) => Err(large.to_string()),
        };
        match event {
            Ok(Event::Put(object)) => {
                version = Some(object.meta().resource_version.clone());
                changes.push(Change::Put(object));
            }
            Ok(Event::Gone(object)) => {
                version = Some(object.meta().resource_version.clone());
                changes.push(Change::Gone(object));
            }
            Ok(Event::Bookmark(mark)) => version = Some(mark),
            Ok(Event::Unknown) => {}
            Ok(Event::Error { code: 410, .. }) => break Some(Ok(Over::Relist)),
            Ok(Event::Error { code, message }) => {
                break Some(Err(Fault::retry(doing, &format!("{code} {message}")).into()));
            }
            Err(what) => {
                // What was missed is not known, so the next run lists again.
                version = Some(String::new());
                break Some(Err(Fault::retry(doing, &what).into()));
            }
        }
    };
    (changes, version, end)
}

/// Why a stream is over.
enum Over {
    Relist,
    /// How it was cut.
    Cut(String),
}
