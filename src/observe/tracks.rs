//! What the recorder samples once a minute.
//!
//! Owns: the names of tracks. Must not: put a number where nothing is known.
//!
//! | track | values |
//! |---|---|
//! | `SERVICE SIGNAL` | `value`: the last of the minute, in the signal's unit |
//! | `logs SERVICE` | `error` (fatal ones too), `warn`, `info`, `other`: lines of the minute |
//! | `replicas KIND NAMESPACE/NAME` | `ready`, `wanted`: as they are now, of declared workloads |

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::log::Level;
use crate::model::name::{ObjectPath, WorkloadKey};
use crate::model::service::Unit;
use crate::model::track::TrackSample;
use crate::text::Safe;

use super::Picture;

/// Replicas are known as of now: they are told of a minute that ended no longer ago than this, and
/// if their source was heard no longer before it.
const NOW: TimeDelta = TimeDelta::minutes(1);

impl Picture {
    /// The value of each track for the minute that holds `at`. A track without a value in that
    /// minute is left out: silence is not zero.
    pub fn tracks(&self, at: World) -> Vec<TrackSample> {
        let minute = World::from_timestamp(at.timestamp().div_euclid(60) * 60, 0).unwrap_or(at);
        let mut tracks = Vec::new();
        for service in self.catalogue.services() {
            let name = &service.name;
            let sample = |track: String, unit, limit, values: BTreeMap<Safe, Option<f64>>| TrackSample {
                at: minute,
                track: Safe::from(track),
                service: Some(name.clone()),
                unit,
                limit,
                values,
            };
            for signal in self.services.row(name).into_iter().flat_map(|row| &row.signals) {
                if let Some(value) = signal.in_minute(minute) {
                    let values = BTreeMap::from([(Safe::fixed("value"), Some(value))]);
                    let limit = signal.threshold.map(|threshold| threshold.limit);
                    tracks.push(sample(format!("{name} {}", signal.name), signal.unit, limit, values));
                }
            }
            let lines = self.logs.minute(Some(name), minute);
            if lines.all() > 0 {
                let other = lines.all() - lines.errors() - lines.of(Level::Warn) - lines.of(Level::Info);
                let levels = [
                    ("error", lines.errors()),
                    ("warn", lines.of(Level::Warn)),
                    ("info", lines.of(Level::Info)),
                    ("other", other),
                ];
                let values =
                    levels.into_iter().map(|(level, count)| (Safe::fixed(level), Some(f64::from(count)))).collect();
                tracks.push(sample(format!("logs {name}"), Unit::Count, None, values));
            }
            let current = self.now.is_none_or(|now| now - minute <= NOW + NOW);
            for pattern in service.workloads.iter().filter(|_| current) {
                let path = ObjectPath::new(pattern.namespace.clone(), pattern.name.clone());
                let key = WorkloadKey { kind: pattern.kind, path };
                let Some(row) = self.workloads.row(&key) else { continue };
                // What a source told last is no value of now once it tells nothing any more.
                let read = self.sources.row(&row.origin).and_then(|source| source.last_read);
                let Some(workload) = row.workload.as_ref().filter(|_| read.is_none_or(|read| read >= minute - NOW))
                else {
                    continue;
                };
                let values = BTreeMap::from([
                    (Safe::fixed("ready"), Some(f64::from(workload.ready))),
                    (Safe::fixed("wanted"), Some(f64::from(workload.desired))),
                ]);
                tracks.push(sample(format!("replicas {key}"), Unit::Count, None, values));
            }
        }
        tracks
    }
}
