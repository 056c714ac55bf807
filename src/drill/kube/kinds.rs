//! What the API serves: one row a resource. Discovery, routing, access reviews and the answer
//! 405 all come from here.
//!
//! Owns: names, versions, verbs, and which fields a selector may name. Must not: hold an object.

/// A kind that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    Node,
    Pod,
    Event,
    Service,
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    /// What a StatefulSet or a DaemonSet was.
    ControllerRevision,
    Autoscaler,
    EndpointSlice,
    /// Istio's.
    VirtualService,
    /// Istio's.
    DestinationRule,
    /// The Gateway API's.
    HttpRoute,
    /// KEDA's.
    ScaledObject,
    /// Argo CD's.
    Application,
    /// Argo CD's: what Applications may do.
    AppProject,
    /// Argo Rollouts'.
    Rollout,
}

/// The kinds that run pods by a template of their own.
pub(super) const WORKLOADS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Rollout];

impl Kind {
    /// Whether it is a custom resource: those know no strategic merge.
    pub(super) fn is_custom(self) -> bool {
        matches!(
            self,
            Self::VirtualService
                | Self::DestinationRule
                | Self::HttpRoute
                | Self::ScaledObject
                | Self::Application
                | Self::AppProject
                | Self::Rollout
        )
    }
}

/// What stands behind a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Objects of the store.
    Stored(Kind),
    /// Usage of pods or of nodes, computed from the last measurement.
    Usage(Kind),
    /// A question about the caller: it is posted and answered, never stored.
    Review,
}

/// A subresource.
#[derive(Debug)]
pub(super) struct Sub {
    /// Its name, such as `scale`.
    pub(super) name: &'static str,
    /// Group, version and kind of what it reads as; an empty group is that of the resource.
    pub(super) kind: (&'static str, &'static str, &'static str),
    /// What may be done with it.
    pub(super) verbs: &'static [&'static str],
}

