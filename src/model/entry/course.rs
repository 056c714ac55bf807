//! The words for an incident's course: how bad, where the response stands, what was reached when.

use serde::{Deserialize, Serialize};

/// Where the response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Finding out.
    Investigating,
    /// Easing the pain.
    Mitigating,
    /// Watching that it stays well.
    Monitoring,
    /// Over.
    Resolved,
}

impl Phase {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Mitigating => "mitigating",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Investigating, Self::Mitigating, Self::Monitoring, Self::Resolved]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }
}

/// How bad an incident is: 1 is worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Severity(u8);

impl Severity {
    /// Reads `SEV2`, `sev2` or `2`; 1 to 5.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().to_ascii_lowercase();
        let level = digits.strip_prefix("sev").unwrap_or(&digits).parse().ok()?;
        (1..=5).contains(&level).then_some(Self(level))
    }

    /// The number, 1 to 5.
    pub fn level(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SEV{}", self.0)
    }
}

/// The milestones of an incident, in their usual order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneName {
    /// Users first felt it.
    ImpactStart,
    /// The first alert.
    Detected,
    /// The first responder took it on.
    Acknowledged,
    /// Users stopped feeling it.
    Mitigated,
    /// Alerts are clear, and a person says so.
    Resolved,
}

impl MilestoneName {
    /// All, in their usual order.
    pub const ALL: [Self; 5] = [Self::ImpactStart, Self::Detected, Self::Acknowledged, Self::Mitigated, Self::Resolved];

    /// The word of the format, such as `impact_start`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImpactStart => "impact_start",
            Self::Detected => "detected",
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}
