//! What a client of the API gets.

use axum::body::{Body, Bytes};
use axum::http::Request;
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use warroom::drill::kube::Kill;

use super::shop::*;

#[tokio::test]
async fn the_log_of_the_run_before_can_be_read() {
    let mut shop = Shop::new();
    let victim = shop.pods()[0].name.clone();
    let log = format!("{PODS}/{victim}/log");
    let read = async |shop: &Shop, query: &str| {
        let (code, body) = shop.raw(Request::get(format!("{log}?{query}")).body(Body::empty()).unwrap()).await;
        (code.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    assert_eq!(read(&shop, "previous=true").await.0, 400);
    shop.cluster.log("shop", &victim, "one");
    shop.cluster.log("shop", &victim, "two");
    shop.seconds(5);
    shop.cluster.log("shop", &victim, "three");
    assert_eq!(read(&shop, "").await, (200, "one\ntwo\nthree\n".into()));
    assert_eq!(read(&shop, "tailLines=1").await.1, "three\n");
    assert_eq!(read(&shop, "sinceSeconds=2").await.1, "three\n");
    assert_eq!(read(&shop, "sinceTime=2026-11-18T11:06:45.9Z").await.1, "three\n", "in whole seconds");
    let stamped = read(&shop, "timestamps=true&tailLines=1").await.1;
    assert_eq!(stamped, "2026-11-18T11:06:45.000000000Z three\n");
    assert_eq!(read(&shop, "container=other").await.0, 400);
    shop.cluster.kill("shop", &victim, Kill::Crash);
    shop.seconds(2);
    assert_eq!(read(&shop, "previous=true").await.1, "one\ntwo\nthree\n");
    assert_eq!(read(&shop, "").await.1, "");
}

#[tokio::test]
async fn a_followed_log_goes_on_until_its_container_ends() {
    let mut shop = Shop::new();
    let victim = shop.pods()[0].name.clone();
    shop.cluster.log("shop", &victim, "before");
    let request = Request::get(format!("{PODS}/{victim}/log?follow=true")).body(Body::empty()).unwrap();
    let mut body = shop.cluster.router().oneshot(request).await.unwrap().into_body().into_data_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "before\n");
    let reader = tokio::spawn(async move {
        let first = body.next().await.unwrap().unwrap();
        (first, body.next().await.is_none())
    });
    tokio::task::yield_now().await;
    shop.cluster.log("shop", &victim, "after");
    while !reader.is_finished() {
        tokio::task::yield_now().await;
        shop.cluster.kill("shop", &victim, Kill::Crash);
        shop.seconds(1);
    }
    assert_eq!(reader.await.unwrap(), (Bytes::from("after\n"), true));
}

#[tokio::test]
async fn a_guarded_patch_is_refused_as_the_real_server_refuses_it() {
    let shop = Shop::new();
    let uid = shop.get(DEPLOYMENT).await["metadata"]["uid"].clone();
    let guarded = |uid: &Value, from: u32| {
        json!([{"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": "/spec/replicas", "value": from},
            {"op": "replace", "path": "/spec/replicas", "value": 6}])
    };
    for path in [DEPLOYMENT, SCALE] {
        for patch in [guarded(&json!("another"), 4), guarded(&uid, 5)] {
            let (code, status) = shop.patch(path, JSON_PATCH, patch).await;
            assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
            assert_eq!(status["message"], "the server rejected our request due to an error in our request");
        }
    }
    let wrong = json!({"metadata": {"uid": "another"}, "spec": {"replicas": 6}});
    assert_eq!(shop.patch(SCALE, MERGE, wrong.clone()).await.0, 409);
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, wrong).await.0, 422);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 6}});
    assert_eq!(shop.patch(SCALE, MERGE, stale.clone()).await.0, 409);
    assert_eq!(shop.patch(DEPLOYMENT, MERGE, stale).await.0, 409);
    let mut put = shop.get(SCALE).await;
    put["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(shop.call("PUT", SCALE, "application/json", put).await.0, 409);
    for bad in [json!(-1), json!("many"), json!(1.5)] {
        assert_eq!(shop.patch(SCALE, MERGE, json!({"spec": {"replicas": bad}})).await.0, 422);
    }
    assert_eq!(shop.cluster.taken(), [], "nothing of this was taken");
    assert_eq!(shop.patch(SCALE, JSON_PATCH, guarded(&uid, 4)).await.0, 200);
    assert_eq!(shop.get(DEPLOYMENT).await["spec"]["replicas"], 6);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_and_changes_nothing() {
    let shop = Shop::new();
    let before = shop.get(DEPLOYMENT).await;
    let query = "?dryRun=All&fieldManager=warroom&fieldValidation=Strict";
    let (code, scale) = shop.patch(&format!("{SCALE}{query}"), MERGE, json!({"spec": {"replicas": 9}})).await;
    assert_eq!((code, &scale["spec"]["replicas"]), (200, &json!(9)));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "payments", "image": "x:2"}]}}}});
    let strategic = "application/strategic-merge-patch+json";
    let (code, would) = shop.patch(&format!("{DEPLOYMENT}{query}"), strategic, image).await;
    let container = &would["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((code, &container["image"]), (200, &json!("x:2")));
    assert_eq!(container["resources"]["requests"]["cpu"], "500m", "merged by name, not replaced");
    assert_eq!(shop.get(DEPLOYMENT).await, before);
    assert_eq!(shop.cluster.taken(), []);
    assert_eq!(shop.patch(&format!("{SCALE}?dryRun=Some"), MERGE, json!({})).await.0, 422);
}

