//! What clients of the real systems see, on a toy cluster in the middle of the storm.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use chrono::TimeDelta;
use serde_json::{Value as Json, json};
use tower::ServiceExt as _;

use super::*;
use crate::clock;
use crate::drill::scenario::{Scenario, Times};
use crate::drill::world::toy::Toy;

/// The world at ten minutes after the bad release.
fn storm() -> (Shared, clock::World) {
    let scenario = Arc::new(Scenario::shipped("rate-limit-storm").unwrap());
    let toy = Toy::new(&scenario);
    let mut world = World::with_fleet(&scenario, 1, Box::new(toy));
    let release = Times::new(&scenario, 1).named("release").unwrap();
    world.run_to(release + TimeDelta::minutes(10));
    (Shared::new(world), release)
}

async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec())
}

async fn get(router: &Router, path: &str) -> (StatusCode, Json) {
    let (status, body) = call(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap_or(Json::Null))
}

async fn aws_call(router: &Router, target: &str, input: Json) -> (StatusCode, Json) {
    let request = Request::post("/").header("x-amz-target", target).body(Body::from(input.to_string())).unwrap();
    let (status, body) = call(router, request).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn cloudwatch_call(router: &Router, operation: &str, input: Json) -> (StatusCode, Json) {
    aws_call(router, &format!("GraniteServiceVersion20100801.{operation}"), input).await
}

async fn logs_call(router: &Router, operation: &str, input: Json) -> (StatusCode, Json) {
    aws_call(router, &format!("Logs_20140328.{operation}"), input).await
}

#[tokio::test]
async fn prometheus_answers_queries_by_get_and_by_form() {
    let (world, _) = storm();
    let router = prometheus(world);
    let query = "sum(rate(http_requests_total{service=\"checkout\"}[1m]))";
    let path = format!("/api/v1/query?query={}", form::encoded(query));
    let (status, by_get) = get(&router, &path).await;
    assert_eq!((status, by_get["data"]["resultType"].as_str()), (StatusCode::OK, Some("vector")));
    let value: f64 = by_get["data"]["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!((80.0..110.0).contains(&value), "{value} requests a second");
    let request = Request::post("/api/v1/query")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("query={}", form::encoded(query))))
        .unwrap();
    let (_, body) = call(&router, request).await;
    assert_eq!(serde_json::from_slice::<Json>(&body).unwrap(), by_get);

    let (status, bad) = get(&router, "/api/v1/query?query=sum(").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!((bad["status"].as_str(), bad["errorType"].as_str()), (Some("error"), Some("bad_data")));
}

#[tokio::test]
async fn prometheus_keeps_every_sample_since_the_epoch() {
    let (world, release) = storm();
    let router = prometheus(world);
    let from = release - TimeDelta::minutes(20);
    let to = release + TimeDelta::minutes(9);
    let path = format!(
        "/api/v1/query_range?query=up%7Bjob%3D%22prometheus%22%7D&start={}&end={}&step=15s",
        from.timestamp(),
        to.timestamp()
    );
    let (status, found) = get(&router, &path).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found["data"]["result"][0]["values"].as_array().unwrap().len(), 29 * 4 + 1);
    let (status, _) = get(&router, &path.replace("step=15s", "step=0")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn prometheus_lists_rules_targets_labels_and_series() {
    let (world, _) = storm();
    let router = prometheus(world);
    let (_, rules) = get(&router, "/api/v1/rules").await;
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    let state = |name: &str| rules.iter().find(|rule| rule["name"] == name).unwrap()["state"].clone();
    assert_eq!((state("PaymentsCPUHigh"), state("LoginErrorRate")), (json!("firing"), json!("inactive")));
    let (_, values) = get(&router, "/api/v1/label/service/values?match[]=http_requests_total").await;
    assert!(values["data"].as_array().unwrap().contains(&json!("partner-gateway")));
    let (_, series) = get(&router, "/api/v1/series?match[]=node_cpu_utilisation").await;
    assert!(series["data"].as_array().unwrap().len() >= 5);
    let (status, _) = get(&router, "/api/v1/series").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, targets) = get(&router, "/api/v1/targets").await;
    assert!(targets["data"]["activeTargets"].as_array().unwrap().iter().all(|target| target["health"] == "up"));
}

