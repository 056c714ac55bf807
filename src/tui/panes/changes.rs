//! Rows of the changes pane: what was changed, and how long before a service began to fail.

use chrono::TimeDelta;
use ratatui::text::Line;

use crate::model::change::ChangeKind;
use crate::model::name::ServiceName;
use crate::observe::changes::ChangeRow;
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Columns, Detail, Ink, Item, Paint};

pub(super) fn items<'a>(scene: &Scene<'a>) -> Vec<Item<'a>> {
    scene
        .changes
        .iter()
        .map(|row| Item::Change(row, scene.service_of(row.change.service.as_ref(), row.change.workload.as_ref())))
        .collect()
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Rollout => "rollout",
        ChangeKind::Scale => "scale",
        ChangeKind::Config => "config",
    }
}

/// The first breach within an hour after the change: an order of events, not a cause.
fn before(row: &ChangeRow, scene: &Scene<'_>) -> Option<String> {
    let breaches = scene.services.iter().flat_map(|service| {
        service.signals.iter().filter_map(move |signal| Some((signal.breached_since?, service, signal)))
    });
    let after = |at: &crate::clock::World| *at >= row.change.at && *at - row.change.at <= TimeDelta::hours(1);
    let (at, service, signal) = breaches.filter(|(at, ..)| after(at)).min_by_key(|(at, ..)| *at)?;
    Some(format!("{} before {} {}", words::age(at - row.change.at), service.name, signal.name))
}

pub(super) fn line(
    row: &ChangeRow,
    service: Option<&ServiceName>,
    paint: &Paint<'_>,
    columns: &Columns,
    scene: &Scene<'_>,
) -> Line<'static> {
    let change = &row.change;
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let at = paint.zone.minute(change.at, paint.now);
    let what = match (service, &change.workload) {
        (Some(service), _) => service.as_str(),
        (None, Some(workload)) => workload.path.name.as_str(),
        (None, None) => "-",
    };
    ink.cell(Role::Dim, &at, words::width(&at).max(5));
    ink.cell(Role::Name, what, columns.service.max(8));
    if paint.width >= 60 {
        ink.cell(Role::Dim, kind(change.kind), 7);
    }
    ink.put(Role::Text, &change.title);
    if let Some(before) = before(row, scene) {
        ink.put(Role::Dim, ",").gap(1).put(Role::Warn, &before);
    }
    if let Some(by) = &change.by {
        ink.right(Role::Dim, &format!(" by {by}"));
    }
    ink.line()
}

pub(super) fn detail(row: &ChangeRow, service: Option<&ServiceName>, paint: &Paint<'_>) -> Detail {
    let change = &row.change;
    Detail::new(change.title.as_str())
        .fact("kind", kind(change.kind))
        .fact("at", format!("{} ({} ago)", paint.zone.full(change.at), words::long_age(paint.now - change.at)))
        .maybe("service", service)
        .maybe("workload", change.workload.as_ref())
        .maybe("before", change.before.as_ref())
        .maybe("after", change.after.as_ref())
        .maybe("revision", change.revision.as_ref())
        .maybe("by", change.by.as_ref())
        .fact("source", &row.origin)
}
