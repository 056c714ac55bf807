//! The engine: floors, one action in flight per target and what takes it back, intent before write,
//! verification.
//!
//! The order of steps is the promise: check, durable intent, one write, looks by identity,
//! durable outcome. A step that fails ends the action; none is repeated but the looks.

mod places;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, World};
use crate::config::{Environment, Policy, WritePolicy};
use crate::model::alert::AlertKey;
use crate::model::entry::Actor;
use crate::model::name::{EnvId, Kind, ObjectPath, ServiceName, WorkloadKey};
use crate::model::plan::{Outcome, Plan, PlanId, Progress, Refusal, Request};
use crate::record::Durability;
use crate::text::Safe;

use super::alertmanager::Alertmanagers;
use super::aws::Aws;
use super::guard::{self, refusal};
use super::kubernetes::Kubernetes;
use super::steps::Steps;
use super::{Actuator, Intent, Pass, Recorder, Warrant, WriteError, recorder, warrant};
use places::{Entered, Places};
use watch::{Told, Watch, Written};

/// What the session knows that a plan needs: taken when the plan is asked for.
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
    /// Who asks, as systems that keep a name are told; empty if nobody is known.
    pub by: Safe,
    /// The services of ECS that belong to it, by cluster and name: their deployments may divide its
    /// traffic.
    pub ecs: Vec<ObjectPath>,
    /// The services of alerts, by their keys: what a silence would hide.
    pub alerts: BTreeMap<AlertKey, ServiceName>,
    /// Other services that the target serves, too: those that share a load balancer or a route.
    pub also: Vec<ServiceName>,
    /// Changes of the same load balancer that are under way or still on, each in words.
    pub beside: Vec<Safe>,
    /// The services of workloads: what an Application deploys.
    pub workloads: BTreeMap<WorkloadKey, ServiceName>,
}

/// What stands behind a plan that is applied.
#[derive(Clone, Debug)]
pub struct Confirmed<'a> {
    /// Who confirmed it.
    pub by: &'a Actor,
    /// What lets it, where its tier takes more than a confirmation.
    pub warrant: Option<&'a Warrant>,
    /// Whether an incident is open: the policies are judged by that once more.
    pub incident: bool,
    /// The right to write, of the window in which it was confirmed.
    pub pass: Pass,
}

impl<'a> Confirmed<'a> {
    /// By `by` alone, while no incident is open.
    pub fn by(by: &'a Actor) -> Self {
        Self { by, warrant: None, incident: false, pass: Pass::default() }
    }
}

/// An intent without an outcome, of an earlier process.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// What was about to be done.
    pub plan: Plan,
    /// When.
    pub begun: World,
    /// Whether it is looked into for the last time, because a person wants it over: what cannot be
    /// read even then is unknown.
    pub last: bool,
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
pub struct Engine {
    env: EnvId,
    clock: Clock,
    /// One a system.
    actuators: Vec<Box<dyn Actuator>>,
    /// Rules of the configuration, over those that hold everywhere.
    policies: Vec<Policy>,
    places: Places,
    /// Plans whose right to write was used up, whatever came of it.
    spent: Mutex<HashSet<PlanId>>,
}

impl Engine {
    /// A gateway to the systems of `env`. Fails when the environment may not be changed.
    pub fn new(env: &Environment, clock: Clock) -> Result<Self, Refusal> {
        if env.write == WritePolicy::Deny {
            return Err(refusal(format!(
                "{} is read-only: an environment may be changed only if its configuration says write = \"ask\"",
                env.name
            )));
        }
        let mut actuators: Vec<Box<dyn Actuator>> = Vec::new();
        let kubernetes = match &env.kubernetes {
            Some(access) => Some(Kubernetes::new(env, access, clock.clone())?),
            None => None,
        };
        actuators.push(Box::new(Steps::new(env, kubernetes.as_ref(), clock.clone())));
        if let Some(kubernetes) = kubernetes {
            actuators.push(Box::new(kubernetes));
        }
        if !env.alertmanager.is_empty() {
            actuators.push(Box::new(Alertmanagers::new(env, clock.clone())));
        }
        if let Some(access) = &env.aws {
            actuators.push(Box::new(Aws::new(env, access, clock.clone())));
        }
        Ok(Self::of(env.name.clone(), clock, actuators))
    }

    fn of(env: EnvId, clock: Clock, actuators: Vec<Box<dyn Actuator>>) -> Self {
        Self { env, clock, actuators, policies: Vec::new(), places: Places::default(), spent: Mutex::default() }
    }

    /// The same, that goes by these policies too.
    #[must_use]
    pub fn with_policies(self, policies: Vec<Policy>) -> Self {
        Self { policies, ..self }
    }

