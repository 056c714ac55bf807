//! What the template is filled in with: strings that are Markdown already, in the order they
//! are read.

use serde::Serialize;

use crate::clock::World;
use crate::model::entry::{ActorKind, Body, EntryKind, MilestoneName, Severity};
use crate::model::name::ServiceName;
use crate::record::{Milestones, Row, milestones, timeline};
use crate::text::Safe;

use super::actions::{self, ActionRow};
use super::durations::{clock, day_and_clock, words};
use super::markdown::{inline, yaml};
use super::sections::{self, AlertLine, ChangeLine, Chart, EvidenceItem, FullLine, TimelineLine};
use super::{Flavor, Material, Options};

/// Everything that the template may use.
#[derive(Serialize)]
pub(super) struct Context {
    flavor: &'static str,
    front: Front,
    title: String,
    summary: Vec<String>,
    glance: Vec<(String, String)>,
    moments: Vec<Moment>,
    durations: Vec<DurationLine>,
    impact: Vec<String>,
    alerts: Vec<AlertLine>,
    zone: Option<String>,
    timeline: Vec<TimelineLine>,
    full: Vec<FullLine>,
    changes: Vec<ChangeLine>,
    actions: Vec<ActionRow>,
    evidence: Vec<EvidenceItem>,
    charts: Vec<Chart>,
    hints: Vec<String>,
    follow_ups: Vec<String>,
    communications: Vec<String>,
    questions: Vec<String>,
    unseen: Vec<String>,
    sources: Vec<String>,
    problems: Vec<String>,
}

/// Front matter; every value is YAML already.
#[derive(Serialize)]
struct Front {
    id: String,
    title: String,
    severity: String,
    drill: bool,
    times: Vec<(&'static str, String)>,
    confirmed: String,
    services: String,
}

#[derive(Serialize)]
struct Moment {
    name: String,
    at: String,
    how: String,
    formula: String,
}

#[derive(Serialize)]
struct DurationLine {
    name: String,
    length: String,
    formula: String,
}

/// The facts that several sections tell.
pub(super) struct Facts<'a> {
    pub(super) material: Material<'a>,
    pub(super) rows: Vec<Row>,
    pub(super) milestones: Milestones,
    pub(super) services: Vec<ServiceName>,
    pub(super) severity: Option<Severity>,
    pub(super) title: Safe,
    pub(super) id: Safe,
    pub(super) drill: bool,
    pub(super) opened: World,
    /// The last moment that the record knows of.
    pub(super) end: World,
}

impl Facts<'_> {
    pub(super) fn at(&self, name: MilestoneName) -> Option<World> {
        self.milestones.at(name)
    }

    pub(super) fn of_kind(&self, kind: EntryKind) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.entry.draft.kind == kind)
    }
}

