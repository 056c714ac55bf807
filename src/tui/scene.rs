//! What the panes read: rows, wherever they come from. The glue from the core is here alone.

use std::borrow::Cow;

use chrono::TimeDelta;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::cluster::NamedPod;
use crate::model::command::Pane;
use crate::model::entry::Actor;
use crate::model::name::{Origin, ServiceName, SourceKind, WorkloadKey};
use crate::model::signal::SourceState;
use crate::observe::alerts::AlertRow;
use crate::observe::changes::ChangeRow;
use crate::observe::logs::{Line, LineId, LogCounts, LogFilter, LogPattern};
use crate::observe::services::{Health, ServiceRow};
use crate::observe::situation::{Clause, Heard, situation};
use crate::observe::sources::SourceRow;
use crate::observe::workloads::{NodeRow, PodCounts, WorkloadRow};
use crate::record::{Leftover, Milestones, OpenIntent, Row};
use crate::session::{
    Action, Consent, Core, Facing, IncidentView, Notice, PlanView, Purpose, ResumeOffer, RunbookView, WriteWindow,
};
use crate::text::Safe;

use super::words;

/// Lines of logs, wherever they are kept.
pub(super) trait Lines {
    fn counts(&self) -> LogCounts;
    fn before(&self, filter: &LogFilter, last: Option<LineId>, count: usize) -> Vec<Line<'_>>;
    fn after(&self, filter: &LogFilter, first: LineId, count: usize) -> Vec<Line<'_>>;
    fn line(&self, id: LineId) -> Option<Line<'_>>;
    /// The nearest line before (or after) `from` that passes the filter and holds the pattern.
    fn sought(&self, filter: &LogFilter, pattern: &LogPattern, from: LineId, back: bool) -> Option<LineId>;
    /// How many lines were looked at, and how many there are, while a scan is under way.
    fn progress(&self, purpose: Purpose) -> Option<(u64, u64)>;
}

/// A pattern is not looked for here: what is shown is what its scan has found so far.
impl Lines for Core {
    fn counts(&self) -> LogCounts {
        self.picture.logs.counts()
    }

    fn before(&self, filter: &LogFilter, last: Option<LineId>, count: usize) -> Vec<Line<'_>> {
        let logs = &self.picture.logs;
        match self.scans.filtered(filter) {
            Some(found) => logs.found_before(filter, &[found], last, count),
            None if filter.pattern.is_none() => logs.before(filter, last, count),
            None => Vec::new(),
        }
    }

    fn after(&self, filter: &LogFilter, first: LineId, count: usize) -> Vec<Line<'_>> {
        let logs = &self.picture.logs;
        match self.scans.filtered(filter) {
            Some(found) => logs.found_after(filter, &[found], first, count),
            None if filter.pattern.is_none() => logs.after(filter, first, count),
            None => Vec::new(),
        }
    }

    fn line(&self, id: LineId) -> Option<Line<'_>> {
        self.picture.logs.line(id)
    }

    fn sought(&self, filter: &LogFilter, pattern: &LogPattern, from: LineId, back: bool) -> Option<LineId> {
        let mut found = vec![self.scans.searched(pattern)?];
        match self.scans.filtered(filter) {
            Some(filtered) => found.push(filtered),
            None if filter.pattern.is_none() => {}
            None => return None,
        }
        let logs = &self.picture.logs;
        let lines = if back {
            logs.found_before(filter, &found, Some(LineId(from.0.checked_sub(1)?)), 1)
        } else {
            logs.found_after(filter, &found, from, 1)
        };
        lines.first().map(|line| line.id)
    }

    fn progress(&self, purpose: Purpose) -> Option<(u64, u64)> {
        self.scans.progress(purpose, &self.picture.logs)
    }
}

