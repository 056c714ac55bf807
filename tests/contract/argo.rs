//! Argo Rollouts and Argo CD with their own controllers, on a real control plane with simulated
//! nodes (`tests/servers/argo`): that an abort, a rollback, a restart and their undo end there as
//! planned. What is said of Rollouts and of sync windows holds for the drill's cluster, too.

mod cd;
mod rollouts;
mod windows;
mod workload_ref;

use std::time::Duration;

use serde_json::Value;
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{Plan, Refusal, Request};

use crate::desk::Desk;
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
struct Gateway(Desk);

impl Gateway {
    fn open(shop: &Shop) -> Self {
        Self::on(&format!(
            "[environments.real]\nproduction = false\nwrite = \"ask\"\n[environments.real.kubernetes]\nkubeconfig = \"{}\"\ncontext = \"plane\"\n",
            shop.kubeconfig
        ))
    }

    fn on(config: &str) -> Self {
        Self(Desk::of(config))
    }

    async fn try_plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.0.try_plan(want).await
    }

    /// A plan that the cluster would take.
    async fn plan(&self, want: &Request) -> Plan {
        self.0.allowed(want).await
    }

    /// What an applied plan verified, in words.
    async fn apply(&self, plan: Plan) -> (Plan, String) {
        let ended = self.0.done(plan).await;
        let words = ended.outcome.words().to_string();
        (ended.plan, words)
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
