//! What stakeholders read of an incident: plain sentences, from its record alone.
//!
//! Owns: what is left out (names of resources, commands, notes, gaps of sources) and how the rest
//! is said. Must not: guess a cause, read a system, or say that something is well because nothing
//! is known of it. Secrets are taken out once more.

mod actions;
mod moments;
mod pains;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::clock::World;
use crate::model::entry::{Body, Entry, Phase};
use crate::model::name::ServiceName;
use crate::record::{IncidentRecord, corrected};
use crate::text::{Safe, redact};

use super::words::{length, who};

/// An incident as stakeholders see it. Every text is a sentence or a few words of plain English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Briefing {
    /// `Severity 2: payments are slow and some checkouts fail`.
    pub title: Safe,
    /// Whether it is a drill.
    pub drill: bool,
    /// The time that it is as of: `05:30 CEST`.
    pub clock: Safe,
    /// Whether anybody still writes its record.
    pub standing: Standing,
    /// What users feel, a line for each service.
    pub affected: Vec<Safe>,
    /// Where the response stands and what it last did.
    pub now: Vec<Safe>,
    /// The update that the team promised, and the last one it gave.
    pub next: Vec<Safe>,
    /// What happened, oldest first.
    pub moments: Vec<Moment>,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When, to tell it from others: how that is written changes when a second day begins.
    pub when: World,
    /// `05:14Z`, or with the date where the incident spans several days.
    pub at: Safe,
    /// What happened.
    pub text: Safe,
}

/// Whether anybody still writes a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A process of a responder writes it now.
    Live,
    /// It is not closed, and nobody writes it: what is shown may be old.
    Left {
        /// `last written at 05:14Z, 16 min ago`.
        since: Safe,
    },
    /// The team closed it.
    Closed {
        /// `05:14Z`.
        at: Safe,
    },
}

/// What the parts of a briefing are made from.
struct Facts<'a> {
    record: &'a IncidentRecord,
    /// With corrected times, by time.
    entries: Vec<Entry>,
    now: World,
    tz: Option<Tz>,
    dates: bool,
}

/// The briefing of `record` as of `now`, with times in `tz` or UTC. Of a drill, whose world has a
/// clock of its own, `now` is the time of its last entry or sample.
pub fn briefing(record: &IncidentRecord, now: World, tz: Option<Tz>) -> Briefing {
    let entries = corrected(&record.entries);
    let now = if record.drill() { last_known(record).unwrap_or(now) } else { now };
    let days = entries.iter().map(|entry| entry.occurred_at.date_naive());
    let dates = days.clone().min() != days.max();
    let facts = Facts { record, entries, now, tz, dates };
    Briefing {
        title: facts.title(),
        drill: record.drill(),
        clock: sentence(facts.time(now)),
        standing: facts.standing(),
        affected: pains::affected(&facts),
        now: [vec![facts.phase()], actions::latest(&facts), actions::left_over(&facts)].concat(),
        next: facts.next(),
        moments: moments::moments(&facts),
    }
}

fn last_known(record: &IncidentRecord) -> Option<World> {
    record.last_at().into_iter().chain(record.tracks.last().map(|sample| sample.at)).max()
}

/// A sentence, safe to be shown to anybody.
fn sentence(text: impl AsRef<str>) -> Safe {
    Safe::from(redact(text.as_ref()).as_ref())
}

impl Facts<'_> {
    /// `05:14Z`, `05:14 CEST`, with the date where there are several.
    fn time(&self, at: World) -> String {
        let day = if self.dates { "%m-%d " } else { "" };
        match self.tz {
            Some(tz) => at.with_timezone(&tz).format(&format!("{day}%H:%M %Z")).to_string(),
            None => at.format(&format!("{day}%H:%MZ")).to_string(),
        }
    }

    /// What users call a service: the last title that a writer's configuration gave it.
    fn called(&self, service: &ServiceName) -> String {
        let titles = self.entries.iter().rev().filter_map(|entry| match &entry.draft.body {
            Some(Body::Started { titles, .. }) => titles.get(service),
            _ => None,
        });
        titles.into_iter().next().map_or_else(|| service.to_string(), ToString::to_string)
    }

    fn title(&self) -> Safe {
        let title = self.record.title();
        match self.record.severity() {
            Some(severity) => sentence(format!("Severity {}: {title}", severity.level())),
            None => sentence(format!("Severity not set yet: {title}")),
        }
    }

    fn standing(&self) -> Standing {
        match (self.record.closed_at(), self.record.being_written(), last_known(self.record)) {
            (Some(at), ..) => Standing::Closed { at: sentence(self.time(at)) },
            (None, true, _) => Standing::Live,
            (None, false, Some(last)) => {
                // Whole minutes: a page that nobody writes does not change each second.
                let ago = TimeDelta::minutes((self.now - last).num_minutes());
                let ago = if ago.is_zero() { String::new() } else { format!(", {} ago", length(ago)) };
                Standing::Left { since: sentence(format!("last written at {}{ago}", self.time(last))) }
            }
            (None, false, None) => Standing::Left { since: Safe::fixed("nothing is written yet") },
        }
    }

    fn phase(&self) -> Safe {
        Safe::fixed(match self.record.phase() {
            _ if self.record.closed_at().is_some() => "The incident is closed.",
            Phase::Investigating => "The team is finding out what happened.",
            Phase::Mitigating => "The team is easing the impact.",
            Phase::Monitoring => "The team watches whether the remedy holds.",
            Phase::Resolved => "The team says that it is over.",
        })
    }

    /// The last update that somebody gave: when, by whom, and the next one that it promised.
    fn last_update(&self) -> Option<(World, String, Option<World>)> {
        self.entries.iter().rev().find_map(|entry| match entry.draft.body {
            Some(Body::Update { next }) => Some((entry.occurred_at, who(&entry.draft.actor), next)),
            _ => None,
        })
    }

    fn next(&self) -> Vec<Safe> {
        let open = self.record.closed_at().is_none();
        let Some((at, by, next)) = self.last_update() else {
            return if open { vec![Safe::fixed("No update was promised yet.")] } else { Vec::new() };
        };
        let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
        let last = sentence(format!("Last update {}{by}.", self.time(at)));
        let promise = match next {
            _ if !open => None,
            Some(next) if next >= self.now => {
                Some(format!("Update promised by {}, in {}.", self.time(next), length(next - self.now)))
            }
            Some(next) => {
                Some(format!("An update was promised by {}: {} late.", self.time(next), length(self.now - next)))
            }
            None => Some("No further update was promised.".to_owned()),
        };
        promise.map(sentence).into_iter().chain([last]).collect()
    }
}

/// About this long a sample stands for what is the case.
const CURRENT: TimeDelta = TimeDelta::minutes(5);

#[cfg(test)]
mod tests;
