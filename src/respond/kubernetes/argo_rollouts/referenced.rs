//! A Rollout whose template stands in a Deployment (`spec.workloadRef`): that is read, and whether
//! its template can be written without pods of its own being replaced beside the Rollout's.

use http::StatusCode;
use serde::Deserialize as _;
use serde_json::Value;

use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Plan, Refusal, Request};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::draft::check_identity;
use crate::respond::kubernetes::objects::{Application, Meta, TargetRef};
use crate::respond::kubernetes::place::Place;
use crate::respond::kubernetes::said;
use crate::text::Safe;

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

/// Why there is no Rollout of `plan` to be looked at.
pub(in crate::respond::kubernetes) enum Stray {
    /// It could not be read.
    Unread(Safe),
    /// It is gone, or another one, or takes its template from elsewhere: what was planned for it does
    /// not reach it any more.
    Gone(Safe),
}

/// The Rollout whose template `plan` writes to what it refers to, if it is still the one and still
/// refers to that.
pub(super) async fn holder(api: &Api, plan: &Plan) -> Result<Rollout, Stray> {
    let of = plan.request.origin().target();
    let place = Place::of(of).map_err(|refusal| Stray::Gone(refusal.why))?;
    let rollout: Rollout = api.get(&place.path()).await.map_err(|error| match error.is(StatusCode::NOT_FOUND) {
        true => Stray::Gone(said(&format!("{of} was deleted"))),
        false => Stray::Unread(said(&format!("could not read {of}: {error}"))),
    })?;
    let planned = plan.affects.iter().find(|affected| affected.kind == Kind::Rollout).and_then(|it| it.uid.as_ref());
    if planned.or(of.uid.as_ref()).is_some_and(|uid| *uid.as_str() != rollout.metadata.uid) {
        return Err(Stray::Gone(said(&format!("{of} was replaced by another object of its name"))));
    }
    let refers = |to: &TargetRef| to.kind == plan.target.kind.as_str() && *to.name == *plan.target.path.name;
    if !rollout.spec.workload_ref.as_ref().is_some_and(refers) {
        return Err(Stray::Gone(said(&format!("{of} does not take its template from {} any more", plan.target))));
    }
    Ok(rollout)
}

/// Whether the write of `plan` still reaches the Rollout that it is meant for, where it is of what a
/// Rollout refers to; if not, why.
pub(in crate::respond::kubernetes) async fn check(api: &Api, plan: &Plan) -> Result<(), Safe> {
    // Of a Rollout's own and of its autoscaler's fields there is no such question.
    if plan.request.origin().target().kind != Kind::Rollout || plan.target.kind != Kind::Deployment {
        return Ok(());
    }
    match holder(api, plan).await {
        Ok(_) => Ok(()),
        Err(Stray::Unread(why) | Stray::Gone(why)) => Err(said(&format!("nothing was changed: {why}; look again"))),
    }
}
