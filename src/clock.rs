//! World time and wall time.
//!
//! *World time* drives polls, detector windows, plan expiry and every stamp. In a drill it runs
//! faster than the wall, at most at the drill's speed: a [`Hold`] keeps it still while a read is
//! in flight or its answer is not applied yet, so that a busy machine makes a drill slower, not
//! different. *Wall time* ([`Wall`]) drives I/O time-outs, retry back-off, frames and request
//! signing, and never scales.
//!
//! Owns the only calls of `Utc::now` and `Instant::now` in the program. Must not know what a
//! drill is beyond its [`Driver`].

mod driven;

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

pub use driven::{Driver, Hold};

/// A point in world time, UTC.
pub type World = DateTime<Utc>;

/// A point in wall time, for time-outs and frames only.
pub type Wall = Instant;

/// Now, by the wall: by the runtime's time, which a test may drive, so that what was heard when
/// and the time-outs beside it never go by two clocks.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
pub fn wall() -> Wall {
    tokio::time::Instant::now().into_std()
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the calendar clock")]
fn calendar() -> World {
    Utc::now()
}

/// World time: the calendar, or a drill's clock. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Real,
    Driven(driven::Handle),
}

impl Clock {
    /// The calendar of this machine.
    pub fn real() -> Self {
        Self(Kind::Real)
    }

    /// A clock that stands at `epoch` until its [`Driver`] advances it.
    pub fn driven(epoch: World) -> (Self, Driver) {
        let (handle, driver) = driven::pair(epoch);
        (Self(Kind::Driven(handle)), driver)
    }

    /// World time now.
    pub fn now(&self) -> World {
        match &self.0 {
            Kind::Real => calendar(),
            Kind::Driven(handle) => handle.now(),
        }
    }

    /// Keeps world time still until the hold is dropped, for at most two seconds of
    /// wall time. On a real clock it holds nothing.
    pub fn hold(&self) -> Hold {
        match &self.0 {
            Kind::Real => Hold::nothing(),
            Kind::Driven(handle) => handle.hold(),
        }
    }

    /// Resolves when world time has reached `at`, and holds world time from that very moment,
    /// so that what the caller does next is done *at* `at` and not some ticks later.
    pub async fn due(&self, at: World) -> Hold {
        match &self.0 {
            Kind::Real => {
                let wait = (at - calendar()).to_std().unwrap_or(Duration::ZERO);
                tokio::time::sleep(wait).await;
                Hold::nothing()
            }
            Kind::Driven(handle) => handle.due(at).await,
        }
    }

    /// The next multiple of `every` after now, counted from the Unix epoch: polls of one period
    /// fall together, on round times, whenever they were started. `every` is at least 1 ms.
    pub fn next_multiple(&self, every: Duration) -> World {
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let now = self.now();
        let past = now.timestamp_millis().rem_euclid(every);
        let at = now.timestamp_millis().saturating_add(every - past);
        World::from_timestamp_millis(at).unwrap_or(now)
    }

    /// Whether world time is a drill's.
    pub fn is_driven(&self) -> bool {
        matches!(self.0, Kind::Driven(_))
    }
}

/// A stretch of world time, `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First moment inside.
    pub from: World,
    /// First moment after.
    pub to: World,
}

impl Span {
    /// The `length` before `to`, as far as the calendar goes back.
    pub fn before(to: World, length: TimeDelta) -> Self {
        Self { from: to.checked_sub_signed(length).unwrap_or(World::MIN_UTC), to }
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: World) -> bool {
        self.from <= at && at < self.to
    }

    /// How long it is; negative if it ends before it starts.
    pub fn length(&self) -> TimeDelta {
        self.to - self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reaches_as_far_back_as_the_calendar_and_no_further() {
        let span = Span::before(World::UNIX_EPOCH, TimeDelta::days(400_000_000));
        assert_eq!(span, Span { from: World::MIN_UTC, to: World::UNIX_EPOCH });
        assert_eq!(Span::before(World::UNIX_EPOCH, TimeDelta::hours(1)).length(), TimeDelta::hours(1));
    }
}
