//! Pods that were named ahead of the first list, until they are read.
//!
//! Owns: which of them are still names alone. Must not: count them among the pods, or judge them.

use crate::model::cluster::NamedPod;
use crate::model::name::{ObjectPath, Origin};

use super::Workloads;

/// Names, of which fewer and fewer are names alone.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// By name.
    rows: Vec<NamedPod>,
    /// In the order of the rows: the pod itself is known.
    read: Vec<bool>,
    left: usize,
}

impl Named {
    /// How many are names alone.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Those that are names alone: what does not look well first, then by name.
    pub(super) fn rows(&self) -> impl Iterator<Item = &NamedPod> {
        let those = |well: bool| {
            let left = self.rows.iter().zip(&self.read).filter(|(_, read)| !**read);
            left.map(|(pod, _)| pod).filter(move |pod| pod.looks_well() == well)
        };
        those(false).chain(those(true))
    }

    /// Notes that a pod is known, or gone. Of two names that are equal because their namespaces
    /// were not told, one goes.
    pub(super) fn read(&mut self, path: &ObjectPath) {
        if self.left == 0 {
            return;
        }
        let start = self.rows.partition_point(|pod| pod.name < path.name);
        let same = self.rows.iter().zip(&mut self.read).skip(start).take_while(|(pod, _)| pod.name == path.name);
        for (pod, read) in same {
            if !*read && pod.namespace.as_ref().is_none_or(|namespace| *namespace == path.namespace) {
                *read = true;
                self.left -= 1;
                return;
            }
        }
    }
}

impl Workloads {
    /// Takes the names of all pods in, until the pods themselves are listed. What is listed
    /// already needs no name.
    pub(in crate::observe) fn name_pods(&mut self, origin: &Origin, mut names: Vec<NamedPod>) {
        let cluster = self.cluster(origin);
        let cluster = &mut self.clusters[cluster];
        if cluster.listed {
            return;
        }
        if cluster.pods_from != *origin {
            cluster.pods_from = origin.clone();
        }
        names.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
        cluster.named = Named { read: vec![false; names.len()], left: names.len(), rows: names };
        for path in cluster.pods.keys() {
            cluster.named.read(path);
        }
    }
}
