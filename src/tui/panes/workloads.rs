//! Rows of the workloads pane: workloads by need, the pods of hurt ones, nodes with trouble.

use chrono::TimeDelta;
use ratatui::text::Line;

use crate::model::cluster::MilliCores;
use crate::model::service::Unit;
use crate::observe::workloads::{NodeRow, PodRow, WorkloadRow};
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Columns, Detail, Ink, Item, Paint};

/// Pods that are shown below a hurt workload while the pane is small.
const PODS_SHOWN: usize = 4;

/// So long what was acted on keeps a row of its own.
const ACTED: TimeDelta = TimeDelta::minutes(15);

/// Columns of a share with its label: `mem 100 % `.
const SHARE: usize = 10;

/// Hurt workloads with their hurt pods, nodes with trouble, then the rest: folded into one line
/// if that is wanted. With the whole screen, all pods and all nodes. Pods that are names alone come
/// at the end; in a small pane those that do not look well.
pub(super) fn items<'a>(scene: &Scene<'a>, whole: bool, folded: bool) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    let nodes =
        |trouble: bool| scene.nodes.iter().filter(move |node| node.trouble.is_some() == trouble).map(Item::Node);
    let mut nodes_due = true;
    let mut well = Vec::new();
    for row in scene.workloads {
        // One pod that is not itself is seen, also in a workload that is well as a whole; and so is
        // what somebody has just acted on.
        let plain = !row.hurt && !row.has_hurt_pods();
        if folded && plain && !just_acted_on(row, scene) {
            well.push(row);
            continue;
        }
        if !row.hurt && nodes_due {
            items.extend(nodes(true));
            nodes_due = false;
        }
        items.push(Item::Workload(row));
        if whole {
            items.extend(row.pods.iter().map(|pod| Item::Pod(row, pod)));
        } else {
            items.extend(row.hurt_pods().take(PODS_SHOWN).map(|pod| Item::Pod(row, pod)));
        }
    }
    if nodes_due {
        items.extend(nodes(true));
    }
    if !well.is_empty() {
        items.push(Item::Well(well));
    }
    if whole {
        items.extend(nodes(false));
    }
    let named = scene.named.iter().filter(|(_, pod)| whole || !pod.looks_well());
    items.extend(named.map(|(origin, pod)| Item::Named(origin, pod)));
    items
}

fn just_acted_on(row: &WorkloadRow, scene: &Scene<'_>) -> bool {
    scene.actions.iter().any(|action| action.plan.target.path == row.key.path && scene.now - action.at < ACTED)
}

/// A pod's name without that of its workload.
pub(super) fn short<'a>(row: &WorkloadRow, pod: &'a PodRow) -> &'a str {
    let name = pod.pod.path.name.as_str();
    name.strip_prefix(row.key.path.name.as_str()).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name)
}

fn put_share(ink: &mut Ink<'_>, label: &str, share: Option<f64>) {
    let Some(share) = share else { return };
    let role = if share >= 0.9 { Role::Bad } else { Role::Text };
    ink.put(Role::Dim, label).gap(1).cell(role, &words::percent(share), 5);
}

pub(super) fn line(row: &WorkloadRow, paint: &Paint<'_>, columns: &Columns) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    ink.cell(if row.hurt { Role::Bad } else { Role::Name }, &row.key.path.name, columns.name);
    match &row.workload {
        Some(workload) => {
            let short = workload.ready < workload.desired;
            let ready = format!("{}/{} ready", workload.ready, workload.desired);
            ink.cell(if short { Role::Warn } else { Role::Text }, &ready, 11);
        }
        None => {
            ink.cell(Role::Dim, &words::plural(row.pods.len(), "pod"), 11);
        }
    }
    put_share(&mut ink, "cpu", row.cpu_share);
    if row.cpu_share.is_some() && paint.width >= 44 {
        let from = paint.now - words::TREND * 6;
        let values: Vec<f64> = row.recent_cpu.iter().filter(|(at, _)| *at >= from).map(|(_, share)| *share).collect();
        let role = if row.cpu_share.is_some_and(|share| share >= 0.9) { Role::SparkBad } else { Role::Spark };
        ink.cell(role, &words::spark(&values, 6, 1.0, paint.ascii), 6);
    }
    if ink.room() >= SHARE {
        put_share(&mut ink, "mem", row.memory_share);
    }
    // A stump of a sentence says nothing: the pods below say it whole.
    if let Some(trouble) = row.trouble.as_ref().filter(|_| ink.room() >= 24) {
        ink.put(Role::Warn, trouble);
    } else if row.trouble.is_some() {
    } else if let Some(hpa) = &row.autoscaler {
        ink.put(Role::Dim, &format!("HPA {}-{}", hpa.min, hpa.max));
    }
    ink.line()
}

