//! The record: entries, the journal, tracks, the timeline, milestones, the archive.
//!
//! Owns: every file of an incident's directory. Must not: know the screen, or read a system.

mod archive;
mod durable;
mod journal;
mod milestones;
mod timeline;

pub use archive::{Archive, IncidentSummary};
pub use durable::{Durability, Durable, JournalError, Receipt};
pub use journal::Journal;
pub use milestones::{Duration, Milestone, Milestones, milestones};
pub use timeline::{Row, timeline};
