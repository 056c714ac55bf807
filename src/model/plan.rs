//! Plans: a change of a system as it is shown, confirmed, journalled, applied and verified.

mod outcome;
mod stakes;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::text::Safe;

use super::name::{ServiceName, Target};
pub use outcome::{Outcome, Progress, Refusal};
pub use stakes::{Blast, Room};

/// The label of what a restart writes: the time at which it was planned. Reading the system again
/// moves it, and nothing else.
pub const RESTARTED: &str = "restarted";

/// A plan's identity: a ULID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub Safe);

/// What somebody wants changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Another number of replicas.
    Scale {
        /// The workload.
        target: Target,
        /// How many.
        to: Replicas,
    },
    /// Another floor or cap of an autoscaler; what is not given stays.
    Bound {
        /// The autoscaler, or what makes it.
        target: Target,
        /// The fewest replicas.
        floor: Option<u32>,
        /// The most.
        cap: Option<u32>,
    },
    /// An earlier version.
    RollBack {
        /// What has versions.
        target: Target,
        /// Which one.
        to: Revision,
    },
    /// All pods anew, as the strategy has it.
    Restart {
        /// The workload.
        target: Target,
    },
    /// The end of a rollout that is under way.
    Abort {
        /// What is rolled out.
        target: Target,
    },
    /// Other shares of traffic.
    Divert {
        /// What divides it.
        target: Target,
        /// The share of each destination that is named; the rest is divided as before.
        shares: Vec<Share>,
    },
    /// Another value of one key of a selector: blue or green.
    Switch {
        /// What selects.
        target: Target,
        /// The key.
        key: Safe,
        /// Its value.
        to: Safe,
    },
    /// No traffic to a zone for a time.
    Evacuate {
        /// The load balancer.
        target: Target,
        /// The zone, by name or id.
        zone: Safe,
        /// For how long.
        minutes: u32,
    },
    /// No notifications of some alerts for a time.
    Silence {
        /// The Alertmanager.
        target: Target,
        /// What an alert's labels have to be, all of it.
        matchers: Vec<Matcher>,
        /// For how long.
        minutes: u32,
        /// Why.
        comment: Safe,
    },
    /// One command of a service's runbook, run on this machine.
    RunStep {
        /// The step.
        target: Target,
        /// The runbook's file.
        runbook: Safe,
        /// Which of its commands, from 1 on.
        step: u32,
        /// The command as it was read.
        command: Safe,
    },
    /// The inverse of an applied plan, as a fresh guarded plan.
    Undo {
        /// The applied plan.
        plan: Box<Plan>,
    },
}

impl Request {
    /// What it is about.
    pub fn target(&self) -> &Target {
        match self {
            Self::Scale { target, .. }
            | Self::Bound { target, .. }
            | Self::RollBack { target, .. }
            | Self::Restart { target }
            | Self::Abort { target }
            | Self::Divert { target, .. }
            | Self::Switch { target, .. }
            | Self::Evacuate { target, .. }
            | Self::Silence { target, .. }
            | Self::RunStep { target, .. } => target,
            Self::Undo { plan } => &plan.target,
        }
    }

    /// Whether all pods are made anew, and no more: nothing takes that back.
    pub fn is_restart(&self) -> bool {
        matches!(self, Self::Restart { .. })
    }

    /// What was asked for in the first place: that which an undo takes back.
    pub fn origin(&self) -> &Self {
        match self {
            Self::Undo { plan } => plan.request.origin(),
            other => other,
        }
    }

    /// Whether it takes a plan back. The undo of an undo does it again.
    pub fn is_undo(&self) -> bool {
        matches!(self, Self::Undo { plan } if !plan.request.is_undo())
    }

