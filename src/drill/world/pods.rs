//! What one pod of a workload uses, and when it gives up.
//!
//! Owns: the shares of pods in their workload's CPU, their heaps, their probes. Must not: decide
//! how much work there is.

use std::collections::BTreeMap;

use crate::drill::kube::PodView;
use crate::drill::rng::Rng;
use crate::drill::scenario::Workload;

use super::physics::Second;

/// Bytes that a request or a call in flight holds.
const PER_FLIGHT: f64 = 160.0 * 1024.0;
/// Bytes a second that a starved pod's heap grows by: garbage collection comes to nothing.
const GROWTH: f64 = 2.0 * 1024.0 * 1024.0;
/// From this utilisation on the probe of a pod may go unanswered.
const PROBE_FAILS: f64 = 2.5;
/// Seconds of it before the pod is taken out.
const PROBE_PATIENCE: u32 = 30;

/// One pod.
#[derive(Clone, Debug)]
struct Use {
    /// Its share in the work, around 1.
    skew: f64,
    /// How fast its heap grows when CPU is short.
    leak: f64,
    heap: f64,
    cpu: f64,
    memory: f64,
    cpu_seconds: f64,
    starved: u32,
    probe: bool,
    seen: bool,
}

/// The pods of one workload.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Pods {
    pods: BTreeMap<String, Use>,
    seed: u64,
    rest: f64,
    limit: f64,
}

/// What a pod's second came to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::drill) enum Happened {
    /// Its memory reached its limit.
    OutOfMemory(String),
    /// Its probe fails, or is answered again.
    Probe(String, bool),
}

impl Pods {
    pub(super) fn new(seed: u64, workload: &Workload) -> Self {
        Self { pods: BTreeMap::new(), seed, rest: workload.memory.rest as f64, limit: workload.memory.limit as f64 }
    }

    /// Spreads a second of the workload over its pods.
    pub(super) fn step(&mut self, views: &[PodView], second: &Second) -> Vec<Happened> {
        for pod in self.pods.values_mut() {
            pod.seen = false;
        }
        let mut happened = Vec::new();
        let ready = second.ready.max(1) as f64;
        let mut out = views.iter().filter(|view| !view.ready).count();
        for view in views {
            let seed = self.seed;
            let rest = self.rest;
            let pod = self.pods.entry(view.name.clone()).or_insert_with(|| {
                let mut rng = Rng::named(seed, &view.name);
                Use {
                    skew: 1.0 + 0.06 * rng.signed(),
                    leak: 0.25 + 0.75 * rng.unit(),
                    heap: 0.0,
                    cpu: 0.0,
                    memory: rest,
                    cpu_seconds: 0.0,
                    starved: 0,
                    probe: true,
                    seen: true,
                }
            });
            pod.seen = true;
            if !view.ready {
                pod.cpu = if view.node.is_some() { 0.03 } else { 0.0 };
                pod.memory = if view.node.is_some() { rest * 0.7 } else { 0.0 };
                pod.heap = 0.0;
                pod.cpu_seconds += pod.cpu;
                if !pod.probe {
                    pod.starved = pod.starved.saturating_sub(2);
                    if pod.starved == 0 {
                        pod.probe = true;
                        happened.push(Happened::Probe(view.name.clone(), true));
                    }
                }
                continue;
            }
            // Saturated pods all sit at their limit; below, the skew shows.
            let skew = if second.utilisation > 1.0 { 1.0 } else { pod.skew };
            pod.cpu = second.cpu / ready * skew;
            pod.cpu_seconds += pod.cpu;
            let pressure = (second.utilisation - 1.0).clamp(-1.0, 0.6);
            pod.heap = (pod.heap + GROWTH * pod.leak * if pressure > 0.0 { pressure } else { 4.0 * pressure }).max(0.0);
            pod.memory = rest * (0.96 + 0.04 * skew) + pod.heap + PER_FLIGHT * second.in_flight / ready * skew;
            if pod.memory > self.limit {
                pod.heap = 0.0;
                pod.memory = rest;
                happened.push(Happened::OutOfMemory(view.name.clone()));
                continue;
            }
            pod.starved = if second.utilisation > PROBE_FAILS { pod.starved + 1 } else { 0 };
            // Never more than a third at once: the rest of the load would take down the others.
            if pod.starved >= PROBE_PATIENCE && pod.probe && (out + 1) * 3 <= views.len() {
                pod.probe = false;
                out += 1;
                happened.push(Happened::Probe(view.name.clone(), false));
            }
        }
        self.pods.retain(|_, pod| pod.seen);
        happened
    }

    /// Each pod's CPU in thousandths of a core, its memory in bytes, and its CPU seconds so far.
    pub(in crate::drill) fn usage(&self) -> impl Iterator<Item = (&str, u64, u64, f64)> {
        self.pods.iter().map(|(name, pod)| {
            (name.as_str(), (pod.cpu * 1000.0).round() as u64, pod.memory.min(self.limit) as u64, pod.cpu_seconds)
        })
    }
}
