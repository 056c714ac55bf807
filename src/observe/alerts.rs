//! The alert book: alerts of all sources, deduplicated, claimed with an owner.
//!
//! Owns: which alerts are known, which of them are one and the same, who took them on. Must not:
//! read a clock, or judge how bad an alert is beyond what its source says.

mod book;
mod group;

use crate::model::alert::{Alert, AlertKey, AlertState};
use crate::model::name::{Origin, ServiceName};
use crate::text::Safe;

pub use crate::model::alert::Claim;
pub use book::AlertBook;

/// One row of the book: one alert, however many sources tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    /// The source that told it first.
    pub origin: Origin,
    /// The alert as that source tells it.
    pub alert: Alert,
    /// Other sources that tell the same: same name, same service.
    pub also: Vec<(Origin, AlertKey)>,
    /// The service it is about.
    pub service: Option<ServiceName>,
    /// Who took it on, here.
    pub claim: Option<Claim>,
}

impl AlertRow {
    /// Whether it fires and is not silenced.
    pub fn fires(&self) -> bool {
        self.alert.state == AlertState::Firing
    }

    /// By what its sources know it.
    pub fn keys(&self) -> impl Iterator<Item = &Safe> {
        std::iter::once(&self.alert.key.0).chain(self.also.iter().map(|(_, key)| &key.0))
    }

    /// Whether this row stands for that alert of that source.
    pub fn stands_for(&self, origin: &Origin, key: &AlertKey) -> bool {
        (self.origin == *origin && self.alert.key == *key)
            || self.also.iter().any(|(other, its)| other == origin && its == key)
    }
}

/// How many alerts are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// Firing.
    pub firing: usize,
    /// Firing and claimed.
    pub claimed: usize,
    /// Silenced or inhibited.
    pub suppressed: usize,
    /// Resolved within the time that is kept.
    pub resolved: usize,
}
