//! Calls from one service to another: what the caller sees, and what time-outs, retries and
//! refusals make of a call.
//!
//! Owns: latency as callers see it, the sums of retries, and what a worker wants to send. Must
//! not: know CPU.

use crate::drill::kube::PodView;
use crate::drill::scenario::{Call, Worker, Workload};

/// Share of a second's news in what callers see.
pub(super) const SMOOTHING: f64 = 0.25;

/// A callee as its callers see it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::drill) struct Face {
    /// Share of requests that fail.
    pub(in crate::drill) fails: f64,
    /// Share of requests that are refused with 429.
    pub(in crate::drill) refuses: f64,
    /// Fixed part of the latency, seconds.
    pub(in crate::drill) fixed: f64,
    /// Mean of the tail, seconds.
    pub(in crate::drill) tail: f64,
}

impl Face {
    /// Share of requests that take longer than `limit` seconds.
    pub(in crate::drill) fn slower_than(&self, limit: f64) -> f64 {
        if limit <= self.fixed {
            1.0
        } else if self.tail <= 0.0 {
            0.0
        } else {
            (-(limit - self.fixed) / self.tail).exp()
        }
    }

    pub(super) fn toward(&mut self, news: &Self) {
        let blend = |old: &mut f64, new: f64| *old += (new - *old) * SMOOTHING;
        blend(&mut self.fails, news.fails);
        blend(&mut self.refuses, news.refuses);
        blend(&mut self.fixed, news.fixed);
        blend(&mut self.tail, news.tail);
    }
}

/// What a call comes to, per request.
pub(super) struct Called {
    pub(super) attempts: f64,
    pub(super) retries: f64,
    pub(super) refused: f64,
    pub(super) timed_out: f64,
    pub(super) failed: f64,
    /// Share of calls that come to nothing for a refusal, and for anything else.
    pub(super) lost_refused: f64,
    pub(super) lost_other: f64,
    pub(super) fixed: f64,
    pub(super) tail: f64,
}

/// A call with its retries to a callee that looks like `face`.
pub(super) fn called(call: &Call, face: &Face) -> Called {
    let slow = face.slower_than(call.timeout);
    let answered = 1.0 - face.fails - face.refuses;
    let timed_out = (answered.max(0.0)) * slow;
    let bad = (face.fails + face.refuses + timed_out).clamp(0.0, 1.0);
    let (mut wanted, mut waits, mut power, mut pause) = (0.0, 0.0, 1.0, call.backoff);
    for _ in 0..call.retries {
        power *= bad;
        wanted += power;
        waits += power * pause;
        pause *= 2.0;
    }
    let retries = f64::min(wanted, call.retry_budget);
    let covered = if wanted > 0.0 { retries / wanted } else { 0.0 };
    let lost = bad * (1.0 - covered) + power * bad * covered;
    let attempts = 1.0 + retries;
    let refused_part = if bad > 0.0 { face.refuses / bad } else { 0.0 };
    Called {
        attempts,
        retries,
        refused: attempts * face.refuses,
        timed_out: attempts * timed_out,
        failed: attempts * face.fails,
        lost_refused: lost * refused_part,
        lost_other: lost * (1.0 - refused_part),
        // Whoever waits longer than the time-out has stopped waiting.
        fixed: face.fixed.min(call.timeout) + waits * covered,
        tail: face.tail.min(call.timeout / 2.0) + timed_out * call.timeout * covered * 0.5,
    }
}

/// What the images of the ready pods come to.
pub(super) struct Traits {
    /// Share of pods whose worker has no limit.
    pub(super) unlimited: f64,
    /// Attempts a second that the limited pods' limits allow.
    pub(super) allowed: f64,
    pub(super) cpu_factor: f64,
    pub(super) fails: f64,
}

impl Traits {
    pub(super) fn of(workload: &Workload, views: &[PodView]) -> Self {
        let mut traits = Self { unlimited: 0.0, allowed: 0.0, cpu_factor: 0.0, fails: 0.0 };
        let ready: Vec<_> = views.iter().filter(|view| view.ready).collect();
        let share = 1.0 / ready.len().max(1) as f64;
        let usual = workload.worker.as_ref().map_or(0.0, |worker| worker.limit);
        for view in ready {
            let version = workload.versions.iter().find(|version| version.image == view.image);
            match version.and_then(|version| version.worker_limit).unwrap_or(usual) {
                0.0 => traits.unlimited += share,
                limit => traits.allowed += limit,
            }
            traits.cpu_factor += share * version.map_or(1.0, |version| version.cpu_factor);
            traits.fails += share * version.map_or(0.0, |version| version.fails);
        }
        traits
    }
}

/// Attempts a second that a worker wants to make, and the share of first attempts among them.
pub(super) fn worker_wants(worker: &Worker, traits: &Traits, face: &Face) -> (f64, f64) {
    let bad = (face.fails + face.refuses).clamp(0.0, 1.0);
    let attempts: f64 = 1.0 + (1..=worker.retries).map(|n| bad.powi(n.cast_signed())).sum::<f64>();
    let limited = (worker.demand * (1.0 - traits.unlimited) * attempts).min(traits.allowed);
    (worker.demand * traits.unlimited * attempts + limited, 1.0 / attempts)
}
