//! The questions before the write, and the write: one JSON Patch that tests what was shown.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::model::plan::{Permission, Plan, Preview};
use crate::respond::{Ack, WriteError};
use crate::text::Safe;

use super::client::{Api, ApiError, parsed};
use super::fields::{self, Held, held};
use super::objects::{AccessReview, Object};
use super::place::{Place, subresource};
use super::{FIELD_MANAGER, argo_rollouts, said};

const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";

/// Asks the cluster, as the one who would write: verb `patch`, the subresource if there is one, by
/// name.
pub(super) async fn permitted(api: &Api, plan: &Plan) -> Permission {
    // The version has no part in rights.
    let place = match Place::of(&plan.target) {
        Ok(place) => place,
        Err(refusal) => return Permission::Denied { why: refusal.why },
    };
    let (resource, subresource) = (place.resource, subresource(plan));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "group": resource.group, "version": resource.version, "resource": resource.plural,
            "subresource": subresource.unwrap_or_default(),
            "verb": "patch", "namespace": place.namespace, "name": place.name,
        }},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = api.send(Method::POST, path, Some((JSON, review.to_string().into_bytes()))).await;
    match answer.and_then(|body| parsed::<AccessReview>(&body)) {
        Ok(review) if review.status.allowed => Permission::Allowed,
        Ok(review) if !review.status.evaluation_error.is_empty() => {
            Permission::Unknown { why: said(&format!("the access review failed: {}", review.status.evaluation_error)) }
        }
        Ok(review) => {
            let reason =
                if review.status.reason.is_empty() { String::new() } else { format!(" ({})", review.status.reason) };
            Permission::Denied {
                why: said(&format!(
                    "not allowed to patch {}{} of {} in {}{reason}: ask for a Role with that verb",
                    resource.plural,
                    subresource.map_or(String::new(), |part| format!("/{part}")),
                    place.name,
                    place.namespace
                )),
            }
        }
        Err(error) => Permission::Unknown { why: Safe::from(format!("the access review could not be asked: {error}")) },
    }
}

/// Sends the very patch with `dryRun=All`: it passes admission and changes nothing.
pub(super) async fn preview(api: &Api, plan: &Plan) -> Preview {
    let (place, patch) = match guarded(api, plan).await {
        Ok(both) => both,
        Err(why) => return Preview::Unavailable { why },
    };
    let path = format!("{}?dryRun=All&fieldManager={FIELD_MANAGER}", place.path_of(subresource(plan)));
    match api.send(Method::PATCH, &path, Some((JSON_PATCH, patch.to_string().into_bytes()))).await {
        Ok(_) => Preview::Accepted,
        Err(ApiError::Status { status: StatusCode::FORBIDDEN, .. }) => Preview::Unavailable {
            why: Safe::fixed("a dry run takes the same right as the change, and the cluster does not give it"),
        },
        // A webhook that does not declare `sideEffects` makes the server refuse the dry run,
        // not the change.
        Err(ApiError::Status { status: StatusCode::BAD_REQUEST, said }) if said.contains("dry") => {
            Preview::Unavailable { why: Safe::from(format!("no dry run: {said}")) }
        }
        Err(ApiError::Status { status, said })
            if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS =>
        {
            Preview::Refused { why: Safe::from(format!("a dry run was refused: {said}; refresh the plan")) }
        }
        Err(error) => Preview::Unavailable { why: Safe::from(format!("no dry run: {error}")) },
    }
}

