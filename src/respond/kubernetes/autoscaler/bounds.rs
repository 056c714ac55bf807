//! From an autoscaler's bounds as they are to those that are wanted: pure, so that every refusal
//! can be tried without a cluster.

use crate::model::plan::{FieldChange, Plan, Refusal, Replicas};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::fields::{self, Held, held};
use crate::respond::kubernetes::scale::{self, Facts};
use crate::respond::kubernetes::{FIELD_MANAGER, said};
use crate::text::Safe;

use super::Holder;
use super::keda::{PINNED, annotation};

/// A floor or cap of more than this many times what there is, and of more than [`MANY`], is a
/// typo.
const TIMES: u32 = 10;
/// See [`TIMES`].
const MANY: u32 = 50;

/// Between which numbers an autoscaler keeps the replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) floor: u32,
    pub(super) cap: u32,
}

/// What is to be written, and what follows from it.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) changes: Vec<FieldChange>,
    /// In force before and after.
    pub(super) from: Bounds,
    pub(super) to: Bounds,
    /// What is done instead of a plain scale: `its floor is changed`.
    pub(super) instead: String,
}

/// The bounds for so many replicas: more than now need a higher floor, fewer a lower cap. The other
/// end moves only if it is in the way, because the server refuses a floor above the cap.
pub(super) fn for_scale(holder: &Holder, facts: &Facts<'_>, to: Replicas) -> Result<Wish, Refusal> {
    let (target, now) = (facts.target, facts.scale.replicas());
    let none = match to {
        Replicas::Exactly(count) => count == 0,
        Replicas::By(more) => i64::from(now) + i64::from(more) <= 0,
    };
    if none && now > 0 {
        return Err(refusal(format!(
            "{target} would have no replica left, which takes a second person, and its {} would be off from then on: it \
             does nothing while there is no replica; scale to 1 or more",
            holder.shown()
        )));
    }
    let wanted = scale::wanted(facts, to)?;
    if let Some(count) = holder.pinned {
        return pin(holder, count, wanted);
    }
    let from = holder.bounds();
    let under_way = |end: &str, bound: u32| {
        Err(refusal(format!(
            "{target} has {now} replicas, and the {end} of its {} is {bound}: that is under way already; `:bound` sets \
             other bounds",
            holder.name()
        )))
    };
    let to = if wanted > now {
        if from.floor >= wanted {
            return under_way("floor", from.floor);
        }
        Bounds { floor: wanted, cap: from.cap.max(wanted) }
    } else {
        if from.cap <= wanted {
            return under_way("cap", from.cap);
        }
        Bounds { floor: from.floor.min(wanted), cap: wanted }
    };
    wish(holder, to)
}

/// The bounds that somebody names. An end that is not named moves only if it is in the way.
pub(super) fn for_bound(
    holder: &Holder,
    facts: &Facts<'_>,
    floor: Option<u32>,
    cap: Option<u32>,
) -> Result<Wish, Refusal> {
    let name = holder.name();
    if let Some(count) = holder.pinned {
        return Err(refusal(format!(
            "{name} is pinned at {count} by its annotation, and keeps no bounds meanwhile: `:scale` changes that number"
        )));
    }
    let from = holder.bounds();
    let to = match (floor, cap) {
        (Some(floor), Some(cap)) => Bounds { floor, cap },
        (Some(floor), None) => Bounds { floor, cap: from.cap.max(floor) },
        (None, Some(cap)) => Bounds { floor: from.floor.min(cap), cap },
        (None, None) => from,
    };
    if to.floor > to.cap {
        return Err(refusal(format!("a floor of {} above a cap of {} cannot be kept by {name}", to.floor, to.cap)));
    }
    if to.cap == 0 || to.floor < holder.dialect.least {
        return Err(refusal(format!(
            "{name} cannot keep between {} and {} replicas: the floor is at least {}, the cap at least 1",
            to.floor, to.cap, holder.dialect.least
        )));
    }
    if to == from {
        return Err(refusal(format!("{} has these bounds already: there is nothing to change", holder.shown())));
    }
    let most = facts.scale.replicas().max(from.cap).saturating_mul(TIMES).max(MANY);
    if to.cap > most {
        return Err(refusal(format!(
            "a cap of {} is more than {TIMES} times what there is ({}): if that is meant, go there in steps",
            to.cap,
            holder.shown()
        )));
    }
    wish(holder, to)
}

