//! What was changed lately: the first suspects.
//!
//! Owns: the changes of the last day, each once. Must not: judge which of them is to blame.

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::change::{Change, ChangeKind};
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::text::Safe;

/// How long a change stays.
const KEEP: TimeDelta = TimeDelta::hours(24);
/// However much is changed, no more than this is kept.
const KEEP_AT_MOST: usize = 2000;

/// One change with the source that told it.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// The source.
    pub origin: Origin,
    /// The change; its service is filled in from the catalogue.
    pub change: Change,
}

impl ChangeRow {
    /// What was changed: the workload's name, else the service's, else the change itself.
    pub fn what(&self) -> &Safe {
        let workload = self.change.workload.as_ref().map(|key| &key.path.name);
        workload.or(self.change.service.as_ref().map(|service| &service.0)).unwrap_or(&self.change.id)
    }

    /// The version that a rollout brought, if what came after reads like one: an image's tag.
    pub fn version(&self) -> Option<&str> {
        if self.change.kind != ChangeKind::Rollout {
            return None;
        }
        let after = self.change.after.as_ref()?.as_str();
        // Several containers' images are no one version.
        if after.contains([',', '=', ' ']) {
            return None;
        }
        let image = after.split_once('@').map_or(after, |(image, _)| image);
        let last = image.rsplit('/').next().unwrap_or(image);
        let tag = match last.rsplit_once(':') {
            Some((_, tag)) => tag,
            None if last == after && last.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) => last,
            None => return None,
        };
        (!tag.is_empty() && tag.len() <= 40).then_some(tag)
    }

    /// What happened, in words: `payments 2.9.0 rolled out`, `payments scaled 6 → 12`.
    pub fn words(&self) -> String {
        let what = self.what();
        match (self.change.kind, self.version(), &self.change.before, &self.change.after) {
            (ChangeKind::Rollout, Some(version), ..) => format!("{what} {version} rolled out"),
            (ChangeKind::Rollout, None, ..) => format!("{what} rolled out"),
            (ChangeKind::Scale, _, Some(before), Some(after)) => format!("{what} scaled {before} → {after}"),
            (ChangeKind::Scale, ..) => format!("{what} scaled"),
            (ChangeKind::Config, ..) => format!("configuration of {what} changed"),
        }
    }
}

/// Changes of the last 24 hours.
#[derive(Debug, Default)]
pub struct Changes {
    rows: Vec<ChangeRow>,
}

impl Changes {
    /// All, newest first.
    pub fn rows(&self) -> &[ChangeRow] {
        &self.rows
    }

    /// The changes within `length` up to `at`, newest first.
    pub fn before(&self, at: World, length: TimeDelta) -> impl Iterator<Item = &ChangeRow> {
        self.rows.iter().filter(move |row| row.change.at <= at && at - row.change.at <= length)
    }

    /// Takes one change in. One that is known, or too old to matter at `observed`, tells nothing.
    pub(super) fn apply(
        &mut self,
        origin: &Origin,
        mut change: Change,
        observed: World,
        catalogue: &Catalogue,
    ) -> Option<Finding> {
        let known = |row: &ChangeRow| row.change.id == change.id && row.origin == *origin;
        if observed - change.at > KEEP || self.rows.iter().any(known) {
            return None;
        }
        if change.service.is_none() {
            change.service = change.workload.as_ref().and_then(|key| catalogue.of_workload(key)).cloned();
        }
        let row = ChangeRow { origin: origin.clone(), change };
        let finding = finding(&row);
        let place = self.rows.partition_point(|other| other.change.at > row.change.at);
        self.rows.insert(place, row);
        self.rows.truncate(KEEP_AT_MOST);
        finding
    }

    /// Lets changes go that were made more than a day ago.
    pub(super) fn tick(&mut self, now: World) {
        while self.rows.last().is_some_and(|row| now - row.change.at > KEEP) {
            self.rows.pop();
        }
    }
}

fn finding(row: &ChangeRow) -> Option<Finding> {
    let change = &row.change;
    let kind = match change.kind {
        ChangeKind::Rollout => EntryKind::Rollout,
        ChangeKind::Scale => EntryKind::Rescaled,
        // The record has no kind for it yet; the pane shows it.
        ChangeKind::Config => return None,
    };
    let mut title = row.words();
    if change.kind == ChangeKind::Rollout && !change.title.is_empty() {
        title = format!("{title}: {}", change.title);
    }
    if let Some(by) = &change.by {
        title = format!("{title}, by {by}");
    }
    let key = format!("{}/{}/{}", kind.as_str(), row.origin, change.id);
    let mut finding = Finding::new(kind, &row.origin, change.at, row.what().clone(), title, key);
    finding.detail = change.revision.as_ref().map(|revision| Safe::from(format!("revision {revision}")));
    finding.by = change.by.clone();
    finding.service = change.service.clone();
    finding.workload = change.workload.clone();
    finding.before = change.before.clone();
    finding.after = change.after.clone();
    Some(finding)
}

/// Whether a change is one of a service.
pub(super) fn of(row: &ChangeRow, service: &ServiceName) -> bool {
    row.change.service.as_ref() == Some(service)
}
