//! A pod's log cut into lines while it streams, and where to go on after a cut.
//!
//! Owns: the cap on a line that has no end, the timestamps that the kubelet puts before each
//! line, and telling no line twice. Must not: hold more than one line.

use crate::clock::World;
use crate::text::LINE_CAP;

/// A timestamp and its blank stand before each line.
const HEAD: usize = 64;

/// Cuts a body into lines of bounded size.
#[derive(Debug, Default)]
pub(super) struct Lines {
    line: Vec<u8>,
    dropped: usize,
}

impl Lines {
    /// Takes bytes in as they come; `take` gets each complete line.
    pub(super) fn push(&mut self, data: &[u8], mut take: impl FnMut(&str)) {
        let mut rest = data;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (head, tail) = rest.split_at(at);
            self.add(head);
            self.end(&mut take);
            rest = tail.get(1..).unwrap_or_default();
        }
        self.add(rest);
    }

    /// The body is over: what is left is a line too.
    pub(super) fn finish(&mut self, mut take: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.end(&mut take);
        }
    }

    fn add(&mut self, data: &[u8]) {
        let room = (LINE_CAP + HEAD).saturating_sub(self.line.len()).min(data.len());
        let (kept, dropped) = data.split_at(room);
        self.line.extend_from_slice(kept);
        self.dropped = self.dropped.saturating_add(dropped.len());
    }

    fn end(&mut self, take: &mut impl FnMut(&str)) {
        if self.dropped > 0 {
            // Room for the marker within the cap, so that the cleaner does not cut it off.
            let keep = self.line.len().saturating_sub(2 * HEAD);
            let dropped = self.dropped + self.line.len() - keep;
            self.line.truncate(keep);
            self.line.extend_from_slice(format!("… [{dropped} more bytes]").as_bytes());
        }
        take(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        self.dropped = 0;
    }
}

/// The kubelet's timestamp and the line behind it.
pub(super) fn dated(line: &str) -> Option<(World, &str)> {
    let (stamp, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some((stamp.parse().ok()?, rest))
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
    fn a_megabyte_without_an_end_is_one_bounded_line() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for _ in 0..1024 {
            lines.push(&[b'x'; 1024], |line| out.push(line.to_owned()));
            assert!(lines.line.capacity() < 8 * LINE_CAP);
        }
        lines.push(b"\nnext\nrest", |line| out.push(line.to_owned()));
        lines.finish(|line| out.push(line.to_owned()));
        assert_eq!(out.len(), 3);
        let kept = out[0].bytes().filter(|byte| *byte == b'x').count();
        assert!(out[0].ends_with(&format!("[{} more bytes]", 1024 * 1024 - kept)), "{}", &out[0][out[0].len() - 40..]);
        assert_eq!(out[1..], ["next", "rest"]);
    }

    #[test]
    fn the_kubelets_timestamp_is_taken_off() {
        let (when, rest) = dated("2026-11-21T03:14:07.123456789Z ERROR two words").unwrap();
        assert_eq!((when.timestamp_subsec_nanos(), rest), (123_456_789, "ERROR two words"));
        assert_eq!(dated("2026-11-21T03:14:07Z").map(|(_, rest)| rest), Some(""));
        assert_eq!(dated("unable to retrieve container logs"), None);
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
        fn lines_do_not_depend_on_how_the_network_cuts_them(log in "([a-zé ]{0,20}\n){0,6}[a-z]{0,5}", cut in 1usize..9) {
            let mut lines = Lines::default();
            let mut out = Vec::new();
            for piece in log.as_bytes().chunks(cut) {
                lines.push(piece, |line| out.push(line.to_owned()));
            }
            lines.finish(|line| out.push(line.to_owned()));
            let expected: Vec<String> = log.lines().map(str::to_owned).collect();
            prop_assert_eq!(out, expected);
        }
    }
}
