//! Argo Rollouts and Argo CD with their own controllers, on a real control plane with simulated
//! nodes (`tests/servers/argo`): that an abort, a rollback, a restart and their undo end there as
//! planned. What is said of Rollouts and of sync windows holds for the drill's cluster, too.

mod cd;
mod rollouts;
mod windows;
mod workload_ref;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use warroom::clock::Clock;
use warroom::model::entry::{Actor, ActorKind};
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Outcome, Permission, Plan, Preview, Refusal, Request};
use warroom::record::{Journal, RealDisk, StartInfo};
use warroom::respond::{Cluster, Engine};

use crate::kit::configured;
use crate::kubernetes::Shop;

/// Registers cases against the drill's cluster and the real controllers.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        mod drill {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&crate::kubernetes::side::Side::drill().await).await;
            })+
        }
        mod real {
            mod argo {
                $(#[tokio::test]
                #[ignore = "needs argo: tests/run starts it"]
                async fn $name() {
                    super::super::$name(&crate::kubernetes::side::Side::real().await).await;
                })+
            }
        }
    };
}

use cases;

/// How long anything may take: the machine may be busy with others.
const PATIENCE: Duration = Duration::from_secs(90);

/// A gateway to the cluster, with a record.
struct Gateway {
    engine: Engine,
    journal: Journal,
    actor: Actor,
    _folder: tempfile::TempDir,
}

impl Gateway {
    fn open(shop: &Shop) -> Self {
        Self::on(&format!(
            "[environments.real]\nproduction = false\nwrite = \"ask\"\n[environments.real.kubernetes]\nkubeconfig = \"{}\"\ncontext = \"plane\"\n",
            shop.kubeconfig
        ))
    }

    fn on(config: &str) -> Self {
        // Another test may have installed it: there is one for the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = configured(config);
        let folder = tempfile::tempdir().unwrap();
        let actor = Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None };
        let start = StartInfo {
            incident: None,
            version: "0".into(),
            drill: false,
            env: "real".into(),
            titles: BTreeMap::new(),
            actor: actor.clone(),
            at: Clock::real().now(),
        };
        Self {
            engine: Engine::new(&config.environments[0], Clock::real()).unwrap(),
            journal: Journal::create(folder.path(), start, Arc::new(RealDisk::default())).unwrap(),
            actor,
            _folder: folder,
        }
    }

    async fn try_plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.engine.plan(want, &Cluster::default()).await
    }

    /// A plan that the cluster would take.
    async fn plan(&self, want: &Request) -> Plan {
        let plan = self.try_plan(want).await.unwrap_or_else(|why| panic!("{want:?}: {why}"));
        assert_eq!((&plan.permission, &plan.preview), (&Permission::Allowed, &Preview::Accepted), "{}", plan.title);
        plan
    }

    /// What an applied plan verified, in words.
    async fn apply(&self, plan: Plan) -> (Plan, String) {
        let title = plan.title.clone();
        let ended = self.engine.apply(plan, &self.actor, &self.journal, &|_| ()).await;
        let ended = ended.unwrap_or_else(|why| panic!("{title}: {why}"));
        match &ended.outcome {
            Outcome::Verified { words, .. } => (ended.plan.clone(), words.to_string()),
            other => panic!("{title}: {other:?}"),
        }
    }

    /// Plans, applies and verifies.
    async fn act(&self, want: &Request) -> (Plan, String) {
        self.apply(self.plan(want).await).await
    }

    async fn undo(&self, plan: Plan) -> (Plan, String) {
        self.act(&Request::Undo { plan: Box::new(plan) }).await
    }
}

fn target(kind: Kind, namespace: &str, name: &str) -> Target {
    let origin = Origin { env: "real".into(), source: "kubernetes".into() };
    Target { origin, kind, path: ObjectPath::new(namespace, name), uid: None }
}

/// Looks at an object until it is as it is meant to be.
async fn until(shop: &Shop, what: &str, object: &[&str], fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        let now: Value = serde_json::from_str(&shop.kubectl(&[&["get", "-o", "json"], object].concat())).unwrap();
        if fits(&now) {
            return now;
        }
        assert!(tokio::time::Instant::now() < deadline, "not seen within {PATIENCE:?}: {what}\n{now:#}");
    }
}
