//! The source board: how each source is, and how old what it told is.

use crate::clock::World;
use crate::model::name::Origin;
use crate::model::signal::SourceState;

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// Which.
    pub origin: Origin,
    /// How it is.
    pub state: SourceState,
    /// Since when it is so.
    pub since: World,
    /// The last successful read.
    pub last_read: Option<World>,
    /// When the newest thing that it told happened.
    pub last_news: Option<World>,
    /// Lines that were dropped on the way.
    pub dropped: u64,
}

/// How each source is.
#[derive(Debug, Default)]
pub struct SourceBoard {
    rows: Vec<SourceRow>,
}

impl SourceBoard {
    /// All sources, in the order of their first sign.
    pub fn rows(&self) -> &[SourceRow] {
        &self.rows
    }

    /// One source.
    pub fn row(&self, origin: &Origin) -> Option<&SourceRow> {
        self.rows.iter().find(|row| row.origin == *origin)
    }
}
