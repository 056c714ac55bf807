//! One chunk: a run of lines in the order of arrival, with their text in one buffer. The newest
//! chunk takes small batches in until it is large enough; from then on it never changes.

use std::sync::Arc;

use crate::clock::World;
use crate::model::log::{Level, LineIndex, LogStream};
use crate::model::name::{Origin, ServiceName};

use super::{Line, LineId};

/// A chunk that holds this much text takes no more.
pub(super) const SEAL: usize = 64 * 1024;

/// What all lines of a stream have in common.
#[derive(Debug)]
pub(super) struct StreamInfo {
    pub(super) origin: Origin,
    pub(super) stream: LogStream,
    pub(super) service: Option<ServiceName>,
}

/// A run of lines.
#[derive(Debug)]
pub(super) struct Chunk {
    first: u64,
    streams: Vec<Arc<StreamInfo>>,
    text: String,
    lines: Vec<LineIndex>,
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
        lines: Vec<LineIndex>,
        seal: usize,
    ) -> Self {
        let mut chunk = Self { first, streams, text, lines, span: (i64::MAX, i64::MIN), worst: Level::Unknown };
        chunk.note(0);
        if chunk.text.len() >= seal {
            chunk.seal();
        }
        chunk
    }

    fn note(&mut self, from: usize) {
        for line in self.lines.iter().skip(from) {
            self.span = (self.span.0.min(line.at_ms), self.span.1.max(line.at_ms));
            self.worst = self.worst.max(line.level);
        }
    }

    /// Gives back the room that growing left over, where it is worth a copy.
    pub(super) fn seal(&mut self) {
        if self.text.capacity() > self.text.len() + self.text.len() / 8 {
            self.text.shrink_to_fit();
        }
        if self.lines.capacity() > self.lines.len() + self.lines.len() / 8 {
            self.lines.shrink_to_fit();
        }
        self.streams.shrink_to_fit();
    }

    /// What it takes of the store's cap, in bytes.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.lines.capacity() * size_of::<LineIndex>()
            + self.streams.capacity() * size_of::<Arc<StreamInfo>>()
    }

    pub(super) fn has_room_for(&self, streams: &[Arc<StreamInfo>], text: &str, seal: usize) -> bool {
        self.text.len() + text.len() < seal
            && self.lines.len() < seal / size_of::<LineIndex>()
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
        let from = self.lines.len();
        self.text.push_str(text);
        self.lines.extend(lines.iter().map(|line| LineIndex {
            start: line.start.saturating_add(shift),
            end: line.end.saturating_add(shift),
            stream: places.get(usize::from(line.stream)).copied().unwrap_or_default(),
            ..*line
        }));
        self.note(from);
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The place of its first line.
    pub(super) fn first(&self) -> u64 {
        self.first
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

    pub(super) fn index(&self) -> &[LineIndex] {
        &self.lines
    }

    pub(super) fn text_of(&self, line: &LineIndex) -> &str {
        self.text.get(line.start as usize..line.end as usize).unwrap_or_default()
    }

    /// The line at a place within the chunk.
    pub(super) fn line(&self, at: usize) -> Option<Line<'_>> {
        let line = self.lines.get(at)?;
        let stream = self.streams.get(usize::from(line.stream))?;
        Some(Line {
            id: LineId(self.first + at as u64),
            at: World::from_timestamp_millis(line.at_ms).unwrap_or(World::UNIX_EPOCH),
            level: line.level,
            origin: &stream.origin,
            stream: &stream.stream,
            service: stream.service.as_ref(),
            text: self.text_of(line),
        })
    }
}
