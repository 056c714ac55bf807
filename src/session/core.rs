//! The core: all state of a session, as plain data that fronts read.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::World;
use crate::config::{Catalogue, Environment, WritePolicy};
use crate::model::entry::{Actor, Entry, EntryKind, Phase, Severity};
use crate::model::finding::Finding;
use crate::model::name::{IncidentId, ServiceName, SourceId};
use crate::model::plan::{Outcome, Plan, PlanId};
use crate::model::runbook::Runbook;
use crate::model::signal::{Signal, Stamped};
use crate::observe::Picture;
use crate::observe::alerts::Claim;
use crate::record::{Leftover, Milestones, OpenIntent, milestones};
use crate::respond::{Pass, Warrant};
use crate::text::Safe;

use super::message::Dated;
use super::sampled::Sampled;
use super::scans::Scans;
use super::{Effect, Facing};

/// All state of a session. Fronts read it; only `update` changes it.
#[derive(Debug)]
pub struct Core {
    /// World time of the last message.
    pub now: World,
    /// The environment that is faced, and what may be done to it.
    pub facing: Facing,
    /// What is known of the world.
    pub picture: Picture,
    /// What is looked for in the log.
    pub scans: Scans,
    /// The incident that is written, if one was declared or taken up.
    pub incident: Option<IncidentView>,
    /// An incident that an earlier process left open.
    pub resume: Option<ResumeOffer>,
    /// Durable entries of the current journal, in the order they became durable.
    pub entries: Vec<Entry>,
    /// Entries handed to the journal and not durable yet.
    pub unrecorded: usize,
    /// Why the journal takes no more entries, if it failed. Actions are off then.
    pub journal_failed: Option<Safe>,
    /// Milestones and durations, proposed from the entries.
    pub milestones: Milestones,
    /// The plan that is shown.
    pub plan: Option<PlanView>,
    /// What a plan of the top tier waits for.
    pub consent: Option<Consent>,
    /// Changes for a time that nobody has ended yet, of this record and of earlier ones.
    pub left_over: Vec<Leftover>,
    /// Changes that processes which are gone had begun and of which no outcome is recorded yet.
    pub open_intents: Vec<OpenIntent>,
    /// Plans that were applied in this session, or that the incident's record tells, oldest first.
    pub actions: Vec<Action>,
    /// Whether the world may be changed now.
    pub window: WriteWindow,
    /// The sources that are Alertmanagers: where silences are made.
    pub alertmanagers: Vec<SourceId>,
    /// The runbook that was opened last.
    pub runbook: Option<RunbookView>,
    /// Who sits here.
    pub actor: Actor,
    /// What the credentials could do to the systems, whatever this session may, in sentences.
    pub powers: Vec<Safe>,
    /// The last thing that the program has to say to the person.
    pub notice: Option<Notice>,
    /// Back-fill still under way: sources whose history is not read yet.
    pub backfilling: usize,
    /// The session is ending.
    pub leaving: bool,
    /// The incident that was closed last in this session: what `export` means then.
    pub closed: Option<IncidentId>,
    pub(super) desk: Desk,
}

/// What the core remembers between messages and no front needs.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The number of the last effect that wants an answer.
    pub(super) ticket: u64,
    /// How many notices there were.
    pub(super) said: u64,
    /// Entries handed to the journal, by ticket, and what follows when they are durable.
    pub(super) in_flight: BTreeMap<u64, (Dated, Next)>,
    /// The right to write: withdrawn with the window that it came with.
    pub(super) pass: Pass,
    /// The plan that is awaited. An answer with another number is stale.
    pub(super) planning: Option<u64>,
    /// What findings have been recorded: the same finding told again is not another entry.
    pub(super) told: Told,
    /// Claims with the keys of their alerts: alerts are claimed anew whenever a source tells of
    /// them again.
    pub(super) claims: Vec<(Vec<Safe>, Claim)>,
    /// An incident is being declared, or taken up.
    pub(super) declaring: bool,
    /// The word that closes the incident is on its way to the disk.
    pub(super) closing: bool,
    /// The incident is to be closed when it is known what others do about it.
    pub(super) close_asked: bool,
    /// When it was last asked what others do about the incident.
    pub(super) looked: Option<World>,
    /// What other living processes have in flight, with its titles.
    pub(super) under_way: Vec<(PlanId, Safe)>,
    /// Outcomes of what processes that are gone had begun, as they came to be known: a record that
    /// comes to hold the beginning is to tell the end, too.
    pub(super) ends: Vec<Entry>,
    /// Entries came to be known since the milestones were weighed.
    pub(super) unweighed: bool,
    /// Exports that wait until the entry of that ticket, and so all before it, is on the disk.
    pub(super) exports: Vec<(u64, Option<PathBuf>)>,
    /// Exports that are being written.
    pub(super) exporting: usize,
    /// Entries before this index belong to an incident that was closed.
    pub(super) rolling_from: usize,
    /// What was noticed of the cluster as it is now while what happened before was still being
    /// read.
    pub(super) held: Vec<Finding>,
    /// Signals that came while what happened before was still being read.
    pub(super) deferred: Vec<Stamped<Signal>>,
    /// Time has passed before: two ticks can be compared.
    pub(super) ticked: bool,
    /// When the rolling record last let go of what is too old.
    pub(super) forgotten: World,
    /// What of the last hour was handed to the tracks.
    pub(super) sampled: Sampled,
    /// What earlier records left over.
    pub(super) left_before: Vec<Leftover>,
}

