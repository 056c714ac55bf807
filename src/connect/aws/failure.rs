//! What a failed call is told as, and what kind of failure it is.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::connect::SourceError;
use crate::text::{Safe, clean_capped};

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// AWS does not know us: nothing can be read.
    Unknown(Safe),
    /// AWS knows us, and we may not read this.
    Forbidden(Safe),
    /// Too many calls.
    Throttled(Safe),
    /// There is no such thing.
    Missing(Safe),
    /// The request makes no sense to AWS: a name that cannot be, or a page's token that is too old.
    Refused(Safe),
    /// Anything else: worth trying again.
    Other(Safe),
    /// A fault of this program.
    Fault(Safe),
}

impl Failure {
    pub(super) fn sentence(&self) -> &Safe {
        match self {
            Self::Unknown(why)
            | Self::Forbidden(why)
            | Self::Throttled(why)
            | Self::Missing(why)
            | Self::Refused(why)
            | Self::Other(why)
            | Self::Fault(why) => why,
        }
    }
}

impl From<Failure> for SourceError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown(why) | Failure::Forbidden(why) => Self::Denied(why),
            Failure::Fault(why) => Self::Fatal(why),
            Failure::Throttled(why) | Failure::Missing(why) | Failure::Refused(why) | Failure::Other(why) => {
                Self::Retry { why, after: None }
            }
        }
    }
}

/// The failure behind `error` of an attempt at `what`, such as `reading alarms of CloudWatch`.
/// `login` says what to do about credentials.
pub(super) fn explain<E>(what: &str, error: &SdkError<E, HttpResponse>, place: &Safe, login: &Safe) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let chain = Chain(Some(error));
    if let Some(why) = chain.clone().find_map(|cause| cause.downcast_ref::<super::guard::NotARead>()) {
        return Failure::Fault(Safe::from(format!("{what}: {why}; report it, please")));
    }
    if let Some(why) = chain.clone().find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        let why = root_cause(why);
        return Failure::Unknown(Safe::from(format!("{what}: there are no valid AWS credentials ({why}); {login}")));
    }
    match error {
        SdkError::ServiceError(service) => {
            let (status, message) = (service.raw().status().as_u16(), service.err().message().unwrap_or_default());
            match service.err().code() {
                Some(code) => by_code(what, status, code, message, login),
                None => garbage(what, status, error),
            }
        }
        SdkError::TimeoutError(_) => {
            other(what, &format!("no answer from {place} in time"), "check the network, a VPN or a proxy")
        }
        SdkError::DispatchFailure(_) => {
            let came = format!("no connection to {place} ({})", root_cause(error));
            other(what, &came, "check the region, the network, a VPN or a proxy")
        }
        SdkError::ResponseError(response) => garbage(what, response.raw().status().as_u16(), error),
        _ => other(
            what,
            &format!("the request could not be made ({})", root_cause(error)),
            "check region and endpoint in the configuration",
        ),
    }
}

/// The failure that a stream of answers told in one of its messages, of an attempt at `what`.
pub(super) fn in_stream(what: &str, error: &(impl ProvideErrorMetadata + Error), login: &Safe) -> Failure {
    match error.code() {
        Some(code) => by_code(what, 200, code, error.message().unwrap_or_default(), login),
        None => other(what, &format!("the stream told an error ({error})"), "it is tried again"),
    }
}

fn by_code(what: &str, status: u16, code: &str, message: &str, login: &Safe) -> Failure {
    let came = clean_capped(&format!("{code}: {message}"), 300);
    // The codes of all services: AWS General Reference, "Common errors"; Logs and CloudWatch
    // add the suffix `Exception` to some.
    match code.strip_suffix("Exception").unwrap_or(code) {
        // "Credential should be scoped to a valid region": the credentials are good.
        _ if message.contains("scoped to a valid region") => {
            Failure::Unknown(Safe::from(format!("{what}: the endpoint is another region's ({came}); set `region`")))
        }
        "ExpiredToken" | "RequestExpired" | "TokenRefreshRequired" => {
            Failure::Unknown(Safe::from(format!("{what}: the AWS credentials have expired ({came}); {login}")))
        }
        "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "InvalidSignature"
        | "SignatureDoesNotMatch"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "IncompleteSignature"
        | "InvalidAccessKeyId" => {
            Failure::Unknown(Safe::from(format!("{what}: AWS does not accept the credentials ({came}); {login}")))
        }
        "AccessDenied" | "NotAuthorized" | "UnauthorizedOperation" | "OptInRequired" => {
            Failure::Forbidden(Safe::from(format!("{what}: not permitted ({came}); ask for a role that may read it")))
        }
        "Throttling" | "ThrottledRequest" | "TooManyRequests" | "RequestLimitExceeded" | "LimitExceeded" => {
            Failure::Throttled(Safe::from(format!("{what}: throttled ({came}); it is read more slowly")))
        }
        "ResourceNotFound" | "ResourceNotFoundFault" => {
            Failure::Missing(Safe::from(format!("{what}: it does not exist ({came}); check its name and the region")))
        }
        "InvalidParameter" | "InvalidNextToken" | "InvalidOperation" => {
            Failure::Refused(Safe::from(format!("{what}: the request was refused ({came}); check its name")))
        }
        _ if status == 429 => Failure::Throttled(Safe::from(format!("{what}: throttled ({came})"))),
        _ if matches!(status, 401 | 403) => {
            Failure::Forbidden(Safe::from(format!("{what}: refused ({came}); {login}")))
        }
        _ => other(what, &format!("status {status}, {came}"), "it is tried again"),
    }
}

/// An answer without a code of AWS: a proxy or a load balancer gave it, or it is none at all.
fn garbage(what: &str, status: u16, error: &(dyn Error + 'static)) -> Failure {
    let todo = "check that the endpoint is the service's own, and what is on the way to it";
    match status {
        429 => Failure::Throttled(Safe::from(format!("{what}: throttled (status 429); it is read more slowly"))),
        200..=299 => {
            let came = format!("the answer (status {status}) is not what its API promises ({})", root_cause(error));
            other(what, &came, todo)
        }
        _ => other(what, &format!("status {status}, and not in the words of its API"), todo),
    }
}

fn other(what: &str, came: &str, todo: &str) -> Failure {
    Failure::Other(Safe::from(format!("{what}: {came}; {todo}")))
}

pub(super) fn root_cause(error: &(dyn Error + 'static)) -> Safe {
    let last = Chain(Some(error)).last().map(ToString::to_string).unwrap_or_default();
    clean_capped(&last, 300)
}

/// An error and what caused it, outermost first.
#[derive(Clone)]
struct Chain<'a>(Option<&'a (dyn Error + 'static)>);

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let error = self.0?;
        self.0 = error.source();
        Some(error)
    }
}
