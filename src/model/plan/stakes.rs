//! What a plan puts at stake, and whether there is room for it.

use serde::{Deserialize, Serialize};

use crate::text::Safe;

/// What a plan puts at stake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Blast {
    /// Ready replicas before.
    pub ready_before: u32,
    /// Replicas wanted before, where their number is what it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_before: Option<u32>,
    /// Replicas wanted after.
    pub wanted_after: u32,
    /// The fewest that the change allows to be ready, on its way or at any time after it. `None`:
    /// that is not known, or it is not about replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fewest_ready: Option<u32>,
    /// The change of the target's ready capacity, in words: `+6 of 6 (100 % more)`.
    pub words: Safe,
}

/// Whether the cluster has room.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Nothing is added.
    NotNeeded,
    /// So many of the added replicas fit now by requests, and so many would wait.
    Counted {
        /// Added replicas that fit now.
        fit: u32,
        /// Added replicas that would stay pending.
        wait: u32,
        /// Why, in words.
        words: Safe,
    },
    /// Nodes or requests are not known.
    Unknown {
        /// Why not.
        why: Safe,
    },
}
