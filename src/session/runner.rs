//! The runner: performs effects and answers with messages. All I/O of a session that is not
//! reading happens here, none of it on the loop's task.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, Hold, World};
use crate::connect::{Follow, read_runbook};
use crate::model::name::IncidentId;
use crate::model::plan::{Outcome, Plan, Progress, Refusal};
use crate::observe::Picture;
use crate::record::{Durability, HeldPlan, JournalError, Receipt, Voice};
use crate::respond::{Confirmed, Ended, Engine, Left};
use crate::text::Safe;

use super::ledger::{EngineJournal, Ledger, Taken};
use super::message::Envelope;
use super::scanner::Scanner;
use super::vitals::Vitals;
use super::{Core, Effect, Message, update};

/// Ending takes no longer than this, by the wall.
const FAREWELL: Duration = Duration::from_secs(2);
/// A consent is looked for this often, by the wall.
const LOOK: Duration = Duration::from_secs(1);

/// Asks somebody outside the program: a drill's developers.
pub type AskFn = Arc<dyn Fn(Safe) -> BoxFuture<'static, Result<Safe, Safe>> + Send + Sync>;

/// What a runner performs with.
pub struct Means {
    /// World time.
    pub clock: Clock,
    /// Where entries go.
    pub ledger: Ledger,
    /// The gateway, where the environment may be changed; else why there is none.
    pub engine: Result<Engine, Refusal>,
    /// Who answers when somebody is asked.
    pub ask: Option<AskFn>,
    /// What sources are told to read closely.
    pub follow: watch::Sender<Follow>,
}

/// Performs effects and answers with messages.
pub struct Runner {
    clock: Clock,
    ledger: Ledger,
    engine: Result<Arc<Engine>, Refusal>,
    ask: Option<AskFn>,
    follow: watch::Sender<Follow>,
    tell: UnboundedSender<Envelope>,
    receipts: UnboundedSender<Awaited>,
    tasks: TaskTracker,
    scanner: Scanner,
    /// Who looks for a second person's consent.
    awaiting: Option<AbortHandle>,
    /// What users feel now: what an outcome tells is read when it is written.
    vitals: Arc<Mutex<Vitals>>,
}

impl Runner {
    /// A runner, and what it answers.
    pub fn new(means: Means) -> (Self, UnboundedReceiver<Envelope>) {
        let (tell, answers) = unbounded_channel();
        let (receipts, awaited) = unbounded_channel();
        let tasks = TaskTracker::new();
        tasks.spawn(await_receipts(awaited, tell.clone()));
        let mut runner = Self {
            clock: means.clock,
            ledger: means.ledger,
            engine: means.engine.map(Arc::new),
            ask: means.ask,
            follow: means.follow,
            tell,
            receipts,
            tasks,
            scanner: Scanner::default(),
            awaiting: None,
            vitals: Arc::default(),
        };
        runner.ledger.tell_of_written(runner.tell.clone());
        runner.ledger.keep_time(runner.clock.clone());
        (runner, answers)
    }

    /// Takes note of what users feel now.
    pub(super) fn note_vitals(&self, picture: &Picture, now: World) {
        *self.vitals.lock().unwrap_or_else(PoisonError::into_inner) = Vitals::of(picture, now);
    }

    fn recorder(&self) -> Option<EngineJournal> {
        let before = self.vitals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.ledger.recorder(Some(before), Arc::clone(&self.vitals))
    }

    /// Runs `work` beside the loop; its messages reach the core. World time is held until the
    /// last of them has been taken in.
    pub fn beside(&self, work: impl Future<Output = Vec<Message>> + Send + 'static) {
        let (tell, hold) = (self.tell.clone(), self.clock.hold());
        self.tasks.spawn(async move {
            for message in work.await {
                // The loop has ended: nobody is left to be told.
                let _ = tell.send(Envelope { message, hold: Some(hold.clone()) });
            }
        });
    }

