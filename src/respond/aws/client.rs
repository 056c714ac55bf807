//! The client of the actuator: signed by SigV4, the gate below, no retries, every answer bounded.
//!
//! Not the SDK's: ten operations of six services would cost six crates and minutes of everybody's
//! builds, and these would have to be talked out of retrying.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::config::{AwsAccess, AwsCredentials};
use crate::connect::{Keys, Lent};
use crate::model::name::Target;
use crate::model::plan::Refusal;
use crate::respond::guard::refusal;
use crate::text::{Safe, clean_capped, redact_safe};

use super::call::{Body, Call, Service};
use super::gate;
use super::xml::Element;

/// The longest answer that is read: far above any that is of interest.
const ANSWER_CAP: usize = 4 << 20;

/// Time-outs by the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) read: Duration,
    pub(super) write: Duration,
}

/// One account in one region.
pub(super) struct Api {
    keys: Keys,
    access: AwsAccess,
    /// For endpoints on this machine, and for all others.
    clients: [Mutex<Option<Client>>; 2],
    pub(super) limits: Limits,
}

/// Why there is no answer to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(Safe),
    /// Sent, perhaps, but not answered.
    #[error("{0}")]
    NoAnswer(Safe),
    /// Answered, but not with success.
    #[error("{status}: {said}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The error's code in the service's API; empty if the answer is not the service's.
        code: String,
        /// Code and message.
        said: Safe,
    },
    /// Answered with something else than was asked for.
    #[error("{0}")]
    Strange(Safe),
}

impl ApiError {
    /// Whether the service says so in a code that ends with one of these.
    pub(super) fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Status { code, .. } if codes.contains(&code.as_str()))
    }

    /// The sentence for a person whose plan could not be made.
    pub(super) fn refusal(&self, what: &str, target: &Target) -> Refusal {
        refusal(match self {
            Self::Status { status: 401 | 403, said, .. } => {
                format!("could not {what} {target}: {said}; ask for that right, nothing was changed")
            }
            other => format!("could not {what} {target}: {other}; nothing was changed"),
        })
    }
}

/// Text of AWS', cleaned and with secrets taken out.
pub(super) fn said(text: &str) -> Safe {
    redact_safe(clean_capped(text, 400))
}

impl Api {
    pub(super) fn new(access: &AwsAccess, drill: bool) -> Self {
        Self {
            keys: Keys::new(access.clone(), drill),
            access: access.clone(),
            clients: [Mutex::default(), Mutex::default()],
            limits: Limits {
                connect: Duration::from_secs(5),
                read: Duration::from_secs(10),
                write: Duration::from_secs(10),
            },
        }
    }

    /// The words before a command's own: how the AWS CLI is pointed at the same place.
    pub(super) fn cli(&self, service: Service) -> Vec<String> {
        let mut words = vec!["aws".to_owned()];
        if let AwsCredentials::Ambient { profile: Some(profile) } = &self.access.credentials {
            words.extend(["--profile".to_owned(), profile.clone()]);
        }
        if let Some(region) = &self.access.region {
            words.extend(["--region".to_owned(), region.clone()]);
        }
        if let Some(url) = self.access.endpoints.get(service.key()) {
            words.extend(["--endpoint-url".to_owned(), url.clone()]);
        }
        words
    }

