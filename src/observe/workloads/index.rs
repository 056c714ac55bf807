//! Where things are: indices by cluster, and rows that are summed up and sorted only when what
//! they rest on changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::cluster::{Autoscaler, Workload};
use crate::model::name::{EnvId, ObjectPath, Origin, WorkloadKey};
use crate::model::signal::Delta;
use crate::text::Safe;

use super::detect::Restarts;
use super::named::Named;
use super::nodes::NodeState;
use super::{PodCounts, PodRow, WorkloadRow, Workloads, trouble};

/// One cluster: that of one environment. Several sources tell of it, one each of its pods, its
/// workloads, its nodes and what is measured.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) env: EnvId,
    /// The source that told of pods last: what is noticed of pods as time passes is its.
    pub(super) pods_from: Origin,
    pub(super) index: HashMap<WorkloadKey, usize>,
    pub(super) pods: HashMap<ObjectPath, PodHome>,
    /// Pods that were named ahead of the first list.
    pub(super) named: Named,
    /// A whole list of pods was told.
    pub(super) listed: bool,
    pub(super) autoscalers: BTreeMap<ObjectPath, Autoscaler>,
    /// The autoscalers by what they scale.
    pub(super) scaled: HashMap<WorkloadKey, Autoscaler>,
    pub(super) nodes: BTreeMap<Safe, NodeState>,
    /// Pods that restarted of late, and no others.
    pub(super) restarts: BTreeMap<ObjectPath, Restarts>,
    /// Pods whose trouble changes by time alone, in order, so that findings come in one order.
    pub(super) waiting: BTreeSet<ObjectPath>,
    /// Counts whole lists: what the last one did not hold is gone.
    pub(super) generation: u64,
}

/// Where a pod is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodHome {
    pub(super) slot: usize,
    /// Its place in the row.
    pub(super) at: usize,
    pub(super) generation: u64,
    pub(super) measured: Option<World>,
}

/// What is kept of a row beside the row.
#[derive(Clone, Debug, Default)]
pub(super) struct Home {
    /// Its place among the rows.
    pub(super) at: usize,
    pub(super) cluster: usize,
    pub(super) dirty: bool,
    /// Its pods are out of order.
    pub(super) unsorted: bool,
    /// Since when fewer replicas are ready than wanted.
    pub(super) short_since: Option<World>,
}

impl Cluster {
    /// Whether its first list of pods is coming in.
    pub(super) fn reads(&self) -> bool {
        !self.listed && (self.named.left() > 0 || !self.pods.is_empty())
    }
}

impl Workloads {
    /// The index of a cluster, which is new if it was not known.
    pub(super) fn cluster(&mut self, origin: &Origin) -> usize {
        if let Some(known) = self.clusters.iter().position(|cluster| cluster.env == origin.env) {
            return known;
        }
        self.clusters.push(Cluster {
            env: origin.env.clone(),
            pods_from: origin.clone(),
            index: HashMap::new(),
            pods: HashMap::new(),
            named: Named::default(),
            listed: false,
            autoscalers: BTreeMap::new(),
            scaled: HashMap::new(),
            nodes: BTreeMap::new(),
            restarts: BTreeMap::new(),
            waiting: BTreeSet::new(),
            generation: 0,
        });
        self.clusters.len() - 1
    }

