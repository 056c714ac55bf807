//! The few fields of a Rollout and of its ReplicaSets that are looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::respond::kubernetes::client::{Api, ApiError, encoded};
use crate::respond::kubernetes::objects::{List, Meta, Object, TargetRef, or_default};
use crate::respond::kubernetes::{difference, duration};
use crate::text::Safe;

/// The number of a ReplicaSet's revision.
const REVISION: &str = "rollout.argoproj.io/revision";
/// What ties a pod, and the ReplicaSet that made it, to one template.
pub(super) const HASH: &str = "rollouts-pod-template-hash";
/// Pages of a list that are read: 500 each.
const PAGES: usize = 20;

/// `argoproj.io/v1alpha1` Rollout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rollout {
    pub(super) metadata: Meta,
    pub(super) spec: Spec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: Status,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    /// Not set means 1.
    pub(super) replicas: Option<u32>,
    pub(super) paused: bool,
    pub(super) progress_deadline_seconds: Option<u32>,
    pub(super) template: Option<Value>,
    pub(super) workload_ref: Option<TargetRef>,
    #[serde(deserialize_with = "or_default")]
    rollback_window: Value,
    pub(super) strategy: Value,
    #[serde(deserialize_with = "or_default")]
    selector: Selector,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    #[serde(deserialize_with = "or_default")]
    match_labels: BTreeMap<String, String>,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    #[serde(deserialize_with = "or_default")]
    pub(super) abort: bool,
    pub(super) phase: String,
    pub(super) message: String,
    pub(super) current_pod_hash: String,
    /// The hash of the version that was rolled out last.
    #[serde(rename = "stableRS")]
    pub(super) stable_rs: String,
    pub(super) current_step_index: Option<u32>,
    /// A number, as text.
    observed_generation: String,
    /// That of what the Rollout refers to.
    #[serde(deserialize_with = "or_default")]
    workload_observed_generation: String,
    pub(super) replicas: u32,
    pub(super) updated_replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) available_replicas: u32,
    #[serde(deserialize_with = "or_default")]
    canary: Value,
    #[serde(deserialize_with = "or_default")]
    pub(super) blue_green: BlueGreen,
    /// Up to which `spec.restartAt` its pods are new, or it was given up.
    #[serde(deserialize_with = "or_default")]
    pub(super) restarted_at: String,
}

/// Its `status.blueGreen`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BlueGreen {
    pub(super) active_selector: String,
}

impl Rollout {
    /// Whether the status tells of this very specification.
    pub(super) fn observed(&self) -> bool {
        self.status.observed_generation.parse().is_ok_and(|seen: i64| seen >= self.metadata.generation)
    }

    /// Whether the status tells of what the Rollout refers to in this very generation.
    pub(super) fn observed_referenced(&self, generation: i64) -> bool {
        self.status.workload_observed_generation.parse().is_ok_and(|seen: i64| seen >= generation)
    }

    pub(super) fn wanted(&self) -> u32 {
        self.spec.replicas.unwrap_or(1)
    }

    pub(super) fn is_blue_green(&self) -> bool {
        self.spec.strategy.get("blueGreen").is_some_and(Value::is_object)
    }

    /// Whether something else than the number of pods divides the traffic.
    pub(super) fn is_routed(&self) -> bool {
        self.spec.strategy.pointer("/canary/trafficRouting").is_some_and(Value::is_object)
    }

