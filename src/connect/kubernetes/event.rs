//! One event of a watch, out of its frame.
//!
//! Owns: the two forms of a `WatchEvent`. Must not: know what an object means.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::text::Safe;

use super::frames::Framing;
use super::podview::lossy;
use super::wire::{self, Malformed, Meta, Object, Status, WatchEvent};

/// One event.
#[derive(Debug, PartialEq)]
pub(super) enum Event<T> {
    /// ADDED and MODIFIED.
    Put(T),
    /// DELETED.
    Gone(T),
    /// BOOKMARK: everything up to this version was told.
    Bookmark(String),
    /// ERROR.
    Error { code: i32, message: Safe },
    /// A type of event that is newer than this program.
    Unknown,
}

/// Reads one event.
pub(super) fn decode<T: Object>(framing: Framing, raw: &Bytes) -> Result<Event<T>, Malformed> {
    match framing {
        Framing::Lines => json(raw),
        Framing::Lengths => protobuf(raw),
    }
}

fn protobuf<T: Object>(raw: &Bytes) -> Result<Event<T>, Malformed> {
    let event = WatchEvent::decode(raw.clone())?;
    let object = event.object.unwrap_or_default().raw;
    Ok(match event.kind.as_str() {
        "ADDED" | "MODIFIED" => Event::Put(T::from_protobuf(&wire::unwrap(&object)?)?),
        "DELETED" => Event::Gone(T::from_protobuf(&wire::unwrap(&object)?)?),
        "BOOKMARK" => Event::Bookmark(T::from_protobuf(&wire::unwrap(&object)?)?.meta().resource_version.clone()),
        "ERROR" => error(&wire::status(&object)?),
        _ => Event::Unknown,
    })
}

fn json<T: Object>(raw: &[u8]) -> Result<Event<T>, Malformed> {
    #[derive(Deserialize)]
    struct Framed<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Mark {
        metadata: Meta,
    }
    let event: Framed<'_> = serde_json::from_slice(raw)?;
    let object = event.object.get();
    Ok(match &*event.kind {
        "ADDED" | "MODIFIED" => Event::Put(serde_json::from_str(object)?),
        "DELETED" => Event::Gone(serde_json::from_str(object)?),
        "BOOKMARK" => Event::Bookmark(serde_json::from_str::<Mark>(object)?.metadata.resource_version),
        "ERROR" => error(&serde_json::from_str(object)?),
        _ => Event::Unknown,
    })
}

fn error<T>(status: &Status) -> Event<T> {
    Event::Error { code: status.code, message: lossy(&status.message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_events() {
        let of = |text: &str| decode::<wire::Pod>(Framing::Lines, &Bytes::copy_from_slice(text.as_bytes()));
        assert!(
            matches!(of(r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#), Ok(Event::Put(pod)) if pod.meta().name == "a")
        );
        assert_eq!(
            of(r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"42","creationTimestamp":null}}}"#),
            Ok(Event::Bookmark("42".into()))
        );
        assert_eq!(
            of(r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#),
            Ok(Event::Error { code: 410, message: "too old".into() })
        );
        assert_eq!(of(r#"{"type":"NEWER","object":{}}"#), Ok(Event::Unknown));
        assert!(of(r#"{"type":"ADDED","object":"#).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let enveloped = Bytes::from([b"k8s\0", raw.as_slice()].concat());
            let raw = Bytes::from(raw);
            let _ = wire::unwrap(&enveloped).and_then(|inner| wire::Pod::from_protobuf(&inner));
            let _ = decode::<wire::Pod>(Framing::Lengths, &raw);
            let _ = decode::<wire::Pod>(Framing::Lines, &raw);
        }
    }
}
