//! A view on its way to a file, beside the loop: a disk that hangs must not keep the keys.

use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot::{Receiver, channel};

use crate::clock::wall;

/// Where the view is, or why it is nowhere.
pub(super) type Saved = Result<String, String>;

/// A view that is being written.
#[derive(Debug)]
pub(super) struct Saving {
    told: Receiver<Saved>,
    thread: JoinHandle<()>,
}

impl Saving {
    /// Writes on a thread of its own.
    pub(super) fn start(write: impl FnOnce() -> Saved + Send + 'static) -> Result<Self, String> {
        let (tell, told) = channel();
        let writes = move || {
            // The screen may be gone by then.
            let _ = tell.send(write());
        };
        let thread = std::thread::Builder::new().name("saving".into()).spawn(writes);
        thread.map(|thread| Self { told, thread }).map_err(|error| format!("cannot save the view: {error}"))
    }

    /// What became of it. Cancelled and called again at will, until it has told.
    pub(super) async fn ended(&mut self) -> Saved {
        (&mut self.told).await.unwrap_or_else(|_| Err("the view was not saved, by a fault of this program".into()))
    }

    /// Waits until it is written, at most `patience`.
    pub(super) fn settle(&self, patience: Duration) {
        let deadline = wall() + patience;
        while !self.thread.is_finished() && wall() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
