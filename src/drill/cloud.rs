//! The AWS account of a world, as far as it can be acted on: services of ECS, load balancers with
//! weighted target groups and zonal shifts, and weighted records.
//!
//! Owns: what these hold, and what they do as seconds go by. Must not: know a protocol, or decide
//! what traffic does to anything.

mod ecs;

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::clock;
use crate::drill::scenario::{File, Scenario, Workload};

pub(in crate::drill) use ecs::{Ecs, Rollout};

/// The account.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Cloud {
    pub(in crate::drill) ecs: Vec<Ecs>,
    pub(in crate::drill) balancers: Vec<Balancer>,
    pub(in crate::drill) records: Vec<Records>,
    /// Changes of records: when each was made.
    pub(in crate::drill) changes: Vec<clock::World>,
    /// All zones that nodes stand in, by name.
    pub(in crate::drill) zones: Vec<String>,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Balancer {
    pub(in crate::drill) name: String,
    /// Paths of the workloads behind it.
    pub(in crate::drill) serves: Vec<String>,
    /// Target groups: name, the workload that fills it, its weight in the rule and in the
    /// listener's default action.
    pub(in crate::drill) groups: Vec<Group>,
    /// All shifts, ended ones too.
    pub(in crate::drill) shifts: Vec<Shift>,
}

/// A target group.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Group {
    pub(in crate::drill) name: String,
    pub(in crate::drill) workload: Option<String>,
    pub(in crate::drill) in_rule: u32,
    pub(in crate::drill) in_listener: u32,
}

/// A zonal shift.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Shift {
    pub(in crate::drill) id: String,
    /// The zone's id.
    pub(in crate::drill) away_from: String,
    pub(in crate::drill) comment: String,
    pub(in crate::drill) started: clock::World,
    pub(in crate::drill) expires: clock::World,
    pub(in crate::drill) cancelled: bool,
}

impl Shift {
    pub(in crate::drill) fn is_active(&self, now: clock::World) -> bool {
        !self.cancelled && now < self.expires
    }
}

/// Weighted records of one name and type.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Records {
    pub(in crate::drill) zone: String,
    /// With its dot at the end.
    pub(in crate::drill) name: String,
    pub(in crate::drill) kind: String,
    pub(in crate::drill) ttl: u32,
    /// Identifier, weight and value.
    pub(in crate::drill) sets: Vec<(String, u32, String)>,
}

/// How long a change of records takes to reach all name servers.
const SPREAD: TimeDelta = TimeDelta::seconds(45);

impl Cloud {
    pub(in crate::drill) fn new(scenario: &Scenario) -> Self {
        let file = &scenario.file;
        let zones: BTreeSet<_> = file.nodes.iter().map(|node| node.zone.clone()).collect();
        Self {
            ecs: file.ecs.iter().map(|shape| Ecs::new(shape, file.epoch)).collect(),
            balancers: file
                .balancers
                .iter()
                .map(|shape| Balancer {
                    name: shape.name.get_ref().clone(),
                    serves: shape.serves.iter().map(|path| path.get_ref().clone()).collect(),
                    groups: shape
                        .groups
                        .iter()
                        .map(|group| Group {
                            name: group.name.clone(),
                            workload: group.workload.as_ref().map(|path| path.get_ref().clone()),
                            in_rule: group.weight,
                            in_listener: group.weight,
                        })
                        .collect(),
                    shifts: Vec::new(),
                })
                .collect(),
            records: file
                .records
                .iter()
                .map(|shape| Records {
                    zone: shape.zone.clone(),
                    name: format!("{}.", shape.name.get_ref().trim_end_matches('.')),
                    kind: shape.kind.clone(),
                    ttl: shape.ttl as u32,
                    sets: shape.sets.iter().map(|set| (set.id.clone(), set.weight, set.value.clone())).collect(),
                })
                .collect(),
            changes: Vec::new(),
            zones: zones.into_iter().collect(),
        }
    }

    pub(in crate::drill) fn tick(&mut self, now: clock::World) {
        for service in &mut self.ecs {
            service.tick(now);
        }
    }

    /// The id of a zone, which in a drill goes by its name: `eu-central-1b` is `euc1-az2`.
    pub(in crate::drill) fn zone_id(zone: &str) -> String {
        let region = zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let letter = zone.bytes().last().unwrap_or(b'a');
        let mut short = String::new();
        for (at, part) in region.split('-').enumerate() {
            let whole = at == 0 || part.bytes().all(|byte| byte.is_ascii_digit());
            short.extend(part.chars().take(if whole { part.len() } else { 1 }));
        }
        format!("{short}-az{}", letter.wrapping_sub(b'a').wrapping_add(1))
    }

    /// What is meant for a workload from outside, requests a second at rest. The target groups of a
    /// load balancer's rule, which takes every path, share by their weights what all their workloads
    /// serve; what is sent to a group without a workload is lost there.
    pub(in crate::drill) fn offered(&self, file: &File, workload: &Workload) -> f64 {
        let path = workload.path.get_ref();
        let of = |group: &&Group| group.workload.as_ref() == Some(path);
        let Some(balancer) = self.balancers.iter().find(|balancer| balancer.groups.iter().any(|group| of(&group)))
        else {
            return workload.serves.rate;
        };
        let filled =
            |one: &&Workload| balancer.groups.iter().any(|group| group.workload.as_ref() == Some(one.path.get_ref()));
        let rate: f64 = file.workloads.iter().filter(filled).map(|one| one.serves.rate).sum();
        let all: u32 = balancer.groups.iter().map(|group| group.in_rule).sum();
        let ours: u32 = balancer.groups.iter().filter(of).map(|group| group.in_rule).sum();
        // Without any weight the groups share alike.
        match all {
            0 => rate * balancer.groups.iter().filter(of).count() as f64 / balancer.groups.len() as f64,
            all => rate * f64::from(ours) / f64::from(all),
        }
    }

    /// The zones that no traffic goes to on its way to a workload.
    pub(in crate::drill) fn away(&self, workload: &str, now: clock::World) -> BTreeSet<String> {
        let ids: BTreeSet<&str> = self
            .balancers
            .iter()
            .filter(|balancer| balancer.serves.iter().any(|path| path == workload))
            .flat_map(|balancer| &balancer.shifts)
            .filter(|shift| shift.is_active(now))
            .map(|shift| shift.away_from.as_str())
            .collect();
        self.zones.iter().filter(|zone| ids.contains(Self::zone_id(zone).as_str())).cloned().collect()
    }

    /// Whether all name servers have a change of records.
    pub(in crate::drill) fn in_sync(&self, change: usize, now: clock::World) -> Option<bool> {
        self.changes.get(change).map(|made| *made + SPREAD <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_ids_as_in_an_account() {
        assert_eq!(Cloud::zone_id("eu-central-1b"), "euc1-az2");
        assert_eq!(Cloud::zone_id("us-east-1a"), "use1-az1");
    }
}
