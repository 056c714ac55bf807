//! The drill's time: one tick of the world after the other.
//!
//! Owns: the pace. Must not: let a tick begin while somebody holds world time, so that a read
//! never meets a world that is ahead of the clock.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Driver;

use super::DrillError;
use super::serve::Shared;

/// How fast world time may go: seconds of it in a second of the wall, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// This many.
    Speed(f64),
    /// It stands still.
    Paused,
}

impl Pace {
    /// As the wall.
    pub const WALL: Self = Self::Speed(1.0);
    /// The highest speed.
    pub const MOST: f64 = 1000.0;

    pub(super) fn check(self) -> Result<(), DrillError> {
        match self {
            Self::Speed(speed) if !(speed > 0.0 && speed <= Self::MOST) => Err(DrillError::Speed(speed)),
            _ => Ok(()),
        }
    }

    /// The wall time of a tick. A speed too low to be told from a pause is one tick an hour.
    fn tick(self) -> Option<Duration> {
        match self {
            Self::Speed(speed) => Some(Duration::from_secs_f64((1.0 / speed).clamp(0.000_1, 3600.0))),
            Self::Paused => None,
        }
    }
}

/// Runs until cancelled or until nobody can change the pace any more.
pub(super) async fn run(world: Shared, mut driver: Driver, mut pace: watch::Receiver<Pace>, cancel: CancellationToken) {
    let ticking = async {
        loop {
            let Some(tick) = pace.borrow_and_update().tick() else {
                if pace.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let mut ticks = interval(tick);
            // A busy machine makes a drill slower, not hasty afterwards.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    changed = pace.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                }
                driver.settled().await;
                let now = {
                    let mut world = world.lock();
                    world.tick();
                    world.now()
                };
                driver.advance(now);
            }
        }
    };
    tokio::select! {
        () = ticking => {}
        () = cancel.cancelled() => {}
    }
}
