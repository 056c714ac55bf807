//! Entries: the lines of the record.

mod course;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::text::Safe;

use super::name::{IncidentId, ServiceName};
use super::plan::{Outcome, Plan, PlanId};

pub use course::{MilestoneName, Phase, Severity};

/// An entry's identity: a ULID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub Safe);

/// One line of the record. Never changed once written: a correction is a further entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its identity.
    pub id: EntryId,
    /// When it happened. Immutable.
    pub occurred_at: World,
    /// When this program learned of it.
    pub observed_at: World,
    /// What it tells.
    #[serde(flatten)]
    pub draft: Draft,
}

/// What an entry tells, before it has been given an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The sort of entry.
    pub kind: EntryKind,
    /// The source it rests on, as `env/source`, or `warroom`.
    pub source: Safe,
    /// What it is about.
    pub subject: Safe,
    /// One line for people.
    pub title: Safe,
    /// More, if there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Safe>,
    /// Who did it.
    pub actor: Actor,
    /// The service it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Before, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Safe>,
    /// After, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Safe>,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Entries of one key are one thing seen again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Safe>,
    /// Whether the program noticed it or a person said it.
    pub origin: EntryOrigin,
    /// Part of the curated timeline whatever its kind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// What the kind carries beyond words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

impl Draft {
    /// By what the alert that it tells of is known; by its name, if that is all that was written.
    pub fn alert_keys(&self) -> &[Safe] {
        match &self.body {
            Some(Body::Alert { keys }) if !keys.is_empty() => keys,
            _ => std::slice::from_ref(&self.subject),
        }
    }
}

/// The sorts of entry. The names are the journal's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A process began to write this journal.
    Started,
    /// The incident was declared.
    Opened,
    /// The incident was closed by a person.
    Closed,
    /// The writer ended in good order. The last line of its file.
    Sealed,
    /// An alert fires.
    AlertFiring,
    /// An alert stopped firing.
    AlertResolved,
    /// An alert was silenced or inhibited.
    AlertSuppressed,
    /// Somebody took an alert on.
    Claimed,
    /// A service's signal crossed its threshold.
    Breach,
    /// It came back and stayed.
    Recovered,
    /// A container crashes again and again.
    CrashLoop,
    /// A container was killed for its memory.
    OomKilled,
    /// A pod finds no node.
    Unschedulable,
    /// A node is not ready or under pressure.
    NodeTrouble,
    /// A node is well again.
    NodeRecovered,
    /// A new template is rolled out.
    Rollout,
    /// The number of replicas was set by somebody else.
    Rescaled,
    /// A warning event of the cluster.
    WarningEvent,
    /// Errors in the logs far above what is usual.
    ErrorBurst,
    /// They are back at the usual.
    ErrorBurstEnded,
    /// A source stopped answering.
    SourceLost,
    /// It answers again.
    SourceFound,
    /// Something could not be seen.
    Gap,
    /// A person's note.
    Note,
    /// The incident's phase was set.
    Phase,
    /// The incident's severity was set.
    Severity,
    /// A milestone was confirmed or corrected.
    Milestone,
    /// A change is about to be made.
    Intent,
    /// How a change ended.
    Outcome,
    /// The write window was opened or closed.
    WriteWindow,
    /// A command was run outside the program, as somebody says.
    Ran,
    /// A plan of the top tier waits for a second person.
    ConsentAsked,
    /// A second person consents to a plan.
    Consented,
    /// A plan of the top tier goes ahead without a second person.
    BreakGlass,
    /// Somebody owns a change that is left over.
    Owned,
    /// A change that was left over was undone, out of another record.
    Undone,
    /// Somebody was asked for something.
    Asked,
    /// Whoever was asked answered.
    Answered,
    /// An update for stakeholders.
    Update,
    /// The record was exported.
    Exported,
    /// An earlier entry is corrected.
    Correction,
}

impl EntryKind {
    /// The kind of entry that tells the end of what an entry of this kind began, if it lasts.
    pub fn ended_by(self) -> Option<Self> {
        match self {
            Self::AlertFiring => Some(Self::AlertResolved),
            Self::Breach => Some(Self::Recovered),
            Self::ErrorBurst => Some(Self::ErrorBurstEnded),
            Self::NodeTrouble => Some(Self::NodeRecovered),
            Self::SourceLost => Some(Self::SourceFound),
            _ => None,
        }
    }

