//! The wall's time, faster: for tests that wait for time-outs and back-off of minutes.
//!
//! A runtime whose time is paused moves it on by itself whenever nobody can run, which with real
//! sockets is a lie: an answer may be on its way. While a blocking task runs it does not. So one
//! runs always, for a millisecond, and then time is moved by a step. All of a test runs on one
//! thread: a busy machine makes time slower, not different.

#![allow(dead_code, reason = "each test target that includes it uses a part")]

use std::time::Duration;

use tokio::task::JoinHandle;

/// Moves time on until it is dropped.
pub(crate) struct Hurry(JoinHandle<()>);

impl Hurry {
    /// Fifty times as fast as the wall, at most. Needs `#[tokio::test(start_paused = true)]`.
    pub(crate) fn on() -> Self {
        Self(tokio::spawn(async {
            loop {
                let pause = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1)));
                pause.await.expect("sleeping does not fail");
                tokio::time::advance(Duration::from_millis(50)).await;
            }
        }))
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.abort();
    }
}
