//! Reading scenario files: every error names the file, the line and the column.
//!
//! Owns: the step from text to a checked [`Scenario`]. Must not: let anything through that the
//! world would have to guess about later.

mod workloads;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use crate::drill::promql;
use crate::model::name::{Kind, ObjectPath, ServiceName};
use crate::model::service::{Route, Service, SignalSpec, Threshold, WorkloadPattern};
use crate::text::Safe;

use super::cloud::{BalancerShape, EcsShape, Part};
use super::schema::{File, Scenario};
use super::shipped::SHIPPED;
use super::watch::ServiceTable;
use super::when::When;
use super::workload::Runner;
use workloads::{each_workload, kind_of, no_circles};

/// A scenario file is small; what is larger is something else.
const MOST_BYTES: u64 = 1 << 20;

/// Why a scenario could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("cannot read the scenario {path}: {why}; `warroom drill` lists the scenarios that come with the program")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: std::io::Error,
    },
    /// It is not what a scenario is made of.
    #[error("{path} is not a scenario: it is larger than 1 MiB")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// There is no such scenario.
    #[error("there is no scenario `{id}`; there are: {known}; or give the path of a file")]
    Unknown {
        /// What was asked for.
        id: String,
        /// Those there are.
        known: String,
    },
    /// Something in the file is wrong.
    #[error("{path}:{line}:{column}: {why}")]
    Wrong {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
}

/// What is wrong, and where in the text.
struct Wrong {
    span: Range<usize>,
    why: String,
}

fn wrong<T>(at: &Spanned<T>, why: impl Into<String>) -> Wrong {
    Wrong { span: at.span(), why: why.into() }
}

