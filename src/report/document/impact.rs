//! What users felt, as far as signals tell, and the charts.

use std::cmp::Ordering;

use chrono::TimeDelta;
use serde::Serialize;

use crate::clock::World;
use crate::model::entry::EntryKind;
use crate::model::service::{Side, Unit};
use crate::model::track::TrackSample;
use crate::report::words::{length, trend};
use crate::text::Safe;

use super::Facts;

/// Charts begin and end so many minutes around the incident.
const AROUND: i64 = 15;

/// The impact.
#[derive(Debug, Serialize)]
pub(super) struct Impact {
    window: String,
    breaches: Vec<Breach>,
}

/// One signal in breach, once.
#[derive(Debug, Serialize)]
struct Breach {
    signal: String,
    from: String,
    to: String,
    lasted: String,
    /// The worst value by the tracks, with the limit.
    worst: String,
    trend: String,
}

/// One track over the incident.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    name: String,
    trend: String,
    low: String,
    high: String,
    last: String,
    limit: String,
    span: String,
}

pub(super) fn impact(facts: &Facts<'_>) -> Impact {
    let mut breaches: Vec<Breach> = Vec::new();
    let mut covered: Vec<(&Safe, World)> = Vec::new();
    for breach in facts.of(EntryKind::Breach) {
        let subject = &breach.draft.subject;
        let from = breach.occurred_at;
        // Told again while it lasts, by a second process or after a restart.
        if covered.iter().any(|(known, until)| *known == subject && from < *until) {
            continue;
        }
        let back = facts
            .of(EntryKind::Recovered)
            .find(|entry| entry.draft.subject == *subject && entry.occurred_at >= from)
            .map(|entry| entry.occurred_at);
        let to = back.or(facts.to).unwrap_or(from);
        covered.push((subject, back.unwrap_or(World::MAX_UTC)));
        let of = facts.record.tracks.iter().filter(|sample| sample.track == *subject);
        let (samples, well): (Vec<_>, Vec<_>) =
            of.partition(|sample| sample.at >= from - TimeDelta::minutes(1) && sample.at <= to);
        breaches.push(Breach {
            signal: subject.to_string(),
            from: facts.times.minute(from),
            to: back.map_or_else(|| "not recovered".into(), |at| facts.times.minute(at)),
            lasted: back.map_or_else(|| "unknown".into(), |at| length(at - from)),
            worst: worst(&samples, &well).unwrap_or_else(|| super::rows::headline(breach)),
            trend: trend(&samples.iter().map(|sample| main_value(sample)).collect::<Vec<_>>()),
        });
    }
    let window = match (facts.from, facts.at(crate::model::entry::MilestoneName::Mitigated)) {
        (Some(from), Some(to)) if to >= from => {
            format!("From {} to {}: {}.", facts.times.minute(from), facts.times.minute(to), length(to - from))
        }
        (Some(from), _) => format!("From {}; when it ended is not known.", facts.times.minute(from)),
        (None, _) => "Neither its start nor its end is known.".into(),
    };
    Impact { window, breaches }
}

/// The value of a signal; of a track with several, the first by name.
fn main_value(sample: &TrackSample) -> Option<f64> {
    *sample.values.get("value").or_else(|| sample.values.values().next())?
}

/// The worst value of a breach whose samples are `samples`, beside those of other times; none if
/// no sample fell into it: the tracks have one a minute, and a breach may be shorter.
fn worst(samples: &[&TrackSample], well: &[&TrackSample]) -> Option<String> {
    let sample = samples.first()?;
    let Some(limit) = sample.limit else {
        return bounds(values(samples)).map(|(_, high)| sample.unit.write(high));
    };
    let side = side(well, limit).or_else(|| side(samples, limit).map(other))?;
    let beyond = |value: &f64| if side == Side::Above { *value > limit } else { *value < limit };
    let (low, high) = bounds(values(samples).filter(beyond))?;
    let worst = if side == Side::Above { high } else { low };
    Some(format!("{} (limit {})", sample.unit.write(worst), sample.unit.write(limit)))
}

