//! Guard rails that hold for every system: what the engine refuses whatever an actuator planned.

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::{Policy, Verdict};
use crate::model::name::ServiceName;
use crate::model::plan::{Fact, FieldChange, OwnerEffect, Permission, Plan, Preview, Refusal, Tier};
use crate::text::Safe;

/// How long a plan may be confirmed after the system was read.
pub(super) const LIFETIME: TimeDelta = TimeDelta::seconds(90);

/// The label of facts that a policy of the configuration put on a plan.
pub(super) const POLICY: &str = "policy";

/// A refusal with these words.
pub(super) fn refusal(why: impl Into<Safe>) -> Refusal {
    Refusal { why: why.into() }
}

/// Names the other services that a target serves: what is said of any of them is said of the plan.
/// What touches several takes a second person, undoing it too.
pub(super) fn share(plan: &mut Plan, also: &[ServiceName]) {
    if also.is_empty() {
        return;
    }
    plan.touches(also);
    let names: Vec<_> = also.iter().map(ServiceName::as_str).collect();
    plan.facts.push(Fact {
        label: Safe::fixed("shared"),
        words: Safe::from(format!("it serves other services, too: {}", names.join(", "))),
        warns: true,
    });
    plan.tier = Tier::Grave;
}

/// Names what else is changed of the same thing: the plan's counts are of how it is now.
pub(super) fn beside(plan: &mut Plan, others: &[Safe]) {
    plan.facts.extend(others.iter().map(|words| Fact {
        label: Safe::fixed("beside"),
        words: words.clone(),
        warns: true,
    }));
}

/// Judges a plan by the configuration's policies: what they deny cannot be confirmed, what takes
/// a second person is of the top tier, and what they only warn of is told.
pub(super) fn judge(plan: &mut Plan, policies: &[Policy], now: World, incident: bool) {
    for policy in policies {
        let Some(verdict) = policy.judge_plan(plan, now, incident) else { continue };
        let words = said(policy);
        match verdict {
            Verdict::Denied => plan.permission = Permission::Denied { why: Safe::from(format!("by policy {words}")) },
            Verdict::SecondPerson => {
                if plan.tier < Tier::Grave {
                    plan.raised_from = Some(plan.tier);
                }
                plan.tier = Tier::Grave;
                plan.facts.push(Fact { label: Safe::fixed(POLICY), words, warns: true });
            }
            Verdict::Warned => plan.facts.push(Fact { label: Safe::fixed(POLICY), words, warns: true }),
        }
    }
}

fn said(policy: &Policy) -> Safe {
    Safe::from(format!("{}: {}", policy.name, policy.say))
}

/// Why a plan that was judged before cannot be written any more, if so: a policy says more of it
/// by now than whoever confirmed it has seen. A freeze began, or the incident was closed in which
/// one only warned.
pub(super) fn stricter(plan: &Plan, policies: &[Policy], now: World, incident: bool) -> Option<Safe> {
    policies.iter().find_map(|policy| {
        let words = said(policy);
        let by_now = match policy.judge_plan(plan, now, incident)? {
            Verdict::Denied => "denies it",
            Verdict::SecondPerson if plan.tier < Tier::Grave => "asks for a second person",
            Verdict::Warned if !plan.facts.iter().any(|fact| *fact.label == *POLICY && fact.words == words) => {
                "warns of it"
            }
            Verdict::SecondPerson | Verdict::Warned => return None,
        };
        Some(Safe::from(format!(
            "a policy {by_now} that did not when {} was planned ({words}): plan it again and look at it anew",
            plan.title
        )))
    })
}

/// Why a plan cannot be confirmed as it is, if so. Its age is another matter: see [`expired`]; so
/// is the second person of the top tier: see [`super::warrant`].
pub(super) fn blocked(plan: &Plan) -> Option<Safe> {
    if let Some(owner) = plan.owners.iter().find(|owner| owner.effect == OwnerEffect::Reverts) {
        return Some(Safe::from(format!("Not offered as it is: it would be undone. {} {}", owner.name, owner.words)));
    }
    if let Permission::Denied { why } = &plan.permission {
        return Some(why.clone());
    }
    if let Preview::Refused { why } = &plan.preview {
        return Some(why.clone());
    }
    (plan.changes.is_empty() || plan.target.uid.is_none())
        .then(|| Safe::fixed("the plan names no change of an identified object: make a new one"))
}

/// Why a plan is too old, or from the future of a clock that jumped.
pub(super) fn expired(plan: &Plan, now: World) -> Option<Safe> {
    if now > plan.expires_at {
        let age = (now - plan.read_at).num_seconds();
        return Some(Safe::from(format!("{} was planned {age} s ago: refresh the plan and look again", plan.title)));
    }
    (now < plan.read_at - TimeDelta::seconds(5)).then(|| {
        Safe::from(format!("the clock went back since {} was planned: refresh the plan and look again", plan.title))
    })
}

/// Whether two changes are the same one, planned twice.
fn alike(old: &FieldChange, new: &FieldChange) -> bool {
    old.after_for_good() == new.after_for_good() && FieldChange { after: old.after.clone(), ..new.clone() } == *old
}

/// Why a plan that was read again is not the one that was judged, if so: a field that it writes
/// has moved, it is about another object, or it takes more confirmation. An owner that came up, or
/// a right that went, blocks it and leaves it the plan that it is: see [`blocked`].
pub(super) fn voided(old: &Plan, new: &Plan) -> Option<Safe> {
    if old.target != new.target {
        return Some(Safe::from(format!("{} is another object now", old.target)));
    }
    if old.changes.len() != new.changes.len() || !old.changes.iter().zip(&new.changes).all(|(old, new)| alike(old, new))
    {
        return Some(Safe::from(format!("it changed meanwhile: {} is {} now", old.changed(), new.changed())));
    }
    if old.guards != new.guards {
        let what = new.guards.iter().find(|guard| !old.guards.contains(guard)).or(old.guards.first());
        return what.map(|guard| Safe::from(format!("{} changed meanwhile", guard.label)));
    }
    (new.tier > old.tier).then(|| Safe::fixed("it takes more confirmation than before"))
}
