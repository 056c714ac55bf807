//! Times, ages, trends and cut text, as the screen writes them.

use chrono::TimeDelta;
use chrono_tz::Tz;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::clock::World;

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// UTC, marked with a Z.
    #[default]
    Utc,
    /// A zone that somebody chose; its name is shown.
    In(Tz),
    /// How long ago.
    Relative,
}

impl Zone {
    /// `03:14`, or with the date when it is another day than `now`.
    pub(super) fn minute(self, at: World, now: World) -> String {
        match self {
            Self::Relative => format!("-{}", age(now - at)),
            Self::Utc => minute(at, now),
            Self::In(tz) => minute(at.with_timezone(&tz), now.with_timezone(&tz)),
        }
    }

    /// `03:14:07.114`, for lines of logs.
    pub(super) fn milli(self, at: World, now: World) -> String {
        match self {
            Self::Relative => format!("{:>6}", format!("-{}", age(now - at))),
            Self::Utc => at.format("%H:%M:%S%.3f").to_string(),
            Self::In(tz) => at.with_timezone(&tz).format("%H:%M:%S%.3f").to_string(),
        }
    }

    /// A whole point in time with its zone, for details.
    pub(super) fn full(self, at: World) -> String {
        match self {
            Self::Utc | Self::Relative => at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            Self::In(tz) => format!("{} {}", at.with_timezone(&tz).format("%Y-%m-%d %H:%M:%S"), tz.name()),
        }
    }

    /// The header's clock, with the zone.
    pub(super) fn clock(self, now: World, seconds: bool) -> String {
        let format = if seconds { "%H:%M:%S" } else { "%H:%M" };
        match self {
            Self::Utc | Self::Relative => format!("{}Z", now.format(format)),
            Self::In(tz) => format!("{} {}", now.with_timezone(&tz).format(format), tz.name()),
        }
    }
}

fn minute<T: chrono::TimeZone>(at: chrono::DateTime<T>, now: chrono::DateTime<T>) -> String
where
    T::Offset: std::fmt::Display,
{
    let format = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%m-%d %H:%M" };
    at.format(format).to_string()
}

/// What one character of a trend stands for.
pub(super) const TREND: TimeDelta = TimeDelta::minutes(2);

