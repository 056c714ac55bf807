//! A proxy on loopback that does to HTTP/1.1 and to TCP what networks, load balancers and tired
//! servers do, by a test's script.
//!
//! Owns: rules by request and count, what each of them does to a request or an answer, a grip on
//! connections that stand, and the log of what was asked. Deterministic: nothing is left to
//! chance. Must not: know what a protocol means.

#![allow(dead_code, reason = "each test target that includes it uses a part")]

#[path = "proxy/exchange.rs"]
mod exchange;
#[path = "proxy/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::port::Port;
use exchange::serve;
use wire::Head;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// By the wall, which a test may drive.
    pub(crate) at: Instant,
    /// Which rule it met.
    pub(crate) met: Option<&'static str>,
    /// How often it was handed to the server.
    pub(crate) delivered: usize,
    /// Bytes of an answer without an end that were taken in.
    pub(crate) given: usize,
}

impl Asked {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A watch, or a log that is followed.
    pub(crate) fn streams(&self) -> bool {
        self.target.contains("watch=true") || self.target.contains("follow=true")
    }
}

/// An answer that is not the server's.
#[derive(Clone, Debug)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Canned {
    pub(crate) fn new(status: u16, media: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", media.into())], body: body.into() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// What captive portals and single-sign-on proxies give in every server's place.
    pub(crate) fn login_page() -> Self {
        let body = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>Please sign in</body></html>\n";
        Self::new(200, "text/html; charset=utf-8", body)
    }
}

/// What happens to a request, or to its answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// It is handed on after so long.
    Late(Duration),
    /// Its answer is handed back after so long.
    LateAnswer(Duration),
    /// The server never hears of it.
    Answer(Canned),
    /// The server hears of it, and this is the answer all the same.
    AnswerAfter(Canned),
    /// The connection is reset before the server hears of it.
    Reset,
    /// The connection is closed before the server hears of it.
    Drop,
    /// The server hears of it; its answer is lost with the connection.
    DropAnswer,
    /// Nothing ever comes back, and the server does not hear of it.
    Silent,
    /// Nothing ever comes back, although the server heard of it.
    SilentAfter,
    /// So many bytes of the answer's head, then the end of the connection.
    CutHead(usize),
    /// So many bytes of the body, then the end of the connection in the middle of a chunk.
    Cut(usize),
    /// So many bytes of the body, then a proper end, as if that were all.
    Truncate(usize),
    /// So many bytes of the body, then nothing, on a connection that stands.
    Freeze(usize),
    /// One byte at a time.
    Drip(Duration),
    /// A body of this media type without an end.
    Endless(&'static str, &'static [u8]),
    /// Every chunk comes twice.
    Double,
    /// The last answer to the same question, again; whatever figures stand in it.
    Replay,
    /// The server gets it twice; its second answer comes back.
    Twice,
    /// `Content-Length` is wrong by so much: above zero more is promised than comes.
    Length(i64),
    /// Another media type over the same body.
    Media(&'static str),
    /// It claims to be gzip, and begins so.
    Gzip,
}

type When = Box<dyn Fn(&Asked) -> bool + Send>;

/// A fault for some requests.
pub(crate) struct Rule {
    name: &'static str,
    when: When,
    skip: usize,
    times: usize,
    fault: Fault,
}

impl Rule {
    /// `fault` for every request.
    pub(crate) fn new(name: &'static str, fault: Fault) -> Self {
        Self { name, when: Box::new(|_| true), skip: 0, times: usize::MAX, fault }
    }

    /// Only for those that `when` picks.
    pub(crate) fn on(mut self, when: impl Fn(&Asked) -> bool + Send + 'static) -> Self {
        self.when = Box::new(when);
        self
    }

    /// Not for the first so many of them.
    pub(crate) fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// For so many of them.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

/// What becomes of answers that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grip {
    Free,
    /// The connection ends in the middle of a chunk.
    Cut,
    /// Nothing comes any more, on a connection that stands.
    Frozen,
}

