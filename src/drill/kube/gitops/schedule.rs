//! Schedules of five fields, as Argo CD reads them (`robfig/cron`).
//!
//! Owns: their grammar, and when one is next due. Must not: know what is due.

use std::collections::BTreeSet;

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _};

/// For how many days the next time is looked for: five years, as `robfig/cron` does.
const AHEAD: u64 = 5 * 366;

/// Values that a field takes.
#[derive(Clone, Debug)]
struct Field {
    values: BTreeSet<u32>,
    /// Whether it is a star, which says nothing.
    star: bool,
}

/// When something is due, to the minute.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Schedule {
    /// Reads five fields; `None` if they are none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace();
        let mut next = |range, names| Field::read(fields.next()?, range, names);
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let schedule = Self {
            minute: next((0, 59), &[])?,
            hour: next((0, 23), &[])?,
            day: next((1, 31), &[])?,
            month: next((1, 12), &months)?,
            weekday: next((0, 6), &["sun", "mon", "tue", "wed", "thu", "fri", "sat"])?,
        };
        fields.next().is_none().then_some(schedule)
    }

    /// The first time after `from`, if there is one within five years.
    pub(super) fn next(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let first = from.with_second(0)?.with_nanosecond(0)? + TimeDelta::minutes(1);
        (0..AHEAD).find_map(|ahead| {
            let day = first.date().checked_add_days(Days::new(ahead)).filter(|day| self.is_day(*day))?;
            let times = self.hour.values.iter().flat_map(|hour| self.minute.values.iter().map(move |it| (*hour, *it)));
            times.filter_map(|(hour, minute)| day.and_hms_opt(hour, minute, 0)).find(|time| *time >= first)
        })
    }

    /// With a day and a weekday either will do, unless one of them is a star.
    fn is_day(&self, date: NaiveDate) -> bool {
        let day = self.day.values.contains(&date.day());
        let weekday = self.weekday.values.contains(&date.weekday().num_days_from_sunday());
        let both = if self.day.star || self.weekday.star { day && weekday } else { day || weekday };
        self.month.values.contains(&date.month()) && both
    }
}

impl Field {
    fn read(text: &str, (least, most): (u32, u32), names: &[&str]) -> Option<Self> {
        let value = |word: &str| {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(word));
            let named = named.and_then(|index| u32::try_from(index).ok()).map(|index| index + least);
            named.or_else(|| word.parse().ok()).filter(|value| (least..=most).contains(value))
        };
        let mut field = Self { values: BTreeSet::new(), star: false };
        for part in text.split(',') {
            let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let every: usize = step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
            let (from, to) = match range.split_once('-') {
                Some((from, to)) => (value(from)?, value(to)?),
                None if range == "*" || range == "?" => {
                    field.star |= every == 1;
                    (least, most)
                }
                None if step.is_some() => (value(range)?, most),
                None => (value(range)?, value(range)?),
            };
            if from > to {
                return None;
            }
            field.values.extend((from..=to).step_by(every));
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_the_first_that_fits_all_fields() {
        for (schedule, from, next) in [
            ("0 22 * * *", "2026-11-21T05:59:59", Some("2026-11-21T22:00:00")),
            ("0 22 * * *", "2026-11-21T22:00:00", Some("2026-11-22T22:00:00")),
            ("*/15 * * * *", "2026-11-21T03:44:59", Some("2026-11-21T03:45:00")),
            ("5/20 3 * * *", "2026-11-21T03:26:00", Some("2026-11-21T03:45:00")),
            ("0 9-17 * * MON-fri", "2026-11-20T17:30:00", Some("2026-11-23T09:00:00")),
            ("0 0 13 * 5", "2026-11-13T00:00:00", Some("2026-11-20T00:00:00")),
            ("0 0 29 feb *", "2026-11-21T00:00:00", Some("2028-02-29T00:00:00")),
            ("0 0 30 2 *", "2026-11-21T00:00:00", None),
        ] {
            let found = Schedule::read(schedule).unwrap().next(from.parse().unwrap());
            assert_eq!(found, next.map(|next| next.parse().unwrap()), "{schedule} after {from}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_none() {
        for wrong in ["", "0 22 * *", "@daily", "0 24 * * *", "0 22 * * 7", "0 22 0 * *", "0 5-3 * * *", "*/0 * * * *"]
        {
            assert!(Schedule::read(wrong).is_none(), "{wrong}");
        }
        assert!(Schedule::read("0 22 * * * 2026").is_none(), "six fields");
    }
}
