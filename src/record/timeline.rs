//! The timeline: entries of all writers, merged, folded, by the minute.

use crate::clock::World;
use crate::model::entry::Entry;

/// One row: an entry, or several of one dedupe key.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The first of them, with its time as last corrected.
    pub entry: Entry,
    /// How many.
    pub count: u32,
    /// When the last of them happened.
    pub last: World,
    /// Whether it belongs to the curated timeline: pinned or important by its kind.
    pub key: bool,
}

/// Merges entries of any order into rows by the time they occurred.
pub fn timeline(_entries: &[Entry]) -> Vec<Row> {
    Vec::new()
}
