//! Acting: the one gateway through which the program changes a system.
//!
//! Owns: guard rails, the engine, and one actuator per system. Must not: be compiled into a
//! viewer, or be reached except through [`Engine`].

mod engine;
mod intent;

pub use engine::{Cluster, Ended, Engine};
pub use intent::{Ack, Actuator, Intent, WriteError};
