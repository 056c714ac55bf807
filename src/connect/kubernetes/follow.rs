//! List, then watch: written once for every kind.
//!
//! Owns: pages, listing again after 410, and polling where a watch is not allowed; `watch` reads
//! the watches. Bodies are taken apart page by page, so that no more than one of them is held.
//! Must not: know what a kind means.
//!
//! The protocol is that of <https://kubernetes.io/docs/reference/using-api/api-concepts/>.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt as _;
use futures::future::select_all;

use crate::clock::{Hold, World};
use crate::connect::SourceError;
use crate::text::Safe;

use super::access::Cluster;
use super::call::Fault;
use super::lane::{Lane, Link, News, Out, Take};
use super::list::{self, Begun, Place};
use super::watch::Watch;
use super::wire::{Object, Page};

/// Objects in a page: 500 of 20 KB are 10 MB on the wire.
const PAGE: u32 = 500;
/// Polls where a watch is not allowed, in world time.
const POLL: Duration = Duration::from_secs(30);
/// How often a watch is tried again where it was not allowed, in world time.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(5);
/// How often a list that expired between two pages is started again at once.
const RESTARTS: u8 = 3;
/// Namespaces that are tried at a time.
const AT_A_TIME: usize = 8;

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
pub(super) struct Scope {
    pub(super) namespace: Option<String>,
    /// The resource version to watch from: what is older was handed over. Empty: it has to be
    /// listed first.
    pub(super) version: String,
}

/// Follows one kind. It survives the run of its source: the next run resumes.
pub(super) struct Follower<T> {
    cluster: Arc<Cluster>,
    resource: Resource,
    scopes: Vec<Scope>,
    /// The scopes are those that were found after the whole cluster was refused.
    found: bool,
    protobuf: bool,
    /// A watch was not allowed: until then it is not tried again.
    polls_until: Option<World>,
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
    /// It was looked for the namespaces that may be read.
    searched: bool,
    /// Those of the scopes that were read to their end, in their order.
    versions: Vec<String>,
}

/// Why a watch is over.
pub(super) enum End {
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
        Self {
            cluster,
            resource,
            scopes: Vec::new(),
            found: false,
            protobuf: T::PROTOBUF,
            polls_until: None,
            kind: PhantomData,
        }
    }

    /// As [`Follower::new`], within these namespaces.
    pub(super) fn within(cluster: Arc<Cluster>, resource: Resource, namespaces: &[String]) -> Self {
        Self {
            scopes: namespaces.iter().map(|name| Scope::namespace(name.as_str())).collect(),
            ..Self::new(cluster, resource)
        }
    }

    /// The kind's name for people.
    pub(super) fn plural(&self) -> &'static str {
        self.resource.plural
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
        let mut hold = clock.hold();
        before.await;
        let mut polls = false;
        loop {
            if polls {
                drop(hold);
                hold = clock.due(clock.next_multiple(POLL)).await;
            }
            if polls || !self.is_listed() {
                self.list(lane, &take, hold).await?;
            } else {
                drop(hold);
            }
            // Without a version there is nothing to watch from.
            polls = !self.is_listed() || self.polls_until.is_some_and(|until| clock.now() < until);
            if !polls {
                match self.watch(lane, &take).await? {
                    End::Relist => self.scopes.iter_mut().for_each(|scope| scope.version.clear()),
                    End::Json => self.protobuf = false,
                    End::Poll => {
                        polls = true;
                        self.polls_until = Some(clock.now() + TRY_AGAIN);
                        let (plural, every) = (self.resource.plural, POLL.as_secs());
                        let why = format!("{plural} are read every {every} s: no permission to watch");
                        lane.link.limit((plural, "changes"), Some(Safe::from(why)));
                    }
                }
            }
            hold = clock.hold();
        }
    }

    fn is_listed(&self) -> bool {
        !self.scopes.is_empty() && self.scopes.iter().all(|scope| !scope.version.is_empty())
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
        // Now that all of it was handed over.
        for (scope, version) in self.scopes.iter_mut().zip(listing.versions) {
            scope.version = version;
        }
        if !self.found {
            lane.link.limit((self.resource.plural, "namespaces"), None);
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
                        listing.versions.push(page.version);
                        listing.scope += 1;
                    }
                    return Ok(Some((page.items, first, last)));
                }
                Err(Fault::Form(_)) if self.protobuf => self.protobuf = false,
                // Also when of the namespaces that were found one is refused now.
                Err(Fault::Forbidden(why))
                    if self.resource.namespaced && (scope.namespace.is_none() || (self.found && !listing.searched)) =>
                {
                    (self.scopes, self.found) = (Vec::new(), false);
                    self.scopes = self.permitted(why, link).await?;
                    self.found = true;
                    *listing = Listing { restarts: listing.restarts, searched: true, ..Listing::new() };
                }
                Err(Fault::Gone) if listing.restarts < RESTARTS => {
                    let (restarts, searched) = (listing.restarts + 1, listing.searched);
                    *listing = Listing { restarts, searched, ..Listing::new() };
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
            (self.resource.plural, "namespaces"),
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
        let closed = &AtomicUsize::new(self.scopes.len());
        let watches = self.scopes.iter_mut().map(|scope| {
            let watch = Watch { cluster, resource, protobuf, scope, closed, kind: PhantomData::<fn() -> T> };
            Box::pin(watch.run(lane, take))
        });
        select_all(watches).await.0
    }
}

impl<T> Listing<T> {
    fn new() -> Self {
        Self {
            scope: 0,
            next: String::new(),
            ahead: None,
            first: true,
            restarts: 0,
            searched: false,
            versions: Vec::new(),
        }
    }
}

impl Scope {
    fn namespace(name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), version: String::new() }
    }
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
