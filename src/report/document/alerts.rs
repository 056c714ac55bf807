//! The alerts, one line each however often they fired.

use chrono::TimeDelta;
use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind};
use crate::report::words::{length, who};
use crate::text::Safe;

use super::Facts;

/// One alert.
#[derive(Debug, Serialize)]
pub(super) struct AlertLine {
    pub(super) name: String,
    service: String,
    source: String,
    /// When it first fired.
    first: String,
    /// When it last fired, if more than once.
    last: String,
    count: usize,
    cleared: String,
    claimed: String,
    link: String,
    #[serde(skip)]
    pub(super) firing: bool,
    #[serde(skip)]
    pub(super) unclaimed_for: Option<TimeDelta>,
}

pub(super) fn alerts(facts: &Facts<'_>) -> Vec<AlertLine> {
    let mut known: Vec<(&Safe, &Safe)> = Vec::new();
    for entry in facts.of(EntryKind::AlertFiring) {
        let identity = (&entry.draft.source, &entry.draft.subject);
        if !known.contains(&identity) {
            known.push(identity);
        }
    }
    known.into_iter().map(|(source, subject)| line(facts, source, subject)).collect()
}

fn line(facts: &Facts<'_>, source: &Safe, subject: &Safe) -> AlertLine {
    let same = |entry: &&Entry| entry.draft.subject == *subject;
    let fired: Vec<&Entry> =
        facts.of(EntryKind::AlertFiring).filter(same).filter(|entry| entry.draft.source == *source).collect();
    let first = fired.first().map(|entry| entry.occurred_at);
    let last = fired.last().map(|entry| entry.occurred_at);
    let cleared: Option<World> = facts
        .of(EntryKind::AlertResolved)
        .filter(same)
        .map(|entry| entry.occurred_at)
        .filter(|at| last.is_some_and(|last| *at >= last))
        .max();
    let claim = facts.of(EntryKind::Claimed).find(|entry| entry.draft.subject == *subject);
    let link = fired.iter().flat_map(|entry| &entry.draft.evidence).find_map(|evidence| {
        evidence.query.as_ref().filter(|query| query.starts_with("http://") || query.starts_with("https://"))
    });
    let end = cleared.or(facts.to);
    AlertLine {
        name: subject.to_string(),
        service: fired
            .iter()
            .find_map(|entry| entry.draft.service.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        source: source.to_string(),
        first: first.map(|at| facts.times.minute(at)).unwrap_or_default(),
        last: last.filter(|_| fired.len() > 1).map(|at| facts.times.minute(at)).unwrap_or_default(),
        count: fired.len(),
        cleared: match (cleared, first) {
            (Some(at), Some(first)) => format!("{} after {}", facts.times.minute(at), length(at - first)),
            _ => "not seen".into(),
        },
        claimed: match (claim, first) {
            (Some(claim), Some(first)) => {
                format!("{} after {}", who(&claim.draft.actor), length(claim.occurred_at - first))
            }
            _ => "nobody here".into(),
        },
        link: link.map(ToString::to_string).unwrap_or_default(),
        firing: cleared.is_none(),
        unclaimed_for: match (claim, first, end) {
            (None, Some(first), Some(end)) => Some(end - first),
            (Some(claim), Some(first), _) => Some(claim.occurred_at - first),
            _ => None,
        },
    }
}
