//! Findings: what the detectors notice in the picture. Each becomes an entry of the journal.

use crate::clock::World;
use crate::text::Safe;

use super::entry::EntryKind;
use super::name::{Origin, ServiceName, WorkloadKey};

/// Something that a detector noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which kind of entry it becomes.
    pub kind: EntryKind,
    /// The source whose signals show it.
    pub origin: Origin,
    /// When it happened, by the time of the signals, never by their arrival.
    pub occurred: World,
    /// When it ended, where a stretch of time is told as one: a gap.
    pub until: Option<World>,
    /// What it is about: an alert, a pod, `checkout errors`.
    pub subject: Safe,
    /// One line for people: facts with units.
    pub title: Safe,
    /// More, if there is more.
    pub detail: Option<Safe>,
    /// The service it belongs to, by the catalogue.
    pub service: Option<ServiceName>,
    /// Who did it, where somebody did it and the source knows.
    pub by: Option<Safe>,
    /// The workload it is about.
    pub workload: Option<WorkloadKey>,
    /// Values before and after, where there are two.
    pub before: Option<Safe>,
    /// See `before`.
    pub after: Option<Safe>,
    /// By what its sources know the alert that it is about; empty if it is about none.
    pub alert: Vec<Safe>,
    /// A query or link that shows it.
    pub evidence: Option<Safe>,
    /// Lines of a log that show it.
    pub excerpt: Option<Excerpt>,
    /// Findings of one key are one thing seen again: their entries are folded to one row.
    pub dedupe: Safe,
}

/// Lines of a log, secrets taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct Excerpt {
    /// A few that tell most.
    pub shown: Safe,
    /// The first of all, where there are more than are shown.
    pub all: Option<Safe>,
    /// How many there are.
    pub lines: u32,
}

impl Finding {
    /// A finding without any of the optional parts.
    pub fn new(
        kind: EntryKind,
        origin: &Origin,
        occurred: World,
        subject: impl Into<Safe>,
        title: impl Into<Safe>,
        dedupe: impl Into<Safe>,
    ) -> Self {
        Self {
            kind,
            origin: origin.clone(),
            occurred,
            until: None,
            subject: subject.into(),
            title: title.into(),
            detail: None,
            service: None,
            by: None,
            workload: None,
            before: None,
            after: None,
            alert: Vec::new(),
            evidence: None,
            excerpt: None,
            dedupe: dedupe.into(),
        }
    }
}
