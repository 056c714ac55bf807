//! The arguments, declared once for parsing, help, completions and the manual page.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

/// The terminal that an on-call engineer opens when the pager goes off.
///
/// Shows what burns, acts on it safely, and writes the incident's record by itself.
#[derive(Debug, Parser)]
#[command(name = "warroom", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) session: SessionArguments,
    #[command(subcommand)]
    pub(super) command: Option<Subcommand>,
}

/// How a session is opened and shown.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct SessionArguments {
    /// The environment of the configuration to face
    #[arg(global = true, long, value_name = "NAME")]
    pub(super) env: Option<String>,
    /// Offer no actions at all, whatever the configuration says
    #[arg(global = true, long, alias = "readonly", conflicts_with = "write")]
    pub(super) read_only: bool,
    /// Offer actions where the configuration says `write = "ask"`; an error where it does not
    #[arg(global = true, long)]
    pub(super) write: bool,
    /// Take up this open incident
    #[arg(global = true, long, value_name = "ID")]
    pub(super) incident: Option<String>,
    /// How far back to read what happened before, such as 1h or 90m; 30 days at most
    #[arg(global = true, long, value_name = "DURATION", default_value = "1h", value_parser = at_most(30))]
    pub(super) since: Option<Duration>,
    /// Show times in this zone, such as Europe/Berlin; UTC if not given
    #[arg(global = true, long, value_name = "ZONE")]
    pub(super) tz: Option<String>,
    /// The theme: default, dark, light, mono, or a file's name in the themes folder
    #[arg(global = true, long, value_name = "NAME")]
    pub(super) theme: Option<String>,
    /// The keymap: default, or a file's name in the keymaps folder
    #[arg(global = true, long, value_name = "NAME")]
    pub(super) keymap: Option<String>,
    /// Draw with ASCII alone
    #[arg(global = true, long)]
    pub(super) ascii: bool,
    /// Use no colours
    #[arg(global = true, long)]
    pub(super) no_color: bool,
    /// Take the mouse
    #[arg(global = true, long)]
    pub(super) mouse: bool,
    /// Print a linear stream and read commands a line each, instead of a screen
    #[arg(global = true, long)]
    pub(super) plain: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Subcommand {
    /// Rehearse an incident in a simulated world: no account, cluster or configuration needed
    #[cfg(feature = "operator")]
    Drill(DrillArguments),
    /// Print one frame of the screen as text or as a picture; needs no terminal
    #[cfg(feature = "operator")]
    Snapshot(SnapshotArguments),
    /// What stakeholders see of an incident: plain sentences from its record alone, and no way to
    /// change anything
    Watch {
        /// An incident's id or the path of its directory; the open one that was declared last if
        /// not given
        incident: Option<String>,
    },
    /// Incidents of the archive
    #[command(subcommand)]
    Incident(IncidentArguments),
    /// Write an incident's postmortem in Markdown
    Export(ExportArguments),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigArguments),
    /// Completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The manual page
    Man,
}

#[cfg(feature = "operator")]
#[derive(Debug, Args)]
pub(super) struct SnapshotArguments {
    /// Columns and rows
    #[arg(long, value_name = "CxR", default_value = "120x40", value_parser = super::snapshot::size)]
    pub(super) size: (u16, u16),
    /// One pane on the whole screen: alerts, services, logs, workloads, changes or timeline
    #[arg(long, value_name = "NAME", value_parser = super::snapshot::view)]
    pub(super) view: Option<crate::model::command::Pane>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = PictureFormat::Text)]
    pub(super) format: PictureFormat,
    /// Picture a drill that its own responder plays, instead of what the configuration names
    #[arg(long, value_name = "SCENARIO")]
    pub(super) drill: Option<String>,
    /// The drill's moment: this long after its opening
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = at_most(7))]
    pub(super) after: Duration,
    /// Run the drill's time this many times as fast as the wall's, at most
    #[arg(long, value_name = "N", default_value_t = 60.0, value_parser = speed)]
    pub(super) speed: f64,
    /// The same seed tells the same story
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
}

#[cfg(feature = "operator")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PictureFormat {
    /// Plain text
    Text,
    /// Text with colours, for a terminal
    Ansi,
    /// A picture for documents
    Svg,
}

#[cfg(feature = "operator")]
#[derive(Debug, Default, Args)]
pub(super) struct DrillArguments {
    /// A scenario's name or a scenario file; without one, the scenarios are listed
    pub(super) scenario: Option<String>,
    /// Play the responder that the scenario describes, print progress, and end
    #[arg(long, conflicts_with = "serve")]
    pub(super) autopilot: bool,
    /// Run world time this many times as fast as the wall's, at most
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub(super) speed: f64,
    /// The same seed tells the same story
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Put the incident's directory and postmortem.md into this folder
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Run the world's servers alone, and print a kubeconfig and the endpoints
    #[arg(long)]
    pub(super) serve: bool,
    /// Open the session this long after the scenario's own opening
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = at_most(7))]
    pub(super) join_after: Duration,
}

/// A length of time of so many days at most.
fn at_most(days: u64) -> impl Fn(&str) -> Result<Duration, String> + Clone {
    move |text| match humantime::parse_duration(text) {
        Ok(length) if length <= Duration::from_secs(days * 24 * 60 * 60) => Ok(length),
        Ok(_) => Err(format!("{days} days at most")),
        Err(error) => Err(format!("{error}; one reads like 1h or 90m")),
    }
}

#[cfg(feature = "operator")]
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.1..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.1 to 1000".into()),
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum IncidentArguments {
    /// List the incidents of the archive
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print an incident's entries
    Show {
        /// An incident's id or the path of its directory
        id: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Declare an incident
    Open {
        /// Its title
        title: String,
    },
    /// Write a note to an incident
    Note {
        /// An incident's id or the path of its directory
        id: String,
        /// The note
        text: String,
    },
    /// Consent, as a second person, to a plan that waits for one: shows it first
    Consent {
        /// An incident's id or the path of its directory
        id: String,
        /// The plan's hash, or its first eight digits or more
        hash: String,
        /// Without being asked
        #[arg(long)]
        yes: bool,
    },
    /// Say who sees to a change that is left over
    Own {
        /// An incident's id or the path of its directory
        id: String,
        /// Which change: its handle, as `incident close` names it
        which: String,
        /// Who
        name: String,
    },
    /// Close an incident
    Close {
        /// An incident's id or the path of its directory
        id: String,
    },
    /// Check that an incident's record is whole: exit code 3 if it is not
    Verify {
        /// An incident's id or the path of its directory
        id: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// An incident's id or the path of its directory
    pub(super) id: String,
    /// The file to write; standard output if not given. What people wrote in one of the flavor
    /// github stays; one of another flavor is not written over
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// What the document is pasted into
    #[arg(long, value_enum, default_value_t = Flavor::Github)]
    pub(super) flavor: Flavor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Flavor {
    Github,
    Confluence,
    Plain,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigArguments {
    /// Write a commented example to the place where the configuration is looked for
    Init,
    /// Check the configuration: exit code 3 if there is a problem
    Check,
    /// Show the configuration in force, without secrets
    Show,
}
