//! Milestones and durations, proposed from the entries.
//!
//! The rules are those of PagerDuty's, FireHydrant's and Rootly's figures with their known flaws
//! mended: each figure prints its formula, a proposal is marked as one until a person confirms
//! it, and what is not known is unknown, never zero.

use std::collections::HashSet;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{ActorKind, Body, Entry, EntryId, EntryKind, MilestoneName, Phase};
use crate::text::Safe;

use super::alerts::Alerts;
use super::timeline::corrected;

/// Trouble that was over for longer than this before the incident was noticed is another matter.
const APART: i64 = 30;
/// An alert that fired for longer than this before the response began, and that nobody claimed,
/// always fires: a dead man's switch, a warning that nobody minds.
const STANDING: i64 = 60;

/// One milestone.
#[derive(Clone, Debug, PartialEq)]
pub struct Milestone {
    /// Which.
    pub name: MilestoneName,
    /// When, if it can be told.
    pub at: Option<World>,
    /// Whether a person confirmed it.
    pub confirmed: bool,
    /// The entry it rests on.
    pub entry: Option<EntryId>,
    /// The rule that proposed it, in words.
    pub formula: Safe,
}

/// One duration between two milestones; unknown if one of them is.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// Such as `time to detect`.
    pub name: Safe,
    /// Such as `impact start → detected`.
    pub formula: Safe,
    /// The length.
    pub length: Option<TimeDelta>,
}

/// All milestones and durations of an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Milestones {
    /// In their usual order, known or not.
    pub milestones: Vec<Milestone>,
    /// Detect, acknowledge, mitigate, resolve.
    pub durations: Vec<Duration>,
}

impl Milestones {
    /// One milestone's time.
    pub fn at(&self, name: MilestoneName) -> Option<World> {
        self.get(name)?.at
    }

    /// One milestone.
    pub fn get(&self, name: MilestoneName) -> Option<&Milestone> {
        self.milestones.iter().find(|milestone| milestone.name == name)
    }
}

/// Proposes milestones from entries in any order; confirmations among them win.
pub fn milestones(entries: &[Entry]) -> Milestones {
    let entries = corrected(entries);
    let alerts = Alerts::of_entries(&entries);
    let detected = detected(&entries, &alerts);
    let milestones = MilestoneName::ALL.map(|name| {
        let (found, formula) = match name {
            MilestoneName::ImpactStart => (
                impact_start(&entries, &alerts, detected),
                "the first threshold breach, error burst or alert, leaving out what was over more than 30 min before \
                 detection and alerts that nobody claimed and that had fired for more than an hour",
            ),
            MilestoneName::Detected => {
                (detected, "the first alert that fired, leaving out those that nobody claimed and that had fired for more than an hour")
            }
            MilestoneName::Acknowledged => (
                acknowledged(&entries, detected),
                "the first claim, note, action or declaration of a person after detection",
            ),
            MilestoneName::Mitigated => {
                (mitigated(&entries), "the last breached signal was back under its threshold and stayed there")
            }
            MilestoneName::Resolved => {
                (resolved(&entries, &alerts), "a person set the phase to resolved with the claimed alerts clear, or closed the incident")
            }
        };
        proposed_or_confirmed(&entries, name, found, formula)
    });
    let mut all = Milestones { milestones: milestones.into(), durations: Vec::new() };
    use MilestoneName::{Acknowledged, Detected, ImpactStart, Mitigated, Resolved};
    all.durations = [
        ("time to detect", "impact start → detected", ImpactStart, Detected),
        ("time to acknowledge", "detected → acknowledged", Detected, Acknowledged),
        ("time to mitigate", "impact start → mitigated", ImpactStart, Mitigated),
        ("time to resolve", "impact start → resolved", ImpactStart, Resolved),
    ]
    .map(|(name, formula, from, to)| Duration {
        name: Safe::fixed(name),
        formula: Safe::fixed(formula),
        // Milestones in the wrong order tell nothing of a length.
        length: all.at(from).zip(all.at(to)).map(|(from, to)| to - from).filter(|length| *length >= TimeDelta::zero()),
    })
    .into();
    all
}

fn proposed_or_confirmed(
    entries: &[Entry],
    name: MilestoneName,
    proposed: Option<&Entry>,
    formula: &'static str,
) -> Milestone {
    let said = entries
        .iter()
        .filter_map(|entry| match entry.draft.body {
            Some(Body::Milestone { name: of, at }) if of == name => Some((entry, at)),
            _ => None,
        })
        .max_by(|a, b| a.0.id.cmp(&b.0.id));
    match said {
        Some((entry, Some(at))) => Milestone {
            name,
            at: Some(at),
            confirmed: true,
            entry: Some(entry.id.clone()),
            formula: Safe::from(format!("confirmed by {}; the rule is: {formula}", entry.draft.actor.name)),
        },
        _ => Milestone {
            name,
            at: proposed.map(|entry| entry.occurred_at),
            confirmed: false,
            entry: proposed.map(|entry| entry.id.clone()),
            formula: Safe::fixed(formula),
        },
    }
}

