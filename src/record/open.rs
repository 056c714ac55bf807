//! Changes that were begun and of which no end is told: what a successor has to look into.
//!
//! Owns: which intents are open, by entries alone. Must not: read a system.

use std::collections::HashSet;

use crate::clock::World;
use crate::model::entry::{Body, Entry};
use crate::model::name::IncidentId;
use crate::model::plan::{Plan, PlanId};
use crate::text::Safe;

/// Which record holds an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An incident's.
    Incident(IncidentId),
    /// The rolling journal of this name: nobody had declared an incident.
    Rolling(Safe),
}

impl Holder {
    /// The incident, if it is one's.
    pub fn incident(&self) -> Option<&IncidentId> {
        match self {
            Self::Incident(id) => Some(id),
            Self::Rolling(_) => None,
        }
    }
}

/// An intent without an outcome, of a process that is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenIntent {
    /// What was about to be done.
    pub plan: Plan,
    /// When.
    pub at: World,
    /// The record that holds it.
    pub held: Holder,
    /// What its entry tells beside: what users felt then, and who let it.
    pub begun: Option<Safe>,
}

impl OpenIntent {
    /// The open intent of an entry that `held` holds.
    pub fn of(entry: &Entry, plan: &Plan, held: Holder) -> Self {
        Self { plan: plan.clone(), at: entry.occurred_at, held, begun: entry.draft.detail.clone() }
    }

    /// `scale Deployment payments in prod-eu: replicas 6 → 12, begun 2026-11-21 03:12Z`.
    pub fn words(&self) -> String {
        begun(&self.plan, self.at)
    }
}

/// `scale Deployment payments in prod-eu: replicas 6 → 12, begun 2026-11-21 03:12Z`.
pub fn begun(plan: &Plan, at: World) -> String {
    let env = &plan.target.origin.env;
    format!("{} in {env}: {}, begun {}", plan.title, plan.changed(), at.format("%Y-%m-%d %H:%MZ"))
}

/// The plans of which `entries` tell an outcome.
pub(super) fn settled(entries: &[Entry]) -> HashSet<&PlanId> {
    entries
        .iter()
        .filter_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { plan, .. }) => Some(plan),
            _ => None,
        })
        .collect()
}

/// The intents of `entries` without an outcome there, in their order, each plan once.
pub fn open_intents(entries: &[Entry]) -> Vec<(&Entry, &Plan)> {
    let settled = settled(entries);
    let mut open: Vec<(&Entry, &Plan)> = Vec::new();
    for entry in entries {
        let Some(Body::Intent(plan)) = &entry.draft.body else { continue };
        if !settled.contains(&plan.id) && !open.iter().any(|(_, other)| other.id == plan.id) {
            open.push((entry, plan));
        }
    }
    open
}

/// What settles an open intent of an environment, as a sentence.
pub fn how_to_settle(env: impl std::fmt::Display) -> String {
    format!(
        "A session that may write settles it at its start, by reading the system: `warroom --env {env}`, where the \
         configuration says write = \"ask\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::EntryKind;
    use crate::model::plan::Outcome;
    use crate::record::testing::{at, entry, plan};

    #[test]
    fn an_intent_is_open_until_any_outcome_of_it_is_told() {
        let mut intent = entry("1", EntryKind::Intent, at(1, 0), "about to");
        intent.draft.body = Some(Body::Intent(Box::new(plan("p1", "kubectl"))));
        let carried = Entry { id: crate::model::entry::EntryId("2".into()), ..intent.clone() };
        let entries = [intent.clone(), carried];
        let open = open_intents(&entries);
        let [(first, told)] = open[..] else { panic!("{open:?}") };
        assert_eq!(first.id, intent.id, "what was carried is told once");
        assert_eq!(
            begun(told, first.occurred_at),
            "scale Deployment payments in drill: replicas 6 → 12, begun 2026-11-21 03:01Z"
        );
        let mut ended = entry("3", EntryKind::Outcome, at(2, 0), "ended");
        let outcome = Outcome::Unknown { why: "not seen".into() };
        ended.draft.body = Some(Body::Outcome { plan: told.id.clone(), outcome });
        assert!(open_intents(&[intent, ended]).is_empty());
    }
}
