//! The session: one task owns the core; messages change it, effects leave it as values.
//!
//! Owns: the loop, the core, messages and effects with their runner, the command table, the
//! autopilot and the plain front. Must not: draw, or know a system's protocol.

mod autopilot;
pub mod commands;
mod core;
mod effect;
mod facing;
mod front;
mod ledger;
mod message;
mod offered;
mod outflow;
mod plain;
mod run;
mod runner;
mod sampled;
mod scanner;
mod scans;
mod transcript;
mod update;
mod vitals;

pub use self::core::{
    Action, ActionState, Consent, Core, Grant, IncidentView, Notice, NoticeKind, PlanView, ResumeOffer, RunbookState,
    RunbookView, WriteWindow,
};
pub use autopilot::{Autopilot, Step};
pub use effect::Effect;
pub use facing::Facing;
pub use front::{Front, FrontError, Input};
pub use ledger::{Bearings, Ledger};
pub use message::{Dated, Envelope, Message};
pub use offered::offered;
pub use plain::Plain;
pub use run::{Done, Setup, Signals, run};
pub use runner::{AskFn, Means, Runner};
pub use scanner::Scanner;
pub use scans::{Errand, Purpose, Scanned, Scans, Wanted};
pub use update::update;
