//! The session: one task owns the core; messages change it, effects leave it as values.
//!
//! Owns: the loop, the core, messages and effects with their runner, the command table, the
//! autopilot and the plain front. Must not: draw, or know a system's protocol.

pub mod commands;
mod core;
mod front;

pub use self::core::{
    Action, ActionState, Core, Facing, IncidentView, Notice, NoticeKind, PlanView, ResumeOffer, WriteWindow,
};
pub use front::{Front, FrontError, Input};
