//! Whether the bounds that a plan wrote are in force, and the workload has come within them.

use http::StatusCode;
use serde_json::Value;

use crate::model::name::Kind;
use crate::model::plan::Plan;
use crate::respond::Seen;
use crate::respond::kubernetes::client::Api;
use crate::respond::kubernetes::look::{Pods, trouble, waiting};
use crate::respond::kubernetes::objects::Autoscaler;
use crate::respond::kubernetes::place::Place;
use crate::respond::kubernetes::said;
use crate::text::Safe;

use super::bounds::Bounds;
use super::keda::ScaledObject;
use super::{HPA, Holder, workload_of};

/// What the autoscaler at `place` and its workload show of `plan`, whose fields it holds.
pub(in crate::respond::kubernetes) async fn look(api: &Api, plan: &Plan, place: &Place, object: &Value) -> Seen {
    let scaled = plan.target.kind == Kind::ScaledObject;
    let read = if scaled { Holder::of_scaled_object(object.clone()) } else { Holder::of_autoscaler(object.clone()) };
    let Some(holder) = read else {
        return Seen::Unread { why: Safe::from(format!("{} could not be understood", plan.target)) };
    };
    if scaled
        && holder.pinned.is_none()
        && let Some(seen) = made(api, place, &holder).await
    {
        return seen;
    }
    let workload = match workload_of(&plan.target, &holder) {
        Ok(workload) => workload,
        Err(refusal) => return Seen::Unread { why: refusal.why },
    };
    let at = match Place::of(&workload) {
        Ok(at) => at,
        Err(refusal) => return Seen::Unread { why: refusal.why },
    };
    let read: Value = match api.get(&at.path()).await {
        Ok(read) => read,
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return Seen::Gone { why: Safe::from(format!("{workload} was deleted, which {} scales", holder.name())) };
        }
        Err(error) => return Seen::Unread { why: Safe::from(format!("could not read {workload}: {error}")) },
    };
    let pods = match Pods::read(api, &at, &read).await {
        Ok(pods) => pods,
        Err(why) => return Seen::Unread { why: said(&format!("{workload}: {why}")) },
    };
    let wanted = pods.workload.spec.replicas.unwrap_or(1);
    let words = format!("{} of {wanted} ready under {}", pods.available, holder.shown());
    if let Some(count) = holder.pinned {
        return match pods.are(count) {
            true => Seen::Live { words: said(&words) },
            false => Seen::Under { words: said(&format!("{words}{}", trouble(&pods.workload))) },
        };
    }
    let bounds = holder.bounds();
    if wanted == 0 && holder.dialect.kind == HPA.kind {
        let words = format!("{}; it is off while {workload} has no replica", holder.shown());
        return match plan.blast.wanted_after {
            0 => Seen::Live { words: said(&words) },
            _ => Seen::Under { words: said(&words) },
        };
    }
    if pods.are_within(bounds.floor, bounds.cap) {
        return Seen::Live { words: said(&words) };
    }
    let waits = match pods.available < bounds.floor {
        true => waiting(api, &at).await,
        false => String::new(),
    };
    let why = holder.trouble.as_ref().map_or(String::new(), |why| format!("; {why}"));
    Seen::Under { words: said(&format!("{words}{waits}{}{why}", trouble(&pods.workload))) }
}

/// What KEDA made of its object, if that is not what it asks for yet.
async fn made(api: &Api, place: &Place, holder: &Holder) -> Option<Seen> {
    use serde::Deserialize as _;
    let name = ScaledObject::deserialize(&holder.object).ok()?.autoscaler();
    let path = format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/{name}", place.namespace);
    if !super::is_name(&name) {
        return Some(Seen::Unread { why: Safe::fixed("KEDA names an autoscaler that cannot be one") });
    }
    match api.get::<Autoscaler>(&path).await {
        Ok(hpa) => {
            let Bounds { floor, cap } = holder.bounds();
            let is = (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas);
            let words = format!("KEDA's HPA {name} still keeps {}–{}", is.0, is.1);
            (is != (floor.max(1), cap)).then(|| Seen::Under { words: said(&words) })
        }
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            Some(Seen::Under { words: said(&format!("KEDA has not made its HPA {name} yet")) })
        }
        Err(error) => Some(Seen::Unread { why: Safe::from(format!("could not read KEDA's HPA: {error}")) }),
    }
}
