//! The nodes of a cluster: conditions, zone, and what pods may ask for.
//!
//! Owns: news of nodes to signals. Must not: add up what runs on them.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::clock::World;
use crate::connect::{Ctx, Ended, Outlet, Source, SourceError};
use crate::model::cluster::Node;
use crate::model::name::ObjectPath;
use crate::model::signal::{Delta, Signal};
use crate::text::{Safe, clean};

use super::access::Cluster;
use super::follow::{Follower, Resource};
use super::lane::{Change, Lane, Link, News, Out};
use super::objects;
use super::quantity::{millicores, whole};
use super::until_cancelled;

const NODES: Resource = Resource { base: "/api/v1", plural: "nodes", query: "", namespaced: false };
const ZONE: &str = "topology.kubernetes.io/zone";

/// Reads nodes.
pub(super) struct Nodes {
    follower: Follower<objects::Node>,
    link: Link,
    /// The pages of a list that is under way.
    state: tokio::sync::Mutex<Vec<Node>>,
}

impl Nodes {
    /// Reads the nodes of `cluster`.
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { follower: Follower::new(cluster, NODES), link: Link::default(), state: tokio::sync::Mutex::default() }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        let lane = Lane { cx, out, link: &self.link, state: &self.state };
        until_cancelled(cx, self.follower.follow(&lane, take)).await
    }
}

impl Source for Nodes {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

fn take(gathered: &mut Vec<Node>, now: World, news: News<objects::Node>) -> Vec<(World, Signal)> {
    let deltas = match news {
        News::Page { items, first, last } => {
            if first {
                gathered.clear();
            }
            gathered.extend(items.iter().map(node));
            if last { vec![Delta::All(std::mem::take(gathered))] } else { Vec::new() }
        }
        News::Changes(changes) => changes
            .into_iter()
            .map(|change| match change {
                Change::Put(object) => Delta::Upsert(vec![node(&object)]),
                Change::Gone(object) => Delta::Remove(vec![ObjectPath::new("", object.metadata.name.as_str())]),
            })
            .collect(),
    };
    deltas.into_iter().map(|delta| (now, Signal::Nodes(delta))).collect()
}

fn node(from: &objects::Node) -> Node {
    let (meta, status) = (&from.metadata, &from.status);
    let amount = |resource: &str, read: fn(&str) -> Option<u64>| {
        status.allocatable.get(resource).and_then(|quantity| read(&quantity.text)).unwrap_or(0)
    };
    Node {
        name: clean(&meta.name),
        ready: status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True"),
        // `NetworkUnavailable` is no pressure by name, but hurts like one.
        pressures: status
            .conditions
            .iter()
            .filter(|condition| condition.kind != "Ready" && condition.status == "True")
            .map(|condition| Safe::from(condition.kind.as_str()))
            .collect(),
        unschedulable: from.spec.unschedulable,
        zone: meta.labels.get(ZONE).map(|zone| clean(zone)),
        cpu: amount("cpu", millicores),
        memory: amount("memory", whole),
        pods: u32::try_from(amount("pods", whole)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_under_pressure() {
        let node = node(
            &serde_json::from_value(json!({
                "metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "eu-1b"}},
                "spec": {"unschedulable": true},
                "status": {"allocatable": {"cpu": "3920m", "memory": "16Gi", "pods": "110"}, "conditions": [
                    {"type": "Ready", "status": "Unknown"}, {"type": "MemoryPressure", "status": "True"},
                    {"type": "DiskPressure", "status": "False"}]},
            }))
            .unwrap(),
        );
        assert_eq!((node.ready, node.unschedulable, node.zone.as_deref()), (false, true, Some("eu-1b")));
        assert_eq!(node.pressures, ["MemoryPressure"]);
        assert_eq!((node.cpu, node.memory, node.pods), (3920, 16 << 30, 110));
    }
}
