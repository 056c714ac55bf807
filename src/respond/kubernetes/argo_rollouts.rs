//! Argo Rollouts: the end of a rollout that is under way, an earlier version, and all pods anew.
//!
//! An abort is a field of the status, and it leaves the specification alone: the stable version
//! takes over again while the new one stays wanted. A rollback writes an earlier template, which
//! the Rollout's own ReplicaSets keep, to the Rollout, or to the Deployment that it refers to. A
//! restart is a time in the specification.

mod abort;
mod counted;
mod look;
mod objects;
mod referenced;
mod referring;
mod restart;
mod template;

#[cfg(test)]
mod tests;

use http::StatusCode;
use serde::Deserialize as _;
use serde_json::Value;

use crate::clock::World;
use crate::model::name::{Kind, Target, Uid};
use crate::model::plan::{Blast, FieldChange, Guard, Plan, Refusal, Request, Revision};
use crate::respond::Cluster;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::argocd;
use super::client::{Api, ApiError};
use super::difference::{self, leaves};
use super::draft::{check_identity, draft, fact, warning};
use super::fields::{self, Held, held};
use super::objects::{Application, Meta};
use super::owners::{self, Field};
use super::pace::share;
use super::place::Place;
use super::said;
use super::scale::{kubectl, whole};
pub(super) use counted::counted;
pub(super) use look::{look, look_at_referenced};
use objects::{ReplicaSet, Rollout};
use referenced::Referenced;
pub(super) use referenced::check as check_referenced;
pub(super) use referring::Referring;

const TEMPLATE: &str = "/spec/template";
/// Revisions that are told beside the one that is meant.
const TOLD: usize = 4;

/// What was read of one Rollout.
struct Facts<'a> {
    target: &'a Target,
    object: Value,
    rollout: Rollout,
    /// Its own ReplicaSets.
    sets: Vec<ReplicaSet>,
    /// The Application that it is part of, if it is part of one, as it is tracked.
    application: Option<(String, Result<Application, ApiError>)>,
    read_at: World,
    /// What its template is taken from, where that is to be written.
    referenced: Option<Referenced>,
    api: &'a Api,
    cluster: &'a Cluster,
}

/// What holds the template: the Rollout itself, or what it refers to.
struct Holder<'a> {
    target: &'a Target,
    meta: &'a Meta,
    object: &'a Value,
    application: &'a Option<(String, Result<Application, ApiError>)>,
}

/// The plan for an abort, an earlier version or a restart of a Rollout, or for what takes one back.
pub(super) async fn make(api: &Api, read_at: World, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
    // An undo names what was written, and that may be the Deployment.
    let target = if want.target().kind == Kind::Rollout { want.target() } else { want.origin().target() };
    let place = Place::of(target)?;
    let object: Value = api.get(&place.path()).await.map_err(|error| match error.is(StatusCode::NOT_FOUND) {
        true => refusal(format!("{target} is not there: give its namespace as in `Rollout shop/checkout`")),
        false => error.refusal("read", target),
    })?;
    let rollout = Rollout::deserialize(&object)
        .map_err(|error| refusal(said(&format!("{target} could not be understood ({error})"))))?;
    check_identity(target, &rollout.metadata)?;
    let (sets, application) = futures::join!(
        objects::replica_sets(api, &place.namespace, &rollout),
        api.application(&rollout.metadata, target.kind.as_str())
    );
    let sets = sets.map_err(|error| error.refusal("read the ReplicaSets of", target))?;
    let referenced = referenced::read(api, want, target, &rollout).await?;
    let facts = Facts { target, object, rollout, sets, application, read_at, referenced, api, cluster };
    match want {
        Request::Abort { .. } => facts.abort(want),
        Request::Restart { .. } => facts.restart(want),
        Request::RollBack { to, .. } => facts.roll_back(want, to),
        Request::Undo { plan } => facts.undo(want, plan),
        other => Err(refusal(format!("cannot {}: this version does not know how", other.words()))),
    }
}

