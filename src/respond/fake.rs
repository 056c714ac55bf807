//! What the servers of this room's tests have in common: requests off bare sockets, because a
//! connection that is cut is what they are for, and a network that fails as asked.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::model::name::EnvId;

use super::Actuator;

/// What happens to the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The connection is cut before the write is taken.
    CutBefore,
    /// It is taken, and then the connection is cut.
    CutAfter,
    /// It is never answered, nor taken.
    HangBefore,
    /// It is taken and never answered.
    HangAfter,
    /// Something on the way delivers it twice; the second answer arrives.
    Twice,
    /// This status, and it is not taken.
    Status(u16),
    /// This status, although it was taken.
    StatusAfter(u16),
    /// What the system answers when it is asked too often; it is not taken.
    Throttled,
}

impl Fault {
    /// Whether the write arrives in spite of it.
    pub(super) fn takes(self) -> bool {
        match self {
            Self::None | Self::CutAfter | Self::HangAfter | Self::Twice | Self::StatusAfter(_) => true,
            Self::CutBefore | Self::HangBefore | Self::Status(_) | Self::Throttled => false,
        }
    }

    /// What becomes of a write that `take` would take. `refused` is how the system answers with a
    /// status; without one, when it is asked too often.
    pub(super) fn meets(self, mut take: impl FnMut() -> Reply, refused: impl FnOnce(Option<u16>) -> Reply) -> Reply {
        let taken = self.takes().then(&mut take);
        match (self, taken) {
            (Self::Twice, _) => take(),
            (Self::Status(code) | Self::StatusAfter(code), _) => refused(Some(code)),
            (Self::Throttled, _) => refused(None),
            (Self::CutBefore | Self::CutAfter, _) => Reply::Cut,
            (_, Some(reply)) if self == Self::None => reply,
            _ => Reply::Hang,
        }
    }
}

/// One request as it came in.
pub(super) struct Asked {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Empty if there is none. `name` in lower case.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// The body as JSON; `null` if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What becomes of a request.
pub(super) enum Reply {
    Answer(u16, String),
    Cut,
    Hang,
}

impl Reply {
    pub(super) fn json(code: u16, value: impl Into<Value>) -> Self {
        Self::Answer(code, value.into().to_string())
    }
}

/// Answers on a port of its own for as long as the test runs; its URL.
pub(super) async fn listen(answer: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, Arc::clone(&answer)));
        }
    });
    url
}

async fn connection(socket: TcpStream, answer: Arc<impl Fn(Asked) -> Reply>) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let (mut head, mut headers) = (String::new(), Vec::new());
        socket.read_line(&mut head).await.ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut words = head.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut asked = Asked { method, path, headers, body: Vec::new() };
        asked.body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
        socket.read_exact(&mut asked.body).await.ok()?;
        match answer(asked) {
            Reply::Answer(code, text) => {
                let head = format!(
                    "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    text.len()
                );
                socket.write_all(format!("{head}{text}").as_bytes()).await.ok()?;
            }
            Reply::Cut => return None,
            Reply::Hang => std::future::pending().await,
        }
    }
}

/// A request that could have changed something.
#[derive(Clone, Debug)]
pub(super) struct Wrote {
    /// Intents that were durable when it came in.
    pub(super) intents: usize,
    /// What it asked for, in the words of its protocol.
    pub(super) wire: String,
}

/// A system's server for tests, as the promises of the gateway are held against it.
pub(super) trait Served {
    /// The environment that its targets are in.
    fn env(&self) -> EnvId;
    /// A new actuator of it, as a new process has one.
    fn actuator(&self, clock: &Clock) -> Box<dyn Actuator>;
    /// What counts intents as they become durable.
    fn intents(&self) -> Arc<AtomicUsize>;
    /// Every request that could have changed something.
    fn writes(&self) -> Vec<Wrote>;
    /// All that actions change in it.
    fn holds(&self) -> Value;
    /// What happens to the next write.
    fn fail(&self, fault: Fault);
}