pub(super) fn facts(material: Material<'_>) -> Facts<'_> {
    let rows = timeline(material.entries);
    let mut services = Vec::new();
    for row in &rows {
        if row.entry.draft.kind == EntryKind::Breach
            && let Some(service) = &row.entry.draft.service
            && !services.contains(service)
        {
            services.push(service.clone());
        }
    }
    let mut facts = Facts {
        milestones: milestones(material.entries),
        services,
        severity: None,
        title: Safe::fixed("Incident"),
        id: Safe::fixed("undeclared"),
        drill: false,
        opened: rows.first().map(|row| row.entry.occurred_at).unwrap_or_default(),
        end: rows.iter().map(|row| row.last).max().unwrap_or_default(),
        material,
        rows: Vec::new(),
    };
    for row in &rows {
        match &row.entry.draft.body {
            Some(Body::Opened { incident, title }) => {
                facts.title = title.clone();
                facts.id = incident.0.clone();
                facts.opened = row.entry.occurred_at;
            }
            Some(Body::Severity(severity)) => facts.severity = Some(*severity),
            Some(Body::Started { drill, .. }) => facts.drill |= drill,
            _ => {}
        }
    }
    // `started` may be left out of the timeline as noise; whether it was a drill may not.
    facts.drill |= material.entries.iter().any(|entry| matches!(entry.draft.body, Some(Body::Started { drill: true, .. })));
    facts.rows = rows;
    facts
}

pub(super) fn context(material: Material<'_>, options: &Options) -> Context {
    let facts = facts(material);
    let confirmed: Vec<_> =
        facts.milestones.milestones.iter().filter(|milestone| milestone.confirmed).map(|milestone| milestone.name.as_str()).collect();
    let services: Vec<_> = facts.services.iter().map(|service| yaml(service.as_str())).collect();
    let front = Front {
        id: yaml(&facts.id),
        title: yaml(&facts.title),
        severity: facts.severity.map_or_else(|| "\"\"".into(), |severity| severity.to_string()),
        drill: facts.drill,
        times: [
            ("impact_start", MilestoneName::ImpactStart),
            ("detected_at", MilestoneName::Detected),
            ("acknowledged_at", MilestoneName::Acknowledged),
            ("mitigated_at", MilestoneName::Mitigated),
            ("resolved_at", MilestoneName::Resolved),
        ]
        .into_iter()
        .map(|(key, name)| (key, facts.at(name).map_or_else(|| "unknown".into(), rfc3339)))
        .collect(),
        confirmed: format!("[{}]", confirmed.join(", ")),
        services: format!("[{}]", services.join(", ")),
    };
    Context {
        flavor: match options.flavor {
            Flavor::Github => "github",
            Flavor::Confluence => "confluence",
            Flavor::Plain => "plain",
        },
        front,
        title: inline(&facts.title),
        summary: sections::summary(&facts),
        glance: glance(&facts),
        moments: moments(&facts),
        durations: durations(&facts),
        impact: sections::impact(&facts),
        alerts: sections::alerts(&facts),
        zone: options.zone.map(|zone| zone.name().to_owned()),
        timeline: sections::timeline(&facts, options.zone),
        full: sections::full(&facts),
        changes: sections::changes(&facts),
        actions: actions::actions(&facts),
        evidence: sections::evidence(&facts),
        charts: sections::charts(&facts),
        hints: sections::hints(&facts),
        follow_ups: sections::follow_ups(&facts),
        communications: sections::communications(&facts),
        questions: sections::questions(&facts),
        unseen: sections::unseen(&facts),
        sources: sections::sources(&facts),
        problems: facts.material.problems.iter().map(|problem| inline(problem)).collect(),
    }
}

fn rfc3339(at: World) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn glance(facts: &Facts<'_>) -> Vec<(String, String)> {
    let detected = facts.of_kind(EntryKind::AlertFiring).next();
    let responders: Vec<String> = {
        let mut names: Vec<_> = facts
            .rows
            .iter()
            .map(|row| &row.entry.draft)
            // Who has no name yet when a journal begins is named by the entries that follow.
            .filter(|draft| draft.actor.kind == ActorKind::Human && draft.kind != EntryKind::Started)
            .map(|draft| inline(&draft.actor.name))
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let services: Vec<_> = facts.services.iter().map(|service| inline(service.as_str())).collect();
    let or_unknown = |text: String| if text.is_empty() { "unknown".to_owned() } else { text };
    let mut lines = vec![
        ("Incident".to_owned(), inline(&facts.id)),
        ("Severity".to_owned(), facts.severity.map_or_else(|| "not set".into(), |severity| severity.to_string())),
        ("Services in breach".to_owned(), or_unknown(services.join(", "))),
        (
            "Detected by".to_owned(),
            or_unknown(detected.map_or_else(String::new, |row| {
                format!("{} ({})", inline(&row.entry.draft.subject), inline(&row.entry.draft.source))
            })),
        ),
        ("Responders".to_owned(), or_unknown(responders.join(", "))),
        ("Record".to_owned(), format!("{} to {}", day_and_clock(facts.opened.min(first(facts))), day_and_clock(facts.end))),
    ];
    if facts.drill {
        lines.insert(1, ("Drill".to_owned(), "yes: the world was simulated".to_owned()));
    }
    lines
}

fn first(facts: &Facts<'_>) -> World {
    facts.rows.first().map_or(facts.opened, |row| row.entry.occurred_at)
}

fn moments(facts: &Facts<'_>) -> Vec<Moment> {
    facts
        .milestones
        .milestones
        .iter()
        .map(|milestone| Moment {
            name: milestone.name.as_str().replace('_', " "),
            at: milestone.at.map_or_else(|| "unknown".into(), |at| format!("{}Z", clock(at))),
            how: if milestone.confirmed { "confirmed" } else { "auto" }.into(),
            formula: inline(&milestone.formula),
        })
        .collect()
}

fn durations(facts: &Facts<'_>) -> Vec<DurationLine> {
    facts
        .milestones
        .durations
        .iter()
        .map(|duration| DurationLine {
            name: inline(&duration.name),
            length: duration.length.map_or_else(|| "unknown".into(), words),
            formula: inline(&duration.formula),
        })
        .collect()
}
