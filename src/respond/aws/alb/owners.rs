//! Who else writes a list of actions: by the tags that controllers leave, and by the deployments of
//! the services of ECS that belong to it. Nothing looks at all services of an account here, but at
//! those that the configuration names: what was looked at is said.

use serde_json::Value;

use crate::model::name::{ObjectPath, Target};
use crate::model::plan::{Fact, Owner, OwnerEffect, Refusal};
use crate::respond::aws::call::Call;
use crate::respond::aws::client::{Api, said};
use crate::respond::aws::draft::{fact, list, text, warning};
use crate::respond::aws::ecs::Named;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::{Forward, name};

/// The label of what was looked at.
const LABEL: &str = "deploys";
/// Services that are told by name, at the most.
const MOST: usize = 3;

impl Forward {
    /// Who writes this list of actions, by the tags that they leave.
    pub(super) async fn owners(&self, api: &Api) -> Vec<Owner> {
        let balancer = self.balancer();
        let arns = [self.arn.as_str(), balancer.as_str()];
        let parameters = arns
            .iter()
            .enumerate()
            .map(|(at, arn)| (format!("ResourceArns.member.{}", at + 1), (*arn).to_owned()))
            .collect();
        let answer = match api.xml(&Call::balancing("DescribeTags", parameters)).await {
            Ok(answer) => answer,
            Err(error) => {
                return vec![Owner {
                    name: Safe::fixed("its tags"),
                    effect: OwnerEffect::MayRevert,
                    words: said(&format!("could not be read ({error}): a deploy controller may set it back")),
                }];
            }
        };
        let tags: Vec<(&str, &str)> = answer
            .list("DescribeTagsResult/TagDescriptions")
            .iter()
            .flat_map(|one| one.list("Tags"))
            .map(|tag| (tag.text("Key"), tag.text("Value")))
            .collect();
        let of = |keys: &[&str]| tags.iter().find(|(key, _)| keys.iter().any(|start| key.starts_with(start)));
        let mut owners = Vec::new();
        if let Some((_, stack)) =
            of(&["ingress.k8s.aws/", "service.k8s.aws/", "gateway.k8s.aws"]).or_else(|| of(&["elbv2.k8s.aws/"]))
        {
            owners.push(Owner {
                name: said(&format!("AWS Load Balancer Controller {stack}")),
                effect: OwnerEffect::Reverts,
                words: Safe::fixed("writes these actions from its Ingress: change the weights in its annotation"),
            });
        }
        if let Some((_, stack)) = of(&["aws:cloudformation:stack-name"]) {
            owners.push(Owner {
                name: said(&format!("CloudFormation stack {stack}")),
                effect: OwnerEffect::MayRevert,
                words: Safe::fixed("sets them back with its next update; CodeDeploy or ECS may, too"),
            });
        }
        owners
    }

    /// Refuses what a deployment of one of `services` divides by itself, and says what was looked at:
    /// `DescribeServices` of those that the configuration names, by a pattern too.
    pub(super) async fn deployments(
        &self,
        api: &Api,
        target: &Target,
        services: &[ObjectPath],
    ) -> Result<Fact, Refusal> {
        if services.is_empty() {
            return Ok(fact(LABEL, "no ECS service is configured for it, so none was looked at"));
        }
        let found = Named::read(api, services).await;
        let mut looked = Vec::new();
        for (path, service) in &found.services {
            if let Some(why) = self.divided_by(service) {
                return Err(refusal(said(&format!(
                    "{target} is left to {why} of EcsService {path}, which divides this traffic in its deployments: \
                     use or stop its deployment instead; nothing was planned"
                ))));
            }
            looked.push(format!("EcsService {path} ({})", controller(service)));
        }
        if found.unread.is_empty() {
            return Ok(fact(LABEL, said(&format!("none of {} divides it", shortened(&looked)))));
        }
        let others =
            if looked.is_empty() { String::new() } else { format!("; none of {} divides it", shortened(&looked)) };
        Ok(warning(LABEL, said(&format!("a deployment may divide it: {}{others}", shortened(&found.unread)))))
    }

    /// What of a service of ECS divides this traffic, if something does.
    fn divided_by(&self, service: &Value) -> Option<String> {
        let groups = self.groups();
        let ours = |group: &str| groups.iter().any(|way| way.key == group);
        let kind = controller(service);
        let sets = list(service, "/taskSets").iter().flat_map(|set| list(set, "/loadBalancers"));
        let balancers: Vec<&Value> = list(service, "/loadBalancers").iter().chain(sets).collect();
        // CodeDeploy's own services may name but one of the two groups.
        if let Some(group) = balancers.iter().map(|one| text(one, "/targetGroupArn")).find(|group| ours(group))
            && matches!(kind, "CODE_DEPLOY" | "EXTERNAL")
        {
            return Some(format!("the deployment controller {kind} (target group {})", name(group)));
        }
        let rule = |one: &Value, key: &str| text(one, &format!("/advancedConfiguration/{key}")) == self.arn;
        let by_ecs = balancers.iter().any(|one| rule(one, "productionListenerRule") || rule(one, "testListenerRule"));
        by_ecs.then(|| format!("the deployment controller {kind} (a blue/green deployment of its own)"))
    }
}

/// The first few, and how many more there are.
fn shortened(all: &[String]) -> String {
    let shown = all.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn controller(service: &Value) -> &str {
    match text(service, "/deploymentController/type") {
        "" => "ECS",
        kind => kind,
    }
}
