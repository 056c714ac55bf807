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

/// Minutes of which it is told that something came late.
const LATE: i64 = 60;

impl Picture {
    /// The value of each track for the minute that holds `at`. A track without a value in that
    /// minute is left out: silence is not zero.
    pub fn tracks(&self, at: World) -> Vec<TrackSample> {
        self.sampled(at, self.now.is_none_or(|now| now - minute_of(at) <= NOW + NOW))
    }

    /// The same of a minute that was told before: without what is only known as it is now.
    pub fn tracks_of_late(&self, at: World) -> Vec<TrackSample> {
        self.sampled(at, false)
    }

    /// The minutes of which samples or lines came since this was asked last, oldest first: at most
    /// an hour old when they were read.
    pub fn touched(&mut self) -> Vec<World> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().filter_map(|minute| World::from_timestamp(minute * 60, 0)).collect()
    }

    /// Takes note of when samples or lines are from, in milliseconds since the Unix epoch.
    pub(super) fn touch(&mut self, observed: World, times: impl Iterator<Item = i64>) {
        let read = observed.timestamp().div_euclid(60);
        let mut last = None;
        for minute in times.map(|at| at.div_euclid(60_000)) {
            // Many in a row are of one minute.
            if last != Some(minute) && (read - LATE..=read).contains(&minute) {
                self.touched.insert(minute);
            }
            last = Some(minute);
        }
    }

    fn sampled(&self, at: World, current: bool) -> Vec<TrackSample> {
        let minute = minute_of(at);
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

/// The start of the minute that holds `at`.
fn minute_of(at: World) -> World {
    World::from_timestamp(at.timestamp().div_euclid(60) * 60, 0).unwrap_or(at)
}
