//! Changes that people or pipelines made: the first suspects of an incident.

use crate::clock::World;
use crate::text::Safe;

use super::name::{ServiceName, WorkloadKey};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its identity within its source, such as a ReplicaSet's UID: the same change told twice is
    /// one.
    pub id: Safe,
    /// When it was made.
    pub at: World,
    /// What sort of change.
    pub kind: ChangeKind,
    /// The workload it changed, if it is one.
    pub workload: Option<WorkloadKey>,
    /// The service, when the source itself knows it; the catalogue fills it in otherwise.
    pub service: Option<ServiceName>,
    /// What changed, in words: `image 2.8.0 → 2.9.0`.
    pub title: Safe,
    /// Before, if known.
    pub before: Option<Safe>,
    /// After, if known.
    pub after: Option<Safe>,
    /// Who made it, if the source knows.
    pub by: Option<Safe>,
    /// Revision, commit or run that it belongs to.
    pub revision: Option<Safe>,
}

/// What sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A new pod template is rolled out.
    Rollout,
    /// The number of replicas was set.
    Scale,
    /// Configuration changed.
    Config,
}
