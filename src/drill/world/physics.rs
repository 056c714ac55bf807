//! Services under load: what one second of traffic does to them.
//!
//! Owns: arrivals, CPU and its shortage, queues, time-outs, retries and refusals, and the memory
//! that goes with them. A pure function of what came before and of the pods there are. Must not:
//! know clusters, logs or metrics formats.
//!
//! The model, kept small enough to reason about:
//! - A request's latency is a fixed part and an exponential tail; so `P(latency > t)` and every
//!   quantile have a closed form, which histograms, time-outs and log lines share.
//! - CPU demand over capacity is the utilisation ρ. Below 1, CPU time is stretched by
//!   `1/(1-ρ)` (M/M/1 in processor sharing). Above 1 the loops of a worker that never rests
//!   compete with the requests: of `loops` in a pod, `1-1/ρ` are runnable and wait for CPU.
//!   Requests that alone want more CPU than there is queue up, and are refused when the queue is
//!   full.
//! - Who calls sees his callee as it was a second ago, so circles settle over some seconds, as
//!   they do in life. What he sees is smoothed over [`SMOOTHING`] of a second's news.
//! - A retry is a further attempt that the callee has to bear; a budget bounds them.

use crate::drill::kube::PodView;
use crate::drill::rng::Rng;
use crate::drill::scenario::{OnRefusal, Scenario, Workload};

use super::Fleet;
use super::calls::{Called, Face, SMOOTHING, Traits, called, worker_wants};
use super::pods::Pods;

/// Share of a node's CPU that the system itself uses.
const NODE_SYSTEM: f64 = 0.06;
/// CPU may not be stretched further than this by sharing alone: beyond, loops and queues say it.
const MOST_STRETCH: f64 = 10.0;
/// CPU of a pod that does nothing, cores.
const IDLE: f64 = 0.012;

/// One second of one workload, as rates a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::drill) struct Second {
    /// Requests that arrived.
    pub(in crate::drill) requests: f64,
    /// Of them answered as they should be.
    pub(in crate::drill) served: f64,
    /// Accepted to be finished later (202).
    pub(in crate::drill) deferred: f64,
    /// Refused (429).
    pub(in crate::drill) refused: f64,
    /// Failed (5xx).
    pub(in crate::drill) failed: f64,
    /// Attempts at calls, retries and worker's counted.
    pub(in crate::drill) attempts: f64,
    /// Attempts that were answered well, refused, timed out or failed.
    pub(in crate::drill) attempts_refused: f64,
    /// See above.
    pub(in crate::drill) attempts_timed_out: f64,
    /// See above.
    pub(in crate::drill) attempts_failed: f64,
    /// Attempts after the first.
    pub(in crate::drill) retries: f64,
    /// Attempts of the worker.
    pub(in crate::drill) worker: f64,
    /// CPU demand over capacity.
    pub(in crate::drill) utilisation: f64,
    /// CPU used, cores.
    pub(in crate::drill) cpu: f64,
    /// Requests and calls in flight, of the whole workload.
    pub(in crate::drill) in_flight: f64,
    /// Pods that take traffic.
    pub(in crate::drill) ready: usize,
    /// How it looks to its users.
    pub(in crate::drill) face: Face,
}

/// State of one workload.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Body {
    pub(in crate::drill) now: Second,
    pub(in crate::drill) pods: Pods,
    seen: Face,
    queue: f64,
    drift: f64,
    /// Share of its requests that is lost on the way to it.
    pub(in crate::drill) lost: f64,
    /// Requests a second at rest that are sent to it from outside.
    pub(in crate::drill) offered: f64,
    rng: Rng,
}

/// State of one external.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::drill) struct Outside {
    /// Calls a second that came, the last second.
    pub(in crate::drill) offered: f64,
    /// Calls a second that it refused.
    pub(in crate::drill) refused: f64,
    /// How it looks to its callers.
    pub(in crate::drill) face: Face,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Callee {
    Workload(usize),
    Outside(usize),
    /// To a host behind which there is nobody.
    Nobody,
}

/// Where calls go, and which share of them: the shares make one.
type Ways = Vec<(Callee, f64)>;

/// Nobody's: every request fails at once.
const NOBODY: Face = Face { fails: 1.0, refuses: 0.0, fixed: 0.002, tail: 0.001 };

/// All services under load.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Physics {
    pub(in crate::drill) bodies: Vec<Body>,
    pub(in crate::drill) outside: Vec<Outside>,
    /// CPU used on each node over its capacity, in the order of the scenario.
    pub(in crate::drill) nodes: Vec<f64>,
    /// Share of what its pods want that each node can give.
    relief: Vec<f64>,
    order: Vec<usize>,
    calls: Vec<Vec<Ways>>,
    workers: Vec<Option<Ways>>,
}

