//! From what was read to a plan: pure, so that every guard can be tried without a cluster.

use ulid::Ulid;

use crate::clock::World;
use crate::model::name::{Kind, Target, Uid};
use crate::model::plan::{
    Blast, Ends, FieldChange, Owner, Permission, Plan, PlanId, Preview, Refusal, Replicas, Request, Room, Tier,
};
use crate::respond::Cluster;
use crate::respond::guard::{LIFETIME, refusal};
use crate::text::{Safe, clean_capped};

use super::client::Context;
use super::fields::KEPT;
use super::objects::{Scale, Workload};
use super::{FIELD_MANAGER, PATIENCE, said};

/// Growing to more than this many times the replicas, and to more than [`MANY`], is a typo.
const TIMES: u32 = 10;
/// See [`TIMES`].
const MANY: u32 = 50;

/// The field that a scale writes.
pub(super) const POINTER: &str = "/spec/replicas";

/// What was read of one target, all within one moment.
pub(super) struct Facts<'a> {
    pub(super) target: &'a Target,
    pub(super) object: Workload,
    pub(super) scale: Scale,
    pub(super) read_at: World,
    pub(super) context: &'a Context,
}

/// Replicas before and after, of a plan that scales.
pub(super) fn replicas_of(plan: &Plan) -> Option<(u32, u32)> {
    let change = plan.changes.iter().find(|change| change.pointer == POINTER)?;
    Some((change.before.parse().ok()?, change.after.parse().ok()?))
}

/// The object is the one that was picked, and it is going to stay.
pub(super) fn check_identity(facts: &Facts<'_>) -> Result<(), Refusal> {
    let target = facts.target;
    let (meta, scale) = (&facts.object.metadata, &facts.scale.metadata);
    if meta.uid.is_empty() || meta.uid != scale.uid {
        return Err(refusal(format!("{target} was replaced while it was read: pick it again")));
    }
    if target.uid.as_ref().is_some_and(|uid| *uid.as_str() != meta.uid) {
        return Err(refusal(format!(
            "{target} is another object than the one picked, of the same name: pick it again"
        )));
    }
    if meta.deletion_timestamp.is_some() {
        return Err(refusal(format!("{target} is being deleted: scaling it would do nothing")));
    }
    Ok(())
}

/// The value is still the one that the plan to be undone wrote, and nobody else has set it since.
pub(super) fn check_ours(facts: &Facts<'_>, ours: u32, to: Replicas) -> Result<(), Refusal> {
    let (target, now) = (facts.target, facts.scale.replicas());
    if to == Replicas::Exactly(now) {
        return Err(refusal(format!("there is nothing to undo: {target} has {now} replicas again")));
    }
    let setter = facts.object.metadata.set_by(POINTER);
    let foreign = setter.filter(|field| field.manager != FIELD_MANAGER);
    if now != ours || foreign.is_some() {
        let by = foreign.map_or(String::new(), |field| format!(", set by {}", said(&field.manager)));
        return Err(refusal(format!(
            "{target} has {now} replicas{by}, not the {ours} that were set here: the undo would overwrite that; \
             scale it to what it should be instead"
        )));
    }
    Ok(())
}

/// The number that `to` means now, if it is one to be planned for.
pub(super) fn wanted(facts: &Facts<'_>, to: Replicas) -> Result<u32, Refusal> {
    let (target, now) = (facts.target, facts.scale.replicas());
    let wanted = match to {
        Replicas::Exactly(count) => i64::from(count),
        Replicas::By(more) => i64::from(now) + i64::from(more),
    };
    if wanted == i64::from(now) {
        return Err(refusal(format!("{target} has {now} replicas already: there is nothing to change")));
    }
    if wanted < 0 {
        return Err(refusal(format!("{target} has {now} replicas and cannot have {wanted}: give a number from 0 on")));
    }
    let absurd = wanted > i64::from(MANY) && wanted > i64::from(now) * i64::from(TIMES);
    match u32::try_from(wanted) {
        Ok(count) if !absurd && i32::try_from(count).is_ok() => Ok(count),
        _ => Err(refusal(format!(
            "{target} would go from {now} to {wanted} replicas, more than {TIMES} times as many: if that is meant, \
             go there in steps"
        ))),
    }
}

