//! How pods and their use enter, change and leave.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::cluster::{Pod, Usage};
use crate::model::finding::Finding;
use crate::model::name::{Kind, ObjectPath, Origin, WorkloadKey};
use crate::model::signal::Delta;
use crate::text::Safe;

use super::detect::{Owner, Restarts};
use super::index::{PodHome, remember, short_for_long};
use super::named::Named;
use super::{PodRow, Workloads, trouble};

/// How often what changes by time alone is looked at.
const CHECK: TimeDelta = TimeDelta::seconds(5);

impl Workloads {
    /// Takes in what one cluster says of its pods.
    pub(in crate::observe) fn pods(
        &mut self,
        origin: &Origin,
        at: World,
        delta: Delta<Pod, ObjectPath>,
        catalogue: &Catalogue,
    ) -> Vec<Finding> {
        let cluster = self.cluster(origin);
        if self.clusters[cluster].pods_from != *origin {
            self.clusters[cluster].pods_from = origin.clone();
        }
        let mut findings = Vec::new();
        match delta {
            Delta::All(all) => {
                self.clusters[cluster].generation += 1;
                self.clusters[cluster].listed = true;
                self.clusters[cluster].named = Named::default();
                for pod in all {
                    self.upsert(cluster, pod, at, catalogue, &mut findings);
                }
                let Self { clusters, .. } = self;
                let current = clusters[cluster].generation;
                let gone = clusters[cluster].pods.iter().filter(|(_, home)| home.generation != current);
                let gone: BTreeSet<_> = gone.map(|(path, _)| path.clone()).collect();
                for path in gone {
                    self.remove(cluster, &path);
                }
            }
            Delta::Upsert(some) => {
                for pod in some {
                    self.upsert(cluster, pod, at, catalogue, &mut findings);
                }
            }
            Delta::Remove(gone) => {
                for path in gone {
                    self.clusters[cluster].named.read(&path);
                    self.remove(cluster, &path);
                }
            }
        }
        self.settle(at);
        let flood = &mut self.flood;
        findings.into_iter().filter_map(|finding| flood.pass(finding, at)).collect()
    }

    fn upsert(&mut self, cluster: usize, pod: Pod, at: World, catalogue: &Catalogue, findings: &mut Vec<Finding>) {
        let bare = || WorkloadKey { kind: Kind::Pod, path: pod.path.clone() };
        let from = self.clusters[cluster].pods_from.clone();
        let slot = match &pod.owner {
            Some(owner) => self.slot(cluster, &from, owner, catalogue),
            None => self.slot(cluster, &from, &bare(), catalogue),
        };
        let mut known = self.clusters[cluster].pods.get(&pod.path).copied();
        if known.is_some_and(|home| home.slot != slot) {
            self.remove(cluster, &pod.path);
            known = None;
        }
        let generation = self.clusters[cluster].generation;
        if let Some(home) = known {
            if let Some(place) = self.clusters[cluster].pods.get_mut(&pod.path) {
                place.generation = generation;
            }
            if self.at(slot).pods.get(home.at).is_some_and(|row| row.pod == pod) {
                return;
            }
        }
        self.notice(cluster, slot, known, &pod, at, findings);
        let Self { clusters, rows, homes, .. } = self;
        let cluster = &mut clusters[cluster];
        let row = &mut rows[homes[slot].at];
        let restarts = cluster.restarts.get(&pod.path);
        if trouble::changes_by_time(&pod, restarts, at) {
            cluster.waiting.insert(pod.path.clone());
        }
        match known.and_then(|home| row.pods.get_mut(home.at)) {
            Some(old) => {
                let another = old.pod.uid != pod.uid;
                old.pod = pod;
                if another {
                    old.cpu = None;
                    old.memory = None;
                }
                let was = old.trouble.is_some();
                refresh(old, restarts, at);
                homes[slot].unsorted |= was != old.trouble.is_some();
            }
            None => {
                let path = pod.path.clone();
                cluster.named.read(&path);
                let mut new =
                    PodRow { pod, cpu: None, memory: None, cpu_share: None, memory_share: None, trouble: None };
                refresh(&mut new, restarts, at);
                cluster.pods.insert(path, PodHome { slot, at: row.pods.len(), generation, measured: None });
                row.pods.push(new);
                homes[slot].unsorted = true;
            }
        }
        self.soil(slot);
    }

    /// What the detectors make of a pod, before it takes the place of what was known of it.
    fn notice(
        &mut self,
        cluster: usize,
        slot: usize,
        known: Option<PodHome>,
        pod: &Pod,
        at: World,
        findings: &mut Vec<Finding>,
    ) {
        let Self { clusters, rows, homes, told, .. } = self;
        let cluster = &mut clusters[cluster];
        let row = &rows[homes[slot].at];
        let owner = Owner { origin: &cluster.pods_from, key: &row.key, service: row.service.as_ref() };
        findings.extend(owner.oom_killed(pod, at, told));
        let before = known.and_then(|home| row.pods.get(home.at)).filter(|old| old.pod.uid == pod.uid);
        let tracked = cluster.restarts.get(&pod.path).is_some_and(|restarts| restarts.uid == pod.uid);
        let rises = before.is_some_and(|old| pod.restarts > old.pod.restarts);
        if !tracked && !rises && !trouble::backs_off(pod) {
            cluster.restarts.remove(&pod.path);
            return;
        }
        if !tracked {
            let count = before.map_or(pod.restarts, |old| old.pod.restarts);
            cluster.restarts.insert(pod.path.clone(), Restarts::new(pod.uid.clone(), count));
        }
        if let Some(restarts) = cluster.restarts.get_mut(&pod.path) {
            let ended = pod.last_end.as_ref().map_or(at, |(_, end)| (*end).min(at));
            restarts.count(pod.restarts, ended);
            findings.extend(owner.crash_loop(pod, restarts, at));
        }
    }

