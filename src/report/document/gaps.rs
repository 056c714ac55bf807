//! What the record does not know, what went well and badly by its figures, and what to ask.

use chrono::TimeDelta;
use serde::Serialize;

use crate::model::entry::{Body, Entry, EntryKind, MilestoneName};
use crate::report::words::{count, length, list};

use super::Facts;
use super::actions::ActionLine;
use super::alerts::AlertLine;
use super::rows::{ChangeRow, is_backfilled};

/// A stretch of the incident without an entry that is longer than this is asked about.
const QUIET: i64 = 10;
/// Faster than this is worth a word.
const QUICK: i64 = 5;

/// Something that could not be seen.
#[derive(Debug, Serialize)]
pub(super) struct Unseen {
    from: String,
    to: String,
    lasted: String,
    what: String,
    source: String,
}

/// Gaps that were told, and sources that were lost, by time.
pub(super) fn unseen(facts: &Facts<'_>) -> Vec<Unseen> {
    let mut all = Vec::new();
    for entry in &facts.entries {
        let (from, to, what) = match (&entry.draft.body, entry.draft.kind) {
            (Some(Body::Gap { from, to }), _) => (*from, Some(*to), super::rows::headline(entry)),
            (_, EntryKind::Gap) => (entry.occurred_at, None, super::rows::headline(entry)),
            (_, EntryKind::SourceLost) => {
                let found = facts.of(EntryKind::SourceFound).find(|found| is_found(found, entry));
                (entry.occurred_at, found.map(|found| found.occurred_at), super::rows::headline(entry))
            }
            _ => continue,
        };
        let open = if entry.draft.kind == EntryKind::SourceLost { "not found again" } else { "not recorded" };
        all.push(Unseen {
            from: facts.times.second(from),
            to: to.map_or_else(|| open.into(), |to| facts.times.second(to)),
            lasted: to.map_or_else(|| "unknown".into(), |to| length(to - from)),
            what,
            source: entry.draft.source.to_string(),
        });
    }
    all
}

fn is_found(found: &Entry, lost: &Entry) -> bool {
    found.draft.subject == lost.draft.subject
        && found.draft.source == lost.draft.source
        && found.occurred_at >= lost.occurred_at
}

pub(super) fn went_well(facts: &Facts<'_>, actions: &[ActionLine]) -> Vec<String> {
    let mut hints = Vec::new();
    for duration in &facts.milestones.durations {
        if let Some(length) = duration.length.filter(|length| *length <= TimeDelta::minutes(QUICK)) {
            let what = match duration.name.as_str() {
                "time to detect" => "An alert noticed it within",
                "time to acknowledge" => "It was taken on within",
                "time to mitigate" => "The impact was over within",
                _ => continue,
            };
            hints.push(format!("{what} {}.", crate::report::words::length(length)));
        }
    }
    for action in actions.iter().filter(|action| action.verified) {
        hints.push(format!("The action “{}” did what it said: {}.", action.title, action.outcome));
    }
    hints
}

pub(super) fn went_badly(facts: &Facts<'_>, alerts: &[AlertLine]) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(late) = facts.milestones.durations.first().and_then(|detect| detect.length)
        && late > TimeDelta::minutes(QUICK)
    {
        hints.push(format!("The impact lasted {} before an alert noticed it.", length(late)));
    }
    for alert in alerts {
        if let Some(waited) = alert.unclaimed_for.filter(|waited| *waited > TimeDelta::minutes(2 * QUICK)) {
            let times = if alert.count > 1 { format!(", {} times,", alert.count) } else { String::new() };
            hints.push(format!("{} fired{times} for {} without being claimed here.", alert.name, length(waited)));
        }
    }
    let lost: Vec<String> = facts.of(EntryKind::SourceLost).map(|entry| entry.draft.source.to_string()).collect();
    let mut sources = lost.clone();
    sources.dedup();
    if !sources.is_empty() {
        hints.push(format!("Responders could not see {} for a while.", list(&sources)));
    }
    hints
}