impl Physics {
    /// At rest.
    pub(in crate::drill) fn new(scenario: &Scenario, seed: u64) -> Self {
        let file = &scenario.file;
        let bodies = file
            .workloads
            .iter()
            .map(|workload| Body {
                now: Second::default(),
                pods: Pods::new(seed, workload),
                seen: Face { fixed: workload.serves.latency, tail: workload.serves.tail, ..Face::default() },
                queue: 0.0,
                drift: 0.0,
                lost: 0.0,
                offered: workload.serves.rate,
                rng: Rng::named(seed, &format!("load {}", workload.path.get_ref())),
            })
            .collect();
        let outside = file
            .externals
            .iter()
            .map(|external| Outside {
                face: Face { fixed: external.latency, tail: external.tail, ..Face::default() },
                ..Outside::default()
            })
            .collect();
        Self {
            bodies,
            outside,
            nodes: vec![0.0; file.nodes.len()],
            relief: vec![1.0; file.nodes.len()],
            order: Vec::new(),
            calls: Vec::new(),
            workers: Vec::new(),
        }
    }

    /// Sees where calls go now, by what divides them.
    pub(in crate::drill) fn route(&mut self, scenario: &Scenario, fleet: &dyn Fleet) {
        let file = &scenario.file;
        let ways = |name: &str| -> Ways {
            if let Some(at) = file.externals.iter().position(|external| external.name.get_ref() == name) {
                return vec![(Callee::Outside(at), 1.0)];
            }
            let (namespace, host) = name.split_once('/').unwrap_or(("", name));
            let callee = |to: Option<(String, String)>| {
                let at = to.and_then(|(namespace, name)| scenario.workload_at(&format!("{namespace}/{name}")));
                at.map_or(Callee::Nobody, Callee::Workload)
            };
            fleet.flows(namespace, host).into_iter().map(|flow| (callee(flow.to), flow.share)).collect()
        };
        let calls: Vec<Vec<Ways>> = file
            .workloads
            .iter()
            .map(|workload| workload.calls.iter().map(|call| ways(call.to.get_ref())).collect())
            .collect();
        let workers: Vec<Option<Ways>> = file
            .workloads
            .iter()
            .map(|workload| workload.worker.as_ref().map(|worker| ways(worker.to.get_ref())))
            .collect();
        if self.order.is_empty() || self.calls != calls || self.workers != workers {
            self.order = callers_first(&calls, &workers);
            (self.calls, self.workers) = (calls, workers);
        }
    }

    /// One second. `hours` since the epoch; `pods` of each workload, in the scenario's order.
    pub(in crate::drill) fn step(&mut self, scenario: &Scenario, hours: f64, pods: &[Vec<PodView>]) {
        let file = &scenario.file;
        let mut inbound = vec![0.0; self.bodies.len()];
        let mut offered = vec![0.0; self.outside.len()];
        for at in self.order.clone() {
            let (Some(workload), Some(views)) = (file.workloads.get(at), pods.get(at)) else { continue };
            let capacity = self.capacity(scenario, workload, views);
            let callees: Vec<Face> = self.calls[at].iter().map(|ways| self.seen(ways)).collect();
            let worker_sees = self.workers[at].as_ref().map(|ways| self.seen(ways));
            let body = &mut self.bodies[at];
            let outcome = body.step(workload, views, hours, inbound[at], capacity, &callees, worker_sees);
            let mut add = |ways: &Ways, rate: f64| {
                for (callee, share) in ways {
                    match callee {
                        Callee::Workload(to) => inbound[*to] += rate * share,
                        Callee::Outside(to) => offered[*to] += rate * share,
                        Callee::Nobody => {}
                    }
                }
            };
            for (ways, rate) in self.calls[at].iter().zip(&outcome.to_callees) {
                add(ways, *rate);
            }
            if let Some(ways) = &self.workers[at] {
                add(ways, outcome.to_worker);
            }
        }
        for ((outside, external), offered) in self.outside.iter_mut().zip(&file.externals).zip(offered) {
            outside.offered = offered;
            let refuses = if offered > external.limit { 1.0 - external.limit / offered } else { 0.0 };
            outside.refused = offered * refuses;
            let slow = 1.0 + external.slows * refuses;
            let news = Face { fails: 0.0, refuses, fixed: external.latency * slow, tail: external.tail * slow };
            outside.face.toward(&news);
        }
        for body in &mut self.bodies {
            let news = body.now.face;
            body.seen.toward(&news);
        }
        self.share_nodes(scenario, pods);
    }