/// Writes, with exactly one request that could change something.
pub(super) async fn write(api: &Api, plan: &Plan) -> Result<Ack, WriteError> {
    let (place, patch) = guarded(api, plan).await.map_err(WriteError::Refused)?;
    // The patch tests the object that it writes, and no other.
    argo_rollouts::check_referenced(api, plan).await.map_err(WriteError::Refused)?;
    let path = format!("{}?fieldManager={FIELD_MANAGER}", place.path_of(subresource(plan)));
    let nothing = |said: &dyn std::fmt::Display| {
        WriteError::Refused(Safe::from(format!("{}: nothing was changed, {said}", plan.title)))
    };
    match api.send(Method::PATCH, &path, Some((JSON_PATCH, patch.to_string().into_bytes()))).await {
        Ok(body) => match parsed::<Object>(&body) {
            Ok(object) => Ok(Ack { identity: said(&format!("resourceVersion {}", object.metadata.resource_version)) }),
            // A sign-in page says 200, too; what became of the write is looked at next.
            Err(error) => Err(WriteError::Unknown(Safe::from(format!("whether it was written is not known: {error}")))),
        },
        Err(ApiError::NotSent(why)) => Err(nothing(&why)),
        Err(ApiError::Status { status: StatusCode::UNPROCESSABLE_ENTITY | StatusCode::CONFLICT, said }) => {
            Err(moved(api, plan, &place, &said).await)
        }
        // Client errors come before the change; 5xx may come from a proxy after it.
        Err(ApiError::Status { status, said }) if status.is_client_error() => {
            Err(nothing(&format!("the server refused it ({}: {said})", status.as_u16())))
        }
        Err(ApiError::Status { status, said }) => Err(WriteError::Unknown(Safe::from(format!(
            "whether it was written is not known: the answer was {} ({said})",
            status.as_u16()
        )))),
        Err(error) => Err(WriteError::Unknown(Safe::from(format!("whether it was written is not known: {error}")))),
    }
}

/// The patch of a plan, and where it goes.
async fn guarded(api: &Api, plan: &Plan) -> Result<(Place, Value), Safe> {
    let place = Place::of(&plan.target).map_err(|refusal| refusal.why)?;
    let place =
        api.served(place).await.map_err(|error| Safe::from(format!("could not ask for its version: {error}")))?;
    let scales = subresource(plan) == Some("scale");
    // The server leaves a zero out of a Scale, and a test of what is not there passes only
    // against null.
    let absent = scales
        && plan.changes.iter().any(|field| *field.before == *"0")
        && api
            .scale(&place)
            .await
            .map_err(|error| Safe::from(format!("could not read it again: {error}")))?
            .spec
            .replicas
            .is_none();
    let patch = fields::patch(plan, absent)
        .ok_or_else(|| Safe::fixed("the plan names no change of an identified object: make a new one"))?;
    Ok((place, patch))
}

/// The server's 422 and 409 do not say which test failed: a look does.
async fn moved(api: &Api, plan: &Plan, place: &Place, said: &Safe) -> WriteError {
    // A status can be read with its object; to read it alone takes a right of its own.
    let part = subresource(plan).filter(|part| *part != "status");
    let object: Value = match api.get(&place.path_of(part)).await {
        Ok(object) => object,
        Err(error) if error.is(StatusCode::NOT_FOUND) => {
            return WriteError::Refused(Safe::from(format!("nothing was changed: {} is gone", plan.target)));
        }
        Err(error) => {
            return WriteError::Unknown(Safe::from(format!("the server refused it ({said}), and then {error}")));
        }
    };
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    if plan.target.uid.as_ref().is_none_or(|ours| Some(ours.as_str()) != uid) {
        return WriteError::Refused(Safe::from(format!("nothing was changed: {} is another object now", plan.target)));
    }
    match held(&object, plan) {
        // Something on the way may have delivered the write twice, and the second was refused.
        Held::After => {
            let now: Vec<_> = plan
                .changes
                .iter()
                .map(|field| format!("{} is {}", field.label, field.words.as_ref().map_or(&field.after, |words| words)))
                .collect();
            WriteError::Unknown(Safe::from(format!("the server refused it, but {}", now.join(", "))))
        }
        Held::Before if fields::overtaken(&object, plan) => WriteError::Refused(super::said(&format!(
            "nothing was changed: {} was synced since the plan was made; look again",
            plan.target
        ))),
        Held::Before => WriteError::Refused(Safe::from(format!("nothing was changed: the server refused it ({said})"))),
        Held::Beside(guard) => WriteError::Refused(super::said(&format!(
            "nothing was changed: {} since the plan was made; look again",
            fields::strayed(guard)
        ))),
        Held::Other(field, now) => WriteError::Refused(super::said(&format!(
            "nothing was changed: {} since the plan was made; look again",
            fields::moved(field, &now)
        ))),
    }
}
