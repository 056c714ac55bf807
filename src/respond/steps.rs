//! Commands of a service's runbook: one child process for one confirmed step.
//!
//! What a command does is not known to this program, and nothing takes it back: a step takes the
//! typed name, whatever it is. It runs without the terminal, with little of the environment, on
//! the systems that the configuration pins, for a limited time. Its output becomes evidence.
//!
//! Owns: the child. Must not: know the journal, or run anything in a drill.

mod child;
mod pinned;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use crate::clock::Clock;
use crate::config::Environment;
use crate::connect::read_runbook;
use crate::model::entry::Evidence;
use crate::model::name::{Kind, ServiceName, Target, Uid};
use crate::model::plan::{
    Blast, Ends, Fact, FieldChange, Permission, Plan, PlanId, Preview, Refusal, Request, Room, Tier,
};
use crate::model::runbook::{STOP_GRACE, Step};
use crate::text::Safe;

use super::guard::{LIFETIME, refusal};
use super::{Ack, Actuator, Cluster, Intent, Seen, WriteError};
use child::{End, Run};
use pinned::Pinned;

/// A step that is over within this is told at once, without another look.
const SOON: Duration = Duration::from_millis(500);

/// The actuator of runbooks' steps.
pub(super) struct Steps {
    drill: bool,
    clock: Clock,
    pinned: Pinned,
    /// What was started by this process, or is not to be, by its plan.
    runs: Mutex<HashMap<PlanId, Slot>>,
}

enum Slot {
    /// Its process is being made; who wants it stopped as soon as it is there.
    Starting(Option<Safe>),
    Run(Arc<Run>),
    /// Who had it stopped before it began.
    Stopped(Safe),
}

impl Steps {
    /// `kubernetes`: the context that the environment's cluster is reached by, and its file.
    pub(super) fn new(env: &Environment, kubernetes: Option<&super::kubernetes::Kubernetes>, clock: Clock) -> Self {
        let pinned = Pinned::of(env, kubernetes.map(super::kubernetes::Kubernetes::context));
        Self { drill: env.drill, clock, pinned, runs: Mutex::default() }
    }

    async fn make(&self, want: &Request) -> Result<Plan, Refusal> {
        let (target, path, number, command) = match want {
            Request::RunStep { target, runbook, step, command } => (target, runbook, *step, command),
            Request::Undo { plan } => {
                return Err(refusal(format!(
                    "{} has no inverse: what takes a command back is for its runbook to say",
                    plan.title
                )));
            }
            other => return Err(refusal(format!("cannot {}: a runbook only has commands", other.words()))),
        };
        if self.drill {
            return Err(refusal(
                "a drill runs no commands of a runbook: they would leave its world; run it by hand, and note it with \
                 `:ran`",
            ));
        }
        let read_at = self.clock.now();
        let runbook = read_runbook(Path::new(path.as_str())).await.map_err(refusal)?;
        if runbook.open_to_all {
            return Err(refusal(format!(
                "{path} can be written by anybody on this machine, so nothing in it is run: chmod o-w it"
            )));
        }
        let service = &target.path.namespace;
        let step = runbook.step(number).filter(|step| step.command == *command).ok_or_else(|| {
            refusal(format!("the runbook of {service} is another than the one shown: open it again and look"))
        })?;
        if let Some(why) = &step.refused {
            return Err(refusal(format!("step {number} of the runbook of {service} is not run from here: {why}")));
        }
        Ok(self.plan_of(want, target, path, step, read_at))
    }

