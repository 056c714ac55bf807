//! Plans for services of ECS: what a person has to know of a change.

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{Blast, Ends, FieldChange, Instead, Owner, OwnerEffect, Refusal, Request, Room, Tier};
use crate::respond::aws::call::Service;
use crate::respond::aws::client::{Api, said};
use crate::respond::aws::draft::{Draft, after, count, fact, list, text, warning};
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::rollout::{self, Task};
use super::{CAP, DESIRED, EcsService, FLOOR, ROLLOUT, TASK, pace, short};

/// How long tasks may take to come, in seconds.
const PATIENCE: u32 = 900;
const PLACED: &str = "AWS does not tell how many more tasks could be placed";

/// What a person has to know of these changes.
pub(in crate::respond::aws) async fn draft(
    service: &mut EcsService,
    api: &Api,
    want: &Request,
    changes: Vec<FieldChange>,
) -> Result<Draft, Refusal> {
    if changes.iter().any(|field| field.pointer.starts_with(ROLLOUT)) {
        if matches!(want, Request::Undo { .. }) {
            return Err(refusal("a deployment that was stopped does not go on: deploy again instead"));
        }
        return Ok(stopping(service, api, changes).await);
    }
    let back = if want.is_undo() { " back" } else { "" };
    if let Some(task) = after(&changes, TASK) {
        return swapping(service, api, changes, task.as_str().unwrap_or_default(), back).await;
    }
    service.read_scaling(api).await;
    if changes.iter().any(|field| field.pointer.starts_with("/scaling/")) {
        return Ok(with_pace(bounding(service, api, changes, back), service, api).await);
    }
    let draft = scaling(service, api, want.target(), changes, back)?;
    Ok(with_pace(draft, service, api).await)
}

/// With how long tasks take to come, if any have to.
async fn with_pace(mut draft: Draft, service: &EcsService, api: &Api) -> Draft {
    if draft.blast.wanted_after > draft.blast.ready_before {
        draft.facts.extend(pace::of_tasks(service, api).await);
    }
    draft
}

fn scaling(
    service: &EcsService,
    api: &Api,
    target: &Target,
    changes: Vec<FieldChange>,
    back: &str,
) -> Result<Draft, Refusal> {
    let wanted = after(&changes, DESIRED).and_then(|value| u32::try_from(value.as_u64()?).ok());
    let wanted = wanted.ok_or_else(|| refusal("the plan names no number of tasks"))?;
    let before = service.desired();
    let (owners, instead) = scalers(service, target, before, wanted);
    Ok(Draft {
        title: format!("scale {} {}{back}", target.kind, service.name),
        guards: Vec::new(),
        undo: Some(Safe::from(format!("{wanted} → {before}, while nobody else has changed it"))),
        blast: blast(before, wanted, service.running()),
        room: room(before, wanted),
        tier: tier(before, wanted, service.running()),
        command: command(api, service, "update-service", &["--desired-count", &wanted.to_string()]),
        owners,
        instead,
        facts: vec![fact("rollout", "none: another count starts no deployment")],
        ends: Ends::Stays,
        patience: PATIENCE,
        changes,
    })
}

/// Who else sets the number of tasks, and what to plan instead.
fn scalers(service: &EcsService, target: &Target, before: u32, wanted: u32) -> (Vec<Owner>, Option<Instead>) {
    let owner =
        |name: String, effect, words: String| vec![Owner { name: Safe::from(name), effect, words: said(&words) }];
    if let Some(why) = &service.scaling_unknown {
        let words = format!("could not be asked ({why}): its policies may set the count back");
        return (owner("Application Auto Scaling".to_owned(), OwnerEffect::MayRevert, words), None);
    }
    let Some(scaling) = &service.scaling else { return (Vec::new(), None) };
    let (min, max) = (count(scaling, "/MinCapacity"), count(scaling, "/MaxCapacity"));
    let name = format!("scalable target {min}–{max}");
    // The direction in which a policy would take the change back.
    let against = if wanted > before { "DynamicScalingInSuspended" } else { "DynamicScalingOutSuspended" };
    if service.policies.is_empty() {
        return (owner(name, OwnerEffect::Informs, "has no policy: the count stays".to_owned()), None);
    }
    if scaling.pointer(&format!("/SuspendedState/{against}")) == Some(&json!(true)) {
        return (owner(name, OwnerEffect::Informs, "is suspended in that direction: the count stays".to_owned()), None);
    }
    let policies = service.policies.join(", ");
    let (which, floor, cap) = if wanted > before { ("floor", Some(wanted), None) } else { ("cap", None, Some(wanted)) };
    let instead = Instead {
        words: Safe::from(format!("plan its {which} of {wanted}")),
        request: Box::new(Request::Bound { target: target.clone(), floor, cap }),
    };
    let (effect, words) = if (min..=max).contains(&wanted) {
        (OwnerEffect::MayRevert, format!("sets another count when its policies say so ({policies}); its {which} holds"))
    } else {
        (OwnerEffect::Reverts, format!("takes it back within its limits ({policies}); change its {which} instead"))
    };
    (owner(name, effect, words), Some(instead))
}

