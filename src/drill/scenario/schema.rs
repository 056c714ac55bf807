//! The tables of a scenario file, as they stand in it.
//!
//! Owns: names and meaning of all keys. Must not: check what one key says against another; that
//! is `read`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use toml::Spanned;

use crate::clock;
use crate::model::service::{Service, Side, Unit};

use super::units::{cpu, duration, memory, seconds};
use super::when::{Jitter, When};

/// A scenario, read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(in crate::drill) file: File,
    pub(in crate::drill) services: Vec<Service>,
}

/// The file as it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct File {
    pub(in crate::drill) id: Spanned<String>,
    pub(in crate::drill) title: String,
    pub(in crate::drill) summary: String,
    /// The environment's name, also the cluster's.
    pub(in crate::drill) environment: String,
    /// Who the systems say we are.
    pub(in crate::drill) user: String,
    pub(in crate::drill) account: String,
    pub(in crate::drill) region: String,
    pub(in crate::drill) epoch: clock::World,
    pub(in crate::drill) opens: Spanned<When>,
    pub(in crate::drill) ends: Spanned<When>,
    #[serde(default, rename = "node")]
    pub(in crate::drill) nodes: Vec<NodeShape>,
    #[serde(rename = "workload")]
    pub(in crate::drill) workloads: Vec<Workload>,
    #[serde(default, rename = "external")]
    pub(in crate::drill) externals: Vec<External>,
    #[serde(default, rename = "event")]
    pub(in crate::drill) events: Vec<Event>,
    #[serde(default, rename = "person")]
    pub(in crate::drill) people: Vec<Person>,
    #[serde(default, rename = "service")]
    pub(in crate::drill) services: Vec<ServiceTable>,
    #[serde(default, rename = "alert")]
    pub(in crate::drill) alerts: Vec<AlertRule>,
    #[serde(default, rename = "metric")]
    pub(in crate::drill) metrics: Vec<MetricSpec>,
    #[serde(default, rename = "alarm")]
    pub(in crate::drill) alarms: Vec<AlarmSpec>,
    #[serde(default, rename = "composite")]
    pub(in crate::drill) composites: Vec<CompositeSpec>,
    #[serde(default, rename = "log")]
    pub(in crate::drill) logs: Vec<LogSpec>,
    #[serde(default, rename = "responder")]
    pub(in crate::drill) responder: Vec<StepTable>,
    #[serde(default)]
    pub(in crate::drill) truth: Option<TruthTable>,
}

/// One node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct NodeShape {
    /// Its name.
    pub(in crate::drill) name: String,
    /// Its zone.
    pub(in crate::drill) zone: String,
    /// Allocatable CPU, thousandths of a core.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) cpu: u64,
    /// Allocatable memory, bytes.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) memory: u64,
    /// Pods it may run.
    pub(in crate::drill) pods: u32,
}

/// One deployment with its load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Workload {
    /// `namespace/name`.
    pub(in crate::drill) path: Spanned<String>,
    /// Replicas at the epoch.
    pub(in crate::drill) replicas: u32,
    /// The image at the epoch and since when it runs, then its predecessors, newest first.
    pub(in crate::drill) revisions: Vec<Revision>,
    /// CPU request and limit.
    pub(in crate::drill) cpu: CpuShape,
    /// Memory request, limit, and what a pod at rest uses.
    pub(in crate::drill) memory: MemoryShape,
    /// From being scheduled to being ready.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) starts_in: Duration,
    /// An autoscaler, if it has one.
    #[serde(default)]
    pub(in crate::drill) autoscaler: Option<AutoscalerShape>,
    /// Annotations of the Deployment.
    #[serde(default)]
    pub(in crate::drill) annotations: BTreeMap<String, String>,
    /// The requests it serves.
    pub(in crate::drill) serves: Serves,
    /// The calls it makes for each request.
    #[serde(default)]
    pub(in crate::drill) calls: Vec<Call>,
    /// The calls it makes on its own account.
    #[serde(default)]
    pub(in crate::drill) worker: Option<Worker>,
    /// What other images do differently.
    #[serde(default, rename = "version")]
    pub(in crate::drill) versions: Vec<Version>,
    /// The CloudWatch log group that its pods write to.
    #[serde(default)]
    pub(in crate::drill) log_group: Option<String>,
}

