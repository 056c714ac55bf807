//! Lengths and times in words.

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::clock::World;

/// `41 s`, `12 min`, `1 h 04 min`.
pub(super) fn words(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.abs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{sign}{seconds} s"),
        (0, minutes, 0) => format!("{sign}{minutes} min"),
        (0, minutes, seconds) if minutes < 10 => format!("{sign}{minutes} min {seconds} s"),
        (0, minutes, _) => format!("{sign}{minutes} min"),
        (hours, minutes, _) => format!("{sign}{hours} h {minutes:02} min"),
    }
}

/// `03:14:07`.
pub(super) fn clock(at: World) -> String {
    at.format("%H:%M:%S").to_string()
}

/// `2026-11-21 03:14:07Z`.
pub(super) fn day_and_clock(at: World) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `05:14`, in that zone.
pub(super) fn local(at: World, zone: Tz) -> String {
    at.with_timezone(&zone).format("%H:%M").to_string()
}

/// `T+07`, in minutes since the impact began.
pub(super) fn since_impact(at: World, impact: Option<World>) -> String {
    match impact {
        Some(impact) => {
            let minutes = (at - impact).num_seconds().div_euclid(60);
            format!("T{minutes:+}")
        }
        None => "-".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well() {
        for (seconds, text) in [(41, "41 s"), (130, "2 min 10 s"), (720, "12 min"), (734, "12 min"), (3840, "1 h 04 min"), (-60, "-1 min")] {
            assert_eq!(words(TimeDelta::seconds(seconds)), text);
        }
    }

    #[test]
    fn minutes_before_the_impact_are_negative() {
        let impact = World::from_timestamp(1_795_000_000, 0).unwrap();
        assert_eq!(since_impact(impact - TimeDelta::seconds(30), Some(impact)), "T-1");
        assert_eq!(since_impact(impact + TimeDelta::seconds(30), Some(impact)), "T+0");
        assert_eq!(since_impact(impact, None), "-");
    }
}
