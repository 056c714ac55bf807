//! Tables and lists: alerts, the timeline, changes, evidence, charts, sources.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{ActorKind, Entry, EntryKind, MilestoneName};
use crate::model::service::Unit;
use crate::record::Row;
use crate::report::context::Facts;
use crate::report::durations::{clock, day_and_clock, local, since_impact, words};
use crate::report::markdown::{block, code, inline};
use crate::report::sparkline::sparkline;

/// Changes of this long before the impact are told.
const CHANGES: TimeDelta = TimeDelta::hours(24);
/// A chart is at most this wide.
const WIDTH: usize = 60;

#[derive(Serialize)]
pub(in crate::report) struct AlertLine {
    name: String,
    service: String,
    source: String,
    first: String,
    last: String,
    times: u32,
    claimed: String,
}

pub(in crate::report) fn alerts(facts: &Facts<'_>) -> Vec<AlertLine> {
    let mut by_name: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in facts.of_kind(EntryKind::AlertFiring) {
        by_name.entry((row.entry.draft.subject.as_str(), row.entry.draft.source.as_str())).or_default().push(row);
    }
    let mut lines: Vec<(World, AlertLine)> = by_name
        .into_iter()
        .filter_map(|((name, source), rows)| {
            let first = rows.iter().map(|row| row.entry.occurred_at).min()?;
            let resolved = facts.of_kind(EntryKind::AlertResolved).filter(|row| row.entry.draft.subject == name).map(|row| row.last).max();
            let claim = facts.of_kind(EntryKind::Claimed).find(|row| row.entry.draft.subject == name);
            Some((
                first,
                AlertLine {
                    name: inline(name),
                    service: rows.first().and_then(|row| row.entry.draft.service.as_ref()).map_or_else(|| "-".into(), |service| inline(service.as_str())),
                    source: inline(source),
                    first: clock(first),
                    last: resolved.map_or_else(|| "still firing".into(), clock),
                    times: rows.iter().map(|row| row.count).sum(),
                    claimed: claim.map_or_else(|| "-".into(), |row| format!("{} {}", inline(&row.entry.draft.actor.name), clock(row.entry.occurred_at))),
                },
            ))
        })
        .collect();
    lines.sort_by_key(|(first, _)| *first);
    lines.into_iter().map(|(_, line)| line).collect()
}

#[derive(Serialize)]
pub(in crate::report) struct TimelineLine {
    minute: String,
    local: String,
    since: String,
    who: String,
    what: String,
    source: String,
}

/// The curated timeline: key rows, one line each; the minute stands only where it changes.
pub(in crate::report) fn timeline(facts: &Facts<'_>, zone: Option<Tz>) -> Vec<TimelineLine> {
    let impact = facts.at(MilestoneName::ImpactStart);
    let mut last = None;
    facts
        .rows
        .iter()
        .filter(|row| row.key)
        .map(|row| {
            let at = row.entry.occurred_at;
            let minute = at.timestamp().div_euclid(60);
            let same = last.replace(minute) == Some(minute);
            TimelineLine {
                minute: if same { String::new() } else { at.format("%H:%MZ").to_string() },
                local: match zone {
                    Some(zone) if !same => local(at, zone),
                    _ => String::new(),
                },
                since: if same { String::new() } else { since_impact(at, impact) },
                who: who(&row.entry),
                what: what(row),
                source: inline(&row.entry.draft.source),
            }
        })
        .collect()
}

fn who(entry: &Entry) -> String {
    match entry.draft.actor.kind {
        ActorKind::Human => inline(&entry.draft.actor.name),
        ActorKind::Automation => "automation".into(),
        ActorKind::System => "-".into(),
    }
}

fn what(row: &Row) -> String {
    let mut text = inline(&row.entry.draft.title);
    if row.count > 1 {
        text += &format!(" (×{}, {}–{})", row.count, clock(row.entry.occurred_at), clock(row.last));
    }
    if let (EntryKind::Outcome, Some(detail)) = (row.entry.draft.kind, &row.entry.draft.detail) {
        text += &format!("; {}", inline(detail));
    }
    text
}

#[derive(Serialize)]
pub(in crate::report) struct FullLine {
    at: String,
    kind: &'static str,
    what: String,
    source: String,
}