/// What follows when an entry is durable.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing but its place in the timeline.
    Nothing,
    /// The write window opens.
    OpenWindow { until: World, reason: Safe },
    /// The write window closes.
    CloseWindow,
    /// A second person can judge the plan of this hash.
    AwaitConsent { hash: Safe },
    /// The plan of this hash can be confirmed without one.
    GlassBroken { hash: Safe },
}

/// What one finding is recognised by: its kind, its key and when it occurred.
pub(super) type Mark = (EntryKind, Safe, World);

/// What was told, without end: of two generations the older is forgotten when the younger is
/// full. What is told again and again stays.
#[derive(Debug)]
pub(super) struct Told<M = Mark> {
    young: HashSet<M>,
    old: HashSet<M>,
}

impl<M> Default for Told<M> {
    fn default() -> Self {
        Self { young: HashSet::new(), old: HashSet::new() }
    }
}

impl<M: Eq + Hash> Told<M> {
    /// So many are remembered for certain.
    pub(super) const CAP: usize = 32 * 1024;

    /// Remembers a mark. `false` if it was known.
    pub(super) fn insert(&mut self, mark: M) -> bool {
        if self.young.contains(&mark) {
            return false;
        }
        if self.young.len() >= Self::CAP {
            self.old = std::mem::take(&mut self.young);
        }
        let known = self.old.contains(&mark);
        self.young.insert(mark);
        !known
    }
}

impl Core {
    /// A core that knows nothing yet but where it stands. `histories`: how many sources are
    /// about to tell what happened before.
    pub fn new(env: &Environment, catalogue: Arc<Catalogue>, actor: Actor, now: World, histories: usize) -> Self {
        let mut picture = Picture::new(catalogue);
        if histories > 0 {
            picture.recall();
        }
        Self {
            now,
            facing: Facing::of(env),
            picture,
            scans: Scans::default(),
            incident: None,
            resume: None,
            entries: Vec::new(),
            unrecorded: 0,
            journal_failed: None,
            milestones: milestones(&[]),
            plan: None,
            consent: None,
            left_over: Vec::new(),
            open_intents: Vec::new(),
            actions: Vec::new(),
            window: WriteWindow::Closed,
            alertmanagers: env.alertmanager.iter().map(|access| SourceId::from(access.name.as_str())).collect(),
            runbook: None,
            actor,
            powers: Vec::new(),
            notice: None,
            backfilling: histories,
            leaving: false,
            closed: None,
            desk: Desk::default(),
        }
    }

    /// Takes note of what the environment has by now: a drill's servers are there only after the
    /// first frame.
    pub fn reaches(&mut self, env: &Environment) {
        (self.facing.sources, self.facing.intervals) = (env.source_kinds(), env.intervals());
        self.alertmanagers = env.alertmanager.iter().map(|access| SourceId::from(access.name.as_str())).collect();
    }

    /// Says what the configuration found and did not find, until something happens.
    pub fn greet(&mut self, notes: &[Safe]) {
        if !notes.is_empty() {
            let text: Vec<_> = notes.iter().map(Safe::as_str).collect();
            self.say(NoticeKind::Info, text.join(" · "));
        }
    }

    /// Nothing can be recorded, from here on: said at once, and actions are off. Nobody's consent
    /// is looked for any more: that is what is to be done, if somebody was asked.
    pub fn cannot_record(&mut self, why: Safe) -> Option<Effect> {
        self.say(NoticeKind::Error, format!("not recorded: {why}; actions are off, the screen goes on"));
        self.journal_failed = Some(why);
        self.window = WriteWindow::Closed;
        self.plan = None;
        self.desk.pass.withdraw();
        self.desk.planning = None;
        self.consent.take().map(|_| Effect::StopAwaiting)
    }

    /// What takes up an incident that is there. Until that is done no other is declared.
    pub fn take_up(&mut self, id: IncidentId) -> Effect {
        self.desk.declaring = true;
        Effect::TakeUp(id)
    }

    /// The plan that is shown, if one is.
    pub fn shown_plan(&self) -> Option<&Plan> {
        match &self.plan {
            Some(PlanView::Shown { plan, .. }) => Some(plan),
            Some(PlanView::Planning { .. } | PlanView::Refused { .. }) | None => None,
        }
    }

