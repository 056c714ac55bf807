//! Diverting traffic: from the shares that somebody wants to a plan for one list of destinations
//! of one VirtualService or HTTPRoute.
//!
//! What is written is each destination's whole entry of the list, so that the guard tests the
//! destination with its weight: a list has no keys, and the second of it may be another by then.

use serde_json::{Value, json};
use ulid::Ulid;

use crate::clock::{Clock, World};
use crate::model::name::{Kind, Target, Uid};
use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Guard, Instead, Owner, Permission, Plan, PlanId, Preview, Refusal, Request, Room,
    Tier,
};
use crate::respond::Cluster;
use crate::respond::guard::{LIFETIME, refusal};
use crate::respond::weights::{Unit, carrying, load, moved, narrows, percents, words};
use crate::text::Safe;

use super::client::{Api, Context};
use super::fields::{self, Held, held, strayed};
use super::objects::Meta;
use super::place::Place;
use super::ready::Ready;
use super::scale::{kubectl, whole};
use super::shares::{List, Way, chosen, weight_of};

use super::{httproute, keepers, said, virtualservice};

/// How long, by world time, gateways have to take a change.
pub(super) const PATIENCE_SECONDS: u32 = 120;
/// What carries traffic here.
const POD: Unit = Unit { short: "pod", long: "ready pod" };
/// Destinations of one list that are looked at.
const MOST: usize = 32;

/// An object that was read, within one moment, and is the one that was picked.
pub(super) struct Read<'a> {
    pub(super) target: &'a Target,
    pub(super) object: Value,
    pub(super) meta: Meta,
    pub(super) read_at: World,
    pub(super) context: &'a Context,
}

impl<'a> Read<'a> {
    pub(super) async fn of(api: &'a Api, clock: &Clock, place: &Place, target: &'a Target) -> Result<Self, Refusal> {
        // Before the read: a plan is never younger than what it shows.
        let read_at = clock.now();
        let object: Value = api.get(&place.path()).await.map_err(|error| error.refusal("read", target))?;
        let meta = object
            .get("metadata")
            .and_then(|meta| <Meta as serde::Deserialize>::deserialize(meta).ok())
            .filter(|meta| !meta.uid.is_empty())
            .ok_or_else(|| refusal(format!("could not read {target}: the answer has no UID; nothing was changed")))?;
        if target.uid.as_ref().is_some_and(|uid| *uid.as_str() != meta.uid) {
            return Err(refusal(format!(
                "{target} is another object than the one picked, of the same name: pick it again"
            )));
        }
        if meta.deletion_timestamp.is_some() {
            return Err(refusal(format!("{target} is being deleted: changing it would do nothing")));
        }
        Ok(Self { target, object, meta, read_at, context: api.context() })
    }

    /// The target with the UID that was read.
    pub(super) fn identified(&self) -> Target {
        Target { uid: Some(Uid(Safe::from(self.meta.uid.as_str()))), ..self.target.clone() }
    }

    /// That all that `plan` wrote is still there, so that taking it back overwrites nobody.
    pub(super) fn check_ours(&self, plan: &Plan) -> Result<(), Refusal> {
        let target = self.target;
        let (what, pointer) = match held(&self.object, plan) {
            Held::After => return Ok(()),
            Held::Before => {
                return Err(refusal(format!("there is nothing to undo: {target} is as it was before")));
            }
            Held::Other(field, _) => (format!("{} was changed", field.label), &field.pointer),
            Held::Beside(guard) => (strayed(guard), &guard.pointer),
        };
        let by = self.meta.set_by(pointer).map_or(String::new(), |field| format!(", by {}", field.manager));
        Err(refusal(said(&format!(
            "{target}: {what} since{by}: the undo would overwrite that; send its traffic to where it should go instead"
        ))))
    }
}

/// A plan for `want`, which diverts or takes a diversion back.
pub(super) async fn plan(api: &Api, clock: &Clock, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
    let target = want.target();
    let place = Place::of(target)?;
    let place = api.served(place).await.map_err(|error| error.refusal("read", target))?;
    let read = Read::of(api, clock, &place, target).await?;
    let lists = match target.kind {
        Kind::VirtualService => virtualservice::lists(&read.object),
        Kind::HttpRoute => httproute::lists(&read.object),
        kind => return Err(refusal(format!("a {kind} divides traffic by no weights: nothing was changed"))),
    };
    let (list, after) = match want {
        Request::Undo { plan } => restored(&read, &lists, plan)?,
        Request::Divert { shares, .. } => chosen(target, &lists, shares)?,
        other => return Err(refusal(format!("cannot {}: it is not about weights", other.words()))),
    };
    if list.ways.len() > MOST {
        return Err(refusal(format!(
            "{target} divides traffic between more than {MOST} destinations: that is too many"
        )));
    }
    // Of each entry that is written no more than this changes.
    let pointers: Vec<_> = (0..list.ways.len()).map(|at| format!("{}/{at}/weight", list.pointer)).collect();
    let backing = async {
        match target.kind {
            Kind::VirtualService => virtualservice::backing(api, &place, &list.ways).await,
            _ => httproute::backing(api, &place, &list.ways).await,
        }
    };
    let (backing, kept) = futures::join!(backing, keepers::of(api, &place, target, &read.meta, &pointers));
    let split = Split { list, after, backing };
    made(&read, &place, &split, want, kept, cluster)
}

