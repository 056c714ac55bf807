//! A convincing incident as literal rows: the screen's tests need no other room.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{TimeDelta, TimeZone as _, Utc};

use crate::clock::World;
use crate::config::{Catalogue, WritePolicy};
use crate::model::alert::{Alert, AlertKey, AlertSeverity, AlertState};
use crate::model::change::{Change, ChangeKind};
use crate::model::cluster::{NamedPod, Node, Pod, Workload};
use crate::model::command::Pane;
use crate::model::entry::{
    Actor, ActorKind, Draft, Entry, EntryId, EntryKind, EntryOrigin, MilestoneName, Phase, Severity,
};
use crate::model::log::{Level, LogStream};
use crate::model::name::{
    EnvId, Kind, ObjectPath, Origin, ServiceName, SourceId, SourceKind, Target, Uid, WorkloadKey,
};
use crate::model::plan::{
    Blast, Ends, FieldChange, Owner, OwnerEffect, Permission, Plan, PlanId, Preview, Replicas, Request, Room, Tier,
};
use crate::model::service::{Side, Threshold, Unit};
use crate::model::signal::SourceState;
use crate::observe::alerts::{AlertCounts, AlertRow, Claim};
use crate::observe::changes::ChangeRow;
use crate::observe::logs::{Line, LineId, LogCounts, LogFilter, LogPattern};
use crate::observe::services::{Health, ServiceRow, SignalRow};
use crate::observe::situation::Clause;
use crate::observe::sources::SourceRow;
use crate::observe::workloads::{NodeRow, PodCounts, PodRow, WorkloadRow};
use crate::record::{Leftover, Milestone, Milestones, OpenIntent, Row};
use crate::session::{
    Action, Consent, Facing, IncidentView, Notice, PlanView, Purpose, ResumeOffer, RunbookView, WriteWindow,
};
use crate::text::Safe;

use super::scene::{Lines, Scene};

/// All that a scene borrows from.
pub(super) struct Fixture {
    pub(super) now: World,
    pub(super) facing: Facing,
    pub(super) actor: Actor,
    pub(super) incident: Option<IncidentView>,
    pub(super) resume: Option<ResumeOffer>,
    pub(super) journal_failed: Option<Safe>,
    pub(super) milestones: Milestones,
    pub(super) plan: Option<PlanView>,
    pub(super) consent: Option<Consent>,
    pub(super) left_over: Vec<Leftover>,
    pub(super) open_intents: Vec<OpenIntent>,
    pub(super) powers: Vec<Safe>,
    pub(super) actions: Vec<Action>,
    pub(super) window: WriteWindow,
    pub(super) notice: Option<Notice>,
    pub(super) clauses: Vec<Clause>,
    pub(super) alerts: Vec<AlertRow>,
    pub(super) services: Vec<ServiceRow>,
    pub(super) workloads: Vec<WorkloadRow>,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) named: Vec<(Origin, NamedPod)>,
    pub(super) changes: Vec<ChangeRow>,
    pub(super) sources: Vec<SourceRow>,
    pub(super) timeline: Vec<Row>,
    pub(super) logs: Log,
    pub(super) catalogue: Catalogue,
    pub(super) runbook: Option<RunbookView>,
}

