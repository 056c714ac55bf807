//! The Deployment controller: revisions, rolling updates, scaling and conditions.
//!
//! Owns: which ReplicaSets a deployment has and how many replicas each may have. Must not: make
//! a pod. The arithmetic is that of kube-controller-manager (`deployment/rolling.go`, `sync.go`).

use serde_json::{Value, json};

use super::events::Note;
use super::kinds::Kind;
use super::seed::template_hash;
use super::state::State;
use super::store::Key;
use super::value::{at, cut, int, list, moment, put, seconds, stamp, text};

/// The annotation that numbers revisions.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// The label that tells the ReplicaSets of a deployment apart.
pub(super) const HASH: &str = "pod-template-hash";
/// Annotations that a deployment and its ReplicaSets do not share.
const OWN: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MOST];

/// A ReplicaSet as its deployment sees it.
#[derive(Clone, Debug)]
struct Set {
    key: Key,
    revision: i64,
    created: String,
    /// `spec.replicas`.
    wanted: i64,
    total: i64,
    ready: i64,
    desired: i64,
}

/// What a deployment's spec asks for.
struct Wish {
    replicas: i64,
    surge: i64,
    unavailable: i64,
    recreate: bool,
    paused: bool,
}

impl Wish {
    fn of(deployment: &Value) -> Self {
        let spec = at(deployment, &["spec"]);
        let replicas = spec.get("replicas").and_then(Value::as_i64).unwrap_or(1);
        let recreate = text(spec, &["strategy", "type"]) == "Recreate";
        let part = |name: &str, up: bool| share(at(spec, &["strategy", "rollingUpdate", name]), replicas, up);
        let (mut surge, mut unavailable) = (part("maxSurge", true), part("maxUnavailable", false));
        if surge == 0 && unavailable == 0 {
            // Otherwise nothing could ever move.
            unavailable = 1;
        }
        if recreate {
            (surge, unavailable) = (0, replicas);
        }
        let paused = at(spec, &["paused"]).as_bool() == Some(true);
        Self { replicas, surge, unavailable: unavailable.min(replicas), recreate, paused }
    }
}

/// An integer or a percentage of `of`.
pub(super) fn share(value: &Value, of: i64, up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        // A client's figure; no workload has more replicas than this.
        return number.clamp(0, 10_000);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|number| number.parse::<i64>().ok());
    let percent = percent.unwrap_or(25).clamp(0, 100);
    let product = of.saturating_mul(percent);
    if up { product.saturating_add(99) / 100 } else { product / 100 }
}

/// The revision's name: a hash of the pod template.
pub(super) fn hash_of(workload: &Value) -> String {
    let mut template = at(workload, &["spec", "template"]).clone();
    prune(&mut template);
    template_hash(&template.to_string())
}

/// Leaves out what is empty: typed clients (`kubectl rollout undo`) write `creationTimestamp: null`
/// and `resources: {}` where others write nothing, and mean the same revision.
fn prune(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| !is_empty(value));
        }
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}

impl State {
    pub(super) fn run_deployments(&mut self) {
        // Most seconds change nothing here. Deadlines and vanished pods are looked for every ten.
        let seen = (self.store.changed(Kind::Deployment), self.store.changed(Kind::ReplicaSet));
        if self.deployments_seen == seen && self.now.timestamp() % 10 != 0 {
            return;
        }
        self.deployments_seen = seen;
        for key in self.store.keys(Kind::Deployment) {
            self.run_deployment(&key);
        }
    }

    fn run_deployment(&mut self, key: &Key) {
        let Some(deployment) = self.store.get(Kind::Deployment, key).cloned() else { return };
        let wish = Wish::of(&deployment);
        let uid = text(&deployment, &["metadata", "uid"]);
        let name = format!("{}-{}", key.name, hash_of(&deployment));
        let new_key = Key::new(key.namespace.clone(), name);
        let known = self.store.get(Kind::ReplicaSet, &new_key).is_some();
        if !known && !wish.paused {
            self.make_set(&deployment, &new_key);
        } else if known {
            self.renumber(&deployment, &new_key, uid);
        }
        let mut sets = self.sets(key, uid);
        let scaled = sets.iter().any(|set| set.wanted > 0 && set.desired != wish.replicas);
        if scaled || wish.paused {
            self.scale_sets(key, &wish, &sets);
        } else if wish.recreate {
            self.recreate(key, &new_key, &wish, &sets);
        } else {
            self.roll(key, &new_key, &wish, &sets);
        }
        sets = self.sets(key, uid);
        self.report_deployment(key, &new_key, &wish, &sets);
        self.drop_old_sets(&deployment, &new_key, &sets);
    }

