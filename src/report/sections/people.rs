//! What is left to people, with what the record can hint at.

use chrono::TimeDelta;

use crate::model::entry::{ActorKind, EntryKind, MilestoneName};
use crate::model::plan::Outcome;
use crate::report::context::Facts;
use crate::report::durations::{clock, words};
use crate::report::markdown::inline;

/// A stretch of the incident without any entry that is longer than this is a question.
const QUIET: TimeDelta = TimeDelta::minutes(10);

/// Facts that may be worth a line under what went well or badly.
pub(in crate::report) fn hints(facts: &Facts<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    for duration in &facts.milestones.durations {
        if let Some(length) = duration.length {
            hints.push(format!("{}: {} ({}).", inline(&duration.name), words(length), inline(&duration.formula)));
        }
    }
    for entry in facts.material.entries {
        if let Some(crate::model::entry::Body::Outcome { outcome, .. }) = &entry.draft.body {
            match outcome {
                Outcome::Verified { after_seconds, .. } => {
                    hints.push(format!("{} was verified {after_seconds} s after it was written.", inline(&entry.draft.subject)));
                }
                other => hints.push(format!("An action ended {}: {}.", other.as_str(), inline(&entry.draft.title))),
            }
        }
    }
    let lost = facts.of_kind(EntryKind::SourceLost).count();
    if lost > 0 {
        hints.push(format!("Sources were lost {lost} times: see what could not be seen."));
    }
    hints
}

/// Suggestions for action items that the record supports; people decide.
pub(in crate::report) fn follow_ups(facts: &Facts<'_>) -> Vec<String> {
    let mut items = Vec::new();
    if let (Some(start), Some(detected)) = (facts.at(MilestoneName::ImpactStart), facts.at(MilestoneName::Detected))
        && detected - start > TimeDelta::minutes(5)
    {
        items.push(format!("detect: alert earlier than {} after the impact began", words(detected - start)));
    }
    for row in facts.of_kind(EntryKind::AlertFiring) {
        let claimed = facts.of_kind(EntryKind::Claimed).any(|claim| claim.entry.draft.subject == row.entry.draft.subject);
        let item = format!("detect: decide whether {} needs an owner; nobody claimed it", inline(&row.entry.draft.subject));
        if !claimed && !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

/// What was said to others.
pub(in crate::report) fn communications(facts: &Facts<'_>) -> Vec<String> {
    facts
        .rows
        .iter()
        .filter(|row| matches!(row.entry.draft.kind, EntryKind::Asked | EntryKind::Phase))
        .map(|row| format!("{}Z {} ({})", clock(row.entry.occurred_at), inline(&row.entry.draft.title), inline(&row.entry.draft.actor.name)))
        .collect()
}

/// What the record does not answer.
pub(in crate::report) fn questions(facts: &Facts<'_>) -> Vec<String> {
    let mut questions: Vec<_> = facts
        .milestones
        .milestones
        .iter()
        .filter(|milestone| milestone.at.is_none())
        .map(|milestone| format!("When was it {}? The record does not tell.", milestone.name.as_str().replace('_', " ")))
        .collect();
    let start = facts.at(MilestoneName::ImpactStart).unwrap_or(facts.opened);
    let end = facts.at(MilestoneName::Resolved).unwrap_or(facts.end);
    let mut during: Vec<_> = facts.rows.iter().map(|row| row.entry.occurred_at).filter(|at| (start..=end).contains(at)).collect();
    during.sort_unstable();
    for pair in during.windows(2) {
        if let [before, after] = pair
            && *after - *before > QUIET
        {
            questions.push(format!("What happened between {}Z and {}Z ({} without an entry)?", clock(*before), clock(*after), words(*after - *before)));
        }
    }
    if !facts.rows.iter().any(|row| row.entry.draft.actor.kind == ActorKind::Human) {
        questions.push("Who responded? Nobody is on record.".into());
    }
    questions
}
