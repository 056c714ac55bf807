//! Zones in trouble: what comes in through the load balancers' nodes there is lost in part.
//!
//! Owns: which zones lose how much, and what that is of a workload's requests. A client is sent
//! to the nodes of each zone alike; a zonal shift takes a zone's nodes out, and with them the
//! targets there. Calls within the cluster do not go through a balancer, and are not touched.

use std::collections::{BTreeMap, BTreeSet};

use crate::drill::cloud::Cloud;
use crate::drill::kube::PodView;
use crate::drill::scenario::{File, Workload};

/// Zones in trouble.
#[derive(Clone, Debug, Default)]
pub(super) struct Zones {
    lost: BTreeMap<String, f64>,
}

impl Zones {
    /// From now on `zone` loses this share of what comes in.
    pub(super) fn trouble(&mut self, zone: String, loses: f64) {
        self.lost.insert(zone, loses);
    }

    /// Takes the pods out that no traffic is sent to, and says which share of the workload's
    /// requests is lost on the way to the others.
    pub(super) fn step(
        &self,
        file: &File,
        cloud: &Cloud,
        workload: &Workload,
        pods: &mut [PodView],
        away: &BTreeSet<String>,
    ) -> f64 {
        let path = workload.path.get_ref();
        if !cloud.balancers.iter().any(|balancer| balancer.serves.contains(path)) {
            return 0.0;
        }
        let zone_of = |pod: &PodView| {
            file.nodes.iter().find(|node| Some(&node.name) == pod.node.as_ref()).map(|node| node.zone.as_str())
        };
        for pod in pods.iter_mut() {
            if zone_of(pod).is_some_and(|zone| away.contains(zone)) {
                pod.ready = false;
            }
        }
        let open: Vec<_> = cloud.zones.iter().filter(|zone| !away.contains(*zone)).collect();
        let lost: f64 = open.iter().filter_map(|zone| self.lost.get(*zone)).sum();
        lost / open.len().max(1) as f64
    }
}
