//! One service of ECS: its scheduler and its deployments.

use chrono::TimeDelta;

use crate::clock;
use crate::drill::scenario::EcsShape;

/// A deployment.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Rollout {
    pub(in crate::drill) id: String,
    pub(in crate::drill) created: clock::World,
    pub(in crate::drill) finished: Option<clock::World>,
    /// The task definition's revision that it brings, and that which ran before.
    pub(in crate::drill) target: u32,
    pub(in crate::drill) source: Option<u32>,
    /// In the words of the API.
    pub(in crate::drill) status: &'static str,
}

/// A service.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Ecs {
    pub(in crate::drill) cluster: String,
    pub(in crate::drill) name: String,
    /// The image of each task definition, revision 1 first.
    pub(in crate::drill) images: Vec<String>,
    pub(in crate::drill) desired: u32,
    pub(in crate::drill) limits: Option<(u32, u32)>,
    pub(in crate::drill) created: clock::World,
    /// Oldest first; never empty.
    pub(in crate::drill) rollouts: Vec<Rollout>,
    /// Revision of the task definition, and when the task runs.
    tasks: Vec<(u32, clock::World)>,
    starts_in: TimeDelta,
}

impl Ecs {
    pub(super) fn new(shape: &EcsShape, epoch: clock::World) -> Self {
        let (cluster, name) = shape.path.get_ref().split_once('/').unwrap_or(("default", shape.path.get_ref()));
        let images: Vec<_> = shape.images.iter().rev().cloned().collect();
        let newest = images.len() as u32;
        let mut service = Self {
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            desired: shape.tasks,
            limits: shape.limits,
            created: epoch - TimeDelta::days(90),
            rollouts: Vec::new(),
            tasks: (0..shape.tasks).map(|_| (newest, epoch)).collect(),
            starts_in: TimeDelta::from_std(shape.starts_in).unwrap_or_default(),
            images,
        };
        for revision in 1..=newest {
            let at = epoch - TimeDelta::days(i64::from(newest - revision) * 9 + 2);
            service.begin(revision, at);
            if let Some(rollout) = service.rollouts.last_mut() {
                (rollout.status, rollout.finished) = ("SUCCESSFUL", Some(at + TimeDelta::minutes(3)));
            }
        }
        service
    }

    /// The revision of the task definition that the service has.
    pub(in crate::drill) fn revision(&self) -> u32 {
        match self.rollouts.last() {
            Some(Rollout { status: "ROLLBACK_SUCCESSFUL", source: Some(source), .. }) => *source,
            Some(rollout) => rollout.target,
            None => 1,
        }
    }

    pub(in crate::drill) fn running(&self, now: clock::World) -> u32 {
        self.tasks.iter().filter(|(_, runs)| *runs <= now).count() as u32
    }

    pub(in crate::drill) fn pending(&self, now: clock::World) -> u32 {
        self.tasks.len() as u32 - self.running(now)
    }

    /// Its tasks: the revision of each, when it was asked for, and when it runs.
    pub(in crate::drill) fn tasks(&self) -> impl Iterator<Item = (u32, clock::World, clock::World)> {
        self.tasks.iter().map(|(revision, runs)| (*revision, *runs - self.starts_in, *runs))
    }

    /// Tasks of one revision that run.
    pub(in crate::drill) fn running_of(&self, revision: u32, now: clock::World) -> u32 {
        self.tasks.iter().filter(|(of, runs)| *of == revision && *runs <= now).count() as u32
    }

    /// A deployment begins; one under way ends.
    pub(in crate::drill) fn begin(&mut self, revision: u32, now: clock::World) {
        let source = self.rollouts.last().map(|_| self.revision());
        if let Some(before) = self.rollouts.last_mut().filter(|rollout| rollout.finished.is_none()) {
            (before.status, before.finished) = ("STOPPED", Some(now));
        }
        let id = format!("d{:019}", self.rollouts.len() + 1);
        let rollout = Rollout { id, created: now, finished: None, target: revision, source, status: "PENDING" };
        self.rollouts.push(rollout);
    }

    /// Whether the deployment of this id could be told to roll back.
    pub(in crate::drill) fn roll_back(&mut self, id: &str) -> bool {
        match self.rollouts.last_mut() {
            Some(rollout)
                if rollout.id == id
                    && rollout.source.is_some()
                    && matches!(rollout.status, "PENDING" | "IN_PROGRESS") =>
            {
                rollout.status = "ROLLBACK_REQUESTED";
                true
            }
            _ => false,
        }
    }

    /// Other limits clamp the count at once.
    pub(in crate::drill) fn limit(&mut self, min: u32, max: u32) {
        self.limits = Some((min, max));
        self.desired = self.desired.clamp(min, max.max(min));
    }

    pub(super) fn tick(&mut self, now: clock::World) {
        let wanted = match self.rollouts.last() {
            Some(Rollout { status: "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS", source: Some(source), .. }) => {
                *source
            }
            _ => self.revision(),
        };
        let of_wanted = self.tasks.iter().filter(|(revision, _)| *revision == wanted).count() as u32;
        // As many new ones at once as are missing: `maximumPercent` is 200.
        for _ in of_wanted..self.desired {
            self.tasks.push((wanted, now + self.starts_in));
        }
        let up = self.running_of(wanted, now) >= self.desired;
        if up {
            self.tasks.retain(|(revision, _)| *revision == wanted);
            self.tasks.truncate(self.desired as usize);
        }
        if let Some(rollout) = self.rollouts.last_mut().filter(|rollout| rollout.finished.is_none()) {
            rollout.status = match (rollout.status, up) {
                ("PENDING", _) => "IN_PROGRESS",
                ("IN_PROGRESS", true) => "SUCCESSFUL",
                ("ROLLBACK_REQUESTED", _) => "ROLLBACK_IN_PROGRESS",
                ("ROLLBACK_IN_PROGRESS", true) => "ROLLBACK_SUCCESSFUL",
                (status, _) => status,
            };
            if matches!(rollout.status, "SUCCESSFUL" | "ROLLBACK_SUCCESSFUL") {
                rollout.finished = Some(now);
            }
        }
    }
}
