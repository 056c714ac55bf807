//! What came of a plan: how it ended, how far it is, or why there is none.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::Safe;

/// How an applied plan ended, or where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Outcome {
    /// The target identity is live.
    Verified {
        /// Seconds from write to verification; `None` where a later process found it live, and how
        /// long it took is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_seconds: Option<u32>,
        /// What is live now: `12 of 12 ready`.
        words: Safe,
    },
    /// Written and taken, and nothing follows from it by itself: no pod runs it yet.
    Written {
        /// What has to happen still.
        words: Safe,
    },
    /// Somebody or something set the field to another value.
    Overridden {
        /// What it is now, and by whom if known.
        words: Safe,
    },
    /// The system refused the write: nothing was changed.
    Refused {
        /// Why.
        why: Safe,
    },
    /// The change failed after it was accepted.
    Failed {
        /// Why.
        why: Safe,
    },
    /// Written, but the target identity was not seen in time.
    TimedOut {
        /// What was seen last.
        words: Safe,
    },
    /// Whether it was written is not known.
    Unknown {
        /// What is known.
        why: Safe,
    },
}

impl Outcome {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Verified { .. } => "verified",
            Self::Written { .. } => "written",
            Self::Overridden { .. } => "overridden",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::TimedOut { .. } => "timed out",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether what was planned is what its system holds.
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Verified { .. } | Self::Written { .. })
    }

    /// Whether it may be there: what was not seen in time may be, all the same; what somebody else
    /// set is theirs.
    pub fn may_be_on(&self) -> bool {
        match self {
            Self::Verified { .. }
            | Self::Written { .. }
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::Unknown { .. } => true,
            Self::Overridden { .. } | Self::Refused { .. } => false,
        }
    }

    /// The explanation, for people.
    pub fn words(&self) -> &Safe {
        match self {
            Self::Verified { words, .. }
            | Self::Written { words }
            | Self::Overridden { words }
            | Self::TimedOut { words } => words,
            Self::Refused { why } | Self::Failed { why } | Self::Unknown { why } => why,
        }
    }
}

/// How far an applied plan has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Under way.
    Under {
        /// Such as `9 of 12 ready`.
        words: Safe,
    },
    /// It ended.
    Ended(Outcome),
}

/// Why no plan is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was attempted, on what, why not, and what to do instead.
    pub why: Safe,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}
