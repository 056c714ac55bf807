//! The journals as the engine sees them: what it writes reaches the core too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::World;
use crate::model::entry::{Body, Draft, Entry, EntryKind};
use crate::model::plan::{Outcome, PlanId, Refusal};
use crate::record::{Archive, Durability, HeldPlan, Holder, Journal, JournalError, OpenIntent, Receipt};
use crate::respond::Recorder;
use crate::session::Message;
use crate::session::message::Envelope;
use crate::session::vitals::Vitals;
use crate::text::Safe;

use super::{Bearings, Ledger, Written};

/// An intent that another process has is looked at this often, by the wall.
const LOOK: Duration = Duration::from_secs(1);

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

type Begin = Box<dyn Fn() -> Result<Journal, JournalError> + Send + Sync>;

/// An open intent on its way to an outcome.
pub(in crate::session) struct Settling {
    plan: PlanId,
    held: Holder,
    archive: Archive,
    bearings: Bearings,
    settler: Settler,
    tell: UnboundedSender<Envelope>,
}

/// Whose an open intent is.
pub(in crate::session) enum Taken {
    /// Another process has told its outcome by now.
    Told(Outcome),
    /// This one's: nobody else has it while the second lives.
    Ours(Settler, HeldPlan),
}

impl Settling {
    /// The outcome goes to the journal that this session writes, if that is the record which holds
    /// the intent; else a file is begun beside it.
    pub(super) fn of(ledger: &Ledger, open: &OpenIntent, now: Arc<Mutex<Vitals>>) -> Option<Self> {
        let (tell, engine) = (ledger.tell.clone()?, ledger.recorder(None, Arc::clone(&now))?);
        let here = ledger.current.as_ref().map(|(id, _)| id);
        let (archive, held, begun) = (ledger.archive.clone(), open.held.clone(), open.begun.clone());
        let to = if here.is_some() && open.held.incident() == here {
            To::Here(engine)
        } else {
            let start = ledger.bearings.start(held.incident().cloned(), ledger.now());
            let (archive, held) = (archive.clone(), held.clone());
            let begin: Begin = Box::new(move || archive.journal_beside(&held, start.clone()));
            To::Beside { begin: Arc::new(begin), journal: OnceCell::new(), tell: tell.clone() }
        };
        let settler = Settler { to, begun, now };
        Some(Self { plan: open.plan.id.clone(), held, archive, bearings: ledger.bearings.clone(), settler, tell })
    }

    /// Takes the intent as soon as nobody else has it, and looks whether its outcome was told
    /// meanwhile; that is brought to the record which holds the intent, if it is told elsewhere.
    /// `waits` is called if another process has it.
    pub(in crate::session) async fn take(self, waits: impl Fn()) -> Result<Taken, Refusal> {
        let lock = self.lock(waits).await?;
        let Self { plan, held, archive, bearings, settler, tell } = self;
        let looked = tokio::task::spawn_blocking(move || archive.outcomes(&plan, &bearings.env, bearings.drill));
        let told = looked.await.map_err(|_| not_looked("by a fault of this program"))?.map_err(not_looked)?;
        let there = told.iter().find(|(holder, _)| *holder == held).or(match held {
            // An incident's record is to tell the end itself: it outlives the others.
            Holder::Incident(_) => None,
            Holder::Rolling(_) => told.first(),
        });
        let Some((_, entry)) = there.or(told.first()) else { return Ok(Taken::Ours(settler, lock)) };
        let Some(Body::Outcome { outcome, .. }) = &entry.draft.body else { return Ok(Taken::Ours(settler, lock)) };
        if there.is_some() {
            let _ = tell.send(Envelope { message: Message::Settled(entry.clone()), hold: None });
        } else {
            settler.bring(entry).await?;
        }
        Ok(Taken::Told(outcome.clone()))
    }

    async fn lock(&self, waits: impl Fn()) -> Result<HeldPlan, Refusal> {
        let mut waiting = false;
        loop {
            let (archive, plan) = (self.archive.clone(), self.plan.clone());
            let taken = tokio::task::spawn_blocking(move || archive.hold(&plan)).await;
            match taken.map_err(|_| not_looked("by a fault of this program"))?.map_err(not_looked)? {
                Some(lock) => return Ok(lock),
                None => {
                    if !std::mem::replace(&mut waiting, true) {
                        waits();
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }
}

fn not_looked(why: impl std::fmt::Display) -> Refusal {
    left(Refusal { why: Safe::from(format!("whether another session tells its outcome is not known: {why}")) })
}

/// Records the outcome of an open intent, and what users felt as it was begun and feel now.
pub(in crate::session) struct Settler {
    to: To,
    /// What the intent tells beside, such as what users felt.
    begun: Option<Safe>,
    now: Arc<Mutex<Vitals>>,
}

/// Where the outcome of an open intent goes.
enum To {
    /// The journal that this session writes holds the intent.
    Here(EngineJournal),
    /// Another record does: a file is begun there, once there is something to tell.
    Beside { begin: Arc<Begin>, journal: OnceCell<Journal>, tell: UnboundedSender<Envelope> },
}

impl Settler {
    /// Seals the file that was begun for it, if one was.
    pub(in crate::session) async fn close(self, at: World) {
        if let To::Beside { journal, .. } = self.to
            && let Some(journal) = journal.into_inner()
            && let Err(error) = journal.close(at).await
        {
            tracing::error!(%error, "the file of an outcome was not sealed");
        }
    }

    /// Writes an outcome that another record tells, with its times.
    async fn bring(self, entry: &Entry) -> Result<(), Refusal> {
        self.ready().await.map_err(left)?;
        let at = entry.observed_at;
        let kept = self.hand_over(entry.draft.clone(), entry.occurred_at, at, Durability::Now).await;
        self.close(at).await;
        kept.map(drop).map_err(|error| left(not_recorded(error)))
    }

    fn hand_over(&self, draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        match &self.to {
            To::Here(engine) => engine.append(draft, occurred_at, observed_at, durability),
            To::Beside { journal, tell, .. } => {
                let Some(journal) = journal.get() else { return Receipt::refused(JournalError::Closed) };
                let tell = tell.clone();
                journal.append(draft, occurred_at, observed_at, durability).watched(move |entry: &Entry| {
                    let _ = tell.send(Envelope { message: Message::Settled(entry.clone()), hold: None });
                })
            }
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

fn not_recorded(why: JournalError) -> Refusal {
    Refusal { why: Safe::from(format!("its outcome cannot be recorded where it was begun: {why}")) }
}

fn left(why: Refusal) -> Refusal {
    Refusal { why: Safe::from(format!("an action was left in flight, and {}", why.why)) }
}

impl Recorder for Settler {
    /// Begins the file that it takes, off the loop.
    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async {
            let To::Beside { begin, journal, .. } = &self.to else { return Ok(()) };
            let made = journal.get_or_try_init(|| async {
                let begin = Arc::clone(begin);
                tokio::task::spawn_blocking(move || begin()).await.unwrap_or(Err(JournalError::Closed))
            });
            made.await.map(drop).map_err(not_recorded)
        })
    }

    fn append(&self, mut draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        if draft.kind == EntryKind::Outcome {
            draft.detail = Some(self.felt(&draft));
        }
        self.hand_over(draft, occurred_at, observed_at, durability)
    }
}
