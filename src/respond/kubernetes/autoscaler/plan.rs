//! The plan of other bounds, as a person has to judge it: pure.

use serde_json::{Map, Value, json};
use ulid::Ulid;

use crate::model::plan::{Blast, Ends, Fact, FieldChange, Owner, Permission, Plan, PlanId, Preview, Request, Tier};
use crate::respond::Cluster;
use crate::respond::guard::LIFETIME;
use crate::respond::kubernetes::scale::{self, Facts, kubectl};
use crate::respond::kubernetes::{PATIENCE, said};
use crate::text::Safe;

use super::bounds::{Bounds, Wish, worded};
use super::keda::{PINNED, annotation};
use super::{HPA, Holder};

/// The plan. Permission and preview are filled in by the engine.
pub(super) fn plan(
    want: &Request,
    holder: &Holder,
    facts: &Facts<'_>,
    wish: &Wish,
    owners: Vec<Owner>,
    cluster: &Cluster,
) -> Plan {
    let (workload, now) = (facts.target, facts.scale.replicas());
    let off = now == 0 && holder.dialect.kind == HPA.kind;
    let then = if off { 0 } else { now.clamp(wish.to.floor, wish.to.cap.max(wish.to.floor)) };
    let not_asked = Safe::fixed("not asked yet");
    let back = if want.is_undo() { " back" } else { "" };
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
    Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(facts.read_at.into()).to_string())),
        request: want.clone(),
        target: holder.target(workload),
        title: said(&title),
        undo: Some(said(&format!("{}, while nobody else has changed it", inverse.join(", ")))),
        blast: blast(holder, facts, wish, then),
        room: scale::room(now, then, cluster),
        owners,
        load: cluster.load.clone(),
        tier: tier(wish, facts, then),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: Safe::from(command(holder, facts, wish)),
        facts: notes(holder, facts, wish, off),
        instead: None,
        ends: if want.is_undo() { Ends::Stays } else { Ends::Reminder },
        read_at: facts.read_at,
        expires_at: facts.read_at + LIFETIME,
        guards: Vec::new(),
        affects: vec![workload.clone()],
        patience_seconds: u32::try_from(patience).unwrap_or(u32::MAX),
        raised_from: None,
        changes: wish.changes.clone(),
    }
}

fn blast(holder: &Holder, facts: &Facts<'_>, wish: &Wish, then: u32) -> Blast {
    let (now, ready) = (facts.scale.replicas(), facts.object.status.ready_replicas);
    let at_once = scale::blast(facts.target.kind, now, then, ready);
    let Bounds { floor, cap } = wish.to;
    let lowered = floor < wish.from.floor;
    let words = match lowered {
        _ if then != now => at_once.words,
        true => {
            said(&format!("none at once: {now} wanted, {ready} ready; {} may lower them to {floor}", holder.name()))
        }
        false => said(&format!("none at once: {now} wanted, {ready} ready, within {floor}–{cap}")),
    };
    // A floor that is lowered lets it go down to there, at any time.
    let fewest = at_once.fewest_ready.map(|ready| if lowered { ready.min(floor) } else { ready });
    Blast { ready_before: ready, wanted_before: Some(now), wanted_after: then, fewest_ready: fewest, words }
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