/// `48s`, `17m`, `3h`, `2d`. The future is `0s`.
pub(super) fn age(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The age of what is as new as it should be, in steps of five seconds: `<5s`, `5s`, `10s`. A
/// figure that ticks in every title is bytes every second, and tells nothing.
pub(super) fn fresh(length: TimeDelta) -> String {
    match length.num_seconds() {
        ..5 => "<5s".to_owned(),
        seconds => age(TimeDelta::seconds(seconds - seconds % 5)),
    }
}

/// `48 s`, `17 min`, `3 h 5 min`, `2 d`.
pub(super) fn long_age(length: TimeDelta) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 if seconds % 3600 >= 60 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `17m42s`, `1h05m`: the header's elapsed time.
pub(super) fn elapsed(length: TimeDelta, fine: bool) -> String {
    let seconds = length.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 if fine => format!("{}m{:02}s", seconds / 60, seconds % 60),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `97 %`.
pub(super) fn percent(share: f64) -> String {
    crate::model::service::Unit::Ratio.write(share)
}

/// A count with commas: `4,102`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How far a scan got: `scanned 400,000 of 1,000,000`.
pub(super) fn scanned((done, all): (u64, u64)) -> String {
    format!("scanned {} of {}", count(done), count(all))
}

/// `1 alert`, `3 alerts`, `10,000 pods`.
pub(super) fn plural(number: usize, one: &str) -> String {
    format!("{} {one}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// Columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `columns`, with an ellipsis where it was cut.
pub(super) fn fit(text: &str, columns: usize, ascii: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mark = if ascii { "~" } else { "…" };
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let more = width(grapheme);
        if used + more + 1 > columns {
            break;
        }
        used += more;
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push_str(mark);
    }
    out
}

/// `text` without its first `columns`.
pub(super) fn skip(text: &str, columns: usize) -> &str {
    let mut passed = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        if passed >= columns {
            return text.get(at..).unwrap_or_default();
        }
        passed += width(grapheme);
    }
    if passed >= columns && columns == 0 { text } else { "" }
}

/// `text` broken into lines of at most `columns`, at spaces where there are any. Line breaks in
/// the text are kept.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(4);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_inclusive(' ') {
            let long = width(word.trim_end());
            if used + long > columns && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if long <= columns {
                line.push_str(word);
                used += width(word);
                continue;
            }
            for grapheme in word.graphemes(true) {
                if used + width(grapheme) > columns {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                used += width(grapheme);
                line.push_str(grapheme);
            }
        }
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// A trend in `columns` characters from zero up: the newest at the right. `top` is at least what
/// stands for a full block, so that a small value does not look like a mountain.
pub(super) fn spark(values: &[f64], columns: usize, top: f64, ascii: bool) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const PLAIN: [char; 8] = ['_', '.', ',', '-', '=', '+', '*', '#'];
    let marks = if ascii { PLAIN } else { BLOCKS };
    if columns == 0 || values.is_empty() {
        return String::new();
    }
    let per = values.len().div_ceil(columns).max(1);
    let means: Vec<f64> =
        values.rchunks(per).rev().map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let top = means.iter().copied().filter(|value| value.is_finite()).fold(top, f64::max);
    means
        .iter()
        .map(|value| {
            let level = if top > 0.0 && value.is_finite() { (value / top * 8.0).ceil() - 1.0 } else { 0.0 };
            marks.get(level.clamp(0.0, 7.0) as usize).copied().unwrap_or(' ')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        for (seconds, short, long) in [
            (48, "48s", "48 s"),
            (1020, "17m", "17 min"),
            (11_100, "3h", "3 h 5 min"),
            (200_000, "2d", "2 d"),
            (-5, "0s", "0 s"),
        ] {
            assert_eq!(
                (age(TimeDelta::seconds(seconds)).as_str(), long_age(TimeDelta::seconds(seconds)).as_str()),
                (short, long)
            );
        }
        assert_eq!(elapsed(TimeDelta::seconds(1062), true), "17m42s");
        assert_eq!(elapsed(TimeDelta::seconds(3900), true), "1h05m");
    }

    #[test]
    fn times_are_utc_unless_a_zone_was_chosen() {
        let now = World::from_timestamp(1_795_231_792, 0).unwrap();
        assert_eq!(Zone::Utc.clock(now, true), "03:29:52Z");
        assert_eq!(Zone::In(chrono_tz::Europe::Berlin).clock(now, false), "04:29 Europe/Berlin");
        assert_eq!(Zone::Relative.minute(now - TimeDelta::minutes(17), now), "-17m");
        assert_eq!(Zone::Utc.minute(now - TimeDelta::hours(5), now), "11-20 22:29");
    }

    #[test]
    fn text_is_cut_by_columns_not_bytes() {
        assert_eq!(fit("checkout", 5, false), "chec…");
        assert_eq!(fit("漢字漢字", 5, false), "漢字…");
        assert_eq!(fit("checkout", 8, false), "checkout");
        assert_eq!(fit("checkout", 4, true), "che~");
        assert_eq!(fit("x", 0, false), "");
        assert_eq!(skip("checkout", 5), "out");
        assert_eq!(skip("checkout", 50), "");
        assert_eq!(skip("checkout", 0), "checkout");
    }

    #[test]
    fn long_text_is_wrapped_at_spaces_and_long_words_are_broken() {
        assert_eq!(wrap("read the runbook first", 10), ["read the", "runbook", "first"]);
        assert_eq!(wrap("abcdefghijkl", 5), ["abcde", "fghij", "kl"]);
        assert_eq!(wrap("a\n\nb", 5), ["a", "", "b"]);
    }

    #[test]
    fn a_trend_rises_from_zero() {
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 4, 8.0, false), "▁▁▄█");
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 4, 8.0, true), "__-#");
        assert_eq!(spark(&[1.0; 60], 5, 100.0, false), "▁▁▁▁▁");
        assert_eq!(spark(&[], 5, 1.0, false), "");
        assert_eq!(spark(&[f64::NAN, f64::INFINITY], 2, 1.0, false), "▁▁");
    }
}
