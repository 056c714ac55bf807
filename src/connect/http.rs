//! The HTTP client of sources: it can only read, and only what its source was made for.
//!
//! Owns: credentials on requests, CA files, proxies, redirects, bounds on time and size, and
//! the sentence that a failure becomes. Must not: know what an answer means, follow anybody to
//! another host, or show a credential.

mod answer;
pub(super) mod failure;
mod server;

use reqwest::header::CACHE_CONTROL;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Method, RequestBuilder, StatusCode, Url};

use crate::config::HttpAccess;

use super::SourceError;

pub(super) use answer::Answer;
pub(crate) use answer::{bounded, excerpt};
use failure::sentence;
pub(crate) use failure::{root_cause, shown};
pub(crate) use server::Server;
pub(super) use server::is_loopback;

/// Redirects within the server that are followed.
const HOPS: usize = 3;

/// What a source may ask: the method, and the path below the base URL that the request's path
/// starts with.
pub(super) type Allowed = &'static [(Method, &'static str)];

/// Reads from one server.
pub(super) struct Reader {
    server: Server,
    allowed: Allowed,
}

impl Reader {
    /// A client for `access`. `what` names the server for errors. A drill's reader goes to this
    /// machine and nowhere else.
    pub(super) async fn new(
        what: &str,
        access: &HttpAccess,
        drill: bool,
        allowed: Allowed,
    ) -> Result<Self, SourceError> {
        let server = Server::new(what, access, drill, |builder, base| builder.redirect(within(base.clone(), allowed)));
        Ok(Self { server: server.await.map_err(SourceError::Fatal)?, allowed })
    }

    /// Reads `path` below the base URL. An answer that the server gives in words of its API
    /// (success, or a 400 or 422 about the request) is the caller's to understand; everything
    /// else is an error already.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, SourceError> {
        self.get_if(path, query, |_, _| false).await
    }

    /// The same; `understood` says which other statuses, with their bodies, are the caller's to
    /// understand, too.
    pub(super) async fn get_if(
        &self,
        path: &str,
        query: &[(&str, &str)],
        understood: impl Fn(StatusCode, &[u8]) -> bool,
    ) -> Result<Answer, SourceError> {
        let url = self.url(&Method::GET, path)?;
        let place = shown(&url);
        // An answer from before would be taken for how it is now.
        let request = self.server.client.get(url).query(query).header(CACHE_CONTROL, "no-cache");
        let response = self.sign(request).await?.send().await.map_err(|why| failure::transport(&place, &why))?;
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403) {
            // What was kept may have expired: the next attempt reads it anew.
            self.server.forget_secret().await;
        }
        let headers = response.headers().clone();
        let body = answer::bounded(response, &place).await?;
        if status.is_success() || matches!(status.as_u16(), 400 | 422) || understood(status, &body) {
            Ok(Answer { place, status, body })
        } else {
            Err(failure::status(&place, status, &headers, &body, self.server.has_credentials()))
        }
    }

    fn url(&self, method: &Method, path: &str) -> Result<Url, SourceError> {
        let url = self.server.url(path);
        if permitted(&self.server.base, self.allowed, method, &url) {
            Ok(url)
        } else {
            // A fault of this program: no source asks for what it did not declare.
            Err(SourceError::Fatal(sentence(
                &shown(&url),
                &format!("{method} is not among what this source may read"),
                "report it, please",
            )))
        }
    }

    async fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, SourceError> {
        self.server.sign(request).await.map_err(SourceError::Denied)
    }
}

/// Whether `url` lies within what the source declared. The parser has resolved `..` already.
fn permitted(base: &Url, allowed: Allowed, method: &Method, url: &Url) -> bool {
    let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    let Some(path) = url.path().strip_prefix(base.path().trim_end_matches('/')) else { return false };
    place(base) == place(url)
        && allowed.iter().any(|(verb, prefix)| {
            verb == method && path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

/// Follows redirects that stay with the same server and within what the source may read. Any
/// other is handed back as it came: it would carry the credentials elsewhere.
fn within(base: Url, allowed: Allowed) -> Policy {
    Policy::custom(move |attempt: Attempt<'_>| {
        let stays = permitted(&base, allowed, &Method::GET, attempt.url());
        if stays && attempt.previous().len() <= HOPS { attempt.follow() } else { attempt.stop() }
    })
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
