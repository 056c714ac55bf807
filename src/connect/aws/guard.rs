//! The interceptor that makes an SDK client read-only, by the operation's name, and bounds what it
//! takes in: the SDK itself reads an answer to its end, however long that is. And the one that
//! leaves an endpoint's host as it was configured.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::endpoint::EndpointPrefix;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextMut,
    BeforeSerializationInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::Limited;

/// The largest answer that is read, in bytes. A page of log events has a mebibyte at most.
const LARGEST: usize = 16 * 1024 * 1024;
/// Its answer has no end, and is taken in event by event.
const STREAM: &str = "StartLiveTail";

/// Lets the named operations through and refuses all others before anything is sent.
#[derive(Debug)]
pub(super) struct ReadOnly {
    allowed: &'static [&'static str],
}

/// An operation that no source needs.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not among the operations that this program reads with")]
pub(super) struct NotARead(String);

impl ReadOnly {
    pub(super) fn allowing(allowed: &'static [&'static str]) -> Self {
        Self { allowed }
    }
}

impl Intercept for ReadOnly {
    fn name(&self) -> &'static str {
        "ReadOnly"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<Metadata>().is_none_or(|operation| operation.name() != STREAM) {
            let body = context.response_mut().body_mut();
            let whole = std::mem::replace(body, SdkBody::taken());
            *body = SdkBody::from_body_1_x(Limited::new(whole, LARGEST));
        }
        Ok(())
    }

    // Not `read_before_execution`: the operation's name is not known there yet.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("an operation without a name", Metadata::name);
        if self.allowed.contains(&operation) { Ok(()) } else { Err(NotARead(operation.to_owned()).into()) }
    }
}

/// Takes away what an operation wants before the endpoint's host: `StartLiveTail` asks
/// `stream-HOST`, which exists for AWS' own hosts only.
#[derive(Debug)]
pub(super) struct BareHost;

impl Intercept for BareHost {
    fn name(&self) -> &'static str {
        "BareHost"
    }

    fn modify_before_serialization(
        &self,
        _: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().unset::<EndpointPrefix>();
        Ok(())
    }
}
