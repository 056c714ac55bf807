//! All pods of a Rollout anew: `spec.restartAt`.
//!
//! Owns: which pods are evicted, and `status.restartedAt`; the rules are those of
//! `rollout/restart.go`. Must not: make a pod: the ReplicaSets do. The drill has no
//! PodDisruptionBudgets, so no eviction is refused.

use serde_json::Value;

use super::super::state::State;
use super::super::store::Key;
use super::super::value::{at, moment, put, text};
use super::{Set, bounds};

/// Whether there is a restart that is not done yet.
pub(super) fn is_wanted(rollout: &Value) -> bool {
    let at = |path: &[&str]| moment(text(rollout, path));
    let wanted = at(&["spec", "restartAt"]);
    wanted.is_some() && wanted != at(&["status", "restartedAt"])
}

/// Takes a restart for done, whatever its pods are: so does a new template.
pub(super) fn end(rollout: &mut Value) {
    if is_wanted(rollout) {
        let until = at(rollout, &["spec", "restartAt"]).clone();
        put(rollout, &["status", "restartedAt"], until);
    }
}

impl State {
    /// Evicts pods that are older than the restart that is asked for: as many as may be away, and one
    /// at least. Whether there were any.
    pub(super) fn restart_pods(&mut self, rollout: &mut Value, sets: &[Set]) -> bool {
        let Some(from) = moment(text(rollout, &["spec", "restartAt"])).filter(|from| self.now > *from) else {
            return false;
        };
        if !is_wanted(rollout) {
            return false;
        }
        let namespace = Key::of(rollout).namespace;
        let is_ours = |set: &str| sets.iter().any(|it| it.key.name == set);
        let pods = self.pods.iter().filter(|(key, run)| key.namespace == namespace && is_ours(&run.replica_set));
        let (mut available, mut old) = (0_i64, Vec::new());
        for (key, run) in pods {
            available += i64::from(run.ready && run.deleted.is_none());
            if run.created < from {
                old.push((key.clone(), run.deleted.is_some()));
            }
        }
        let bounds = bounds(rollout);
        let total: i64 = sets.iter().map(|set| set.wanted).sum();
        let may_go = available - (bounds.replicas.max(total) - bounds.unavailable.max(1));
        let evicted: Vec<Key> = old
            .iter()
            .filter(|(_, leaving)| !leaving)
            .take(usize::try_from(may_go).unwrap_or(0))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &evicted {
            self.terminate(key);
        }
        // One that is on its way out is waited for.
        if old.is_empty() {
            end(rollout);
        }
        !evicted.is_empty()
    }
}
