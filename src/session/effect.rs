//! Effects: what the core wants done outside itself, as values that can be logged and asserted
//! on.

use std::path::PathBuf;

use crate::clock::World;
use crate::model::entry::{Actor, Entry};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::plan::{Plan, PlanId, Request};
use crate::model::track::TrackSample;
use crate::observe::logs::Scan;
use crate::record::{Durability, OpenIntent};
use crate::respond::{Cluster, Pass, Warrant};
use crate::text::Safe;

use super::message::Dated;
use super::scans::{Errand, Purpose};

/// What the core wants done outside itself.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a handful at a time: plans are rare and go by once")]
pub enum Effect {
    /// Write an entry; answered with `Recorded`.
    Record {
        /// Comes back with the answer.
        ticket: u64,
        /// The entry.
        dated: Dated,
        /// How surely.
        durability: Durability,
    },
    /// Write samples to the tracks. Of two of one minute and track the later one counts.
    Track(Vec<TrackSample>),
    /// Make a directory and a journal for a new incident; answered with `IncidentReady`.
    Declare {
        /// Its title.
        title: Safe,
        /// What its id is made from: the service, else the title.
        slug: Safe,
        /// The day that its id starts with.
        at: World,
    },
    /// Take up an incident of an earlier process; answered with `IncidentReady`.
    TakeUp(IncidentId),
    /// From now on write to that incident's journal, which stands ready.
    WriteTo(IncidentId),
    /// Seal the incident's journal and write to the rolling one again.
    Seal(IncidentId),
    /// Make a plan; answered with `Planned`.
    Plan {
        /// Comes back with the answer.
        ticket: u64,
        /// What is wanted.
        request: Request,
        /// What the picture knows of it.
        cluster: Cluster,
        /// Whether an incident is open: a freeze only warns then.
        incident: bool,
    },
    /// Apply a confirmed plan; answered with `Progressed` and `Ended`.
    Apply {
        /// The plan.
        plan: Plan,
        /// What lets it, where its tier takes more than a confirmation.
        warrant: Option<Warrant>,
        /// Who confirmed it.
        actor: Actor,
        /// Whether an incident is open: the policies are judged once more before the intent.
        incident: bool,
        /// The right to write, of the window that is open now: who closes it voids the plan.
        pass: Pass,
    },
    /// End a command of a runbook that an applied plan started; its outcome tells of it.
    Stop {
        /// The plan.
        plan: PlanId,
        /// In whose name.
        by: Safe,
    },
    /// Read what became of a plan that an earlier process left in flight, unless another one tells it
    /// first; answered with `Ended`.
    Settle {
        /// What was about to be done, and which record holds that.
        open: Box<OpenIntent>,
        /// Whether a person wants it over: what cannot be read even now is unknown.
        last: bool,
        /// In whose name the outcome is written.
        actor: Actor,
    },
    /// Look what others do about the incident that is written; answered with `Beside`.
    LookBeside(IncidentId),
    /// Look for a second person's consent in an incident's record until it is found; answered with
    /// `Consented`. Ends what is looked for.
    AwaitConsent {
        /// The incident.
        incident: IncidentId,
        /// What the consent names.
        hash: Safe,
    },
    /// No consent is looked for any more.
    StopAwaiting,
    /// Write an entry to an incident that this session does not write; answered with `Added`.
    Add {
        /// The incident.
        incident: IncidentId,
        /// The plan that it is about.
        plan: PlanId,
        /// The entry.
        dated: Dated,
    },
    /// Ask somebody outside; answered with `Answered`.
    Ask(Safe),
    /// Read these services' logs closely; none means all.
    Follow(Vec<ServiceName>),
    /// Look through the log; answered with `Scanned`, several times. Ends what is under way for
    /// the same purpose with another ticket.
    Scan {
        /// Comes back with the answers.
        errand: Errand,
        /// Which lines, and what for.
        scan: Scan,
    },
    /// Nothing is looked for any more.
    StopScan(Purpose),
    /// Read a runbook; answered with `RunbookRead`.
    ReadRunbook {
        /// Whose.
        service: ServiceName,
        /// The file.
        path: PathBuf,
    },
    /// Write the postmortem; answered with `Exported`.
    Export {
        /// Of which incident; the rolling record if none was declared.
        incident: Option<IncidentId>,
        /// Where to.
        path: Option<PathBuf>,
    },
}

/// Entries that are carried from the rolling record into a new incident's.
pub(super) fn carried(entry: &Entry) -> Dated {
    Dated { draft: entry.draft.clone(), occurred_at: entry.occurred_at, observed_at: entry.observed_at }
}
