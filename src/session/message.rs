//! Messages: everything that can change the core.

use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::{Hold, World};
use crate::model::command::Command;
use crate::model::entry::{Actor, Draft, Entry};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::plan::{Outcome, Plan, PlanId, Refusal};
use crate::model::runbook::Runbook;
use crate::model::signal::{Signal, Stamped};
use crate::record::{Beside, JournalError, Leftover, OpenIntent};
use crate::text::Safe;

use super::ResumeOffer;
use super::scans::{Scanned, Wanted};

/// Everything that can change the core.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one at a time goes through the loop, and plans are rare")]
pub enum Message {
    /// World time has come this far.
    Tick(World),
    /// What sources say, in order.
    Signals(Vec<Stamped<Signal>>),
    /// What happened before the session was opened, by the time it occurred.
    BackFilled(Vec<Stamped<Signal>>),
    /// A front asks for something.
    Command(Command),
    /// A front says something to the person: a command line that made no sense.
    Say(Safe),
    /// The journal has, or has not, kept an entry.
    Recorded {
        /// The number that the effect carried.
        ticket: u64,
        /// The entry, durable.
        result: Result<Entry, JournalError>,
    },
    /// The engine has written an entry of its own, durable: an intent or an outcome.
    Written {
        /// The entry.
        entry: Entry,
        /// The incident whose journal holds it; `None` for the rolling one.
        to: Option<IncidentId>,
    },
    /// A journal stands ready for an incident.
    IncidentReady {
        /// The incident.
        id: IncidentId,
        /// Its title.
        title: Safe,
        /// What earlier processes wrote, when it is taken up again.
        earlier: Vec<Entry>,
        /// What processes before this one noticed in the hour before it was declared.
        before: Vec<Dated>,
    },
    /// No journal could be made for an incident.
    IncidentRefused(Safe),
    /// An incident was found that an earlier process left open.
    ResumeFound(ResumeOffer),
    /// A plan was made, or refused.
    Planned {
        /// The number that the effect carried.
        ticket: u64,
        /// The plan.
        result: Result<Plan, Refusal>,
    },
    /// An applied plan came further.
    Progressed {
        /// The plan.
        plan: PlanId,
        /// How far, in words.
        words: Safe,
    },
    /// An applied plan ended; its outcome is durable.
    Ended {
        /// The plan.
        plan: PlanId,
        /// How.
        result: Result<Outcome, Refusal>,
    },
    /// An applied plan ended, and its outcome did not become durable.
    Unrecorded {
        /// The plan.
        plan: PlanId,
        /// How it ended.
        outcome: Outcome,
        /// The whole of it, for people.
        why: Safe,
    },
    /// All records were looked through for intents without an outcome, of processes that are gone.
    Open(Vec<OpenIntent>),
    /// The outcome of one of them is durable, in a record that this session does not write, or beside
    /// what it writes.
    Settled(Entry),
    /// What others do about the incident that is written.
    Beside {
        /// The incident.
        incident: IncidentId,
        /// What they do.
        beside: Box<Beside>,
    },
    /// Somebody consented to a plan.
    Consented {
        /// What they named.
        hash: Safe,
        /// Who, as they name themselves.
        name: Safe,
        /// The user whose file says so.
        uid: u32,
        /// Why it does not count, if so.
        void: Option<Safe>,
    },
    /// Earlier records were looked through for what is left over.
    LeftOver(Vec<Leftover>),
    /// An entry was written to another incident, or not.
    Added {
        /// The plan that it is about.
        plan: PlanId,
        /// Why not, if not.
        result: Result<(), Safe>,
    },
    /// Who sits here, as a system says.
    Identified(Actor),
    /// What the credentials could do, as the systems say, in sentences.
    Powers(Vec<Safe>),
    /// Somebody who was asked answered.
    Answered {
        /// Who.
        whom: Safe,
        /// What, or why there is no answer.
        answer: Result<Safe, Safe>,
    },
    /// A front looks for something in the log.
    Look(Wanted),
    /// A scan of the log came further.
    Scanned(Scanned),
    /// A runbook was read, or not.
    RunbookRead {
        /// Whose.
        service: ServiceName,
        /// What stands in it.
        result: Result<Arc<Runbook>, Safe>,
    },
    /// The postmortem was written, or not.
    Exported(Result<PathBuf, Safe>),
}

/// A message with what keeps a drill's world still until it has been taken in.
#[derive(Debug)]
pub struct Envelope {
    /// The message.
    pub message: Message,
    /// The hold, if there is one.
    pub hold: Option<Hold>,
}

/// A draft with its times: what the core hands to the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// What the entry tells.
    pub draft: Draft,
    /// When it happened.
    pub occurred_at: World,
    /// When we learned of it.
    pub observed_at: World,
}
