//! Tracks: what a chart needs, one sample a minute, beside the journal's transitions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::text::Safe;

use super::name::ServiceName;
use super::service::Unit;

/// One minute of one track. It may be told again when something of that minute came late: the last
/// word counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackSample {
    /// The minute.
    pub at: World,
    /// Which track: `checkout errors` for a service's signal, `logs payments` for log volume,
    /// `replicas Deployment shop/payments` for replicas.
    pub track: Safe,
    /// The service it belongs to, if it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// How the values are written.
    pub unit: Unit,
    /// The limit that a signal should keep, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The values: `value` for a signal, the levels for log volume, `ready` and `wanted` for
    /// replicas. `None`: there was no value, which is not zero.
    pub values: BTreeMap<Safe, Option<f64>>,
}
