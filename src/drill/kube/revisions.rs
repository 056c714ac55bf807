//! ControllerRevisions: what a StatefulSet or a DaemonSet has been, in numbers.
//!
//! Owns: their names, their numbers and how many are kept. Must not: touch a pod. The rules are
//! those of kube-controller-manager (`history/controller_history.go`, `stateful_set_control.go`,
//! `daemon/update.go`): one a template, and an old one that is taken up again gets the highest
//! number.

use serde_json::{Value, json};

use super::deployments::hash_of;
use super::kinds::Kind;
use super::pods::REVISION_HASH;
use super::state::State;
use super::store::Key;
use super::value::{at, cut, int, put, stamp, text};

/// The label that holds the hash in a StatefulSet's revisions. A DaemonSet's have that of its pods.
const NAMED: &str = "controller.kubernetes.io/hash";

impl State {
    /// The revision of a workload's template as it stands, made or renumbered if need be: its
    /// name, and the hash in it.
    pub(super) fn revision_now(&mut self, kind: Kind, workload: &Value) -> (String, String) {
        let owner = Key::of(workload);
        let hash = hash_of(workload);
        let key = Key::new(owner.namespace.clone(), format!("{}-{hash}", owner.name));
        let all = self.revisions(workload);
        let highest = all.last().filter(|(other, _)| *other != key).map_or(0, |(_, number)| *number);
        match all.iter().find(|(other, _)| *other == key) {
            None => {
                let revision = self.revision(kind, workload, &key, &hash, highest + 1);
                self.store.put(Kind::ControllerRevision, revision);
            }
            Some((_, number)) if *number < highest => {
                self.store.edit(Kind::ControllerRevision, &key, |it| put(it, &["revision"], json!(highest + 1)));
            }
            Some(_) => {}
        }
        (key.name, hash)
    }

    /// The revisions of a workload and their numbers, the oldest first.
    fn revisions(&self, workload: &Value) -> Vec<(Key, i64)> {
        let uid = text(workload, &["metadata", "uid"]);
        let mut all: Vec<(Key, i64)> = self
            .owned_by(Kind::ControllerRevision, &Key::of(workload), uid)
            .into_iter()
            .filter_map(|key| {
                let number = int(self.store.get(Kind::ControllerRevision, &key)?, &["revision"]);
                Some((key, number))
            })
            .collect();
        all.sort_by(|(a, one), (b, other)| (one, a).cmp(&(other, b)));
        all
    }

    fn revision(&self, kind: Kind, workload: &Value, key: &Key, hash: &str, number: i64) -> Value {
        let (word, label) = match kind {
            Kind::DaemonSet => ("DaemonSet", REVISION_HASH),
            _ => ("StatefulSet", NAMED),
        };
        let meta = |field: &str| at(workload, &["metadata", field]);
        let mut template = at(workload, &["spec", "template"]).clone();
        let mut labels = at(&template, &["metadata", "labels"]).clone();
        put(&mut labels, &[label], json!(hash));
        // As a strategic merge patch that takes the whole.
        put(&mut template, &["$patch"], json!("replace"));
        let mut out = json!({
            "metadata": {
                "name": key.name, "namespace": key.namespace, "labels": labels,
                "uid": self.seed.uid(&["controllerrevision", &key.namespace, &key.name, &stamp(self.now)]),
                "creationTimestamp": stamp(self.now),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": word, "name": meta("name"), "uid": meta("uid"),
                    "controller": true, "blockOwnerDeletion": true}],
            },
            "data": {"spec": {"template": template}},
            "revision": number,
        });
        if meta("annotations").as_object().is_some_and(|map| !map.is_empty()) {
            put(&mut out, &["metadata", "annotations"], meta("annotations").clone());
        }
        out
    }

    /// The template that a revision keeps.
    pub(super) fn template_of(&self, revision: &Key) -> Option<Value> {
        let kept = self.store.get(Kind::ControllerRevision, revision)?;
        let mut template = at(kept, &["data", "spec", "template"]).clone();
        cut(&mut template, &["$patch"]);
        Some(template)
    }

    /// Forgets the oldest revisions beyond the limit; those whose names are `live` stay.
    pub(super) fn drop_old_revisions(&mut self, workload: &Value, live: &[&str]) {
        let limit = at(workload, &["spec", "revisionHistoryLimit"]).as_u64().unwrap_or(10);
        let mut idle = self.revisions(workload);
        idle.retain(|(key, _)| !live.contains(&key.name.as_str()));
        let surplus = idle.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for (key, _) in idle.into_iter().take(surplus) {
            self.store.remove(Kind::ControllerRevision, &key);
        }
    }
}
