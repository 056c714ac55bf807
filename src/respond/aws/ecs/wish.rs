//! What has to be written to a service of ECS for what was asked.

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{FieldChange, Refusal, Replicas, Request, Revision};
use crate::respond::aws::client::{Api, said};
use crate::respond::aws::draft::{change, count, list, step, text};
use crate::respond::guard::refusal;

use super::rollout::{self, ROLLED_BACK, UNDER_WAY};
use super::{CAP, DESIRED, EcsService, FLOOR, ROLLOUT, TASK, id_of, short};

/// Growing to more than this many times the tasks, and to more than [`MANY`], is a typo.
const TIMES: u32 = 10;
/// See [`TIMES`].
const MANY: u32 = 50;

/// The fields that have to be written for `want`.
pub(in crate::respond::aws) async fn wish(
    service: &mut EcsService,
    api: &Api,
    target: &Target,
    want: &Request,
) -> Result<Vec<FieldChange>, Refusal> {
    stays(service, target)?;
    match want {
        Request::Scale { to, .. } => {
            let now = service.desired();
            let wanted = wanted(target, now, *to)?;
            Ok(vec![change(DESIRED.to_owned(), "tasks", &json!(now), &json!(wanted))])
        }
        Request::Bound { floor, cap, .. } => {
            service.read_scaling(api).await;
            bounds(service, target, *floor, *cap)
        }
        Request::RollBack { to, .. } => {
            deploys_itself(service, target)?;
            match (to, in_flight(service, api).await?) {
                (Revision::Previous, Some(flying)) => stop(service, flying),
                (Revision::Previous, None) => {
                    let before = rollout::previous(service, api).await?;
                    swap(service, api, target, &before).await
                }
                (Revision::Named(task), _) => swap(service, api, target, task).await,
            }
        }
        Request::Abort { .. } => {
            deploys_itself(service, target)?;
            match in_flight(service, api).await? {
                Some(flying) => stop(service, flying),
                None => Err(refusal(format!("no deployment of {target} is under way: there is nothing to abort"))),
            }
        }
        other => Err(refusal(format!("cannot {}: a service of ECS has no such thing", other.words()))),
    }
}

/// It is going to stay, and has a number of tasks.
fn stays(service: &EcsService, target: &Target) -> Result<(), Refusal> {
    if text(&service.raw, "/status") == "DRAINING" {
        return Err(refusal(format!("{target} is being deleted: changing it would do nothing")));
    }
    if text(&service.raw, "/schedulingStrategy") == "DAEMON" {
        return Err(refusal(format!("{target} runs one task on each instance: it has no count of its own")));
    }
    Ok(())
}

/// ECS itself deploys it.
fn deploys_itself(service: &EcsService, target: &Target) -> Result<(), Refusal> {
    match text(&service.raw, "/deploymentController/type") {
        "" | "ECS" => Ok(()),
        "CODE_DEPLOY" => Err(refusal(format!(
            "{target} is deployed by CodeDeploy, which would not know of it: stop and roll back its deployment there \
             (aws deploy stop-deployment --auto-rollback-enabled)"
        ))),
        other => Err(refusal(said(&format!(
            "{target} is deployed by a controller of its own ({other}): roll it back there"
        )))),
    }
}

/// The number that `to` means now, if it is one to be planned for.
fn wanted(target: &Target, now: u32, to: Replicas) -> Result<u32, Refusal> {
    let wanted = match to {
        Replicas::Exactly(count) => i64::from(count),
        Replicas::By(more) => i64::from(now) + i64::from(more),
    };
    if wanted == i64::from(now) {
        return Err(refusal(format!("{target} wants {now} tasks already: there is nothing to change")));
    }
    if wanted < 0 {
        return Err(refusal(format!("{target} wants {now} tasks: so many cannot be taken away")));
    }
    let absurd = wanted > i64::from(MANY) && wanted > i64::from(now) * i64::from(TIMES);
    match u32::try_from(wanted) {
        Ok(count) if !absurd && i32::try_from(count).is_ok() => Ok(count),
        _ => Err(refusal(format!(
            "{target} would go from {now} to {wanted} tasks, more than {TIMES} times as many: if that is meant, go \
             there in steps"
        ))),
    }
}

