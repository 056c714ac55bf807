//! What was told already: a bounded memory of keys, so that the same thing met again in another
//! list, watch or history is not told again.

use std::collections::{HashSet, VecDeque};

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
