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
    let pods = match Pods::read(api, place, object).await {
        Ok(pods) => pods,
        Err(why) => return Seen::Unread { why: said(&format!("{}: {why}", plan.target)) },
    };
    let words = pods.words(after);
    if pods.are(after) {
        return Seen::Live { words: Safe::from(words) };
    }
    let waiting = match pods.available < after {
        true => waiting(api, place).await,
        false => String::new(),
    };
    let unseen = !pods.observed() && waiting.is_empty();
    let unseen = if unseen { ", its controller has not taken the change up yet" } else { "" };
    Seen::Under { words: said(&format!("{words}{unseen}{waiting}{}", trouble(&pods.workload))) }
}

/// The pods of a workload, as far as they count for its number of replicas.
pub(super) struct Pods {
    pub(super) workload: Workload,
    kind: Kind,
    total: u32,
    pub(super) available: u32,
    /// How many more than were asked for may be there for good.
    beside: u32,
}

impl Pods {
    /// Those of `object`. The error says what could not be read.
    pub(super) async fn read(api: &Api, place: &Place, object: &Value) -> Result<Self, String> {
        let workload =
            Workload::deserialize(object).map_err(|error| format!("it could not be understood ({error})"))?;
        let (mut total, mut available, mut beside) = (workload.status.replicas, workload.status.available_replicas, 0);
        if place.kind == Kind::Rollout {
            let counted = argo_rollouts::counted(api, &place.namespace, object).await;
            let counted = counted.map_err(|error| format!("its ReplicaSets could not be read ({error})"))?;
            (total, available, beside) = (counted.total, counted.available, counted.beside);
        }
        Ok(Self { workload, kind: place.kind, total, available, beside })
    }

    /// Whether the status tells of this very specification: if not, it tells of one before ours.
    fn observed(&self) -> bool {
        self.workload.status.observed_generation >= self.workload.metadata.generation
    }

    /// Whether the controller has seen this very specification, and all it asks for is there.
    pub(super) fn are(&self, wanted: u32) -> bool {
        let fits = wanted..=wanted.saturating_add(self.beside);
        self.observed()
            && fits.contains(&self.total)
            && fits.contains(&self.available)
            && (!self.roll_out() || self.workload.status.updated_replicas == wanted)
    }

    /// Whether the controller has seen a number within these bounds, and so are the pods: at least
    /// the floor is available, and no more than the cap is left.
    pub(super) fn are_within(&self, floor: u32, cap: u32) -> bool {
        self.observed()
            && (floor..=cap).contains(&self.workload.spec.replicas.unwrap_or(1))
            && self.available >= floor
            && self.total <= cap.saturating_add(self.beside)
    }

    /// Whether all of them have to come to the newest revision. A StatefulSet may hold older ones on
    /// purpose (a partition, `OnDelete`), and so does a paused Deployment.
    fn roll_out(&self) -> bool {
        self.kind == Kind::Deployment && !self.workload.spec.paused
    }

    /// `9 of 12 ready, 3 of the newest revision`.
    fn words(&self, wanted: u32) -> String {
        let mut words = format!("{} of {wanted} ready", self.available);
        let most = wanted.saturating_add(self.beside);
        if self.total > most {
            words.push_str(&format!(", {} still to go", self.total - most));
        }
        let updated = self.workload.status.updated_replicas;
        if updated < self.total.min(wanted) && self.roll_out() {
            words.push_str(&format!(", {updated} of the newest revision"));
        }
        words
    }
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