/// The list that `plan` wrote, and the weights that it had before.
fn restored<'a>(read: &Read<'_>, lists: &'a [List], plan: &Plan) -> Result<(&'a List, Vec<Option<u32>>), Refusal> {
    read.check_ours(plan)?;
    let unknown = || refusal(format!("{} has no inverse that this version knows", plan.title));
    let list = lists
        .iter()
        .find(|list| plan.changes.iter().all(|change| place_in(list, change).is_some()))
        .ok_or_else(unknown)?;
    let mut after: Vec<Option<u32>> = list.ways.iter().map(|way| way.weight).collect();
    for change in &plan.changes {
        let before: Value = serde_json::from_str(&change.before).map_err(|_| unknown())?;
        let at = place_in(list, change).ok_or_else(unknown)?;
        after[at] = weight_of(&before);
    }
    Ok((list, after))
}

/// Which destination of `list` a change is about.
fn place_in(list: &List, change: &FieldChange) -> Option<usize> {
    let at: usize = change.pointer.strip_prefix(list.pointer.as_str())?.strip_prefix('/')?.parse().ok()?;
    (at < list.ways.len()).then_some(at)
}

/// A list before and after, and what stands behind each of its destinations.
struct Split<'a> {
    list: &'a List,
    after: Vec<Option<u32>>,
    backing: Vec<Result<Ready, String>>,
}

impl Split<'_> {
    fn then(&self) -> Vec<u32> {
        let weights = self.list.ways.iter().zip(&self.after);
        weights.map(|(way, weight)| weight.unwrap_or(way.absent)).collect()
    }

    /// Ready pods behind each destination, as far as they are known.
    fn pods(&self) -> Vec<Option<u32>> {
        let known = |one: &Result<Ready, String>| match one {
            Ok(Ready::Pods(pods)) => Some(*pods),
            _ => None,
        };
        self.backing.iter().map(known).collect()
    }
}

fn made(
    read: &Read<'_>,
    place: &Place,
    split: &Split<'_>,
    want: &Request,
    (owners, instead): (Vec<Owner>, Option<Instead>),
    cluster: &Cluster,
) -> Result<Plan, Refusal> {
    let (list, now, then) = (split.list, split.list.weights(), split.then());
    let (before, after) = (percents(&now), percents(&then));
    if then.iter().all(|weight| *weight == 0) {
        return Err(refusal(format!("{} would send traffic nowhere: nothing was planned", read.target)));
    }
    for at in (0..then.len()).filter(|at| after[*at] > before[*at]) {
        let (label, share) = (list.label(at), words(after[at]));
        match &split.backing[at] {
            Ok(Ready::Pods(0)) => {
                return Err(refusal(said(&format!("{label} has no ready pod: {share} of the traffic would fail"))));
            }
            Err(why) => {
                return Err(refusal(said(&format!(
                    "{label}: {why}, so {share} of the traffic would be answered 503; define it first"
                ))));
            }
            Ok(_) => {}
        }
    }
    let mut changes = Vec::new();
    let kept = |value: &Value| {
        fields::kept(value).ok_or_else(|| {
            let edit = kubectl(read.context, &place.namespace, &["edit", &named(place)]);
            refusal(format!(
                "the destinations of {} are too long for the record, and without it nothing is written: divert it \
                 with `{}` and note it",
                read.target,
                said(&edit)
            ))
        })
    };
    for (at, way) in list.ways.iter().enumerate().filter(|(at, way)| split.after[*at] != way.weight) {
        changes.push(FieldChange {
            pointer: Safe::from(format!("{}/{at}", list.pointer)),
            label: said(list.label(at)),
            before: kept(&way.entry)?,
            after: kept(&way.with(split.after[at]))?,
            words: Some(Safe::from(format!("{} → {}", words(before[at]), words(after[at])))),
        });
    }
    let guards = guards(read, list, kept)?;
    let back: Vec<_> = changes
        .iter()
        .filter_map(|change| Some((change, change.words.as_ref()?.split_once(" → ")?)))
        .map(|(change, (was, is))| format!("{} {is} → {was}", change.label))
        .collect();
    let undo = want.is_undo();
    let target = read.identified();
    let not_asked = Safe::fixed("not asked yet");
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read.read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(format!("divert {} {}{}", target.kind, target.path.name, if undo { " back" } else { "" })),
        changes,
        undo: Some(said(&format!("{}, while nobody else has changed it", back.join(", ")))),
        blast: blast(split, &now, &then),
        room: Room::NotNeeded,
        owners,
        load: cluster.load.clone(),
        tier: tier(split, &now, &then, want),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: whole(&command(read, place, split)),
        facts: facts(split, &now, &then),
        instead,
        ends: if undo { Ends::Stays } else { Ends::Reminder },
        read_at: read.read_at,
        expires_at: read.read_at + LIFETIME,
        guards,
        affects: Vec::new(),
        patience_seconds: PATIENCE_SECONDS,
        raised_from: None,
        target,
    })
}