/// The first alert that fired, leaving out those that were long over when the response began.
fn detected<'a>(entries: &'a [Entry], alerts: &Alerts<'_>) -> Option<&'a Entry> {
    let response = response(entries);
    starts(entries, alerts)
        .find(|(place, entry)| {
            entry.draft.kind == EntryKind::AlertFiring
                && response.is_none_or(|began| !over_before(entries, alerts, *place, began))
        })
        .map(|(_, entry)| entry)
}

fn impact_start<'a>(entries: &'a [Entry], alerts: &Alerts<'_>, detected: Option<&Entry>) -> Option<&'a Entry> {
    starts(entries, alerts)
        .find(|(place, _)| detected.is_none_or(|detected| !over_before(entries, alerts, *place, detected.occurred_at)))
        .map(|(_, entry)| entry)
}

/// When people began to respond.
fn response(entries: &[Entry]) -> Option<World> {
    let began = |entry: &&Entry| matches!(entry.draft.kind, EntryKind::Opened | EntryKind::Claimed);
    entries.iter().find(began).map(|entry| entry.occurred_at)
}

/// The alerts that people took on.
fn claimed(entries: &[Entry], alerts: &Alerts<'_>) -> HashSet<usize> {
    let claims = entries.iter().filter(|entry| entry.draft.kind == EntryKind::Claimed);
    claims.filter_map(|entry| alerts.id(&entry.draft)).collect()
}

/// Entries that tell that something went wrong, with their places.
fn starts<'a>(entries: &'a [Entry], alerts: &Alerts<'_>) -> impl Iterator<Item = (usize, &'a Entry)> {
    let claimed = claimed(entries, alerts);
    let began = response(entries).or_else(|| entries.iter().map(|entry| entry.observed_at).max());
    let standing = move |entry: &Entry| {
        entry.draft.kind == EntryKind::AlertFiring
            && began.is_some_and(|began| entry.occurred_at < began - TimeDelta::minutes(STANDING))
            && alerts.id(&entry.draft).is_none_or(|alert| !claimed.contains(&alert))
    };
    entries.iter().enumerate().filter(move |(_, entry)| {
        matches!(entry.draft.kind, EntryKind::Breach | EntryKind::ErrorBurst | EntryKind::AlertFiring)
            && !standing(entry)
    })
}

/// Whether what started at `place` was over more than [`APART`] minutes before `moment`.
fn over_before(entries: &[Entry], alerts: &Alerts<'_>, place: usize, moment: World) -> bool {
    let Some(start) = entries.get(place) else { return false };
    let Some(end) = start.draft.kind.ended_by() else { return false };
    let alert = alerts.id(&start.draft);
    let same = |entry: &Entry| match alert {
        Some(_) => alerts.id(&entry.draft) == alert,
        None => same_thing(entry, start),
    };
    entries
        .iter()
        .skip(place)
        .find(|entry| entry.draft.kind == end && same(entry))
        .is_some_and(|entry| entry.occurred_at < moment - TimeDelta::minutes(APART))
}

fn same_thing(a: &Entry, b: &Entry) -> bool {
    a.draft.subject == b.draft.subject && a.draft.service == b.draft.service
}

fn acknowledged<'a>(entries: &'a [Entry], detected: Option<&Entry>) -> Option<&'a Entry> {
    let from = detected?.occurred_at;
    let response = |entry: &&Entry| {
        entry.draft.kind == EntryKind::Claimed
            || (entry.draft.actor.kind == ActorKind::Human
                && matches!(
                    entry.draft.kind,
                    EntryKind::Opened
                        | EntryKind::Intent
                        | EntryKind::Note
                        | EntryKind::Phase
                        | EntryKind::Severity
                        | EntryKind::WriteWindow
                        | EntryKind::Asked
                ))
    };
    entries.iter().filter(|entry| entry.occurred_at >= from).find(response)
}

/// The recovery after which no signal is in breach; none while one is.
fn mitigated(entries: &[Entry]) -> Option<&Entry> {
    let mut open: Vec<&Entry> = Vec::new();
    let mut last = None;
    for entry in entries {
        match entry.draft.kind {
            EntryKind::Breach if !open.iter().any(|known| same_thing(known, entry)) => open.push(entry),
            EntryKind::Recovered => {
                let before = open.len();
                open.retain(|known| !same_thing(known, entry));
                if before > 0 && open.is_empty() {
                    last = Some(entry);
                }
            }
            _ => {}
        }
    }
    last.filter(|_| open.is_empty())
}

