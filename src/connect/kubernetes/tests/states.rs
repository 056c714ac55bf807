//! How a cluster says no, and the sources that are polled.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::clock::{Clock, Span};
use crate::connect::kubernetes::events::{Events, PastEvents};
use crate::connect::kubernetes::nodes::Nodes;
use crate::connect::kubernetes::usage::Usage;
use crate::connect::kubernetes::workloads::PastRollouts;
use crate::connect::kubernetes::{connectors, identity, powers};
use crate::connect::{History as _, SourceError};
use crate::model::signal::Signal;

use super::server::{Fake, JSON, Reply};
use super::{catalogue, context, epoch, reach, sink};

fn body(value: &serde_json::Value) -> Reply {
    Reply::Whole(200, JSON, value.to_string().into_bytes())
}

async fn nodes_fail(url: &str) -> SourceError {
    let reached = reach(url);
    let (cx, _follow) = context(&Clock::real());
    let (out, _said) = sink();
    Nodes::new(Arc::clone(&reached.cluster)).read(&cx, &out).await.unwrap_err()
}

#[tokio::test]
async fn a_refusal_says_what_was_tried_and_what_to_do() {
    let fake =
        Fake::serve(|_| Reply::Whole(403, JSON, br#"{"message":"nodes is forbidden: User \"ana\""}"#.to_vec())).await;
    let SourceError::Denied(why) = nodes_fail(&fake.url).await else { panic!("not denied") };
    assert_eq!(why, "list nodes: 403 nodes is forbidden: User \"ana\"; ask for a role with get, list and watch on it");
    let fake = Fake::serve(|_| Reply::Whole(401, JSON, br#"{"message":"Unauthorized"}"#.to_vec())).await;
    let SourceError::Unknown(why) = nodes_fail(&fake.url).await else { panic!("not unknown") };
    assert!(why.contains("sign in again"), "{why}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let fake = Fake::serve(|_| Reply::With(429, ("retry-after", "7"), b"slow down".to_vec())).await;
    let SourceError::Retry { why, after } = nodes_fail(&fake.url).await else { panic!("not retried") };
    assert_eq!((after, why.as_str()), (Some(Duration::from_secs(7)), "list nodes: 429 slow down; trying again"));
    assert_eq!(fake.asked().len(), 1, "the supervisor retries, nobody else");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let nobody = crate::port_under_test::Port::new();
    let SourceError::Retry { why, after: None } = nodes_fail(&nobody.url()).await else { panic!("not retried") };
    assert!(why.starts_with("list nodes at http://127.0.0.1:") && why.to_lowercase().contains("refused"), "{why}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_end() {
    let fake = Fake::serve(|_| Reply::Whole(200, JSON, b"<html>captive portal</html>".to_vec())).await;
    assert!(matches!(nodes_fail(&fake.url).await, SourceError::Retry { why, .. } if why.contains("malformed")));
}

#[tokio::test]
async fn a_watch_that_ends_at_once_is_a_failure_and_not_a_loop() {
    let fake = Fake::serve(|asked| {
        if asked.watches() {
            Reply::Whole(200, JSON, Vec::new())
        } else {
            body(&json!({"metadata": {"resourceVersion": "1"}, "items": []}))
        }
    })
    .await;
    assert!(matches!(nodes_fail(&fake.url).await, SourceError::Retry { why, .. } if why.contains("ended the stream")));
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn usage_is_read_at_once_and_then_on_round_times() {
    let fake = Fake::serve(|asked| {
        let item = match asked.path.as_str() {
            "/apis/metrics.k8s.io/v1beta1/pods" => json!({"metadata": {"name": "web-1", "namespace": "shop"},
                "timestamp": "2026-11-21T03:00:00Z", "containers": [{"usage": {"cpu": "250m", "memory": "64Mi"}}]}),
            _ => json!({"metadata": {"name": "node-1"}, "timestamp": "2026-11-21T03:00:00Z", "usage": {"cpu": "2", "memory": "1Gi"}}),
        };
        body(&json!({"items": [item]}))
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, mut driver) = Clock::driven(epoch() + chrono::TimeDelta::seconds(1));
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    let mut source = Usage::new(Arc::clone(&reached.cluster));
    let run = tokio::spawn(async move { source.read(&cx, &out).await });
    let usage = |_, signal| match signal {
        Signal::Usage(usage) => Some(usage),
        _ => None,
    };
    let first = said.find(usage).await;
    let of: Vec<(String, u64)> = first.iter().map(|usage| (usage.of.to_string(), usage.cpu)).collect();
    assert_eq!(of, [("shop/web-1".into(), 250), ("node-1".into(), 2000)]);
    driver.advance(epoch() + chrono::TimeDelta::seconds(15));
    said.find(usage).await;
    assert_eq!(fake.asked().len(), 4);
    run.abort();
}

#[tokio::test]
async fn a_cluster_without_a_metrics_server_is_told_apart() {
    for (code, word) in [(404, "install metrics-server"), (503, "not available")] {
        let fake = Fake::serve(move |_| Reply::Whole(code, JSON, Vec::new())).await;
        let reached = reach(&fake.url);
        let (cx, _follow) = context(&Clock::real());
        let (out, _said) = sink();
        let error = Usage::new(Arc::clone(&reached.cluster)).read(&cx, &out).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(matches!(error, SourceError::Denied(_)), code == 404);
    }
}

#[tokio::test]
async fn only_warnings_are_asked_for() {
    let fake = Fake::serve(|asked| {
        if asked.watches() {
            return Reply::Whole(503, JSON, Vec::new());
        }
        body(&json!({"metadata": {"resourceVersion": "1"}, "items": [
            {"metadata": {"uid": "e"}, "type": "Warning", "reason": "BackOff", "count": 3,
             "firstTimestamp": "2026-11-21T02:30:00Z", "lastTimestamp": "2026-11-21T03:00:00Z"}]}))
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, _driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let (out, mut said) = sink();
    assert!(matches!(Events::new(Arc::clone(&reached.cluster)).read(&cx, &out).await, Err(SourceError::Retry { .. })));
    let event = said
        .find(|_, signal| match signal {
            Signal::Event(event) => Some(event),
            _ => None,
        })
        .await;
    assert_eq!((event.reason.as_str(), event.count), ("BackOff", 3));
    assert!(fake.asked().iter().all(|asked| asked.query.contains("fieldSelector=type%3DWarning")));

    let past = PastEvents(Arc::clone(&reached.cluster));
    let within = |from: i64, to: i64| Span {
        from: epoch() + chrono::TimeDelta::minutes(from),
        to: epoch() + chrono::TimeDelta::minutes(to),
    };
    let told = past.between(&cx, within(-60, 0)).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].occurred, epoch() - chrono::TimeDelta::minutes(30), "its last time lies outside");
    assert!(past.between(&cx, within(-20, 0)).await.unwrap().is_empty());
}

#[tokio::test]
async fn past_rollouts_come_from_replica_sets() {
    let fake = Fake::serve(|_| {
        let set = |uid: &str, revision: &str, at: &str| {
            json!({"metadata": {"name": uid, "namespace": "shop", "uid": uid, "creationTimestamp": at,
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
                "spec": {"template": {"spec": {"containers": [{"name": "app", "image": format!("web:2.{revision}.0")}]}}}})
        };
        body(&json!({"metadata": {"resourceVersion": "1"}, "items": [
            set("b", "9", "2026-11-21T02:55:00Z"), set("a", "8", "2026-11-14T10:00:00Z")]}))
    })
    .await;
    let reached = reach(&fake.url);
    let (clock, _driver) = Clock::driven(epoch());
    let (cx, _follow) = context(&clock);
    let span = Span::before(epoch(), chrono::TimeDelta::hours(1));
    let told = PastRollouts(Arc::clone(&reached.cluster)).between(&cx, span).await.unwrap();
    let [stamped] = told.as_slice() else { panic!("{told:?}") };
    let Signal::Change(change) = &stamped.body else { panic!() };
    assert_eq!(
        (change.title.as_str(), change.at.to_rfc3339().as_str()),
        ("image 2.8.0→2.9.0", "2026-11-21T02:55:00+00:00")
    );
}

#[tokio::test]
async fn the_cluster_says_who_we_are() {
    let fake = Fake::serve(|asked| match asked.path.as_str() {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            body(&json!({"status": {"userInfo": {"username": "ana"}}}))
        }
        _ => Reply::Whole(404, JSON, Vec::new()),
    })
    .await;
    let reached = reach(&fake.url);
    assert_eq!(identity(&reached.access).await.as_deref(), Some("ana"));
    let silent = Fake::serve(|_| Reply::Whole(404, JSON, Vec::new())).await;
    assert_eq!(identity(&reach(&silent.url).access).await, None);
}

#[tokio::test]
async fn a_client_of_the_sources_cannot_change_anything() {
    let fake = Fake::serve(|_| Reply::Whole(200, JSON, b"{}".to_vec())).await;
    let reached = reach(&fake.url);
    let client = reached.cluster.client().await.unwrap();
    for (method, path) in [("DELETE", "/api/v1/namespaces/shop/pods/a"), ("GET", "/api/v1/namespaces/shop/pods/a/exec")]
    {
        let request = http::Request::builder().method(method).uri(path).body(kube::client::Body::empty()).unwrap();
        let error = client.send(request).await.unwrap_err();
        assert!(error.to_string().contains("this client only reads"), "{error}");
    }
    assert!(fake.asked().is_empty());
}

#[test]
fn a_cluster_has_six_sources_and_three_of_them_remember() {
    let access = reach("http://127.0.0.1:1").access;
    let env = crate::config::Environment {
        name: "drill".into(),
        production: false,
        color: None,
        write: crate::config::WritePolicy::Deny,
        write_window: Duration::from_secs(600),
        drill: true,
        kubernetes: Some(access.clone()),
        aws: None,
        alertmanager: Vec::new(),
        prometheus: Vec::new(),
    };
    let connectors = connectors(&env, &access, catalogue());
    let names: Vec<(String, bool)> =
        connectors.iter().map(|connector| (connector.origin.to_string(), connector.history.is_some())).collect();
    let of = |name: &str, remembers| (format!("drill/{name}"), remembers);
    assert_eq!(
        names,
        [
            of("pods", false),
            of("workloads", true),
            of("nodes", false),
            of("events", true),
            of("usage", false),
            of("pod-logs", true)
        ]
    );
}

#[tokio::test]
async fn what_the_credentials_could_do_is_asked_by_reviews_alone_and_told_by_namespace() {
    let rules = json!([
        {"verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["patch", "update"], "apiGroups": ["apps"], "resources": ["*/scale"]},
        {"verbs": ["delete"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]},
    ]);
    let fake = Fake::serve(move |_| body(&json!({"status": {"resourceRules": rules, "incomplete": true}}))).await;
    let places = ["payments".into(), "shop".into()];
    let told = powers(&reach(&fake.url).access, &places).await;
    assert_eq!(
        told,
        [
            "in payments, shop these credentials could scale deployments, scale stateful sets, delete pods, read secrets, \
          and more that the cluster does not list"
        ]
    );
    let asked: Vec<_> = fake.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(
        asked, ["/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"; 2],
        "one a namespace, and nothing else"
    );

    let reads = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]);
    let fake = Fake::serve(move |_| body(&json!({"status": {"resourceRules": reads}}))).await;
    let told = powers(&reach(&fake.url).access, &places[..1]).await;
    assert_eq!(told, ["in payments these credentials could change nothing"]);

    let fake = Fake::serve(|_| Reply::Whole(403, JSON, br#"{"message":"no reviews"}"#.to_vec())).await;
    let told = powers(&reach(&fake.url).access, &places[..1]).await;
    assert!(told[0].starts_with("what these credentials could do in payments is not known: "), "{told:?}");
}
