//! Argo Rollouts: canaries by the number of pods, in steps.
//!
//! Owns: which ReplicaSets a Rollout has and how large they are, its steps, its pauses, and what
//! becomes of an abort. The rules are those of `rollout/canary.go`, `rollout/sync.go` and
//! `utils/rollout/rolloututil.go`, the outcomes those measured on 1.9. Of the steps it knows
//! `setWeight` and `pause`; traffic is divided by the number of pods alone. Must not: make a pod.

mod canary;
mod restart;
mod status;

use serde_json::{Value, json};

use super::deployments::{hash_of, share};
use super::events::Note;
use super::kinds::Kind;
use super::state::State;
use super::store::Key;
use super::value::{at, cut, go_seconds, int, list, moment, put, seconds, stamp, text};
use canary::{Bounds, Count};

/// The annotation that numbers revisions.
const REVISION: &str = "rollout.argoproj.io/revision";
const HISTORY: &str = "rollout.argoproj.io/revision-history";
const DESIRED: &str = "rollout.argoproj.io/desired-replicas";
/// The label that tells the ReplicaSets of a Rollout apart.
pub(super) const HASH: &str = "rollouts-pod-template-hash";
/// Why the controller pauses.
const STEP: &str = "CanaryPauseStep";

/// A ReplicaSet as its Rollout sees it.
#[derive(Clone, Debug)]
struct Set {
    key: Key,
    hash: String,
    revision: i64,
    wanted: i64,
    total: i64,
    ready: i64,
}

impl Set {
    fn count(&self) -> Count {
        Count { wanted: self.wanted, available: self.ready }
    }
}

/// A step of a strategy.
enum Step {
    Weight(i64),
    /// For so many seconds, or until somebody goes on.
    Pause(Option<u64>),
    /// One that the drill does not know: it is passed over.
    Other,
}

fn steps(rollout: &Value) -> &[Value] {
    list(rollout, &["spec", "strategy", "canary", "steps"])
}

fn step(rollout: &Value, index: usize) -> Option<Step> {
    let step = steps(rollout).get(index)?;
    if let Some(weight) = at(step, &["setWeight"]).as_i64() {
        return Some(Step::Weight(weight.clamp(0, 100)));
    }
    let Some(pause) = step.get("pause") else { return Some(Step::Other) };
    let duration = at(pause, &["duration"]);
    // A number of seconds, also as text, or a duration. A cast of a float saturates.
    let told = |text: &str| text.parse().ok().or_else(|| go_seconds(text).map(|long| long as u64));
    Some(Step::Pause(duration.as_u64().or_else(|| duration.as_str().and_then(told))))
}

/// Where a Rollout is in its steps; past the last one without an index. Whoever writes the status
/// may put any number there.
fn position(rollout: &Value) -> usize {
    let index = at(rollout, &["status", "currentStepIndex"]).as_u64().and_then(|index| usize::try_from(index).ok());
    let past = steps(rollout).len();
    index.map_or(past, |index| index.min(past))
}

fn is_aborted(rollout: &Value) -> bool {
    at(rollout, &["status", "abort"]).as_bool() == Some(true)
}

