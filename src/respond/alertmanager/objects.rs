//! `gettableAlert` and `gettableSilence` of the API's specification, the fields that are used.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;

use crate::clock::World;
use crate::model::plan::Matcher;
use crate::text::{Safe, redact};

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Alert {
    #[serde(default)]
    pub(super) fingerprint: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) status: AlertStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertStatus {
    #[serde(default)]
    pub(super) silenced_by: Vec<String>,
}

impl Alert {
    pub(super) fn name(&self) -> Safe {
        self.labels
            .get("alertname")
            .filter(|name| !name.is_empty())
            .map_or_else(|| Safe::fixed("an alert without a name"), |name| Safe::from(name.as_str()))
    }

    pub(super) fn is_held_by(&self, id: &str) -> bool {
        self.status.silenced_by.iter().any(|by| by == id)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Silence {
    pub(super) id: String,
    #[serde(default)]
    pub(super) status: SilenceStatus,
    #[serde(default)]
    pub(super) matchers: Vec<RawMatcher>,
    #[serde(default)]
    ends_at: String,
    #[serde(default)]
    pub(super) created_by: String,
    #[serde(default)]
    pub(super) comment: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct SilenceStatus {
    #[serde(default)]
    pub(super) state: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    /// Missing in versions before 0.22, which knew no other.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

/// What the server answers to a new silence.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    #[serde(rename = "silenceID")]
    pub(super) id: String,
}

impl Silence {
    pub(super) fn ends(&self) -> Option<World> {
        DateTime::parse_from_rfc3339(&self.ends_at).ok().map(|at| at.to_utc())
    }

    /// Whether it is in force, or going to be.
    pub(super) fn stands(&self) -> bool {
        matches!(self.status.state.as_str(), "active" | "pending")
    }

    pub(super) fn bears(&self, mark: &str) -> bool {
        self.comment.contains(mark)
    }

    /// Whether it has exactly these matchers, in whatever order. Of a plan that was read from the
    /// record secrets were taken out: there they are taken out here, too.
    pub(super) fn has(&self, wanted: &[Matcher]) -> bool {
        let sorted = |mut all: Vec<RawMatcher>| {
            all.sort();
            all.dedup();
            all
        };
        let raw = |matcher: &Matcher| RawMatcher {
            name: matcher.name.to_string(),
            value: redact(&matcher.value).into_owned(),
            is_regex: matcher.is_regex,
            is_equal: matcher.is_equal,
        };
        let mine =
            self.matchers.iter().cloned().map(|one| RawMatcher { value: redact(&one.value).into_owned(), ..one });
        sorted(mine.collect()) == sorted(wanted.iter().map(raw).collect())
    }
}
