//! Detectors of crash loops, kills for memory and pods without a node.

use std::collections::VecDeque;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::cluster::Pod;
use crate::model::entry::EntryKind;
use crate::model::finding::Finding;
use crate::model::name::{Origin, ServiceName, Uid, WorkloadKey};
use crate::text::Safe;

use super::super::told::Told;
use super::super::words;
use super::trouble::{self, RECENT};

/// So many restarts within [`RECENT`] are a crash loop, whatever the status says.
const LOOP: usize = 3;
/// A kill longer ago than this is not told when a pod is first met.
const OLD: TimeDelta = TimeDelta::hours(1);

/// The recent restarts of one pod that restarts.
#[derive(Clone, Debug)]
pub(super) struct Restarts {
    pub(super) uid: Uid,
    /// The highest count that was told.
    pub(super) count: u32,
    /// When, oldest first, as many as tell a crash loop.
    times: VecDeque<World>,
    /// Its crash loop was told, and it has not been calm since.
    looping: bool,
}

impl Restarts {
    pub(super) fn new(uid: Uid, count: u32) -> Self {
        Self { uid, count, times: VecDeque::new(), looping: false }
    }

    /// Notes that the count was told. A count that was told before says nothing new.
    pub(super) fn count(&mut self, count: u32, at: World) {
        for _ in self.count..count.min(self.count.saturating_add(LOOP as u32)) {
            self.times.push_back(at);
            if self.times.len() > LOOP {
                self.times.pop_front();
            }
        }
        self.count = self.count.max(count);
    }

    /// How many there were since `from`, up to three.
    pub(super) fn since(&self, from: World) -> usize {
        self.times.iter().filter(|at| **at >= from).count()
    }

    /// Forgets a crash loop that has been over for long enough. `false`: nothing is left.
    pub(super) fn calm(&mut self, pod: &Pod, now: World) -> bool {
        let quiet = self.since(now - RECENT) == 0;
        if quiet && pod.is_ready {
            self.looping = false;
        }
        !quiet || self.looping
    }
}

/// What a pod belongs to.
pub(super) struct Owner<'a> {
    pub(super) origin: &'a Origin,
    pub(super) key: &'a WorkloadKey,
    pub(super) service: Option<&'a ServiceName>,
}

impl Owner<'_> {
    fn finding(&self, kind: EntryKind, at: World, title: String, pod: &Pod) -> Finding {
        let dedupe = format!("{}/{}/{}", kind.as_str(), self.origin, self.key);
        let mut finding = Finding::new(kind, self.origin, at, self.key.path.name.clone(), title, dedupe);
        finding.service = self.service.cloned();
        finding.workload = Some(self.key.clone());
        finding.detail = pod.message.as_ref().map(|message| Safe::from(words::excerpt(message, 400)));
        finding
    }

    /// A pod that began to crash again and again.
    pub(super) fn crash_loop(&self, pod: &Pod, restarts: &mut Restarts, at: World) -> Option<Finding> {
        let ends = pod.last_end.as_ref().filter(|(_, end)| *end <= at);
        let counted = restarts.since(at - RECENT) >= LOOP;
        if pod.terminating || restarts.looping || !(trouble::backs_off(pod) || counted) {
            return None;
        }
        restarts.looping = true;
        let mut title =
            format!("{} crashes again and again: {}", pod.path.name, words::many(pod.restarts as usize, "restart"));
        if let Some((reason, _)) = ends {
            title = format!("{title}, last end {reason}");
        }
        Some(self.finding(EntryKind::CrashLoop, ends.map_or(at, |(_, end)| *end), title, pod))
    }

    /// A container that was killed for its memory.
    pub(super) fn oom_killed(&self, pod: &Pod, at: World, told: &mut Told) -> Option<Finding> {
        let killed = trouble::oom(pod).filter(|killed| at - *killed <= OLD)?;
        if !told.first_time(format!("oom/{}/{}", pod.uid, words::stamp(killed))) {
            return None;
        }
        let limit = match pod.memory_limit {
            0 => String::new(),
            limit => format!(" (limit {})", words::limit(crate::model::service::Unit::Bytes, limit as f64)),
        };
        let title = format!("{} killed for its memory{limit}", pod.path.name);
        Some(self.finding(EntryKind::OomKilled, killed, title, pod))
    }

    /// A pod that has waited too long for a node.
    pub(super) fn unschedulable(&self, pod: &Pod, now: World, told: &mut Told) -> Option<Finding> {
        let waits = trouble::meant_to_run(pod) && trouble::pending(pod) && pod.message.is_some();
        if !waits || now - pod.created <= trouble::GRACE || !told.first_time(format!("unschedulable/{}", pod.uid)) {
            return None;
        }
        let title = format!("{} finds no node{}", pod.path.name, trouble::scheduler(pod));
        Some(self.finding(EntryKind::Unschedulable, pod.created, title, pod))
    }
}
