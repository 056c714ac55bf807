//! The form of a chained file: lines that each end with their own hash.
//!
//! A line is one JSON object, `{"seq":N,…,"hash":"H"}` and a line feed. `seq` counts from 1. `H`
//! is the SHA-256, in lower-case hexadecimal, of the previous line's 64 digits (for the first
//! line the file's domain) followed by this line's own bytes up to and without its digits. What
//! stands after the digits is fixed. So no byte of a file stands outside the chain.
//!
//! Owns: writing such lines, and reading bytes that claim to be such lines. Must not: know what
//! the objects mean.

use std::ops::Range;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// What the first line of a journal file is hashed over.
pub(super) const JOURNAL: &str = "warroom journal v1";
/// What the first line of a track file is hashed over.
pub(super) const TRACKS: &str = "warroom tracks v1";

const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}";
const HASH_DIGITS: usize = 64;
/// A longer line is none of ours: entries are bounded.
const LINE_CAP: usize = 4 * 1024 * 1024;

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn hash_of(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    let mut out = String::with_capacity(HASH_DIGITS);
    for byte in hasher.finalize() {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out
}

/// The writing end of a chain.
#[derive(Debug)]
pub(super) struct Chain {
    head: String,
    seq: u64,
    length: u64,
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    seq: u64,
    #[serde(flatten)]
    body: &'a T,
}

impl Chain {
    pub(super) fn new(domain: &str) -> Self {
        Self { head: domain.into(), seq: 0, length: 0 }
    }

    /// The line for `body`, which has to become a JSON object with at least one member.
    pub(super) fn line<T: Serialize>(&mut self, body: &T) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = serde_json::to_vec(&Numbered { seq: self.seq + 1, body })?;
        line.pop();
        line.extend_from_slice(BEFORE_HASH);
        self.head = hash_of(&[self.head.as_bytes(), &line]);
        self.seq += 1;
        line.extend_from_slice(self.head.as_bytes());
        line.extend_from_slice(AFTER_HASH);
        line.push(b'\n');
        self.length += line.len() as u64;
        Ok(line)
    }

    /// The hash of the last line.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// How many lines there are.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }
}

/// A file as it was read.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whole lines, good or bad.
    pub(super) lines: Vec<Line>,
    /// What deviates, by line number.
    pub(super) faults: Vec<(u64, String)>,
    /// The length of an unterminated last line that is a proper prefix of a valid one.
    pub(super) torn: Option<usize>,
}

/// One whole line.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its place, without the line feed.
    pub(super) at: Range<usize>,
    /// The hash that it ought to end with, which is the one it does end with if it is good.
    pub(super) hash: String,
    /// Whether the line is as it was written.
    pub(super) good: bool,
}

impl Scan {
    /// Length in bytes up to and with the line that has this number, and that line's hash.
    pub(super) fn up_to(&self, length: u64) -> Option<&Line> {
        self.lines.iter().find(|line| line.at.end as u64 + 1 == length)
    }

    /// The length of the whole lines in bytes, with the last one's hash.
    pub(super) fn head(&self) -> Option<(u64, &str)> {
        self.lines.last().map(|line| (line.at.end as u64 + 1, line.hash.as_str()))
    }
}