impl Workload {
    /// Its namespace.
    pub(in crate::drill) fn namespace(&self) -> &str {
        self.path.get_ref().split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Its name.
    pub(in crate::drill) fn name(&self) -> &str {
        self.path.get_ref().split_once('/').map_or(self.path.get_ref(), |(_, name)| name)
    }
}

/// One image that a deployment has run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Revision {
    /// The image.
    pub(in crate::drill) image: String,
    /// How long before the epoch it was rolled out.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) before: Duration,
}

/// CPU of one pod, thousandths of a core.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct CpuShape {
    /// Request.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) request: u64,
    /// Limit.
    #[serde(deserialize_with = "cpu")]
    pub(in crate::drill) limit: u64,
}

/// Memory of one pod, bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct MemoryShape {
    /// Request.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) request: u64,
    /// Limit.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) limit: u64,
    /// At rest.
    #[serde(deserialize_with = "memory")]
    pub(in crate::drill) rest: u64,
}

/// An autoscaler on CPU.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AutoscalerShape {
    /// Fewest replicas.
    pub(in crate::drill) min: u32,
    /// Most replicas.
    pub(in crate::drill) max: u32,
    /// Target average CPU in per cent of the request.
    pub(in crate::drill) cpu_percent: u32,
}

/// The requests that a workload serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Serves {
    /// Requests a second from outside at the epoch; 0 if only other workloads call it.
    #[serde(default)]
    pub(in crate::drill) rate: f64,
    /// By how much of itself the rate rises in the hours after the epoch, an hour.
    #[serde(default)]
    pub(in crate::drill) growth: f64,
    /// CPU time of one request, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// Latency of one request with nothing in its way, calls not counted, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) latency: f64,
    /// Mean of the tail that comes on top of it, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) tail: f64,
    /// Share of requests that fail with nothing wrong.
    #[serde(default)]
    pub(in crate::drill) fails: f64,
    /// Requests that one pod keeps waiting before it refuses more.
    #[serde(default = "default_slots")]
    pub(in crate::drill) slots: u32,
}

fn default_slots() -> u32 {
    128
}

/// The calls that a request leads to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Call {
    /// `namespace/name` of a workload, or the name of an external.
    pub(in crate::drill) to: Spanned<String>,
    /// Calls per request.
    pub(in crate::drill) share: f64,
    /// CPU time of one attempt at the caller, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// How long the caller waits, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) timeout: f64,
    /// Attempts after the first.
    #[serde(default)]
    pub(in crate::drill) retries: u32,
    /// Retries allowed in all, as a share of first attempts.
    #[serde(default = "one")]
    pub(in crate::drill) retry_budget: f64,
    /// Wait before the first retry, seconds; it doubles with each.
    #[serde(default, deserialize_with = "seconds")]
    pub(in crate::drill) backoff: f64,
    /// What a refusal (429) of the callee means for the request.
    #[serde(default)]
    pub(in crate::drill) on_refusal: OnRefusal,
}

fn one() -> f64 {
    1.0
}

/// What a refusal (429) of the callee means for the caller's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum OnRefusal {
    /// It fails.
    #[default]
    Fail,
    /// It is accepted (202) and finished later.
    Defer,
    /// The refusal is handed on.
    Pass,
}

