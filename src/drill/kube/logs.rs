//! What a container has written.
//!
//! Owns: the bound on it, and the time of each line. Must not: know who reads it.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::World;

/// Lines kept of one run of a container; a kubelet rotates at 10 MiB.
const LINES: usize = 10_000;
/// Bytes kept of one run of a container.
const BYTES: usize = 4 << 20;

/// One line and its number, counted from the container's start.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) at: World,
    pub(super) text: Arc<str>,
}

/// The log of one run of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<Line>,
    bytes: usize,
    next: u64,
}

impl Log {
    /// Appends a line at `at`. Lines of one moment are a microsecond apart, in order, so that a
    /// reader that resumes after the last time it saw meets none twice.
    pub(super) fn push(&mut self, at: World, text: &str) {
        let at = match self.lines.back() {
            Some(last) if last.at >= at => last.at + TimeDelta::microseconds(1),
            _ => at,
        };
        self.bytes += text.len();
        self.lines.push_back(Line { number: self.next, at, text: text.into() });
        self.next += 1;
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// The number of the next line.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// Lines from number `from` on, oldest first.
    pub(super) fn from(&self, from: u64) -> impl DoubleEndedIterator<Item = &Line> + ExactSizeIterator {
        self.lines.range(self.lines.partition_point(|line| line.number < from)..)
    }
}
