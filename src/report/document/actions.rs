//! The actions that were run through the program: each intent with its outcome.

use serde::Serialize;

use crate::model::entry::{Body, Entry, EntryKind};
use crate::model::plan::{Outcome, Plan, PlanId, Request};
use crate::report::words::who;

use super::Facts;

/// One action.
#[derive(Debug, Serialize)]
pub(super) struct ActionLine {
    utc: String,
    t: String,
    who: String,
    pub(super) title: String,
    target: String,
    /// `replicas 6 → 12`.
    change: String,
    command: String,
    /// The outcome in words.
    pub(super) outcome: String,
    /// `yes`, `no`, or `is an undo`.
    undone: String,
    #[serde(skip)]
    pub(super) verified: bool,
    #[serde(skip)]
    pub(super) open: bool,
}

/// A command that was run outside the program, as somebody noted it.
#[derive(Debug, Serialize)]
pub(super) struct Elsewhere {
    utc: String,
    t: String,
    who: String,
    command: String,
}

pub(super) fn elsewhere(facts: &Facts<'_>) -> Vec<Elsewhere> {
    let noted = facts.of(EntryKind::Ran).map(|entry| Elsewhere {
        utc: facts.times.second(entry.occurred_at),
        t: facts.times.since(entry.occurred_at),
        who: who(&entry.draft.actor),
        command: entry.draft.evidence.iter().find_map(|one| one.query.as_ref()).unwrap_or(&entry.draft.title).to_string(),
    });
    noted.collect()
}

pub(super) fn actions(facts: &Facts<'_>) -> Vec<ActionLine> {
    let planned = facts.of(EntryKind::Intent).filter_map(|entry| match &entry.draft.body {
        Some(Body::Intent(plan)) => Some((entry, &**plan)),
        _ => None,
    });
    planned.map(|(entry, plan)| line(facts, entry, plan)).collect()
}

/// How a plan ended: the last word on it, since a successor may settle what was unknown.
fn outcome<'a>(facts: &'a Facts<'_>, id: &PlanId) -> Option<&'a Outcome> {
    let outcomes = facts.of(EntryKind::Outcome).filter_map(|entry| match &entry.draft.body {
        Some(Body::Outcome { plan, outcome }) if plan == id => Some(outcome),
        _ => None,
    });
    outcomes.last()
}

fn line(facts: &Facts<'_>, entry: &Entry, plan: &Plan) -> ActionLine {
    let ended = outcome(facts, &plan.id);
    let undone = facts.of(EntryKind::Intent).any(|later| match &later.draft.body {
        Some(Body::Intent(other)) => {
            matches!(&other.request, Request::Undo { plan: undone } if undone.id == plan.id)
                && matches!(outcome(facts, &other.id), Some(Outcome::Verified { .. }))
        }
        _ => false,
    });
    ActionLine {
        utc: facts.times.second(entry.occurred_at),
        t: facts.times.since(entry.occurred_at),
        who: who(&entry.draft.actor),
        title: plan.title.to_string(),
        target: plan.target.to_string(),
        change: plan.changed(),
        command: plan.command.to_string(),
        outcome: match ended {
            Some(Outcome::Verified { after_seconds, words }) => {
                let after = crate::report::words::length(chrono::TimeDelta::seconds(i64::from(*after_seconds)));
                format!("verified after {after}: {words}")
            }
            Some(other) => format!("{}: {}", other.as_str(), other.words()),
            None => "no outcome is recorded: whether it was made is not known".into(),
        },
        undone: match (&plan.request, undone) {
            (Request::Undo { .. }, _) => "is an undo",
            (_, true) => "yes",
            (_, false) => "no",
        }
        .into(),
        verified: matches!(ended, Some(Outcome::Verified { .. })),
        open: ended.is_none(),
    }
}