/// `12 well, 36 pods: cart, login, …`.
pub(super) fn well(rows: &[&WorkloadRow], paint: &Paint<'_>) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let pods = rows.iter().map(|row| row.pods.len()).sum();
    ink.put(Role::Good, &format!("{} well", rows.len())).put(Role::Dim, &format!(", {}: ", words::plural(pods, "pod")));
    let mut left = ink.room();
    // No more names than there is room for: there may be thousands.
    let names = rows.iter().map(|row| row.key.path.name.as_str()).take_while(|name| {
        let room = left > 0;
        left = left.saturating_sub(words::width(name) + 2);
        room
    });
    let names: Vec<_> = names.collect();
    ink.put(Role::Dim, &names.join(", "));
    ink.line()
}

pub(super) fn well_detail(rows: &[&WorkloadRow]) -> Detail {
    let ready = |row: &WorkloadRow| match &row.workload {
        Some(workload) => format!("{}/{} ready", workload.ready, workload.desired),
        None => words::plural(row.pods.len(), "pod"),
    };
    rows.iter().fold(Detail::new(format!("{} workloads are well", rows.len())), |detail, row| {
        detail.fact("", format!("{} {}", row.key, ready(row)))
    })
}

pub(super) fn pod(row: &WorkloadRow, pod: &PodRow, paint: &Paint<'_>, columns: &Columns) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let hurt = pod.trouble.is_some();
    ink.gap(2).cell(if hurt { Role::Text } else { Role::Dim }, short(row, pod), columns.name.saturating_sub(2));
    match &pod.trouble {
        Some(trouble) => ink.put(Role::Warn, trouble),
        None => ink.cell(Role::Dim, &pod.pod.status, 11),
    };
    if pod.pod.restarts > 0 && pod.trouble.as_ref().is_none_or(|trouble| !trouble.contains("restart")) {
        ink.gap(1).put(Role::Warn, &words::plural(pod.pod.restarts as usize, "restart"));
    }
    // What the trouble says already is not said again.
    let said = |word: &str| pod.trouble.as_ref().is_some_and(|trouble| trouble.contains(word));
    for (label, share) in [("cpu", pod.cpu_share), ("mem", pod.memory_share)] {
        if ink.room() > SHARE && !said(label) {
            ink.gap(1);
            put_share(&mut ink, label, share);
        }
    }
    if let Some(node) = pod.pod.node.as_ref().filter(|node| ink.room() > words::width(node) + 2) {
        ink.right(Role::Dim, node);
    }
    ink.line()
}

pub(super) fn node(row: &NodeRow, paint: &Paint<'_>) -> Line<'static> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    ink.put(Role::Dim, "node ").put(if row.trouble.is_some() { Role::Warn } else { Role::Text }, &row.node.name).gap(1);
    if let Some(zone) = &row.node.zone {
        ink.put(Role::Dim, &format!("({zone}) "));
    }
    put_share(&mut ink, "cpu", row.cpu_share);
    put_share(&mut ink, "mem", row.memory_share);
    // Heat alone is painted in the shares before.
    let hot = |part: &&str| !part.starts_with("cpu ") && !part.starts_with("memory ");
    let trouble: Vec<&str> = row.trouble.iter().flat_map(|trouble| trouble.split(", ")).filter(hot).collect();
    if !trouble.is_empty() {
        ink.put(Role::Warn, &trouble.join(", "));
    }
    ink.line()
}

/// Millicores up to one core, cores from there on.
fn cores(milli: MilliCores) -> String {
    match milli {
        0 => "none".into(),
        1..1000 => format!("{milli}m"),
        _ => format!("{:.1} cores", milli as f64 / 1000.0),
    }
}