    fn face(&self, callee: Callee) -> Face {
        match callee {
            Callee::Workload(at) => self.bodies.get(at).map(|body| body.seen),
            Callee::Outside(at) => self.outside.get(at).map(|outside| outside.face),
            Callee::Nobody => Some(NOBODY),
        }
        .unwrap_or_default()
    }

    /// What callers see of several that share their calls: the mean by share.
    fn seen(&self, ways: &Ways) -> Face {
        let mut mean = Face::default();
        for (callee, share) in ways {
            let face = self.face(*callee);
            mean.fails += share * face.fails;
            mean.refuses += share * face.refuses;
            mean.fixed += share * face.fixed;
            mean.tail += share * face.tail;
        }
        mean
    }

    /// Cores that the ready pods may use: their limits, less what their nodes cannot give.
    fn capacity(&self, scenario: &Scenario, workload: &Workload, views: &[PodView]) -> f64 {
        let limit = workload.cpu.limit as f64 / 1000.0;
        views
            .iter()
            .filter(|view| view.ready)
            .map(|view| {
                let node = scenario.file.nodes.iter().position(|node| Some(&node.name) == view.node.as_ref());
                limit * node.and_then(|node| self.relief.get(node)).copied().unwrap_or(1.0)
            })
            .sum()
    }

    /// What each node is asked for and can give, for the next second.
    fn share_nodes(&mut self, scenario: &Scenario, pods: &[Vec<PodView>]) {
        for (at, node) in scenario.file.nodes.iter().enumerate() {
            let cores = node.cpu as f64 / 1000.0;
            let (mut used, mut wanted) = (cores * NODE_SYSTEM, 0.0);
            for ((body, views), workload) in self.bodies.iter().zip(pods).zip(&scenario.file.workloads) {
                let here =
                    views.iter().filter(|view| view.ready && view.node.as_ref() == Some(&node.name)).count() as f64;
                let ready = body.now.ready.max(1) as f64;
                let limit = workload.cpu.limit as f64 / 1000.0;
                used += here * body.now.cpu / ready;
                wanted += here * limit.min(limit * body.now.utilisation);
            }
            self.nodes[at] = (used / cores).min(1.0);
            let free = cores * (1.0 - NODE_SYSTEM);
            let relief = if wanted > free { free / wanted } else { 1.0 };
            self.relief[at] += (relief - self.relief[at]) * SMOOTHING;
        }
    }
}

struct Outcome {
    to_callees: Vec<f64>,
    to_worker: f64,
}

