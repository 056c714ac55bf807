//! The timeline in plain words: what a stakeholder would tell others, and nothing else.

use std::collections::BTreeSet;

use crate::model::entry::{Body, Entry, EntryKind, Phase};
use crate::model::name::ServiceName;
use crate::report::words::who;

use super::pains::{Pain, pain};
use super::{Facts, Moment, actions, sentence};

/// What was told already and is not told twice.
#[derive(Default)]
struct Told<'a> {
    claimed: bool,
    opened: bool,
    alerted: BTreeSet<&'a ServiceName>,
    /// Services and the pains that users feel of them now.
    hurt: BTreeSet<(&'a ServiceName, Pain)>,
}

pub(super) fn moments(facts: &Facts<'_>) -> Vec<Moment> {
    let hurt: BTreeSet<_> = facts.record.services().into_iter().collect();
    let mut told = Told::default();
    let mut moments: Vec<Moment> = Vec::new();
    for entry in &facts.entries {
        let Some(text) = words(facts, entry, &hurt, &mut told) else { continue };
        let when = entry.occurred_at;
        let moment = Moment { when, at: sentence(facts.time(when)), text: sentence(text) };
        if moments.last().is_none_or(|last| (&last.at, &last.text) != (&moment.at, &moment.text)) {
            moments.push(moment);
        }
    }
    moments
}

fn words<'a>(facts: &Facts<'_>, entry: &'a Entry, hurt: &BTreeSet<ServiceName>, told: &mut Told<'a>) -> Option<String> {
    let service = entry.draft.service.as_ref();
    let name = service.map(|service| facts.called(service));
    match (entry.draft.kind, &entry.draft.body) {
        (EntryKind::Opened, _) => {
            let first = !std::mem::replace(&mut told.opened, true);
            Some(if first { "The team declared an incident.".into() } else { "The incident got a new title.".into() })
        }
        (EntryKind::Closed, _) => Some("The team closed the incident.".into()),
        (EntryKind::Claimed, _) => {
            (!std::mem::replace(&mut told.claimed, true)).then(|| "A responder took it on.".into())
        }
        (EntryKind::AlertFiring, _) => {
            told.alerted.insert(service?).then_some(())?;
            Some(format!("Monitoring noticed trouble with {}.", name?))
        }
        (EntryKind::Breach, _) => {
            let pain = pain(&entry.draft.subject, facts.unit(&entry.draft.subject));
            told.hurt.insert((service?, pain)).then_some(())?;
            match pain {
                Pain::Fails => Some(format!("Attempts at {} began to fail.", name?)),
                Pain::Slow => Some(format!("{} became slow.", name?)),
                Pain::Hidden => None,
            }
        }
        (EntryKind::Recovered, _) => {
            let pain = pain(&entry.draft.subject, facts.unit(&entry.draft.subject));
            told.hurt.remove(&(service?, pain)).then_some(())?;
            match pain {
                Pain::Fails => Some(format!("Attempts at {} succeed again.", name?)),
                Pain::Slow => Some(format!("{} is as fast as usual again.", name?)),
                Pain::Hidden => None,
            }
        }
        (EntryKind::Rollout, _) if service.is_some_and(|service| hurt.contains(service)) => {
            Some(format!("A new version of {} was released.", name?))
        }
        (EntryKind::Asked, _) => Some(format!("The team asked {} for help.", entry.draft.subject)),
        (_, Some(Body::Phase(phase))) => match phase {
            Phase::Investigating => None,
            Phase::Mitigating => Some("The team began to ease the impact.".into()),
            Phase::Monitoring => Some("The team began to watch whether the remedy holds.".into()),
            Phase::Resolved => Some("The team said that it is over.".into()),
        },
        (_, Some(Body::Severity(severity))) => Some(format!("The severity was set to {}.", severity.level())),
        (_, Some(Body::Update { .. })) => {
            let by = who(&entry.draft.actor);
            Some(if by.is_empty() { entry.draft.title.to_string() } else { format!("{by}: {}", entry.draft.title) })
        }
        (EntryKind::ConsentAsked, _) => Some("The team asked a second person about a change that needs one.".into()),
        (EntryKind::Consented, _) => Some("A second person agreed to it.".into()),
        (EntryKind::BreakGlass, _) => Some("The team went ahead with it without a second person.".into()),
        (EntryKind::Owned, Some(Body::Owned { owner, .. })) => {
            Some(format!("{owner} sees to a temporary change that stays for now."))
        }
        (EntryKind::Undone, _) => Some("A temporary change was taken back later.".into()),
        (_, Some(Body::Outcome { .. })) => Some(format!("{}.", actions::effect(facts, entry)?)),
        _ => None,
    }
}