/// Reads bytes that claim to be a chained file of this domain. Never fails: what deviates is
/// told as faults, and reading goes on after them.
pub(super) fn scan(bytes: &[u8], domain: &str) -> Scan {
    let mut scan = Scan::default();
    // After a bad line either hash may be the right one: the one that is written there if its
    // content was changed, the computed one if its digits were.
    let mut previous = vec![domain.to_owned()];
    let (mut start, mut number) = (0, 0);
    while start < bytes.len() {
        number += 1;
        let rest = bytes.get(start..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else {
            match check_torn(rest, number, &previous) {
                Ok(()) => scan.torn = Some(rest.len()),
                Err(why) => scan.faults.push((number, why)),
            }
            break;
        };
        let line = rest.get(..length).unwrap_or_default();
        let (claimed, computed, fault) = check(line, number, &previous);
        if let Some(why) = &fault {
            scan.faults.push((number, why.clone()));
        }
        scan.lines.push(Line {
            number,
            at: start..start + length,
            hash: claimed.clone().unwrap_or_else(|| computed.clone()),
            good: fault.is_none(),
        });
        previous = if fault.is_none() { vec![computed] } else { claimed.into_iter().chain([computed]).collect() };
        start += length + 1;
    }
    scan
}

/// The hash that a line claims, the one it ought to have, and what is wrong with it.
fn check(line: &[u8], number: u64, previous: &[String]) -> (Option<String>, String, Option<String>) {
    let (covered, claimed) = split(line);
    let computed: Vec<String> = previous.iter().map(|head| hash_of(&[head.as_bytes(), covered])).collect();
    let right = claimed.as_ref().and_then(|claimed| computed.iter().find(|hash| *hash == claimed));
    let best = right.or(computed.first()).cloned().unwrap_or_default();
    let fault = if line.len() > LINE_CAP {
        Some("the line is longer than any that warroom writes".to_owned())
    } else if claimed.is_none() || !covered.ends_with(BEFORE_HASH) || !line.ends_with(AFTER_HASH) {
        Some("the line does not end with its hash".to_owned())
    } else if right.is_none() {
        Some("the line is not the one that was written: its hash does not fit".to_owned())
    } else if !line.starts_with(format!("{{\"seq\":{number},").as_bytes()) {
        Some("the line has another number than its place".to_owned())
    } else {
        None
    };
    (claimed, best, fault)
}

/// What the hash covers, and the hash, by their places alone: what surrounds the digits may be
/// damaged, and the next line can be judged by them all the same.
fn split(line: &[u8]) -> (&[u8], Option<String>) {
    let places = || {
        let digits_end = line.len().checked_sub(AFTER_HASH.len())?;
        let digits_start = digits_end.checked_sub(HASH_DIGITS)?;
        Some((line.get(..digits_start)?, line.get(digits_start..digits_end)?))
    };
    let Some((covered, digits)) = places() else { return (line, None) };
    let hexadecimal = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    (covered, hexadecimal.then(|| digits.iter().map(|digit| char::from(*digit)).collect()))
}

/// Whether an unterminated line may be the start of a valid one, as a cut write leaves it.
fn check_torn(rest: &[u8], number: u64, previous: &[String]) -> Result<(), String> {
    let not_a_prefix = || "the unterminated last line is not the start of a valid one".to_owned();
    let opening = format!("{{\"seq\":{number},\"");
    let common = opening.len().min(rest.len());
    if rest.get(..common) != opening.as_bytes().get(..common) || rest.len() > LINE_CAP {
        return Err(not_a_prefix());
    }
    if std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_some()) {
        return Err(not_a_prefix());
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(rest) {
        // Only the line feed is missing.
        Ok(_) if check(rest, number, previous).2.is_none() => return Ok(()),
        Err(error) if error.is_eof() => {}
        _ => return Err(not_a_prefix()),
    }
    // As far as the hash got, it has to be the right one.
    let Some(at) = memchr::memmem::rfind(rest, BEFORE_HASH) else { return Ok(()) };
    let (covered, digits) = rest.split_at(at + BEFORE_HASH.len());
    let fits = previous.iter().any(|head| {
        let mut end = hash_of(&[head.as_bytes(), covered]).into_bytes();
        end.extend_from_slice(AFTER_HASH);
        end.starts_with(digits)
    });
    // The same bytes may stand inside a text, but there the quotes are escaped.
    if fits { Ok(()) } else { Err(not_a_prefix()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(lines: &[&str]) -> Vec<u8> {
        let mut chain = Chain::new(JOURNAL);
        lines.iter().flat_map(|text| chain.line(&serde_json::json!({ "text": text })).expect("it is JSON")).collect()
    }

    #[test]
    fn what_was_written_scans_without_fault() {
        let bytes = file(&["one", "zwei ü", "three \"quoted\""]);
        let scan = scan(&bytes, JOURNAL);
        assert_eq!(scan.lines.len(), 3);
        assert!(scan.faults.is_empty() && scan.torn.is_none(), "{scan:?}");
        assert!(scan.lines.iter().all(|line| line.good));
    }

    #[test]
    fn any_changed_byte_is_a_fault_at_its_line() {
        let bytes = file(&["one", "zwei ü", "three"]);
        for at in 0..bytes.len() {
            let number = 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            for flip in [1, 0x20, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let scan = scan(&changed, JOURNAL);
                assert_eq!(scan.faults.first().map(|fault| fault.0), Some(number), "byte {at} ^ {flip}");
            }
        }
    }

    #[test]
    fn one_changed_line_does_not_accuse_its_neighbours() {
        let bytes = file(&["one", "two", "three"]);
        for at in 0..bytes.len() - 1 {
            if bytes[at] != b'\n' {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(scan(&changed, JOURNAL).faults.len(), 1, "byte {at}");
            }
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_torn_and_no_fault() {
        let bytes = file(&["one", "zwei ü \",\\\"hash\\\":\\\"x"]);
        let first = memchr::memchr(b'\n', &bytes).expect("there are two lines") + 1;
        for end in first + 1..bytes.len() {
            let scan = scan(&bytes[..end], JOURNAL);
            assert!(scan.faults.is_empty(), "cut at {end}: {:?}", scan.faults);
            assert_eq!(scan.torn, Some(end - first));
            assert_eq!(scan.lines.len(), 1);
        }
    }

    #[test]
    fn a_wrong_end_is_not_taken_for_a_torn_one() {
        let good = file(&["one"]);
        for wrong in ["x", "{\"seq\":3,", "{\"seq\":2,\"a\":}", "{\"seq\":2,\"a\":1,\"hash\":\"0000"] {
            let mut bytes = good.clone();
            bytes.extend_from_slice(wrong.as_bytes());
            assert_eq!(scan(&bytes, JOURNAL).faults.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_file_of_another_domain_does_not_pass() {
        assert_eq!(scan(&file(&["one"]), TRACKS).faults.len(), 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let scan = scan(&bytes, JOURNAL);
            prop_assert!(bytes.is_empty() || !scan.faults.is_empty() || scan.torn.is_some());
        }
    }
}
