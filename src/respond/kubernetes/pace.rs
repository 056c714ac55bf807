//! How a workload replaces its pods: how many go and come at a time, and what that puts at stake.
//! Pure.

use serde_json::Value;

use crate::model::name::Kind;
use crate::model::plan::{Blast, Room, Tier};
use crate::respond::Cluster;
use crate::text::Safe;

use super::{LONGEST, PATIENCE};

/// For each step of a rollout, in seconds: pods start, become ready, and the next ones go.
const STEP: i64 = 60;

/// The way of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) replicas: u32,
    pub(super) ready: u32,
    /// The most that are away at a time.
    away: u32,
    /// The most that are there in addition.
    added: u32,
    pub(super) way: Way,
    /// The ordinal of the first pod of a StatefulSet (`spec.ordinals.start`).
    first: u64,
    /// Whether pods go by their ordinals, whatever their state.
    ordered: bool,
    /// For how long a pod has to be ready before the next goes, in seconds.
    settle: u64,
    deadline: i64,
}

/// What makes it replace a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It does so by itself, some at a time.
    Rolls,
    /// All end before the first new one starts.
    Recreates,
    /// It rolls, but so many pods of a StatefulSet, those of the lowest ordinals, stay as they are.
    From(u32),
    /// Somebody has to delete the pod.
    OnDelete,
}

