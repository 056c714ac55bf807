//! A Rollout whose template stands in a Deployment (`workloadRef`). The drill's Rollouts have their
//! own.

use serde_json::{Value, json};
use warroom::model::name::Kind;
use warroom::model::plan::{Request, Revision};

use super::Gateway;
use super::rollouts::{NAME, healthy, images, path, rollout, settled};
use crate::kubernetes::side::{JSON, JSON_PATCH, MERGE, Side};

/// What holds the template.
const BASE: &str = "checkout-base";

/// The Rollout, when all its pods are of a version.
async fn runs(side: &Side, version: &str) -> Value {
    let base = side.get(&side.apps(&format!("deployments/{BASE}"))).await;
    let generation = base["metadata"]["generation"].to_string();
    let it = settled(side, version, |it| {
        let status = &it["status"];
        healthy(it)
            && status["workloadObservedGeneration"] == *generation
            && status["stableRS"] == status["currentPodHash"]
            && status["availableReplicas"] == 4
    })
    .await;
    assert_eq!(images(side).await, [version; 4]);
    it
}

async fn a_template_that_stands_in_a_deployment_goes_back_there_and_forward_again(side: &Side) {
    let labels = json!({ "app": NAME });
    let base = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": BASE },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": NAME, "image": format!("registry.example/{NAME}:1.0.0") }] } } } });
    assert_eq!(side.send("POST", &side.apps("deployments"), JSON, base).await.code, 201);
    let reference = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": BASE });
    let object = json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": { "name": NAME },
        "spec": { "replicas": 4, "workloadRef": reference, "strategy": { "canary": {} } } });
    let (collection, _) = path(side).rsplit_once('/').map(|(at, name)| (at.to_owned(), name.to_owned())).unwrap();
    assert_eq!(side.send("POST", &collection, JSON, object).await.code, 201);
    runs(side, "1.0.0").await;
    let release = json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image",
        "value": format!("registry.example/{NAME}:2.0.0") }]);
    let base = side.apps(&format!("deployments/{BASE}"));
    assert_eq!(side.send("PATCH", &base, JSON_PATCH, release).await.code, 200);
    runs(side, "2.0.0").await;
    let before = side.get(&base).await["spec"].clone();

    let gateway = Gateway::on(&side.config());
    let back = Request::RollBack { target: rollout(side), to: Revision::Previous };
    let plan = gateway.plan(&back).await;
    assert_eq!((plan.target.kind, plan.target.path.name.as_str()), (Kind::Deployment, BASE));
    assert_eq!(plan.changed(), "template checkout:2.0.0 → checkout:1.0.0");
    let (done, words) = gateway.apply(plan).await;
    assert_eq!(words, "4 of 4 ready");
    runs(side, "1.0.0").await;
    let (_, words) = gateway.undo(done).await;
    assert_eq!((words.as_str(), &side.get(&base).await["spec"]), ("4 of 4 ready", &before));
    runs(side, "2.0.0").await;

    // The Rollout of that name is another one by the time of the write.
    let plan = gateway.plan(&back).await;
    let other = json!({ "spec": { "workloadRef": { "name": "checkout-next" } } });
    assert_eq!(side.send("PATCH", &path(side), MERGE, other).await.code, 200);
    let ended = gateway.0.apply(plan).await.outcome;
    assert_eq!(ended.as_str(), "refused", "{ended:?}");
    assert!(ended.words().contains("does not take its template from Deployment"), "{ended:?}");
    assert_eq!(side.get(&base).await["spec"], before);
}

mod real {
    mod argo {
        use super::super::*;

        #[tokio::test]
        #[ignore = "needs argo: tests/run starts it"]
        async fn a_template_that_stands_in_a_deployment_goes_back_there_and_forward_again() {
            super::super::a_template_that_stands_in_a_deployment_goes_back_there_and_forward_again(&Side::real().await)
                .await;
        }
    }
}