    /// The ReplicaSets of a deployment, oldest first.
    fn sets(&self, key: &Key, uid: &str) -> Vec<Set> {
        let mut sets: Vec<Set> = self
            .owned_by(Kind::ReplicaSet, key, uid)
            .into_iter()
            .filter_map(|key| {
                let set = self.store.get(Kind::ReplicaSet, &key)?;
                let number = |name| text(set, &["metadata", "annotations", name]).parse().unwrap_or(0);
                Some(Set {
                    revision: number(REVISION),
                    created: text(set, &["metadata", "creationTimestamp"]).to_owned(),
                    wanted: int(set, &["spec", "replicas"]),
                    total: int(set, &["status", "replicas"]),
                    ready: int(set, &["status", "readyReplicas"]),
                    desired: number(DESIRED),
                    key,
                })
            })
            .collect();
        sets.sort_by(|a, b| (&a.created, a.revision, &a.key).cmp(&(&b.created, b.revision, &b.key)));
        sets
    }

    fn make_set(&mut self, deployment: &Value, key: &Key) {
        let owner = Key::of(deployment);
        let uid = text(deployment, &["metadata", "uid"]);
        let revision = self.sets(&owner, uid).iter().map(|set| set.revision).max().unwrap_or(0) + 1;
        let annotations = json!({REVISION: revision.to_string()});
        let hash = hash_of(deployment);
        let mut set = self.new_set(deployment, ("apps/v1", "Deployment"), key, (HASH, &hash), annotations);
        copy_annotations(deployment, &mut set);
        self.annotate_size(&mut set, &Wish::of(deployment));
        self.store.put(Kind::ReplicaSet, set);
        self.progress(&owner, "NewReplicaSetCreated", &format!("Created new replica set {:?}", key.name));
        self.set_revision(&owner, revision);
    }

    /// Gives the newest template the highest number: rolling back renumbers an old revision.
    fn renumber(&mut self, deployment: &Value, new_key: &Key, uid: &str) {
        let owner = Key::of(deployment);
        let sets = self.sets(&owner, uid);
        let Some(new) = sets.iter().find(|set| set.key == *new_key) else { return };
        let highest = sets.iter().filter(|set| set.key != *new_key).map(|set| set.revision).max().unwrap_or(0);
        let revision = if new.revision > highest { new.revision } else { highest + 1 };
        let old = new.revision;
        self.store.edit(Kind::ReplicaSet, new_key, |set| {
            copy_annotations(deployment, set);
            put(set, &["metadata", "annotations", REVISION], json!(revision.to_string()));
            if old != revision && old > 0 {
                let before = text(set, &["metadata", "annotations", HISTORY]).to_owned();
                let history = if before.is_empty() { old.to_string() } else { format!("{before},{old}") };
                put(set, &["metadata", "annotations", HISTORY], json!(history));
            }
        });
        if old != revision {
            self.progress(&owner, "FoundNewReplicaSet", &format!("Found new replica set {:?}", new_key.name));
        }
        self.set_revision(&owner, revision);
    }

    fn set_revision(&mut self, key: &Key, revision: i64) {
        let is =
            self.store.get(Kind::Deployment, key).map(|it| text(it, &["metadata", "annotations", REVISION]).to_owned());
        if is.is_some_and(|is| is != revision.to_string()) {
            self.store.edit(Kind::Deployment, key, |it| {
                put(it, &["metadata", "annotations", REVISION], json!(revision.to_string()));
            });
        }
    }

    fn annotate_size(&self, set: &mut Value, wish: &Wish) {
        put(set, &["metadata", "annotations", DESIRED], json!(wish.replicas.to_string()));
        put(set, &["metadata", "annotations", MOST], json!((wish.replicas + wish.surge).to_string()));
    }

    /// Sets a ReplicaSet's size, with the event that `kubectl describe` shows.
    fn resize(&mut self, owner: &Key, set: &Set, to: i64, wish: &Wish) {
        let to = to.max(0);
        let mut sized = match self.store.get(Kind::ReplicaSet, &set.key) {
            Some(object) => Value::clone(object),
            None => return,
        };
        let generation = int(&sized, &["metadata", "generation"]);
        if to != set.wanted {
            put(&mut sized, &["spec", "replicas"], json!(to));
            put(&mut sized, &["metadata", "generation"], json!(generation.saturating_add(1)));
        }
        self.annotate_size(&mut sized, wish);
        self.store.put(Kind::ReplicaSet, sized);
        if to != set.wanted {
            let direction = if to > set.wanted { "up" } else { "down" };
            let message = format!("Scaled {direction} replica set {} from {} to {to}", set.key.name, set.wanted);
            self.note(Note {
                kind: Kind::Deployment,
                key: owner,
                source: "deployment-controller",
                host: "",
                warning: false,
                reason: "ScalingReplicaSet",
                message: &message,
                container: "",
            });
        }
    }

