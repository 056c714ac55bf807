//! The pods whose logs may be followed: filled by the pods source, read by the logs source.
//!
//! Owns: which containers of declared services exist, and how often each was restarted. Must
//! not: hold pods of anything that no service declares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::name::{ObjectPath, ServiceName, WorkloadKey};
use crate::text::Safe;

use super::podview;
use super::wire::{self, Object as _};

/// A pod with its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The workload.
    pub(super) workload: WorkloadKey,
    /// The service.
    pub(super) service: ServiceName,
    /// Its containers.
    pub(super) containers: Vec<Seat>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    /// Its name.
    pub(super) name: Safe,
    /// How often it was restarted.
    pub(super) restarts: u32,
    /// When its last life ended, by its node's clock, in whole seconds.
    pub(super) ended: Option<World>,
    /// Whether it ran at some time: before that it has no log.
    pub(super) has_log: bool,
}

/// All members. `changed` says when they are others.
pub(super) struct Roster {
    catalogue: Arc<Catalogue>,
    members: Mutex<BTreeMap<ObjectPath, Member>>,
    version: watch::Sender<u64>,
}

impl Roster {
    /// Nobody is known.
    pub(super) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue, members: Mutex::default(), version: watch::Sender::new(0) }
    }

    /// The declared services.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// A receiver that changes whenever the members do.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// All members now.
    pub(super) fn members(&self) -> BTreeMap<ObjectPath, Member> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a pod is as a member, if it belongs to a declared service.
    pub(super) fn member(&self, pod: &wire::Pod) -> Option<(ObjectPath, Member)> {
        let meta = pod.meta();
        let workload = podview::owner(meta)?;
        let service = self.catalogue.of_workload(&workload)?.clone();
        let statuses = pod.status.as_ref().map(|status| status.container_statuses.as_slice()).unwrap_or_default();
        let containers = statuses
            .iter()
            .map(|status| Seat {
                name: Safe::from(status.name.as_str()),
                restarts: u32::try_from(status.restart_count).unwrap_or(0),
                ended: status
                    .last_state
                    .as_ref()
                    .and_then(|last| last.terminated.as_ref()?.finished_at.as_ref()?.world()),
                has_log: status.restart_count > 0
                    || status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some()),
            })
            .collect();
        Some((ObjectPath::new(meta.namespace.as_str(), meta.name.as_str()), Member { workload, service, containers }))
    }

    /// Takes pods in, new or changed.
    pub(super) fn put<'a>(&self, pods: impl Iterator<Item = &'a wire::Pod>) {
        let fresh: Vec<_> = pods.filter_map(|pod| self.member(pod)).collect();
        self.change(|members| {
            let mut changed = false;
            for (path, member) in fresh {
                changed |= members.get(&path) != Some(&member);
                members.insert(path, member);
            }
            changed
        });
    }

    /// Drops a pod.
    pub(super) fn remove(&self, path: &ObjectPath) {
        self.change(|members| members.remove(path).is_some());
    }

    /// Drops everybody for whom `keep` is false.
    pub(super) fn retain(&self, keep: impl Fn(&ObjectPath) -> bool) {
        self.change(|members| {
            let before = members.len();
            members.retain(|path, _| keep(path));
            members.len() != before
        });
    }

    fn change(&self, act: impl FnOnce(&mut BTreeMap<ObjectPath, Member>) -> bool) {
        let changed = act(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner));
        if changed {
            self.version.send_modify(|version| *version = version.wrapping_add(1));
        }
    }
}
