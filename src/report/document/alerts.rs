//! The alerts, one line each however often they fired. Two of one name are two, and their labels
//! tell them apart.

use chrono::TimeDelta;
use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind};
use crate::record::Alerts;
use crate::report::words::{length, who};

use super::Facts;

/// So many labels tell alerts of one name apart.
const LABELS: usize = 3;

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
    /// How often it fired.
    pub(super) count: usize,
    cleared: String,
    claimed: String,
    link: String,
    #[serde(skip)]
    pub(super) firing: bool,
    #[serde(skip)]
    /// How long it fired, all in all, before somebody claimed it.
    pub(super) unclaimed_for: Option<TimeDelta>,
}

/// From when to when an alert fired once; its end may not be known.
type Episode = (World, Option<World>);

pub(super) fn alerts(facts: &Facts<'_>) -> Vec<AlertLine> {
    let alerts = Alerts::of_entries(&facts.entries);
    let mut known: Vec<usize> = Vec::new();
    for entry in facts.of(EntryKind::AlertFiring) {
        known.extend(alerts.id(&entry.draft).filter(|alert| !known.contains(alert)));
    }
    let of = |alert: usize| facts.entries.iter().filter(|entry| alerts.id(&entry.draft) == Some(alert)).collect();
    let told: Vec<Vec<&Entry>> = known.into_iter().map(of).collect();
    told.iter().filter_map(|entries| line(facts, entries, &told)).collect()
}

fn line(facts: &Facts<'_>, entries: &[&Entry], all: &[Vec<&Entry>]) -> Option<AlertLine> {
    let told = fired(entries)?;
    let episodes = episodes(entries);
    let (first, last) = (episodes.first()?.0, episodes.last()?.0);
    let cleared = episodes.last()?.1;
    let claim = entries.iter().find(|entry| entry.draft.kind == EntryKind::Claimed);
    let link = entries.iter().flat_map(|entry| &entry.draft.evidence).find_map(|evidence| {
        evidence.query.as_ref().filter(|query| query.starts_with("http://") || query.starts_with("https://"))
    });
    let now = facts.to.unwrap_or(last);
    Some(AlertLine {
        name: name(told, all),
        service: entries
            .iter()
            .find_map(|entry| entry.draft.service.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        source: told.draft.source.to_string(),
        first: facts.times.minute(first),
        last: if episodes.len() > 1 { facts.times.minute(last) } else { String::new() },
        count: episodes.len(),
        cleared: match cleared {
            Some(at) if episodes.len() == 1 => format!("{} after {}", facts.times.minute(at), length(at - first)),
            Some(at) => format!("{} after {} in all", facts.times.minute(at), length(firing(&episodes, now))),
            None => "not seen".into(),
        },
        claimed: match claim {
            Some(claim) => format!("{} after {}", who(&claim.draft.actor), length(claim.occurred_at - first)),
            None => "nobody here".into(),
        },
        link: link.map(ToString::to_string).unwrap_or_default(),
        firing: cleared.is_none(),
        unclaimed_for: Some(firing(&episodes, claim.map_or(now, |claim| claim.occurred_at))),
    })
}

/// The entry that told first that it fires.
fn fired<'a>(entries: &[&'a Entry]) -> Option<&'a Entry> {
    entries.iter().copied().find(|entry| entry.draft.kind == EntryKind::AlertFiring)
}

/// Told again while it fires, by a second process or because it is not silenced any more, it has
/// not fired once more.
fn episodes(entries: &[&Entry]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for entry in entries {
        let open = episodes.last_mut().filter(|(_, end)| end.is_none());
        match (entry.draft.kind, open) {
            (EntryKind::AlertFiring, None) => episodes.push((entry.occurred_at, None)),
            (EntryKind::AlertResolved, Some((_, end))) => *end = Some(entry.occurred_at),
            _ => {}
        }
    }
    episodes
}

/// How long it fired until `now`, all in all.
fn firing(episodes: &[Episode], now: World) -> TimeDelta {
    let lasted = |(from, to): &Episode| (to.unwrap_or(now).min(now) - *from).max(TimeDelta::zero());
    episodes.iter().map(lasted).sum()
}

/// Its name; if another alert bears it too, with the labels that the other has not.
fn name(told: &Entry, all: &[Vec<&Entry>]) -> String {
    let labels = |entry: &Entry| -> Vec<String> {
        entry.draft.detail.iter().flat_map(|detail| detail.split(", ")).map(str::to_owned).collect()
    };
    let others: Vec<_> = all
        .iter()
        .filter_map(|entries| fired(entries))
        .filter(|other| other.draft.subject == told.draft.subject && other.id != told.id)
        .map(labels)
        .collect();
    let own = labels(told).into_iter().filter(|label| others.iter().any(|other| !other.contains(label)));
    let own: Vec<_> = own.take(LABELS).collect();
    if own.is_empty() { told.draft.subject.to_string() } else { format!("{} ({})", told.draft.subject, own.join(", ")) }
}