/// Everything, for the fold.
pub(in crate::report) fn full(facts: &Facts<'_>) -> Vec<FullLine> {
    facts
        .rows
        .iter()
        .map(|row| FullLine {
            at: format!("{}Z", clock(row.entry.occurred_at)),
            kind: row.entry.draft.kind.as_str(),
            what: what(row),
            source: inline(&row.entry.draft.source),
        })
        .collect()
}

#[derive(Serialize)]
pub(in crate::report) struct ChangeLine {
    at: String,
    before: String,
    service: String,
    what: String,
    by: String,
}

pub(in crate::report) fn changes(facts: &Facts<'_>) -> Vec<ChangeLine> {
    let impact = facts.at(MilestoneName::ImpactStart);
    let from = impact.unwrap_or(facts.opened) - CHANGES;
    facts
        .rows
        .iter()
        .filter(|row| matches!(row.entry.draft.kind, EntryKind::Rollout | EntryKind::Rescaled) && row.entry.occurred_at >= from)
        .map(|row| {
            let at = row.entry.occurred_at;
            ChangeLine {
                at: day_and_clock(at),
                before: match impact {
                    Some(impact) if at <= impact => format!("{} before", words(impact - at)),
                    Some(impact) => format!("{} after", words(at - impact)),
                    None => "-".into(),
                },
                service: row.entry.draft.service.as_ref().map_or_else(|| "-".into(), |service| inline(service.as_str())),
                what: format!("{}: {}", inline(&row.entry.draft.subject), inline(&row.entry.draft.title)),
                by: inline(&row.entry.draft.actor.name),
            }
        })
        .collect()
}

#[derive(Serialize)]
pub(in crate::report) struct EvidenceItem {
    at: String,
    of: String,
    query: Option<String>,
    excerpt: Option<String>,
}

/// One item a query or excerpt; the first time it was used.
pub(in crate::report) fn evidence(facts: &Facts<'_>) -> Vec<EvidenceItem> {
    let mut seen = Vec::new();
    let mut items = Vec::new();
    for row in facts.rows.iter().filter(|row| row.key && row.entry.draft.kind != EntryKind::Intent) {
        for evidence in &row.entry.draft.evidence {
            let mark = (evidence.query.clone(), evidence.excerpt.clone());
            if seen.contains(&mark) || (mark.0.is_none() && mark.1.is_none()) {
                continue;
            }
            items.push(EvidenceItem {
                at: format!("{}Z", clock(row.entry.occurred_at)),
                of: inline(&row.entry.draft.title),
                query: evidence.query.as_ref().map(|query| code(query)),
                excerpt: evidence.excerpt.as_ref().map(|excerpt| block(excerpt)),
            });
            seen.push(mark);
        }
    }
    items
}

#[derive(Serialize)]
pub(in crate::report) struct Chart {
    name: String,
    line: String,
    low: String,
    high: String,
}

/// One line a track of a service's signal, from a value a minute.
pub(in crate::report) fn charts(facts: &Facts<'_>) -> Vec<Chart> {
    let mut tracks: BTreeMap<(&str, Unit), BTreeMap<World, f64>> = BTreeMap::new();
    for sample in facts.material.tracks {
        if let Some(value) = sample.values.get("value").copied().flatten() {
            tracks.entry((sample.track.as_str(), sample.unit)).or_default().insert(sample.at, value);
        }
    }
    tracks
        .into_iter()
        .filter_map(|((name, unit), samples)| {
            let values: Vec<f64> = samples.into_values().collect();
            let low = values.iter().copied().reduce(f64::min)?;
            let high = values.iter().copied().reduce(f64::max)?;
            Some(Chart { name: inline(name), line: sparkline(&values, WIDTH), low: unit.write(low), high: unit.write(high) })
        })
        .collect()
}

/// What the program could not see: a hole in the record is part of it.
pub(in crate::report) fn unseen(facts: &Facts<'_>) -> Vec<String> {
    facts
        .rows
        .iter()
        .filter(|row| matches!(row.entry.draft.kind, EntryKind::Gap | EntryKind::SourceLost | EntryKind::SourceFound))
        .map(|row| format!("{}Z {} ({})", clock(row.entry.occurred_at), what(row), inline(&row.entry.draft.source)))
        .collect()
}

/// The sources that the record rests on.
pub(in crate::report) fn sources(facts: &Facts<'_>) -> Vec<String> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &facts.rows {
        *counts.entry(row.entry.draft.source.as_str()).or_default() += row.count;
    }
    counts.into_iter().map(|(source, count)| format!("{}: {count} entries", inline(source))).collect()
}
