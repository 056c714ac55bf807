//! The pods of a cluster, over protobuf.
//!
//! Owns: news of pods to signals, their names ahead of the first list, and the roster of those
//! whose logs may be followed. At 10,000 pods of 20 KB only small records stay. Must not: judge a pod.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::clock::World;
use crate::connect::{Ctx, Ended, Outlet, Source, SourceError};
use crate::model::cluster::Pod;
use crate::model::name::ObjectPath;
use crate::model::signal::{Delta, Signal};

use super::access::Cluster;
use super::follow::{Follower, Resource};
use super::lane::{Change, Lane, Link, News, Out};
use super::names;
use super::podview;
use super::roster::Roster;
use super::until_cancelled;
use super::wire;

/// Pods.
pub(super) const PODS: Resource = Resource { base: "/api/v1", plural: "pods", query: "", namespaced: true };

/// How long the list waits for the names, by the wall.
const HEAD_START: Duration = Duration::from_secs(1);

/// Reads pods.
pub(super) struct Pods {
    cluster: Arc<Cluster>,
    follower: Follower<wire::Pod>,
    link: Link,
    state: tokio::sync::Mutex<State>,
}

/// What is kept between signals.
pub(super) struct State {
    cluster: Arc<Cluster>,
    roster: Arc<Roster>,
    /// Whether a whole list was told before: the pages of the very first are shown as they come.
    listed: bool,
    gathered: Vec<Pod>,
}

impl Pods {
    /// Reads the pods of `cluster` and keeps `roster`.
    pub(super) fn new(cluster: Arc<Cluster>, roster: Arc<Roster>) -> Self {
        Self {
            follower: Follower::new(Arc::clone(&cluster), PODS),
            link: Link::default(),
            state: tokio::sync::Mutex::new(State::new(Arc::clone(&cluster), roster)),
            cluster,
        }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        let lane = Lane { cx, out, link: &self.link, state: &self.state };
        if self.state.lock().await.listed {
            return until_cancelled(cx, self.follower.follow(&lane, State::take)).await;
        }
        // Names first: of a large cluster they are there long before the pods are. They get a
        // head start and no more, and that they cannot be had is nobody's trouble.
        let cluster = Arc::clone(&self.cluster);
        let named = Notify::new();
        let names = async {
            name(&cluster, cx, out).await;
            named.notify_one();
            std::future::pending::<Infallible>().await
        };
        let head_start = async {
            let _ = tokio::time::timeout(HEAD_START, named.notified()).await;
        };
        let pods = self.follower.follow_after(&lane, State::take, head_start);
        let both = async {
            tokio::select! {
                never = names => match never {},
                end = pods => end,
            }
        };
        until_cancelled(cx, both).await
    }
}

/// Names all pods ahead of their list.
async fn name<O: Out>(cluster: &Cluster, cx: &Ctx, out: &O) {
    let hold = cx.clock.hold();
    match names::read(cluster, &PODS, &cluster.access().namespaces).await {
        Ok(names) if names.is_empty() => {}
        Ok(names) => out.send(vec![(cx.clock.now(), Signal::PodNames(names))], hold).await,
        // Whatever is wrong, the list meets it too, and tells.
        Err(fault) => tracing::debug!(?fault, "pods are not named ahead"),
    }
}

impl Source for Pods {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

impl State {
    fn new(cluster: Arc<Cluster>, roster: Arc<Roster>) -> Self {
        Self { cluster, roster, listed: false, gathered: Vec::new() }
    }

    fn take(&mut self, now: World, news: News<wire::Pod>) -> Vec<(World, Signal)> {
        match news {
            News::Page { items, first, last } => self.page(now, &items, first, last),
            News::Changes(changes) => self.changes(now, changes),
        }
    }

    fn page(&mut self, now: World, items: &[wire::Pod], first: bool, last: bool) -> Vec<(World, Signal)> {
        self.roster.put(items.iter());
        if first {
            self.gathered = Vec::new();
        }
        let page: Vec<Pod> = items.iter().map(podview::pod).collect();
        if !last {
            let early = if self.listed { Vec::new() } else { vec![(now, Signal::Pods(Delta::Upsert(page.clone())))] };
            self.gathered.extend(page);
            return early;
        }
        self.gathered.extend(page);
        self.listed = true;
        self.cluster.pods_are_listed();
        let all = std::mem::take(&mut self.gathered);
        let paths: HashSet<&ObjectPath> = all.iter().map(|pod| &pod.path).collect();
        self.roster.retain(|path| paths.contains(path));
        vec![(now, Signal::Pods(Delta::All(all)))]
    }

    /// Runs of changes of one sort become one signal each; the order stays.
    fn changes(&mut self, now: World, changes: Vec<Change<wire::Pod>>) -> Vec<(World, Signal)> {
        let mut signals: Vec<(World, Signal)> = Vec::new();
        for change in changes {
            match change {
                Change::Put(pod) => {
                    self.roster.put(std::iter::once(&pod));
                    let pod = podview::pod(&pod);
                    match signals.last_mut() {
                        Some((_, Signal::Pods(Delta::Upsert(run)))) => run.push(pod),
                        _ => signals.push((now, Signal::Pods(Delta::Upsert(vec![pod])))),
                    }
                }
                Change::Gone(pod) => {
                    let path = podview::pod(&pod).path;
                    self.roster.remove(&path);
                    match signals.last_mut() {
                        Some((_, Signal::Pods(Delta::Remove(run)))) => run.push(path),
                        _ => signals.push((now, Signal::Pods(Delta::Remove(vec![path])))),
                    }
                }
            }
        }
        signals
    }
}