    /// One request, one answer, nothing repeated.
    pub(super) async fn send(&self, call: &Call) -> Result<Vec<u8>, ApiError> {
        let Some(allowed) = gate::allowed(call) else {
            return Err(ApiError::NotSent(Safe::from(format!(
                "{} {} of {} is not on the allow-list of actions: nothing was sent",
                call.method,
                call.path,
                call.service.key()
            ))));
        };
        let lent = self.keys.lend().await.map_err(ApiError::NotSent)?;
        let (base, region) = self.place(call.service, &lent)?;
        let client = self.client(&base).await?;
        let request = signed(call, &base, &region, &lent)?;
        let limit = if allowed.writes { self.limits.write } else { self.limits.read };
        let exchange = async {
            let mut response = client.execute(request).await.map_err(|error| unanswered(&error, &base))?;
            let status = response.status();
            let kind =
                response.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
            let mut body = Vec::new();
            let cut = || ApiError::NoAnswer(Safe::fixed("the connection was cut in the middle of the answer"));
            while let Some(chunk) = response.chunk().await.map_err(|_| cut())? {
                if body.len() + chunk.len() > ANSWER_CAP {
                    return Err(ApiError::NoAnswer(Safe::fixed("the answer is longer than any that makes sense")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok((status, kind, body))
        };
        let (status, kind, body) = tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(ApiError::NoAnswer(Safe::from(format!(
                "{} was not answered within {} s",
                allowed.name,
                limit.as_secs_f32()
            ))))
        })?;
        if status.is_success() {
            return Ok(body);
        }
        let error = explained(status.as_u16(), kind.as_deref(), &body, allowed.name, &lent);
        if error.is(&UNKNOWN_KEYS) {
            // The next request signs with new ones.
            self.keys.forget().await;
        }
        Err(error)
    }

    /// The same, of a service that answers in JSON.
    pub(super) async fn json(&self, call: &Call) -> Result<Value, ApiError> {
        let body = self.send(call).await?;
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::Strange(said(&format!("the answer could not be understood ({error})"))))
    }

    /// The same, of a service that answers in XML.
    pub(super) async fn xml(&self, call: &Call) -> Result<Element, ApiError> {
        let body = self.send(call).await?;
        Element::parse(&body)
            .ok_or_else(|| ApiError::Strange(Safe::fixed("the answer could not be understood: it is no XML of AWS")))
    }

    /// Where a service is asked, and the region that is signed for.
    fn place(&self, service: Service, lent: &Lent) -> Result<(Url, String), ApiError> {
        let (own, region) = service.place(&lent.region);
        let url = self.keys.endpoint(service.key()).map_err(ApiError::NotSent)?.unwrap_or(own);
        let url = Url::parse(&url).map_err(|_| ApiError::NotSent(Safe::from(format!("{url} is not a URL"))))?;
        Ok((url, region))
    }

    async fn client(&self, base: &Url) -> Result<Client, ApiError> {
        let direct = base.scheme() == "http";
        let mut kept = self.clients[usize::from(direct)].lock().await;
        if let Some(client) = kept.as_ref() {
            return Ok(client.clone());
        }
        let mut builder = Client::builder()
            .user_agent(concat!("warroom/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.limits.connect)
            // Nothing is followed, repeated, or sent on a connection that may have died meanwhile:
            // a confirmed write is one request.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0);
        if direct {
            // Only this machine is asked in clear.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| ApiError::NotSent(said(&format!("no HTTP client could be made ({error})"))))?;
        *kept = Some(client.clone());
        Ok(client)
    }
}

/// The request with its signature.
fn signed(call: &Call, base: &Url, region: &str, lent: &Lent) -> Result<reqwest::Request, ApiError> {
    let broken = |what: &str| ApiError::NotSent(Safe::from(format!("the request could not be {what}")));
    let mut url = base.as_str().trim_end_matches('/').to_owned() + &call.path;
    if !call.query.is_empty() {
        url.push('?');
        url.push_str(&call.query);
    }
    let parsed = Url::parse(&url).map_err(|_| broken("addressed"))?;
    let host = match (parsed.host_str(), parsed.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Err(broken("addressed")),
    };
    let (kind, body) = call.content();
    let mut headers = vec![("host", host), ("accept", "*/*".to_owned())];
    if !body.is_empty() {
        headers.push(("content-type", kind.to_owned()));
    }
    if let Body::Target { prefix, operation, .. } = &call.body {
        headers.push(("x-amz-target", format!("{prefix}.{operation}")));
    }
    let identity = lent.credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(call.service.signing_name())
        // Signatures live in the real world, whatever time a drill tells.
        .time(SystemTime::from(Clock::real().now()))
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| broken("signed"))?
        .into();
    let listed = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new(call.method.as_str(), &url, listed, SignableBody::Bytes(&body))
        .map_err(|_| broken("signed"))?;
    let (instructions, _) = sign(signable, &params).map_err(|_| broken("signed"))?.into_parts();
    let mut request = http::Request::builder().method(call.method.clone()).uri(&url);
    for (name, value) in &headers {
        request = request.header(*name, value);
    }
    let mut request = request.body(body).map_err(|_| broken("built"))?;
    instructions.apply_to_request_http1x(&mut request);
    reqwest::Request::try_from(request).map_err(|_| broken("built"))
}

/// Codes of credentials that AWS does not accept (any more).
const UNKNOWN_KEYS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
];

/// An answer that is no success, in the words of its service if it is the service's.
fn explained(status: u16, kind: Option<&str>, body: &[u8], operation: &str, lent: &Lent) -> ApiError {
    let (code, message) = told(kind, body);
    let words = match (code.is_empty(), message.is_empty()) {
        (true, _) => format!("{operation} was refused with status {status}, and not in the words of its API"),
        (false, true) => code.clone(),
        (false, false) => format!("{code}: {message}"),
    };
    let words = if UNKNOWN_KEYS.contains(&code.as_str()) { format!("{words}; {}", lent.login) } else { words };
    ApiError::Status { status, code, said: said(&words) }
}

/// Code and message of an error.
fn told(kind: Option<&str>, body: &[u8]) -> (String, String) {
    // `com.amazonaws.ecs#ClientException`, or `Code:http://…`.
    let bare = |code: &str| {
        let code = code.split(':').next().unwrap_or(code);
        code.rsplit('#').next().unwrap_or(code).chars().take(100).collect::<String>()
    };
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return told_in_xml(body).unwrap_or_else(|| (kind.map(bare).unwrap_or_default(), String::new()));
    };
    let text =
        |names: &[&str]| names.iter().find_map(|name| json.get(*name)?.as_str()).map(str::to_owned).unwrap_or_default();
    let code = kind.map_or_else(|| text(&["__type", "code"]), str::to_owned);
    (bare(&code), text(&["message", "Message"]))
}

/// The same of an error in XML: `Error` below its root or below `Errors`, as EC2 has it; or a root
/// that is the code, as Route 53 has it for batches.
fn told_in_xml(body: &[u8]) -> Option<(String, String)> {
    let root = Element::parse(body)?;
    let error = root.at("Error").or_else(|| root.at("Errors/Error"));
    if let Some(error) = error {
        return Some((error.text("Code").to_owned(), error.text("Message").to_owned()));
    }
    let messages: Vec<_> = root.list("Messages").iter().map(|message| message.text.trim()).collect();
    (!messages.is_empty()).then(|| (root.name.clone(), messages.join("; ")))
}

/// What a transport error says of the request: a connection that was never made is the only case
/// in which it surely never left.
fn unanswered(error: &reqwest::Error, base: &Url) -> ApiError {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let host = base.host_str().unwrap_or("AWS");
    if error.is_connect() {
        return ApiError::NotSent(said(&format!("no connection to {host} ({cause})")));
    }
    ApiError::NoAnswer(said(&format!("{host} did not answer ({cause})")))
}