fn other(side: Side) -> Side {
    match side {
        Side::Above => Side::Below,
        Side::Below => Side::Above,
    }
}

fn values(samples: &[&TrackSample]) -> impl Iterator<Item = f64> {
    samples.iter().filter_map(|sample| main_value(sample)).filter(|value| value.is_finite())
}

/// On which side of the limit a signal is bad, by where it mostly is while it is well.
fn side(well: &[&TrackSample], limit: f64) -> Option<Side> {
    let (below, above) = values(well).fold((0_usize, 0_usize), |(below, above), value| {
        (below + usize::from(value < limit), above + usize::from(value > limit))
    });
    match below.cmp(&above) {
        Ordering::Greater => Some(Side::Above),
        Ordering::Less => Some(Side::Below),
        Ordering::Equal => None,
    }
}

fn bounds(mut values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let first = values.next()?;
    Some(values.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
}

/// One chart for each value of each track, from a while before the impact to a while after the
/// end: those that show the incident, and the others.
pub(super) fn charts(facts: &Facts<'_>) -> (Vec<Chart>, Vec<Chart>) {
    let around = TimeDelta::minutes(AROUND);
    let inside = |sample: &&TrackSample| {
        facts.from.is_none_or(|from| sample.at >= from - around) && facts.to.is_none_or(|to| sample.at <= to + around)
    };
    let samples: Vec<_> = facts.record.tracks.iter().filter(inside).collect();
    let mut names: Vec<(&Safe, &Safe)> = Vec::new();
    for sample in &samples {
        for key in sample.values.keys() {
            if !names.contains(&(&sample.track, key)) {
                names.push((&sample.track, key));
            }
        }
    }
    names.sort();
    let (shows, other): (Vec<_>, Vec<_>) = names.into_iter().partition(|(track, _)| shows(facts, &samples, track));
    let charts = |names: Vec<(&Safe, &Safe)>| {
        names.into_iter().filter_map(|(track, key)| chart(facts, &samples, track, key)).collect()
    };
    (charts(shows), charts(other))
}

/// Whether a track shows the incident: a signal that left its limit, the logs of a service that is
/// affected, replicas that changed.
fn shows(facts: &Facts<'_>, samples: &[&TrackSample], track: &Safe) -> bool {
    let mut of = samples.iter().filter(|sample| sample.track == *track).peekable();
    let Some(first) = of.peek().copied() else { return false };
    if track.starts_with("replicas ") {
        let known = |sample: &TrackSample| sample.values.values().all(Option::is_some);
        return of.filter(|sample| known(sample)).any(|sample| sample.values != first.values);
    }
    if track.starts_with("logs ") {
        return first.service.as_ref().is_some_and(|service| facts.record.services().contains(service));
    }
    facts.of(EntryKind::Breach).any(|breach| breach.draft.subject == *track)
}

fn chart(facts: &Facts<'_>, samples: &[&TrackSample], track: &Safe, key: &Safe) -> Option<Chart> {
    let of: Vec<_> =
        samples.iter().filter(|sample| sample.track == *track && sample.values.contains_key(key)).collect();
    let (first, last) = (of.first()?, of.last()?);
    let values: Vec<Option<f64>> = of.iter().map(|sample| sample.values.get(key).copied().flatten()).collect();
    let (low, high) = bounds(values.iter().flatten().copied().filter(|value| value.is_finite()))?;
    let unit: Unit = first.unit;
    let latest = values.iter().rev().find_map(|value| *value)?;
    Some(Chart {
        name: if *key == "value" { track.to_string() } else { format!("{track}, {key}") },
        trend: trend(&values),
        low: unit.write(low),
        high: unit.write(high),
        last: unit.write(latest),
        limit: last.limit.map(|limit| unit.write(limit)).unwrap_or_default(),
        span: format!("{}–{}", facts.times.minute(first.at), facts.times.minute(last.at)),
    })
}
