//! Tracks: what a chart needs, one sample a minute, beside the journal's transitions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::model::service::Unit;
use crate::text::Safe;

/// One minute of one track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackSample {
    /// The minute.
    pub at: World,
    /// Which track: `checkout errors` for a service's signal, `logs payments` for log volume,
    /// `ready payments` for replicas.
    pub track: Safe,
    /// The service it belongs to, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Safe>,
    /// How the values are written.
    pub unit: Unit,
    /// The limit that a signal should keep, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The values: `value` for a signal, the levels for log volume, `ready` and `wanted` for
    /// replicas. `None`: there was no value, which is not zero.
    pub values: BTreeMap<Safe, Option<f64>>,
}

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
