//! One range query and its answer (`/api/v1/query_range`, Prometheus HTTP API).

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::clock::{Span, World};
use crate::connect::SourceError;
use crate::connect::http::{Allowed, Reader};
use crate::text::{Safe, clean_capped};

const RANGE: &str = "/api/v1/query_range";
const INSTANT: &str = "/api/v1/query";
pub(super) const ALLOWED: Allowed = &[(Method::GET, RANGE), (Method::GET, INSTANT)];

/// The distance between samples, in seconds. Their times are its multiples, so that every read
/// asks for the same moments.
const STEP: i64 = 15;
/// A server refuses more than 11,000 points a series.
const POINTS: i64 = 10_000;

/// The moments that one query asks for: from `first` to `last`, both included, in seconds since
/// the epoch and multiples of [`STEP`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    first: i64,
    last: i64,
}

/// Why a query gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server does not like this query: the others may do.
    #[error("{0}")]
    Refused(Safe),
    /// The server cannot be read.
    #[error("{0}")]
    Source(SourceError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    #[serde(default)]
    status: String,
    data: Option<Data>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    /// What may make the answer less than whole: a store that could not be reached, say.
    #[serde(default)]
    warnings: Vec<String>,
}

/// What a query gave.
pub(super) struct Found {
    /// Its value at each moment; `None` where it has none.
    pub(super) values: Vec<(World, Option<f64>)>,
    /// What the server warns of.
    pub(super) warning: Option<Safe>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<(f64, String)>,
}

impl Grid {
    /// The moments within `span`.
    pub(super) fn within(span: Span) -> Option<Self> {
        let first = span.from.timestamp().div_euclid(STEP) + i64::from(!on_grid(span.from));
        // `to` is exclusive for spans of history, and now itself is asked for by a poll that
        // falls on it: a sample at the very end does no harm in either.
        Self::of(first, span.to.timestamp().div_euclid(STEP))
    }

    /// The moments after `seen`, up to `now`.
    pub(super) fn after(seen: World, now: World) -> Option<Self> {
        Self::of(seen.timestamp().div_euclid(STEP) + 1, now.timestamp().div_euclid(STEP))
    }

    fn of(first: i64, last: i64) -> Option<Self> {
        (first <= last).then_some(Self { first: first * STEP, last: last * STEP })
    }

    pub(super) fn start(self) -> World {
        world(self.first)
    }

    pub(super) fn end(self) -> World {
        world(self.last)
    }

    /// The same moments in grids that a server accepts.
    pub(super) fn pieces(self) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut first = self.first;
        while first <= self.last {
            let last = self.last.min(first + (POINTS - 1) * STEP);
            pieces.push(Self { first, last });
            first = last + STEP;
        }
        pieces
    }

    fn moments(self) -> impl Iterator<Item = i64> {
        (0..=(self.last - self.first) / STEP).map(move |n| self.first + n * STEP)
    }
}

fn on_grid(at: World) -> bool {
    at.timestamp().rem_euclid(STEP) == 0 && at.timestamp_subsec_nanos() == 0
}

fn world(seconds: i64) -> World {
    World::from_timestamp(seconds, 0).unwrap_or_default()
}

/// The query's value at each moment of `grid`.
pub(super) async fn range(reader: &Reader, query: &str, grid: Grid) -> Result<Found, Failure> {
    let (start, end, step) = (grid.first.to_string(), grid.last.to_string(), STEP.to_string());
    let asked = [("query", query), ("start", &start), ("end", &end), ("step", &step)];
    let answer = reader.get_if(RANGE, &asked, timed_out).await.map_err(Failure::Source)?;
    let reply: Reply = answer.json().map_err(Failure::Source)?;
    if !answer.status.is_success() || reply.status != "success" {
        let why = clean_capped(&reply.error, 200);
        let kind = clean_capped(&reply.error_type, 40);
        return Err(Failure::Refused(Safe::from(format!("the query was refused ({kind}): {why}"))));
    }
    let warning = reply.warnings.first().map(|first| {
        let more = reply.warnings.len() - 1;
        let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
        Safe::from(format!("the server warns: {}{more}", clean_capped(first, 200)))
    });
    let result = reply.data.map(|data| data.result).unwrap_or_default();
    if result.len() > 1 {
        let why = format!("the query gives {} series where one is needed; wrap it in `sum(…)`", result.len());
        return Err(Failure::Refused(Safe::from(why)));
    }
    let values = result.into_iter().next().map(|series| series.values).unwrap_or_default();
    if !values.is_empty() && !values.iter().any(|(at, _)| (grid.first..=grid.last).contains(&(*at as i64))) {
        // Taken for what was asked, it would say that there was no value then.
        let what = format!("reading {}: the answer is of another time; is there a cache in between?", answer.place);
        return Err(Failure::Source(SourceError::Retry { why: Safe::from(what), after: None }));
    }
    let mut values = values.into_iter().peekable();
    let filled = grid.moments().map(|moment| {
        // Both are in order; what does not lie on the grid was not asked for.
        while values.next_if(|(at, _)| (*at as i64) < moment).is_some() {}
        let value = values.next_if(|(at, _)| (*at as i64) == moment);
        (world(moment), value.and_then(|(_, text)| number(&text)))
    });
    Ok(Found { values: filled.collect(), warning })
}

/// Whether a 503 says that this query took too long, and not that the server is away.
fn timed_out(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE
        && serde_json::from_slice::<Reply>(body)
            .is_ok_and(|reply| reply.status == "error" && reply.error_type == "timeout")
}

/// Whether the server answers at all.
pub(super) async fn alive(reader: &Reader) -> Result<(), SourceError> {
    #[derive(Deserialize)]
    struct Alive {
        #[serde(rename = "status")]
        _status: String,
    }
    reader.get(INSTANT, &[("query", "1")]).await?.json::<Alive>().map(|_| ())
}

/// Values are text: `1.5`, `+Inf`, `NaN`. Not a number is no value.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| !value.is_nan())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> World {
        world(1_795_000_005 + seconds)
    }

    fn step() -> TimeDelta {
        TimeDelta::seconds(STEP)
    }

    #[test]
    fn polls_ask_for_every_moment_once() {
        // 1,795,000,005 is a multiple of 15.
        assert!(on_grid(at(0)));
        assert_eq!(Grid::after(at(0), at(14)), None);
        let grid = Grid::after(at(0), at(15)).unwrap();
        assert_eq!((grid.start(), grid.end()), (at(15), at(15)));
        let late = Grid::after(at(15), at(64)).unwrap();
        assert_eq!((late.start(), late.end()), (at(30), at(60)));
        let first = Grid::within(Span { from: at(1), to: at(44) }).unwrap();
        assert_eq!((first.start(), first.end()), (at(15), at(30)));
        assert_eq!(Grid::within(Span { from: at(40), to: at(10) }), None);
    }

    #[test]
    fn a_long_past_is_asked_for_in_pieces_that_a_server_accepts() {
        let grid = Grid::within(Span { from: at(0), to: at(0) + step() * 25_000 }).unwrap();
        let pieces = grid.pieces();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.iter().map(|piece| piece.moments().count()).sum::<usize>(), 25_001);
        assert!(pieces.windows(2).all(|two| two[0].end() + step() == two[1].start()));
    }

    #[test]
    fn values_are_text() {
        assert_eq!(number("0.072"), Some(0.072));
        assert_eq!(number("+Inf"), Some(f64::INFINITY));
        assert_eq!(number("-Inf"), Some(f64::NEG_INFINITY));
        assert_eq!(number("NaN"), None);
        assert_eq!(number("x"), None);
    }
}