/// Everything that a frame shows.
pub(super) struct Scene<'a> {
    pub(super) now: World,
    /// The source that tells lines that another told before, and how many.
    pub(super) told_twice: Option<(&'a Origin, u64)>,
    pub(super) facing: &'a Facing,
    /// Who sits here.
    pub(super) actor: &'a Actor,
    pub(super) incident: Option<&'a IncidentView>,
    pub(super) resume: Option<&'a ResumeOffer>,
    pub(super) unrecorded: usize,
    pub(super) journal_failed: Option<&'a Safe>,
    pub(super) milestones: &'a Milestones,
    pub(super) plan: Option<&'a PlanView>,
    pub(super) consent: Option<&'a Consent>,
    pub(super) left_over: &'a [Leftover],
    pub(super) open_intents: &'a [OpenIntent],
    pub(super) actions: &'a [Action],
    pub(super) window: &'a WriteWindow,
    pub(super) powers: &'a [Safe],
    pub(super) notice: Option<&'a Notice>,
    pub(super) backfilling: usize,
    pub(super) clauses: Cow<'a, [Clause]>,
    pub(super) alerts: &'a [AlertRow],
    pub(super) services: &'a [ServiceRow],
    pub(super) workloads: &'a [WorkloadRow],
    pub(super) nodes: &'a [NodeRow],
    pub(super) pods: PodCounts,
    /// Pods that are names alone, with the source that named them.
    pub(super) named: Vec<(&'a Origin, &'a NamedPod)>,
    pub(super) changes: &'a [ChangeRow],
    pub(super) sources: &'a [SourceRow],
    pub(super) timeline: &'a [Row],
    pub(super) logs: &'a dyn Lines,
    pub(super) catalogue: &'a Catalogue,
    pub(super) runbook: Option<&'a RunbookView>,
}

impl<'a> Scene<'a> {
    /// The core as it is, with its entries as rows.
    pub(super) fn of(core: &'a Core, timeline: &'a [Row]) -> Self {
        let scene = Self::untold(core, timeline);
        let clauses = Cow::Owned(situation(&core.picture, core.now, scene.heard_of_alerts()));
        Self { clauses, ..scene }
    }

    /// The same without the sentence of the situation, which takes longer than all the rest.
    pub(super) fn untold(core: &'a Core, timeline: &'a [Row]) -> Self {
        let picture = &core.picture;
        Self {
            now: core.now,
            told_twice: picture.twins.told_twice(),
            facing: &core.facing,
            actor: &core.actor,
            incident: core.incident.as_ref(),
            resume: core.resume.as_ref(),
            unrecorded: core.unrecorded,
            journal_failed: core.journal_failed.as_ref(),
            milestones: &core.milestones,
            plan: core.plan.as_ref(),
            consent: core.consent.as_ref(),
            left_over: &core.left_over,
            open_intents: &core.open_intents,
            actions: &core.actions,
            window: &core.window,
            powers: &core.powers,
            notice: core.notice.as_ref(),
            backfilling: core.backfilling,
            clauses: Cow::Borrowed(&[]),
            alerts: picture.alerts.rows(),
            services: picture.services.rows(),
            workloads: picture.workloads.rows(),
            nodes: picture.workloads.nodes(),
            pods: picture.workloads.pod_counts(),
            named: picture.workloads.named_pods().collect(),
            changes: picture.changes.rows(),
            sources: picture.sources.rows(),
            timeline,
            logs: core,
            catalogue: &picture.catalogue,
            runbook: core.runbook.as_ref(),
        }
    }

