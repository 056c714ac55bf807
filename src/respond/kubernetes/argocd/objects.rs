//! The few fields of an Application, and of what makes Applications, that are looked at.

use serde::Deserialize;
use serde_json::Value;

use crate::respond::kubernetes::objects::{Destination, IgnoreDifference, Meta, or_default};

/// `argoproj.io/v1alpha1` Application.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct App {
    pub(super) metadata: Meta,
    pub(super) spec: Spec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: Status,
    /// What Argo CD is to do, or is doing.
    pub(super) operation: Option<Value>,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    #[serde(deserialize_with = "or_default")]
    pub(super) project: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) destination: Destination,
    #[serde(deserialize_with = "or_default")]
    pub(super) sync_policy: SyncPolicy,
    source: Value,
    #[serde(deserialize_with = "or_default")]
    sources: Vec<Value>,
    #[serde(deserialize_with = "or_default")]
    pub(super) ignore_differences: Vec<IgnoreDifference>,
}

/// Its `spec.syncPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SyncPolicy {
    automated: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) sync_options: Vec<String>,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    #[serde(deserialize_with = "or_default")]
    pub(super) sync: Sync,
    #[serde(deserialize_with = "or_default")]
    pub(super) health: Health,
    #[serde(deserialize_with = "or_default")]
    pub(super) history: Vec<Entry>,
    pub(super) operation_state: Option<OperationState>,
    /// When it was last compared with git.
    pub(super) reconciled_at: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) resources: Vec<Resource>,
}

/// Its `status.sync`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Sync {
    pub(super) status: String,
    /// What git says, when it was last looked at.
    pub(super) revision: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) revisions: Vec<String>,
}

/// Its `status.health`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    pub(super) status: String,
}

/// One of its `status.resources`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A version of an Application: a revision of each of its sources, and the sources as they were.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Version {
    pub(super) revision: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) revisions: Vec<String>,
    pub(super) source: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) sources: Vec<Value>,
}

/// One of its `status.history`: a sync that succeeded.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) deployed_at: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) initiated_by: Initiator,
    #[serde(flatten)]
    pub(super) version: Version,
}

/// Who asked for a sync.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Initiator {
    pub(super) username: String,
    pub(super) automated: bool,
}

/// Its `status.operationState`: what Argo CD did last, or is doing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OperationState {
    pub(super) phase: String,
    pub(super) message: String,
    pub(super) started_at: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) finished_at: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) operation: Operation,
    pub(super) sync_result: Option<Version>,
}

/// Its `status.operationState.operation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Operation {
    #[serde(deserialize_with = "or_default")]
    pub(super) initiated_by: Initiator,
    #[serde(deserialize_with = "or_default")]
    pub(super) sync: SyncOperation,
}

/// Its `status.operationState.operation.sync`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SyncOperation {
    #[serde(deserialize_with = "or_default")]
    pub(super) dry_run: bool,
    /// Some of its resources alone; all of them without any.
    #[serde(deserialize_with = "or_default")]
    pub(super) resources: Vec<Value>,
}

impl App {
    pub(super) fn is_automated(&self) -> bool {
        super::is_on(&self.spec.sync_policy.automated)
    }

    /// Whether it is set back as soon as somebody changes what it made.
    pub(super) fn heals(&self) -> bool {
        self.is_automated() && self.spec.sync_policy.automated.get("selfHeal") == Some(&Value::Bool(true))
    }

    /// Where its manifests are, for people.
    pub(super) fn repository(&self) -> String {
        let of = |source: &Value| source.get("repoURL").and_then(Value::as_str).map(str::to_owned);
        self.spec.sources.iter().find_map(of).or_else(|| of(&self.spec.source)).unwrap_or_else(|| "git".to_owned())
    }
}

impl Entry {
    /// `b4f0c1e (entry 3)`.
    pub(super) fn name(&self) -> String {
        format!("{} (entry {})", super::version::short(&self.version.revision, &self.version.revisions), self.id)
    }

    /// `b4f0c1e (entry 3), deployed 2026-11-21T02:10:11Z by ana`.
    pub(super) fn told(&self) -> String {
        let by = match (self.initiated_by.automated, self.initiated_by.username.as_str()) {
            (true, _) => " by auto-sync".to_owned(),
            (false, "") => String::new(),
            (false, name) => format!(" by {name}"),
        };
        format!("{}, deployed {}{by}", self.name(), self.deployed_at)
    }
}

/// `argoproj.io/v1alpha1` ApplicationSet.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ApplicationSet {
    pub(super) spec: ApplicationSetSpec,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ApplicationSetSpec {
    #[serde(deserialize_with = "or_default")]
    pub(super) sync_policy: ApplicationSetSyncPolicy,
    #[serde(deserialize_with = "or_default")]
    pub(super) ignore_application_differences: Vec<IgnoreDifference>,
}

/// Its `spec.syncPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ApplicationSetSyncPolicy {
    pub(super) applications_sync: String,
}
