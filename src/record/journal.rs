//! One writer's file: locked, appended to, chained line by line, never opened for writing again.

use tokio::sync::oneshot;

use crate::clock::World;
use crate::model::entry::Draft;

use super::{Durability, JournalError, Receipt};

/// A handle to the journal's own thread. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct Journal {}

impl Journal {
    /// Hands an entry over. Order of calls is the order in the file. Never blocks.
    pub fn append(&self, _draft: Draft, _occurred_at: World, _observed_at: World, _durability: Durability) -> Receipt {
        let (tell, told) = oneshot::channel();
        let _ = tell.send(Err(JournalError::Closed));
        Receipt(told)
    }
}
