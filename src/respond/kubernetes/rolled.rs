//! Whether a template that was written is what all pods run: by the controller's own counts, and
//! only when it has seen this very spec.

use chrono::TimeDelta;
use serde_json::Value;

use crate::model::name::Kind;
use crate::model::plan::Plan;
use crate::respond::Seen;
use crate::text::Safe;

use super::client::Api;
use super::objects::{List, Pod};
use super::pace::{Pace, Way};
use super::place::Place;
use super::revisions::selector;
use super::{LONGEST, PATIENCE, look, said};

/// How far the pods of `plan`'s target are.
pub(super) async fn rolled(api: &Api, plan: &Plan, place: &Place, object: &Value) -> Seen {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    // Until then `status` tells of the spec before ours.
    if count("/status/observedGeneration") < count("/metadata/generation") {
        return Seen::Under { words: Safe::fixed("written; its controller has not seen it yet") };
    }
    let pace = Pace::of(place.kind, object);
    let wanted = i64::from(pace.replicas);
    let (updated, available, total) = match place.kind {
        Kind::DaemonSet => (
            count("/status/updatedNumberScheduled"),
            count("/status/numberAvailable"),
            count("/status/desiredNumberScheduled"),
        ),
        _ => (count("/status/updatedReplicas"), count("/status/availableReplicas"), count("/status/replicas")),
    };
    let words =
        format!("{} of {wanted} replaced, {} of {wanted} available", updated.min(wanted), available.min(wanted));
    if wanted == 0 {
        return Seen::Written { words: Safe::fixed("it has no pods: the next ones run it") };
    }
    match (place.kind, pace.way) {
        (_, Way::OnDelete) if updated >= wanted && available >= wanted => Seen::Live { words: Safe::from(words) },
        (_, Way::OnDelete) => Seen::Written {
            words: Safe::from(format!(
                "{updated} of {wanted} pods run it, the others when somebody deletes them (OnDelete)"
            )),
        },
        (_, Way::From(keeps)) if i64::from(keeps) >= wanted => {
            let ordinal = pace.below(keeps);
            Seen::Written { words: Safe::from(format!("no pod runs it: all are below ordinal {ordinal} (partition)")) }
        }
        (_, Way::From(keeps)) => {
            let (above, ordinal) = ((wanted - i64::from(keeps)).max(0), pace.below(keeps));
            if updated >= above && available >= wanted {
                return Seen::Live {
                    words: Safe::from(format!(
                        "{above} of {wanted} run it; those below ordinal {ordinal} stay (partition)"
                    )),
                };
            }
            Seen::Under { words: said(&format!("{words}{}", broken(api, place, object).await)) }
        }
        (Kind::StatefulSet, _) => {
            let revision = |which: &str| object.pointer(&format!("/status/{which}")).and_then(Value::as_str);
            let settled = revision("currentRevision") == revision("updateRevision");
            if settled && updated >= wanted && available >= wanted && total == wanted {
                return Seen::Live { words: Safe::from(words) };
            }
            Seen::Under { words: said(&format!("{words}{}", broken(api, place, object).await)) }
        }
        (Kind::DaemonSet, _) if updated >= wanted && available >= wanted => Seen::Live { words: Safe::from(words) },
        (Kind::DaemonSet, _) => Seen::Under { words: Safe::from(words) },
        _ => {
            if let Some(why) = given_up(plan, object) {
                return Seen::Failed { why: said(&format!("{words}; {why}")) };
            }
            if updated >= wanted && total == wanted && available >= wanted {
                return Seen::Live { words: Safe::from(words) };
            }
            let old = total - updated;
            let old = if old > 0 { format!(", {old} old still there") } else { String::new() };
            Seen::Under { words: said(&format!("{words}{old}{}", look::waiting(api, place).await)) }
        }
    }
}

/// What a Deployment says that made no progress within its deadline.
///
/// The rollout before ours may have ended so, and that stays written until the controller sees
/// progress: what was written no later than half a deadline after the plan is not about ours.
fn given_up(plan: &Plan, object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found =
        conditions.iter().find(|one| one["type"] == "Progressing" && one["reason"] == "ProgressDeadlineExceeded")?;
    let deadline = object.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64);
    let half = TimeDelta::seconds(deadline.unwrap_or(PATIENCE.num_seconds()).clamp(0, i64::from(LONGEST)) / 2);
    let at: Option<crate::clock::World> = found["lastUpdateTime"].as_str().and_then(|at| at.parse().ok());
    if at.is_some_and(|at| at < plan.read_at + half) {
        return None;
    }
    Some(format!("ProgressDeadlineExceeded: {}", found["message"].as_str().unwrap_or_default()))
}

/// The pod that a StatefulSet waits for: it replaces none until all before are ready, also one
/// that never will be (kubernetes#67250). Best effort: the counts stand without it.
async fn broken(api: &Api, place: &Place, object: &Value) -> String {
    let selector = super::client::encoded(&selector(object));
    let path = format!("/api/v1/namespaces/{}/pods?labelSelector={selector}&limit=500", place.namespace);
    let Ok(pods) = api.get::<List<Pod>>(&path).await else { return String::new() };
    let newest = object.pointer("/status/updateRevision").and_then(Value::as_str).unwrap_or_default();
    let stuck = pods.items.iter().find(|pod| {
        let ready = pod.status.conditions.iter().any(|one| one.kind == "Ready" && one.status == "True");
        let hash = pod.metadata.labels.get("controller-revision-hash");
        !ready && pod.metadata.deletion_timestamp.is_none() && hash.is_some_and(|hash| hash != newest)
    });
    stuck.map_or(String::new(), |pod| {
        format!(
            "; {} is not ready and runs another version: a StatefulSet may wait for it for ever (kubernetes#67250), \
             delete it then",
            pod.metadata.name
        )
    })
}
