//! Commands: what keys, the palette, a scenario's responder and tests ask of a session.
//!
//! Their names, help and dangers stand in the command table of `session`.

use std::path::PathBuf;

use crate::clock::World;
use crate::text::Safe;

use super::alert::{AlertKey, Claim};
use super::entry::{MilestoneName, Phase, Severity};
use super::name::{Origin, ServiceName, SourceId, WorkloadKey};
use super::plan::{Matcher, PlanId, Replicas, Revision, Share};

/// One request of a front to its session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A change of what the front shows; the core does not see it.
    View(View),
    /// Take an alert on that nobody has.
    Claim(AlertChoice),
    /// Take an alert on that somebody else has.
    TakeOver {
        /// Which.
        alert: AlertChoice,
        /// Whose it was when that was decided: from nobody else it is taken. `None`: from whoever has it.
        from: Option<Claim>,
    },
    /// Declare an incident.
    Open {
        /// Its title.
        title: Safe,
    },
    /// Write a note to the record.
    Note {
        /// The note. Its first line is its title in the timeline.
        text: Safe,
    },
    /// Say where the response stands.
    Phase(Phase),
    /// Say how bad it is.
    Severity(Severity),
    /// Tell stakeholders where things stand.
    Update {
        /// What they read.
        text: Safe,
        /// When the next update is promised.
        next: Option<Due>,
    },
    /// Confirm a proposed milestone, or set its time.
    Milestone {
        /// Which.
        name: MilestoneName,
        /// When; the proposed time if not given.
        at: Option<MilestoneTime>,
    },
    /// Close the incident.
    Close,
    /// Take up an incident that an earlier process left open.
    Resume,
    /// Leave such an incident as it is.
    DeclineResume,
    /// Open the write window.
    OpenWrite {
        /// The environment's name, as typed.
        env: Safe,
        /// Why.
        reason: Safe,
    },
    /// Close the write window.
    CloseWrite,
    /// Make a plan to scale a workload.
    Scale {
        /// The workload.
        workload: WorkloadChoice,
        /// How many.
        to: Replicas,
    },
    /// Make a plan to silence alerts.
    Silence {
        /// Which.
        what: SilenceChoice,
        /// For how long.
        minutes: u32,
        /// Why.
        comment: Option<Safe>,
    },
    /// Open the runbook of a service.
    Runbook {
        /// Of which; of the selected row's if not given.
        service: Option<ServiceName>,
    },
    /// Make a plan to run a command of the runbook that is open.
    RunStep {
        /// Which, from 1 on.
        step: u32,
    },
    /// End a command of a runbook that runs.
    StopStep {
        /// Which, from 1 on; the only one that runs if not given.
        step: Option<u32>,
    },
    /// Note a command that was run outside the program.
    Ran {
        /// When; now if not given.
        at: Option<MilestoneTime>,
        /// The command.
        command: Safe,
    },
    /// Make a plan to undo a change that is left over.
    UndoLeftover {
        /// Which: by its handle, or the target's name.
        which: Safe,
    },
    /// Say who sees to a change that is left over.
    Own {
        /// Which: by its handle, or the target's name.
        which: Safe,
        /// Who.
        owner: Safe,
    },
    /// Let the plan that is shown be confirmed without a second person, after a countdown.
    BreakGlass {
        /// Why.
        reason: Safe,
    },
    /// Make a plan of other bounds for a workload's autoscaler.
    Bound {
        /// The workload.
        workload: WorkloadChoice,
        /// The fewest replicas; as they are, if not given.
        floor: Option<u32>,
        /// The most.
        cap: Option<u32>,
    },
    /// Make a plan to take a workload back to an earlier version.
    RollBack {
        /// The workload.
        workload: WorkloadChoice,
        /// Which version.
        to: Revision,
    },
    /// Make a plan to end a rollout that is under way.
    Abort {
        /// The workload.
        workload: WorkloadChoice,
    },
    /// Make the plan that the one that is shown names instead of itself.
    PlanInstead,
    /// Make a plan to start all pods of a workload anew.
    Restart {
        /// The workload.
        workload: WorkloadChoice,
    },
    /// Make a plan to divide traffic in other shares.
    Divert {
        /// A service, or what divides its traffic.
        of: Safe,
        /// The share of each destination that is named, in percent. Without any, what there is now
        /// is told.
        shares: Vec<Share>,
    },
    /// Make a plan to send traffic to other pods: blue or green.
    Switch {
        /// A service, or the selector that it has.
        of: Safe,
        /// The key of the selector.
        key: Safe,
        /// Its value.
        to: Safe,
    },
    /// Make a plan to move a load balancer's traffic away from a zone.
    Evacuate {
        /// The service, or the load balancer by name or ARN.
        of: Safe,
        /// The zone, by name or id.
        zone: Safe,
        /// For how long.
        minutes: u32,
    },
    /// Confirm a plan.
    Confirm {
        /// The plan that whoever confirms has seen: a front fills it in, and another one that is
        /// shown by then is refused.
        plan: Option<PlanId>,
        /// The target's name as typed, for the tiers that want it.
        typed: Option<Safe>,
    },
    /// Read the system again and renew the plan that is shown.
    RefreshPlan,
    /// Put the plan that is shown away.
    DiscardPlan,
    /// Make a plan that takes the last applied action back.
    Undo,
    /// Ask somebody for something that is outside the program.
    Ask {
        /// Whom, such as `developers`.
        whom: Safe,
    },
    /// Follow the logs of a service; `None` follows all.
    FollowLogs {
        /// The service.
        service: Option<ServiceName>,
    },
    /// Write the postmortem.
    Export {
        /// Where; beside the incident if not given.
        path: Option<PathBuf>,
    },
    /// Hand text to the terminal's clipboard.
    Copy {
        /// The text.
        text: Safe,
    },
    /// Leave. The journal is made durable first.
    Quit,
}

