//! The alert book: alerts of all sources, deduplicated, claimed with an owner.

use crate::clock::World;
use crate::model::alert::{Alert, AlertKey};
use crate::model::name::{Origin, ServiceName};
use crate::text::Safe;

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

/// Who took an alert on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The name.
    pub by: Safe,
    /// When.
    pub at: World,
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

/// Alerts of all sources.
#[derive(Debug, Default)]
pub struct AlertBook {
    rows: Vec<AlertRow>,
}

impl AlertBook {
    /// All rows by need: firing before suppressed before resolved; worst first, then oldest.
    pub fn rows(&self) -> &[AlertRow] {
        &self.rows
    }

    /// How many are in which state.
    pub fn counts(&self) -> AlertCounts {
        AlertCounts::default()
    }

    /// The row of an alert.
    pub fn find(&self, origin: &Origin, key: &AlertKey) -> Option<&AlertRow> {
        self.rows.iter().find(|row| row.origin == *origin && row.alert.key == *key)
    }

    /// The worst firing alert of that name.
    pub fn named(&self, name: &str) -> Option<&AlertRow> {
        self.rows.iter().find(|row| row.alert.name == name)
    }

    /// Notes who took an alert on. `false` if there is no such alert.
    pub fn claim(&mut self, _origin: &Origin, _key: &AlertKey, _claim: Claim) -> bool {
        false
    }
}
