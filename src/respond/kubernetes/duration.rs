//! Durations as Go writes them, and with it all of Argo's and KEDA's: `1h30m`, `90m`, `1.5h`. Pure.

use chrono::TimeDelta;

/// Units and their milliseconds.
const UNITS: [(&str, f64); 7] =
    [("h", 3_600_000.0), ("m", 60_000.0), ("s", 1_000.0), ("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6)];
/// The longest in milliseconds, some thirty years: as a bound on foreign figures.
const LONGEST: f64 = 1e12;

/// Reads a duration that is not negative, to the millisecond. The error says what is not understood.
pub(super) fn parse(text: &str) -> Result<TimeDelta, String> {
    let strange = || format!("`{text}` is not understood as a duration");
    if text == "0" {
        return Ok(TimeDelta::zero());
    }
    let (mut rest, mut millis) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(strange)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(strange)?;
        millis += number.parse::<f64>().map_err(|_| strange())? * factor;
        rest = after;
    }
    if text.is_empty() || !(0.0..=LONGEST).contains(&millis) {
        return Err(strange());
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is in range")]
    Ok(TimeDelta::milliseconds(millis as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        for (text, seconds) in
            [("1h30m", 5400), ("1.5h", 5400), ("90m", 5400), ("1m30s", 90), ("1h0m.5s", 3600), ("45s", 45), ("0", 0)]
        {
            assert_eq!(parse(text).map(|long| long.num_seconds()), Ok(seconds), "{text}");
        }
        assert_eq!(parse("1s250ms"), Ok(TimeDelta::milliseconds(1250)));
        for wrong in ["", "8", "2d", "-1h", "h", "1e9h", "1h30", "1h 30m", ".", ".h", "999999999999h", "1µ"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