/// The first word of a person that it is over, unless it was taken back later; once the claimed
/// alerts are clear, if they were not yet. Who closes an incident has the last word.
fn resolved<'a>(entries: &'a [Entry], alerts: &Alerts<'_>) -> Option<&'a Entry> {
    let claimed = claimed(entries, alerts);
    let mut firing: HashSet<usize> = HashSet::new();
    let (mut said, mut clear) = (None, None);
    for entry in entries {
        let human = entry.draft.actor.kind == ActorKind::Human;
        let alert = alerts.id(&entry.draft).filter(|alert| claimed.contains(alert));
        match (&entry.draft.body, entry.draft.kind) {
            (_, EntryKind::AlertFiring) => firing.extend(alert),
            (_, EntryKind::AlertResolved) if alert.is_some_and(|alert| firing.remove(&alert)) => clear = Some(entry),
            (_, EntryKind::Closed) if human => return said.filter(|_| firing.is_empty()).or(Some(entry)),
            (Some(Body::Phase(Phase::Resolved)), _) if human => said = said.or(Some(entry)),
            (Some(Body::Phase(_)), _) if human => said = None,
            _ => {}
        }
    }
    let said = said.filter(|_| firing.is_empty())?;
    Some(clear.filter(|clear: &&Entry| clear.occurred_at > said.occurred_at).unwrap_or(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{at, by, entry};

    fn about(id: &str, kind: EntryKind, minute: u32, subject: &str) -> Entry {
        let mut entry = entry(id, kind, at(minute, 0), subject);
        entry.draft.subject = Safe::from(subject);
        entry
    }

    fn phase(id: &str, minute: u32, phase: Phase) -> Entry {
        let mut entry = by("ana", entry(id, EntryKind::Phase, at(minute, 0), phase.as_str()));
        entry.draft.body = Some(Body::Phase(phase));
        entry
    }

    fn story() -> Vec<Entry> {
        vec![
            about("01", EntryKind::Rollout, 4, "payments"),
            about("02", EntryKind::Breach, 11, "payments errors"),
            about("03", EntryKind::AlertFiring, 12, "PaymentsCPUHigh"),
            about("04", EntryKind::Breach, 14, "checkout errors"),
            by("ana", about("05", EntryKind::Claimed, 16, "PaymentsCPUHigh")),
            about("06", EntryKind::Recovered, 30, "checkout errors"),
            about("07", EntryKind::Recovered, 41, "payments errors"),
            about("08", EntryKind::AlertResolved, 43, "PaymentsCPUHigh"),
            phase("09", 50, Phase::Resolved),
        ]
    }

    fn minute(all: &Milestones, name: MilestoneName) -> Option<i64> {
        all.at(name).map(|time| (time - at(0, 0)).num_minutes())
    }

    #[test]
    fn the_data_propose_every_milestone_and_say_why() {
        let all = milestones(&story());
        let times = MilestoneName::ALL.map(|name| minute(&all, name));
        assert_eq!(times, [Some(11), Some(12), Some(16), Some(41), Some(50)]);
        let lengths: Vec<_> = all.durations.iter().map(|d| d.length.map(|length| length.num_minutes())).collect();
        assert_eq!(lengths, [Some(1), Some(4), Some(30), Some(39)]);
        assert!(all.milestones.iter().all(|one| !one.confirmed && one.entry.is_some() && !one.formula.is_empty()));
    }

    #[test]
    fn the_order_in_which_entries_arrive_changes_nothing() {
        let mut shuffled = story();
        shuffled.reverse();
        assert_eq!(milestones(&shuffled), milestones(&story()));
    }

    #[test]
    fn nothing_known_is_unknown_and_never_zero() {
        let all = milestones(&[]);
        assert!(all.milestones.iter().all(|one| one.at.is_none()));
        assert!(all.durations.iter().all(|one| one.length.is_none()));
    }

    #[test]
    fn while_a_signal_is_in_breach_nothing_is_mitigated() {
        let mut entries = story();
        entries.push(about("10", EntryKind::Breach, 45, "checkout errors"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Mitigated), None);
        entries.push(about("11", EntryKind::Recovered, 48, "checkout errors"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Mitigated), Some(48));
    }

    #[test]
    fn trouble_that_was_long_over_before_detection_is_another_matter() {
        let early =
            [about("00a", EntryKind::ErrorBurst, 0, "mail"), about("00b", EntryKind::ErrorBurstEnded, 2, "mail")];
        let mut entries: Vec<_> = early.to_vec();
        entries.extend(story().into_iter().map(|mut entry| {
            entry.occurred_at += TimeDelta::minutes(60);
            entry
        }));
        assert_eq!(minute(&milestones(&entries), MilestoneName::ImpactStart), Some(71));
        // Twenty minutes before, it may well belong to it.
        for entry in &mut entries[..2] {
            entry.occurred_at += TimeDelta::minutes(50);
        }
        assert_eq!(minute(&milestones(&entries), MilestoneName::ImpactStart), Some(50));
    }

    #[test]
    fn a_confirmation_wins_until_it_is_taken_back() {
        let confirm = |id: &str, to: Option<World>| {
            let mut entry = by("ana", entry(id, EntryKind::Milestone, at(55, 0), "impact began earlier"));
            entry.draft.body = Some(Body::Milestone { name: MilestoneName::ImpactStart, at: to });
            entry
        };
        let mut entries = story();
        entries.push(confirm("20", Some(at(9, 0))));
        let all = milestones(&entries);
        assert_eq!(minute(&all, MilestoneName::ImpactStart), Some(9));
        assert!(all.get(MilestoneName::ImpactStart).is_some_and(|one| one.confirmed));
        assert_eq!(all.durations[0].length, Some(TimeDelta::minutes(3)));
        entries.push(confirm("21", None));
        assert_eq!(minute(&milestones(&entries), MilestoneName::ImpactStart), Some(11));
    }

    #[test]
    fn resolved_is_a_persons_word_and_can_be_taken_back() {
        let mut entries = story();
        entries.push(phase("10", 55, Phase::Mitigating));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), None);
        entries.push(by("ana", about("11", EntryKind::Closed, 58, "incident")));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), Some(58));
    }

    #[test]
    fn an_alert_that_always_fires_moves_nothing_unless_somebody_claimed_it() {
        let later = |mut entry: Entry| {
            entry.occurred_at += TimeDelta::minutes(90);
            entry.observed_at = entry.occurred_at;
            entry
        };
        let mut entries: Vec<_> = story().into_iter().map(later).collect();
        entries.push(about("00", EntryKind::AlertFiring, 1, "Watchdog"));
        let all = milestones(&entries);
        assert_eq!(minute(&all, MilestoneName::Detected), Some(90 + 12));
        assert_eq!(minute(&all, MilestoneName::ImpactStart), Some(90 + 11));
        entries.push(by("ana", about("10", EntryKind::Claimed, 107, "Watchdog")));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Detected), Some(1));
    }

    fn of(keys: &[&str], mut entry: Entry) -> Entry {
        entry.draft.body = Some(Body::Alert { keys: keys.iter().map(|key| Safe::from(*key)).collect() });
        entry
    }

    #[test]
    fn of_two_alerts_of_one_name_the_one_that_was_claimed_counts() {
        let fires = |id: &str, minute, key: &str| of(&[key], about(id, EntryKind::AlertFiring, minute, "NodeCPUHigh"));
        let clears =
            |id: &str, minute, key: &str| of(&[key], about(id, EntryKind::AlertResolved, minute, "NodeCPUHigh"));
        let mut entries = vec![
            fires("01", 10, "a"),
            fires("02", 12, "b"),
            by("ana", of(&["b"], about("03", EntryKind::Claimed, 16, "NodeCPUHigh"))),
            clears("04", 20, "a"),
            phase("05", 30, Phase::Resolved),
        ];
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), None, "the claimed one fires");
        entries.push(clears("06", 40, "b"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), Some(40));
        // That the other had been over for long, or always fires, is another matter.
        let later = entries.iter().cloned().map(|mut entry| {
            if entry.draft.alert_keys() != [Safe::from("a")] {
                entry.occurred_at += TimeDelta::minutes(80);
                entry.observed_at = entry.occurred_at;
            }
            entry
        });
        let later: Vec<_> = later.collect();
        assert_eq!(minute(&milestones(&later), MilestoneName::Detected), Some(92));
        // A successor knows the claimed one by another source's key first.
        let joined = of(&["arn", "b"], about("06", EntryKind::AlertResolved, 40, "NodeCPUHigh"));
        entries.pop();
        entries.push(joined);
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), Some(40));
    }

    #[test]
    fn resolved_waits_for_the_claimed_alerts_and_not_for_others() {
        let mut entries = story();
        entries.push(about("07a", EntryKind::AlertFiring, 42, "Watchdog"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), Some(50));
        entries.push(about("08a", EntryKind::AlertFiring, 48, "PaymentsCPUHigh"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), None);
        entries.push(about("10", EntryKind::AlertResolved, 53, "PaymentsCPUHigh"));
        assert_eq!(minute(&milestones(&entries), MilestoneName::Resolved), Some(53));
        let mut bot = phase("09", 51, Phase::Resolved);
        bot.draft.actor.kind = ActorKind::Automation;
        assert_eq!(minute(&milestones(&[bot]), MilestoneName::Resolved), None, "not a person's word");
    }
}
