//! One service of ECS with its deployments, and what scales it.

use serde_json::{Value, json};

const ARN: &str = "arn:aws:ecs:eu-central-1:111122223333:";

/// The service.
pub(in crate::respond) struct Ecs {
    pub(in crate::respond) service: Value,
    /// Newest last.
    pub(in crate::respond) rollouts: Vec<Value>,
    /// What each revision runs, by the number at the end of its ARN.
    pub(in crate::respond) revisions: Vec<u32>,
    /// Task definitions that are out of use.
    pub(in crate::respond) inactive: Vec<u32>,
    pub(in crate::respond) image: fn(u32) -> String,
    pub(in crate::respond) limits: Option<(u32, u32)>,
    pub(in crate::respond) policies: Vec<&'static str>,
    /// Whether its scheduler follows, some tasks a look.
    pub(in crate::respond) follows: bool,
    /// Names of other services of the cluster, which are like this one but for what stands in
    /// `differs`.
    pub(in crate::respond) others: Vec<String>,
    /// Fields of the last of the others.
    pub(in crate::respond) differs: Value,
}

impl Default for Ecs {
    /// `prod/payments` with six tasks of `payments:42`, which came after `payments:41`.
    fn default() -> Self {
        let mut ecs = Self {
            service: json!({
                "serviceArn": format!("{ARN}service/prod/payments"), "serviceName": "payments",
                "clusterArn": format!("{ARN}cluster/prod"), "status": "ACTIVE", "schedulingStrategy": "REPLICA",
                "desiredCount": 6, "runningCount": 6, "pendingCount": 0, "createdAt": 1_790_000_000.123,
                "taskDefinition": task(42), "deploymentController": { "type": "ECS" }, "events": [], "tags": [],
            }),
            rollouts: Vec::new(),
            revisions: Vec::new(),
            inactive: Vec::new(),
            image: |revision| format!("registry.example/payments:2.{revision}.0"),
            limits: None,
            policies: Vec::new(),
            follows: true,
            others: Vec::new(),
            differs: json!({}),
        };
        ecs.roll(41, "SUCCESSFUL");
        ecs.roll(42, "SUCCESSFUL");
        ecs
    }
}

/// The ARN of a task definition.
pub(in crate::respond) fn task(revision: u32) -> String {
    format!("{ARN}task-definition/payments:{revision}")
}

fn revision_of(task: &str) -> u32 {
    task.rsplit(':').next().unwrap().parse().unwrap()
}

impl Ecs {
    /// A deployment of `payments:REVISION` begins.
    pub(in crate::respond) fn roll(&mut self, revision: u32, status: &str) {
        self.revisions.push(revision);
        let id = self.revisions.len();
        let arn = |id: usize| format!("{ARN}service-revision/prod/payments/{id}");
        self.rollouts.push(json!({
            "serviceDeploymentArn": format!("{ARN}service-deployment/prod/payments/d{id}"),
            "createdAt": 1_790_000_000.0 + id as f64, "status": status,
            "startedAt": 1_790_000_000.0 + id as f64, "finishedAt": 1_790_000_090.0 + 61.0 * id as f64,
            // One that is under way from the start stays so until it is stopped.
            "statusReason": if status == "IN_PROGRESS" { "slow" } else { "" },
            "targetServiceRevisionArn": arn(id),
            "targetServiceRevision": { "arn": arn(id), "runningTaskCount": 2 },
            "sourceServiceRevisions": if id > 1 { json!([{ "arn": arn(id - 1) }]) } else { json!([]) },
        }));
        self.service["taskDefinition"] = json!(task(revision));
    }

    pub(in crate::respond) fn desired(&self) -> u64 {
        self.service["desiredCount"].as_u64().unwrap()
    }

    pub(in crate::respond) fn revision(&self) -> u32 {
        revision_of(self.service["taskDefinition"].as_str().unwrap())
    }

    /// A service by its name.
    fn named(&self, name: &str) -> Option<Value> {
        if name == "payments" {
            return Some(self.service.clone());
        }
        let at = self.others.iter().position(|other| other == name)?;
        let mut other = self.service.clone();
        other["serviceName"] = json!(name);
        if at + 1 == self.others.len() {
            other.as_object_mut()?.extend(self.differs.as_object()?.clone());
        }
        Some(other)
    }

    fn follow(&mut self) {
        if !self.follows {
            return;
        }
        let (desired, running) = (self.desired(), self.service["runningCount"].as_u64().unwrap());
        let next = if running < desired { (running + 3).min(desired) } else { desired };
        self.service["runningCount"] = json!(next);
        if next != running {
            return;
        }
        let Some(newest) = self.rollouts.last_mut() else { return };
        match newest["status"].as_str().unwrap() {
            "ROLLBACK_REQUESTED" => newest["status"] = json!("ROLLBACK_IN_PROGRESS"),
            "ROLLBACK_IN_PROGRESS" => {
                newest["status"] = json!("ROLLBACK_SUCCESSFUL");
                let before = self.revisions[self.revisions.len() - 2];
                self.service["taskDefinition"] = json!(task(before));
            }
            "PENDING" => newest["status"] = json!("IN_PROGRESS"),
            "IN_PROGRESS" if newest["statusReason"] != "slow" => newest["status"] = json!("SUCCESSFUL"),
            _ => {}
        }
    }

