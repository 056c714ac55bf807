//! Times of a scenario: what a file says of them, and what a seed makes of that.
//!
//! Owns: the form `NAME + 2m10s` and its resolution. Must not: know what happens then.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::clock;
use crate::drill::rng::Rng;

use super::schema::Scenario;
use super::units::{duration, parse_duration};

/// A time relative to the epoch, an event or a step of the responder: `release + 2m10s`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::drill) struct When {
    pub(super) anchor: String,
    offset: TimeDelta,
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (anchor, sign, offset) = if let Some((anchor, offset)) = text.split_once(" + ") {
            (anchor, 1, parse_duration(offset)?)
        } else if let Some((anchor, offset)) = text.split_once(" - ") {
            (anchor, -1, parse_duration(offset)?)
        } else {
            (text, 1, Duration::ZERO)
        };
        let anchor = anchor.trim();
        if anchor.is_empty() || !anchor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            return Err(format!("`{text}` is not a time such as `epoch + 24m` or `release + 2m10s`"));
        }
        let offset = TimeDelta::from_std(offset).ok().filter(|offset| *offset < TimeDelta::days(365));
        let offset = offset.ok_or_else(|| format!("`{text}` lies too far away"))?;
        Ok(Self { anchor: anchor.to_owned(), offset: offset * sign })
    }
}

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// By how much a seed moves a time, either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(in crate::drill) struct Jitter(#[serde(deserialize_with = "duration")] pub(super) Duration);

impl Jitter {
    /// What `rng` makes of it, in whole seconds.
    pub(in crate::drill) fn draw(self, rng: &mut Rng) -> TimeDelta {
        TimeDelta::seconds((self.0.as_secs_f64() * rng.signed()).round() as i64)
    }
}

/// One line of the responder's part, with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it is said.
    pub at: clock::World,
    /// A command line of the session.
    pub line: String,
}

/// What tests compare an incident's record with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The workload whose change did it, `namespace/name`.
    pub culprit: String,
    /// The image that did it.
    pub culprit_image: String,
    /// The services that users felt it in.
    pub affected: Vec<String>,
    /// The first harm.
    pub impact_start: clock::World,
    /// The first alert.
    pub detected: clock::World,
    /// The first human answer.
    pub acknowledged: clock::World,
    /// The harm to users ended.
    pub mitigated: clock::World,
    /// All is well and somebody said so.
    pub resolved: clock::World,
}

/// All times of a scenario under one seed.
#[derive(Clone, Debug)]
pub struct Times {
    named: BTreeMap<String, clock::World>,
    pub(in crate::drill) events: Vec<clock::World>,
    /// The responder's part, in order.
    pub responder: Vec<Step>,
}

impl Times {
    /// The times that `seed` gives. Events and steps refer only to what stands above them, which
    /// reading the file has checked.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let file = &scenario.file;
        let mut times = Self {
            named: BTreeMap::from([("epoch".to_owned(), file.epoch)]),
            events: Vec::new(),
            responder: Vec::new(),
        };
        for event in &file.events {
            let name = event.name.get_ref();
            let moved = event.jitter.draw(&mut Rng::named(seed, &format!("event {name}")));
            let at = times.at(event.at.get_ref()) + moved;
            times.events.push(at);
            times.named.insert(name.clone(), at);
        }
        let mut rng = Rng::named(seed, "responder");
        let mut last = file.epoch;
        for step in &file.responder {
            // Jitter must not turn the order of what a person does.
            let at = (times.at(step.at.get_ref()) + step.jitter.draw(&mut rng)).max(last);
            last = at;
            if let Some(name) = &step.name {
                times.named.insert(name.get_ref().clone(), at);
            }
            times.responder.push(Step { at, line: step.say.clone() });
        }
        times.people(scenario, seed);
        times
    }

    /// A person's name means when he is done with his event: earlier than by himself if the
    /// responder asks him.
    fn people(&mut self, scenario: &Scenario, seed: u64) {
        for person in &scenario.file.people {
            let name = person.name.get_ref();
            let Some(alone) = self.named(person.event.get_ref()) else { continue };
            let ask = format!("ask {name}");
            let asked = self.responder.iter().find(|step| step.line == ask);
            let done = asked.map_or(alone, |step| alone.min(step.at + person.takes(seed)));
            self.named.insert(name.clone(), done);
        }
    }

    /// The time of an event, of a named step, or when a person is done.
    pub fn named(&self, name: &str) -> Option<clock::World> {
        self.named.get(name).copied()
    }

    fn at(&self, when: &When) -> clock::World {
        let anchor = self.named.get(&when.anchor).or_else(|| self.named.get("epoch")).copied().unwrap_or_default();
        anchor + when.offset
    }
}

impl Scenario {
    /// When a drill by hand opens: about a minute before the first alert.
    pub fn opens(&self, seed: u64) -> clock::World {
        Times::new(self, seed).at(self.file.opens.get_ref())
    }

    /// When the story is over.
    pub fn ends(&self, seed: u64) -> clock::World {
        Times::new(self, seed).at(self.file.ends.get_ref())
    }

    /// The truth under this seed, if the file tells it.
    pub fn truth(&self, seed: u64) -> Option<Truth> {
        let times = Times::new(self, seed);
        self.file.truth.as_ref().map(|truth| Truth {
            culprit: truth
                .culprit
                .as_ref()
                .or(truth.culprit_zone.as_ref())
                .map(|culprit| culprit.get_ref().clone())
                .unwrap_or_default(),
            culprit_image: truth.culprit_image.clone(),
            affected: truth.affected.iter().map(|name| name.get_ref().clone()).collect(),
            impact_start: times.at(truth.impact_start.get_ref()),
            detected: times.at(truth.detected.get_ref()),
            acknowledged: times.at(truth.acknowledged.get_ref()),
            mitigated: times.at(truth.mitigated.get_ref()),
            resolved: times.at(truth.resolved.get_ref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_anchor_and_an_offset() {
        let when: When = "release + 2m10s".parse().unwrap();
        assert_eq!((when.anchor.as_str(), when.offset), ("release", TimeDelta::seconds(130)));
        let when: When = "fix - 30s".parse().unwrap();
        assert_eq!((when.anchor.as_str(), when.offset), ("fix", TimeDelta::seconds(-30)));
        for bad in ["", " + 2m", "release + two minutes", "a b", "epoch + 500years"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }
}
