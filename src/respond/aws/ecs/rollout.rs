//! Deployments of a service: which one is under way, what ran before, and when one is done.

use serde_json::{Value, json};

use crate::model::plan::Refusal;
use crate::respond::Seen;
use crate::respond::aws::call::Call;
use crate::respond::aws::client::{Api, ApiError, said};
use crate::respond::aws::draft::{count, list, text};
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::{EcsService, short};

/// Deployments that are asked for: ECS keeps ninety days of them.
const MOST: usize = 20;

pub(super) const UNDER_WAY: &str = "under way";
pub(super) const ROLLED_BACK: &str = "rolled back";

/// Where a deployment stands, as far as a plan that stops it is concerned.
pub(super) fn state(rollout: &Value) -> &'static str {
    match text(rollout, "/status") {
        "PENDING" | "IN_PROGRESS" => UNDER_WAY,
        // From the request on it is rolled back: what is left is time.
        "STOP_REQUESTED" | "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" | "ROLLBACK_SUCCESSFUL" => ROLLED_BACK,
        "SUCCESSFUL" => "finished",
        "STOPPED" => "stopped",
        "ROLLBACK_FAILED" => "not rolled back",
        _ => "unknown",
    }
}

/// One deployment, as told in full.
pub(super) async fn described(api: &Api, arn: &str) -> Result<Option<Value>, ApiError> {
    let call = Call::ecs("DescribeServiceDeployments", json!({ "serviceDeploymentArns": [arn] }));
    let answer = api.json(&call).await?;
    Ok(list(&answer, "/serviceDeployments").first().cloned())
}

/// The service's deployments, newest first.
pub(super) async fn newest(service: &EcsService, api: &Api) -> Result<Vec<Value>, ApiError> {
    let input = json!({ "cluster": service.cluster, "service": service.name, "maxResults": MOST });
    let answer = api.json(&Call::ecs("ListServiceDeployments", input)).await?;
    let mut all = list(&answer, "/serviceDeployments").to_vec();
    let made = |one: &Value| one.get("createdAt").and_then(Value::as_f64).unwrap_or(0.0);
    all.sort_by(|a, b| made(b).total_cmp(&made(a)));
    Ok(all)
}

/// The task definitions of service revisions, by their ARN.
pub(super) async fn tasks(api: &Api, revisions: &[&str]) -> Result<Vec<(String, String)>, ApiError> {
    if revisions.is_empty() {
        return Ok(Vec::new());
    }
    let answer = api.json(&Call::ecs("DescribeServiceRevisions", json!({ "serviceRevisionArns": revisions }))).await?;
    Ok(list(&answer, "/serviceRevisions")
        .iter()
        .map(|one| (text(one, "/serviceRevisionArn").to_owned(), text(one, "/taskDefinition").to_owned()))
        .collect())
}

/// The task definition that ran before the present one: that of the newest deployment that
/// succeeded with another, else that which the newest deployment started from.
pub(super) async fn previous(service: &EcsService, api: &Api) -> Result<String, Refusal> {
    let unknown = |why: &str| {
        refusal(said(&format!(
            "what ran before {} is not known ({why}): name a task definition, FAMILY:REVISION",
            short(service.task()),
        )))
    };
    let all = newest(service, api).await.map_err(|error| unknown(&error.to_string()))?;
    let full = match all.first() {
        Some(newest) => described(api, text(newest, "/serviceDeploymentArn")).await.unwrap_or(None),
        None => None,
    };
    let full = full.unwrap_or_default();
    let done = all.iter().filter(|one| text(one, "/status") == "SUCCESSFUL");
    let done = done.map(|one| text(one, "/targetServiceRevisionArn"));
    let mut revisions: Vec<&str> = Vec::new();
    for arn in done.chain(list(&full, "/sourceServiceRevisions").iter().map(|one| text(one, "/arn"))) {
        if !arn.is_empty() && !revisions.contains(&arn) && revisions.len() < MOST {
            revisions.push(arn);
        }
    }
    let tasks = tasks(api, &revisions).await.map_err(|error| unknown(&error.to_string()))?;
    revisions
        .iter()
        .filter_map(|arn| tasks.iter().find(|(revision, _)| revision == arn))
        .map(|(_, task)| task)
        .find(|task| !task.is_empty() && *task != service.task())
        .cloned()
        .ok_or_else(|| unknown("ECS tells of no deployment of another one"))
}

/// Whether the deployment of the task definition that the service has now is done: by the target
/// revision of its newest deployment, since "stable" is also what a service is that its circuit
/// breaker rolled back.
pub(super) async fn is_live(service: &EcsService, api: &Api) -> Seen {
    let (running, desired) = (service.running(), service.desired());
    let counts = format!("{running} of {desired} running {}", short(service.task()));
    let settled = running == desired && count(&service.raw, "/pendingCount") == 0;
    match identified(service, api).await {
        Ok(Some(Stand::Done)) if settled => Seen::Live { words: said(&counts) },
        Ok(Some(Stand::Failed(why))) => Seen::Failed { why: said(&format!("{counts}; its deployment {why}")) },
        Ok(Some(Stand::Done | Stand::Under) | None) => {
            Seen::Under { words: said(&format!("{counts}{}", service.trouble())) }
        }
        Err(error) => Seen::Unread { why: said(&format!("its deployment could not be read: {error}")) },
    }
}

