//! One HTTP server as the configuration has it: its address, a client for it, its credentials.
//!
//! Readers and the writers of `respond` share this, and nothing else: what may be asked is theirs
//! to say.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::clock::{Wall, wall};
use crate::config::{Auth, HttpAccess, Secret};
use crate::text::Safe;

use super::failure::{self, shown};

/// How long making a connection may take, by the wall.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may say nothing.
const READ: Duration = Duration::from_secs(15);
/// How long a whole answer may take.
const WHOLE: Duration = Duration::from_secs(45);
/// How long a secret that was read is used, so that a command does not run for every request.
const SECRET_KEPT: Duration = Duration::from_secs(30);

/// One server.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) base: Url,
    auth: Option<Auth>,
    /// The secret with the time at which it was read.
    secret: Mutex<Option<(Wall, SecretString)>>,
}

impl Server {
    /// The server of `access`; `what` names it for errors. A drill's goes to this machine and
    /// nowhere else. `prepare` has the last word on the client.
    pub(crate) async fn new(
        what: &str,
        access: &HttpAccess,
        drill: bool,
        prepare: impl FnOnce(ClientBuilder, &Url) -> ClientBuilder,
    ) -> Result<Self, Safe> {
        let wrong = |why: String| Safe::from(format!("{what} {}: {why}", access.name));
        let base = Url::parse(access.url.trim_end_matches('/'))
            .map_err(|why| wrong(format!("its URL cannot be read ({why}); write it as https://host:port/path")))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong(format!("{} is no HTTP URL; write it as https://host:port/path", shown(&base))));
        }
        let local = is_loopback(&base);
        if drill && !local {
            return Err(wrong(format!("{} is not on this machine, and a drill goes nowhere else", shown(&base))));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .timeout(WHOLE);
        if !access.proxy || local {
            builder = builder.no_proxy();
        }
        if let Some(path) = &access.ca_file {
            builder = builder.tls_certs_merge(certificates(path).await.map_err(wrong)?);
        }
        if base.scheme() == "http" {
            // No certificates are needed, and a small machine may have none to load.
            builder = builder.tls_certs_only([]);
        }
        let client = prepare(builder, &base)
            .build()
            .map_err(|why| wrong(format!("no HTTP client could be made: {}", failure::root_cause(&why))))?;
        Ok(Self { client, base, auth: access.auth.clone(), secret: Mutex::default() })
    }

    /// `path` below the base URL. The parser resolves `..`: whoever asks has to look at what came
    /// of it.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Puts the credentials on a request.
    pub(crate) async fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, Safe> {
        Ok(match &self.auth {
            None => request,
            Some(Auth::Bearer(secret)) => request.bearer_auth(self.secret(secret).await?.expose_secret()),
            Some(Auth::Basic { user, password }) => {
                request.basic_auth(user, Some(self.secret(password).await?.expose_secret()))
            }
        })
    }

    /// What was kept may have expired: the next request reads it anew.
    pub(crate) async fn forget_secret(&self) {
        *self.secret.lock().await = None;
    }

    /// Whether requests carry credentials.
    pub(crate) fn has_credentials(&self) -> bool {
        self.auth.is_some()
    }

    async fn secret(&self, secret: &Secret) -> Result<SecretString, Safe> {
        let mut kept = self.secret.lock().await;
        if let Some((at, value)) = kept.as_ref()
            && wall().duration_since(*at) < SECRET_KEPT
        {
            return Ok(value.clone());
        }
        let value = secret.read().await.map_err(|why| Safe::from(why.to_string()))?;
        *kept = Some((wall(), value.clone()));
        Ok(value)
    }
}

/// Whether `url` names this machine.
pub(in crate::connect) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

async fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let read = |why: String| format!("reading the CA file {} failed: {why}; give a PEM file", path.display());
    let pem = tokio::fs::read(path).await.map_err(|why| read(why.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|why| read(failure::root_cause(&why)))?;
    if found.is_empty() { Err(read("it holds no certificate".into())) } else { Ok(found) }
}
