//! A Deployment that a Rollout takes its template from (`spec.workloadRef`): what looks like one
//! without pods is production then. Its template is rolled out by the Rollout as soon as it changes,
//! and pods of its own stand beside those of the Rollout.

use serde::Deserialize as _;
use serde_json::Value;

use crate::model::name::{Kind, Target};
use crate::model::plan::{Owner, OwnerEffect, Refusal};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::client::Api;
use crate::respond::kubernetes::{keepers, said};
use crate::text::Safe;

use super::objects::Rollout;

/// Who takes the template of a workload.
pub(in crate::respond::kubernetes) enum Referring {
    /// No Rollout does.
    Nobody,
    /// This one: its namespace and name.
    Rollout(String),
    /// The Rollouts could not be read, and why.
    Unread(Safe),
}

impl Referring {
    pub(in crate::respond::kubernetes) async fn read(api: &Api, target: &Target) -> Self {
        if target.kind != Kind::Deployment {
            return Self::Nobody;
        }
        let all = match keepers::rollouts(api, Some(&target.path.namespace)).await {
            Ok(all) => all,
            Err(error) => return Self::Unread(Safe::from(error.to_string())),
        };
        let refers = |object: &Value| {
            let rollout = Rollout::deserialize(object).ok()?;
            let to = rollout.spec.workload_ref.as_ref()?;
            (to.kind == target.kind.as_str() && *to.name == *target.path.name).then_some(rollout.metadata.name)
        };
        match all.iter().find_map(refers) {
            Some(name) => Self::Rollout(format!("{}/{name}", target.path.namespace)),
            None => Self::Nobody,
        }
    }

    /// That what is done to `target` is about itself alone. `instead`: the command for the Rollout.
    pub(in crate::respond::kubernetes) fn check(&self, target: &Target, instead: &str) -> Result<(), Refusal> {
        let Self::Rollout(rollout) = self else { return Ok(()) };
        Err(refusal(said(&format!(
            "{target} is what Rollout {rollout} takes its template from (workloadRef): a change of it goes to the pods \
             of that one; `:{instead} Rollout {rollout}` does it there"
        ))))
    }

    /// What is to be said of it beside a plan.
    pub(in crate::respond::kubernetes) fn owner(&self) -> Option<Owner> {
        match self {
            Self::Nobody => None,
            Self::Rollout(rollout) => Some(Owner {
                name: said(&format!("Rollout {rollout}")),
                effect: OwnerEffect::MayRevert,
                words: Safe::fixed("takes its template from this (workloadRef), and may scale it to 0"),
            }),
            Self::Unread(why) => Some(Owner {
                name: Safe::fixed("Argo Rollouts"),
                effect: OwnerEffect::MayRevert,
                words: said(&format!(
                    "could not be read ({why}): a Rollout that takes its template from this one rolls a change out"
                )),
            }),
        }
    }
}
