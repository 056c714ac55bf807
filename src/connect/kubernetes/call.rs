//! One read of the API, and what can come of it.
//!
//! Owns: requests by URI and `Accept`, wall-clock limits, the cap on an answer's size, and the
//! sentences for everything that goes wrong. Must not: know what the answer means.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::Deserialize;

use crate::connect::SourceError;
use crate::connect::http::failure::{retry_after, root_cause};
use crate::text::{Safe, clean_capped};

use super::access::Cluster;
use super::wire;

/// JSON alone.
pub(super) const JSON: &str = "application/json";
/// Until an answer begins.
const BEGIN_WITHIN: Duration = Duration::from_secs(30);
/// Until a bounded answer is complete.
const COMPLETE_WITHIN: Duration = Duration::from_secs(90);
/// Largest answer: 500 pods of 100 KB.
const ANSWER_CAP: usize = 64 * 1024 * 1024;
/// Largest error that is read.
const ERROR_CAP: usize = 64 * 1024;

/// What is asked.
pub(super) struct Ask<'a> {
    /// Path and query.
    pub(super) uri: String,
    /// Media types.
    pub(super) accept: &'a str,
    /// In words: `list pods in all namespaces`.
    pub(super) doing: &'a str,
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// 401.
    Unknown(Safe),
    /// 403: this object or this verb, not everything.
    Forbidden(Safe),
    /// 404 and 405.
    Missing(Safe),
    /// 410: the resource version or the page is too old.
    Gone,
    /// 406 and 415: not in this form.
    Form(Safe),
    /// 400 and 422: not like this, or not now.
    Refused(Safe),
    /// Worth trying again.
    Retry(Safe, Option<Duration>),
    /// No client could be built, or no request.
    Source(SourceError),
}

impl From<Fault> for SourceError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unknown(why) => Self::Unknown(why),
            Fault::Forbidden(why) | Fault::Missing(why) => Self::Denied(why),
            Fault::Gone => Self::Retry { why: Safe::fixed("the API server has forgotten where we were"), after: None },
            Fault::Form(why) | Fault::Refused(why) => Self::Retry { why, after: None },
            Fault::Retry(why, after) => Self::Retry { why, after },
            Fault::Source(error) => error,
        }
    }
}

impl Fault {
    /// Worth trying again, with a sentence made of what was attempted and what came back.
    pub(super) fn retry(doing: &str, what: &str) -> Self {
        Self::Retry(Safe::from(format!("{doing}: {what}; trying again")), None)
    }
}

impl Cluster {
    /// Opens an answer: its status was a success.
    pub(super) async fn open(&self, ask: &Ask<'_>) -> Result<Response<Body>, Fault> {
        let request = Request::get(&ask.uri).header(ACCEPT, ask.accept).body(Body::empty());
        self.send(request, ask.doing).await
    }

    /// Reads an answer whole: its media type and its bytes.
    pub(super) async fn read(&self, ask: &Ask<'_>) -> Result<(String, Bytes), Fault> {
        let answer = self.open(ask).await?;
        let media = media_type(&answer);
        Ok((media, self.rest(answer, ask.doing).await?))
    }

    /// Reads what is left of an answer: all of its bytes.
    pub(super) async fn rest(&self, answer: Response<Body>, doing: &str) -> Result<Bytes, Fault> {
        tokio::time::timeout(COMPLETE_WITHIN, bounded(answer.into_body(), ANSWER_CAP))
            .await
            .map_err(|_| Fault::retry(doing, &format!("no complete answer within {COMPLETE_WITHIN:?}")))?
            .map_err(|what| Fault::retry(doing, &what))
    }

    /// Asks one of the questions that are posted: see `readonly`.
    pub(super) async fn review(&self, path: &str, body: &serde_json::Value, doing: &str) -> Result<Bytes, Fault> {
        let request = Request::post(path)
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .body(Body::from(body.to_string().into_bytes()));
        let answer = self.send(request, doing).await?;
        tokio::time::timeout(COMPLETE_WITHIN, bounded(answer.into_body(), ERROR_CAP))
            .await
            .map_err(|_| Fault::retry(doing, "no complete answer in time"))?
            .map_err(|what| Fault::retry(doing, &what))
    }