fn bounding(service: &EcsService, api: &Api, changes: Vec<FieldChange>, back: &str) -> Draft {
    let scaling = service.scaling.clone().unwrap_or_default();
    let wanted = |pointer: &str, field: &str| {
        let wanted = after(&changes, pointer).and_then(|value| u32::try_from(value.as_u64()?).ok());
        wanted.unwrap_or_else(|| count(&scaling, field))
    };
    let (floor, cap) = (wanted(FLOOR, "/MinCapacity"), wanted(CAP, "/MaxCapacity"));
    let desired = service.desired();
    let clamped = desired.clamp(floor, cap.max(floor));
    let at_once = if clamped == desired {
        fact("tasks", format!("{desired} lie within {floor}–{cap}: none starts or stops at once"))
    } else {
        fact("tasks", format!("{desired} → {clamped} at once: the limits clamp the count"))
    };
    let policies = if service.policies.is_empty() {
        "has no policy: nothing but these limits moves the count".to_owned()
    } else {
        format!("chooses between {floor} and {cap} then ({})", service.policies.join(", "))
    };
    let mut words = api.cli(Service::Scaling);
    let resource = service.resource();
    words.extend(
        [
            "application-autoscaling",
            "register-scalable-target",
            "--service-namespace",
            "ecs",
            "--resource-id",
            &resource,
            "--scalable-dimension",
            "ecs:service:DesiredCount",
        ]
        .map(str::to_owned),
    );
    for (pointer, option) in [(FLOOR, "--min-capacity"), (CAP, "--max-capacity")] {
        if let Some(value) = after(&changes, pointer) {
            words.extend([option.to_owned(), value.to_string()]);
        }
    }
    let undo: Vec<_> =
        changes.iter().map(|field| format!("{} {} → {}", field.label, field.after, field.before)).collect();
    let at_once_blast = blast(desired, clamped, service.running());
    // A floor that is lowered lets the policies go down to it, at any time.
    let scaled = !service.policies.is_empty() || service.scaling_unknown.is_some();
    let lowered = floor < count(&scaling, "/MinCapacity") && scaled;
    let later = if lowered { floor } else { u32::MAX };
    Draft {
        title: format!("limit EcsService {}{back}", service.name),
        guards: Vec::new(),
        undo: Some(Safe::from(format!("{}, while nobody else has changed it", undo.join(", ")))),
        blast: Blast { fewest_ready: at_once_blast.fewest_ready.map(|ready| ready.min(later)), ..at_once_blast },
        room: room(desired, clamped),
        owners: vec![Owner {
            name: Safe::fixed("Application Auto Scaling"),
            effect: OwnerEffect::Informs,
            words: said(&policies),
        }],
        tier: tier(desired, clamped, service.running()),
        command: words,
        facts: vec![at_once],
        instead: None,
        ends: if back.is_empty() { Ends::Reminder } else { Ends::Stays },
        patience: PATIENCE,
        changes,
    }
}

async fn stopping(service: &EcsService, api: &Api, mut changes: Vec<FieldChange>) -> Draft {
    let flying = service.rollouts.first().cloned().unwrap_or_default();
    let target = text(&flying, "/targetServiceRevision/arn");
    let source = list(&flying, "/sourceServiceRevisions").first().map(|one| text(one, "/arn")).unwrap_or_default();
    // The names are for people: the plan stands without them.
    let tasks = rollout::tasks(api, &[target, source]).await.unwrap_or_default();
    let task = |arn: &str, or: &'static str| {
        tasks.iter().find(|(one, _)| one == arn).map_or(or, |(_, task)| short(task)).to_owned()
    };
    let (new, old) = (task(target, "what is being deployed"), task(source, "what ran before"));
    let ready = count(&flying, "/targetServiceRevision/runningTaskCount");
    for field in &mut changes {
        field.words = Some(said(&format!("of {new} under way → rolled back to {old}")));
    }
    let mut words = api.cli(Service::Ecs);
    let arn = text(&flying, "/serviceDeploymentArn");
    words.extend(
        ["ecs", "stop-service-deployment", "--service-deployment-arn", arn, "--stop-type", "ROLLBACK"]
            .map(str::to_owned),
    );
    Draft {
        title: format!("stop the deployment of EcsService {}", service.name),
        guards: Vec::new(),
        undo: None,
        blast: Blast {
            ready_before: service.running(),
            wanted_before: None,
            wanted_after: service.desired(),
            fewest_ready: Some(fewest(service)),
            words: said(&format!("{ready} tasks of {new} make way for {old}; {} run now", service.running())),
        },
        room: Room::NotNeeded,
        owners: Vec::new(),
        // Nothing takes it back.
        tier: Tier::Lowers,
        command: words,
        facts: vec![
            fact("no undo", said(&format!("a deployment that was stopped does not go on: deploy {new} again"))),
            fact("not undone", "secrets, parameters and schemas stay as they are"),
        ],
        instead: None,
        ends: Ends::Stays,
        patience: PATIENCE,
        changes,
    }
}