    fn remove(&mut self, cluster: usize, path: &ObjectPath) {
        let Self { clusters, rows, homes, .. } = self;
        let cluster = &mut clusters[cluster];
        let Some(home) = cluster.pods.remove(path) else { return };
        cluster.waiting.remove(path);
        cluster.restarts.remove(path);
        let row = &mut rows[homes[home.slot].at];
        if home.at < row.pods.len() {
            row.pods.swap_remove(home.at);
        }
        if let Some(moved) = row.pods.get(home.at)
            && let Some(place) = cluster.pods.get_mut(&moved.pod.path)
        {
            place.at = home.at;
        }
        homes[home.slot].unsorted = true;
        self.soil(home.slot);
    }

    /// Takes in what was measured. Each workload's share gets one point a read.
    pub(in crate::observe) fn usage(&mut self, origin: &Origin, at: World, usages: Vec<Usage>) {
        let index = self.cluster(origin);
        let mut measured = BTreeSet::new();
        let mut of_nodes = false;
        for usage in usages {
            if usage.of.namespace.is_empty() {
                of_nodes |= self.node_usage(index, &usage);
                continue;
            }
            let Self { clusters, rows, homes, .. } = self;
            let cluster = &mut clusters[index];
            let Some(home) = cluster.pods.get_mut(&usage.of) else { continue };
            if home.measured.is_some_and(|last| usage.at <= last) {
                continue;
            }
            home.measured = Some(usage.at);
            let Some(pod) = rows[homes[home.slot].at].pods.get_mut(home.at) else { continue };
            pod.cpu = Some(usage.cpu);
            pod.memory = Some(usage.memory);
            let was = pod.trouble.is_some();
            refresh(pod, cluster.restarts.get(&usage.of), at);
            homes[home.slot].unsorted |= was != pod.trouble.is_some();
            measured.insert(home.slot);
        }
        for slot in &measured {
            self.soil(*slot);
        }
        // A row with pods is not let go by settling, so its slot stays its own.
        self.settle(at);
        for slot in measured {
            let row = self.at(slot);
            if let Some(share) = row.cpu_share {
                remember(&mut row.recent_cpu, at, share);
            }
        }
        if of_nodes {
            self.rebuild_nodes();
        }
    }

    /// Lets time pass: for pods that wait, and restarts that are over.
    pub(in crate::observe) fn tick(&mut self, now: World) -> Vec<Finding> {
        if self.checked.is_some_and(|last| now - last < CHECK && now >= last) {
            return Vec::new();
        }
        self.checked = Some(now);
        let mut findings = Vec::new();
        for index in 0..self.clusters.len() {
            let waiting: Vec<_> = self.clusters[index].waiting.iter().cloned().collect();
            for path in waiting {
                self.check(index, &path, now, &mut findings);
            }
        }
        for slot in 0..self.homes.len() {
            let home = &self.homes[slot];
            if short_for_long(home, now) && self.rows.get(home.at).is_some_and(|row| !row.hurt) {
                self.soil(slot);
            }
        }
        self.settle(now);
        let flood = &mut self.flood;
        findings.into_iter().filter_map(|finding| flood.pass(finding, now)).collect()
    }

    fn check(&mut self, index: usize, path: &ObjectPath, now: World, findings: &mut Vec<Finding>) {
        let Self { clusters, rows, homes, told, .. } = self;
        let cluster = &mut clusters[index];
        let Some(home) = cluster.pods.get(path) else { return };
        let slot = home.slot;
        let row = &mut rows[homes[slot].at];
        let Some(pod) = row.pods.get_mut(home.at) else { return };
        let owner = Owner { origin: &cluster.pods_from, key: &row.key, service: row.service.as_ref() };
        findings.extend(owner.unschedulable(&pod.pod, now, told));
        if cluster.restarts.get_mut(path).is_some_and(|restarts| !restarts.calm(&pod.pod, now)) {
            cluster.restarts.remove(path);
        }
        let restarts = cluster.restarts.get(path);
        if !trouble::changes_by_time(&pod.pod, restarts, now) {
            cluster.waiting.remove(path);
        }
        let was = pod.trouble.is_some();
        if refresh(pod, restarts, now) {
            homes[slot].unsorted |= was != pod.trouble.is_some();
            self.soil(slot);
        }
    }
}

/// Works out shares and trouble anew. Whether the trouble changed.
fn refresh(row: &mut PodRow, restarts: Option<&Restarts>, now: World) -> bool {
    row.cpu_share = trouble::share(row.cpu, row.pod.cpu_limit, row.pod.cpu_request);
    row.memory_share = trouble::share(row.memory, row.pod.memory_limit, row.pod.memory_request);
    let trouble = trouble::of_pod(row, restarts, now);
    let changed = row.trouble.as_deref() != trouble.as_deref();
    if changed {
        row.trouble = trouble.map(Safe::from);
    }
    changed
}
