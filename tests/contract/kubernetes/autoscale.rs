//! Scaling what an autoscaler scales, on a real controller manager: its bounds are moved, the
//! replicas follow, and what is set beside it is taken back.

use serde_json::{Value, json};
use warroom::model::name::{Kind, ObjectPath, Origin, Target};
use warroom::model::plan::{OwnerEffect, Permission, Plan, Preview, Refusal, Replicas, Request, Tier};
use warroom::respond::Ended;

use super::side::{JSON, MERGE, Side};
use crate::desk::Desk;

/// Somebody who acts on a side, with a record of it.
struct Responder<'s> {
    side: &'s Side,
    desk: Desk,
}

impl<'s> Responder<'s> {
    fn on(side: &'s Side) -> Self {
        Self { side, desk: Desk::of(&side.config()) }
    }

    fn target(&self, kind: Kind, name: &str) -> Target {
        Target {
            origin: Origin { env: "real".into(), source: "kubernetes".into() },
            kind,
            path: ObjectPath::new(self.side.namespace.as_str(), name),
            uid: None,
        }
    }

    fn scale(&self, kind: Kind, name: &str, to: u32) -> Request {
        Request::Scale { target: self.target(kind, name), to: Replicas::Exactly(to) }
    }

    async fn plan(&self, want: &Request) -> Result<Plan, Refusal> {
        self.desk.try_plan(want).await
    }

    async fn apply(&self, plan: Plan) -> Ended {
        assert_eq!((&plan.permission, &plan.preview), (&Permission::Allowed, &Preview::Accepted), "{}", plan.title);
        self.desk.apply(plan).await
    }

    fn hpas(&self) -> String {
        format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", self.side.namespace)
    }

    async fn autoscaler(&self, kind: &str, name: &str, floor: u32, cap: u32) {
        // The simulated pods use twice what they ask for: neither more nor fewer are needed.
        let goal = json!({"type": "Utilization", "averageUtilization": 200});
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name}, "minReplicas": floor,
                "maxReplicas": cap, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": goal}}]}});
        assert_eq!(self.side.send("POST", &self.hpas(), JSON, hpa).await.code, 201);
    }

    async fn bounds(&self, name: &str) -> (Value, Value) {
        let spec = self.side.get(&format!("{}/{name}", self.hpas())).await["spec"].clone();
        (spec["minReplicas"].clone(), spec["maxReplicas"].clone())
    }

    async fn replicas(&self, path: &str) -> Value {
        self.side.get(&self.side.apps(path)).await["spec"]["replicas"].clone()
    }
}

async fn floor_and_cap_are_moved_the_replicas_follow_and_the_undo_puts_them_back(side: &Side) {
    let ana = Responder::on(side);
    ana.autoscaler("Deployment", "payments", 1, 4).await;
    let path = "deployments/payments";
    let scale = |to| ana.scale(Kind::Deployment, "payments", to);

    let up = ana.plan(&scale(6)).await.unwrap();
    assert_eq!((up.target.kind, up.changed().as_str()), (Kind::HorizontalPodAutoscaler, "floor 1 → 6, cap 4 → 6"));
    assert_eq!((up.owners[0].name.as_str(), up.owners[0].effect), ("HPA payments 1–4", OwnerEffect::Informs));
    let stale = ana.plan(&scale(7)).await.unwrap();
    let done = ana.apply(up).await;
    assert_eq!(done.outcome.words().as_str(), "6 of 6 ready under HPA payments 6–6", "{:?}", done.outcome);
    assert_eq!((ana.replicas(path).await, ana.bounds("payments").await), (json!(6), (json!(6), json!(6))));
    let refused = ana.apply(stale).await.outcome;
    assert!(refused.words().contains("floor went from 1 to 6"), "{refused:?}");

    // A plain scale is taken back: that is why it is not offered.
    side.scale("payments", 2).await;
    side.until("it is taken back", async || ana.replicas(path).await == 6).await;

    let undo = ana.plan(&Request::Undo { plan: Box::new(done.plan) }).await.unwrap();
    assert_eq!(undo.tier, Tier::Lowers);
    let undone = ana.apply(undo).await;
    assert_eq!(undone.outcome.as_str(), "verified", "{:?}", undone.outcome);
    assert_eq!(ana.bounds("payments").await, (json!(1), json!(4)));
    assert_eq!(ana.replicas(path).await, 4, "the cap counts at once");

    let down = ana.plan(&scale(2)).await.unwrap();
    assert_eq!(down.changed(), "cap 4 → 2");
    let lowered = ana.apply(down).await;
    assert_eq!(lowered.outcome.words().as_str(), "2 of 2 ready under HPA payments 1–2", "{:?}", lowered.outcome);

    // Somebody else's number is not overwritten.
    let edited = side
        .send(
            "PATCH",
            &format!("{}/payments?fieldManager=kubectl", ana.hpas()),
            MERGE,
            json!({"spec": {"maxReplicas": 3}}),
        )
        .await;
    assert_eq!(edited.code, 200);
    let undo = Request::Undo { plan: Box::new(lowered.plan) };
    let why = ana.plan(&undo).await.unwrap_err().why;
    assert!(why.contains("the cap of HPA payments is 3, not the 2"), "{why}");

    let target = ana.target(Kind::HorizontalPodAutoscaler, "payments");
    let bound = ana.plan(&Request::Bound { target, floor: Some(3), cap: Some(5) }).await.unwrap();
    assert_eq!(bound.changed(), "floor 1 → 3, cap 3 → 5");
    // The command that can be copied does the same.
    let ran = std::process::Command::new("sh").args(["-c", bound.command.as_str()]).output().unwrap();
    assert!(ran.status.success(), "{}: {}", bound.command, String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ana.bounds("payments").await, (json!(3), json!(5)));
    let above = json!({"spec": {"minReplicas": 9}});
    assert_eq!(side.send("PATCH", &format!("{}/payments", ana.hpas()), MERGE, above).await.code, 422);
}

async fn a_stateful_set_follows_its_autoscaler_too(side: &Side) {
    let ana = Responder::on(side);
    let labels = json!({"app": "db"});
    let annotations = json!({"sim/cpu": "200", "sim/mem": "100"});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": 1, "serviceName": "db", "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "db", "image": "registry.example/db:1.0.0",
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}});
    assert_eq!(side.send("POST", &side.apps("statefulsets"), JSON, set).await.code, 201);
    ana.autoscaler("StatefulSet", "db", 1, 2).await;
    let plan = ana.plan(&ana.scale(Kind::StatefulSet, "db", 2)).await.unwrap();
    assert_eq!(plan.changed(), "floor 1 → 2");
    let done = ana.apply(plan).await;
    assert_eq!(done.outcome.words().as_str(), "2 of 2 ready under HPA db 2–2", "{:?}", done.outcome);
    let undone = ana.apply(ana.plan(&Request::Undo { plan: Box::new(done.plan) }).await.unwrap()).await;
    assert_eq!(undone.outcome.as_str(), "verified");
    assert_eq!(ana.bounds("db").await, (json!(1), json!(2)));
}

mod real {
    mod kubernetes {
        use crate::kubernetes::side::Side;

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn floor_and_cap_are_moved_the_replicas_follow_and_the_undo_puts_them_back() {
            let side = Side::real().await;
            super::super::floor_and_cap_are_moved_the_replicas_follow_and_the_undo_puts_them_back(&side).await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn a_stateful_set_follows_its_autoscaler_too() {
            super::super::a_stateful_set_follows_its_autoscaler_too(&Side::real().await).await;
        }
    }
}
