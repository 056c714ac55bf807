//! Fronts: what a session shows itself through.

use std::future::Future;

use crate::model::command::Command;
use crate::text::Safe;

use super::{Core, Wanted};

/// What a front hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The terminal's own event.
    Terminal(crossterm::event::Event),
    /// A command that needs no keys: the autopilot's, a test's.
    Command(Command),
    /// The front is at its end: standard input was closed, the responder's script is over.
    Ended,
    /// The process was stopped and continues: everything has to be drawn anew.
    Continued,
}

/// Why a front cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// The terminal is gone. The journal is made durable and the program ends at once.
    #[error("the terminal is gone: {0}")]
    Gone(Safe),
}

/// What a session shows itself through: the screen, the plain stream, the autopilot.
pub trait Front {
    /// Waits for the next input. Cancelled and called again at will: no input may be lost.
    fn input(&mut self) -> impl Future<Output = Input>;
    /// Turns input into commands for the core; changes of its own view happen here.
    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command>;
    /// What it looks for in the log. Asked after each input.
    fn wanted(&self) -> Wanted {
        Wanted::default()
    }
    /// Shows the core as it is. Called when something changed, at most once a frame.
    fn show(&mut self, core: &Core) -> Result<(), FrontError>;
    /// The shortest time between two frames, by the wall.
    fn pace(&self) -> std::time::Duration;
    /// Whether the last frame has been taken, so that another may be drawn.
    fn ready(&self) -> bool {
        true
    }
    /// Whether another program has the terminal: what its keys signal is meant for that program.
    fn is_away(&self) -> bool {
        false
    }
    /// Whether something of its own view changed, so that a frame is due without news.
    fn wants_frame(&self) -> bool {
        false
    }
}