    /// [`Engine::plan_during`] while no incident is open.
    pub async fn plan(&self, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        self.plan_during(false, want, cluster).await
    }

    /// Reads the system and makes a plan, with permission and preview filled in, and judged by the
    /// configuration's policies. `incident`: whether one is open.
    pub async fn plan_during(&self, incident: bool, want: &Request, cluster: &Cluster) -> Result<Plan, Refusal> {
        let target = want.target();
        let actuator = self.actuator(&target.origin.env, target.kind)?;
        // A drill's world waits, so that a plan shows one moment of it.
        let _hold = self.clock.hold();
        let mut plan = actuator.plan(want, cluster).await?;
        let (permission, preview) = futures::join!(actuator.permitted(&plan), actuator.preview(&plan));
        plan.permission = permission;
        plan.preview = preview;
        guard::share(&mut plan, &cluster.also);
        guard::beside(&mut plan, &cluster.beside);
        guard::judge(&mut plan, &self.policies, self.clock.now(), incident);
        Ok(plan)
    }

    /// Why `plan` cannot be confirmed as it is, if so: for the screen to say beside the plan.
    pub fn blocked(plan: &Plan) -> Option<Safe> {
        guard::blocked(plan)
    }

    /// Why `new`, the refreshed `old`, has to be judged afresh, if so.
    pub fn voided(old: &Plan, new: &Plan) -> Option<Safe> {
        guard::voided(old, new)
    }

