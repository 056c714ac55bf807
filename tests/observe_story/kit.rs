//! Signals in few words. All times are of the night of 2026-11-21, UTC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use warroom::clock::World;
use warroom::config::Catalogue;
use warroom::model::alert::{Alert, AlertKey, AlertSeverity, AlertState};
use warroom::model::change::{Change, ChangeKind};
use warroom::model::cluster::{Node, Pod, Usage, Workload};
use warroom::model::entry::EntryKind;
use warroom::model::finding::Finding;
use warroom::model::log::{LogBatch, LogStream};
use warroom::model::name::{Kind, ObjectPath, Origin, ServiceName, Uid, WorkloadKey};
use warroom::model::service::{Service, Side, SignalSpec, Threshold, Unit, WorkloadPattern};
use warroom::model::signal::{Delta, Sample, Signal, SourceState, Stamped};
use warroom::observe::Picture;

/// `03:12:05`, or `03:12`.
#[allow(clippy::expect_used, reason = "the tests' own literals")]
pub(crate) fn at(time: &str) -> World {
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    format!("2026-11-21T{time}Z").parse().expect("a time of day")
}

pub(crate) fn origin(source: &str) -> Origin {
    Origin { env: "prod-eu".into(), source: source.into() }
}

pub(crate) fn stamped(source: &str, occurred: World, body: Signal) -> Stamped<Signal> {
    Stamped { origin: origin(source), occurred, observed: occurred, body }
}

pub(crate) fn service(name: &str, signals: Vec<SignalSpec>) -> Service {
    let workload = WorkloadPattern { kind: Kind::Deployment, namespace: name.into(), name: name.into() };
    Service {
        name: name.into(),
        owner: None,
        title: None,
        workloads: vec![workload],
        routes: Vec::new(),
        log_groups: vec![format!("/prod/{name}").into()],
        alarms: Vec::new(),
        signals,
        dashboards: Vec::new(),
        runbook: None,
        depends_on: Vec::new(),
    }
}

pub(crate) fn errors_above_one_per_cent(service: &str) -> SignalSpec {
    SignalSpec {
        name: "errors".into(),
        query: format!("error_ratio{{service=\"{service}\"}}").into(),
        unit: Unit::Ratio,
        threshold: Some(Threshold {
            limit: 0.01,
            side: Side::Above,
            hold: Duration::from_secs(60),
            recover: Duration::from_secs(120),
        }),
    }
}

/// Checkout and payments with error ratios, mail without any signal.
pub(crate) fn picture() -> Picture {
    let mut checkout = service("checkout", vec![errors_above_one_per_cent("checkout")]);
    checkout.depends_on = vec!["payments".into()];
    let mut payments = service("payments", vec![errors_above_one_per_cent("payments")]);
    payments.alarms = vec!["Payments*".into()];
    Picture::new(Arc::new(Catalogue::new(vec![checkout, payments, service("mail", Vec::new())])))
}

pub(crate) fn alert(name: &str, state: AlertState, since: World) -> Alert {
    Alert {
        key: AlertKey(format!("fp-{name}").into()),
        name: name.into(),
        severity: AlertSeverity::Critical,
        state,
        since,
        labels: BTreeMap::new(),
        summary: None,
        link: None,
    }
}

pub(crate) fn firing(name: &str, since: &str) -> Alert {
    alert(name, AlertState::Firing, at(since))
}

pub(crate) fn alerts(source: &str, when: &str, all: Vec<Alert>) -> Stamped<Signal> {
    stamped(source, at(when), Signal::Alerts(Delta::All(all)))
}

pub(crate) fn sample(service: &str, when: World, value: Option<f64>) -> Stamped<Signal> {
    let sample = Sample { service: service.into(), signal: "errors".into(), at: when, value };
    stamped("prometheus", when, Signal::Samples(vec![sample]))
}

/// One sample every 15 s from `from` on.
pub(crate) fn series(service: &str, from: &str, values: &[f64]) -> Vec<Stamped<Signal>> {
    let step = |n: usize| at(from) + chrono::TimeDelta::seconds(15 * n as i64);
    values.iter().enumerate().map(|(n, value)| sample(service, step(n), Some(*value))).collect()
}

pub(crate) fn deployment(name: &str) -> WorkloadKey {
    WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new(name, name) }
}

