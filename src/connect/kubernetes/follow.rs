//! List, then watch: written once for every kind.
//!
//! Owns: pages, resuming a watch where it was cut or fell silent, listing again after 410, and
//! polling where a watch is not allowed. Bodies are taken apart page by page and event by event, so
//! that no more than one of them is held. Must not: know what a kind means.
//!
//! The protocol is that of <https://kubernetes.io/docs/reference/using-api/api-concepts/>.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::select_all;
use http_body_util::BodyExt as _;

use crate::clock::{Hold, wall};
use crate::connect::SourceError;
use crate::connect::http::failure::root_cause;
use crate::text::Safe;

use super::access::Cluster;
use super::call::{Ask, Fault, JSON, media_type};
use super::event::{Event, decode};
use super::frames::{Frames, Framing};
use super::lane::{Change, Lane, Link, News, Out, Take};
use super::list::{self, Begun, Place};
use super::wire::{Object, Page};

/// Objects in a page: 500 of 20 KB are 10 MB on the wire.
const PAGE: u32 = 500;
/// Polls where a watch is not allowed, in world time.
const POLL: Duration = Duration::from_secs(30);
/// Signs of life of an open watch, in world time.
const BEAT: Duration = Duration::from_secs(15);
/// A stream that is silent for this long, by the wall, is opened again from where it was: its other
/// end may be gone. API servers send a bookmark about once a minute.
const QUIET: Duration = Duration::from_secs(75);
/// The API server ends a watch after this many seconds, and it is opened again.
const WATCH_SECONDS: u32 = 300;
/// A watch that ends sooner than this, by the wall, without a word is a failure.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How often a list that expired between two pages is started again at once.
const RESTARTS: u8 = 3;
/// Namespaces that are tried at a time.
const AT_A_TIME: usize = 8;
const WATCH_FORMS: &str = "application/vnd.kubernetes.protobuf;stream=watch, application/json";

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    /// Group and version: `/apis/apps/v1`.
    pub(super) base: &'static str,
    /// As in the path; also the name for people.
    pub(super) plural: &'static str,
    /// Narrows it down, encoded: `fieldSelector=type%3DWarning`.
    pub(super) query: &'static str,
    /// Whether it lives in namespaces.
    pub(super) namespaced: bool,
}

impl Resource {
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.base, self.plural),
            None => format!("{}/{}", self.base, self.plural),
        }
    }

    pub(super) fn doing(&self, verb: &str, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{verb} {} in namespace {namespace}", self.plural),
            None if self.namespaced => format!("{verb} {} in all namespaces", self.plural),
            None => format!("{verb} {}", self.plural),
        }
    }
}

/// One namespace, or the cluster, and how far it was read.
#[derive(Debug)]
struct Scope {
    namespace: Option<String>,
    /// The resource version to watch from; empty: it has to be listed first.
    version: String,
}

/// Follows one kind. It survives the run of its source: the next run resumes.
pub(super) struct Follower<T> {
    cluster: Arc<Cluster>,
    resource: Resource,
    scopes: Vec<Scope>,
    protobuf: bool,
    polls: bool,
    kind: PhantomData<fn() -> T>,
}

/// How far a list is.
struct Listing<T> {
    scope: usize,
    next: String,
    /// The next page, asked for while the one before was still coming in.
    ahead: Option<Result<Begun<T>, Fault>>,
    first: bool,
    restarts: u8,
}

/// Why a watch is over.
enum End {
    /// Too far behind.
    Relist,
    /// Not allowed.
    Poll,
    /// Not as protobuf.
    Json,
}

impl<T: Object> Follower<T> {
    /// Nothing was read yet.
    pub(super) fn new(cluster: Arc<Cluster>, resource: Resource) -> Self {
        Self { cluster, resource, scopes: Vec::new(), protobuf: T::PROTOBUF, polls: false, kind: PhantomData }
    }

    /// As [`Follower::new`], within these namespaces.
    pub(super) fn within(cluster: Arc<Cluster>, resource: Resource, namespaces: &[String]) -> Self {
        Self {
            scopes: namespaces.iter().map(|name| Scope::namespace(name.as_str())).collect(),
            ..Self::new(cluster, resource)
        }
    }

    /// Lists and watches until it fails.
    pub(super) async fn follow<O: Out, S: Send>(
        &mut self,
        lane: &Lane<'_, O, S>,
        take: impl Take<S, T>,
    ) -> Result<Infallible, SourceError> {
        self.follow_after(lane, take, std::future::ready(())).await
    }

