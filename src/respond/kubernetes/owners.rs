//! Who else writes the number of replicas, and what they will do to a change of it.
//!
//! The effects are those of `facts`: an HPA sets a plain scale back within its 15 s period; Argo
//! CD heals itself within seconds; Flux and Helm when they next apply.

use http::StatusCode;

use crate::model::plan::{Owner, OwnerEffect};
use crate::text::Safe;

use super::client::ApiError;
use super::objects::{Application, Autoscaler, Meta};
use super::said;
use super::scale::{Facts, kubectl, quoted};

/// All owners of the target of `facts`, the gravest first.
pub(super) fn of(
    facts: &Facts<'_>,
    wanted: u32,
    autoscalers: Result<Vec<Autoscaler>, ApiError>,
    application: Option<(String, Result<Application, ApiError>)>,
) -> Vec<Owner> {
    let meta = &facts.object.metadata;
    let mut owners = by_autoscalers(facts, wanted, autoscalers);
    owners.extend(application.map(|(name, read)| by_argo(facts, &name, read)));
    owners.extend(by_flux(meta));
    owners.extend(by_helm(meta));
    owners.extend(meta.owner_references.iter().filter(|owner| owner.controller == Some(true)).map(|owner| Owner {
        name: said(&format!("{} {}", owner.kind, owner.name)),
        effect: OwnerEffect::MayRevert,
        words: said(&format!("owns it and may set it back; change the {} instead if it does", owner.kind)),
    }));
    owners.sort_by_key(|owner| match owner.effect {
        OwnerEffect::Reverts => 0,
        OwnerEffect::MayRevert => 1,
        OwnerEffect::Informs => 2,
    });
    owners
}

fn by_autoscalers(facts: &Facts<'_>, wanted: u32, autoscalers: Result<Vec<Autoscaler>, ApiError>) -> Vec<Owner> {
    let ours = |list: Vec<Autoscaler>| -> Vec<Owner> {
        list.iter()
            .filter(|hpa| {
                let of = &hpa.spec.scale_target_ref;
                of.kind == facts.target.kind.as_str() && *of.name == *facts.target.path.name
            })
            .map(|hpa| by_autoscaler(facts, wanted, hpa))
            .collect()
    };
    match autoscalers {
        Ok(list) => ours(list),
        // A cluster without the API has no autoscaler of it.
        Err(error) if error.is(StatusCode::NOT_FOUND) => Vec::new(),
        Err(error) => vec![Owner {
            name: Safe::fixed("autoscalers"),
            effect: OwnerEffect::MayRevert,
            words: Safe::from(format!("could not be read ({error}): if there is one, it sets it back within 15 s")),
        }],
    }
}

fn by_autoscaler(facts: &Facts<'_>, wanted: u32, hpa: &Autoscaler) -> Owner {
    let (min, max) = (hpa.spec.min_replicas.unwrap_or(1), hpa.spec.max_replicas);
    let context = facts.context;
    let namespace = &facts.target.path.namespace;
    if let Some(scaled) = keda(&hpa.metadata) {
        let command = kubectl(
            context,
            namespace,
            &[
                "annotate",
                "scaledobject",
                &scaled,
                "--overwrite",
                &format!("autoscaling.keda.sh/paused-replicas={wanted}"),
            ],
        );
        return Owner {
            name: said(&format!("KEDA ScaledObject {scaled} {min}–{max}")),
            effect: OwnerEffect::Reverts,
            words: said(&format!("sets it back within 15 s; pin the ScaledObject instead: {command}")),
        };
    }
    let name = said(&format!("HPA {} {min}–{max}", hpa.metadata.name));
    let before = facts.scale.replicas();
    if before == 0 {
        // A floor does not bring replicas back: at 0 the HPA is off until somebody scales up.
        let words = format!("is off while there is no replica; from the first on it keeps between {min} and {max}");
        return Owner { name, effect: OwnerEffect::MayRevert, words: said(&words) };
    }
    // More than now needs a higher floor, fewer a lower cap; the other end moves only if it is
    // in the way, because the server refuses a floor above the cap.
    let (end, spec) = if wanted > before {
        let cap = if wanted > max { format!(",\"maxReplicas\":{wanted}") } else { String::new() };
        ("floor", format!("{{\"spec\":{{\"minReplicas\":{wanted}{cap}}}}}"))
    } else {
        let floor = if wanted < min { format!(",\"minReplicas\":{wanted}") } else { String::new() };
        ("cap", format!("{{\"spec\":{{\"maxReplicas\":{wanted}{floor}}}}}"))
    };
    let command = kubectl(context, namespace, &["patch", "hpa", &hpa.metadata.name, "--type=merge", "-p", &spec]);
    let words = format!("sets it back within 15 s; change its {end} instead: {command}");
    Owner { name, effect: OwnerEffect::Reverts, words: said(&words) }
}