impl Scenario {
    /// The shipped scenario of this id.
    ///
    /// # Errors
    /// If there is none; the error lists them.
    pub fn shipped(id: &str) -> Result<Self, ScenarioError> {
        match SHIPPED.iter().find(|shipped| shipped.id == id) {
            Some(shipped) => Self::parse(&format!("assets/scenarios/{}.toml", shipped.id), shipped.text),
            None => Err(ScenarioError::Unknown {
                id: id.to_owned(),
                known: SHIPPED.iter().map(|shipped| shipped.id).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The scenario in a file.
    ///
    /// # Errors
    /// If the file cannot be read or is wrong; with its line and column then.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let shown = path.display().to_string();
        let unreadable = |why| ScenarioError::Unreadable { path: shown.clone(), why };
        if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_BYTES {
            return Err(ScenarioError::TooLarge { path: shown });
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&shown, &text)
    }

    /// What `drill NAME` means: a shipped scenario, else a file.
    ///
    /// # Errors
    /// As of [`Scenario::shipped`] and [`Scenario::read`].
    pub fn find(name: &str) -> Result<Self, ScenarioError> {
        let is_path = name.contains(['/', '\\', '.']) || Path::new(name).exists();
        if is_path { Self::read(Path::new(name)) } else { Self::shipped(name) }
    }

    /// The scenario that `text` is; `path` is for errors.
    ///
    /// # Errors
    /// If the text is wrong, with its line and column.
    pub fn parse(path: &str, text: &str) -> Result<Self, ScenarioError> {
        let place = |span: Range<usize>, why: String| {
            let before = text.get(..span.start).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            let line = before.matches('\n').count() + 1;
            let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
            ScenarioError::Wrong { path: path.to_owned(), line, column, why }
        };
        let file: File =
            toml::from_str(text).map_err(|error| place(error.span().unwrap_or(0..0), error.message().to_owned()))?;
        check(&file).map_err(|wrong| place(wrong.span, wrong.why))?;
        let services = file.services.iter().map(|table| service(&file, table)).collect();
        Ok(Self { file, services })
    }
}

fn check(file: &File) -> Result<(), Wrong> {
    let workloads = unique(file.workloads.iter().map(|workload| &workload.path), "workload")?;
    let externals = unique(file.externals.iter().map(|external| &external.name), "external")?;
    let metrics = unique(file.metrics.iter().map(|metric| &metric.id), "metric")?;
    let services = unique(file.services.iter().map(|service| &service.name), "service")?;
    let alarm_names = file.alarms.iter().map(|alarm| &alarm.name).chain(file.composites.iter().map(|c| &c.name));
    let alarms = unique(alarm_names, "alarm")?;
    let groups: BTreeSet<_> = file.workloads.iter().filter_map(|workload| workload.log_group.as_deref()).collect();

    each_workload(file, &workloads, &externals)?;
    no_circles(file)?;
    let mut routes = BTreeSet::new();
    for route in &file.routes {
        match route.path.get_ref().split_once('/') {
            Some((namespace, name)) if is_dns_label(namespace) && is_dns_label(name) => {}
            _ => return Err(wrong(&route.path, "a route's path is `namespace/name`, in lower-case letters")),
        }
        if !routes.insert(format!("{} {}", route.kind.as_str(), route.path.get_ref())) {
            return Err(wrong(&route.path, format!("there is another {} of this path", route.kind.as_str())));
        }
        for service in route.to.iter().map(|way| &way.service).chain([&route.host]) {
            let path = format!("{}/{}", route.namespace(), service.get_ref());
            if !workloads.contains(path.as_str()) {
                return Err(wrong(service, format!("there is no workload `{path}` for the route to lead to")));
            }
        }
        if route.to.iter().all(|way| way.weight == 0) {
            return Err(wrong(&route.path, "one weight of a route at least is not 0"));
        }
    }
    let mut runs = workloads.clone();
    runs.extend(file.ecs.iter().map(|service| service.path.get_ref().as_str()));
    let zones: BTreeSet<_> = file.nodes.iter().map(|node| node.zone.as_str()).collect();
    account(file, &workloads)?;
    unique(file.applications.iter().map(|app| &app.name), "application")?;
    unique(file.applications.iter().flat_map(|app| &app.workloads), "application's workload")?;
    for app in &file.applications {
        if !is_dns_label(app.name.get_ref()) {
            return Err(wrong(&app.name, "an application's name is in lower-case letters"));
        }
        for workload in &app.workloads {
            known(workload, &workloads, "workload")?;
            let others = file.workloads.iter().filter(|other| other.kind != Runner::Deployment);
            if others.into_iter().any(|other| other.path.get_ref() == workload.get_ref()) {
                return Err(wrong(workload, "an application's workloads are Deployments"));
            }
        }
    }

    let mut names = BTreeSet::from(["epoch"]);
    for event in &file.events {
        anchored(&event.at, &names)?;
        match (&event.workload, &event.zone) {
            (Some(workload), None) => known(workload, &workloads, "workload")?,
            (None, Some(zone)) => known(zone, &zones, "zone of a node")?,
            _ => return Err(wrong(&event.name, "an event has either a workload, with an image, or a zone")),
        }
        if event.workload.is_some() && (event.image.is_empty() || event.by.is_empty()) {
            return Err(wrong(&event.name, "a release has an image, and somebody who rolls it out"));
        }
        if !(0.0..=1.0).contains(&event.loses) {
            return Err(wrong(&event.name, "`loses` is a share between 0 and 1"));
        }
        if !names.insert(event.name.get_ref()) {
            return Err(wrong(&event.name, format!("there is another event `{}`", event.name.get_ref())));
        }
    }
    let events = names.clone();
    anchored(&file.opens, &events)?;
    anchored(&file.ends, &events)?;
    for person in &file.people {
        known(&person.event, &events, "event")?;
    }
    for step in &file.responder {
        anchored(&step.at, &names)?;
        if let Some(name) = &step.name
            && !names.insert(name.get_ref())
        {
            return Err(wrong(name, format!("there is another event or step `{}`", name.get_ref())));
        }
    }
    for person in &file.people {
        if !names.insert(person.name.get_ref()) {
            let name = person.name.get_ref();
            return Err(wrong(&person.name, format!("there is another event, step or person `{name}`")));
        }
    }
    if let Some(truth) = &file.truth {
        if let Some(culprit) = &truth.culprit {
            known(culprit, &workloads, "workload")?;
        }
        if let Some(zone) = &truth.culprit_zone {
            known(zone, &zones, "zone of a node")?;
        }
        for service in &truth.affected {
            known(service, &services, "service")?;
        }
        for when in [&truth.impact_start, &truth.detected, &truth.acknowledged, &truth.mitigated, &truth.resolved] {
            anchored(when, &names)?;
        }
    }

    for service in &file.services {
        for workload in &service.workloads {
            known(workload, &runs, "workload or service of ECS")?;
        }
        for one in &service.routes {
            // A workload's Service has its name.
            let there = routes.contains(one.get_ref())
                || file.records.iter().any(|records| records.route() == *one.get_ref())
                || one.get_ref().strip_prefix("Service ").is_some_and(|path| workloads.contains(path));
            if !there {
                return Err(wrong(one, format!("there is no route `{}`", one.get_ref())));
            }
        }
        for group in &service.log_groups {
            known(group, &groups, "log group of a workload")?;
        }
        for other in &service.depends_on {
            known(other, &services, "service")?;
        }
        for signal in &service.signals {
            promql(&signal.query)?;
        }
    }
    for rule in &file.alerts {
        promql(&rule.expr)?;
    }
    for metric in &file.metrics {
        promql(&metric.query)?;
    }
    for alarm in &file.alarms {
        known(&alarm.metric, &metrics, "metric")?;
        if alarm.bad == 0 || alarm.bad > alarm.evaluate {
            return Err(wrong(&alarm.name, "`bad` lies between 1 and `evaluate`"));
        }
        if alarm.period.as_secs() == 0 || alarm.period.as_secs() % 60 != 0 {
            return Err(wrong(&alarm.name, "`period` is a multiple of one minute"));
        }
    }
    for composite in &file.composites {
        let rule =
            crate::drill::world::alarm_rule(composite.rule.get_ref()).map_err(|why| wrong(&composite.rule, why))?;
        for name in rule.names() {
            if !alarms.contains(name) {
                return Err(wrong(&composite.rule, format!("there is no alarm `{name}`")));
            }
        }
    }
    for log in &file.logs {
        known(&log.workload, &workloads, "workload")?;
    }
    Ok(())
}

/// What the AWS account of the scenario holds.
fn account(file: &File, workloads: &BTreeSet<&str>) -> Result<(), Wrong> {
    unique(file.balancers.iter().map(|balancer| &balancer.name), "balancer")?;
    for service in unique_paths(file)? {
        if service.images.is_empty() {
            return Err(wrong(&service.path, "a service of ECS has at least one image"));
        }
    }
    for balancer in &file.balancers {
        for workload in balancer.serves.iter().chain(balancer.groups.iter().filter_map(|group| group.workload.as_ref()))
        {
            known(workload, workloads, "workload")?;
        }
        if balancer.groups.iter().all(|group| group.weight == 0)
            || balancer.groups.iter().any(|group| group.weight > 999)
        {
            return Err(wrong(&balancer.name, "a target group's weight is at most 999, and not all are 0"));
        }
    }
    for records in &file.records {
        if records.sets.is_empty() || records.sets.iter().any(|set| set.weight > 255) {
            return Err(wrong(&records.name, "records have weights up to 255, and there is one at least"));
        }
    }
    Ok(())
}

fn unique_paths(file: &File) -> Result<&[EcsShape], Wrong> {
    unique(file.ecs.iter().map(|service| &service.path), "service of ECS")?;
    Ok(&file.ecs)
}

fn unique<'a>(names: impl Iterator<Item = &'a Spanned<String>>, what: &str) -> Result<BTreeSet<&'a str>, Wrong> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.get_ref().as_str()) {
            return Err(wrong(name, format!("there is another {what} `{}`", name.get_ref())));
        }
    }
    Ok(seen)
}

