//! The seam to one system's actuator: without proof of a durable intent there is no write.

use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::model::entry::Evidence;
use crate::model::name::Kind;
use crate::model::plan::{Permission, Plan, PlanId, Preview, Refusal, Request};
use crate::record::Durable;
use crate::text::Safe;

use super::Cluster;

/// The right to write once: a plan and the proof that its intent is durable.
#[derive(Debug)]
pub struct Intent {
    plan: Plan,
    proof: Durable,
}

impl Intent {
    /// Only the engine makes one, from the journal's receipt for exactly this plan.
    pub(super) fn new(plan: Plan, proof: Durable) -> Self {
        Self { plan, proof }
    }

    /// What to write.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The entry of the intent.
    pub fn proof(&self) -> &Durable {
        &self.proof
    }
}

/// The system took the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// What identifies the written state, such as a generation.
    pub identity: Safe,
}

/// Why a write did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The system refused it: nothing changed.
    #[error("{0}")]
    Refused(Safe),
    /// It may or may not have been taken: a time-out, a cut connection. Never retried.
    #[error("{0}")]
    Unknown(Safe),
}

/// What a look at the target shows of a plan: plain observation. What follows from it depends on
/// whether the write is known to have been taken, which the engine judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The fields hold what the plan read: not written, or set back.
    AsBefore {
        /// What they hold, and who set them if known.
        words: Safe,
    },
    /// The fields hold what the plan writes; it is not live yet.
    Under {
        /// Such as `9 of 12 ready, 3 pending`.
        words: Safe,
    },
    /// The target identity is live.
    Live {
        /// Such as `12 of 12 ready`.
        words: Safe,
    },
    /// The fields hold what the plan writes, and nothing runs it before somebody does something.
    Written {
        /// What has to happen still.
        words: Safe,
    },
    /// The fields hold a third value.
    Other {
        /// What they hold, and who set them if known.
        words: Safe,
    },
    /// The fields hold what the plan writes, and its system says that it did not work out.
    Failed {
        /// What it says.
        why: Safe,
    },
    /// The target is gone, or another object has its name.
    Gone {
        /// Which of the two.
        why: Safe,
    },
    /// The system could not be read now.
    Unread {
        /// What came back.
        why: Safe,
    },
}

/// Changes one system. Its client has retries off.
pub trait Actuator: Send + Sync {
    /// Whether objects of this kind are of its system.
    fn serves(&self, kind: Kind) -> bool;
    /// Reads the system and makes a plan.
    fn plan<'a>(&'a self, want: &'a Request, cluster: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>>;
    /// Asks whether the credentials allow it.
    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Permission>;
    /// Asks the system for a dry run.
    fn preview<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Preview>;
    /// Writes, once. The intent is consumed.
    fn write(&self, intent: Intent) -> BoxFuture<'_, Result<Ack, WriteError>>;
    /// For how long after a write that was taken its system may still tell what was before: zero
    /// where it reads its own writes. Until then what is as before is no sign that somebody set
    /// it back.
    fn lag(&self) -> TimeDelta;
    /// How far the change has come, by the target's identity; also after a crash.
    fn progress<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Seen>;
    /// Ends what `plan` started on this machine and still runs, in the name of `by`. Whether there
    /// was something to end; what a system was told to do goes on.
    fn stop(&self, _plan: &PlanId, _by: &Safe) -> bool {
        false
    }
    /// What shows how it ended, for the outcome's entry, beside the plan's command.
    fn evidence(&self, _plan: &Plan) -> Vec<Evidence> {
        Vec::new()
    }
}
