//! What was changed from here: each intent with its outcome.

use serde::Serialize;

use crate::model::entry::{Body, Entry};
use crate::model::plan::{Outcome, Plan, Request};

use super::context::Facts;
use super::durations::clock;
use super::markdown::{code, inline};

#[derive(Serialize)]
pub(super) struct ActionRow {
    at: String,
    by: String,
    what: String,
    target: String,
    command: String,
    change: String,
    outcome: String,
    felt: String,
    undone: String,
}

pub(super) fn actions(facts: &Facts<'_>) -> Vec<ActionRow> {
    let mut entries: Vec<&Entry> = facts.material.entries.iter().collect();
    entries.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
    let intents = entries.iter().filter_map(|entry| match &entry.draft.body {
        Some(Body::Intent(plan)) => Some((*entry, &**plan)),
        _ => None,
    });
    intents
        .map(|(entry, plan)| {
            let ended = entries.iter().find_map(|ended| match &ended.draft.body {
                Some(Body::Outcome { plan: of, outcome }) if *of == plan.id => Some((*ended, outcome)),
                _ => None,
            });
            row(entry, plan, ended, undone(plan, &entries))
        })
        .collect()
}

fn row(entry: &Entry, plan: &Plan, ended: Option<(&Entry, &Outcome)>, undone: bool) -> ActionRow {
    let changes: Vec<_> =
        plan.changes.iter().map(|change| format!("{} {} → {}", inline(&change.label), inline(&change.before), inline(&change.after))).collect();
    ActionRow {
        at: format!("{}Z", clock(entry.occurred_at)),
        by: inline(&entry.draft.actor.name),
        what: inline(&plan.title),
        target: inline(&plan.target.to_string()),
        command: code(&plan.command),
        change: changes.join(", "),
        outcome: match ended {
            Some((_, Outcome::Verified { after_seconds, words })) => format!("verified after {after_seconds} s: {}", inline(words)),
            Some((_, outcome)) => format!("**{}**: {}", outcome.as_str(), inline(outcome.words())),
            None => "**unknown**: no outcome was recorded".into(),
        },
        felt: ended.and_then(|(ended, _)| ended.draft.detail.as_ref()).map_or_else(|| "-".into(), |detail| inline(detail)),
        undone: if undone { "yes" } else { "no" }.into(),
    }
}

/// Whether a later plan took this one back, and that was verified.
fn undone(plan: &Plan, entries: &[&Entry]) -> bool {
    entries.iter().any(|entry| match &entry.draft.body {
        Some(Body::Intent(later)) => {
            matches!(&later.request, Request::Undo { plan: of } if of.id == plan.id)
                && entries.iter().any(|ended| {
                    matches!(&ended.draft.body, Some(Body::Outcome { plan: of, outcome: Outcome::Verified { .. } }) if *of == later.id)
                })
        }
        _ => false,
    })
}
