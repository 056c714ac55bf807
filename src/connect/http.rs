//! The HTTP client of sources: it can only read, and only what its source was made for.
//!
//! Owns: credentials on requests, CA files, proxies, redirects, bounds on time and size, and
//! the sentence that a failure becomes. Must not: know what an answer means, follow anybody to
//! another host, or show a credential.

mod answer;
pub(super) mod failure;

use std::path::Path;
use std::time::Duration;

use reqwest::header::CACHE_CONTROL;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::clock::{Wall, wall};
use crate::config::{Auth, HttpAccess, Secret};
use crate::text::Safe;

use super::SourceError;

pub(super) use answer::Answer;
use failure::{sentence, shown};

/// How long making a connection may take, by the wall.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may say nothing.
const READ: Duration = Duration::from_secs(15);
/// How long a whole answer may take.
const WHOLE: Duration = Duration::from_secs(45);
/// How long a secret that was read is used, so that a command does not run for every request.
const SECRET_KEPT: Duration = Duration::from_secs(30);
/// Redirects within the server that are followed.
const HOPS: usize = 3;

/// What a source may ask: the method, and the path below the base URL that the request's path
/// starts with.
pub(super) type Allowed = &'static [(Method, &'static str)];

/// Reads from one server.
pub(super) struct Reader {
    client: Client,
    base: Url,
    allowed: Allowed,
    auth: Option<Auth>,
    /// The secret with the time at which it was read.
    secret: Mutex<Option<(Wall, SecretString)>>,
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
        let fatal = |why: String| SourceError::Fatal(Safe::from(format!("{what} {}: {why}", access.name)));
        let base = Url::parse(access.url.trim_end_matches('/'))
            .map_err(|why| fatal(format!("its URL cannot be read ({why}); write it as https://host:port/path")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(fatal(format!("{} is no HTTP URL; write it as https://host:port/path", shown(&base))));
        }
        let local = is_loopback(&base);
        if drill && !local {
            return Err(fatal(format!("{} is not on this machine, and a drill goes nowhere else", shown(&base))));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .timeout(WHOLE)
            .redirect(within(base.clone(), allowed));
        if !access.proxy || local {
            builder = builder.no_proxy();
        }
        if let Some(path) = &access.ca_file {
            builder = builder.tls_certs_merge(certificates(path).await.map_err(fatal)?);
        }
        if base.scheme() == "http" {
            // No certificates are needed, and a small machine may have none to load.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|why| fatal(format!("no HTTP client could be made: {}", failure::root_cause(&why))))?;
        Ok(Self { client, base, allowed, auth: access.auth.clone(), secret: Mutex::default() })
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
        let request = self.client.get(url).query(query).header(CACHE_CONTROL, "no-cache");
        let response = self.sign(request).await?.send().await.map_err(|why| failure::transport(&place, &why))?;
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403) {
            // What was kept may have expired: the next attempt reads it anew.
            *self.secret.lock().await = None;
        }
        let headers = response.headers().clone();
        let body = answer::bounded(response, &place).await?;
        if status.is_success() || matches!(status.as_u16(), 400 | 422) || understood(status, &body) {
            Ok(Answer { place, status, body })
        } else {
            Err(failure::status(&place, status, &headers, &body, self.auth.is_some()))
        }
    }

    fn url(&self, method: &Method, path: &str) -> Result<Url, SourceError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if permitted(&self.base, self.allowed, method, &url) {
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
        Ok(match &self.auth {
            None => request,
            Some(Auth::Bearer(secret)) => request.bearer_auth(self.secret(secret).await?.expose_secret()),
            Some(Auth::Basic { user, password }) => {
                request.basic_auth(user, Some(self.secret(password).await?.expose_secret()))
            }
        })
    }

    async fn secret(&self, secret: &Secret) -> Result<SecretString, SourceError> {
        let mut kept = self.secret.lock().await;
        if let Some((at, value)) = kept.as_ref()
            && wall().duration_since(*at) < SECRET_KEPT
        {
            return Ok(value.clone());
        }
        let value = secret.read().await.map_err(|why| SourceError::Denied(Safe::from(why.to_string())))?;
        *kept = Some((wall(), value.clone()));
        Ok(value)
    }
}

/// Whether `url` names this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
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

async fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let read = |why: String| format!("reading the CA file {} failed: {why}; give a PEM file", path.display());
    let pem = tokio::fs::read(path).await.map_err(|why| read(why.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| read(failure::root_cause(&why)))?;
    if found.is_empty() { Err(read("it holds no certificate".into())) } else { Ok(found) }
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