/// Other limits of its scalable target.
fn bounds(
    service: &EcsService,
    target: &Target,
    floor: Option<u32>,
    cap: Option<u32>,
) -> Result<Vec<FieldChange>, Refusal> {
    if let Some(why) = &service.scaling_unknown {
        return Err(refusal(format!("the limits of {target} could not be read: {why}; nothing was changed")));
    }
    let Some(scaling) = &service.scaling else {
        return Err(refusal(format!("{target} has no scalable target, so no limits: scale it instead")));
    };
    let (min, max) = (count(scaling, "/MinCapacity"), count(scaling, "/MaxCapacity"));
    let mut to = (floor.unwrap_or(min), cap.unwrap_or(max));
    // What was not asked for goes along where it would stand in the way.
    match (floor, cap) {
        (Some(floor), None) => to.1 = max.max(floor),
        (None, Some(cap)) => to.0 = min.min(cap),
        _ => {}
    }
    if to.0 > to.1 {
        return Err(refusal(format!("a floor of {} lies above a cap of {}: nothing was planned", to.0, to.1)));
    }
    let mut changes = Vec::new();
    if to.0 != min {
        changes.push(change(FLOOR.to_owned(), "fewest tasks", &json!(min), &json!(to.0)));
    }
    if to.1 != max {
        changes.push(change(CAP.to_owned(), "most tasks", &json!(max), &json!(to.1)));
    }
    if changes.is_empty() {
        return Err(refusal(format!("{target} has the limits {min}–{max} already: there is nothing to change")));
    }
    Ok(changes)
}

/// The deployment that is under way, with all that ECS tells of it.
async fn in_flight(service: &EcsService, api: &Api) -> Result<Option<Value>, Refusal> {
    let name = &service.name;
    let all = rollout::newest(service, api).await.map_err(|error| {
        refusal(said(&format!(
            "whether a deployment of {name} is under way is not known: {error}; nothing was planned"
        )))
    })?;
    let Some(newest) = all.first() else { return Ok(None) };
    match text(newest, "/status") {
        "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => {
            Err(refusal(format!("the newest deployment of {name} is being rolled back already: watch it")))
        }
        "PENDING" | "IN_PROGRESS" => {
            let full = rollout::described(api, text(newest, "/serviceDeploymentArn")).await.map_err(|error| {
                refusal(said(&format!("the deployment under way of {name} could not be read: {error}")))
            })?;
            Ok(Some(full.unwrap_or_else(|| newest.clone())))
        }
        _ => Ok(None),
    }
}

fn stop(service: &mut EcsService, flying: Value) -> Result<Vec<FieldChange>, Refusal> {
    if list(&flying, "/sourceServiceRevisions").is_empty() {
        return Err(refusal(format!(
            "the deployment under way is the first of {}: there is nothing to go back to",
            service.name
        )));
    }
    let pointer = format!("{ROLLOUT}{}", step(id_of(text(&flying, "/serviceDeploymentArn"))));
    service.rollouts = vec![flying];
    Ok(vec![change(pointer, "deployment", &json!(UNDER_WAY), &json!(ROLLED_BACK))])
}

async fn swap(service: &EcsService, api: &Api, target: &Target, task: &str) -> Result<Vec<FieldChange>, Refusal> {
    // A bare number is a revision of the family that runs.
    let family = service.task().rsplit_once(':').map_or("", |(family, _)| family);
    let bare = !task.is_empty() && task.bytes().all(|byte| byte.is_ascii_digit());
    let task = if bare { format!("{family}:{task}") } else { task.to_owned() };
    let to = rollout::usable(api, &task).await?;
    if to.arn == service.task() {
        return Err(refusal(format!("{target} runs {} already: there is nothing to roll back", short(&to.arn))));
    }
    Ok(vec![change(TASK.to_owned(), "task definition", &json!(service.task()), &json!(to.arn))])
}
