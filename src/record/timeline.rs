//! The timeline: entries of all writers, merged, folded, by the minute.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Body, Entry, EntryId, EntryKind};
use crate::model::plan::PlanId;
use crate::text::Safe;

/// Entries of one key that follow each other within this many minutes are one row.
const FOLD: i64 = 10;

/// One row: an entry, or several of one dedupe key.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The first of them, with its time as last corrected.
    pub entry: Entry,
    /// How many.
    pub count: u32,
    /// When the last of them happened.
    pub last: World,
    /// Whether it belongs to the curated timeline: pinned or important by its kind.
    pub key: bool,
}

/// Merges entries of any order into rows by the time they occurred.
pub fn timeline(entries: &[Entry]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut open: HashMap<(EntryKind, Safe), usize> = HashMap::new();
    let ended: HashSet<&PlanId> = entries
        .iter()
        .filter_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { plan, .. }) => Some(plan),
            _ => None,
        })
        .collect();
    for entry in corrected(entries) {
        let at = entry.occurred_at;
        // An intent is told by its outcome; without one it is all that is known.
        let open_intent = matches!(&entry.draft.body, Some(Body::Intent(plan)) if !ended.contains(&plan.id));
        let key = entry.draft.pinned || open_intent || is_key(entry.draft.kind);
        if let Some(dedupe) = entry.draft.dedupe.clone() {
            let slot = (entry.draft.kind, dedupe);
            if let Some(row) = open.get(&slot).and_then(|place| rows.get_mut(*place))
                && at - row.last <= TimeDelta::minutes(FOLD)
            {
                row.count = row.count.saturating_add(1);
                row.last = at;
                row.key |= key;
                continue;
            }
            open.insert(slot, rows.len());
        }
        rows.push(Row { entry, count: 1, last: at, key });
    }
    rows
}

/// The entries with their times as last corrected, by time, then by id. The corrections are
/// still among them.
pub(crate) fn corrected(entries: &[Entry]) -> Vec<Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut times: HashMap<&EntryId, World> = HashMap::new();
    for entry in &sorted {
        if let Some(Body::Correction { of, occurred_at }) = &entry.draft.body {
            times.insert(of, *occurred_at);
        }
    }
    let right = |entry: &Entry| Entry {
        occurred_at: times.get(&entry.id).copied().unwrap_or(entry.occurred_at),
        ..entry.clone()
    };
    let mut entries: Vec<Entry> = sorted.into_iter().map(right).collect();
    // Stable: entries of one moment stay in the order of their ids.
    entries.sort_by_key(|entry| entry.occurred_at);
    entries
}

/// Whether entries of this kind belong to the curated timeline.
pub fn is_key(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Opened
        | EntryKind::Closed
        | EntryKind::AlertFiring
        | EntryKind::AlertResolved
        | EntryKind::Claimed
        | EntryKind::Breach
        | EntryKind::Recovered
        | EntryKind::CrashLoop
        | EntryKind::OomKilled
        | EntryKind::NodeTrouble
        | EntryKind::NodeRecovered
        | EntryKind::Rollout
        | EntryKind::Rescaled
        | EntryKind::ErrorBurst
        | EntryKind::ErrorBurstEnded
        | EntryKind::SourceLost
        | EntryKind::SourceFound
        | EntryKind::Note
        | EntryKind::Phase
        | EntryKind::Severity
        | EntryKind::Milestone
        | EntryKind::Outcome
        | EntryKind::Ran
        | EntryKind::Asked
        | EntryKind::ConsentAsked
        | EntryKind::Consented
        | EntryKind::BreakGlass
        | EntryKind::Owned
        | EntryKind::Undone
        | EntryKind::Answered
        | EntryKind::Update => true,
        // An intent is told by its outcome, see `timeline`; the rest is the journal's own
        // business or too much.
        EntryKind::Started
        | EntryKind::Sealed
        | EntryKind::AlertSuppressed
        | EntryKind::Unschedulable
        | EntryKind::WarningEvent
        | EntryKind::Gap
        | EntryKind::Intent
        | EntryKind::WriteWindow
        | EntryKind::Exported
        | EntryKind::Correction => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{at, entry};

    fn minutes(rows: &[Row]) -> Vec<(u32, u32)> {
        rows.iter().map(|row| (row.entry.occurred_at.timestamp() as u32 / 60 % 60, row.count)).collect()
    }

    #[test]
    fn writers_are_merged_by_the_time_things_happened() {
        let entries = [
            entry("03", EntryKind::Claimed, at(16, 0), "ana claims"),
            entry("01", EntryKind::Rollout, at(4, 0), "payments 2.9.0"),
            entry("02", EntryKind::AlertFiring, at(12, 0), "cpu"),
        ];
        let rows = timeline(&entries);
        assert_eq!(minutes(&rows), [(4, 1), (12, 1), (16, 1)]);
    }

    #[test]
    fn the_same_thing_again_within_ten_minutes_is_one_row_with_a_count() {
        let again = |id: &str, minute| {
            let mut entry = entry(id, EntryKind::CrashLoop, at(minute, 0), "x2k crashes");
            entry.draft.dedupe = Some(Safe::from("crash/x2k"));
            entry
        };
        let rows = timeline(&[again("1", 2), again("2", 9), again("3", 19), again("4", 40)]);
        assert_eq!(minutes(&rows), [(2, 3), (40, 1)]);
        assert_eq!(rows[0].last, at(19, 0));
    }

    #[test]
    fn a_correction_moves_a_row_and_both_stay() {
        let mut fix = entry("9", EntryKind::Correction, at(30, 0), "it was 03:02");
        fix.draft.body = Some(Body::Correction { of: EntryId(Safe::from("1")), occurred_at: at(2, 0) });
        let rows = timeline(&[
            entry("1", EntryKind::Note, at(20, 0), "partner told us"),
            entry("2", EntryKind::AlertFiring, at(12, 0), "cpu"),
            fix,
        ]);
        assert_eq!(minutes(&rows), [(2, 1), (12, 1), (30, 1)]);
        assert_eq!(rows[0].entry.draft.title, "partner told us");
        assert!(!rows[2].key);
    }

    #[test]
    fn an_intent_is_key_only_while_nobody_knows_how_it_ended() {
        let mut intent = entry("1", EntryKind::Intent, at(1, 0), "about to scale");
        intent.draft.body = Some(Body::Intent(Box::new(crate::record::testing::plan("p1", "kubectl scale"))));
        assert!(timeline(std::slice::from_ref(&intent))[0].key);
        let mut outcome = entry("2", EntryKind::Outcome, at(2, 0), "verified");
        let why = Safe::fixed("not seen");
        outcome.draft.body = Some(Body::Outcome {
            plan: PlanId(Safe::fixed("p1")),
            outcome: crate::model::plan::Outcome::Unknown { why },
        });
        let keys: Vec<_> = timeline(&[intent, outcome]).iter().map(|row| row.key).collect();
        assert_eq!(keys, [false, true]);
    }

    #[test]
    fn a_pinned_entry_is_key_whatever_its_kind() {
        let mut event = entry("1", EntryKind::WarningEvent, at(1, 0), "FailedScheduling");
        assert!(!timeline(std::slice::from_ref(&event))[0].key);
        event.draft.pinned = true;
        assert!(timeline(&[event])[0].key);
    }
}
