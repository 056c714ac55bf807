//! One alert, however many sources tell it, and the findings that its transitions make.
//!
//! An alert is told by *members*: one a source. Members of one name and service stand in one
//! *group*, which is one row. Findings tell the group's transitions, so that two sources that
//! tell the same alert make one story.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::alert::{Alert, AlertKey, AlertState};
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName};
use crate::text::Safe;

use super::super::words;
use super::{AlertRow, Claim};

/// A source's history and its list may tell one moment with some milliseconds between.
const SAME_MOMENT: TimeDelta = TimeDelta::seconds(5);
/// Longest summary in a title, in characters.
const SUMMARY: usize = 160;

/// One alert, however many sources tell it.
#[derive(Debug)]
pub(super) struct Group {
    identity: Identity,
    pub(super) members: Vec<Member>,
    pub(super) service: Option<ServiceName>,
    pub(super) claim: Option<Claim>,
    told: Told,
}

/// What a group is known by in the record: the first telling's, whoever tells it later.
#[derive(Debug)]
struct Identity {
    origin: Origin,
    key: AlertKey,
    name: Safe,
}

/// One source's telling.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) origin: Origin,
    pub(super) alert: Alert,
    /// Since when the alert is as it is by the source's own clock, which may run ahead, and by ours.
    pub(super) clocks: (World, World),
    /// When the source was seen to tell another state than before.
    pub(super) changed: World,
    /// The alert left its source's list; when it ended is not known better.
    pub(super) vanished: bool,
}

/// What the findings said of a group last.
#[derive(Debug)]
struct Told {
    stage: Stage,
    /// Since when it fires or fired, by its source.
    since: World,
    /// When it was last seen in that stage.
    seen: World,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Firing,
    Suppressed,
    NoData,
    Resolved,
}

impl Stage {
    pub(super) fn of(state: &AlertState) -> Self {
        match state {
            AlertState::Firing => Self::Firing,
            AlertState::Suppressed { .. } => Self::Suppressed,
            AlertState::NoData => Self::NoData,
            AlertState::Resolved => Self::Resolved,
        }
    }
}

impl Group {
    /// A group without members yet, known by this telling.
    pub(super) fn new(origin: &Origin, alert: &Alert, service: Option<ServiceName>) -> Self {
        Self {
            identity: Identity { origin: origin.clone(), key: alert.key.clone(), name: alert.name.clone() },
            members: Vec::new(),
            service,
            claim: None,
            told: Told { stage: Stage::Resolved, since: World::UNIX_EPOCH, seen: World::UNIX_EPOCH },
        }
    }

    /// Whether it has been over for longer than `keep`.
    pub(super) fn is_over(&self, now: World, keep: TimeDelta) -> bool {
        self.told.stage == Stage::Resolved && now - self.told.seen > keep
    }

    /// The member that speaks for the group: the one in the worst state, the first of those.
    fn lead(&self) -> Option<&Member> {
        self.members.iter().min_by_key(|member| Stage::of(&member.alert.state))
    }

    pub(super) fn row(&self) -> Option<AlertRow> {
        let lead = self.lead()?;
        let mut alert = lead.alert.clone();
        if alert.state == AlertState::Firing {
            alert.since = self.told.since;
        }
        let also = self
            .members
            .iter()
            .filter(|member| !std::ptr::eq(*member, lead))
            .map(|member| (member.origin.clone(), member.alert.key.clone()))
            .collect();
        Some(AlertRow {
            origin: lead.origin.clone(),
            alert,
            also,
            service: self.service.clone(),
            claim: self.claim.clone(),
        })
    }
}

