//! What was told already: a bounded memory of keys, so that the same thing met again in another
//! list, watch or history is not told again; and a bound on how often one story is told.

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::finding::Finding;
use crate::text::Safe;

/// Enough for an incident on a large cluster; the oldest keys are forgotten first.
const CAP: usize = 8192;

/// A bounded memory of keys.
#[derive(Debug, Default)]
pub(super) struct Told {
    keys: HashSet<Safe>,
    order: VecDeque<Safe>,
}

impl Told {
    /// Whether `key` is new. It is remembered from now on.
    pub(super) fn first_time(&mut self, key: impl Into<Safe>) -> bool {
        let key = key.into();
        if !self.keys.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > CAP
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
        true
    }
}

/// How often one key may be told within [`WINDOW`].
const MOST: u32 = 20;
const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// Keeps one story from flooding the record: a workload of a thousand pods that crash is told by
/// its first pods.
#[derive(Debug, Default)]
pub(super) struct Flood {
    windows: HashMap<Safe, (World, u32)>,
}

impl Flood {
    /// Passes a finding on, or not. The last that passes says that more are not told.
    pub(super) fn pass(&mut self, mut finding: Finding, at: World) -> Option<Finding> {
        if self.windows.len() >= CAP {
            self.windows.retain(|_, (start, _)| at - *start <= WINDOW);
        }
        let (start, count) = self.windows.entry(finding.dedupe.clone()).or_insert((at, 0));
        if at - *start > WINDOW {
            (*start, *count) = (at, 0);
        }
        *count = count.saturating_add(1);
        if *count == MOST {
            let detail = finding.detail.map_or_else(String::new, |detail| format!("{detail}; "));
            finding.detail = Some(Safe::from(format!("{detail}more of the same are not told for 10 min")));
        }
        (*count <= MOST).then_some(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let mut told = Told::default();
        for n in 0..=CAP {
            assert!(told.first_time(n.to_string()));
        }
        assert!(!told.first_time(CAP.to_string()));
        assert!(told.first_time("0"), "the oldest key was forgotten");
        assert_eq!(told.keys.len(), told.order.len());
    }
}
