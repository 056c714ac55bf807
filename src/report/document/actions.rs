//! The actions that were run through the program: each intent with its outcome.

use serde::Serialize;

use crate::model::entry::{Body, Entry, EntryKind};
use crate::model::name::IncidentId;
use crate::model::plan::{Ends, Outcome, Plan, PlanId, Request, Tier};
use crate::record::consent_hash;
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
    /// What users felt before and after: `checkout errors 9.1 % → 0.4 %`.
    felt: String,
    /// Who consented, or that the glass was broken, and which rules it went against.
    let_by: String,
    /// `yes`, `no`, who owns what is left over, or `is an undo`.
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
        command: entry
            .draft
            .evidence
            .iter()
            .find_map(|one| one.query.as_ref())
            .unwrap_or(&entry.draft.title)
            .to_string(),
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

/// What users felt, as the outcome tells it; as the intent does, while there is none.
fn felt(facts: &Facts<'_>, intent: &Entry, id: &PlanId) -> String {
    let outcomes = facts.of(EntryKind::Outcome);
    let ended =
        outcomes.filter(|entry| matches!(&entry.draft.body, Some(Body::Outcome { plan, .. }) if plan == id)).last();
    let told = ended.and_then(|entry| entry.draft.detail.as_ref());
    told.or(intent.draft.detail.as_ref().filter(|_| ended.is_none())).map(ToString::to_string).unwrap_or_default()
}

/// The second person or the broken glass that let a plan of the top tier.
fn let_by(facts: &Facts<'_>, incident: &IncidentId, plan: &Plan) -> String {
    if plan.tier < Tier::Grave {
        return String::new();
    }
    // The asking that this plan came from: it may have been read again since.
    let asked = facts.of(EntryKind::ConsentAsked).find_map(|entry| match &entry.draft.body {
        Some(Body::ConsentAsked { plan: asked, hash }) if consent_hash(incident, &asked.id, plan) == *hash => {
            Some(hash)
        }
        _ => None,
    });
    let Some(hash) = asked else { return "nobody: its consent is not in the record".into() };
    let broken = facts
        .of(EntryKind::BreakGlass)
        .find(|entry| matches!(&entry.draft.body, Some(Body::BreakGlass { hash: named, .. }) if named == hash));
    if let Some(entry) = broken {
        return entry.draft.title.to_string();
    }
    let second = facts
        .of(EntryKind::Consented)
        .find(|entry| matches!(&entry.draft.body, Some(Body::Consented { hash: named }) if named == hash));
    second.map_or_else(
        || "nobody: its consent is not in the record".into(),
        |entry| format!("consent of {}", who(&entry.draft.actor)),
    )
}

fn line(facts: &Facts<'_>, entry: &Entry, plan: &Plan) -> ActionLine {
    let owner = facts.of(EntryKind::Owned).find_map(|entry| match &entry.draft.body {
        Some(Body::Owned { plan: owned, owner }) if *owned == plan.id => Some(owner),
        _ => None,
    });
    let later = facts
        .of(EntryKind::Undone)
        .any(|entry| matches!(&entry.draft.body, Some(Body::Undone { plan: undone }) if *undone == plan.id));
    let ended = outcome(facts, &plan.id);
    let undone = facts.of(EntryKind::Intent).any(|later| match &later.draft.body {
        Some(Body::Intent(other)) => {
            matches!(&other.request, Request::Undo { plan: undone } if undone.id == plan.id)
                && outcome(facts, &other.id).is_some_and(Outcome::is_applied)
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
            Some(Outcome::Verified { after_seconds: Some(seconds), words }) => {
                let after = crate::report::words::length(chrono::TimeDelta::seconds(i64::from(*seconds)));
                format!("verified after {after}: {words}")
            }
            Some(Outcome::Verified { after_seconds: None, words }) => format!("verified by a later look: {words}"),
            Some(other) => format!("{}: {}", other.as_str(), other.words()),
            None => "no outcome is recorded: whether it was made is not known".into(),
        },
        felt: felt(facts, entry, &plan.id),
        let_by: let_by(facts, &facts.record.id, plan),
        undone: match (&plan.request, undone || later, owner, plan.ends) {
            (Request::Undo { .. }, ..) => "is an undo".into(),
            (_, true, ..) => "yes".into(),
            (.., Some(owner), _) => format!("no, owned by {owner}"),
            (.., Ends::Stays) => "no".into(),
            (.., Ends::BySystem { at }) => format!("no, ends by itself at {}", facts.times.minute(at)),
            (.., Ends::Reminder) => "no: left over".into(),
        },
        verified: matches!(ended, Some(Outcome::Verified { .. })),
        open: ended.is_none(),
    }
}