async fn swapping(
    service: &EcsService,
    api: &Api,
    mut changes: Vec<FieldChange>,
    task: &str,
    back: &str,
) -> Result<Draft, Refusal> {
    let to = rollout::usable(api, task).await?;
    // What runs now may be out of use: then its images are not told.
    let from = rollout::usable(api, service.task()).await;
    let from = from.unwrap_or_else(|_| Task { arn: service.task().to_owned(), images: Vec::new() });
    let (words, floating) = rollout::images(&from, &to);
    let mut facts = vec![fact("images", words)];
    if floating {
        facts.push(warning("images", "a tag that moves (:latest, or none) may bring the image that runs now"));
    }
    facts.push(fact("not undone", "secrets, parameters and schemas stay as they are"));
    facts.extend(pace::of_deployments(service, api).await);
    let (old, new) = (short(service.task()).to_owned(), short(&to.arn).to_owned());
    for field in &mut changes {
        field.words = Some(said(&format!("{old} → {new}")));
    }
    let (least, most) = (percent(service, MINIMUM, 100), percent(service, "maximumPercent", 200));
    if least == 0 {
        facts.push(warning("rollout", "minimumHealthyPercent is 0: all tasks may stop before new ones run"));
    }
    Ok(Draft {
        title: format!("roll back EcsService {}{back}", service.name),
        guards: Vec::new(),
        undo: Some(said(&format!("{new} → {old}, while nobody else has changed it"))),
        blast: Blast {
            ready_before: service.running(),
            wanted_before: None,
            wanted_after: service.desired(),
            fewest_ready: Some(fewest(service)),
            words: Safe::from(format!(
                "all {} tasks are replaced, with {least} % to {most} % of them running",
                service.desired()
            )),
        },
        room: Room::Unknown { why: Safe::fixed(PLACED) },
        owners: deployers(service),
        tier: if least == 0 && service.running() > 0 { Tier::Lowers } else { Tier::Reversible },
        command: command(api, service, "update-service", &["--task-definition", &new]),
        facts,
        instead: None,
        ends: Ends::Stays,
        patience: PATIENCE,
        changes,
    })
}

/// Below which share of its tasks a deployment does not go.
const MINIMUM: &str = "minimumHealthyPercent";

/// A percentage of how it deploys.
fn percent(service: &EcsService, name: &str, usual: u32) -> u32 {
    let value = service.raw.pointer(&format!("/deploymentConfiguration/{name}")).and_then(Value::as_u64);
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(usual)
}

/// The fewest tasks that run while a deployment replaces them: ECS rounds its share up.
fn fewest(service: &EcsService) -> u32 {
    let least = service.desired().saturating_mul(percent(service, MINIMUM, 100)).div_ceil(100);
    least.min(service.running())
}

/// Who may roll it forward again, by the tags that they leave.
fn deployers(service: &EcsService) -> Vec<Owner> {
    let stack = list(&service.raw, "/tags").iter().find(|tag| text(tag, "/key") == "aws:cloudformation:stack-name");
    stack
        .map(|tag| Owner {
            name: said(&format!("CloudFormation stack {}", text(tag, "/value"))),
            effect: OwnerEffect::MayRevert,
            words: Safe::fixed("rolls it forward with its next update: revert it there, too"),
        })
        .into_iter()
        .collect()
}

fn command(api: &Api, service: &EcsService, verb: &str, rest: &[&str]) -> Vec<String> {
    let mut words = api.cli(Service::Ecs);
    words.extend(["ecs", verb, "--cluster", &service.cluster, "--service", &service.name].map(str::to_owned));
    words.extend(rest.iter().map(|word| (*word).to_owned()));
    words
}

fn room(before: u32, wanted: u32) -> Room {
    if wanted > before { Room::Unknown { why: Safe::fixed(PLACED) } } else { Room::NotNeeded }
}

fn blast(before: u32, wanted: u32, running: u32) -> Blast {
    let by = wanted.abs_diff(before);
    let words = match (u64::from(by) * 100).checked_div(u64::from(before)) {
        _ if by == 0 => format!("none at once: {running} running now"),
        None => format!("+{by}, where there is none"),
        Some(percent) if wanted > before => format!("+{by} of {before} ({percent} % more), {running} running now"),
        Some(percent) => format!("−{by} of {before} ({percent} % less), {running} running now"),
    };
    let fewest = if wanted < before { running.min(wanted) } else { running };
    Blast {
        ready_before: running,
        wanted_before: Some(before),
        wanted_after: wanted,
        fewest_ready: Some(fewest),
        words: Safe::from(words),
    }
}

fn tier(before: u32, wanted: u32, running: u32) -> Tier {
    if wanted >= before {
        Tier::Reversible
    } else if wanted == 0 || running == 0 {
        Tier::Grave
    } else {
        Tier::Lowers
    }
}
