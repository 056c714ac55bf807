//! Reading: one source per system, their supervisor, and histories for back-fill.
//!
//! Owns: clients that can only read, and the translation of answers into signals. Must not:
//! decide what matters, or change anything anywhere.
//!
//! To add a source: one file here that implements [`Source`] (and [`History`] if the system
//! keeps one), one line in [`registry()`], one section in `config`, one contract test.

mod alertmanager;
mod aws;
mod backfill;
#[cfg(test)]
mod harness;
pub(crate) mod http;
pub mod kubernetes;
mod outlet;
mod prometheus;
mod registry;
mod runbook;
mod source;
mod supervisor;

pub use aws::{Keys, Lent, identity};
pub use backfill::{BackFill, Past};
pub use outlet::{Inbox, Outlet};
pub use registry::registry;
pub use runbook::read_runbook;
pub use source::{Batch, Connector, Ctx, Ended, Follow, History, Source, SourceError};
pub use supervisor::{Supervisor, begin};
