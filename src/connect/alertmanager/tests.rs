//! An Alertmanager that answers as its API says, and as servers do.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;

use super::*;
use crate::connect::harness::{Running, access, at, epoch, serve};

type Script = Arc<Mutex<(StatusCode, Value)>>;

async fn alerts(State(script): State<Script>) -> Response {
    let (status, body) = script.lock().unwrap().clone();
    (status, axum::Json(body)).into_response()
}

/// Below Grafana's path, which only changes the base URL.
async fn fake(body: Value) -> (Script, HttpAccess) {
    let script = Arc::new(Mutex::new((StatusCode::OK, body)));
    let path = "/api/alertmanager/grafana/api/v2/alerts";
    let url = serve(Router::new().route(path, get(alerts)).with_state(Arc::clone(&script))).await;
    (script, access(&format!("{url}/api/alertmanager/grafana/")))
}

async fn read(running: &mut Running) -> (Vec<Alert>, Option<String>) {
    let (mut signals, limited) = running.until_live().await;
    match signals.pop().map(|signal| signal.body) {
        Some(Signal::Alerts(Delta::All(alerts))) => (alerts, limited),
        other => panic!("{other:?}"),
    }
}

fn firing() -> Value {
    json!({
        "fingerprint": "f1",
        "labels": {"alertname": "CheckoutErrorRate", "severity": "critical", "service": "checkout"},
        "annotations": {"summary": " checkout fails ", "runbook_url": "https://runbooks/checkout"},
        "startsAt": "2026-11-18T03:14:00.123Z",
        "endsAt": "2026-11-18T03:24:00Z",
        "updatedAt": "2026-11-18T03:14:00Z",
        "generatorURL": "http://prometheus/graph?g0.expr=x",
        "receivers": [{"name": "pager"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    })
}

#[tokio::test]
async fn an_alert_is_told_with_all_that_its_source_knows() {
    let (_, access) = fake(json!([firing()])).await;
    let mut running = Running::start(Alertmanager::new(access, true));
    let (alerts, limited) = read(&mut running).await;
    assert_eq!(limited, None);
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert.key.0, "f1");
    assert_eq!(alert.name, "CheckoutErrorRate");
    assert_eq!((alert.severity, &alert.state), (AlertSeverity::Critical, &AlertState::Firing));
    assert_eq!(alert.since.to_rfc3339(), "2026-11-18T03:14:00.123+00:00");
    assert_eq!(alert.summary.as_deref(), Some("checkout fails"));
    assert_eq!(alert.link.as_deref(), Some("http://prometheus/graph?g0.expr=x"));
    assert_eq!(alert.labels.get("service").map(Safe::as_str), Some("checkout"));
}

#[tokio::test]
async fn what_is_muted_says_by_whom() {
    let mut silenced = firing();
    silenced["status"] = json!({"state": "suppressed", "silencedBy": ["s1", "s2"], "inhibitedBy": ["f9"]});
    let mut inhibited = firing();
    inhibited["status"] = json!({"state": "suppressed", "silencedBy": [], "inhibitedBy": ["f9"]});
    let mut new = firing();
    new["status"] = json!({"state": "unprocessed"});
    let (_, access) = fake(json!([silenced, inhibited, new])).await;
    let (alerts, _) = read(&mut Running::start(Alertmanager::new(access, true))).await;
    let states: Vec<_> = alerts.into_iter().map(|alert| alert.state).collect();
    let by = |by: &str| AlertState::Suppressed { by: by.into() };
    assert_eq!(states, [by("silence s1 and 1 more"), by("inhibited by f9"), AlertState::Firing]);
}

#[tokio::test]
async fn every_poll_falls_on_a_round_time_and_tells_the_whole_set() {
    let (script, access) = fake(json!([firing()])).await;
    let mut running = Running::start_at(Box::new(Alertmanager::new(access, true)), at(7));
    assert_eq!(read(&mut running).await.0.len(), 1);
    script.lock().unwrap().1 = json!([]);
    running.advance(8).await;
    let (signals, _) = running.until_live().await;
    assert_eq!(signals[0].body, Signal::Alerts(Delta::All(vec![])), "what is gone is resolved");
    assert_eq!((signals[0].occurred, signals[0].observed), (at(15), at(15)));
    assert_eq!(running.cancel().await.0, Ok(Ended));
}

#[tokio::test]
async fn hostile_and_broken_alerts_do_no_harm_to_the_others() {
    let mut hostile = firing();
    hostile["annotations"] =
        json!({"summary": "\u{1b}]0;owned\u{7}a\u{202e}b\u{1b}[2J", "runbook_url": "javascript:alert(1)"});
    hostile["generatorURL"] = json!("file:///etc/passwd");
    hostile["labels"]["alertname"] = json!("x".repeat(1_000_000));
    hostile["startsAt"] = json!("yesterday");
    let bare = json!({"labels": {"b": "2", "a": "1"}});
    let (_, access) = fake(json!([hostile, {"labels": {"a": 1}}, 17, bare, firing()])).await;
    let (alerts, limited) = read(&mut Running::start(Alertmanager::new(access, true))).await;
    assert_eq!(limited.as_deref(), Some("2 of 5 alerts are not shown"));
    assert_eq!(alerts.len(), 3);
    assert_eq!(alerts[0].summary.as_deref(), Some("a<U+202E>b"));
    assert_eq!(alerts[0].link, None);
    assert_eq!(alerts[0].since, epoch(), "first seen now");
    assert!(alerts[0].name.len() < 5_000);
    assert_eq!((alerts[1].key.0.as_str(), alerts[1].name.as_str()), ("a=1,b=2", "alert without a name"));
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_alerts_is_a_failure_and_not_silence() {
    let (script, access) = fake(json!({"alerts": []})).await;
    let (result, _) = Running::start(Alertmanager::new(access.clone(), true)).end().await;
    assert!(matches!(result, Err(SourceError::Retry { .. })), "{result:?}");
    *script.lock().unwrap() = (StatusCode::BAD_REQUEST, json!("bad matcher format"));
    let (result, _) = Running::start(Alertmanager::new(access, true)).end().await;
    let Err(SourceError::Retry { why, .. }) = result else { panic!("{result:?}") };
    assert!(why.contains("400 Bad Request: \"bad matcher format\""), "{why}");
}

/// A server with a status, as Alertmanager has it and Grafana has not.
async fn aged(body: Value, born: &str) -> (Script, Script, HttpAccess) {
    let list = Arc::new(Mutex::new((StatusCode::OK, body)));
    let status = Arc::new(Mutex::new((StatusCode::OK, json!({"uptime": born, "cluster": {"status": "ready"}}))));
    let router = Router::new()
        .route("/api/v2/alerts", get(alerts).with_state(Arc::clone(&list)))
        .route("/api/v2/status", get(alerts).with_state(Arc::clone(&status)));
    let url = serve(router).await;
    (list, status, access(&url))
}

fn raw(value: Value) -> Raw {
    serde_json::from_value(value).unwrap()
}

fn born(at: World) -> Value {
    json!({"uptime": at.to_rfc3339()})
}

#[tokio::test]
async fn what_a_restart_made_the_server_forget_has_not_ended() {
    let mut other = firing();
    other["fingerprint"] = json!("f2");
    let (list, status, access) = aged(json!([firing(), other]), "2026-11-01T00:00:00Z").await;
    let mut running = Running::start_at(Box::new(Alertmanager::new(access, true)), at(0));
    assert_eq!(
        read(&mut running).await,
        (vec![alert(raw(firing()), epoch()), alert(raw(other.clone()), epoch())], None)
    );
    // It is restarted, and at first knows nothing; then one of the two again.
    list.lock().unwrap().1 = json!([]);
    status.lock().unwrap().1 = born(at(10));
    running.advance(15).await;
    let (alerts, limited) = read(&mut running).await;
    assert_eq!(alerts.len(), 2);
    assert!(limited.unwrap().contains("it was restarted"));
    let mut anew = firing();
    anew["startsAt"] = json!(at(25).to_rfc3339());
    for _ in 0..2 {
        list.lock().unwrap().1 = json!([anew]);
        running.advance(15).await;
        let (alerts, _) = read(&mut running).await;
        assert_eq!(alerts.len(), 2);
        assert_eq!(alerts[0], alert(raw(firing()), epoch()), "it fires since it did");
    }
    // What it knows again and then lists no more has ended.
    list.lock().unwrap().1 = json!([]);
    running.advance(15).await;
    let (alerts, _) = read(&mut running).await;
    assert_eq!(alerts.iter().map(|alert| alert.key.0.as_str()).collect::<Vec<_>>(), ["f2"]);
    // And what it was never told of again ended meanwhile.
    running.advance(300).await;
    assert_eq!(read(&mut running).await, (vec![], None));
}

#[tokio::test]
async fn an_alert_that_a_restarted_server_was_told_of_again_before_it_was_read_fires_since_it_did() {
    let (list, status, access) = aged(json!([firing()]), "2026-11-01T00:00:00Z").await;
    let mut running = Running::start_at(Box::new(Alertmanager::new(access, true)), at(0));
    assert_eq!(read(&mut running).await.0, [alert(raw(firing()), epoch())]);
    // Whoever raises it was restarted too, and counts anew.
    let mut anew = firing();
    anew["startsAt"] = json!(at(12).to_rfc3339());
    list.lock().unwrap().1 = json!([anew]);
    status.lock().unwrap().1 = born(at(10));
    for _ in 0..2 {
        running.advance(15).await;
        assert_eq!(read(&mut running).await.0, [alert(raw(firing()), epoch())], "it fires since it did");
    }
    // Of a server that stayed, it is another one.
    anew["startsAt"] = json!(at(40).to_rfc3339());
    list.lock().unwrap().1 = json!([anew]);
    running.advance(15).await;
    assert_eq!(read(&mut running).await.0, [alert(raw(anew), epoch())]);
}

#[tokio::test]
async fn an_alert_that_a_server_lists_no_more_has_ended_however_young_the_server_is() {
    let (list, _, access) = aged(json!([firing()]), &at(-20).to_rfc3339()).await;
    let mut running = Running::start_at(Box::new(Alertmanager::new(access, true)), at(0));
    assert_eq!(read(&mut running).await.0.len(), 1);
    list.lock().unwrap().1 = json!([]);
    running.advance(15).await;
    assert_eq!(read(&mut running).await, (vec![], None));
}

#[tokio::test]
async fn an_alert_that_is_in_the_answer_has_not_ended_whatever_of_it_can_be_read() {
    let of = |fingerprint: String| json!({"fingerprint": fingerprint, "labels": {"alertname": "A"}, "startsAt": "2026-11-18T03:14:00Z"});
    let known: Vec<_> = (0..MOST).map(|n| of(format!("k{n:04}"))).collect();
    let (script, access) = fake(json!(known)).await;
    let mut running = Running::start_at(Box::new(Alertmanager::new(access, true)), at(0));
    let (before, limited) = read(&mut running).await;
    assert_eq!((before.len(), limited), (MOST, None));
    // New ones stand before those that were told, and one of these makes no sense any more.
    let mut more: Vec<_> = (0..7).map(|n| of(format!("a{n}"))).chain(known).collect();
    more[9]["labels"] = json!({"alertname": 5});
    script.lock().unwrap().1 = json!(more);
    running.advance(15).await;
    let (after, limited) = read(&mut running).await;
    assert_eq!(after, before);
    assert_eq!(limited.as_deref(), Some("7 of 5007 alerts are not shown; 1 cannot be read: shown as before"));
    // What is not in the answer has ended, and gives room.
    more.truncate(1000);
    script.lock().unwrap().1 = json!(more);
    running.advance(15).await;
    let (after, limited) = read(&mut running).await;
    assert_eq!(after.len(), 1000);
    assert_eq!(limited.as_deref(), Some("1 of 1000 alerts cannot be read: shown as before"));
}