    fn plan_of(&self, want: &Request, target: &Target, path: &Safe, step: &Step, read_at: crate::clock::World) -> Plan {
        let service = &target.path.namespace;
        let line = match step.command.split_once('\n') {
            None => step.command.to_string(),
            Some((first, rest)) => format!("{first} … and {} more lines", rest.lines().count()),
        };
        let fact = |label: &'static str, words: String| Fact {
            label: Safe::fixed(label),
            words: Safe::from(words),
            warns: false,
        };
        let folder = Path::new(path.as_str()).parent().unwrap_or(Path::new("/"));
        let limit = step.limit.as_secs();
        let mut facts = vec![
            fact("how", format!("{} -c, in {}, without the terminal", step.shell.as_str(), folder.display())),
            fact("sees", self.pinned.words()),
            fact(
                "limit",
                format!(
                    "{limit} s: it is killed then, with what it started; `:stop-step` ends it sooner ({})",
                    stopping()
                ),
            ),
        ];
        if step.command.contains('\n') {
            // All of it is seen before it is confirmed.
            facts.insert(0, Fact { label: Safe::fixed("all of it"), words: step.command.clone(), warns: false });
        }
        Plan {
            id: PlanId(Safe::from(Ulid::from_datetime(read_at.into()).to_string())),
            request: want.clone(),
            title: Safe::from(format!("run step {} of the runbook of {service}", step.number)),
            changes: vec![FieldChange {
                pointer: Safe::fixed("/step"),
                label: Safe::fixed("runs"),
                before: Safe::fixed("null"),
                after: Safe::from(serde_json::Value::from(step.command.as_str()).to_string()),
                words: Some(Safe::from(line)),
            }],
            undo: None,
            blast: Blast {
                ready_before: 0,
                wanted_before: None,
                wanted_after: 0,
                fewest_ready: None,
                words: Safe::fixed("what a command changes is not known to this program"),
            },
            room: Room::NotNeeded,
            owners: Vec::new(),
            load: None,
            tier: Tier::Lowers,
            permission: Permission::Unknown { why: Safe::fixed("the systems that it talks to decide") },
            preview: Preview::Unavailable { why: Safe::fixed("a command has no dry run") },
            service: Some(ServiceName(service.clone())),
            services: Vec::new(),
            command: step.command.clone(),
            facts,
            instead: None,
            ends: Ends::Stays,
            read_at,
            expires_at: read_at + LIFETIME,
            guards: Vec::new(),
            affects: Vec::new(),
            patience_seconds: u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(30),
            raised_from: None,
            target: Target { uid: Some(identity(path, &step.command)), ..target.clone() },
        }
    }

    async fn start(&self, plan: &Plan) -> Result<Ack, WriteError> {
        let nothing = |why: &dyn std::fmt::Display| {
            WriteError::Refused(Safe::from(format!("{}: nothing was run, {why}", plan.title)))
        };
        let Request::RunStep { runbook: path, step, command, .. } = &plan.request else {
            return Err(nothing(&"the plan is about something else"));
        };
        if self.drill {
            return Err(nothing(&"a drill runs no commands"));
        }
        // The file may have changed under the plan: what is run is what was confirmed, and only
        // while it still stands there.
        let runbook = read_runbook(Path::new(path.as_str())).await.map_err(|why| nothing(&why))?;
        let step = runbook.step(*step).filter(|step| step.command == *command && step.refused.is_none());
        let Some(step) = step.filter(|_| !runbook.open_to_all) else {
            return Err(nothing(&"the runbook changed since the plan was made: open it again and look"));
        };
        let folder = Path::new(path.as_str()).parent().unwrap_or(Path::new("/"));
        // Whoever stops it does so before it begins, while it begins, or while it runs: there is nothing
        // between. The disk is not waited for with the slots locked.
        if let Some(Slot::Stopped(by)) = self.runs().get(&plan.id) {
            return Err(nothing(&format!("{by} had it stopped before it began")));
        }
        self.runs().entry(plan.id.clone()).or_insert(Slot::Starting(None));
        let started = child::start(step, folder, &self.pinned);
        let run = {
            let mut runs = self.runs();
            let slot = runs.remove(&plan.id);
            let run = started.map_err(|why| nothing(&why))?;
            if let Some(Slot::Starting(Some(by)) | Slot::Stopped(by)) = slot {
                run.stop(&by);
            }
            runs.insert(plan.id.clone(), Slot::Run(Arc::clone(&run)));
            run
        };
        let identity = Safe::from(format!("process {}", run.pid()));
        let _ = tokio::time::timeout(SOON, run.ended()).await;
        Ok(Ack { identity })
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<PlanId, Slot>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, plan: &Plan) -> Option<Arc<Run>> {
        match self.runs().get(&plan.id) {
            Some(Slot::Run(run)) => Some(Arc::clone(run)),
            Some(Slot::Starting(_) | Slot::Stopped(_)) | None => None,
        }
    }

    fn look(&self, plan: &Plan) -> Seen {
        let Some(run) = self.run(plan) else {
            return Seen::AsBefore { words: Safe::fixed("whether the command ran, and how far, is not known") };
        };
        let told = run.told();
        match &told.end {
            None => match &told.stopping {
                None => Seen::Under { words: Safe::from(format!("it runs, {}", told.words())) },
                Some(by) => {
                    Seen::Under { words: Safe::from(format!("{by} has it stopped ({}), {}", stopping(), told.words())) }
                }
            },
            Some(End::Code(0)) => Seen::Live { words: Safe::from(format!("exit code 0, {}", told.words())) },
            Some(end) => Seen::Failed { why: Safe::from(format!("{end}, {}", told.words())) },
        }
    }
}

/// `SIGTERM, SIGKILL after 5 s`: to a step that is stopped, and to all that it started.
pub(crate) fn stopping() -> String {
    format!("SIGTERM, SIGKILL after {} s", STOP_GRACE.as_secs())
}

/// Which command it is: another text at the same place is another step.
fn identity(path: &Safe, command: &Safe) -> Uid {
    let digest = Sha256::new().chain_update(path.as_str()).chain_update([0]).chain_update(command.as_str()).finalize();
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Uid(Safe::from(hex))
}

impl Actuator for Steps {
    fn serves(&self, kind: Kind) -> bool {
        kind == Kind::RunbookStep
    }

    fn plan<'a>(&'a self, want: &'a Request, _: &'a Cluster) -> BoxFuture<'a, Result<Plan, Refusal>> {
        Box::pin(self.make(want))
    }

    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Permission> {
        Box::pin(async { plan.permission.clone() })
    }

    fn preview<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Preview> {
        Box::pin(async { plan.preview.clone() })
    }

    fn write(&self, intent: Intent) -> BoxFuture<'_, Result<Ack, WriteError>> {
        Box::pin(async move { self.start(intent.plan()).await })
    }

    fn lag(&self) -> TimeDelta {
        // A command of this process.
        TimeDelta::zero()
    }

    fn progress<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Seen> {
        Box::pin(async { self.look(plan) })
    }

    fn stop(&self, plan: &PlanId, by: &Safe) -> bool {
        match self.runs().entry(plan.clone()).or_insert_with(|| Slot::Stopped(by.clone())) {
            Slot::Run(run) => run.stop(by),
            Slot::Starting(stop) => {
                stop.get_or_insert_with(|| by.clone());
                true
            }
            Slot::Stopped(_) => false,
        }
    }

    fn evidence(&self, plan: &Plan) -> Vec<Evidence> {
        let Some(run) = self.run(plan) else { return Vec::new() };
        let output = run.output();
        vec![Evidence {
            query: Some(plan.command.clone()),
            excerpt: Some(output).filter(|o| !o.is_empty()),
            ..Evidence::default()
        }]
    }
}
