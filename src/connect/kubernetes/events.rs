//! Warning events of a cluster, live and as far back as the API server keeps them (an hour, by
//! default).
//!
//! Owns: news of events to signals, each count told once. Must not: judge a warning.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::clock::{Span, World};
use crate::connect::{Ctx, Ended, History, Outlet, Source, SourceError};
use crate::model::cluster::ClusterEvent;
use crate::model::name::{ObjectPath, Uid};
use crate::model::signal::{Signal, Stamped};
use crate::text::{Safe, clean};

use super::access::Cluster;
use super::follow::{Follower, Resource};
use super::lane::{Change, Lane, Link, News, Out};
use super::objects;
use super::until_cancelled;
use super::wire::Time;

const WARNINGS: Resource =
    Resource { base: "/api/v1", plural: "events", query: "fieldSelector=type%3DWarning", namespaced: true };
/// A warning this long before the start is told live too, in case the back-fill ended earlier.
const OVERLAP: TimeDelta = TimeDelta::seconds(60);

/// Reads warning events.
pub(super) struct Events {
    follower: Follower<objects::Event>,
    link: Link,
    state: tokio::sync::Mutex<State>,
}

/// What is kept between signals.
#[derive(Debug, Default)]
struct State {
    /// Events that were last seen before this were told by the history.
    since: Option<World>,
    /// The count that was told of each event that still exists.
    told: HashMap<Uid, (u32, World)>,
    /// Likewise, in the list that is under way.
    listing: HashMap<Uid, (u32, World)>,
}

impl Events {
    /// Reads the warning events of `cluster`.
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { follower: Follower::new(cluster, WARNINGS), link: Link::default(), state: tokio::sync::Mutex::default() }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        self.state.get_mut().since.get_or_insert(cx.start - OVERLAP);
        let lane = Lane { cx, out, link: &self.link, state: &self.state };
        until_cancelled(cx, self.follower.follow(&lane, State::take)).await
    }
}

impl Source for Events {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

impl State {
    fn take(&mut self, now: World, news: News<objects::Event>) -> Vec<(World, Signal)> {
        let since = self.since.unwrap_or(now);
        let mut signals = Vec::new();
        match news {
            News::Page { items, first, last } => {
                if first {
                    self.listing.clear();
                }
                for event in items.iter().filter_map(event) {
                    let seen = (event.count, event.last);
                    self.listing.insert(event.uid.clone(), seen);
                    if self.told.get(&event.uid) != Some(&seen) && event.last >= since {
                        signals.push((event.last, Signal::Event(event)));
                    }
                }
                if last {
                    self.told = std::mem::take(&mut self.listing);
                }
            }
            News::Changes(changes) => {
                for change in changes {
                    match change {
                        Change::Put(object) => {
                            let Some(event) = event(&object) else { continue };
                            let seen = (event.count, event.last);
                            if self.told.insert(event.uid.clone(), seen) != Some(seen) && event.last >= since {
                                signals.push((event.last, Signal::Event(event)));
                            }
                        }
                        // Its hour is over; that is no news.
                        Change::Gone(object) => {
                            self.told.remove(&Uid::from(object.metadata.uid.as_str()));
                        }
                    }
                }
            }
        }
        signals
    }
}

/// The record of a warning. Three generations of clients write its times and count in three ways.
fn event(from: &objects::Event) -> Option<ClusterEvent> {
    if from.kind != "Warning" {
        // The field selector asked for nothing else, but a proxy may not know selectors.
        return None;
    }
    let meta = &from.metadata;
    let world = |time: &Option<Time>| time.as_ref().and_then(Time::world);
    let series = from.series.as_ref();
    let first = world(&from.first_timestamp).or(world(&from.event_time)).or(meta.created())?;
    let last = series
        .and_then(|series| world(&series.last_observed_time))
        .or(world(&from.last_timestamp))
        .unwrap_or(first)
        .max(first);
    Some(ClusterEvent {
        uid: Uid::from(meta.uid.as_str()),
        kind: clean(&from.involved_object.kind),
        about: ObjectPath::new(from.involved_object.namespace.as_str(), from.involved_object.name.as_str()),
        reason: clean(&from.reason),
        message: Safe::from(from.message.trim()),
        count: series.map(|series| series.count).or(from.count).unwrap_or(1).max(1),
        first,
        last,
    })
}

/// The warnings that the API server still keeps.
pub(super) struct PastEvents(pub(super) Arc<Cluster>);

impl History for PastEvents {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let all = Follower::<objects::Event>::new(Arc::clone(&self.0), WARNINGS).collect().await?;
            Ok(all
                .iter()
                .filter_map(event)
                .filter_map(|event| {
                    let at = [event.last, event.first].into_iter().find(|at| span.contains(*at))?;
                    Some(super::stamped(cx, at, Signal::Event(event)))
                })
                .collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(minute: u32) -> World {
        format!("2026-11-21T03:{minute:02}:00Z").parse().unwrap()
    }

    fn warning(uid: &str, count: u32, last: u32) -> objects::Event {
        of(json!({"metadata": {"uid": uid}, "type": "Warning", "reason": "BackOff", "count": count,
            "firstTimestamp": at(1).to_rfc3339(), "lastTimestamp": at(last).to_rfc3339()}))
    }

    fn of(value: Value) -> objects::Event {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_count_is_told_once() {
        let mut state = State { since: Some(at(10)), ..State::default() };
        let page = |items| News::Page { items, first: true, last: true };
        let put = |event| News::Changes(vec![Change::Put(event)]);
        assert!(state.take(at(11), page(vec![warning("old", 3, 5)])).is_empty(), "the history tells that");
        assert_eq!(state.take(at(12), put(warning("old", 4, 12))).len(), 1);
        assert_eq!(state.take(at(13), put(warning("new", 1, 13))).len(), 1);
        assert!(state.take(at(14), page(vec![warning("old", 4, 12), warning("new", 1, 13)])).is_empty());
        assert_eq!(state.take(at(15), page(vec![warning("old", 5, 15)])).len(), 1);
    }

    #[test]
    fn the_three_ways_to_write_times_and_counts() {
        let classic = event(&warning("a", 7, 9)).unwrap();
        assert_eq!((classic.count, classic.first, classic.last), (7, at(1), at(9)));
        let series = event(&of(json!({"metadata": {"uid": "b"}, "type": "Warning", "reason": "FailedScheduling",
            "message": "0/3 nodes\u{1b}[2J", "firstTimestamp": null, "eventTime": "2026-11-21T03:02:00.000000Z",
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1"},
            "series": {"count": 4, "lastObservedTime": "2026-11-21T03:08:00.000000Z"}})))
        .unwrap();
        assert_eq!((series.count, series.first, series.last), (4, at(2), at(8)));
        assert_eq!((series.message.as_str(), series.about.to_string().as_str()), ("0/3 nodes", "shop/web-1"));
        let bare = event(&of(json!({"metadata": {"creationTimestamp": "2026-11-21T03:03:00Z"}, "type": "Warning"})));
        assert_eq!(bare.map(|event| (event.count, event.last)), Some((1, at(3))));
        assert_eq!(event(&of(json!({"type": "Normal", "eventTime": "2026-11-21T03:02:00Z"}))), None);
    }
}
