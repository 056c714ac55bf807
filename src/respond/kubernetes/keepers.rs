//! Who else writes an object that divides traffic, and what they will do to a change of it.
//!
//! Argo Rollouts sets weights and selectors that it manages whenever it looks at them; Argo CD
//! heals itself within seconds if it is told to; Flux and Helm when they next apply.

use http::StatusCode;
use serde_json::Value;

use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Instead, Owner, OwnerEffect, Request};
use crate::text::Safe;

use super::client::{Api, ApiError};
use super::objects::{Application, IgnoreDifference, Meta};
use super::owners::sorted;
use super::place::{Place, is_name};
use super::scale::quoted;
use super::{argocd, ready, said};

/// All keepers of `target` at `place`, the gravest first, and what to change of one that would take
/// a change back. `pointers`: what is to be written.
pub(super) async fn of(
    api: &Api,
    place: &Place,
    target: &Target,
    meta: &Meta,
    pointers: &[String],
) -> (Vec<Owner>, Option<Instead>) {
    let (rollouts, application) = futures::join!(all_rollouts(api, place), api.application(meta, place.kind.as_str()));
    let (rollouts, unread) = rollouts;
    let aborts = abort_instead(&rollouts, place, target);
    let tracked = application.as_ref().map(|(name, _)| name.clone());
    let mut owners = by_rollouts(place, &rollouts);
    owners.extend(unread);
    owners.extend(application.map(|(name, read)| by_argo_cd(place, &name, read, pointers)));
    owners.extend(by_flux(meta));
    owners.extend(by_helm(meta));
    owners.extend(meta.owner_references.iter().filter(|owner| owner.controller == Some(true)).map(|owner| Owner {
        name: said(&format!("{} {}", owner.kind, owner.name)),
        effect: OwnerEffect::MayRevert,
        words: said(&format!("owns it and may set it back; change the {} instead if it does", owner.kind)),
    }));
    let owners = sorted(owners);
    let instead = aborts.or_else(|| argocd::hold_instead(target, tracked.as_deref(), &owners));
    (owners, instead)
}

/// The abort of a Rollout that moves this traffic now: where none is under way, nothing of it can
/// be aborted.
fn abort_instead(rollouts: &[Value], place: &Place, target: &Target) -> Option<Instead> {
    let rollout = rollouts.iter().find(|rollout| manages(rollout, place))?;
    let text = |pointer: &str| rollout.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (new, stable) = (text("/status/currentPodHash"), text("/status/stableRS"));
    let aborted = rollout.pointer("/status/abort") == Some(&Value::Bool(true));
    let name = text("/metadata/name");
    if aborted || stable.is_empty() || new == stable || !is_name(name) {
        return None;
    }
    let path = ObjectPath::new(namespace_of(rollout, place), name);
    let rollout = Target { origin: target.origin.clone(), kind: Kind::Rollout, path, uid: None };
    Some(Instead {
        words: said(&format!("abort the rollout of Rollout {name}: all traffic goes to its stable version")),
        request: Box::new(Request::Abort { target: rollout }),
    })
}

/// The Rollouts of a namespace, or of all of them; none in a cluster without the API.
pub(super) async fn rollouts(api: &Api, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let within = namespace.map_or(String::new(), |namespace| format!("namespaces/{namespace}/"));
    match ready::all(api, &format!("/apis/argoproj.io/v1alpha1/{within}rollouts?limit=250")).await {
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(Vec::new()),
        other => other,
    }
}

