//! An Alertmanager for tests: alerts and silences as they are put there, every request recorded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Given;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::{Environment, HttpAccess, WritePolicy};
use crate::model::name::EnvId;
use crate::respond::Actuator;
use crate::respond::engine::tests::steps::Served;

use super::Alertmanagers;

/// What it holds.
#[derive(Default)]
pub(super) struct State {
    pub(super) alerts: Vec<Value>,
    pub(super) silences: Vec<Value>,
    pub(super) seen: Vec<(Method, String, Value)>,
    /// For each write, how many intents were durable when it came in.
    pub(super) intended: Vec<usize>,
    /// Answers writes with this, without taking them.
    pub(super) refuses: Option<(u16, &'static str)>,
    /// Something on the way delivers the next new silence twice.
    pub(super) twice: bool,
    /// Alerts are shown as silenced only after so many more lists.
    pub(super) slow: usize,
}

impl State {
    pub(super) fn writes(&self) -> Vec<&(Method, String, Value)> {
        self.seen.iter().filter(|(method, ..)| *method != Method::GET).collect()
    }

    fn make(&mut self, mut silence: Value) -> Response {
        for _ in 0..1 + usize::from(std::mem::take(&mut self.twice)) {
            silence["id"] = json!(format!("00000000-0000-4000-a000-{:012}", self.silences.len() + 1));
            silence["status"] = json!({ "state": "active" });
            self.silences.push(silence.clone());
        }
        axum::Json(json!({ "silenceID": silence["id"] })).into_response()
    }

    fn listed(&mut self) -> Response {
        let late = self.slow > 0;
        self.slow = self.slow.saturating_sub(1);
        let silences = &self.silences;
        let by = |alert: &Value| -> Vec<Value> {
            let holds = |silence: &&Value| {
                silence["status"]["state"] == "active"
                    && silence["matchers"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .all(|matcher| alert["labels"][matcher["name"].as_str().unwrap()] == matcher["value"])
            };
            silences.iter().filter(holds).map(|silence| silence["id"].clone()).collect()
        };
        let shown = self.alerts.iter().map(|alert| {
            let mut alert = alert.clone();
            alert["status"]["silencedBy"] = json!(if late { Vec::new() } else { by(&alert) });
            alert
        });
        axum::Json(shown.collect::<Vec<_>>()).into_response()
    }
}

/// The server, for as long as its test runs.
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    intents: Arc<AtomicUsize>,
    pub(super) url: String,
}

impl Fake {
    pub(super) async fn start(alerts: Vec<Value>) -> Self {
        let state = Arc::new(Mutex::new(State { alerts, ..State::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let intents = Arc::new(AtomicUsize::new(0));
        let router = Router::new().fallback(answer).with_state((Arc::clone(&state), Arc::clone(&intents)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { state, intents, url }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn environment(&self) -> Environment {
        let access = HttpAccess {
            name: "alertmanager".into(),
            url: self.url.clone(),
            auth: None,
            ca_file: None,
            proxy: false,
            every: Duration::from_secs(15),
        };
        Environment {
            name: "prod-eu".into(),
            production: true,
            color: None,
            write: WritePolicy::Ask,
            write_window: Duration::from_secs(900),
            drill: false,
            kubernetes: None,
            aws: None,
            alertmanager: vec![access],
            prometheus: Vec::new(),
        }
    }
}

/// An alert of the shop.
pub(super) fn alert(name: &str, service: &str, severity: &str) -> Value {
    json!({
        "fingerprint": format!("{name}-{service}"),
        "labels": { "alertname": name, "service": service, "severity": severity },
        "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] },
    })
}

impl Served for Fake {
    fn env(&self) -> EnvId {
        "prod-eu".into()
    }

    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Box::new(Alertmanagers::new(&self.environment(), clock.clone()))
    }

    fn intents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.intents)
    }

    fn writes(&self) -> Vec<usize> {
        self.state().intended.clone()
    }

    fn holds(&self) -> Value {
        let state = self.state();
        let standing = state.silences.iter().filter(|silence| silence["status"]["state"] == "active");
        standing.map(|silence| silence["matchers"].clone()).collect()
    }
}

type Inside = (Arc<Mutex<State>>, Arc<AtomicUsize>);

async fn answer(Given((state, intents)): Given<Inside>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut state = state.lock().unwrap();
    if method != Method::GET {
        state.intended.push(intents.load(Ordering::SeqCst));
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    state.seen.push((method.clone(), uri.to_string(), body));
    if let Some((status, why)) = state.refuses.filter(|_| method != Method::GET) {
        return (StatusCode::from_u16(status).unwrap(), axum::Json(json!(why))).into_response();
    }
    let made = state.seen.last().unwrap().2.clone();
    let id = uri.path().strip_prefix("/api/v2/silence/").map(str::to_owned);
    match (method.as_str(), uri.path(), id) {
        ("GET", "/api/v2/alerts", _) => state.listed(),
        ("GET", "/api/v2/silences", _) => axum::Json(state.silences.clone()).into_response(),
        ("POST", "/api/v2/silences", _) => state.make(made),
        (verb, _, Some(id)) => match state.silences.iter_mut().find(|silence| silence["id"] == id) {
            None => StatusCode::NOT_FOUND.into_response(),
            Some(silence) if verb == "GET" => axum::Json(silence.clone()).into_response(),
            Some(silence) => {
                silence["status"]["state"] = json!("expired");
                silence["endsAt"] = silence["startsAt"].clone();
                StatusCode::OK.into_response()
            }
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
