//! What users feel, as far as the services' signals and alerts tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind};
use crate::model::name::ServiceName;
use crate::model::service::Unit;
use crate::record::Alerts;
use crate::report::words::length;
use crate::text::Safe;

use super::{CURRENT, Facts, sentence};

/// How a signal is felt by users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pain {
    /// A share of their attempts fails.
    Fails,
    /// They wait.
    Slow,
    /// Nothing that they would notice by itself: the use of a CPU, refusals by a partner.
    Hidden,
}

/// How a signal is felt, by its unit and name: shares of what fails are named for it.
pub(super) fn pain(subject: &str, unit: Unit) -> Pain {
    let signal = subject.rsplit(' ').next().unwrap_or_default().to_ascii_lowercase();
    match unit {
        Unit::Ratio if ["err", "fail"].iter().any(|word| signal.contains(word)) => Pain::Fails,
        Unit::Seconds => Pain::Slow,
        _ => Pain::Hidden,
    }
}

impl Facts<'_> {
    /// The value of a signal's track in the minutes before `at`.
    pub(super) fn value(&self, track: &str, at: World) -> Option<f64> {
        let samples = self.record.tracks.iter().rev();
        let sample = samples
            .filter(|sample| sample.track == *track && sample.at <= at && at - sample.at <= CURRENT)
            .find_map(|sample| *sample.values.get("value")?)?;
        sample.is_finite().then_some(sample)
    }

    pub(super) fn unit(&self, track: &str) -> Unit {
        let sample = self.record.tracks.iter().find(|sample| sample.track == *track);
        sample.map_or(Unit::Count, |sample| sample.unit)
    }

    /// `about 7 of 100 attempts fail`, `answers take 4.1 s`; nothing for what users do not feel.
    pub(super) fn felt(&self, track: &str, at: World) -> Option<String> {
        let unit = self.unit(track);
        let value = self.value(track, at);
        match (pain(track, unit), value) {
            (Pain::Fails, Some(share)) => Some(format!("{} attempts fail", of_hundred(share))),
            (Pain::Fails, None) => Some("attempts fail".into()),
            (Pain::Slow, Some(seconds)) => Some(format!("answers take {}", unit.write(seconds))),
            (Pain::Slow, None) => Some("answers are slow".into()),
            (Pain::Hidden, _) => None,
        }
    }
}

/// `about 7 of 100`, `about 4 of 1,000`, `nearly all`.
pub(super) fn of_hundred(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    // Rounded and at most 1,000: the casts lose nothing that shows.
    match share {
        0.995.. => "nearly all".into(),
        0.0095.. => format!("about {} of 100", (share * 100.0).round() as u32),
        0.0005.. => format!("about {} of 1,000", (share * 1000.0).round() as u32),
        _ => "fewer than 1 of 1,000".into(),
    }
}

/// The signals and alerts of one service that are in trouble now, and how long it lasted before.
#[derive(Debug, Default)]
struct Trouble<'a> {
    breaches: BTreeMap<&'a Safe, World>,
    /// Those of them that users feel.
    felt: BTreeSet<&'a Safe>,
    /// By their numbers in the record.
    alerts: BTreeMap<usize, World>,
    /// From when to when it was last in trouble that users felt, if that is over.
    over: Option<(World, World)>,
    felt_since: Option<World>,
}

impl<'a> Trouble<'a> {
    fn take(&mut self, entry: &'a Entry, alert: Option<usize>, felt: bool) {
        let (subject, at) = (&entry.draft.subject, entry.occurred_at);
        match entry.draft.kind {
            EntryKind::Breach => {
                self.breaches.entry(subject).or_insert(at);
                if felt {
                    self.felt.insert(subject);
                    self.felt_since = Some(self.felt_since.map_or(at, |since| since.min(at)));
                }
            }
            EntryKind::Recovered => {
                self.breaches.remove(subject);
                self.felt.remove(subject);
            }
            EntryKind::AlertFiring => {
                alert.map(|alert| self.alerts.entry(alert).or_insert(at));
            }
            EntryKind::AlertResolved => {
                alert.and_then(|alert| self.alerts.remove(&alert));
            }
            _ => {}
        }
        if self.felt.is_empty()
            && let Some(since) = self.felt_since.take()
        {
            self.over = Some((since, at));
        }
    }
}

pub(super) fn affected(facts: &Facts<'_>) -> Vec<Safe> {
    let alerts = Alerts::of_entries(&facts.entries);
    let mut troubles: Vec<(&ServiceName, Trouble<'_>)> = Vec::new();
    for entry in &facts.entries {
        let Some(service) = &entry.draft.service else { continue };
        let at = troubles.iter().position(|(known, _)| *known == service).unwrap_or_else(|| {
            troubles.push((service, Trouble::default()));
            troubles.len() - 1
        });
        let felt = entry.draft.kind == EntryKind::Breach
            && pain(&entry.draft.subject, facts.unit(&entry.draft.subject)) != Pain::Hidden;
        if let Some((_, trouble)) = troubles.get_mut(at) {
            trouble.take(entry, alerts.id(&entry.draft), felt);
        }
    }
    let lines: Vec<_> = troubles.iter().filter_map(|(service, trouble)| line(facts, service, trouble)).collect();
    if lines.is_empty() { vec![Safe::fixed("Nothing that users would feel is known.")] } else { lines }
}

fn line(facts: &Facts<'_>, service: &ServiceName, trouble: &Trouble<'_>) -> Option<Safe> {
    let name = facts.called(service);
    let since = |at: World| format!("since {}, {}", facts.time(at), length(facts.now - at));
    let mut felt: Vec<_> = trouble.breaches.keys().map(|track| (pain(track, facts.unit(track)), *track)).collect();
    felt.sort();
    let mut words: Vec<_> = felt.iter().filter_map(|(_, track)| facts.felt(track, facts.now)).collect();
    words.dedup();
    if let Some(at) = trouble.felt_since
        && !words.is_empty()
    {
        return Some(sentence(format!("{name}: {}, {}.", words.join("; "), since(at))));
    }
    // Whatever is over: nothing is normal while something is wrong.
    if let Some(first) = trouble.alerts.values().chain(trouble.breaches.values()).min() {
        return Some(sentence(format!("{name}: monitoring reports trouble, {}.", since(*first))));
    }
    let (from, to) = trouble.over?;
    Some(sentence(format!("{name}: back to normal since {}, after {}.", facts.time(to), length(to - from))))
}