impl Fixture {
    pub(super) fn scene(&self) -> Scene<'_> {
        let firing = self.alerts.iter().filter(|row| row.alert.state == AlertState::Firing);
        Scene {
            now: self.now,
            told_twice: None,
            facing: &self.facing,
            actor: &self.actor,
            incident: self.incident.as_ref(),
            resume: self.resume.as_ref(),
            unrecorded: 0,
            journal_failed: self.journal_failed.as_ref(),
            milestones: &self.milestones,
            plan: self.plan.as_ref(),
            consent: self.consent.as_ref(),
            left_over: &self.left_over,
            open_intents: &self.open_intents,
            powers: &self.powers,
            actions: &self.actions,
            window: &self.window,
            notice: self.notice.as_ref(),
            backfilling: 0,
            clauses: Cow::Borrowed(&self.clauses),
            alerts: &self.alerts,
            alert_counts: AlertCounts {
                firing: firing.clone().count(),
                claimed: firing.filter(|row| row.claim.is_some()).count(),
                ..AlertCounts::default()
            },
            services: &self.services,
            workloads: &self.workloads,
            nodes: &self.nodes,
            pods: PodCounts { all: 148, hurt: 12, named: self.named.len(), reading: !self.named.is_empty() },
            named: self.named.iter().map(|(origin, pod)| (origin, pod)).collect(),
            changes: &self.changes,
            sources: &self.sources,
            timeline: &self.timeline,
            logs: &self.logs,
            catalogue: &self.catalogue,
            runbook: self.runbook.as_ref(),
        }
    }

    /// A session that has just begun.
    pub(super) fn quiet() -> Self {
        Self {
            now: at(29, 52),
            facing: Facing {
                window: chrono::TimeDelta::minutes(15),
                sources: sources(),
                intervals: Default::default(),
                env: EnvId::from("prod-eu"),
                production: true,
                color: None,
                drill: false,
                write: WritePolicy::Ask,
            },
            actor: Actor { kind: ActorKind::Human, name: "ana".into(), known_by: Some("ssh user".into()) },
            incident: None,
            resume: None,
            journal_failed: None,
            milestones: Milestones::default(),
            plan: None,
            consent: None,
            left_over: Vec::new(),
            open_intents: Vec::new(),
            powers: Vec::new(),
            actions: Vec::new(),
            window: WriteWindow::Closed,
            notice: None,
            clauses: vec![clause("nothing is known yet: no source answers", Pane::Alerts, None)],
            alerts: Vec::new(),
            services: Vec::new(),
            workloads: Vec::new(),
            nodes: Vec::new(),
            named: Vec::new(),
            changes: Vec::new(),
            sources: Vec::new(),
            timeline: Vec::new(),
            logs: Log::default(),
            catalogue: Catalogue::default(),
            runbook: None,
        }
    }

    /// Seventeen minutes into an incident.
    pub(super) fn burning() -> Self {
        let mut it = Self::quiet();
        it.incident = Some(IncidentView {
            id: crate::model::name::IncidentId::from("2026-11-21-checkout"),
            title: "checkout fails now and then".into(),
            phase: Phase::Mitigating,
            severity: Severity::parse("SEV2"),
            since: at(12, 10),
        });
        it.window = WriteWindow::Open { until: at(41, 0), reason: "scale payments".into() };
        it.clauses = vec![
            clause("checkout: 7.2 % errors since 03:14", Pane::Services, Some("checkout")),
            clause("payments 2.9.0 rolled out at 03:04, 10 min before", Pane::Changes, Some("payments")),
            Clause { goes_on: true, ..clause("all payments pods run it", Pane::Workloads, Some("payments")) },
        ];
        it.alerts = vec![
            alert(
                "PaymentsCPUHigh",
                AlertSeverity::Critical,
                12,
                "payments",
                Some("ana"),
                "CPU of payments above 90 % of the limit",
            ),
            alert(
                "CheckoutErrorRate",
                AlertSeverity::Critical,
                14,
                "checkout",
                None,
                "more than 1 % of checkouts fail",
            ),
            alert("PartnerRefusals429", AlertSeverity::Warning, 15, "payments", None, "the partner refuses calls"),
        ];
        it.services = services();
        it.workloads = workloads();
        it.nodes = vec![NodeRow {
            origin: origin("kubernetes"),
            node: Node {
                name: "ip-10-0-3-7".into(),
                ready: true,
                pressures: vec![],
                unschedulable: false,
                zone: Some("eu-1b".into()),
                cpu: 8000,
                memory: 32 << 30,
                pods: 110,
            },
            cpu_share: Some(0.99),
            memory_share: Some(0.71),
            trouble: Some("cpu is used up".into()),
        }];
        it.changes = vec![ChangeRow {
            origin: origin("kubernetes"),
            change: Change {
                id: "rs-42".into(),
                at: at(4, 0),
                kind: ChangeKind::Rollout,
                workload: Some(key("payments")),
                service: Some("payments".into()),
                title: "image 2.8.0 → 2.9.0, revision 41 → 42".into(),
                before: Some("2.8.0".into()),
                after: Some("2.9.0".into()),
                by: Some("deploy-bot".into()),
                revision: Some("42".into()),
            },
        }];
        it.sources = vec![
            source("kubernetes", SourceState::Live { limited: None }, 2),
            source("alertmanager", SourceState::Live { limited: None }, 9),
            source("prometheus", SourceState::Live { limited: None }, 5),
            source("cloudwatch", SourceState::Live { limited: None }, 31),
            source("pod-logs", SourceState::Live { limited: None }, 1),
            source("cloudwatch-logs", SourceState::Retrying { until: at(30, 5), why: "throttled".into() }, 48),
        ];
        it.timeline = timeline();
        it.milestones = Milestones {
            milestones: vec![Milestone {
                name: MilestoneName::Detected,
                at: Some(at(12, 10)),
                confirmed: false,
                entry: Some(EntryId("e1".into())),
                formula: "first alert".into(),
            }],
            durations: vec![],
        };
        it.logs = Log::burning();
        it
    }
}

