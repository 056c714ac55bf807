//! Guard rails that hold for every system: what the engine refuses whatever an actuator planned.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::plan::{FieldChange, OwnerEffect, Permission, Plan, Preview, Refusal, Tier};
use crate::text::Safe;

/// How long a plan may be confirmed after the system was read.
pub(super) const LIFETIME: TimeDelta = TimeDelta::seconds(90);

/// What a restart writes: the time at which it was planned. Reading again moves it, and nothing else.
pub(super) const RESTARTED: &str = "restarted";

/// A refusal with these words.
pub(super) fn refusal(why: impl Into<Safe>) -> Refusal {
    Refusal { why: why.into() }
}

/// Why a plan cannot be confirmed as it is, if so. Its age is another matter: see [`expired`].
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
    if plan.tier == Tier::Grave {
        return Some(Safe::from(format!(
            "{} would take the last ready capacity, which needs a second person; this version has no way to \
             ask one: if it has to be, run `{}` yourselves and note it",
            plan.title, plan.command
        )));
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
    old == new || (*old.label == *RESTARTED && FieldChange { after: old.after.clone(), ..new.clone() } == *old)
}

/// Why a plan that was read again is not the one that was judged, if so: a field that it writes
/// has moved, it is about another object, it takes more confirmation, or an owner came up.
pub(super) fn voided(old: &Plan, new: &Plan) -> Option<Safe> {
    if old.target != new.target {
        return Some(Safe::from(format!("{} is another object now", old.target)));
    }
    if old.changes.len() != new.changes.len() || !old.changes.iter().zip(&new.changes).all(|(old, new)| alike(old, new))
    {
        return Some(Safe::from(format!("it changed meanwhile: {} is {} now", old.changed(), new.changed())));
    }
    if new.tier > old.tier {
        return Some(Safe::fixed("it takes more confirmation than before"));
    }
    match (blocked(old), blocked(new)) {
        (None, Some(why)) => Some(why),
        _ => None,
    }
}