    /// Whether commands that change a system are offered at all.
    pub fn may_act(&self) -> bool {
        self.facing.write == WritePolicy::Ask && self.journal_failed.is_none()
    }

    pub(super) fn say(&mut self, kind: NoticeKind, text: impl Into<Safe>) {
        self.desk.said += 1;
        self.notice = Some(Notice { kind, text: text.into(), at: self.now, number: self.desk.said });
    }

    /// Whether something is under way that the record should still tell of.
    pub(super) fn unsettled(&self) -> bool {
        self.unrecorded > 0 || self.desk.declaring || self.desk.exporting > 0 || self.acting().is_some()
    }

    /// An action that is under way.
    pub(super) fn acting(&self) -> Option<&Action> {
        self.actions.iter().find(|action| matches!(action.state, ActionState::Under(_)))
    }

    /// Entries of the record that is written now: those of a closed incident left out.
    pub(super) fn current_entries(&self) -> &[Entry] {
        &self.entries[self.desk.rolling_from.min(self.entries.len())..]
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.desk.ticket += 1;
        self.desk.ticket
    }
}

/// The incident that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: Safe,
    /// Where the response stands.
    pub phase: Phase,
    /// How bad it is, if said.
    pub severity: Option<Severity>,
    /// When the impact started, as far as is known, else when it was declared.
    pub since: World,
}

/// An incident that an earlier process left open.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeOffer {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: Safe,
    /// When its last entry was written.
    pub last: World,
    /// Intents without an outcome.
    pub open_intents: usize,
    /// Whether another process still writes to it.
    pub being_written: bool,
}

/// A runbook beside the incident.
#[derive(Clone, Debug, PartialEq)]
pub struct RunbookView {
    /// Whose.
    pub service: ServiceName,
    /// The file, or the address of the page.
    pub source: Safe,
    /// How far it is.
    pub state: RunbookState,
}

/// How far a runbook is.
#[derive(Clone, Debug, PartialEq)]
pub enum RunbookState {
    /// The file is being read.
    Reading,
    /// It was read.
    Read(Arc<Runbook>),
    /// It is a page, for a browser.
    Page,
    /// It could not be read.
    Failed(Safe),
}

/// A plan on its way to confirmation.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanView {
    /// The system is being read.
    Planning {
        /// What for.
        what: Safe,
        /// Since when.
        since: World,
    },
    /// Complete, to be judged.
    Shown {
        /// The plan.
        plan: Box<Plan>,
        /// Why it cannot be confirmed as it is, if so.
        blocked: Option<Safe>,
    },
    /// No plan could be made.
    Refused {
        /// Why.
        why: Safe,
    },
}

/// What a plan of the top tier waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Consent {
    /// The incident in whose record it is asked for.
    pub incident: IncidentId,
    /// The plan that was shown first: reading it again asks nobody anew.
    pub asked: PlanId,
    /// What it is called, whatever is shown meanwhile.
    pub title: Safe,
    /// The service that it is about.
    pub service: Option<ServiceName>,
    /// What a consent names.
    pub hash: Safe,
    /// How far it is.
    pub grant: Grant,
}

/// How far the consent to a plan is.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// The plan is on its way to the record.
    Recording,
    /// A second person can judge it.
    Awaited,
    /// The glass is going to be broken, unless the plan is put away.
    Counting {
        /// Why.
        reason: Safe,
        /// When, in world time.
        until: World,
    },
    /// That is on its way to the record.
    Breaking {
        /// Why.
        reason: Safe,
    },
    /// The plan can be confirmed.
    Given(Warrant),
}

/// A plan that was confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// The plan.
    pub plan: Plan,
    /// When it was confirmed.
    pub at: World,
    /// How far it is.
    pub state: ActionState,
    /// The plan that undid it.
    pub undone_by: Option<PlanId>,
}

impl Action {
    /// Whether it may have changed something that an undo takes back, and none did. One that is
    /// under way is not waited for.
    pub fn undoable(&self) -> bool {
        let may_be_on = match &self.state {
            ActionState::Under(_) => true,
            ActionState::Ended(outcome) => outcome.may_be_on(),
        };
        self.undone_by.is_none() && self.plan.undo.is_some() && may_be_on
    }
}

/// How far a confirmed plan is.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionState {
    /// Under way, with the last progress in words.
    Under(Safe),
    /// Ended, the outcome durable.
    Ended(Outcome),
}

/// Whether the world may be changed now.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteWindow {
    /// It may not: read-only.
    Closed,
    /// It may, until then.
    Open {
        /// The end, in world time.
        until: World,
        /// Why it was opened.
        reason: Safe,
    },
}

/// Something that the program says to the person.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How it is meant.
    pub kind: NoticeKind,
    /// One sentence.
    pub text: Safe,
    /// When it was said.
    pub at: World,
    /// Which one of the session it is: the same may have to be said twice in one moment.
    pub number: u64,
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// For information.
    Info,
    /// Something was done.
    Done,
    /// Something did not work.
    Error,
}
