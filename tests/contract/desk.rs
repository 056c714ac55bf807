//! Somebody who acts: the program's own gateway to an environment, with a record of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use warroom::clock::Clock;
use warroom::config::Environment;
use warroom::model::entry::{Actor, ActorKind};
use warroom::model::plan::{Permission, Plan, Preview, Refusal, Request};
use warroom::record::{Journal, RealDisk, StartInfo};
use warroom::respond::{Cluster, Ended, Engine};

use crate::kit::configured;

/// A gateway, a record, and who sits there.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    pub(crate) journal: Journal,
    pub(crate) actor: Actor,
    _folder: tempfile::TempDir,
}

impl Desk {
    /// At the first environment of a configuration, by the wall's time.
    pub(crate) fn of(config: &str) -> Self {
        Self::at(&configured(config).environments[0], Clock::real())
    }

    pub(crate) fn at(env: &Environment, clock: Clock) -> Self {
        // Another test may have installed it: there is one for the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let actor = Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None };
        let start = StartInfo {
            incident: None,
            version: "0".into(),
            drill: false,
            env: env.name.0.clone(),
            titles: BTreeMap::new(),
            actor: actor.clone(),
            at: clock.now(),
        };
        let journal = Journal::create(folder.path(), start, Arc::new(RealDisk::default())).unwrap();
        Self { engine: Engine::new(env, clock).unwrap(), journal, actor, _folder: folder }
    }

    pub(crate) async fn try_plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.engine.plan(want, &Cluster::default()).await
    }

    pub(crate) async fn plan(&self, want: &Request) -> Plan {
        self.try_plan(want).await.unwrap_or_else(|why| panic!("{want:?}: {why}"))
    }

    /// A plan that its cluster lets us do and would take.
    pub(crate) async fn allowed(&self, want: &Request) -> Plan {
        let plan = self.plan(want).await;
        assert_eq!((&plan.permission, &plan.preview), (&Permission::Allowed, &Preview::Accepted), "{}", plan.title);
        plan
    }

    pub(crate) async fn apply(&self, plan: Plan) -> Ended {
        let title = plan.title.clone();
        let ended = self.engine.apply(plan, &self.actor, &self.journal, &|_| ()).await;
        ended.unwrap_or_else(|why| panic!("{title}: {why}"))
    }

    /// Applies a plan that is verified in the end.
    pub(crate) async fn done(&self, plan: Plan) -> Ended {
        let ended = self.apply(plan).await;
        assert_eq!(ended.outcome.as_str(), "verified", "{}: {:?}", ended.plan.title, ended.outcome);
        ended
    }

    /// Plans, applies and verifies.
    pub(crate) async fn made(&self, want: &Request) -> Ended {
        self.done(self.allowed(want).await).await
    }

    pub(crate) async fn undone(&self, done: Ended) -> Ended {
        self.made(&Request::Undo { plan: Box::new(done.plan) }).await
    }
}