    async fn send(&self, request: http::Result<Request<Body>>, doing: &str) -> Result<Response<Body>, Fault> {
        let request = request.map_err(|error| {
            Fault::Source(SourceError::Fatal(Safe::from(format!("{doing}: the request cannot be written ({error})"))))
        })?;
        let client = self.client().await.map_err(Fault::Source)?;
        let answer = match tokio::time::timeout(BEGIN_WITHIN, client.send(request)).await {
            Ok(Ok(answer)) => answer,
            // The outer causes only say that sending failed.
            Ok(Err(error)) => return Err(unreachable(doing, &self.server().await, &root_cause(&error))),
            Err(_) => {
                let what = format!("no answer within {} s", BEGIN_WITHIN.as_secs());
                return Err(unreachable(doing, &self.server().await, &what));
            }
        };
        if answer.status().is_success() {
            if media_type(&answer).contains("html") {
                // What a sign-in page in the API server's place must never become: log lines.
                return Err(unreachable(doing, &self.server().await, "a web page came back, perhaps to sign in"));
            }
            return Ok(answer);
        }
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            self.forget().await;
        }
        let after = retry_after(answer.headers());
        let body = tokio::time::timeout(BEGIN_WITHIN, bounded(answer.into_body(), ERROR_CAP)).await;
        let said = said(&body.ok().and_then(Result::ok).unwrap_or_default());
        Err(fault(status, after, doing, &said))
    }
}

/// Nothing came back.
fn unreachable(doing: &str, server: &Safe, what: &str) -> Fault {
    Fault::Retry(
        Safe::from(format!(
            "{doing} at {server}: {what}; check the cluster's address in the kubeconfig, and whether a VPN or proxy is \
             needed"
        )),
        None,
    )
}

/// The fault that a status is.
pub(super) fn fault(status: StatusCode, after: Option<Duration>, doing: &str, said: &str) -> Fault {
    let told = if said.is_empty() { status.to_string() } else { format!("{} {said}", status.as_u16()) };
    let sentence = |advice: &str| Safe::from(format!("{doing}: {told}; {advice}"));
    match status.as_u16() {
        401 => Fault::Unknown(sentence("the credentials of the kubeconfig are not accepted: sign in again")),
        403 => Fault::Forbidden(sentence("ask for a role with get, list and watch on it")),
        404 | 405 => Fault::Missing(sentence("this cluster does not serve it")),
        406 | 415 => Fault::Form(sentence("trying again in another form")),
        410 => Fault::Gone,
        400 | 422 => Fault::Refused(sentence("trying again")),
        _ => Fault::Retry(sentence("trying again"), after),
    }
}

/// The media type of an answer, in lower case.
pub(super) fn media_type<B>(answer: &Response<B>) -> String {
    let value = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or(JSON).to_ascii_lowercase()
}

async fn bounded(mut body: Body, cap: usize) -> Result<Bytes, String> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broke_off(&error))?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > cap {
                return Err(format!("the answer is larger than {cap} bytes"));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// What an error's body says: the message of a `Status`, or its first line.
fn said(body: &Bytes) -> Safe {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let text = if let Ok(status) = wire::status(body) {
        String::from_utf8_lossy(&status.message).into_owned()
    } else if let Ok(status) = serde_json::from_slice::<Status>(body) {
        status.message
    } else {
        String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned()
    };
    clean_capped(text.trim_end_matches('.'), 300)
}

/// What came of an answer that did not come whole.
pub(super) fn broke_off(error: &(dyn Error + 'static)) -> String {
    format!("the answer broke off ({})", root_cause(error))
}

/// An error with its causes, each said once. Many libraries repeat the cause in the text.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let words = cause.to_string();
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        at = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_sentence() {
        let of = |code| fault(StatusCode::from_u16(code).unwrap(), None, "list pods in all namespaces", "no");
        let Fault::Forbidden(why) = of(403) else { panic!() };
        assert_eq!(why, "list pods in all namespaces: 403 no; ask for a role with get, list and watch on it");
        assert!(matches!(of(401), Fault::Unknown(why) if why.contains("sign in again")));
        assert!(matches!(of(404), Fault::Missing(_)));
        assert_eq!(of(410), Fault::Gone);
        assert!(matches!(of(500), Fault::Retry(_, None)));
        let limited = fault(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(7)), "watch pods", "");
        assert!(matches!(limited, Fault::Retry(why, Some(after))
            if after.as_secs() == 7 && why.contains("429 Too Many Requests")));
    }

    #[test]
    fn an_error_page_is_cut_to_its_first_line() {
        let of = |body: &'static [u8]| said(&Bytes::from_static(body));
        assert_eq!(of(br#"{"kind":"Status","message":"pods is forbidden."}"#), "pods is forbidden");
        assert_eq!(of(b"<html>\x1b[2J\nmore"), "<html>");
        assert_eq!(of(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
