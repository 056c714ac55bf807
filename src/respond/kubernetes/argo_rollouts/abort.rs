//! The end of a rollout that is under way: a field of the status, which the stable version takes for
//! its word to take over again. An abort says of no version which one it means, so both are tested.

use serde_json::{Value, json};

use crate::model::plan::{Blast, FieldChange, Guard, Owner, OwnerEffect, Plan, Refusal, Request, Tier};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::draft::{fact, warning};
use crate::respond::kubernetes::scale::kubectl;
use crate::respond::kubernetes::{argocd, fields, said};
use crate::text::Safe;

use super::Facts;

/// What is written.
pub(super) const ABORT: &str = "/status/abort";
/// The versions that a plan is about, by their hashes, and what people call them.
const CURRENT: (&str, &str) = ("/status/currentPodHash", "the version that is rolled out");
const STABLE: (&str, &str) = ("/status/stableRS", "the stable version");

impl Facts<'_> {
    pub(super) fn abort(&self, want: &Request) -> Result<Plan, Refusal> {
        let (target, status) = (self.target, &self.rollout.status);
        self.check_observed()?;
        if status.abort {
            return Err(refusal(format!(
                "the rollout of {target} was aborted already; its specification still holds {}: roll it back",
                self.name_of(&status.current_pod_hash)
            )));
        }
        if status.stable_rs.is_empty() {
            return Err(refusal(format!(
                "{target} never rolled out a version to the end: there is none that an abort could go back to"
            )));
        }
        if status.current_pod_hash == status.stable_rs {
            return Err(refusal(format!(
                "no rollout of {target} is under way: there is nothing to abort; `rollback` goes to an earlier version"
            )));
        }
        let (stable, new) = (self.name_of(&status.stable_rs), self.name_of(&status.current_pod_hash));
        let mut plan = self.draft(want);
        plan.title = Safe::from(format!("abort the rollout of {} {}", target.kind, target.path.name));
        plan.changes = vec![FieldChange {
            pointer: Safe::fixed(ABORT),
            label: Safe::fixed("abort"),
            before: fields::kept(self.object.pointer(ABORT).unwrap_or(&Value::Null)).unwrap_or_default(),
            after: Safe::fixed("true"),
            words: None,
        }];
        plan.guards = vec![self.stays(CURRENT), self.stays(STABLE)];
        plan.undo = Some(said(&format!("retries the rollout of {new} from its first step")));
        plan.facts = vec![
            fact("from", &new),
            fact("to", &format!("{stable}, as it is stable; the Rollout says Degraded then, and that is meant")),
            warning("spec", "still holds the new version afterwards: roll back as well, and revert the commit"),
        ];
        (plan.blast, plan.tier) = self.stakes();
        plan.owners.extend(self.application.as_ref().map(|(tracked, _)| Owner {
            name: argocd::owner(tracked),
            effect: OwnerEffect::Informs,
            words: Safe::fixed("writes no status, so the abort stays; its git still says the new version"),
        }));
        plan.command = self.patch("status", &json!({ "status": { "abort": true } }));
        Ok(plan)
    }

    /// That a version is the one that was shown: an abort says of none which it means.
    fn stays(&self, (pointer, label): (&'static str, &'static str)) -> Guard {
        let hash = self.object.pointer(pointer).unwrap_or(&Value::Null);
        Guard { pointer: Safe::fixed(pointer), label: Safe::fixed(label), value: Safe::from(hash.to_string()) }
    }

    /// What an abort puts at stake: the load of the new version's pods goes to the stable ones.
    fn stakes(&self) -> (Blast, Tier) {
        let (status, wanted) = (&self.rollout.status, self.rollout.wanted());
        let new = status.updated_replicas;
        let stable = self.set_of(&status.stable_rs).map_or(0, |set| set.status.ready_replicas);
        let weight = self.rollout.canary_weight();
        let traffic = weight.map_or(String::new(), |weight| format!(", with {weight} % of the traffic"));
        let words =
            format!("{new} pods of the new version{traffic}; the stable one has {stable} ready and goes to {wanted}");
        let tier = match (stable, new, weight) {
            (0, ..) if wanted > 0 => Tier::Grave,
            // Before it is promoted a blue-green rollout has no traffic, nor has a canary of weight 0.
            (_, 0, _) | (_, _, Some(0)) => Tier::Reversible,
            _ if self.rollout.is_blue_green() => Tier::Reversible,
            _ => Tier::Lowers,
        };
        let blast = Blast {
            ready_before: status.ready_replicas,
            wanted_before: None,
            wanted_after: wanted,
            fewest_ready: Some(stable.min(status.ready_replicas)),
            words: Safe::from(words),
        };
        (blast, tier)
    }

    /// A retry of what was aborted, or its abort once more.
    pub(super) fn undo_abort(&self, want: &Request, change: &FieldChange) -> Plan {
        let target = self.target;
        let status = &self.rollout.status;
        let again = !status.abort;
        let mut plan = self.draft(want);
        plan.changes = vec![FieldChange {
            before: fields::kept(self.object.pointer(ABORT).unwrap_or(&Value::Null)).unwrap_or_default(),
            // The controller leaves `false` out.
            after: Safe::fixed(if again { "true" } else { "null" }),
            words: None,
            ..change.clone()
        }];
        (plan.blast, plan.tier) = self.stakes();
        let new = self.name_of(&status.current_pod_hash);
        plan.guards = vec![self.stays(CURRENT)];
        if again {
            plan.guards.push(self.stays(STABLE));
            plan.title = Safe::from(format!("abort the rollout of {} {} again", target.kind, target.path.name));
            plan.undo = Some(said(&format!("retries the rollout of {new} from its first step")));
        } else {
            plan.title = Safe::from(format!("retry the rollout of {} {}", target.kind, target.path.name));
            plan.undo = Some(Safe::fixed("aborts it again"));
            plan.facts = vec![warning("to", &format!("{new}, which was aborted: it starts at its first step"))];
            plan.tier = Tier::Lowers;
        }
        plan.command = self.patch("status", &json!({ "status": { "abort": again } }));
        plan
    }

    /// The same change of a subresource as a command.
    fn patch(&self, subresource: &str, change: &Value) -> Safe {
        let path = &self.target.path;
        Safe::from(kubectl(
            self.api.context(),
            &path.namespace,
            &[
                "patch",
                "rollout",
                &path.name,
                &format!("--subresource={subresource}"),
                "--type=merge",
                "-p",
                &change.to_string(),
            ],
        ))
    }
}
