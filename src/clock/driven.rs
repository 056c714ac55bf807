//! A clock that only moves when it is driven, and not while somebody holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::World;

/// The longest that holds may keep world time still: a read that hangs must not stop a drill.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn pair(epoch: World) -> (Handle, Driver) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { now: epoch, holds: 0, sleepers: Vec::new() }),
        released: Notify::new(),
    });
    (Handle(Arc::clone(&shared)), Driver(shared))
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told whenever the last hold is dropped.
    released: Notify,
}

#[derive(Debug)]
struct State {
    now: World,
    holds: usize,
    sleepers: Vec<Sleeper>,
}

#[derive(Debug)]
struct Sleeper {
    at: World,
    wake: oneshot::Sender<Hold>,
}

impl Shared {
    /// The state is consistent between statements, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Handle(Arc<Shared>);

impl Handle {
    pub(super) fn now(&self) -> World {
        self.0.lock().now
    }

    pub(super) fn hold(&self) -> Hold {
        self.0.lock().holds += 1;
        Hold(Some(Arc::clone(&self.0)))
    }

    pub(super) async fn due(&self, at: World) -> Hold {
        let woken = {
            let mut state = self.0.lock();
            if state.now >= at {
                state.holds += 1;
                return Hold(Some(Arc::clone(&self.0)));
            }
            let (wake, woken) = oneshot::channel();
            state.sleepers.push(Sleeper { at, wake });
            woken
        };
        match woken.await {
            Ok(hold) => hold,
            // The driver is gone: that world never gets there.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Keeps world time still while it lives. Clones hold on their own.
#[derive(Debug)]
#[must_use = "dropping a hold lets world time go on"]
pub struct Hold(Option<Arc<Shared>>);

impl Hold {
    pub(super) fn nothing() -> Self {
        Self(None)
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        if let Some(shared) = &self.0 {
            shared.lock().holds += 1;
        }
        Self(self.0.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let last = {
                let mut state = shared.lock();
                state.holds -= 1;
                state.holds == 0
            };
            if last {
                shared.released.notify_one();
            }
        }
    }
}

/// The right to move a driven clock. There is one for each clock.
#[derive(Debug)]
pub struct Driver(Arc<Shared>);

impl Driver {
    /// World time now.
    pub fn now(&self) -> World {
        self.0.lock().now
    }

    /// Waits until nobody holds world time, or two seconds have passed by the wall.
    pub async fn settled(&self) {
        let all_released = async {
            loop {
                let released = self.0.released.notified();
                if self.0.lock().holds == 0 {
                    return;
                }
                released.await;
            }
        };
        // A reader that hangs is on its own from here on; that is what the limit is for.
        let _ = tokio::time::timeout(PATIENCE, all_released).await;
    }

    /// Moves world time to `to`, which must not lie in the past, and wakes whoever is due, in
    /// the order of their times. Each is handed a hold that was counted before time moved.
    pub fn advance(&mut self, to: World) {
        let mut state = self.0.lock();
        state.now = state.now.max(to);
        let now = state.now;
        let (mut due, later): (Vec<_>, Vec<_>) = state.sleepers.drain(..).partition(|sleeper| sleeper.at <= now);
        state.sleepers = later;
        due.retain(|sleeper| !sleeper.wake.is_closed());
        due.sort_by_key(|sleeper| sleeper.at);
        state.holds += due.len();
        drop(state);
        for sleeper in due {
            // A sleeper that gave up in between drops its hold, which releases it.
            let _ = sleeper.wake.send(Hold(Some(Arc::clone(&self.0))));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.lock().sleepers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;
    use chrono::TimeDelta;

    fn epoch() -> World {
        World::from_timestamp(1_795_000_000, 0).unwrap()
    }

    #[tokio::test]
    async fn time_stands_still_until_it_is_driven() {
        let (clock, mut driver) = Clock::driven(epoch());
        assert_eq!(clock.now(), epoch());
        driver.advance(epoch() + TimeDelta::seconds(5));
        assert_eq!(clock.now(), epoch() + TimeDelta::seconds(5));
        driver.advance(epoch());
        assert_eq!(clock.now(), epoch() + TimeDelta::seconds(5), "never backwards");
    }

    #[tokio::test]
    async fn a_sleeper_holds_time_from_the_moment_it_is_due() {
        let (clock, mut driver) = Clock::driven(epoch());
        let at = epoch() + TimeDelta::seconds(1);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                let hold = clock.due(at).await;
                assert_eq!(clock.now(), at);
                drop(hold);
            }
        });
        tokio::task::yield_now().await;
        driver.advance(at);
        // Counted before the sleeper ran at all: `settled` cannot slip past it.
        driver.settled().await;
        assert!(sleeper.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_hangs_stops_time_for_two_seconds_only() {
        let (clock, driver) = Clock::driven(epoch());
        let hold = clock.hold();
        let before = tokio::time::Instant::now();
        driver.settled().await;
        assert_eq!(before.elapsed(), PATIENCE);
        drop(hold);
    }

    #[tokio::test]
    async fn a_cancelled_sleeper_holds_nothing() {
        let (clock, mut driver) = Clock::driven(epoch());
        let at = epoch() + TimeDelta::seconds(1);
        drop(tokio::time::timeout(Duration::ZERO, clock.due(at)).await);
        driver.advance(at);
        driver.settled().await;
        assert_eq!(driver.0.lock().holds, 0);
    }

    #[test]
    fn polls_of_one_period_fall_together() {
        let (clock, mut driver) = Clock::driven(epoch());
        let every = Duration::from_secs(15);
        let first = clock.next_multiple(every);
        driver.advance(epoch() + TimeDelta::milliseconds(1));
        assert_eq!(clock.next_multiple(every), first);
        driver.advance(first);
        assert_eq!(clock.next_multiple(every), first + TimeDelta::seconds(15));
    }
}
