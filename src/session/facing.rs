//! The environment that a session faces, as fronts read it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::config::{Environment, WritePolicy};
use crate::model::card::Place;
use crate::model::name::{EnvId, SourceId, SourceKind};
use crate::text::Safe;

/// The environment that is faced.
#[derive(Clone, Debug, PartialEq)]
pub struct Facing {
    /// Its name.
    pub env: EnvId,
    /// Whether it counts as production.
    pub production: bool,
    /// The colour the configuration names for it.
    pub color: Option<Safe>,
    /// Whether its world is a drill's.
    pub drill: bool,
    /// Whether actions may be planned at all.
    pub write: WritePolicy,
    /// How long a write window stays open.
    pub window: TimeDelta,
    /// What each of its sources tells of.
    pub sources: BTreeMap<SourceId, SourceKind>,
    /// How often those are read whose reads have an interval of their own.
    pub intervals: BTreeMap<SourceId, Duration>,
}

impl Facing {
    pub(super) fn of(env: &Environment) -> Self {
        Self {
            env: env.name.clone(),
            production: env.production,
            color: env.color.clone(),
            drill: env.drill,
            write: env.write,
            window: TimeDelta::from_std(env.write_window).unwrap_or(TimeDelta::minutes(15)),
            sources: env.source_kinds(),
            intervals: env.intervals(),
        }
    }

    /// What kind of place it is.
    pub fn place(&self) -> Place {
        match (self.drill, self.production) {
            (true, _) => Place::Drill,
            (false, true) => Place::Production,
            (false, false) => Place::Other,
        }
    }
}