pub(crate) fn pod(workload: &str, suffix: &str) -> Pod {
    Pod {
        path: ObjectPath::new(workload, format!("{workload}-7f9c-{suffix}")),
        uid: Uid::from(format!("uid-{workload}-{suffix}").as_str()),
        owner: Some(deployment(workload)),
        revision: Some("7f9c".into()),
        node: Some("node-a".into()),
        status: "Running".into(),
        ready: 1,
        containers: 1,
        restarts: 0,
        is_ready: true,
        terminating: false,
        created: at("01:00"),
        last_end: None,
        message: None,
        cpu_request: 500,
        cpu_limit: 1000,
        memory_request: 256 << 20,
        memory_limit: 512 << 20,
        image: "2.9.0".into(),
    }
}

pub(crate) fn pods(when: &str, delta: Delta<Pod, ObjectPath>) -> Stamped<Signal> {
    stamped("pods", at(when), Signal::Pods(delta))
}

pub(crate) fn workload(name: &str, desired: u32, ready: u32) -> Workload {
    Workload {
        key: deployment(name),
        uid: Uid::from(name),
        desired,
        updated: desired,
        ready,
        total: desired,
        revision: Some("42".into()),
        images: BTreeMap::new(),
        generation: 1,
        observed_generation: 1,
        paused: false,
        trouble: None,
        selector: BTreeMap::new(),
        managed_by: None,
        cpu_request: 500,
        memory_request: 256 << 20,
    }
}

pub(crate) fn node(name: &str, zone: &str) -> Node {
    Node {
        name: name.into(),
        ready: true,
        pressures: Vec::new(),
        unschedulable: false,
        zone: Some(zone.into()),
        cpu: 4000,
        memory: 16 << 30,
        pods: 110,
    }
}

pub(crate) fn usage(pod: &Pod, when: &str, cpu: u64) -> Usage {
    Usage { of: pod.path.clone(), at: at(when), cpu, memory: 256 << 20 }
}

pub(crate) fn rollout(workload: &str, when: &str, after: &str) -> Stamped<Signal> {
    let change = Change {
        id: format!("rs-{workload}-{after}").into(),
        at: at(when),
        kind: ChangeKind::Rollout,
        workload: Some(deployment(workload)),
        service: None,
        title: format!("image 2.8.0 → {after}").into(),
        before: Some("2.8.0".into()),
        after: Some(after.into()),
        by: None,
        revision: Some("42".into()),
    };
    stamped("workloads", at(when), Signal::Change(change))
}

pub(crate) fn stream(service: &str) -> LogStream {
    LogStream { group: format!("/prod/{service}").into(), name: "pod-1".into() }
}

#[allow(clippy::expect_used, reason = "the tests' own scripts")]
pub(crate) fn lines(source: &str, service: &str, lines: &[(World, &str)]) -> Stamped<Signal> {
    let mut batch = LogBatch::default();
    for (when, text) in lines {
        batch.push(&stream(service), *when, text);
    }
    let newest = lines.iter().map(|(when, _)| *when).max().expect("a line");
    stamped(source, newest, Signal::Logs(batch))
}

/// So many error lines and one plain one, in that minute.
pub(crate) fn errors_in(service: &str, minute: &str, count: usize) -> Stamped<Signal> {
    let start = at(minute);
    let text: Vec<_> = (0..count).map(|n| format!("ERROR POST partner/charge timed out after {n} ms")).collect();
    let mut all = vec![(start, "INFO started")];
    all.extend(
        text.iter().enumerate().map(|(n, text)| {
            (start + chrono::TimeDelta::milliseconds(59_000 * n as i64 / count as i64), text.as_str())
        }),
    );
    lines("cw-logs", service, &all)
}

pub(crate) fn link(source: &str, when: &str, state: SourceState) -> Stamped<Signal> {
    stamped(source, at(when), Signal::Link(state))
}

pub(crate) fn live() -> SourceState {
    SourceState::Live { limited: None }
}

pub(crate) fn retrying(why: &str) -> SourceState {
    SourceState::Retrying { until: at("04:00"), why: why.into() }
}

/// Applies a script in its order.
pub(crate) fn play(picture: &mut Picture, script: impl IntoIterator<Item = Stamped<Signal>>) -> Vec<Finding> {
    script.into_iter().flat_map(|signal| picture.apply(signal)).collect()
}

/// Kind, time of day and title: what a reader of the timeline sees.
pub(crate) fn told(findings: &[Finding]) -> Vec<(EntryKind, String, &str)> {
    let row = |finding: &'_ Finding| finding.occurred.format("%H:%M:%S").to_string();
    findings.iter().map(|finding| (finding.kind, row(finding), finding.title.as_str())).collect()
}

pub(crate) fn name(service: &str) -> ServiceName {
    service.into()
}
