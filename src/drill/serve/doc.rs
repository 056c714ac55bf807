//! Documents in the wire forms of AWS: JSON and CBOR.
//!
//! Owns: the one tree that answers are built in, and both encodings. In awsJson a time is seconds
//! since the Unix epoch; in rpc-v2-cbor it is tag 1 over a double (RFC 8949, 3.4.2). Numbers are
//! always doubles of 64 bits there: trimmed decoders know no half floats.

use serde_json::{Value as Json, json};

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Doc {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    /// Milliseconds since the Unix epoch.
    Time(i64),
    List(Vec<Doc>),
    Map(Vec<(&'static str, Doc)>),
    /// Of a service that speaks JSON alone.
    Json(Json),
}

impl Doc {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn time(at: crate::clock::World) -> Self {
        Self::Time(at.timestamp_millis())
    }

    pub(super) fn json(&self) -> Json {
        match self {
            Self::Bool(value) => json!(value),
            Self::Int(value) => json!(value),
            Self::Number(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Time(at) => json!(*at as f64 / 1000.0),
            Self::Json(value) => value.clone(),
            Self::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Self::Map(pairs) => {
                Json::Object(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.json())).collect())
            }
        }
    }

    pub(super) fn cbor(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.encode(&mut out);
        out
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
            Self::Int(value) => match u64::try_from(*value) {
                Ok(value) => head(out, 0, value),
                Err(_) => head(out, 1, !*value as u64),
            },
            Self::Number(value) => double(out, *value),
            Self::Text(text) => string(out, text),
            Self::Json(value) => string(out, &value.to_string()),
            Self::Time(at) => {
                head(out, 6, 1);
                double(out, *at as f64 / 1000.0);
            }
            Self::List(items) => {
                head(out, 4, items.len() as u64);
                items.iter().for_each(|item| item.encode(out));
            }
            Self::Map(pairs) => {
                head(out, 5, pairs.len() as u64);
                for (key, value) in pairs {
                    string(out, key);
                    value.encode(out);
                }
            }
        }
    }
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    match value {
        0..=23 => out.push(major | value as u8),
        24..=0xff => out.extend([major | 24, value as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(value.to_be_bytes());
        }
    }
}

fn double(out: &mut Vec<u8>, value: f64) {
    out.push(0xfb);
    out.extend(value.to_be_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    head(out, 3, text.len() as u64);
    out.extend(text.as_bytes());
}

/// A request's body in CBOR, as the JSON that the other protocol would have sent. Times become
/// seconds. `None` if it is not CBOR, or nested deeper than any request is.
pub(super) fn from_cbor(bytes: &[u8]) -> Option<Json> {
    if bytes.is_empty() {
        return Some(json!({}));
    }
    let value: ciborium::Value = ciborium::de::from_reader_with_recursion_limit(bytes, 32).ok()?;
    as_json(value)
}

fn as_json(value: ciborium::Value) -> Option<Json> {
    use ciborium::Value;
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(i64::try_from(i128::from(value)).ok()?),
        Value::Float(value) => json!(value),
        Value::Text(text) => json!(text),
        Value::Tag(1, inner) => as_json(*inner)?,
        Value::Array(items) => Json::Array(items.into_iter().map(as_json).collect::<Option<_>>()?),
        Value::Map(pairs) => Json::Object(
            pairs
                .into_iter()
                .map(|(key, value)| Some((key.into_text().ok()?, as_json(value)?)))
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cbor_comes_back_as_the_json_it_stands_for() {
        let doc = Doc::Map(vec![
            ("small", Doc::Int(7)),
            ("large", Doc::Int(70_000)),
            ("negative", Doc::Int(-500)),
            ("number", Doc::Number(3.0)),
            ("time", Doc::Time(1_795_000_000_500)),
            ("list", Doc::List(vec![Doc::Bool(true), Doc::text("ü".repeat(200))])),
        ]);
        assert_eq!(from_cbor(&doc.cbor()).unwrap(), doc.json());
        assert_eq!(from_cbor(&[]).unwrap(), json!({}));
        assert!(from_cbor(&[0x81; 5000]).is_none(), "nested too deeply");
    }
}
