//! The nouns: plain data that every room above speaks in.
//!
//! Owns: names, signals, what is known of a cluster, alerts, log batches, changes, findings,
//! entries, plans and commands. Must not: do I/O, keep state, or import any room but `text`
//! and the types of time in `clock`.

pub mod alert;
pub mod card;
pub mod change;
pub mod cluster;
pub mod command;
pub mod entry;
pub mod finding;
pub mod log;
pub mod matcher;
pub mod name;
pub mod plan;
pub mod runbook;
pub mod service;
pub mod signal;
pub mod track;
