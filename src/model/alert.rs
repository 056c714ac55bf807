//! Alerts, whatever system they come from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::World;
use crate::text::Safe;

/// An alert's identity within its source: a fingerprint or an ARN.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertKey(pub Safe);

/// Who took an alert on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The name.
    pub by: Safe,
    /// When.
    pub at: World,
}

/// One alert as its source tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its identity within the source.
    pub key: AlertKey,
    /// The rule's or alarm's name.
    pub name: Safe,
    /// How bad the source says it is.
    pub severity: AlertSeverity,
    /// Firing or not.
    pub state: AlertState,
    /// Since when it is in this state, by its source.
    pub since: World,
    /// Labels, or dimensions for CloudWatch.
    pub labels: BTreeMap<Safe, Safe>,
    /// One line for people.
    pub summary: Option<Safe>,
    /// Where to read on: the generator's URL, a runbook.
    pub link: Option<Safe>,
}

/// How bad an alert is, by its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Wakes people.
    Critical,
    /// The source does not say, as CloudWatch: it may be grave, and is not hidden behind what is not.
    Unknown,
    /// Wants a look.
    Warning,
    /// For information.
    Info,
}

impl AlertSeverity {
    /// Reads the `severity` label's common spellings.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "critical" | "crit" | "page" | "error" | "high" | "p1" | "sev1" | "sev2" | "p2" => Self::Critical,
            "warning" | "warn" | "medium" | "p3" | "sev3" => Self::Warning,
            "info" | "information" | "low" | "none" | "p4" | "p5" | "sev4" => Self::Info,
            _ => Self::Unknown,
        }
    }

    /// Four letters for a narrow column.
    pub fn short(self) -> &'static str {
        match self {
            Self::Critical => "crit",
            Self::Warning => "warn",
            Self::Info => "info",
            Self::Unknown => "-",
        }
    }
}

/// Whether an alert fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// It fires.
    Firing,
    /// It fires, but is silenced or inhibited.
    Suppressed {
        /// Silence or inhibiting alert.
        by: Safe,
    },
    /// The system lacks the data to tell.
    NoData,
    /// It does not fire any more.
    Resolved,
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Firing => "firing",
            Self::Suppressed { .. } => "suppressed",
            Self::NoData => "no data",
            Self::Resolved => "resolved",
        })
    }
}