    /// The slot of a workload, which is new if it was not known.
    pub(super) fn slot(&mut self, cluster: usize, origin: &Origin, key: &WorkloadKey, catalogue: &Catalogue) -> usize {
        if let Some(slot) = self.clusters[cluster].index.get(key) {
            return *slot;
        }
        let home = Home { at: self.rows.len(), cluster, ..Home::default() };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.homes[slot] = home;
                slot
            }
            None => {
                self.homes.push(home);
                self.homes.len() - 1
            }
        };
        self.clusters[cluster].index.insert(key.clone(), slot);
        self.rows.push(WorkloadRow {
            origin: origin.clone(),
            key: key.clone(),
            workload: None,
            service: catalogue.of_workload(key).cloned(),
            autoscaler: self.clusters[cluster].scaled.get(key).cloned(),
            pods: Vec::new(),
            counts: PodCounts::default(),
            cpu_share: None,
            memory_share: None,
            recent_cpu: VecDeque::new(),
            hurt: false,
            trouble: None,
        });
        self.slots.push(slot);
        self.unsorted = true;
        self.soil(slot);
        slot
    }

    /// Marks a row to be summed up anew.
    pub(super) fn soil(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.homes[slot].dirty, true) {
            self.dirty.push(slot);
        }
    }

    /// The row of a slot.
    pub(super) fn at(&mut self, slot: usize) -> &mut WorkloadRow {
        &mut self.rows[self.homes[slot].at]
    }

    /// Takes in what one cluster says of its workloads.
    pub(in crate::observe) fn workloads(
        &mut self,
        origin: &Origin,
        at: World,
        delta: Delta<Workload, WorkloadKey>,
        catalogue: &Catalogue,
    ) {
        let cluster = self.cluster(origin);
        let (upserts, gone) = match delta {
            Delta::All(all) => {
                let there: HashSet<_> = all.iter().map(|workload| &workload.key).collect();
                let gone = self
                    .rows
                    .iter()
                    .filter(|row| row.origin.env == origin.env)
                    .filter_map(|row| row.workload.as_ref())
                    .filter(|known| !there.contains(&known.key))
                    .map(|known| known.key.clone());
                let gone = gone.collect();
                (all, gone)
            }
            Delta::Upsert(some) => (some, Vec::new()),
            Delta::Remove(gone) => (Vec::new(), gone),
        };
        for workload in upserts {
            let slot = self.slot(cluster, origin, &workload.key, catalogue);
            let row = self.at(slot);
            row.origin = origin.clone();
            row.workload = Some(workload);
            self.soil(slot);
        }
        for key in gone {
            if let Some(slot) = self.clusters[cluster].index.get(&key).copied() {
                self.at(slot).workload = None;
                self.soil(slot);
            }
        }
        self.settle(at);
    }

    /// Takes in what one cluster says of its autoscalers.
    pub(in crate::observe) fn autoscalers(&mut self, origin: &Origin, delta: Delta<Autoscaler, ObjectPath>) {
        let cluster = self.cluster(origin);
        let cluster = &mut self.clusters[cluster];
        match delta {
            Delta::All(all) => {
                cluster.autoscalers = all.into_iter().map(|one| (one.path.clone(), one)).collect();
            }
            Delta::Upsert(some) => cluster.autoscalers.extend(some.into_iter().map(|one| (one.path.clone(), one))),
            Delta::Remove(gone) => cluster.autoscalers.retain(|path, _| !gone.contains(path)),
        }
        cluster.scaled = cluster.autoscalers.values().map(|one| (one.target.clone(), one.clone())).collect();
        for row in self.rows.iter_mut().filter(|row| row.origin.env == cluster.env) {
            row.autoscaler = cluster.scaled.get(&row.key).cloned();
        }
    }

    /// Sums up the rows that changed, lets empty ones go, and restores the order.
    pub(super) fn settle(&mut self, now: World) {
        for slot in std::mem::take(&mut self.dirty) {
            self.homes[slot].dirty = false;
            self.sort_pods(slot);
            let home = &mut self.homes[slot];
            let row = &mut self.rows[home.at];
            let short = row.workload.as_ref().is_some_and(|workload| workload.ready < workload.desired);
            home.short_since = short.then(|| home.short_since.unwrap_or(now));
            let counts = sum_up(row, short_for_long(home, now));
            self.counts.all = self.counts.all + counts.all - row.counts.all;
            self.counts.hurt = self.counts.hurt + counts.hurt - row.counts.hurt;
            row.counts = counts;
            let hurt = row.trouble.is_some();
            if row.hurt != hurt {
                row.hurt = hurt;
                self.unsorted = true;
                self.version += 1;
            }
            if row.workload.is_none() && row.pods.is_empty() {
                self.drop_row(slot);
            }
        }
        if std::mem::take(&mut self.unsorted) {
            self.sort();
        }
    }

    fn drop_row(&mut self, slot: usize) {
        let at = self.homes[slot].at;
        let row = self.rows.swap_remove(at);
        self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.homes[*moved].at = at;
        }
        self.clusters[self.homes[slot].cluster].index.remove(&row.key);
        self.homes[slot] = Home::default();
        self.free.push(slot);
        self.unsorted = true;
    }

    fn sort(&mut self) {
        fn place(row: &WorkloadRow) -> impl Ord + '_ {
            (!row.hurt, row.service.is_none(), &row.service, &row.key.path.name, &row.key, &row.origin.env)
        }
        if self.rows.is_sorted_by(|a, b| place(a) <= place(b)) {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        let mut paired: Vec<_> = rows.into_iter().zip(std::mem::take(&mut self.slots)).collect();
        paired.sort_by(|(a, _), (b, _)| place(a).cmp(&place(b)));
        (self.rows, self.slots) = paired.into_iter().unzip();
        for (at, slot) in self.slots.iter().enumerate() {
            self.homes[*slot].at = at;
        }
    }

    fn sort_pods(&mut self, slot: usize) {
        if !std::mem::take(&mut self.homes[slot].unsorted) {
            return;
        }
        fn place(row: &PodRow) -> impl Ord + '_ {
            (row.trouble.is_none(), &row.pod.path.name)
        }
        let home = &self.homes[slot];
        let row = &mut self.rows[home.at];
        if !row.pods.is_sorted_by(|a, b| place(a) <= place(b)) {
            row.pods.sort_by(|a, b| place(a).cmp(&place(b)));
        }
        let cluster = &mut self.clusters[home.cluster];
        for (at, pod) in row.pods.iter().enumerate() {
            if let Some(place) = cluster.pods.get_mut(&pod.pod.path) {
                place.at = at;
            }
        }
    }
}

