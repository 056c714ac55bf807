//! Pods as a table for a file: one a line, every field whole.
//!
//! Owns: the columns, in the order of `kubectl get pods -A -o wide` where it has them. They are
//! set apart by tabs, which no text of ours holds.

use crate::model::cluster::{NamedPod, Pod};
use crate::observe::workloads::PodRow;
use crate::text::Safe;

use super::Item;

const COLUMNS: [&str; 20] = [
    "NAMESPACE",
    "NAME",
    "READY",
    "STATUS",
    "RESTARTS",
    "CREATED",
    "NODE",
    "WORKLOAD",
    "REVISION",
    "IMAGE",
    "CPU",
    "CPU_REQUEST",
    "CPU_LIMIT",
    "MEMORY",
    "MEMORY_REQUEST",
    "MEMORY_LIMIT",
    "LAST_END",
    "TROUBLE",
    "MESSAGE",
    "UID",
];
/// What is not there, as kubectl writes it.
const NONE: &str = "<none>";

/// The pods among these rows. CPU is in thousandths of a core, memory in bytes, times are UTC.
pub(in crate::tui) fn pod_table(items: &[Item<'_>]) -> String {
    let mut out = COLUMNS.join("\t") + "\n";
    for item in items {
        let cells = match item {
            Item::Pod(_, row) => known(row),
            Item::Named(_, pod) => named(pod),
            _ => continue,
        };
        out.push_str(&cells.join("\t"));
        out.push('\n');
    }
    out
}

fn or_none(text: Option<&Safe>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| NONE.to_owned(), ToString::to_string)
}

fn known(row: &PodRow) -> [String; COLUMNS.len()] {
    let PodRow { pod, cpu, memory, trouble, .. } = row;
    let Pod { path, uid, owner, revision, node, status, last_end, message, image, .. } = pod;
    let measured = |value: Option<u64>| value.map_or_else(|| NONE.to_owned(), |value| value.to_string());
    let time = |at: crate::clock::World| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    [
        path.namespace.to_string(),
        path.name.to_string(),
        format!("{}/{}", pod.ready, pod.containers),
        status.to_string(),
        pod.restarts.to_string(),
        time(pod.created),
        or_none(node.as_ref()),
        owner.as_ref().map_or_else(|| NONE.to_owned(), |key| format!("{}/{}", key.kind, key.path.name)),
        or_none(revision.as_ref()),
        or_none(Some(image)),
        measured(*cpu),
        pod.cpu_request.to_string(),
        pod.cpu_limit.to_string(),
        measured(*memory),
        pod.memory_request.to_string(),
        pod.memory_limit.to_string(),
        last_end.as_ref().map_or_else(|| NONE.to_owned(), |(why, at)| format!("{why} {}", time(*at))),
        or_none(trouble.as_ref()),
        or_none(message.as_ref()),
        uid.as_str().to_owned(),
    ]
}

/// A pod that is a name alone: what is not known of it is left empty.
fn named(pod: &NamedPod) -> [String; COLUMNS.len()] {
    let mut cells = [const { String::new() }; COLUMNS.len()];
    let known = [
        pod.namespace.as_ref().map(ToString::to_string),
        Some(pod.name.to_string()),
        pod.ready.map(|(ready, all)| format!("{ready}/{all}")),
        Some(pod.status.to_string()),
        pod.restarts.map(|restarts| restarts.to_string()),
        None,
        pod.node.as_ref().map(ToString::to_string),
    ];
    for (cell, known) in cells.iter_mut().zip(known) {
        *cell = known.unwrap_or_default();
    }
    cells
}
