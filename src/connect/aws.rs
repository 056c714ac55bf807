//! AWS: one account in one region.
//!
//! Owns: the SDK's configuration (credentials, endpoints, time-outs, retries) and the one
//! constructor of clients, each of which can only read. Must not: let a drill find the
//! credentials, the profile, the metadata service or the proxy of the person who runs it.

mod alarms;
mod budget;
mod credentials;
mod failure;
mod guard;
#[cfg(test)]
mod harness;
mod keys;
mod logs;
mod window;

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::DateTime;
use aws_smithy_types::retry::RetryConfig;
use reqwest::Url;
use tokio::sync::Mutex;

use crate::clock::World;
use crate::config::{AwsAccess, AwsCredentials};
use crate::text::Safe;

use super::SourceError;
use super::http::is_loopback;

pub(super) use alarms::Alarms;
use failure::Failure;
use guard::{BareHost, ReadOnly};
pub use keys::{Keys, Lent};
pub(super) use logs::Logs;

/// How long making a connection may take, by the wall.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one attempt may take, getting credentials included.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How long a read may take with all its attempts.
const WHOLE: Duration = Duration::from_secs(40);
/// How long getting credentials may take.
const LOGIN: Duration = Duration::from_secs(12);
/// The region of a drill that names none.
const DRILL_REGION: &str = "us-east-1";

/// The account: configuration that is loaded when it is first needed, and anew after the
/// account refused us, because somebody may have logged in meanwhile.
#[derive(Debug)]
pub(super) struct Account {
    access: AwsAccess,
    /// Nothing outside this machine may be reached.
    drill: bool,
    session: Mutex<Option<Session>>,
}

/// Loaded configuration.
#[derive(Clone, Debug)]
struct Session {
    sdk: SdkConfig,
    /// What to do when the credentials are not accepted: the end of a sentence.
    login: Safe,
}

/// A client with what its errors need to be told.
struct Client<T> {
    sdk: T,
    /// Where it asks.
    place: Safe,
    login: Safe,
}

/// Who the credentials belong to, by STS: an ARN. `None` when it cannot be told.
pub async fn identity(access: &AwsAccess) -> Option<Safe> {
    let account = Account::new(access.clone(), false);
    let client = account.sts().await.inspect_err(|why| tracing::info!(%why, "no AWS identity")).ok()?;
    let answer = client.sdk.get_caller_identity().send().await;
    let answer = answer.inspect_err(|error| {
        let failure = failure::explain("asking AWS who we are", error, &client.place, &client.login);
        tracing::info!(why = %failure.sentence(), "no AWS identity");
    });
    answer.ok()?.arn().map(Safe::from)
}

impl Account {
    pub(super) fn new(access: AwsAccess, drill: bool) -> Arc<Self> {
        Arc::new(Self { access, drill, session: Mutex::default() })
    }

    /// A client that can read alarms and nothing else.
    async fn cloudwatch(&self) -> Result<Client<aws_sdk_cloudwatch::Client>, SourceError> {
        let Session { sdk, login } = self.session().await?;
        let mut config = aws_sdk_cloudwatch::config::Builder::from(&sdk)
            .interceptor(ReadOnly::allowing(&["DescribeAlarms", "DescribeAlarmHistory"]));
        let endpoint = self.endpoint("cloudwatch")?;
        let place = place(&sdk, endpoint.as_deref());
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        Ok(Client { sdk: aws_sdk_cloudwatch::Client::from_conf(config.build()), place, login })
    }

    /// A client that can read log events and nothing else. It does not try again by itself: every
    /// search is one of the budget's.
    async fn logs(&self) -> Result<Client<aws_sdk_cloudwatchlogs::Client>, SourceError> {
        let Session { sdk, login } = self.session().await?;
        let mut config = aws_sdk_cloudwatchlogs::config::Builder::from(&sdk)
            .interceptor(ReadOnly::allowing(&["FilterLogEvents", "StartLiveTail"]))
            .retry_config(RetryConfig::disabled());
        let endpoint = self.endpoint("cloudwatch_logs")?;
        let place = place(&sdk, endpoint.as_deref());
        if let Some(url) = endpoint {
            if !is_of_aws(&url) {
                config = config.interceptor(BareHost);
            }
            config = config.endpoint_url(url);
        }
        Ok(Client { sdk: aws_sdk_cloudwatchlogs::Client::from_conf(config.build()), place, login })
    }

    /// A client that can ask who we are and nothing else.
    async fn sts(&self) -> Result<Client<aws_sdk_sts::Client>, SourceError> {
        let Session { sdk, login } = self.session().await?;
        let mut config =
            aws_sdk_sts::config::Builder::from(&sdk).interceptor(ReadOnly::allowing(&["GetCallerIdentity"]));
        let endpoint = self.endpoint("sts")?;
        let place = place(&sdk, endpoint.as_deref());
        if let Some(url) = endpoint {
            config = config.endpoint_url(url);
        }
        Ok(Client { sdk: aws_sdk_sts::Client::from_conf(config.build()), place, login })
    }