/// What the shares that are shown rest on: the whole list, since each weight counts against all
/// of them, and what the route is for, since a list has no name but its place.
fn guards(read: &Read<'_>, list: &List, kept: impl Fn(&Value) -> Result<Safe, Refusal>) -> Result<Vec<Guard>, Refusal> {
    let all = std::iter::once((&list.pointer, "its destinations"))
        .chain(list.around.iter().map(|pointer| (pointer, "what its route is for")));
    all.map(|(pointer, label)| {
        let value = read.object.pointer(pointer).unwrap_or(&Value::Null);
        Ok(Guard { pointer: Safe::from(pointer.as_str()), label: Safe::fixed(label), value: kept(value)? })
    })
    .collect()
}

/// Moving traffic takes the target's name. All of it to one destination that has fewer ready pods
/// than carry it now (for an undo: than carried it then) takes a second person.
fn tier(split: &Split<'_>, now: &[u32], then: &[u32], want: &Request) -> Tier {
    let pods = split.pods();
    let carried = match want {
        Request::Undo { plan } => Some(plan.blast.ready_before),
        _ => carrying(&pods, now),
    };
    if narrows(&pods, then, carried) { Tier::Grave } else { Tier::Lowers }
}

fn blast(split: &Split<'_>, now: &[u32], then: &[u32]) -> Blast {
    let pods = split.pods();
    let (ready, wanted) = (carrying(&pods, now), carrying(&pods, then));
    let counts = match (ready, wanted) {
        (Some(now), Some(then)) => format!("; {now} ready pods carry it now, {then} will"),
        _ => String::new(),
    };
    Blast {
        ready_before: ready.unwrap_or(0),
        wanted_before: None,
        wanted_after: wanted.unwrap_or(0),
        fewest_ready: wanted,
        words: Safe::from(format!("{} of the traffic moves{counts}", words(moved(&percents(now), &percents(then))))),
    }
}

/// Where each percent goes, and what stands behind those that get more.
fn facts(split: &Split<'_>, now: &[u32], then: &[u32]) -> Vec<Fact> {
    let list = split.list;
    let mut facts = vec![Fact {
        label: Safe::fixed("traffic"),
        words: said(&format!("now {}; then {}", list.shown(now), list.shown(then))),
        warns: false,
    }];
    let (pods, before, after) = (split.pods(), percents(now), percents(then));
    for at in (0..now.len()).filter(|at| after[*at] > before[*at]) {
        let label = list.label(at);
        let (text, warns) = match (&split.backing[at], load(&POD, &pods, &before, &after, at)) {
            (Ok(Ready::Unknown(why)), _) => {
                (format!("{label}: what it can take of {} is not known: {why}", words(after[at])), true)
            }
            (_, Some((text, warns))) => (format!("{label}: {text}"), warns),
            (_, None) => continue,
        };
        facts.push(Fact { label: Safe::fixed("capacity"), words: said(&text), warns });
    }
    facts
}

/// The same for `kubectl`: it tests the weights that were read, too.
fn command(read: &Read<'_>, place: &Place, split: &Split<'_>) -> String {
    let weight = |(at, way): (usize, &Way)| {
        let path = format!("{}/{at}/weight", split.list.pointer);
        json!({ "op": "test", "path": path, "value": way.weight })
    };
    let mut patch: Vec<Value> = split.list.ways.iter().enumerate().map(weight).collect();
    for (at, way) in split.list.ways.iter().enumerate().filter(|(at, way)| split.after[*at] != way.weight) {
        let path = format!("{}/{at}/weight", split.list.pointer);
        patch.push(match (way.weight, split.after[at]) {
            (_, None) => json!({ "op": "remove", "path": path }),
            (None, Some(weight)) => json!({ "op": "add", "path": path, "value": weight }),
            (Some(_), Some(weight)) => json!({ "op": "replace", "path": path, "value": weight }),
        });
    }
    patched(read.context, place, &Value::Array(patch))
}

/// `kubectl patch` of the object at `place`.
pub(super) fn patched(context: &Context, place: &Place, patch: &Value) -> String {
    kubectl(context, &place.namespace, &["patch", &named(place), "--type=json", "-p", &patch.to_string()])
}

/// The object at `place` as kubectl names it in every cluster.
fn named(place: &Place) -> String {
    let resource = place.resource;
    match resource.group {
        "" => format!("{}/{}", resource.plural, place.name),
        group => format!("{}.{group}/{}", resource.plural, place.name),
    }
}

/// What the fields of `plan` hold when they hold what it writes: `partner-a 20 %, partner-b 80 %`.
pub(super) fn written(plan: &Plan) -> String {
    let parts: Vec<_> = plan
        .changes
        .iter()
        .map(|change| {
            let after = change.words.as_ref().and_then(|words| words.split_once(" → ")).map(|(_, after)| after);
            format!("{} {}", change.label, after.unwrap_or_else(|| change.after.as_str()))
        })
        .collect();
    parts.join(", ")
}
