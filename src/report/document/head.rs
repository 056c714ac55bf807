//! Front matter, summary, the glance, key moments and durations.

use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind, MilestoneName};
use crate::report::words::{count, length, list, who};

use super::Facts;
use super::actions::ActionLine;
use super::alerts::AlertLine;
use super::rows::ChangeRow;

/// One line of the glance.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    name: String,
    value: String,
}

/// One duration.
#[derive(Debug, Serialize)]
pub(super) struct Length {
    name: String,
    length: String,
    formula: String,
}

/// One milestone.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    name: String,
    utc: String,
    local: String,
    t: String,
    /// `auto`, `confirmed` or `unknown`.
    status: String,
    /// What it rests on.
    rests_on: String,
    formula: String,
}

/// A double-quoted YAML scalar: JSON's strings are such.
fn quoted(text: &str) -> String {
    serde_json::to_string(&*crate::text::redact(text)).unwrap_or_else(|_| "\"\"".into())
}

pub(super) fn front_matter(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let time = |name| match facts.at(name) {
        Some(at) => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => "null".into(),
    };
    let confirmed: Vec<_> =
        facts.milestones.milestones.iter().filter(|one| one.confirmed).map(|one| field(one.name)).collect();
    let services: Vec<_> = record.services().iter().map(|name| quoted(name.as_str())).collect();
    let mut lines = vec![
        "schema: incident-postmortem/v1".to_owned(),
        format!("id: {}", quoted(record.id.as_str())),
        format!("title: {}", quoted(&record.title())),
        "status: draft # in_review, reviewed, closed".to_owned(),
        format!("severity: {}", record.severity().map_or("null".into(), |severity| severity.to_string())),
        format!("drill: {}", record.drill()),
    ];
    lines.extend(MilestoneName::ALL.map(|name| format!("{}: {}", field(name), time(name))));
    lines.extend([
        format!("timestamps_confirmed: [{}]", confirmed.join(", ")),
        format!("services: [{}]", services.join(", ")),
        "owner: \"\"".to_owned(),
        "tags: []".to_owned(),
    ]);
    lines.join("\n")
}

/// The milestone's name in the front matter.
fn field(name: MilestoneName) -> &'static str {
    match name {
        MilestoneName::ImpactStart => "impact_start",
        MilestoneName::Detected => "detected_at",
        MilestoneName::Acknowledged => "acknowledged_at",
        MilestoneName::Mitigated => "mitigated_at",
        MilestoneName::Resolved => "resolved_at",
    }
}

/// Three sentences of facts: what users felt and since when; how it was noticed and what was
/// done; how it ended.
pub(super) fn summary(
    facts: &Facts<'_>,
    alerts: &[AlertLine],
    actions: &[ActionLine],
    changes: &[ChangeRow],
) -> Vec<String> {
    let stamp = |at: World| at.format("%Y-%m-%d at %H:%M UTC").to_string();
    let minute = |at: World| at.format("%H:%M UTC").to_string();
    let began = match (facts.at(MilestoneName::ImpactStart), facts.basis(MilestoneName::ImpactStart)) {
        (Some(at), Some(entry)) => {
            let what = super::rows::headline(entry);
            let before = changes.iter().rev().find(|change| change.before_impact && change.minutes <= 60);
            let change =
                before.map(|change| format!(" The last change before it, {}: {}.", change.distance, change.what));
            let others = followed(facts, entry, minute);
            format!("On {}, the impact began: {what}{others}.{}", stamp(at), change.unwrap_or_default())
        }
        (Some(at), None) => format!("The impact began on {}.", stamp(at)),
        _ => "When the impact began is not known.".to_owned(),
    };
    let noticed = match (facts.at(MilestoneName::Detected), facts.basis(MilestoneName::Detected)) {
        (Some(at), Some(entry)) => format!("The alert {} noticed it at {}", entry.draft.subject, minute(at)),
        (Some(at), None) => format!("It was noticed at {}", minute(at)),
        _ => "No alert noticed it".to_owned(),
    };
    let taken = match facts.at(MilestoneName::Acknowledged) {
        Some(at) => format!("a responder took it on at {}", minute(at)),
        None => "when a responder took it on is not recorded".to_owned(),
    };
    let done = match actions.len() {
        0 => "no action was taken through warroom".to_owned(),
        number => {
            let good = actions.iter().filter(|action| action.verified).count();
            let taken = format!("{} taken through warroom", count(number, "action was", "actions were"));
            if good == number { format!("{taken} and verified") } else { format!("{taken}, {good} of them verified") }
        }
    };
    let confirmed = facts.milestones.get(MilestoneName::Mitigated).is_some_and(|one| one.confirmed);
    let over =
        if confirmed { "A responder says the impact was over" } else { "The last signal was back within its limit" };
    let ended = match (facts.at(MilestoneName::Mitigated), facts.at(MilestoneName::Resolved)) {
        (Some(mitigated), Some(resolved)) => {
            let after = facts.from.map(|from| format!(", {} after it began", length(mitigated - from)));
            format!(
                "{over} at {}{}; a responder declared it resolved at {}.",
                minute(mitigated),
                after.unwrap_or_default(),
                minute(resolved)
            )
        }
        (Some(mitigated), None) => format!("{over} at {}; nobody has declared it resolved yet.", minute(mitigated)),
        (None, Some(resolved)) => format!(
            "A responder declared it resolved at {}; when the impact ended is not known from the signals.",
            minute(resolved)
        ),
        (None, None) => "By this record it is not over yet.".to_owned(),
    };
    let fired = match alerts.len() {
        0 | 1 => String::new(),
        number => format!(" ({number} alerts fired in all)"),
    };
    vec![began, format!("{noticed}{fired}; {taken}; {done}."), ended]
}

