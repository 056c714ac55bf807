//! Deployments, StatefulSets and DaemonSets, their rollouts and their autoscalers.
//!
//! Owns: news of five kinds to signals of one source, in an order that never lets an old state
//! overtake a new one. Must not: judge; a rollout is a change, not a cause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::clock::{Span, World};
use crate::connect::{Ctx, Ended, History, Outlet, Source, SourceError};
use crate::model::change::Change as Made;
use crate::model::cluster::{Autoscaler, Workload};
use crate::model::name::{Kind, ObjectPath, WorkloadKey};
use crate::model::signal::{Delta, Signal, Stamped};

use super::access::Cluster;
use super::follow::{Follower, Resource};
use super::lane::{Change, Lane, Link, News, Out};
use super::objects;
use super::refusals::Refusals;
use super::rollouts::Rollouts;
use super::until_cancelled;
use super::wire::{Meta, Object as _};
use super::workloadview::{autoscaler, moved, workload};

const APPS: &str = "/apis/apps/v1";
const DEPLOYMENTS: Resource = Resource { base: APPS, plural: "deployments", query: "", namespaced: true };
const STATEFUL_SETS: Resource = Resource { base: APPS, plural: "statefulsets", query: "", namespaced: true };
const DAEMON_SETS: Resource = Resource { base: APPS, plural: "daemonsets", query: "", namespaced: true };
const REPLICA_SETS: Resource = Resource { base: APPS, plural: "replicasets", query: "", namespaced: true };
const AUTOSCALERS: Resource =
    Resource { base: "/apis/autoscaling/v2", plural: "horizontalpodautoscalers", query: "", namespaced: true };

/// The kinds that are workloads.
const KINDS: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];
/// A rollout this long before the start is told live too, in case the back-fill ended earlier.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Reads workloads.
pub(super) struct Workloads {
    deployments: Follower<objects::Workload>,
    stateful_sets: Follower<objects::Workload>,
    daemon_sets: Follower<objects::Workload>,
    replica_sets: Follower<objects::Workload>,
    autoscalers: Follower<objects::Autoscaler>,
    link: Link,
    state: tokio::sync::Mutex<State>,
}

impl Workloads {
    /// Reads the workloads of `cluster`.
    pub(super) fn new(cluster: &Arc<Cluster>) -> Self {
        let of = |resource| Follower::new(Arc::clone(cluster), resource);
        Self {
            deployments: of(DEPLOYMENTS),
            stateful_sets: of(STATEFUL_SETS),
            daemon_sets: of(DAEMON_SETS),
            replica_sets: of(REPLICA_SETS),
            autoscalers: Follower::new(Arc::clone(cluster), AUTOSCALERS),
            link: Link::default(),
            state: tokio::sync::Mutex::default(),
        }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        self.state.get_mut().since.get_or_insert(cx.start - OVERLAP);
        let lane = &Lane { cx, out, link: &self.link, state: &self.state };
        let of = |kind| move |state: &mut State, now, news| state.workloads(kind, now, news);
        let kinds = async {
            let refusals = Refusals::among(5);
            let (never, ..) = tokio::try_join!(
                refusals.follow(lane, &mut self.deployments, of(Kind::Deployment)),
                refusals.follow(lane, &mut self.stateful_sets, of(Kind::StatefulSet)),
                refusals.follow(lane, &mut self.daemon_sets, of(Kind::DaemonSet)),
                refusals.follow(lane, &mut self.replica_sets, State::replica_sets),
                refusals.follow(lane, &mut self.autoscalers, State::autoscalers),
            )?;
            Ok(never)
        };
        until_cancelled(cx, kinds).await
    }
}

impl Source for Workloads {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

/// What is kept between signals.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Rollouts before this were told by the history.
    since: Option<World>,
    known: BTreeMap<WorkloadKey, Workload>,
    /// StatefulSets as they were when their controller had last seen all of them: a template is
    /// written some time before the status names its revision.
    observed: BTreeMap<WorkloadKey, Workload>,
    /// Kinds that were listed whole.
    listed: BTreeSet<Kind>,
    /// Keys in the pages of a list that is under way, by kind.
    under_way: BTreeMap<Kind, BTreeSet<WorkloadKey>>,
    rollouts: Rollouts,
    autoscalers: Vec<Autoscaler>,
}

