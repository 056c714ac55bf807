//! An AWS for tests: every request recorded with its operation.

mod ecs;
mod traffic;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use super::Aws;
use crate::clock::Clock;
use crate::config::{AwsAccess, AwsCredentials, Environment, LogAccess, WritePolicy};
use crate::model::name::{EnvId, Kind, ObjectPath, Origin, Target};
use crate::respond::Actuator;
use crate::respond::fake::{Asked, Fault, Reply, Served, Wrote, listen};

pub(in crate::respond) use ecs::{Ecs, task};
pub(in crate::respond) use traffic::{BALANCER, LISTENER, RULE, Traffic, group};

/// One request as it came in.
#[derive(Clone, Debug)]
pub(in crate::respond) struct Seen {
    pub(in crate::respond) operation: String,
    pub(in crate::respond) authorization: String,
    pub(in crate::respond) body: String,
    /// Intents that were durable at that moment.
    pub(in crate::respond) intents: usize,
}

impl Seen {
    pub(in crate::respond) fn is_write(&self) -> bool {
        ["Update", "Stop", "Register", "Modify", "Change", "Start", "Cancel"]
            .iter()
            .any(|verb| self.operation.starts_with(verb))
    }
}

/// The account.
pub(in crate::respond) struct State {
    pub(in crate::respond) ecs: Ecs,
    pub(in crate::respond) traffic: Traffic,
    pub(in crate::respond) fault: Fault,
    /// Done as soon as the write was answered.
    pub(in crate::respond) then: Option<fn(&mut State)>,
    pub(in crate::respond) seen: Vec<Seen>,
}

impl State {
    pub(in crate::respond) fn writes(&self) -> Vec<Seen> {
        self.seen.iter().filter(|seen| seen.is_write()).cloned().collect()
    }

    /// Status and body.
    fn answer(&mut self, request: &Request) -> (u16, String) {
        let (operation, body) = (request.operation.as_str(), request.body.as_str());
        let xml = |answer: Result<String, (u16, &str, &str)>| match answer {
            Ok(answer) => (200, answer),
            Err((status, code, why)) => (
                status,
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{why}</Message></Error></ErrorResponse>"
                ),
            ),
        };
        let json = |answer: Result<Value, (u16, &str, &str)>| match answer {
            Ok(answer) => (200, answer.to_string()),
            Err((status, code, why)) => {
                (status, json!({ "__type": format!("com.amazonaws#{code}"), "message": why }).to_string())
            }
        };
        match request.protocol {
            Protocol::Target => {
                let input = serde_json::from_str(body).unwrap_or(Value::Null);
                json(self.ecs.answer(operation, &input).map_err(|(code, why)| (400, code, why)))
            }
            Protocol::Query => xml(self.traffic.query(operation, body)),
            Protocol::Dns => xml(self.traffic.dns(operation, &request.path, body)),
            Protocol::Shift => json(self.traffic.shift(operation, &request.path, body)),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Target,
    Query,
    Dns,
    Shift,
}

impl Protocol {
    /// An error in the words of the service, or that it was asked too often.
    fn refused(self, status: Option<u16>) -> Reply {
        let xml = matches!(self, Self::Query | Self::Dns);
        let code = match status {
            Some(_) => "ServerException",
            None if xml => "Throttling",
            None => "ThrottlingException",
        };
        let words = if xml {
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>not now</Message></Error></ErrorResponse>")
        } else {
            json!({ "__type": code, "message": "not now" }).to_string()
        };
        Reply::Answer(status.unwrap_or(400), words)
    }
}

struct Request {
    protocol: Protocol,
    operation: String,
    path: String,
    body: String,
}

impl Request {
    /// By what each service goes by.
    fn of(method: &str, path: &str, target: &str, body: String) -> Self {
        let bare = path.split('?').next().unwrap();
        let (protocol, operation) = if let Some((_, operation)) = target.split_once('.') {
            (Protocol::Target, operation)
        } else if let Some(rest) = body.strip_prefix("Action=") {
            (Protocol::Query, rest.split('&').next().unwrap())
        } else if bare.starts_with("/2013-04-01/") {
            let read = match bare {
                change if change.contains("/change/") => "GetChange",
                health if health.contains("/healthcheck/") => "GetHealthCheckStatus",
                _ => "ListResourceRecordSets",
            };
            (Protocol::Dns, if method == "POST" { "ChangeResourceRecordSets" } else { read })
        } else {
            let operation = match method {
                "POST" => "StartZonalShift",
                "DELETE" => "CancelZonalShift",
                _ => "GetManagedResource",
            };
            (Protocol::Shift, operation)
        };
        Self { protocol, operation: operation.to_owned(), path: bare.to_owned(), body }
    }
}

/// The server, and where it listens.
pub(in crate::respond) struct Fake {
    state: Arc<Mutex<State>>,
    pub(in crate::respond) intents: Arc<AtomicUsize>,
    pub(in crate::respond) url: String,
}

impl Fake {
    pub(in crate::respond) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            ecs: Ecs::default(),
            traffic: Traffic::default(),
            fault: Fault::None,
            then: None,
            seen: Vec::new(),
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

