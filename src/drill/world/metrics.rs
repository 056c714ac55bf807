//! What the services count, and how a scrape sees it.
//!
//! Owns: names and labels of the world's metrics. They follow what the usual exporters say
//! (`http_requests_total`, cAdvisor's `container_*`, kube-state-metrics' `kube_*`), so that a
//! query learned here works elsewhere. Must not: change the state that it counts.

use crate::drill::kube::PodView;
use crate::drill::promql::Store;
use crate::drill::rng::Rng;
use crate::drill::scenario::{Runner, Scenario};

use super::physics::{Physics, Second};

/// Upper ends of the latency histograms' buckets, seconds.
const BUCKETS: [(f64, &str); 18] = [
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.2, "0.2"),
    (0.3, "0.3"),
    (0.5, "0.5"),
    (0.75, "0.75"),
    (1.0, "1"),
    (1.5, "1.5"),
    (2.0, "2"),
    (2.5, "2.5"),
    (3.0, "3"),
    (4.0, "4"),
    (5.0, "5"),
    (7.5, "7.5"),
    (10.0, "10"),
    (15.0, "15"),
    (30.0, "30"),
];

#[derive(Clone, Debug, Default)]
struct Counted {
    served: f64,
    deferred: f64,
    refused: f64,
    failed: f64,
    calls_ok: f64,
    calls_refused: f64,
    calls_timed_out: f64,
    calls_failed: f64,
    retries: f64,
    buckets: [f64; BUCKETS.len()],
    seconds: f64,
}

/// All counters, by workload.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    workloads: Vec<(Counted, Rng)>,
}

impl Counters {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let fresh = |path: &str| (Counted::default(), Rng::named(seed, &format!("count {path}")));
        Self { workloads: scenario.file.workloads.iter().map(|workload| fresh(workload.path.get_ref())).collect() }
    }

    /// Counts one second.
    pub(super) fn count(&mut self, physics: &Physics) {
        for ((counted, rng), body) in self.workloads.iter_mut().zip(&physics.bodies) {
            counted.add(&body.now, rng);
        }
    }

    /// One scrape of everything.
    pub(super) fn publish(
        &self,
        scenario: &Scenario,
        physics: &Physics,
        views: &[Vec<PodView>],
        at: i64,
        store: &mut Store,
    ) {
        for (((workload, (counted, _)), body), pods) in
            scenario.file.workloads.iter().zip(&self.workloads).zip(&physics.bodies).zip(views)
        {
            let (namespace, name) = (workload.namespace(), workload.name());
            let service = [("job", name), ("namespace", namespace), ("service", name)];
            counted.publish(&service, !workload.calls.is_empty() || workload.worker.is_some(), at, store);
            store.push("up", &service, at, if body.now.ready > 0 { 1.0 } else { 0.0 });
            // As kube-state-metrics and Argo Rollouts name them.
            let (label, total, ready) = match workload.kind {
                Runner::Deployment => {
                    ("deployment", "kube_deployment_status_replicas", "kube_deployment_status_replicas_ready")
                }
                Runner::StatefulSet => {
                    ("statefulset", "kube_statefulset_status_replicas", "kube_statefulset_status_replicas_ready")
                }
                Runner::DaemonSet => (
                    "daemonset",
                    "kube_daemonset_status_current_number_scheduled",
                    "kube_daemonset_status_number_ready",
                ),
                // It counts those that are wanted, not those that are there.
                Runner::Rollout => ("name", "", "rollout_info_replicas_available"),
            };
            let labels = [(label, name), ("namespace", namespace)];
            if !total.is_empty() {
                store.push(total, &labels, at, pods.len() as f64);
            }
            store.push(ready, &labels, at, body.now.ready as f64);
            let limit = workload.cpu.limit as f64 / 1000.0;
            for (pod, _, memory, cpu_seconds) in body.pods.usage() {
                let labels = [("container", name), ("namespace", namespace), ("pod", pod)];
                store.push("container_cpu_usage_seconds_total", &labels, at, cpu_seconds);
                store.push("container_memory_working_set_bytes", &labels, at, memory as f64);
                let limits = [
                    ("container", name),
                    ("namespace", namespace),
                    ("pod", pod),
                    ("resource", "cpu"),
                    ("unit", "core"),
                ];
                store.push("kube_pod_container_resource_limits", &limits, at, limit);
            }
        }
        for (node, used) in scenario.file.nodes.iter().zip(&physics.nodes) {
            let labels = [("node", node.name.as_str()), ("zone", node.zone.as_str())];
            store.push("node_cpu_utilisation", &labels, at, *used);
        }
        store.push("up", &[("job", "prometheus")], at, 1.0);
        store.end_scrape(at);
    }
}

impl Counted {
    fn add(&mut self, second: &Second, rng: &mut Rng) {
        let mut draw = |rate: f64| rng.poisson(rate) as f64;
        let (served, deferred) = (draw(second.served), draw(second.deferred));
        let (refused, failed) = (draw(second.refused), draw(second.failed));
        self.served += served;
        self.deferred += deferred;
        self.refused += refused;
        self.failed += failed;
        self.calls_refused += draw(second.attempts_refused);
        self.calls_timed_out += draw(second.attempts_timed_out);
        self.calls_failed += draw(second.attempts_failed);
        let answered = second.attempts - second.attempts_refused - second.attempts_timed_out - second.attempts_failed;
        self.calls_ok += draw(answered.max(0.0));
        self.retries += draw(second.retries);
        // The histogram counts the very requests that the codes count, spread as the tail says.
        let requests = served + deferred + refused + failed;
        for (bucket, (le, _)) in self.buckets.iter_mut().zip(BUCKETS) {
            *bucket += requests * (1.0 - second.face.slower_than(le));
        }
        self.seconds += requests * (second.face.fixed + second.face.tail);
    }

    fn publish(&self, service: &[(&str, &str); 3], calls: bool, at: i64, store: &mut Store) {
        let [job, namespace, name] = *service;
        for (code, value) in [("200", self.served), ("202", self.deferred), ("429", self.refused), ("503", self.failed)]
        {
            // A code that never came has no series, as with real instrumentation; 200 and 503 are
            // always there so that shares have both their parts.
            if value > 0.0 || code == "200" || code == "503" {
                store.push("http_requests_total", &[("code", code), job, namespace, name], at, value);
            }
        }
        for (bucket, (_, le)) in self.buckets.iter().zip(BUCKETS) {
            store.push("http_request_duration_seconds_bucket", &[job, ("le", le), namespace, name], at, bucket.round());
        }
        let all = self.served + self.deferred + self.refused + self.failed;
        store.push("http_request_duration_seconds_bucket", &[job, ("le", "+Inf"), namespace, name], at, all);
        store.push("http_request_duration_seconds_count", service, at, all);
        store.push("http_request_duration_seconds_sum", service, at, self.seconds);
        if calls {
            for (code, value) in [
                ("200", self.calls_ok),
                ("429", self.calls_refused),
                ("503", self.calls_failed),
                ("timeout", self.calls_timed_out),
            ] {
                store.push("client_requests_total", &[("code", code), job, namespace, name], at, value);
            }
            store.push("client_retries_total", service, at, self.retries);
        }
    }
}
