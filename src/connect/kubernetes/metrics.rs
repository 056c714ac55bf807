//! What metrics.k8s.io answers: the CPU and memory of each pod or node.
//!
//! Owns: the JSON of a `PodMetricsList` and a `NodeMetricsList` (`metrics.k8s.io/v1beta1`), read in
//! one pass. A cluster of 10,000 pods answers with megabytes every 15 s, so nothing of an item is
//! kept but its name and two numbers. Must not: ask.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clock::World;
use crate::model::cluster::Usage;
use crate::model::name::ObjectPath;

use super::names::Cell;
use super::quantity::{millicores, whole};
use super::wire::{Malformed, Time};

/// Reads a list; what has no time of its own was measured `now`.
pub(super) fn read(body: &[u8], now: World) -> Result<Vec<Usage>, Malformed> {
    let List { mut items } = serde_json::from_slice(body)?;
    for item in items.iter_mut().filter(|item| item.at == World::default()) {
        item.at = now;
    }
    Ok(items)
}

#[derive(Deserialize)]
struct List {
    #[serde(default, deserialize_with = "items")]
    items: Vec<Usage>,
}

/// A PodMetrics or a NodeMetrics.
#[derive(Deserialize)]
struct Metrics<'a> {
    #[serde(borrow, default)]
    metadata: Meta<'a>,
    timestamp: Option<Time>,
    /// Of pods.
    #[serde(borrow, default)]
    containers: Option<Vec<Container<'a>>>,
    /// Of nodes.
    #[serde(borrow, default)]
    usage: Option<Amounts<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow, default)]
    usage: Option<Amounts<'a>>,
}

#[derive(Deserialize)]
struct Amounts<'a> {
    #[serde(borrow)]
    cpu: Option<Cell<'a>>,
    #[serde(borrow)]
    memory: Option<Cell<'a>>,
}

impl Metrics<'_> {
    /// The sums over all containers.
    fn usage(&self) -> Usage {
        let containers = self.containers.iter().flatten().filter_map(|container| container.usage.as_ref());
        let (mut cpu, mut memory) = (0u64, 0u64);
        for amounts in containers.chain(&self.usage) {
            cpu = cpu.saturating_add(amount(amounts.cpu.as_ref(), millicores));
            memory = memory.saturating_add(amount(amounts.memory.as_ref(), whole));
        }
        Usage {
            of: ObjectPath::new(&*self.metadata.namespace, &*self.metadata.name),
            at: self.timestamp.as_ref().and_then(Time::world).unwrap_or_default(),
            cpu,
            memory,
        }
    }
}

/// A quantity is written as text, and now and then as a number.
fn amount(cell: Option<&Cell<'_>>, read: fn(&str) -> Option<u64>) -> u64 {
    match cell {
        Some(Cell::Text(text)) => read(text).unwrap_or(0),
        Some(Cell::Number(number)) => read(&number.to_string()).unwrap_or(0),
        Some(Cell::Other) | None => 0,
    }
}

fn items<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Usage>, D::Error> {
    struct Items;

    impl<'de> Visitor<'de> for Items {
        type Value = Vec<Usage>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        // Go writes an empty list as `null` now and then.
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(item) = seq.next_element::<Metrics<'de>>()? {
                all.push(item.usage());
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(Items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(items: Value) -> Vec<(String, u64, u64, String)> {
        let list = json!({"kind": "PodMetricsList", "metadata": {}, "items": items}).to_string();
        let now = "2026-11-21T03:11:00Z".parse().unwrap();
        let read = read(list.as_bytes(), now).unwrap();
        read.iter().map(|usage| (usage.of.to_string(), usage.cpu, usage.memory, usage.at.to_rfc3339())).collect()
    }

    #[test]
    fn a_pods_usage_is_that_of_its_containers() {
        let pod = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"a": "b"}},
            "timestamp": "2026-11-21T03:10:00Z", "window": "15s",
            "containers": [{"name": "app", "usage": {"cpu": "123456789n", "memory": "64Mi"}},
                {"name": "mesh", "usage": {"cpu": "1500u", "memory": "1Ki"}}],
        });
        let memory = (64 << 20) + 1024;
        assert_eq!(of(json!([pod])), [("shop/web-1".into(), 124 + 2, memory, "2026-11-21T03:10:00+00:00".into())]);
    }

    #[test]
    fn a_node_has_usage_of_its_own_and_what_has_no_time_was_measured_now() {
        let node = json!({"metadata": {"name": "node-1"}, "usage": {"cpu": 2, "memory": "1Gi"}});
        assert_eq!(of(json!([node])), [("node-1".into(), 2000, 1 << 30, "2026-11-21T03:11:00+00:00".into())]);
    }

    #[test]
    fn what_is_missing_is_nothing_and_no_fault() {
        assert_eq!(of(Value::Null), []);
        let odd = json!([{"metadata": {"name": "a", "namespace": "b"}, "containers": null},
            {"metadata": {"name": "c", "namespace": "d"}, "containers": [{"name": "x"}, {"usage": {"cpu": "?", "memory": []}}]}]);
        let read = of(odd);
        assert_eq!(
            read.iter().map(|(name, cpu, memory, _)| (name.as_str(), *cpu, *memory)).collect::<Vec<_>>(),
            [("b/a", 0, 0), ("d/c", 0, 0)]
        );
        assert!(super::read(b"{\"items\":7}", World::default()).is_err());
    }
}
