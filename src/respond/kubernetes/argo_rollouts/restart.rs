//! All pods of a Rollout anew: a time in its specification (`restartAt`).
//!
//! Argo Rollouts evicts every pod that is older, at most `maxUnavailable` of them at a time and one
//! at least, and its ReplicaSet makes another: none is there in addition, and both versions of a
//! rollout that is under way keep their templates.

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{Blast, FieldChange, Plan, RESTARTED, Refusal, Request, Tier};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::draft::{fact, warning};
use crate::respond::kubernetes::fields::kept;
use crate::respond::kubernetes::owners::{Field, of_field};
use crate::respond::kubernetes::pace::share;
use crate::respond::kubernetes::said;
use crate::respond::kubernetes::scale::kubectl;
use crate::text::Safe;

use super::Facts;

/// Where the time is.
pub(super) const RESTART_AT: &str = "/spec/restartAt";
/// What Argo Rollouts takes where `maxUnavailable` is not set, for a blue-green one as well.
const AWAY: &str = "25%";
/// Seconds for the pods of one step to end and to be ready again.
const STEP: u32 = 60;

impl Facts<'_> {
    pub(super) fn restart(&self, want: &Request) -> Result<Plan, Refusal> {
        let (target, status, wanted) = (self.target, &self.rollout.status, self.rollout.wanted());
        if wanted == 0 {
            return Err(refusal(format!("{target} has no pods: there is nothing to restart")));
        }
        let at = self.read_at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let before = self.object.pointer(RESTART_AT).cloned().unwrap_or_default();
        let told = before.as_str().unwrap_or("never").to_owned();
        let text = |value: &Value| {
            kept(value).ok_or_else(|| refusal(format!("what {target} notes of its last restart is too long to be one")))
        };
        let mut plan = self.draft(want);
        plan.title = Safe::from(format!("restart {} {}", target.kind, target.path.name));
        plan.changes = vec![FieldChange {
            pointer: Safe::fixed(RESTART_AT),
            label: Safe::fixed(RESTARTED),
            before: text(&before)?,
            after: text(&json!(at))?,
            words: Some(said(&format!("{told} → now"))),
        }];
        let strategy = if self.rollout.is_blue_green() { "blueGreen" } else { "canary" };
        let given = self.rollout.spec.strategy.pointer(&format!("/{strategy}/maxUnavailable")).cloned();
        let away = share(&given.unwrap_or_else(|| Value::from(AWAY)), wanted, false).clamp(1, wanted);
        let ready = status.ready_replicas;
        // Fewer it leaves to nobody: what is away already counts among those that may be.
        let least = wanted.max(status.replicas).saturating_sub(away);
        if ready <= least {
            return Err(refusal(format!(
                "{target} has {ready} of {wanted} pods ready, and Argo Rollouts restarts none while fewer than {} are: \
                 nothing would happen now, and something later; see to those that are not ready, or roll it back",
                least.saturating_add(1)
            )));
        }
        let at_once = ready - least;
        plan.blast = Blast {
            ready_before: ready,
            wanted_before: None,
            wanted_after: wanted,
            fewest_ready: Some(least),
            words: Safe::from(format!(
                "{ready} of {wanted} ready now; {at_once} at a time end before others take their place"
            )),
        };
        // As with every rollout: one key, unless nothing stays ready on the way.
        plan.tier = if least == 0 { Tier::Lowers } else { Tier::Reversible };
        if least == 0 {
            plan.facts
                .push(warning("capacity", "no pod is ready on the way: Argo Rollouts adds none while it restarts"));
        }
        if status.current_pod_hash != status.stable_rs {
            let both = format!(
                "pods of {} and of {} alike; the rollout under way goes on as it is",
                self.name_of(&status.stable_rs),
                self.name_of(&status.current_pod_hash)
            );
            plan.facts.push(fact("versions", &both));
        }
        plan.facts.push(fact("budgets", "pods are evicted: a PodDisruptionBudget can make it wait"));
        plan.patience_seconds = plan.patience_seconds.saturating_add(STEP.saturating_mul(wanted.div_ceil(away)));
        plan.owners = of_field(Field::Restart, &self.rollout.metadata, target.kind.as_str(), self.application.clone());
        let path = &target.path;
        let patch = json!({ "spec": { "restartAt": at } }).to_string();
        plan.command = Safe::from(kubectl(
            self.api.context(),
            &path.namespace,
            &["patch", "rollout", &path.name, "--type=merge", "-p", &patch],
        ));
        Ok(plan)
    }
}

/// Why a restart is not taken back.
pub(super) fn refused(target: &Target) -> Refusal {
    refusal(format!(
        "the restart of {target} cannot be undone: the old pods are gone, and the new ones run the same template"
    ))
}