pub(super) fn detail(row: &WorkloadRow, paint: &Paint<'_>) -> Detail {
    let mut detail = Detail::new(row.key.to_string()).maybe("service", row.service.as_ref());
    if let Some(trouble) = &row.trouble {
        detail = detail.painted("trouble", trouble.as_str(), Role::Warn);
    }
    if let Some(workload) = &row.workload {
        let paused = if workload.paused { "; the rollout is paused" } else { "" };
        detail = detail
            .fact(
                "replicas",
                format!(
                    "{} wanted, {} updated, {} ready, {} in all{paused}",
                    workload.desired, workload.updated, workload.ready, workload.total
                ),
            )
            .maybe("revision", workload.revision.as_ref())
            .maybe("managed by", workload.managed_by.as_ref())
            .fact(
                "requests",
                format!(
                    "cpu {}, memory {} a pod",
                    cores(workload.cpu_request),
                    Unit::Bytes.write(workload.memory_request as f64)
                ),
            );
        for (container, image) in &workload.images {
            detail = detail.fact("image", format!("{container}: {image}"));
        }
    }
    if let Some(hpa) = &row.autoscaler {
        detail =
            detail.fact("autoscaler", format!("{} keeps {} to {}, wants {}", hpa.path, hpa.min, hpa.max, hpa.desired));
    }
    let values: Vec<f64> = row.recent_cpu.iter().map(|(_, share)| *share).collect();
    if let Some(share) = row.cpu_share {
        detail = detail.fact(
            "cpu",
            format!("{} of the limit  {}", words::percent(share), words::spark(&values, 30, 1.0, paint.ascii)),
        );
    }
    detail = detail.maybe("memory", row.memory_share.map(words::percent)).fact("source", &row.origin);
    for pod in &row.pods {
        let trouble = pod.trouble.as_ref().map_or_else(String::new, |trouble| format!(", {trouble}"));
        let text =
            format!("{} {} {}/{}{trouble}", pod.pod.path.name, pod.pod.status, pod.pod.ready, pod.pod.containers);
        detail = detail.painted("pod", text, if pod.trouble.is_some() { Role::Warn } else { Role::Text });
    }
    detail
}

pub(super) fn pod_detail(row: &WorkloadRow, pod: &PodRow, paint: &Paint<'_>) -> Detail {
    let it = &pod.pod;
    let usage = |used: Option<String>, share: Option<f64>| match (used, share) {
        (Some(used), Some(share)) => format!("{used}, {} of the limit", words::percent(share)),
        (Some(used), None) => used,
        _ => "not measured".into(),
    };
    let mut detail = Detail::new(it.path.to_string());
    if let Some(trouble) = &pod.trouble {
        detail = detail.painted("trouble", trouble.as_str(), Role::Warn);
    }
    detail = detail
        .fact("status", format!("{}, {} of {} containers ready", it.status, it.ready, it.containers))
        .fact("restarts", it.restarts)
        .maybe("last end", it.last_end.as_ref().map(|(why, at)| format!("{why} at {}", paint.zone.full(*at))))
        .maybe("says", it.message.as_ref())
        .fact("workload", &row.key)
        .maybe("revision", it.revision.as_ref())
        .fact("image", &it.image)
        .maybe("node", it.node.as_ref())
        .fact("created", paint.zone.full(it.created))
        .fact("cpu", usage(pod.cpu.map(cores), pod.cpu_share))
        .fact("memory", usage(pod.memory.map(|bytes| Unit::Bytes.write(bytes as f64)), pod.memory_share))
        .fact("limits", format!("cpu {}, memory {}", cores(it.cpu_limit), Unit::Bytes.write(it.memory_limit as f64)))
        .fact(
            "requests",
            format!("cpu {}, memory {}", cores(it.cpu_request), Unit::Bytes.write(it.memory_request as f64)),
        );
    detail
}

pub(super) fn node_detail(row: &NodeRow) -> Detail {
    let node = &row.node;
    let pressures: Vec<_> = node.pressures.iter().map(|pressure| pressure.as_str()).collect();
    let ready = if node.ready { "ready" } else { "not ready" };
    let cordoned = if node.unschedulable { ", takes no new pods" } else { "" };
    let mut detail = Detail::new(format!("node {}", node.name));
    if let Some(trouble) = &row.trouble {
        detail = detail.painted("trouble", trouble.as_str(), Role::Warn);
    }
    detail
        .fact("state", format!("{ready}{cordoned}"))
        .fact("pressure", pressures.join(", "))
        .maybe("zone", node.zone.as_ref())
        .maybe("cpu", row.cpu_share.map(words::percent))
        .maybe("memory", row.memory_share.map(words::percent))
        .fact(
            "room",
            format!("{} and {} for at most {} pods", cores(node.cpu), Unit::Bytes.write(node.memory as f64), node.pods),
        )
        .fact("source", &row.origin)
}
