//! The weighted target groups of a rule, or of a listener's default action.
//!
//! There is no compare-and-swap: the whole action list is sent, as it was read a moment before,
//! with other weights in it.

mod owners;

use serde_json::{Map, Value, json};

use crate::model::name::{Kind, Target};
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Plan, Refusal, Request, Room, Share, Tier};
use crate::respond::guard::refusal;
use crate::respond::{Cluster, Seen};
use crate::text::Safe;

use super::Unread;
use super::call::{Call, Service, parameter};
use super::client::{Api, ApiError, said};
use super::draft::{Draft, after, change, fact, step, warning};
use super::weights::{divided, percent};
use super::xml::Element;

/// The largest weight of a target group.
const MOST: u32 = 999;
/// How long until other weights are in force: ELB says nothing of it; seconds are usual.
const PATIENCE: u32 = 120;

/// A rule or a listener, as read.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    rule: bool,
    arn: String,
    /// The action list as a whole.
    actions: Vec<Element>,
    /// Why its weights are not ours to change, if so.
    odd: Option<String>,
}

/// A target group's name, of its ARN.
fn name(group: &str) -> &str {
    group.split_once("targetgroup/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(group)
}

impl Forward {
    pub(super) async fn read(api: &Api, target: &Target) -> Result<Self, Unread> {
        let rule = target.kind == Kind::ListenerRule;
        let arn = target.path.name.as_str();
        let part = if rule { ":listener-rule/" } else { ":listener/" };
        if !arn.starts_with("arn:") || !arn.contains(part) || arn.len() > 400 {
            let why = format!("{target}: this is not the ARN of a {}: nothing was done", target.kind);
            return Err(Unread::Failed(ApiError::NotSent(Safe::from(why))));
        }
        let call = if rule {
            Call::balancing("DescribeRules", vec![parameter("RuleArns.member.1", arn)])
        } else {
            Call::balancing("DescribeListeners", vec![parameter("ListenerArns.member.1", arn)])
        };
        let answer = match api.xml(&call).await {
            Err(error)
                if error.is(&[
                    "RuleNotFound",
                    "ListenerNotFound",
                    "RuleNotFoundException",
                    "ListenerNotFoundException",
                ]) =>
            {
                return Err(Unread::Gone(Safe::from(format!("{target} is not there ({error})"))));
            }
            answer => answer.map_err(Unread::Failed)?,
        };
        let (all, list) = if rule {
            ("DescribeRulesResult/Rules", "Actions")
        } else {
            ("DescribeListenersResult/Listeners", "DefaultActions")
        };
        let id = if rule { "RuleArn" } else { "ListenerArn" };
        let found = answer.list(all).iter().find(|one| one.text(id) == arn);
        let found = found.ok_or_else(|| Unread::Gone(Safe::from(format!("{target} is not there (any more)"))))?;
        let actions = found.list(list).to_vec();
        let forwards = actions.iter().filter(|action| action.text("Type") == "forward").count();
        let odd = if found.text("IsDefault") == "true" {
            Some("it is the default rule, which is its listener's: name the Listener instead".to_owned())
        } else if forwards != 1 {
            Some(format!("it has {forwards} forward actions, and weights stand in one"))
        } else {
            None
        };
        Ok(Self { rule, arn: arn.to_owned(), actions, odd })
    }

    pub(super) fn uid(&self) -> String {
        self.arn.clone()
    }

    fn forward(&self) -> Option<&Element> {
        self.actions.iter().find(|action| action.text("Type") == "forward")
    }

    /// Target groups with their weights, in their order.
    fn groups(&self) -> Vec<(String, u32)> {
        let Some(forward) = self.forward() else { return Vec::new() };
        let groups: Vec<_> = forward
            .list("ForwardConfig/TargetGroups")
            .iter()
            .map(|group| (group.text("TargetGroupArn").to_owned(), group.text("Weight").parse().unwrap_or(1)))
            .collect();
        match forward.text("TargetGroupArn") {
            only if groups.is_empty() && !only.is_empty() => vec![(only.to_owned(), 1)],
            _ => groups,
        }
    }

    pub(super) fn fields(&self) -> Value {
        let weights: Map<_, _> = self.groups().into_iter().map(|(group, weight)| (group, json!(weight))).collect();
        json!({ "weights": weights })
    }

    pub(super) fn wish(&self, target: &Target, shares: &[Share]) -> Result<Vec<FieldChange>, Refusal> {
        if let Some(odd) = &self.odd {
            return Err(refusal(format!("{target}: {odd}; nothing was planned")));
        }
        let groups = self.groups();
        if groups.len() < 2 {
            return Err(refusal(format!("{target} forwards to one target group alone: there is nothing to divide")));
        }
        let named: Vec<_> = groups.iter().map(|(group, weight)| (name(group).to_owned(), *weight)).collect();
        let shares: Vec<_> = shares
            .iter()
            .map(|share| Share { destination: Safe::from(name(&share.destination)), weight: share.weight })
            .collect();
        let weights =
            divided(&named, &shares, MOST).map_err(|why| refusal(said(&format!("cannot divert {target}: {why}"))))?;
        let changes: Vec<_> = groups
            .iter()
            .zip(&weights)
            .filter(|((_, before), after)| before != *after)
            .map(|((group, before), after)| {
                change(format!("/weights/{}", step(group)), said(name(group)), &json!(before), &json!(after))
            })
            .collect();
        if changes.is_empty() {
            return Err(refusal(format!("{target} divides its traffic that way already: there is nothing to change")));
        }
        Ok(changes)
    }

    /// The weights after `changes`.
    fn weights_after(&self, changes: &[FieldChange]) -> Vec<u32> {
        let wanted = |group: &str| after(changes, &format!("/weights/{}", step(group)))?.as_u64();
        self.groups()
            .iter()
            .map(|(group, weight)| wanted(group).and_then(|wanted| u32::try_from(wanted).ok()).unwrap_or(*weight))
            .collect()
    }

    /// The action list with the weights of `changes`.
    fn written(&self, changes: &[FieldChange]) -> Vec<Element> {
        let mut actions = self.actions.clone();
        for action in &mut actions {
            match action.text("Type") {
                "forward" => {
                    // Beside more than one group, ELB refuses the short form of a single one.
                    action.children.retain(|child| child.name != "TargetGroupArn");
                    let config = action.children.iter_mut().find(|child| child.name == "ForwardConfig");
                    let groups =
                        config.and_then(|config| config.children.iter_mut().find(|c| c.name == "TargetGroups"));
                    for group in groups.into_iter().flat_map(|groups| &mut groups.children) {
                        let pointer = format!("/weights/{}", step(group.text("TargetGroupArn")));
                        if let Some(weight) = after(changes, &pointer) {
                            group.set("Weight", weight.to_string());
                        }
                    }
                }
                // The secret is not told, and would be lost.
                "authenticate-oidc" => {
                    if let Some(config) =
                        action.children.iter_mut().find(|child| child.name == "AuthenticateOidcConfig")
                    {
                        config.set("UseExistingClientSecret", "true".to_owned());
                    }
                }
                _ => {}
            }
        }
        actions
    }

    pub(super) fn call(&self, plan: &Plan) -> Option<Call> {
        if self.odd.is_some() || self.weights_after(&plan.changes).iter().all(|weight| *weight == 0) {
            return None;
        }
        let (operation, id, list) = self.operation();
        let mut parameters = vec![parameter(id, &self.arn)];
        Element::branch(list, self.written(&plan.changes)).parameters(list, &mut parameters);
        Some(Call::balancing(operation, parameters))
    }

    fn operation(&self) -> (&'static str, &'static str, &'static str) {
        if self.rule {
            ("ModifyRule", "RuleArn", "Actions")
        } else {
            ("ModifyListener", "ListenerArn", "DefaultActions")
        }
    }

    /// The weights are read back; from then on new requests go by them.
    pub(super) fn live(&self) -> Seen {
        let groups = self.groups();
        let weights: Vec<_> = groups.iter().map(|(_, weight)| *weight).collect();
        let words: Vec<_> = groups
            .iter()
            .enumerate()
            .map(|(at, (group, _))| format!("{} {} %", name(group), percent(&weights, at)))
            .collect();
        Seen::Live { words: said(&words.join(", ")) }
    }

    pub(super) async fn draft(
        &self,
        api: &Api,
        want: &Request,
        changes: Vec<FieldChange>,
        cluster: &Cluster,
    ) -> Result<Draft, Refusal> {
        let groups = self.groups();
        let before: Vec<_> = groups.iter().map(|(_, weight)| *weight).collect();
        let weights = self.weights_after(&changes);
        if weights.iter().all(|weight| *weight == 0) {
            return Err(refusal("no target group would have any weight: nothing was planned"));
        }
        let health = futures::future::join_all(groups.iter().map(|(group, _)| healthy(api, group))).await;
        let looked = self.deployments(api, want.target(), &cluster.ecs).await?;
        let mut facts: Vec<Fact> = Vec::new();
        let mut served = false;
        for (at, (group, _)) in groups.iter().enumerate() {
            let shift = format!("{} {} % → {} %", name(group), percent(&before, at), percent(&weights, at));
            served |= weights[at] > 0 && !matches!(health[at], Ok((0, _)));
            facts.push(match &health[at] {
                Ok((0, all)) if weights[at] > 0 => {
                    warning("traffic", format!("{shift}, none of {all} targets healthy"))
                }
                Ok((up, all)) => fact("traffic", format!("{shift}, {up} of {all} targets healthy")),
                Err(error) => warning("traffic", said(&format!("{shift}, its targets could not be read: {error}"))),
            });
        }
        if !served {
            return Err(refusal(
                "all traffic would go to target groups without a healthy target: bring up targets first; nothing was planned",
            ));
        }
        let stickiness = self.forward().and_then(|forward| forward.at("ForwardConfig/TargetGroupStickinessConfig"));
        if let Some(sticky) = stickiness.filter(|sticky| sticky.text("Enabled") == "true") {
            let seconds = sticky.text("DurationSeconds");
            facts.push(warning("sticky", said(&format!("clients stay with their target group for {seconds} s"))));
        }
        facts.push(warning("no guard", "ELB has no compare-and-swap: a change within the same second could be lost"));
        facts.push(looked);
        let back = if matches!(want, Request::Undo { .. }) { " back" } else { "" };
        let undo: Vec<_> = changes.iter().map(FieldChange::inverse).map(|field| field.shown()).collect();
        Ok(Draft {
            title: format!(
                "divert {} of {}{back}",
                if self.rule { "a rule" } else { "a listener" },
                balancer(&self.arn)
            ),
            undo: Some(said(&format!("{}, while nobody else has changed it", undo.join(", ")))),
            blast: Blast {
                ready_before: 0,
                wanted_after: 0,
                words: Safe::from(format!("{} % of its requests go elsewhere", moved(&before, &weights))),
            },
            room: Room::NotNeeded,
            owners: self.owners(api).await,
            tier: Tier::Lowers,
            command: self.command(api, &changes),
            facts,
            instead: None,
            ends: if back.is_empty() { Ends::Reminder } else { Ends::Stays },
            patience: PATIENCE,
            changes,
        })
    }

    fn command(&self, api: &Api, changes: &[FieldChange]) -> Vec<String> {
        let actions: Vec<_> = self.written(changes).iter().map(plain).collect();
        let mut words = api.cli(Service::Balancing);
        let (verb, id, list) = if self.rule {
            ("modify-rule", "--rule-arn", "--actions")
        } else {
            ("modify-listener", "--listener-arn", "--default-actions")
        };
        words.extend(["elbv2", verb, id, &self.arn, list].map(str::to_owned));
        words.push(Value::Array(actions).to_string());
        words
    }
}

/// The name of the load balancer in an ARN of one of its parts.
pub(super) fn balancer(arn: &str) -> String {
    let name = arn.split('/').nth(2).unwrap_or(arn);
    crate::text::clean_capped(name, 64).to_string()
}

/// How much of the traffic goes elsewhere, per cent.
pub(super) fn moved(before: &[u32], after: &[u32]) -> u32 {
    (0..before.len()).map(|at| percent(after, at).saturating_sub(percent(before, at))).sum()
}

/// Healthy targets of a group, and all of them.
async fn healthy(api: &Api, group: &str) -> Result<(usize, usize), ApiError> {
    let targets = targets(api, group).await?;
    Ok((targets.iter().filter(|(_, healthy)| *healthy).count(), targets.len()))
}

/// The targets of a group: the zone of each as far as it is told, and whether it is healthy.
pub(super) async fn targets(api: &Api, group: &str) -> Result<Vec<(String, bool)>, ApiError> {
    let answer = api.xml(&Call::balancing("DescribeTargetHealth", vec![parameter("TargetGroupArn", group)])).await?;
    Ok(answer
        .list("DescribeTargetHealthResult/TargetHealthDescriptions")
        .iter()
        .map(|one| (one.text("Target/AvailabilityZone").to_owned(), one.text("TargetHealth/State") == "healthy"))
        .collect())
}

/// An element as the AWS CLI takes it.
fn plain(element: &Element) -> Value {
    if element.children.is_empty() {
        let number = matches!(element.name.as_str(), "Weight" | "Order" | "DurationSeconds" | "SessionTimeout");
        return match element.text.as_str() {
            "true" => json!(true),
            "false" => json!(false),
            text if number => text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number)),
            text => json!(text),
        };
    }
    if element.children.iter().all(|child| child.name == "member") {
        return element.children.iter().map(plain).collect();
    }
    if element.children.iter().all(|child| child.name == "entry") {
        let pairs = element.children.iter().map(|entry| (entry.text("key").to_owned(), json!(entry.text("value"))));
        return Value::Object(pairs.collect());
    }
    Value::Object(element.children.iter().map(|child| (child.name.clone(), plain(child))).collect())
}
