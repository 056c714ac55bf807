//! What a person sees whose token may not see everything.

use std::fs;

use warroom::model::signal::SourceState;

use crate::kit::{Session, command, configured, said};
use crate::kubernetes::Shop;

/// A kubeconfig for a new service account of the shop's namespace.
fn account(shop: &Shop, name: &str) -> (tempfile::TempDir, String) {
    shop.kubectl(&["create", "serviceaccount", name]);
    let token = shop.kubectl(&["create", "token", name]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig").to_str().unwrap().to_owned();
    fs::copy(said("WARROOM_REAL_KUBECONFIG"), &path).unwrap();
    let edit =
        |arguments: &[&str]| command("kubectl", &[&["--kubeconfig", path.as_str(), "config"], arguments].concat());
    edit(&["set-credentials", name, "--token", token.trim()]);
    let cluster = edit(&["view", "-o", "jsonpath={.clusters[0].name}"]);
    edit(&["set-context", name, "--cluster", &cluster, "--user", name, "--namespace", &shop.namespace]);
    edit(&["use-context", name]);
    (folder, path)
}

async fn a_token_for_one_namespace_sees_that_one_and_says_so() {
    let shop = Shop::open().await;
    let at = shop.namespace.clone();
    shop.deploy("payments", 2, &[], &[]);
    let (_folder, kubeconfig) = account(&shop, "one");
    shop.kubectl(&["create", "rolebinding", "one", "--clusterrole=view", &format!("--serviceaccount={at}:one")]);
    let config = configured(&shop.config_as(&kubeconfig));
    let mut session = Session::start(&config);
    session.until("its pods", |s| s.pods(&at, "payments").iter().filter(|row| row.pod.is_ready).count() == 2).await;
    session.until("the limit", |s| s.limited("pods").is_some_and(|why| why.contains(&at))).await;
    session.until("the workloads", |s| s.deployment(&at, "payments").is_some_and(|row| row.workload.is_some())).await;
    session
        .until("nodes are denied", |s| {
            matches!(s.links.get("nodes").and_then(|all| all.last()), Some(SourceState::Denied { .. }))
        })
        .await;
    shop.kubectl(&["scale", "deployment/payments", "--replicas=3"]);
    session.until("it watches", |s| s.pods(&at, "payments").len() == 3).await;
    let known = warroom::connect::kubernetes::identity(session.env.kubernetes.as_ref().unwrap()).await.unwrap();
    assert_eq!(known, format!("system:serviceaccount:{at}:one").as_str());
    session.end().await;
}

async fn a_token_that_may_not_watch_is_polled_for() {
    let shop = Shop::open().await;
    let at = shop.namespace.clone();
    shop.deploy("payments", 1, &[], &[]);
    let (_folder, kubeconfig) = account(&shop, "slow");
    let rules = [
        "create",
        "role",
        "slow",
        "--verb=get,list",
        "--resource=pods,deployments.apps,replicasets.apps,statefulsets.apps,daemonsets.apps,events",
    ];
    shop.kubectl(&rules);
    shop.kubectl(&["create", "rolebinding", "slow", "--role=slow", &format!("--serviceaccount={at}:slow")]);
    let mut session = Session::start(&configured(&shop.config_as(&kubeconfig)));
    session.until("its pod", |s| s.pods(&at, "payments").len() == 1).await;
    session.until("the limit", |s| s.limited("pods").is_some_and(|why| why.contains("no permission to watch"))).await;
    shop.kubectl(&["scale", "deployment/payments", "--replicas=2"]);
    session.until("the next poll", |s| s.pods(&at, "payments").len() == 2).await;
    session.end().await;
}

async fn a_token_without_any_right_is_told_so() {
    let shop = Shop::open().await;
    let (_folder, kubeconfig) = account(&shop, "nobody");
    let mut session = Session::start(&configured(&shop.config_as(&kubeconfig)));
    for source in ["pods", "workloads", "nodes", "events"] {
        session
            .until(source, |s| matches!(s.links.get(source).and_then(|all| all.last()), Some(SourceState::Denied { why }) if why.contains("403")))
            .await;
    }
    session.end().await;
}

mod real {
    mod kubernetes {
        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn a_token_for_one_namespace_sees_that_one_and_says_so() {
            super::super::a_token_for_one_namespace_sees_that_one_and_says_so().await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn a_token_that_may_not_watch_is_polled_for() {
            super::super::a_token_that_may_not_watch_is_polled_for().await;
        }

        #[tokio::test]
        #[ignore = "needs kubernetes: tests/run starts it"]
        async fn a_token_without_any_right_is_told_so() {
            super::super::a_token_without_any_right_is_told_so().await;
        }
    }
}