/// Calls that a workload makes on its own account, from a queue that never runs dry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Worker {
    /// `namespace/name` of a workload, or the name of an external.
    pub(in crate::drill) to: Spanned<String>,
    /// First attempts a second, of all pods, when nothing limits them.
    pub(in crate::drill) demand: f64,
    /// Limit on attempts a second of one pod, retries counted; 0 is none.
    #[serde(default)]
    pub(in crate::drill) limit: f64,
    /// Loops that one pod runs at once: they compete with requests for CPU when it is short.
    pub(in crate::drill) loops: u32,
    /// CPU time of one attempt, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) cpu: f64,
    /// Attempts after the first.
    #[serde(default)]
    pub(in crate::drill) retries: u32,
}

/// What an image does differently.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Version {
    /// The image.
    pub(in crate::drill) image: String,
    /// Its worker's limit; 0 is none.
    #[serde(default)]
    pub(in crate::drill) worker_limit: Option<f64>,
    /// CPU time of one request, as a factor.
    #[serde(default = "one")]
    pub(in crate::drill) cpu_factor: f64,
    /// Share of requests that it fails on top.
    #[serde(default)]
    pub(in crate::drill) fails: f64,
}

/// A system of somebody else.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct External {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// Calls a second that it takes; it refuses the rest with 429.
    pub(in crate::drill) limit: f64,
    /// Its latency, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) latency: f64,
    /// Mean of the tail on top, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) tail: f64,
    /// By which factor the latency grows while it refuses nearly everything.
    #[serde(default)]
    pub(in crate::drill) slows: f64,
}

/// Something that happens by itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Event {
    /// Its name, for other times to refer to.
    pub(in crate::drill) name: Spanned<String>,
    /// When.
    pub(in crate::drill) at: Spanned<When>,
    /// By how much a seed moves it, either way.
    #[serde(default)]
    pub(in crate::drill) jitter: Jitter,
    /// The workload that is released.
    pub(in crate::drill) workload: Spanned<String>,
    /// The image that is rolled out.
    pub(in crate::drill) image: String,
    /// Who rolls it out.
    pub(in crate::drill) by: String,
}

/// Somebody who can be asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Person {
    /// What to call them.
    pub(in crate::drill) name: Spanned<String>,
    /// What they answer.
    pub(in crate::drill) answer: String,
    /// What they answer while they are at it.
    pub(in crate::drill) again: String,
    /// What they answer when it is done.
    pub(in crate::drill) done: String,
    /// The event that they bring forward.
    pub(in crate::drill) event: Spanned<String>,
    /// How long they take.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) takes: Duration,
    /// By how much a seed changes that, either way.
    #[serde(default)]
    pub(in crate::drill) jitter: Jitter,
}

/// A service of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct ServiceTable {
    pub(in crate::drill) name: Spanned<String>,
    #[serde(default)]
    pub(in crate::drill) title: Option<String>,
    #[serde(default)]
    pub(in crate::drill) owner: Option<String>,
    pub(in crate::drill) workloads: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::drill) log_groups: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::drill) alarms: Vec<String>,
    #[serde(default)]
    pub(in crate::drill) dashboards: Vec<String>,
    #[serde(default)]
    pub(in crate::drill) runbook: Option<String>,
    #[serde(default)]
    pub(in crate::drill) depends_on: Vec<Spanned<String>>,
    #[serde(default, rename = "signal")]
    pub(in crate::drill) signals: Vec<SignalTable>,
}

/// A signal of a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct SignalTable {
    pub(in crate::drill) name: String,
    pub(in crate::drill) query: Spanned<String>,
    pub(in crate::drill) unit: UnitName,
    #[serde(default)]
    pub(in crate::drill) above: Option<f64>,
    #[serde(default)]
    pub(in crate::drill) below: Option<f64>,
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(in crate::drill) hold: Duration,
    #[serde(default = "two_minutes", deserialize_with = "duration")]
    pub(in crate::drill) recover: Duration,
}

