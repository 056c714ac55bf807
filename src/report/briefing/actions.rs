//! What the team did, in words that name no resource.

use crate::clock::World;
use crate::model::entry::{Body, Entry, EntryKind};
use crate::model::plan::{Ends, Outcome, Plan, Request};
use crate::record::leftovers;
use crate::text::Safe;

use super::pains::{Pain, of_hundred, pain};
use super::{Facts, sentence};

/// The last action that took effect, with what became of what users feel, and what was asked of
/// others since.
pub(super) fn latest(facts: &Facts<'_>) -> Vec<Safe> {
    let mut said = Vec::new();
    let done = facts.entries.iter().rev().find_map(|entry| Some((entry, effect(facts, entry)?)));
    if let Some((entry, words)) = done {
        let since = intent_of(facts, entry).map_or(entry.occurred_at, |(at, _)| at);
        let felt = change(facts, since, entry.occurred_at).map(|change| format!("; {change}")).unwrap_or_default();
        said.push(sentence(format!("{words} at {}{felt}.", facts.time(entry.occurred_at))));
    }
    if let Some(asked) = facts.entries.iter().rev().find(|entry| entry.draft.kind == EntryKind::Asked) {
        said.push(sentence(format!(
            "The team asked {} for help at {}.",
            asked.draft.subject,
            facts.time(asked.occurred_at)
        )));
    }
    said
}

/// `2 temporary changes are still in force; 1 of them ends by itself.`
pub(super) fn left_over(facts: &Facts<'_>) -> Vec<Safe> {
    let left = leftovers(&facts.entries, None, facts.now);
    let itself = left.iter().filter(|one| matches!(one.plan.ends, Ends::BySystem { .. })).count();
    // Nobody may say that it is in force of which nobody knows whether it was made.
    let unsure = left.iter().any(|one| is_unknown(facts, &one.plan));
    let many = match (left.len(), unsure) {
        (0, _) => return Vec::new(),
        (1, false) => "1 temporary change is still in force".to_owned(),
        (1, true) => "1 temporary change may still be in force".to_owned(),
        (n, false) => format!("{n} temporary changes are still in force"),
        (n, true) => format!("{n} temporary changes may still be in force"),
    };
    vec![sentence(match (left.len(), itself) {
        (1, 0) => format!("{many} until the team takes it back."),
        (_, 0) => format!("{many} until the team takes them back."),
        (1, 1) => format!("{many}; it ends by itself."),
        (all, n) if all == n => format!("{many}; they end by themselves."),
        (_, 1) => format!("{many}; 1 of them ends by itself."),
        (_, n) => format!("{many}; {n} of them end by themselves."),
    })]
}

/// Whether the last that was told of a plan is that nobody knows.
fn is_unknown(facts: &Facts<'_>, plan: &Plan) -> bool {
    let last = facts.entries.iter().rev().find_map(|entry| match &entry.draft.body {
        Some(Body::Outcome { plan: id, outcome }) if *id == plan.id => Some(outcome),
        _ => None,
    });
    matches!(last, Some(Outcome::Unknown { .. }))
}

/// `Capacity was added to payments`, of the outcome of a change; nothing of other entries.
pub(super) fn effect(facts: &Facts<'_>, entry: &Entry) -> Option<String> {
    let Some(Body::Outcome { outcome, .. }) = &entry.draft.body else { return None };
    let name =
        entry.draft.service.as_ref().map_or_else(|| "a part of the system".to_owned(), |name| facts.called(name));
    let plan = intent_of(facts, entry).map(|(_, plan)| plan);
    Some(match outcome {
        Outcome::Verified { .. } => plan.map_or_else(|| format!("{name} was changed"), |plan| done(plan, &name)),
        Outcome::Written { .. } => format!("A change of {name} was written, and waits for its parts to be replaced"),
        Outcome::Refused { .. } | Outcome::Failed { .. } => format!("A change of {name} did not succeed"),
        Outcome::Overridden { .. } => format!("A change of {name} was undone by another system or person"),
        Outcome::TimedOut { .. } => format!("A change of {name} did not show its effect in time"),
        Outcome::Unknown { .. } => format!("Whether a change of {name} took effect is not known"),
    })
}

/// What a plan that took effect did to the service of that name.
fn done(plan: &Plan, name: &str) -> String {
    match plan.request {
        Request::Undo { .. } => format!("An earlier change of {name} was taken back"),
        Request::Scale { .. } if plan.blast.wanted_after < plan.blast.ready_before => {
            format!("The capacity of {name} was lowered")
        }
        Request::Scale { .. } => format!("Capacity was added to {name}"),
        Request::Bound { .. } => format!("The limits of {name}'s capacity were changed"),
        Request::RollBack { .. } => format!("{name} was taken back to an earlier version"),
        Request::Restart { .. } => format!("{name} was restarted"),
        Request::Abort { .. } => format!("The new version of {name} was stopped"),
        Request::Divert { .. } | Request::Switch { .. } | Request::Evacuate { .. } => {
            format!("Traffic of {name} was moved")
        }
        Request::Silence { .. } => format!("Notifications about {name} were paused"),
        Request::RunStep { .. } => format!("The team ran a step of the instructions for {name}"),
    }
}

/// When the change was begun, and what was planned.
fn intent_of<'f>(facts: &'f Facts<'_>, outcome: &Entry) -> Option<(World, &'f Plan)> {
    let Some(Body::Outcome { plan: id, .. }) = &outcome.draft.body else { return None };
    facts.entries.iter().find_map(|entry| match &entry.draft.body {
        Some(Body::Intent(plan)) if plan.id == *id => Some((entry.occurred_at, plan.as_ref())),
        _ => None,
    })
}

/// `failures of checkout fell from about 9 of 100 to about 7 of 100`: of the signal that users
/// felt most at the time.
fn change(facts: &Facts<'_>, from: World, to: World) -> Option<String> {
    let failing =
        facts.entries.iter().filter(|entry| entry.draft.kind == EntryKind::Breach && entry.occurred_at <= from);
    let (service, before, after) = failing
        .filter_map(|entry| {
            let track = &entry.draft.subject;
            let open = !facts.entries.iter().any(|other| {
                other.draft.kind == EntryKind::Recovered
                    && other.draft.subject == *track
                    && (entry.occurred_at..=from).contains(&other.occurred_at)
            });
            (open && pain(track, facts.unit(track)) == Pain::Fails).then_some(())?;
            Some((entry.draft.service.as_ref()?, facts.value(track, from)?, facts.value(track, to)?))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (name, words) = (facts.called(service), (of_hundred(before), of_hundred(after)));
    Some(if words.0 == words.1 {
        format!("failures of {name} stayed at {}", words.0)
    } else {
        let went = if after < before { "fell" } else { "rose" };
        format!("failures of {name} {went} from {} to {}", words.0, words.1)
    })
}