#[tokio::test]
async fn what_is_denied_is_answered_403_and_access_reviews_say_so() {
    let shop = Shop::new();
    let may = async |sub: &str, verb: &str| {
        let attributes = json!({"namespace": "shop", "verb": verb, "group": "apps", "resource": "deployments",
            "subresource": sub, "name": "payments"});
        let review = json!({"spec": {"resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (code, answer) = shop.call("POST", path, "application/json", review).await;
        assert_eq!(code, 201);
        answer["status"]["allowed"].as_bool().unwrap()
    };
    assert!(may("scale", "patch").await);
    assert!(!may("", "delete").await, "not served, so not allowed");
    shop.cluster.deny("patch", "deployments/scale");
    assert!(!may("scale", "patch").await);
    assert!(may("", "patch").await, "the subresource is a resource of its own");
    let (code, status) = shop.patch(SCALE, MERGE, json!({"spec": {"replicas": 6}})).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert_eq!(
        status["message"],
        "deployments.apps \"payments\" is forbidden: User \"alex@example.com\" cannot patch resource \
         \"deployments/scale\" in API group \"apps\" in the namespace \"shop\""
    );
    shop.cluster.allow("patch", "deployments/scale");
    assert!(may("scale", "patch").await);

    shop.cluster.deny_across_namespaces("list", "pods");
    assert_eq!(shop.call("GET", "/api/v1/pods", "", Value::Null).await.0, 403);
    assert_eq!(names(&shop.get(PODS).await).len(), 6);
}

#[tokio::test]
async fn what_is_not_served_is_refused_with_a_status() {
    let shop = Shop::new();
    let pod = shop.pods()[0].name.clone();
    for (method, path, code) in [
        ("DELETE", DEPLOYMENT, 405),
        ("DELETE", PODS, 405),
        ("POST", PODS, 405),
        ("POST", "/api/v1/namespaces/shop/pods/x/exec", 403),
        ("GET", "/api/v1/secrets", 404),
        ("GET", "/api/v1/replicationcontrollers", 404),
        ("GET", "/apis/apps/v1/namespaces/shop/deployments/none", 404),
        ("GET", "/api/v1/pods?fieldSelector=spec.colour%3Dred", 400),
        ("GET", "/api/v1/pods?limit=x", 400),
        ("GET", "/api/v1/pods?continue=%21", 400),
    ] {
        let (got, status) = shop.call(method, path, "application/json", Value::Null).await;
        assert_eq!((got, &status["kind"], &status["code"]), (code, &json!("Status"), &json!(code)), "{method} {path}");
    }
    let (code, _) = shop.patch(SCALE, "application/apply-patch+yaml", json!({})).await;
    assert_eq!(code, 415);
    let (code, deleted) = shop.call("DELETE", &format!("{PODS}/{pod}"), "application/json", Value::Null).await;
    assert_eq!((code, &deleted["metadata"]["name"]), (200, &json!(pod)));
    assert_eq!(shop.cluster.taken()[0].what, format!("delete pods shop/{pod}"));
}

#[tokio::test]
async fn a_paged_list_is_of_one_moment() {
    let mut shop = Shop::new();
    let whole = shop.get(PODS).await;
    let first = shop.get(&format!("{PODS}?limit=4")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    let token = first["metadata"]["continue"].as_str().unwrap();
    shop.scale(1).await;
    shop.seconds(10);
    let second = shop.get(&format!("{PODS}?limit=4&continue={token}")).await;
    let paged: Vec<&str> = names(&first).into_iter().chain(names(&second)).collect();
    assert_eq!(paged, names(&whole));
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    shop.cluster.compact();
    let (code, status) = shop.call("GET", &format!("{PODS}?limit=4&continue={token}"), "", Value::Null).await;
    assert_eq!((code, &status["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn a_watch_tells_what_happened_since_and_then_what_happens() {
    let mut shop = Shop::new();
    let version = shop.get(PODS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    shop.scale(5).await;
    shop.seconds(1);
    let running = format!(
        "{PODS}?watch=1&resourceVersion={version}&labelSelector=app%3Dpayments&fieldSelector=status.phase%3DRunning"
    );
    let mut all = shop.watch(&format!("{PODS}?watch=1&resourceVersion={version}")).await;
    let mut ran = shop.watch(&running).await;
    let added = all.next().await.unwrap();
    assert_eq!((&added["type"], &added["object"]["kind"]), (&json!("ADDED"), &json!("Pod")));
    shop.seconds(2);
    assert_eq!(ran.next().await.unwrap()["type"], "ADDED", "it enters the selection when it runs");
    shop.scale(4).await;
    shop.seconds(4);
    let gone = loop {
        let event = all.next().await.unwrap();
        if event["type"] == "DELETED" {
            break event;
        }
    };
    assert_eq!(gone["object"]["metadata"]["name"], added["object"]["metadata"]["name"]);
}

#[tokio::test]
async fn a_watch_marks_its_place_and_ends_in_world_time() {
    let mut shop = Shop::new();
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
                 &allowWatchBookmarks=true&timeoutSeconds=90";
    let mut watch = shop.watch(&format!("/apis/apps/v1/deployments?{query}")).await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(watch.next().await.unwrap());
    }
    let types: Vec<_> = kinds.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ADDED", "ADDED", "BOOKMARK"]);
    assert_eq!(kinds[2]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    shop.seconds(60);
    let mark = watch.next().await.unwrap();
    assert_eq!((&mark["type"], &mark["object"]["kind"]), (&json!("BOOKMARK"), &json!("Deployment")));
    shop.seconds(30);
    assert_eq!(watch.next().await.unwrap()["type"], "BOOKMARK");
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_expired() {
    let mut shop = Shop::new();
    let version = shop.get(PODS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    shop.scale(5).await;
    shop.seconds(2);
    shop.cluster.compact();
    let mut watch = shop.watch(&format!("{PODS}?watch=1&resourceVersion={version}")).await;
    let event = watch.next().await.unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.next().await, None);
    let exact = format!("{PODS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(shop.call("GET", &exact, "", Value::Null).await.0, 410);
    assert_eq!(shop.call("GET", &format!("{PODS}?resourceVersion=99999999"), "", Value::Null).await.0, 504);
}

#[tokio::test]
async fn a_table_holds_what_kubectl_prints() {
    let mut shop = Shop::new();
    shop.seconds(60);
    let table = async |path: &str| {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        let (code, body) = shop.raw(Request::get(path).header("accept", accept).body(Body::empty()).unwrap()).await;
        assert_eq!(code, 200);
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let pods = table(PODS).await;
    let columns: Vec<&str> =
        pods["columnDefinitions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(columns[..7], ["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node"]);
    let cells = pods["rows"][5]["cells"].as_array().unwrap();
    assert_eq!(cells[1..5], [json!("1/1"), json!("Running"), json!("0"), json!("120m")]);
    assert_eq!(pods["rows"][5]["object"]["kind"], "PartialObjectMetadata");
    let bare = table(&format!("{PODS}?includeObject=None")).await;
    assert!(bare["rows"][0]["object"].is_null());
    let deployments = table("/apis/apps/v1/deployments").await;
    assert_eq!(
        deployments["rows"][1]["cells"].as_array().unwrap()[..5],
        [json!("payments"), json!("4/4"), json!(4), json!(4), json!("20d")]
    );
    for path in [
        "/api/v1/nodes",
        "/api/v1/events",
        "/api/v1/namespaces",
        "/api/v1/services",
        "/apis/apps/v1/replicasets",
        "/apis/apps/v1/statefulsets",
        "/apis/apps/v1/daemonsets",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/metrics.k8s.io/v1beta1/pods",
        "/apis/metrics.k8s.io/v1beta1/nodes",
    ] {
        let table = table(path).await;
        let width = table["columnDefinitions"].as_array().unwrap().len();
        assert!(
            table["rows"].as_array().unwrap().iter().all(|row| row["cells"].as_array().unwrap().len() == width),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_posted_event_is_kept() {
    let shop = Shop::new();
    let event = json!({"metadata": {"generateName": "note-"},
        "involvedObject": {"kind": "Deployment", "namespace": "shop", "name": "payments"},
        "reason": "Noted", "message": "scaled by alex", "type": "Normal", "count": 1});
    assert_eq!(shop.call("POST", EVENTS, "application/json", event).await.0, 201);
    let events = shop.get(&format!("{EVENTS}?fieldSelector=reason=Noted")).await;
    assert_eq!(events["items"][0]["message"], "scaled by alex");
}

#[tokio::test]
async fn figures_out_of_all_proportion_are_refused_or_bounded() {
    let mut shop = Shop::autoscaled();
    let spec = |field: &str, value: Value| json!({"spec": {field: value}});
    for (path, patch) in [
        (SCALE, spec("replicas", json!(i64::MAX))),
        (HPA, spec("maxReplicas", json!(i64::MAX))),
        (HPA, spec("minReplicas", json!(i64::MIN))),
        (DEPLOYMENT, spec("template", json!({"spec": {"containers": "none"}}))),
        (DEPLOYMENT, spec("template", Value::Null)),
        (DEPLOYMENT, json!({"spec": null})),
        (DEPLOYMENT, json!("text")),
    ] {
        let (code, status) = shop.patch(path, MERGE, patch.clone()).await;
        assert!((400..500).contains(&code), "{path} {patch}: {status}");
    }
    let bounds = json!({"maxSurge": i64::MAX, "maxUnavailable": "9999999999999999999%"});
    let rolling = json!({"type": "RollingUpdate", "rollingUpdate": bounds});
    let huge = json!({"requests": {"cpu": "1e300", "memory": "1e300Ti"}});
    let strategic = "application/strategic-merge-patch+json";
    let container = json!({"name": "payments", "resources": huge});
    let patch = json!({"metadata": {"labels": 7, "annotations": "none"},
        "spec": {"strategy": rolling, "progressDeadlineSeconds": u64::MAX,
        "revisionHistoryLimit": -1, "template": {"spec": {"containers": [container]}}}});
    assert_eq!(shop.patch(DEPLOYMENT, strategic, patch).await.0, 200);
    shop.seconds(60);
    assert!(shop.pods().iter().any(|pod| pod.node.is_none()), "it fits nowhere");
    let pod = shop.pods()[0].name.clone();
    let (code, _) = shop
        .raw(Request::get(format!("{PODS}/{pod}/log?sinceSeconds={}", u64::MAX)).body(Body::empty()).unwrap())
        .await;
    assert!(code == 200 || code == 400);
    let mut watch = shop.watch(&format!("{PODS}?watch=1&timeoutSeconds={}", u64::MAX)).await;
    assert_eq!(watch.next().await.unwrap()["type"], "ADDED");
}