struct Shared {
    upstream: String,
    asked: Mutex<Vec<Asked>>,
    rules: Mutex<Vec<Rule>>,
    /// Answers that are under way, by their number in the log.
    standing: Mutex<BTreeMap<usize, watch::Sender<Grip>>>,
    last: Mutex<BTreeMap<String, (Head, Vec<u8>)>>,
}

/// A running proxy. Dropping it ends it and all its connections.
pub(crate) struct Proxy {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    shared: Arc<Shared>,
    switch: mpsc::UnboundedSender<(bool, oneshot::Sender<()>)>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Panics elsewhere do not spoil what is behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Proxy {
    /// In front of `upstream`, `http://HOST:PORT`.
    pub(crate) async fn before(upstream: &str) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("http alone").to_owned();
        let port = Port::new();
        let listener = port.listen().await;
        let shared = Arc::new(Shared {
            upstream,
            asked: Mutex::default(),
            rules: Mutex::default(),
            standing: Mutex::default(),
            last: Mutex::default(),
        });
        let (switch, switched) = mpsc::unbounded_channel();
        let url = port.url();
        let task = tokio::spawn(accept(listener, port, Arc::clone(&shared), switched));
        Self { url, shared, switch, task }
    }

    /// From now on this rule holds too; of several the newest that picks a request.
    pub(crate) fn rule(&self, rule: Rule) {
        lock(&self.shared.rules).insert(0, rule);
    }

    /// No rule holds any more. What stands frozen stays so.
    pub(crate) fn lift(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Ends answers that are under way, in the middle.
    pub(crate) fn cut(&self, which: impl Fn(&Asked) -> bool) {
        self.grip(which, Grip::Cut);
    }

    /// Lets answers that are under way fall silent for good; their connections stand.
    pub(crate) fn freeze(&self, which: impl Fn(&Asked) -> bool) {
        self.grip(which, Grip::Frozen);
    }

    fn grip(&self, which: impl Fn(&Asked) -> bool, grip: Grip) {
        let asked = lock(&self.shared.asked);
        for (number, standing) in lock(&self.shared.standing).iter() {
            if asked.get(*number).is_some_and(&which) {
                standing.send_replace(grip);
            }
        }
    }

    /// Ends all connections; new ones are refused.
    pub(crate) async fn down(&self) {
        self.switch(false).await;
    }

    /// Listens again, on the same port.
    pub(crate) async fn up(&self) {
        self.switch(true).await;
    }

    async fn switch(&self, up: bool) {
        let (done, told) = oneshot::channel();
        self.switch.send((up, done)).expect("the proxy runs");
        told.await.expect("the proxy runs");
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// How many requests there were that `which` picks.
    pub(crate) fn count(&self, which: impl Fn(&Asked) -> bool) -> usize {
        lock(&self.shared.asked).iter().filter(|asked| which(asked)).count()
    }

    /// Answers under way now.
    pub(crate) fn standing(&self, which: impl Fn(&Asked) -> bool) -> usize {
        let asked = lock(&self.shared.asked);
        lock(&self.shared.standing).keys().filter(|number| asked.get(**number).is_some_and(&which)).count()
    }
}

async fn accept(
    listener: TcpListener,
    port: Port,
    shared: Arc<Shared>,
    mut switched: mpsc::UnboundedReceiver<(bool, oneshot::Sender<()>)>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = async { listener.as_ref().expect("it listens").accept().await }, if listener.is_some() => {
                if let Ok((stream, _)) = accepted {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move { serve(stream, &shared).await });
                }
            }
            Some(_) = connections.join_next() => {}
            asked = switched.recv() => {
                let Some((up, done)) = asked else { return };
                if !up {
                    listener = None;
                    connections.shutdown().await;
                } else if listener.is_none() {
                    listener = Some(port.listen().await);
                }
                let _ = done.send(());
            }
        }
    }
}