#[tokio::test]
async fn alertmanager_tells_alerts_as_version_2_does() {
    let (world, release) = storm();
    let router = alertmanager(world);
    let (_, alerts) = get(&router, "/api/v2/alerts").await;
    let cpu =
        alerts.as_array().unwrap().iter().find(|a| a["labels"]["alertname"] == "PaymentsCPUHigh").unwrap().clone();
    let starts: clock::World = cpu["startsAt"].as_str().unwrap().parse().unwrap();
    let ends: clock::World = cpu["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(starts > release + TimeDelta::minutes(2) && ends > release + TimeDelta::minutes(13));
    assert_eq!(cpu["status"]["state"], "active");
    assert_eq!(cpu["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(cpu["labels"]["severity"], "critical");

    let count = async |path: &str| get(&router, path).await.1.as_array().map(Vec::len);
    let all = alerts.as_array().unwrap().len();
    assert_eq!(count("/api/v2/alerts?filter=alertname%3D%22PaymentsCPUHigh%22").await, Some(1));
    assert_eq!(count("/api/v2/alerts?filter=severity%3D~%22crit.*%22&filter=service!%3Dpayments").await, Some(1));
    assert_eq!(count("/api/v2/alerts?active=false").await, Some(0));
    let (status, why) = get(&router, "/api/v2/alerts?filter=%7B").await;
    assert_eq!((status, why.is_string()), (StatusCode::BAD_REQUEST, true));
    let (_, groups) = get(&router, "/api/v2/alerts/groups").await;
    let grouped: usize = groups.as_array().unwrap().iter().map(|group| group["alerts"].as_array().unwrap().len()).sum();
    assert_eq!(grouped, all);
    let (_, status) = get(&router, "/api/v2/status").await;
    assert_eq!(status["cluster"]["status"], "ready");
}

#[tokio::test]
async fn a_silence_suppresses_and_its_end_shows_again() {
    let (world, _) = storm();
    let now = world.lock().now();
    let router = alertmanager(world);
    let post = async |silence: Json| {
        let request = Request::post("/api/v2/silences").body(Body::from(silence.to_string())).unwrap();
        let (status, body) = call(&router, request).await;
        (status, serde_json::from_slice::<Json>(&body).unwrap_or_default())
    };
    let silence = |name: &str| {
        json!({ "matchers": [{ "name": "alertname", "value": name, "isRegex": false, "isEqual": true }],
                "startsAt": now, "endsAt": now + TimeDelta::hours(1), "createdBy": "ana", "comment": "known" })
    };
    let (status, made) = post(silence("PaymentsCPUHigh")).await;
    assert_eq!(status, StatusCode::OK);
    let id = made["silenceID"].as_str().unwrap().to_owned();
    let (_, shown) = get(&router, "/api/v2/alerts?filter=alertname%3DPaymentsCPUHigh").await;
    assert_eq!(shown[0]["status"]["state"], "suppressed");
    assert_eq!(shown[0]["status"]["silencedBy"], json!([id]));
    assert_eq!(get(&router, "/api/v2/alerts?silenced=false&filter=alertname%3DPaymentsCPUHigh").await.1, json!([]));

    let mut changed = silence("CheckoutErrorRate");
    changed["id"] = json!(id);
    let (_, other) = post(changed).await;
    assert_ne!(other["silenceID"], made["silenceID"], "changed matchers make a new id");
    assert_eq!(get(&router, &format!("/api/v2/silence/{id}")).await.1["status"]["state"], "expired");

    let mut empty = silence("x");
    empty["matchers"] = json!([]);
    assert_eq!(post(empty).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let delete = async |id: &str| {
        call(&router, Request::delete(format!("/api/v2/silence/{id}")).body(Body::empty()).unwrap()).await.0
    };
    assert_eq!(delete("no-such").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(delete(other["silenceID"].as_str().unwrap()).await, StatusCode::OK);
}

#[tokio::test]
async fn cloudwatch_pages_alarms_and_their_history() {
    let (world, _) = storm();
    let router = aws(world);
    let (_, usual) = cloudwatch_call(&router, "DescribeAlarms", json!({})).await;
    assert_eq!(usual["CompositeAlarms"], json!([]), "only metric alarms unless asked");
    let types = json!(["MetricAlarm", "CompositeAlarm"]);
    let (mut names, mut token, mut pages) = (Vec::new(), Json::Null, 0);
    loop {
        let (status, page) = cloudwatch_call(
            &router,
            "DescribeAlarms",
            json!({ "AlarmTypes": types, "MaxRecords": 2, "NextToken": token }),
        )
        .await;
        assert_eq!(status, StatusCode::OK);
        for kind in ["MetricAlarms", "CompositeAlarms"] {
            names.extend(
                page[kind].as_array().unwrap().iter().map(|alarm| alarm["AlarmName"].as_str().unwrap().to_owned()),
            );
        }
        pages += 1;
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!((pages, names.len()), (3, 5));
    let (_, alarming) =
        cloudwatch_call(&router, "DescribeAlarms", json!({ "AlarmTypes": types, "StateValue": "ALARM" })).await;
    assert_eq!(alarming["CompositeAlarms"][0]["AlarmName"], "checkout-impaired");
    let (_, history) = cloudwatch_call(
        &router,
        "DescribeAlarmHistory",
        json!({ "AlarmName": "payments-latency-p99", "MaxRecords": 1 }),
    )
    .await;
    let data: Json = serde_json::from_str(history["AlarmHistoryItems"][0]["HistoryData"].as_str().unwrap()).unwrap();
    assert_eq!(
        (data["oldState"]["stateValue"].as_str(), data["newState"]["stateValue"].as_str()),
        (Some("OK"), Some("ALARM"))
    );
    let (status, bad) = cloudwatch_call(&router, "DescribeAlarms", json!({ "NextToken": "nonsense" })).await;
    assert_eq!((status, bad["__type"].as_str()), (StatusCode::BAD_REQUEST, Some("InvalidNextToken")));
    let (status, bad) = cloudwatch_call(&router, "PutMetricAlarm", json!({})).await;
    assert_eq!((status, bad["__type"].as_str()), (StatusCode::BAD_REQUEST, Some("UnknownOperationException")));
}

#[tokio::test]
async fn logs_are_filtered_and_paged_without_loss() {
    let (world, release) = storm();
    let all = world.lock().logs().groups["/prod/payments"].len();
    let now = world.lock().now();
    let router = aws(world);
    let collect = async |mut input: Json| {
        let (mut events, mut empty, mut pages): (Vec<Json>, _, _) = (Vec::new(), 0, 0);
        loop {
            let (status, page) = logs_call(&router, "FilterLogEvents", input.clone()).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let found = page["events"].as_array().unwrap();
            empty += usize::from(found.is_empty() && !page["nextToken"].is_null());
            pages += 1;
            events.extend(found.iter().cloned());
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = json!(token),
                None => return (events, empty, pages),
            }
        }
    };
    let (events, _, pages) = collect(json!({ "logGroupName": "/prod/payments", "limit": 700 })).await;
    assert_eq!(events.len(), all, "in {pages} pages");
    let mut ids: Vec<_> = events.iter().map(|event| event["eventId"].as_str().unwrap().to_owned()).collect();
    let in_order = ids.is_sorted();
    ids.dedup();
    assert!(in_order && ids.len() == all, "each event once, in order");

    let from = (release + TimeDelta::minutes(5)).timestamp_millis();
    let input = json!({ "logGroupName": "/prod/payments", "startTime": from, "endTime": now.timestamp_millis(),
                        "filterPattern": "{ $.level = \"error\" }" });
    let (errors, ..) = collect(input).await;
    assert!(errors.len() > 100, "{} errors in five minutes of storm", errors.len());
    assert!(
        errors
            .iter()
            .all(|e| e["message"].as_str().unwrap().contains("\"error\"") && e["timestamp"].as_i64() >= Some(from))
    );

    let mut empty_pages = 0;
    for second in 0..20 {
        empty_pages += collect(json!({ "logGroupName": "/prod/checkout", "startTime": from + second * 1000 })).await.1;
    }
    assert!(empty_pages > 0, "clients meet an empty page with a token");

    let (status, why) = logs_call(&router, "FilterLogEvents", json!({ "logGroupName": "/nope" })).await;
    assert_eq!((status, why["__type"].as_str()), (StatusCode::BAD_REQUEST, Some("ResourceNotFoundException")));
    let (status, _) =
        logs_call(&router, "FilterLogEvents", json!({ "logGroupName": "/prod/cart", "nextToken": "eHg" })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn log_groups_streams_and_events_are_described() {
    let (world, _) = storm();
    let router = aws(world);
    let (_, groups) =
        logs_call(&router, "DescribeLogGroups", json!({ "logGroupNamePrefix": "/prod/pa", "limit": 1 })).await;
    assert_eq!(groups["logGroups"][0]["logGroupName"], "/prod/partner-gateway");
    let (_, rest) = logs_call(
        &router,
        "DescribeLogGroups",
        json!({ "logGroupNamePrefix": "/prod/pa", "limit": 1, "nextToken": groups["nextToken"] }),
    )
    .await;
    assert_eq!(rest["logGroups"][0]["logGroupName"], "/prod/payments");
    let (_, streams) = logs_call(&router, "DescribeLogStreams", json!({ "logGroupName": "/prod/payments" })).await;
    let stream = streams["logStreams"][0]["logStreamName"].clone();
    let input = json!({ "logGroupName": "/prod/payments", "logStreamName": stream, "startFromHead": true, "limit": 3 });
    let (_, page) = logs_call(&router, "GetLogEvents", input.clone()).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    let mut next = input;
    next["nextToken"] = page["nextForwardToken"].clone();
    let (_, after) = logs_call(&router, "GetLogEvents", next).await;
    assert!(after["events"][0]["timestamp"].as_i64() >= page["events"][2]["timestamp"].as_i64());
}

#[tokio::test]
async fn sts_says_who_we_are_in_xml() {
    let (world, _) = storm();
    let router = aws(world);
    let request = Request::post("/").body(Body::from("Action=GetCallerIdentity&Version=2011-06-15")).unwrap();
    let (status, body) = call(&router, request).await;
    let xml = String::from_utf8(body).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert!(xml.contains("<Account>111122223333</Account>") && xml.contains("ana@example.com"), "{xml}");
}

#[tokio::test]
async fn nothing_listens_or_answers_beyond_loopback() {
    let refused = bind("0.0.0.0".parse().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("not a loopback address"), "{refused}");
    let router =
        Router::new().route("/", axum::routing::get(|| async { "in" })).layer(axum::middleware::from_fn(loopback_only));
    for (host, expected) in [
        ("127.0.0.1:80", StatusCode::OK),
        ("localhost:1", StatusCode::OK),
        ("[::1]:1", StatusCode::OK),
        ("evil.example", StatusCode::FORBIDDEN),
        ("10.0.0.1", StatusCode::FORBIDDEN),
    ] {
        let request = Request::get("/").header("host", host).body(Body::empty()).unwrap();
        assert_eq!(call(&router, request).await.0, expected, "{host}");
    }
}

#[tokio::test]
async fn the_rust_sdk_reads_alarms_and_history_over_cbor() {
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
    let (world, _) = storm();
    let listener = bind("127.0.0.1".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    let server = serve(listener, aws(world), cancel.clone());
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("drill", "drill", None, None, "drill"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(url)
        .build();
    let client = aws_sdk_cloudwatch::Client::from_conf(config);
    let both = [AlarmType::MetricAlarm, AlarmType::CompositeAlarm];
    let alarms = client.describe_alarms().set_alarm_types(Some(both.to_vec())).send().await.unwrap();
    let failing = alarms.metric_alarms().iter().find(|alarm| alarm.alarm_name() == Some("checkout-failures")).unwrap();
    assert_eq!((failing.state_value(), failing.threshold()), (Some(&StateValue::Alarm), Some(3.0)));
    assert_eq!(alarms.composite_alarms().len(), 1);
    let pages: Result<Vec<_>, _> = client
        .describe_alarm_history()
        .set_alarm_types(Some(both.to_vec()))
        .max_records(1)
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    assert!(pages.unwrap().len() >= 3);
    let error = client.describe_alarms().next_token("nonsense").send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_next_token(), "{error:?}");
    cancel.cancel();
    server.await.unwrap();
}
