//! What a Rollout says of itself: its counts, its conditions, its phase.
//!
//! Owns: `status`, by the rules of `rollout/sync.go` and `utils/rollout/rolloututil.go`. Must not:
//! decide what is done.

use serde_json::{Value, json};

use super::super::deployments::condition;
use super::super::kinds::Kind;
use super::super::state::State;
use super::super::value::{at, cut, int, list, moment, put, seconds, stamp, text};
use super::{REVISION, Set, bounds, is_aborted, restart};

const ABORTED: &str = "RolloutAborted";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "RolloutPaused";
const DONE: &str = "NewReplicaSetAvailable";

impl State {
    /// Publishes what became of a Rollout in this second.
    pub(super) fn report_rollout(&mut self, mut next: Value, hash: &str, sets: &[Set]) {
        let updated = sets.iter().find(|set| set.hash == hash).map_or(0, |set| set.total);
        let total: i64 = sets.iter().map(|set| set.total).sum();
        let ready: i64 = sets.iter().map(|set| set.ready).sum();
        let before = ["replicas", "updatedReplicas", "readyReplicas"].map(|name| int(&next, &["status", name]));
        for (name, number) in [
            ("replicas", total),
            ("HPAReplicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
        ] {
            put(&mut next, &["status", name], json!(number));
        }
        let labels = at(&next, &["spec", "selector", "matchLabels"]).as_object().into_iter().flatten();
        let selector: Vec<String> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        put(&mut next, &["status", "selector"], json!(selector.join(",")));
        let generation = int(&next, &["metadata", "generation"]);
        put(&mut next, &["status", "observedGeneration"], json!(generation.to_string()));
        for strategy in ["blueGreen", "canary"] {
            put(&mut next, &["status", strategy], json!({}));
        }
        self.judge(&mut next, hash, before != [total, updated, ready]);
        let (phase, message) = phase(&next);
        put(&mut next, &["status", "phase"], json!(phase));
        match message.as_str() {
            "" => cut(&mut next, &["status", "message"]),
            message => put(&mut next, &["status", "message"], json!(message)),
        }
        self.store.put(Kind::Rollout, next);
    }

    /// The conditions: whether it goes on, is paused, was aborted or is done.
    fn judge(&mut self, rollout: &mut Value, hash: &str, moved: bool) {
        let now = stamp(self.now);
        let bounds = bounds(rollout);
        let counts = ["updatedReplicas", "replicas", "availableReplicas"].map(|name| int(rollout, &["status", name]));
        let is_done = counts == [bounds.replicas; 3] && text(rollout, &["status", "stableRS"]) == hash;
        let is_paused = !list(rollout, &["status", "pauseConditions"]).is_empty();
        let progress = list(rollout, &["status", "conditions"]).iter().find(|it| text(it, &["type"]) == "Progressing");
        let reason = progress.map_or("", |it| text(it, &["reason"])).to_owned();
        let since = progress.and_then(|it| moment(text(it, &["lastUpdateTime"])));
        let deadline = at(rollout, &["spec", "progressDeadlineSeconds"]).as_u64().unwrap_or(600);
        let name = text(rollout, &["metadata", "name"]);
        let set = format!("ReplicaSet \"{name}-{hash}\"");
        let told: Option<(&str, &str, String)> = if is_aborted(rollout) {
            let revision = text(rollout, &["metadata", "annotations", REVISION]);
            (reason != ABORTED).then(|| ("False", ABORTED, format!("Rollout aborted update to revision {revision}")))
        } else if reason == ABORTED && !is_done {
            Some(("Unknown", "RolloutRetry", "Retrying Rollout after abort".to_owned()))
        } else if is_paused {
            (reason != PAUSED).then(|| ("Unknown", PAUSED, "Rollout is paused".to_owned()))
        } else if is_done {
            (reason != DONE).then(|| ("True", DONE, format!("{set} has successfully progressed.")))
        } else if reason == PAUSED {
            Some(("Unknown", "RolloutResumed", "Rollout is resumed".to_owned()))
        } else if reason == DONE && text(rollout, &["status", "stableRS"]) == hash {
            // A finished rollout that lost pods or is being scaled stays finished.
            None
        } else if moved || reason.is_empty() || reason == DONE {
            Some(("True", "ReplicaSetUpdated", format!("{set} is progressing.")))
        } else {
            let late = since.is_some_and(|when| self.now - when > seconds(deadline));
            (late && reason != TIMED_OUT).then(|| ("False", TIMED_OUT, format!("{set} has timed out progressing.")))
        };
        let aborts = told.as_ref().is_some_and(|(_, reason, _)| *reason == ABORTED);
        let message = told.as_ref().map(|(.., message)| message.clone()).unwrap_or_default();
        let mut tell = |kind: &str, is: bool, reason: &str, message: &str| {
            condition(rollout, kind, if is { "True" } else { "False" }, reason, message, &now);
        };
        if counts[2] >= bounds.replicas - bounds.unavailable {
            tell("Available", true, "AvailableReason", "Rollout has minimum availability");
        } else {
            tell("Available", false, "AvailableReason", "Rollout does not have minimum availability");
        }
        tell("Paused", is_paused, PAUSED, if is_paused { "Rollout is paused" } else { "Rollout is not paused" });
        tell(
            "Healthy",
            is_done,
            "RolloutHealthy",
            if is_done { "Rollout is healthy" } else { "Rollout is not healthy" },
        );
        if let Some((is, reason, message)) = told {
            condition(rollout, "Progressing", is, reason, &message, &now);
        }
        if aborts {
            let key = super::Key::of(rollout);
            self.note_rollout(&key, true, ABORTED, &message);
        }
    }
}

/// `CalculateRolloutPhase`, with why.
fn phase(rollout: &Value) -> (&'static str, String) {
    let bad = list(rollout, &["status", "conditions"])
        .iter()
        .find(|it| [ABORTED, TIMED_OUT].contains(&text(it, &["reason"])));
    let count = |name: &str| int(rollout, &["status", name]);
    let waits = |message: &str| ("Progressing", message.to_owned());
    if let Some(bad) = bad {
        ("Degraded", format!("{}: {}", text(bad, &["reason"]), text(bad, &["message"])))
    } else if at(rollout, &["spec", "paused"]).as_bool() == Some(true) {
        ("Paused", "manually paused".to_owned())
    } else if let Some(pause) = list(rollout, &["status", "pauseConditions"]).first() {
        ("Paused", text(pause, &["reason"]).to_owned())
    } else if restart::is_wanted(rollout) {
        waits("rollout is restarting")
    } else if count("updatedReplicas") < bounds(rollout).replicas {
        waits("more replicas need to be updated")
    } else if count("availableReplicas") < count("updatedReplicas") {
        waits("updated replicas are still becoming available")
    } else if count("replicas") > count("updatedReplicas") {
        waits("old replicas are pending termination")
    } else if text(rollout, &["status", "stableRS"]) != text(rollout, &["status", "currentPodHash"]) {
        waits("waiting for all steps to complete")
    } else {
        ("Healthy", String::new())
    }
}