    /// As [`Follower::follow`], once `before` is over. World time stands still meanwhile.
    pub(super) async fn follow_after<O: Out, S: Send>(
        &mut self,
        lane: &Lane<'_, O, S>,
        take: impl Take<S, T>,
        before: impl Future<Output = ()>,
    ) -> Result<Infallible, SourceError> {
        let clock = &lane.cx.clock;
        let mut held = Some(clock.hold());
        before.await;
        loop {
            let hold = held.take();
            if self.scopes.is_empty() || self.scopes.iter().any(|scope| scope.version.is_empty()) {
                self.list(lane, &take, hold.unwrap_or_else(|| clock.hold())).await?;
            } else {
                drop(hold);
            }
            if self.polls {
                let hold = clock.due(clock.next_multiple(POLL)).await;
                self.list(lane, &take, hold).await?;
                continue;
            }
            match self.watch(lane, &take).await? {
                End::Relist => self.scopes.iter_mut().for_each(|scope| scope.version.clear()),
                End::Json => self.protobuf = false,
                End::Poll => {
                    self.polls = true;
                    let why =
                        format!("{} are read every {} s: no permission to watch", self.resource.plural, POLL.as_secs());
                    lane.link.limit(self.resource.plural, Some(Safe::from(why)));
                }
            }
        }
    }

    /// Everything there is, once.
    pub(super) async fn collect(&mut self) -> Result<Vec<T>, SourceError> {
        let link = Link::default();
        let mut all = Vec::new();
        let mut listing = Listing::new();
        while let Some((items, first, _)) = self.step(&mut listing, &link).await? {
            if first {
                all.clear();
            }
            all.extend(items);
        }
        Ok(all)
    }

    async fn list<O: Out, S: Send>(
        &mut self,
        lane: &Lane<'_, O, S>,
        take: &impl Take<S, T>,
        hold: Hold,
    ) -> Result<(), SourceError> {
        let mut listing = Listing::new();
        while let Some((items, first, last)) = self.step(&mut listing, lane.link).await? {
            lane.hand(take, News::Page { items, first, last }, hold.clone()).await;
        }
        Ok(())
    }

    /// The next page: its items, and whether it is the first and the last of all.
    async fn step(
        &mut self,
        listing: &mut Listing<T>,
        link: &Link,
    ) -> Result<Option<(Vec<T>, bool, bool)>, SourceError> {
        if self.scopes.is_empty() {
            self.scopes = match self.cluster.access().namespaces.as_slice() {
                names if self.resource.namespaced && !names.is_empty() => {
                    names.iter().map(|name| Scope::namespace(name.as_str())).collect()
                }
                _ => vec![Scope { namespace: None, version: String::new() }],
            };
        }
        loop {
            let Some(scope) = self.scopes.get(listing.scope) else { return Ok(None) };
            let place = Place { namespace: scope.namespace.as_deref(), token: &listing.next, limit: PAGE };
            let begun = match listing.ahead.take() {
                Some(begun) => begun,
                None => self.begin(place).await,
            };
            let read = match begun {
                Ok(begun) => self.page(begun, place.namespace).await,
                Err(fault) => Err(fault),
            };
            match read {
                Ok((page, ahead)) => {
                    listing.ahead = ahead;
                    let done = page.next.is_empty();
                    let last = done && listing.scope + 1 == self.scopes.len();
                    let first = std::mem::replace(&mut listing.first, false);
                    listing.next = page.next;
                    if done {
                        // Without a version there is nothing to watch from.
                        self.polls |= page.version.is_empty();
                        self.scopes[listing.scope].version = page.version;
                        listing.scope += 1;
                    }
                    return Ok(Some((page.items, first, last)));
                }
                Err(Fault::Form(_)) if self.protobuf => self.protobuf = false,
                Err(Fault::Forbidden(why)) if self.resource.namespaced && scope.namespace.is_none() => {
                    self.scopes = self.permitted(why, link).await?;
                    *listing = Listing { restarts: listing.restarts, ..Listing::new() };
                }
                Err(Fault::Gone) if listing.restarts < RESTARTS => {
                    *listing = Listing { restarts: listing.restarts + 1, ..Listing::new() };
                }
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    async fn begin(&self, place: Place<'_>) -> Result<Begun<T>, Fault> {
        list::begin(&self.cluster, &self.resource, self.protobuf, place).await
    }

    /// The rest of a page, and meanwhile the start of the next: the API server makes the one
    /// ready while the other is read.
    async fn page(
        &self,
        begun: Begun<T>,
        namespace: Option<&str>,
    ) -> Result<(Page<T>, Option<Result<Begun<T>, Fault>>), Fault> {
        let next = begun.next.clone().filter(|token| !token.is_empty());
        let ahead = async {
            match &next {
                Some(token) => Some(self.begin(Place { namespace, token, limit: PAGE }).await),
                None => None,
            }
        };
        let (page, ahead) = tokio::join!(begun.end(), ahead);
        Ok((page?, ahead))
    }

    /// The namespaces in which this kind may be listed, after the whole cluster was refused.
    async fn permitted(&self, refused: Safe, link: &Link) -> Result<Vec<Scope>, SourceError> {
        let candidates = super::namespaces::candidates(&self.cluster).await?;
        let mut names = Vec::new();
        let mut asked = futures::stream::iter(candidates)
            .map(|name| async move {
                let place = Place { namespace: Some(&name), token: "", limit: 1 };
                (self.begin(place).await.err(), name)
            })
            .buffered(AT_A_TIME);
        while let Some((fault, name)) = asked.next().await {
            match fault {
                None => names.push(name),
                Some(Fault::Forbidden(_) | Fault::Missing(_)) => {}
                Some(fault) => return Err(fault.into()),
            }
        }
        if names.is_empty() {
            return Err(SourceError::Denied(refused));
        }
        let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 4 { ", …" } else { "" };
        link.limit(
            self.resource.plural,
            Some(Safe::from(format!(
                "{} of {} namespace{} only ({shown}{more}): no permission for the whole cluster; ask for a role that may list them everywhere",
                self.resource.plural,
                names.len(),
                if names.len() == 1 { "" } else { "s" },
            ))),
        );
        Ok(names.iter().map(|name| Scope::namespace(name.as_str())).collect())
    }

    async fn watch<O: Out, S: Send>(
        &mut self,
        lane: &Lane<'_, O, S>,
        take: &impl Take<S, T>,
    ) -> Result<End, SourceError> {
        let (cluster, resource, protobuf) = (&self.cluster, &self.resource, self.protobuf);
        let watches = self.scopes.iter_mut().map(|scope| {
            let watch = Watch { cluster, resource, protobuf, scope, kind: PhantomData::<fn() -> T> };
            Box::pin(watch.run(lane, take))
        });
        select_all(watches).await.0
    }
}

impl<T> Listing<T> {
    fn new() -> Self {
        Self { scope: 0, next: String::new(), ahead: None, first: true, restarts: 0 }
    }
}

impl Scope {
    fn namespace(name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), version: String::new() }
    }
}

/// The watch of one scope.
struct Watch<'a, T> {
    cluster: &'a Cluster,
    resource: &'a Resource,
    protobuf: bool,
    scope: &'a mut Scope,
    kind: PhantomData<fn() -> T>,
}