/// The Rollouts that may name the object, as far as they can be read, and what is to be said of the
/// others. Of a VirtualService one may be named from another namespace.
async fn all_rollouts(api: &Api, place: &Place) -> (Vec<Value>, Option<Owner>) {
    let unread = |error: &ApiError, which: &str| Owner {
        name: Safe::fixed("Argo Rollouts"),
        effect: OwnerEffect::MayRevert,
        words: said(&format!("{which} could not be read ({error}): a Rollout that manages it sets it back")),
    };
    let mut elsewhere = None;
    if place.kind == Kind::VirtualService {
        match rollouts(api, None).await {
            Ok(all) => return (all, None),
            Err(error) => elsewhere = Some(unread(&error, "those of other namespaces")),
        }
    }
    match rollouts(api, Some(&place.namespace)).await {
        Ok(all) => (all, elsewhere),
        Err(error) => (Vec::new(), Some(unread(&error, "its Rollouts"))),
    }
}

/// The namespace of a Rollout, of which a list may say nothing.
fn namespace_of<'a>(rollout: &'a Value, place: &'a Place) -> &'a str {
    let named = rollout.pointer("/metadata/namespace").and_then(Value::as_str);
    named.filter(|name| is_name(name)).unwrap_or(&place.namespace)
}

fn by_rollouts(place: &Place, rollouts: &[Value]) -> Vec<Owner> {
    let named = |rollout: &Value| {
        let name = rollout.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?");
        match namespace_of(rollout, place) {
            namespace if namespace == place.namespace => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        }
    };
    rollouts
        .iter()
        .filter(|rollout| manages(rollout, place))
        .map(|rollout| Owner {
            name: said(&format!("Rollout {}", named(rollout))),
            effect: OwnerEffect::Reverts,
            words: Safe::fixed("sets this itself, at each of its steps; promote or abort the Rollout instead"),
        })
        .collect()
}

/// Whether a Rollout's strategy names the object.
fn manages(rollout: &Value, place: &Place) -> bool {
    let near = namespace_of(rollout, place) == place.namespace;
    let ours = |name: Option<&Value>| {
        let name = name.and_then(Value::as_str).unwrap_or_default();
        // `name.namespace` for one of another; what follows is not looked at.
        let mut parts = name.split('.');
        (near && name == place.name)
            || (parts.next(), parts.next()) == (Some(place.name.as_str()), Some(place.namespace.as_str()))
    };
    let named =
        |list: Option<&Value>| list.and_then(Value::as_array).into_iter().flatten().any(|one| ours(one.get("name")));
    let at = |pointer: &str| rollout.pointer(pointer);
    match place.kind {
        Kind::VirtualService => {
            let istio = at("/spec/strategy/canary/trafficRouting/istio");
            let one = istio.and_then(|istio| istio.pointer("/virtualService/name"));
            ours(one) || named(istio.and_then(|istio| istio.get("virtualServices")))
        }
        Kind::HttpRoute => {
            let plugin = at("/spec/strategy/canary/trafficRouting/plugins/argoproj-labs~1gatewayAPI");
            ours(plugin.and_then(|plugin| plugin.get("httpRoute")))
                || named(plugin.and_then(|plugin| plugin.get("httpRoutes")))
        }
        Kind::Service => [
            "/spec/strategy/blueGreen/activeService",
            "/spec/strategy/blueGreen/previewService",
            "/spec/strategy/canary/stableService",
            "/spec/strategy/canary/canaryService",
            "/spec/strategy/canary/pingPong/pingService",
            "/spec/strategy/canary/pingPong/pongService",
        ]
        .into_iter()
        .any(|pointer| ours(at(pointer))),
        _ => false,
    }
}

fn by_argo_cd(place: &Place, name: &str, read: Result<Application, ApiError>, pointers: &[String]) -> Owner {
    let (effect, words) = match read {
        Ok(app) if ignores(&app, place, pointers) => {
            (OwnerEffect::Informs, "leaves what is written here alone".to_owned())
        }
        Ok(app) => match app.spec.sync_policy.automated {
            Some(auto) if auto.enabled != Some(false) && auto.self_heal == Some(true) => (
                OwnerEffect::Reverts,
                "heals itself: undone in seconds without a change in git; change git, or turn its self-healing off \
                 for the time being"
                    .to_owned(),
            ),
            Some(auto) if auto.enabled != Some(false) => {
                (OwnerEffect::MayRevert, "sets it back when the next commit is synced; change git too".to_owned())
            }
            _ => (OwnerEffect::MayRevert, "sets it back at the next sync; change git too".to_owned()),
        },
        Err(error @ ApiError::Elsewhere(_)) => (OwnerEffect::MayRevert, argocd::elsewhere(&error)),
        Err(error) => (
            OwnerEffect::MayRevert,
            format!("sets it back within seconds if it heals itself: its Application could not be read ({error})"),
        ),
    };
    Owner { name: said(&format!("Argo CD app {name}")), effect, words: said(&words) }
}

