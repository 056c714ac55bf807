//! Rows of pods that are names alone: a large cluster's, until its pods are read.

use ratatui::text::Line;

use crate::model::cluster::NamedPod;
use crate::model::name::Origin;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Columns, Detail, Ink, Paint};

/// `web-7d9f-x2c  1/2  CrashLoopBackOff  4 restarts  3d  node-1`, and that more is to come.
pub(super) fn line(pod: &NamedPod, paint: &Paint<'_>, columns: &Columns) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    ink.cell(Role::Dim, &pod.name, columns.name);
    let ready = pod.ready.map_or_else(String::new, |(ready, all)| format!("{ready}/{all}"));
    ink.cell(Role::Dim, &ready, 5);
    ink.cell(if pod.looks_well() { Role::Dim } else { Role::Warn }, &pod.status, 17);
    if let Some(restarts) = pod.restarts.filter(|restarts| *restarts > 0) {
        ink.put(Role::Dim, &words::plural(restarts as usize, "restart")).gap(1);
    }
    ink.put(Role::Dim, &pod.age).gap(1).put(Role::Dim, if paint.ascii { "..." } else { "…" });
    if let Some(node) = pod.node.as_ref().filter(|node| ink.room() > words::width(node) + 2) {
        ink.right(Role::Dim, node);
    }
    ink.line()
}

pub(super) fn detail(origin: &Origin, pod: &NamedPod) -> Detail {
    let ready = pod.ready.map(|(ready, all)| format!(", {ready} of {all} containers ready"));
    Detail::new(pod.name.to_string())
        .painted("so far", "its name and what stands here; the rest is being read", Role::Dim)
        .maybe("namespace", pod.namespace.as_ref())
        .fact("status", format!("{}{}", pod.status, ready.unwrap_or_default()))
        .maybe("restarts", pod.restarts)
        .fact("age", &pod.age)
        .maybe("node", pod.node.as_ref())
        .fact("source", origin)
}