/// Where a deployment stands.
enum Stand {
    Under,
    Done,
    Failed(String),
}

async fn identified(service: &EcsService, api: &Api) -> Result<Option<Stand>, ApiError> {
    let all = match newest(service, api).await {
        Ok(all) => all,
        // No right to list them: the service itself tells the primary one.
        Err(ApiError::Status { status: 400..=403, .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let Some(newest) = all.first() else { return Ok(primary(service)) };
    let arn = text(newest, "/targetServiceRevisionArn");
    let target = tasks(api, &[arn]).await?;
    if target.iter().find(|(revision, _)| revision == arn).is_none_or(|(_, task)| task != service.task()) {
        // Ours has not shown up in the list yet.
        return Ok(None);
    }
    let reason = text(newest, "/statusReason");
    Ok(Some(match text(newest, "/status") {
        "SUCCESSFUL" => Stand::Done,
        "PENDING" | "IN_PROGRESS" => Stand::Under,
        other => Stand::Failed(format!("is {} ({reason})", lower(other))),
    }))
}

/// The same from the service's own list of deployments.
fn primary(service: &EcsService) -> Option<Stand> {
    let all = list(&service.raw, "/deployments");
    let is_ours = |one: &&Value| text(one, "/status") == "PRIMARY" && text(one, "/taskDefinition") == service.task();
    let ours = all.iter().find(is_ours)?;
    Some(match text(ours, "/rolloutState") {
        "FAILED" => Stand::Failed(format!("failed ({})", text(ours, "/rolloutStateReason"))),
        "COMPLETED" => Stand::Done,
        // Services of old have no such state.
        "" if all.len() == 1 => Stand::Done,
        _ => Stand::Under,
    })
}

/// How far the rollback of a deployment in flight is.
pub(super) fn rolled_back(service: &EcsService, rollout: &Value) -> Seen {
    let counts = format!("{} of {} running {}", service.running(), service.desired(), short(service.task()));
    if text(rollout, "/status") == "ROLLBACK_SUCCESSFUL" {
        return Seen::Live { words: said(&format!("rolled back, {counts}")) };
    }
    Seen::Under { words: said(&format!("{}, {counts}", lower(text(rollout, "/status")))) }
}

/// `ROLLBACK_IN_PROGRESS` for people.
fn lower(status: &str) -> String {
    status.to_lowercase().replace('_', " ")
}

/// What a task definition runs.
pub(super) struct Task {
    pub(super) arn: String,
    /// Name and image of each container.
    pub(super) images: Vec<(String, String)>,
}

/// A task definition that can be run.
pub(super) async fn usable(api: &Api, task: &str) -> Result<Task, Refusal> {
    let call = Call::ecs("DescribeTaskDefinition", json!({ "taskDefinition": task }));
    let answer = api
        .json(&call)
        .await
        .map_err(|error| refusal(said(&format!("the task definition {} could not be read: {error}", short(task)))))?;
    let found = answer.get("taskDefinition").cloned().unwrap_or_default();
    let (arn, status) = (text(&found, "/taskDefinitionArn").to_owned(), text(&found, "/status"));
    if arn.is_empty() || !matches!(status, "ACTIVE" | "") {
        return Err(refusal(said(&format!(
            "the task definition {} is {}: ECS starts nothing from it; register its content anew and name that",
            short(task),
            lower(status)
        ))));
    }
    let images = list(&found, "/containerDefinitions")
        .iter()
        .map(|one| (text(one, "/name").to_owned(), text(one, "/image").to_owned()))
        .collect();
    Ok(Task { arn, images })
}

/// `web: shop:1.4 → shop:1.3` of the containers that differ, and whether an image may stay the
/// same although the task definition does not.
pub(super) fn images(before: &Task, after: &Task) -> (Safe, bool) {
    let moves = |image: &str| {
        let last = image.rsplit('/').next().unwrap_or(image);
        image.ends_with(":latest") || !last.contains([':', '@'])
    };
    let (mut words, mut floating) = (Vec::new(), false);
    for (name, image) in &after.images {
        match before.images.iter().find(|(other, _)| other == name).map(|(_, image)| image) {
            Some(old) if old == image => floating |= moves(image),
            Some(old) => words.push(format!("{name}: {old} → {image}")),
            None => words.push(format!("{name}: {image}")),
        }
    }
    let words = if words.is_empty() { "the same in both".to_owned() } else { words.join("; ") };
    (said(&words), floating)
}