pub(super) fn at(minute: u32, second: u32) -> World {
    Utc.with_ymd_and_hms(2026, 11, 21, 3, minute, second).unwrap()
}

pub(super) fn origin(source: &str) -> Origin {
    Origin { env: EnvId::from("prod-eu"), source: SourceId::from(source) }
}

fn clause(text: &str, pane: Pane, service: Option<&str>) -> Clause {
    Clause { text: text.into(), pane, service: service.map(ServiceName::from), goes_on: false }
}

pub(super) fn alert(
    name: &str,
    severity: AlertSeverity,
    minute: u32,
    service: &str,
    by: Option<&str>,
    summary: &str,
) -> AlertRow {
    AlertRow {
        origin: origin("alertmanager"),
        alert: Alert {
            key: AlertKey(name.into()),
            name: name.into(),
            severity,
            state: AlertState::Firing,
            since: at(minute, 10),
            labels: BTreeMap::from([("team".into(), "core".into())]),
            summary: Some(summary.into()),
            link: Some("https://prometheus.example/graph".into()),
        },
        also: vec![],
        service: Some(service.into()),
        claim: by.map(|by| Claim { by: by.into(), at: at(16, 20) }),
    }
}

fn signal(name: &str, unit: Unit, limit: f64, since: Option<u32>, values: &[f64]) -> SignalRow {
    let recent: VecDeque<_> = values
        .iter()
        .enumerate()
        .map(|(n, value)| (at(29, 45) - TimeDelta::minutes(values.len() as i64 - 1 - n as i64), Some(*value)))
        .collect();
    SignalRow {
        name: name.into(),
        unit,
        threshold: Some(Threshold {
            limit,
            side: Side::Above,
            hold: Duration::from_secs(60),
            recover: Duration::from_secs(180),
        }),
        recent,
        breached_since: since.map(|minute| at(minute, 0)),
    }
}

fn services() -> Vec<ServiceRow> {
    let row = |name: &str, health, why: &str, signals| ServiceRow {
        name: name.into(),
        health,
        since: Some(at(14, 0)),
        why: why.into(),
        signals,
    };
    let mut rows = vec![
        row(
            "checkout",
            Health::Failing,
            "",
            vec![
                signal("errors", Unit::Ratio, 0.01, Some(14), &[0.001, 0.002, 0.002, 0.02, 0.05, 0.091, 0.085, 0.072]),
                signal("p99", Unit::Seconds, 1.0, Some(14), &[0.3, 0.3, 0.4, 1.2, 2.8, 4.6, 4.4, 4.1]),
            ],
        ),
        row(
            "payments",
            Health::Failing,
            "",
            vec![
                signal("errors", Unit::Ratio, 0.05, Some(13), &[0.01, 0.02, 0.09, 0.2, 0.28, 0.33, 0.32, 0.31]),
                signal("p99", Unit::Seconds, 2.0, Some(13), &[0.4, 0.6, 1.9, 5.2, 8.8, 9.9, 9.9, 9.8]),
            ],
        ),
        row("mail", Health::Unknown, "no signal for 6 min", vec![]),
    ];
    for name in ["cart", "login", "search", "catalog", "stock", "ship", "web", "media"] {
        rows.push(row(name, Health::Fine, "", vec![signal("errors", Unit::Ratio, 0.01, None, &[0.0, 0.001])]));
    }
    rows
}

