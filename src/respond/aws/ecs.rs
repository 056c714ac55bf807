//! A service of ECS as it is: reading it, what its fields hold, the one write, and when a change
//! of it is live.

mod named;
mod pace;
mod plan;
mod rollout;
mod wish;

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{FieldChange, Plan};
use crate::respond::Seen;
use crate::text::Safe;

use super::Unread;
use super::call::Call;
use super::client::{Api, ApiError, said};
use super::draft::{after, count, last_step, list, text};

pub(super) use named::Named;
pub(super) use plan::draft;
pub(super) use wish::wish;

/// The fields that are written.
const DESIRED: &str = "/desiredCount";
const TASK: &str = "/taskDefinition";
const FLOOR: &str = "/scaling/min";
const CAP: &str = "/scaling/max";
/// Before the id of a service deployment.
const ROLLOUT: &str = "/deployments/";

/// A service with what was read beside it.
#[derive(Clone, Debug)]
pub(super) struct EcsService {
    cluster: String,
    name: String,
    /// As `DescribeServices` tells it.
    raw: Value,
    /// Its scalable target, if it was read and there is one.
    scaling: Option<Value>,
    /// The names of its scaling policies.
    policies: Vec<String>,
    /// Why its scaling is not known.
    scaling_unknown: Option<Safe>,
    /// Service deployments that were asked for, as they are told.
    rollouts: Vec<Value>,
}

/// Checked to be names and nothing else, since resource ids are made of them.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Services of a cluster as `DescribeServices` tells them, those that are there; ten at the most.
async fn described(api: &Api, cluster: &str, services: &[&str]) -> Result<Vec<Value>, ApiError> {
    let input = json!({ "cluster": cluster, "services": services, "include": ["TAGS"] });
    let answer = api.json(&Call::ecs("DescribeServices", input)).await?;
    let there = |service: &&Value| text(service, "/status") != "INACTIVE";
    Ok(list(&answer, "/services").iter().filter(there).cloned().collect())
}