impl State {
    fn workloads(&mut self, kind: Kind, now: World, news: News<objects::Workload>) -> Vec<(World, Signal)> {
        let mut signals = Vec::new();
        match news {
            News::Page { items, first, last } => {
                if first {
                    self.under_way.insert(kind, BTreeSet::new());
                }
                let page: Vec<Workload> =
                    items.into_iter().map(|item| self.see(kind, now, item, &mut signals)).collect();
                let keys = self.under_way.entry(kind).or_default();
                keys.extend(page.iter().map(|workload| workload.key.clone()));
                let mut gone = Vec::new();
                if last {
                    let keys = self.under_way.remove(&kind).unwrap_or_default();
                    self.listed.insert(kind);
                    gone = self.known.keys().filter(|key| key.kind == kind && !keys.contains(key)).cloned().collect();
                    self.known.retain(|key, _| !gone.contains(key));
                    self.observed.retain(|key, _| !gone.contains(key));
                }
                if last && KINDS.iter().all(|kind| self.listed.contains(kind)) {
                    let all = self.known.values().cloned().collect();
                    signals.insert(0, (now, Signal::Workloads(Delta::All(all))));
                } else {
                    // Without every kind's list, `All` would take away what was not listed yet.
                    if !page.is_empty() {
                        signals.insert(0, (now, Signal::Workloads(Delta::Upsert(page))));
                    }
                    if !gone.is_empty() {
                        signals.push((now, Signal::Workloads(Delta::Remove(gone))));
                    }
                }
            }
            News::Changes(changes) => {
                for change in changes {
                    match change {
                        Change::Put(object) => {
                            let workload = self.see(kind, now, object, &mut signals);
                            signals.push((now, Signal::Workloads(Delta::Upsert(vec![workload]))));
                        }
                        Change::Gone(object) => {
                            let key = workload(kind, &object).key;
                            self.known.remove(&key);
                            self.observed.remove(&key);
                            signals.push((now, Signal::Workloads(Delta::Remove(vec![key]))));
                        }
                    }
                }
            }
        }
        signals
    }

    /// Remembers a workload, and tells what somebody changed about it since it was last seen.
    fn see(
        &mut self,
        kind: Kind,
        now: World,
        object: objects::Workload,
        signals: &mut Vec<(World, Signal)>,
    ) -> Workload {
        let record = workload(kind, &object);
        if let Some(before) = self.known.get(&record.key) {
            let mut before = before.clone();
            if let Some(observed) = self.observed.get(&record.key) {
                before.images.clone_from(&observed.images);
            }
            let made = moved(&record, &before, &object.metadata, now);
            signals.extend(made.into_iter().map(|change| (change.at, Signal::Change(change))));
        }
        if kind == Kind::StatefulSet && record.observed_generation >= record.generation {
            self.observed.insert(record.key.clone(), record.clone());
        }
        self.known.insert(record.key.clone(), record.clone());
        record
    }

    fn replica_sets(&mut self, now: World, news: News<objects::Workload>) -> Vec<(World, Signal)> {
        let since = self.since.unwrap_or(now);
        let mut made: Vec<Made> = Vec::new();
        match news {
            // A page tells of sets in any order, and a title needs the revision before: the first
            // round fills in, and what is new is told with all of the page known.
            News::Page { items, .. } => {
                for item in &items {
                    made.extend(self.rollouts.put(now, item));
                }
                let told: BTreeMap<_, _> =
                    self.rollouts.remembered().into_iter().map(|change| (change.id.clone(), change)).collect();
                made = made.into_iter().map(|change| told.get(&change.id).cloned().unwrap_or(change)).collect();
            }
            News::Changes(changes) => {
                for change in &changes {
                    match change {
                        Change::Put(set) => made.extend(self.rollouts.put(now, set)),
                        Change::Gone(set) => self.rollouts.remove(set),
                    }
                }
            }
        }
        made.retain(|change| change.at >= since);
        made.into_iter().map(|change| (change.at, Signal::Change(change))).collect()
    }

    fn autoscalers(&mut self, now: World, news: News<objects::Autoscaler>) -> Vec<(World, Signal)> {
        let scalers =
            |items: &[objects::Autoscaler]| -> Vec<Autoscaler> { items.iter().filter_map(autoscaler).collect() };
        match news {
            News::Page { items, first, last } => {
                if first {
                    self.autoscalers.clear();
                }
                self.autoscalers.extend(scalers(&items));
                if !last {
                    return Vec::new();
                }
                vec![(now, Signal::Autoscalers(Delta::All(std::mem::take(&mut self.autoscalers))))]
            }
            News::Changes(changes) => changes
                .into_iter()
                .map(|change| match change {
                    Change::Put(object) => Delta::Upsert(scalers(&[object])),
                    Change::Gone(object) => {
                        let meta = &object.metadata;
                        Delta::Remove(vec![ObjectPath::new(meta.namespace.as_str(), meta.name.as_str())])
                    }
                })
                .map(|delta| (now, Signal::Autoscalers(delta)))
                .collect(),
        }
    }
}

/// The rollouts that ReplicaSets remember, and the last rollback of each Deployment.
pub(super) struct PastRollouts(pub(super) Arc<Cluster>);

