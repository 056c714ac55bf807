//! An AWS for tests: every request recorded with its operation, and a network that fails as asked.
//! Written on bare sockets, because a connection that is cut is what it is for.

mod ecs;
mod traffic;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::config::{AwsAccess, AwsCredentials, Environment, LogAccess, WritePolicy};
use crate::model::name::{Kind, ObjectPath, Origin, Target};
use crate::respond::kubernetes::fake::Fault;

pub(in crate::respond) use ecs::{Ecs, task};
pub(in crate::respond) use traffic::{BALANCER, LISTENER, RULE, Traffic};

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
        let _ = rustls::crypto::ring::default_provider().install_default();
        let intents = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&state), Arc::clone(&intents)));
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

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, intents: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(connection(socket, Arc::clone(&state), Arc::clone(&intents)));
    }
}

/// What becomes of a request.
enum Reply {
    Answer(u16, String),
    Cut,
    Hang,
}

async fn connection(socket: TcpStream, state: Arc<Mutex<State>>, intents: Arc<AtomicUsize>) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        let (mut target, mut authorization) = (String::new(), String::new());
        socket.read_line(&mut head).await.ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "x-amz-target" => target = value.to_owned(),
                "authorization" => authorization = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8(body).ok()?;
        let mut words = head.split(' ');
        let request = Request::of(words.next()?, words.next()?, &target, body);
        let operation = request.operation.clone();
        let seen =
            Seen { operation, authorization, body: request.body.clone(), intents: intents.load(Ordering::SeqCst) };
        let reply = {
            let mut state = state.lock().unwrap();
            state.seen.push(seen.clone());
            if seen.is_write() { write(&mut state, &request) } else { plain(&mut state, &request) }
        };
        match reply {
            Reply::Answer(code, text) => {
                let head = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                socket.write_all(head.as_bytes()).await.ok()?;
            }
            Reply::Cut => return None,
            Reply::Hang => std::future::pending().await,
        }
    }
}

fn plain(state: &mut State, request: &Request) -> Reply {
    let (code, text) = state.answer(request);
    Reply::Answer(code, text)
}

fn write(state: &mut State, request: &Request) -> Reply {
    let fault = std::mem::replace(&mut state.fault, Fault::None);
    let refused = |code: u16| {
        let error = if code == 429 { "ThrottlingException" } else { "ServerException" };
        Reply::Answer(code, json!({ "__type": error, "message": "not now" }).to_string())
    };
    let reply = match fault {
        Fault::CutBefore => return Reply::Cut,
        Fault::HangBefore => return Reply::Hang,
        Fault::Status(code) => return refused(code),
        Fault::None => plain(state, request),
        Fault::Twice => {
            plain(state, request);
            plain(state, request)
        }
        Fault::CutAfter | Fault::HangAfter | Fault::StatusAfter(_) => {
            plain(state, request);
            match fault {
                Fault::CutAfter => Reply::Cut,
                Fault::StatusAfter(code) => refused(code),
                _ => Reply::Hang,
            }
        }
    };
    if let Some(then) = state.then.take() {
        then(state);
    }
    reply
}
