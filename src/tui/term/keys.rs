//! The thread that reads keys.
//!
//! Owns: every read of the terminal's events. Must not: read while another program has the
//! terminal: it reads only when it was asked to, one batch at a time.
//!
//! crossterm (0.29) reads a terminal that hung up over and over, without an end and without an
//! error. On the loop's own thread that would be the end of the loop; here it is that of a thread
//! which the process does not wait for.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crossterm::event::{self, Event};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Events that are handed over at once, at most.
const BATCH: usize = 256;

/// A handle to the thread.
#[derive(Debug)]
pub(super) struct Keys {
    ask: Sender<()>,
    read: UnboundedReceiver<io::Result<Vec<Event>>>,
    /// The thread reads, or has read what was not taken yet.
    asked: bool,
    waiting: VecDeque<Event>,
}

impl Keys {
    /// Starts the thread. It reads nothing before it is asked to.
    pub(super) fn start() -> io::Result<Self> {
        let (ask, asks) = channel();
        let (tell, read) = unbounded_channel();
        std::thread::Builder::new().name("keys".into()).spawn(move || serve(&asks, &tell))?;
        Ok(Self { ask, read, asked: false, waiting: VecDeque::new() })
    }

    /// Waits for the next event. Cancelled and called again at will; `None` when there will be no
    /// more.
    ///
    /// Once it has told an event, nobody reads the terminal until it is called again.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            if !self.asked {
                self.ask.send(()).ok()?;
                self.asked = true;
            }
            let read = self.read.recv().await?;
            self.asked = false;
            match read {
                Ok(events) => self.waiting.extend(events),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Forgets what was read and not taken.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
    }
}

fn serve(asks: &Receiver<()>, tell: &UnboundedSender<io::Result<Vec<Event>>>) {
    while asks.recv().is_ok() {
        if tell.send(batch()).is_err() {
            return;
        }
    }
}

/// The next event, and those that came with it.
fn batch() -> io::Result<Vec<Event>> {
    let mut events = vec![event::read()?];
    while events.len() < BATCH && event::poll(Duration::ZERO)? {
        events.push(event::read()?);
    }
    Ok(events)
}
