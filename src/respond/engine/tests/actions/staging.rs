//! What actions are asked with, what their servers hold before, and what somebody else sets there.

use super::*;
use crate::model::name::{ObjectPath, Target};
use crate::model::plan::{Matcher, Share};
use crate::respond::aws::fake::BALANCER;
use crate::respond::kubernetes::fake::argo::{APPLICATION, template};
use crate::respond::kubernetes::fake::rollout::template_by;
use crate::respond::kubernetes::fake::scalers::{edit, hpa, scaled_object};

/// An action before the forward action, which has to be sent along as it is.
pub(super) const OIDC: &str = "<member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig><Scope>a &amp; b</Scope>\
                    <AuthenticationRequestExtraParams/></AuthenticateOidcConfig></member>";

pub(super) fn scaled(target: Target, to: u32) -> Request {
    Request::Scale { target, to: Replicas::Exactly(to) }
}

pub(super) fn bound(kind: Kind, name: &str, floor: u32, cap: Option<u32>) -> Request {
    let target = Target { kind, path: ObjectPath::new("shop", name), uid: None, ..payments() };
    Request::Bound { target, floor: Some(floor), cap }
}

pub(super) fn back(target: Target, to: Revision) -> Request {
    Request::RollBack { target, to }
}

pub(super) fn restart(kind: Kind) -> Request {
    Request::Restart { target: target(kind) }
}

pub(super) fn divert(kind: Kind, namespace: &str, name: &str, destination: &str, weight: u32) -> Request {
    let shares = vec![Share { destination: destination.into(), weight }];
    Request::Divert { target: aws::target(kind, namespace, name), shares }
}

pub(super) fn evacuate() -> Request {
    let target = aws::target(Kind::LoadBalancer, "", BALANCER);
    Request::Evacuate { target, zone: "eu-central-1a".into(), minutes: 60 }
}

pub(super) fn silence() -> Request {
    let path = ObjectPath::new("alertmanager", "PaymentsCPUHigh");
    silenced(Target { path, ..aws::target(Kind::Silence, "", "") })
}

pub(super) fn silenced(target: Target) -> Request {
    let matchers = Matcher::group(r#"{alertname="PaymentsCPUHigh", service="payments"}"#).unwrap().0;
    Request::Silence { target, matchers, minutes: 120, comment: "partner's known".into() }
}

pub(super) fn by_hand(state: &mut fake::State) {
    state.set_by("kubectl", 9);
}

pub(super) fn under_hpa(state: &mut fake::State) {
    state.autoscalers = json!([hpa(2, 8)]);
}

pub(super) fn other_cap(state: &mut fake::State) {
    edit(state, "maxReplicas", 20);
}

pub(super) fn under_keda(state: &mut fake::State) {
    state.scaled = vec![scaled_object(json!({ "maxReplicaCount": 8 }), json!({}))];
}

pub(super) fn pinned(state: &mut fake::State) {
    state.scaled = vec![scaled_object(json!({}), json!({ "autoscaling.keda.sh/paused-replicas": "6" }))];
}

pub(super) fn other_pin(state: &mut fake::State) {
    state.scaled[0]["metadata"]["annotations"]["autoscaling.keda.sh/paused-replicas"] = json!("4");
}

pub(super) fn other_image(state: &mut fake::State) {
    template_by(state, "kubectl-edit", "2.9.1");
}

pub(super) fn other_template(state: &mut fake::State) {
    state.follows = false;
    state.argo.get_mut(ROLLOUT).unwrap()["spec"]["template"] = template("2.9.1");
}

pub(super) fn restarted_otherwise(state: &mut fake::State) {
    state.follows = false;
    state.argo.get_mut(ROLLOUT).unwrap()["spec"]["restartAt"] = json!("2026-11-18T11:00:00Z");
}

pub(super) fn other_sync(state: &mut fake::State) {
    state.follows = false;
    state.argo.get_mut(APPLICATION).unwrap()["spec"]["syncPolicy"]["automated"] = json!({ "selfHeal": false });
}

pub(super) fn without_sync(state: &mut fake::State) {
    stage_application(state);
    state.argo.get_mut(APPLICATION).unwrap()["spec"]["syncPolicy"] = serde_json::Value::Null;
}

pub(super) fn other_operation(state: &mut fake::State) {
    state.follows = false;
    state.argo.get_mut(APPLICATION).unwrap()["operation"] = json!({ "sync": { "revision": "main" } });
}

pub(super) fn deploying(state: &mut aws::State) {
    state.ecs.roll(43, "IN_PROGRESS");
}

pub(super) fn deployed(state: &mut aws::State) {
    state.ecs.rollouts.last_mut().unwrap()["status"] = json!("SUCCESSFUL");
}

/// As the real one does it: the old silence ends, and there is another.
pub(super) fn other_matchers(state: &mut alertmanager::State) {
    let mut other = state.silences[0].clone();
    other["id"] = json!("other");
    other["createdBy"] = json!("ben");
    other["matchers"][1]["value"] = json!("cart");
    state.silences[0]["status"]["state"] = json!("expired");
    state.silences.push(other);
}
