//! Who and what: environments, sources, services, and the exact target of an action.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Safe;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Safe);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Safe::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

names! {
    /// An environment of the configuration, such as `prod-eu`.
    EnvId
    /// A source of one environment, such as `kubernetes` or `alertmanager`.
    SourceId
    /// A thing that users depend on; ties workloads, log groups, alarms and owners together.
    ServiceName
    /// An incident's directory name, such as `2026-11-21-checkout`.
    IncidentId
    /// A Kubernetes UID, or what plays its part elsewhere: it changes when the object is another.
    Uid
}

/// What a source tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// Alerts and alarms.
    Alerts,
    /// Values of services' signals.
    Signals,
    /// Lines of logs.
    Logs,
    /// Workloads, pods, nodes and what was changed of them.
    Cluster,
}

/// Where a signal came from: one source in one environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The environment.
    pub env: EnvId,
    /// The source in it.
    pub source: SourceId,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.env, self.source)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal)*) => {
        /// The kinds of object that are shown or acted on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "most names are Kubernetes' own")]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind as its system writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }
        }
    };
}

kinds! {
    Deployment "Deployment"
    StatefulSet "StatefulSet"
    DaemonSet "DaemonSet"
    ReplicaSet "ReplicaSet"
    Job "Job"
    Pod "Pod"
    Node "Node"
    HorizontalPodAutoscaler "HorizontalPodAutoscaler"
    /// KEDA's, which makes an autoscaler.
    ScaledObject "ScaledObject"
    /// Argo Rollouts' own Deployment.
    Rollout "Rollout"
    /// Argo CD's.
    Application "Application"
    /// Istio's.
    VirtualService "VirtualService"
    /// The Gateway API's.
    HttpRoute "HTTPRoute"
    /// Kubernetes' own: a selector of pods.
    Service "Service"
    /// A service of ECS; its namespace is the cluster.
    EcsService "EcsService"
    /// A listener of a load balancer, whose default action it is about; its name is the ARN.
    Listener "Listener"
    /// A rule of a listener of a load balancer; its name is the ARN.
    ListenerRule "ListenerRule"
    /// Records of one name and type in Route 53; its namespace is the hosted zone.
    RecordSet "RecordSet"
    /// A load balancer that zonal shift manages; its name is the ARN.
    LoadBalancer "LoadBalancer"
    /// A silence of an Alertmanager; its namespace is the source.
    Silence "Silence"
    /// A command of a service's runbook; its namespace is the service.
    RunbookStep "RunbookStep"
}

impl Kind {
    /// The kind that its system writes as `text`, if it is one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A Kubernetes object's place: namespace (empty for cluster-wide kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectPath {
    /// Empty for kinds that stand outside namespaces.
    pub namespace: Safe,
    /// The object's name.
    pub name: Safe,
}

impl ObjectPath {
    /// The place of `name` in `namespace`.
    pub fn new(namespace: impl Into<Safe>, name: impl Into<Safe>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { self.name.fmt(f) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// A workload, by kind and place. Two workloads of one name and different kinds are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadKey {
    /// Deployment, StatefulSet, DaemonSet, or whatever owns pods directly.
    pub kind: Kind,
    /// Its place.
    pub path: ObjectPath,
}

impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path)
    }
}

/// Exactly one object of one system: what an action changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The environment and source it lives in.
    pub origin: Origin,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: ObjectPath,
    /// Which one it is: another object of the same name has another UID.
    pub uid: Option<Uid>,
}

impl Target {
    /// What is typed to confirm a grave change of it: its name. Of an ARN, which nobody can type, the
    /// part that people gave.
    pub fn typed(&self) -> &str {
        let name = self.path.name.as_str();
        match name.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').last()) {
            // `listener-rule/app/NAME/…`, `loadbalancer/net/NAME/…`; else the last part.
            Some(resource) => match resource.split('/').collect::<Vec<_>>().as_slice() {
                [_, "app" | "net" | "gwy", name, ..] => name,
                parts => parts.last().copied().unwrap_or(name),
            },
            None => name,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {}", self.kind, self.path, self.origin.env)
    }
}
