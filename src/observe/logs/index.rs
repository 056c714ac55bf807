//! Where each line of a chunk lies, when it was written, of which stream and how bad it is:
//! eleven bytes a line.

use crate::model::log::{Level, LineIndex};

/// What is known of each line beside its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// First byte of each line. The next line's is one line feed behind its last.
    starts: Vec<u32>,
    times: Times,
    streams: Vec<u16>,
    levels: Vec<Level>,
}

/// Milliseconds since the Unix epoch, one a line.
#[derive(Clone, Debug)]
enum Times {
    /// As what is added to the first line's time: 24 days either way.
    Near { first: i64, after: Vec<i32> },
    /// A clock was wrong.
    Far(Vec<i64>),
}

impl Default for Times {
    fn default() -> Self {
        Self::Near { first: 0, after: Vec::new() }
    }
}

impl Times {
    fn push(&mut self, at_ms: i64) {
        if let Self::Near { first, after } = self {
            if after.is_empty() {
                *first = at_ms;
            }
            if let Some(near) = at_ms.checked_sub(*first).and_then(|ms| i32::try_from(ms).ok()) {
                after.push(near);
                return;
            }
            *self = Self::Far(after.iter().map(|ms| *first + i64::from(*ms)).collect());
        }
        if let Self::Far(all) = self {
            all.push(at_ms);
        }
    }

    fn get(&self, at: usize) -> Option<i64> {
        match self {
            Self::Near { first, after } => Some(first + i64::from(*after.get(at)?)),
            Self::Far(all) => all.get(at).copied(),
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Near { after, .. } => after.capacity() * size_of::<i32>(),
            Self::Far(all) => all.capacity() * size_of::<i64>(),
        }
    }
}

impl Index {
    /// Appends the lines of a batch whose text lies `shift` bytes into the chunk's, and whose
    /// streams have these places.
    pub(super) fn extend(&mut self, lines: &[LineIndex], shift: u32, places: &[u16]) {
        self.starts.extend(lines.iter().map(|line| line.start.saturating_add(shift)));
        self.streams.extend(lines.iter().map(|line| places.get(usize::from(line.stream)).copied().unwrap_or_default()));
        self.levels.extend(lines.iter().map(|line| line.level));
        lines.iter().for_each(|line| self.times.push(line.at_ms));
    }

    /// A copy of the lines from `low` up to `high`, whose text begins with the first of them.
    pub(super) fn part(&self, low: usize, high: usize) -> Self {
        let shift = self.start(low).unwrap_or_default() as u32;
        let mut times = Times::default();
        (low..high).filter_map(|at| self.at_ms(at)).for_each(|at_ms| times.push(at_ms));
        Self {
            starts: self.starts.get(low..high).unwrap_or_default().iter().map(|start| start - shift).collect(),
            times,
            streams: self.streams.get(low..high).unwrap_or_default().to_vec(),
            levels: self.levels.get(low..high).unwrap_or_default().to_vec(),
        }
    }

    pub(super) fn shrink(&mut self) {
        self.starts.shrink_to_fit();
        self.streams.shrink_to_fit();
        self.levels.shrink_to_fit();
        match &mut self.times {
            Times::Near { after, .. } => after.shrink_to_fit(),
            Times::Far(all) => all.shrink_to_fit(),
        }
    }

    pub(super) fn is_loose(&self) -> bool {
        self.starts.capacity() > self.starts.len() || self.levels.capacity() > self.levels.len()
    }

    /// Bytes, as allocated.
    pub(super) fn cost(&self) -> usize {
        self.starts.capacity() * size_of::<u32>()
            + self.times.cost()
            + self.streams.capacity() * size_of::<u16>()
            + self.levels.capacity() * size_of::<Level>()
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// First byte of a line; of the line behind the last, `None`.
    pub(super) fn start(&self, at: usize) -> Option<usize> {
        self.starts.get(at).map(|start| *start as usize)
    }

    pub(super) fn at_ms(&self, at: usize) -> Option<i64> {
        self.times.get(at)
    }

    pub(super) fn stream(&self, at: usize) -> Option<usize> {
        self.streams.get(at).map(|stream| usize::from(*stream))
    }

    pub(super) fn level(&self, at: usize) -> Level {
        self.levels.get(at).copied().unwrap_or(Level::Unknown)
    }

    /// The line that a byte of the text belongs to, its line feed included, searched from a line
    /// before it: what is found next in a scan is near.
    pub(super) fn line_of(&self, byte: usize, from: usize) -> usize {
        let byte = byte as u32;
        let mut step = 1;
        let mut low = from;
        while self.starts.get(low + step).is_some_and(|start| *start <= byte) {
            low += step;
            step *= 2;
        }
        let high = (low + step).min(self.starts.len());
        let within = self.starts.get(low..high).unwrap_or_default();
        low + within.partition_point(|start| *start <= byte).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_kept_whatever_the_clocks_say(times in proptest::collection::vec(prop_oneof![any::<i64>(), -9i64..9, Just(i64::MIN), Just(i64::MAX)], 0..20)) {
            let mut kept = Times::default();
            times.iter().for_each(|at| kept.push(*at));
            let read: Vec<_> = (0..times.len()).filter_map(|at| kept.get(at)).collect();
            prop_assert_eq!(read, times);
        }

        #[test]
        fn a_byte_is_found_in_its_line(lengths in proptest::collection::vec(0u32..9, 1..60), byte in 0usize..500, from in 0usize..60) {
            let mut index = Index::default();
            let mut start = 0;
            for length in &lengths {
                index.starts.push(start);
                start += length + 1;
            }
            let byte = byte % start as usize;
            let expected = index.starts.iter().rposition(|start| *start as usize <= byte).unwrap();
            prop_assert_eq!(index.line_of(byte, from.min(expected)), expected);
        }
    }
}
