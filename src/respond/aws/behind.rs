//! What stands behind a load balancer: the target groups that traffic reaches, and their targets.
//!
//! Traffic reaches a group by an action of a listener or of a rule that gives it a weight above 0.
//! A group that no action names, or with the weight 0, gets none: its targets carry nothing.

use futures::{StreamExt as _, TryStreamExt as _};

use super::call::{Call, parameter};
use super::client::{Api, ApiError};
use super::weights::{self, Way};
use super::xml::Element;

/// Pages of one list that are read, of some hundred members each.
const PAGES: usize = 5;
/// Target groups of one load balancer that are looked at: ELB lets it have a hundred.
const GROUPS: usize = 100;
/// Requests of one plan under way at a time: ELB throttles an account as a whole.
const AT_ONCE: usize = 4;

/// A target of a group. One that stands in several groups is the same by its id.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    /// An instance's id, or an address.
    pub(super) id: String,
    /// The zone as ELB tells it, a name; `all` for one outside of the network, empty if it does not
    /// tell.
    pub(super) zone: String,
    pub(super) healthy: bool,
}

/// A target group with its targets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<Member>,
}

/// What stands behind a load balancer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Behind {
    /// The groups that traffic reaches, each once.
    pub(super) groups: Vec<Group>,
    /// Listeners, rules or groups may be missing: there were more than are read.
    pub(super) cut: bool,
}

impl Behind {
    /// Reads what stands behind the load balancer of this ARN.
    pub(super) async fn read(api: &Api, balancer: &str) -> Result<Self, ApiError> {
        let (listeners, mut cut) = pages(api, "DescribeListeners", "LoadBalancerArn", balancer, "Listeners").await?;
        let mut reached = reached(listeners.iter().flat_map(|one| one.list("DefaultActions")));
        // Only the listeners of an Application Load Balancer have rules.
        if balancer.contains(":loadbalancer/app/") {
            let asked: Vec<_> = listeners
                .iter()
                .map(|one| pages(api, "DescribeRules", "ListenerArn", one.text("ListenerArn"), "Rules"))
                .collect();
            let read: Vec<_> = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
            for (rules, cut_here) in read {
                cut |= cut_here;
                for group in self::reached(rules.iter().flat_map(|one| one.list("Actions"))) {
                    if !reached.contains(&group) {
                        reached.push(group);
                    }
                }
            }
        }
        cut |= reached.len() > GROUPS;
        reached.truncate(GROUPS);
        let asked: Vec<_> = reached.iter().map(|arn| group(api, arn)).collect();
        let groups = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(Self { groups, cut })
    }
}

/// A target group's name, of its ARN.
pub(super) fn name(group: &str) -> &str {
    group.split_once("targetgroup/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(group)
}

/// The target groups of a forward action with their weights, in their order.
pub(super) fn ways(forward: &Element) -> Vec<Way> {
    let way = |group: &str, weight| Way { key: group.to_owned(), name: name(group).to_owned(), weight };
    let groups: Vec<_> = forward
        .list("ForwardConfig/TargetGroups")
        .iter()
        .map(|group| way(group.text("TargetGroupArn"), group.text("Weight").parse().unwrap_or(1)))
        .collect();
    match forward.text("TargetGroupArn") {
        only if groups.is_empty() && !only.is_empty() => vec![way(only, 1)],
        _ => groups,
    }
}

/// The target groups that actions send traffic to, by ARN, each once.
fn reached<'a>(actions: impl Iterator<Item = &'a Element>) -> Vec<String> {
    let mut reached = Vec::new();
    for forward in actions.filter(|action| action.text("Type") == "forward") {
        let ways = ways(forward);
        let counts = weights::counting(ways.iter().map(|way| way.weight).collect());
        for (way, weight) in ways.into_iter().zip(counts) {
            if weight > 0 && !reached.contains(&way.key) {
                reached.push(way.key);
            }
        }
    }
    reached
}

async fn group(api: &Api, arn: &str) -> Result<Group, ApiError> {
    Ok(Group { name: name(arn).to_owned(), members: members(api, arn).await? })
}

/// The targets of a group.
pub(super) async fn members(api: &Api, group: &str) -> Result<Vec<Member>, ApiError> {
    let answer = api.xml(&Call::balancing("DescribeTargetHealth", vec![parameter("TargetGroupArn", group)])).await?;
    let member = |one: &Element| Member {
        id: one.text("Target/Id").to_owned(),
        zone: one.text("Target/AvailabilityZone").to_owned(),
        healthy: one.text("TargetHealth/State") == "healthy",
    };
    Ok(answer.list("DescribeTargetHealthResult/TargetHealthDescriptions").iter().map(member).collect())
}

/// The load balancers of this account and region as `DescribeLoadBalancers` tells them; and whether
/// there are more than are read.
pub(super) async fn balancers(api: &Api) -> Result<(Vec<Element>, bool), ApiError> {
    pages(api, "DescribeLoadBalancers", "", "", "LoadBalancers").await
}

/// A list of ELB, page by page; and whether there is more of it than is read.
async fn pages(
    api: &Api,
    operation: &'static str,
    id: &str,
    of: &str,
    list: &str,
) -> Result<(Vec<Element>, bool), ApiError> {
    let mut all = Vec::new();
    let mut marker = String::new();
    for _ in 0..PAGES {
        let given = [(id, of), ("Marker", marker.as_str())];
        let parameters = given.into_iter().filter(|(_, value)| !value.is_empty());
        let parameters = parameters.map(|(name, value)| parameter(name, value)).collect();
        let answer = api.xml(&Call::balancing(operation, parameters)).await?;
        all.extend_from_slice(answer.list(&format!("{operation}Result/{list}")));
        marker = answer.text(&format!("{operation}Result/NextMarker")).to_owned();
        if marker.is_empty() {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Vec<Element> {
        Element::parse(format!("<Actions>{text}</Actions>").as_bytes()).unwrap().children
    }

    fn names(text: &str) -> Vec<String> {
        reached(actions(text).iter()).iter().map(|arn| name(arn).to_owned()).collect()
    }

    #[test]
    fn traffic_reaches_the_groups_that_a_forward_action_gives_a_weight() {
        let group = |name: &str, weight: u32| {
            format!(
                "<member><TargetGroupArn>arn:x:targetgroup/{name}/1</TargetGroupArn><Weight>{weight}</Weight></member>"
            )
        };
        let forward = |groups: &[String]| {
            let groups = groups.concat();
            format!(
                "<member><Type>forward</Type><ForwardConfig><TargetGroups>{groups}</TargetGroups></ForwardConfig></member>"
            )
        };
        let two = forward(&[group("blue", 1), group("green", 0)]);
        assert_eq!(names(&two), ["blue"]);
        assert_eq!(names(&[two, forward(&[group("green", 5), group("blue", 5)])].concat()), ["blue", "green"]);
        assert_eq!(names(&forward(&[group("blue", 0), group("green", 0)])), ["blue", "green"], "all zero is even");
        let only = "<member><Type>forward</Type><TargetGroupArn>arn:x:targetgroup/web/1</TargetGroupArn></member>";
        assert_eq!(names(only), ["web"]);
        let turned = "<member><Type>redirect</Type><TargetGroupArn>arn:x:targetgroup/old/1</TargetGroupArn></member>";
        assert!(names(turned).is_empty());
    }
}
