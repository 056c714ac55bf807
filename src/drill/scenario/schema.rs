//! A scenario file as a whole, and the tables of its story: events, people, the responder.
//!
//! Owns: names and meaning of all keys. Must not: check what one key says against another; that
//! is `read`'s.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;
use toml::Spanned;

use crate::clock;
use crate::drill::rng::Rng;
use crate::model::service::Service;

use super::cloud::{BalancerShape, EcsShape, RecordsShape};
use super::units::duration;
use super::watch::{AlarmSpec, AlertRule, CompositeSpec, LogSpec, MetricSpec, ServiceTable};
use super::when::{Jitter, When};
use super::workload::{ApplicationShape, External, NodeShape, RouteShape, Workload};

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
    #[serde(default, rename = "route")]
    pub(in crate::drill) routes: Vec<RouteShape>,
    #[serde(default, rename = "application")]
    pub(in crate::drill) applications: Vec<ApplicationShape>,
    #[serde(default, rename = "external")]
    pub(in crate::drill) externals: Vec<External>,
    #[serde(default)]
    pub(in crate::drill) ecs: Vec<EcsShape>,
    #[serde(default, rename = "balancer")]
    pub(in crate::drill) balancers: Vec<BalancerShape>,
    #[serde(default)]
    pub(in crate::drill) records: Vec<RecordsShape>,
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

/// Something that happens by itself: a release (`workload`, `image`, `by`), or a zone whose
/// balancer nodes lose requests from then on (`zone`, `loses`).
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
    #[serde(default)]
    pub(in crate::drill) workload: Option<Spanned<String>>,
    /// The image that is rolled out.
    #[serde(default)]
    pub(in crate::drill) image: String,
    /// Who rolls it out.
    #[serde(default)]
    pub(in crate::drill) by: String,
    /// The zone that is in trouble.
    #[serde(default)]
    pub(in crate::drill) zone: Option<Spanned<String>>,
    /// The share of the requests that come in through the zone's balancer nodes and get no answer;
    /// 0 is the end of the trouble.
    #[serde(default)]
    pub(in crate::drill) loses: f64,
}

/// Somebody who can be asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct Person {
    /// What to call them; in the truth, when they are done.
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

impl Person {
    /// How long they take under a seed; a second at least.
    pub(in crate::drill) fn takes(&self, seed: u64) -> TimeDelta {
        let mut rng = Rng::named(seed, &format!("person {}", self.name.get_ref()));
        let takes = TimeDelta::from_std(self.takes).unwrap_or_default() + self.jitter.draw(&mut rng);
        takes.max(TimeDelta::seconds(1))
    }
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
    /// The workload that is at fault.
    #[serde(default)]
    pub(in crate::drill) culprit: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::drill) culprit_image: String,
    /// Or the zone.
    #[serde(default)]
    pub(in crate::drill) culprit_zone: Option<Spanned<String>>,
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
