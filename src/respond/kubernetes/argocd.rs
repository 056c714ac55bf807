//! Argo CD: an Application goes back to an entry of its history, through the resource itself.
//!
//! One JSON Patch turns auto-sync off and asks for the sync of the earlier version: with auto-sync
//! on, Argo CD would roll forward again within seconds. Undoing it puts the very block back, and
//! then Argo CD does roll forward, to whatever git says by then.

mod cron;
mod look;
mod manager;
mod objects;
mod version;
mod windows;

#[cfg(test)]
mod tests;

use http::StatusCode;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::clock::World;
use crate::model::name::{Kind, ObjectPath, ServiceName, Target, WorkloadKey};
use crate::model::plan::{Blast, Ends, FieldChange, Owner, Plan, Refusal, Request, Revision, Tier};
use crate::respond::Cluster;
use crate::respond::guard::refusal;
use crate::text::Safe;

use super::client::Api;
use super::draft::{check_identity, draft, fact, warning};
use super::fields::{self, Held, OPERATION, held};
use super::place::Place;
use super::said;
use super::scale::{kubectl, whole};
pub(super) use look::look;
pub(super) use manager::{elsewhere, hold_instead, owner, roll_back_instead};
use objects::{App, Entry};
use windows::Windows;

/// The block that makes an Application follow git by itself.
const AUTOMATED: &str = "/spec/syncPolicy/automated";
/// Where it is. Argo CD takes it away when nothing is left in it.
const POLICY: &str = "/spec/syncPolicy";
/// Goes back to what runs already: nothing but auto-sync is turned off.
const CURRENT: &str = "current";
/// What keeps pods; the rest of an Application's resources has no capacity.
const WORKLOADS: [Kind; 4] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Rollout];

/// What was read of one Application.
struct Facts<'a> {
    target: &'a Target,
    object: Value,
    app: App,
    /// Those that would write its auto-sync again.
    keepers: Vec<Owner>,
    windows: Windows,
    read_at: World,
    api: &'a Api,
    cluster: &'a Cluster,
}

/// The plan for an earlier version of an Application, or for what takes one back.
pub(super) async fn make(api: &Api, read_at: World, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
    let target = want.target();
    let place = Place::of(target)?;
    let object: Value = api.get(&place.path()).await.map_err(|error| match error.is(StatusCode::NOT_FOUND) {
        true => refusal(format!(
            "{target} is not there: give its namespace if that is not argocd, as in `Application team/shop`"
        )),
        false => error.refusal("read", target),
    })?;
    let app = App::deserialize(&object)
        .map_err(|error| refusal(said(&format!("{target} could not be understood ({error})"))))?;
    check_identity(target, &app.metadata)?;
    let (keepers, windows) = futures::join!(manager::keepers(api, target, &app), windows::read(api, target, &app));
    let facts = Facts { target, object, app, keepers, windows, read_at, api, cluster };
    match want {
        Request::RollBack { to, .. } => facts.roll_back(want, to),
        Request::Undo { plan } => facts.undo(want, plan),
        other => Err(refusal(format!("cannot {}: this version does not know how", other.words()))),
    }
}

