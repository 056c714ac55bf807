//! What the physics need from a cluster.
//!
//! Owns: the seam between the world and the simulated cluster, so that the physics can be told
//! without one. Must not: decide anything.

use crate::clock;
use crate::drill::kube::{
    ApplicationSpec, AutoscalerSpec, CanaryStep, Cluster, ClusterSpec, Flow, Kill, NodeSpec, PodView, RouteKind,
    RouteSpec, Taken, WorkloadKind, WorkloadSpec,
};
use crate::drill::scenario::{RouteName, RouteShape, Runner, Scenario, StepShape};

/// Runs pods. See [`Cluster`] for what each call means.
pub(in crate::drill) trait Fleet: Send {
    fn tick(&mut self, now: clock::World);
    fn pods(&self, namespace: &str, workload: &str) -> Vec<PodView>;
    fn set_usage(&mut self, namespace: &str, pod: &str, cpu: u64, memory: u64);
    fn set_ready(&mut self, namespace: &str, pod: &str, ready: bool);
    fn kill(&mut self, namespace: &str, pod: &str, why: Kill);
    fn log(&mut self, namespace: &str, pod: &str, at: clock::World, line: &str);
    fn release(&mut self, namespace: &str, workload: &str, image: &str, by: &str);
    fn taken(&mut self) -> Vec<Taken>;

    /// Who takes the requests to a host. Where nothing divides them it is the workload of its name.
    fn flows(&self, namespace: &str, host: &str) -> Vec<Flow> {
        vec![Flow { to: Some((namespace.to_owned(), host.to_owned())), share: 1.0 }]
    }
}

impl Fleet for Cluster {
    fn tick(&mut self, now: clock::World) {
        Cluster::tick(self, now);
    }

    fn pods(&self, namespace: &str, workload: &str) -> Vec<PodView> {
        Cluster::pods(self, namespace, workload)
    }

    fn set_usage(&mut self, namespace: &str, pod: &str, cpu: u64, memory: u64) {
        Cluster::set_usage(self, namespace, pod, cpu, memory);
    }

    fn set_ready(&mut self, namespace: &str, pod: &str, ready: bool) {
        Cluster::set_ready(self, namespace, pod, ready);
    }

    fn kill(&mut self, namespace: &str, pod: &str, why: Kill) {
        Cluster::kill(self, namespace, pod, why);
    }

    fn log(&mut self, namespace: &str, pod: &str, at: clock::World, line: &str) {
        Cluster::log_at(self, namespace, pod, at, line);
    }

    fn release(&mut self, namespace: &str, workload: &str, image: &str, by: &str) {
        Cluster::release(self, namespace, workload, image, by);
    }

    fn taken(&mut self) -> Vec<Taken> {
        Cluster::taken(self)
    }

    fn flows(&self, namespace: &str, host: &str) -> Vec<Flow> {
        Cluster::flows(self, namespace, host)
    }
}

/// The cluster that a scenario describes.
pub(in crate::drill) fn cluster_spec(scenario: &Scenario) -> ClusterSpec {
    let file = &scenario.file;
    ClusterSpec {
        name: file.environment.clone(),
        user: file.user.clone(),
        nodes: file
            .nodes
            .iter()
            .map(|node| NodeSpec {
                name: node.name.clone(),
                zone: node.zone.clone(),
                cpu: node.cpu,
                memory: node.memory,
                pods: node.pods,
            })
            .collect(),
        workloads: file
            .workloads
            .iter()
            .map(|workload| {
                let mut revisions: Vec<_> = workload
                    .revisions
                    .iter()
                    .map(|revision| (revision.image.clone(), scenario.before_epoch(revision.before)))
                    .collect();
                // The file names the newest first, as people think of them.
                revisions.reverse();
                WorkloadSpec {
                    kind: match workload.kind {
                        Runner::Deployment => WorkloadKind::Deployment,
                        Runner::StatefulSet => WorkloadKind::StatefulSet,
                        Runner::DaemonSet => WorkloadKind::DaemonSet,
                        Runner::Rollout => WorkloadKind::Rollout(workload.steps.iter().map(step).collect()),
                    },
                    namespace: workload.namespace().to_owned(),
                    name: workload.name().to_owned(),
                    replicas: workload.replicas.unwrap_or(0),
                    revisions,
                    cpu: (workload.cpu.request, workload.cpu.limit),
                    memory: (workload.memory.request, workload.memory.limit),
                    annotations: workload.annotations.clone(),
                    start_delay: workload.starts_in,
                }
            })
            .collect(),
        autoscalers: file
            .workloads
            .iter()
            .filter_map(|workload| {
                workload.autoscaler.as_ref().map(|shape| AutoscalerSpec {
                    namespace: workload.namespace().to_owned(),
                    deployment: workload.name().to_owned(),
                    min: shape.min,
                    max: shape.max,
                    cpu_percent: shape.cpu_percent,
                    keda: shape.keda,
                })
            })
            .collect(),
        applications: file
            .applications
            .iter()
            .map(|app| ApplicationSpec {
                name: app.name.get_ref().clone(),
                workloads: app
                    .workloads
                    .iter()
                    .filter_map(|path| path.get_ref().split_once('/'))
                    .map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
                    .collect(),
                repository: app.repository.clone(),
                self_heal: app.self_heal,
            })
            .collect(),
    }
}

fn step(step: &StepShape) -> CanaryStep {
    match step {
        StepShape::Weight(weight) => CanaryStep::SetWeight(*weight),
        StepShape::Pause => CanaryStep::Pause(None),
        StepShape::Wait(long) => CanaryStep::Pause(Some(*long)),
    }
}

/// What divides traffic in the cluster that a scenario describes.
pub(in crate::drill) fn route_specs(scenario: &Scenario) -> Vec<RouteSpec> {
    let spec = |route: &RouteShape| {
        let (namespace, name) = route.path.get_ref().split_once('/')?;
        Some(RouteSpec {
            kind: match route.kind {
                RouteName::VirtualService => RouteKind::VirtualService,
                RouteName::HttpRoute => RouteKind::HttpRoute,
            },
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            host: route.host.get_ref().clone(),
            to: route.to.iter().map(|way| (way.service.get_ref().clone(), way.weight)).collect(),
        })
    };
    scenario.file.routes.iter().filter_map(spec).collect()
}
