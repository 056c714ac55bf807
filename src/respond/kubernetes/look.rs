//! Looking at the target after a write: by identity, never by "stable".

use http::StatusCode;
use serde::Deserialize as _;
use serde_json::Value;

use crate::model::name::Kind;
use crate::model::plan::{Plan, Request};
use crate::respond::Seen;
use crate::text::Safe;

use super::client::Api;
use super::fields::{self, Held, at, held, same};
use super::objects::{Meta, Pod, Workload};
use super::place::Place;
use super::rolled::rolled;
use super::scale::replicas_of;
use super::{FIELD_MANAGER, argo_rollouts, argocd, httproute, revisions, said, selector, virtualservice};

/// What the target shows of `plan`.
pub(super) async fn look(api: &Api, plan: &Plan) -> Seen {
    let place = match Place::of(&plan.target) {
        Ok(place) => place,
        Err(refusal) => return Seen::Gone { why: refusal.why },
    };
    let place = match api.served(place).await {
        Ok(place) => place,
        Err(error) => return Seen::Unread { why: Safe::from(format!("could not read {}: {error}", plan.target)) },
    };
    let object: Value = match api.get(&place.path()).await {
        Ok(object) => object,
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return Seen::Gone { why: Safe::from(format!("{} was deleted", plan.target)) };
        }
        Err(error) => return Seen::Unread { why: Safe::from(format!("could not read {}: {error}", plan.target)) },
    };
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    if plan.target.uid.as_ref().is_none_or(|ours| Some(ours.as_str()) != uid) {
        return Seen::Gone { why: Safe::from(format!("{} was replaced by another object of its name", plan.target)) };
    }
    match held(&object, plan) {
        Held::After => {}
        Held::Before => return Seen::AsBefore { words: holds(plan, &object) },
        Held::Beside(guard) => return Seen::Other { words: said(&fields::strayed(guard)) },
        Held::Other(..) => return Seen::Other { words: holds(plan, &object) },
    }
    if matches!(plan.target.kind, Kind::HorizontalPodAutoscaler | Kind::ScaledObject) {
        return super::autoscaler::look(api, plan, &place, &object).await;
    }
    match plan.request.origin() {
        Request::RollBack { .. } if place.kind == Kind::Application => argocd::look(plan, &object),
        Request::RollBack { .. } | Request::Abort { .. } | Request::Restart { .. } if place.kind == Kind::Rollout => {
            argo_rollouts::look(api, plan, &place, &object).await
        }
        // What was written is what the Rollout refers to.
        Request::RollBack { target, .. } if target.kind == Kind::Rollout => {
            argo_rollouts::look_at_referenced(api, plan, &object).await
        }
        Request::Scale { .. } => scaled(api, plan, &place, &object).await,
        Request::RollBack { target, .. } | Request::Restart { target } if revisions::has(target.kind) => {
            rolled(api, plan, &place, &object).await
        }
        Request::Divert { .. } if plan.target.kind == Kind::VirtualService => virtualservice::look(plan, &object),
        Request::Divert { .. } => httproute::look(plan, &object),
        Request::Switch { .. } => selector::look(api, plan, &place, &object).await,
        other => {
            Seen::Unread { why: Safe::from(format!("this version cannot tell whether {} is done", other.words())) }
        }
    }
}

/// `replicas is 9, set by kubectl at 03:24`: what the fields hold, and by whom if known.
fn holds(plan: &Plan, object: &Value) -> Safe {
    let meta: Meta = object.get("metadata").and_then(|meta| Meta::deserialize(meta).ok()).unwrap_or_default();
    let words: Vec<_> = plan
        .changes
        .iter()
        .map(|field| {
            let now = at(object, field);
            let what = if field.words.is_some() {
                let as_before = if same(&now, &field.before) { "as before" } else { "another one" };
                format!("{} is {as_before}", field.label)
            } else {
                format!("{} is {now}", field.label)
            };
            match meta.set_by(&field.pointer) {
                Some(by) if by.manager != FIELD_MANAGER => {
                    let at = by.time.as_deref().map_or(String::new(), |time| format!(" at {time}"));
                    format!("{what}, set by {}{at}", by.manager)
                }
                _ => what,
            }
        })
        .collect();
    said(&words.join("; "))
}