/// Starting points for action items, not action items: those are people's.
pub(super) fn follow_ups(
    facts: &Facts<'_>,
    alerts: &[AlertLine],
    changes: &[ChangeRow],
    unseen: &[Unseen],
) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(change) = changes.iter().rev().find(|change| change.before_impact && change.minutes <= 60) {
        hints.push(format!("Prevent: what would have stopped “{}” before users felt it?", change.what));
    }
    if facts.milestones.durations.first().and_then(|d| d.length).is_some_and(|late| late > TimeDelta::minutes(QUICK)) {
        hints.push("Detect: which signal moved first, and which alert could watch it?".into());
    }
    if alerts.len() > 3 {
        hints.push(format!(
            "Detect: {} fired for one incident; which of them did anybody need?",
            count(alerts.len(), "alert", "alerts")
        ));
    }
    if facts.of(EntryKind::Intent).next().is_some() {
        hints.push("Mitigate: which of the actions could be one step, or automatic?".into());
    }
    if !unseen.is_empty() {
        hints.push("Process: what has to change so that the next responder sees what was hidden this time?".into());
    }
    hints
}

pub(super) fn questions(facts: &Facts<'_>, alerts: &[AlertLine], actions: &[ActionLine]) -> Vec<String> {
    let mut questions = Vec::new();
    for milestone in facts.milestones.milestones.iter().filter(|milestone| milestone.at.is_none()) {
        questions.push(match milestone.name {
            MilestoneName::ImpactStart => "When did the impact start?".to_owned(),
            MilestoneName::Detected => "No alert fired before it was noticed: how was it noticed, and when?".to_owned(),
            MilestoneName::Acknowledged => "Who took it on first, and when?".to_owned(),
            MilestoneName::Mitigated => {
                "When did users stop feeling it? No recovery of every signal is recorded.".to_owned()
            }
            MilestoneName::Resolved => "Is it over? Nobody has said so in the record.".to_owned(),
        });
    }
    questions.extend(quiet(facts));
    for action in actions.iter().filter(|action| action.open) {
        questions.push(format!("Was “{}” made? Its outcome is not recorded.", action.title));
    }
    for alert in alerts.iter().filter(|alert| alert.firing) {
        questions.push(format!("Does {} still fire? Its end was not seen.", alert.name));
    }
    questions
}

/// Stretches of the incident in which nothing was written.
fn quiet(facts: &Facts<'_>) -> Vec<String> {
    let (Some(from), Some(to)) = (facts.from, facts.to) else { return Vec::new() };
    let inside = facts.entries.iter().filter(|entry| !super::is_housekeeping(entry)).map(|entry| entry.occurred_at);
    let mut times: Vec<_> = inside.filter(|at| *at >= from && *at <= to).chain([from, to]).collect();
    times.sort_unstable();
    let pairs = times.iter().zip(times.iter().skip(1));
    let long = pairs.filter(|(a, b)| **b - **a > TimeDelta::minutes(QUIET));
    long.map(|(a, b)| {
        format!(
            "What happened between {} and {}? The record holds nothing for {}.",
            facts.times.minute(*a),
            facts.times.minute(*b),
            length(*b - *a)
        )
    })
    .collect()
}

/// What a reader should know of the record itself.
pub(super) fn record_notes(facts: &Facts<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let filled = facts.entries.iter().filter(|entry| is_backfilled(entry)).count();
    if filled > 0 {
        notes.push(format!(
            "{} filled in afterwards, from the systems' own histories or by people.",
            count(filled, "entry was", "entries were")
        ));
    }
    let corrections = facts.of(EntryKind::Correction).count();
    if corrections > 0 {
        notes.push(format!(
            "{} corrected later; both times are in the record.",
            count(corrections, "time was", "times were")
        ));
    }
    notes.extend(facts.record.problems.iter().map(ToString::to_string));
    notes
}
