//! One environment: what it is called, where its systems are, and whether it may be changed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::name::{EnvId, SourceId, SourceKind};
use crate::text::Safe;

/// One environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its name, which a person types to open a write window.
    pub name: EnvId,
    /// Whether it counts as production. One that does not say otherwise does.
    pub production: bool,
    /// The theme role's name that paints its header, such as `red`; derived from `production`
    /// if not set.
    pub color: Option<Safe>,
    /// Whether actions may be planned at all.
    pub write: WritePolicy,
    /// How long a write window stays open.
    pub write_window: Duration,
    /// Whether its world is a drill's.
    pub drill: bool,
    /// The cluster.
    pub kubernetes: Option<KubeAccess>,
    /// The AWS account and region.
    pub aws: Option<AwsAccess>,
    /// Alertmanagers.
    pub alertmanager: Vec<HttpAccess>,
    /// Prometheus servers that answer the services' queries; the first is asked.
    pub prometheus: Vec<HttpAccess>,
}

/// The sources of a cluster and of an account, whose names are the program's own.
pub(super) const FIXED_SOURCES: [(&str, SourceKind); 9] = [
    ("kubernetes", SourceKind::Cluster),
    ("pods", SourceKind::Cluster),
    ("workloads", SourceKind::Cluster),
    ("nodes", SourceKind::Cluster),
    ("events", SourceKind::Cluster),
    ("usage", SourceKind::Cluster),
    ("pod-logs", SourceKind::Logs),
    ("cloudwatch", SourceKind::Alerts),
    ("cloudwatch-logs", SourceKind::Logs),
];

impl Environment {
    /// What each source that it can have tells of, by its name.
    pub fn source_kinds(&self) -> BTreeMap<SourceId, SourceKind> {
        let fixed = FIXED_SOURCES.iter().map(|(name, kind)| (*name, *kind));
        let alerts = self.alertmanager.iter().map(|access| (access.name.as_str(), SourceKind::Alerts));
        let signals = self.prometheus.iter().map(|access| (access.name.as_str(), SourceKind::Signals));
        fixed.chain(alerts).chain(signals).map(|(name, kind)| (SourceId::from(name), kind)).collect()
    }

    /// How often the sources are read whose reads have an interval of their own, by their names.
    pub fn intervals(&self) -> BTreeMap<SourceId, Duration> {
        let usage = self.kubernetes.iter().map(|access| ("usage", access.usage_every));
        let account = self
            .aws
            .iter()
            .flat_map(|access| [("cloudwatch", access.alarms_every), ("cloudwatch-logs", access.logs.every)]);
        let http = self.alertmanager.iter().chain(&self.prometheus).map(|access| (access.name.as_str(), access.every));
        usage.chain(account).chain(http).map(|(name, every)| (SourceId::from(name), every)).collect()
    }
}

/// Whether an environment may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePolicy {
    /// Never: the default.
    Deny,
    /// After a write window was opened, plan by plan.
    Ask,
}

/// How to reach a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeAccess {
    /// The kubeconfig file; the usual places if not set.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; the current one if not set.
    pub context: Option<String>,
    /// The namespaces to read; empty means the whole cluster, with a fall-back to those that
    /// are permitted.
    pub namespaces: Vec<String>,
    /// How often pods' and nodes' usage is read.
    pub usage_every: Duration,
}

/// How to reach an AWS account.
#[derive(Clone, Debug, PartialEq)]
pub struct AwsAccess {
    /// Where credentials come from.
    pub credentials: AwsCredentials,
    /// The region; the profile's if not set.
    pub region: Option<String>,
    /// Endpoint URLs by service, with the keys of the SDKs' own convention in lower case:
    /// `cloudwatch`, `cloudwatch_logs`, `sts`, and those that are acted on: `ecs`,
    /// `application_auto_scaling`, `elastic_load_balancing_v2`, `route_53`, `arc_zonal_shift`, `ec2`.
    pub endpoints: BTreeMap<String, String>,
    /// Only alarms whose names start with one of these; empty means all.
    pub alarm_prefixes: Vec<String>,
    /// How often alarms are read.
    pub alarms_every: Duration,
    /// Log groups beyond those of the services.
    pub logs: LogAccess,
}

/// Which logs are read, and how eagerly.
#[derive(Clone, Debug, PartialEq)]
pub struct LogAccess {
    /// Log groups, exact names.
    pub groups: Vec<String>,
    /// How often each group is read.
    pub every: Duration,
    /// Log groups and services whose lines come by `StartLiveTail` instead of `FilterLogEvents`;
    /// `*` for all. AWS bills Live Tail by the minute of each session of up to ten groups.
    pub live_tail: Vec<String>,
    /// `FilterLogEvents` calls a second for all groups together.
    pub calls_per_second: f64,
}

/// Where AWS credentials come from.
#[derive(Clone, Debug, PartialEq)]
pub enum AwsCredentials {
    /// The SDK's own chain: environment, profile, SSO, the metadata service.
    Ambient {
        /// The profile; the default one if not set.
        profile: Option<String>,
    },
    /// Dummy credentials of a drill. They open nothing.
    Drill,
}

/// How to reach an HTTP source.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpAccess {
    /// The source's name, unique in the environment.
    pub name: String,
    /// The base URL, without a trailing slash and without the API's own path.
    pub url: String,
    /// Credentials.
    pub auth: Option<Auth>,
    /// A PEM file with the CA that signed the server's certificate.
    pub ca_file: Option<PathBuf>,
    /// Whether the proxy variables are heeded.
    pub proxy: bool,
    /// How often it is read.
    pub every: Duration,
}

/// Credentials of an HTTP source.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
}

/// Where a secret is read from, each time it is needed.
#[derive(Clone, Debug, PartialEq)]
pub enum Secret {
    /// A variable of the process environment.
    Env(String),
    /// A file that only its owner can read.
    File(PathBuf),
    /// The standard output of a command: program and arguments.
    Command(Vec<String>),
}