/// Whether the replicas that a plan wants are there.
async fn scaled(api: &Api, plan: &Plan, place: &Place, object: &Value) -> Seen {
    let Some((_, after)) = replicas_of(plan) else {
        return Seen::Gone { why: Safe::fixed("the plan names no number of replicas") };
    };
    let object = match Workload::deserialize(object) {
        Ok(object) => object,
        Err(error) => return Seen::Unread { why: said(&format!("{} could not be understood ({error})", plan.target)) },
    };
    let words = counts(&object, plan.target.kind, after);
    if is_live(&object, plan.target.kind, after) {
        return Seen::Live { words: Safe::from(words) };
    }
    let waiting = match object.status.available_replicas < after {
        true => waiting(api, place).await,
        false => String::new(),
    };
    let unseen = object.status.observed_generation < object.metadata.generation && waiting.is_empty();
    let unseen = if unseen { ", its controller has not taken the change up yet" } else { "" };
    Seen::Under { words: said(&format!("{words}{unseen}{waiting}{}", trouble(&object))) }
}

/// The controller has seen this very spec, and all it asks for is there.
///
/// `observedGeneration` may not lag behind `generation`: until then `status` tells of the spec
/// before ours.
pub(super) fn is_live(object: &Workload, kind: Kind, after: u32) -> bool {
    let status = &object.status;
    let fits = after..=after.saturating_add(on_top(object));
    status.observed_generation >= object.metadata.generation
        && fits.contains(&status.replicas)
        && fits.contains(&status.available_replicas)
        && (!rolls_out(object, kind) || status.updated_replicas == after)
}

/// The pods of a new version that a Rollout keeps beside those that were asked for: where traffic
/// does not follow the number of pods.
fn on_top(object: &Workload) -> u32 {
    let strategy = &object.spec.strategy;
    let beside = ["/canary/trafficRouting", "/blueGreen"].iter().any(|part| strategy.pointer(part).is_some());
    let under_way = object.status.current_pod_hash != object.status.stable_rs;
    if beside && under_way { object.status.updated_replicas } else { 0 }
}

/// Whether all replicas have to come to the newest revision. A StatefulSet may hold older ones on
/// purpose (a partition, `OnDelete`), and so does a paused Deployment.
fn rolls_out(object: &Workload, kind: Kind) -> bool {
    kind == Kind::Deployment && !object.spec.paused
}

fn counts(object: &Workload, kind: Kind, after: u32) -> String {
    let status = &object.status;
    let mut words = format!("{} of {after} ready", status.available_replicas);
    if status.replicas > after {
        words.push_str(&format!(", {} still to go", status.replicas - after));
    }
    if status.updated_replicas < status.replicas.min(after) && rolls_out(object, kind) {
        words.push_str(&format!(", {} of the newest revision", status.updated_replicas));
    }
    words
}

/// What a failing condition says: a quota that is used up, a deadline that has passed.
pub(super) fn trouble(object: &Workload) -> String {
    let failing = |kind: &str, status: &str| {
        object.status.conditions.iter().find(|condition| condition.kind == kind && condition.status == status)
    };
    match failing("ReplicaFailure", "True").or_else(|| failing("Progressing", "False")) {
        Some(condition) => format!("; {}: {}", condition.reason, condition.message),
        None => String::new(),
    }
}

/// How many pods wait and why. Best effort: the counts stand without it.
pub(super) async fn waiting(api: &Api, place: &Place) -> String {
    let Ok(scale) = api.scale(place).await else { return String::new() };
    if scale.status.selector.is_empty() {
        return String::new();
    }
    let Ok(pods) = api.pending(&place.namespace, &scale.status.selector).await else { return String::new() };
    if pods.is_empty() {
        return String::new();
    }
    match pods.iter().find_map(unscheduled) {
        Some(why) => format!(", {} pending: {why}", pods.len()),
        None => format!(", {} pending", pods.len()),
    }
}

fn unscheduled(pod: &Pod) -> Option<&str> {
    pod.status
        .conditions
        .iter()
        .find(|condition| condition.kind == "PodScheduled" && condition.status == "False")
        .map(|condition| condition.message.as_str())
}