    /// Scaling while nothing or something rolls out: the sets keep their proportions.
    fn scale_sets(&mut self, owner: &Key, wish: &Wish, sets: &[Set]) {
        let active: Vec<&Set> = sets.iter().filter(|set| set.wanted > 0).collect();
        match active.as_slice() {
            [] => {
                if let Some(newest) = sets.iter().max_by_key(|set| set.revision).filter(|_| wish.replicas > 0) {
                    self.resize(owner, newest, wish.replicas, wish);
                }
            }
            [one] => self.resize(owner, one, wish.replicas, wish),
            many => {
                let total: i64 = many.iter().map(|set| set.wanted).sum();
                let allowed = if wish.replicas > 0 { wish.replicas + wish.surge } else { 0 };
                let mut left = allowed - total;
                let mut order: Vec<&&Set> = many.iter().collect();
                order.sort_by_key(|set| (std::cmp::Reverse(set.wanted), std::cmp::Reverse(set.revision)));
                let mut sizes: Vec<(&Set, i64)> = Vec::new();
                for set in order {
                    // Rounded, and never past what is left in that direction.
                    let part = (set.wanted * (allowed - total) * 2 + total) / (total * 2).max(1);
                    let part = if left >= 0 { part.clamp(0, left) } else { part.clamp(left, 0) };
                    left -= part;
                    sizes.push((set, set.wanted + part));
                }
                if let Some(first) = sizes.first_mut() {
                    first.1 += left;
                }
                for (set, size) in sizes {
                    self.resize(owner, set, size, wish);
                }
            }
        }
    }

    fn recreate(&mut self, owner: &Key, new_key: &Key, wish: &Wish, sets: &[Set]) {
        let (new, old): (Vec<&Set>, Vec<&Set>) = sets.iter().partition(|set| set.key == *new_key);
        for set in old.iter().filter(|set| set.wanted > 0) {
            self.resize(owner, set, 0, wish);
        }
        let old_sets: Vec<&str> = old.iter().map(|set| set.key.name.as_str()).collect();
        let gone = !self
            .pods
            .iter()
            .any(|(key, run)| key.namespace == owner.namespace && old_sets.contains(&run.replica_set.as_str()));
        if let Some(new) = new.first().filter(|new| gone && new.wanted != wish.replicas) {
            self.resize(owner, new, wish.replicas, wish);
        }
    }

    fn roll(&mut self, owner: &Key, new_key: &Key, wish: &Wish, sets: &[Set]) {
        let Some(new) = sets.iter().find(|set| set.key == *new_key) else { return };
        let old: Vec<&Set> = sets.iter().filter(|set| set.key != *new_key).collect();
        let total: i64 = sets.iter().map(|set| set.wanted).sum();
        // First up to the surge …
        let size = if new.wanted > wish.replicas {
            wish.replicas
        } else {
            let room = (wish.replicas + wish.surge - total).max(0);
            new.wanted + room.min(wish.replicas - new.wanted)
        };
        if size != new.wanted || new.desired != wish.replicas {
            self.resize(owner, new, size, wish);
            if size != new.wanted {
                return;
            }
        }
        // … then down to what must stay available.
        let least = wish.replicas - wish.unavailable;
        let mut down = total - least - (new.wanted - new.ready);
        let mut shrunk: Vec<(&Set, i64)> = Vec::new();
        for set in &old {
            // Replicas that serve nobody go first.
            let unhealthy = (set.wanted - set.ready).clamp(0, down.max(0));
            down -= unhealthy;
            shrunk.push((set, set.wanted - unhealthy));
        }
        let available: i64 = sets.iter().map(|set| set.ready).sum();
        let mut spare = (available - least).min(down);
        for (_, size) in &mut shrunk {
            let part = (*size).clamp(0, spare.max(0));
            spare -= part;
            *size -= part;
        }
        for (set, size) in shrunk {
            if size != set.wanted {
                self.resize(owner, set, size, wish);
            }
        }
    }

    fn drop_old_sets(&mut self, deployment: &Value, new_key: &Key, sets: &[Set]) {
        let limit = at(deployment, &["spec", "revisionHistoryLimit"]).as_u64().unwrap_or(10);
        let idle: Vec<&Set> =
            sets.iter().filter(|set| set.key != *new_key && set.wanted == 0 && set.total == 0).collect();
        let surplus = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for set in idle.iter().take(surplus) {
            self.store.remove(Kind::ReplicaSet, &set.key);
            self.made.remove(&(Kind::ReplicaSet, set.key.clone()));
        }
    }

