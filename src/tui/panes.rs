//! The panes: which rows each shows, how a row is written, and what is known of it in full.

mod alerts;
mod changes;
mod ink;
pub(super) mod logs;
mod named;
mod podtable;
mod services;
mod timeline;
mod workloads;

use ratatui::text::Line;

use crate::clock::World;
use crate::model::cluster::NamedPod;
use crate::model::command::Pane;
use crate::model::name::{ObjectPath, Origin, ServiceName};
use crate::observe::alerts::AlertRow;
use crate::observe::changes::ChangeRow;
use crate::observe::services::ServiceRow;
use crate::observe::workloads::{NodeRow, PodRow, WorkloadRow};
use crate::record::Row;

use super::filter::{Fields, Filter};
use super::list::{Keyed, RowKey};
use super::scene::Scene;
use super::theme::{Role, Theme};
use super::words::Zone;

pub(super) use ink::{Ink, emphasise};
pub(super) use podtable::pod_table;

/// How rows are written in this frame.
#[derive(Clone, Copy)]
pub(super) struct Paint<'a> {
    pub(super) theme: &'a Theme,
    pub(super) ascii: bool,
    pub(super) zone: Zone,
    pub(super) now: World,
    /// Columns of a row.
    pub(super) width: usize,
}

/// One row of a list.
#[derive(Clone)]
pub(super) enum Item<'a> {
    Alert(&'a AlertRow),
    Service(&'a ServiceRow),
    Fine(Vec<&'a ServiceRow>),
    Workload(&'a WorkloadRow),
    Well(Vec<&'a WorkloadRow>),
    Pod(&'a WorkloadRow, &'a PodRow),
    Named(&'a Origin, &'a NamedPod),
    Node(&'a NodeRow),
    Change(&'a ChangeRow, Option<&'a ServiceName>),
    Entry(&'a Row),
}

/// What limits the rows of a list.
pub(super) struct Choice<'a> {
    pub(super) filter: &'a Filter,
    pub(super) service: Option<&'a ServiceName>,
    /// The pane has the whole screen: nothing is folded.
    pub(super) whole: bool,
}

/// The rows of a pane. The logs have none: they are lines.
pub(super) fn items<'a>(pane: Pane, scene: &Scene<'a>, choice: &Choice<'_>) -> Vec<Item<'a>> {
    let mut items = match pane {
        Pane::Alerts => scene.alerts.iter().map(Item::Alert).collect(),
        Pane::Services => services::items(scene, choice.whole || choice.filter.is_on()),
        Pane::Workloads => {
            // What is looked for by name, or belongs to the chosen service, is not folded away.
            let folded = !choice.whole && !choice.filter.is_on() && choice.service.is_none();
            workloads::items(scene, choice.whole, folded)
        }
        Pane::Changes => changes::items(scene),
        Pane::Timeline => scene.timeline.iter().map(Item::Entry).collect(),
        Pane::Logs => Vec::new(),
    };
    if let Some(service) = choice.service.filter(|_| pane != Pane::Services) {
        items.retain(|item| item.belongs_to(service));
    }
    if choice.filter.is_on() {
        items.retain(|item| choice.filter.passes(item));
    }
    items
}

impl Keyed for Item<'_> {
    fn key(&self) -> RowKey {
        match self {
            Self::Alert(row) => RowKey::Alert(row.origin.clone(), row.alert.key.clone()),
            Self::Service(row) => RowKey::Service(row.name.clone()),
            Self::Fine(_) => RowKey::Fine,
            Self::Workload(row) => RowKey::Workload(row.origin.clone(), row.key.clone()),
            Self::Well(_) => RowKey::Well,
            Self::Pod(row, pod) => RowKey::Pod(row.origin.clone(), pod.pod.path.clone()),
            Self::Named(origin, pod) => {
                let namespace = pod.namespace.clone().unwrap_or_default();
                RowKey::Pod((*origin).clone(), ObjectPath { namespace, name: pod.name.clone() })
            }
            Self::Node(row) => RowKey::Node(row.origin.clone(), row.node.name.clone()),
            Self::Change(row, _) => RowKey::Change(row.change.id.clone()),
            Self::Entry(row) => RowKey::Entry(row.entry.id.clone()),
        }
    }

    fn has(&self, key: &RowKey) -> bool {
        // What differs most is compared first.
        let at = |path: &ObjectPath, other: &ObjectPath| path.name == other.name && path.namespace == other.namespace;
        match (self, key) {
            (Self::Alert(row), RowKey::Alert(origin, alert)) => row.alert.key == *alert && row.origin == *origin,
            (Self::Service(row), RowKey::Service(name)) => row.name == *name,
            (Self::Fine(_), RowKey::Fine) | (Self::Well(_), RowKey::Well) => true,
            (Self::Workload(row), RowKey::Workload(origin, of)) => {
                at(&row.key.path, &of.path) && row.key.kind == of.kind && row.origin == *origin
            }
            (Self::Pod(row, pod), RowKey::Pod(origin, path)) => at(&pod.pod.path, path) && row.origin == *origin,
            (Self::Named(from, pod), RowKey::Pod(origin, path)) => {
                pod.name == path.name
                    && pod.namespace.as_deref().unwrap_or_default() == &*path.namespace
                    && *from == origin
            }
            (Self::Node(row), RowKey::Node(origin, name)) => row.node.name == *name && row.origin == *origin,
            (Self::Change(row, _), RowKey::Change(id)) => row.change.id == *id,
            (Self::Entry(row), RowKey::Entry(id)) => row.entry.id == *id,
            _ => false,
        }
    }
}

impl<'a> Item<'a> {
    pub(super) fn origin(&self) -> Option<&'a Origin> {
        match self {
            Self::Alert(row) => Some(&row.origin),
            Self::Workload(row) | Self::Pod(row, _) => Some(&row.origin),
            Self::Named(origin, _) => Some(origin),
            Self::Node(row) => Some(&row.origin),
            Self::Change(row, _) => Some(&row.origin),
            Self::Well(rows) => rows.first().map(|row| &row.origin),
            Self::Service(_) | Self::Fine(_) | Self::Entry(_) => None,
        }
    }

    pub(super) fn service(&self) -> Option<&'a ServiceName> {
        match self {
            Self::Alert(row) => row.service.as_ref(),
            Self::Service(row) => Some(&row.name),
            Self::Workload(row) | Self::Pod(row, _) => row.service.as_ref(),
            Self::Change(_, service) => *service,
            Self::Entry(row) => row.entry.draft.service.as_ref(),
            Self::Fine(_) | Self::Well(_) | Self::Node(_) | Self::Named(..) => None,
        }
    }

    fn belongs_to(&self, service: &ServiceName) -> bool {
        // A node with trouble may be everybody's: it stays.
        matches!(self, Self::Node(_)) || self.service() == Some(service)
    }

    /// The row as one line, without padding.
    pub(super) fn line(
        &self,
        paint: &Paint<'_>,
        columns: &Columns,
        before: Option<&Self>,
        scene: &Scene<'_>,
    ) -> Line<'static> {
        match self {
            Self::Alert(row) => alerts::line(row, paint, columns),
            Self::Service(row) => services::line(row, paint, columns),
            Self::Fine(rows) => services::fine(rows, paint),
            Self::Workload(row) => workloads::line(row, paint, columns),
            Self::Well(rows) => workloads::well(rows, paint),
            Self::Pod(row, pod) => workloads::pod(row, pod, paint, columns),
            Self::Named(_, pod) => named::line(pod, paint, columns),
            Self::Node(row) => workloads::node(row, paint),
            Self::Change(row, service) => changes::line(row, *service, paint, columns, scene),
            Self::Entry(row) => {
                let earlier = match before {
                    Some(Self::Entry(before)) => Some(*before),
                    _ => None,
                };
                timeline::line(row, earlier, paint, scene)
            }
        }
    }

    /// Everything that is known of the row: its name, then labelled facts.
    pub(super) fn detail(&self, paint: &Paint<'_>, scene: &Scene<'_>) -> Detail {
        match self {
            Self::Alert(row) => alerts::detail(row, paint, scene),
            Self::Service(row) => services::detail(row, paint, scene),
            Self::Fine(rows) => services::fine_detail(rows),
            Self::Workload(row) => workloads::detail(row, paint),
            Self::Well(rows) => workloads::well_detail(rows),
            Self::Pod(row, pod) => workloads::pod_detail(row, pod, paint),
            Self::Named(origin, pod) => named::detail(origin, pod),
            Self::Node(row) => workloads::node_detail(row),
            Self::Change(row, service) => changes::detail(row, *service, paint),
            Self::Entry(row) => timeline::detail(row, paint),
        }
    }

    /// What is copied when the row is.
    pub(super) fn copy(&self, paint: &Paint<'_>, scene: &Scene<'_>) -> String {
        let detail = self.detail(paint, scene);
        let mut text = detail.title;
        for (label, value, _) in detail.facts {
            text.push_str(&format!("\n{label}: {value}"));
        }
        text
    }
}

impl Fields for Item<'_> {
    fn whole(&self) -> String {
        match self {
            Self::Alert(row) => {
                let claim = row.claim.as_ref().map_or("unclaimed", |claim| claim.by.as_str());
                let summary = row.alert.summary.as_deref().unwrap_or_default();
                let service = row.service.as_ref().map_or("", |name| name.as_str());
                format!(
                    "{} {} {service} {} {claim} {summary}",
                    row.alert.severity.short(),
                    row.alert.name,
                    row.alert.state
                )
            }
            Self::Service(row) => format!("{} {} {}", row.name, row.health.as_str(), row.why),
            Self::Fine(rows) => rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(" "),
            Self::Well(rows) => rows.iter().map(|row| row.key.path.name.as_str()).collect::<Vec<_>>().join(" "),
            Self::Workload(row) => format!("{} {}", row.key, row.trouble.as_deref().unwrap_or_default()),
            Self::Pod(row, pod) => {
                let trouble = pod.trouble.as_deref().unwrap_or_default();
                let node = pod.pod.node.as_deref().unwrap_or_default();
                format!("{} {} {} {trouble} {node}", row.key, pod.pod.path, pod.pod.status)
            }
            Self::Named(_, pod) => {
                let node = pod.node.as_deref().unwrap_or_default();
                format!("{} {} {} {node}", pod.namespace.as_deref().unwrap_or_default(), pod.name, pod.status)
            }
            Self::Node(row) => format!("node {} {}", row.node.name, row.trouble.as_deref().unwrap_or_default()),
            Self::Change(row, service) => {
                let by = row.change.by.as_deref().unwrap_or_default();
                format!("{} {} {by}", service.map_or("", |name| name.as_str()), row.change.title)
            }
            Self::Entry(row) => {
                let draft = &row.entry.draft;
                format!(
                    "{} {} {} {} {}",
                    draft.kind.as_str(),
                    draft.subject,
                    draft.title,
                    draft.source,
                    draft.actor.name
                )
            }
        }
    }

    fn field(&self, name: &str) -> Option<String> {
        if name == "service" {
            return self.service().map(ToString::to_string);
        }
        match (self, name) {
            (Self::Alert(row), "alertname" | "name") => Some(row.alert.name.to_string()),
            (Self::Alert(row), "severity") => Some(
                row.alert
                    .labels
                    .get("severity")
                    .map_or_else(|| row.alert.severity.short().to_owned(), ToString::to_string),
            ),
            (Self::Alert(row), "state") => Some(row.alert.state.to_string()),
            (Self::Alert(row), "claim") => row.claim.as_ref().map(|claim| claim.by.to_string()),
            (Self::Alert(row), label) => row.alert.labels.get(label).map(ToString::to_string),
            (Self::Workload(row) | Self::Pod(row, _), "namespace" | "ns") => Some(row.key.path.namespace.to_string()),
            (Self::Workload(row), "name") => Some(row.key.path.name.to_string()),
            (Self::Pod(_, pod), "name") => Some(pod.pod.path.name.to_string()),
            (Self::Pod(_, pod), "node") => pod.pod.node.as_ref().map(ToString::to_string),
            (Self::Pod(_, pod), "status") => Some(pod.pod.status.to_string()),
            (Self::Named(_, pod), "namespace" | "ns") => pod.namespace.as_ref().map(ToString::to_string),
            (Self::Named(_, pod), "name") => Some(pod.name.to_string()),
            (Self::Named(_, pod), "node") => pod.node.as_ref().map(ToString::to_string),
            (Self::Named(_, pod), "status") => Some(pod.status.to_string()),
            (Self::Node(row), "zone") => row.node.zone.as_ref().map(ToString::to_string),
            (Self::Node(row), "name" | "node") => Some(row.node.name.to_string()),
            (Self::Change(row, _), "by") => row.change.by.as_ref().map(ToString::to_string),
            (Self::Entry(row), "kind") => Some(row.entry.draft.kind.as_str().to_owned()),
            (Self::Entry(row), "source") => Some(row.entry.draft.source.to_string()),
            (Self::Entry(row), "actor") => Some(row.entry.draft.actor.name.to_string()),
            _ => None,
        }
    }
}

