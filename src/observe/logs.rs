//! The log store: a byte-capped ring of immutable chunks with a compact index.
//!
//! Owns: lines, what they are filtered by, and how many there are by service, level and minute.
//! Must not: keep a `String` a line, or grow beyond its cap.

mod chunk;
mod counters;
mod found;
mod index;
mod pattern;
mod read;
mod scan;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::log::{Level, LogBatch, LogStream};
use crate::model::name::{Origin, ServiceName};

use chunk::{Chunk, StreamInfo};
use counters::Counters;
pub use counters::LevelCounts;
pub(super) use counters::minute as minute_of;
pub use found::Found;
pub use pattern::LogPattern;
pub(super) use read::Errors;
pub use scan::{Hand, Scan};

/// Bytes of text and index that are kept unless said otherwise.
pub const DEFAULT_CAP: usize = 256 * 1024 * 1024;
/// Streams without a line in the store are forgotten when so many more have come.
const STREAMS: usize = 1024;

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFilter {
    /// Only lines of this service.
    pub service: Option<ServiceName>,
    /// Only lines of at least this level; lines without a level stay out then.
    pub level: Option<Level>,
    /// Only lines that match; or, inverted, that do not.
    pub pattern: Option<(LogPattern, bool)>,
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
#[derive(Debug)]
pub struct LogStore {
    chunks: VecDeque<Arc<Chunk>>,
    /// Bytes of text and index, as allocated.
    cost: usize,
    cap: usize,
    /// The next line's place.
    next: u64,
    evicted: u64,
    text: u64,
    streams: HashMap<Origin, HashMap<LogStream, Arc<StreamInfo>>>,
    known_streams: usize,
    prune_at: usize,
    counters: Counters,
}

impl Default for LogStore {
    fn default() -> Self {
        Self::with_cap(DEFAULT_CAP)
    }
}

impl LogStore {
    /// An empty store that keeps at most `cap` bytes of text and index.
    pub fn with_cap(cap: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            cost: 0,
            cap,
            next: 0,
            evicted: 0,
            text: 0,
            streams: HashMap::new(),
            known_streams: 0,
            prune_at: STREAMS,
            counters: Counters::default(),
        }
    }

    /// Bytes of text and index, as allocated: never more than the cap.
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// The place of the oldest line that is kept; of the next line, if there is none.
    pub fn oldest(&self) -> LineId {
        self.chunks.front().map_or(LineId(self.next), |chunk| LineId(chunk.first()))
    }

    /// The place that the next line will have.
    pub fn next(&self) -> LineId {
        LineId(self.next)
    }

    /// How much is in it.
    pub fn counts(&self) -> LogCounts {
        let (lines, errors) = self.counters.last_minute();
        LogCounts {
            lines: self.next - self.evicted,
            bytes: self.text,
            evicted: self.evicted,
            per_second: lines as f64 / 60.0,
            errors_per_minute: errors as f64,
        }
    }

    /// How many lines of a service, or of no service, were written in the minute of `at`, by
    /// level. Lines that left the store still count, for six hours.
    pub fn minute(&self, service: Option<&ServiceName>, at: World) -> LevelCounts {
        self.counters.minute(service, counters::minute(at))
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes lines in. Their text is moved, not copied, unless the batch is small. Tells for each
    /// service the earliest minute in which it got an error.
    pub(super) fn push(
        &mut self,
        origin: &Origin,
        batch: LogBatch,
        observed: World,
        catalogue: &Catalogue,
    ) -> Vec<(ServiceName, i64)> {
        if batch.is_empty() {
            return Vec::new();
        }
        let streams: Vec<_> = batch.streams().iter().map(|stream| self.intern(origin, stream, catalogue)).collect();
        let mut errors: Vec<(ServiceName, i64)> = Vec::new();
        for line in batch.index() {
            let service = streams.get(usize::from(line.stream)).and_then(|stream| stream.service.as_ref());
            let counted = self.counters.count(service, line.at_ms, line.level, observed);
            if let (Some(minute), Some(service), true) = (counted, service, line.level >= Level::Error) {
                match errors.iter_mut().find(|(known, _)| known == service) {
                    Some((_, earliest)) => *earliest = minute.min(*earliest),
                    None => errors.push((service.clone(), minute)),
                }
            }
        }
        let (_, text, lines) = batch.into_parts();
        // Without the line feed behind each.
        self.text += (text.len() - lines.len()) as u64;
        let first = self.next;
        self.next += lines.len() as u64;
        let seal = self.seal();
        let joins = self.chunks.back().is_some_and(|tail| tail.has_room_for(&streams, &text, seal));
        if joins && let Some(tail) = self.chunks.back_mut() {
            self.cost -= tail.cost();
            // Nobody else has it: see `Chunk::part`.
            Arc::make_mut(tail).append(&streams, &text, &lines);
            self.cost += tail.cost();
        } else {
            if let Some(tail) = self.chunks.back_mut().filter(|tail| tail.is_loose()) {
                self.cost -= tail.cost();
                Arc::make_mut(tail).seal();
                self.cost += tail.cost();
            }
            let chunk = Chunk::new(first, streams, text, &lines, seal);
            self.cost += chunk.cost();
            self.chunks.push_back(Arc::new(chunk));
        }
        while self.cost > self.cap {
            let Some(oldest) = self.chunks.pop_front() else { break };
            self.cost -= oldest.cost();
            self.evicted += oldest.len() as u64;
            self.text -= oldest.text_len() as u64;
        }
        errors
    }

    /// Lets world time pass: rates are told as of `now`.
    pub(super) fn tick(&mut self, now: World) {
        self.counters.tick(now);
    }

    /// A chunk that holds this much text takes no more.
    fn seal(&self) -> usize {
        chunk::SEAL.min(self.cap / 8)
    }

    fn intern(&mut self, origin: &Origin, stream: &LogStream, catalogue: &Catalogue) -> Arc<StreamInfo> {
        if let Some(known) = self.streams.get(origin).and_then(|streams| streams.get(stream)) {
            return Arc::clone(known);
        }
        if self.known_streams >= self.prune_at {
            for streams in self.streams.values_mut() {
                streams.retain(|_, info| Arc::strong_count(info) > 1);
            }
            self.known_streams = self.streams.values().map(HashMap::len).sum();
            self.prune_at = self.known_streams * 2 + STREAMS;
        }
        let info = Arc::new(StreamInfo {
            origin: origin.clone(),
            stream: stream.clone(),
            service: catalogue.of_stream(stream).cloned(),
        });
        self.streams.entry(origin.clone()).or_default().insert(stream.clone(), Arc::clone(&info));
        self.known_streams += 1;
        info
    }
}
