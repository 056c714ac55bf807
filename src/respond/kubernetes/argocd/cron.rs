//! Schedules of sync windows, as Argo CD reads them (`robfig/cron`: five fields). Pure.

use chrono::{Datelike as _, NaiveDateTime, TimeDelta, Timelike as _};

/// The longest window that is looked back for.
const LONGEST: TimeDelta = TimeDelta::days(366);

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something begins, to the minute: each field is a set of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Of days and weekdays one is open: both have to fit then, else either.
    both: bool,
}

impl Cron {
    /// Reads five fields. The error says what is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<_> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("`{text}` has not the five fields of a schedule"));
        };
        let (days, any_day) = field(days, 1, 31, &[])?;
        let (weekdays, any_weekday) = field(weekdays, 0, 6, &DAYS)?;
        Ok(Self {
            minutes: field(minutes, 0, 59, &[])?.0,
            hours: field(hours, 0, 23, &[])?.0,
            months: field(months, 1, 12, &MONTHS)?.0,
            days,
            weekdays,
            both: any_day || any_weekday,
        })
    }

    /// Whether there is no day that it fires on, such as the 30th of February.
    pub(super) fn never(&self) -> bool {
        let longest = |month: u32| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let has_day = |month: u32| (1..=longest(month)).any(|day| self.days & (1 << day) != 0);
        self.both && !(1..=12).any(|month| self.months & (1 << month) != 0 && has_day(month))
    }

    fn fires(&self, at: NaiveDateTime) -> bool {
        let has = |bits: u64, value: u32| bits & (1 << value) != 0;
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().num_days_from_sunday());
        has(self.minutes, at.minute())
            && has(self.hours, at.hour())
            && has(self.months, at.month())
            && if self.both { day && weekday } else { day || weekday }
    }

    /// When it fired last within `length` before `now`, both ends left out: as Argo CD finds out
    /// whether a window is active.
    pub(super) fn last(&self, now: NaiveDateTime, length: TimeDelta) -> Option<NaiveDateTime> {
        let mut at = now.with_second(0)?.with_nanosecond(0)?;
        while at > now - length.min(LONGEST) {
            if at < now && self.fires(at) {
                return Some(at);
            }
            at -= TimeDelta::minutes(1);
        }
        None
    }
}

/// A list of values, ranges and steps; whether it is open (`*`).
fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Result<(u64, bool), String> {
    let strange = || format!("`{text}` is not understood as part of a schedule");
    let value = |word: &str| {
        let named = names.iter().position(|name| word.eq_ignore_ascii_case(name));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + least);
        named.or_else(|| word.parse().ok()).filter(|value| (least..=most).contains(value)).ok_or_else(strange)
    };
    let (mut bits, mut open) = (0, false);
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0).ok_or_else(strange)?))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?),
            None if matches!(range, "*" | "?") => {
                open |= step.is_none_or(|step| step == 1);
                (least, most)
            }
            // With a step, from there to the end.
            None => (value(range)?, if step.is_some() { most } else { value(range)? }),
        };
        if from > to {
            return Err(strange());
        }
        for value in (from..=to).step_by(usize::try_from(step.unwrap_or(1)).map_err(|_| strange())?) {
            bits |= 1 << value;
        }
    }
    Ok((bits, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
    }

    fn fires(schedule: &str, time: &str) -> bool {
        Cron::parse(schedule).unwrap().fires(at(time))
    }

    #[test]
    fn fields_are_values_lists_ranges_and_steps() {
        assert!(fires("0 22 * * *", "2026-11-21 22:00:00") && !fires("0 22 * * *", "2026-11-21 22:01:00"));
        assert!(fires("*/15 * * * *", "2026-11-21 03:45:00") && !fires("*/15 * * * *", "2026-11-21 03:46:00"));
        assert!(fires("5/20 * * * *", "2026-11-21 03:45:00") && !fires("5/20 * * * *", "2026-11-21 03:00:00"));
        assert!(fires("0 9-17 * * MON-fri", "2026-11-20 09:00:00"), "a Friday");
        assert!(!fires("0 9-17 * * mon-fri", "2026-11-21 09:00:00"), "a Saturday");
        assert!(fires("0 0 1,15 dec *", "2026-12-15 00:00:00"));
    }

    #[test]
    fn a_day_and_a_weekday_are_either_and_an_open_one_is_no_condition() {
        assert!(fires("0 0 13 * 5", "2026-11-13 00:00:00") && fires("0 0 13 * 5", "2026-11-20 00:00:00"));
        assert!(!fires("0 0 13 * *", "2026-11-20 00:00:00"));
        assert!(!fires("0 0 */2 * 5", "2026-11-18 00:00:00"), "an even Wednesday is neither");
        assert!(fires("0 0 */2 * 5", "2026-11-19 00:00:00"), "a step is a condition, so either will do");
    }

    #[test]
    fn a_window_is_found_by_its_last_beginning() {
        let nightly = Cron::parse("0 22 * * *").unwrap();
        let eight = TimeDelta::hours(8);
        assert_eq!(nightly.last(at("2026-11-21 05:59:59"), eight), Some(at("2026-11-20 22:00:00")));
        assert_eq!(nightly.last(at("2026-11-21 06:00:00"), eight), None, "over to the second");
        assert_eq!(nightly.last(at("2026-11-20 22:00:00"), eight), None, "Argo CD leaves out both ends");
        assert_eq!(nightly.last(at("2026-11-20 22:00:01"), eight), Some(at("2026-11-20 22:00:00")));
    }

    #[test]
    fn a_day_that_no_month_has_is_never() {
        for (schedule, never) in [
            ("0 0 30 2 *", true),
            ("0 0 31 4,6,9,11 *", true),
            ("0 0 29 2 *", false),
            ("0 0 31 2,3 *", false),
            ("0 0 30 2 mon", false),
            ("* * * * *", false),
        ] {
            assert_eq!(Cron::parse(schedule).unwrap().never(), never, "{schedule}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for wrong in ["", "0 22 * *", "@daily", "0 24 * * *", "0 22 * * 7", "0 22 0 * *", "0 5-3 * * *", "*/0 * * * *"]
        {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }
}
