//! From an autoscaler's bounds as they are to those that are wanted, and to a plan of it: pure.

use serde_json::{Map, Value, json};
use ulid::Ulid;

use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Owner, Permission, Plan, PlanId, Preview, Refusal, Replicas, Request, Tier,
};
use crate::respond::Cluster;
use crate::respond::guard::{LIFETIME, refusal};
use crate::respond::kubernetes::fields::{Held, held};
use crate::respond::kubernetes::scale::{self, Facts, kubectl};
use crate::respond::kubernetes::{FIELD_MANAGER, PATIENCE, said};
use crate::text::Safe;

use super::keda::{PINNED, annotation};
use super::{HPA, Holder};

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
    changes: Vec<FieldChange>,
    /// In force before and after.
    from: Bounds,
    to: Bounds,
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
fn worded(holder: &Holder, change: &FieldChange, inverse: bool) -> Option<Safe> {
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

/// The plan. Permission and preview are filled in by the engine.
pub(super) fn plan(
    want: &Request,
    holder: &Holder,
    facts: &Facts<'_>,
    wish: &Wish,
    owners: Vec<Owner>,
    cluster: &Cluster,
) -> Result<Plan, Refusal> {
    let (workload, now, ready) = (facts.target, facts.scale.replicas(), facts.object.status.ready_replicas);
    let off = now == 0 && holder.dialect.kind == HPA.kind;
    let then = if off { 0 } else { now.clamp(wish.to.floor, wish.to.cap.max(wish.to.floor)) };
    let not_asked = Safe::fixed("not asked yet");
    let back = if matches!(want, Request::Undo { .. }) { " back" } else { "" };
    let title = match want.origin() {
        Request::Scale { .. } => {
            format!("scale {} {} by {}{back}", workload.kind, workload.path.name, holder.name())
        }
        _ => format!("bound {} {} by {}{back}", workload.kind, workload.path.name, holder.name()),
    };
    let inverse: Vec<_> = wish
        .changes
        .iter()
        .map(|change| FieldChange { words: worded(holder, change, true), ..change.inverse() }.shown())
        .collect();
    let patience = facts.object.spec.progress_deadline_seconds.map_or(PATIENCE.num_seconds(), i64::from);
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(facts.read_at.into()).to_string())),
        request: want.clone(),
        target: holder.target(workload),
        title: said(&title),
        undo: Some(said(&format!("{}, while nobody else has changed it", inverse.join(", ")))),
        blast: blast(holder, wish, now, then, ready),
        room: scale::room(now, then, cluster),
        owners,
        load: cluster.load.clone(),
        tier: tier(wish, facts, then),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        command: Safe::from(command(holder, facts, wish)),
        facts: notes(holder, facts, wish, off),
        instead: None,
        ends: if want.is_undo() { Ends::Stays } else { Ends::Reminder },
        read_at: facts.read_at,
        expires_at: facts.read_at + LIFETIME,
        patience_seconds: u32::try_from(patience).unwrap_or(u32::MAX),
        changes: wish.changes.clone(),
    })
}

fn blast(holder: &Holder, wish: &Wish, now: u32, then: u32, ready: u32) -> Blast {
    if then != now {
        return scale::blast(now, then, ready);
    }
    let Bounds { floor, cap } = wish.to;
    let words = match wish.to.floor < wish.from.floor {
        true => format!("none at once: {now} wanted, {ready} ready; {} may lower them to {floor}", holder.name()),
        false => format!("none at once: {now} wanted, {ready} ready, within {floor}–{cap}"),
    };
    Blast { ready_before: ready, wanted_after: then, words: said(&words) }
}

fn tier(wish: &Wish, facts: &Facts<'_>, then: u32) -> Tier {
    let (now, ready) = (facts.scale.replicas(), facts.object.status.ready_replicas);
    if then < now {
        return scale::tier(facts.target.kind, now, then, ready);
    }
    match wish.to.floor < wish.from.floor || wish.to.cap < wish.from.cap {
        true => Tier::Lowers,
        false => Tier::Reversible,
    }
}

fn notes(holder: &Holder, facts: &Facts<'_>, wish: &Wish, off: bool) -> Vec<Fact> {
    let mut notes = Vec::new();
    let mut note = |label, words: String, warns| {
        notes.push(Fact { label: Safe::fixed(label), words: said(&words), warns });
    };
    if let Some(trouble) = &holder.trouble {
        note("autoscaler", format!("{trouble}; its bounds are kept all the same"), true);
    }
    if off {
        let words = format!("it is off while {} has no replica: nothing follows until it is scaled", facts.target);
        note("autoscaler", words, true);
    }
    if wish.to.floor < wish.from.floor && wish.to.cap > wish.to.floor {
        let words = "fewer only when the load allows: the highest need of the last 300 s counts";
        note("later", words.to_owned(), false);
    }
    if wish.to.floor == 0 {
        note("later", "KEDA may take the last replica while nothing triggers it".to_owned(), true);
    }
    notes
}

fn command(holder: &Holder, facts: &Facts<'_>, wish: &Wish) -> String {
    let (namespace, name) = (&facts.target.path.namespace, holder.meta.name.as_str());
    let resource = holder.dialect.resource;
    if let Some(pin) = wish.changes.iter().find(|change| *change.pointer == *annotation(PINNED)) {
        let value = format!("{PINNED}={}", pin.after.trim_matches('"'));
        return kubectl(facts.context, namespace, &["annotate", resource, name, "--overwrite", &value]);
    }
    let spec: Map<String, Value> = wish
        .changes
        .iter()
        .map(|change| {
            let field = change.pointer.trim_start_matches("/spec/").to_owned();
            (field, serde_json::from_str(&change.after).unwrap_or(Value::Null))
        })
        .collect();
    let patch = json!({ "spec": spec }).to_string();
    kubectl(facts.context, namespace, &["patch", resource, name, "--type=merge", "-p", &patch])
}