    /// An environment that may be changed. It is a drill's: nothing of this machine is read.
    pub(in crate::respond) fn environment(&self) -> Environment {
        let services =
            ["ecs", "application_auto_scaling", "elastic_load_balancing_v2", "route_53", "arc_zonal_shift", "ec2"];
        Environment {
            name: "prod-eu".into(),
            production: true,
            color: None,
            write: WritePolicy::Ask,
            write_window: Duration::from_secs(900),
            drill: true,
            kubernetes: None,
            aws: Some(AwsAccess {
                credentials: AwsCredentials::Drill,
                region: Some("eu-central-1".into()),
                endpoints: services.map(|name| (name.into(), self.url.clone())).into(),
                alarm_prefixes: Vec::new(),
                alarms_every: Duration::from_secs(30),
                logs: LogAccess {
                    groups: Vec::new(),
                    every: Duration::from_secs(10),
                    live_tail: Vec::new(),
                    calls_per_second: 2.0,
                },
            }),
            alertmanager: Vec::new(),
            prometheus: Vec::new(),
        }
    }
}

/// Something of AWS, as a configuration would name it.
pub(in crate::respond) fn target(kind: Kind, namespace: &str, name: &str) -> Target {
    Target {
        origin: Origin { env: "prod-eu".into(), source: "aws".into() },
        kind,
        path: ObjectPath::new(namespace, name),
        uid: None,
    }
}

/// The service of ECS.
pub(in crate::respond) fn payments() -> Target {
    target(Kind::EcsService, "prod", "payments")
}

impl Served for Fake {
    fn env(&self) -> EnvId {
        self.environment().name
    }

    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator> {
        let env = self.environment();
        let aws = Aws::new(&env, env.aws.as_ref().unwrap(), clock.clone());
        Box::new(aws.write_limit(Duration::from_secs(1)))
    }

    fn intents(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.intents)
    }

    fn writes(&self) -> Vec<Wrote> {
        let wire = |seen: &Seen| format!("{} {}", seen.operation, seen.body);
        self.state().writes().iter().map(|seen| Wrote { intents: seen.intents, wire: wire(seen) }).collect()
    }

    /// Without the count of tasks where a scalable target clamps it.
    fn holds(&self) -> Value {
        let state = self.state();
        let (ecs, traffic) = (&state.ecs, &state.traffic);
        let zones: Vec<_> = traffic.shifts.iter().map(|(_, zone, _)| zone).collect();
        json!({
            "tasks": ecs.limits.is_none().then(|| ecs.desired()), "limits": ecs.limits, "revision": ecs.revision(),
            "groups": traffic.groups, "records": traffic.records, "shifts": zones,
        })
    }

    fn fail(&self, fault: Fault) {
        self.state().fault = fault;
    }
}

fn answer(state: &mut State, asked: &Asked, intents: usize) -> Reply {
    let body = String::from_utf8(asked.body.clone()).unwrap();
    let request = Request::of(&asked.method, &asked.path, asked.header("x-amz-target"), body);
    let authorization = asked.header("authorization").to_owned();
    let seen = Seen { operation: request.operation.clone(), authorization, body: request.body.clone(), intents };
    state.seen.push(seen.clone());
    if seen.is_write() { write(state, &request) } else { plain(state, &request) }
}

fn plain(state: &mut State, request: &Request) -> Reply {
    let (code, text) = state.answer(request);
    Reply::Answer(code, text)
}

fn write(state: &mut State, request: &Request) -> Reply {
    let fault = std::mem::replace(&mut state.fault, Fault::None);
    let reply = fault.meets(|| plain(state, request), |code| request.protocol.refused(code));
    if let Some(then) = state.then.take_if(|_| fault.takes()) {
        then(state);
    }
    reply
}