    /// Performs one effect. Never blocks.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Record { ticket, dated, durability } => {
                let receipt = self.ledger.append(dated, durability);
                // The receiver lives as long as the runner. A drill's world waits for the disk: what
                // follows an entry does not hang on how fast that is.
                let hold = (durability == Durability::Now).then(|| self.clock.hold());
                let _ = self.receipts.send(Awaited { ticket, receipt, hold });
                self.renew();
            }
            Effect::Track(samples) => {
                self.ledger.track(samples);
                self.renew();
            }
            Effect::Declare { title, slug, at } => {
                let work = self.ledger.declare(title, slug, at);
                self.blocking(work, || Message::IncidentRefused(Safe::fixed(DECLARING_CRASHED)));
            }
            Effect::TakeUp(id) => {
                let work = self.ledger.take_up(id);
                self.blocking(work, || Message::IncidentRefused(Safe::fixed(DECLARING_CRASHED)));
            }
            Effect::WriteTo(id) => self.ledger.write_to(&id),
            Effect::Seal(id) => {
                let sealing = self.ledger.seal(&id);
                self.tasks.spawn(sealing);
            }
            Effect::Plan { ticket, request, cluster, incident } => {
                let engine = self.engine.clone();
                self.beside(async move {
                    let result = match engine {
                        Ok(engine) => engine.plan_during(incident, &request, &cluster).await,
                        Err(none) => Err(none),
                    };
                    vec![Message::Planned { ticket, result }]
                });
            }
            Effect::Apply { plan, warrant, actor, incident, pass } => {
                let (journal, hold) = (self.recorder(), self.ledger.hold(&plan.id));
                let ended = journal.as_ref().map(EngineJournal::ended).unwrap_or_default();
                self.act(plan, ended, move |engine, plan, told| {
                    Box::pin(async move {
                        let Some(journal) = journal else { return Err(no_journal()) };
                        // From before the intent until the outcome is durable nobody else tells it.
                        let _held = held(hold).await?;
                        let confirmed = Confirmed { by: &actor, warrant: warrant.as_ref(), incident, pass };
                        engine.apply_confirmed(plan, confirmed, &journal, &*told).await
                    })
                });
            }
            Effect::Stop { plan, by } => {
                let running = self.engine.as_ref().is_ok_and(|engine| engine.stop(&plan, &by));
                if !running {
                    let text = Safe::fixed(
                        "no command of it runs here now: it is over, or, if it has not begun yet, will not begin",
                    );
                    self.beside(async move { vec![Message::Say(text)] });
                }
            }
            Effect::Settle { open, last, actor } => {
                let (settling, clock) = (self.ledger.settling(&open, Arc::clone(&self.vitals)), self.clock.clone());
                let begun = open.at;
                self.act(open.plan.clone(), Arc::default(), move |engine, plan, told| {
                    Box::pin(async move {
                        let Some(settling) = settling else { return Err(no_journal()) };
                        let waits = || told(Progress::Under { words: Safe::fixed(TAKEN) });
                        let (settler, _held) = match settling.take(waits).await? {
                            Taken::Told(outcome) => return Ok(Ended { plan, outcome }),
                            Taken::Ours(settler, held) => (settler, held),
                        };
                        drop(told);
                        let result = engine.settle(Left { plan, begun, last }, &actor, &settler).await;
                        settler.close(clock.now()).await;
                        result
                    })
                });
            }
            Effect::LookBeside(incident) => {
                let work = self.ledger.look_beside(incident.clone());
                let none = incident.clone();
                let look = move || Message::Beside { incident, beside: Box::new(work()) };
                self.blocking(look, || Message::Beside { incident: none, beside: Box::default() });
            }
            Effect::AwaitConsent { incident, hash } => self.await_consent(&incident, hash),
            Effect::StopAwaiting => self.stop_awaiting(),
            Effect::Add { incident, plan, dated } => {
                let adding = self.ledger.add(incident, dated);
                self.beside(async move { vec![Message::Added { plan, result: adding.await }] });
            }
            Effect::Ask(whom) => {
                if let Some(ask) = &self.ask {
                    let answer = ask(whom.clone());
                    self.beside(async move { vec![Message::Answered { whom, answer: answer.await }] });
                }
            }
            Effect::Follow(services) => {
                self.follow.send_replace(Follow { services });
            }
            // The world does not wait for a scan: it changes nothing of the record.
            Effect::Scan { errand, scan } => {
                let tell = self.tell.clone();
                self.scanner.start(errand, scan, move |scanned| {
                    let _ = tell.send(Envelope { message: Message::Scanned(scanned), hold: None });
                });
            }
            Effect::StopScan(purpose) => self.scanner.stop(purpose),
            Effect::ReadRunbook { service, path } => self.beside(async move {
                let result = read_runbook(&path).await.map(Arc::new);
                vec![Message::RunbookRead { service, result }]
            }),
            Effect::Export { incident, path } => {
                let work = self.ledger.export(incident, path);
                self.blocking(work, || Message::Exported(Err(Safe::fixed(EXPORT_CRASHED))));
            }
        }
    }

    /// Looks for consents to a hash, by the wall: another person's clock knows no drill. Each that
    /// is found is told once.
    fn await_consent(&mut self, incident: &IncidentId, hash: Safe) {
        self.stop_awaiting();
        let Some(look) = self.ledger.voices(incident, &hash) else { return };
        let tell = self.tell.clone();
        let looking = self.tasks.spawn(async move {
            let mut told: Vec<Voice> = Vec::new();
            loop {
                let look = look.clone();
                for voice in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
                    if told.contains(&voice) {
                        continue;
                    }
                    told.push(voice.clone());
                    let Voice { name, uid, void } = voice;
                    let message = Message::Consented { hash: hash.clone(), name, uid, void };
                    if tell.send(Envelope { message, hold: None }).is_err() {
                        return;
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        self.awaiting = Some(looking.abort_handle());
    }

    fn stop_awaiting(&mut self) {
        if let Some(looking) = self.awaiting.take() {
            looking.abort();
        }
    }

    fn renew(&mut self) {
        if let Some(work) = self.ledger.renew() {
            self.tasks.spawn_blocking(work);
        }
    }

    /// Applies or settles a plan beside the loop. World time is held until the write is out or
    /// the first progress is known; after that the engine waits in world time itself.
    /// `known` is the outcome that the engine came to hand over to the journal.
    fn act(
        &self,
        plan: Plan,
        known: Arc<Mutex<Option<Outcome>>>,
        work: impl FnOnce(Arc<Engine>, Plan, Told) -> BoxFuture<'static, Result<Ended, Refusal>>,
    ) {
        let id = plan.id.clone();
        let engine = match self.engine.clone() {
            Ok(engine) => engine,
            Err(none) => {
                self.beside(async move { vec![Message::Ended { plan: id, result: Err(none) }] });
                return;
            }
        };
        let tell = self.tell.clone();
        let until_written: Mutex<Option<Hold>> = Mutex::new(Some(self.clock.hold()));
        let told: Told = Box::new({
            let (tell, id) = (tell.clone(), id.clone());
            move |progress| {
                let hold = until_written.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Progress::Under { words } = progress {
                    let message = Message::Progressed { plan: id.clone(), words };
                    let _ = tell.send(Envelope { message, hold });
                }
            }
        });
        let (clock, work) = (self.clock.clone(), work(engine, plan, told));
        self.tasks.spawn(async move {
            let result = work.await.map(|ended| ended.outcome);
            let known = known.lock().unwrap_or_else(PoisonError::into_inner).take();
            let message = match (result, known) {
                (Err(refusal), Some(outcome)) => Message::Unrecorded { plan: id, outcome, why: refusal.why },
                (result, _) => Message::Ended { plan: id, result },
            };
            let _ = tell.send(Envelope { message, hold: Some(clock.hold()) });
        });
    }

    /// Runs `work`, which waits for the disk, beside the loop; `crashed` answers in its place if
    /// it panics, so that nobody waits for it for ever.
    fn blocking(
        &self,
        work: impl FnOnce() -> Message + Send + 'static,
        crashed: impl FnOnce() -> Message + Send + 'static,
    ) {
        self.beside(async move { vec![tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| crashed())] });
    }

    /// Takes in what is still under way, makes the record durable and closes it. Bounded in
    /// time, each of the two: neither a rollout that takes minutes nor a disk that hangs may keep
    /// the person. An action that is still under way then stays an open intent, to be settled
    /// when the incident is taken up again.
    pub(super) async fn finish(&mut self, answers: &mut UnboundedReceiver<Envelope>, core: &mut Core) {
        let settling = async {
            while core.unsettled() {
                let Some(Envelope { message, hold }) = answers.recv().await else { return };
                for effect in update(core, message) {
                    self.perform(effect);
                }
                drop(hold);
            }
        };
        let settled = tokio::time::timeout(FAREWELL, settling).await.is_ok();
        let closed = tokio::time::timeout(FAREWELL, self.ledger.close()).await;
        let why = match closed {
            Ok(Ok(())) if settled || core.unrecorded == 0 => return,
            Ok(Ok(())) | Err(_) => {
                Safe::fixed("the disk did not answer within two seconds: the last entries may be missing")
            }
            Ok(Err(error)) => Safe::from(error.to_string()),
        };
        tracing::error!(%why, "leaving without a whole record");
        if core.journal_failed.is_none() {
            core.cannot_record(why);
        }
    }
}

type Told = Box<dyn Fn(Progress) + Send + Sync>;

const TAKEN: &str = "another session looks into it, or has it under way: its outcome is awaited";
const DECLARING_CRASHED: &str = "the incident could not be declared or taken up, by a fault of this program: try again";
const EXPORT_CRASHED: &str =
    "the postmortem could not be written, by a fault of this program: `warroom export` may still write it";

/// An entry on its way to the disk.
struct Awaited {
    ticket: u64,
    receipt: Receipt,
    hold: Option<Hold>,
}

/// One task awaits all receipts in the order of their entries, so that the core learns of them
/// in that order.
async fn await_receipts(mut receipts: UnboundedReceiver<Awaited>, tell: UnboundedSender<Envelope>) {
    while let Some(Awaited { ticket, receipt, hold }) = receipts.recv().await {
        let result = receipt.await.map(crate::record::Durable::into_entry);
        if let Err(JournalError::Failed(why)) = &result {
            tracing::error!(%why, "an entry was not recorded");
        }
        let _ = tell.send(Envelope { message: Message::Recorded { ticket, result }, hold });
    }
}

/// Does the work of taking a plan.
async fn held(hold: impl FnOnce() -> Result<HeldPlan, Safe> + Send + 'static) -> Result<HeldPlan, Refusal> {
    let taken = tokio::task::spawn_blocking(hold).await.unwrap_or_else(|_| Err(Safe::fixed("a fault of this program")));
    taken.map_err(|why| Refusal { why: Safe::from(format!("nothing was changed: {why}")) })
}

fn no_journal() -> Refusal {
    Refusal { why: Safe::fixed("there is no journal to write the intent to: nothing was changed") }
}