/// What an applied plan changed, the other way round, if nobody has changed it since.
pub(super) fn for_undo(holder: &Holder, plan: &Plan) -> Result<Wish, Refusal> {
    let name = holder.name();
    match held(&holder.object, plan) {
        Held::After => {}
        Held::Before => {
            return Err(refusal(format!("there is nothing to undo: {} is as it was before", holder.shown())));
        }
        Held::Beside(guard) => {
            return Err(refusal(format!("{name}: {} since: the undo is not what it was", fields::strayed(guard))));
        }
        Held::Other(field, now) => {
            return Err(refusal(said(&format!(
                "the {} of {name} is {now}, not the {} that was set here: the undo would overwrite that; set it to what \
                 it should be instead",
                field.label, field.after
            ))));
        }
    }
    let foreign = plan.changes.iter().find_map(|change| {
        let setter = holder.meta.set_by(&change.pointer).filter(|field| field.manager != FIELD_MANAGER)?;
        Some(format!("the {} of {name} was set by {}", change.label, setter.manager))
    });
    if let Some(foreign) = foreign {
        return Err(refusal(said(&format!("{foreign} since: the undo would overwrite that"))));
    }
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|change| FieldChange { words: worded(holder, change, true), ..change.inverse() })
        .collect();
    let from = holder.in_force();
    let end = |pointer: &str, unset: u32, now: u32| match changes.iter().find(|change| *change.pointer == *pointer) {
        Some(change) => number(&change.after).unwrap_or(unset),
        None => now,
    };
    let (floor, cap) = holder.pointers();
    let to = Bounds {
        floor: end(&floor, holder.dialect.floor_unset, from.floor),
        cap: end(&cap, holder.dialect.cap_unset, from.cap),
    };
    let to = match changes.iter().find(|change| *change.pointer == *annotation(PINNED)) {
        Some(pin) => number(&pin.after).map_or(to, |count| Bounds { floor: count, cap: count }),
        None => to,
    };
    Ok(Wish { changes, from, to, instead: String::new() })
}

impl Holder {
    /// The bounds in force, a pin counted.
    fn in_force(&self) -> Bounds {
        self.pinned.map_or_else(|| self.bounds(), |count| Bounds { floor: count, cap: count })
    }

    fn pointers(&self) -> (String, String) {
        (format!("/spec/{}", self.dialect.floor), format!("/spec/{}", self.dialect.cap))
    }
}

/// The number in a field, if it holds one, with or without quotes.
fn number(json: &str) -> Option<u32> {
    json.trim_matches('"').parse().ok()
}

/// A change's values for people, where one of them is not set.
pub(super) fn worded(holder: &Holder, change: &FieldChange, inverse: bool) -> Option<Safe> {
    let unset = if *change.label == *"floor" { holder.dialect.floor_unset } else { holder.dialect.cap_unset };
    let word = |value: &Safe| match value.as_str() {
        "null" => format!("{unset} (not set)"),
        value => value.to_owned(),
    };
    let (before, after) = match inverse {
        true => (&change.after, &change.before),
        false => (&change.before, &change.after),
    };
    (**before == *"null" || **after == *"null").then(|| Safe::from(format!("{} → {}", word(before), word(after))))
}

fn pin(holder: &Holder, count: u32, wanted: u32) -> Result<Wish, Refusal> {
    if count == wanted {
        return Err(refusal(format!("{} already: that is under way", holder.shown())));
    }
    // An annotation is text.
    let text = |count: u32| Safe::from(format!("\"{count}\""));
    let change = FieldChange {
        pointer: Safe::from(annotation(PINNED)),
        label: Safe::fixed("paused-replicas"),
        before: text(count),
        after: text(wanted),
        words: None,
    };
    let at = |count| Bounds { floor: count, cap: count };
    Ok(Wish { changes: vec![change], from: at(count), to: at(wanted), instead: "its pinned number is changed".into() })
}

fn wish(holder: &Holder, to: Bounds) -> Result<Wish, Refusal> {
    if let Some(idle) = holder.idle.filter(|idle| to.floor <= *idle) {
        return Err(refusal(format!(
            "{} idles at {idle} replicas, and KEDA keeps no floor of {} that is not above it: change its \
             idleReplicaCount in git",
            holder.name(),
            to.floor
        )));
    }
    let from = holder.bounds();
    let (floor, cap) = holder.pointers();
    let mut changes = Vec::new();
    let mut moved = Vec::new();
    for (pointer, label, set, before, after) in
        [(floor, "floor", holder.floor, from.floor, to.floor), (cap, "cap", holder.cap, from.cap, to.cap)]
    {
        if before == after {
            continue;
        }
        let mut change = FieldChange {
            pointer: Safe::from(pointer),
            label: Safe::fixed(label),
            before: set.map_or(Safe::fixed("null"), |count| Safe::from(count.to_string())),
            after: Safe::from(after.to_string()),
            words: None,
        };
        change.words = worded(holder, &change, false);
        changes.push(change);
        moved.push(label);
    }
    let verb = if moved.len() > 1 { "are" } else { "is" };
    Ok(Wish { changes, from, to, instead: format!("its {} {verb} changed", moved.join(" and ")) })
}