fn known(name: &Spanned<String>, all: &BTreeSet<&str>, what: &str) -> Result<(), Wrong> {
    if all.contains(name.get_ref().as_str()) {
        return Ok(());
    }
    let near = all.iter().max_by(|a, b| {
        let near = |other: &str| strsim::jaro_winkler(name.get_ref(), other);
        near(a).total_cmp(&near(b))
    });
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(wrong(name, format!("there is no {what} `{}`{hint}", name.get_ref())))
}

fn anchored(when: &Spanned<When>, names: &BTreeSet<&str>) -> Result<(), Wrong> {
    let anchor = when.get_ref().anchor.as_str();
    if names.contains(anchor) {
        return Ok(());
    }
    let all: Vec<_> = names.iter().copied().collect();
    Err(wrong(when, format!("`{anchor}` is not known here; times start from one of: {}", all.join(", "))))
}

fn promql(query: &Spanned<String>) -> Result<(), Wrong> {
    promql::parse(query.get_ref()).map(|_| ()).map_err(|error| wrong(query, error.to_string()))
}

fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// `VirtualService namespace/name`, the Service of a workload: `Service namespace/name`, or records:
/// `RecordSet zone/name/type`.
fn route(text: &str) -> Option<Route> {
    let (kind, place) = text.split_once(' ')?;
    let (namespace, name) = place.split_once('/')?;
    Some(Route { kind: Kind::parse(kind)?, path: ObjectPath::new(namespace, name) })
}

