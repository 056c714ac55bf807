//! The folder of all incidents.

use std::path::PathBuf;

use crate::clock::World;
use crate::model::entry::{Phase, Severity};
use crate::model::name::IncidentId;
use crate::text::Safe;

/// The folder of all incidents.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub root: PathBuf,
}

/// One incident in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentSummary {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: Safe,
    /// Where the response stands.
    pub phase: Phase,
    /// How bad it is, if said.
    pub severity: Option<Severity>,
    /// When it was declared.
    pub opened_at: World,
    /// When it was closed.
    pub closed_at: Option<World>,
}
