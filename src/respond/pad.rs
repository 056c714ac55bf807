//! A journal for tests: it keeps what it is given, or refuses.

use std::sync::Mutex;

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Draft, Entry, EntryId};
use crate::record::{Durability, Durable, JournalError, Receipt};

use super::Recorder;

/// What was recorded, in order.
#[derive(Default)]
pub(super) struct Pad {
    pub(super) kept: Mutex<Vec<Draft>>,
    /// Refuses everything.
    pub(super) full: bool,
}

impl Pad {
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.kept.lock().unwrap().iter().map(|draft| draft.kind.as_str()).collect()
    }

    pub(super) fn last(&self) -> Draft {
        self.kept.lock().unwrap().last().unwrap().clone()
    }
}

impl Recorder for Pad {
    fn append(&self, draft: Draft, occurred_at: World, observed_at: World, _: Durability) -> Receipt {
        if self.full {
            return Receipt::refused(JournalError::Failed("no space left on device".into()));
        }
        self.kept.lock().unwrap().push(draft.clone());
        let (tell, receipt) = Receipt::promised();
        tell.send(Ok(Durable::pretended(Entry { id: EntryId("01".into()), occurred_at, observed_at, draft }))).unwrap();
        receipt
    }
}

pub(super) fn ana() -> Actor {
    Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None }
}
