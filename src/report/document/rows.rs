//! Rows: the curated timeline, the full log, changes, evidence, communications, the appendix.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::Serialize;

use crate::model::entry::{Body, Entry, EntryKind, Evidence, MilestoneName};
use crate::record::Row;
use crate::report::words::{count, length, who};

use super::Facts;

/// Changes are listed from so many hours before the impact.
const CHANGES_BEFORE: i64 = 24;
/// So much evidence is shown; the rest stays in the record.
const EVIDENCE: usize = 25;

/// One row of the curated timeline.
#[derive(Debug, Serialize)]
pub(super) struct TimelineRow {
    utc: String,
    local: String,
    t: String,
    who: String,
    what: String,
    source: String,
}

/// One entry of the full log.
#[derive(Debug, Serialize)]
pub(super) struct LogRow {
    utc: String,
    t: String,
    kind: String,
    who: String,
    what: String,
    source: String,
}

/// One change.
#[derive(Debug, Serialize)]
pub(super) struct ChangeRow {
    utc: String,
    local: String,
    /// `10 min before`.
    pub(super) distance: String,
    pub(super) what: String,
    service: String,
    who: String,
    source: String,
    #[serde(skip)]
    pub(super) before_impact: bool,
    /// Minutes before (or after) the impact.
    #[serde(skip)]
    pub(super) minutes: i64,
}

/// One piece of evidence.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    utc: String,
    about: String,
    query: Option<String>,
    excerpt: Option<String>,
    /// A path inside the incident's directory.
    file: Option<String>,
    /// `8 of 412 lines`.
    lines: String,
}

/// One source with the number of its entries.
#[derive(Debug, Serialize)]
pub(super) struct SourceLine {
    name: String,
    entries: usize,
}

/// One writer's file.
#[derive(Debug, Serialize)]
pub(super) struct WriterLine {
    file: String,
    env: String,
    version: String,
    entries: usize,
    end: String,
}

/// An entry's title with its values, where the title does not tell them already.
pub(super) fn headline(entry: &Entry) -> String {
    let draft = &entry.draft;
    let title = draft.title.trim_end_matches('.');
    let (Some(before), Some(after)) = (&draft.before, &draft.after) else { return title.to_owned() };
    let tells = match draft.kind {
        // `image 2.8.0→2.9.0`, `replicas 6 → 12`.
        EntryKind::Rollout | EntryKind::Rescaled | EntryKind::Intent | EntryKind::Outcome => title.contains('→'),
        // `232 errors a minute, usually 0`.
        EntryKind::ErrorBurst | EntryKind::ErrorBurstEnded => true,
        // One that was open already was opened for longer.
        EntryKind::WriteWindow => before != after,
        _ => false,
    };
    // What it was called before may be the beginning of what it is called now.
    let named = draft.kind != EntryKind::Opened && holds(title, before);
    match (tells || (named && holds(title, after)), holds(title, after) || before == after) {
        (true, _) => title.to_owned(),
        (false, true) => format!("{title}, before: {before}"),
        (false, false) => format!("{title}: {before} → {after}"),
    }
}

/// Whether a value stands in a text, and not as a part of another one: `0.4 %` is none of `10.4 %`.
fn holds(text: &str, value: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.');
    text.match_indices(value).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + value.len()..));
        !goes_on(before.and_then(|text| text.chars().next_back()))
            && !goes_on(after.and_then(|text| text.chars().next()))
    })
}

fn row(facts: &Facts<'_>, row: &Row) -> TimelineRow {
    let entry = &row.entry;
    let again = match row.count {
        1 => String::new(),
        count => format!(" (×{count}, until {})", facts.times.minute(row.last)),
    };
    let detail = match entry.draft.kind {
        EntryKind::Note | EntryKind::Asked => entry.draft.detail.as_ref(),
        _ => None,
    };
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    TimelineRow {
        utc: facts.times.minute(entry.occurred_at),
        local: facts.times.local(entry.occurred_at),
        t: facts.times.since(entry.occurred_at),
        who: who(&entry.draft.actor),
        what: format!("{}{detail}{again}", headline(entry)),
        source: entry.draft.source.to_string(),
    }
}

pub(super) fn curated(facts: &Facts<'_>) -> Vec<TimelineRow> {
    facts.rows.iter().filter(|one| one.key).map(|one| row(facts, one)).collect()
}

pub(super) fn communications(facts: &Facts<'_>) -> Vec<TimelineRow> {
    let said = |one: &&Row| {
        matches!(
            one.entry.draft.kind,
            EntryKind::Asked | EntryKind::Answered | EntryKind::Update | EntryKind::Phase | EntryKind::Severity
        )
    };
    facts.rows.iter().filter(said).map(|one| row(facts, one)).collect()
}

