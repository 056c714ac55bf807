//! Plans: a change of a system as it is shown, confirmed, journalled, applied and verified.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::text::Safe;

use super::name::{ServiceName, Target};

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
    /// The inverse of an applied plan, as a fresh guarded plan.
    Undo {
        /// The applied plan.
        plan: Box<Plan>,
    },
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
    /// The same as a command line, to copy.
    pub command: Safe,
    /// When the system was read.
    pub read_at: World,
    /// After this it is refreshed in place before it can be confirmed.
    pub expires_at: World,
    /// After this a change that is not visible counts as timed out, in seconds after the write.
    pub patience_seconds: u32,
}

/// One field that a plan writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldChange {
    /// A JSON Pointer into the object, such as `/spec/replicas`.
    pub pointer: Safe,
    /// What people call it: `replicas`.
    pub label: Safe,
    /// The value that was read, as JSON.
    pub before: Safe,
    /// The value that is written, as JSON.
    pub after: Safe,
}

/// What a plan puts at stake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blast {
    /// Ready replicas before.
    pub ready_before: u32,
    /// Replicas wanted after.
    pub wanted_after: u32,
    /// The change of the target's ready capacity, in words: `+6 of 6 (100 % more)`.
    pub words: Safe,
}

/// Whether the cluster has room.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Nothing is added.
    NotNeeded,
    /// So many of the added replicas fit now by requests, and so many would wait.
    Counted {
        /// Added replicas that fit now.
        fit: u32,
        /// Added replicas that would stay pending.
        wait: u32,
        /// Why, in words.
        words: Safe,
    },
    /// Nodes or requests are not known.
    Unknown {
        /// Why not.
        why: Safe,
    },
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

/// How an applied plan ended, or where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outcome {
    /// The target identity is live.
    Verified {
        /// Seconds from write to verification.
        after_seconds: u32,
        /// What is live now: `12 of 12 ready`.
        words: Safe,
    },
    /// Somebody or something set the field to another value.
    Overridden {
        /// What it is now, and by whom if known.
        words: Safe,
    },
    /// The system refused the write: nothing was changed.
    Refused {
        /// Why.
        why: Safe,
    },
    /// The change failed after it was accepted.
    Failed {
        /// Why.
        why: Safe,
    },
    /// Written, but the target identity was not seen in time.
    TimedOut {
        /// What was seen last.
        words: Safe,
    },
    /// Whether it was written is not known.
    Unknown {
        /// What is known.
        why: Safe,
    },
}

impl Outcome {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Verified { .. } => "verified",
            Self::Overridden { .. } => "overridden",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::TimedOut { .. } => "timed out",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The explanation, for people.
    pub fn words(&self) -> &Safe {
        match self {
            Self::Verified { words, .. } | Self::Overridden { words } | Self::TimedOut { words } => words,
            Self::Refused { why } | Self::Failed { why } | Self::Unknown { why } => why,
        }
    }
}

/// How far an applied plan has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Under {
        /// Such as `9 of 12 ready`.
        words: Safe,
    },
    /// It ended.
    Ended(Outcome),
}

/// Why no plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was attempted, on what, why not, and what to do instead.
    pub why: Safe,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}
