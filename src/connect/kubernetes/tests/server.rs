//! An API server that answers by a function of the request, on a free port of loopback.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::StreamExt as _;
use tokio::sync::mpsc;

pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
pub(super) const PROTOBUF_WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch";
pub(super) const JSON: &str = "application/json";

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) accept: String,
}

impl Asked {
    pub(super) fn watches(&self) -> bool {
        self.query.contains("watch=true")
    }

    /// Path and query.
    pub(super) fn uri(&self) -> String {
        format!("{}?{}", self.path, self.query)
    }
}

/// One answer.
pub(super) enum Reply {
    /// Status, media type, body.
    Whole(u16, &'static str, Vec<u8>),
    /// Status, header, body.
    With(u16, (&'static str, &'static str), Vec<u8>),
    /// Media type, and the beginning of a body that breaks off.
    Broken(&'static str, &'static str),
    /// None at all.
    Never,
    /// Media type, and pieces as they come; it stays open until the sender is dropped.
    Stream(&'static str, mpsc::UnboundedReceiver<Vec<u8>>),
}

/// A running server; it ends with this value.
pub(super) struct Fake {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fake {
    /// Serves `answer`, and no tables.
    pub(super) async fn serve(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let none = |_: &Asked| Reply::Whole(406, JSON, b"{\"message\":\"no tables here\"}".to_vec());
        Self::serve_tables(none, answer).await
    }

    /// Serves `answer`, and `table` to who asks for one; those are not among the requests.
    pub(super) async fn serve_tables(
        table: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer, table) = (Arc::clone(&asked), Arc::new(answer), Arc::new(table));
        let router = axum::Router::new().fallback(move |request: Request| {
            let one = Asked {
                path: request.uri().path().to_owned(),
                query: request.uri().query().unwrap_or_default().to_owned(),
                accept: request.headers().get("accept").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default(),
            };
            let reply = if one.accept.contains("as=Table") {
                table(&one)
            } else {
                log.lock().unwrap().push(one.clone());
                answer(&one)
            };
            async move {
                if matches!(reply, Reply::Never) {
                    std::future::pending::<()>().await;
                }
                response(reply)
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, asked, task }
    }

    /// All requests so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn response(reply: Reply) -> Response {
    let build = |status: u16, name: &str, value: &str, body| {
        Response::builder().status(status).header(name, value).body(body).unwrap()
    };
    match reply {
        Reply::Whole(status, media, body) => build(status, "content-type", media, Body::from(body)),
        Reply::Never => build(504, "content-type", JSON, Body::empty()),
        Reply::Broken(media, begin) => {
            let pieces = [Ok(begin), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
            // What was written before an error has to be on its way before it comes.
            let pieces = futures::stream::iter(pieces).then(|piece| async move {
                tokio::task::yield_now().await;
                piece
            });
            build(200, "content-type", media, Body::from_stream(pieces))
        }
        Reply::With(status, (name, value), body) => build(status, name, value, Body::from(body)),
        Reply::Stream(media, pieces) => {
            let stream = futures::stream::unfold(pieces, |mut pieces| async move {
                let piece = pieces.recv().await?;
                Some((Ok::<_, std::io::Error>(piece), pieces))
            });
            build(200, "content-type", media, Body::from_stream(stream))
        }
    }
}

/// Streams that are handed out one by one, each with the sender that a test keeps.
#[derive(Clone)]
pub(super) struct Streams(Arc<Mutex<VecDeque<mpsc::UnboundedReceiver<Vec<u8>>>>>);

impl Streams {
    /// `count` streams and their senders.
    pub(super) fn new(count: usize) -> (Self, Vec<mpsc::UnboundedSender<Vec<u8>>>) {
        let (senders, receivers) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        (Self(Arc::new(Mutex::new(receivers))), senders)
    }

    /// The next stream as an answer; 503 when there is none left.
    pub(super) fn reply(&self, media: &'static str) -> Reply {
        match self.0.lock().unwrap().pop_front() {
            Some(stream) => Reply::Stream(media, stream),
            None => Reply::Whole(503, JSON, b"{\"message\":\"no more streams\"}".to_vec()),
        }
    }
}
