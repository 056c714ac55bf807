//! Which lines passed a filter: a bit a line, over a run of places.

use std::collections::VecDeque;

use super::LineId;

const BITS: u64 = u64::BITS as u64;

/// Which lines of a run of places passed. It grows at both ends: a scan goes back from the newest
/// line, and new lines come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    from: u64,
    to: u64,
    /// Word `n` holds the places from `(from / 64 + n) * 64` on; bits beyond the run are 0.
    words: VecDeque<u64>,
    count: u64,
}

impl Found {
    /// A run in which nothing passed.
    pub(super) fn nothing(from: u64, to: u64) -> Self {
        let to = to.max(from);
        let words = if from == to { 0 } else { (to - 1) / BITS - from / BITS + 1 };
        Self { from, to, words: (0..words).map(|_| 0).collect(), count: 0 }
    }

    /// A run without places, to grow from.
    pub fn at(place: LineId) -> Self {
        Self::nothing(place.0, place.0)
    }

    /// The first place of the run.
    pub fn from(&self) -> LineId {
        LineId(self.from)
    }

    /// The place behind the run.
    pub fn to(&self) -> LineId {
        LineId(self.to)
    }

    /// How many lines were looked at.
    pub fn len(&self) -> u64 {
        self.to - self.from
    }

    /// Whether no line was looked at.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// How many passed.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn slot(&self, place: u64) -> Option<usize> {
        let within = (self.from..self.to).contains(&place);
        usize::try_from((place / BITS).checked_sub(self.from / BITS)?).ok().filter(|_| within)
    }

    pub(super) fn set(&mut self, place: u64) {
        let bit = 1 << (place % BITS);
        if let Some(word) = self.slot(place).and_then(|slot| self.words.get_mut(slot))
            && *word & bit == 0
        {
            *word |= bit;
            self.count += 1;
        }
    }

    /// Whether the line at that place passed.
    pub fn contains(&self, LineId(place): LineId) -> bool {
        let word = self.slot(place).and_then(|slot| self.words.get(slot));
        word.is_some_and(|word| word & (1 << (place % BITS)) != 0)
    }

    /// Appends the run that follows, or the run that goes before. `false`: it is neither, and was
    /// left out.
    pub fn join(&mut self, other: Self) -> bool {
        if self.is_empty() && (other.from == self.to || other.to == self.from) {
            *self = other;
            return true;
        }
        if other.is_empty() {
            return other.from == self.to || other.from == self.from;
        }
        if other.from == self.to {
            let mut words = other.words.into_iter();
            if !self.to.is_multiple_of(BITS)
                && let (Some(last), Some(first)) = (self.words.back_mut(), words.next())
            {
                *last |= first;
            }
            self.words.extend(words);
            self.to = other.to;
        } else if other.to == self.from {
            let mut words = other.words.into_iter().rev();
            if !self.from.is_multiple_of(BITS)
                && let (Some(first), Some(last)) = (self.words.front_mut(), words.next())
            {
                *first |= last;
            }
            words.for_each(|word| self.words.push_front(word));
            self.from = other.from;
        } else {
            return false;
        }
        self.count += other.count;
        true
    }

    /// Forgets what lies before a place: those lines left the store.
    pub fn forget_before(&mut self, LineId(place): LineId) {
        if place <= self.from {
            return;
        }
        if place >= self.to {
            *self = Self::nothing(place, place);
            return;
        }
        for _ in 0..place / BITS - self.from / BITS {
            let word = self.words.pop_front().unwrap_or_default();
            self.count -= u64::from(word.count_ones());
        }
        if let Some(word) = self.words.front_mut() {
            let gone = *word & !(u64::MAX << (place % BITS));
            *word &= !gone;
            self.count -= u64::from(gone.count_ones());
        }
        self.from = place;
    }

    /// The newest line that passed and is not newer than `last`.
    pub fn before(&self, LineId(last): LineId) -> Option<LineId> {
        let last = last.min(self.to.checked_sub(1)?);
        let slot = self.slot(last)?;
        let within = self.words.get(slot)? & (u64::MAX >> (BITS - 1 - last % BITS));
        let mut words = self.words.range(..slot).enumerate().rev().map(|(slot, word)| (slot, *word));
        let (slot, word) = if within != 0 { (slot, within) } else { words.find(|(_, word)| *word != 0)? };
        Some(LineId((self.from / BITS + slot as u64) * BITS + u64::from(word.ilog2())))
    }

    /// The oldest line that passed and is not older than `first`.
    pub fn after(&self, LineId(first): LineId) -> Option<LineId> {
        let first = first.max(self.from);
        let slot = self.slot(first)?;
        let within = self.words.get(slot)? & (u64::MAX << (first % BITS));
        let mut words = (slot + 1..).zip(self.words.range(slot + 1..).copied());
        let (slot, word) = if within != 0 { (slot, within) } else { words.find(|(_, word)| *word != 0)? };
        Some(LineId((self.from / BITS + slot as u64) * BITS + u64::from(word.trailing_zeros())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn found(from: u64, passed: &[bool]) -> Found {
        let mut found = Found::nothing(from, from + passed.len() as u64);
        passed.iter().zip(from..).filter(|(passed, _)| **passed).for_each(|(_, place)| found.set(place));
        found
    }

    proptest! {
        /// Runs that join at both ends, and a front that is forgotten, are one set of places.
        #[test]
        fn runs_join_to_a_set(
            start in 500u64..700,
            runs in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<bool>(), 0..150)), 0..8),
            forget in proptest::option::of(0u64..1500),
            asked in 0u64..1600,
        ) {
            let mut all = Found::at(LineId(start));
            let mut model = BTreeSet::new();
            let (mut from, mut to) = (start, start);
            for (newer, passed) in runs {
                let first = if newer { to } else { from.saturating_sub(passed.len() as u64) };
                let passed = &passed[..passed.len().min(if newer { usize::MAX } else { from as usize })];
                model.extend(passed.iter().zip(first..).filter(|(passed, _)| **passed).map(|(_, place)| place));
                prop_assert!(all.join(found(first, passed)));
                (from, to) = if newer { (from, to + passed.len() as u64) } else { (first, to) };
            }
            prop_assert!(!all.join(found(to + 1, &[true])), "a run that does not join is left out");
            if let Some(place) = forget {
                all.forget_before(LineId(place));
                model.retain(|known| *known >= place);
                (from, to) = (from.max(place), to.max(place));
            }
            prop_assert_eq!((all.from, all.to, all.count), (from, to, model.len() as u64));
            prop_assert_eq!(all.contains(LineId(asked)), model.contains(&asked));
            let asked = LineId(asked);
            prop_assert_eq!(all.before(asked).map(|id| id.0), model.range(..=asked.0).next_back().copied());
            prop_assert_eq!(all.after(asked).map(|id| id.0), model.range(asked.0..).next().copied());
            prop_assert_eq!(all, found(from, &(from..to).map(|place| model.contains(&place)).collect::<Vec<_>>()));
        }
    }
}
