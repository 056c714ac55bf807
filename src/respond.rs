//! Acting: the one gateway through which the program changes a system.
//!
//! Owns: guard rails, the engine, and one actuator per system. Must not: be compiled into a
//! viewer, or be reached except through [`Engine`].
//!
//! To add a system: one actuator here that implements [`Actuator`], one line in
//! [`Engine::new`], one command in the command table.

mod alertmanager;
mod aws;
mod engine;
#[cfg(test)]
mod fake;
mod guard;
mod http;
mod intent;
mod kubernetes;
#[cfg(test)]
mod pad;
mod pass;
mod recorder;
mod steps;
mod warrant;
mod weights;

pub use engine::{Cluster, Confirmed, Ended, Engine, Left};
pub use intent::{Ack, Actuator, Intent, Seen, WriteError};
pub use pass::Pass;
pub use recorder::Recorder;
pub(crate) use steps::stopping;
pub use warrant::{By, Warrant};