/// One resource of one version.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) behind: Behind,
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    /// As in the path, such as `deployments`.
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    /// As in `kind`.
    pub(super) kind: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) categories: &'static [&'static str],
    pub(super) namespaced: bool,
    pub(super) verbs: &'static [&'static str],
    pub(super) subs: &'static [Sub],
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods`, `deployments.apps`, as error messages name it.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The subresource of that name.
    pub(super) fn sub(&self, name: &str) -> Option<&'static Sub> {
        self.subs.iter().find(|sub| sub.name == name)
    }
}

const READ: &[&str] = &["get", "list", "watch"];
const STATUS: Sub = Sub { name: "status", kind: ("", "", ""), verbs: &["get"] };
/// A status that clients write, too.
const OPEN_STATUS: Sub = Sub { name: "status", kind: ("", "", ""), verbs: &["get", "patch", "update"] };
const SCALE: Sub = Sub { name: "scale", kind: ("autoscaling", "v1", "Scale"), verbs: &["get", "patch", "update"] };
const LOG: Sub = Sub { name: "log", kind: ("", "", ""), verbs: &["get"] };

const fn row(
    behind: Behind,
    place: (&'static str, &'static str),
    names: (&'static str, &'static str, &'static str),
    namespaced: bool,
    verbs: &'static [&'static str],
) -> Resource {
    Resource {
        behind,
        group: place.0,
        version: place.1,
        plural: names.0,
        singular: names.1,
        kind: names.2,
        short: &[],
        categories: &[],
        namespaced,
        verbs,
        subs: &[],
    }
}

/// Every resource, groups together, the preferred version of a group first.
pub(super) static RESOURCES: &[Resource] = &[
    Resource {
        short: &["ns"],
        ..row(Behind::Stored(Kind::Namespace), ("", "v1"), ("namespaces", "namespace", "Namespace"), false, READ)
    },
    Resource { short: &["no"], ..row(Behind::Stored(Kind::Node), ("", "v1"), ("nodes", "node", "Node"), false, READ) },
    Resource {
        short: &["po"],
        categories: &["all"],
        subs: &[STATUS, LOG],
        ..row(Behind::Stored(Kind::Pod), ("", "v1"), ("pods", "pod", "Pod"), true, &["delete", "get", "list", "watch"])
    },
    Resource {
        short: &["ev"],
        ..row(
            Behind::Stored(Kind::Event),
            ("", "v1"),
            ("events", "event", "Event"),
            true,
            &["create", "get", "list", "watch"],
        )
    },
    Resource {
        short: &["svc"],
        categories: &["all"],
        ..row(
            Behind::Stored(Kind::Service),
            ("", "v1"),
            ("services", "service", "Service"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["deploy"],
        categories: &["all"],
        subs: &[STATUS, SCALE],
        ..row(
            Behind::Stored(Kind::Deployment),
            ("apps", "v1"),
            ("deployments", "deployment", "Deployment"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["rs"],
        categories: &["all"],
        subs: &[STATUS, SCALE],
        ..row(Behind::Stored(Kind::ReplicaSet), ("apps", "v1"), ("replicasets", "replicaset", "ReplicaSet"), true, READ)
    },
    Resource {
        short: &["sts"],
        categories: &["all"],
        subs: &[STATUS, SCALE],
        ..row(
            Behind::Stored(Kind::StatefulSet),
            ("apps", "v1"),
            ("statefulsets", "statefulset", "StatefulSet"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["ds"],
        categories: &["all"],
        subs: &[STATUS],
        ..row(
            Behind::Stored(Kind::DaemonSet),
            ("apps", "v1"),
            ("daemonsets", "daemonset", "DaemonSet"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    row(
        Behind::Stored(Kind::ControllerRevision),
        ("apps", "v1"),
        ("controllerrevisions", "controllerrevision", "ControllerRevision"),
        true,
        READ,
    ),
    row(
        Behind::Review,
        ("authentication.k8s.io", "v1"),
        ("selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview"),
        false,
        &["create"],
    ),
    row(
        Behind::Review,
        ("authorization.k8s.io", "v1"),
        ("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview"),
        false,
        &["create"],
    ),
    row(
        Behind::Review,
        ("authorization.k8s.io", "v1"),
        ("selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview"),
        false,
        &["create"],
    ),
    Resource {
        short: &["hpa"],
        categories: &["all"],
        subs: &[STATUS],
        ..row(
            Behind::Stored(Kind::Autoscaler),
            ("autoscaling", "v2"),
            ("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["hpa"],
        categories: &["all"],
        ..row(
            Behind::Stored(Kind::Autoscaler),
            ("autoscaling", "v1"),
            ("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler"),
            true,
            READ,
        )
    },
    Resource {
        short: &["so"],
        subs: &[STATUS],
        ..row(
            Behind::Stored(Kind::ScaledObject),
            ("keda.sh", "v1alpha1"),
            ("scaledobjects", "scaledobject", "ScaledObject"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["app", "apps"],
        ..row(
            Behind::Stored(Kind::Application),
            ("argoproj.io", "v1alpha1"),
            ("applications", "application", "Application"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["appproj", "appprojs"],
        ..row(
            Behind::Stored(Kind::AppProject),
            ("argoproj.io", "v1alpha1"),
            ("appprojects", "appproject", "AppProject"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["ro"],
        subs: &[OPEN_STATUS, SCALE],
        ..row(
            Behind::Stored(Kind::Rollout),
            ("argoproj.io", "v1alpha1"),
            ("rollouts", "rollout", "Rollout"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    row(
        Behind::Stored(Kind::EndpointSlice),
        ("discovery.k8s.io", "v1"),
        ("endpointslices", "endpointslice", "EndpointSlice"),
        true,
        READ,
    ),
    Resource {
        short: &["vs"],
        subs: &[STATUS],
        ..row(
            Behind::Stored(Kind::VirtualService),
            ("networking.istio.io", "v1"),
            ("virtualservices", "virtualservice", "VirtualService"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    Resource {
        short: &["dr"],
        ..row(
            Behind::Stored(Kind::DestinationRule),
            ("networking.istio.io", "v1"),
            ("destinationrules", "destinationrule", "DestinationRule"),
            true,
            READ,
        )
    },
    Resource {
        subs: &[STATUS],
        ..row(
            Behind::Stored(Kind::HttpRoute),
            ("gateway.networking.k8s.io", "v1"),
            ("httproutes", "httproute", "HTTPRoute"),
            true,
            &["get", "list", "patch", "update", "watch"],
        )
    },
    row(
        Behind::Usage(Kind::Node),
        ("metrics.k8s.io", "v1beta1"),
        ("nodes", "", "NodeMetrics"),
        false,
        &["get", "list"],
    ),
    row(Behind::Usage(Kind::Pod), ("metrics.k8s.io", "v1beta1"), ("pods", "", "PodMetrics"), true, &["get", "list"]),
];

/// The resource at a path.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|row| row.group == group && row.version == version && row.plural == plural)
}

/// Whether anything of that group and version is served.
pub(super) fn is_served(group: &str, version: &str) -> bool {
    RESOURCES.iter().any(|row| row.group == group && row.version == version)
}

/// Groups with their versions, in order, the preferred version first.
pub(super) fn groups() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut out: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for row in RESOURCES {
        match out.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, versions)) if versions.contains(&row.version) => {}
            Some((_, versions)) => versions.push(row.version),
            None => out.push((row.group, vec![row.version])),
        }
    }
    out
}

/// The fields that a field selector may name, as a path into the object. Every kind has its name
/// and, if it has one, its namespace.
pub(super) fn selectable(kind: Kind, field: &str) -> Option<&'static [&'static str]> {
    let path: &'static [&'static str] = match (kind, field) {
        (_, "metadata.name") => &["metadata", "name"],
        (Kind::Namespace | Kind::Node, "metadata.namespace") => return None,
        (_, "metadata.namespace") => &["metadata", "namespace"],
        (Kind::Pod, "spec.nodeName") => &["spec", "nodeName"],
        (Kind::Pod, "spec.restartPolicy") => &["spec", "restartPolicy"],
        (Kind::Pod | Kind::Namespace, "status.phase") => &["status", "phase"],
        (Kind::Pod, "status.podIP") => &["status", "podIP"],
        (Kind::Event, "type") => &["type"],
        (Kind::Event, "reason") => &["reason"],
        (Kind::Event, "source" | "source.component") => &["source", "component"],
        (Kind::Event, "involvedObject.kind") => &["involvedObject", "kind"],
        (Kind::Event, "involvedObject.namespace") => &["involvedObject", "namespace"],
        (Kind::Event, "involvedObject.name") => &["involvedObject", "name"],
        (Kind::Event, "involvedObject.uid") => &["involvedObject", "uid"],
        (Kind::Event, "involvedObject.apiVersion") => &["involvedObject", "apiVersion"],
        (Kind::Event, "involvedObject.fieldPath") => &["involvedObject", "fieldPath"],
        (Kind::Event, "involvedObject.resourceVersion") => &["involvedObject", "resourceVersion"],
        _ => return None,
    };
    Some(path)
}
