//! The schema of services.

use std::collections::HashMap;
use std::time::Duration;

use super::Around;
use crate::config::layers::At;
use crate::config::problem::nearest;
use crate::config::section::{Problems, Section};
use crate::model::name::{Kind, ServiceName};
use crate::model::service::{Service, Side, SignalSpec, Threshold, Unit, WorkloadPattern};
use crate::text::{Safe, clean_capped};

use super::route;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn all(section: &Section<'_>, around: &Around<'_>) -> Vec<Service> {
    let names: Vec<&str> = section.members().map(|(name, _, _)| name).collect();
    let mut taken = HashMap::new();
    let mut services = Vec::new();
    for (name, key, node) in section.members() {
        if !super::is_name(name) {
            section.problems.add(key, super::NAMES);
        }
        if let Some(one) = Section::of(node, format!("services.{name}"), section.problems) {
            services.push(read(name, one, &names, &mut taken, around));
        }
    }
    services
}

fn read<'a>(
    name: &'a str,
    section: Section<'a>,
    names: &[&str],
    taken: &mut HashMap<(Kind, String, String), &'a str>,
    around: &Around<'_>,
) -> Service {
    let safe = |texts: Vec<(&str, &At)>| texts.into_iter().map(|(text, _)| Safe::from(text)).collect();
    let service = Service {
        name: ServiceName::from(name),
        owner: section.line("owner").map(Safe::from),
        title: section.line("title").map(Safe::from),
        workloads: workloads(name, &section, taken),
        routes: route::all(&section),
        log_groups: safe(section.texts("log_groups")),
        alarms: safe(section.texts("alarms")),
        signals: signals(&section),
        dashboards: safe(section.texts("dashboards")),
        runbook: runbook(&section, around),
        depends_on: depends_on(name, &section, names),
    };
    section.finish();
    service
}

/// A web page as it is; a file by its whole path, which starts where the configuration is.
fn runbook(section: &Section<'_>, around: &Around<'_>) -> Option<Safe> {
    let text = section.line("runbook")?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Some(Safe::from(text));
    }
    let at = &section.entry("runbook")?.node.at;
    let path = super::path(text, at, around).display().to_string();
    let kept = Safe::from(path.as_str());
    if text.contains("://") || kept != path.as_str() {
        section.wrong("runbook", "runbook is the path of a Markdown file, or a page: https://host/path");
        return None;
    }
    Some(kept)
}

fn workloads<'a>(
    service: &'a str,
    section: &Section<'a>,
    taken: &mut HashMap<(Kind, String, String), &'a str>,
) -> Vec<WorkloadPattern> {
    let mut read = Vec::new();
    for (text, at) in section.texts("workloads") {
        let Some(pattern) = workload(text, at, section.problems) else { continue };
        let key = (pattern.kind, pattern.namespace.to_string(), pattern.name.to_string());
        if let Some(other) = taken.insert(key, service) {
            section
                .problems
                .add(at, &format!("this workload belongs to the service {other} already: a workload has one"));
        }
        read.push(pattern);
    }
    read
}

/// `namespace/name` of a Deployment, or with another kind before it.
fn workload(text: &str, at: &At, problems: &Problems) -> Option<WorkloadPattern> {
    let (kind, place) = match text.split_once(' ') {
        Some((kind, place)) => (Kind::parse(kind), place.trim()),
        None => (Some(Kind::Deployment), text),
    };
    let kind = kind.filter(|kind| {
        matches!(
            kind,
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::Job | Kind::EcsService
        )
    });
    match (kind, place.split_once('/')) {
        (Some(kind), Some((namespace, name)))
            if !namespace.is_empty() && !name.is_empty() && !name.contains(['/', ' ']) =>
        {
            Some(WorkloadPattern { kind, namespace: Safe::from(namespace), name: Safe::from(name) })
        }
        _ => {
            problems.add(at, "a workload is \"NAMESPACE/NAME\" of a Deployment, or \"StatefulSet NAMESPACE/NAME\" (or DaemonSet, ReplicaSet, Job), or \"EcsService CLUSTER/NAME\"");
            None
        }
    }
}

fn depends_on(service: &str, section: &Section<'_>, names: &[&str]) -> Vec<ServiceName> {
    let mut read: Vec<ServiceName> = Vec::new();
    for (text, at) in section.texts("depends_on") {
        let other = ServiceName::from(text);
        if text == service {
            section.problems.add(at, "a service does not depend on itself");
        } else if read.contains(&other) {
            section.problems.add(at, &format!("\"{text}\" stands here twice"));
        } else if names.contains(&text) {
            read.push(other);
        } else {
            let hint = nearest(text, names.iter().copied().filter(|name| *name != service))
                .map_or_else(|| "declare it as [services.NAME]".to_owned(), |near| format!("did you mean \"{near}\"?"));
            section.problems.add(at, &format!("there is no service \"{text}\": {hint}"));
        }
    }
    read
}

fn signals(section: &Section<'_>) -> Vec<SignalSpec> {
    let mut read: Vec<SignalSpec> = Vec::new();
    for one in section.sections("signals") {
        let name = one.line("name");
        if name.is_none() && one.entry("name").is_none() {
            one.missing("name", "such as name = \"errors\"");
        } else if name.is_some_and(|name| read.iter().any(|signal| *signal.name == *name)) {
            one.wrong("name", "this service has a signal of that name already");
        }
        let query = one.text("query");
        if query.is_none_or(|query| query.trim().is_empty()) && (query.is_some() || one.entry("query").is_none()) {
            one.missing("query", "PromQL that gives one value");
        }
        let unit = one.word("unit", &UNITS);
        if unit.is_none() && one.entry("unit").is_none() {
            one.missing("unit", "one of \"ratio\", \"seconds\", \"per_second\", \"count\", \"bytes\"");
        }
        let threshold = threshold(&one);
        one.finish();
        if let (Some(name), Some(query), Some(unit)) = (name, query, unit) {
            read.push(SignalSpec { name: Safe::from(name), query: one_line(query), unit, threshold });
        }
    }
    read
}

/// A query may be long and span lines; PromQL takes a space for a line break, but a comment would
/// swallow what comes after it.
fn one_line(query: &str) -> Safe {
    let lines: Vec<_> =
        query.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    clean_capped(&lines.join(" "), 16 * 1024)
}

/// The words for units.
pub(in crate::config) const UNITS: [(&str, Unit); 5] = [
    ("ratio", Unit::Ratio),
    ("seconds", Unit::Seconds),
    ("per_second", Unit::PerSecond),
    ("count", Unit::Count),
    ("bytes", Unit::Bytes),
];

fn threshold(one: &Section<'_>) -> Option<Threshold> {
    let (above, below) = (one.number("above"), one.number("below"));
    let hold = one.duration("hold", Duration::ZERO, DAY);
    let recover = one.duration("recover", Duration::ZERO, DAY);
    let (limit, side) = match (above, below) {
        (Some(_), Some(_)) => {
            one.wrong("below", "a signal is bad above a limit or below one, not both: make it two signals");
            return None;
        }
        (Some(limit), None) => (limit, Side::Above),
        (None, Some(limit)) => (limit, Side::Below),
        (None, None) => {
            if let Some(key) = ["hold", "recover"].into_iter().find(|key| one.entry(key).is_some()) {
                one.wrong(key, &format!("{key} goes with a limit: add above or below"));
            }
            return None;
        }
    };
    Some(Threshold {
        limit,
        side,
        hold: hold.unwrap_or(Duration::from_secs(60)),
        recover: recover.unwrap_or(Duration::from_secs(180)),
    })
}
