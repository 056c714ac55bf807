//! A journal for tests: it keeps what it is given, refuses, or makes one wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Draft, Entry, EntryId, EntryKind};
use crate::record::{Durability, Durable, JournalError, Receipt};

use super::Recorder;
use super::fake::Served;

/// What was recorded, in order.
#[derive(Default)]
pub(super) struct Pad {
    pub(super) kept: Mutex<Vec<Draft>>,
    /// Intents that are durable: a server looks at it when a request comes in.
    pub(super) intents: Arc<AtomicUsize>,
    /// Refuses from this entry on.
    pub(super) full_from: Option<usize>,
    /// Receipts that were not given yet.
    pub(super) owed: Option<tokio::sync::mpsc::UnboundedSender<Owed>>,
}

/// An entry, and whom to tell that it is durable.
pub(super) type Owed = (Draft, tokio::sync::oneshot::Sender<Result<Durable, JournalError>>);

impl Pad {
    /// For actions on this server.
    pub(super) fn of(served: &dyn Served) -> Self {
        Self { intents: served.intents(), ..Self::default() }
    }

    pub(super) fn kinds(&self) -> Vec<EntryKind> {
        self.kept.lock().unwrap().iter().map(|draft| draft.kind).collect()
    }

    pub(super) fn last(&self) -> Draft {
        self.kept.lock().unwrap().last().unwrap().clone()
    }
}

pub(super) fn durable(draft: Draft, at: World) -> Durable {
    Durable::pretended(Entry { id: EntryId("01".into()), occurred_at: at, observed_at: at, draft })
}

impl Recorder for Pad {
    fn append(&self, draft: Draft, occurred_at: World, _observed_at: World, durability: Durability) -> Receipt {
        assert_eq!(durability, Durability::Now);
        let (tell, receipt) = Receipt::promised();
        if let Some(owed) = &self.owed {
            owed.send((draft, tell)).unwrap();
            return receipt;
        }
        let mut kept = self.kept.lock().unwrap();
        if self.full_from.is_some_and(|from| kept.len() >= from) {
            tell.send(Err(JournalError::Failed("no space left on device".into()))).unwrap();
            return receipt;
        }
        if draft.kind == EntryKind::Intent {
            self.intents.fetch_add(1, Ordering::SeqCst);
        }
        kept.push(draft.clone());
        tell.send(Ok(durable(draft, occurred_at))).unwrap();
        receipt
    }
}

pub(super) fn ana() -> Actor {
    Actor { kind: ActorKind::Human, name: "ana".into(), known_by: Some("ssh user".into()) }
}
