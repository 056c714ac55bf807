//! ECS and Application Auto Scaling in awsJson 1.1: services, their deployments and limits.
//!
//! Shapes: the service models `ecs-2014-11-13` and `application-autoscaling-2016-02-06`.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::clock;
use crate::drill::World;
use crate::drill::cloud::{Ecs, Rollout};

use super::aws::{AwsError, error, text, texts};

type Answer = Result<Json, AwsError>;

/// ARNs of one world.
struct Names {
    start: String,
}

impl Names {
    fn of(world: &World) -> Self {
        let file = &world.scenario().file;
        Self { start: format!("arn:aws:ecs:{}:{}:", file.region, file.account) }
    }

    fn service(&self, service: &Ecs) -> String {
        format!("{}service/{}/{}", self.start, service.cluster, service.name)
    }

    fn task(&self, service: &Ecs, revision: u32) -> String {
        format!("{}task-definition/{}:{revision}", self.start, service.name)
    }

    /// A running task, by its place among those of its service.
    fn instance(&self, service: &Ecs, at: usize) -> String {
        format!("{}task/{}/{}-{at:08}", self.start, service.cluster, service.name)
    }

    fn rollout(&self, service: &Ecs, rollout: &Rollout) -> String {
        format!("{}service-deployment/{}/{}/{}", self.start, service.cluster, service.name, rollout.id)
    }

    fn revision(&self, service: &Ecs, revision: u32) -> String {
        format!("{}service-revision/{}/{}/{revision}", self.start, service.cluster, service.name)
    }
}

/// A name, or what stands behind the last slash of an ARN.
fn bare(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

fn seconds(at: clock::World) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

/// The service that a request names.
fn find<'a>(world: &'a World, input: &Json, name: &str) -> Result<&'a Ecs, AwsError> {
    let cluster = bare(text(input, "cluster").unwrap_or("default"));
    let all = &world.cloud().ecs;
    if !all.iter().any(|service| service.cluster == cluster) {
        return Err(error("ClusterNotFoundException", "Cluster not found."));
    }
    all.iter()
        .find(|service| service.cluster == cluster && service.name == bare(name))
        .ok_or_else(|| error("ServiceNotFoundException", "Service not found."))
}

fn place(service: &Ecs) -> (String, String) {
    (service.cluster.clone(), service.name.clone())
}

fn change<'a>(world: &'a mut World, place: &(String, String)) -> Result<&'a mut Ecs, AwsError> {
    let all = &mut world.cloud_mut().ecs;
    let found = all.iter_mut().find(|service| (&service.cluster, &service.name) == (&place.0, &place.1));
    found.ok_or_else(|| error("ServiceNotFoundException", "Service not found."))
}

