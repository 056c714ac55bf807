//! How many lines there are by service, level and minute, and how fast they come.

use std::collections::BTreeMap;

use crate::clock::World;
use crate::model::log::Level;
use crate::model::name::ServiceName;

/// Minutes that are kept, before the newest line's arrival.
const KEEP: i64 = 6 * 60;
/// A line that claims to be from so many minutes after it was read is not counted: its clock is
/// wrong, and one such line must not push the true minutes out.
const AHEAD: i64 = 5;
/// Seconds of a minute.
const SECONDS: usize = 60;

/// Lines by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelCounts([u32; 7]);

impl LevelCounts {
    /// Lines of one level.
    pub fn of(&self, level: Level) -> u32 {
        self.0.get(level as usize).copied().unwrap_or_default()
    }

    /// Lines of level `Error` or worse.
    pub fn errors(&self) -> u32 {
        self.of(Level::Error).saturating_add(self.of(Level::Fatal))
    }

    /// Lines of any level, or none.
    pub fn all(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn add(&mut self, level: Level) {
        if let Some(count) = self.0.get_mut(level as usize) {
            *count = count.saturating_add(1);
        }
    }
}

/// A count for each second of a minute.
type Seconds = Box<[u16; SECONDS]>;

/// Counters of a store.
#[derive(Debug, Default)]
pub(in crate::observe) struct Counters {
    /// Few services, looked up once a line: a list is quicker than a map.
    services: Vec<(Option<ServiceName>, BTreeMap<i64, LevelCounts>)>,
    /// All services together.
    all: BTreeMap<i64, LevelCounts>,
    /// Lines and errors by second, for rates.
    seconds: BTreeMap<i64, (u32, u32)>,
    /// Errors of each service by second, of the minutes that have any: 120 bytes a minute.
    errors: Vec<(ServiceName, BTreeMap<i64, Seconds>)>,
    now: Option<i64>,
}

/// The minute of a time: minutes since the Unix epoch.
pub(in crate::observe) fn minute(at: World) -> i64 {
    at.timestamp().div_euclid(60)
}

impl Counters {
    /// Counts one line. The minute it was counted in, if it was.
    pub(super) fn count(
        &mut self,
        service: Option<&ServiceName>,
        at_ms: i64,
        level: Level,
        observed: World,
    ) -> Option<i64> {
        let (at, seen) = (at_ms.div_euclid(60_000), minute(observed));
        if at > seen + AHEAD || at < seen - KEEP {
            return None;
        }
        let slot = match self.services.iter().position(|(known, _)| known.as_ref() == service) {
            Some(slot) => slot,
            None => {
                self.services.push((service.cloned(), BTreeMap::new()));
                self.services.len() - 1
            }
        };
        let minutes = self.services.get_mut(slot).map(|(_, minutes)| minutes).into_iter();
        for minutes in minutes.chain([&mut self.all]) {
            minutes.entry(at).or_default().add(level);
            while minutes.first_key_value().is_some_and(|(oldest, _)| *oldest < seen - KEEP) {
                minutes.pop_first();
            }
        }
        let second = at_ms.div_euclid(1000);
        if let Some(service) = service.filter(|_| level >= Level::Error) {
            self.count_error(service, second, seen);
        }
        if second >= observed.timestamp() - 120 {
            let (lines, errors) = self.seconds.entry(second).or_default();
            *lines = lines.saturating_add(1);
            *errors = errors.saturating_add(u32::from(level >= Level::Error));
            while self.seconds.first_key_value().is_some_and(|(oldest, _)| *oldest < observed.timestamp() - 120) {
                self.seconds.pop_first();
            }
        }
        Some(at)
    }

    fn count_error(&mut self, service: &ServiceName, second: i64, seen: i64) {
        let slot = match self.errors.iter().position(|(known, _)| known == service) {
            Some(slot) => slot,
            None => {
                self.errors.push((service.clone(), BTreeMap::new()));
                self.errors.len() - 1
            }
        };
        let Some((_, minutes)) = self.errors.get_mut(slot) else { return };
        let seconds = minutes.entry(second.div_euclid(60)).or_insert_with(|| Box::new([0; SECONDS]));
        if let Some(count) = seconds.get_mut(second.rem_euclid(60) as usize) {
            *count = count.saturating_add(1);
        }
        while minutes.first_key_value().is_some_and(|(oldest, _)| *oldest < seen - KEEP) {
            minutes.pop_first();
        }
    }

    pub(super) fn tick(&mut self, now: World) {
        self.now = Some(now.timestamp());
    }

    /// Lines and errors of the last 60 seconds: before now, or before the newest line as long as
    /// no time has passed.
    pub(super) fn last_minute(&self) -> (u64, u64) {
        let Some(end) = self.now.or_else(|| self.newest_second()) else { return (0, 0) };
        let within = self.seconds.range(end - 59..=end);
        within.fold((0, 0), |(lines, errors), (_, (l, e))| (lines + u64::from(*l), errors + u64::from(*e)))
    }

    fn newest_second(&self) -> Option<i64> {
        self.seconds.last_key_value().map(|(second, _)| *second)
    }

    pub(in crate::observe) fn minute(&self, service: Option<&ServiceName>, minute: i64) -> LevelCounts {
        let minutes = self.services.iter().find(|(known, _)| known.as_ref() == service).map(|(_, minutes)| minutes);
        minutes.and_then(|minutes| minutes.get(&minute)).copied().unwrap_or_default()
    }

    /// A service's errors in each second of a minute and of the one before it, with the second's
    /// number since the Unix epoch.
    pub(in crate::observe) fn errors_by_second(
        &self,
        service: &ServiceName,
        minute: i64,
    ) -> impl Iterator<Item = (i64, u16)> {
        let minutes = self.errors.iter().find(|(known, _)| known == service).map(|(_, minutes)| minutes);
        (minute - 1..=minute).flat_map(move |minute| {
            let seconds = minutes.and_then(|minutes| minutes.get(&minute)).map_or([0; SECONDS], |seconds| **seconds);
            (minute.saturating_mul(60)..).zip(seconds)
        })
    }

    /// Whether anything at all was read of that minute.
    pub(in crate::observe) fn has(&self, minute: i64) -> bool {
        self.all.contains_key(&minute)
    }

    /// The first minute that is counted.
    pub(in crate::observe) fn first(&self) -> Option<i64> {
        self.all.first_key_value().map(|(minute, _)| *minute)
    }

    /// Services that wrote lines.
    pub(in crate::observe) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter().filter_map(|(service, _)| service.as_ref())
    }
}
