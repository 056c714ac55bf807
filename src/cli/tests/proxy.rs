//! What stands between a session and a drill's world: it refuses what it is told to refuse, and
//! spoils the texts that pass.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use tokio::task::JoinHandle;

use crate::drill::Endpoints;

/// Answers in the world's place, or lets pass.
pub(super) type Rule = dyn Fn(&Parts) -> Option<Response> + Send + Sync;
/// What becomes of a line of an answer of a media type.
pub(super) type Spoil = dyn Fn(&str, &[u8]) -> Vec<u8> + Send + Sync;

/// A world behind proxies. Dropping it ends them.
pub(super) struct Behind {
    pub(super) endpoints: Endpoints,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Hears every request, with its body, before it is handed on.
pub(super) type Ear = dyn Fn(&str, &Parts, &[u8]) + Send + Sync;

struct Between {
    system: &'static str,
    ear: Option<Arc<Ear>>,
    upstream: String,
    client: reqwest::Client,
    rule: Box<Rule>,
    spoil: Option<Arc<Spoil>>,
}

/// The same world, behind proxies: one rule for each system, one way to spoil texts for all.
/// `dir` takes the kubeconfig.
pub(super) async fn behind(
    at: &Endpoints,
    dir: &Path,
    spoil: Option<Arc<Spoil>>,
    rule: impl Fn(&str) -> Box<Rule>,
) -> Behind {
    between(at, dir, spoil, rule, None).await
}

/// The same world, behind proxies that let everything pass and tell of it.
pub(super) async fn heard(
    at: &Endpoints,
    dir: &Path,
    ear: impl Fn(&str, &Parts, &[u8]) + Send + Sync + 'static,
) -> Behind {
    between(at, dir, None, |_| Box::new(|_| None), Some(Arc::new(ear))).await
}

async fn between(
    at: &Endpoints,
    dir: &Path,
    spoil: Option<Arc<Spoil>>,
    rule: impl Fn(&str) -> Box<Rule>,
    ear: Option<Arc<Ear>>,
) -> Behind {
    let mut tasks = Vec::new();
    let mut urls = Vec::new();
    for (system, upstream) in [
        ("kubernetes", &at.kubernetes),
        ("alertmanager", &at.alertmanager),
        ("prometheus", &at.prometheus),
        ("aws", &at.cloudwatch),
    ] {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let between = Between {
            system,
            ear: ear.clone(),
            upstream: upstream.clone(),
            client,
            rule: rule(system),
            spoil: spoil.clone(),
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        urls.push(format!("http://{}", listener.local_addr().unwrap()));
        let router = axum::Router::new().fallback(pass).with_state(Arc::new(between));
        tasks.push(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    }
    let [kubernetes, alertmanager, prometheus, aws] = <[String; 4]>::try_from(urls).unwrap();
    let kubeconfig = dir.join("kubeconfig-behind");
    let text = std::fs::read_to_string(&at.kubeconfig).unwrap();
    assert!(text.contains(&at.kubernetes));
    std::fs::write(&kubeconfig, text.replace(&at.kubernetes, &kubernetes)).unwrap();
    let endpoints = Endpoints {
        kubeconfig,
        kubernetes,
        cloudwatch: aws.clone(),
        cloudwatch_logs: aws.clone(),
        sts: aws.clone(),
        aws,
        alertmanager,
        prometheus,
        region: at.region.clone(),
    };
    Behind { endpoints, tasks }
}

async fn pass(State(between): State<Arc<Between>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Some(answer) = (between.rule)(&parts) {
        return answer;
    }
    parts.headers.remove(HOST);
    if between.spoil.is_some()
        && parts.headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/vnd.kub"))
    {
        // What cannot be read cannot be spoiled.
        parts.headers.insert(ACCEPT, http::HeaderValue::from_static("application/json"));
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    if let Some(ear) = &between.ear {
        ear(between.system, &parts, &body);
    }
    let url = format!("{}{}", between.upstream, parts.uri);
    let answer = between.client.request(parts.method, url).headers(parts.headers).body(body).send().await;
    let Ok(answer) = answer else {
        return Response::builder().status(502).body(Body::empty()).unwrap();
    };
    let mut out = Response::builder().status(answer.status());
    for (name, value) in
        answer.headers().iter().filter(|(name, _)| !matches!(**name, CONTENT_LENGTH | TRANSFER_ENCODING))
    {
        out = out.header(name, value);
    }
    let media = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let spoil: Arc<Spoil> = between.spoil.clone().unwrap_or_else(|| Arc::new(|_, line| line.to_vec()));
    out.body(Body::from_stream(lines(answer, media, spoil))).unwrap()
}

/// The lines of an answer as they come, each spoiled; what follows the last line's end, too.
fn lines(
    answer: reqwest::Response,
    media: String,
    spoil: Arc<Spoil>,
) -> impl futures::Stream<Item = Result<Bytes, Infallible>> {
    let state = Some((answer.bytes_stream().boxed(), Vec::<u8>::new()));
    futures::stream::unfold(state, move |state| {
        let (media, spoil) = (media.clone(), Arc::clone(&spoil));
        async move {
            let (mut stream, mut rest) = state?;
            loop {
                if let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') {
                    let tail = rest.split_off(end + 1);
                    let mut out = Vec::new();
                    for line in rest.split_inclusive(|byte| *byte == b'\n') {
                        out.extend(spoil(&media, &line[..line.len() - 1]));
                        out.push(b'\n');
                    }
                    return Some((Ok(Bytes::from(out)), Some((stream, tail))));
                }
                match stream.next().await {
                    Some(Ok(chunk)) => rest.extend_from_slice(&chunk),
                    Some(Err(_)) | None => {
                        let last = if rest.is_empty() { Vec::new() } else { spoil(&media, &rest) };
                        return Some((Ok(Bytes::from(last)), None));
                    }
                }
            }
        }
    })
}
