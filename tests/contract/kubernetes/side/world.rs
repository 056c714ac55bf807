//! The world behind the drill's side: what its pods use, write and suffer from, by the wall.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use warroom::clock::{Clock, World};
use warroom::drill::kube::{Cluster, Kill};

/// What cases add to the shop.
pub(super) const ADDED: [&str; 2] = ["ledger", "checkout"];

/// What is wrong with the drill's pods.
#[derive(Default)]
pub(super) struct Ills {
    /// Pods that are killed as soon as they run.
    pub(super) failing: BTreeMap<String, Kill>,
    /// Images whose pods never get ready.
    pub(super) unready: BTreeSet<String>,
    /// Whether its controllers take a twentieth of a second for a step, as real ones do, and not one.
    pub(super) hurried: bool,
}

pub(super) type Sick = Arc<Mutex<Ills>>;

/// The drill's world: twenty steps a second, by the wall.
pub(super) async fn world(cluster: Cluster, sick: Sick, mut now: World) {
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let real = Clock::real().now();
        let mut there = BTreeSet::new();
        for app in ["payments", "catalog"] {
            for pod in cluster.pods("shop", app) {
                cluster.set_usage("shop", &pod.name, 200, 100 << 20);
                if pod.ready {
                    let number = lines.entry(pod.name.clone()).or_default();
                    cluster.log_at("shop", &pod.name, real, &format!("INFO {app} line {number} of {}", pod.name));
                    *number += 1;
                }
                there.insert(pod.name);
            }
        }
        for pod in ADDED.iter().flat_map(|app| cluster.pods("shop", app)) {
            let bad = sick.lock().unwrap().unready.contains(&pod.image);
            cluster.set_ready("shop", &pod.name, !bad);
        }
        let due = if sick.lock().unwrap().hurried { real } else { second(real) };
        if due > now {
            now = due;
            for (pod, why) in &sick.lock().unwrap().failing {
                // A container that is started anew begins a log of its own.
                if there.contains(pod) {
                    cluster.kill("shop", pod, *why);
                }
            }
            cluster.tick(now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) fn second(time: World) -> World {
    World::from_timestamp(time.timestamp(), 0).unwrap()
}
