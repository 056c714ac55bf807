//! Targets that no pane lists: what the catalogue names of a service beside its pods.

use crate::model::name::{Kind, ObjectPath, Origin, ServiceName, Target, WorkloadKey};
use crate::model::plan::Plan;
use crate::respond::Cluster;
use crate::session::ActionState;
use crate::session::core::Core;
use crate::text::Safe;

/// The source that targets of AWS are of.
const AWS: &str = "aws";

/// The services of ECS that are declared under `name`, with or without their cluster.
pub(super) fn ecs(core: &Core, name: &str) -> Vec<Target> {
    let mut found = Vec::new();
    for service in core.picture.catalogue.services() {
        for pattern in service.workloads.iter().filter(|pattern| pattern.kind == Kind::EcsService) {
            let path = ObjectPath { namespace: pattern.namespace.clone(), name: pattern.name.clone() };
            if *path.name == *name || path.to_string() == name {
                found.push(target(core, Kind::EcsService, path));
            }
        }
    }
    found
}

/// The load balancer of a service, or the one of that name or ARN.
pub(super) fn balancer(core: &Core, name: &str) -> Result<Target, String> {
    let mut found: Vec<Target> = Vec::new();
    for service in core.picture.catalogue.services() {
        for route in service.routes.iter().filter(|route| route.kind == Kind::LoadBalancer) {
            let target = target(core, route.kind, route.path.clone());
            let named = *service.name.0 == *name || *target.path.name == *name || *target.typed() == *name;
            if named && !found.contains(&target) {
                found.push(target);
            }
        }
    }
    match found.as_slice() {
        [_] => found.pop().ok_or_else(String::new),
        [] => Err(format!(
            "no load balancer of `{name}` is known: name it among the routes of a service, as \"LoadBalancer ARN\""
        )),
        several => {
            let names: Vec<_> = several.iter().map(|target| target.typed().to_string()).collect();
            Err(format!("`{name}` has {} load balancers: {}; name one", several.len(), names.join(", ")))
        }
    }
}

fn target(core: &Core, kind: Kind, path: ObjectPath) -> Target {
    let origin = Origin { env: core.facing.env.clone(), source: AWS.into() };
    Target { origin, kind, path, uid: None }
}

/// What is known of a target that is not among the workloads: its services, and how they fare.
pub(super) fn known(core: &Core, target: &Target) -> Cluster {
    let catalogue = &core.picture.catalogue;
    let key = WorkloadKey { kind: target.kind, path: target.path.clone() };
    let service = catalogue.of_workload(&key).or_else(|| catalogue.of_route(target.kind, &target.path)).cloned();
    let load = service.as_ref().map(|name| signals(core, name)).filter(|parts| !parts.is_empty());
    let also: Vec<_> = behind(core, target).into_iter().filter(|name| Some(name) != service.as_ref()).collect();
    let of_ecs = service.iter().chain(&also).filter_map(|name| catalogue.service(name));
    let of_ecs = of_ecs.flat_map(|it| &it.workloads).filter(|pattern| pattern.kind == Kind::EcsService);
    let ecs = of_ecs.map(|it| ObjectPath { namespace: it.namespace.clone(), name: it.name.clone() }).collect();
    let workloads = match target.kind {
        Kind::Application => core
            .picture
            .workloads
            .rows()
            .iter()
            .filter(|row| row.origin.env == target.origin.env)
            .filter_map(|row| Some((row.key.clone(), row.service.clone()?)))
            .collect(),
        _ => std::collections::BTreeMap::new(),
    };
    let load = load.map(|parts| Safe::from(parts.join("; ")));
    let beside = beside(core, target);
    Cluster { service, load, also, workloads, ecs, beside, ..Cluster::default() }
}

/// Changes of the same load balancer that a plan is told of, at the most.
const MOST: usize = 3;

/// Changes of other parts of the same load balancer that are under way, may have been made, or are
/// on still: a zone that is left and other weights share one capacity.
fn beside(core: &Core, target: &Target) -> Vec<Safe> {
    let Some(balancer) = balanced(target) else { return Vec::new() };
    let ours = |plan: &&Plan| {
        let same = (plan.target.kind, &plan.target.path) == (target.kind, &target.path);
        plan.target.origin.env == target.origin.env && !same && balanced(&plan.target).as_ref() == Some(&balancer)
    };
    let under = core.actions.iter().filter(|action| matches!(action.state, ActionState::Under(_)));
    let under = under.map(|action| &action.plan).filter(ours);
    let mut found: Vec<_> = under.map(|plan| format!("under way: {}: {}", plan.title, plan.changed())).collect();
    let open = core.open_intents.iter().map(|open| &open.plan).filter(ours);
    found.extend(open.map(|plan| format!("whether it was made is not known: {}: {}", plan.title, plan.changed())));
    let left = core.left_over.iter().filter(|left| ours(&&left.plan));
    found.extend(left.map(|left| format!("on since {}: {}", left.at.format("%Y-%m-%d %H:%MZ"), left.words())));
    let more = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    if more > 0 {
        found.push(format!("and {more} more of this load balancer"));
    }
    found.into_iter().map(Safe::from).collect()
}

/// The load balancer that a target is, or is part of.
fn balanced(target: &Target) -> Option<String> {
    matches!(target.kind, Kind::Listener | Kind::ListenerRule | Kind::LoadBalancer)
        .then(|| part(&target.path.name))
        .flatten()
}

/// All services whose traffic goes through `target`.
fn behind(core: &Core, target: &Target) -> Vec<ServiceName> {
    let whole = target.kind == Kind::LoadBalancer;
    let through = |kind: Kind, path: &ObjectPath| {
        let same = kind == target.kind && *path == target.path;
        // What a listener or a rule divides goes through its load balancer.
        let below = matches!(kind, Kind::Listener | Kind::ListenerRule | Kind::LoadBalancer);
        same || (whole && below && part(&path.name).is_some() && part(&path.name) == part(&target.path.name))
    };
    let services = core.picture.catalogue.services().iter();
    let ours = services.filter(|service| service.routes.iter().any(|route| through(route.kind, &route.path)));
    ours.map(|service| service.name.clone()).collect()
}

/// `app/shop/50dc6c`: the part of an ARN of ELB that names the load balancer.
fn part(arn: &str) -> Option<String> {
    let (_, rest) = arn.split_once("loadbalancing:")?;
    let parts: Vec<_> = rest.split('/').skip(1).take(3).collect();
    (parts.len() == 3).then(|| parts.join("/"))
}

/// `errors 31 %`, `p99 9.8 s`: the newest of each signal of a service.
pub(super) fn signals(core: &Core, service: &ServiceName) -> Vec<String> {
    let Some(row) = core.picture.services.row(service) else { return Vec::new() };
    let newest = row.signals.iter().filter_map(|signal| Some((signal, signal.latest()?.1)));
    newest.map(|(signal, value)| format!("{} {}", signal.name, signal.unit.write(value))).collect()
}