impl Group {
    /// Compares what the members say with what was told, and tells the difference.
    pub(super) fn transition(&mut self, occurred: World) -> Vec<Finding> {
        let Some(lead) = self.lead() else { return Vec::new() };
        let stage = Stage::of(&lead.alert.state);
        let told = &self.told;
        let since = lead.alert.since;
        let later = since > told.since + SAME_MOMENT;
        // Without a time of its own for the change, it counts from when it was seen.
        let at = if later { since } else { occurred };
        let mut findings = Vec::new();
        let mut episode = told.since;
        match (told.stage, stage) {
            (Stage::Firing, Stage::Firing) if since > told.seen + SAME_MOMENT => {
                findings.push(self.resolved(since, " for a while, then fires again; when it stopped was not seen"));
                episode = since;
                findings.push(self.firing(since, since, "fires"));
            }
            (Stage::Firing, Stage::Firing) | (Stage::Suppressed, Stage::Suppressed) => {}
            (_, Stage::NoData) | (Stage::Resolved, Stage::Resolved) => {}
            (Stage::Resolved, Stage::Firing) if !later && told.seen > World::UNIX_EPOCH => {
                findings.push(self.firing(occurred, episode, "fires again"));
            }
            (Stage::Resolved, Stage::Firing) => {
                episode = since;
                findings.push(self.firing(since, since, "fires"));
            }
            (Stage::Suppressed | Stage::NoData, Stage::Firing) => {
                let word = if told.stage == Stage::Suppressed { "is not silenced any more" } else { "fires again" };
                if told.stage == Stage::NoData && later {
                    episode = since;
                }
                findings.push(self.firing(at, episode, word));
            }
            (Stage::Resolved, Stage::Suppressed) => {
                episode = since;
                findings.push(self.suppressed(since, since));
            }
            (_, Stage::Suppressed) => findings.push(self.suppressed(at, episode)),
            (_, Stage::Resolved) => {
                let ended = self.members.iter().map(|member| member.alert.since).max().unwrap_or(occurred);
                findings.push(self.resolved(ended.max(told.since), ""));
            }
        }
        let seen = match stage {
            Stage::Resolved if self.told.stage == Stage::Resolved => self.told.seen,
            _ => occurred.max(self.told.seen),
        };
        self.told = Told { stage, since: episode, seen };
        findings
    }

    fn firing(&self, at: World, episode: World, verb: &str) -> Finding {
        let mut finding = self.finding(EntryKind::AlertFiring, at, episode, "", verb);
        if let Some(lead) = self.lead() {
            if let Some(summary) = &lead.alert.summary {
                finding.title = Safe::from(format!("{}: {}", finding.title, words::excerpt(summary, SUMMARY)));
            }
            finding.detail = labels(&lead.alert);
        }
        finding
    }

    fn suppressed(&self, at: World, episode: World) -> Finding {
        let by = match self.lead().map(|lead| &lead.alert.state) {
            Some(AlertState::Suppressed { by }) if !by.is_empty() => format!("is silenced by {by}"),
            _ => "is silenced".into(),
        };
        self.finding(EntryKind::AlertSuppressed, at, episode, "/suppressed", &by)
    }

    fn resolved(&self, at: World, how: &str) -> Finding {
        let verb = format!("stopped firing{how}");
        self.finding(EntryKind::AlertResolved, at, self.told.since, "/resolved", &verb)
    }

    fn finding(&self, kind: EntryKind, at: World, episode: World, suffix: &str, verb: &str) -> Finding {
        let id = &self.identity;
        let dedupe = format!("alert/{}/{}/{}{suffix}", id.origin, id.key.0, words::stamp(episode));
        let title = format!("{} {verb}", id.name);
        let mut finding = Finding::new(kind, &id.origin, at, id.name.clone(), title, dedupe);
        finding.service = self.service.clone();
        finding.alert.push(id.key.0.clone());
        for member in &self.members {
            if !finding.alert.contains(&member.alert.key.0) {
                finding.alert.push(member.alert.key.0.clone());
            }
        }
        finding.evidence = self.lead().and_then(|lead| lead.alert.link.clone());
        finding
    }
}

fn labels(alert: &Alert) -> Option<Safe> {
    let pairs: Vec<_> = alert.labels.iter().take(24).map(|(name, value)| format!("{name}={value}")).collect();
    (!pairs.is_empty()).then(|| Safe::from(words::excerpt(&pairs.join(", "), 400)))
}
