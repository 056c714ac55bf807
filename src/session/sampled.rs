//! What of the last hour the tracks have: a minute is told as it ends, and what of it comes late is
//! told again.
//!
//! A source that was away tells its samples when it is back, and lines of logs come minutes after
//! they were written. Whoever reads tracks takes the last word on a minute.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::track::TrackSample;
use crate::observe::Picture;

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// So many minutes are told again when something of them comes late.
const HOUR: i32 = 60;

/// What of the last hour the tracks have.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// The last minute that was told as it ended.
    last: Option<World>,
    /// What was told of each minute: a fingerprint of each track's name, and of its values.
    told: BTreeMap<World, HashMap<u64, u64>>,
}

impl Sampled {
    /// What is to be written by `now`: minutes that ended since, and what came late of others.
    pub(super) fn due(&mut self, picture: &mut Picture, now: World) -> Vec<TrackSample> {
        let newest = ended(now);
        if self.last.is_some_and(|last| last >= newest) {
            return Vec::new();
        }
        let oldest = newest - MINUTE * (HOUR - 1);
        let first = self.last.map_or(newest, |last| last + MINUTE).max(oldest);
        self.last = Some(newest);
        self.told.retain(|minute, _| *minute >= oldest);
        let mut samples = Vec::new();
        for late in picture.touched().into_iter().filter(|minute| (oldest..first).contains(minute)) {
            samples.extend(picture.tracks_of_late(late));
        }
        let mut minute = first;
        while minute <= newest {
            samples.extend(picture.tracks(minute));
            minute += MINUTE;
        }
        samples.retain(|sample| self.is_news(sample));
        samples
    }

    /// All of the hour before `now`, for a record that has none of it.
    pub(super) fn hour(&mut self, picture: &mut Picture, now: World) -> Vec<TrackSample> {
        let newest = ended(now);
        picture.touched();
        self.told.clear();
        self.last = Some(newest);
        let samples: Vec<_> = (0..HOUR).rev().flat_map(|back| picture.tracks(newest - MINUTE * back)).collect();
        for sample in &samples {
            self.is_news(sample);
        }
        samples
    }

    /// The clock went back to `now`: what comes after that is told as it ends once more.
    pub(super) fn back_to(&mut self, now: World) {
        let newest = ended(now);
        self.last = self.last.map(|last| last.min(newest));
        self.told.retain(|minute, _| *minute <= newest);
    }

    /// Whether this was not told before, or otherwise.
    fn is_news(&mut self, sample: &TrackSample) -> bool {
        let mut values = DefaultHasher::new();
        for (name, value) in &sample.values {
            (name, value.map(f64::to_bits)).hash(&mut values);
        }
        let mut track = DefaultHasher::new();
        sample.track.hash(&mut track);
        let values = values.finish();
        self.told.entry(sample.at).or_default().insert(track.finish(), values) != Some(values)
    }
}

/// The last minute that is over at `now`, by its start.
fn ended(now: World) -> World {
    let start = World::from_timestamp(now.timestamp().div_euclid(60) * 60, 0).unwrap_or(now);
    start - MINUTE
}
