//! Targets that no pane lists: what the catalogue names of a service beside its pods.

use crate::model::name::{Kind, ObjectPath, Origin, Target};
use crate::session::core::Core;

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
            let named = *service.name.0 == *name || *target.path.name == *name || short(&target) == name;
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
            let names: Vec<_> = several.iter().map(|target| short(target).to_owned()).collect();
            Err(format!("`{name}` has {} load balancers: {}; name one", several.len(), names.join(", ")))
        }
    }
}

fn target(core: &Core, kind: Kind, path: ObjectPath) -> Target {
    let origin = Origin { env: core.facing.env.clone(), source: AWS.into() };
    Target { origin, kind, path, uid: None }
}

/// The name of a load balancer in its ARN.
fn short(target: &Target) -> &str {
    let arn = target.path.name.as_str();
    arn.split('/').nth(2).unwrap_or(arn)
}
