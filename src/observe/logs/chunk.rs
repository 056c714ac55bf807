//! One chunk: a run of lines in the order of arrival, with their text in one buffer. The newest
//! chunk takes small batches in until it is large enough; from then on it never changes, and is
//! shared with the scans that look through it beside the loop. Of one that still grows, a scan
//! gets a copy of the lines that it wants.

use std::sync::Arc;

use crate::clock::World;
use crate::model::log::{Level, LineIndex, LogStream};
use crate::model::name::{Origin, ServiceName};

use super::index::Index;
use super::{Line, LineId};

/// A chunk that holds this much text takes no more, in a store of the usual size.
pub(super) const SEAL: usize = 256 * 1024;
/// A chunk that holds so many lines takes no more, however short they are.
const LINES: usize = 32 * 1024;

/// What all lines of a stream have in common.
#[derive(Debug)]
pub(super) struct StreamInfo {
    pub(super) origin: Origin,
    pub(super) stream: LogStream,
    pub(super) service: Option<ServiceName>,
}

/// A run of lines.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    first: u64,
    streams: Vec<Arc<StreamInfo>>,
    /// Each line with a line feed behind it, so that all can be searched in one go.
    text: String,
    index: Index,
    /// Milliseconds since the Unix epoch of the earliest and latest line.
    span: (i64, i64),
    worst: Level,
}

impl Chunk {
    /// A chunk of one batch. A large batch is sealed at once.
    pub(super) fn new(
        first: u64,
        streams: Vec<Arc<StreamInfo>>,
        text: String,
        lines: &[LineIndex],
        seal: usize,
    ) -> Self {
        let span = (i64::MAX, i64::MIN);
        let mut chunk = Self { first, streams, text, index: Index::default(), span, worst: Level::Unknown };
        // A batch is far below 65,536 streams.
        let places: Vec<u16> = (0..chunk.streams.len()).map(|place| place as u16).collect();
        chunk.note(lines, 0, &places);
        if chunk.text.len() >= seal {
            chunk.seal();
        }
        chunk
    }

    fn note(&mut self, lines: &[LineIndex], shift: u32, places: &[u16]) {
        self.index.extend(lines, shift, places);
        for line in lines {
            self.span = (self.span.0.min(line.at_ms), self.span.1.max(line.at_ms));
            self.worst = self.worst.max(line.level);
        }
    }

    /// Gives back the room that growing left over.
    pub(super) fn seal(&mut self) {
        self.text.shrink_to_fit();
        self.index.shrink();
        self.streams.shrink_to_fit();
    }

    /// A copy of the lines at the places from `from` up to `to`.
    pub(super) fn part(&self, from: u64, to: u64) -> Self {
        let within = |place: u64| usize::try_from(place.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (low, high) = (within(from).min(self.len()), within(to).min(self.len()));
        let start = self.index.start(low).unwrap_or(self.text.len());
        let end = self.index.start(high).unwrap_or(self.text.len());
        Self {
            first: self.first + low as u64,
            streams: self.streams.clone(),
            text: self.text.get(start..end).unwrap_or_default().to_owned(),
            index: self.index.part(low, high),
            span: self.span,
            worst: self.worst,
        }
    }

    /// Whether more may be appended to it.
    pub(super) fn grows(&self, seal: usize) -> bool {
        self.text.len() < seal
    }

    /// Whether growing left room over.
    pub(super) fn is_loose(&self) -> bool {
        self.text.capacity() > self.text.len() || self.index.is_loose()
    }

    /// What it takes of the store's cap, in bytes.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.index.cost()
            + self.streams.capacity() * size_of::<Arc<StreamInfo>>()
    }

    pub(super) fn has_room_for(&self, streams: &[Arc<StreamInfo>], text: &str, seal: usize) -> bool {
        self.text.len() + text.len() <= seal
            && self.index.len() < LINES.min(seal / 8)
            && self.streams.len() + streams.len() < usize::from(u16::MAX)
    }

    /// Appends a batch; [`Chunk::has_room_for`] said that it may.
    pub(super) fn append(&mut self, streams: &[Arc<StreamInfo>], text: &str, lines: &[LineIndex]) {
        let places: Vec<u16> = streams
            .iter()
            .map(|stream| {
                let known = self.streams.iter().rposition(|known| Arc::ptr_eq(known, stream));
                known.unwrap_or_else(|| {
                    self.streams.push(Arc::clone(stream));
                    self.streams.len() - 1
                }) as u16
            })
            .collect();
        // A chunk is far below 4 GiB: see `has_room_for`.
        let shift = self.text.len() as u32;
        self.text.push_str(text);
        self.note(lines, shift, &places);
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of the lines' text, without what parts them.
    pub(super) fn text_len(&self) -> usize {
        self.text.len() - self.index.len()
    }

    /// The place of its first line.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The place behind its last line.
    pub(super) fn end(&self) -> u64 {
        self.first + self.index.len() as u64
    }

    pub(super) fn worst(&self) -> Level {
        self.worst
    }

    /// Whether a line may lie within these milliseconds.
    pub(super) fn reaches(&self, from: i64, to: i64) -> bool {
        self.span.0 < to && from <= self.span.1
    }

    /// For each of its streams, whether it is of that service.
    pub(super) fn of_service(&self, service: &ServiceName) -> Vec<bool> {
        self.streams.iter().map(|stream| stream.service.as_ref() == Some(service)).collect()
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// The text of the line at a place within the chunk.
    pub(super) fn text_of(&self, at: usize) -> &str {
        self.text_between(at, at + 1)
    }

    /// The text of some lines, with a line feed between each two.
    pub(super) fn text_between(&self, from: usize, to: usize) -> &str {
        let start = self.index.start(from).unwrap_or(self.text.len());
        let end = self.index.start(to).unwrap_or(self.text.len());
        self.text.get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    /// The line at a place within the chunk.
    pub(super) fn line(&self, at: usize) -> Option<Line<'_>> {
        let stream = self.streams.get(self.index.stream(at)?)?;
        Some(Line {
            id: LineId(self.first + at as u64),
            at: World::from_timestamp_millis(self.index.at_ms(at)?).unwrap_or(World::UNIX_EPOCH),
            level: self.index.level(at),
            origin: &stream.origin,
            stream: &stream.stream,
            service: stream.service.as_ref(),
            text: self.text_of(at),
        })
    }
}