impl SignalTable {
    pub(super) fn limit(&self) -> Option<(f64, Side)> {
        self.above.map(|limit| (limit, Side::Above)).or_else(|| self.below.map(|limit| (limit, Side::Below)))
    }
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn two_minutes() -> Duration {
    Duration::from_secs(120)
}

/// How a signal's values are written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum UnitName {
    Ratio,
    Seconds,
    PerSecond,
    Count,
    Bytes,
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Self {
        match name {
            UnitName::Ratio => Self::Ratio,
            UnitName::Seconds => Self::Seconds,
            UnitName::PerSecond => Self::PerSecond,
            UnitName::Count => Self::Count,
            UnitName::Bytes => Self::Bytes,
        }
    }
}

/// A rule of Prometheus, whose alerts go to Alertmanager.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AlertRule {
    /// `alertname`.
    pub(in crate::drill) name: String,
    /// PromQL that gives something while the alert holds.
    pub(in crate::drill) expr: Spanned<String>,
    /// How long it holds before it fires.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub(in crate::drill) hold: Duration,
    /// Labels on top of those of the expression.
    #[serde(default)]
    pub(in crate::drill) labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default)]
    pub(in crate::drill) annotations: BTreeMap<String, String>,
}

/// A metric of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct MetricSpec {
    /// Its name here, for alarms to refer to.
    pub(in crate::drill) id: Spanned<String>,
    /// Its namespace.
    pub(in crate::drill) namespace: String,
    /// Its name.
    pub(in crate::drill) name: String,
    /// Its dimensions.
    #[serde(default)]
    pub(in crate::drill) dimensions: BTreeMap<String, String>,
    /// Its unit, in CloudWatch's words.
    #[serde(default)]
    pub(in crate::drill) unit: Option<String>,
    /// PromQL that gives its value.
    pub(in crate::drill) query: Spanned<String>,
}

/// A metric alarm of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct AlarmSpec {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub(in crate::drill) description: Option<String>,
    /// The `id` of its metric.
    pub(in crate::drill) metric: Spanned<String>,
    /// The statistic.
    pub(in crate::drill) statistic: Statistic,
    /// The comparison that is bad.
    pub(in crate::drill) comparison: Comparison,
    /// The threshold.
    pub(in crate::drill) threshold: f64,
    /// The period.
    #[serde(default = "a_minute", deserialize_with = "duration")]
    pub(in crate::drill) period: Duration,
    /// Periods that are looked at.
    pub(in crate::drill) evaluate: u32,
    /// Bad periods among them that make an alarm.
    pub(in crate::drill) bad: u32,
}

/// Statistics of a metric alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(in crate::drill) enum Statistic {
    Average,
    Maximum,
    Minimum,
    Sum,
}

impl Statistic {
    /// The name in the API.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Maximum => "Maximum",
            Self::Minimum => "Minimum",
            Self::Sum => "Sum",
        }
    }
}

/// Comparisons of a metric alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(clippy::enum_variant_names, reason = "the names are CloudWatch's own")]
pub(in crate::drill) enum Comparison {
    GreaterThanThreshold,
    GreaterThanOrEqualToThreshold,
    LessThanThreshold,
    LessThanOrEqualToThreshold,
}

impl Comparison {
    /// The name in the API.
    pub(in crate::drill) fn as_str(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => "GreaterThanThreshold",
            Self::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Self::LessThanThreshold => "LessThanThreshold",
            Self::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
        }
    }

    /// In the words of a state's reason.
    pub(in crate::drill) fn in_words(self) -> &'static str {
        match self {
            Self::GreaterThanThreshold => "greater than",
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }

    /// Whether `value` is bad.
    pub(in crate::drill) fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanThreshold => value > threshold,
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }
}

/// A composite alarm of CloudWatch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct CompositeSpec {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// What it is for.
    #[serde(default)]
    pub(in crate::drill) description: Option<String>,
    /// Such as `ALARM("a") AND NOT ALARM("b")`.
    pub(in crate::drill) rule: Spanned<String>,
}

