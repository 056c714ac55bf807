//! An answer's body: bounded, and read as JSON or told as garbage.

use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::connect::SourceError;
use crate::text::{Safe, clean_capped};

use super::failure::{sentence, transport};

/// The largest body that is read, in bytes.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;
/// How much of a body a sentence quotes, in bytes.
const EXCERPT: usize = 200;

/// What a server answered.
#[derive(Debug)]
pub(in crate::connect) struct Answer {
    /// The URL as it may be shown.
    pub(in crate::connect) place: Safe,
    /// Success, 400, 422, or another that the caller said it understands.
    pub(in crate::connect) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(in crate::connect) fn json<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        serde_json::from_slice(&self.body).map_err(|why| {
            let came = format!("the answer is not what its API promises ({why}): {}", excerpt(&self.body));
            SourceError::Retry {
                why: sentence(&self.place, &came, "check that the URL is the server's own and not a login page"),
                after: None,
            }
        })
    }

    /// The beginning of the body, for people.
    pub(in crate::connect) fn excerpt(&self) -> Safe {
        excerpt(&self.body)
    }
}

/// The beginning of a body in one safe line.
pub(crate) fn excerpt(body: &[u8]) -> Safe {
    let head = body.get(..4 * EXCERPT).unwrap_or(body);
    let text = clean_capped(String::from_utf8_lossy(head).trim(), EXCERPT);
    if text.is_empty() { Safe::fixed("an empty body") } else { text }
}

/// The whole body, unless it is too large.
pub(crate) async fn bounded(mut response: Response, place: &Safe) -> Result<Vec<u8>, SourceError> {
    let too_large = || SourceError::Retry {
        why: sentence(
            place,
            &format!("the answer is larger than {} MiB", LARGEST / 1024 / 1024),
            "narrow what is asked, or check that the URL is the server's own",
        ),
        after: None,
    };
    if response.content_length().is_some_and(|length| length > LARGEST as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| transport(place, &why))? {
        if body.len() + chunk.len() > LARGEST {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
