//! One request to one service in that service's protocol, not signed yet.

use http::Method;
use serde_json::Value;

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Elastic Container Service: awsJson 1.1.
    Ecs,
    /// Application Auto Scaling: awsJson 1.1.
    Scaling,
    /// Elastic Load Balancing, version 2: the query protocol.
    Balancing,
    /// Route 53: REST with XML.
    Dns,
    /// ARC zonal shift: REST with JSON.
    Shift,
    /// EC2: a query protocol of its own.
    Compute,
}

impl Service {
    /// Its key in the configuration's `endpoints`, in the words of the SDKs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Scaling => "application_auto_scaling",
            Self::Balancing => "elastic_load_balancing_v2",
            Self::Dns => "route_53",
            Self::Shift => "arc_zonal_shift",
            Self::Compute => "ec2",
        }
    }

    /// What it is called in signatures and host names.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Scaling => "application-autoscaling",
            Self::Balancing => "elasticloadbalancing",
            Self::Dns => "route53",
            Self::Shift => "arc-zonal-shift",
            Self::Compute => "ec2",
        }
    }

    /// Its own endpoint for `region`, and the region that it signs for: Route 53 has one in each
    /// partition.
    pub(super) fn place(self, region: &str) -> (String, String) {
        let name = self.signing_name();
        let china = region.starts_with("cn-");
        let end = if china { "amazonaws.com.cn" } else { "amazonaws.com" };
        match self {
            Self::Dns if china => (format!("https://{name}.{end}"), "cn-northwest-1".to_owned()),
            Self::Dns if region.starts_with("us-gov-") => {
                (format!("https://{name}.us-gov.{end}"), "us-gov-west-1".to_owned())
            }
            Self::Dns => (format!("https://{name}.{end}"), "us-east-1".to_owned()),
            _ => (format!("https://{name}.{region}.{end}"), region.to_owned()),
        }
    }
}

/// What is sent along.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// Nothing.
    None,
    /// awsJson 1.1: the operation in `X-Amz-Target`.
    Target {
        /// The service's prefix of operations.
        prefix: &'static str,
        /// The operation.
        operation: &'static str,
        /// Its input.
        input: Value,
    },
    /// The query protocols: the operation is a parameter.
    Query {
        /// The operation.
        operation: &'static str,
        /// The API's version.
        version: &'static str,
        /// Its parameters.
        parameters: Vec<(String, String)>,
    },
    /// REST with JSON.
    Json(Value),
    /// REST with XML.
    Xml(String),
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

/// The path of Route 53's API.
pub(super) const DNS: &str = "/2013-04-01";

impl Call {
    /// An operation of ECS.
    pub(super) fn ecs(operation: &'static str, input: Value) -> Self {
        Self::post(Service::Ecs, Body::Target { prefix: "AmazonEC2ContainerServiceV20141113", operation, input })
    }

    /// An operation of Application Auto Scaling.
    pub(super) fn scaling(operation: &'static str, input: Value) -> Self {
        Self::post(Service::Scaling, Body::Target { prefix: "AnyScaleFrontendService", operation, input })
    }

    /// An operation of Elastic Load Balancing.
    pub(super) fn balancing(operation: &'static str, parameters: Vec<(String, String)>) -> Self {
        Self::post(Service::Balancing, Body::Query { operation, version: "2015-12-01", parameters })
    }

    /// An operation of EC2.
    pub(super) fn compute(operation: &'static str, parameters: Vec<(String, String)>) -> Self {
        Self::post(Service::Compute, Body::Query { operation, version: "2016-11-15", parameters })
    }

    /// A request of REST. `parts` of the path are encoded.
    pub(super) fn rest(service: Service, method: Method, start: &str, parts: &[&str], body: Body) -> Self {
        let mut path = start.to_owned();
        for part in parts {
            path.push('/');
            path.push_str(&encoded(part));
        }
        Self { service, method, path, query: String::new(), body }
    }

    fn post(service: Service, body: Body) -> Self {
        Self { service, method: Method::POST, path: "/".to_owned(), query: String::new(), body }
    }

    /// The content type and the bytes of the body.
    pub(super) fn content(&self) -> (&'static str, Vec<u8>) {
        match &self.body {
            Body::None => ("", Vec::new()),
            Body::Target { input, .. } => ("application/x-amz-json-1.1", input.to_string().into_bytes()),
            Body::Json(input) => ("application/json", input.to_string().into_bytes()),
            Body::Xml(text) => ("application/xml", text.clone().into_bytes()),
            Body::Query { operation, version, parameters } => {
                let mut text = format!("Action={operation}&Version={version}");
                for (name, value) in parameters {
                    text.push_str(&format!("&{}={}", encoded(name), encoded(value)));
                }
                ("application/x-www-form-urlencoded; charset=utf-8", text.into_bytes())
            }
        }
    }
}

/// A parameter of a query protocol.
pub(super) fn parameter(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Percent-encoding of all but unreserved characters (RFC 3986).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_53_has_one_place_in_each_partition() {
        for (service, region, url, signed) in [
            (Service::Ecs, "eu-west-1", "https://ecs.eu-west-1.amazonaws.com", "eu-west-1"),
            (
                Service::Scaling,
                "cn-north-1",
                "https://application-autoscaling.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (Service::Dns, "eu-west-1", "https://route53.amazonaws.com", "us-east-1"),
            (Service::Dns, "cn-north-1", "https://route53.amazonaws.com.cn", "cn-northwest-1"),
            (Service::Dns, "us-gov-east-1", "https://route53.us-gov.amazonaws.com", "us-gov-west-1"),
        ] {
            assert_eq!(service.place(region), (url.to_owned(), signed.to_owned()));
        }
    }

    #[test]
    fn an_arn_is_one_part_of_a_path() {
        let call = Call::rest(Service::Shift, Method::GET, "/managedresources", &["arn:aws:x/app/y"], Body::None);
        assert_eq!(call.path, "/managedresources/arn%3Aaws%3Ax%2Fapp%2Fy");
    }
}