    /// How many versions back it goes without its steps (`spec.rollbackWindow.revisions`).
    pub(super) fn window(&self) -> u64 {
        self.spec.rollback_window.get("revisions").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Whether the stable version of a routed canary has fewer pods as the new one has more.
    pub(super) fn scales_stable(&self) -> bool {
        self.spec.strategy.pointer("/canary/dynamicStableScale") == Some(&Value::Bool(true))
    }

    /// The new version's share of the traffic in percent, if it is routed.
    pub(super) fn canary_weight(&self) -> Option<u64> {
        self.status.canary.pointer("/weights/canary/weight").and_then(Value::as_u64).filter(|_| self.is_routed())
    }

    /// How many steps its strategy has.
    pub(super) fn steps(&self) -> usize {
        self.step_list().len()
    }

    fn step_list(&self) -> &[Value] {
        self.spec.strategy.pointer("/canary/steps").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What it waits for on the way through all of its steps.
    pub(super) fn pauses(&self) -> Pauses {
        let mut pauses = Pauses::default();
        for pause in self.step_list().iter().filter_map(|step| step.get("pause")) {
            match pause.get("duration").filter(|long| !long.is_null()).map(pause_seconds) {
                None => pauses.endless += 1,
                Some(Some(long)) => pauses.seconds = pauses.seconds.saturating_add(long),
                Some(None) => pauses.strange += 1,
            }
        }
        pauses
    }
}

/// The pauses of a canary's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pauses {
    /// How long those take in all that end by themselves.
    pub(super) seconds: u32,
    /// Those that somebody has to end.
    pub(super) endless: u32,
    /// Those whose length is not understood.
    pub(super) strange: u32,
}

impl Pauses {
    /// What a person has to know of them, if there are any.
    pub(super) fn words(&self) -> Option<String> {
        let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let mut words = Vec::new();
        if self.seconds > 0 {
            words.push(format!("it waits {} s by itself", self.seconds));
        }
        if self.endless > 0 {
            words.push(format!("{} until somebody promotes it", times(self.endless)));
        }
        if self.strange > 0 {
            words.push(format!("{} for a time that is not understood", times(self.strange)));
        }
        (!words.is_empty()).then(|| words.join(", "))
    }
}

/// How long a pause is: a number of seconds, also as text, or a duration as Go writes it.
fn pause_seconds(duration: &Value) -> Option<u32> {
    let text = match duration {
        Value::Number(number) => return u32::try_from(number.as_u64()?).ok(),
        text => text.as_str()?,
    };
    text.parse().ok().or_else(|| u32::try_from(duration::parse(text).ok()?.num_seconds()).ok())
}

/// One of its ReplicaSets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReplicaSet {
    pub(super) metadata: Meta,
    pub(super) spec: ReplicaSetSpec,
    #[serde(deserialize_with = "or_default")]
    pub(super) status: ReplicaSetStatus,
}

/// Its `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReplicaSetSpec {
    pub(super) template: Value,
}

/// Its `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ReplicaSetStatus {
    pub(super) replicas: u32,
    pub(super) ready_replicas: u32,
    pub(super) available_replicas: u32,
}

impl ReplicaSet {
    pub(super) fn hash(&self) -> &str {
        self.metadata.labels.get(HASH).map(String::as_str).unwrap_or_default()
    }

    /// The number of its revision, as Argo Rollouts counts them.
    pub(super) fn revision(&self) -> Option<u64> {
        self.metadata.annotations.get(REVISION)?.parse().ok()
    }

    /// `revision 4 (checkout:2.8.0)`.
    pub(super) fn name(&self) -> String {
        let images = difference::runs(&self.spec.template);
        match self.revision() {
            Some(number) => format!("revision {number} ({images})"),
            None => format!("{} ({images})", self.metadata.name),
        }
    }
}

/// The ReplicaSets that `rollout` owns.
pub(super) async fn replica_sets(api: &Api, namespace: &str, rollout: &Rollout) -> Result<Vec<ReplicaSet>, ApiError> {
    let all: Vec<ReplicaSet> =
        selected(api, &format!("/apis/apps/v1/namespaces/{namespace}/replicasets"), rollout).await?;
    Ok(all.into_iter().filter(|set| is_owned(&set.metadata, &rollout.metadata.uid)).collect())
}

/// The pods of its ReplicaSets that are not on their way out.
pub(super) async fn pods(
    api: &Api,
    namespace: &str,
    rollout: &Rollout,
    sets: &[ReplicaSet],
) -> Result<Vec<Object>, ApiError> {
    let all: Vec<Object> = selected(api, &format!("/api/v1/namespaces/{namespace}/pods"), rollout).await?;
    let ours = |pod: &Object| sets.iter().any(|set| is_owned(&pod.metadata, &set.metadata.uid));
    Ok(all.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && ours(pod)).collect())
}

fn is_owned(meta: &Meta, by: &str) -> bool {
    meta.owner_references.iter().any(|owner| owner.controller == Some(true) && !by.is_empty() && owner.uid == by)
}

/// What the selector of a Rollout finds, page by page. Its expressions narrow it further; what is
/// owned is told by the owner alone.
async fn selected<T: DeserializeOwned>(api: &Api, path: &str, rollout: &Rollout) -> Result<Vec<T>, ApiError> {
    let labels: Vec<_> =
        rollout.spec.selector.match_labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let path = format!("{path}?labelSelector={}&limit=500", encoded(&labels.join(",")));
    let mut all = Vec::new();
    let mut next = String::new();
    for _ in 0..PAGES {
        let page: List<T> = api.get(&format!("{path}{next}")).await?;
        all.extend(page.items);
        match page.metadata.next {
            Some(token) if !token.is_empty() => next = format!("&continue={}", encoded(&token)),
            _ => return Ok(all),
        }
    }
    Err(ApiError::Strange(Safe::fixed("the list does not end")))
}
