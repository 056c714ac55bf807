//! Rows of the services pane: health in a word, then each signal with unit, trend and limit.

use ratatui::text::Line;

use crate::model::service::Side;
use crate::observe::services::{Health, ServiceRow, SignalRow};
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Columns, Detail, Ink, Item, Paint};

/// All services; those that are fine on one line, unless the pane shows everything.
pub(super) fn items<'a>(scene: &Scene<'a>, whole: bool) -> Vec<Item<'a>> {
    let (fine, rest): (Vec<_>, Vec<_>) = scene.services.iter().partition(|row| row.health == Health::Fine);
    let mut items: Vec<_> = rest.into_iter().map(Item::Service).collect();
    if whole {
        items.extend(fine.into_iter().map(Item::Service));
    } else if !fine.is_empty() {
        items.push(Item::Fine(fine));
    }
    items
}

pub(super) fn role(health: Health) -> Role {
    match health {
        Health::Failing => Role::Bad,
        Health::Hurt => Role::Warn,
        Health::Unknown => Role::Dim,
        Health::Fine => Role::Good,
    }
}

pub(super) fn line(row: &ServiceRow, paint: &Paint<'_>, columns: &Columns) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let text = if row.health == Health::Unknown { Role::Dim } else { Role::Name };
    ink.cell(text, row.name.as_str(), columns.name);
    ink.cell(role(row.health), row.health.as_str(), 7);
    if row.health == Health::Unknown {
        ink.put(Role::Dim, &row.why);
        return ink.line();
    }
    // The limits are written beside all signals or none.
    let roomy = paint.width >= columns.name + 10 + row.signals.len() * 37;
    let trend = if paint.width >= 64 { 8 } else { 4 };
    for signal in &row.signals {
        put_signal(&mut ink, signal, paint, trend, roomy);
    }
    // The reason is the breach that stands there already: since when is what is left to say.
    let breached = row.signals.iter().any(|signal| signal.breached_since.is_some());
    match row.since.filter(|_| breached) {
        Some(since) if ink.room() >= 11 => {
            ink.put(Role::Dim, &format!("since {}", paint.zone.minute(since, paint.now)));
        }
        None if ink.room() > 12 && !row.why.is_empty() => {
            ink.put(Role::Dim, &row.why);
        }
        _ => {}
    }
    ink.line()
}

fn put_signal(ink: &mut Ink<'_>, signal: &SignalRow, paint: &Paint<'_>, trend: usize, roomy: bool) {
    let breached = signal.breached_since.is_some();
    let role = if breached { Role::Bad } else { Role::Text };
    let Some((at, value)) = signal.latest() else {
        ink.put(Role::Dim, &format!("{} no value", signal.name)).gap(2);
        return;
    };
    let written = signal.unit.write(value);
    let label = words::width(&signal.name) + 1;
    if ink.room() < label + written.len() + trend + 2 {
        return;
    }
    ink.put(Role::Dim, &signal.name).gap(1).cell(role, &written, 6);
    let from = paint.now - words::TREND * i32::try_from(trend).unwrap_or(1);
    let values: Vec<f64> = signal.recent.iter().filter(|(at, _)| *at >= from).filter_map(|(_, value)| *value).collect();
    let top = signal.threshold.map_or(0.0, |threshold| threshold.limit * 2.0);
    let spark = words::spark(&values, trend, top, paint.ascii);
    ink.cell(if breached { Role::SparkBad } else { Role::Spark }, &spark, trend);
    let old = paint.now - at;
    if old.num_seconds() >= 180 {
        ink.put(Role::Warn, &format!("{} old ", words::long_age(old)));
    } else if let Some(threshold) = signal.threshold.filter(|_| roomy) {
        ink.cell(Role::Dim, &format!("limit {}", signal.unit.write(threshold.limit)), 12);
    }
    if trend > 4 {
        ink.gap(1);
    }
}

/// `8 fine: cart, login, …`.
pub(super) fn fine(rows: &[&ServiceRow], paint: &Paint<'_>) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    ink.put(Role::Good, &format!("{} fine", rows.len())).put(Role::Dim, ": ");
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    ink.put(Role::Dim, &names.join(", "));
    ink.line()
}

pub(super) fn fine_detail(rows: &[&ServiceRow]) -> Detail {
    rows.iter().fold(Detail::new(format!("{} services are fine", rows.len())), |detail, row| detail.fact("", &row.name))
}

pub(super) fn detail(row: &ServiceRow, paint: &Paint<'_>, scene: &Scene<'_>) -> Detail {
    let since = row
        .since
        .map_or_else(String::new, |at| format!(" since {} ({})", paint.zone.full(at), words::long_age(paint.now - at)));
    let mut detail = Detail::new(row.name.as_str())
        .painted("health", format!("{}{since}", row.health.as_str()), role(row.health))
        .fact("why", &row.why);
    for signal in &row.signals {
        let value = match signal.latest() {
            Some((at, value)) => format!("{}, {} ago", signal.unit.write(value), words::long_age(paint.now - at)),
            None => "no value".into(),
        };
        let limit = signal.threshold.map_or_else(String::new, |threshold| {
            let side = if threshold.side == Side::Above { "above" } else { "below" };
            format!("; a breach is {side} {} for {} s", signal.unit.write(threshold.limit), threshold.hold.as_secs())
        });
        let breach = signal.breached_since.map_or_else(String::new, |at| {
            format!("; in breach since {} ({})", paint.zone.full(at), words::long_age(paint.now - at))
        });
        let values: Vec<f64> = signal.recent.iter().filter_map(|(_, value)| *value).collect();
        let spark =
            words::spark(&values, 30, signal.threshold.map_or(0.0, |threshold| threshold.limit * 2.0), paint.ascii);
        let role = if signal.breached_since.is_some() { Role::Bad } else { Role::Text };
        detail = detail.painted("signal", format!("{} {value}{limit}{breach}  {spark}", signal.name), role);
    }
    let Some(service) = scene.catalogue.service(&row.name) else { return detail };
    detail = detail
        .maybe("title", service.title.as_ref())
        .maybe("owner", service.owner.as_ref())
        .maybe("runbook", service.runbook.as_ref());
    for workload in &service.workloads {
        detail = detail.fact("workload", format!("{} {}/{}", workload.kind, workload.namespace, workload.name));
    }
    for route in &service.routes {
        detail = detail.fact("traffic", route.to_string());
    }
    for group in &service.log_groups {
        detail = detail.fact("log group", group);
    }
    for dashboard in &service.dashboards {
        detail = detail.fact("dashboard", dashboard);
    }
    let calls: Vec<_> = service.depends_on.iter().map(|name| name.as_str()).collect();
    detail.fact("calls", calls.join(", "))
}
