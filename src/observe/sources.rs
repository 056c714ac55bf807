//! The source board: how each source is, and how old what it told is.
//!
//! Owns: each source's state and age, and what could not be seen. Must not: take a source's
//! silence for health.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::Origin;
use crate::model::signal::{Gap, SourceState};
use crate::text::Safe;

use super::told::Told;
use super::words;

/// A source that had answered is lost after so long without.
const PATIENCE: TimeDelta = TimeDelta::seconds(10);
/// A source that never answered is lost after so long.
const FIRST_CONTACT: TimeDelta = TimeDelta::seconds(60);

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRow {
    /// Which.
    pub origin: Origin,
    /// How it is.
    pub state: SourceState,
    /// Since when it is so.
    pub since: World,
    /// The last successful read.
    pub last_read: Option<World>,
    /// When the newest thing that it told happened.
    pub last_news: Option<World>,
    /// Lines that were dropped on the way.
    pub dropped: u64,
}

impl SourceRow {
    /// How old what it told is: the time since its last successful read.
    pub fn age(&self, now: World) -> Option<TimeDelta> {
        self.last_read.map(|read| (now - read).max(TimeDelta::zero()))
    }

    /// Whether reads succeed.
    pub fn is_live(&self) -> bool {
        matches!(self.state, SourceState::Live { .. })
    }

    /// What limits the view, or why there is none.
    pub fn why(&self) -> Option<&Safe> {
        match &self.state {
            SourceState::Connecting => None,
            SourceState::Live { limited } => limited.as_ref(),
            SourceState::Retrying { why, .. } | SourceState::Denied { why } | SourceState::Ended { why } => Some(why),
        }
    }
}

/// How each source is.
#[derive(Debug, Default)]
pub struct SourceBoard {
    rows: Vec<SourceRow>,
    /// In the order of the rows.
    contacts: Vec<Contact>,
    gaps: Told,
}

/// What is remembered of a source's answers.
#[derive(Debug)]
struct Contact {
    /// Since when it has not answered; its first sign if it never did.
    trouble: Option<World>,
    /// When it counts as lost.
    patience: TimeDelta,
    /// That it is lost was told.
    told: bool,
}

impl SourceBoard {
    /// All sources, in the order of their first sign.
    pub fn rows(&self) -> &[SourceRow] {
        &self.rows
    }

    /// One source.
    pub fn row(&self, origin: &Origin) -> Option<&SourceRow> {
        self.rows.iter().find(|row| row.origin == *origin)
    }

    /// The sources that do not answer and have been told to be lost, with since when.
    pub fn lost(&self) -> impl Iterator<Item = (&SourceRow, World)> {
        let both = self.rows.iter().zip(&self.contacts);
        both.filter(|(_, contact)| contact.told).filter_map(|(row, contact)| Some((row, contact.trouble?)))
    }

    /// Notes that a source told something that happened at `occurred`.
    pub(super) fn news(&mut self, origin: &Origin, occurred: World) {
        let place = self.place(origin, occurred);
        if let Some(row) = self.rows.get_mut(place) {
            row.last_news = row.last_news.max(Some(occurred));
        }
    }

    /// Takes in how a source is.
    pub(super) fn link(&mut self, origin: &Origin, at: World, state: SourceState) -> Vec<Finding> {
        let place = self.place(origin, at);
        let (Some(row), Some(contact)) = (self.rows.get_mut(place), self.contacts.get_mut(place)) else {
            return Vec::new();
        };
        let live = matches!(state, SourceState::Live { .. });
        // Also when no tick fell into the time of trouble.
        let lost_before = live.then(|| contact.lost(row, at)).flatten();
        // A failure is told with its reason until reads succeed: trying again is no news.
        if live || !matches!(state, SourceState::Connecting) || contact.trouble.is_none() {
            if std::mem::discriminant(&row.state) != std::mem::discriminant(&state) {
                row.since = at;
            }
            row.state = state;
        }
        if !live {
            contact.trouble.get_or_insert(at);
            return contact.lost(row, at).into_iter().collect();
        }
        row.last_read = row.last_read.max(Some(at));
        let mut findings: Vec<_> = lost_before.into_iter().collect();
        if let (Some(since), true) = (contact.trouble, contact.told) {
            let title = format!("{origin} answers again after {}", words::long(at - since));
            let key = format!("source_found/{origin}/{}", words::stamp(since));
            let subject = origin.source.0.clone();
            findings.push(Finding::new(EntryKind::SourceFound, origin, at, subject, title, key));
        }
        *contact = Contact { trouble: None, patience: PATIENCE, told: false };
        findings
    }

    /// Takes in what could not be seen.
    pub(super) fn gap(&mut self, origin: &Origin, occurred: World, gap: Gap) -> Option<Finding> {
        let place = self.place(origin, occurred);
        let told = format!("{origin}/{}/{}/{}", gap.from.timestamp_millis(), gap.to.timestamp_millis(), gap.what);
        if !self.gaps.first_time(told) {
            return None;
        }
        if let Some(row) = self.rows.get_mut(place) {
            row.dropped = row.dropped.saturating_add(dropped(&gap.what));
        }
        let (from, to) = (words::time(gap.from), words::time(gap.to));
        let stretch = if from == to { from } else { format!("{from}–{to}") };
        let title = format!("could not see: {} {stretch}, {}", origin.source, gap.what);
        let what: String = gap.what.chars().filter(|c| !c.is_ascii_digit()).collect();
        let key = format!("gap/{origin}/{what}");
        let mut finding = Finding::new(EntryKind::Gap, origin, gap.from, origin.source.0.clone(), title, key);
        finding.until = Some(gap.to);
        Some(finding)
    }

    /// Lets time pass: for sources that stay silent.
    pub(super) fn tick(&mut self, now: World) -> Vec<Finding> {
        self.rows.iter().zip(&mut self.contacts).filter_map(|(row, contact)| contact.lost(row, now)).collect()
    }

    fn place(&mut self, origin: &Origin, at: World) -> usize {
        if let Some(place) = self.rows.iter().position(|row| row.origin == *origin) {
            return place;
        }
        self.rows.push(SourceRow {
            origin: origin.clone(),
            state: SourceState::Connecting,
            since: at,
            last_read: None,
            last_news: None,
            dropped: 0,
        });
        self.contacts.push(Contact { trouble: None, patience: FIRST_CONTACT, told: false });
        self.rows.len() - 1
    }
}

impl Contact {
    /// That the source is lost, once, if it has been silent for long enough.
    fn lost(&mut self, row: &SourceRow, now: World) -> Option<Finding> {
        let since = self.trouble?;
        if self.told || now - since <= self.patience {
            return None;
        }
        self.told = true;
        let origin = &row.origin;
        let verb = match row.state {
            SourceState::Denied { .. } => "refuses us",
            SourceState::Ended { .. } => "ended",
            _ => "does not answer",
        };
        let title = match row.why().filter(|_| !row.is_live()) {
            Some(why) => format!("{origin} {verb}: {}", words::excerpt(why, 200)),
            None => format!("{origin} {verb}"),
        };
        let key = format!("source_lost/{origin}/{}", words::stamp(since));
        Some(Finding::new(EntryKind::SourceLost, origin, since, origin.source.0.clone(), title, key))
    }
}

/// The number of lines in words such as `412 lines dropped`.
fn dropped(what: &str) -> u64 {
    let number = what.split_whitespace().next().map(|first| first.replace(',', ""));
    number.filter(|_| what.contains("dropped")).and_then(|number| number.parse().ok()).unwrap_or(0)
}
