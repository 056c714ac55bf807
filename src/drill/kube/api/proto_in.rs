//! Protobuf bodies that clients post: kubectl sends its reviews and delete options in this form.
//!
//! Owns: the few messages of k8s.io/api `authorization/v1` and `meta/v1` that are read, and their
//! translation to the JSON that the rest of the API works on. Must not: write protobuf.

use prost::Message;
use serde_json::{Value, json};

use super::super::kinds::Resource;
use super::status::Failure;

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceAttributes {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(string, tag = "2")]
    verb: String,
    #[prost(string, tag = "3")]
    group: String,
    #[prost(string, tag = "4")]
    version: String,
    #[prost(string, tag = "5")]
    resource: String,
    #[prost(string, tag = "6")]
    subresource: String,
    #[prost(string, tag = "7")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct PathAttributes {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    verb: String,
}

#[derive(Clone, PartialEq, Message)]
struct AccessSpec {
    #[prost(message, optional, tag = "1")]
    resource: Option<ResourceAttributes>,
    #[prost(message, optional, tag = "2")]
    path: Option<PathAttributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Access {
    #[prost(message, optional, tag = "2")]
    spec: Option<AccessSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct RulesSpec {
    #[prost(string, tag = "1")]
    namespace: String,
}

#[derive(Clone, PartialEq, Message)]
struct Rules {
    #[prost(message, optional, tag = "2")]
    spec: Option<RulesSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct Preconditions {
    #[prost(string, tag = "1")]
    uid: String,
    #[prost(string, tag = "2")]
    resource_version: String,
}

#[derive(Clone, PartialEq, Message)]
struct DeleteOptions {
    #[prost(int64, optional, tag = "1")]
    grace: Option<i64>,
    #[prost(message, optional, tag = "2")]
    preconditions: Option<Preconditions>,
    #[prost(string, repeated, tag = "5")]
    dry_run: Vec<String>,
}

/// A posted review, or the options of a deletion, as JSON.
pub(super) fn read(resource: &Resource, body: &[u8]) -> Result<Value, Failure> {
    let bad = || Failure::bad_request("the object provided is unrecognized (it is no protobuf of Kubernetes)");
    let raw = body.strip_prefix(b"k8s\0").and_then(|rest| Unknown::decode(rest).ok()).ok_or_else(bad)?.raw;
    match resource.kind {
        "SelfSubjectReview" => Ok(json!({})),
        "SelfSubjectAccessReview" => {
            let spec = Access::decode(&*raw).map_err(|_| bad())?.spec.unwrap_or_default();
            let mut out = json!({"spec": {}});
            if let Some(it) = spec.resource {
                out["spec"]["resourceAttributes"] = json!({"namespace": it.namespace, "verb": it.verb,
                    "group": it.group, "version": it.version, "resource": it.resource,
                    "subresource": it.subresource, "name": it.name});
            }
            if let Some(it) = spec.path {
                out["spec"]["nonResourceAttributes"] = json!({"path": it.path, "verb": it.verb});
            }
            Ok(out)
        }
        "SelfSubjectRulesReview" => {
            let spec = Rules::decode(&*raw).map_err(|_| bad())?.spec.unwrap_or_default();
            Ok(json!({"spec": {"namespace": spec.namespace}}))
        }
        "Pod" => {
            let options = DeleteOptions::decode(&*raw).map_err(|_| bad())?;
            let preconditions = options.preconditions.unwrap_or_default();
            let mut out = json!({"dryRun": options.dry_run, "preconditions":
                {"uid": preconditions.uid, "resourceVersion": preconditions.resource_version}});
            if let Some(grace) = options.grace {
                out["gracePeriodSeconds"] = json!(grace);
            }
            Ok(out)
        }
        _ => Err(Failure::unsupported()),
    }
}