impl Pace {
    pub(super) fn of(kind: Kind, object: &Value) -> Self {
        let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (replicas, ready, strategy) = match kind {
            Kind::DaemonSet => {
                (count("/status/desiredNumberScheduled").unwrap_or(0), count("/status/numberReady"), "updateStrategy")
            }
            Kind::StatefulSet => {
                (count("/spec/replicas").unwrap_or(1), count("/status/readyReplicas"), "updateStrategy")
            }
            _ => (count("/spec/replicas").unwrap_or(1), count("/status/readyReplicas"), "strategy"),
        };
        let part = |name: &str, default: &str, up: bool| {
            let given = object.pointer(&format!("/spec/{strategy}/rollingUpdate/{name}"));
            share(given.unwrap_or(&Value::from(default)), replicas, up)
        };
        let (mut away, mut added) = match kind {
            // Without a word, one at a time.
            Kind::StatefulSet => (part("maxUnavailable", "1", true).max(1), 0),
            Kind::DaemonSet => (part("maxUnavailable", "1", true), part("maxSurge", "0", true)),
            _ => (part("maxUnavailable", "25%", false), part("maxSurge", "25%", true)),
        };
        if (away, added) == (0, 0) {
            // Otherwise nothing could ever move: the controllers see it so, too.
            away = 1;
        }
        let partition = count("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
        let way = match word(&format!("/spec/{strategy}/type")) {
            "OnDelete" => Way::OnDelete,
            "Recreate" => Way::Recreates,
            _ if kind == Kind::StatefulSet && partition > 0 => Way::From(partition),
            _ => Way::Rolls,
        };
        match way {
            Way::OnDelete => (away, added) = (0, 0),
            Way::Recreates => (away, added) = (replicas, 0),
            Way::Rolls | Way::From(_) => {}
        }
        let settle = object.pointer("/spec/minReadySeconds").and_then(Value::as_u64).unwrap_or(0);
        let deadline = object.pointer("/spec/progressDeadlineSeconds").and_then(Value::as_i64);
        let deadline = deadline.unwrap_or(PATIENCE.num_seconds());
        Self {
            replicas,
            ready: ready.unwrap_or(0),
            away: away.min(replicas),
            added,
            way,
            first: object.pointer("/spec/ordinals/start").and_then(Value::as_u64).unwrap_or(0),
            ordered: kind == Kind::StatefulSet,
            settle,
            deadline,
        }
    }

    /// The ordinal below which pods stay as they are, where so many of them do.
    pub(super) fn below(&self, keeps: u32) -> u64 {
        self.first.saturating_add(u64::from(keeps))
    }

    /// What stays ready while it rolls, if what comes is no worse than what goes.
    fn least(&self) -> u32 {
        self.ready.min(self.replicas).saturating_sub(self.away)
    }

    /// The fewest that are ready while it rolls. What is away already counts among those that may
    /// be, but for a StatefulSet, which goes by ordinals.
    fn fewest(&self) -> u32 {
        match self.way {
            Way::OnDelete => self.ready,
            _ if self.ordered => self.least(),
            _ => self.ready.min(self.replicas.saturating_sub(self.away)),
        }
    }

    pub(super) fn blast(&self) -> Blast {
        let Self { replicas, ready, away, added, .. } = self;
        let now = format!("{ready} of {replicas} ready now");
        let words = match self.way {
            _ if *replicas == 0 => "it has no pods now".to_owned(),
            Way::OnDelete => format!("{now}; no pod changes before somebody deletes it (OnDelete)"),
            Way::Recreates => format!("{now}; all of them end before the first new one starts (Recreate)"),
            Way::Rolls | Way::From(_) => {
                let more = if *added > 0 { format!(", {added} more at a time") } else { String::new() };
                format!("{now}; while it rolls {away} may be away{more}")
            }
        };
        Blast {
            ready_before: *ready,
            wanted_before: None,
            wanted_after: *replicas,
            fewest_ready: Some(self.fewest()),
            words: Safe::from(words),
        }
    }

    /// One key, unless nothing stays ready on the way.
    pub(super) fn tier(&self) -> Tier {
        if self.ready > 0 && self.least() == 0 { Tier::Lowers } else { Tier::Reversible }
    }

    /// Whether those that are there in addition fit.
    pub(super) fn room(&self, cluster: &Cluster) -> Room {
        let added = self.added.min(self.replicas);
        if added == 0 {
            return Room::NotNeeded;
        }
        let Some(fits) = cluster.fits else {
            return Room::Unknown { why: Safe::fixed("the nodes or the requests of its pods are not known") };
        };
        let fit = fits.min(added);
        let wait = added - fit;
        let words = match (wait, self.away) {
            (0, _) => format!("all {added} fit now, by the requests of the pods that run"),
            (_, 0) => format!("{fit} of {added} fit now; {wait} would wait for a node"),
            (_, away) => {
                format!("{fit} of {added} fit now; {wait} would wait for a node, and it goes on as {away} may be away")
            }
        };
        Room::Counted { fit, wait, words: Safe::from(words) }
    }

    fn steps(&self) -> u32 {
        self.replicas.div_ceil((self.away + self.added).max(1))
    }

    /// How long it takes, as far as it is known: `6 steps of 1 pod, at least 180 s`.
    pub(super) fn takes(&self) -> Option<String> {
        if self.replicas == 0 || self.way == Way::OnDelete {
            return None;
        }
        let (steps, pods) = (self.steps(), (self.away + self.added).min(self.replicas));
        let steps_are = if steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
        let each = if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") };
        Some(match self.settle {
            0 => format!("{steps_are} of {each}, each until they are ready"),
            settle => format!(
                "{steps_are} of {each}, at least {} s (minReadySeconds {settle})",
                settle.saturating_mul(u64::from(steps))
            ),
        })
    }

    /// How long it may take: what Kubernetes gives it without progress, and a while for each step.
    pub(super) fn patience(&self) -> u32 {
        let steps = i64::from(self.steps());
        let longest = i64::from(LONGEST);
        let settle = i64::try_from(self.settle).unwrap_or(longest).min(longest);
        let whole = self.deadline.saturating_add(STEP).saturating_add((STEP + settle).saturating_mul(steps));
        u32::try_from(whole.clamp(0, longest)).unwrap_or(LONGEST)
    }
}

/// An integer or a percentage of `of`.
pub(super) fn share(value: &Value, of: u32, up: bool) -> u32 {
    if let Some(number) = value.as_u64() {
        return u32::try_from(number).unwrap_or(u32::MAX);
    }
    let text = value.as_str().unwrap_or_default();
    let Some(percent) = text.strip_suffix('%') else { return text.parse().unwrap_or(0) };
    let product = u64::from(of) * percent.parse::<u64>().unwrap_or(0).min(100);
    u32::try_from(if up { product.div_ceil(100) } else { product / 100 }).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(spec: Value, ready: u32) -> Pace {
        Pace::of(Kind::Deployment, &json!({ "spec": spec, "status": { "readyReplicas": ready } }))
    }

    #[test]
    fn a_deployment_rounds_as_its_controller_does() {
        let pace = deployment(json!({ "replicas": 6 }), 6);
        assert_eq!((pace.away, pace.added, pace.tier()), (1, 2, Tier::Reversible));
        assert_eq!(pace.blast().fewest_ready, Some(5));
        let ill = deployment(json!({ "replicas": 6 }), 2);
        assert_eq!(ill.blast().fewest_ready, Some(2), "those that are away already count among those that may be");
        let set = Pace::of(Kind::StatefulSet, &json!({ "spec": { "replicas": 3 }, "status": { "readyReplicas": 2 } }));
        assert_eq!(set.blast().fewest_ready, Some(1), "it goes by ordinals, whatever their state");
        assert_eq!(pace.blast().words, "6 of 6 ready now; while it rolls 1 may be away, 2 more at a time");
        let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "10%" } });
        let stuck = deployment(json!({ "replicas": 6, "strategy": rolling }), 6);
        assert_eq!((stuck.away, stuck.added), (1, 0), "nothing and nothing is one");
        assert_eq!(stuck.room(&Cluster::default()), Room::NotNeeded);
    }

    #[test]
    fn what_takes_the_last_ready_pod_on_the_way_wants_the_name() {
        let recreate = deployment(json!({ "replicas": 3, "strategy": { "type": "Recreate" } }), 3);
        assert_eq!((recreate.tier(), recreate.blast().fewest_ready), (Tier::Lowers, Some(0)));
        assert!(recreate.blast().words.contains("all of them end before"));
        let broken = deployment(json!({ "replicas": 3, "strategy": { "type": "Recreate" } }), 0);
        assert_eq!(broken.tier(), Tier::Reversible, "where nothing is ready, nothing is lost");
        let single = Pace::of(Kind::StatefulSet, &json!({ "spec": {}, "status": { "readyReplicas": 1 } }));
        assert_eq!(single.tier(), Tier::Lowers);
        assert_eq!(deployment(json!({ "replicas": 1 }), 1).tier(), Tier::Reversible, "a surge stands in for it");
    }

    #[test]
    fn partitions_and_deletion_by_hand_are_ways_of_their_own() {
        let set = |strategy: Value| {
            let of = json!({ "spec": { "replicas": 3, "updateStrategy": strategy }, "status": { "readyReplicas": 3 } });
            Pace::of(Kind::StatefulSet, &of)
        };
        assert_eq!(set(json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } })).way, Way::From(2));
        assert_eq!(set(json!({ "rollingUpdate": { "partition": 0 } })).way, Way::Rolls);
        let later = json!({ "spec": { "replicas": 3, "ordinals": { "start": 5 },
            "updateStrategy": { "rollingUpdate": { "partition": 2 } } } });
        let later = Pace::of(Kind::StatefulSet, &later);
        assert_eq!((later.way, later.below(2)), (Way::From(2), 7), "a partition is counted from the first ordinal");
        let by_hand = set(json!({ "type": "OnDelete" }));
        assert_eq!((by_hand.way, by_hand.tier()), (Way::OnDelete, Tier::Reversible));
    }

    #[test]
    fn a_daemon_set_counts_nodes() {
        let of = json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxUnavailable": "50%" } } },
            "status": { "desiredNumberScheduled": 5, "numberReady": 4 } });
        let pace = Pace::of(Kind::DaemonSet, &of);
        assert_eq!((pace.replicas, pace.ready, pace.away, pace.added), (5, 4, 3, 0));
    }

    #[test]
    fn room_is_for_those_that_are_there_in_addition() {
        let pace = deployment(json!({ "replicas": 8 }), 8);
        let room = pace.room(&Cluster { fits: Some(1), ..Cluster::default() });
        let Room::Counted { fit: 1, wait: 1, words } = room else { panic!("{room:?}") };
        assert_eq!(words, "1 of 2 fit now; 1 would wait for a node, and it goes on as 2 may be away");
        assert!(matches!(pace.room(&Cluster::default()), Room::Unknown { .. }));
    }

    #[test]
    fn patience_outlasts_the_deadline_of_kubernetes_and_grows_with_the_steps() {
        let small = deployment(json!({ "replicas": 2, "progressDeadlineSeconds": 100 }), 2);
        assert!(small.patience() > 100 + 60);
        let large = deployment(json!({ "replicas": 400 }), 400);
        assert!(large.patience() > small.patience() && large.patience() <= 3600);
        let never = deployment(json!({ "replicas": 2, "progressDeadlineSeconds": i32::MAX }), 2);
        assert_eq!(never.patience(), 3600, "no deadline is no reason to wait for ever");
        assert_eq!(small.takes().as_deref(), Some("2 steps of 1 pod, each until they are ready"));
        let slow = deployment(json!({ "replicas": 6, "minReadySeconds": 30 }), 6);
        assert_eq!(slow.takes().as_deref(), Some("2 steps of 3 pods, at least 60 s (minReadySeconds 30)"));
        assert!(slow.patience() > deployment(json!({ "replicas": 6 }), 6).patience());
    }
}
