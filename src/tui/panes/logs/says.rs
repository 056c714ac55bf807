//! What a line of a log says, without what the screen says already: its time and its level.
//!
//! Owns: decoding of structured lines, for the few that are visible. Must not: keep anything; the
//! whole line stays where it is, and its detail shows it.

use std::sync::LazyLock;

use chrono::Timelike as _;
use regex::Regex;

use crate::clock::World;
use crate::model::log::Level;
use crate::observe::logs::Line;
use crate::text::Safe;

/// Fields that are shown behind the message of a structured line.
const FIELDS: usize = 4;
/// A time in front of a line is that of the line if it lies so near, in seconds.
const NEAR: i64 = 5;

/// A structured line: the message first, then the other fields.
pub(super) struct Decoded {
    pub(super) message: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Decoded {
    fn of(pairs: impl Iterator<Item = (String, String)>) -> Option<Self> {
        let (mut message, mut fields) = (None, Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "msg" | "message" => message = Some(value),
                "level" | "lvl" | "severity" | "ts" | "time" | "timestamp" | "@timestamp" => {}
                _ => fields.push((name, value)),
            }
        }
        if message.is_none() && fields.is_empty() {
            return None;
        }
        Some(Self { message: message.unwrap_or_default(), fields })
    }
}

/// A line of JSON or logfmt as words. `None`: it is neither.
pub(super) fn decoded(text: &str) -> Option<Decoded> {
    if text.starts_with('{') {
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
        return Decoded::of(fields.into_iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        }));
    }
    let pairs = logfmt(text)?;
    // A sentence that begins with `a=b` is no logfmt: that has a message, or fields alone.
    Decoded::of(pairs.into_iter())
}

/// The pairs of a logfmt line, if it is nothing but pairs.
fn logfmt(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@/".contains(c)) {
            return None;
        }
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (value, left) = after.split_once(' ').unwrap_or((after, ""));
                (value.to_owned(), left)
            }
        };
        pairs.push((name.to_owned(), value));
        rest = left.trim_start();
    }
    (pairs.len() >= 2).then_some(pairs)
}

/// What stands up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => match chars.next()?.1 {
                'n' | 't' => value.push(' '),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// What is shown of a line. What JSON escaped is cleaned once more: `\u001b` is an escape.
pub(super) fn says(line: &Line<'_>) -> String {
    let Some(decoded) = decoded(line.text) else { return bare(line.text, line.at, line.level).to_owned() };
    let own = line.service.map(|service| service.as_str());
    // What identifies a request is for machines, and in the detail.
    let id = |name: &str| name.ends_with("_id") || name.ends_with("Id") || name == "id";
    let told = |name: &str, value: &str| id(name) || (name == "service" && Some(value) == own);
    let fields = decoded.fields.iter().filter(|(name, value)| !told(name, value));
    let mut text = decoded.message;
    for (name, value) in fields.take(FIELDS) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format!("{name}={value}"));
    }
    Safe::from(text).to_string()
}

/// A plain line without its leading time, if that is `at`, and its leading level, if that is
/// `level`.
fn bare(text: &str, at: World, level: Level) -> &str {
    static STAMP: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let day = r"(?:\d{4}[-/]\d\d[-/]\d\d[T ])?";
        let time = r"\d\d:(?<minute>\d\d):(?<second>\d\d)(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?";
        Regex::new(&format!(r"^\[?{day}{time}\]?[\s|:-]+")).ok()
    });
    let mut rest = text;
    if let Some(found) = STAMP.as_ref().and_then(|stamp| stamp.captures(text)) {
        let part = |name: &str| found.name(name).and_then(|part| part.as_str().parse::<i64>().ok()).unwrap_or(0);
        // The hour may be that of another zone.
        let own = part("minute") * 60 + part("second");
        let apart = (own - i64::from(at.minute() * 60 + at.second())).rem_euclid(3600);
        if apart <= NEAR || apart >= 3600 - NEAR {
            rest = text.get(found.get(0).map_or(0, |whole| whole.end())..).unwrap_or(text);
        }
    }
    let word = rest.split([' ', ':', '|']).next().unwrap_or_default();
    let bare = word.trim_matches(['[', ']', '<', '>']);
    if (3..=8).contains(&bare.len()) && level != Level::Unknown && Level::detect(bare) == level {
        let after = rest.get(word.len()..).unwrap_or_default().trim_start_matches([' ', ':', '|', '-']);
        // A line that is nothing but its level is shown as it is.
        if !after.is_empty() {
            return after;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> World {
        text.parse().unwrap()
    }

    #[test]
    fn what_the_row_says_already_is_not_said_again() {
        let when = at("2026-11-21T02:59:18.630Z");
        for (line, level, shown) in [
            ("2026-11-21T02:59:18.630Z ERROR order 17 failed", Level::Error, "order 17 failed"),
            ("[2026-11-21 03:59:18,630] [WARN] pool: is full", Level::Warn, "pool: is full"),
            ("02:59:19 INFO: ready", Level::Info, "ready"),
            ("error: no such file", Level::Error, "no such file"),
        ] {
            assert_eq!(bare(line, when, level), shown, "{line}");
        }
    }

    #[test]
    fn what_differs_from_the_row_is_kept() {
        let when = at("2026-11-21T02:59:18Z");
        for (line, level) in [
            ("2026-11-21T02:51:03Z ERROR this was written eight minutes before", Level::Error),
            ("INFO is the word, but an error was found", Level::Error),
            ("Errors are counted", Level::Unknown),
            ("ERROR", Level::Error),
        ] {
            assert!(bare(line, when, level).starts_with(line.split(' ').next().unwrap()), "{line}");
        }
    }

    #[test]
    fn logfmt_and_json_lines_are_decoded_and_sentences_are_not() {
        let line = decoded(r#"ts=2026-11-21T02:59:18Z level=info msg="query \"shoes\" took 3 ms" hits=12"#).unwrap();
        assert_eq!(line.message, r#"query "shoes" took 3 ms"#);
        assert_eq!(line.fields, [("hits".to_owned(), "12".to_owned())]);
        let line = decoded(r#"{"level":"error","msg":"timed out","partner":"acq"}"#).unwrap();
        assert_eq!((line.message.as_str(), line.fields.len()), ("timed out", 1));
        for text in ["replicas=3 are wanted", "a=b", "msg=\"no end", "GET /x?a=1 b=2", "{not json}", ""] {
            assert!(decoded(text).is_none(), "{text}");
        }
    }
}