    /// `scale Deployment shop/payments in prod-eu`.
    pub fn words(&self) -> String {
        match self {
            Self::Scale { target, .. } => format!("scale {target}"),
            Self::Bound { target, .. } => format!("change the limits of {target}"),
            Self::RollBack { target, .. } => format!("roll back {target}"),
            Self::Restart { target } => format!("restart {target}"),
            Self::Abort { target } => format!("abort the rollout of {target}"),
            Self::Divert { target, .. } => format!("divert traffic of {target}"),
            Self::Switch { target, .. } => format!("switch {target}"),
            Self::Evacuate { target, zone, .. } => format!("move traffic of {target} away from {zone}"),
            Self::Silence { .. } => "silence alerts".to_owned(),
            Self::RunStep { target, step, .. } => {
                format!("run step {step} of the runbook of {}", target.path.namespace)
            }
            Self::Undo { plan } => format!("undo: {}", plan.title),
        }
    }
}

/// A version of something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// The one before that which is wanted now.
    Previous,
    /// By its system's own name for it: a revision's number, an entry of a history, a task
    /// definition.
    Named(Safe),
}

/// One destination's share of traffic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share {
    /// A subset, a backend, a target group, the identifier of a record.
    pub destination: Safe,
    /// Per cent of the traffic, whatever its system's weights sum to.
    pub weight: u32,
}

/// What one label of an alert has to be, as Alertmanager has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Matcher {
    /// The label.
    pub name: Safe,
    /// Its value, or a regular expression for the whole of it.
    pub value: Safe,
    /// Whether `value` is a regular expression.
    #[serde(default)]
    pub is_regex: bool,
    /// Whether it has to be so, or has not to be so.
    pub is_equal: bool,
}

/// A number of replicas, absolute or relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replicas {
    /// Exactly this many.
    Exactly(u32),
    /// This many more or fewer than when the plan is made.
    By(i32),
}

/// A change of one system, complete enough to be judged by a tired person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// Its identity.
    pub id: PlanId,
    /// What was asked for.
    pub request: Request,
    /// Exactly what is changed, with the UID that was read.
    pub target: Target,
    /// `scale Deployment payments`.
    pub title: Safe,
    /// The fields that are written, with the values that were read.
    pub changes: Vec<FieldChange>,
    /// What has to be as it was read, too, and is not written itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
    /// What it comes to change beside its target: the workload that an autoscaler scales.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<Target>,
    /// What takes it back, in words.
    pub undo: Option<Safe>,
    /// What it puts at stake.
    pub blast: Blast,
    /// Whether the cluster has room for it.
    pub room: Room,
    /// Controllers that own the field or will write it.
    pub owners: Vec<Owner>,
    /// The load on the target, in words.
    pub load: Option<Safe>,
    /// How much confirmation it takes.
    pub tier: Tier,
    /// Whether the credentials allow it.
    pub permission: Permission,
    /// What the system said to a dry run.
    pub preview: Preview,
    /// The service that the target belongs to.
    pub service: Option<ServiceName>,
    /// Other services that it touches: those that share its target, those whose workloads it comes
    /// to change, those whose alerts it hides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceName>,
    /// The same as a command line, to copy.
    pub command: Safe,
    /// What else a person has to know before confirming it, by its label: where each percent of
    /// traffic goes, what does not come back with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// What to plan instead, where a controller would undo this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<Instead>,
    /// Who ends it, if it is meant for a time only.
    #[serde(default)]
    pub ends: Ends,
    /// When the system was read.
    pub read_at: World,
    /// After this it is refreshed in place before it can be confirmed.
    pub expires_at: World,
    /// After this a change that is not visible counts as timed out, in seconds after the write.
    pub patience_seconds: u32,
    /// The tier that it has by itself, where a policy of the configuration raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_from: Option<Tier>,
}

impl Plan {
    /// All that it writes, for people: `replicas 6 → 12`.
    pub fn changed(&self) -> String {
        let words: Vec<_> = self.changes.iter().map(FieldChange::shown).collect();
        words.join(", ")
    }

    /// What it comes to: everything that a confirmation is about, and nothing that reading the
    /// system again changes, such as its times, its load or the words for them.
    pub fn meaning(&self) -> String {
        let fields: Vec<_> =
            self.changes.iter().map(|field| (&field.pointer, &field.before, field.after_for_good())).collect();
        // Texts and numbers alone: nothing of it can fail to be written.
        serde_json::to_string(&(&self.request, &self.target, fields, &self.guards, self.tier)).unwrap_or_default()
    }