impl Body {
    #[allow(clippy::too_many_arguments, reason = "one second's whole surroundings")]
    fn step(
        &mut self,
        workload: &Workload,
        views: &[PodView],
        hours: f64,
        inbound: f64,
        capacity: f64,
        callees: &[Face],
        worker_sees: Option<Face>,
    ) -> Outcome {
        let serves = &workload.serves;
        let ready = views.iter().filter(|view| view.ready).count();
        let traits = Traits::of(workload, views);
        // Load wanders by a few per cent, as crowds do: an AR(1) of a minute's memory.
        self.drift += -self.drift / 60.0 + 0.006 * self.rng.normal();
        let crowd = (1.0 + serves.growth * hours) * (1.0 + self.drift.clamp(-0.15, 0.15));
        let requests = (self.offered * crowd).max(0.0) + inbound;
        if ready == 0 || capacity <= 0.0 {
            return self.nobody_home(requests, callees.len());
        }

        let calls: Vec<Called> = workload.calls.iter().zip(callees).map(|(call, face)| called(call, face)).collect();
        let call_cpu: f64 = workload.calls.iter().zip(&calls).map(|(call, c)| call.share * c.attempts * call.cpu).sum();
        let request_cpu = serves.cpu * traits.cpu_factor;
        let request_cores = requests * (request_cpu + call_cpu);
        let (wanted_attempts, first_share) = match (&workload.worker, worker_sees) {
            (Some(worker), Some(face)) => worker_wants(worker, &traits, &face),
            _ => (0.0, 1.0),
        };
        let worker_cpu = workload.worker.as_ref().map_or(0.0, |worker| worker.cpu);
        let demand = request_cores + wanted_attempts * worker_cpu + IDLE * ready as f64;
        let utilisation = demand / capacity;

        // Requests alone: more than there is CPU for them waits in the queue, then is refused.
        let service = request_cpu + call_cpu;
        let most_served = if service > 0.0 { capacity * 0.95 / service } else { f64::INFINITY };
        self.queue = (self.queue + requests - most_served).max(0.0);
        let room = f64::from(serves.slots) * ready as f64;
        let overflow = (self.queue - room).max(0.0);
        self.queue = self.queue.min(room);
        let overflow_share = if requests > 0.0 { (overflow / requests).min(1.0) } else { 0.0 };

        let stretch = (1.0 / (1.0 - utilisation.min(0.999))).min(MOST_STRETCH) - 1.0;
        let loops = workload.worker.as_ref().map_or(0.0, |worker| f64::from(worker.loops)) * traits.unlimited;
        let limit = workload.cpu.limit as f64 / 1000.0;
        let crowding = if utilisation > 1.0 { loops * (1.0 - 1.0 / utilisation) / limit } else { 0.0 };
        let cpu_wait = service * (stretch + crowding) + if self.queue > 0.0 { self.queue / most_served } else { 0.0 };
        let done = if utilisation > 1.0 { 1.0 / utilisation } else { 1.0 };
        let worker = if utilisation > 1.0 {
            // Requests get theirs by the scheduler's fairness; the loops get what is left.
            let left = (capacity - request_cores - IDLE * ready as f64).max(capacity * 0.1);
            (left / worker_cpu.max(1e-9)).min(wanted_attempts)
        } else {
            wanted_attempts
        };

        let mut now = Second { requests, utilisation, ready, worker, ..Second::default() };
        now.cpu = if utilisation > 1.0 { capacity * 0.995 } else { demand };
        let mut to_callees = Vec::with_capacity(calls.len());
        let (mut lost, mut deferred, mut passed, mut fixed, mut tail) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let let_in = requests * (1.0 - overflow_share);
        for (call, c) in workload.calls.iter().zip(&calls) {
            let made = let_in * call.share;
            to_callees.push(made * c.attempts);
            now.attempts += made * c.attempts;
            now.retries += made * c.retries;
            now.attempts_refused += made * c.refused;
            now.attempts_timed_out += made * c.timed_out;
            now.attempts_failed += made * c.failed;
            let share = call.share.min(1.0);
            lost += share * c.lost_other;
            match call.on_refusal {
                OnRefusal::Fail => lost += share * c.lost_refused,
                OnRefusal::Defer => deferred += share * c.lost_refused,
                OnRefusal::Pass => passed += share * c.lost_refused,
            }
            fixed += share * c.fixed;
            tail += share * c.tail;
        }
        if let (Some(spec), Some(face)) = (&workload.worker, worker_sees) {
            now.attempts += worker;
            now.retries += worker * (1.0 - first_share);
            now.attempts_refused += worker * face.refuses;
            now.attempts_failed += worker * face.fails;
            now.in_flight += worker * (face.fixed + face.tail)
                + f64::from(spec.loops) * traits.unlimited * ready as f64 * (1.0 - done);
        }
        let own_fails = serves.fails + traits.fails + self.lost;
        let failing = (own_fails + lost + overflow_share).min(1.0);
        let refusing = passed.min(1.0 - failing);
        let deferring = deferred.min(1.0 - failing - refusing);
        now.failed = requests * failing;
        now.refused = requests * refusing;
        now.deferred = requests * deferring;
        now.served = (requests - now.failed - now.refused - now.deferred).max(0.0);
        now.face = Face {
            fails: failing,
            refuses: refusing,
            fixed: serves.latency + fixed,
            tail: serves.tail + cpu_wait + tail,
        };
        now.in_flight += requests * (now.face.fixed + now.face.tail).min(30.0);
        self.now = now;
        Outcome { to_callees, to_worker: worker }
    }

    /// No pod is ready: every request fails at once.
    fn nobody_home(&mut self, requests: f64, callees: usize) -> Outcome {
        self.queue = 0.0;
        self.now = Second { requests, failed: requests, face: NOBODY, ..Second::default() };
        Outcome { to_callees: vec![0.0; callees], to_worker: 0.0 }
    }
}

fn callers_first(calls: &[Vec<Ways>], workers: &[Option<Ways>]) -> Vec<usize> {
    let mut order = Vec::new();
    while order.len() < calls.len() {
        let before = order.len();
        for at in 0..calls.len() {
            let called_by = |caller: usize| {
                calls[caller]
                    .iter()
                    .chain(&workers[caller])
                    .flatten()
                    .any(|(callee, _)| matches!(callee, Callee::Workload(to) if *to == at))
            };
            if !order.contains(&at) && (0..calls.len()).all(|caller| !called_by(caller) || order.contains(&caller)) {
                order.push(at);
            }
        }
        if order.len() == before {
            // A circle: reading the scenario refuses those, so this only ends the loop.
            order.extend((0..calls.len()).filter(|at| !order.contains(at)).collect::<Vec<_>>());
        }
    }
    order
}