/// Answers an operation of ECS.
pub(super) fn answer(world: &mut World, operation: &str, input: &Json) -> Answer {
    let (names, now) = (Names::of(world), world.now());
    match operation {
        "DescribeServices" => {
            let asked = texts(input, "services");
            let (mut services, mut failures) = (Vec::new(), Vec::new());
            for name in asked {
                match find(world, input, name) {
                    Ok(service) => services.push(described(&names, service, now)),
                    Err(missing) if missing.code == "ServiceNotFoundException" => {
                        failures.push(json!({ "arn": name, "reason": "MISSING" }));
                    }
                    Err(other) => return Err(other),
                }
            }
            Ok(json!({ "services": services, "failures": failures }))
        }
        "ListClusters" => {
            let clusters: BTreeSet<_> = world.cloud().ecs.iter().map(|service| service.cluster.as_str()).collect();
            let arns: Vec<_> = clusters.iter().map(|cluster| format!("{}cluster/{cluster}", names.start)).collect();
            Ok(json!({ "clusterArns": arns }))
        }
        "ListServices" => {
            let cluster = bare(text(input, "cluster").unwrap_or("default"));
            let all = world.cloud().ecs.iter().filter(|service| service.cluster == cluster);
            let arns: Vec<_> = all.map(|service| names.service(service)).collect();
            if arns.is_empty() {
                return Err(error("ClusterNotFoundException", "Cluster not found."));
            }
            Ok(json!({ "serviceArns": arns }))
        }
        "ListTasks" => {
            let service = find(world, input, text(input, "serviceName").unwrap_or_default())?;
            let all = service.tasks().enumerate().filter(|(_, (_, _, runs))| *runs <= now);
            let arns: Vec<_> = all.map(|(at, _)| names.instance(service, at)).collect();
            Ok(json!({ "taskArns": arns }))
        }
        "DescribeTasks" => {
            let asked = texts(input, "tasks");
            let mut found = Vec::new();
            for service in &world.cloud().ecs {
                let named = service.tasks().enumerate().map(|(at, task)| (names.instance(service, at), task));
                found.extend(named.filter(|(arn, _)| asked.contains(&arn.as_str())).map(
                    |(arn, (revision, asked, runs))| {
                        let mut told = json!({
                            "taskArn": arn, "clusterArn": format!("{}cluster/{}", names.start, service.cluster),
                            "taskDefinitionArn": names.task(service, revision), "createdAt": seconds(asked),
                            "desiredStatus": "RUNNING", "lastStatus": if runs <= now { "RUNNING" } else { "PENDING" },
                        });
                        if runs <= now {
                            told["startedAt"] = json!(seconds(runs));
                        }
                        told
                    },
                ));
            }
            Ok(json!({ "tasks": found, "failures": [] }))
        }
        "ListServiceDeployments" => {
            let service = find(world, input, text(input, "service").unwrap_or_default())?;
            let wanted = texts(input, "status");
            let all: Vec<_> = service
                .rollouts
                .iter()
                .rev()
                .filter(|rollout| wanted.is_empty() || wanted.contains(&rollout.status))
                .map(|rollout| brief(&names, service, rollout))
                .collect();
            Ok(json!({ "serviceDeployments": all }))
        }
        "DescribeServiceDeployments" => {
            let asked = texts(input, "serviceDeploymentArns");
            let mut found = Vec::new();
            for service in &world.cloud().ecs {
                let named =
                    service.rollouts.iter().filter(|rollout| asked.contains(&names.rollout(service, rollout).as_str()));
                found.extend(named.map(|rollout| full(&names, service, rollout, now)));
            }
            Ok(json!({ "serviceDeployments": found, "failures": [] }))
        }
        "DescribeServiceRevisions" => {
            let asked = texts(input, "serviceRevisionArns");
            let mut found = Vec::new();
            for service in &world.cloud().ecs {
                for revision in 1..=service.images.len() as u32 {
                    let arn = names.revision(service, revision);
                    if asked.contains(&arn.as_str()) {
                        found.push(json!({
                            "serviceRevisionArn": arn, "serviceArn": names.service(service),
                            "taskDefinition": names.task(service, revision),
                        }));
                    }
                }
            }
            Ok(json!({ "serviceRevisions": found, "failures": [] }))
        }
        "DescribeTaskDefinition" => {
            let (service, revision) = task(world, text(input, "taskDefinition").unwrap_or_default())?;
            let image = &service.images[revision as usize - 1];
            Ok(json!({ "taskDefinition": {
                "taskDefinitionArn": names.task(service, revision), "family": service.name, "revision": revision,
                "status": "ACTIVE", "containerDefinitions": [{ "name": service.name, "image": image }],
            }}))
        }
        "UpdateService" => {
            let service = find(world, input, text(input, "service").unwrap_or_default())?;
            let place = place(service);
            let wanted = match text(input, "taskDefinition") {
                Some(name) => Some(task(world, name)?.1),
                None => None,
            };
            let desired = match input.get("desiredCount").filter(|count| !count.is_null()) {
                None => None,
                Some(count) => Some(
                    count
                        .as_u64()
                        .and_then(|count| u32::try_from(count).ok())
                        .ok_or_else(|| error("InvalidParameterException", "desiredCount cannot be less than 0."))?,
                ),
            };
            let service = change(world, &place)?;
            if let Some(desired) = desired {
                service.desired = desired;
            }
            if let Some(revision) = wanted.filter(|revision| *revision != service.revision()) {
                service.begin(revision, now);
            }
            let service = service.clone();
            Ok(json!({ "service": described(&names, &service, now) }))
        }
        "StopServiceDeployment" => {
            let arn = text(input, "serviceDeploymentArn").unwrap_or_default();
            if text(input, "stopType").unwrap_or("ROLLBACK") != "ROLLBACK" {
                return Err(error("InvalidParameterException", "this drill knows the stop type ROLLBACK only"));
            }
            let stopped = world.cloud_mut().ecs.iter_mut().any(|service| service.roll_back(bare(arn)));
            match stopped {
                true => Ok(json!({ "serviceDeploymentArn": arn })),
                false => {
                    Err(error("ConflictException", "The service deployment is not in a state that can be stopped."))
                }
            }
        }
        other => Err(error("UnknownOperationException", format!("this drill does not serve ECS {other}"))),
    }
}

/// The task definition that a request names: `family:revision`, its ARN, or the newest of a family.
fn task<'a>(world: &'a World, name: &str) -> Result<(&'a Ecs, u32), AwsError> {
    let missing = || error("ClientException", "Unable to describe task definition.");
    let (family, revision) = match bare(name).split_once(':') {
        Some((family, revision)) => (family, revision.parse().map_err(|_| missing())?),
        None => (bare(name), 0),
    };
    let service = world.cloud().ecs.iter().find(|service| service.name == family).ok_or_else(missing)?;
    let newest = service.images.len() as u32;
    let revision = if revision == 0 { newest } else { revision };
    if revision > newest { Err(missing()) } else { Ok((service, revision)) }
}

