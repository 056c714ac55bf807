//! One request to one service in that service's protocol, not signed yet.

use http::Method;
use serde_json::Value;

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Elastic Container Service.
    Ecs,
    /// Application Auto Scaling.
    Scaling,
}

impl Service {
    /// Its key in the configuration's `endpoints`, in the words of the SDKs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Scaling => "application_auto_scaling",
        }
    }

    /// What it is called in signatures.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Scaling => "application-autoscaling",
        }
    }

    /// Its own endpoint for `region`, and the region that it signs for.
    pub(super) fn place(self, region: &str) -> (String, String) {
        let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        (format!("https://{}.{region}.{end}", self.signing_name()), region.to_owned())
    }
}

/// What is sent along.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// awsJson 1.1: the operation in `X-Amz-Target`.
    Json {
        /// The service's prefix of operations.
        target: &'static str,
        /// The operation.
        operation: &'static str,
        /// Its input.
        input: Value,
    },
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) method: Method,
    /// Percent-encoded, below the endpoint.
    pub(super) path: String,
    /// Percent-encoded, without the question mark; empty for none.
    pub(super) query: String,
    pub(super) body: Body,
}

impl Call {
    /// An operation of ECS.
    pub(super) fn ecs(operation: &'static str, input: Value) -> Self {
        Self::json(Service::Ecs, "AmazonEC2ContainerServiceV20141113", operation, input)
    }

    /// An operation of Application Auto Scaling.
    pub(super) fn scaling(operation: &'static str, input: Value) -> Self {
        Self::json(Service::Scaling, "AnyScaleFrontendService", operation, input)
    }

    fn json(service: Service, target: &'static str, operation: &'static str, input: Value) -> Self {
        let body = Body::Json { target, operation, input };
        Self { service, method: Method::POST, path: "/".to_owned(), query: String::new(), body }
    }

    /// The content type and the bytes of the body.
    pub(super) fn content(&self) -> (&'static str, Vec<u8>) {
        match &self.body {
            Body::Json { input, .. } => ("application/x-amz-json-1.1", input.to_string().into_bytes()),
        }
    }
}
