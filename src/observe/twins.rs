//! Lines that two sources tell: a pod's output by the cluster and, shipped, by CloudWatch Logs.
//!
//! Owns: which of two equal lines is kept. The rule: who tells a line first is believed, and the
//! same line of another source, written within ten seconds of it, is told twice: it is counted, not
//! kept. One line takes one twin, so that what was written twice stays twice. A line that no other
//! source tells is always kept, whatever its service declares: nothing is lost if one source fails,
//! or if a log group holds something else than the pods' output.
//! Must not: look at services that only one kind of source can tell of.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use serde::Deserialize;

use crate::clock::World;
use crate::config::Catalogue;
use crate::model::log::LogBatch;
use crate::model::name::Origin;
use crate::text::{LINE_CAP, clean_capped};

/// How far apart two sources may stamp one line, in milliseconds. Shippers mostly keep the
/// container runtime's own time; some stamp what they read.
const APART: i64 = 10_000;
/// Lines that wait for a twin at most: minutes of a busy service, and the same past twice.
const WAITING: usize = 100_000;

/// Lines that may have a twin, and how many had one.
#[derive(Debug, Default)]
pub struct Twins {
    hasher: RandomState,
    /// Lines without a twin so far, by what they say.
    singles: HashMap<u64, BTreeSet<Single>>,
    /// The same in the order of their arrival; those that found their twin included.
    order: VecDeque<(u64, Single)>,
    next: u64,
    sources: Vec<(Origin, u64)>,
}

/// One line of one source: in this order, so that those of one source near one time are found
/// without a look at the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Single {
    source: usize,
    at_ms: i64,
    number: u64,
}

/// What Fluent Bit and Fluentd make of a container's line.
#[derive(Deserialize)]
struct Shipped<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
}

impl Twins {
    /// The source that told most lines that another had told before, and how many.
    pub fn told_twice(&self) -> Option<(&Origin, u64)> {
        let most = self.sources.iter().max_by_key(|(_, count)| *count)?;
        (most.1 > 0).then_some((&most.0, most.1))
    }

    /// The lines of `batch` that no other source has told.
    pub(super) fn without(&mut self, origin: &Origin, batch: LogBatch, catalogue: &Catalogue) -> LogBatch {
        // The services that a pod and a log group can both tell of, by stream.
        let twofold = |stream| {
            let service = catalogue.service(catalogue.of_stream(stream)?)?;
            (!service.workloads.is_empty() && !service.log_groups.is_empty()).then_some(&service.name)
        };
        let services: Vec<_> = batch.streams().iter().map(twofold).collect();
        if services.iter().all(Option::is_none) {
            return batch;
        }
        let source = self.source(origin);
        let mut twins = Vec::new();
        for (at, (line, _, text)) in batch.iter().enumerate() {
            let Some(service) = services.get(usize::from(line.stream)).copied().flatten() else { continue };
            let key = self.hasher.hash_one((service, core(text)));
            if self.is_twin(key, line.at_ms, source) {
                twins.push(at);
            }
        }
        if twins.is_empty() {
            return batch;
        }
        if let Some((_, count)) = self.sources.get_mut(source) {
            *count += twins.len() as u64;
        }
        let mut kept = LogBatch::default();
        let mut twins = twins.into_iter().peekable();
        for (at, (line, stream, text)) in batch.iter().enumerate() {
            if twins.next_if_eq(&at).is_none() {
                kept.push(stream, World::from_timestamp_millis(line.at_ms).unwrap_or_default(), text);
            }
        }
        kept
    }

    /// Whether another source has told this line; if not, it waits for its twin.
    fn is_twin(&mut self, key: u64, at_ms: i64, source: usize) -> bool {
        let apart = |single: &Single| single.at_ms.saturating_sub(at_ms).saturating_abs();
        let nearest = self.around(key, at_ms, source).min_by_key(|single| (apart(single), single.number));
        if let Some(twin) = nearest.filter(|single| apart(single) <= APART) {
            self.forget(key, twin);
            return true;
        }
        let single = Single { source, at_ms, number: self.next };
        self.singles.entry(key).or_default().insert(single);
        self.order.push_back((key, single));
        self.next += 1;
        if self.order.len() > WAITING
            && let Some((oldest, single)) = self.order.pop_front()
        {
            self.forget(oldest, single);
        }
        false
    }

