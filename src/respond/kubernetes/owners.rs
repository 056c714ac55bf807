//! Who else writes the number of replicas or the template, and what they will do to a change.
//!
//! The effects: an HPA sets a plain scale back within its 15 s period; Argo CD heals itself within
//! seconds; Flux and Helm when they next apply.

use http::StatusCode;

use crate::model::plan::{Owner, OwnerEffect};
use crate::text::Safe;

use super::client::ApiError;
use super::objects::{Application, Autoscaler, Meta};
use super::scale::{Facts, kubectl, quoted};
use super::{argocd, said};

/// What a change is of: who applies manifests cares for what they say of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    /// The number of replicas.
    Replicas,
    /// The floor and the cap of an autoscaler.
    Bounds,
    /// These fields of the template, by JSON Pointers into the object.
    Template(&'a [String]),
    /// What a restart notes in the template. No manifest holds it, and what no manifest holds is
    /// left alone by Argo CD, Flux and Helm alike.
    Restart,
}

/// The owners of a field of an object, the gravest first.
pub(super) fn of_field(
    field: Field<'_>,
    meta: &Meta,
    kind: &str,
    application: Option<(String, Result<Application, ApiError>)>,
) -> Vec<Owner> {
    sorted(by_manifests(field, meta, kind, application))
}

fn by_manifests(
    field: Field<'_>,
    meta: &Meta,
    kind: &str,
    application: Option<(String, Result<Application, ApiError>)>,
) -> Vec<Owner> {
    let mut owners: Vec<Owner> =
        application.map(|(name, read)| by_argo(field, meta, kind, &name, read)).into_iter().collect();
    owners.extend(by_flux(field, meta));
    owners.extend(by_helm(field, meta));
    owners.extend(meta.owner_references.iter().filter(|owner| owner.controller == Some(true)).map(|owner| Owner {
        name: said(&format!("{} {}", owner.kind, owner.name)),
        effect: OwnerEffect::MayRevert,
        words: said(&format!("owns it and may set it back; change the {} instead if it does", owner.kind)),
    }));
    owners
}

/// The gravest first.
pub(super) fn sorted(mut owners: Vec<Owner>) -> Vec<Owner> {
    owners.sort_by_key(|owner| match owner.effect {
        OwnerEffect::Reverts => 0,
        OwnerEffect::MayRevert => 1,
        OwnerEffect::Informs => 2,
    });
    owners
}

impl Field<'_> {
    /// What makes it last, for who applies manifests from git.
    fn cure(self) -> &'static str {
        match self {
            Self::Replicas => "change replicas in git",
            Self::Bounds => "change its floor and cap in git",
            Self::Template(_) | Self::Restart => "revert the commit in git",
        }
    }

    /// Whether a JSON Pointer that is to be ignored covers all of it.
    fn within(self, ignored: &str) -> bool {
        let covers =
            |pointer: &str| pointer.strip_prefix(ignored).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match self {
            Self::Replicas => ignored == "/spec/replicas",
            // Both ends have to be ignored, which takes more than one pointer; the whole spec is one.
            Self::Bounds => ignored == "/spec",
            Self::Template(pointers) => !pointers.is_empty() && pointers.iter().all(|pointer| covers(pointer)),
            Self::Restart => true,
        }
    }

    /// Whether a path of jq that is to be ignored is all of it.
    fn is_path(self, ignored: &str) -> bool {
        match self {
            Self::Replicas => ignored == ".spec.replicas",
            Self::Bounds => ignored == ".spec",
            Self::Template(_) => matches!(ignored, ".spec.template" | ".spec"),
            Self::Restart => true,
        }
    }

    /// The path in `managedFields` and in a manifest.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Replicas => ("/f:spec/f:replicas", "/spec/replicas"),
            // A manifest of an autoscaler always says something of them.
            Self::Bounds => ("/f:spec", "/spec"),
            Self::Template(_) | Self::Restart => ("/f:spec/f:template", "/spec/template"),
        }
    }
}

