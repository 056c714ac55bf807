//! Checks of a scenario's workloads: each by itself, and who calls whom.
//!
//! Owns: what a `[[workload]]` may say. Must not: look at the other tables.

use std::collections::BTreeSet;

use crate::model::name::Kind;

use super::super::schema::File;
use super::super::workload::{Runner, StepShape};
use super::{Wrong, is_dns_label, wrong};

/// Each workload, and whether those that it calls are there.
pub(super) fn each_workload(file: &File, workloads: &BTreeSet<&str>, externals: &BTreeSet<&str>) -> Result<(), Wrong> {
    for workload in &file.workloads {
        match workload.path.get_ref().split_once('/') {
            Some((namespace, name)) if is_dns_label(namespace) && is_dns_label(name) => {}
            _ => return Err(wrong(&workload.path, "a workload's path is `namespace/name`, in lower-case letters")),
        }
        match (workload.kind, workload.replicas) {
            (Runner::DaemonSet, Some(_)) => {
                return Err(wrong(&workload.path, "a DaemonSet has a pod on every node: it has no `replicas`"));
            }
            (Runner::DaemonSet, None) | (_, Some(_)) => {}
            (_, None) => return Err(wrong(&workload.path, "a workload has `replicas`: how many pods it starts with")),
        }
        if !workload.steps.is_empty() && workload.kind != Runner::Rollout {
            return Err(wrong(&workload.path, "a Rollout alone has `steps`"));
        }
        if workload.steps.iter().any(|step| matches!(step, StepShape::Weight(101..))) {
            return Err(wrong(&workload.path, "the weight of a step is at most 100"));
        }
        if workload.autoscaler.is_some() && workload.kind != Runner::Deployment {
            return Err(wrong(&workload.path, "an autoscaler scales a Deployment"));
        }
        if workload.revisions.is_empty() {
            return Err(wrong(&workload.path, "a workload has at least one revision"));
        }
        if workload.cpu.limit == 0 || workload.memory.limit == 0 {
            return Err(wrong(&workload.path, "a workload has a CPU limit and a memory limit: the physics need them"));
        }
        let callees = workload.calls.iter().map(|call| &call.to).chain(workload.worker.iter().map(|worker| &worker.to));
        for callee in callees {
            if !workloads.contains(callee.get_ref().as_str()) && !externals.contains(callee.get_ref().as_str()) {
                return Err(wrong(callee, format!("there is no workload or external `{}`", callee.get_ref())));
            }
        }
    }
    Ok(())
}

/// The physics go from callers to callees, so nobody may call himself by a detour.
pub(super) fn no_circles(file: &File) -> Result<(), Wrong> {
    let mut settled = BTreeSet::new();
    while settled.len() < file.workloads.len() {
        let before = settled.len();
        for (at, workload) in file.workloads.iter().enumerate() {
            let callees =
                workload.calls.iter().map(|call| &call.to).chain(workload.worker.iter().map(|worker| &worker.to));
            let routed = |callee: &str| {
                let about = file
                    .routes
                    .iter()
                    .filter(|route| format!("{}/{}", route.namespace(), route.host.get_ref()) == callee);
                about
                    .flat_map(|route| {
                        route.to.iter().map(|way| format!("{}/{}", route.namespace(), way.service.get_ref()))
                    })
                    .collect::<Vec<_>>()
            };
            let free = callees
                .into_iter()
                .flat_map(|callee| {
                    let mut all = routed(callee.get_ref());
                    all.push(callee.get_ref().clone());
                    all
                })
                .all(|callee| {
                    file.workloads
                        .iter()
                        .position(|other| *other.path.get_ref() == callee)
                        .is_none_or(|other| settled.contains(&other))
                });
            if free {
                settled.insert(at);
            }
        }
        if settled.len() == before {
            let stuck = file.workloads.iter().enumerate().find(|(at, _)| !settled.contains(at));
            return match stuck {
                Some((_, workload)) => Err(wrong(&workload.path, "this workload calls itself, directly or by others")),
                None => Ok(()),
            };
        }
    }
    Ok(())
}

/// What runs the pods, or tasks, of a service's workload.
pub(super) fn kind_of(file: &File, path: &str) -> Kind {
    match file.workloads.iter().find(|workload| workload.path.get_ref() == path).map(|workload| workload.kind) {
        Some(Runner::Deployment) => Kind::Deployment,
        Some(Runner::StatefulSet) => Kind::StatefulSet,
        Some(Runner::DaemonSet) => Kind::DaemonSet,
        Some(Runner::Rollout) => Kind::Rollout,
        None => Kind::EcsService,
    }
}
