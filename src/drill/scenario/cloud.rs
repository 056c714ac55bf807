//! The tables of a scenario that say what its AWS account holds: services of ECS, load balancers
//! and weighted records.
//!
//! Owns: names and meaning of their keys. Must not: check what one key says against another.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::schema::File;
use super::units::{duration, seconds};

/// A service of ECS. It stands beside the cluster: the scheduler works, and no load of the
/// scenario's goes through it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct EcsShape {
    /// `cluster/name`.
    pub(in crate::drill) path: Spanned<String>,
    /// Tasks at the epoch.
    pub(in crate::drill) tasks: u32,
    /// The images of its task definitions, newest first; the newest runs at the epoch.
    pub(in crate::drill) images: Vec<String>,
    /// From being placed to running.
    #[serde(deserialize_with = "duration")]
    pub(in crate::drill) starts_in: Duration,
    /// Fewest and most tasks of its scalable target, if it has one.
    #[serde(default)]
    pub(in crate::drill) limits: Option<(u32, u32)>,
}

/// A load balancer with one listener, which has one rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct BalancerShape {
    /// Its name.
    pub(in crate::drill) name: Spanned<String>,
    /// The workloads that outside traffic reaches through it.
    pub(in crate::drill) serves: Vec<Spanned<String>>,
    /// The target groups of its listener and its rule.
    pub(in crate::drill) groups: Vec<GroupShape>,
}

/// A target group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct GroupShape {
    /// Its name.
    pub(in crate::drill) name: String,
    /// Its weight at the epoch.
    pub(in crate::drill) weight: u32,
    /// The workload whose pods are its targets; none if it is empty.
    #[serde(default)]
    pub(in crate::drill) workload: Option<Spanned<String>>,
}

/// Weighted records of one name and type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct RecordsShape {
    /// The hosted zone's id.
    pub(in crate::drill) zone: String,
    /// The name.
    pub(in crate::drill) name: Spanned<String>,
    /// The type, such as `A`.
    #[serde(rename = "type")]
    pub(in crate::drill) kind: String,
    /// How long resolvers keep it, seconds.
    #[serde(deserialize_with = "seconds")]
    pub(in crate::drill) ttl: f64,
    /// The records.
    pub(in crate::drill) sets: Vec<SetShape>,
}

impl RecordsShape {
    /// As a service names them among its routes.
    pub(in crate::drill) fn route(&self) -> String {
        format!("RecordSet {}/{}/{}", self.zone, self.name.get_ref(), self.kind)
    }
}

/// One weighted record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::drill) struct SetShape {
    /// Its identifier.
    pub(in crate::drill) id: String,
    /// Its weight at the epoch.
    pub(in crate::drill) weight: u32,
    /// What it leads to.
    pub(in crate::drill) value: String,
}

impl BalancerShape {
    /// The ARNs of what it is made of.
    pub(in crate::drill) fn arn(file: &File, name: &str, part: Part) -> String {
        let (kind, rest) = match part {
            Part::Balancer => ("loadbalancer", ""),
            Part::Listener => ("listener", "/f2f7dc8efc522ab2"),
            Part::Rule => ("listener-rule", "/f2f7dc8efc522ab2/9683b2d02a6cabee"),
        };
        let (region, account) = (&file.region, &file.account);
        format!("arn:aws:elasticloadbalancing:{region}:{account}:{kind}/app/{name}/50dc6c495c0c9188{rest}")
    }
}

/// What a load balancer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drill) enum Part {
    Balancer,
    Listener,
    Rule,
}
