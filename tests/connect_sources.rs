//! A whole environment's sources, from the configuration to the session's inbox, in a drill's
//! world, against servers that answer as the published APIs do.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of a test may fail it")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;
use warroom::clock::{Clock, World};
use warroom::config::{Catalogue, Environment, HttpAccess, WritePolicy};
use warroom::connect::{Follow, Inbox, begin, registry};
use warroom::model::service::{Service, SignalSpec, Unit};
use warroom::model::signal::{Delta, Signal, SourceState, Stamped};

fn epoch() -> World {
    World::from_timestamp(1_795_000_005, 0).unwrap()
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn access(name: &str, url: String) -> HttpAccess {
    let every = Duration::from_secs(15);
    HttpAccess { name: name.into(), url, auth: None, ca_file: None, proxy: false, every }
}

/// Alertmanager that can be taken down.
async fn alerts(State(up): State<Arc<AtomicBool>>) -> Response {
    if !up.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    axum::Json(json!([{"fingerprint": "f", "labels": {"alertname": "Slow"}, "startsAt": "2026-11-18T03:00:00Z"}]))
        .into_response()
}

/// A value every 15 s of the span that is asked for, as Prometheus answers.
async fn range(Query(asked): Query<HashMap<String, String>>) -> Response {
    let at = |name: &str| {
        asked[name].parse::<f64>().map_or_else(|_| asked[name].parse::<World>().unwrap().timestamp(), |at| at as i64)
    };
    let values: Vec<_> = (at("start")..=at("end")).step_by(15).map(|at| json!([at as f64, "0.5"])).collect();
    axum::Json(
        json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}}),
    )
    .into_response()
}

fn environment(alertmanager: String, prometheus: String) -> Environment {
    Environment {
        name: "drill".into(),
        production: false,
        color: None,
        write: WritePolicy::Ask,
        write_window: Duration::from_secs(600),
        drill: true,
        kubernetes: None,
        aws: None,
        alertmanager: vec![access("alerts", alertmanager), access("elsewhere", "https://alerts.example.com".into())],
        prometheus: vec![access("metrics", prometheus)],
    }
}

fn catalogue() -> Arc<Catalogue> {
    let errors = SignalSpec { name: "errors".into(), query: "x".into(), unit: Unit::Ratio, threshold: None };
    Arc::new(Catalogue::new(vec![Service {
        name: "checkout".into(),
        owner: None,
        title: None,
        workloads: vec![],
        routes: vec![],
        log_groups: vec![],
        alarms: vec![],
        signals: vec![errors],
        dashboards: vec![],
        runbook: None,
        depends_on: vec![],
    }]))
}

/// Reads the inbox until `done` says so.
async fn until(inbox: &mut Inbox, mut done: impl FnMut(&Stamped<Signal>) -> bool) {
    let all = async {
        loop {
            let batch = inbox.next().await;
            if batch.signals.iter().filter(|signal| done(signal)).count() > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("what was waited for did not come");
}

#[tokio::test]
async fn an_environment_is_read_from_its_past_into_its_present_whatever_one_source_does() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let up = Arc::new(AtomicBool::new(true));
    let alertmanager = serve(Router::new().route("/api/v2/alerts", get(alerts)).with_state(Arc::clone(&up))).await;
    let ready = get(|| async { r#"{"status":"success","data":{}}"# });
    let prometheus = serve(Router::new().route("/api/v1/query_range", get(range)).route("/api/v1/query", ready)).await;
    let env = environment(alertmanager, prometheus);
    let connectors = registry(&env, catalogue());
    let names: BTreeSet<_> = connectors.iter().map(|connector| connector.origin.to_string()).collect();
    assert_eq!(names, ["drill/alerts", "drill/elsewhere", "drill/metrics"].map(String::from).into());

    let (clock, mut driver) = Clock::driven(epoch());
    let (_sender, follow) = watch::channel(Follow::default());
    let mut inbox = Inbox::new();
    let (past, supervisor) = begin(connectors, &clock, follow, &inbox);
    let past = past.read(TimeDelta::minutes(10)).await;
    assert!(past.failures.is_empty(), "{:?}", past.failures);
    let Signal::Samples(samples) = &past.signals[0].body else { panic!("{:?}", past.signals) };
    assert_eq!(samples.len(), 41);

    let mut state: BTreeMap<String, SourceState> = BTreeMap::new();
    let mut alerts = 0;
    until(&mut inbox, |signal| {
        match &signal.body {
            Signal::Link(link) => _ = state.insert(signal.origin.source.to_string(), link.clone()),
            Signal::Alerts(Delta::All(all)) => alerts = all.len(),
            _ => {}
        }
        alerts == 1
            && matches!(state.get("alerts"), Some(SourceState::Live { .. }))
            && matches!(state.get("metrics"), Some(SourceState::Live { .. }))
            && matches!(state.get("elsewhere"), Some(SourceState::Ended { .. }))
    })
    .await;
    let Some(SourceState::Ended { why }) = state.get("elsewhere") else { panic!("{state:?}") };
    assert!(why.contains("a drill goes nowhere else"), "{why}");

    // It goes away: that is said with what to do, and the others go on.
    up.store(false, Ordering::SeqCst);
    driver.settled().await;
    driver.advance(epoch() + TimeDelta::seconds(15));
    let mut said = None;
    let mut sampled = false;
    until(&mut inbox, |signal| {
        match &signal.body {
            Signal::Link(SourceState::Retrying { why, until }) if signal.origin.source.as_str() == "alerts" => {
                assert!(*until > clock.now());
                said = Some(why.to_string());
            }
            Signal::Samples(_) => sampled = true,
            _ => {}
        }
        said.is_some() && sampled
    })
    .await;
    assert!(said.unwrap().contains("502 Bad Gateway"));

    // It comes back by itself.
    up.store(true, Ordering::SeqCst);
    until(&mut inbox, |signal| {
        signal.origin.source.as_str() == "alerts" && matches!(signal.body, Signal::Link(SourceState::Live { .. }))
    })
    .await;
    supervisor.shutdown().await;
}
