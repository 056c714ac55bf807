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

    /// What to ask for: the API counts in whole seconds.
    pub(super) fn since(&self) -> String {
        self.at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// Leaves out what was told before a cut. Lines of one log come in the order of their times
/// where it matters: what was told stands at the beginning.
#[derive(Debug)]
pub(super) struct Resume {
    mark: Mark,
    /// Lines of the mark's own time that still come again.
    again: u32,
    caught_up: bool,
}

impl Resume {
    /// Goes on at `mark`.
    pub(super) fn new(mark: Mark) -> Self {
        Self { again: mark.lines, mark, caught_up: false }
    }

    /// Whether the line of this time is new.
    pub(super) fn is_new(&mut self, at: World) -> bool {
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
    fn after_a_cut_no_line_is_told_twice_and_none_is_lost() {
        // Three lines share one time; the cut came after the second.
        let log = [at(1), at(5), at(5), at(5), at(9)];
        let mut first = Resume::new(Mark::start(at(0)));
        assert!(log[..3].iter().all(|time| first.is_new(*time)));
        let mut second = Resume::new(first.mark().clone());
        let told: Vec<bool> = log.iter().map(|time| second.is_new(*time)).collect();
        assert_eq!(told, [false, false, false, true, true]);
        // A line that is stamped a little late is told all the same.
        assert!(second.is_new(at(8)));
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
