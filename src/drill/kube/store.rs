//! Objects with their resource versions, and the recent history that watches and paged lists
//! read.
//!
//! Owns: the one counter of resource versions, and the bound on history. Must not: know what an
//! object means.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::value::{put, text};

/// Changes remembered for each kind. Older resource versions are expired (410).
const HISTORY: usize = 1024;

/// An object's place: namespace (empty for what has none) and name. Sorts as etcd does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Where an object belongs.
    pub(super) fn of(object: &Value) -> Self {
        Self::new(text(object, &["metadata", "namespace"]), text(object, &["metadata", "name"]))
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    /// As it was; `None` for a creation.
    pub(super) was: Option<Arc<Value>>,
    /// As it is; for a deletion its last state, with the version of the deletion.
    pub(super) is: Arc<Value>,
    /// Whether it is gone.
    pub(super) gone: bool,
}

/// Objects of one kind at one version.
pub(super) type Snapshot = BTreeMap<Key, Arc<Value>>;

#[derive(Debug, Default)]
struct Shelf {
    objects: Snapshot,
    history: VecDeque<Change>,
    /// The version of the newest change that is forgotten.
    forgotten: u64,
}

/// All objects of the cluster.
#[derive(Debug)]
pub(super) struct Store {
    version: u64,
    shelves: BTreeMap<Kind, Shelf>,
}

impl Store {
    /// An empty store whose next version follows `version`.
    pub(super) fn new(version: u64) -> Self {
        Self { version, shelves: BTreeMap::new() }
    }

    /// The newest resource version.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The version of the newest change of a kind.
    pub(super) fn changed(&self, kind: Kind) -> u64 {
        self.shelves.get(&kind).map_or(0, |shelf| shelf.history.back().map_or(shelf.forgotten, |last| last.version))
    }

    pub(super) fn get(&self, kind: Kind, key: &Key) -> Option<&Arc<Value>> {
        self.shelves.get(&kind)?.objects.get(key)
    }

    /// All objects of a kind, in order of their keys.
    pub(super) fn all(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.shelves.get(&kind).into_iter().flat_map(|shelf| shelf.objects.iter())
    }

    /// The keys of a kind: to walk over while changing.
    pub(super) fn keys(&self, kind: Kind) -> Vec<Key> {
        self.all(kind).map(|(key, _)| key.clone()).collect()
    }

    /// Stores an object, new or changed, under the next version. One that did not change stays
    /// as it is.
    pub(super) fn put(&mut self, kind: Kind, mut object: Value) -> Arc<Value> {
        let key = Key::of(&object);
        let shelf = self.shelves.entry(kind).or_default();
        let was = shelf.objects.get(&key).cloned();
        if let Some(was) = &was {
            put(&mut object, &["metadata", "resourceVersion"], json!(text(was, &["metadata", "resourceVersion"])));
            if **was == object {
                return Arc::clone(was);
            }
        }
        self.version += 1;
        put(&mut object, &["metadata", "resourceVersion"], json!(self.version.to_string()));
        let is = Arc::new(object);
        shelf.objects.insert(key.clone(), Arc::clone(&is));
        shelf.remember(Change { version: self.version, key, was, is: Arc::clone(&is), gone: false });
        is
    }

    /// Changes an object in place; does nothing if it is not there.
    pub(super) fn edit(&mut self, kind: Kind, key: &Key, change: impl FnOnce(&mut Value)) {
        if let Some(object) = self.get(kind, key) {
            let mut object = Value::clone(object);
            change(&mut object);
            self.put(kind, object);
        }
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, kind: Kind, key: &Key) -> Option<Arc<Value>> {
        let shelf = self.shelves.get_mut(&kind)?;
        let was = shelf.objects.remove(key)?;
        self.version += 1;
        let mut last = Value::clone(&was);
        put(&mut last, &["metadata", "resourceVersion"], json!(self.version.to_string()));
        let is = Arc::new(last);
        shelf.remember(Change {
            version: self.version,
            key: key.clone(),
            was: Some(was),
            is: Arc::clone(&is),
            gone: true,
        });
        Some(is)
    }

    /// Changes of a kind after `version`, oldest first; `None` if some of them are forgotten.
    pub(super) fn since(&self, kind: Kind, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let shelf = self.shelves.get(&kind);
        if shelf.is_some_and(|shelf| version < shelf.forgotten) {
            return None;
        }
        let history = shelf.map(|shelf| shelf.history.range(shelf.history.partition_point(|c| c.version <= version)..));
        Some(history.into_iter().flatten())
    }

    /// The objects of a kind as they were at `version`; `None` if that is forgotten.
    pub(super) fn at(&self, kind: Kind, version: u64) -> Option<Snapshot> {
        let mut objects = self.shelves.get(&kind).map(|shelf| shelf.objects.clone()).unwrap_or_default();
        let changes: Vec<&Change> = self.since(kind, version)?.collect();
        for change in changes.into_iter().rev() {
            match &change.was {
                Some(was) => objects.insert(change.key.clone(), Arc::clone(was)),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }

    /// Forgets all history, as a compaction does: every version before the newest is expired.
    pub(super) fn compact(&mut self) {
        for shelf in self.shelves.values_mut() {
            shelf.history.clear();
            shelf.forgotten = self.version;
        }
    }
}

impl Shelf {
    fn remember(&mut self, change: Change) {
        if self.history.len() >= HISTORY
            && let Some(oldest) = self.history.pop_front()
        {
            self.forgotten = oldest.version;
        }
        self.history.push_back(change);
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::put as set;
    use super::*;

    fn pod(name: &str, phase: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name}, "status": {"phase": phase}})
    }

    #[test]
    fn a_list_can_be_read_as_it_was_at_an_older_version() {
        let mut store = Store::new(100);
        store.put(Kind::Pod, pod("a", "Pending"));
        store.put(Kind::Pod, pod("b", "Pending"));
        let then = store.version();
        store.edit(Kind::Pod, &Key::new("shop", "a"), |pod| set(pod, &["status", "phase"], json!("Running")));
        store.remove(Kind::Pod, &Key::new("shop", "b"));
        store.put(Kind::Pod, pod("c", "Pending"));
        let before = store.at(Kind::Pod, then).unwrap();
        let names: Vec<_> =
            before.iter().map(|(key, pod)| (key.name.as_str(), text(pod, &["status", "phase"]))).collect();
        assert_eq!(names, [("a", "Pending"), ("b", "Pending")]);
    }

    #[test]
    fn what_does_not_change_gets_no_new_version() {
        let mut store = Store::new(0);
        store.put(Kind::Pod, pod("a", "Pending"));
        store.put(Kind::Pod, pod("a", "Pending"));
        assert_eq!(store.version(), 1);
    }

    #[test]
    fn history_is_bounded_and_older_versions_are_expired() {
        let mut store = Store::new(0);
        for turn in 0..=HISTORY {
            store.put(Kind::Pod, pod("a", &turn.to_string()));
        }
        assert!(store.since(Kind::Pod, 0).is_none());
        assert_eq!(store.since(Kind::Pod, 1).map(Iterator::count), Some(HISTORY));
        store.compact();
        assert!(store.since(Kind::Pod, store.version() - 1).is_none());
        assert!(store.since(Kind::Pod, store.version()).is_some());
    }
}