impl Facts<'_> {
    fn set_of(&self, hash: &str) -> Option<&ReplicaSet> {
        self.sets.iter().find(|set| !hash.is_empty() && set.hash() == hash)
    }

    /// `revision 4 (checkout:2.8.0)`.
    fn name_of(&self, hash: &str) -> String {
        match self.set_of(hash) {
            Some(set) => set.name(),
            None => format!("the version {hash}, whose ReplicaSet is gone"),
        }
    }

    /// What the controller has not looked at is not judged by its status.
    fn check_observed(&self) -> Result<(), Refusal> {
        if self.rollout.observed() {
            return Ok(());
        }
        Err(refusal(format!(
            "{} was changed a moment ago and its controller has not looked at that yet: try again; if that stays so, \
             see whether Argo Rollouts runs",
            self.target
        )))
    }

    fn roll_back(&self, want: &Request, to: &Revision) -> Result<Plan, Refusal> {
        let target = self.target;
        self.check_observed()?;
        if self.rollout.spec.paused {
            return Err(refusal(format!(
                "{target} is paused (spec.paused): a rollback would wait with it; resume it first"
            )));
        }
        let set = self.chosen(to)?;
        let status = &self.rollout.status;
        if set.hash() == status.current_pod_hash {
            return Err(refusal(format!("{target} is at {} already: there is nothing to roll back", set.name())));
        }
        let template = template::of(set);
        let mut plan = self.write_template(want, &template)?;
        plan.title = Safe::from(format!("roll back {} {}", target.kind, target.path.name));
        let current = self.name_of(&status.current_pod_hash);
        plan.undo = Some(said(&format!("back to {current}, while nobody else has changed the template")));
        let way = self.way_to(set);
        plan.facts.push(if self.is_within_window(set) { warning("to", &way) } else { fact("to", &way) });
        let mut others: Vec<_> = self
            .sets
            .iter()
            .filter(|other| ![set.hash(), status.current_pod_hash.as_str()].contains(&other.hash()))
            .collect();
        others.sort_by_key(|other| std::cmp::Reverse(other.revision()));
        let others: Vec<_> = others.into_iter().take(TOLD).map(ReplicaSet::name).collect();
        if !others.is_empty() {
            plan.facts.push(fact("revisions", &others.join("; ")));
        }
        if status.abort {
            plan.facts.push(fact("abort", "is cleared by Argo Rollouts when the template changes"));
        }
        Ok(plan)
    }

    /// The revision that is meant: without a number the stable one while another is rolled out or
    /// was aborted, else the newest one before that which is wanted now.
    fn chosen(&self, to: &Revision) -> Result<&ReplicaSet, Refusal> {
        let (target, status) = (self.target, &self.rollout.status);
        let kept = || {
            let mut numbers: Vec<_> = self.sets.iter().filter_map(ReplicaSet::revision).collect();
            numbers.sort_unstable();
            let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
        };
        match to {
            Revision::Named(name) => {
                let number: Option<u64> = name.parse().ok();
                self.sets.iter().find(|set| number.is_some() && set.revision() == number).ok_or_else(|| {
                    refusal(said(&format!("{target} keeps no revision {name}; those it keeps: {}", kept())))
                })
            }
            Revision::Previous => {
                let stable = self.set_of(&status.stable_rs).filter(|_| status.stable_rs != status.current_pod_hash);
                let earlier = || {
                    self.sets
                        .iter()
                        .filter(|set| set.revision().is_some() && set.hash() != status.current_pod_hash)
                        .max_by_key(|set| set.revision())
                };
                stable
                    .or_else(earlier)
                    .ok_or_else(|| refusal(format!("{target} keeps no earlier version: its history is {}", kept())))
            }
        }
    }

    /// How a Rollout comes to the template of `set`.
    fn way_to(&self, set: &ReplicaSet) -> String {
        let way = if set.hash() == self.rollout.status.stable_rs {
            "which is stable: its steps are skipped"
        } else if self.is_within_window(set) {
            "which lies within rollbackWindow: its steps, pauses and analyses are skipped"
        } else if self.rollout.is_blue_green() {
            "which is previewed and promoted as any new version"
        } else {
            "which goes through the steps as any new version, pauses included"
        };
        format!("{}, {way}", set.name())
    }

    /// Whether Argo Rollouts goes to `set` at once, as it does to one that is older than the stable
    /// one with fewer than so many between them (`isRollbackWithinWindow`).
    fn is_within_window(&self, set: &ReplicaSet) -> bool {
        let Some(stable) = self.set_of(&self.rollout.status.stable_rs) else { return false };
        let made = |set: &ReplicaSet| set.metadata.creation_timestamp.as_deref()?.parse::<World>().ok();
        let (Some(from), Some(to)) = (made(set), made(stable)) else { return false };
        let between = self.sets.iter().filter(|other| made(other).is_some_and(|made| from < made && made < to)).count();
        from < to && u64::try_from(between).is_ok_and(|between| between < self.rollout.window())
    }

    /// What takes an applied plan back, if the fields still hold what it wrote.
    fn undo(&self, want: &Request, applied: &Plan) -> Result<Plan, Refusal> {
        let holder = self.holder();
        let target = holder.target;
        if applied.request.origin().is_restart() {
            return Err(restart::refused(target));
        }
        if applied.target.kind != target.kind || applied.target.path != target.path {
            return Err(refusal(format!(
                "{} wrote {}, and {} does not take its template from there any more: roll it back instead",
                applied.title, applied.target, self.target
            )));
        }
        match held(holder.object, applied) {
            Held::After => {}
            Held::Before => return Err(refusal(format!("there is nothing to undo: {target} is as it was before"))),
            Held::Beside(guard) => {
                return Err(refusal(format!(
                    "{target}: {} since: the undo is not what it was",
                    fields::strayed(guard)
                )));
            }
            Held::Other(field, _) => {
                return Err(refusal(format!(
                    "{} of {target} is not what was set here: the undo would overwrite that",
                    field.label
                )));
            }
        }
        let [change] = applied.changes.as_slice() else {
            return Err(refusal(format!("{} has no inverse that this version knows", applied.title)));
        };
        if change.pointer != TEMPLATE {
            return Ok(self.undo_abort(want, change));
        }
        let read = |text: &Safe| serde_json::from_str::<Value>(text).ok();
        let (Some(before), Some(after)) = (read(&change.after), read(&change.before)) else {
            return Err(refusal(format!(
                "{} does not hold the template before it: nothing was changed",
                applied.title
            )));
        };
        // What is written is what is there: of a plan from the record secrets were taken out.
        let now = self.template();
        if now != before || after.to_string().contains("[redacted ") {
            return Err(refusal(format!(
                "the template before {} is not kept with its secrets: roll {target} back to its revision instead",
                applied.title
            )));
        }
        let mut plan = self.write_template(want, &after)?;
        plan.title = Safe::from(format!("undo the rollback of {} {}", self.target.kind, self.target.path.name));
        plan.undo = Some(Safe::fixed("the rollback once more, while nobody else has changed the template"));
        Ok(plan)
    }

    /// A plan that writes a template.
    fn write_template(&self, want: &Request, after: &Value) -> Result<Plan, Refusal> {
        let holder = self.holder();
        let before = self.template();
        let (Some(kept_before), Some(kept_after)) = (fields::kept(&before), fields::kept(after)) else {
            return Err(refusal(format!(
                "the template of {} is too large to be kept in the record, and without that nothing is changed",
                holder.target
            )));
        };
        // A ReplicaSet keeps a template with every default written down: of two that do, what
        // differs was meant to.
        let current = self.set_of(&self.rollout.status.current_pod_hash).map(template::of);
        let set = self.sets.iter().find(|set| template::of(set) == *after);
        let (by_set, pods) = (set.is_some(), set.map_or(0, |set| set.status.replicas));
        let stable = &self.rollout.status.stable_rs;
        let skips = set.is_some_and(|set| set.hash() == stable || self.is_within_window(set));
        let current = current.filter(|_| by_set).unwrap_or_else(|| before.clone());
        let differs = leaves(&current, after);
        let mut plan = self.draft_of(&holder, want);
        plan.changes = vec![FieldChange {
            pointer: Safe::fixed(TEMPLATE),
            label: Safe::fixed("template"),
            before: kept_before,
            after: kept_after,
            words: Some(said(difference::images(&differs).as_deref().unwrap_or("another of the same image"))),
        }];
        let (status, wanted) = (&self.rollout.status, self.rollout.wanted());
        plan.blast = Blast {
            ready_before: status.ready_replicas,
            wanted_before: None,
            wanted_after: wanted,
            fewest_ready: Some(self.fewest()),
            words: Safe::from(format!(
                "{pods} of {wanted} pods are of it already, the others are made anew; {} ready now",
                status.ready_replicas
            )),
        };
        if !skips && !self.rollout.is_blue_green() {
            let pauses = self.rollout.pauses();
            plan.patience_seconds = plan.patience_seconds.saturating_add(pauses.seconds);
            plan.facts.extend(pauses.words().map(|words| fact("pauses", &words)));
        }
        if self.referenced.is_some() {
            // By its UID: it is looked at once more before the write, and afterwards.
            let uid = Some(Uid(Safe::from(self.rollout.metadata.uid.as_str())));
            plan.affects = vec![Target { uid, ..self.target.clone() }];
            // Pods of its own would be replaced at once.
            plan.guards.push(Guard {
                pointer: Safe::fixed("/spec/replicas"),
                label: Safe::fixed("its replicas"),
                value: Safe::fixed("0"),
            });
            let words = format!("{}, which {} takes its template from (workloadRef)", holder.target, self.target);
            plan.facts.push(fact("writes", &words));
        }
        plan.facts.extend(difference::words(&differs).filter(|_| by_set).map(|words| fact("differs", &words)));
        let stay: Vec<_> = difference::sources(after).into_iter().take(6).collect();
        let stay = if stay.is_empty() { "ConfigMaps, Secrets".to_owned() } else { stay.join(", ") };
        plan.facts.push(warning("stays", &format!("{stay} and schemas do not roll back")));
        let pointers: Vec<_> = differs.iter().map(|leaf| format!("{TEMPLATE}{}", leaf.pointer)).collect();
        let kind = holder.target.kind.as_str();
        plan.owners = owners::of_field(Field::Template(&pointers), holder.meta, kind, holder.application.clone());
        let tracked = holder.application.as_ref().map(|(tracked, _)| tracked.as_str());
        plan.instead = argocd::roll_back_instead(holder.target, tracked, &plan.owners);
        let path = &holder.target.path;
        plan.command = whole(&kubectl(
            self.api.context(),
            &path.namespace,
            &["patch", &kind.to_ascii_lowercase(), &path.name, "--type=json", "-p", &template::patch(after)],
        ));
        Ok(plan)
    }

    /// What holds the template that is to be written.
    fn holder(&self) -> Holder<'_> {
        match &self.referenced {
            Some(it) => Holder { target: &it.target, meta: &it.meta, object: &it.object, application: &it.application },
            None => Holder {
                target: self.target,
                meta: &self.rollout.metadata,
                object: &self.object,
                application: &self.application,
            },
        }
    }

    /// The template as it is now.
    fn template(&self) -> Value {
        self.holder().object.pointer(TEMPLATE).cloned().unwrap_or_default()
    }

    /// The fewest that are ready while another version is rolled out: a blue-green rollout keeps
    /// the old one until the new one is promoted.
    fn fewest(&self) -> u32 {
        let (ready, wanted) = (self.rollout.status.ready_replicas, self.rollout.wanted());
        if self.rollout.is_blue_green() {
            return ready;
        }
        let given = self.object.pointer("/spec/strategy/canary/maxUnavailable").cloned();
        let away = share(&given.unwrap_or_else(|| "25%".into()), wanted, false);
        ready.min(wanted.saturating_sub(away))
    }

    fn draft(&self, want: &Request) -> Plan {
        let (target, meta) = (self.target, &self.rollout.metadata);
        self.draft_of(&Holder { target, meta, object: &self.object, application: &self.application }, want)
    }

    fn draft_of(&self, holder: &Holder<'_>, want: &Request) -> Plan {
        let mut plan = draft(holder.target, holder.meta, want, self.read_at, self.cluster);
        if let Some(seconds) = self.rollout.spec.progress_deadline_seconds {
            plan.patience_seconds = seconds;
        }
        plan
    }
}
