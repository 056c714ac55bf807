//! Reading lines: newest first, by place, by minute; by what is in the index, or by what a scan
//! found.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::log::Level;
use crate::model::name::ServiceName;

use super::chunk::Chunk;
use super::scan::Ready;
use super::{Found, Line, LineId, LogFilter, LogStore};

/// Lines that are looked at to find the most frequent error of a minute.
const SAMPLE: usize = 10_000;

impl LogStore {
    /// Up to `count` lines that pass `filter`, in the order of arrival, ending with the newest that
    /// is not newer than `last` (`None`: the newest of all). A pattern is looked for line by
    /// line, here and now: that is for few lines; a [`Scan`](super::Scan) is for all.
    pub fn before(&self, filter: &LogFilter, last: Option<LineId>, count: usize) -> Vec<Line<'_>> {
        self.back(filter, last, count, |ready, at| ready.passes(at))
    }

    /// As [`LogStore::before`], but of a pattern it goes by what was found of it.
    pub fn found_before(
        &self,
        filter: &LogFilter,
        found: &[&Found],
        last: Option<LineId>,
        count: usize,
    ) -> Vec<Line<'_>> {
        let Some((sparse, others)) = found.split_first() else {
            return self.back(filter, last, count, |ready, at| ready.is_of(at));
        };
        let mut lines = Vec::new();
        let mut next = sparse.before(last.unwrap_or(LineId(u64::MAX)));
        for chunk in self.chunks.iter().rev() {
            // Whatever was found in a newer chunk was looked at there, or cannot pass.
            next = next.and_then(|LineId(id)| sparse.before(LineId(id.min(chunk.end().checked_sub(1)?))));
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            while let Some(id) = next.filter(|id| id.0 >= chunk.first()) {
                if lines.len() >= count {
                    break;
                }
                let at = (id.0 - chunk.first()) as usize;
                if others.iter().all(|other| other.contains(id)) && ready.is_of(at) {
                    lines.extend(chunk.line(at));
                }
                next = id.0.checked_sub(1).and_then(|before| sparse.before(LineId(before)));
            }
            if lines.len() >= count || next.is_none() {
                break;
            }
        }
        lines.reverse();
        lines
    }

    fn back(
        &self,
        filter: &LogFilter,
        last: Option<LineId>,
        count: usize,
        passes: fn(&Ready<'_>, usize) -> bool,
    ) -> Vec<Line<'_>> {
        let mut found = Vec::new();
        let last = last.map_or(u64::MAX, |LineId(last)| last);
        for chunk in self.chunks.iter().rev().filter(|chunk| chunk.first() <= last) {
            let missing = count - found.len();
            if missing == 0 {
                break;
            }
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            let end = usize::try_from((last - chunk.first()).saturating_add(1)).unwrap_or(usize::MAX);
            let passing = (0..end.min(chunk.len())).rev().filter(|at| passes(&ready, *at));
            found.extend(passing.take(missing).filter_map(|at| chunk.line(at)));
        }
        found.reverse();
        found
    }

    /// Up to `count` lines that pass `filter`, starting with the oldest that is newer than
    /// `first`. A pattern is looked for as by [`LogStore::before`].
    pub fn after(&self, filter: &LogFilter, first: LineId, count: usize) -> Vec<Line<'_>> {
        self.forth(filter, LineId(first.0.saturating_add(1)), count, |ready, at| ready.passes(at))
    }

    /// As [`LogStore::after`], but of a pattern it goes by what was found of it.
    pub fn found_after(&self, filter: &LogFilter, found: &[&Found], first: LineId, count: usize) -> Vec<Line<'_>> {
        let first = LineId(first.0.saturating_add(1));
        let Some((sparse, others)) = found.split_first() else {
            return self.forth(filter, first, count, |ready, at| ready.is_of(at));
        };
        let mut lines = Vec::new();
        let mut next = sparse.after(first);
        for chunk in self.chunks_from(first) {
            next = next.and_then(|LineId(id)| sparse.after(LineId(id.max(chunk.first()))));
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            while let Some(id) = next.filter(|id| id.0 < chunk.end()) {
                if lines.len() >= count {
                    break;
                }
                let at = (id.0 - chunk.first()) as usize;
                if others.iter().all(|other| other.contains(id)) && ready.is_of(at) {
                    lines.extend(chunk.line(at));
                }
                next = sparse.after(LineId(id.0 + 1));
            }
            if lines.len() >= count || next.is_none() {
                break;
            }
        }
        lines
    }

    fn forth(
        &self,
        filter: &LogFilter,
        first: LineId,
        count: usize,
        passes: fn(&Ready<'_>, usize) -> bool,
    ) -> Vec<Line<'_>> {
        let mut found = Vec::new();
        for chunk in self.chunks_from(first) {
            let missing = count - found.len();
            if missing == 0 {
                break;
            }
            let Some(ready) = Ready::new(filter, chunk) else { continue };
            let skip = usize::try_from(first.0.saturating_sub(chunk.first())).unwrap_or(usize::MAX);
            let passing = (skip..chunk.len()).filter(|at| passes(&ready, *at));
            found.extend(passing.take(missing).filter_map(|at| chunk.line(at)));
        }
        found
    }

    /// The chunks that hold that place or newer ones.
    fn chunks_from(&self, LineId(first): LineId) -> impl Iterator<Item = &Chunk> {
        let start = self.chunks.partition_point(|chunk| chunk.end() <= first);
        self.chunks.range(start..).map(Arc::as_ref)
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
            for at in 0..chunk.len() {
                if found.len() >= count {
                    return found;
                }
                let within = |at_ms| (from..to).contains(&at_ms);
                if ready.is_of(at) && chunk.index().at_ms(at).is_some_and(within) {
                    found.extend(chunk.line(at));
                }
            }
        }
        found
    }

    /// The error lines of that minute, as far as they are kept, with which of them tell most.
    pub(in crate::observe) fn errors_in(&self, service: &ServiceName, at: World) -> Option<Errors<'_>> {
        let lines = self.excerpt(Some(service), at, SAMPLE);
        let mut shapes: HashMap<String, (usize, usize)> = HashMap::new();
        for (place, line) in lines.iter().enumerate() {
            let shape = shapes.entry(shape(line.text)).or_insert((0, place));
            shape.0 += 1;
        }
        let mut shapes: Vec<_> = shapes.into_values().collect();
        shapes.sort_by_key(|(count, place)| (Reverse(*count), *place));
        let (count, place) = *shapes.first()?;
        let commonest = *lines.get(place)?;
        Some(Errors { lines, commonest, count, shapes: shapes.into_iter().map(|(_, place)| place).collect() })
    }
}

/// The errors of a minute.
#[derive(Debug)]
pub(in crate::observe) struct Errors<'a> {
    pub(in crate::observe) lines: Vec<Line<'a>>,
    /// The line that was written most often, numbers aside.
    pub(in crate::observe) commonest: Line<'a>,
    /// How often.
    pub(in crate::observe) count: usize,
    /// The first line of each shape, the commonest shape first.
    shapes: Vec<usize>,
}

impl<'a> Errors<'a> {
    /// Up to `count` lines in the order of time: one of each shape, the commonest first, filled up
    /// with the first others.
    pub(in crate::observe) fn telling(&self, count: usize) -> Vec<Line<'a>> {
        let mut places: Vec<_> = self.shapes.iter().copied().take(count).collect();
        let others = (0..self.lines.len()).filter(|place| !places.contains(place));
        let others: Vec<_> = others.take(count - places.len()).collect();
        places.extend(others);
        let mut lines: Vec<_> = places.into_iter().filter_map(|place| self.lines.get(place).copied()).collect();
        lines.sort_by_key(|line| (line.at, line.id));
        lines
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