/// The plan. Permission and preview are filled in by the engine.
pub(super) fn plan(
    facts: &Facts<'_>,
    want: &Request,
    wanted: u32,
    owners: Vec<Owner>,
    cluster: &Cluster,
) -> Result<Plan, Refusal> {
    let before = facts.scale.replicas();
    let ready = facts.object.status.ready_replicas;
    let target = Target { uid: Some(Uid(Safe::from(facts.object.metadata.uid.as_str()))), ..facts.target.clone() };
    let not_asked = Safe::fixed("not asked yet");
    let back = if want.is_undo() { " back" } else { "" };
    let patience = facts.object.spec.progress_deadline_seconds.map_or(PATIENCE.num_seconds(), i64::from);
    Ok(Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(facts.read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(format!("scale {} {}{back}", target.kind, target.path.name)),
        changes: vec![FieldChange {
            pointer: Safe::fixed(POINTER),
            label: Safe::fixed("replicas"),
            before: Safe::from(before.to_string()),
            after: Safe::from(wanted.to_string()),
            words: None,
        }],
        undo: Some(if before == 0 {
            Safe::from(format!("{wanted} → 0, which takes the last replica: a second person has to consent"))
        } else {
            Safe::from(format!("{wanted} → {before}, while nobody else has changed it"))
        }),
        blast: blast(target.kind, before, wanted, ready),
        room: room(before, wanted, cluster),
        owners,
        load: cluster.load.clone(),
        tier: tier(target.kind, before, wanted, ready),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: Safe::from(command(facts, wanted)),
        facts: Vec::new(),
        instead: None,
        ends: Ends::Stays,
        read_at: facts.read_at,
        expires_at: facts.read_at + LIFETIME,
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: u32::try_from(patience).unwrap_or(u32::MAX),
        raised_from: None,
        target,
    })
}

pub(super) fn blast(kind: Kind, before: u32, wanted: u32, ready: u32) -> Blast {
    let more = wanted > before;
    let by = wanted.abs_diff(before);
    let words = match (u64::from(by) * 100).checked_div(u64::from(before)) {
        None => format!("+{by}, where there is none"),
        Some(percent) if more => format!("+{by} of {before} ({percent} % more), {ready} ready now"),
        Some(percent) => format!("−{by} of {before} ({percent} % less), {ready} ready now"),
    };
    let fewest = if more { ready } else { ready_after(kind, before, wanted, ready) };
    Blast {
        ready_before: ready,
        wanted_before: Some(before),
        wanted_after: wanted,
        fewest_ready: Some(fewest),
        words: Safe::from(words),
    }
}

pub(super) fn room(before: u32, wanted: u32, cluster: &Cluster) -> Room {
    let added = wanted.saturating_sub(before);
    if added == 0 {
        return Room::NotNeeded;
    }
    let Some(fits) = cluster.fits else {
        return Room::Unknown { why: Safe::fixed("the nodes or the requests of its pods are not known") };
    };
    let fit = fits.min(added);
    let wait = added - fit;
    let words = match (wait, &cluster.full) {
        (0, _) => format!("all {added} fit now, by their requests"),
        (_, Some(full)) => format!("{fit} of {added} fit now; {wait} would wait for a node ({full})"),
        (_, None) => format!("{fit} of {added} fit now; {wait} would wait for a node"),
    };
    Room::Counted { fit, wait, words: Safe::from(words) }
}

/// How few may be ready after a scale-down: a ReplicaSet takes unready pods first, a StatefulSet
/// the highest ordinals whatever their state.
fn ready_after(kind: Kind, before: u32, wanted: u32, ready: u32) -> u32 {
    match kind {
        Kind::StatefulSet => wanted.saturating_sub(before.saturating_sub(ready)),
        _ => ready.min(wanted),
    }
}

pub(super) fn tier(kind: Kind, before: u32, wanted: u32, ready: u32) -> Tier {
    if wanted > before {
        Tier::Reversible
    } else if wanted == 0 || ready_after(kind, before, wanted, ready) < 1 {
        Tier::Grave
    } else {
        Tier::Lowers
    }
}

fn command(facts: &Facts<'_>, wanted: u32) -> String {
    let path = &facts.target.path;
    let short = match facts.target.kind {
        Kind::StatefulSet => "statefulset",
        Kind::Rollout => "rollout",
        _ => "deploy",
    };
    let (what, count) = (format!("{short}/{}", path.name), format!("--replicas={wanted}"));
    kubectl(facts.context, &path.namespace, &["scale", &what, &count])
}

/// A `kubectl` command line for the same cluster, safe to paste into a shell.
pub(super) fn kubectl(context: &Context, namespace: &str, arguments: &[&str]) -> String {
    let mut words = vec!["kubectl".to_owned()];
    if let Some(file) = &context.kubeconfig {
        words.extend(["--kubeconfig".to_owned(), quoted(&file.display().to_string())]);
    }
    words.extend(["--context".to_owned(), quoted(&context.name), "-n".to_owned(), quoted(namespace)]);
    words.extend(arguments.iter().map(|word| quoted(word)));
    words.join(" ")
}

/// A command line as a plan keeps it, as long as a value may be: half of one must not be pasted.
pub(super) fn whole(command: &str) -> Safe {
    if command.len() > KEPT {
        return Safe::fixed("(too long to be shown)");
    }
    clean_capped(command, KEPT)
}

/// `word` as a shell takes it for one word.
pub(in crate::respond) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%_+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
