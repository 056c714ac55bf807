//! From what somebody calls a workload to the object that is meant.
//!
//! What the picture knows is found in it. What is not in it, such as Argo CD's Applications, is
//! named by its kind and its place; the plan tells which object that is, and holds on to it.

use crate::model::command::WorkloadChoice;
use crate::model::name::{Kind, ObjectPath, Origin, SourceId, Target};
use crate::observe::workloads::WorkloadRow;
use crate::session::core::Core;

use super::declared;

/// Where Argo CD keeps Applications unless it is told otherwise.
const ARGO_CD: &str = "argocd";
/// The source whose system has what the picture does not show.
const KUBERNETES: &str = "kubernetes";

/// What `choice` means.
pub(super) fn target(core: &Core, choice: &WorkloadChoice) -> Result<Target, String> {
    match choice {
        WorkloadChoice::Exactly(key) => core
            .picture
            .workloads
            .row(key)
            .map(of)
            .ok_or_else(|| format!("{key} is not known any more: nothing was planned")),
        WorkloadChoice::Named(name) => named(core, name),
    }
}

fn of(row: &WorkloadRow) -> Target {
    Target {
        origin: row.origin.clone(),
        kind: row.key.kind,
        path: row.key.path.clone(),
        uid: row.workload.as_ref().map(|workload| workload.uid.clone()),
    }
}

fn named(core: &Core, words: &str) -> Result<Target, String> {
    let (kind, name) = match words.split_once(char::is_whitespace) {
        Some((kind, name)) => {
            let known = Kind::parse(kind).ok_or_else(|| format!("`{kind}` is not a kind: nothing was planned"))?;
            (Some(known), name.trim())
        }
        None => (None, words),
    };
    let mut fits: Vec<Target> = core.picture.workloads.named(name).into_iter().map(of).collect();
    fits.extend(declared::ecs(core, name));
    fits.retain(|target| kind.is_none_or(|kind| target.kind == kind));
    match (fits.as_slice(), kind) {
        ([target], _) => Ok(target.clone()),
        ([], Some(kind @ (Kind::Application | Kind::Rollout))) => elsewhere(core, kind, name),
        ([], _) => Err(format!("no workload `{words}` is known: nothing was planned")),
        (several, _) => {
            let names: Vec<_> =
                several.iter().take(4).map(|target| format!("{} {}", target.kind, target.path)).collect();
            Err(format!(
                "`{words}` is not one workload but {}: {}; give its namespace",
                several.len(),
                names.join(", ")
            ))
        }
    }
}

/// An object that the picture does not show. Which one it is, its plan tells.
fn elsewhere(core: &Core, kind: Kind, name: &str) -> Result<Target, String> {
    let path = match (name.split_once('/'), kind) {
        (Some((namespace, name)), _) => ObjectPath::new(namespace, name),
        (None, Kind::Application) => ObjectPath::new(ARGO_CD, name),
        (None, _) => {
            return Err(format!("the namespace of the {kind} `{name}` is missing, as in `{kind} shop/{name}`"));
        }
    };
    let origin = Origin { env: core.facing.env.clone(), source: SourceId::from(KUBERNETES) };
    Ok(Target { origin, kind, path, uid: None })
}
