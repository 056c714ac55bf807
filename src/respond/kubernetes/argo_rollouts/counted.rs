//! Which pods of a Rollout count for its number of replicas. Its status counts all of them, those of
//! versions too that Argo Rollouts keeps beside or for a while after another.

use serde::Deserialize as _;
use serde_json::Value;

use crate::respond::kubernetes::client::{Api, ApiError};
use crate::respond::kubernetes::pace::share;
use crate::respond::kubernetes::said;

use super::objects::{self, ReplicaSet, Rollout};

/// Pods that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::respond::kubernetes) struct Counted {
    pub(in crate::respond::kubernetes) total: u32,
    pub(in crate::respond::kubernetes) available: u32,
    /// How many more than were asked for may be there for good.
    pub(in crate::respond::kubernetes) beside: u32,
}

/// Those of the Rollout `object`.
pub(in crate::respond::kubernetes) async fn counted(
    api: &Api,
    namespace: &str,
    object: &Value,
) -> Result<Counted, ApiError> {
    let rollout = Rollout::deserialize(object).map_err(|error| ApiError::Strange(said(&error.to_string())))?;
    let sets = objects::replica_sets(api, namespace, &rollout).await?;
    Ok(of(&rollout, &sets))
}

fn of(rollout: &Rollout, sets: &[ReplicaSet]) -> Counted {
    let (current, stable) = (rollout.status.current_pod_hash.as_str(), rollout.status.stable_rs.as_str());
    let under_way = !stable.is_empty() && current != stable;
    // Where traffic does not follow the number of pods, the stable version has all that were asked
    // for, and the new one stands beside it.
    let beside_it = rollout.is_blue_green() || (rollout.is_routed() && !rollout.scales_stable());
    let counts = |set: &&ReplicaSet| {
        let hash = set.hash();
        !hash.is_empty() && (hash == stable || (hash == current && !(under_way && beside_it)))
    };
    let ours: Vec<_> = sets.iter().filter(counts).map(|set| &set.status).collect();
    // What a weight comes to is rounded up if there may be more (`utils/replicaset/canary.go`).
    let surge = rollout.spec.strategy.pointer("/canary/maxSurge").cloned().unwrap_or_else(|| Value::from("25%"));
    let rounds = under_way && !beside_it && share(&surge, rollout.wanted(), true) > 0;
    Counted {
        total: ours.iter().map(|status| status.replicas).fold(0, u32::saturating_add),
        available: ours.iter().map(|status| status.available_replicas).fold(0, u32::saturating_add),
        beside: u32::from(rounds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What counts of sets with these pods, of which one is stable and one is wanted.
    fn counted(strategy: Value, sets: &[(&str, u32)], stable: &str, current: &str) -> (u32, u32) {
        let rollout = json!({ "spec": { "replicas": 8, "strategy": strategy },
            "status": { "stableRS": stable, "currentPodHash": current, "observedGeneration": "1" } });
        let sets: Vec<ReplicaSet> = sets
            .iter()
            .map(|(hash, pods)| {
                let labels = json!({ "rollouts-pod-template-hash": hash });
                let status = json!({ "replicas": pods, "availableReplicas": pods });
                serde_json::from_value(json!({ "metadata": { "labels": labels }, "status": status })).unwrap()
            })
            .collect();
        let counted = of(&serde_json::from_value(rollout).unwrap(), &sets);
        assert_eq!(counted.total, counted.available);
        (counted.total, counted.beside)
    }

    #[test]
    fn a_basic_canary_may_have_one_more_and_old_versions_do_not_count() {
        let sets = [("old", 3), ("a", 5), ("b", 4)];
        assert_eq!(counted(json!({ "canary": {} }), &sets, "a", "b"), (9, 1));
        assert_eq!(counted(json!({ "canary": { "maxSurge": "0%" } }), &sets, "a", "b"), (9, 0));
        assert_eq!(counted(json!({ "canary": {} }), &sets, "b", "b"), (4, 0), "promoted: what goes does not count");
        assert_eq!(counted(json!({ "canary": {} }), &sets, "", "b"), (4, 0), "its first version");
    }

    #[test]
    fn where_traffic_is_divided_by_something_else_the_stable_version_alone_counts() {
        let sets = [("a", 8), ("b", 8)];
        let routed = json!({ "canary": { "trafficRouting": { "istio": {} } } });
        let dynamic = json!({ "canary": { "trafficRouting": { "istio": {} }, "dynamicStableScale": true } });
        assert_eq!(counted(json!({ "blueGreen": {} }), &sets, "a", "b"), (8, 0));
        assert_eq!(counted(routed, &sets, "a", "b"), (8, 0));
        assert_eq!(counted(dynamic, &[("a", 5), ("b", 3)], "a", "b"), (8, 1), "it gives way as the new one grows");
    }
}
