//! What an API server answers: whole, or as a body that goes on.

use axum::body::{BodyDataStream, Bytes};
use futures::StreamExt as _;
use kube::client::Body;
use serde_json::Value;

use super::PATIENCE;

/// What came back.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) media: String,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A body that goes on.
pub(crate) struct Stream {
    pub(crate) media: String,
    body: BodyDataStream,
    kept: Vec<u8>,
}

impl Stream {
    pub(super) fn of(answer: axum::http::Response<Body>) -> Self {
        let media = media(&answer);
        Self { media, body: axum::body::Body::new(answer.into_body()).into_data_stream(), kept: Vec::new() }
    }

    /// More bytes; `false` at the end.
    async fn more(&mut self) -> bool {
        let next = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("the stream goes on or ends");
        match next {
            Some(Ok(bytes)) => self.kept.extend_from_slice(&bytes),
            // A server that is killed cuts its streams.
            Some(Err(_)) | None => return false,
        }
        true
    }

    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.kept.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.kept.drain(..=end).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The next event of a watch in JSON: its type and its object.
    pub(crate) async fn event(&mut self) -> Option<(String, Value)> {
        let mut event: Value = serde_json::from_str(&self.line().await?).unwrap();
        Some((event["type"].as_str().unwrap().to_owned(), event["object"].take()))
    }

    /// The next event of a type, whatever comes before.
    pub(crate) async fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let (is, object) = self.event().await.unwrap_or_else(|| panic!("the watch ended before {kind}"));
            if is == kind {
                return object;
            }
        }
    }

    /// The next frame of a watch in protobuf: a length of four bytes, then as many.
    pub(crate) async fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((length, rest)) = self.kept.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if rest.len() >= length {
                    let frame = rest[..length].to_vec();
                    self.kept.drain(..4 + length);
                    return Some(frame);
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// Its content type.
pub(super) fn media(answer: &axum::http::Response<Body>) -> String {
    answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned()
}
