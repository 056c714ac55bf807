//! What a Rollout shows of an abort, a retry, an earlier version or a restart.

use serde::Deserialize as _;
use serde_json::Value;

use crate::model::plan::Plan;
use crate::respond::Seen;
use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::objects::Object;
use crate::respond::kubernetes::place::Place;
use crate::respond::kubernetes::said;

use super::TEMPLATE;
use super::abort::ABORT;
use super::objects::{self, ReplicaSet, Rollout};
use super::referenced::{self, Stray};
use super::restart::RESTART_AT;

/// How Argo Rollouts begins to say that it has taken an abort up.
const ABORTED: &str = "RolloutAborted";

/// The status tells of the specification before ours.
const UNSEEN: &str = "its controller has not taken the change up yet";

/// What the Rollout shows of `plan`, whose fields it holds.
pub(in crate::respond::kubernetes) async fn look(api: &Api, plan: &Plan, place: &Place, object: &Value) -> Seen {
    let rollout = match Rollout::deserialize(object) {
        Ok(rollout) => rollout,
        Err(error) => return Seen::Unread { why: said(&format!("{} could not be understood ({error})", plan.target)) },
    };
    let writes = |pointer: &str| plan.changes.iter().find(|change| change.pointer == pointer);
    match writes(ABORT) {
        Some(change) if *change.after == *"true" => {
            let sets = match objects::replica_sets(api, &place.namespace, &rollout).await {
                Ok(sets) => sets,
                Err(error) => {
                    return Seen::Unread { why: said(&format!("its ReplicaSets could not be read: {error}")) };
                }
            };
            aborted(&rollout, &sets)
        }
        Some(_) => retried(&rollout),
        None if writes(TEMPLATE).is_some() => rolled_out(&rollout),
        None if writes(RESTART_AT).is_some() => restarted(api, place, &rollout, object).await,
        None => Seen::Unread { why: said("this version cannot tell whether that is done") },
    }
}

/// What a Rollout shows of `plan`, which wrote the template of what it refers to: `object`.
pub(in crate::respond::kubernetes) async fn look_at_referenced(api: &Api, plan: &Plan, object: &Value) -> Seen {
    let rollout = match referenced::holder(api, plan).await {
        Ok(rollout) => rollout,
        Err(Stray::Unread(why)) => return Seen::Unread { why },
        Err(Stray::Gone(why)) => return Seen::Gone { why },
    };
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(i64::MAX);
    if !rollout.observed_referenced(generation) {
        let of = plan.request.origin().target();
        return Seen::Under { words: said(&format!("the controller of {of} has not taken the change up yet")) };
    }
    rolled_out(&rollout)
}

/// A restart is done when no pod is older than it, and all are ready.
async fn restarted(api: &Api, place: &Place, rollout: &Rollout, object: &Value) -> Seen {
    let unread = |error: ApiError| Seen::Unread { why: said(&format!("its pods could not be read: {error}")) };
    let sets = match objects::replica_sets(api, &place.namespace, rollout).await {
        Ok(sets) => sets,
        Err(error) => return unread(error),
    };
    let pods = match objects::pods(api, &place.namespace, rollout, &sets).await {
        Ok(pods) => pods,
        Err(error) => return unread(error),
    };
    let time = |text: Option<&str>| chrono::DateTime::parse_from_rfc3339(text?).ok();
    let Some(at) = time(object.pointer(RESTART_AT).and_then(Value::as_str)) else {
        return Seen::Unread { why: said("the time of the restart could not be understood") };
    };
    // One of the same second counts as newer, for Argo Rollouts as well.
    let newer = |pod: &&Object| time(pod.metadata.creation_timestamp.as_deref()).is_some_and(|made| made >= at);
    let (new, all, wanted) = (pods.iter().filter(newer).count(), pods.len(), rollout.wanted());
    let available = rollout.status.available_replicas;
    let mut words = format!("{new} of {all} pods are new, {available} of {wanted} ready");
    if new == all && rollout.observed() && available >= wanted && u32::try_from(all).is_ok_and(|all| all >= wanted) {
        return Seen::Live { words: said(&words) };
    }
    // It was read before the pods: what it calls done then is done. A new template ends a restart.
    if new < all && time(Some(&rollout.status.restarted_at)).is_some_and(|until| until == at) {
        return Seen::Failed { why: said(&format!("{words}; Argo Rollouts ended the restart before the others were")) };
    }
    if !rollout.observed() {
        words = format!("{words}; {UNSEEN}");
    }
    Seen::Under { words: said(&words) }
}

/// An abort is done when the stable version alone serves, with all its pods. That the Rollout is
/// called Degraded then is what an abort means.
fn aborted(rollout: &Rollout, sets: &[ReplicaSet]) -> Seen {
    let (status, wanted) = (&rollout.status, rollout.wanted());
    let full = sets
        .iter()
        .find(|set| set.hash() == status.stable_rs)
        .is_some_and(|set| set.status.available_replicas >= wanted && set.status.replicas >= wanted);
    let new: u32 = sets.iter().filter(|set| set.hash() == status.current_pod_hash).map(|set| set.status.replicas).sum();
    // Where traffic does not follow the pods, those of the new version go later, or stay.
    let served = if rollout.is_blue_green() {
        status.blue_green.active_selector == status.stable_rs
    } else if rollout.is_routed() {
        rollout.canary_weight().unwrap_or(0) == 0
    } else {
        new == 0
    };
    let ready = sets.iter().find(|set| set.hash() == status.stable_rs).map_or(0, |set| set.status.available_replicas);
    let words = format!("the stable version has {ready} of {wanted} ready, the new one {new}");
    // It may have been Degraded before, by a deadline that passed.
    let told = status.phase == "Degraded" && status.message.starts_with(ABORTED);
    if told && full && served {
        return Seen::Live { words: said(&format!("{words}; {}", status.message)) };
    }
    let weight = rollout.canary_weight().filter(|weight| *weight > 0);
    let traffic = weight.map_or(String::new(), |weight| format!(" with {weight} % of the traffic"));
    Seen::Under { words: said(&format!("{words}{traffic}")) }
}

/// A retry is done when the controller goes on.
fn retried(rollout: &Rollout) -> Seen {
    let status = &rollout.status;
    let words = said(&format!("{}: {}{}", status.phase, status.message, step(rollout)));
    match status.phase.as_str() {
        "Progressing" | "Paused" | "Healthy" => Seen::Live { words },
        _ => Seen::Under { words },
    }
}

/// An earlier version is live when the controller has seen this very template and calls it stable.
fn rolled_out(rollout: &Rollout) -> Seen {
    let (status, wanted) = (&rollout.status, rollout.wanted());
    if !rollout.observed() {
        return Seen::Under { words: said(UNSEEN) };
    }
    let counts = format!("{} of {wanted} ready", status.available_replicas);
    let stable = !status.stable_rs.is_empty() && status.stable_rs == status.current_pod_hash;
    match status.phase.as_str() {
        "Healthy" if stable && !status.abort && status.updated_replicas >= wanted => {
            Seen::Live { words: said(&counts) }
        }
        "Degraded" => Seen::Failed { why: said(&format!("{counts}; {}", status.message)) },
        phase => {
            let message = if status.message.is_empty() { String::new() } else { format!(": {}", status.message) };
            Seen::Under { words: said(&format!("{counts}, {phase}{message}{}", step(rollout))) }
        }
    }
}

fn step(rollout: &Rollout) -> String {
    match (rollout.status.current_step_index, rollout.steps()) {
        (Some(at), steps) if steps > 0 => format!(", step {at} of {steps}"),
        _ => String::new(),
    }
}