    /// The word of the format, such as `alert_firing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Sealed => "sealed",
            Self::AlertFiring => "alert_firing",
            Self::AlertResolved => "alert_resolved",
            Self::AlertSuppressed => "alert_suppressed",
            Self::Claimed => "claimed",
            Self::Breach => "breach",
            Self::Recovered => "recovered",
            Self::CrashLoop => "crash_loop",
            Self::OomKilled => "oom_killed",
            Self::Unschedulable => "unschedulable",
            Self::NodeTrouble => "node_trouble",
            Self::NodeRecovered => "node_recovered",
            Self::Rollout => "rollout",
            Self::Rescaled => "rescaled",
            Self::WarningEvent => "warning_event",
            Self::ErrorBurst => "error_burst",
            Self::ErrorBurstEnded => "error_burst_ended",
            Self::SourceLost => "source_lost",
            Self::SourceFound => "source_found",
            Self::Gap => "gap",
            Self::Note => "note",
            Self::Phase => "phase",
            Self::Severity => "severity",
            Self::Milestone => "milestone",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::WriteWindow => "write_window",
            Self::Ran => "ran",
            Self::ConsentAsked => "consent_asked",
            Self::Consented => "consented",
            Self::BreakGlass => "break_glass",
            Self::Owned => "owned",
            Self::Undone => "undone",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Update => "update",
            Self::Exported => "exported",
            Self::Correction => "correction",
        }
    }
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// The name.
    pub name: Safe,
    /// How the name is known: `kubernetes self-review`, `aws caller identity`, `ssh user`,
    /// `login user`, `scenario`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_by: Option<Safe>,
}

impl Actor {
    /// The program itself.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, name: Safe::fixed("warroom"), known_by: None }
    }
}

/// What sort of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person.
    Human,
    /// A controller or pipeline.
    Automation,
    /// This program.
    System,
}

/// Whether the program noticed it or a person said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryOrigin {
    /// Noticed by a detector.
    Auto,
    /// Noticed, and confirmed by a person.
    Confirmed,
    /// Said or done by a person.
    Manual,
}

/// What shows an entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The query, command or link that shows it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Safe>,
    /// An excerpt, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Safe>,
    /// How many lines the query finds: the excerpt and the file hold the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// SHA-256, in hexadecimal, of a file in `evidence/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Safe>,
    /// What that file holds. The journal makes the file and names it; in memory the text goes
    /// with its entry, so that an entry that is carried into another journal takes it along.
    #[serde(skip)]
    pub kept: Option<Safe>,
}

/// By what is written: of a text that is kept, that is its hash.
impl PartialEq for Evidence {
    fn eq(&self, other: &Self) -> bool {
        let Self { query, excerpt, lines, file, kept: _ } = self;
        (query, excerpt, lines, file) == (&other.query, &other.excerpt, &other.lines, &other.file)
    }
}

impl Evidence {
    /// What a query, a command or a link shows.
    pub fn query(query: Safe) -> Self {
        Self { query: Some(query), ..Self::default() }
    }
}

/// What some kinds carry beyond words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Of `started`: what a reader needs to know of the writer.
    Started {
        /// The incident, if there is one.
        incident: Option<IncidentId>,
        /// The program's version.
        version: Safe,
        /// Whether the world is a drill.
        drill: bool,
        /// The file that this one continues: name, length in bytes and last hash.
        predecessor: Option<Predecessor>,
        /// The environment.
        env: Safe,
        /// What users call the services, where the configuration says.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        titles: BTreeMap<ServiceName, Safe>,
    },
    /// Of `opened`.
    Opened {
        /// The incident.
        incident: IncidentId,
        /// Its title, as people put it.
        title: Safe,
    },
    /// Of what is told of an alert: `alert_firing`, `alert_resolved`, `alert_suppressed`, `claimed`.
    Alert {
        /// By what its sources know it. Entries that have one in common are about one alert; two
        /// alerts of one name have none.
        keys: Vec<Safe>,
    },
    /// Of `phase`.
    Phase(Phase),
    /// Of `severity`.
    Severity(Severity),
    /// Of `milestone`.
    Milestone {
        /// Which.
        name: MilestoneName,
        /// When, as confirmed. `None` takes a confirmation back.
        at: Option<World>,
    },
    /// Of `intent`.
    Intent(Box<Plan>),
    /// Of `outcome`.
    Outcome {
        /// The plan.
        plan: PlanId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Of `consent_asked`: what the second person judges.
    ConsentAsked {
        /// The plan, as it was shown when consent was asked for.
        plan: Box<Plan>,
        /// What a consent names.
        hash: Safe,
    },
    /// Of `consented`.
    Consented {
        /// The hash of the plan.
        hash: Safe,
    },
    /// Of `break_glass`.
    BreakGlass {
        /// The plan.
        plan: PlanId,
        /// Its hash.
        hash: Safe,
    },
    /// Of `owned`.
    Owned {
        /// The plan whose change is left over.
        plan: PlanId,
        /// Who sees to it.
        owner: Safe,
    },
    /// Of `undone`.
    Undone {
        /// The plan whose change was left over.
        plan: PlanId,
    },
    /// Of `update`.
    Update {
        /// When the next one is promised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<World>,
    },
    /// Of `correction`.
    Correction {
        /// The entry that is corrected.
        of: EntryId,
        /// The right time.
        occurred_at: World,
    },
    /// Of `gap`.
    Gap {
        /// From when.
        from: World,
        /// Until when.
        to: World,
    },
    /// Of `sealed`: what else belongs to the record of this writer.
    Sealed {
        /// Files that this writer made, by path inside the incident's directory, with their
        /// last hash.
        files: Vec<(Safe, Safe)>,
    },
}

/// The journal file that a writer continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Its name.
    pub file: Safe,
    /// Its length in bytes.
    pub length: u64,
    /// The hash of its last whole line.
    pub head: Safe,
}
