//! A convincing incident as literal rows: the screen's tests need no other room.

mod log;
mod rows;

use std::borrow::Cow;

use crate::clock::World;
use crate::config::{Catalogue, WritePolicy};
use crate::model::alert::AlertSeverity;
use crate::model::change::{Change, ChangeKind};
use crate::model::cluster::{NamedPod, Node};
use crate::model::command::Pane;
use crate::model::entry::{Actor, ActorKind, EntryId, MilestoneName, Phase, Severity};
use crate::model::name::{EnvId, Origin};
use crate::model::signal::SourceState;
use crate::observe::alerts::AlertRow;
use crate::observe::changes::ChangeRow;
use crate::observe::services::ServiceRow;
use crate::observe::situation::Clause;
use crate::observe::sources::SourceRow;
use crate::observe::workloads::{NodeRow, PodCounts, WorkloadRow};
use crate::record::{Leftover, Milestone, Milestones, OpenIntent, Row};
use crate::session::{Action, Consent, Facing, IncidentView, Notice, PlanView, ResumeOffer, RunbookView, WriteWindow};
use crate::text::Safe;

use super::scene::Scene;

pub(super) use log::Log;
pub(super) use rows::{alert, at, key, origin, plan, row, source};
use rows::{clause, services, sources, timeline, workloads};

/// All that a scene borrows from.
pub(super) struct Fixture {
    pub(super) now: World,
    pub(super) backfilling: usize,
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
            backfilling: self.backfilling,
            clauses: Cow::Borrowed(&self.clauses),
            alerts: &self.alerts,
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
            backfilling: 0,
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