/// Whether replicas have been missing for longer than a start takes.
pub(super) fn short_for_long(home: &Home, now: World) -> bool {
    home.short_since.is_some_and(|since| now - since > trouble::GRACE)
}

fn sum_up(row: &mut WorkloadRow, short: bool) -> PodCounts {
    let mut counts = PodCounts::default();
    let mut cpu = trouble::Shares::default();
    let mut memory = trouble::Shares::default();
    for PodRow { pod, cpu: used, memory: held, trouble, .. } in &row.pods {
        if trouble::meant_to_run(pod) {
            counts.all += 1;
        }
        counts.hurt += usize::from(trouble.is_some());
        cpu.add(*used, pod.cpu_limit, pod.cpu_request);
        memory.add(*held, pod.memory_limit, pod.memory_request);
    }
    row.cpu_share = cpu.share();
    row.memory_share = memory.share();
    let words = trouble::of_workload(row, counts, short);
    if row.trouble.as_deref() != words.as_deref() {
        row.trouble = words.map(Safe::from);
    }
    counts
}

/// Appends a point, once a read, and lets the oldest go.
pub(super) fn remember(recent: &mut VecDeque<(World, f64)>, at: World, share: f64) {
    const KEEP: TimeDelta = TimeDelta::hours(1);
    const KEEP_AT_MOST: usize = 1024;
    if recent.back().is_some_and(|(newest, _)| at <= *newest) {
        return;
    }
    recent.push_back((at, share));
    while recent.len() > KEEP_AT_MOST || recent.front().is_some_and(|(oldest, _)| at - *oldest > KEEP) {
        recent.pop_front();
    }
}
