//! The allow-list of the mutating client, below everything else: a request whose operation is not
//! on it does not leave the process, whoever asked for it.
//!
//! The operation is told from what would be sent, by each protocol's own rule, and not from what
//! the caller calls it: most reads of AWS are POST, too.

use super::call::{Body, Call, Service};

/// An operation that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Its name in the service's API.
    pub(super) name: &'static str,
    /// Whether it changes something.
    pub(super) writes: bool,
}

/// All that may be asked for, and whether it changes something.
const OPERATIONS: &[(Service, &str, bool)] = &[
    (Service::Ecs, "ListClusters", false),
    (Service::Ecs, "ListServices", false),
    (Service::Ecs, "DescribeServices", false),
    (Service::Ecs, "DescribeTaskDefinition", false),
    (Service::Ecs, "ListTasks", false),
    (Service::Ecs, "DescribeTasks", false),
    (Service::Ecs, "ListServiceDeployments", false),
    (Service::Ecs, "DescribeServiceDeployments", false),
    (Service::Ecs, "DescribeServiceRevisions", false),
    (Service::Ecs, "UpdateService", true),
    (Service::Ecs, "StopServiceDeployment", true),
    (Service::Scaling, "DescribeScalableTargets", false),
    (Service::Scaling, "DescribeScalingPolicies", false),
    (Service::Scaling, "RegisterScalableTarget", true),
    (Service::Balancing, "DescribeListeners", false),
    (Service::Balancing, "DescribeRules", false),
    (Service::Balancing, "DescribeTags", false),
    (Service::Balancing, "DescribeLoadBalancers", false),
    (Service::Balancing, "DescribeTargetHealth", false),
    (Service::Balancing, "ModifyListener", true),
    (Service::Balancing, "ModifyRule", true),
    (Service::Compute, "DescribeAvailabilityZones", false),
    (Service::Dns, "ListResourceRecordSets", false),
    (Service::Dns, "GetChange", false),
    (Service::Dns, "GetHealthCheckStatus", false),
    (Service::Dns, "ChangeResourceRecordSets", true),
    (Service::Shift, "GetManagedResource", false),
    (Service::Shift, "StartZonalShift", true),
    (Service::Shift, "CancelZonalShift", true),
];

/// What the operation behind `call` is, if it is allowed.
pub(super) fn allowed(call: &Call) -> Option<Allowed> {
    let name = operation(call)?;
    let found = OPERATIONS.iter().find(|(service, known, _)| *service == call.service && *known == name);
    found.map(|(_, name, writes)| Allowed { name, writes: *writes })
}

/// The operation that the service would understand.
fn operation(call: &Call) -> Option<&'static str> {
    let path: Vec<&str> = call.path.strip_prefix('/')?.split('/').collect();
    let root = call.method == http::Method::POST && path == [""];
    match (&call.body, call.service) {
        (Body::Target { prefix, operation, .. }, Service::Ecs) if root => {
            (*prefix == "AmazonEC2ContainerServiceV20141113").then_some(operation)
        }
        (Body::Target { prefix, operation, .. }, Service::Scaling) if root => {
            (*prefix == "AnyScaleFrontendService").then_some(operation)
        }
        // The first parameter is the operation: another of that name would be taken for it.
        (Body::Query { operation, parameters, .. }, Service::Balancing | Service::Compute) if root => {
            parameters.iter().all(|(name, _)| name != "Action" && name != "Version").then_some(operation)
        }
        (body, Service::Dns) => match (call.method.as_str(), path.as_slice(), body) {
            ("GET", ["2013-04-01", "hostedzone", _, "rrset"], Body::None) => Some("ListResourceRecordSets"),
            ("GET", ["2013-04-01", "change", _], Body::None) => Some("GetChange"),
            ("GET", ["2013-04-01", "healthcheck", _, "status"], Body::None) => Some("GetHealthCheckStatus"),
            ("POST", ["2013-04-01", "hostedzone", _, "rrset", ""], Body::Xml(_)) => Some("ChangeResourceRecordSets"),
            _ => None,
        },
        (body, Service::Shift) => match (call.method.as_str(), path.as_slice(), body) {
            ("GET", ["managedresources", _], Body::None) => Some("GetManagedResource"),
            ("POST", ["zonalshifts"], Body::Json(_)) => Some("StartZonalShift"),
            ("DELETE", ["zonalshifts", _], Body::None) => Some("CancelZonalShift"),
            _ => None,
        },
        _ => None,
    }
}
