//! The summary and the impact: a few sentences of facts, for people to polish.

use crate::model::entry::{EntryKind, MilestoneName};
use crate::record::Row;
use crate::report::context::Facts;
use crate::report::durations::{clock, words};
use crate::report::markdown::inline;

/// Three sentences: what was felt, how it was met, how it ended.
pub(in crate::report) fn summary(facts: &Facts<'_>) -> Vec<String> {
    vec![felt(facts), met(facts), ended(facts)]
}

fn felt(facts: &Facts<'_>) -> String {
    let breaches: Vec<&Row> = facts.of_kind(EntryKind::Breach).collect();
    let names: Vec<_> = facts.services.iter().map(|service| inline(service.as_str())).collect();
    let Some(first) = breaches.first() else {
        return "No service's signal was seen in breach of its limit.".into();
    };
    let start = facts.at(MilestoneName::ImpactStart).unwrap_or(first.entry.occurred_at);
    let length = match facts.at(MilestoneName::Mitigated) {
        Some(end) => format!(" to {}Z ({})", clock(end), words(end - start)),
        None => ", and was still seen when the record ended".into(),
    };
    let subject = match names.as_slice() {
        [] => "A signal".to_owned(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    };
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("{subject} {verb} outside their limits from {}Z{length}; first seen: {}.", clock(start), inline(&first.entry.draft.title))
}

fn met(facts: &Facts<'_>) -> String {
    let detected = facts.of_kind(EntryKind::AlertFiring).min_by_key(|row| row.entry.occurred_at);
    let mut sentence = match detected {
        Some(row) => format!("{} fired at {}Z", inline(&row.entry.draft.subject), clock(row.entry.occurred_at)),
        None => "No alert fired".into(),
    };
    match facts.of_kind(EntryKind::Claimed).next() {
        Some(row) => sentence += &format!(" and {} took it on at {}Z", inline(&row.entry.draft.actor.name), clock(row.entry.occurred_at)),
        None => sentence += " and nobody is on record as having taken it on",
    }
    let outcomes: Vec<_> = facts.of_kind(EntryKind::Outcome).map(|row| inline(&row.entry.draft.title)).collect();
    if outcomes.is_empty() {
        sentence + "; nothing was changed from here."
    } else {
        format!("{sentence}; done from here: {}.", outcomes.join("; "))
    }
}

fn ended(facts: &Facts<'_>) -> String {
    let last = facts.of_kind(EntryKind::Recovered).max_by_key(|row| row.entry.occurred_at);
    let mitigated = facts.at(MilestoneName::Mitigated);
    let cure = mitigated.and_then(|at| {
        facts.of_kind(EntryKind::Rollout).filter(|row| row.entry.occurred_at <= at && row.entry.occurred_at >= facts.opened).last()
    });
    match (last, mitigated) {
        (Some(row), Some(at)) => {
            let before = cure.map_or_else(String::new, |row| {
                format!(", after {} ({}Z)", inline(&row.entry.draft.title), clock(row.entry.occurred_at))
            });
            format!("The last signal came back at {}Z{before}: {}.", clock(at), inline(&row.entry.draft.title))
        }
        (Some(row), None) => format!("Not every signal had come back when the record ended; the last that did: {}.", inline(&row.entry.draft.title)),
        (None, _) => "No signal is on record as having come back.".into(),
    }
}

/// Each service's worst value, with its limit's breach and recovery.
pub(in crate::report) fn impact(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut subjects: Vec<&str> = Vec::new();
    for row in facts.of_kind(EntryKind::Breach) {
        if !subjects.contains(&row.entry.draft.subject.as_str()) {
            subjects.push(row.entry.draft.subject.as_str());
        }
    }
    for subject in subjects {
        let of = |kind| facts.of_kind(kind).filter(move |row| row.entry.draft.subject == subject);
        let Some(start) = of(EntryKind::Breach).map(|row| row.entry.occurred_at).min() else { continue };
        let back = of(EntryKind::Recovered).map(|row| row.entry.occurred_at).max();
        let open = of(EntryKind::Breach).map(|row| row.entry.occurred_at).max() > back;
        let times = of(EntryKind::Breach).count();
        let end = match back {
            Some(back) if !open => format!("to {}Z ({})", clock(back), words(back - start)),
            _ => "and not back within its limit when the record ended".into(),
        };
        let again = if times > 1 { format!(", in {times} stretches") } else { String::new() };
        let worst = worst(facts, subject).map_or_else(String::new, |worst| format!("; worst minute {worst}"));
        lines.push(format!("**{}**: from {}Z {end}{again}{worst}.", inline(subject), clock(start)));
    }
    lines
}

/// The worst minute of a signal's track, such as that of `checkout errors`: the farthest beyond
/// its limit.
fn worst(facts: &Facts<'_>, subject: &str) -> Option<String> {
    let values = facts.material.tracks.iter().filter(|sample| sample.track == subject);
    let values = values.filter_map(|sample| Some((sample.values.get("value").copied()??, sample.unit)));
    let (worst, unit) = values.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(unit.write(worst))
}