/// The load balancers that serve one of a service's workloads.
fn balanced(file: &File, table: &ServiceTable) -> Vec<Route> {
    let serves = |balancer: &&BalancerShape| {
        balancer.serves.iter().any(|path| table.workloads.iter().any(|own| own.get_ref() == path.get_ref()))
    };
    let parts =
        [(Kind::LoadBalancer, Part::Balancer), (Kind::Listener, Part::Listener), (Kind::ListenerRule, Part::Rule)];
    let of = |balancer: &BalancerShape| {
        let name = balancer.name.get_ref().clone();
        parts.map(|(kind, part)| Route { kind, path: ObjectPath::new("", BalancerShape::arn(file, &name, part)) })
    };
    file.balancers.iter().filter(serves).flat_map(of).collect()
}

fn service(file: &File, table: &ServiceTable) -> Service {
    let safe = |text: &String| Safe::from(text.as_str());
    Service {
        name: ServiceName::from(table.name.get_ref().as_str()),
        owner: table.owner.as_ref().map(safe),
        title: table.title.as_ref().map(safe),
        workloads: table
            .workloads
            .iter()
            .filter_map(|path| path.get_ref().split_once('/'))
            .map(|(namespace, name)| WorkloadPattern {
                kind: kind_of(file, &format!("{namespace}/{name}")),
                namespace: namespace.into(),
                name: name.into(),
            })
            .collect(),
        routes: table.routes.iter().filter_map(|text| route(text.get_ref())).chain(balanced(file, table)).collect(),
        log_groups: table.log_groups.iter().map(|group| safe(group.get_ref())).collect(),
        alarms: table.alarms.iter().map(safe).collect(),
        signals: table
            .signals
            .iter()
            .map(|signal| SignalSpec {
                name: safe(&signal.name),
                query: safe(signal.query.get_ref()),
                unit: signal.unit.into(),
                threshold: signal.limit().map(|(limit, side)| Threshold {
                    limit,
                    side,
                    hold: signal.hold,
                    recover: signal.recover,
                }),
            })
            .collect(),
        dashboards: table.dashboards.iter().map(safe).collect(),
        runbook: table.runbook.as_ref().map(safe),
        depends_on: table.depends_on.iter().map(|name| ServiceName::from(name.get_ref().as_str())).collect(),
    }
}
