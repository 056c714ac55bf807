//! What a layer may do to the policies of the layers below it: a person's own layer adds policies
//! and tightens the team's, and neither removes nor loosens one.

use chrono::{NaiveTime, Timelike as _};

use crate::config::catalogue::matches;
use crate::config::layers::{Node, Value, merge};
use crate::config::policy::{Freeze, Policy, Rule};
use crate::config::problem::Problem;
use crate::config::section::{Problems, Section};
use crate::text::Safe;

/// Where `over` loosens a policy of `under`, with its place in `over`. A policy that cannot be read
/// is no matter of this: the reading of the whole says so.
pub(in crate::config) fn loosened(under: &Node, over: &Node) -> Vec<Problem> {
    let after = policies(&merge(under.clone(), over.clone()));
    policies(under)
        .iter()
        .filter_map(|old| {
            let new = after.iter().find(|new| new.name == old.name)?;
            let (key, what) = looser(old, new)?;
            let own = entry(over, &["policies", &old.name, key]).or_else(|| entry(over, &["policies", &old.name]))?;
            let team = entry(under, &["policies", &old.name])?;
            Some(own.problem(&format!(
                "the policy {} of {} is loosened here: {what}. A layer over it may add policies and tighten these: \
                 take this out, or have the policy itself changed",
                old.name,
                team.source.path.display()
            )))
        })
        .collect()
}

/// The policies of one tree, as far as they can be read.
fn policies(root: &Node) -> Vec<Policy> {
    let problems = Problems::default();
    let top = Section::of(root, "", &problems);
    top.and_then(|top| top.section("policies")).map(|all| super::policy::all(&all).0).unwrap_or_default()
}

/// Where a key stands.
fn entry<'a>(root: &'a Node, path: &[&str]) -> Option<&'a crate::config::layers::At> {
    let (first, rest) = path.split_first()?;
    let Value::Table(table) = &root.value else { return None };
    let found = table.get(*first)?;
    if rest.is_empty() { Some(&found.key) } else { entry(&found.node, rest) }
}

/// The key by which `new` says less than `old`, and how.
fn looser(old: &Policy, new: &Policy) -> Option<(&'static str, String)> {
    let texts: [(&'static str, &[Safe], &[Safe]); 4] = [
        ("environments", &old.environments, &new.environments),
        ("targets", &old.targets, &new.targets),
        ("actions", &old.actions, &new.actions),
        ("services", &old.services, &new.services),
    ];
    let fewer = texts.into_iter().find(|(_, old, new)| !covers(old, new, |old, new| matches(new, old)));
    let key = fewer.map(|(key, ..)| key);
    let key = key.or_else(|| (!covers(&old.kinds, &new.kinds, PartialEq::eq)).then_some("kinds"));
    let key = key.or_else(|| (!covers(&old.tiers, &new.tiers, PartialEq::eq)).then_some("tiers"));
    match key {
        Some(key) => Some((key, format!("its {key} leave out plans that it is about"))),
        None => weaker(&old.rule, &new.rule),
    }
}

/// Whether `new` is about all that `old` is about. An empty list is about everything.
fn covers<T>(old: &[T], new: &[T], one: impl Fn(&T, &T) -> bool) -> bool {
    new.is_empty() || (!old.is_empty() && old.iter().all(|old| new.iter().any(|new| one(old, new))))
}

fn weaker(old: &Rule, new: &Rule) -> Option<(&'static str, String)> {
    match (old, new) {
        (_, Rule::Deny) | (Rule::SecondPerson, Rule::SecondPerson) => None,
        (Rule::LeastReady(old), Rule::LeastReady(new)) => {
            (new < old).then(|| ("ready", format!("{new} are fewer than {old}")))
        }
        (Rule::MostTimes(old), Rule::MostTimes(new)) => {
            (new > old).then(|| ("times", format!("{new} times are more than {old}")))
        }
        (Rule::Freeze(old), Rule::Freeze(new)) => {
            shorter(old, new).map(|key| (key, "it does not cover all the time that it covered".to_owned()))
        }
        _ => Some(("effect", "its effect is another one, and only \"deny\" is stricter than any".to_owned())),
    }
}

/// The key by which `new` leaves out a time of `old`.
fn shorter(old: &Freeze, new: &Freeze) -> Option<&'static str> {
    match (old, new) {
        (Freeze::Once { from, to }, Freeze::Once { from: earlier, to: later }) => {
            if earlier > from {
                Some("from")
            } else {
                (later < to).then_some("to")
            }
        }
        (
            Freeze::Weekly { days, from, to, zone },
            Freeze::Weekly { days: more, from: earlier, to: later, zone: here },
        ) => {
            if zone != here {
                Some("zone")
            } else if !days.iter().all(|day| more.contains(day)) {
                Some("days")
            } else if earlier > from {
                Some("from")
            } else {
                (end(*earlier, *later) < end(*from, *to)).then_some("to")
            }
        }
        (Freeze::Once { .. }, Freeze::Weekly { .. }) | (Freeze::Weekly { .. }, Freeze::Once { .. }) => Some("from"),
    }
}

/// When a freeze of a day ends, in seconds from the start of that day.
fn end(from: NaiveTime, to: NaiveTime) -> u32 {
    let next_day = if to <= from { 24 * 60 * 60 } else { 0 };
    to.num_seconds_from_midnight() + next_day
}