/// A time as a person gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilestoneTime {
    /// A point in time.
    At(World),
    /// A time of day, UTC: the latest such time that is not in the future.
    OfDay(chrono::NaiveTime),
}

impl MilestoneTime {
    /// The point in time that it means `now`.
    pub fn before(self, now: World) -> World {
        match self {
            Self::At(at) => at,
            Self::OfDay(time) => {
                let today = now.date_naive().and_time(time).and_utc();
                if today > now { today - chrono::TimeDelta::days(1) } else { today }
            }
        }
    }
}

/// A time to come, as a person gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A point in time.
    At(World),
    /// A time of day, UTC: the next such time.
    OfDay(chrono::NaiveTime),
    /// So long from now.
    In(chrono::TimeDelta),
}

impl Due {
    /// The point in time that it means `now`; `None` if that is in the past or beyond reason.
    pub fn from(self, now: World) -> Option<World> {
        let at = match self {
            Self::At(at) => at,
            Self::OfDay(time) => {
                let today = now.date_naive().and_time(time).and_utc();
                if today > now { today } else { today.checked_add_days(chrono::Days::new(1))? }
            }
            Self::In(length) => now.checked_add_signed(length)?,
        };
        (at > now).then_some(at)
    }
}

/// Which alert.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertChoice {
    /// By its place in the alert book.
    Exactly {
        /// Where it comes from.
        origin: Origin,
        /// Which it is there.
        key: AlertKey,
    },
    /// By name; the worst firing one of that name.
    Named(Safe),
}

/// Which alerts to silence.
#[derive(Clone, Debug, PartialEq)]
pub enum SilenceChoice {
    /// One, by the labels that identify it.
    Alert(AlertChoice),
    /// All that matchers hold of.
    Matching {
        /// The matchers.
        matchers: Vec<Matcher>,
        /// In which Alertmanager; the only one if not given.
        on: Option<SourceId>,
    },
}

/// Which workload.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadChoice {
    /// By kind and place.
    Exactly(WorkloadKey),
    /// By name, with or without `namespace/`, and before that a kind or not; refused if there are
    /// several.
    Named(Safe),
}

/// Changes of what a front shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the command table says what each does")]
pub enum View {
    FocusPane(Pane),
    Situation,
    NextPane,
    PreviousPane,
    Zoom,
    Up,
    Down,
    PageUp,
    PageDown,
    HalfPageUp,
    HalfPageDown,
    Top,
    Bottom,
    Left,
    Right,
    Detail,
    Back,
    Filter,
    ClearFilter,
    Search,
    NextMatch,
    PreviousMatch,
    NextError,
    PreviousError,
    PauseLogs,
    WrapLogs,
    LogTimes,
    SelectService,
    Sources,
    Help,
    Palette,
    Actions,
    ConfirmDialog,
    OtherRevision,
    CycleZone,
    CycleTheme,
    ToggleMouse,
    Suspend,
    Redraw,
    SaveView,
    CopySelection,
    ClaimSelection,
    WriteNote,
    EditNote,
    Accept,
    Complete,
}

/// The panes of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Pane {
    Alerts,
    Services,
    Logs,
    Workloads,
    Changes,
    Timeline,
}

impl Pane {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Alerts, Self::Services, Self::Logs, Self::Workloads, Self::Changes, Self::Timeline];

    /// Its number on the keyboard, 1 to 6.
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|pane| *pane == self).map_or(0, |at| at + 1)
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Alerts => "Alerts",
            Self::Services => "Services",
            Self::Logs => "Logs",
            Self::Workloads => "Workloads",
            Self::Changes => "Changes",
            Self::Timeline => "Timeline",
        }
    }
}
