//! The allow-list of the mutating client, below everything else: a request whose operation is not
//! on it does not leave the process, whoever asked for it.
//!
//! The operation is told from what would be sent, by each protocol's own rule, and not from what
//! the caller calls it: most reads of AWS are POST, too.

use http::Method;

use super::call::{Body, Call};

/// An operation that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Its name in the service's API.
    pub(super) name: &'static str,
    /// Whether it changes something.
    pub(super) writes: bool,
}

/// `X-Amz-Target` of awsJson 1.1.
const JSON: &[(&str, &str, bool)] = &[
    ("AmazonEC2ContainerServiceV20141113", "DescribeServices", false),
    ("AmazonEC2ContainerServiceV20141113", "DescribeTaskDefinition", false),
    ("AmazonEC2ContainerServiceV20141113", "ListServiceDeployments", false),
    ("AmazonEC2ContainerServiceV20141113", "DescribeServiceDeployments", false),
    ("AmazonEC2ContainerServiceV20141113", "DescribeServiceRevisions", false),
    ("AmazonEC2ContainerServiceV20141113", "UpdateService", true),
    ("AmazonEC2ContainerServiceV20141113", "StopServiceDeployment", true),
    ("AnyScaleFrontendService", "DescribeScalableTargets", false),
    ("AnyScaleFrontendService", "DescribeScalingPolicies", false),
    ("AnyScaleFrontendService", "RegisterScalableTarget", true),
];

/// What the operation behind `call` is, if it is allowed.
pub(super) fn allowed(call: &Call) -> Option<Allowed> {
    match &call.body {
        Body::Json { target, operation, .. } if call.method == Method::POST && call.path == "/" => JSON
            .iter()
            .find(|(prefix, name, _)| prefix == target && name == operation)
            .map(|(_, name, writes)| Allowed { name, writes: *writes }),
        _ => None,
    }
}
