//! Reading: one source per system, their supervisor, and histories for back-fill.
//!
//! Owns: clients that can only read, and the translation of answers into signals. Must not:
//! decide what matters, or change anything anywhere.
//!
//! To add a source: one file here that implements [`Source`] (and [`History`] if the system
//! keeps one), one line in [`registry`], one section in `config`, one contract test.

mod source;

pub use source::{Batch, Connector, Ctx, Ended, Follow, History, Source, SourceError};
mod outlet;
pub use outlet::{Inbox, Outlet};
pub mod kubernetes;