    /// Of each other source the line before that time and the one after it, or at it. However many
    /// wait, these are two a source.
    fn around(&self, key: u64, at_ms: i64, source: usize) -> impl Iterator<Item = Single> {
        let singles = self.singles.get(&key);
        (0..self.sources.len()).filter(move |other| *other != source).flat_map(move |source| {
            let first = |at_ms, number| Single { source, at_ms, number };
            let before = first(i64::MIN, 0)..first(at_ms, 0);
            let after = first(at_ms, 0)..first(i64::MAX, u64::MAX);
            let before = singles.and_then(|singles| singles.range(before).next_back());
            let after = singles.and_then(|singles| singles.range(after).next());
            [before, after].into_iter().flatten().copied()
        })
    }

    fn forget(&mut self, key: u64, single: Single) {
        if let Some(singles) = self.singles.get_mut(&key) {
            singles.remove(&single);
            if singles.is_empty() {
                self.singles.remove(&key);
            }
        }
    }

    fn source(&mut self, origin: &Origin) -> usize {
        self.sources.iter().position(|(known, _)| known == origin).unwrap_or_else(|| {
            self.sources.push((origin.clone(), 0));
            self.sources.len() - 1
        })
    }
}

/// What a line says, without the envelope that a shipper put around it.
fn core(text: &str) -> Cow<'_, str> {
    if text.starts_with('{')
        && text.contains("\"log\"")
        && let Ok(shipped) = serde_json::from_str::<Shipped<'_>>(text)
    {
        return Cow::Owned(clean_capped(shipped.log.trim_end_matches(['\r', '\n']), LINE_CAP).to_string());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shippers_envelope_is_taken_off() {
        let shipped = r#"{"time":"2026-11-21T03:14:07Z","stream":"stdout","log":"ERROR \u001b[31mrefused\n","kubernetes":{"pod_name":"p"}}"#;
        assert_eq!(core(shipped), "ERROR refused");
        for own in [r#"{"level":"error","msg":"x"}"#, r#"{"log":{"a":1}}"#, r#"{"log": "cut"#, "log"] {
            assert_eq!(core(own), own);
        }
    }

    /// What a source is called does not matter here.
    fn with_sources(count: usize) -> Twins {
        let mut twins = Twins::default();
        for source in 0..count {
            twins.source(&Origin { env: "test".into(), source: format!("s{source}").as_str().into() });
        }
        twins
    }

    #[test]
    fn the_memory_of_lines_is_bounded() {
        let mut twins = with_sources(1);
        for n in 0..(WAITING as u64 * 2) {
            assert!(!twins.is_twin(n % 7, n as i64 * 100_000, 0));
        }
        assert_eq!(twins.order.len(), WAITING);
        assert_eq!(twins.singles.values().map(BTreeSet::len).sum::<usize>(), WAITING);
    }

    #[test]
    fn a_line_that_is_told_again_and_again_costs_no_more_than_any_other() {
        let mut twins = with_sources(2);
        for n in 0..2 * WAITING as i64 {
            assert!(twins.around(1, n, 0).count() == 0, "its own source's lines are not looked at");
            assert!(!twins.is_twin(1, n, 0));
        }
        assert_eq!(twins.order.len(), WAITING);
        // All of them wait; the other source's line is compared with two.
        for n in (0..WAITING as i64).map(|n| WAITING as i64 + n) {
            assert!(twins.around(1, n, 1).count() <= 2);
            assert!(twins.is_twin(1, n, 1));
        }
        assert!(twins.singles.is_empty(), "each took one");
    }

    #[test]
    fn the_nearest_line_is_the_twin_and_only_within_ten_seconds() {
        let mut twins = with_sources(3);
        for at in [0, 5_000, 9_000, 40_000] {
            assert!(!twins.is_twin(1, at, 0));
        }
        assert!(twins.is_twin(1, 6_000, 1), "that of 5 s");
        assert!(twins.is_twin(1, 6_000, 2), "that of 9 s");
        assert!(twins.is_twin(1, 6_000, 1), "that of 0 s");
        assert!(!twins.is_twin(1, 6_000, 1), "40 s is too far");
        assert!(!twins.is_twin(1, 29_999, 2));
        assert!(twins.is_twin(1, 30_000, 2), "40 s is within ten");
        assert!(!twins.is_twin(2, 30_000, 2), "another text");
        assert!(!twins.is_twin(1, i64::MIN, 0) && !twins.is_twin(1, i64::MAX, 1), "times that make no sense");
    }
}