pub(super) fn key(name: &str) -> WorkloadKey {
    WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new(name, name) }
}

fn workload(
    name: &str,
    ready: u32,
    desired: u32,
    cpu: f64,
    memory: f64,
    trouble: Option<&str>,
    pods: Vec<PodRow>,
) -> WorkloadRow {
    WorkloadRow {
        origin: origin("kubernetes"),
        key: key(name),
        workload: Some(Workload {
            key: key(name),
            uid: Uid::from("u"),
            desired,
            updated: desired,
            ready,
            total: desired,
            revision: Some("42".into()),
            images: BTreeMap::from([("app".into(), "registry.example/payments:2.9.0".into())]),
            generation: 7,
            observed_generation: 7,
            paused: false,
            trouble: None,
            selector: BTreeMap::new(),
            managed_by: None,
            cpu_request: 500,
            memory_request: 512 << 20,
        }),
        service: Some(name.into()),
        autoscaler: None,
        pods,
        cpu_share: Some(cpu),
        memory_share: Some(memory),
        recent_cpu: (0..8).map(|n| (at(22 + n, 0), cpu * (0.4 + 0.075 * f64::from(n)))).collect(),
        hurt: trouble.is_some(),
        trouble: trouble.map(Safe::from),
    }
}

fn pod(name: &str, restarts: u32, cpu: Option<f64>, trouble: Option<&str>) -> PodRow {
    PodRow {
        pod: Pod {
            path: ObjectPath::new("payments", name),
            uid: Uid::from(name),
            owner: Some(key("payments")),
            revision: Some("7f9c".into()),
            node: cpu.map(|_| "ip-10-0-3-7".into()),
            status: if cpu.is_some() { "Running" } else { "Pending" }.into(),
            ready: u16::from(trouble.is_none()),
            containers: 1,
            restarts,
            is_ready: trouble.is_none(),
            terminating: false,
            created: at(4, 20),
            last_end: None,
            message: None,
            cpu_request: 500,
            cpu_limit: 1000,
            memory_request: 512 << 20,
            memory_limit: 1 << 30,
            image: "2.9.0".into(),
        },
        cpu: cpu.map(|share| (share * 1000.0) as u64),
        memory: Some(600 << 20),
        cpu_share: cpu,
        memory_share: cpu.map(|_| 0.61),
        trouble: trouble.map(Safe::from),
    }
}

fn workloads() -> Vec<WorkloadRow> {
    vec![
        workload(
            "payments",
            9,
            12,
            0.97,
            0.61,
            Some("3 pods pending"),
            vec![
                pod("payments-7f9c-x2k", 4, Some(1.0), Some("killed for its memory 4 min ago")),
                pod("payments-7f9c-p9d", 0, None, Some("pending 3 min: no node fits 500m cpu")),
                pod("payments-7f9c-k2l", 0, Some(0.98), None),
            ],
        ),
        workload("checkout", 6, 6, 0.44, 0.52, None, vec![]),
        workload("cart", 3, 3, 0.21, 0.4, None, vec![]),
        workload("login", 3, 3, 0.18, 0.33, None, vec![]),
    ]
}

pub(super) fn source(name: &str, state: SourceState, seconds: i64) -> SourceRow {
    let read = at(29, 52) - TimeDelta::seconds(seconds);
    SourceRow { origin: origin(name), state, since: at(0, 0), last_read: Some(read), last_news: Some(read), dropped: 0 }
}

pub(super) fn row(
    id: &str,
    kind: EntryKind,
    minute: u32,
    title: &str,
    source: &str,
    who: Option<&str>,
    count: u32,
) -> Row {
    let actor = match who {
        Some(name) => {
            Actor { kind: ActorKind::Human, name: name.into(), known_by: Some("kubernetes self-review".into()) }
        }
        None => Actor::system(),
    };
    let draft = Draft {
        kind,
        source: Safe::from(format!("prod-eu/{source}")),
        subject: "payments".into(),
        title: title.into(),
        detail: None,
        actor,
        service: Some("payments".into()),
        before: None,
        after: None,
        evidence: vec![],
        dedupe: None,
        origin: EntryOrigin::Auto,
        pinned: false,
        body: None,
    };
    Row {
        entry: Entry { id: EntryId(id.into()), occurred_at: at(minute, 10), observed_at: at(minute, 12), draft },
        count,
        last: at(minute + count.min(5), 10),
        key: !matches!(kind, EntryKind::WarningEvent),
    }
}

