//! A toy cluster for tests of the physics: pods that start, roll over and end, nothing more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock;
use crate::drill::kube::{Kill, PodView, Taken};
use crate::drill::scenario::Scenario;

use super::Fleet;

#[derive(Clone, Debug)]
struct Deployment {
    image: String,
    replicas: u32,
    starts_in: Duration,
    pods: Vec<(PodView, clock::World)>,
    born: u32,
}

/// What happened to the cluster, for tests to look at.
#[derive(Clone, Debug, Default)]
pub(in crate::drill) struct Seen {
    pub(in crate::drill) killed: Vec<String>,
    pub(in crate::drill) released: Vec<(clock::World, String)>,
    pub(in crate::drill) usage: BTreeMap<String, (u64, u64)>,
    pub(in crate::drill) lines: usize,
}

#[derive(Clone, Debug)]
struct State {
    now: clock::World,
    nodes: Vec<String>,
    deployments: BTreeMap<String, Deployment>,
    seen: Seen,
    placed: usize,
}

/// The toy. Clones are the same cluster.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Toy(Arc<Mutex<State>>);

impl Toy {
    pub(in crate::drill) fn new(scenario: &Scenario) -> Self {
        let file = &scenario.file;
        let mut state = State {
            now: file.epoch,
            nodes: file.nodes.iter().map(|node| node.name.clone()).collect(),
            deployments: BTreeMap::new(),
            seen: Seen::default(),
            placed: 0,
        };
        for workload in &file.workloads {
            let image = workload.revisions[0].image.clone();
            state.deployments.insert(
                workload.path.get_ref().clone(),
                Deployment {
                    image,
                    replicas: workload.replicas.unwrap_or(1),
                    starts_in: workload.starts_in,
                    pods: Vec::new(),
                    born: 0,
                },
            );
            for _ in 0..workload.replicas.unwrap_or(1) {
                state.start(workload.path.get_ref());
            }
        }
        for deployment in state.deployments.values_mut() {
            deployment.pods.iter_mut().for_each(|(pod, _)| pod.ready = true);
        }
        Self(Arc::new(Mutex::new(state)))
    }

    pub(in crate::drill) fn scale(&self, path: &str, replicas: u32) {
        self.0.lock().unwrap().deployments.get_mut(path).unwrap().replicas = replicas;
    }

    pub(in crate::drill) fn seen(&self) -> Seen {
        self.0.lock().unwrap().seen.clone()
    }
}

impl State {
    fn start(&mut self, path: &str) {
        let node = self.nodes[self.placed % self.nodes.len()].clone();
        self.placed += 1;
        let now = self.now;
        let deployment = self.deployments.get_mut(path).unwrap();
        deployment.born += 1;
        let name = format!("{}-{:05}", path.rsplit('/').next().unwrap(), deployment.born);
        let pod = PodView { name, node: Some(node), image: deployment.image.clone(), ready: false, created: now };
        let ready_at = now + TimeDelta::from_std(deployment.starts_in).unwrap();
        deployment.pods.push((pod, ready_at));
    }
}

impl Fleet for Toy {
    fn tick(&mut self, now: clock::World) {
        let mut state = self.0.lock().unwrap();
        state.now = now;
        for path in state.deployments.keys().cloned().collect::<Vec<_>>() {
            let deployment = state.deployments.get_mut(&path).unwrap();
            for (pod, ready_at) in &mut deployment.pods {
                pod.ready = *ready_at <= now;
            }
            let want = deployment.replicas as usize;
            let image = deployment.image.clone();
            let fresh = deployment.pods.iter().filter(|(pod, _)| pod.image == image).count();
            let waiting = deployment.pods.iter().filter(|(pod, _)| !pod.ready).count();
            let total = deployment.pods.len();
            if total > want {
                // Old ones first, once there are enough ready ones; surplus ones at once.
                let ready = deployment.pods.iter().filter(|(pod, _)| pod.ready).count();
                if ready > want || fresh > want {
                    let old = deployment.pods.iter().position(|(pod, _)| pod.image != image).unwrap_or(0);
                    deployment.pods.remove(old);
                }
            }
            if fresh < want && (total < want || (waiting < 2 && total < want + 2)) {
                state.start(&path);
            }
        }
    }

    fn pods(&self, namespace: &str, deployment: &str) -> Vec<PodView> {
        let state = self.0.lock().unwrap();
        let found = state.deployments.get(&format!("{namespace}/{deployment}"));
        found.map(|d| d.pods.iter().map(|(pod, _)| pod.clone()).collect()).unwrap_or_default()
    }

    fn set_usage(&mut self, _namespace: &str, pod: &str, cpu: u64, memory: u64) {
        self.0.lock().unwrap().seen.usage.insert(pod.to_owned(), (cpu, memory));
    }

    fn set_ready(&mut self, _namespace: &str, _pod: &str, _ready: bool) {}

    fn kill(&mut self, namespace: &str, pod: &str, _why: Kill) {
        let mut state = self.0.lock().unwrap();
        let back = state.now + TimeDelta::seconds(25);
        state.seen.killed.push(format!("{namespace}/{pod}"));
        for deployment in state.deployments.values_mut() {
            for (view, ready_at) in deployment.pods.iter_mut().filter(|(view, _)| view.name == pod) {
                view.ready = false;
                *ready_at = back;
            }
        }
    }

    fn log(&mut self, _namespace: &str, _pod: &str, _at: clock::World, _line: &str) {
        self.0.lock().unwrap().seen.lines += 1;
    }

    fn release(&mut self, namespace: &str, deployment: &str, image: &str, _by: &str) {
        let mut state = self.0.lock().unwrap();
        let now = state.now;
        state.seen.released.push((now, image.to_owned()));
        if let Some(found) = state.deployments.get_mut(&format!("{namespace}/{deployment}")) {
            found.image = image.to_owned();
        }
    }

    fn taken(&mut self) -> Vec<Taken> {
        Vec::new()
    }
}