/// Widths that the rows of a list share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    pub(super) name: usize,
    pub(super) service: usize,
}

/// More rows than this are not looked at for the widths of columns.
const MEASURED: usize = 200;

/// The widths for these rows in a pane of that many columns.
pub(super) fn columns(items: &[Item<'_>], width: usize) -> Columns {
    let longest = |text: &dyn Fn(&Item<'_>) -> usize| items.iter().take(MEASURED).map(text).max().unwrap_or(0);
    let name = longest(&|item| match item {
        Item::Alert(row) => super::words::width(&row.alert.name),
        Item::Service(row) => super::words::width(row.name.as_str()),
        Item::Workload(row) => super::words::width(&row.key.path.name),
        Item::Pod(row, pod) => super::words::width(workloads::short(row, pod)) + 2,
        Item::Named(_, pod) => super::words::width(&pod.name),
        _ => 0,
    });
    let service = longest(&|item| item.service().map_or(1, |name| super::words::width(name.as_str())));
    Columns { name: name.clamp(4, (width * 2 / 5).max(8)), service: service.clamp(1, (width / 5).max(8)) }
}

/// Everything known of one row.
#[derive(Clone, Debug, Default)]
pub(super) struct Detail {
    pub(super) title: String,
    pub(super) facts: Vec<(&'static str, String, Role)>,
}

impl Detail {
    fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), facts: Vec::new() }
    }

    fn fact(mut self, label: &'static str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.facts.push((label, value, Role::Text));
        }
        self
    }

    fn painted(mut self, label: &'static str, value: impl Into<String>, role: Role) -> Self {
        self.facts.push((label, value.into(), role));
        self
    }

    fn maybe(self, label: &'static str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.fact(label, value),
            None => self,
        }
    }
}
