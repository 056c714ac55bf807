//! The client of actuators that write over HTTP: an allow-list below it, one request for one
//! call, nothing repeated, no redirect followed, every answer bounded.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::HttpAccess;
use crate::connect::http::{Server, bounded, excerpt, root_cause, shown};
use crate::text::{Safe, clean_capped, redact_safe};

/// How long a request may take, by the wall.
const LIMIT: Duration = Duration::from_secs(10);

/// What may be asked, by the path below the base URL, taken apart at its slashes.
pub(super) type Allowed = fn(&Method, &[&str]) -> bool;

/// Reads from and writes to one server.
pub(super) struct Writer {
    server: Server,
    allowed: Allowed,
    limit: Duration,
}

/// Why there is no answer to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HttpError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(Safe),
    /// Sent, perhaps, but not answered.
    #[error("{0}")]
    NoAnswer(Safe),
    /// Answered, but not with success.
    #[error("{}: {said}", status.as_u16())]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// What the server said.
        said: Safe,
    },
    /// Answered with something else than was asked for.
    #[error("{0}")]
    Strange(Safe),
}

impl HttpError {
    /// Whether nothing can have been changed: it was not sent, or the server itself or a login
    /// before it refused it. A 5xx may come from a proxy after the change.
    pub(super) fn changed_nothing(&self) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Status { status, .. } => status.is_client_error() || status.is_redirection(),
            Self::NoAnswer(_) | Self::Strange(_) => false,
        }
    }

    pub(super) fn is(&self, code: StatusCode) -> bool {
        matches!(self, Self::Status { status, .. } if *status == code)
    }
}

impl Writer {
    pub(super) async fn new(what: &str, access: &HttpAccess, drill: bool, allowed: Allowed) -> Result<Self, Safe> {
        let server = Server::new(what, access, drill, |builder, _| {
            // A connection of its own for each request: on one that was kept, the client would
            // send a request again when it finds that closed. Nor does it repeat what an HTTP/2
            // server hands back.
            builder.redirect(Policy::none()).pool_max_idle_per_host(0).retry(reqwest::retry::never())
        });
        Ok(Self { server: server.await?, allowed, limit: LIMIT })
    }

    /// For tests of servers that do not answer.
    #[cfg(test)]
    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The server's address as it may be shown.
    pub(super) fn address(&self) -> Safe {
        Safe::from(shown(&self.server.base).trim_end_matches('/'))
    }

    /// One request, one answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Vec<u8>, HttpError> {
        let url = self.server.url(path);
        let below = url.path().strip_prefix(self.server.base.path().trim_end_matches('/')).unwrap_or_default();
        let parts: Vec<&str> = below.strip_prefix('/').unwrap_or(below).split('/').collect();
        if !(self.allowed)(&method, &parts) {
            return Err(HttpError::NotSent(Safe::from(format!(
                "{method} {below} is not on the allow-list of actions: nothing was sent"
            ))));
        }
        let place = shown(&url);
        let mut request = self.server.client.request(method, url).query(query).header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let request = self.server.sign(request).await.map_err(HttpError::NotSent)?;
        let exchange = async {
            let response = request.send().await.map_err(|error| unanswered(&place, &error))?;
            let status = response.status();
            let body = bounded(response, &place).await.map_err(|why| HttpError::NoAnswer(said(&why.to_string())))?;
            Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(self.limit, exchange).await.unwrap_or_else(|_| {
            Err(HttpError::NoAnswer(Safe::from(format!(
                "{place} gave no answer within {} s",
                self.limit.as_secs_f32()
            ))))
        })?;
        if status.is_success() {
            return Ok(body);
        }
        if matches!(status.as_u16(), 401 | 403) {
            self.server.forget_secret().await;
        }
        // An error of Alertmanager is a JSON string, or an object with a message.
        let words = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::String(words)) => said(&words),
            Ok(Value::Object(fields)) => {
                fields.get("message").and_then(Value::as_str).map_or_else(|| said(&excerpt(&body)), said)
            }
            _ if body.is_empty() => Safe::from(status.canonical_reason().unwrap_or("no reason given")),
            _ => said(&excerpt(&body)),
        };
        Err(HttpError::Status { status, said: words })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, HttpError> {
        parsed(&self.send(Method::GET, path, query, None).await?)
    }
}

pub(super) fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|error| {
        HttpError::Strange(said(&format!("the server's answer could not be understood ({error}): {}", excerpt(body))))
    })
}

/// Text of a server's, cleaned and with secrets taken out.
pub(super) fn said(text: &str) -> Safe {
    redact_safe(clean_capped(text, 400))
}

/// A connection that was not made is the only case in which a request surely never left.
fn unanswered(place: &Safe, error: &reqwest::Error) -> HttpError {
    let cause = root_cause(error);
    if error.is_connect() {
        HttpError::NotSent(said(&format!("no connection to {place} ({cause})")))
    } else {
        HttpError::NoAnswer(said(&format!("{place} did not answer ({cause})")))
    }
}
