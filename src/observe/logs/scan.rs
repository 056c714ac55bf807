//! Finding lines: by filter, newest first; by place; by minute.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::log::{Level, LineIndex};
use crate::model::name::ServiceName;

use super::chunk::Chunk;
use super::{Line, LineId, LogFilter, LogStore};

/// Lines that are looked at to find the most frequent error of a minute.
const SAMPLE: usize = 10_000;

/// A filter made ready for one chunk.
struct Ready<'a> {
    filter: &'a LogFilter,
    chunk: &'a Chunk,
    streams: Option<Vec<bool>>,
}

impl<'a> Ready<'a> {
    /// `None`: no line of the chunk can pass.
    fn new(filter: &'a LogFilter, chunk: &'a Chunk) -> Option<Self> {
        if filter.level.is_some_and(|level| chunk.worst() < level || chunk.worst() == Level::Unknown) {
            return None;
        }
        let streams = filter.service.as_ref().map(|service| chunk.of_service(service));
        if streams.as_ref().is_some_and(|streams| !streams.contains(&true)) {
            return None;
        }
        Some(Self { filter, chunk, streams })
    }

    fn passes(&self, line: &LineIndex) -> bool {
        let stream = usize::from(line.stream);
        self.streams.as_ref().is_none_or(|streams| streams.get(stream) == Some(&true))
            && self.filter.level.is_none_or(|level| line.level >= level && line.level != Level::Unknown)
            && self
                .filter
                .pattern
                .as_ref()
                .is_none_or(|(pattern, inverted)| pattern.is_match(self.chunk.text_of(line)) != *inverted)
    }
}

/// What a scan of bounded length found.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    /// Lines that pass, in the store's order.
    pub lines: Vec<Line<'a>>,
    /// Where to go on if the scan ended before it had looked at everything it could need.
    pub rest: Option<LineId>,
}

impl LogStore {
    /// Up to `count` lines that pass `filter`, in the order of time, ending with the newest that
    /// is not newer than `last` (`None`: the newest of all).
    pub fn before(&self, filter: &LogFilter, last: Option<LineId>, count: usize) -> Vec<Line<'_>> {
        self.scan_before(filter, last, count, usize::MAX).lines
    }

    /// As [`LogStore::before`], but it looks at no more than about `budget` bytes of text: a rare
    /// pattern is looked for in slices, so that the screen stays alive.
    pub fn scan_before(&self, filter: &LogFilter, last: Option<LineId>, count: usize, budget: usize) -> Scan<'_> {
        let mut found = Vec::new();
        let mut looked_at = 0;
        let last = last.map_or(u64::MAX, |LineId(last)| last);
        for chunk in self.chunks.iter().rev().filter(|chunk| chunk.first() <= last) {
            if found.len() >= count {
                break;
            }
            if looked_at >= budget {
                found.reverse();
                return Scan { lines: found, rest: Some(LineId(chunk.first() + chunk.len() as u64 - 1)) };
            }
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            looked_at += chunk.text_len();
            let end = usize::try_from((last - chunk.first()).saturating_add(1)).unwrap_or(usize::MAX);
            let end = end.min(chunk.len());
            let passing = chunk.index().iter().enumerate().take(end).rev().filter(|(_, line)| ready.passes(line));
            let missing = count - found.len();
            found.extend(passing.take(missing).filter_map(|(at, _)| chunk.line(at)));
        }
        found.reverse();
        Scan { lines: found, rest: None }
    }

    /// Up to `count` lines that pass `filter`, starting with the oldest that is newer than
    /// `first`.
    pub fn after(&self, filter: &LogFilter, LineId(first): LineId, count: usize) -> Vec<Line<'_>> {
        let mut found = Vec::new();
        let start =
            self.chunks.partition_point(|chunk| chunk.first() + (chunk.len() as u64) <= first.saturating_add(1));
        for chunk in self.chunks.range(start..) {
            if found.len() >= count {
                break;
            }
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            let skip = usize::try_from(first.saturating_add(1).saturating_sub(chunk.first())).unwrap_or(usize::MAX);
            let passing = chunk.index().iter().enumerate().skip(skip).filter(|(_, line)| ready.passes(line));
            let missing = count - found.len();
            found.extend(passing.take(missing).filter_map(|(at, _)| chunk.line(at)));
        }
        found
    }

    /// One line.
    pub fn line(&self, LineId(id): LineId) -> Option<Line<'_>> {
        let after = self.chunks.partition_point(|chunk| chunk.first() <= id);
        let chunk = self.chunks.get(after.checked_sub(1)?)?;
        chunk.line(usize::try_from(id - chunk.first()).ok()?)
    }

    /// The oldest and the newest line that are kept.
    pub fn ends(&self) -> Option<(LineId, LineId)> {
        let oldest = self.chunks.front()?.first();
        Some((LineId(oldest), LineId(self.next.checked_sub(1)?)))
    }

    /// Up to `count` lines of a service at level `Error` or worse within the minute of `at`:
    /// evidence for an entry.
    pub fn excerpt(&self, service: Option<&ServiceName>, at: World, count: usize) -> Vec<Line<'_>> {
        let filter = LogFilter { service: service.cloned(), level: Some(Level::Error), pattern: None };
        let from = super::counters::minute(at).saturating_mul(60_000);
        let to = from.saturating_add(TimeDelta::minutes(1).num_milliseconds());
        let mut found = Vec::new();
        for chunk in self.chunks.iter().filter(|chunk| chunk.reaches(from, to)) {
            let Some(ready) = Ready::new(&filter, chunk) else { continue };
            for (at, line) in chunk.index().iter().enumerate() {
                if found.len() >= count {
                    return found;
                }
                if (from..to).contains(&line.at_ms) && ready.passes(line) {
                    found.extend(chunk.line(at));
                }
            }
        }
        found
    }

    /// The error line of that minute that was written most often, numbers aside, with how often
    /// and of how many.
    pub(in crate::observe) fn commonest_error(
        &self,
        service: &ServiceName,
        at: World,
    ) -> Option<(Line<'_>, usize, usize)> {
        let lines = self.excerpt(Some(service), at, SAMPLE);
        let mut shapes: HashMap<String, (usize, usize)> = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            let shape = shapes.entry(shape(line.text)).or_insert((0, place));
            shape.0 += 1;
        }
        let (count, place) = shapes.into_values().max_by_key(|(count, place)| (*count, std::cmp::Reverse(*place)))?;
        Some((*lines.get(place)?, count, lines.len()))
    }
}

/// A line with every word that holds a digit replaced: two lines that differ in a time, a count
/// or an id have one shape.
fn shape(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(256));
    for word in text.split([' ', '=', ',', ':', '"', '(', ')', '[', ']']).take(48) {
        out.push_str(if word.bytes().any(|byte| byte.is_ascii_digit()) { "#" } else { word });
        out.push(' ');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn lines_that_differ_in_numbers_have_one_shape() {
        assert_eq!(
            shape("2026-11-21T03:14:07Z ERROR POST partner/charge timed out after 2000 ms (attempt 3)"),
            shape("2026-11-21T03:14:09Z ERROR POST partner/charge timed out after 1999 ms (attempt 1)"),
        );
        assert_ne!(shape("ERROR timed out"), shape("ERROR refused"));
    }
}
