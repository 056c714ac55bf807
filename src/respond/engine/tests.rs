//! The promises of the gateway, against servers on loopback that fail as asked. Those that hold for
//! every action are held against all of them (`promises`, `actions`); what one system adds to them
//! stands in its own file.
//!
//! Of the eight properties of a correct action, five are in `promises`: a durable intent before each
//! request, wherever the process is killed (2), one write a plan (3), done and undone (4), success
//! only of what is live (5), nothing without the record (8; clocks that jump are in `tiers`). A
//! read-only run (1) is in `cli/tests/keys.rs`, the patch that equals kubectl's (6) in
//! `tests/contract/kubernetes/rollback.rs`, sums of weights (7) in the `weights.rs` of each system.

mod actions;
mod argo;
mod argo_rollouts;
mod autoscaled;
mod aws;
mod guards;
mod promises;
mod recording;
mod renewed;
mod rollouts;
mod scaling;
mod taking_back;
mod tiers;
mod traffic;

use chrono::TimeDelta;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::{Driver, World};
use crate::model::entry::{Body, EntryKind};
use crate::model::plan::{Replicas, Tier};
use crate::record::consent_hash;
use crate::respond::By;
use crate::respond::fake::{Fault, Served};
use crate::respond::kubernetes::fake::{Fake, payments};
use crate::respond::pad::{Pad, ana};

/// An engine whose world runs as fast as it can.
struct Room {
    engine: Engine,
    clock: Clock,
    world: JoinHandle<()>,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.world.abort();
    }
}

async fn run(mut driver: Driver) {
    loop {
        driver.settled().await;
        let to = driver.now() + TimeDelta::seconds(1);
        driver.advance(to);
        tokio::task::yield_now().await;
    }
}

fn room(served: &dyn Served) -> Room {
    Room::under(served, Vec::new())
}

fn scale(to: u32) -> Request {
    Request::Scale { target: payments(), to: Replicas::Exactly(to) }
}

fn undo(plan: Plan) -> Request {
    Request::Undo { plan: Box::new(plan) }
}

fn left(plan: Plan, last: bool) -> Left {
    Left { begun: plan.read_at, plan, last }
}

/// What lets a plan of any tier be applied.
fn warrant(plan: &Plan) -> Option<Warrant> {
    let incident = "2026-11-21-checkout".into();
    (plan.tier == Tier::Grave).then(|| Warrant {
        hash: consent_hash(&incident, &plan.id, plan),
        asked: plan.id.clone(),
        incident,
        by: By::Second { name: "bob".into(), uid: 1002 },
    })
}

impl Room {
    fn under(served: &dyn Served, policies: Vec<Policy>) -> Self {
        Self::at(World::from_timestamp(1_795_000_000, 0).unwrap(), served, policies)
    }

    /// The next process.
    fn after(before: &Self, served: &dyn Served) -> Self {
        Self::at(before.clock.now() + TimeDelta::seconds(1), served, Vec::new())
    }

    fn at(start: World, served: &dyn Served, policies: Vec<Policy>) -> Self {
        let (clock, driver) = Clock::driven(start);
        let engine = Engine::of(served.env(), clock.clone(), vec![served.actuator(&clock)]).with_policies(policies);
        Self { engine, clock, world: tokio::spawn(run(driver)) }
    }

    async fn plan(&self, want: &Request) -> Plan {
        self.try_plan(want).await.unwrap()
    }

    async fn try_plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.engine.plan(want, &Cluster::default()).await
    }

    /// As the next process does, of a plan that was confirmed as soon as it was made.
    async fn settle(&self, plan: Plan, journal: &dyn Recorder) -> Result<Ended, Refusal> {
        self.engine.settle(left(plan, false), &ana(), journal).await
    }

    async fn apply(&self, plan: Plan, journal: &dyn Recorder) -> Result<Ended, Refusal> {
        self.engine.apply(plan, &ana(), journal, &|_| ()).await
    }

    /// With whatever consent it takes.
    async fn let_apply(&self, plan: Plan, journal: &dyn Recorder) -> Result<Ended, Refusal> {
        let let_by = warrant(&plan);
        self.engine.apply_with(plan, let_by.as_ref(), &ana(), journal, &|_| ()).await
    }
}
