//! What a record leads to, where that can be read: the targets of a load balancer that it is an alias
//! of. Of an address nothing is known here.

use std::collections::{BTreeMap, BTreeSet};

use crate::respond::aws::behind::{Behind, balancers};
use crate::respond::aws::client::{Api, ApiError};
use crate::respond::aws::xml::Element;
use crate::respond::aws::zonalshift::shifted_away;

/// What stands behind a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leads {
    /// To the load balancer of this name, with so many healthy targets that get traffic, of all.
    Balancer { name: String, healthy: u32, all: usize },
    /// To something that is not asked here.
    Elsewhere,
    /// To a load balancer of which it is not known, and why.
    Unread(String),
}

impl Leads {
    /// Healthy targets, if they are known.
    pub(super) fn healthy(&self) -> Option<u32> {
        match self {
            Self::Balancer { healthy, .. } => Some(*healthy),
            Self::Elsewhere | Self::Unread(_) => None,
        }
    }
}

/// What each of these records leads to.
pub(super) async fn leads(api: &Api, sets: &[Option<&Element>]) -> Vec<Leads> {
    let aliases: Vec<_> = sets.iter().map(|set| set.map(alias).unwrap_or_default()).collect();
    if aliases.iter().all(String::is_empty) {
        return vec![Leads::Elsewhere; sets.len()];
    }
    let known = balancers(api).await;
    let asked = aliases.iter().map(|alias| lead(api, alias, &known));
    futures::future::join_all(asked).await
}

/// Healthy targets of all that get answers by `weights`, each load balancer once; `None` if those of
/// one are not known.
pub(super) fn together(leads: &[Leads], weights: &[u32]) -> Option<u32> {
    let mut all = BTreeMap::new();
    for (leads, _) in leads.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
        let Leads::Balancer { name, healthy, .. } = leads else { return None };
        all.insert(name, *healthy);
    }
    Some(all.into_values().fold(0, u32::saturating_add))
}

/// The load balancer that a record is an alias of, by its name in DNS; empty if it is of none.
fn alias(set: &Element) -> String {
    let name = bare(set.text("AliasTarget/DNSName"));
    if name.contains(".elb.") { name } else { String::new() }
}

/// A name in DNS as ELB tells it: the console puts `dualstack.` before it.
fn bare(name: &str) -> String {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_prefix("dualstack.").map(str::to_owned).unwrap_or(name)
}

async fn lead(api: &Api, alias: &str, known: &Result<(Vec<Element>, bool), ApiError>) -> Leads {
    if alias.is_empty() {
        return Leads::Elsewhere;
    }
    let found = match known {
        Ok((all, cut)) => match all.iter().find(|one| bare(one.text("DNSName")) == alias) {
            Some(found) => found,
            None if *cut => return Leads::Unread("there are more load balancers than were read".to_owned()),
            None => return Leads::Unread("it is no load balancer of this account and region".to_owned()),
        },
        Err(error) => return Leads::Unread(error.to_string()),
    };
    let arn = found.text("LoadBalancerArn");
    let (behind, away) = futures::join!(Behind::read(api, arn), shifted_away(api, arn));
    let away = away.ok().flatten();
    match behind {
        Err(error) => Leads::Unread(error.to_string()),
        Ok(behind) if behind.cut => Leads::Unread("it has more listeners or target groups than were read".to_owned()),
        Ok(behind) => {
            let members = || behind.groups.iter().flat_map(|group| &group.members);
            let all: BTreeSet<_> = members().map(|member| &member.id).collect();
            let up = members().filter(|member| member.healthy);
            let up = up.filter(|member| !away.as_ref().is_some_and(|away| away.holds(&member.zone)));
            let healthy: BTreeSet<_> = up.map(|member| &member.id).collect();
            Leads::Balancer {
                name: found.text("LoadBalancerName").to_owned(),
                healthy: u32::try_from(healthy.len()).unwrap_or(u32::MAX),
                all: all.len(),
            }
        }
    }
}
