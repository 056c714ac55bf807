//! The lines of a pod's log while it streams, and where to go on after a cut.
//!
//! Owns: the timestamps that the kubelet puts before each line, and telling no line twice. Must
//! not: hold a line.

use chrono::NaiveDate;

use crate::clock::World;

/// The kubelet's timestamp and the line behind it.
pub(super) fn dated(line: &str) -> Option<(World, &str)> {
    let (stamp, rest) = match memchr::memchr(b' ', line.as_bytes()) {
        Some(at) => (line.get(..at)?, line.get(at + 1..)?),
        None => (line, ""),
    };
    Some((utc(stamp.as_bytes()).or_else(|| stamp.parse().ok())?, rest))
}

/// Whether this is what is left of a timestamp: the line behind it was not told.
pub(super) fn is_cut_stamp(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_digit())
        && line.len() < "2026-11-21T03:14:07.123456789+00:00 ".len()
        && line.bytes().all(|byte| byte.is_ascii_digit() || b"-:.+TZ ".contains(&byte))
}

/// `2026-11-21T03:14:07.123456789Z`, which is what every line starts with, without the general
/// parser's detours. `None`: it is written in some other way.
fn utc(stamp: &[u8]) -> Option<World> {
    let number = |from: usize, to: usize| {
        stamp
            .get(from..to)?
            .iter()
            .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let [.., b'Z'] = stamp else { return None };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if stamp.len() > 30 || marks.iter().any(|(at, mark)| stamp.get(*at) != Some(mark)) {
        return None;
    }
    let nanos = match (stamp.get(19)?, stamp.len() - 1) {
        (b'Z', 19) => 0,
        (b'.', end @ 21..) => number(20, end)? * 10_u32.pow(29 - end as u32),
        _ => return None,
    };
    let day = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
    let time = day.and_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)?;
    Some(time.and_utc())
}

/// How far a log was read: the newest time, and how many lines had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    at: World,
    lines: u32,
}

impl Mark {
    /// Everything before `at` is left out.
    pub(super) fn start(at: World) -> Self {
        Self { at, lines: 0 }
    }

    /// The newest time.
    pub(super) fn at(&self) -> World {
        self.at
    }

    /// What to ask for: the API counts in whole seconds.
    pub(super) fn since(&self) -> String {
        self.at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Lines of a stream that are remembered, to know one that comes again.
const REMEMBERED: usize = 1024;

/// Leaves out what was told before a cut, and what something on the way delivers twice. Lines of one
/// log come in the order of their times where it matters: what was told stands at the beginning.
#[derive(Debug)]
pub(super) struct Resume {
    mark: Mark,
    /// Lines of the mark's own time that still come again.
    again: u32,
    caught_up: bool,
    /// Time and hash of the last lines, round and round.
    recent: Vec<(World, u64)>,
    oldest: usize,
}

impl Resume {
    /// Goes on at `mark`.
    pub(super) fn new(mark: Mark) -> Self {
        Self { again: mark.lines, mark, caught_up: false, recent: Vec::new(), oldest: 0 }
    }

    /// Whether the line of this time is new.
    pub(super) fn is_new(&mut self, at: World, text: &str) -> bool {
        if !self.caught_up {
            if at < self.mark.at {
                return false;
            }
            if at == self.mark.at && self.again > 0 {
                self.again -= 1;
                return false;
            }
            self.caught_up = true;
        }
        let line = (at, hash(text));
        // Time stands still or goes back: it is late, or it comes again.
        if at <= self.mark.at && self.recent.contains(&line) {
            return false;
        }
        match self.recent.get_mut(self.oldest) {
            Some(oldest) => *oldest = line,
            None => self.recent.push(line),
        }
        self.oldest = (self.oldest + 1) % REMEMBERED;
        if at == self.mark.at {
            self.mark.lines = self.mark.lines.saturating_add(1);
        } else if at > self.mark.at {
            self.mark = Mark { at, lines: 1 };
        }
        true
    }

    /// How far it is now.
    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// Tells two lines of one time apart: quick, since every line is hashed (FNV-1a over words).
fn hash(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let last = rest.iter().fold(rest.len() as u64, |last, byte| last << 8 | u64::from(*byte));
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]);
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanos: i64) -> World {
        World::from_timestamp_nanos(1_795_000_000_000_000_000 + nanos)
    }

    #[test]
    fn the_kubelets_timestamp_is_taken_off() {
        let (when, rest) = dated("2026-11-21T03:14:07.123456789Z ERROR two words").unwrap();
        assert_eq!((when.timestamp_subsec_nanos(), rest), (123_456_789, "ERROR two words"));
        assert_eq!(dated("2026-11-21T03:14:07Z").map(|(_, rest)| rest), Some(""));
        assert_eq!(dated("unable to retrieve container logs"), None);
    }

    #[test]
    fn what_is_left_of_a_timestamp_is_no_line() {
        for cut in ["2", "2026-11", "2026-11-21T03:14:07.123456789Z", "2026-11-21T03:14:07.1+01:00"] {
            assert!(is_cut_stamp(cut), "{cut}");
        }
        for words in ["", "unable to retrieve container logs", "42 is the answer", "-"] {
            assert!(!is_cut_stamp(words), "{words}");
        }
    }

    #[test]
    fn after_a_cut_no_line_is_told_twice_and_none_is_lost() {
        // Three lines share one time; the cut came after the second.
        let log = [at(1), at(5), at(5), at(5), at(9)];
        let mut first = Resume::new(Mark::start(at(0)));
        let lines = || log.iter().zip(["a", "b", "c", "d", "e"]);
        assert!(lines().take(3).all(|(time, text)| first.is_new(*time, text)));
        let mut second = Resume::new(first.mark().clone());
        let told: Vec<bool> = lines().map(|(time, text)| second.is_new(*time, text)).collect();
        assert_eq!(told, [false, false, false, true, true]);
        // A line that is stamped a little late is told all the same.
        assert!(second.is_new(at(8), "f"));
    }

    #[test]
    fn lines_that_are_delivered_twice_are_told_once() {
        let mut resume = Resume::new(Mark::start(at(0)));
        let piece = [(at(1), "a"), (at(2), "b"), (at(2), "c"), (at(3), "d")];
        let told: Vec<bool> = piece.iter().chain(&piece).map(|(time, text)| resume.is_new(*time, text)).collect();
        assert_eq!(told, [true, true, true, true, false, false, false, false]);
        assert!(resume.is_new(at(2), "late"), "of a time that was told, and another line");
        for n in 0..3 * REMEMBERED as i64 {
            assert!(resume.is_new(at(10 + n), "same"));
        }
        assert_eq!(resume.recent.len(), REMEMBERED);
        assert_ne!(hash("12345678"), hash("123456789"));
        assert_ne!(hash("\0"), hash(""));
    }

    proptest! {
        #[test]
        fn a_stamp_is_read_as_the_general_parser_reads_it(stamp in "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?(Z|\\+01:00|z)") {
            if let Some(at) = utc(stamp.as_bytes()) {
                prop_assert_eq!(Some(at), stamp.parse().ok());
            }
            prop_assert_eq!(dated(&format!("{stamp} x")).map(|(at, _)| at), stamp.parse().ok());
        }
    }
}
