//! The same promises against a real API server with its controllers.
//!
//! `WARROOM_REAL_KUBECONFIG=… cargo test --lib respond::engine::tests::real -- --ignored` with
//! `kubectl` on the path. It makes and deletes a namespace of its own; pods have to become ready
//! in it.

use std::process::Command;

use super::*;
use crate::config::{KubeAccess, WritePolicy};
use crate::model::name::{ObjectPath, Target, Uid};
use crate::model::plan::{OwnerEffect, Permission, Preview};

struct Cluster {
    kubeconfig: String,
    namespace: String,
}

impl Cluster {
    fn kubectl(&self, arguments: &[&str]) -> String {
        let out = Command::new("kubectl")
            .args(["--kubeconfig", &self.kubeconfig, "-n", &self.namespace])
            .args(arguments)
            .output()
            .unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn replicas(&self) -> String {
        self.kubectl(&["get", "deployment", "payments", "-o", "jsonpath={.spec.replicas}"])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A panic on top of the test's own would hide that one.
        let _ = Command::new("kubectl")
            .args(["--kubeconfig", &self.kubeconfig, "delete", "namespace", &self.namespace, "--wait=false"])
            .output();
    }
}

#[tokio::test]
#[ignore = "needs kubernetes: tests/run starts it"]
#[allow(clippy::disallowed_methods, reason = "names the cluster of this test alone")]
async fn a_real_cluster_keeps_the_promises_too() {
    let kubeconfig = std::env::var("WARROOM_REAL_KUBECONFIG").unwrap();
    let cluster = Cluster { kubeconfig, namespace: format!("warroom-test-{}", std::process::id()) };
    cluster.kubectl(&["create", "namespace", &cluster.namespace]);
    cluster.kubectl(&["create", "deployment", "payments", "--image=registry.k8s.io/pause:3.10", "--replicas=3"]);
    cluster.kubectl(&["rollout", "status", "deployment", "payments", "--timeout=120s"]);
    let uid = cluster.kubectl(&["get", "deployment", "payments", "-o", "jsonpath={.metadata.uid}"]);
    let context = cluster.kubectl(&["config", "current-context"]).trim().to_owned();

    let fake = Fake::start().await;
    let mut env = fake.environment();
    env.write = WritePolicy::Ask;
    env.kubernetes = Some(KubeAccess {
        kubeconfig: Some(cluster.kubeconfig.clone().into()),
        context: Some(context),
        ..env.kubernetes.unwrap()
    });
    let engine = Engine::new(&env, Clock::real()).unwrap();
    let pad = Pad::default();
    let path = ObjectPath::new(cluster.namespace.as_str(), "payments");
    let target = Target { path, uid: Some(Uid::from(uid.as_str())), ..payments() };
    let want = |to| Request::Scale { target: target.clone(), to: Replicas::Exactly(to) };
    let plan = async |want: &Request| engine.plan(want, &super::super::Cluster::default()).await;
    let actor = ana();
    let apply = async |plan| engine.apply(plan, &actor, &pad, &|_| ()).await.unwrap();

    // Do and undo.
    let up = plan(&want(5)).await.unwrap();
    assert_eq!((&up.permission, &up.preview), (&Permission::Allowed, &Preview::Accepted));
    let stale = plan(&want(7)).await.unwrap();
    let done = apply(up).await;
    assert_eq!(done.outcome.words().as_str(), "5 of 5 ready", "{:?}", done.outcome);
    assert_eq!(cluster.replicas(), "5");
    let refused = apply(stale).await.outcome;
    assert!(refused.words().contains("replicas went from 3 to 5"), "{refused:?}");
    let undo = Request::Undo { plan: Box::new(done.plan) };
    let undone = apply(plan(&undo).await.unwrap()).await;
    assert_eq!((undone.outcome.as_str(), cluster.replicas().as_str()), ("verified", "3"));

    // A foreign edit of the very same value.
    let done = apply(plan(&want(4)).await.unwrap()).await;
    cluster.kubectl(&["scale", "deployment", "payments", "--replicas=2"]);
    cluster.kubectl(&["scale", "deployment", "payments", "--replicas=4"]);
    let refusal = plan(&Request::Undo { plan: Box::new(done.plan) }).await.unwrap_err();
    assert!(refusal.why.contains("set by kubectl"), "{refusal}");

    // From zero, which the server leaves out.
    cluster.kubectl(&["scale", "deployment", "payments", "--replicas=0"]);
    let from_zero = plan(&want(2)).await.unwrap();
    assert_eq!(from_zero.preview, Preview::Accepted);
    assert_eq!(apply(from_zero).await.outcome.words().as_str(), "2 of 2 ready");

    // An autoscaler.
    cluster.kubectl(&["autoscale", "deployment", "payments", "--min=1", "--max=4", "--cpu-percent=80"]);
    let owned = plan(&want(3)).await.unwrap();
    assert_eq!((owned.owners[0].name.as_str(), owned.owners[0].effect), ("HPA payments 1–4", OwnerEffect::Reverts));
    // The command that is offered instead works as it stands.
    let words = owned.owners[0].words.as_str();
    let command = words.split("instead: ").nth(1).unwrap();
    assert!(Command::new("sh").args(["-c", command]).output().unwrap().status.success(), "{command}");
    let floor = cluster.kubectl(&["get", "hpa", "payments", "-o", "jsonpath={.spec.minReplicas}"]);
    assert_eq!(floor, "3");

    // Another object of the name.
    let plan_of_old = plan(&want(6)).await.unwrap();
    cluster.kubectl(&["delete", "hpa", "payments"]);
    let unowned = plan(&want(6)).await.unwrap();
    cluster.kubectl(&["delete", "deployment", "payments", "--wait=true"]);
    assert!(plan(&want(6)).await.unwrap_err().why.contains("is not there"));
    cluster.kubectl(&["create", "deployment", "payments", "--image=registry.k8s.io/pause:3.10", "--replicas=2"]);
    assert!(Engine::blocked(&plan_of_old).is_some());
    let ended = apply(unowned).await;
    assert!(ended.outcome.words().contains("another object"), "{:?}", ended.outcome);
    assert_eq!(cluster.replicas(), "2");
}