    /// Notes progress of a rollout in the Progressing condition.
    fn progress(&mut self, key: &Key, reason: &str, message: &str) {
        let now = stamp(self.now);
        self.store.edit(Kind::Deployment, key, |deployment| {
            condition(deployment, "Progressing", "True", reason, message, &now);
        });
    }

    fn report_deployment(&mut self, key: &Key, new_key: &Key, wish: &Wish, sets: &[Set]) {
        let Some(deployment) = self.store.get(Kind::Deployment, key) else { return };
        let mut next = Value::clone(deployment);
        let new = sets.iter().find(|set| set.key == *new_key);
        let total: i64 = sets.iter().map(|set| set.total).sum();
        let ready: i64 = sets.iter().map(|set| set.ready).sum();
        let updated = new.map_or(0, |set| set.total);
        let before = at(&next, &["status"]).clone();
        let numbers = [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", ready),
            ("unavailableReplicas", (wish.replicas.max(total) - ready).max(0)),
        ];
        for (name, number) in numbers {
            // Zeros are left out, as `omitempty` does.
            match number {
                0 => cut(&mut next, &["status", name]),
                _ => put(&mut next, &["status", name], json!(number)),
            }
        }
        let generation = at(&next, &["metadata", "generation"]).clone();
        put(&mut next, &["status", "observedGeneration"], generation);
        let now = stamp(self.now);
        if ready >= wish.replicas - wish.unavailable {
            let message = "Deployment has minimum availability.";
            condition(&mut next, "Available", "True", "MinimumReplicasAvailable", message, &now);
        } else {
            let message = "Deployment does not have minimum availability.";
            condition(&mut next, "Available", "False", "MinimumReplicasUnavailable", message, &now);
        }
        let done =
            updated == wish.replicas && total == wish.replicas && new.is_some_and(|set| set.ready == wish.replicas);
        let moved = ["replicas", "updatedReplicas", "readyReplicas"]
            .iter()
            .any(|name| int(&before, &[name]) != int(&next, &["status", name]));
        let progressing = list(&next, &["status", "conditions"]).iter().find(|it| text(it, &["type"]) == "Progressing");
        let reason = progressing.map_or("", |it| text(it, &["reason"])).to_owned();
        let updated_at = progressing.and_then(|it| moment(text(it, &["lastUpdateTime"])));
        let deadline = at(&next, &["spec", "progressDeadlineSeconds"]).as_u64().unwrap_or(600);
        let set_name = &new_key.name;
        if done {
            if reason != "NewReplicaSetAvailable" {
                let message = format!("ReplicaSet {set_name:?} has successfully progressed.");
                condition(&mut next, "Progressing", "True", "NewReplicaSetAvailable", &message, &now);
            }
        } else if reason == "NewReplicaSetAvailable" && updated == total {
            // A finished rollout that lost pods or is being scaled stays finished.
        } else if moved && !wish.paused {
            let message = format!("ReplicaSet {set_name:?} is progressing.");
            condition(&mut next, "Progressing", "True", "ReplicaSetUpdated", &message, &now);
        } else if !wish.paused
            && reason != "ProgressDeadlineExceeded"
            && updated_at.is_some_and(|when| self.now - when > seconds(deadline))
        {
            let message = format!("ReplicaSet {set_name:?} has timed out progressing.");
            condition(&mut next, "Progressing", "False", "ProgressDeadlineExceeded", &message, &now);
        }
        if before != *at(&next, &["status"]) {
            self.store.put(Kind::Deployment, next);
        }
    }
}

fn copy_annotations(deployment: &Value, set: &mut Value) {
    if let Some(annotations) = at(deployment, &["metadata", "annotations"]).as_object() {
        for (name, value) in annotations.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            put(set, &["metadata", "annotations", name], value.clone());
        }
    }
}

/// Sets a condition; its transition time moves only with its status.
pub(super) fn condition(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let mut conditions = list(object, &["status", "conditions"]).to_vec();
    let old = conditions.iter().position(|it| text(it, &["type"]) == kind);
    let mut since = now.to_owned();
    if let Some(old) = old.and_then(|index| conditions.get(index)).filter(|old| text(old, &["status"]) == status) {
        since = text(old, &["lastTransitionTime"]).to_owned();
        // Progress that is made again is an update, the rest says the same.
        if text(old, &["reason"]) == reason && text(old, &["message"]) == message && kind != "Progressing" {
            return;
        }
    }
    let new = json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": since});
    match old.and_then(|index| conditions.get_mut(index)) {
        Some(slot) => *slot = new,
        None => conditions.push(new),
    }
    put(object, &["status", "conditions"], Value::Array(conditions));
}