impl History for PastRollouts {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let mut follower = Follower::<objects::Workload>::new(Arc::clone(&self.0), REPLICA_SETS);
            let mut rollouts = Rollouts::default();
            for set in follower.collect().await? {
                rollouts.put(cx.clock.now(), &set);
            }
            let mut made = rollouts.remembered();
            let mut follower = Follower::<objects::Rolled>::new(Arc::clone(&self.0), DEPLOYMENTS);
            match follower.collect().await {
                Ok(deployments) => {
                    let path = |meta: &Meta| ObjectPath::new(meta.namespace.as_str(), meta.name.as_str());
                    let times: BTreeMap<_, _> =
                        deployments.iter().filter_map(|one| Some((path(one.meta()), one.at()?))).collect();
                    made.extend(rollouts.taken_up_again(|deployment| times.get(deployment).copied()));
                }
                // What the ReplicaSets tell is true without it.
                Err(why) => tracing::info!(%why, "no times of rollbacks"),
            }
            let made = made.into_iter().filter(|change| span.contains(change.at));
            Ok(made.map(|change| super::stamped(cx, change.at, Signal::Change(change))).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(minute: u32) -> World {
        format!("2026-11-21T03:{minute:02}:00Z").parse().unwrap()
    }

    fn deployment(name: &str, replicas: u32) -> objects::Workload {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": replicas},
            "spec": {"replicas": replicas},
        }))
        .unwrap()
    }

    fn set(uid: &str, revision: &str, minute: u32) -> objects::Workload {
        serde_json::from_value(json!({
            "metadata": {"name": uid, "namespace": "shop", "uid": uid, "creationTimestamp": at(minute).to_rfc3339(),
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("web:{revision}")}]}}},
        }))
        .unwrap()
    }

    fn page<T>(items: Vec<T>) -> News<T> {
        News::Page { items, first: true, last: true }
    }

    fn words(signals: &[(World, Signal)]) -> Vec<String> {
        signals
            .iter()
            .map(|(_, signal)| match signal {
                Signal::Workloads(Delta::All(all)) => format!("all {}", all.len()),
                Signal::Workloads(Delta::Upsert(some)) => format!("upsert {}", some.len()),
                Signal::Workloads(Delta::Remove(some)) => format!("remove {}", some.len()),
                Signal::Change(change) => change.title.to_string(),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn one_kinds_list_does_not_remove_another_kind() {
        let mut state = State::default();
        let first = state.workloads(Kind::Deployment, at(1), page(vec![deployment("a", 1), deployment("b", 1)]));
        assert_eq!(words(&first), ["upsert 2"]);
        assert_eq!(words(&state.workloads(Kind::StatefulSet, at(1), page(vec![deployment("a", 1)]))), ["upsert 1"]);
        assert_eq!(words(&state.workloads(Kind::DaemonSet, at(1), page(vec![]))), ["all 3"]);
        let again = state.workloads(Kind::Deployment, at(2), page(vec![deployment("b", 1)]));
        assert_eq!(words(&again), ["all 2"], "a is gone, the StatefulSet of the same name is not");
    }

    #[test]
    fn setting_replicas_is_a_change_with_before_and_after() {
        let mut state = State::default();
        state.workloads(Kind::Deployment, at(1), page(vec![deployment("web", 6)]));
        let signals = state.workloads(Kind::Deployment, at(2), News::Changes(vec![Change::Put(deployment("web", 12))]));
        assert_eq!(words(&signals), ["replicas 6→12", "upsert 1"]);
        let same = state.workloads(Kind::Deployment, at(3), News::Changes(vec![Change::Put(deployment("web", 12))]));
        assert_eq!(words(&same), ["upsert 1"]);
    }

    /// The order in which a real one tells it: the template, and then that its controller saw it.
    #[test]
    fn a_stateful_sets_rollout_names_the_image_before_although_the_template_is_written_first() {
        let set = |generation: i64, observed: i64, revision: &str, tag: &str| -> objects::Workload {
            serde_json::from_value(json!({
                "metadata": {"name": "db", "namespace": "shop", "uid": "u", "generation": generation},
                "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "db", "image": format!("db:{tag}")}]}}},
                "status": {"updateRevision": revision, "observedGeneration": observed},
            }))
            .unwrap()
        };
        let mut state = State::default();
        state.workloads(Kind::StatefulSet, at(1), page(vec![set(1, 1, "db-1", "15")]));
        let mut told = |object| {
            let signals = state.workloads(Kind::StatefulSet, at(2), News::Changes(vec![Change::Put(object)]));
            words(&signals)
        };
        assert_eq!(told(set(2, 1, "db-1", "16")), ["upsert 1"]);
        assert_eq!(told(set(2, 2, "db-2", "16")), ["image 15→16", "upsert 1"]);
        assert_eq!(told(set(2, 2, "db-2", "16")), ["upsert 1"]);
        // Two templates in a row, of which the controller saw the second alone.
        told(set(3, 2, "db-2", "17"));
        told(set(4, 2, "db-2", "18"));
        assert_eq!(told(set(4, 4, "db-4", "18")), ["image 16→18", "upsert 1"]);
    }

    #[test]
    fn old_rollouts_are_left_to_the_history() {
        let mut state = State { since: Some(at(10)), ..State::default() };
        // The newer one stands first in the page; its title still knows the one before.
        let signals = state.replica_sets(at(11), page(vec![set("c", "3", 11), set("b", "2", 5), set("a", "1", 1)]));
        assert_eq!(words(&signals), ["image 2→3"]);
        let signals = state.replica_sets(at(12), News::Changes(vec![Change::Put(set("d", "4", 12))]));
        assert_eq!(words(&signals), ["image 3→4"]);
        assert_eq!(signals[0].0, at(12));
    }
}
