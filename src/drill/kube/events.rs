//! Events (core/v1): counted up when the same thing happens again, kept for an hour.
//!
//! Owns: how events are named, counted and forgotten. Must not: decide that something is worth
//! an event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::state::State;
use super::store::Key;
use super::value::{int, moment, put, seconds, stamp, text};

/// How long the API server keeps an event (`--event-ttl`), in seconds.
const KEPT: u64 = 3600;

/// Which event tells that something happened again: by object, reason and message.
#[derive(Debug, Default)]
pub(super) struct EventBook(BTreeMap<(String, &'static str, String, String), Key>);

/// What an event is about and who says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    /// A workload, `Pod`, `ReplicaSet`, `Node`, `HorizontalPodAutoscaler`.
    pub(super) kind: Kind,
    /// The object.
    pub(super) key: &'a Key,
    /// The component, such as `kubelet`.
    pub(super) source: &'static str,
    /// The node it comes from, or empty.
    pub(super) host: &'a str,
    /// A `Warning`, else `Normal`.
    pub(super) warning: bool,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    /// A container of the object that it is about, or empty.
    pub(super) container: &'a str,
}

impl State {
    /// Records an event, or counts one up.
    pub(super) fn note(&mut self, note: Note<'_>) {
        let Some(object) = self.store.get(note.kind, note.key) else { return };
        let uid = text(object, &["metadata", "uid"]).to_owned();
        let version = text(object, &["metadata", "resourceVersion"]).to_owned();
        let (now, sort) = (stamp(self.now), if note.warning { "Warning" } else { "Normal" });
        let same = (uid.clone(), note.source, note.reason.to_owned(), note.message.to_owned());
        if let Some(key) = self.events.0.get(&same)
            && self.store.get(Kind::Event, key).is_some()
        {
            self.store.edit(Kind::Event, key, |event| {
                let count = int(event, &["count"]).saturating_add(1);
                put(event, &["count"], json!(count));
                put(event, &["lastTimestamp"], json!(now));
            });
            return;
        }
        let (kind, api_version) = match note.kind {
            Kind::Pod => ("Pod", "v1"),
            Kind::Node => ("Node", "v1"),
            Kind::ReplicaSet => ("ReplicaSet", "apps/v1"),
            Kind::Deployment => ("Deployment", "apps/v1"),
            Kind::StatefulSet => ("StatefulSet", "apps/v1"),
            Kind::DaemonSet => ("DaemonSet", "apps/v1"),
            Kind::Rollout => ("Rollout", "argoproj.io/v1alpha1"),
            _ => ("HorizontalPodAutoscaler", "autoscaling/v2"),
        };
        // What has no namespace has its events in `default`.
        let namespace = if note.key.namespace.is_empty() { "default" } else { &note.key.namespace };
        let parts = ["event", &uid, note.reason, note.message, &now];
        let identity = self.seed.uid(&parts);
        let digits: String = identity.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        let name = format!("{}.{digits}", note.key.name);
        let mut involved = json!({
            "kind": kind, "namespace": note.key.namespace, "name": note.key.name, "uid": uid,
            "apiVersion": api_version, "resourceVersion": version,
        });
        if note.key.namespace.is_empty() {
            involved = json!({"kind": kind, "name": note.key.name, "uid": uid, "apiVersion": api_version});
        }
        if !note.container.is_empty() {
            put(&mut involved, &["fieldPath"], json!(format!("spec.containers{{{}}}", note.container)));
        }
        let mut source = json!({"component": note.source});
        if !note.host.is_empty() {
            put(&mut source, &["host"], json!(note.host));
        }
        let event = json!({
            "metadata": {"name": name, "namespace": namespace, "uid": identity, "creationTimestamp": now},
            "involvedObject": involved, "reason": note.reason, "message": note.message, "type": sort,
            "source": source, "firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": null,
            "reportingComponent": note.source, "reportingInstance": note.host,
        });
        self.events.0.insert(same, Key::new(namespace, name));
        self.store.put(Kind::Event, event);
    }

    /// An event about a pod's container, by its kubelet.
    pub(super) fn note_container(&mut self, key: &Key, warning: bool, reason: &str, message: &str) {
        let Some(run) = self.pods.get(key) else { return };
        let (host, container) = (run.node.clone().unwrap_or_default(), run.container.clone());
        self.note(Note {
            kind: Kind::Pod,
            key,
            source: "kubelet",
            host: &host,
            warning,
            reason,
            message,
            container: &container,
        });
    }

    /// Drops events that were last seen an hour ago.
    pub(super) fn forget_old_events(&mut self) {
        let limit = self.now - seconds(KEPT);
        let last = |event: &Value| {
            moment(text(event, &["lastTimestamp"])).or_else(|| moment(text(event, &["metadata", "creationTimestamp"])))
        };
        let old: Vec<Key> = self
            .store
            .all(Kind::Event)
            .filter(|(_, event)| last(event).is_none_or(|at| at < limit))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &old {
            self.store.remove(Kind::Event, key);
        }
        if !old.is_empty() {
            let store = &self.store;
            self.events.0.retain(|_, key| store.get(Kind::Event, key).is_some());
        }
    }
}