impl EcsService {
    /// Reads it; beside it what the fields of `changes` need.
    pub(super) async fn read(api: &Api, target: &Target, changes: &[FieldChange]) -> Result<Self, Unread> {
        let (cluster, name) = (target.path.namespace.as_str(), target.path.name.as_str());
        if !is_name(cluster) || !is_name(name) {
            let why = format!("{target} is not a name that ECS could have given: nothing was done");
            return Err(Unread::Failed(ApiError::NotSent(Safe::from(why))));
        }
        let found = match described(api, cluster, &[name]).await {
            Err(error) if error.is(&["ClusterNotFoundException", "ServiceNotFoundException"]) => {
                return Err(Unread::Gone(Safe::from(format!("{target} is not there ({error})"))));
            }
            found => found.map_err(Unread::Failed)?,
        };
        let raw = found.into_iter().find(|service| text(service, "/serviceName") == name);
        let raw = raw.ok_or_else(|| Unread::Gone(Safe::from(format!("{target} is not there (any more)"))))?;
        let mut service = Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            raw,
            scaling: None,
            policies: Vec::new(),
            scaling_unknown: None,
            rollouts: Vec::new(),
        };
        if changes.iter().any(|field| field.pointer.starts_with("/scaling/")) {
            service.scaling = service.scalable_target(api).await.map_err(Unread::Failed)?;
        }
        for field in changes.iter().filter(|field| field.pointer.starts_with(ROLLOUT)) {
            let arn = service.rollout_arn(&last_step(&field.pointer));
            service.rollouts.extend(rollout::described(api, &arn).await.map_err(Unread::Failed)?);
        }
        Ok(service)
    }

    /// The ARN, and when the service was made: one that was deleted and made again has the old ARN.
    pub(super) fn uid(&self) -> String {
        let made = self.raw.get("createdAt").map_or_else(|| "unknown".to_owned(), ToString::to_string);
        format!("{} of {made}", text(&self.raw, "/serviceArn"))
    }

    /// What its fields hold.
    pub(super) fn fields(&self) -> Value {
        let scaling = self
            .scaling
            .as_ref()
            .map(|scaling| json!({ "min": count(scaling, "/MinCapacity"), "max": count(scaling, "/MaxCapacity") }));
        let rollouts: serde_json::Map<_, _> = self
            .rollouts
            .iter()
            .map(|one| (id_of(text(one, "/serviceDeploymentArn")).to_owned(), json!(rollout::state(one))))
            .collect();
        json!({
            "desiredCount": self.desired(),
            "taskDefinition": self.task(),
            "scaling": scaling,
            "deployments": rollouts,
        })
    }

    fn desired(&self) -> u32 {
        count(&self.raw, "/desiredCount")
    }

    fn running(&self) -> u32 {
        count(&self.raw, "/runningCount")
    }

    fn task(&self) -> &str {
        text(&self.raw, "/taskDefinition")
    }

    /// What application auto scaling calls it.
    fn resource(&self) -> String {
        format!("service/{}/{}", self.cluster, self.name)
    }

    /// `arn:…:service/CLUSTER/NAME` is `arn:…:service-deployment/CLUSTER/NAME/ID` of a deployment.
    fn rollout_arn(&self, id: &str) -> String {
        let arn = text(&self.raw, "/serviceArn");
        let before = arn.split_once(":service/").map_or(arn, |(before, _)| before);
        format!("{before}:service-deployment/{}/{}/{id}", self.cluster, self.name)
    }

    async fn scalable_target(&self, api: &Api) -> Result<Option<Value>, ApiError> {
        let call = Call::scaling(
            "DescribeScalableTargets",
            json!({
                "ServiceNamespace": "ecs", "ResourceIds": [self.resource()],
                "ScalableDimension": "ecs:service:DesiredCount",
            }),
        );
        let answer = api.json(&call).await?;
        Ok(list(&answer, "/ScalableTargets").iter().find(|one| text(one, "/ResourceId") == self.resource()).cloned())
    }

    /// Reads who scales it. What cannot be read is said in the plan.
    async fn read_scaling(&mut self, api: &Api) {
        let policies = Call::scaling(
            "DescribeScalingPolicies",
            json!({ "ServiceNamespace": "ecs", "ResourceId": self.resource(), "ScalableDimension": "ecs:service:DesiredCount" }),
        );
        let (target, policies) = futures::join!(self.scalable_target(api), api.json(&policies));
        match (target, policies) {
            (Ok(target), Ok(policies)) => {
                self.scaling = target;
                self.policies =
                    list(&policies, "/ScalingPolicies").iter().map(|one| text(one, "/PolicyName").to_owned()).collect();
            }
            (Err(error), _) | (_, Err(error)) => self.scaling_unknown = Some(Safe::from(error.to_string())),
        }
    }

    /// The one write of a plan.
    pub(super) fn call(&self, plan: &Plan) -> Option<Call> {
        let changes = &plan.changes;
        if let Some(field) = changes.iter().find(|field| field.pointer.starts_with(ROLLOUT)) {
            let arn = self.rollout_arn(&last_step(&field.pointer));
            return Some(Call::ecs(
                "StopServiceDeployment",
                json!({ "serviceDeploymentArn": arn, "stopType": "ROLLBACK" }),
            ));
        }
        let mut input = json!({});
        for (pointer, name) in [(FLOOR, "MinCapacity"), (CAP, "MaxCapacity")] {
            if let Some(value) = after(changes, pointer) {
                input[name] = value;
            }
        }
        if input != json!({}) {
            input["ServiceNamespace"] = json!("ecs");
            input["ResourceId"] = json!(self.resource());
            input["ScalableDimension"] = json!("ecs:service:DesiredCount");
            return Some(Call::scaling("RegisterScalableTarget", input));
        }
        let mut input = json!({ "cluster": self.cluster, "service": self.name });
        match (after(changes, DESIRED), after(changes, TASK)) {
            (Some(desired), None) => input["desiredCount"] = desired,
            (None, Some(task)) => input["taskDefinition"] = task,
            _ => return None,
        }
        Some(Call::ecs("UpdateService", input))
    }

    /// Whether what a plan wrote is live: its fields hold it already.
    pub(super) async fn live(&self, api: &Api, plan: &Plan) -> Seen {
        if plan.changes.iter().any(|field| field.pointer.starts_with(ROLLOUT)) {
            return match self.rollouts.first() {
                Some(one) => rollout::rolled_back(self, one),
                None => Seen::Unread { why: Safe::fixed("ECS does not tell of that deployment (any more)") },
            };
        }
        if plan.changes.iter().any(|field| *field.pointer == *TASK) {
            return rollout::is_live(self, api).await;
        }
        let (running, desired) = (self.running(), self.desired());
        let mut words = format!("{running} of {desired} running");
        if let Some(scaling) = plan
            .changes
            .iter()
            .any(|field| field.pointer.starts_with("/scaling/"))
            .then_some(self.scaling.as_ref())
            .flatten()
        {
            let (min, max) = (count(scaling, "/MinCapacity"), count(scaling, "/MaxCapacity"));
            words.push_str(&format!(", limits {min}–{max}"));
            if !(min..=max).contains(&desired) {
                return Seen::Under { words: Safe::from(format!("{words}; the count is not within them yet")) };
            }
        }
        if running == desired && count(&self.raw, "/pendingCount") == 0 {
            return Seen::Live { words: Safe::from(words) };
        }
        Seen::Under { words: said(&format!("{words}{}", self.trouble())) }
    }

    /// The newest event, if tasks are missing: it says why none can be placed.
    fn trouble(&self) -> String {
        if self.running() >= self.desired() {
            return String::new();
        }
        let pending = count(&self.raw, "/pendingCount");
        match list(&self.raw, "/events").first().map(|event| text(event, "/message")) {
            Some(message) if message.contains("unable") => format!(", {pending} pending; {message}"),
            _ => format!(", {pending} pending"),
        }
    }
}

/// The id at the end of an ARN.
fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// `payments:41` of a task definition's ARN.
fn short(task: &str) -> &str {
    task.rsplit_once("task-definition/").map_or(task, |(_, short)| short)
}