/// Whether the Application ignores all that is written, at it or above it.
fn ignores(app: &Application, place: &Place, pointers: &[String]) -> bool {
    pointers.iter().all(|pointer| {
        app.spec.ignore_differences.iter().any(|ignored| {
            (ignored.kind == place.kind.as_str() || ignored.kind == "*")
                && ignored.name.as_ref().is_none_or(|name| *name == place.name)
                && ignored.namespace.as_ref().is_none_or(|namespace| *namespace == place.namespace)
                && covers(ignored, pointer)
        })
    })
}

/// Whether an exception is of what is at `pointer`, or of what that is in. Paths of jq that name every
/// item of each list are understood, such as `.spec.http[].route[].weight`.
fn covers(ignored: &IgnoreDifference, pointer: &str) -> bool {
    let above = |above: &str, all: &str, ends: &[char]| {
        all.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(ends))
    };
    let as_jq = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
        true => "[]".to_owned(),
        false => format!(".{part}"),
    };
    let path: String = pointer.split('/').skip(1).map(as_jq).collect();
    let plain = |path: &str| path.chars().filter(|c| !c.is_whitespace() && *c != '?').collect::<String>();
    let mut by_jq = ignored.jq_path_expressions.iter().map(|path| plain(path)).filter(|path| !path.is_empty());
    ignored.json_pointers.iter().any(|ignored| above(ignored, pointer, &['/']))
        || by_jq.any(|ignored| above(&ignored, &path, &['.', '[']))
}

fn by_flux(meta: &Meta) -> Option<Owner> {
    let label = |key: &str| meta.labels.get(key).map(String::as_str);
    let (kind, name, namespace) = match label("kustomize.toolkit.fluxcd.io/name") {
        Some(name) => ("Kustomization", name, label("kustomize.toolkit.fluxcd.io/namespace")),
        None => ("HelmRelease", label("helm.toolkit.fluxcd.io/name")?, label("helm.toolkit.fluxcd.io/namespace")),
    };
    let disabled =
        meta.annotations.get("kustomize.toolkit.fluxcd.io/reconcile").is_some_and(|value| value == "disabled");
    let (effect, words) = if disabled {
        (OwnerEffect::Informs, "is told not to reconcile it".to_owned())
    } else {
        let suspend = format!(
            "flux suspend {} {} -n {}",
            kind.to_ascii_lowercase(),
            quoted(name),
            quoted(namespace.unwrap_or("flux-system"))
        );
        let when = if kind == "Kustomization" { "its next reconciliation" } else { "its next upgrade or drift check" };
        (OwnerEffect::MayRevert, format!("sets it back at {when}; to hold it off: {suspend}"))
    };
    Some(Owner { name: said(&format!("Flux {kind} {name}")), effect, words: said(&words) })
}

fn by_helm(meta: &Meta) -> Option<Owner> {
    let helm = meta.labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm");
    // Flux tells more of the same chart.
    if !helm || meta.labels.contains_key("helm.toolkit.fluxcd.io/name") {
        return None;
    }
    let release = meta.annotations.get("meta.helm.sh/release-name").map_or("its release", String::as_str);
    Some(Owner {
        name: said(&format!("Helm {release}")),
        effect: OwnerEffect::MayRevert,
        words: Safe::fixed("may set it back at the next upgrade; change its values too"),
    })
}
