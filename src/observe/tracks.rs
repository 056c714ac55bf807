//! What the recorder samples once a minute.
//!
//! Owns: the names of tracks. Must not: put a number where nothing is known.
//!
//! | track | value |
//! |---|---|
//! | `signal/SERVICE/SIGNAL` | the last value of the minute, in the signal's unit |
//! | `logs/SERVICE/error`, `…/warn`, `…/info`, `…/other` | lines of the minute; `error` holds fatal ones too |
//! | `workload/KIND/NAMESPACE/NAME/ready`, `…/desired` | replicas as they are now, of declared workloads |

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::log::Level;
use crate::model::name::{ObjectPath, WorkloadKey};
use crate::text::Safe;

use super::Picture;

/// Replicas are known as of now: they are told of a minute that ended no longer ago than this.
const NOW: TimeDelta = TimeDelta::minutes(1);

impl Picture {
    /// The value of each track for the minute that holds `at`. A track without a value in that
    /// minute is left out: silence is not zero.
    pub fn tracks(&self, at: World) -> Vec<(Safe, f64)> {
        let minute = World::from_timestamp(at.timestamp().div_euclid(60) * 60, 0).unwrap_or(at);
        let mut tracks = Vec::new();
        for service in self.catalogue.services() {
            let name = &service.name;
            for signal in self.services.row(name).into_iter().flat_map(|row| &row.signals) {
                if let Some(value) = signal.in_minute(minute) {
                    tracks.push((Safe::from(format!("signal/{name}/{}", signal.name)), value));
                }
            }
            let lines = self.logs.minute(Some(name), minute);
            if lines.all() > 0 {
                let other = lines.all() - lines.errors() - lines.of(Level::Warn) - lines.of(Level::Info);
                for (level, count) in [
                    ("error", lines.errors()),
                    ("warn", lines.of(Level::Warn)),
                    ("info", lines.of(Level::Info)),
                    ("other", other),
                ] {
                    tracks.push((Safe::from(format!("logs/{name}/{level}")), f64::from(count)));
                }
            }
            let current = self.now.is_none_or(|now| now - minute <= NOW + NOW);
            for pattern in service.workloads.iter().filter(|_| current) {
                let path = ObjectPath::new(pattern.namespace.clone(), pattern.name.clone());
                let key = WorkloadKey { kind: pattern.kind, path };
                let Some(workload) = self.workloads.row(&key).and_then(|row| row.workload.as_ref()) else { continue };
                let track = format!("workload/{}/{}", key.kind, key.path);
                tracks.push((Safe::from(format!("{track}/ready")), f64::from(workload.ready)));
                tracks.push((Safe::from(format!("{track}/desired")), f64::from(workload.desired)));
            }
        }
        tracks
    }
}
