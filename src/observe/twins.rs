//! Lines that two sources tell: a pod's output by the cluster and, shipped, by CloudWatch Logs.
//!
//! Owns: which of two equal lines is kept. The rule: who tells a line first is believed, and the
//! same line of another source, written within ten seconds of it, is told twice: it is counted, not
//! kept. One line takes one twin, so that what was written twice stays twice. A line that no other
//! source tells is always kept, whatever its service declares: nothing is lost if one source fails,
//! or if a log group holds something else than the pods' output.
//! Must not: look at services that only one kind of source can tell of.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
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
    singles: HashMap<u64, Vec<Single>>,
    /// The same in the order of their arrival; those that found their twin included.
    order: VecDeque<(u64, u64)>,
    next: u64,
    sources: Vec<(Origin, u64)>,
}

#[derive(Debug)]
struct Single {
    number: u64,
    at_ms: i64,
    source: usize,
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
        let singles = self.singles.entry(key).or_default();
        let apart = |single: &Single| single.at_ms.saturating_sub(at_ms).saturating_abs();
        let others = singles.iter().enumerate().filter(|(_, single)| single.source != source);
        let nearest = others.min_by_key(|(_, single)| apart(single)).filter(|(_, single)| apart(single) <= APART);
        if let Some((place, _)) = nearest {
            singles.remove(place);
            if singles.is_empty() {
                self.singles.remove(&key);
            }
            return true;
        }
        singles.push(Single { number: self.next, at_ms, source });
        self.order.push_back((key, self.next));
        self.next += 1;
        if self.order.len() > WAITING
            && let Some((oldest, number)) = self.order.pop_front()
            && let Some(singles) = self.singles.get_mut(&oldest)
        {
            singles.retain(|single| single.number != number);
            if singles.is_empty() {
                self.singles.remove(&oldest);
            }
        }
        false
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

    #[test]
    fn the_memory_of_lines_is_bounded() {
        let mut twins = Twins::default();
        for n in 0..(WAITING as u64 * 2) {
            assert!(!twins.is_twin(n % 7, n as i64 * 100_000, 0));
        }
        assert_eq!(twins.order.len(), WAITING);
        assert_eq!(twins.singles.values().map(Vec::len).sum::<usize>(), WAITING);
    }
}
