//! The picture: what is known now, and the detectors that notice what matters.
//!
//! Owns: the alert book, the log store, workloads, the service board, changes, the source board
//! and all detectors. Pure: no I/O, no clock, no locks. State changes in [`Picture::apply`] and
//! [`Picture::tick`] alone, by the times that signals carry, never by their arrival.

pub mod alerts;
pub mod changes;
pub mod logs;
pub mod services;
pub mod situation;
pub mod sources;
pub mod workloads;

use std::sync::Arc;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::finding::Finding;
use crate::model::signal::{Signal, Stamped};

/// Everything that is known now.
#[derive(Debug)]
pub struct Picture {
    /// The services that were declared.
    pub catalogue: Arc<Catalogue>,
    /// Alerts of all sources.
    pub alerts: alerts::AlertBook,
    /// Log lines.
    pub logs: logs::LogStore,
    /// Workloads, pods and nodes.
    pub workloads: workloads::Workloads,
    /// How each service is.
    pub services: services::ServiceBoard,
    /// What was changed.
    pub changes: changes::Changes,
    /// How each source is.
    pub sources: sources::SourceBoard,
}

impl Picture {
    /// Nothing is known yet.
    pub fn new(catalogue: Arc<Catalogue>) -> Self {
        Self {
            alerts: alerts::AlertBook::default(),
            logs: logs::LogStore::default(),
            workloads: workloads::Workloads::default(),
            services: services::ServiceBoard::new(&catalogue),
            changes: changes::Changes::default(),
            sources: sources::SourceBoard::default(),
            catalogue,
        }
    }

    /// Takes one signal in, and tells what the detectors notice.
    pub fn apply(&mut self, _signal: Stamped<Signal>) -> Vec<Finding> {
        Vec::new()
    }

    /// Lets world time pass: for what is noticed by its absence.
    pub fn tick(&mut self, _now: World) -> Vec<Finding> {
        Vec::new()
    }
}