pub(super) fn log(facts: &Facts<'_>) -> Vec<LogRow> {
    let rows = facts.entries.iter().map(|entry| LogRow {
        utc: facts.times.second(entry.occurred_at),
        t: facts.times.since(entry.occurred_at),
        kind: entry.draft.kind.as_str().into(),
        who: who(&entry.draft.actor),
        what: match &entry.draft.detail {
            Some(detail) => format!("{} ({detail})", headline(entry)),
            None => headline(entry),
        },
        source: entry.draft.source.to_string(),
    });
    rows.collect()
}

pub(super) fn changes(facts: &Facts<'_>) -> Vec<ChangeRow> {
    let impact = facts.at(MilestoneName::ImpactStart).or(facts.from);
    let changed =
        facts.entries.iter().filter(|entry| matches!(entry.draft.kind, EntryKind::Rollout | EntryKind::Rescaled));
    let window = changed.filter(|entry| {
        impact.is_none_or(|impact| entry.occurred_at >= impact - TimeDelta::hours(CHANGES_BEFORE))
            && facts.to.is_none_or(|to| entry.occurred_at <= to)
    });
    let rows = window.map(|entry| {
        let ahead = impact.map(|impact| impact - entry.occurred_at);
        let before_impact = ahead.is_some_and(|ahead| ahead >= TimeDelta::zero());
        ChangeRow {
            utc: facts.times.minute(entry.occurred_at),
            local: facts.times.local(entry.occurred_at),
            distance: match ahead {
                Some(ahead) if before_impact => format!("{} before", length(ahead)),
                Some(ahead) => format!("{} after", length(-ahead)),
                None => "unknown".into(),
            },
            what: match &entry.draft.detail {
                Some(detail) => format!("{} ({detail})", headline(entry)),
                None => headline(entry),
            },
            service: entry.draft.service.as_ref().map_or_else(|| entry.draft.subject.to_string(), ToString::to_string),
            who: who(&entry.draft.actor),
            source: entry.draft.source.to_string(),
            before_impact,
            minutes: ahead.map_or(i64::MAX, |ahead| ahead.num_minutes().abs()),
        }
    });
    rows.collect()
}

pub(super) fn evidence(facts: &Facts<'_>) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &facts.entries {
        for evidence in &entry.draft.evidence {
            // A query alone backs a row; only what can be read here is shown here.
            if evidence.excerpt.is_none() && evidence.file.is_none() {
                continue;
            }
            if !seen.insert((evidence.file.clone(), evidence.excerpt.clone())) || shown.len() >= EVIDENCE {
                continue;
            }
            shown.push(Shown {
                utc: facts.times.second(entry.occurred_at),
                about: headline(entry),
                query: evidence.query.as_ref().map(ToString::to_string),
                excerpt: evidence.excerpt.as_ref().map(ToString::to_string),
                file: evidence.file.as_ref().map(|hash| format!("evidence/{hash}.txt")),
                lines: lines(evidence),
            });
        }
    }
    shown
}

/// How many lines are shown, and of how many.
fn lines(evidence: &Evidence) -> String {
    let shown = evidence.excerpt.as_ref().map_or(0, |excerpt| excerpt.lines().count());
    match evidence.lines {
        _ if shown == 0 => String::new(),
        Some(all) if all as usize > shown => format!("{shown} of {all} lines"),
        _ => count(shown, "line", "lines"),
    }
}

pub(super) fn sources(facts: &Facts<'_>) -> Vec<SourceLine> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &facts.entries {
        *counts.entry(entry.draft.source.as_str()).or_default() += 1;
    }
    counts.into_iter().map(|(name, entries)| SourceLine { name: name.into(), entries }).collect()
}

pub(super) fn writers(facts: &Facts<'_>) -> Vec<WriterLine> {
    let writers = facts.record.writers.iter().map(|writer| WriterLine {
        file: writer.file.to_string(),
        env: writer.env.to_string(),
        version: writer.version.to_string(),
        entries: writer.entries,
        end: match (writer.sealed, writer.open) {
            (true, _) => "closed in good order",
            (false, true) => "still being written",
            (false, false) => "its writer was stopped; nothing that it showed as recorded is lost",
        }
        .into(),
    });
    writers.collect()
}

/// Whether an entry fills in what happened before the program was opened.
pub(super) fn is_backfilled(entry: &Entry) -> bool {
    entry.observed_at - entry.occurred_at > TimeDelta::minutes(5)
        && !matches!(entry.draft.body, Some(Body::Milestone { .. }))
}
