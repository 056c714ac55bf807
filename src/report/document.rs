//! The facts of a postmortem, gathered from the record: what the template fills in.
//!
//! All texts are plain here; the template's printing escapes them. Prose says "a responder" and
//! not a name: a postmortem is about how things became possible, not about who.

mod actions;
mod alerts;
mod gaps;
mod head;
mod impact;
mod rows;

use chrono_tz::Tz;
use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind, MilestoneName};
use crate::record::{IncidentRecord, Milestones, Row, milestones, timeline};

use super::markdown::Flavor;
use super::words::Times;

/// What the template fills in. The names are the template's.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    flavor: Flavor,
    /// YAML, ready to stand between `---`.
    front_matter: String,
    id: String,
    title: String,
    drill: bool,
    /// The chosen zone's name; empty without one.
    zone: String,
    summary: Vec<String>,
    glance: Vec<head::Fact>,
    durations: Vec<head::Length>,
    key_moments: Vec<head::Moment>,
    impact: impact::Impact,
    /// What shows the incident.
    charts: Vec<impact::Chart>,
    /// What was recorded besides.
    more_charts: Vec<impact::Chart>,
    alerts: Vec<alerts::AlertLine>,
    timeline: Vec<rows::TimelineRow>,
    log: Vec<rows::LogRow>,
    changes: Vec<rows::ChangeRow>,
    actions: Vec<actions::ActionLine>,
    elsewhere: Vec<actions::Elsewhere>,
    evidence: Vec<rows::Shown>,
    communications: Vec<rows::TimelineRow>,
    went_well: Vec<String>,
    went_badly: Vec<String>,
    follow_ups: Vec<String>,
    questions: Vec<String>,
    unseen: Vec<gaps::Unseen>,
    record_notes: Vec<String>,
    sources: Vec<rows::SourceLine>,
    writers: Vec<rows::WriterLine>,
}

/// What every part of the document is made from.
struct Facts<'a> {
    record: &'a IncidentRecord,
    /// With corrected times, by time.
    entries: Vec<Entry>,
    rows: Vec<Row>,
    milestones: Milestones,
    times: Times,
    /// From the impact's start, as far as known, to the end, as far as it came.
    from: Option<World>,
    to: Option<World>,
}

pub(super) fn gather(record: &IncidentRecord, tz: Option<Tz>, flavor: Flavor) -> Document {
    let milestones = milestones(&record.entries);
    let entries = crate::record::corrected(&record.entries);
    let at = |name| milestones.at(name);
    let zero = at(MilestoneName::ImpactStart).or(at(MilestoneName::Detected)).or(record.opened_at());
    let last = entries.iter().filter(|entry| !is_housekeeping(entry)).map(|entry| entry.occurred_at).max();
    let days = entries.iter().map(|entry| entry.occurred_at.date_naive());
    let several = days.clone().min() != days.max();
    let facts = Facts {
        rows: timeline(&record.entries),
        times: Times { tz, dates: several, zero },
        from: zero,
        to: at(MilestoneName::Resolved).or(last),
        record,
        entries,
        milestones,
    };
    let alerts = alerts::alerts(&facts);
    let actions = actions::actions(&facts);
    let changes = rows::changes(&facts);
    let unseen = gaps::unseen(&facts);
    let (charts, more_charts) = impact::charts(&facts);
    Document {
        flavor,
        front_matter: head::front_matter(&facts),
        id: record.id.to_string(),
        title: record.title().to_string(),
        drill: record.drill(),
        zone: tz.map(|tz| tz.name().to_owned()).unwrap_or_default(),
        summary: head::summary(&facts, &alerts, &actions, &changes),
        glance: head::glance(&facts, &alerts),
        durations: head::durations(&facts),
        key_moments: head::moments(&facts),
        impact: impact::impact(&facts),
        charts,
        more_charts,
        timeline: rows::curated(&facts),
        log: rows::log(&facts),
        evidence: rows::evidence(&facts),
        communications: rows::communications(&facts),
        went_well: gaps::went_well(&facts, &actions),
        went_badly: gaps::went_badly(&facts, &alerts),
        follow_ups: gaps::follow_ups(&facts, &alerts, &changes, &unseen),
        questions: gaps::questions(&facts, &alerts, &actions),
        record_notes: gaps::record_notes(&facts),
        sources: rows::sources(&facts),
        writers: rows::writers(&facts),
        alerts,
        actions,
        elsewhere: actions::elsewhere(&facts),
        changes,
        unseen,
    }
}

/// What the journal says of itself.
fn is_housekeeping(entry: &Entry) -> bool {
    matches!(entry.draft.kind, EntryKind::Started | EntryKind::Sealed | EntryKind::Exported)
}

impl Facts<'_> {
    fn at(&self, name: MilestoneName) -> Option<World> {
        self.milestones.at(name)
    }

    /// Entries of one kind, by time.
    fn of(&self, kind: EntryKind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.draft.kind == kind)
    }

    /// What was seen of the systems that a milestone rests on; nothing if a person confirmed it,
    /// for then it rests on their word.
    fn basis(&self, name: MilestoneName) -> Option<&Entry> {
        let id = self.milestones.get(name).filter(|one| !one.confirmed)?.entry.as_ref()?;
        self.entries.iter().find(|entry| entry.id == *id)
    }
}