/// A sort of log line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct LogSpec {
    /// The workload whose pods write it.
    pub(in crate::drill) workload: Spanned<String>,
    /// What makes it be written.
    pub(in crate::drill) when: LogWhen,
    /// Lines per occurrence; for `steady`, lines a second of the whole workload.
    pub(in crate::drill) share: f64,
    /// Lines a second at most, of the whole workload.
    #[serde(default = "four")]
    pub(in crate::drill) most: f64,
    /// The shape of the line.
    #[serde(default)]
    pub(in crate::drill) format: LogFormat,
    /// Its level.
    pub(in crate::drill) level: String,
    /// Its text, with `{ms}`, `{id}`, `{user}`, `{amount}`, `{attempt}`, `{pod}`, `{n}` filled in.
    pub(in crate::drill) text: String,
}

fn four() -> f64 {
    4.0
}

/// What makes a line be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum LogWhen {
    /// A request was answered as it should be.
    Served,
    /// A request failed.
    Failed,
    /// A request was accepted to be finished later.
    Deferred,
    /// A request was refused (429).
    Refused,
    /// A call was refused by the callee (429).
    CallRefused,
    /// A call was not answered in time.
    CallTimedOut,
    /// A call was made again.
    CallRetried,
    /// The worker made a call.
    WorkerCall,
    /// CPU is short.
    Starved,
    /// Time passes.
    Steady,
}

/// The shape of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum LogFormat {
    /// `2026-11-21T03:14:07.123Z ERROR text`.
    #[default]
    Plain,
    /// A JSON object with `ts`, `level`, `service`, `msg`, `trace_id`.
    Json,
    /// `ts=… level=… msg="…"`.
    Logfmt,
}

/// One line of the responder's part.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct StepTable {
    /// When.
    pub(in crate::drill) at: Spanned<When>,
    /// By how much a seed moves it, either way.
    #[serde(default)]
    pub(in crate::drill) jitter: Jitter,
    /// A command line of the session.
    pub(in crate::drill) say: String,
    /// A name for the truth to refer to.
    #[serde(default)]
    pub(in crate::drill) name: Option<Spanned<String>>,
}

/// What tests compare with. Nothing else reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct TruthTable {
    pub(in crate::drill) culprit: Spanned<String>,
    pub(in crate::drill) culprit_image: String,
    pub(in crate::drill) affected: Vec<Spanned<String>>,
    pub(in crate::drill) impact_start: Spanned<When>,
    pub(in crate::drill) detected: Spanned<When>,
    pub(in crate::drill) acknowledged: Spanned<When>,
    pub(in crate::drill) mitigated: Spanned<When>,
    pub(in crate::drill) resolved: Spanned<When>,
}

impl Scenario {
    /// Its name on the command line.
    pub fn id(&self) -> &str {
        self.file.id.get_ref()
    }

    /// A few words for lists.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// What a person who starts it is told. It gives no cause away.
    pub fn summary(&self) -> &str {
        &self.file.summary
    }

    /// The name of its environment.
    pub fn environment(&self) -> &str {
        &self.file.environment
    }

    /// The AWS region of its endpoints.
    pub fn region(&self) -> &str {
        &self.file.region
    }

    /// Where world time starts.
    pub fn epoch(&self) -> clock::World {
        self.file.epoch
    }

    /// Its service catalogue.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Its CloudWatch log groups.
    pub fn log_groups(&self) -> Vec<String> {
        let mut groups: Vec<_> = self.file.workloads.iter().filter_map(|workload| workload.log_group.clone()).collect();
        groups.sort();
        groups.dedup();
        groups
    }

    /// Where the workload of this path stands in the file.
    pub(in crate::drill) fn workload_at(&self, path: &str) -> Option<usize> {
        self.file.workloads.iter().position(|workload| workload.path.get_ref() == path)
    }

    /// `before` the epoch.
    pub(in crate::drill) fn before_epoch(&self, before: Duration) -> clock::World {
        self.file.epoch - TimeDelta::from_std(before).unwrap_or_default()
    }
}
