//! What happens by itself, and what happens because somebody was asked.
//!
//! Owns: the times of the events under a seed, and the people. Must not: know what an event does
//! to anything.

use std::time::Duration;

use crate::clock;
use crate::drill::scenario::{Event, Scenario, Times};

use super::{Answer, UnknownPerson};

/// An image that is rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) by: String,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Happening {
    Release(Release),
    /// From now on the balancer nodes of this zone lose this share of what comes in.
    Zone(String, f64),
}

#[derive(Clone, Debug)]
struct Planned {
    name: String,
    at: clock::World,
    asked: bool,
    done: bool,
    happening: Happening,
}

/// The events that are to come and those that were.
#[derive(Clone, Debug)]
pub(super) struct Story {
    events: Vec<Planned>,
    seed: u64,
}

impl Story {
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let times = Times::new(scenario, seed);
        let events = scenario
            .file
            .events
            .iter()
            .zip(times.events)
            .map(|(event, at)| Planned {
                name: event.name.get_ref().clone(),
                at,
                asked: false,
                done: false,
                happening: happening(event),
            })
            .collect();
        Self { events, seed }
    }

    /// What happens up to `now` and has not happened yet.
    pub(super) fn due(&mut self, now: clock::World) -> Vec<Happening> {
        let mut due = Vec::new();
        for event in self.events.iter_mut().filter(|event| !event.done && event.at <= now) {
            event.done = true;
            due.push(event.happening.clone());
        }
        due
    }

    pub(super) fn ask(&mut self, scenario: &Scenario, whom: &str, now: clock::World) -> Answer {
        let people = &scenario.file.people;
        let Some(person) = people.iter().find(|person| person.name.get_ref() == whom.trim()) else {
            let known: Vec<_> = people.iter().map(|person| person.name.get_ref().as_str()).collect();
            return Err(UnknownPerson {
                whom: whom.trim().chars().take(80).collect(),
                known: if known.is_empty() { "nobody".into() } else { known.join(", ") },
            });
        };
        let Some(event) = self.events.iter_mut().find(|event| event.name == *person.event.get_ref()) else {
            return Ok(person.answer.clone());
        };
        Ok(if event.done {
            person.done.clone()
        } else if event.asked {
            person.again.clone()
        } else {
            event.asked = true;
            // Whoever is nearly done by himself is not slowed down by being asked.
            event.at = event.at.min(now + person.takes(self.seed));
            let minutes = Duration::from_secs(((event.at - now).num_seconds().max(60) as u64).div_ceil(60) * 60);
            format!("{} About {}.", person.answer, humantime::format_duration(minutes))
        })
    }
}

fn happening(event: &Event) -> Happening {
    match (&event.workload, &event.zone) {
        (None, Some(zone)) => Happening::Zone(zone.get_ref().clone(), event.loses),
        (workload, _) => {
            let path = workload.as_ref().map(|path| path.get_ref().as_str()).unwrap_or_default();
            let (namespace, name) = path.split_once('/').unwrap_or(("", path));
            Happening::Release(Release {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                image: event.image.clone(),
                by: event.by.clone(),
            })
        }
    }
}
