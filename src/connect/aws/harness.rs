//! For tests: a server that speaks CloudWatch's rpc-v2-cbor, the JSON of CloudWatch Logs and the
//! XML of STS, and answers as a test says.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use ciborium::Value as Cbor;
use futures::stream;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::{AwsAccess, AwsCredentials, LogAccess};
use crate::connect::harness::serve;

/// What an operation answers: a status and a body. Keys that end in `Timestamp` are seconds.
pub(super) type Answer = (u16, Value);
type Script = dyn Fn(&str, &Value) -> Answer + Send + Sync;

pub(super) struct Fake {
    /// What the next Live Tail sessions tell; one without answers as the script says.
    sessions: Mutex<VecDeque<UnboundedReceiver<io::Result<Vec<u8>>>>>,
    /// Every call: the operation and its input.
    calls: Mutex<Vec<(String, Value)>>,
    script: Mutex<Arc<Script>>,
}

impl Fake {
    /// A server that answers as `script` says, and how to reach it.
    pub(super) async fn start(
        script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static,
    ) -> (Arc<Self>, AwsAccess) {
        let fake = Arc::new(Self {
            sessions: Mutex::default(),
            calls: Mutex::default(),
            script: Mutex::new(Arc::new(script)),
        });
        let url = serve(Router::new().fallback(answer).with_state(Arc::clone(&fake))).await;
        (fake, access(&url))
    }