/// All owners of the target of `facts`, the gravest first.
pub(super) fn of(
    facts: &Facts<'_>,
    wanted: u32,
    autoscalers: Result<Vec<Autoscaler>, ApiError>,
    application: Option<(String, Result<Application, ApiError>)>,
) -> Vec<Owner> {
    let mut owners = by_autoscalers(facts, wanted, autoscalers);
    let kind = facts.target.kind.as_str();
    owners.extend(by_manifests(Field::Replicas, &facts.object.metadata, kind, application));
    sorted(owners)
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
pub(super) fn keda(meta: &Meta) -> Option<String> {
    let owner =
        || meta.owner_references.iter().find(|owner| owner.kind == "ScaledObject").map(|owner| owner.name.clone());
    let named = || meta.name.strip_prefix("keda-hpa-").map(str::to_owned);
    meta.labels.get("scaledobject.keda.sh/name").cloned().or_else(owner).or_else(named)
}

fn by_argo(field: Field<'_>, meta: &Meta, kind: &str, name: &str, read: Result<Application, ApiError>) -> Owner {
    let cure = field.cure();
    let let_it = if matches!(field, Field::Replicas) { ", or let the Application ignore /spec/replicas" } else { "" };
    let (effect, words) = match read {
        _ if matches!(field, Field::Restart) => {
            (OwnerEffect::Informs, "leaves a restart alone: no manifest says anything of it".to_owned())
        }
        Ok(app) if ignores(field, &app, meta, kind) => (
            OwnerEffect::Informs,
            match field {
                Field::Replicas => "leaves the number of replicas alone".to_owned(),
                Field::Bounds | Field::Template(_) | Field::Restart => "is told to leave what changes alone".to_owned(),
            },
        ),
        Ok(_) if manifest_sets(field, meta) == Some(false) => {
            (OwnerEffect::Informs, "applies a manifest that says nothing of it".to_owned())
        }
        Ok(app) => match app.spec.sync_policy.automated {
            Some(auto) if auto.enabled != Some(false) && auto.self_heal == Some(true) => (
                OwnerEffect::Reverts,
                format!("heals itself: undone in seconds without a change in git; {cure}{let_it}"),
            ),
            Some(auto) if auto.enabled != Some(false) => {
                (OwnerEffect::MayRevert, format!("sets it back when the next commit is synced; {cure}, too"))
            }
            _ => (OwnerEffect::MayRevert, format!("sets it back at the next sync; {cure}, too")),
        },
        Err(error @ ApiError::Elsewhere(_)) => (OwnerEffect::MayRevert, argocd::elsewhere(&error)),
        Err(error) => (
            OwnerEffect::MayRevert,
            format!(
                "sets it back within seconds if it heals itself: its Application could not be read ({error}); {cure}, too"
            ),
        ),
    };
    Owner { name: said(&format!("Argo CD app {name}")), effect, words: said(&words) }
}

fn ignores(field: Field<'_>, app: &Application, meta: &Meta, kind: &str) -> bool {
    app.spec.ignore_differences.iter().any(|ignored| {
        (ignored.kind == kind || ignored.kind == "*")
            && ignored.name.as_ref().is_none_or(|name| *name == meta.name)
            && ignored.namespace.as_ref().is_none_or(|namespace| *namespace == meta.namespace)
            && (ignored.json_pointers.iter().any(|pointer| field.within(pointer))
                || ignored.jq_path_expressions.iter().any(|path| field.is_path(path)))
    })
}

/// Whether what was last applied to the object sets the field. `None`: it does not tell.
fn manifest_sets(field: Field<'_>, meta: &Meta) -> Option<bool> {
    let (owned, pointer) = field.place();
    if let Some(applied) = meta.annotations.get("kubectl.kubernetes.io/last-applied-configuration") {
        let applied: serde_json::Value = serde_json::from_str(applied).ok()?;
        return Some(applied.pointer(pointer).is_some());
    }
    let mut applied = meta.managed_fields.iter().filter(|field| field.operation == "Apply").peekable();
    applied.peek()?;
    Some(applied.any(|field| field.fields_v1.pointer(owned).is_some()))
}

fn by_flux(field: Field<'_>, meta: &Meta) -> Option<Owner> {
    let label = |key: &str| meta.labels.get(key).map(String::as_str);
    let (kind, name, namespace) = match label("kustomize.toolkit.fluxcd.io/name") {
        Some(name) => ("Kustomization", name, label("kustomize.toolkit.fluxcd.io/namespace")),
        None => ("HelmRelease", label("helm.toolkit.fluxcd.io/name")?, label("helm.toolkit.fluxcd.io/namespace")),
    };
    let disabled =
        meta.annotations.get("kustomize.toolkit.fluxcd.io/reconcile").is_some_and(|value| value == "disabled");
    let (effect, words) = if disabled {
        (OwnerEffect::Informs, "is told not to reconcile it".to_owned())
    } else if matches!(field, Field::Restart) {
        (OwnerEffect::Informs, "leaves a restart alone: no manifest says anything of it".to_owned())
    } else if manifest_sets(field, meta) == Some(false) {
        (OwnerEffect::Informs, "applies a manifest that says nothing of it".to_owned())
    } else {
        let suspend = format!(
            "flux suspend {} {} -n {}",
            kind.to_ascii_lowercase(),
            quoted(name),
            quoted(namespace.unwrap_or("flux-system"))
        );
        let when = if kind == "Kustomization" { "its next reconciliation" } else { "its next upgrade or drift check" };
        let cure = field.cure();
        (OwnerEffect::MayRevert, format!("sets it back at {when}; {cure}, too; to hold it off: {suspend}"))
    };
    Some(Owner { name: said(&format!("Flux {kind} {name}")), effect, words: said(&words) })
}

fn by_helm(field: Field<'_>, meta: &Meta) -> Option<Owner> {
    let helm = meta.labels.get("app.kubernetes.io/managed-by").is_some_and(|by| by == "Helm");
    // Flux and Argo CD tell more of the same chart.
    if !helm || meta.labels.contains_key("helm.toolkit.fluxcd.io/name") {
        return None;
    }
    let named = meta.annotations.get("meta.helm.sh/release-name");
    let release = named.map_or("its release", String::as_str);
    let (effect, words) = match (field, named) {
        (Field::Restart, _) => {
            (OwnerEffect::Informs, "leaves a restart alone: no chart says anything of it".to_owned())
        }
        (Field::Replicas | Field::Bounds, _) => {
            (OwnerEffect::MayRevert, "may set it back at the next upgrade; change its values too".to_owned())
        }
        (Field::Template(_), Some(release)) => (
            OwnerEffect::MayRevert,
            format!(
                "sets it forward again at the next upgrade; take the release back, too: helm rollback {} -n {}",
                quoted(release),
                quoted(meta.annotations.get("meta.helm.sh/release-namespace").unwrap_or(&meta.namespace))
            ),
        ),
        (Field::Template(_), None) => {
            (OwnerEffect::MayRevert, "sets it forward again at the next upgrade; take its release back, too".to_owned())
        }
    };
    Some(Owner { name: said(&format!("Helm {release}")), effect, words: said(&words) })
}