    /// [`Engine::apply_confirmed`] for plans below the top tier, which nobody else has to let.
    pub async fn apply(
        &self,
        plan: Plan,
        actor: &Actor,
        journal: &dyn Recorder,
        told: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ended, Refusal> {
        self.apply_with(plan, None, actor, journal, told).await
    }

    /// [`Engine::apply_confirmed`] while no incident is open.
    pub async fn apply_with(
        &self,
        plan: Plan,
        warrant: Option<&Warrant>,
        actor: &Actor,
        journal: &dyn Recorder,
        told: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ended, Refusal> {
        self.apply_confirmed(plan, Confirmed { warrant, ..Confirmed::by(actor) }, journal, told).await
    }

    /// Makes the intent durable, writes once, polls until the change is live, failed, overridden
    /// or timed out, and makes the outcome durable. `told` hears of each step in between.
    ///
    /// A refusal means that nothing was written, or that an outcome could not be recorded: its
    /// words say which.
    pub async fn apply_confirmed(
        &self,
        plan: Plan,
        confirmed: Confirmed<'_>,
        journal: &dyn Recorder,
        told: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ended, Refusal> {
        let Confirmed { by: actor, warrant, incident, pass } = confirmed;
        let actuator = self.actuator(&plan.target.origin.env, plan.target.kind)?;
        let kept = guard::blocked(&plan).or_else(|| warrant::missing(&plan, warrant));
        // What time alone does to a plan, and to what policies say of it, and who closes the window.
        let stale = || {
            let now = self.clock.now();
            let late = guard::expired(&plan, now).or_else(|| pass.void());
            late.or_else(|| guard::stricter(&plan, &self.policies, now, incident))
        };
        if let Some(why) = kept.or_else(stale) {
            return Err(refusal(why));
        }
        let place = self.places.enter(&plan, &self.env)?;
        if let Some(why) = self.places.outdated(&plan) {
            return Err(refusal(why));
        }
        self.spend(&plan)?;

        let mut told = Told::new(told);
        told.under("recording the intent");
        // A drill's world waits for the disk and for the answer, so that its story does not hang
        // on either.
        let hold = self.clock.hold();
        let now = self.clock.now();
        let proof = journal.append(recorder::intent(&plan, warrant, actor), now, now, Durability::Now).await.map_err(
            |error| {
                refusal(format!(
                    "{}: nothing was changed, because the intent could not be recorded ({error}); actions stay off \
                     until the record can be written again",
                    plan.title
                ))
            },
        )?;

        // A disk that took its time may have used the plan's up.
        if let Some(why) = stale() {
            let why = Safe::from(format!("nothing was written: {why}"));
            return self.end(plan, actor, journal, Outcome::Refused { why }).await;
        }

        told.under("writing");
        let written_at = self.clock.now();
        self.places.mark(&plan, written_at);
        let answer = actuator.write(Intent::new(plan.clone(), proof)).await;
        let written = match answer {
            Ok(_) => {
                place.written(&plan);
                Written::Yes
            }
            Err(WriteError::Refused(why)) => return self.end(plan, actor, journal, Outcome::Refused { why }).await,
            Err(WriteError::Unknown(why)) => Written::Unknown(why),
        };
        let (clock, since) = (&self.clock, written_at);
        let looking = since;
        let watch = Watch { actuator, clock, plan: &plan, place: &place, since, looking, brief: false, written };
        let outcome = watch.run(hold, &mut told).await.unwrap_or_else(|why| Outcome::Unknown { why });
        self.end(plan, actor, journal, outcome).await
    }

    /// Re-reads the system for an intent without an outcome that an earlier process left, and makes
    /// the outcome durable. Never writes. Waits until no action goes on there that does not let it in.
    ///
    /// A refusal means that no outcome was recorded, and that it may be tried again: what could not
    /// be read stays open, but for the last time.
    pub async fn settle(&self, left: Left, actor: &Actor, journal: &dyn Recorder) -> Result<Ended, Refusal> {
        if left.plan.target.origin.env != self.env {
            return Err(self.elsewhere(&left.plan.target.origin.env));
        }
        let place = self.places.enter_when_free(&left.plan).await;
        if self.spent().contains(&left.plan.id) {
            return Err(used(&left.plan));
        }
        let ended = self.find_out(left, &place, actor, journal).await?;
        self.spent().insert(ended.plan.id.clone());
        Ok(ended)
    }

    async fn find_out(
        &self,
        left: Left,
        place: &Entered<'_>,
        actor: &Actor,
        journal: &dyn Recorder,
    ) -> Result<Ended, Refusal> {
        let Left { plan, begun: since, last } = left;
        let Ok(actuator) = self.actuator(&plan.target.origin.env, plan.target.kind) else {
            // Its system was taken out of the configuration: nobody can tell any more.
            let why = format!(
                "whether it was made cannot be read any more: nothing in the configuration of {} serves a {}; look at {} by \
                 other means, and write what you find with `:note`",
                self.env, plan.target.kind, plan.target
            );
            return self.end(plan, actor, journal, Outcome::Unknown { why: Safe::from(why) }).await;
        };
        let (clock, looking, written) = (&self.clock, self.clock.now(), Written::Left);
        let watch = Watch { actuator, clock, plan: &plan, place, since, looking, brief: last, written };
        let outcome = match watch.run(clock.hold(), &mut Told::new(&|_| ())).await {
            Ok(outcome) => outcome,
            Err(why) if last => Outcome::Unknown { why },
            Err(why) => return Err(refusal(format!("what became of it could not be read: {why}"))),
        };
        self.end(plan, actor, journal, outcome).await
    }

    /// Ends what an applied plan started on this machine and still runs: a runbook's step. One that
    /// has not begun yet will not. Its outcome then says by whom. Whether something ran.
    pub fn stop(&self, plan: &PlanId, by: &Safe) -> bool {
        self.actuators.iter().any(|actuator| actuator.stop(plan, by))
    }

    /// Makes the outcome durable; before that nobody may say "done".
    async fn end(&self, plan: Plan, actor: &Actor, journal: &dyn Recorder, outcome: Outcome) -> Result<Ended, Refusal> {
        let _hold = self.clock.hold();
        let now = self.clock.now();
        let mut draft = recorder::outcome(&plan, actor, &outcome);
        let actuator = self.actuator(&plan.target.origin.env, plan.target.kind);
        let evidence = actuator.map(|actuator| actuator.evidence(&plan)).unwrap_or_default();
        if !evidence.is_empty() {
            draft.evidence = evidence;
        }
        let kept = match journal.ready().await {
            Ok(()) => {
                journal.append(draft, now, now, Durability::Now).await.map(drop).map_err(|error| error.to_string())
            }
            Err(refusal) => Err(refusal.why.to_string()),
        };
        match kept {
            Ok(()) => Ok(Ended { plan, outcome }),
            Err(error) => Err(refusal(format!(
                "{} ended {} ({}), but that could not be recorded ({error}); the intent is in the record",
                plan.title,
                outcome.as_str(),
                outcome.words()
            ))),
        }
    }

    fn actuator(&self, env: &EnvId, kind: Kind) -> Result<&dyn Actuator, Refusal> {
        if *env != self.env {
            return Err(self.elsewhere(env));
        }
        self.actuators.iter().find(|actuator| actuator.serves(kind)).map(AsRef::as_ref).ok_or_else(|| {
            refusal(format!(
                "no system of {} that can be acted on has a {kind}: add its section to the configuration, or choose \
                 another target",
                self.env
            ))
        })
    }

    fn elsewhere(&self, env: &EnvId) -> Refusal {
        refusal(format!("the target is in {env}, but this session acts on {}: nothing was done", self.env))
    }

    fn spend(&self, plan: &Plan) -> Result<(), Refusal> {
        if self.spent().insert(plan.id.clone()) { Ok(()) } else { Err(used(plan)) }
    }

    fn spent(&self) -> MutexGuard<'_, HashSet<PlanId>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn used(plan: &Plan) -> Refusal {
    refusal(format!("{} was confirmed before: a plan writes once, make a new one", plan.title))
}
