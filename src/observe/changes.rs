//! What was changed lately: the first suspects.

use crate::model::change::Change;
use crate::model::name::Origin;

/// One change with the source that told it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// The source.
    pub origin: Origin,
    /// The change; its service is filled in from the catalogue.
    pub change: Change,
}

/// Changes of the last 24 hours.
#[derive(Debug, Default)]
pub struct Changes {
    rows: Vec<ChangeRow>,
}

impl Changes {
    /// All, newest first.
    pub fn rows(&self) -> &[ChangeRow] {
        &self.rows
    }
}