fn described(names: &Names, service: &Ecs, now: clock::World) -> Json {
    let (running, pending) = (service.running(now), service.pending(now));
    let rollout = service.rollouts.last();
    let state = match rollout.map(|rollout| rollout.status) {
        Some("SUCCESSFUL" | "ROLLBACK_SUCCESSFUL") | None => "COMPLETED",
        Some(_) => "IN_PROGRESS",
    };
    json!({
        "serviceArn": names.service(service), "serviceName": service.name,
        "clusterArn": format!("{}cluster/{}", names.start, service.cluster), "status": "ACTIVE",
        "desiredCount": service.desired, "runningCount": running, "pendingCount": pending,
        "launchType": "FARGATE", "schedulingStrategy": "REPLICA",
        "taskDefinition": names.task(service, service.revision()),
        "deploymentController": { "type": "ECS" },
        "deploymentConfiguration": { "maximumPercent": 200, "minimumHealthyPercent": 100 },
        "deployments": [{
            "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": names.task(service, service.revision()),
            "desiredCount": service.desired, "runningCount": running, "pendingCount": pending,
            "rolloutState": state,
        }],
        "createdAt": seconds(service.created), "events": [], "tags": [],
    })
}

fn brief(names: &Names, service: &Ecs, rollout: &Rollout) -> Json {
    let mut told = json!({
        "serviceDeploymentArn": names.rollout(service, rollout), "serviceArn": names.service(service),
        "clusterArn": format!("{}cluster/{}", names.start, service.cluster),
        "createdAt": seconds(rollout.created), "startedAt": seconds(rollout.created),
        "targetServiceRevisionArn": names.revision(service, rollout.target), "status": rollout.status,
    });
    if let Some(finished) = rollout.finished {
        told["finishedAt"] = json!(seconds(finished));
    }
    told
}

fn full(names: &Names, service: &Ecs, rollout: &Rollout, now: clock::World) -> Json {
    let side = |revision: u32| {
        json!({
            "arn": names.revision(service, revision), "requestedTaskCount": service.desired,
            "runningTaskCount": service.running_of(revision, now), "pendingTaskCount": 0,
        })
    };
    let mut told = brief(names, service, rollout);
    if let Some(fields) = told.as_object_mut() {
        fields.remove("targetServiceRevisionArn");
    }
    told["targetServiceRevision"] = side(rollout.target);
    told["sourceServiceRevisions"] = rollout.source.map(side).into_iter().collect();
    told
}

/// Answers an operation of Application Auto Scaling.
pub(super) fn scaling(world: &mut World, operation: &str, input: &Json) -> Answer {
    let resource = |service: &Ecs| format!("service/{}/{}", service.cluster, service.name);
    match operation {
        "DescribeScalableTargets" => {
            let asked = texts(input, "ResourceIds");
            let found: Vec<_> = world
                .cloud()
                .ecs
                .iter()
                .filter(|service| asked.is_empty() || asked.contains(&resource(service).as_str()))
                .filter_map(|service| {
                    let (min, max) = service.limits?;
                    Some(json!({
                        "ServiceNamespace": "ecs", "ResourceId": resource(service),
                        "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": min, "MaxCapacity": max,
                        "RoleARN": "arn:aws:iam::111122223333:role/scaling", "CreationTime": seconds(service.created),
                    }))
                })
                .collect();
            Ok(json!({ "ScalableTargets": found }))
        }
        "DescribeScalingPolicies" => Ok(json!({ "ScalingPolicies": [] })),
        "RegisterScalableTarget" => {
            let asked = text(input, "ResourceId").unwrap_or_default();
            let all = &mut world.cloud_mut().ecs;
            let service = all
                .iter_mut()
                .find(|service| resource(service) == asked)
                .ok_or_else(|| error("ValidationException", format!("ECS service doesn't exist: {asked}")))?;
            let given = |name: &str| input.get(name).and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
            let min = given("MinCapacity").or(service.limits.map(|(min, _)| min));
            let max = given("MaxCapacity").or(service.limits.map(|(_, max)| max));
            match (min, max) {
                (Some(min), Some(max)) if min <= max => service.limit(min, max),
                _ => return Err(error("ValidationException", "Maximum capacity cannot be less than minimum capacity")),
            }
            Ok(json!({}))
        }
        other => Err(error("UnknownOperationException", format!("this drill does not serve {other}"))),
    }
}