/// The ScaledObject that made an HPA, by KEDA's label, its owner reference, or the name it gives.
fn keda(meta: &Meta) -> Option<String> {
    let owner =
        || meta.owner_references.iter().find(|owner| owner.kind == "ScaledObject").map(|owner| owner.name.clone());
    let named = || meta.name.strip_prefix("keda-hpa-").map(str::to_owned);
    meta.labels.get("scaledobject.keda.sh/name").cloned().or_else(owner).or_else(named)
}

fn by_argo(facts: &Facts<'_>, name: &str, read: Result<Application, ApiError>) -> Owner {
    let meta = &facts.object.metadata;
    let (effect, words) = match read {
        Ok(app) if ignores_replicas(&app, meta, facts.target.kind.as_str()) => {
            (OwnerEffect::Informs, "leaves the number of replicas alone".to_owned())
        }
        Ok(_) if manifest_sets_replicas(meta) == Some(false) => {
            (OwnerEffect::Informs, "applies a manifest that says nothing of replicas".to_owned())
        }
        Ok(app) => match app.spec.sync_policy.automated {
            Some(auto) if auto.enabled != Some(false) && auto.self_heal == Some(true) => (
                OwnerEffect::Reverts,
                "heals itself: undone in seconds without a change in git; change replicas in git, or let the \
                 Application ignore /spec/replicas"
                    .to_owned(),
            ),
            Some(auto) if auto.enabled != Some(false) => {
                (OwnerEffect::MayRevert, "sets it back when the next commit is synced; change git too".to_owned())
            }
            _ => (OwnerEffect::MayRevert, "sets it back at the next sync; change git too".to_owned()),
        },
        Err(error) => (
            OwnerEffect::MayRevert,
            format!("sets it back within seconds if it heals itself: its Application could not be read ({error})"),
        ),
    };
    Owner { name: said(&format!("Argo CD app {name}")), effect, words: said(&words) }
}

fn ignores_replicas(app: &Application, meta: &Meta, kind: &str) -> bool {
    app.spec.ignore_differences.iter().any(|ignored| {
        (ignored.kind == kind || ignored.kind == "*")
            && ignored.name.as_ref().is_none_or(|name| *name == meta.name)
            && ignored.namespace.as_ref().is_none_or(|namespace| *namespace == meta.namespace)
            && (ignored.json_pointers.iter().any(|pointer| pointer == "/spec/replicas")
                || ignored.jq_path_expressions.iter().any(|path| path == ".spec.replicas"))
    })
}

/// Whether what was last applied to the object sets replicas. `None`: it does not tell.
fn manifest_sets_replicas(meta: &Meta) -> Option<bool> {
    if let Some(applied) = meta.annotations.get("kubectl.kubernetes.io/last-applied-configuration") {
        let applied: serde_json::Value = serde_json::from_str(applied).ok()?;
        return Some(applied.pointer("/spec/replicas").is_some());
    }
    let mut applied = meta.managed_fields.iter().filter(|field| field.operation == "Apply").peekable();
    applied.peek()?;
    Some(applied.any(|field| field.fields_v1.pointer("/f:spec/f:replicas").is_some()))
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
    } else if manifest_sets_replicas(meta) == Some(false) {
        (OwnerEffect::Informs, "applies a manifest that says nothing of replicas".to_owned())
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
    // Flux and Argo CD tell more of the same chart.
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