fn timeline() -> Vec<Row> {
    vec![
        row("e0", EntryKind::Rollout, 4, "payments rolls out revision 42: image 2.8.0 → 2.9.0", "kubernetes", None, 1),
        row("e1", EntryKind::AlertFiring, 12, "PaymentsCPUHigh fires (payments)", "alertmanager", None, 1),
        row("e2", EntryKind::Breach, 14, "checkout errors 2.0 % above 1.0 %", "prometheus", None, 1),
        row("e3", EntryKind::AlertFiring, 14, "CheckoutErrorRate fires (checkout)", "alertmanager", None, 1),
        row(
            "e4",
            EntryKind::WarningEvent,
            15,
            "Unhealthy: readiness probe failed on payments-7f9c-x2k",
            "kubernetes",
            None,
            14,
        ),
        row("e5", EntryKind::Claimed, 16, "ana claims PaymentsCPUHigh", "warroom", Some("ana"), 1),
        row(
            "e6",
            EntryKind::Gap,
            20,
            "could not see CloudWatch Logs 03:20 to 03:23: throttled",
            "cloudwatch-logs",
            None,
            1,
        ),
        row(
            "e7",
            EntryKind::Outcome,
            24,
            "scale payments 6 → 12: 9 of 12 ready after 71 s; checkout errors 9.1 % → 7.2 %",
            "warroom",
            Some("ana"),
            1,
        ),
    ]
}

/// The sources of the fixture's environment.
fn sources() -> BTreeMap<SourceId, SourceKind> {
    [
        ("alertmanager", SourceKind::Alerts),
        ("cloudwatch", SourceKind::Alerts),
        ("prometheus", SourceKind::Signals),
        ("cloudwatch-logs", SourceKind::Logs),
        ("pod-logs", SourceKind::Logs),
        ("kubernetes", SourceKind::Cluster),
        ("pods", SourceKind::Cluster),
        ("workloads", SourceKind::Cluster),
        ("nodes", SourceKind::Cluster),
    ]
    .into_iter()
    .map(|(name, kind)| (SourceId::from(name), kind))
    .collect()
}

/// A plan to scale `payments`.
pub(super) fn plan(to: u32, tier: Tier) -> Plan {
    let target = Target {
        origin: origin("kubernetes"),
        kind: Kind::Deployment,
        path: ObjectPath::new("payments", "payments"),
        uid: Some(Uid::from("u")),
    };
    Plan {
        id: PlanId("p1".into()),
        request: Request::Scale { target: target.clone(), to: Replicas::Exactly(to) },
        target,
        title: "scale Deployment payments".into(),
        changes: vec![FieldChange {
            pointer: "/spec/replicas".into(),
            label: "replicas".into(),
            before: "6".into(),
            after: Safe::from(to.to_string()),
            words: None,
        }],
        undo: Some(Safe::from(format!("{to} → 6, while nobody else has changed it"))),
        blast: Blast {
            ready_before: 6,
            wanted_after: to,
            fewest_ready: Some(to.min(6)),
            words: if to > 6 { "+6 of 6 ready replicas (100 % more)" } else { "-4 of 6 ready replicas (67 % less)" }
                .into(),
        },
        room: if to > 6 {
            Room::Counted { fit: 3, wait: 3, words: "500m cpu each, zone eu-1b is full".into() }
        } else {
            Room::NotNeeded
        },
        owners: vec![Owner {
            name: "HPA payments 2-16".into(),
            effect: OwnerEffect::MayRevert,
            words: "may set it back when the load falls".into(),
        }],
        load: Some("cpu 97 % of the limit on 6 pods, 1.9k requests/s".into()),
        tier,
        permission: Permission::Allowed,
        preview: Preview::Accepted,
        service: Some("payments".into()),
        command: Safe::from(format!(
            "kubectl --context prod-eu -n payments scale deploy/payments --current-replicas=6 --replicas={to}"
        )),
        facts: Vec::new(),
        instead: None,
        ends: Ends::Stays,
        read_at: at(29, 50),
        expires_at: at(30, 50),
        guards: Vec::new(),
        affects: Vec::new(),
        patience_seconds: 300,
        raised_from: None,
    }
}

