//! An Alertmanager for tests: alerts and silences as they are put there, every request recorded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::{Environment, HttpAccess, WritePolicy};
use crate::model::name::EnvId;
use crate::respond::Actuator;
use crate::respond::fake::{Asked, Fault, Reply, Served, Wrote, listen};

use super::Alertmanagers;

/// What it holds.
pub(in crate::respond) struct State {
    pub(super) alerts: Vec<Value>,
    pub(in crate::respond) silences: Vec<Value>,
    pub(super) seen: Vec<(Method, String, Value)>,
    /// For each write, how many intents were durable when it came in.
    pub(super) intended: Vec<usize>,
    /// Answers writes with this, without taking them.
    pub(super) refuses: Option<(u16, &'static str)>,
    /// Something on the way delivers the next new silence twice.
    pub(super) twice: bool,
    /// Alerts are shown as silenced only after so many more lists.
    pub(super) slow: usize,
    pub(super) fault: Fault,
    /// Done as soon as the write was answered.
    pub(in crate::respond) then: Option<fn(&mut State)>,
}

impl State {
    pub(super) fn writes(&self) -> Vec<&(Method, String, Value)> {
        self.seen.iter().filter(|(method, ..)| *method != Method::GET).collect()
    }

    fn make(&mut self, mut silence: Value) -> Reply {
        for _ in 0..1 + usize::from(std::mem::take(&mut self.twice)) {
            silence["id"] = json!(format!("00000000-0000-4000-a000-{:012}", self.silences.len() + 1));
            silence["status"] = json!({ "state": "active" });
            self.silences.push(silence.clone());
        }
        Reply::json(200, json!({ "silenceID": silence["id"] }))
    }

    fn listed(&mut self) -> Reply {
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
        Reply::json(200, shown.collect::<Vec<_>>())
    }
}

/// The server, for as long as its test runs.
pub(in crate::respond) struct Fake {
    state: Arc<Mutex<State>>,
    intents: Arc<AtomicUsize>,
    pub(super) url: String,
}

impl Fake {
    pub(in crate::respond) async fn start(alerts: Vec<Value>) -> Self {
        let state = Arc::new(Mutex::new(State {
            alerts,
            silences: Vec::new(),
            seen: Vec::new(),
            intended: Vec::new(),
            refuses: None,
            twice: false,
            slow: 0,
            fault: Fault::None,
            then: None,
        }));
        let intents = Arc::new(AtomicUsize::new(0));
        let url = {
            let (state, intents) = (Arc::clone(&state), Arc::clone(&intents));
            listen(move |asked| answer(&mut state.lock().unwrap(), &asked, intents.load(Ordering::SeqCst))).await
        };
        Self { state, intents, url }
    }

    pub(in crate::respond) fn state(&self) -> MutexGuard<'_, State> {
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
pub(in crate::respond) fn alert(name: &str, service: &str, severity: &str) -> Value {
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
        Box::new(Alertmanagers::new(&self.environment(), clock.clone()).limit(Duration::from_millis(500)))
    }

    fn intents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.intents)
    }

    fn writes(&self) -> Vec<Wrote> {
        let state = self.state();
        let wire = |(method, path, body): &(Method, String, Value)| format!("{method} {path} {body}");
        state
            .writes()
            .into_iter()
            .zip(&state.intended)
            .map(|(seen, n)| Wrote { intents: *n, wire: wire(seen) })
            .collect()
    }

    /// What is silenced: the same twice is no more of it.
    fn holds(&self) -> Value {
        let state = self.state();
        let standing = state.silences.iter().filter(|silence| silence["status"]["state"] == "active");
        let mut all: Vec<_> = standing.map(|silence| silence["matchers"].clone()).collect();
        all.dedup();
        Value::from(all)
    }

    fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }
}

fn answer(state: &mut State, asked: &Asked, intents: usize) -> Reply {
    let method: Method = asked.method.parse().unwrap();
    state.seen.push((method.clone(), asked.path.clone(), asked.json()));
    if method == Method::GET {
        return taken(state, asked);
    }
    state.intended.push(intents);
    if let Some((status, why)) = state.refuses {
        return Reply::json(status, why);
    }
    let fault = std::mem::replace(&mut state.fault, Fault::None);
    let reply = fault.meets(|| taken(state, asked), |code| Reply::json(code.unwrap_or(429), "not now"));
    if let Some(then) = state.then.take_if(|_| fault.takes()) {
        then(state);
    }
    reply
}

fn taken(state: &mut State, asked: &Asked) -> Reply {
    let path = asked.path.split('?').next().unwrap();
    let id = path.strip_prefix("/api/v2/silence/");
    match (asked.method.as_str(), path, id) {
        ("GET", "/api/v2/alerts", _) => state.listed(),
        ("GET", "/api/v2/silences", _) => Reply::json(200, state.silences.clone()),
        ("POST", "/api/v2/silences", _) => state.make(asked.json()),
        (verb, _, Some(id)) => match state.silences.iter_mut().find(|silence| silence["id"] == id) {
            None => Reply::json(404, "not found"),
            Some(silence) if verb == "GET" => Reply::json(200, silence.clone()),
            Some(silence) => {
                silence["status"]["state"] = json!("expired");
                silence["endsAt"] = silence["startsAt"].clone();
                Reply::Answer(200, String::new())
            }
        },
        _ => Reply::json(404, "not found"),
    }
}
