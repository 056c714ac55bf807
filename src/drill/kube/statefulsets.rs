//! The StatefulSet controller: pods in order, one after the other.
//!
//! Owns: which ordinals there are, of which revision, and a StatefulSet's status. Must not: heal
//! what kube-controller-manager does not: a set stays on a pod that is not ready, also when its
//! template has been set back (kubernetes#67250). The rules are those of
//! `statefulset/stateful_set_control.go`.

use serde_json::{Value, json};

use super::events::Note;
use super::kinds::Kind;
use super::pods::{Mould, REVISION_HASH};
use super::state::State;
use super::store::Key;
use super::value::{at, cut, put, text};

/// What a set's spec asks for.
struct Wish {
    replicas: i64,
    /// The ordinal of the first pod.
    first: i64,
    /// So many pods, those of the lowest ordinals, keep their version.
    partition: i64,
    /// Pods get the newest version only when somebody deletes them.
    on_delete: bool,
    /// Pods need not wait for each other.
    parallel: bool,
}

impl Wish {
    fn of(set: &Value) -> Self {
        let spec = at(set, &["spec"]);
        Self {
            replicas: at(spec, &["replicas"]).as_i64().unwrap_or(1),
            // Both are a client's, and of 32 bits in the API.
            first: at(spec, &["ordinals", "start"]).as_i64().unwrap_or(0).clamp(0, i64::from(i32::MAX)),
            partition: at(spec, &["updateStrategy", "rollingUpdate", "partition"])
                .as_i64()
                .unwrap_or(0)
                .clamp(0, i64::from(i32::MAX)),
            on_delete: text(spec, &["updateStrategy", "type"]) == "OnDelete",
            parallel: text(spec, &["podManagementPolicy"]) == "Parallel",
        }
    }

    /// The ordinals that there are to be.
    fn ordinals(&self) -> std::ops::Range<i64> {
        self.first..self.first.saturating_add(self.replicas)
    }

    /// The first ordinal that gets the newest version.
    fn newest_from(&self) -> i64 {
        self.first.saturating_add(self.partition)
    }
}

/// A pod of a set.
struct Member {
    key: Key,
    ordinal: i64,
    ready: bool,
    leaving: bool,
    revision: String,
}

impl Member {
    fn is_healthy(&self) -> bool {
        self.ready && !self.leaving
    }
}

/// Names of a set's revisions.
struct Revisions {
    current: String,
    update: String,
}

impl State {
    pub(super) fn run_stateful_sets(&mut self) {
        let changed = |kind| self.store.changed(kind);
        let seen = (changed(Kind::StatefulSet), changed(Kind::Pod), changed(Kind::ControllerRevision));
        if self.stateful_sets_seen == seen {
            return;
        }
        self.stateful_sets_seen = seen;
        for key in self.store.keys(Kind::StatefulSet) {
            self.run_stateful_set(&key);
        }
    }

    fn run_stateful_set(&mut self, key: &Key) {
        let Some(set) = self.store.get(Kind::StatefulSet, key).cloned() else { return };
        let wish = Wish::of(&set);
        let (update, _) = self.revision_now(Kind::StatefulSet, &set);
        let current = text(&set, &["status", "currentRevision"]).to_owned();
        let known = Key::new(key.namespace.clone(), current.clone());
        let is_kept = self.store.get(Kind::ControllerRevision, &known).is_some();
        let revisions = Revisions { current: if is_kept { current } else { update.clone() }, update };
        let members = self.members(key);
        self.steer(&set, &wish, &members, &revisions);
        let members = self.members(key);
        let current = self.report_stateful_set(&set, &wish, &members, revisions);
        let live: Vec<&str> =
            members.iter().map(|member| member.revision.as_str()).chain(current.iter().map(String::as_str)).collect();
        self.drop_old_revisions(&set, &live);
    }

    /// The pods of a set in order.
    fn members(&self, set: &Key) -> Vec<Member> {
        let ordinal = |name: &str| name.strip_prefix(&set.name)?.strip_prefix('-')?.parse().ok();
        let mut members: Vec<Member> = self
            .all_pods_of(Kind::StatefulSet, set)
            .filter_map(|(key, run)| {
                Some(Member {
                    key: key.clone(),
                    ordinal: ordinal(&key.name)?,
                    ready: run.ready,
                    leaving: run.deleted.is_some(),
                    revision: run.revision.clone(),
                })
            })
            .collect();
        members.sort_by_key(|member| member.ordinal);
        members
    }

