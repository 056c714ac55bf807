//! Which form an answer takes, by the `Accept` header.
//!
//! Owns: the media types of the API. Must not: build an answer.

use axum::http::{HeaderMap, header};

use super::super::kinds::{Behind, Kind};
use super::Call;
use super::status::Failure;

/// The media type of protobuf bodies.
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// `metadata` alone (`PartialObjectMetadata`).
    Metadata,
    /// Columns as kubectl prints them, with the objects or parts of them.
    Table(Include),
    /// Pods only.
    Protobuf,
}

/// What a table's rows carry besides their cells (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Nothing,
    Metadata,
    Object,
}

/// The first form of the `Accept` header that is served.
pub(super) fn form(call: &Call, headers: &HeaderMap) -> Result<Form, Failure> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.trim().is_empty() {
        return Ok(Form::Json);
    }
    accept.split(',').find_map(|part| served(call, part)).ok_or_else(Failure::not_acceptable)
}

fn served(call: &Call, part: &str) -> Option<Form> {
    let mut words = part.split(';').map(str::trim);
    let media = words.next().unwrap_or_default();
    let words: Vec<&str> = words.collect();
    let word =
        |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    let json = matches!(media, "application/json" | "*/*" | "application/*");
    match (word("as"), json) {
        ("", true) => Some(Form::Json),
        ("", false) if media == PROTOBUF && call.sub.is_none() => {
            (call.resource.behind == Behind::Stored(Kind::Pod)).then_some(Form::Protobuf)
        }
        ("Table", true) if word("g") == "meta.k8s.io" && call.sub.is_none() => {
            let include = match call.query.get("includeObject") {
                "None" => Include::Nothing,
                "Object" => Include::Object,
                _ => Include::Metadata,
            };
            Some(Form::Table(include))
        }
        ("PartialObjectMetadata" | "PartialObjectMetadataList", true) if word("g") == "meta.k8s.io" => {
            Some(Form::Metadata)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kinds;
    use super::super::Query;
    use super::*;

    fn chosen(plural: &str, group: &str, accept: &'static str) -> Option<Form> {
        let resource = kinds::find(group, "v1", plural).unwrap();
        let call = Call { resource, namespace: None, name: None, sub: None, query: Query::default() };
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        form(&call, &headers).ok()
    }

    #[test]
    fn the_first_form_that_is_served_is_taken() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,\
                       application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(chosen("pods", "", kubectl), Some(Form::Table(Include::Metadata)));
        assert_eq!(chosen("pods", "", "application/vnd.kubernetes.protobuf,application/json"), Some(Form::Protobuf));
        assert_eq!(
            chosen("deployments", "apps", "application/vnd.kubernetes.protobuf,application/json"),
            Some(Form::Json)
        );
        assert_eq!(chosen("deployments", "apps", "application/vnd.kubernetes.protobuf"), None);
        assert_eq!(chosen("pods", "", "application/vnd.kubernetes.protobuf;stream=watch"), Some(Form::Protobuf));
    }
}
