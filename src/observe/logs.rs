//! The log store: a byte-capped ring of immutable chunks with a compact index.

use crate::clock::World;
use crate::model::log::{Level, LogStream};
use crate::model::name::{Origin, ServiceName};

/// A line's place in the store. Grows with each line; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// One line, borrowed from the store.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its place.
    pub id: LineId,
    /// When it was written, by the system that keeps it.
    pub at: World,
    /// The level found in it.
    pub level: Level,
    /// The source.
    pub origin: &'a Origin,
    /// Where it comes from within the source.
    pub stream: &'a LogStream,
    /// The service of the stream.
    pub service: Option<&'a ServiceName>,
    /// The clean text.
    pub text: &'a str,
}

/// Which lines are shown.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only lines of this service.
    pub service: Option<ServiceName>,
    /// Only lines of at least this level; lines without a level stay out then.
    pub level: Option<Level>,
    /// Only lines that match; or, inverted, that do not.
    pub pattern: Option<(regex::Regex, bool)>,
}

/// How much is in the store and how fast it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogCounts {
    /// Lines in the store.
    pub lines: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// Lines that left the store to keep it within its cap.
    pub evicted: u64,
    /// Lines a second over the last minute, by their own times.
    pub per_second: f64,
    /// Errors a minute over the last minute.
    pub errors_per_minute: f64,
}

/// A byte-capped ring of log lines.
#[derive(Debug, Default)]
pub struct LogStore {}

impl LogStore {
    /// How much is in it.
    pub fn counts(&self) -> LogCounts {
        LogCounts::default()
    }

    /// Up to `count` lines that pass `filter`, in the order of time, ending with the newest that
    /// is not newer than `last` (`None`: the newest of all).
    pub fn before(&self, _filter: &LogFilter, _last: Option<LineId>, _count: usize) -> Vec<Line<'_>> {
        Vec::new()
    }

    /// Up to `count` lines that pass `filter`, starting with the oldest that is newer than
    /// `first`.
    pub fn after(&self, _filter: &LogFilter, _first: LineId, _count: usize) -> Vec<Line<'_>> {
        Vec::new()
    }

    /// One line.
    pub fn line(&self, _id: LineId) -> Option<Line<'_>> {
        None
    }

    /// Up to `count` lines of a service at level `Error` or worse within the minute of `at`:
    /// evidence for an entry.
    pub fn excerpt(&self, _service: Option<&ServiceName>, _at: World, _count: usize) -> Vec<Line<'_>> {
        Vec::new()
    }
}