fn bounds(rollout: &Value) -> Bounds {
    let replicas = at(rollout, &["spec", "replicas"]).as_i64().unwrap_or(1);
    let part = |name: &str, up| share(at(rollout, &["spec", "strategy", "canary", name]), replicas, up);
    let (surge, mut unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    let before = (0..=position(rollout)).rev().filter_map(|index| step(rollout, index));
    let set = before.into_iter().find_map(|step| match step {
        Step::Weight(weight) => Some(weight),
        _ => None,
    });
    let weight = match step(rollout, position(rollout)) {
        _ if is_aborted(rollout) => 0,
        None => 100,
        Some(_) => set.unwrap_or(0),
    };
    Bounds { replicas, surge, unavailable: unavailable.min(replicas), weight }
}

impl State {
    pub(super) fn run_rollouts(&mut self) {
        let seen = [Kind::Rollout, Kind::ReplicaSet].map(|kind| self.store.changed(kind));
        // Most seconds change nothing here, unless a pause ends by itself.
        let now = self.now;
        let ends = |it: &Value| {
            let pause = list(it, &["status", "pauseConditions"]).first()?;
            let Some(Step::Pause(Some(long))) = step(it, position(it)) else { return None };
            Some(moment(text(pause, &["startTime"]))? + seconds(long))
        };
        let is_due = self.store.all(Kind::Rollout).any(|(_, it)| ends(it).is_some_and(|end| end <= now));
        if self.rollouts_seen == seen && !is_due && self.now.timestamp() % 10 != 0 {
            return;
        }
        self.rollouts_seen = seen;
        for key in self.store.keys(Kind::Rollout) {
            self.run_rollout(&key);
        }
    }

    fn run_rollout(&mut self, key: &Key) {
        let Some(found) = self.store.get(Kind::Rollout, key) else { return };
        let mut rollout = Value::clone(found);
        let hash = hash_of(&rollout);
        if text(&rollout, &["status", "currentPodHash"]) != hash {
            self.begin_anew(&mut rollout, &hash);
        }
        let new = self.newest_set(&mut rollout, &hash);
        let paused = at(&rollout, &["spec", "paused"]).as_bool() == Some(true);
        let sets = self.rollout_sets(&rollout);
        if self.restart_pods(&mut rollout, &sets) {
            // What is available has to be counted anew before anything else.
            self.report_rollout(rollout, &hash, &sets);
            return;
        }
        let scaled = self.scale_rollout(&rollout, &new, &sets);
        let sets = self.rollout_sets(&rollout);
        if is_aborted(&rollout) {
            let first = if text(&rollout, &["status", "stableRS"]) == hash { steps(&rollout).len() } else { 0 };
            rewind(&mut rollout, first);
            if at(&rollout, &["status", "abortedAt"]).is_null() {
                put(&mut rollout, &["status", "abortedAt"], json!(stamp(self.now)));
            }
            unpause(&mut rollout);
        } else {
            cut(&mut rollout, &["status", "abort"]);
            cut(&mut rollout, &["status", "abortedAt"]);
            if !self.promote(&mut rollout, &hash, &sets) && !scaled && !paused {
                self.step_on(&mut rollout, &hash, &sets);
            }
        }
        self.report_rollout(rollout, &hash, &sets);
        self.drop_old_rollout_sets(key, &sets);
    }

    /// Writes a template down as a version that was rolled out to the end, of so many pods.
    pub(super) fn settle_rollout(&mut self, key: &Key, replicas: u32) {
        let Some(found) = self.store.get(Kind::Rollout, key) else { return };
        let mut rollout = Value::clone(found);
        let (hash, last) = (hash_of(&rollout), steps(&rollout).len());
        let newest = self.newest_set(&mut rollout, &hash);
        for field in ["currentPodHash", "stableRS"] {
            put(&mut rollout, &["status", field], json!(hash));
        }
        rewind(&mut rollout, last);
        for set in self.rollout_sets(&rollout) {
            let wanted = if set.key == newest { replicas } else { 0 };
            self.store.edit(Kind::ReplicaSet, &set.key, |it| put(it, &["spec", "replicas"], json!(wanted)));
        }
        self.store.put(Kind::Rollout, rollout);
    }

    /// Another template than before: the steps start again, and an abort is over.
    fn begin_anew(&mut self, rollout: &mut Value, hash: &str) {
        let is_stable = text(rollout, &["status", "stableRS"]) == hash;
        let first = if is_stable { steps(rollout).len() } else { 0 };
        put(rollout, &["status", "currentPodHash"], json!(hash));
        rewind(rollout, first);
        unpause(rollout);
        for field in ["abort", "abortedAt"] {
            cut(rollout, &["status", field]);
        }
        restart::end(rollout);
        if is_stable {
            self.note_rollout(&Key::of(rollout), false, "SkipSteps", "Rollback to stable");
        }
    }

    /// The ReplicaSet of the newest template, made or renumbered if need be.
    fn newest_set(&mut self, rollout: &mut Value, hash: &str) -> Key {
        let owner = Key::of(rollout);
        let key = Key::new(owner.namespace.clone(), format!("{}-{hash}", owner.name));
        let sets = self.rollout_sets(rollout);
        let highest = sets.iter().filter(|set| set.key != key).map(|set| set.revision).max().unwrap_or(0);
        let revision = match sets.iter().find(|set| set.key == key) {
            Some(set) if set.revision > highest => set.revision,
            Some(set) => {
                let (old, revision) = (set.revision, highest + 1);
                self.store.edit(Kind::ReplicaSet, &key, |it| {
                    put(it, &["metadata", "annotations", REVISION], json!(revision.to_string()));
                    let before = text(it, &["metadata", "annotations", HISTORY]).to_owned();
                    let history = if before.is_empty() { old.to_string() } else { format!("{before},{old}") };
                    put(it, &["metadata", "annotations", HISTORY], json!(history));
                });
                revision
            }
            None => {
                let replicas = bounds(rollout).replicas;
                let annotations = json!({REVISION: (highest + 1).to_string(), DESIRED: replicas.to_string()});
                let set = self.new_set(rollout, ("argoproj.io/v1alpha1", "Rollout"), &key, (HASH, hash), annotations);
                self.store.put(Kind::ReplicaSet, set);
                let told = format!("Created ReplicaSet {} (revision {})", key.name, highest + 1);
                self.note_rollout(&owner, false, "NewReplicaSetCreated", &told);
                highest + 1
            }
        };
        let told = revision.to_string();
        if text(rollout, &["metadata", "annotations", REVISION]) != told {
            put(rollout, &["metadata", "annotations", REVISION], json!(told));
            self.note_rollout(&owner, false, "RolloutUpdated", &format!("Rollout updated to revision {revision}"));
        }
        key
    }

    /// The ReplicaSets of a Rollout, the oldest revision first.
    fn rollout_sets(&self, rollout: &Value) -> Vec<Set> {
        let uid = text(rollout, &["metadata", "uid"]);
        let mut sets: Vec<Set> = self
            .owned_by(Kind::ReplicaSet, &Key::of(rollout), uid)
            .into_iter()
            .filter_map(|key| {
                let set = self.store.get(Kind::ReplicaSet, &key)?;
                Some(Set {
                    hash: text(set, &["metadata", "labels", HASH]).to_owned(),
                    revision: text(set, &["metadata", "annotations", REVISION]).parse().unwrap_or(0),
                    wanted: int(set, &["spec", "replicas"]),
                    total: int(set, &["status", "replicas"]),
                    ready: int(set, &["status", "readyReplicas"]),
                    key,
                })
            })
            .collect();
        sets.sort_by(|a, b| (a.revision, &a.key).cmp(&(b.revision, &b.key)));
        sets
    }

    /// Brings the ReplicaSets one step nearer to what the weight asks for: the stable one, then the
    /// new one, then those of neither. Whether something was changed.
    fn scale_rollout(&mut self, rollout: &Value, new: &Key, sets: &[Set]) -> bool {
        let bounds = bounds(rollout);
        let stable_hash = text(rollout, &["status", "stableRS"]);
        let Some(newest) = sets.iter().find(|set| set.key == *new) else { return false };
        let stable = sets.iter().find(|set| set.hash == stable_hash && set.key != *new);
        let rest: Vec<&Set> =
            sets.iter().filter(|set| set.key != *new && stable.is_none_or(|stable| stable.key != set.key)).collect();
        let others: i64 = rest.iter().map(|set| set.wanted).sum();
        // With one version alone there is nothing to be divided.
        let bounds = if stable.is_none() { Bounds { weight: 100, ..bounds } } else { bounds };
        let (to_new, to_stable) = bounds.next(newest.count(), stable.map(Set::count).unwrap_or_default(), others);
        let owner = Key::of(rollout);
        if let Some(stable) = stable.filter(|stable| stable.wanted != to_stable) {
            return self.resize_set(&owner, stable, to_stable, bounds.replicas);
        }
        if newest.wanted != to_new {
            return self.resize_set(&owner, newest, to_new, bounds.replicas);
        }
        let available: i64 = sets.iter().map(|set| set.ready).sum();
        let mut spare = available - (bounds.replicas - bounds.unavailable);
        let mut scaled = false;
        for set in rest.iter().rev().filter(|set| set.wanted > 0) {
            // Pods that serve nobody go whatever is available.
            let useless = (set.wanted - set.ready).max(0);
            let down = useless + (set.wanted - useless).min(spare.max(0));
            spare -= down - useless;
            if down > 0 {
                scaled |= self.resize_set(&owner, set, set.wanted - down, bounds.replicas);
            }
        }
        scaled
    }

    fn resize_set(&mut self, owner: &Key, set: &Set, to: i64, desired: i64) -> bool {
        self.store.edit(Kind::ReplicaSet, &set.key, |it| {
            let generation = int(it, &["metadata", "generation"]).saturating_add(1);
            put(it, &["metadata", "generation"], json!(generation));
            put(it, &["spec", "replicas"], json!(to));
            put(it, &["metadata", "annotations", DESIRED], json!(desired.to_string()));
        });
        let direction = if to > set.wanted { "up" } else { "down" };
        let (name, revision, was) = (&set.key.name, set.revision, set.wanted);
        let message = format!("Scaled {direction} ReplicaSet {name} (revision {revision}) from {was} to {to}");
        self.note_rollout(owner, false, "ScalingReplicaSet", &message);
        true
    }

    /// Calls the newest version stable if it is all there and no step is left.
    fn promote(&mut self, rollout: &mut Value, hash: &str, sets: &[Set]) -> bool {
        let (stable, count) = (text(rollout, &["status", "stableRS"]).to_owned(), steps(rollout).len());
        let ready = sets.iter().find(|set| set.hash == hash).map_or(0, |set| set.ready);
        let is_first = stable.is_empty();
        let is_full = ready == bounds(rollout).replicas;
        if !is_full || !is_first && position(rollout) < count {
            return false;
        }
        rewind(rollout, count);
        unpause(rollout);
        if stable != hash {
            put(rollout, &["status", "stableRS"], json!(hash));
            let revision = text(rollout, &["metadata", "annotations", REVISION]);
            let why =
                if is_first { "Initial deploy".to_owned() } else { format!("Completed all {count} canary steps") };
            let message = format!("Rollout completed update to revision {revision} ({hash}): {why}");
            self.note_rollout(&Key::of(rollout), false, "RolloutCompleted", &message);
        }
        true
    }

    /// Pauses, or goes on to the next step when this one is done.
    fn step_on(&mut self, rollout: &mut Value, hash: &str, sets: &[Set]) {
        let (index, count) = (position(rollout), steps(rollout).len());
        let stable = text(rollout, &["status", "stableRS"]);
        if stable.is_empty() || stable == hash {
            return;
        }
        let paused_by_us = at(rollout, &["status", "controllerPause"]).as_bool() == Some(true);
        let since = list(rollout, &["status", "pauseConditions"]).first().map(|it| text(it, &["startTime"]).to_owned());
        let (is_done, words) = match step(rollout, index) {
            None => return,
            Some(Step::Weight(weight)) => {
                let (to_new, to_stable) = bounds(rollout).shares();
                let there = |hash: &str, wanted: i64| {
                    let set = sets.iter().find(|set| set.hash == hash);
                    set.is_some_and(|set| set.wanted == wanted && set.ready >= wanted)
                };
                (there(hash, to_new) && there(stable, to_stable), format!("setWeight: {weight}"))
            }
            Some(Step::Other) => (true, "step".to_owned()),
            Some(Step::Pause(duration)) => match since {
                // Somebody took the pause away: that is how a Rollout is told to go on.
                None if paused_by_us => (true, "pause".to_owned()),
                None => {
                    let pause = json!([{"reason": STEP, "startTime": stamp(self.now)}]);
                    put(rollout, &["status", "pauseConditions"], pause);
                    put(rollout, &["status", "controllerPause"], json!(true));
                    self.note_rollout(
                        &Key::of(rollout),
                        false,
                        "RolloutPaused",
                        &format!("Rollout is paused ({STEP})"),
                    );
                    return;
                }
                Some(since) => {
                    let over = moment(&since).zip(duration).is_some_and(|(at, long)| self.now >= at + seconds(long));
                    (over, format!("pause: {}s", duration.unwrap_or_default()))
                }
            },
        };
        if is_done {
            unpause(rollout);
            put(rollout, &["status", "currentStepIndex"], json!(index + 1));
            let message = format!("Rollout step {}/{count} completed ({words})", index + 1);
            self.note_rollout(&Key::of(rollout), false, "RolloutStepCompleted", &message);
        }
    }

    fn drop_old_rollout_sets(&mut self, key: &Key, sets: &[Set]) {
        let Some(rollout) = self.store.get(Kind::Rollout, key) else { return };
        let limit = at(rollout, &["spec", "revisionHistoryLimit"]).as_u64().unwrap_or(10);
        let used = ["stableRS", "currentPodHash"].map(|field| text(rollout, &["status", field]).to_owned());
        let idle: Vec<&Set> =
            sets.iter().filter(|set| !used.contains(&set.hash) && set.wanted == 0 && set.total == 0).collect();
        let surplus = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for set in idle.into_iter().take(surplus) {
            self.store.remove(Kind::ReplicaSet, &set.key);
            self.made.remove(&(Kind::ReplicaSet, set.key.clone()));
        }
    }

    fn note_rollout(&mut self, key: &Key, warning: bool, reason: &str, message: &str) {
        self.note(Note {
            kind: Kind::Rollout,
            key,
            source: "rollouts-controller",
            host: "",
            warning,
            reason,
            message,
            container: "",
        });
    }
}

/// Sets the step; a strategy without steps has none.
fn rewind(rollout: &mut Value, to: usize) {
    if steps(rollout).is_empty() {
        cut(rollout, &["status", "currentStepIndex"]);
    } else {
        put(rollout, &["status", "currentStepIndex"], json!(to));
    }
}

fn unpause(rollout: &mut Value) {
    cut(rollout, &["status", "pauseConditions"]);
    cut(rollout, &["status", "controllerPause"]);
}