impl Facts<'_> {
    fn roll_back(&self, want: &Request, to: &Revision) -> Result<Plan, Refusal> {
        if matches!(to, Revision::Named(name) if *name == CURRENT) {
            return self.hold(want);
        }
        self.check_idle()?;
        let app = &self.app;
        let entry = version::chosen(self.target, app, to)?;
        if version::is_current(app, entry) {
            return Err(refusal(format!(
                "{} is at {} already: there is nothing to roll back; `current` turns only auto-sync off",
                self.target,
                entry.name()
            )));
        }
        let mut plan = self.sync(want, entry)?;
        plan.title = Safe::from(format!("roll back {} {}", self.target.kind, self.target.path.name));
        plan.facts.push(fact("to", &entry.told()));
        let others = version::others(app, entry);
        if !others.is_empty() {
            plan.facts.push(fact("revisions", &others));
        }
        if app.is_automated() {
            plan.changes.insert(0, self.automation(&Value::Null)?);
            plan.undo = Some(Safe::fixed(
                "turns auto-sync on again as it was; that rolls forward to what git says, so revert the commit first",
            ));
            plan.facts
                .push(warning("auto-sync", "goes off, or it would roll forward in seconds; nobody turns it on again"));
            plan.facts.push(fact("cure", &format!("revert the commit in {}, then undo this", app.repository())));
            plan.ends = Ends::Reminder;
            plan.owners.extend(self.keepers.iter().cloned());
        } else {
            plan.undo = Some(said(&match version::current(app) {
                Some(current) => format!("syncs {} again, while nobody else has synced it", current.name()),
                None => "none from here: what runs now is not in the history".to_owned(),
            }));
            plan.facts.push(fact("auto-sync", "is off: it stays at that version until somebody syncs it"));
        }
        plan.facts
            .push(fact("stays", "what only the newer version has is not pruned; data and schemas stay as they are"));
        plan.command = self.command(&plan.changes);
        Ok(plan)
    }

    /// Auto-sync goes off, at the version that runs: what is changed by hand stays then.
    fn hold(&self, want: &Request) -> Result<Plan, Refusal> {
        if !self.app.is_automated() {
            return Err(refusal(format!("auto-sync of {} is off already: what is changed by hand stays", self.target)));
        }
        let mut plan = self.draft(want);
        plan.title = Safe::from(format!("turn auto-sync of {} {} off", self.target.kind, self.target.path.name));
        plan.changes = vec![self.automation(&Value::Null)?];
        plan.undo = Some(Safe::fixed("turns auto-sync on again as it was; that sets back what was changed by hand"));
        plan.blast.words = Safe::fixed("nothing that runs: git is not followed until it is on again");
        plan.facts = vec![
            fact("version", &self.running()),
            warning("auto-sync", "nobody turns it on again; until then no commit is rolled out either"),
        ];
        plan.ends = Ends::Reminder;
        plan.owners.clone_from(&self.keepers);
        plan.command = self.command(&plan.changes);
        Ok(plan)
    }

    /// What takes an applied plan back, if auto-sync, or the last sync, is still what it made of it.
    fn undo(&self, want: &Request, applied: &Plan) -> Result<Plan, Refusal> {
        match applied.changes.iter().find(|change| change.pointer == AUTOMATED || change.pointer == POLICY) {
            Some(change) => self.undo_automation(want, change),
            None => self.undo_sync(want, applied),
        }
    }

    fn undo_automation(&self, want: &Request, change: &FieldChange) -> Result<Plan, Refusal> {
        let target = self.target;
        let (Some(before), Some(ours)) = (block(change, &change.before), block(change, &change.after)) else {
            return Err(refusal(format!("the plan does not hold the auto-sync of {target} before it")));
        };
        let now = self.object.pointer(AUTOMATED).cloned().unwrap_or_default();
        if now == before {
            return Err(refusal(format!("there is nothing to undo: auto-sync of {target} is as it was before")));
        }
        if now != ours {
            return Err(refusal(format!(
                "auto-sync of {target} is not what was set here: the undo would overwrite that"
            )));
        }
        let mut plan = self.draft(want);
        plan.changes = vec![self.automation(&before)?];
        let on = is_on(&before);
        let how = if on { "back on" } else { "off again" };
        plan.title = Safe::from(format!("turn auto-sync of {} {} {how}", target.kind, target.path.name));
        plan.undo = Some(Safe::from(format!("auto-sync {} again", if on { "off" } else { "on" })));
        let status = &self.app.status;
        let git = version::short(&status.sync.revision, &status.sync.revisions);
        plan.facts = if !on {
            vec![fact("version", &self.running())]
        } else if status.sync.status == "Synced" {
            vec![fact("forward", &format!("no: git says what runs, {git}"))]
        } else {
            let when = self.windows.holds_up(target, &self.app, self.read_at);
            let when = when.unwrap_or_else(|| "within seconds".to_owned());
            vec![warning("forward", &format!("{when}, to what git says: {git} when it was last looked at"))]
        };
        if on {
            (plan.blast, plan.tier) = self.stakes();
            plan.affects = self.affected();
        } else {
            plan.ends = Ends::Reminder;
            plan.owners.clone_from(&self.keepers);
        }
        plan.command = self.command(&plan.changes);
        Ok(plan)
    }

    /// Where auto-sync was off before, the version before is synced again.
    fn undo_sync(&self, want: &Request, applied: &Plan) -> Result<Plan, Refusal> {
        let target = self.target;
        self.check_idle()?;
        if !matches!(held(&self.object, applied), Held::After) {
            return Err(refusal(format!(
                "{target} was synced by somebody else since: the undo would overwrite that; roll it back instead"
            )));
        }
        let before = applied.changes.iter().find_map(version::before).ok_or_else(|| {
            refusal(format!(
                "what ran before {} was not in the history of {target}: it cannot be undone",
                applied.title
            ))
        })?;
        let entry = version::by_id(&self.app, before).ok_or_else(|| {
            refusal(format!("{target} does not keep entry {before} any more: sync it by its revision"))
        })?;
        let mut plan = self.sync(want, entry)?;
        plan.title = Safe::from(format!("undo the rollback of {} {}", target.kind, target.path.name));
        plan.undo = Some(Safe::fixed("the rollback once more, while nobody else has synced it"));
        plan.facts.insert(0, fact("to", &entry.told()));
        plan.command = self.command(&plan.changes);
        Ok(plan)
    }

    /// The API server would refuse a second operation beside a first one; the resource would not.
    fn check_idle(&self) -> Result<(), Refusal> {
        if self.app.operation.is_none() {
            return Ok(());
        }
        let state = self.app.status.operation_state.clone().unwrap_or_default();
        let words = if state.message.is_empty() { String::new() } else { format!(" ({})", state.message) };
        Err(refusal(said(&format!(
            "{} is being synced{words}: wait for its end, or end it with `argocd app terminate-op {}`",
            self.target, self.target.path.name
        ))))
    }

    /// A plan that asks for the sync of `entry`.
    fn sync(&self, want: &Request, entry: &Entry) -> Result<Plan, Refusal> {
        let windows = self.windows.judge(self.target, &self.app, self.read_at)?;
        let operation = version::operation(&self.app, entry, &self.cluster.by);
        let after = fields::kept(&operation).ok_or_else(|| {
            refusal(format!(
                "the sources of {} are too large to be kept in the record, and without that nothing is changed",
                self.target
            ))
        })?;
        let mut plan = self.draft(want);
        plan.changes = vec![FieldChange {
            pointer: Safe::fixed(OPERATION),
            label: Safe::fixed("version"),
            before: Safe::fixed("null"),
            after,
            words: Some(said(&format!("{} → {}", self.running(), entry.name()))),
        }];
        plan.facts = windows;
        (plan.blast, plan.tier) = self.stakes();
        plan.affects = self.affected();
        Ok(plan)
    }

    /// `9f8e7d6 (entry 7)`: what was synced last.
    fn running(&self) -> String {
        match version::current(&self.app) {
            Some(entry) => entry.name(),
            None => version::tried(&self.app),
        }
    }

    /// Auto-sync from what it is to `after`.
    fn automation(&self, after: &Value) -> Result<FieldChange, Refusal> {
        let before = self.object.pointer(AUTOMATED).cloned().unwrap_or_default();
        let words = Safe::from(format!("{} → {}", automation(&before), automation(after)));
        // A test of what is not there takes a parent that is there.
        let (pointer, written) = match self.object.pointer(POLICY).is_some_and(Value::is_object) {
            true => (AUTOMATED, after.clone()),
            false => (POLICY, json!({ "automated": after })),
        };
        let (Some(kept_before), Some(kept_after)) = (fields::kept(&before), fields::kept(&written)) else {
            return Err(refusal(format!("the auto-sync of {} is too large to be kept in the record", self.target)));
        };
        Ok(FieldChange {
            pointer: Safe::fixed(pointer),
            label: Safe::fixed("auto-sync"),
            before: kept_before,
            after: kept_after,
            words: Some(words),
        })
    }

    /// The workloads that may be made anew. More than one is more than one key's worth, and several
    /// services take a second person; one that the catalogue does not know counts for itself.
    fn stakes(&self) -> (Blast, Tier) {
        let workloads = self.workloads();
        let named: Vec<_> = workloads.iter().map(|one| format!("{} {}", one.kind, one.path.name)).collect();
        let more = named.len().saturating_sub(4);
        let first = named.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let there = self.elsewhere().map_or(String::new(), |cluster| format!(" in the cluster {cluster}"));
        let words = match (named.len(), more) {
            (0, _) => format!("no workload of it{there} is known"),
            (_, 0) => format!("{first}{there}: made anew where the versions differ"),
            (_, more) => format!("{first} and {more} more{there}: made anew where the versions differ"),
        };
        // One of the same name in another cluster is not the service's that is known here.
        let known = |one: &Target| self.service_of(one).filter(|_| there.is_empty());
        let of = |one: &Target| known(one).map_or_else(|| one.path.to_string(), |service| service.0.to_string());
        let services: std::collections::BTreeSet<String> = workloads.iter().map(of).collect();
        let tier = match (services.len(), workloads.len()) {
            (2.., _) => Tier::Grave,
            (_, 2..) => Tier::Lowers,
            _ => Tier::Reversible,
        };
        (Blast { words: said(&words), ..Blast::default() }, tier)
    }

    /// The cluster that it deploys to, if that may be another one than this.
    fn elsewhere(&self) -> Option<Safe> {
        self.app.spec.destination.elsewhere(self.api.server()).map(said)
    }

    /// What else a sync comes to change. Those of another cluster cannot be named from here.
    fn affected(&self) -> Vec<Target> {
        if self.elsewhere().is_some() { Vec::new() } else { self.workloads() }
    }

    /// What keeps pods of it, in the cluster that it deploys to.
    fn workloads(&self) -> Vec<Target> {
        let resources = self.app.status.resources.iter();
        let ours = resources.filter_map(|resource| {
            let kind = Kind::parse(&resource.kind).filter(|kind| WORKLOADS.contains(kind))?;
            // What says no namespace of its own goes to the destination's.
            let namespace = match resource.namespace.as_str() {
                "" => &self.app.spec.destination.namespace,
                namespace => namespace,
            };
            Some(Target {
                origin: self.target.origin.clone(),
                kind,
                path: ObjectPath::new(namespace, resource.name.as_str()),
                uid: None,
            })
        });
        ours.collect()
    }

    fn service_of(&self, workload: &Target) -> Option<&ServiceName> {
        self.cluster.workloads.get(&WorkloadKey { kind: workload.kind, path: workload.path.clone() })
    }

    /// Whatever it changes touches all services that it deploys.
    fn draft(&self, want: &Request) -> Plan {
        let mut plan = draft(self.target, &self.app.metadata, want, self.read_at, self.cluster);
        plan.touches(self.workloads().iter().filter_map(|one| self.service_of(one)));
        plan
    }

    /// The same changes as one command.
    fn command(&self, changes: &[FieldChange]) -> Safe {
        let mut patch = json!({});
        for change in changes {
            let value: Value = serde_json::from_str(&change.after).unwrap_or_default();
            match change.pointer.as_str() {
                AUTOMATED => patch["spec"] = json!({ "syncPolicy": { "automated": value } }),
                POLICY => patch["spec"] = json!({ "syncPolicy": value }),
                _ => patch["operation"] = value,
            }
        }
        let path = &self.target.path;
        whole(&kubectl(
            self.api.context(),
            &path.namespace,
            &["patch", "application", &path.name, "--type=merge", "-p", &patch.to_string()],
        ))
    }
}

/// The block of auto-sync that a change holds in one of its values.
fn block(change: &FieldChange, value: &Safe) -> Option<Value> {
    let value: Value = serde_json::from_str(value).ok()?;
    Some(if change.pointer == POLICY { value.get("automated").cloned().unwrap_or_default() } else { value })
}

/// Whether a block of auto-sync is in force.
fn is_on(automated: &Value) -> bool {
    automated.is_object() && automated.get("enabled") != Some(&Value::Bool(false))
}

/// `on (heals itself, prunes)`.
fn automation(automated: &Value) -> String {
    if !is_on(automated) {
        return "off".to_owned();
    }
    let is = |key: &str| automated.get(key) == Some(&Value::Bool(true));
    let how: Vec<_> = [("selfHeal", "heals itself"), ("prune", "prunes")]
        .into_iter()
        .filter(|(key, _)| is(key))
        .map(|(_, words)| words)
        .collect();
    if how.is_empty() { "on".to_owned() } else { format!("on ({})", how.join(", ")) }
}