    pub(super) fn answer(&mut self, operation: &str, input: &Value) -> Result<Value, (&'static str, &'static str)> {
        let arns = |name: &str| -> Vec<String> {
            input[name].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()).collect()
        };
        Ok(match operation {
            "DescribeServices" => {
                if input["cluster"] != "prod" {
                    return Err(("ClusterNotFoundException", "Cluster not found."));
                }
                let asked = arns("services");
                assert!(asked.len() <= 10, "ECS takes no more: {asked:?}");
                let found: Vec<_> = asked.iter().filter_map(|name| self.named(name)).collect();
                self.follow();
                json!({ "services": found, "failures": [] })
            }
            "ListClusters" => json!({ "clusterArns": [format!("{ARN}cluster/prod"), format!("{ARN}cluster/test")] }),
            // As many to a page as are asked for.
            "ListServices" => {
                if input["cluster"] != "prod" {
                    return Err(("ClusterNotFoundException", "Cluster not found."));
                }
                let all: Vec<_> = std::iter::once("payments").chain(self.others.iter().map(String::as_str)).collect();
                let (from, most) = (input["nextToken"].as_str(), input["maxResults"].as_u64().unwrap());
                let from: usize = from.map_or(0, |from| from.parse().unwrap());
                let to = all.len().min(from + usize::try_from(most).unwrap());
                let page: Vec<_> = all[from..to].iter().map(|name| format!("{ARN}service/prod/{name}")).collect();
                let next = (to < all.len()).then(|| to.to_string());
                json!({ "serviceArns": page, "nextToken": next })
            }
            "ListServiceDeployments" => json!({ "serviceDeployments": self.rollouts }),
            "DescribeServiceDeployments" => {
                let asked = arns("serviceDeploymentArns");
                let found: Vec<_> = self
                    .rollouts
                    .iter()
                    .filter(|one| asked.iter().any(|arn| one["serviceDeploymentArn"] == **arn))
                    .collect();
                json!({ "serviceDeployments": found })
            }
            "DescribeServiceRevisions" => {
                let found: Vec<_> = arns("serviceRevisionArns")
                    .iter()
                    .filter_map(|arn| {
                        let id: usize = arn.rsplit('/').next()?.parse().ok()?;
                        let revision = self.revisions.get(id - 1)?;
                        Some(json!({ "serviceRevisionArn": arn, "taskDefinition": task(*revision) }))
                    })
                    .collect();
                json!({ "serviceRevisions": found })
            }
            "DescribeTaskDefinition" => {
                let revision = revision_of(input["taskDefinition"].as_str().unwrap());
                let status = if self.inactive.contains(&revision) { "INACTIVE" } else { "ACTIVE" };
                json!({ "taskDefinition": {
                    "taskDefinitionArn": task(revision), "status": status,
                    "containerDefinitions": [{ "name": "web", "image": (self.image)(revision) }],
                }})
            }
            "ListTasks" => {
                assert_eq!((&input["serviceName"], &input["desiredStatus"]), (&json!("payments"), &json!("RUNNING")));
                let running = self.service["runningCount"].as_u64().unwrap();
                json!({ "taskArns": (0..running).map(|at| format!("{ARN}task/prod/{at}")).collect::<Vec<_>>() })
            }
            // One that comes does not run yet.
            "DescribeTasks" => {
                let task = |(at, arn): (usize, String)| match at {
                    0 => json!({ "taskArn": arn, "createdAt": 1_790_000_500.0 }),
                    at => json!({
                        "taskArn": arn, "createdAt": 1_790_000_000.0, "startedAt": 1_790_000_030.0 + 4.0 * at as f64,
                    }),
                };
                json!({ "tasks": arns("tasks").into_iter().enumerate().map(task).collect::<Vec<_>>() })
            }
            "UpdateService" => {
                if let Some(desired) = input.get("desiredCount") {
                    self.service["desiredCount"] = desired.clone();
                }
                if let Some(task) = input.get("taskDefinition") {
                    self.roll(revision_of(task.as_str().unwrap()), "PENDING");
                }
                json!({ "service": self.service })
            }
            "StopServiceDeployment" => {
                let newest = self.rollouts.last_mut().unwrap();
                if newest["serviceDeploymentArn"] != input["serviceDeploymentArn"] || newest["status"] != "IN_PROGRESS"
                {
                    return Err(("ConflictException", "The deployment cannot be stopped."));
                }
                newest["status"] = json!("ROLLBACK_REQUESTED");
                json!({ "serviceDeploymentArn": newest["serviceDeploymentArn"] })
            }
            "DescribeScalableTargets" => {
                let targets = self.limits.map(|(min, max)| {
                    json!([{ "ResourceId": "service/prod/payments", "MinCapacity": min, "MaxCapacity": max }])
                });
                json!({ "ScalableTargets": targets.unwrap_or_else(|| json!([])) })
            }
            "DescribeScalingPolicies" => {
                let policies: Vec<_> = self.policies.iter().map(|name| json!({ "PolicyName": name })).collect();
                json!({ "ScalingPolicies": policies })
            }
            "RegisterScalableTarget" => {
                let (min, max) = self.limits.unwrap();
                let given = |name: &str, or: u32| input[name].as_u64().map_or(or, |n| n.try_into().unwrap());
                let (min, max) = (given("MinCapacity", min), given("MaxCapacity", max));
                self.limits = Some((min, max));
                let clamped = self.desired().clamp(min.into(), max.into());
                self.service["desiredCount"] = json!(clamped);
                json!({})
            }
            _ => return Err(("InvalidAction", "no such operation")),
        })
    }
}
