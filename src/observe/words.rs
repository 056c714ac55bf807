//! How the picture puts times, shares and quantities in words.
//!
//! Owns: the spellings that the detectors and the situation share. Must not: know a detector.

use chrono::{SecondsFormat, TimeDelta};

use crate::clock::World;
use crate::model::cluster::MilliCores;
use crate::model::service::Unit;

/// A length for narrow columns: `45s`, `3m`, `2h`, `4d`.
pub(super) fn short(length: TimeDelta) -> String {
    match length.num_seconds().max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A length for sentences: `45 s`, `17 min`, `3 h 10 min`.
pub(super) fn long(length: TimeDelta) -> String {
    match length.num_seconds().max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds if seconds / 60 % 60 == 0 => format!("{} h", seconds / 3600),
        seconds => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The time of day, UTC: `03:14`.
pub(super) fn time(at: World) -> String {
    at.format("%H:%M").to_string()
}

/// A time as part of a key: to the second, so that two tellings of one moment that differ by
/// milliseconds make one key.
pub(super) fn stamp(at: World) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A share as per cent: `97 %`.
pub(super) fn percent(share: f64) -> String {
    Unit::Ratio.write(share)
}

/// A limit with its unit, without a needless `.0`: `1 %`, `2 s`.
pub(super) fn limit(unit: Unit, value: f64) -> String {
    unit.write(value).replacen(".0", "", 1)
}

/// CPU as people read it: `500m cpu` below one core, `2.5 cores` from there on.
pub(super) fn cpu(amount: MilliCores) -> String {
    match amount {
        0..1000 => format!("{amount}m cpu"),
        1000 => "1 core".into(),
        _ if amount.is_multiple_of(1000) => format!("{} cores", amount / 1000),
        _ => format!("{:.1} cores", amount as f64 / 1000.0),
    }
}

/// At most `cap` characters of `text`; an ellipsis says that there was more.
pub(super) fn excerpt(text: &str, cap: usize) -> String {
    match text.char_indices().nth(cap) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// `1 alert`, `2 alerts`.
pub(super) fn many(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_amounts_read_like_on_the_screen() {
        assert_eq!(short(TimeDelta::seconds(194)), "3m");
        assert_eq!(long(TimeDelta::seconds(45)), "45 s");
        assert_eq!(long(TimeDelta::minutes(190)), "3 h 10 min");
        assert_eq!(long(TimeDelta::minutes(120)), "2 h");
        assert_eq!(limit(Unit::Ratio, 0.01), "1 %");
        assert_eq!(cpu(500), "500m cpu");
        assert_eq!(cpu(64_000), "64 cores");
        assert_eq!(cpu(1500), "1.5 cores");
        assert_eq!(excerpt("naïve café", 5), "naïve…");
        assert_eq!(many(1, "alert"), "1 alert");
    }
}
