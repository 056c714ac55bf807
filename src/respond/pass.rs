//! The right to write, for as long as the write window is open in which a plan was confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::text::Safe;

/// The right to write; its clones are withdrawn with it.
#[derive(Clone, Debug, Default)]
pub struct Pass(Arc<AtomicBool>);

impl Pass {
    /// Whatever was confirmed with it and is not written yet is not written any more.
    pub fn withdraw(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Why nothing is written with it, if so.
    pub(super) fn void(&self) -> Option<Safe> {
        self.is_withdrawn()
            .then(|| Safe::fixed("the write window was closed before that; plan it again in another one"))
    }
}

/// Two are the same if they are withdrawn together.
impl PartialEq for Pass {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
