//! How often an API may be called: one budget for all that ask, by the wall.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The pause after a first throttling; it doubles with each one that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A token bucket that heeds throttling.
#[derive(Debug)]
pub(super) struct Budget {
    /// Calls a second.
    rate: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    counted: Option<Instant>,
    /// Nobody calls before.
    paused: Option<Instant>,
    pause: Duration,
}

impl Budget {
    /// `rate` calls a second; up to a second's worth may be called at once.
    pub(super) fn new(rate: f64) -> Self {
        // Also what is not a number becomes slow and not endless.
        let rate = if rate >= 0.1 { rate.min(1_000.0) } else { 0.1 };
        let state = State { tokens: rate.max(1.0), counted: None, paused: None, pause: FIRST_PAUSE };
        Self { rate, state: Mutex::new(state) }
    }

    /// Waits until a call is due.
    pub(super) async fn take(&self) {
        while let Err(wait) = self.try_take(Instant::now()) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts a call, or says how long to wait.
    fn try_take(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        if let Some(until) = state.paused {
            if until > now {
                return Err(until - now);
            }
            state.paused = None;
        }
        let passed = state.counted.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        state.counted = Some(now);
        state.tokens = (state.tokens + passed.as_secs_f64() * self.rate).min(self.rate.max(1.0));
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return Ok(());
        }
        // A millisecond more than needed: the sum of small parts may fall short of a whole.
        Err(Duration::from_secs_f64((1.0 - state.tokens) / self.rate) + Duration::from_millis(1))
    }

    /// The API asked for less.
    pub(super) fn throttled(&self) {
        let mut state = self.lock();
        state.tokens = 0.0;
        state.paused = Some(Instant::now() + state.pause);
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
    }

    /// The API answered.
    pub(super) fn answered(&self) {
        self.lock().pause = FIRST_PAUSE;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_callers_together_stay_within_the_rate() {
        let budget = Budget::new(5.0);
        let before = Instant::now();
        let caller = || async {
            for _ in 0..25 {
                budget.take().await;
            }
        };
        tokio::join!(caller(), caller());
        let took = before.elapsed().as_secs_f64();
        assert!((8.9..9.3).contains(&took), "5 at once, then 45 at 5 a second: {took}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_makes_everybody_wait_ever_longer_until_an_answer_comes() {
        let budget = Budget::new(100.0);
        let mut waits = Vec::new();
        for _ in 0..3 {
            budget.throttled();
            let before = Instant::now();
            budget.take().await;
            waits.push(before.elapsed().as_millis() / 100);
        }
        assert_eq!(waits, [5, 10, 20]);
        budget.answered();
        budget.throttled();
        let before = Instant::now();
        budget.take().await;
        assert_eq!(before.elapsed().as_millis() / 100, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_of_nothing_is_slow_and_not_stuck() {
        for rate in [0.0, -1.0, f64::NAN] {
            let budget = Budget::new(rate);
            budget.take().await;
            let before = Instant::now();
            budget.take().await;
            assert_eq!(before.elapsed().as_secs(), 10);
        }
    }
}