    /// What stands before a log group's name in its ARN: `arn:aws:logs:REGION:ACCOUNT:log-group:`.
    async fn log_group_prefix(&self) -> Result<String, Failure> {
        let told = |why: &SourceError| Failure::Other(Safe::from(why.to_string()));
        let client = self.sts().await.map_err(|why| told(&why))?;
        let region = self.session().await.map_err(|why| told(&why))?.sdk.region().map(ToString::to_string);
        let what = "asking AWS for the account's number, which Live Tail needs";
        let answer = client.sdk.get_caller_identity().send().await;
        let answer = answer.map_err(|error| failure::explain(what, &error, &client.place, &client.login))?;
        let partition = answer.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
        let (Some(account), Some(region)) = (answer.account(), region) else {
            return Err(Failure::Other(Safe::from(format!(
                "{what}: there was none in the answer of {}",
                client.place
            ))));
        };
        Ok(format!("arn:{partition}:logs:{region}:{account}:log-group:"))
    }

    /// Forgets what was loaded, if the account does not know us any more.
    async fn heed(&self, error: SourceError) -> SourceError {
        if matches!(error, SourceError::Denied(_)) {
            *self.session.lock().await = None;
        }
        error
    }

    async fn session(&self) -> Result<Session, SourceError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref() {
            return Ok(session.clone());
        }
        let session = match &self.access.credentials {
            AwsCredentials::Drill => self.drill_session(),
            AwsCredentials::Ambient { .. } if self.drill => {
                return Err(fatal(
                    "AWS: a drill uses no credentials of this machine; take them out of its environment",
                ));
            }
            AwsCredentials::Ambient { profile } => self.ambient_session(profile.as_deref()).await?,
        };
        *kept = Some(session.clone());
        Ok(session)
    }

    /// Nothing is read from this machine: neither its environment nor its files.
    fn drill_session(&self) -> Session {
        let region = self.access.region.clone().unwrap_or_else(|| DRILL_REGION.into());
        let credentials = Credentials::new("AKIDRILL000000000000", "drill", None, None, "drill");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(HttpBuilder::new().build_http())
            .timeout_config(timeouts())
            .retry_config(retries())
            .build();
        Session { sdk, login: Safe::fixed("a drill's server takes any credentials: look at its log") }
    }

    async fn ambient_session(&self, profile: Option<&str>) -> Result<Session, SourceError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(https(self.goes_to_loopback()))
            .timeout_config(timeouts())
            .retry_config(retries())
            .identity_cache(aws_config::identity::IdentityCache::lazy().load_timeout(LOGIN).build());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.access.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let found = credentials::look(profile).await.map_err(|why| SourceError::Denied(Safe::from(why)))?;
        let sdk = credentials::without_terminal(loader.load().await, &found).await;
        if sdk.region().is_none() {
            return Err(SourceError::Denied(Safe::from(format!(
                "AWS: profile {} names no region; set `region` for this environment",
                found.profile
            ))));
        }
        Ok(Session { sdk, login: found.login() })
    }

    fn goes_to_loopback(&self) -> bool {
        let local = |url: &String| Url::parse(url).is_ok_and(|url| is_loopback(&url));
        self.access.endpoints.values().any(local)
    }

    /// The endpoint of one service, if it is not the usual one.
    fn endpoint(&self, service: &str) -> Result<Option<String>, SourceError> {
        let drill = self.drill || self.access.credentials == AwsCredentials::Drill;
        let Some(text) = self.access.endpoints.get(service) else {
            return if drill {
                Err(fatal(format!("AWS: a drill needs an endpoint on this machine for {service}")))
            } else {
                Ok(None)
            };
        };
        let url = Url::parse(text)
            .map_err(|why| fatal(format!("AWS: the endpoint for {service} is no URL ({why}); write https://host")))?;
        if is_loopback(&url) {
            return Ok(Some(text.clone()));
        }
        if drill {
            return Err(fatal(format!(
                "AWS: the endpoint for {service} is not on this machine, and a drill goes nowhere else"
            )));
        }
        if url.scheme() != "https" {
            return Err(fatal(format!(
                "AWS: the endpoint for {service} would carry signed requests in clear; write https://"
            )));
        }
        Ok(Some(text.clone()))
    }
}

fn fatal(why: impl Into<Safe>) -> SourceError {
    SourceError::Fatal(why.into())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(WHOLE)
        .build()
}

/// Reads may be tried twice more at once; what is left is the supervisor's.
/// Where a service is asked: what a person has to check when nothing answers.
fn place(sdk: &SdkConfig, endpoint: Option<&str>) -> Safe {
    match (endpoint, sdk.region()) {
        (Some(url), _) => Safe::from(url),
        (None, Some(region)) => Safe::from(format!("region {region}")),
        (None, None) => Safe::fixed("AWS"),
    }
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200))
}

/// One stack for all of AWS. The proxy variables are heeded as other AWS tools do, unless an
/// endpoint is on this machine.
fn https(direct: bool) -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(move |settings, components| {
        let proxy = if direct { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
        let mut builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).proxy_config(proxy);
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.build()
    })
}

/// Whether an endpoint is one of AWS' own public ones, which have another host for streams.
fn is_of_aws(url: &str) -> bool {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let of_aws = ["amazonaws.com", "amazonaws.com.cn", "api.aws"].iter().any(|end| host.ends_with(end));
    of_aws && (host.starts_with("logs.") || host.starts_with("logs-fips."))
}

/// The SDK's time as world time. `None` for a time that no calendar has.
fn world(at: &DateTime) -> Option<World> {
    World::from_timestamp(at.secs(), at.subsec_nanos())
}

#[cfg(test)]
#[path = "aws/tests.rs"]
mod tests;
