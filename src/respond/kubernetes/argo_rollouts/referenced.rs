//! A Rollout whose template stands in a Deployment (`spec.workloadRef`): that is read, and whether
//! its template can be written without pods of its own being replaced beside the Rollout's.

use http::StatusCode;
use serde::Deserialize as _;
use serde_json::Value;

use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Refusal, Request};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::draft::check_identity;
use crate::respond::kubernetes::objects::{Application, Meta};
use crate::respond::kubernetes::place::Place;
use crate::respond::kubernetes::said;

use super::objects::Rollout;

/// What a Rollout takes its template from.
pub(super) struct Referenced {
    pub(super) target: Target,
    pub(super) meta: Meta,
    pub(super) object: Value,
    /// The Application that it is part of, if it is part of one, as it is tracked.
    pub(super) application: Option<(String, Result<Application, ApiError>)>,
}

/// What `rollout` refers to, if `want` is about its template and that stands elsewhere.
pub(super) async fn read(
    api: &Api,
    want: &Request,
    of: &Target,
    rollout: &Rollout,
) -> Result<Option<Referenced>, Refusal> {
    let of_template = match want {
        Request::RollBack { .. } => true,
        // An undo is of what was written then.
        Request::Undo { plan } => plan.target.kind != Kind::Rollout,
        _ => false,
    };
    let Some(reference) = rollout.spec.workload_ref.as_ref().filter(|_| of_template) else { return Ok(None) };
    if reference.kind != Kind::Deployment.as_str() {
        return Err(refusal(said(&format!(
            "{of} takes its template from the {} {} (workloadRef), and of those only a Deployment is written from \
             here: change that, or its git",
            reference.kind, reference.name
        ))));
    }
    let written = match want {
        Request::Undo { plan } => plan.target.uid.clone(),
        _ => None,
    };
    let target = Target {
        origin: of.origin.clone(),
        kind: Kind::Deployment,
        path: ObjectPath::new(of.path.namespace.as_str(), reference.name.as_str()),
        uid: written,
    };
    let place = Place::of(&target)?;
    let object: Value = api.get(&place.path()).await.map_err(|error| match error.is(StatusCode::NOT_FOUND) {
        true => refusal(format!("{of} takes its template from {target} (workloadRef), and that is not there")),
        false => error.refusal("read", &target),
    })?;
    let meta = object.get("metadata").and_then(|meta| Meta::deserialize(meta).ok()).unwrap_or_default();
    check_identity(&target, &meta)?;
    // Those would be replaced at once, beside the steps of the Rollout.
    let own = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    if own > 0 {
        return Err(refusal(format!(
            "{of} takes its template from {target} (workloadRef), which has {own} pods of its own: they would be \
             replaced at once, whatever the steps of the Rollout say; scale it to 0 first, or change its git"
        )));
    }
    if !rollout.observed_referenced(meta.generation) {
        return Err(refusal(format!(
            "{target} was changed a moment ago, and the controller of {of} has not looked at that yet: try again; if \
             that stays so, see whether Argo Rollouts runs"
        )));
    }
    let application = api.application(&meta, target.kind.as_str()).await;
    Ok(Some(Referenced { target, meta, object, application }))
}