/// The other signals that left their limits after the first.
fn followed(facts: &Facts<'_>, first: &Entry, minute: impl Fn(World) -> String) -> String {
    let mut known = vec![&first.draft.subject];
    // Those of one minute together.
    let mut others: Vec<(String, Vec<String>)> = Vec::new();
    for breach in facts.of(EntryKind::Breach).filter(|breach| breach.occurred_at >= first.occurred_at) {
        let subject = &breach.draft.subject;
        if known.contains(&subject) {
            continue;
        }
        known.push(subject);
        let at = minute(breach.occurred_at);
        match others.last_mut() {
            Some((last, subjects)) if *last == at => subjects.push(subject.to_string()),
            _ => others.push((at, vec![subject.to_string()])),
        }
    }
    let others: Vec<_> = others.iter().map(|(at, subjects)| format!("{} at {at}", list(subjects))).collect();
    if others.is_empty() { String::new() } else { format!("; then {}", others.join(", then ")) }
}

pub(super) fn glance(facts: &Facts<'_>, alerts: &[AlertLine]) -> Vec<Fact> {
    let record = facts.record;
    let unknown = || "unknown".to_owned();
    let services: Vec<_> = record.services().iter().map(ToString::to_string).collect();
    let mut envs: Vec<_> = record.writers.iter().map(|writer| writer.env.to_string()).collect();
    envs.dedup();
    let detection =
        facts.basis(MilestoneName::Detected).map(|entry| format!("{} ({})", entry.draft.subject, entry.draft.source));
    let people: Vec<_> =
        facts.entries.iter().filter(|entry| is_responder(entry)).map(|entry| who(&entry.draft.actor)).collect();
    let mut seen = Vec::new();
    people.into_iter().for_each(|name| {
        if !name.is_empty() && !seen.contains(&name) {
            seen.push(name);
        }
    });
    let fact = |name: &str, value: String| Fact { name: name.into(), value };
    vec![
        fact("Severity", record.severity().map_or_else(|| "not set".into(), |severity| severity.to_string())),
        fact("Services", if services.is_empty() { unknown() } else { list(&services) }),
        fact("Environment", if envs.is_empty() { unknown() } else { list(&envs) }),
        fact("Kind", if record.drill() { "drill: no real user was affected" } else { "real incident" }.into()),
        fact("Noticed by", detection.unwrap_or_else(unknown)),
        fact("Alerts", if alerts.is_empty() { "none fired".into() } else { count(alerts.len(), "alert", "alerts") }),
        fact("Responders", if seen.is_empty() { unknown() } else { list(&seen) }),
        fact("Phase", record.phase().as_str().into()),
    ]
}

fn is_responder(entry: &Entry) -> bool {
    entry.draft.actor.kind == crate::model::entry::ActorKind::Human
        && !matches!(
            entry.draft.kind,
            EntryKind::Started
                | EntryKind::Sealed
                | EntryKind::Exported
                | EntryKind::Rollout
                | EntryKind::Rescaled
                | EntryKind::Answered
        )
}

pub(super) fn durations(facts: &Facts<'_>) -> Vec<Length> {
    let durations = facts.milestones.durations.iter().map(|duration| {
        let mut name = duration.name.to_string();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Length {
            name,
            length: duration.length.map_or_else(|| "unknown".into(), length),
            formula: duration.formula.to_string(),
        }
    });
    durations.collect()
}

pub(super) fn moments(facts: &Facts<'_>) -> Vec<Moment> {
    let moments = facts.milestones.milestones.iter().map(|one| {
        let basis = one.entry.as_ref().and_then(|id| facts.entries.iter().find(|entry| entry.id == *id));
        Moment {
            name: match one.name {
                MilestoneName::ImpactStart => "Impact started",
                MilestoneName::Detected => "Detected",
                MilestoneName::Acknowledged => "Acknowledged",
                MilestoneName::Mitigated => "Mitigated",
                MilestoneName::Resolved => "Resolved",
            }
            .into(),
            utc: one.at.map_or_else(|| "unknown".into(), |at| facts.times.second(at)),
            local: one.at.map(|at| facts.times.local(at)).unwrap_or_default(),
            t: one.at.map(|at| facts.times.since(at)).unwrap_or_default(),
            status: match (one.at, one.confirmed) {
                (None, _) => "unknown",
                (Some(_), true) => "confirmed",
                (Some(_), false) => "auto",
            }
            .into(),
            rests_on: basis.map(super::rows::headline).unwrap_or_default(),
            formula: one.formula.to_string(),
        }
    });
    moments.collect()
}