    /// Takes note of other services that it touches; each once.
    pub fn touches<'a>(&mut self, services: impl IntoIterator<Item = &'a ServiceName>) {
        for service in services {
            if self.service.as_ref() != Some(service) && !self.services.contains(service) {
                self.services.push(service.clone());
            }
        }
    }

    /// What is typed to confirm it.
    pub fn name_to_type(&self) -> &str {
        self.target.typed()
    }
}

/// One field that a plan writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldChange {
    /// A JSON Pointer into the object, such as `/spec/replicas`.
    pub pointer: Safe,
    /// What people call it: `replicas`.
    pub label: Safe,
    /// The value that was read, as JSON; `null` if there is none.
    pub before: Safe,
    /// The value that is written, as JSON; `null` takes the field away.
    pub after: Safe,
    /// The two for people, where they are more than a word: `payments:2.9.0 → payments:2.8.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Safe>,
}

impl FieldChange {
    /// `replicas 6 → 12`.
    pub fn shown(&self) -> String {
        match &self.words {
            Some(words) => format!("{} {words}", self.label),
            None => format!("{} {} → {}", self.label, self.before, self.after),
        }
    }

    /// What it writes, unless that is the time at which it was planned.
    pub fn after_for_good(&self) -> Option<&Safe> {
        (*self.label != *RESTARTED).then_some(&self.after)
    }

    /// The same change the other way round. Its words are left to whoever knows them.
    pub fn inverse(&self) -> Self {
        Self { before: self.after.clone(), after: self.before.clone(), words: None, ..self.clone() }
    }
}

/// A part of the target that a plan goes by and does not write as a whole: what divides traffic
/// with the destinations that change, or which requests a route is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// A JSON Pointer into the object. Fields that are written may lie below it.
    pub pointer: Safe,
    /// What people call it: `its destinations`.
    pub label: Safe,
    /// The value that was read, as JSON; `null` if there is none.
    pub value: Safe,
}

/// Something that a person has to know of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// One or two words: `traffic`.
    pub label: Safe,
    /// The fact.
    pub words: Safe,
    /// Whether it speaks against the plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warns: bool,
}

/// A change of the controller that would undo a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instead {
    /// `plan the HPA's floor`.
    pub words: Safe,
    /// What is planned then.
    pub request: Box<Request>,
}

/// Who ends a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// It is meant to stay.
    #[default]
    Stays,
    /// The system itself, then.
    BySystem {
        /// When.
        at: World,
    },
    /// Nobody: somebody has to be reminded.
    Reminder,
}

/// A controller that owns the target or the field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Such as `HPA payments 2–8` or `Argo CD app payments`.
    pub name: Safe,
    /// What it will do to the change.
    pub effect: OwnerEffect,
    /// The same for people: `sets it back within 15 s`.
    pub words: Safe,
}

/// What an owner does to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerEffect {
    /// It will undo the change: the plan is not offered as it is.
    Reverts,
    /// It may undo the change later.
    MayRevert,
    /// It is told for information.
    Informs,
}

/// How much confirmation a plan takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Reversible and adds capacity: one key.
    Reversible,
    /// Lowers capacity or moves traffic: the target's name is typed.
    Lowers,
    /// The last capacity or several services: a second person or break-glass.
    Grave,
}

/// Whether the credentials allow a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The system says yes.
    Allowed,
    /// The system says no.
    Denied {
        /// What is missing and who may give it.
        why: Safe,
    },
    /// The system does not tell.
    Unknown {
        /// Why not.
        why: Safe,
    },
}

/// What a dry run said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// The server would accept it.
    Accepted,
    /// The server would refuse it.
    Refused {
        /// Why.
        why: Safe,
    },
    /// There is no dry run to be had.
    Unavailable {
        /// Why not.
        why: Safe,
    },
}
