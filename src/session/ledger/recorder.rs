//! The journals as the engine sees them: what it writes reaches the core too.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::clock::World;
use crate::model::entry::{Body, Draft, Entry, EntryKind};
use crate::model::plan::{Outcome, Refusal};
use crate::record::{Durability, Journal, JournalError, OpenIntent, Receipt};
use crate::respond::Recorder;
use crate::session::Message;
use crate::session::message::Envelope;
use crate::session::vitals::Vitals;
use crate::text::Safe;

use super::Written;

/// The journal as the engine sees it: its entries reach the core too. An intent tells what users
/// feel as it is applied, an outcome what they felt then and what they feel at its end.
#[derive(Debug)]
pub(in crate::session) struct EngineJournal {
    pub(super) written: Arc<Mutex<Written>>,
    pub(super) tell: UnboundedSender<Envelope>,
    /// As the change is applied; `None` for one that an earlier process left in flight.
    pub(super) before: Option<Vitals>,
    pub(super) now: Arc<Mutex<Vitals>>,
    /// The outcome that was handed over: it is known, also if it does not become durable.
    pub(super) ended: Arc<Mutex<Option<Outcome>>>,
}

impl EngineJournal {
    /// The outcome that the engine came to hand over, if it did.
    pub(in crate::session) fn ended(&self) -> Arc<Mutex<Option<Outcome>>> {
        Arc::clone(&self.ended)
    }
}

impl Recorder for EngineJournal {
    fn append(&self, mut draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        if let Some(Body::Outcome { outcome, .. }) = &draft.body {
            *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome.clone());
        }
        let felt = self.before.as_ref().and_then(|before| match draft.kind {
            EntryKind::Intent => before.told(draft.service.as_ref()),
            EntryKind::Outcome => {
                let now = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
                before.compared(&now, draft.service.as_ref())
            }
            _ => None,
        });
        if let Some(felt) = felt {
            draft.detail = Some(match draft.detail {
                Some(detail) => Safe::from(format!("{felt}; {detail}")),
                None => felt,
            });
        }
        let tell = self.tell.clone();
        // Under the lock: a journal is not replaced between the choice and the hand-over.
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((to, journal)) = &*written else { return Receipt::refused(JournalError::Closed) };
        let to = to.clone();
        journal.append(draft, occurred_at, observed_at, durability).watched(move |entry: &Entry| {
            let _ = tell.send(Envelope { message: Message::Written { entry: entry.clone(), to }, hold: None });
        })
    }
}

type Begin = Box<dyn FnOnce() -> Result<Journal, JournalError> + Send>;

/// Where the outcome of an open intent goes.
pub(in crate::session) struct Settling {
    to: Whereto,
    /// What the intent tells beside, such as what users felt.
    begun: Option<Safe>,
    now: Arc<Mutex<Vitals>>,
}

enum Whereto {
    /// The journal that this session writes holds the intent.
    Here(EngineJournal),
    /// Another record does: a file is begun there.
    Beside { begin: Begin, tell: UnboundedSender<Envelope> },
}

impl Settling {
    pub(super) fn here(engine: EngineJournal, open: &OpenIntent, now: Arc<Mutex<Vitals>>) -> Self {
        Self { to: Whereto::Here(engine), begun: open.begun.clone(), now }
    }

    pub(super) fn beside(
        begin: Begin,
        tell: UnboundedSender<Envelope>,
        open: &OpenIntent,
        now: Arc<Mutex<Vitals>>,
    ) -> Self {
        Self { to: Whereto::Beside { begin, tell }, begun: open.begun.clone(), now }
    }

    /// Begins the file that it takes, off the loop.
    pub(in crate::session) async fn open(self) -> Result<Settler, Refusal> {
        let Self { to, begun, now } = self;
        let to = match to {
            Whereto::Here(engine) => To::Here(engine),
            Whereto::Beside { begin, tell } => {
                let journal = tokio::task::spawn_blocking(begin).await.unwrap_or(Err(JournalError::Closed));
                let journal = journal.map_err(|error| Refusal {
                    why: Safe::from(format!(
                        "an action was left in flight, and its outcome cannot be recorded where it was begun: {error}"
                    )),
                })?;
                To::Beside { journal, tell }
            }
        };
        Ok(Settler { to, begun, now })
    }
}

/// Records the outcome of an open intent, and what users felt as it was begun and feel now.
pub(in crate::session) struct Settler {
    to: To,
    begun: Option<Safe>,
    now: Arc<Mutex<Vitals>>,
}

enum To {
    Here(EngineJournal),
    Beside { journal: Journal, tell: UnboundedSender<Envelope> },
}

impl Settler {
    /// Seals the file that was begun for it.
    pub(in crate::session) async fn close(self, at: World) {
        if let To::Beside { journal, .. } = self.to
            && let Err(error) = journal.close(at).await
        {
            tracing::error!(%error, "the file of an outcome was not sealed");
        }
    }

    /// `as it was begun: checkout errors 9.1 %; as it was settled: checkout errors 0.4 %`.
    fn felt(&self, draft: &Draft) -> Safe {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner).told(draft.service.as_ref());
        let lost = Safe::fixed("lost");
        let [begun, now] = [self.begun.as_ref(), now.as_ref()].map(|told| told.unwrap_or(&lost));
        Safe::from(format!("as it was begun: {begun}; as it was settled: {now}"))
    }
}

impl Recorder for Settler {
    fn append(&self, mut draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        if draft.kind == EntryKind::Outcome {
            draft.detail = Some(self.felt(&draft));
        }
        match &self.to {
            To::Here(engine) => engine.append(draft, occurred_at, observed_at, durability),
            To::Beside { journal, tell } => {
                let tell = tell.clone();
                journal.append(draft, occurred_at, observed_at, durability).watched(move |entry: &Entry| {
                    let _ = tell.send(Envelope { message: Message::Settled(entry.clone()), hold: None });
                })
            }
        }
    }
}