    /// The service that a change or a pod's workload belongs to.
    pub(super) fn service_of(
        &self,
        named: Option<&'a ServiceName>,
        workload: Option<&WorkloadKey>,
    ) -> Option<&'a ServiceName> {
        named.or_else(|| workload.and_then(|key| self.catalogue.of_workload(key)))
    }

    /// Since when something burns, as far as is seen: the first breach of a failing service, else
    /// the first alert.
    pub(super) fn burning(&self) -> Option<World> {
        let failing = self.services.iter().filter(|row| row.health == Health::Failing).filter_map(|row| row.since);
        let firing = self.alerts.iter().filter(|row| row.fires()).map(|row| row.alert.since);
        failing.min().or_else(|| firing.min())
    }

    /// The sources that tell of what a pane shows: by what they are, or because its rows came from
    /// them.
    fn feeding<'s>(&'s self, pane: Pane, rows: &'s [&'s Origin]) -> impl Iterator<Item = &'a SourceRow> + 's {
        self.sources.iter().filter(move |row| {
            let kind = match pane {
                Pane::Alerts => SourceKind::Alerts,
                Pane::Services => SourceKind::Signals,
                Pane::Logs => SourceKind::Logs,
                Pane::Workloads => SourceKind::Cluster,
                // Rollouts are told with the workloads that are rolled out.
                Pane::Changes => return rows.contains(&&row.origin) || row.origin.source.as_str() == "workloads",
                Pane::Timeline => return false,
            };
            rows.contains(&&row.origin) || self.facing.sources.get(&row.origin.source) == Some(&kind)
        })
    }

    /// Whether a source of what a pane shows was ever read: else nothing is known of it.
    pub(super) fn was_read(&self, pane: Pane) -> bool {
        self.feeding(pane, &[]).any(|row| row.last_read.is_some())
    }

    pub(super) fn heard_of_alerts(&self) -> Heard {
        let (mut some, mut all) = (false, true);
        for row in self.feeding(Pane::Alerts, &[]) {
            let read = row.last_read.is_some();
            (some, all) = (some || read, all && read);
        }
        match (some, all) {
            (false, _) => Heard::Nothing,
            (true, false) => Heard::Some,
            (true, true) => Heard::All,
        }
    }

    /// How a source is.
    pub(super) fn told(&self, row: &SourceRow) -> Told {
        let every = self.facing.intervals.get(&row.origin.source);
        let late = every.and_then(|every| TimeDelta::from_std(*every).ok()).map_or(LATE, |every| LATE.max(every * 3));
        Told::of(row, self.now, late)
    }

    /// How what a pane shows comes in.
    pub(super) fn feed(&self, pane: Pane, rows: &[&Origin]) -> Feed {
        if pane == Pane::Timeline {
            return Feed::default();
        }
        let sources: Vec<_> = self.feeding(pane, rows).collect();
        let dropped: u64 = sources.iter().map(|row| row.dropped).sum();
        let told: Vec<_> = sources.iter().map(|row| self.told(row)).collect();
        let live = told.iter().filter(|told| told.freshness <= Freshness::Limited).count();
        // Once in full, and once as short as it can be said.
        let (mut full, mut brief): (Vec<String>, Vec<String>) = Default::default();
        let silent = sources.iter().filter_map(|row| row.last_news).max().map(|at| self.now - at);
        if let Some(silent) = silent.filter(|silent| pane == Pane::Logs && live > 0 && silent.num_seconds() >= SILENT) {
            full.push(format!("no new lines for {}", words::long_age(silent)));
            brief.clone_from(&full);
        }
        let troubled: Vec<_> = told.iter().filter(|told| told.freshness != Freshness::Live).collect();
        match troubled.as_slice() {
            [] => {
                if let Some(at) = sources.iter().filter_map(|row| row.last_read).min() {
                    let age = words::fresh(self.now - at);
                    full.push(format!("read {age} ago"));
                    if brief.is_empty() {
                        brief.push(format!("{age} ago"));
                    }
                }
            }
            [one] if told.len() == 1 => {
                full.push(one.long.clone());
                brief.push(one.nameless());
            }
            several => {
                full.extend(several.iter().map(|one| one.short.clone()));
                let late = several.iter().filter(|told| told.freshness >= Freshness::Late).count();
                let oldest = sources.iter().filter_map(|row| row.last_read).min().map(|at| self.now - at);
                brief.push(match (several, oldest) {
                    ([one], _) => one.short.clone(),
                    (_, Some(oldest)) if late > 0 => format!("{late} late, oldest {} ago", words::age(oldest)),
                    _ => format!("{} limited", several.len()),
                });
            }
        }
        if live > 0 && live < told.len() {
            full.push(format!("{live} of {} live", told.len()));
        }
        if dropped > 0 {
            full.push(format!("{} lines dropped", words::count(dropped)));
        }
        if sources.is_empty() && !self.sources.is_empty() {
            full.push("no source".into());
        }
        if self.awaits_the_past(pane) {
            full.insert(0, READING.into());
            brief = vec![READING.into()];
        }
        let freshness = told.iter().map(|told| told.freshness).max().unwrap_or_default();
        Feed { words: full.join(", "), brief: brief.join(", "), freshness, stale: live == 0 && !told.is_empty() }
    }

    /// Whether what a pane shows is taken in only after what happened before was read.
    pub(super) fn awaits_the_past(&self, pane: Pane) -> bool {
        self.backfilling > 0 && matches!(pane, Pane::Services | Pane::Logs | Pane::Changes)
    }

    /// Whether nothing new comes from there.
    pub(super) fn is_stale(&self, origin: &Origin) -> bool {
        let row = self.sources.iter().find(|row| row.origin == *origin);
        row.is_some_and(|row| self.told(row).freshness >= Freshness::Late)
    }
}