/// Lines of logs in memory.
#[derive(Default)]
pub(super) struct Log {
    pub(super) lines: Vec<(World, Level, String)>,
    stream: Option<(Origin, LogStream, ServiceName)>,
}

impl Log {
    pub(super) fn push(&mut self, at: World, level: Level, text: &str) {
        let stream = LogStream { group: "payments/payments".into(), name: "payments-7f9c-x2k/app".into() };
        self.stream = Some((origin("pod-logs"), stream, "payments".into()));
        self.lines.push((at, level, text.to_owned()));
    }

    fn burning() -> Self {
        let mut log = Self::default();
        for n in 0..200i64 {
            let when = at(29, 51) - TimeDelta::milliseconds((199 - n) * 137);
            let (level, text) = match n % 5 {
                0 => (
                    Level::Error,
                    format!("POST partner/charge timed out after 2000 ms (attempt 3) request={}", 4100 + n),
                ),
                1 => (Level::Warn, "retry 3 of 5 in 100 ms".to_owned()),
                2 => (Level::Error, "429 Too Many Requests from partner, retry-after 2 s".to_owned()),
                3 => (
                    Level::Info,
                    format!(r#"{{"level":"info","msg":"charge accepted","order":"o-{}","took_ms":1840}}"#, 9000 + n),
                ),
                _ => (Level::Info, "health ok".to_owned()),
            };
            log.push(when, level, &text);
        }
        log
    }

    fn view(&self, at: usize) -> Option<Line<'_>> {
        let (time, level, text) = self.lines.get(at)?;
        let (origin, stream, service) = self.stream.as_ref()?;
        Some(Line { id: LineId(at as u64), at: *time, level: *level, origin, stream, service: Some(service), text })
    }

    fn passing(&self, filter: &LogFilter) -> Vec<Line<'_>> {
        let passes = |line: &Line<'_>| {
            filter.level.is_none_or(|level| line.level >= level)
                && filter.service.as_ref().is_none_or(|service| line.service == Some(service))
                && filter.pattern.as_ref().is_none_or(|(regex, inverted)| regex.is_match(line.text) != *inverted)
        };
        (0..self.lines.len()).filter_map(|at| self.view(at)).filter(passes).collect()
    }
}

impl Lines for Log {
    fn counts(&self) -> LogCounts {
        let errors = self.lines.iter().filter(|(_, level, _)| *level >= Level::Error).count();
        LogCounts {
            lines: self.lines.len() as u64,
            per_second: if errors > 0 { 1240.0 } else { 0.0 },
            errors_per_minute: errors as f64 * 50.0,
            ..LogCounts::default()
        }
    }

    fn before(&self, filter: &LogFilter, last: Option<LineId>, count: usize) -> Vec<Line<'_>> {
        let mut lines = self.passing(filter);
        lines.retain(|line| last.is_none_or(|last| line.id <= last));
        let skip = lines.len().saturating_sub(count);
        lines.split_off(skip)
    }

    fn after(&self, filter: &LogFilter, first: LineId, count: usize) -> Vec<Line<'_>> {
        let mut lines = self.passing(filter);
        lines.retain(|line| line.id > first);
        lines.truncate(count);
        lines
    }

    fn sought(&self, filter: &LogFilter, pattern: &LogPattern, from: LineId, back: bool) -> Option<LineId> {
        let lines = self.passing(filter);
        let mut hits = lines.iter().filter(|line| pattern.is_match(line.text)).map(|line| line.id);
        if back { hits.rfind(|id| *id < from) } else { hits.find(|id| *id > from) }
    }

    fn progress(&self, _: Purpose) -> Option<(u64, u64)> {
        None
    }

    fn line(&self, id: LineId) -> Option<Line<'_>> {
        self.view(usize::try_from(id.0).ok()?)
    }
}
