//! The engine: floors, one action in flight per target, intent before write, verification.

use crate::clock::Clock;
use crate::config::Environment;
use crate::model::entry::Actor;
use crate::model::name::ServiceName;
use crate::model::plan::{Outcome, Plan, Progress, Refusal, Request};
use crate::record::Journal;
use crate::text::Safe;

/// What the picture knows that a plan needs: taken when the plan is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// How many more pods of the target's template fit now, for each count from 1 up: the length
    /// is as far as it was counted. `None`: nodes are not known.
    pub fits: Option<u32>,
    /// Why no more fit, in words.
    pub full: Option<Safe>,
    /// The load on the target, in words.
    pub load: Option<Safe>,
    /// The service that the target belongs to.
    pub service: Option<ServiceName>,
}

/// How an applied plan ended, with the entry of its outcome durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The plan.
    pub plan: Plan,
    /// How it ended.
    pub outcome: Outcome,
}

/// The gateway of one environment.
pub struct Engine {}

impl Engine {
    /// A gateway to the systems of `env`. Fails when the environment may not be changed.
    pub fn new(_env: &Environment, _clock: Clock) -> Result<Self, Refusal> {
        Ok(Self {})
    }

    /// Reads the system and makes a plan, with permission and preview filled in.
    pub async fn plan(&self, _want: &Request, _cluster: &Cluster) -> Result<Plan, Refusal> {
        std::future::pending().await
    }

    /// Makes the intent durable, writes once, polls until the change is live, failed, overridden
    /// or timed out, and makes the outcome durable. `told` hears of each step in between.
    pub async fn apply(
        &self,
        _plan: Plan,
        _actor: &Actor,
        _journal: &Journal,
        _told: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ended, Refusal> {
        std::future::pending().await
    }

    /// Re-reads the system for an intent without an outcome that an earlier process left, and
    /// makes the outcome durable. Never writes.
    pub async fn settle(&self, _plan: Plan, _actor: &Actor, _journal: &Journal) -> Result<Ended, Refusal> {
        std::future::pending().await
    }
}
