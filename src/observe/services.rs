//! The service board: how each declared service is, by its signals, alerts and workloads.

use std::collections::VecDeque;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::name::ServiceName;
use crate::model::service::{Threshold, Unit};
use crate::text::Safe;

/// How a service is. Ordered by need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A signal is in breach.
    Failing,
    /// An alert about it fires or a workload of it is hurt, but no signal is in breach.
    Hurt,
    /// There is no fresh signal: silence is not health.
    Unknown,
    /// All signals are fresh and within their thresholds.
    Fine,
}

impl Health {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "FAILING",
            Self::Hurt => "HURT",
            Self::Unknown => "unknown",
            Self::Fine => "fine",
        }
    }
}

/// One service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRow {
    /// Its name.
    pub name: ServiceName,
    /// How it is.
    pub health: Health,
    /// Since when it is so.
    pub since: Option<World>,
    /// Why, in words: `no signal for 3 min`, `2 alerts fire`.
    pub why: Safe,
    /// Its signals in the order of the catalogue.
    pub signals: Vec<SignalRow>,
}

/// One signal of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRow {
    /// Its name.
    pub name: Safe,
    /// How values are written.
    pub unit: Unit,
    /// What counts as a breach.
    pub threshold: Option<Threshold>,
    /// Samples of the last hour, oldest first. `None` is a query without a value.
    pub recent: VecDeque<(World, Option<f64>)>,
    /// Since when it is in breach, by the first sample that was.
    pub breached_since: Option<World>,
}

impl SignalRow {
    /// The newest value with its time.
    pub fn latest(&self) -> Option<(World, f64)> {
        self.recent.iter().rev().find_map(|(at, value)| value.map(|value| (*at, value)))
    }
}

/// How each service is.
#[derive(Debug, Default)]
pub struct ServiceBoard {
    rows: Vec<ServiceRow>,
}

impl ServiceBoard {
    /// All services of the catalogue, nothing known of any.
    pub fn new(_catalogue: &Catalogue) -> Self {
        Self::default()
    }

    /// All services by need: failing, hurt, unknown, fine; then in the catalogue's order.
    pub fn rows(&self) -> &[ServiceRow] {
        &self.rows
    }

    /// One service.
    pub fn row(&self, name: &ServiceName) -> Option<&ServiceRow> {
        self.rows.iter().find(|row| row.name == *name)
    }
}
