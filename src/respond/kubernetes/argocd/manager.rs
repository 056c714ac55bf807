//! Who follows git: the change of the Application that is offered where a change of its workload
//! would be undone, and those that would undo the change of an Application.

use crate::model::name::{Kind, ObjectPath, Target};
use crate::model::plan::{Instead, Owner, OwnerEffect, Request, Revision};
use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::objects::IgnoreDifference;
use crate::respond::kubernetes::place::is_name;
use crate::respond::kubernetes::said;
use crate::text::Safe;

use super::objects::{App, ApplicationSet};
use super::{AUTOMATED, CURRENT};

/// The Application of a tracked name, as a target: Applications outside Argo CD's own namespace
/// are tracked as `namespace_name`.
fn application(of: &Target, tracked: &str) -> Target {
    let (namespace, name) = tracked.split_once('_').unwrap_or(("argocd", tracked));
    Target { origin: of.origin.clone(), kind: Kind::Application, path: ObjectPath::new(namespace, name), uid: None }
}

/// What an Application is called as an owner.
pub(in crate::respond::kubernetes) fn owner(tracked: &str) -> Safe {
    said(&format!("Argo CD app {tracked}"))
}

/// What an Application does that may deploy to another cluster.
pub(in crate::respond::kubernetes) fn elsewhere(error: &ApiError) -> String {
    format!("names this as its own, but {error}: it sets this back only if that is this one by another name")
}

/// Whether it is the Application, first of all, that would undo a change.
fn undoes(tracked: &str, owners: &[Owner]) -> bool {
    let first = owners.iter().find(|owner| owner.effect == OwnerEffect::Reverts);
    first.is_some_and(|first| first.name == owner(tracked))
}

/// Where an Application that heals itself would take a number of replicas back: its auto-sync can
/// be turned off first, at the version that runs.
pub(in crate::respond::kubernetes) fn hold_instead(
    of: &Target,
    tracked: Option<&str>,
    owners: &[Owner],
) -> Option<Instead> {
    let tracked = tracked.filter(|tracked| undoes(tracked, owners))?;
    Some(Instead {
        words: said(&format!("turn auto-sync of Application {tracked} off first, at the version that runs")),
        request: Box::new(Request::RollBack {
            target: application(of, tracked),
            to: Revision::Named(Safe::fixed(CURRENT)),
        }),
    })
}

/// Where it would take a template back: the Application itself can go back to the version before.
pub(in crate::respond::kubernetes) fn roll_back_instead(
    of: &Target,
    tracked: Option<&str>,
    owners: &[Owner],
) -> Option<Instead> {
    let tracked = tracked.filter(|tracked| undoes(tracked, owners))?;
    Some(Instead {
        words: said(&format!("roll back Application {tracked} and turn its auto-sync off")),
        request: Box::new(Request::RollBack { target: application(of, tracked), to: Revision::Previous }),
    })
}

/// Those that would write the auto-sync of an Application again: the ApplicationSet that made it,
/// and a parent Application (`app of apps`).
pub(super) async fn keepers(api: &Api, target: &Target, app: &App) -> Vec<Owner> {
    let mut keepers = Vec::new();
    for owner in app.metadata.owner_references.iter().filter(|owner| owner.kind == "ApplicationSet") {
        let namespace = &target.path.namespace;
        let read: Result<ApplicationSet, _> = match is_name(&owner.name) {
            true => {
                api.get(&format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applicationsets/{}", owner.name))
                    .await
            }
            false => Err(ApiError::Strange(Safe::fixed("its name is not one"))),
        };
        keepers.push(by_set(&owner.name, target, read));
    }
    if let Some((name, read)) = parent(api, target, app).await {
        keepers.push(by_parent(&name, target, read));
    }
    keepers
}

/// The Application that applies this one.
async fn parent(api: &Api, target: &Target, app: &App) -> Option<(String, Result<App, ApiError>)> {
    let parent = api.application(&app.metadata, target.kind.as_str()).await;
    parent.filter(|(tracked, _)| application(target, tracked).path != target.path)
}

fn by_set(name: &str, target: &Target, read: Result<ApplicationSet, ApiError>) -> Owner {
    let leaves = |set: &ApplicationSet| {
        let once = ["create-only", "create-delete"].contains(&set.spec.sync_policy.applications_sync.as_str());
        once || set.spec.ignore_application_differences.iter().any(|ignored| ignores(ignored, target))
    };
    let (effect, words) = match read {
        Ok(set) if leaves(&set) => (OwnerEffect::Informs, "leaves its auto-sync alone".to_owned()),
        Ok(_) => (
            OwnerEffect::Reverts,
            "made it and turns auto-sync on again in seconds; let its ignoreApplicationDifferences name \
             /spec/syncPolicy, or revert the commit"
                .to_owned(),
        ),
        Err(error) => (
            OwnerEffect::Reverts,
            format!("made it and turns auto-sync on again, as far as is known: it could not be read ({error})"),
        ),
    };
    Owner { name: said(&format!("ApplicationSet {name}")), effect, words: said(&words) }
}

fn by_parent(name: &str, target: &Target, read: Result<App, ApiError>) -> Owner {
    let leaves = |app: &App| {
        app.spec
            .ignore_differences
            .iter()
            .any(|ignored| ["Application", "*"].contains(&ignored.kind.as_str()) && ignores(ignored, target))
    };
    let (effect, words) = match read {
        Ok(app) if leaves(&app) => (OwnerEffect::Informs, "leaves its auto-sync alone".to_owned()),
        Ok(app) if app.heals() => (
            OwnerEffect::Reverts,
            "applies this Application and heals itself: auto-sync is on again in seconds; turn it off in git, or \
             revert the commit"
                .to_owned(),
        ),
        Ok(_) => (
            OwnerEffect::MayRevert,
            "applies this Application: its next sync turns auto-sync on again, and that rolls forward".to_owned(),
        ),
        Err(error @ ApiError::Elsewhere(_)) => (OwnerEffect::MayRevert, elsewhere(&error)),
        Err(error) => (
            OwnerEffect::MayRevert,
            format!("applies this Application and may turn auto-sync on again: it could not be read ({error})"),
        ),
    };
    Owner { name: said(&format!("parent app {name}")), effect, words: said(&words) }
}

/// Whether an exception covers the auto-sync of `target`.
fn ignores(ignored: &IgnoreDifference, target: &Target) -> bool {
    let covers =
        |path: &str| AUTOMATED == path || AUTOMATED.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let here = ignored.name.as_ref().is_none_or(|name| name.is_empty() || *name == *target.path.name);
    let jq = |path: &String| covers(&path.replace('.', "/"));
    here && (ignored.json_pointers.iter().any(|path| covers(path)) || ignored.jq_path_expressions.iter().any(jq))
}
