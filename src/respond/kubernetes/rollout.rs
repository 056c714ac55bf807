//! What rolling back and restarting share: reading the workload, and a plan that replaces its pods.

use chrono::TimeDelta;
use serde::Deserialize as _;
use serde_json::Value;
use ulid::Ulid;

use crate::clock::World;
use crate::model::name::{Kind, Target, Uid};
use crate::model::plan::{Ends, Fact, FieldChange, Owner, Permission, Plan, PlanId, Preview, Refusal, Request};
use crate::respond::Cluster;
use crate::respond::guard::{LIFETIME, refusal};
use crate::text::Safe;

use super::argo_rollouts::Referring;
use super::client::Context;
use super::objects::Meta;
use super::owners::sorted;
use super::pace::{Pace, Way};
use super::place::Place;
use super::scale::{kubectl, whole};
use super::{Kubernetes, revisions};

/// One workload, as it was read.
pub(super) struct Read<'a> {
    pub(super) target: &'a Target,
    pub(super) object: Value,
    pub(super) meta: Meta,
    pub(super) pace: Pace,
    pub(super) read_at: World,
    /// What is to be said of Rollouts that may take its template.
    referring: Option<Owner>,
    context: &'a Context,
}

/// What is particular to one plan.
pub(super) struct Made {
    pub(super) title: String,
    pub(super) changes: Vec<FieldChange>,
    pub(super) undo: Option<Safe>,
    pub(super) facts: Vec<Fact>,
    pub(super) owners: Vec<Owner>,
    pub(super) command: String,
}

impl Kubernetes {
    /// Reads a workload whose template is about to change: the one that was picked, and going to
    /// stay, and not paused, and its own. `instead`: the command for a Rollout that takes its template.
    pub(super) async fn read_rollout<'a>(&'a self, target: &'a Target, instead: &str) -> Result<Read<'a>, Refusal> {
        if !revisions::has(target.kind) {
            return Err(refusal(format!("a {} has no template of its own that could be changed here", target.kind)));
        }
        let place = Place::of(target)?;
        // Before the first read: a plan is never younger than what it shows.
        let read_at = self.clock.now();
        let path = place.path();
        let (object, referring) = futures::join!(self.api.get(&path), Referring::read(&self.api, target));
        let object: Value = object.map_err(|error| error.refusal("read", target))?;
        let meta = object.get("metadata").and_then(|meta| Meta::deserialize(meta).ok()).unwrap_or_default();
        if meta.uid.is_empty() || target.uid.as_ref().is_some_and(|uid| *uid.as_str() != meta.uid) {
            return Err(refusal(format!(
                "{target} is another object than the one picked, of the same name: pick it again"
            )));
        }
        if meta.deletion_timestamp.is_some() {
            return Err(refusal(format!("{target} is being deleted: a change would do nothing")));
        }
        referring.check(target, instead)?;
        let (pace, referring) = (Pace::of(target.kind, &object), referring.owner());
        let read = Read { target, meta, pace, read_at, referring, context: self.api.context(), object };
        if read.object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
            let resume = read.kubectl(&["rollout", "resume", &read.short()]);
            return Err(refusal(format!(
                "{target} is paused: nothing would roll out, and what it was paused for would go; resume it first: \
                 {resume}"
            )));
        }
        Ok(read)
    }
}

impl Read<'_> {
    pub(super) fn template(&self) -> Result<&Value, Refusal> {
        self.object
            .pointer(super::rollback::POINTER)
            .ok_or_else(|| refusal(format!("the server told no template of {}: nothing was planned", self.target)))
    }

    /// `deploy/payments`, as kubectl takes it.
    pub(super) fn short(&self) -> String {
        let kind = match self.target.kind {
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemonset",
            _ => "deploy",
        };
        format!("{kind}/{}", self.target.path.name)
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(self.context, &self.target.path.namespace, arguments)
    }
}

/// The plan. Permission and preview are filled in by the engine.
pub(super) fn plan(read: &Read<'_>, want: &Request, cluster: &Cluster, made: Made) -> Plan {
    let not_asked = Safe::fixed("not asked yet");
    let target = Target { uid: Some(Uid(Safe::from(read.meta.uid.as_str()))), ..read.target.clone() };
    Plan {
        id: PlanId(Safe::from(Ulid::from_datetime(read.read_at.into()).to_string())),
        request: want.clone(),
        title: Safe::from(made.title),
        changes: made.changes,
        undo: made.undo,
        blast: read.pace.blast(),
        room: read.pace.room(cluster),
        owners: sorted(made.owners.into_iter().chain(read.referring.clone()).collect()),
        load: cluster.load.clone(),
        tier: read.pace.tier(),
        permission: Permission::Unknown { why: not_asked.clone() },
        preview: Preview::Unavailable { why: not_asked },
        service: cluster.service.clone(),
        services: Vec::new(),
        command: whole(&made.command),
        facts: made.facts,
        instead: None,
        ends: Ends::Stays,
        read_at: read.read_at,
        expires_at: read.read_at + LIFETIME,
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: read.pace.patience(),
        raised_from: None,
        target,
    }
}

/// How its pods are replaced: in how many steps, and what is not obvious of it.
pub(super) fn ways(read: &Read<'_>) -> Vec<Fact> {
    let takes =
        read.pace.takes().map(|words| Fact { label: Safe::fixed("takes"), words: Safe::from(words), warns: false });
    takes.into_iter().chain(way(read)).collect()
}

fn way(read: &Read<'_>) -> Option<Fact> {
    let words = match read.pace.way {
        Way::Rolls | Way::Recreates => return None,
        Way::From(keeps) => {
            Safe::from(format!("pods below ordinal {} keep their version (partition)", read.pace.below(keeps)))
        }
        Way::OnDelete => Safe::fixed("pods keep their version until somebody deletes them (OnDelete)"),
    };
    Some(Fact { label: Safe::fixed("strategy"), words, warns: true })
}

/// `25 min`, `6 d`.
pub(super) fn age(of: TimeDelta) -> String {
    match of.num_seconds().max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}
