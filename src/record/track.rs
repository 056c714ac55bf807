//! The lines of track files: chained as the journal's are, and tied to it at both ends.

use serde::{Deserialize, Serialize};

use crate::model::track::TrackSample;
use crate::text::Safe;

/// One line of a track file as it is read: beside its number and its hash.
#[derive(Debug, Deserialize)]
pub(super) struct TrackRow {
    #[serde(flatten)]
    pub(super) line: TrackLine,
}

/// What one line of a track file tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrackLine {
    /// The first: which journal file it stands beside.
    Of {
        /// The journal file's name.
        journal: Safe,
    },
    /// A sample.
    Sample(TrackSample),
    /// The last, written after the journal's seal: without it, a journal whose seal was cut off
    /// would look like one whose writer was killed.
    End {
        /// The hash of the journal's seal.
        head: Safe,
    },
}
