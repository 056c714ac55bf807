//! Where an object is in the API: checked to be names and nothing else, so that no path can be
//! made of them.

use crate::model::name::{Kind, Target};
use crate::model::plan::{Plan, Refusal};
use crate::respond::guard::refusal;

/// The place of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) resource: Resource,
}

/// A resource as RBAC and URLs call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
}

/// The kinds that can be acted on, each once. All stand in namespaces.
const RESOURCES: &[(Kind, Resource)] = &[
    (Kind::Deployment, Resource { group: "apps", version: "v1", plural: "deployments" }),
    (Kind::StatefulSet, Resource { group: "apps", version: "v1", plural: "statefulsets" }),
    (
        Kind::HorizontalPodAutoscaler,
        Resource { group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers" },
    ),
    (Kind::ScaledObject, Resource { group: "keda.sh", version: "v1alpha1", plural: "scaledobjects" }),
    (Kind::Rollout, Resource { group: "argoproj.io", version: "v1alpha1", plural: "rollouts" }),
    (Kind::Application, Resource { group: "argoproj.io", version: "v1alpha1", plural: "applications" }),
    (Kind::DaemonSet, Resource { group: "apps", version: "v1", plural: "daemonsets" }),
    (Kind::VirtualService, Resource { group: "networking.istio.io", version: "v1", plural: "virtualservices" }),
    (Kind::HttpRoute, Resource { group: "gateway.networking.k8s.io", version: "v1", plural: "httproutes" }),
    (Kind::Service, Resource { group: "", version: "v1", plural: "services" }),
];

/// What a group was served as before its `v1`, with the same fields: Istio until 1.21, the Gateway
/// API until 1.0.
const OLDER: &[(&str, &str)] = &[("networking.istio.io", "v1beta1"), ("gateway.networking.k8s.io", "v1beta1")];

impl Resource {
    /// The version that a cluster may have in place of ours.
    pub(super) fn older(self) -> Option<&'static str> {
        OLDER.iter().find(|(group, _)| *group == self.group).map(|(_, version)| *version)
    }
}

/// What the API calls a kind, if it can be acted on.
pub(super) fn resource(kind: Kind) -> Option<Resource> {
    RESOURCES.iter().find(|(of, _)| *of == kind).map(|(_, resource)| *resource)
}

impl Place {
    pub(super) fn of(target: &Target) -> Result<Self, Refusal> {
        let (namespace, name) = (target.path.namespace.as_str(), target.path.name.as_str());
        if ![namespace, name].into_iter().all(is_name) {
            return Err(refusal(format!("{target} is not a name that Kubernetes could have given: nothing was done")));
        }
        let resource = resource(target.kind)
            .ok_or_else(|| refusal(format!("a {} cannot be acted on: choose another target", target.kind)))?;
        Ok(Self { kind: target.kind, namespace: namespace.into(), name: name.into(), resource })
    }

    /// The object's own path.
    pub(super) fn path(&self) -> String {
        let Resource { group, version, plural } = self.resource;
        let api = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        format!("{api}/namespaces/{}/{plural}/{}", self.namespace, self.name)
    }

    /// That of one of its subresources, if there is one, else its own.
    pub(super) fn path_of(&self, subresource: Option<&str>) -> String {
        match subresource {
            Some(subresource) => format!("{}/{subresource}", self.path()),
            None => self.path(),
        }
    }
}

/// The subresource that holds the fields of a plan. Each has rights of its own.
pub(super) fn subresource(plan: &Plan) -> Option<&'static str> {
    let all = |pointer: &str| plan.changes.iter().all(|change| change.pointer.starts_with(pointer));
    if all("/spec/replicas") {
        Some("scale")
    } else if all("/status/") {
        Some("status")
    } else {
        None
    }
}

/// RFC 1123 subdomains: what namespaces and workloads may be called.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}