    pub(super) fn now(&self, script: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// The next Live Tail session, which has begun. Dropping it ends its stream.
    pub(super) fn session(&self) -> Session {
        let (sender, receiver) = unbounded_channel();
        self.sessions.lock().unwrap().push_back(receiver);
        let session = Session(sender);
        session.frame("event", "initial-response", &json!({}));
        session.frame("event", "sessionStart", &json!({"requestId": "r", "sessionId": "s"}));
        session
    }

    /// Waits until an operation was called so often since `calls` was asked last.
    pub(super) async fn called(&self, operation: &str, times: usize) {
        let count = || self.calls.lock().unwrap().iter().filter(|(called, _)| called == operation).count();
        let reached = async {
            while count() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
        reached.unwrap_or_else(|_| panic!("{operation} was called {} times, not {times}", count()));
    }

    /// The calls since this was asked last.
    pub(super) fn calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

/// One Live Tail session, as CloudWatch tells it.
pub(super) struct Session(UnboundedSender<io::Result<Vec<u8>>>);

impl Session {
    /// One second's lines: as `(group, stream, milliseconds, message)`.
    pub(super) fn update(&self, sampled: bool, events: &[(&str, &str, i64, &str)]) {
        let event = |(group, stream, at, message): &(&str, &str, i64, &str)| {
            json!({"logGroupIdentifier": group, "logStreamName": stream, "timestamp": at, "message": message,
                   "ingestionTime": at})
        };
        let results: Vec<Value> = events.iter().map(event).collect();
        let update = json!({"sessionMetadata": {"sampled": sampled}, "sessionResults": results});
        self.frame("event", "sessionUpdate", &update);
    }

    /// CloudWatch ends it.
    pub(super) fn exception(self, kind: &str) {
        self.frame("exception", kind, &json!({"message": format!("this is a {kind}")}));
    }

    /// The connection breaks.
    pub(super) fn cut(self) {
        self.0.send(Err(io::Error::from(io::ErrorKind::ConnectionReset))).unwrap();
    }

    /// `application/vnd.amazon.eventstream`: lengths, headers of type 7, and checksums.
    fn frame(&self, message: &str, kind: &str, payload: &Value) {
        let mut head = Vec::new();
        let payload = payload.to_string();
        for (name, value) in [(":message-type", message), (&format!(":{message}-type"), kind)] {
            head.push(u8::try_from(name.len()).unwrap());
            head.extend_from_slice(name.as_bytes());
            head.push(7);
            head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            head.extend_from_slice(value.as_bytes());
        }
        let total = u32::try_from(16 + head.len() + payload.len()).unwrap();
        let mut out = total.to_be_bytes().to_vec();
        out.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
        out.extend(crc(&out).to_be_bytes());
        out.extend(head);
        out.extend(payload.as_bytes());
        out.extend(crc(&out).to_be_bytes());
        // The reader may be gone.
        _ = self.0.send(Ok(out));
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    !crc
}

pub(super) fn access(url: &str) -> AwsAccess {
    let endpoints = ["cloudwatch", "cloudwatch_logs", "sts"].map(|service| (service.to_owned(), url.to_owned()));
    AwsAccess {
        credentials: AwsCredentials::Drill,
        region: Some("eu-west-1".into()),
        endpoints: endpoints.into(),
        alarm_prefixes: vec![],
        alarms_every: Duration::from_secs(30),
        logs: LogAccess { groups: vec![], every: Duration::from_secs(5), live_tail: vec![], calls_per_second: 1_000.0 },
    }
}

pub(super) fn error(code: &str, message: &str) -> Answer {
    (400, json!({"__type": code, "message": message}))
}

async fn answer(State(fake): State<Arc<Fake>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let (operation, input) = if let Some((_, operation)) = uri.path().rsplit_once("/operation/") {
        (operation.to_owned(), from_cbor(ciborium::from_reader(body.as_ref()).unwrap()))
    } else if let Some(target) = headers.get("x-amz-target") {
        let operation = target.to_str().unwrap().rsplit('.').next().unwrap().to_owned();
        (operation, serde_json::from_slice(&body).unwrap())
    } else {
        let form: BTreeMap<String, String> = serde_urlencoded(&body);
        (form.get("Action").cloned().unwrap(), json!(form))
    };
    assert!(headers.get("authorization").is_some(), "every call is signed");
    fake.calls.lock().unwrap().push((operation.clone(), input.clone()));
    if operation == "StartLiveTail" {
        let session = fake.sessions.lock().unwrap().pop_front();
        if let Some(session) = session {
            let next = |mut session: UnboundedReceiver<_>| async { Some((session.recv().await?, session)) };
            let body = Body::from_stream(stream::unfold(session, next));
            return ([("content-type", "application/vnd.amazon.eventstream")], body).into_response();
        }
    }
    let script = Arc::clone(&fake.script.lock().unwrap());
    let (status, body) = script(&operation, &input);
    let status = StatusCode::from_u16(status).unwrap();
    if let Value::String(raw) = body {
        return (status, raw).into_response();
    }
    if uri.path().contains("/operation/") {
        let mut bytes = Vec::new();
        ciborium::into_writer(&to_cbor(&body, false), &mut bytes).unwrap();
        (status, [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")], bytes).into_response()
    } else {
        (status, [("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
    }
}

fn serde_urlencoded(body: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.split('&').filter_map(pair).collect()
}

fn to_cbor(value: &Value, time: bool) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Number(number) if time => Cbor::Tag(1, Box::new(Cbor::Float(number.as_f64().unwrap()))),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap().into(), Cbor::from),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor(item, false)).collect()),
        Value::Object(map) => {
            let pair =
                |(key, value): (&String, &Value)| (Cbor::Text(key.clone()), to_cbor(value, key.ends_with("Timestamp")));
            Cbor::Map(map.iter().map(pair).collect())
        }
    }
}

fn from_cbor(value: Cbor) -> Value {
    match value {
        Cbor::Bool(value) => json!(value),
        Cbor::Integer(value) => json!(i64::try_from(value).unwrap()),
        Cbor::Float(value) => json!(value),
        Cbor::Text(text) => json!(text),
        Cbor::Tag(_, inner) => from_cbor(*inner),
        Cbor::Array(items) => items.into_iter().map(from_cbor).collect(),
        Cbor::Map(pairs) => {
            let pair = |(key, value): (Cbor, Cbor)| (key.into_text().unwrap(), from_cbor(value));
            Value::Object(pairs.into_iter().map(pair).collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}
