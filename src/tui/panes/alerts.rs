//! Rows of the alerts pane: how bad, since when, what, whose, and who took it on.

use ratatui::text::Line;

use crate::model::alert::{AlertSeverity, AlertState};
use crate::observe::alerts::AlertRow;
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Columns, Detail, Ink, Paint};

fn role(row: &AlertRow) -> Role {
    match (&row.alert.state, row.alert.severity) {
        (AlertState::Firing, AlertSeverity::Critical) => Role::Critical,
        (AlertState::Firing, AlertSeverity::Warning) => Role::Warn,
        (AlertState::Firing, _) => Role::Text,
        _ => Role::Dim,
    }
}

pub(super) fn line(row: &AlertRow, paint: &Paint<'_>, columns: &Columns) -> Line<'static> {
    let alert = &row.alert;
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let quiet = !matches!(alert.state, AlertState::Firing);
    let text = if quiet { Role::Dim } else { Role::Text };
    ink.cell(role(row), alert.severity.short(), 4);
    if paint.width >= 60 {
        let since = paint.zone.minute(alert.since, paint.now);
        ink.cell(Role::Dim, &since, words::width(&since).max(5));
    }
    ink.number(text, &words::age(paint.now - alert.since), 4);
    ink.cell(if quiet { Role::Dim } else { Role::Name }, &alert.name, columns.name).gap(1);
    ink.cell(text, row.service.as_ref().map_or("-", |name| name.as_str()), columns.service).gap(1);
    match &alert.state {
        AlertState::Firing => match &row.claim {
            Some(claim) => {
                // Of an address the name is enough here; the detail has it whole.
                let by = claim.by.split('@').next().unwrap_or_default();
                let long = format!("claimed by {by}");
                let fits = words::width(&long) <= ink.room();
                ink.put(Role::Good, if fits { &long } else { long.strip_prefix("claimed ").unwrap_or(&long) })
            }
            None => ink.put(text, "unclaimed"),
        },
        AlertState::Suppressed { by } => ink.put(Role::Dim, &format!("silenced by {by}")),
        AlertState::NoData => ink.put(Role::Warn, "no data"),
        AlertState::Resolved => ink.put(Role::Good, "resolved"),
    };
    if !row.also.is_empty() && ink.room() > 12 {
        let mut others: Vec<_> = row.also.iter().map(|(origin, _)| origin.source.as_str()).collect();
        others.dedup();
        ink.gap(2).put(Role::Dim, &format!("also {}", others.join(", ")));
    }
    if let Some(summary) = alert.summary.as_ref().filter(|_| ink.room() > 16) {
        ink.gap(2).put(Role::Dim, summary);
    }
    ink.line()
}

pub(super) fn detail(row: &AlertRow, paint: &Paint<'_>, scene: &Scene<'_>) -> Detail {
    let alert = &row.alert;
    let since = format!(
        "{} since {} ({})",
        alert.state,
        paint.zone.full(alert.since),
        words::long_age(paint.now - alert.since)
    );
    let claim = match &row.claim {
        Some(claim) => format!("{} at {}, here; the pager may still escalate", claim.by, paint.zone.full(claim.at)),
        None => "nobody, here".into(),
    };
    let mut detail = Detail::new(alert.name.as_str())
        .painted("state", since, role(row))
        .fact("severity", alert.severity.short())
        .maybe("summary", alert.summary.as_ref())
        .maybe("service", row.service.as_ref())
        .fact("claimed by", claim)
        .fact("source", &row.origin);
    if let AlertState::Suppressed { by } = &alert.state {
        detail = detail.fact("silenced", by);
    }
    for (origin, key) in &row.also {
        detail = detail.fact("also told by", format!("{origin} as {}", key.0));
    }
    let service = row.service.as_ref().and_then(|name| scene.catalogue.service(name));
    detail = detail
        .maybe("link", alert.link.as_ref())
        .maybe("runbook", service.and_then(|service| service.runbook.as_ref()))
        .maybe("owner", service.and_then(|service| service.owner.as_ref()));
    for (name, value) in &alert.labels {
        detail = detail.fact("label", format!("{name} = {value}"));
    }
    detail
}
