//! All commands, in the order of help: a line each.

use crate::model::command::{Command, Pane, View};

use super::arguments as args;
use super::{Danger, Declaration, Scope};

macro_rules! view {
    ($id:literal, $view:ident, $scope:expr, $title:literal, $help:literal) => {
        Declaration {
            id: $id,
            title: $title,
            help: $help,
            args: "",
            scope: $scope,
            danger: Danger::None,
            parse: |given| args::none(given).map(|()| Command::View(View::$view)),
        }
    };
}

macro_rules! command {
    ($id:literal, $args:literal, $scope:expr, $danger:ident, $parse:expr, $title:literal, $help:literal) => {
        Declaration {
            id: $id,
            title: $title,
            help: $help,
            args: $args,
            scope: $scope,
            danger: Danger::$danger,
            parse: $parse,
        }
    };
}

use Scope::{Anywhere, Pane as In, Plan as InPlan};

/// All commands, in the order of help.
pub static COMMANDS: &[Declaration] = &[
    // The record.
    command!(
        "claim",
        "ALERT",
        Anywhere,
        Record,
        args::claim,
        "claim an alert",
        "Takes an alert on in your name. The first claim declares an incident. The pager may still escalate: claim there too."
    ),
    command!(
        "take-over",
        "ALERT",
        Anywhere,
        Record,
        args::take_over,
        "take a claimed alert over",
        "Takes an alert on that somebody else has claimed, and puts that on the record. Tell them."
    ),
    command!(
        "open",
        "TITLE",
        Anywhere,
        Record,
        args::open,
        "declare an incident",
        "Declares an incident under this title. What was seen in the hour before is carried into its record."
    ),
    command!(
        "note",
        "TEXT",
        Anywhere,
        Record,
        args::note,
        "write a note",
        "Writes a note to the timeline, in your name."
    ),
    command!(
        "update",
        "TEXT [--next TIME]",
        Anywhere,
        Record,
        args::update,
        "tell the stakeholders",
        "Writes an update that `warroom watch` shows to stakeholders, and when they hear more: 20m, 05:40 or a full RFC 3339 time, UTC."
    ),
    command!(
        "phase",
        "investigating|mitigating|monitoring|resolved",
        Anywhere,
        Record,
        args::phase,
        "set the phase",
        "Says where the response stands."
    ),
    command!(
        "severity",
        "SEV1..SEV5",
        Anywhere,
        Record,
        args::severity,
        "set the severity",
        "Says how bad the incident is; 1 is worst."
    ),
    command!(
        "milestone",
        "NAME [TIME]",
        Anywhere,
        Record,
        args::milestone,
        "confirm a milestone",
        "Confirms a proposed milestone (impact_start, detected, acknowledged, mitigated, resolved), or sets its time: 03:14, 03:14:30 or a full RFC 3339 time, UTC."
    ),
    command!(
        "close",
        "",
        Anywhere,
        Record,
        |given| args::none(given).map(|()| Command::Close),
        "close the incident",
        "Closes the incident and seals its record. What is left over of its changes is gone through first, one by one: undone, or owned by somebody."
    ),
    command!(
        "resume",
        "",
        Anywhere,
        Record,
        |given| args::none(given).map(|()| Command::Resume),
        "resume the incident left open",
        "Takes up the incident that an earlier process left open, and settles what it left in flight by reading the systems."
    ),
    command!(
        "decline-resume",
        "",
        Anywhere,
        None,
        |given| args::none(given).map(|()| Command::DeclineResume),
        "leave it as it is",
        "Leaves the incident of an earlier process as it is."
    ),
    command!(
        "own",
        "WHICH NAME",
        Anywhere,
        Record,
        args::own,
        "say who sees to what is left over",
        "Says who sees to a change that is left over and that nobody undoes now: an incident is closed when each is undone or owned."
    ),
    command!(
        "ask",
        "WHOM",
        Anywhere,
        Record,
        args::ask,
        "ask for help",
        "Notes that you asked somebody, such as the developers, for a fix. In a drill they answer."
    ),
    command!(
        "ran",
        "[TIME] COMMAND",
        Anywhere,
        Record,
        args::ran,
        "note a command run elsewhere",
        "Notes a command that was run outside the program, with its time (03:14, 03:14:30 or a full RFC 3339 time, UTC); COMMAND --at TIME is the same."
    ),
    command!(
        "export",
        "[FILE]",
        Anywhere,
        Record,
        args::export,
        "write the postmortem",
        "Writes the postmortem in Markdown, to FILE or beside the incident's record."
    ),
    // Acting.
    command!(
        "write",
        "ENVIRONMENT REASON",
        Anywhere,
        Act,
        args::write,
        "open the write window",
        "Opens a timed window in which plans can be confirmed. Type the environment's name and why."
    ),
    command!(
        "close-write",
        "",
        Anywhere,
        Record,
        |given| args::none(given).map(|()| Command::CloseWrite),
        "close the write window",
        "Makes the session read-only again."
    ),
    command!(
        "scale",
        "WORKLOAD N|+N|-N",
        Anywhere,
        Act,
        args::scale,
        "plan to scale a workload",
        "Makes a plan to set a workload's replicas. Nothing is changed before you confirm it."
    ),
    command!(
        "bound",
        "WORKLOAD MIN..MAX",
        Anywhere,
        Act,
        args::bound,
        "plan an autoscaler's floor and cap",
        "Makes a plan to keep a workload's replicas between MIN and MAX by its autoscaler; either may be left out. Nobody ends it by itself: undo it when the load allows."
    ),
    command!(
        "silence",
        "ALERT FOR [COMMENT] | {MATCHERS} FOR COMMENT",
        Anywhere,
        Act,
        args::silence,
        "plan to silence alerts",
        "Makes a plan that shows which alerts a silence would hide: of one alert by the labels that identify it, or {alertname=\"NAME\", service=~\"a|b\"}; FOR is 30m or 2h. `--on NAME` in front names the Alertmanager."
    ),
    command!(
        "run-step",
        "N",
        Anywhere,
        Act,
        args::run_step,
        "plan to run a runbook's step",
        "Makes a plan to run one command of the runbook that is open, on this machine. It is run once, after you confirm it."
    ),
    command!(
        "stop-step",
        "[N]",
        Anywhere,
        Record,
        args::stop_step,
        "stop a runbook's step that runs",
        "Ends a runbook's command that runs, with what it started: SIGTERM, and SIGKILL five seconds later. Its outcome says by whom, with the output so far. What it had changed by then stays."
    ),
    command!(
        "rollback",
        "WORKLOAD [REVISION]",
        Anywhere,
        Act,
        args::rollback,
        "plan to roll a workload back",
        "Makes a plan to go back to the version before, or to REVISION, of a workload, of `Rollout NAMESPACE/NAME`, or of Argo CD's `Application NAME`: the plan tells what differs. Nothing is changed before you confirm it."
    ),
    command!(
        "restart",
        "WORKLOAD",
        Anywhere,
        Act,
        args::restart,
        "plan to restart a workload",
        "Makes a plan to replace all pods of a workload, or of `Rollout NAMESPACE/NAME`, as its strategy has it. Nothing is changed before you confirm it, and there is no undo."
    ),
    command!(
        "abort",
        "ROLLOUT",
        Anywhere,
        Act,
        args::abort,
        "plan to abort a rollout",
        "Makes a plan to end the rollout of an Argo Rollout that is under way: its stable version takes over again. Nothing is changed before you confirm it."
    ),
    command!(
        "divert",
        "SERVICE TO=PERCENT",
        Anywhere,
        Act,
        args::divert,
        "plan to divert traffic",
        "Makes a plan to divide a service's traffic in other shares, in per cent; what is not named keeps its proportion. Without shares it tells those there are."
    ),
    command!(
        "switch",
        "SERVICE KEY=VALUE",
        Anywhere,
        Act,
        args::switch,
        "plan to switch blue and green",
        "Makes a plan to send a service's traffic to other pods, by one key of its selector."
    ),
    command!(
        "evacuate",
        "SERVICE|LOADBALANCER ZONE FOR",
        Anywhere,
        Act,
        args::evacuate,
        "plan to leave a zone",
        "Makes a plan to move a load balancer's traffic away from a zone (ARC zonal shift) for a time such as 45m or 2h; it ends by itself. Scale up in the other zones first."
    ),
    command!(
        "undo",
        "[WHICH]",
        Anywhere,
        Act,
        args::undo,
        "plan to undo an action",
        "Makes a plan that takes the last applied action back, or what is left over from before, if nobody else has changed it since."
    ),
    command!(
        "confirm",
        "[NAME]",
        InPlan,
        Act,
        args::confirm,
        "confirm the plan",
        "Applies the plan that is shown. Plans that lower capacity want the target's name."
    ),
    command!(
        "break-glass",
        "REASON",
        InPlan,
        Act,
        args::break_glass,
        "go ahead without a second person",
        "Lets a plan that takes a second person be confirmed without one: after ten seconds in which it can be put away, and with a loud entry."
    ),
    command!(
        "refresh-plan",
        "",
        InPlan,
        Act,
        |given| args::none(given).map(|()| Command::RefreshPlan),
        "read again",
        "Reads the system again and renews the plan that is shown."
    ),
    command!(
        "plan-instead",
        "",
        InPlan,
        Act,
        |given| args::none(given).map(|()| Command::PlanInstead),
        "plan that instead",
        "Makes the plan that the one that is shown names instead of itself: of the controller that would undo it."
    ),
    command!(
        "discard-plan",
        "",
        InPlan,
        None,
        |given| args::none(given).map(|()| Command::DiscardPlan),
        "put the plan away",
        "Puts the plan away. Nothing was changed."
    ),
    // Seeing.
    command!(
        "runbook",
        "[SERVICE]",
        Anywhere,
        None,
        args::runbook,
        "open the runbook",
        "Opens the runbook of a service, or of the selected row's: a file beside the incident, a page as its address."
    ),
    command!(
        "follow-logs",
        "[SERVICE]",
        Anywhere,
        None,
        args::follow_logs,
        "follow a service's logs",
        "Follows the logs of one service closely; without a name those of all services."
    ),
    command!(
        "pane",
        "1..6",
        Anywhere,
        None,
        args::pane,
        "go to a pane",
        "Goes to a pane: 1 alerts, 2 services, 3 logs, 4 workloads, 5 changes, 6 timeline."
    ),
    view!(
        "situation",
        Situation,
        Anywhere,
        "evidence",
        "Goes to the situation line; again: to its next clause. `detail` there opens what backs the clause."
    ),
    view!(
        "sources",
        Sources,
        Anywhere,
        "sources",
        "Shows each source: how it is and since when, how old what it told is, what it could not read and why, and when it is tried again."
    ),
    view!("next-pane", NextPane, Anywhere, "next pane", "Goes to the next pane."),
    view!("previous-pane", PreviousPane, Anywhere, "previous pane", "Goes to the previous pane."),
    view!("zoom", Zoom, Anywhere, "zoom", "Gives the focused pane the whole screen, or takes it back."),
    view!("up", Up, Anywhere, "up", "Moves the selection up."),
    view!("down", Down, Anywhere, "down", "Moves the selection down."),
    view!("page-up", PageUp, Anywhere, "page up", "Moves a page up."),
    view!("page-down", PageDown, Anywhere, "page down", "Moves a page down."),
    view!("half-page-up", HalfPageUp, Anywhere, "half a page up", "Moves half a page up."),
    view!("half-page-down", HalfPageDown, Anywhere, "half a page down", "Moves half a page down."),
    view!("top", Top, Anywhere, "top", "Goes to the first row."),
    view!("bottom", Bottom, Anywhere, "bottom", "Goes to the last row; in the logs, follows again."),
    view!("left", Left, Anywhere, "left", "Scrolls long lines to the left."),
    view!("right", Right, Anywhere, "right", "Scrolls long lines to the right."),
    view!("detail", Detail, Anywhere, "detail", "Shows everything that is known of the selected row."),
    view!("back", Back, Anywhere, "back", "Leaves what is on top: a dialog, a detail, a zoom, a selection."),
    view!(
        "filter",
        Filter,
        Anywhere,
        "filter",
        "Shows only rows that match; `!` in front inverts. In the logs a regular expression."
    ),
    view!(
        "clear-filter",
        ClearFilter,
        Anywhere,
        "clear filters",
        "Clears the filter, the search and the selected service."
    ),
    view!("search", Search, Anywhere, "search", "Highlights matches without hiding the rest."),
    view!("next-match", NextMatch, Anywhere, "next match", "Goes to the next match of the search."),
    view!("previous-match", PreviousMatch, Anywhere, "previous match", "Goes to the previous match of the search."),
    view!("next-error", NextError, In(Pane::Logs), "next error", "Goes to the next line of level ERROR or worse."),
    view!(
        "previous-error",
        PreviousError,
        In(Pane::Logs),
        "previous error",
        "Goes to the previous line of level ERROR or worse."
    ),
    view!("pause-logs", PauseLogs, In(Pane::Logs), "pause", "Pauses the log; new lines are counted. Again: follows."),
    view!("wrap-logs", WrapLogs, In(Pane::Logs), "wrap", "Wraps long lines, or cuts them."),
    view!("log-times", LogTimes, In(Pane::Logs), "times", "Shows or hides the times of lines."),
    view!(
        "select-service",
        SelectService,
        Anywhere,
        "select the service",
        "Shows only what belongs to the service of the selected row, in all panes."
    ),
    view!("claim-selection", ClaimSelection, In(Pane::Alerts), "claim", "Claims the selected alert."),
    view!("write-note", WriteNote, Anywhere, "note", "Opens a line to write a note."),
    view!(
        "edit-note",
        EditNote,
        Anywhere,
        "write a note in your editor",
        "Opens $VISUAL, else $EDITOR, for a note; reading and recording go on meanwhile. An empty text is no note."
    ),
    view!("accept", Accept, Anywhere, "take", "In a dialog: takes what is chosen, or goes on to the next field."),
    view!(
        "complete",
        Complete,
        Anywhere,
        "complete",
        "Completes what is typed; in a question, goes to the other field."
    ),
    view!("actions", Actions, Anywhere, "actions", "Lists what can be done about the selected row."),
    view!("confirm-dialog", ConfirmDialog, InPlan, "confirm", "Confirms the dialog that is shown."),
    view!(
        "other-revision",
        OtherRevision,
        InPlan,
        "another revision",
        "Opens the command line below a plan to roll back, for the number of another of the revisions that it lists."
    ),
    view!(
        "copy-selection",
        CopySelection,
        Anywhere,
        "copy",
        "Copies the selected row, or the plan's command, to the terminal's clipboard."
    ),
    view!("save-view", SaveView, Anywhere, "save", "Writes what the focused pane shows to a file."),
    view!("help", Help, Anywhere, "help", "Shows keys and commands."),
    view!("palette", Palette, Anywhere, "command", "Opens the command line."),
    view!("cycle-zone", CycleZone, Anywhere, "time zone", "Shows times in UTC, in your zone, or relative to now."),
    view!("cycle-theme", CycleTheme, Anywhere, "theme", "Takes the next theme."),
    view!("toggle-mouse", ToggleMouse, Anywhere, "mouse", "Takes the mouse, or leaves it to the terminal."),
    view!(
        "suspend",
        Suspend,
        Anywhere,
        "suspend",
        "Hands the terminal back to the shell; `fg` returns. Recording goes on only while the program runs."
    ),
    view!("redraw", Redraw, Anywhere, "redraw", "Draws the whole screen again."),
    command!("copy", "TEXT", Anywhere, None, args::copy, "copy text", "Hands the text to the terminal's clipboard."),
    command!(
        "quit",
        "",
        Anywhere,
        None,
        |given| args::none(given).map(|()| Command::Quit),
        "leave",
        "Makes the record durable and leaves. An open incident can be resumed."
    ),
];
