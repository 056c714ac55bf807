//! Warning events of the cluster, told once an object and reason.
//!
//! Owns: which events are worth telling. Must not: tell what another detector tells better.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::cluster::ClusterEvent;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Kind, ObjectPath, Origin, WorkloadKey};
use crate::text::{Safe, redact};

use super::told::Told;
use super::words;
use super::workloads::Workloads;

/// Reasons that the detectors of workloads and nodes tell with more sense.
const TOLD_ELSEWHERE: [&str; 6] =
    ["BackOff", "CrashLoopBackOff", "FailedScheduling", "OOMKilling", "NodeNotReady", "SystemOOM"];
/// Events of one reason about one workload within this time are one thing.
const AGAIN: TimeDelta = TimeDelta::minutes(5);
/// An event that was first seen longer ago than this tells of now, not of then.
const LONG: TimeDelta = TimeDelta::hours(1);

/// What was told of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    told: Told,
    /// When each reason was told of each workload last.
    last: HashMap<Safe, World>,
}

impl Events {
    /// Takes one event in.
    pub(super) fn apply(&mut self, origin: &Origin, event: ClusterEvent, workloads: &Workloads) -> Option<Finding> {
        if TOLD_ELSEWHERE.contains(&event.reason.as_str()) {
            return None;
        }
        let owner = owner(origin, &event, workloads);
        let (about, workload, service) = match owner {
            Some(row) => (row.key.to_string(), Some(row.key.clone()), row.service.clone()),
            None => (format!("{} {}", event.kind, event.about), None, None),
        };
        let key = Safe::from(format!("warning_event/{origin}/{}/{about}", event.reason));
        let at = if event.last - event.first > LONG { event.last } else { event.first };
        // Counted up, it is the same event.
        let counted_up = !self.told.first_time(format!("{origin}/{}", event.uid));
        let recent = self.last.get(&key).is_some_and(|last| at - *last < AGAIN);
        if counted_up || recent {
            return None;
        }
        if self.last.len() >= 1024 {
            self.last.retain(|_, last| at - *last < AGAIN);
        }
        self.last.insert(key.clone(), at);
        let name = workload.as_ref().map_or(&event.about.name, |key| &key.path.name);
        // Cut before it is redacted, a secret at the cut might not be known for one.
        let message = Safe::from(words::excerpt(&redact(&event.message), 400));
        let title = format!("{} {}: {}", event.about.name, event.reason, words::excerpt(&message, 160));
        let mut finding = Finding::new(EntryKind::WarningEvent, origin, at, name.clone(), title, key);
        finding.detail = Some(message);
        finding.service = service;
        finding.workload = workload;
        Some(finding)
    }
}

/// The workload that an event is about. A pod may be gone already, and a ReplicaSet is never a
/// row of its own: the Deployment whose name it carries stands for it.
fn owner<'a>(
    origin: &Origin,
    event: &ClusterEvent,
    workloads: &'a Workloads,
) -> Option<&'a super::workloads::WorkloadRow> {
    let named = |kind, name: &str| {
        let path = ObjectPath::new(event.about.namespace.clone(), name);
        workloads.row_in(origin, &WorkloadKey { kind, path })
    };
    let name = event.about.name.as_str();
    match Kind::parse(&event.kind) {
        Some(Kind::Pod) => workloads.owner(origin, &event.about).or_else(|| {
            let (front, _) = name.rsplit_once('-')?;
            let deployment = front.rsplit_once('-').and_then(|(front, _)| named(Kind::Deployment, front));
            deployment.or_else(|| named(Kind::StatefulSet, front)).or_else(|| named(Kind::DaemonSet, front))
        }),
        Some(Kind::ReplicaSet) => named(Kind::Deployment, name.rsplit_once('-')?.0),
        Some(kind) => named(kind, name),
        None => None,
    }
}
