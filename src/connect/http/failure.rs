//! What a failed read is told as: what was attempted, on what, what came back, what to do.

use std::error::Error;
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use crate::clock::Clock;
use crate::connect::SourceError;
use crate::text::{Safe, clean_capped};

use super::answer::excerpt;

/// A URL as it may be shown: without user, password, query and fragment, which may hold secrets.
pub(crate) fn shown(url: &Url) -> Safe {
    let mut url = url.clone();
    // Fails only for URLs that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    clean_capped(url.as_str(), 300)
}

pub(super) fn sentence(place: &Safe, came: &str, todo: &str) -> Safe {
    Safe::from(format!("reading {place}: {came}; {todo}"))
}

/// The innermost reason of an error: the outer ones only say that sending failed.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn chain_mentions(error: &(dyn Error + 'static), word: &str) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if error.to_string().to_ascii_lowercase().contains(word) {
            return true;
        }
        at = error.source();
    }
    false
}

/// No answer came, or not all of it.
pub(super) fn transport(place: &Safe, error: &reqwest::Error) -> SourceError {
    let cause = root_cause(error);
    let why = if chain_mentions(error, "certificate") {
        sentence(
            place,
            &format!("its certificate is not trusted ({cause})"),
            "set `ca_file` to the CA that signed it, or check the host name",
        )
    } else if error.is_timeout() {
        sentence(place, "no answer in time", "check that the server runs and that the network lets you reach it")
    } else if error.is_connect() {
        sentence(
            place,
            &format!("no connection ({cause})"),
            "check the URL, that the server runs, and whether a VPN or proxy is needed",
        )
    } else {
        sentence(place, &format!("the answer broke off ({cause})"), "it is tried again")
    };
    SourceError::Retry { why, after: None }
}

/// A status that is not the API's own word.
pub(super) fn status(
    place: &Safe,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    with_auth: bool,
) -> SourceError {
    let code = status.as_u16();
    let came = format!("{status}: {}", excerpt(body));
    match code {
        401 | 403 => {
            let todo = match (code, with_auth) {
                (401, false) => "give it credentials: set `auth` for this source",
                (401, true) => "the credentials were not accepted: renew them",
                _ => "the credentials lack the permission to read: ask for a role that has it",
            };
            SourceError::Denied(sentence(place, &came, todo))
        }
        300..=399 => {
            let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
            let to = Url::parse(to).map_or_else(|_| clean_capped(to, 200), |to| shown(&to));
            SourceError::Denied(sentence(
                place,
                &format!("{status} to {to}, which is not followed"),
                "put the server's own URL in the configuration; it may want a login",
            ))
        }
        429 | 503 => {
            let after = retry_after(headers);
            let todo = if code == 429 { "it asks for fewer requests" } else { "it is tried again" };
            SourceError::Retry { why: sentence(place, &came, todo), after }
        }
        404 => {
            let todo = "check the base URL in the configuration: it ends where the API's own path begins";
            SourceError::Retry { why: sentence(place, &came, todo), after: None }
        }
        _ => SourceError::Retry { why: sentence(place, &came, "look at the server's own log"), after: None },
    }
}

/// `Retry-After` in its two forms: seconds, or a date (RFC 9110, 10.2.3).
pub(in crate::connect) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    // The server's date is the calendar's, also in a drill.
    (date.to_utc() - Clock::real().now()).to_std().ok()
}