    /// One step towards the wish: `updateStatefulSet`.
    fn steer(&mut self, set: &Value, wish: &Wish, members: &[Member], revisions: &Revisions) {
        let of = |ordinal: i64| members.iter().find(|member| member.ordinal == ordinal);
        for ordinal in wish.ordinals() {
            match of(ordinal) {
                None => {
                    self.add_member(set, wish, ordinal, revisions);
                    if !wish.parallel {
                        return;
                    }
                }
                // The rest waits for it, for ever if need be.
                Some(member) if !wish.parallel && !member.is_healthy() => return,
                Some(_) => {}
            }
        }
        let unhealthy = members.iter().find(|member| !member.is_healthy()).map(|member| &member.key);
        for member in members.iter().rev().filter(|member| !wish.ordinals().contains(&member.ordinal)) {
            if !member.leaving {
                if !wish.parallel && !member.ready && unhealthy != Some(&member.key) {
                    return;
                }
                self.remove_member(set, member);
            }
            if !wish.parallel {
                return;
            }
        }
        if wish.on_delete {
            return;
        }
        for ordinal in (wish.newest_from()..wish.ordinals().end).rev() {
            let Some(member) = of(ordinal) else { return };
            if member.revision != revisions.update && !member.leaving {
                self.remove_member(set, member);
                return;
            }
            if !member.is_healthy() {
                return;
            }
        }
    }

    /// Makes a pod of the revision that its ordinal is to have; its name.
    pub(super) fn add_ordinal(&mut self, set: &Value, ordinal: i64, revision: &str) -> Option<String> {
        let owner = Key::of(set);
        let mut template = self.template_of(&Key::new(owner.namespace.clone(), revision))?;
        put(&mut template, &["metadata", "labels", REVISION_HASH], json!(revision));
        put(&mut template, &["spec", "subdomain"], at(set, &["spec", "serviceName"]).clone());
        let name = format!("{}-{ordinal}", owner.name);
        let uid = text(set, &["metadata", "uid"]).to_owned();
        Some(self.make_pod(Mould {
            workload: (Kind::StatefulSet, owner.name.clone()),
            owner: (Kind::StatefulSet, owner, uid),
            template,
            name: Some(name),
            node: None,
        }))
    }

    fn add_member(&mut self, set: &Value, wish: &Wish, ordinal: i64, revisions: &Revisions) {
        let keeps = !wish.on_delete && ordinal < wish.newest_from();
        let revision = if keeps { &revisions.current } else { &revisions.update };
        if let Some(name) = self.add_ordinal(set, ordinal, revision) {
            self.note_stateful(set, "SuccessfulCreate", "create", &name);
        }
    }

    fn remove_member(&mut self, set: &Value, member: &Member) {
        self.terminate(&member.key);
        self.note_stateful(set, "SuccessfulDelete", "delete", &member.key.name);
    }

    fn note_stateful(&mut self, set: &Value, reason: &str, verb: &str, pod: &str) {
        let key = Key::of(set);
        let message = format!("{verb} Pod {pod} in StatefulSet {} successful", key.name);
        self.note(Note {
            kind: Kind::StatefulSet,
            key: &key,
            source: "statefulset-controller",
            host: "",
            warning: false,
            reason,
            message: &message,
            container: "",
        });
    }

    /// Publishes a set's status; the names of the revisions that it tells.
    fn report_stateful_set(
        &mut self,
        set: &Value,
        wish: &Wish,
        members: &[Member],
        mut revisions: Revisions,
    ) -> [String; 2] {
        let total = members.len();
        let ready = members.iter().filter(|member| member.ready).count();
        let running = |name: &str| members.iter().filter(|it| !it.leaving && it.revision == name).count();
        let updated = running(&revisions.update);
        let all = usize::try_from(wish.replicas).unwrap_or(0);
        if !wish.on_delete && [total, ready, updated] == [all; 3] {
            revisions.current.clone_from(&revisions.update);
        }
        let numbers =
            [("readyReplicas", ready), ("currentReplicas", running(&revisions.current)), ("updatedReplicas", updated)];
        self.store.edit(Kind::StatefulSet, &Key::of(set), |it| {
            let generation = at(it, &["metadata", "generation"]).clone();
            put(it, &["status", "observedGeneration"], generation);
            for (name, number) in [("replicas", total), ("availableReplicas", ready)] {
                put(it, &["status", name], json!(number));
            }
            for (name, number) in numbers {
                // Zeros are left out, as `omitempty` does.
                match number {
                    0 => cut(it, &["status", name]),
                    _ => put(it, &["status", name], json!(number)),
                }
            }
            put(it, &["status", "currentRevision"], json!(revisions.current));
            put(it, &["status", "updateRevision"], json!(revisions.update));
            put(it, &["status", "collisionCount"], json!(0));
        });
        [revisions.current, revisions.update]
    }
}