impl<T: Object> Watch<'_, T> {
    /// Watches, and opens the stream again from where it was cut, until there is nothing to
    /// resume from.
    async fn run<O: Out, S: Send>(mut self, lane: &Lane<'_, O, S>, take: &impl Take<S, T>) -> Result<End, SourceError> {
        let doing = self.resource.doing("watch", self.scope.namespace.as_deref());
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
            lane.beat(lane.cx.clock.hold()).await;
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
        let mut heard = wall();
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
                    heard = wall();
                    frames.push(&data);
                    let (changes, end) = self.events(&mut frames, framing, doing);
                    lane.hand(take, News::Changes(changes), hold).await;
                    if let Some(end) = end {
                        return end;
                    }
                }
                hold = clock.due(beat) => {
                    if wall().duration_since(heard) >= QUIET {
                        return Ok(Over::Cut("the stream fell silent".into()));
                    }
                    lane.beat(hold).await;
                    beat = clock.next_multiple(BEAT);
                }
            }
        }
    }

    /// The complete events, and the end of the stream if one of them is it.
    fn events(
        &mut self,
        frames: &mut Frames,
        framing: Framing,
        doing: &str,
    ) -> (Vec<Change<T>>, Option<Result<Over, SourceError>>) {
        let mut changes = Vec::new();
        loop {
            let event = match frames.next() {
                Ok(Some(raw)) => decode::<T>(framing, &raw).map_err(|malformed| malformed.to_string()),
                Ok(None) => return (changes, None),
                Err(large) => Err(large.to_string()),
            };
            match event {
                Ok(Event::Put(object)) => {
                    self.scope.version.clone_from(&object.meta().resource_version);
                    changes.push(Change::Put(object));
                }
                Ok(Event::Gone(object)) => {
                    self.scope.version.clone_from(&object.meta().resource_version);
                    changes.push(Change::Gone(object));
                }
                Ok(Event::Bookmark(version)) => self.scope.version = version,
                Ok(Event::Unknown) => {}
                Ok(Event::Error { code: 410, .. }) => return (changes, Some(Ok(Over::Relist))),
                Ok(Event::Error { code, message }) => {
                    let fault = Fault::retry(doing, &format!("{code} {message}"));
                    return (changes, Some(Err(fault.into())));
                }
                Err(what) => {
                    // What was missed is not known, so the next run lists again.
                    self.scope.version.clear();
                    return (changes, Some(Err(Fault::retry(doing, &what).into())));
                }
            }
        }
    }
}

/// Why a stream is over.
enum Over {
    Relist,
    /// How it was cut.
    Cut(String),
}

/// Appends to a query.
pub(super) fn add(uri: &mut String, query: &str) {
    if !query.is_empty() {
        uri.push('&');
        uri.push_str(query);
    }
}

/// Percent-encodes everything that is not plain in a query.
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