/// How what a pane shows comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) words: String,
    /// The same where there is little room.
    pub(super) brief: String,
    /// Of the worst source.
    pub(super) freshness: Freshness,
    /// Whether no source at all is as new as it should be.
    pub(super) stale: bool,
}

/// Whether data is as new as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    #[default]
    Live,
    /// Reads succeed but see less than everything, or are not under way yet.
    Limited,
    /// Older than it should be.
    Late,
    /// Nothing comes any more.
    Lost,
}

/// What a pane says that shows nothing new before the past was read.
const READING: &str = "reading the past";
/// A source that is read and tells nothing for so long is said to be silent.
const SILENT: i64 = 30;
/// A live source that was not read for so long is late, unless three of its reads take longer.
const LATE: TimeDelta = TimeDelta::seconds(90);

/// How one source is, in words with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) freshness: Freshness,
    /// Such as `cloudwatch-logs 48s ago`.
    pub(super) short: String,
    /// Such as `cloudwatch-logs last read 48 s ago`.
    pub(super) long: String,
}

impl Told {
    /// The long words without the source's name: where a pane has but one.
    fn nameless(&self) -> String {
        self.long.split_once(' ').map_or(self.long.as_str(), |(_, words)| words).to_owned()
    }

    fn of(row: &SourceRow, now: World, late: TimeDelta) -> Self {
        let name = row.origin.source.as_str();
        let read = |what: &str| match row.last_read {
            Some(at) => (
                format!("{name}{what} {} ago", words::age(now - at)),
                format!("{name}{what} last read {} ago", words::long_age(now - at)),
            ),
            None => (format!("{name}{what} never read"), format!("{name}{what} never read")),
        };
        let same = |text: String| (text.clone(), text);
        let late = row.last_read.is_some_and(|at| now - at >= late);
        let (freshness, (short, long)) = match &row.state {
            SourceState::Connecting => (Freshness::Limited, same(format!("{name} connecting"))),
            SourceState::Live { .. } if late => (Freshness::Late, read("")),
            SourceState::Live { limited: Some(why) } => {
                (Freshness::Limited, (format!("{name} limited"), format!("{name} limited: {why}")))
            }
            SourceState::Live { limited: None } => (Freshness::Live, same(format!("{name} live"))),
            SourceState::Retrying { .. } => (Freshness::Late, read("")),
            SourceState::Denied { .. } => (Freshness::Lost, same(format!("{name} denied"))),
            SourceState::Ended { .. } => (Freshness::Lost, read(" ended,")),
        };
        Self { freshness, short, long }
    }
}
