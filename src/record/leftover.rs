//! What is left over: changes for a time only that nobody has ended yet, from the record alone.

use std::collections::HashSet;

use crate::clock::World;
use crate::model::entry::{Body, Entry};
use crate::model::name::IncidentId;
use crate::model::plan::{Ends, Outcome, Plan, PlanId, Request};

/// Characters of a plan's identity that people type.
const HANDLE: usize = 4;

/// A change for a time only that is still on, as far as the record tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Leftover {
    /// The applied plan.
    pub plan: Plan,
    /// When it was applied.
    pub at: World,
    /// The incident whose record has it; `None` if none was declared then.
    pub incident: Option<IncidentId>,
}

impl Leftover {
    /// What people call it by: the end of its plan's identity, in lower case.
    pub fn handle(&self) -> String {
        let id = self.plan.id.0.to_lowercase();
        id.char_indices().rev().nth(HANDLE - 1).and_then(|(at, _)| id.get(at..)).unwrap_or(&id).to_owned()
    }

    /// `scale HPA payments: floor 2 → 6, ends by nobody`.
    pub fn words(&self) -> String {
        format!("{}: {}, ends {}", self.plan.title, self.plan.changed(), self.ends())
    }

    /// Who ends it: `by nobody`.
    pub fn ends(&self) -> String {
        match self.plan.ends {
            Ends::BySystem { at } => format!("by itself at {}", at.format("%Y-%m-%d %H:%MZ")),
            Ends::Reminder | Ends::Stays => "by nobody".to_owned(),
        }
    }

    /// Whether it is on at `now`.
    pub fn lasts(&self, now: World) -> bool {
        match self.plan.ends {
            Ends::Stays => false,
            Ends::BySystem { at } => at > now,
            Ends::Reminder => true,
        }
    }
}

/// Plans whose change was undone, or is owned by somebody.
pub(crate) fn seen_to(entries: &[Entry]) -> HashSet<PlanId> {
    let verified: HashSet<&PlanId> = entries
        .iter()
        .filter_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { plan, outcome }) if outcome.is_applied() => Some(plan),
            _ => None,
        })
        .collect();
    let seen = entries.iter().filter_map(|entry| match &entry.draft.body {
        Some(Body::Owned { plan, .. } | Body::Undone { plan }) => Some(plan.clone()),
        Some(Body::Intent(plan)) if verified.contains(&plan.id) => match &plan.request {
            Request::Undo { plan } => Some(plan.id.clone()),
            _ => None,
        },
        _ => None,
    });
    seen.collect()
}

/// What is left over at `now` of the changes that `entries` tell of, oldest first: applied, or
/// possibly so, and neither undone, owned nor over.
pub fn leftovers(entries: &[Entry], incident: Option<&IncidentId>, now: World) -> Vec<Leftover> {
    let seen = seen_to(entries);
    let mut left: Vec<Leftover> = Vec::new();
    for entry in entries {
        let Some(Body::Intent(plan)) = &entry.draft.body else { continue };
        // An undo takes a change back: what it leaves is as it was.
        if plan.request.is_undo() || seen.contains(&plan.id) {
            continue;
        }
        let last = entries.iter().rev().find_map(|entry| match &entry.draft.body {
            Some(Body::Outcome { plan: of, outcome }) if *of == plan.id => Some(outcome),
            _ => None,
        });
        let on = last.is_some_and(Outcome::may_be_on);
        let one = Leftover { plan: (**plan).clone(), at: entry.occurred_at, incident: incident.cloned() };
        if on && one.lasts(now) && !left.iter().any(|other| other.plan.id == one.plan.id) {
            left.push(one);
        }
    }
    left.sort_by_key(|one| one.at);
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::EntryKind;
    use crate::record::testing::{at, entry, plan};

    fn intent(id: &str, ends: Ends, minute: u32) -> Entry {
        let mut intent = entry(&format!("{minute:02}"), EntryKind::Intent, at(minute, 0), "about to");
        intent.draft.body = Some(Body::Intent(Box::new(Plan { ends, ..plan(id, "kubectl") })));
        intent
    }

    fn ended(id: &str, outcome: Outcome, minute: u32) -> Entry {
        let mut ended = entry(&format!("{minute:02}x"), EntryKind::Outcome, at(minute, 30), "ended");
        ended.draft.body = Some(Body::Outcome { plan: PlanId(id.into()), outcome });
        ended
    }

    fn verified() -> Outcome {
        Outcome::Verified { after_seconds: Some(3), words: "live".into() }
    }

    fn ids(entries: &[Entry], now: World) -> Vec<String> {
        leftovers(entries, None, now).iter().map(|one| one.plan.id.0.to_string()).collect()
    }

    #[test]
    fn what_was_applied_for_a_time_is_left_over_until_it_is_over() {
        let system = Ends::BySystem { at: at(40, 0) };
        let entries = [
            intent("stays", Ends::Stays, 1),
            ended("stays", verified(), 1),
            intent("weights", Ends::Reminder, 2),
            ended("weights", verified(), 2),
            intent("silence", system, 3),
            ended("silence", verified(), 3),
            intent("refused", Ends::Reminder, 4),
            ended("refused", Outcome::Refused { why: "no".into() }, 4),
            intent("late", Ends::Reminder, 5),
            ended("late", Outcome::TimedOut { words: "not seen".into() }, 5),
            intent("open", Ends::Reminder, 6),
        ];
        assert_eq!(ids(&entries, at(30, 0)), ["weights", "silence", "late"]);
        assert_eq!(ids(&entries, at(40, 0)), ["weights", "late"]);
    }

    #[test]
    fn an_undo_that_took_effect_and_an_owner_end_it_and_a_failed_undo_does_not() {
        let applied = [intent("p1", Ends::Reminder, 1), ended("p1", verified(), 1)];
        let undo = |outcome| {
            let mut undo = intent("u1", Ends::Reminder, 2);
            let of = Plan { ends: Ends::Reminder, ..plan("p1", "kubectl") };
            if let Some(Body::Intent(plan)) = &mut undo.draft.body {
                plan.request = Request::Undo { plan: Box::new(of) };
            }
            [applied.to_vec(), vec![undo, ended("u1", outcome, 2)]].concat()
        };
        assert!(ids(&undo(verified()), at(9, 0)).is_empty());
        assert_eq!(ids(&undo(Outcome::Failed { why: "quota".into() }), at(9, 0)), ["p1"]);
        let mut owned = entry("09", EntryKind::Owned, at(9, 0), "bob owns it");
        owned.draft.body = Some(Body::Owned { plan: PlanId("p1".into()), owner: "bob".into() });
        assert!(ids(&[applied.to_vec(), vec![owned]].concat(), at(10, 0)).is_empty());
    }

    #[test]
    fn people_call_it_by_the_end_of_its_identity() {
        let one = |id: &str| Leftover { plan: plan(id, ""), at: at(0, 0), incident: None }.handle();
        assert_eq!(one("01KB3T5V8QWZX2R9F7G4ABCD1E"), "cd1e");
        assert_eq!(one("p1"), "p1");
    }
}
