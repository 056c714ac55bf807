//! A scan: which lines of a stretch of the store pass a filter, chunk by chunk, beside the loop.
//!
//! Must not: know of threads; whoever runs it shares it between as many as there are.

use std::sync::Arc;

use crate::model::log::Level;

use super::chunk::Chunk;
use super::found::Found;
use super::pattern::Search;
use super::{LineId, LogFilter, LogStore};

/// A filter made ready for one chunk.
pub(super) struct Ready<'a> {
    filter: &'a LogFilter,
    chunk: &'a Chunk,
    streams: Option<Vec<bool>>,
}

impl<'a> Ready<'a> {
    /// `None`: no line of the chunk can pass.
    pub(super) fn new(filter: &'a LogFilter, chunk: &'a Chunk) -> Option<Self> {
        if filter.level.is_some_and(|level| chunk.worst() < level || chunk.worst() == Level::Unknown) {
            return None;
        }
        let streams = filter.service.as_ref().map(|service| chunk.of_service(service));
        if streams.as_ref().is_some_and(|streams| !streams.contains(&true)) {
            return None;
        }
        Some(Self { filter, chunk, streams })
    }

    /// Whether a line passes.
    pub(super) fn passes(&self, at: usize) -> bool {
        let pattern = self.filter.pattern.as_ref();
        self.is_of(at)
            && pattern.is_none_or(|(pattern, inverted)| pattern.is_match(self.chunk.text_of(at)) != *inverted)
    }

    /// Whether a line is of the service and the level that are asked for, whatever it says.
    pub(super) fn is_of(&self, at: usize) -> bool {
        let index = self.chunk.index();
        let of_service = self
            .streams
            .as_ref()
            .is_none_or(|streams| index.stream(at).is_some_and(|stream| streams.get(stream) == Some(&true)));
        of_service
            && self.filter.level.is_none_or(|level| index.level(at) >= level && index.level(at) != Level::Unknown)
    }
}

/// A stretch of the store and what is looked for in it. What it holds of the store stays as long
/// as it does, also when the store has let go of it.
#[derive(Clone)]
pub struct Scan {
    filter: LogFilter,
    /// The newest first.
    chunks: Vec<Arc<Chunk>>,
    from: u64,
    to: u64,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { filter, chunks, from, to } = self;
        write!(f, "Scan({filter:?}, {} chunks, lines {from}..{to})", chunks.len())
    }
}

/// Two scans are one when they look for the same at the same places.
impl PartialEq for Scan {
    fn eq(&self, other: &Self) -> bool {
        (&self.filter, self.from, self.to) == (&other.filter, other.from, other.to)
    }
}

impl LogStore {
    /// What is to be done to look through the lines from `from` up to `to`, as far as they are
    /// kept.
    pub fn scan(&self, filter: LogFilter, LineId(from): LineId, LineId(to): LineId) -> Scan {
        let (oldest, next) = (self.oldest().0, self.next().0);
        let (from, to) = (from.clamp(oldest, next), to.clamp(oldest, next));
        let to = to.max(from);
        let first = self.chunks.partition_point(|chunk| chunk.end() <= from);
        let end = self.chunks.partition_point(|chunk| chunk.first() < to).max(first);
        let newest = self.chunks.len().saturating_sub(1);
        let chunks = (first..end).rev().filter_map(|at| {
            let chunk = self.chunks.get(at)?;
            let open = at == newest && chunk.grows(self.seal());
            Some(if open { Arc::new(chunk.part(from, to)) } else { Arc::clone(chunk) })
        });
        let chunks = chunks.collect();
        Scan { filter, chunks, from, to }
    }
}

impl Scan {
    /// How many parts it has, each one chunk.
    pub fn parts(&self) -> usize {
        self.chunks.len()
    }

    /// The run of places that is looked through, with nothing found in it yet at its newest end.
    pub fn start(&self) -> Found {
        Found::at(LineId(self.to))
    }

    /// What each thread brings to a part.
    pub fn hand(&self) -> Hand {
        Hand(self.filter.pattern.as_ref().map(|(pattern, _)| pattern.apart()))
    }

    /// Does one part; 0 is the newest. Parts are adjacent and may be done in any order.
    pub fn part(&self, part: usize, Hand(search): &Hand) -> Found {
        let Some(chunk) = self.chunks.get(part) else { return Found::nothing(self.from, self.from) };
        let (from, to) = (self.from.max(chunk.first()), self.to.min(chunk.end()));
        let mut found = Found::nothing(from, to);
        let Some(ready) = Ready::new(&self.filter, chunk) else { return found };
        // Places within the chunk: far below 4 Gi.
        let (low, high) = ((from - chunk.first()) as usize, (to - chunk.first()) as usize);
        let mut take = |lines: std::ops::Range<usize>| {
            lines.filter(|at| ready.is_of(*at)).for_each(|at| found.set(chunk.first() + at as u64));
        };
        let (Some(search), Some((_, inverted))) = (search, &self.filter.pattern) else {
            take(low..high);
            return found;
        };
        let mut passed = low;
        for hit in hits(chunk, search, low, high) {
            if *inverted {
                take(passed..hit);
            } else {
                take(hit..hit + 1);
            }
            passed = hit + 1;
        }
        if *inverted {
            take(passed..high);
        }
        found
    }
}

/// What one thread needs to search with.
pub struct Hand(Option<Search>);

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hand")
    }
}

/// The lines of a chunk in which something is found, in order, each once: all of them are
/// searched in one go, and a hit leads on to the next line.
fn hits(chunk: &Chunk, search: &Search, low: usize, high: usize) -> impl Iterator<Item = usize> {
    let text = chunk.text_between(low, high);
    let shift = chunk.index().start(low).unwrap_or_default();
    let mut line = low;
    std::iter::from_fn(move || {
        if line >= high {
            return None;
        }
        let from = chunk.index().start(line)? - shift;
        let byte = search.find(text, from)?;
        let hit = chunk.index().line_of(shift + byte, line);
        line = hit + 1;
        Some(hit)
    })
}
