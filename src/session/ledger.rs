//! Where entries go: the rolling journal of the last hour, and an incident's once there is one.

mod recorder;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::mpsc::UnboundedSender;

use crate::clock::{Clock, World};
use crate::model::entry::Actor;
use crate::model::name::{EnvId, IncidentId, ServiceName};
use crate::model::plan::PlanId;
use crate::model::track::TrackSample;
use crate::record::{
    Archive, Beside, Carried, Durability, HeldPlan, Journal, JournalError, Leftover, OpenIntent, Receipt, StartInfo,
    Voice, voices,
};
use crate::report;
use crate::text::Safe;

use super::message::{Dated, Envelope};
use super::vitals::Vitals;
use super::{Message, ResumeOffer};
pub(super) use recorder::{EngineJournal, Settling, Taken};

/// So much of world time a rolling journal holds; then the next one is begun, so that a long
/// session keeps the last hour and not every hour.
const ROLLING: TimeDelta = TimeDelta::hours(1);

/// What every journal of a session starts with.
#[derive(Clone, Debug)]
pub struct Bearings {
    /// The environment.
    pub env: Safe,
    /// Whether its world is a drill's.
    pub drill: bool,
    /// What users call the services.
    pub titles: BTreeMap<ServiceName, Safe>,
    /// Who sits at the program.
    pub actor: Actor,
    /// World time when the session was opened.
    pub at: World,
}

impl Bearings {
    fn start(&self, incident: Option<IncidentId>, at: World) -> StartInfo {
        StartInfo {
            incident,
            version: Safe::fixed(env!("CARGO_PKG_VERSION")),
            drill: self.drill,
            env: self.env.clone(),
            titles: self.titles.clone(),
            actor: self.actor.clone(),
            at,
        }
    }
}

/// The journal that is written now, with the incident it belongs to; none when all are closed.
type Written = Option<(Option<IncidentId>, Journal)>;

/// The journals of a session.
#[derive(Debug)]
pub struct Ledger {
    archive: Archive,
    bearings: Bearings,
    /// Why there is no rolling journal, if there is none.
    rolling: Result<Journal, JournalError>,
    /// When it was begun.
    rolling_since: World,
    /// The next one, once it stands ready.
    fresh: Arc<Mutex<Option<Journal>>>,
    /// The files of this process's rolling journals.
    rolled: Vec<PathBuf>,
    /// The incident that is written now.
    current: Option<(IncidentId, Journal)>,
    /// What the engine writes to: the same journal as the session, also when that changes while
    /// an action is under way.
    written: Arc<Mutex<Written>>,
    /// Journals that stand ready for incidents that the core has not switched to yet.
    ready: Arc<Mutex<HashMap<IncidentId, Journal>>>,
    tell: Option<UnboundedSender<Envelope>>,
    clock: Option<Clock>,
    /// Whose local times stand beside UTC in a postmortem.
    tz: Option<Tz>,
    /// World time of the last entry that came this way. The engine's do not.
    last: World,
}

impl Ledger {
    /// Opens the rolling journal. Waits for the disk. A session without a record still shows
    /// what burns: [`Ledger::trouble`] tells why it has none.
    pub fn open(archive: Archive, bearings: Bearings) -> Self {
        let rolling = archive.rolling(bearings.start(None, bearings.at));
        let last = bearings.at;
        let rolled = rolling.iter().map(Journal::path).collect();
        let ledger = Self {
            archive,
            bearings,
            rolling,
            rolling_since: last,
            fresh: Arc::default(),
            rolled,
            current: None,
            written: Arc::default(),
            ready: Arc::default(),
            tell: None,
            clock: None,
            tz: None,
            last,
        };
        ledger.point();
        ledger
    }

    /// The same, whose postmortems tell the times of a zone beside UTC.
    pub fn in_zone(self, tz: Option<Tz>) -> Self {
        Self { tz, ..self }
    }

    /// Why nothing can be recorded, if that is so from the start.
    pub fn trouble(&self) -> Option<Safe> {
        self.rolling.as_ref().err().map(|error| Safe::from(error.to_string()))
    }

    /// An incident that an earlier process left open, of this session's environment.
    pub fn left_open(&self) -> impl FnOnce() -> Option<ResumeOffer> + Send + 'static {
        let (archive, env, drill) = (self.archive.clone(), self.bearings.env.clone(), self.bearings.drill);
        move || match archive.unfinished(&env, drill) {
            Ok(found) => found.map(|found| ResumeOffer {
                id: found.id,
                title: found.title,
                last: found.last,
                open_intents: found.open_intents.len(),
                being_written: found.being_written,
            }),
            Err(error) => {
                tracing::warn!(%error, "could not look for incidents that were left open");
                None
            }
        }
    }

    /// The work of finding what is left over in this environment, from all records.
    pub fn left_over(&self) -> impl FnOnce() -> Vec<Leftover> + Send + 'static {
        let (archive, env, drill, at) =
            (self.archive.clone(), self.bearings.env.clone(), self.bearings.drill, self.bearings.at);
        move || {
            // A drill's world is made anew each time: nothing is left over in it.
            if drill {
                return Vec::new();
            }
            archive.leftovers(&env, drill, at).unwrap_or_else(|error| {
                tracing::warn!(%error, "could not look for what is left over");
                Vec::new()
            })
        }
    }

    /// The work of finding the intents without an outcome of this environment, in all records.
    pub fn open_intents(&self) -> impl FnOnce() -> Vec<OpenIntent> + Send + 'static {
        let (archive, env, drill) = (self.archive.clone(), self.bearings.env.clone(), self.bearings.drill);
        move || {
            // A drill's world is made anew each time: nothing is under way in it.
            if drill {
                return Vec::new();
            }
            archive.open_intents(&env, drill).unwrap_or_else(|error| {
                tracing::warn!(%error, "could not look for actions without an outcome");
                Vec::new()
            })
        }
    }

    /// How an open intent comes to its outcome, which goes to the record that holds it, also where
    /// that is none that this session writes. `None` if nothing can be recorded.
    pub(super) fn settling(&self, open: &OpenIntent, now: Arc<Mutex<Vitals>>) -> Option<Settling> {
        Settling::of(self, open, now)
    }

    /// The work of taking a plan that is about to be applied: until its outcome is durable nobody
    /// else looks into it. To be done off the loop.
    pub(super) fn hold(&self, plan: &PlanId) -> impl FnOnce() -> Result<HeldPlan, Safe> + Send + 'static {
        let (archive, plan) = (self.archive.clone(), plan.clone());
        move || match archive.hold(&plan) {
            Ok(Some(held)) => Ok(held),
            Ok(None) => Err(Safe::fixed("another session has this plan")),
            Err(error) => Err(error.0),
        }
    }

    /// The work of looking what others do about an incident that this session writes: off the loop.
    /// A drill's world is its session's own.
    pub(super) fn look_beside(&self, id: IncidentId) -> impl FnOnce() -> Beside + Send + 'static {
        let written = self.current.as_ref().filter(|(current, _)| *current == id && !self.bearings.drill);
        let own = written.map(|(_, journal)| journal.path());
        let (archive, env, rolled) = (self.archive.clone(), EnvId(self.bearings.env.clone()), self.rolled.clone());
        move || {
            let Some(own) = own else { return Beside::default() };
            archive.beside(&id, &env, false, &own, &rolled).unwrap_or_else(|error| {
                tracing::warn!(%error, "could not look what others do beside");
                Beside::default()
            })
        }
    }

    /// One look for a consent, as often as it is called: to be done off the loop. `None` if the
    /// incident is not the one that is written.
    pub(super) fn voices(
        &self,
        incident: &IncidentId,
        hash: &Safe,
    ) -> Option<impl Fn() -> Vec<Voice> + Send + Clone + 'static> {
        let (_, journal) = self.current.as_ref().filter(|(id, _)| id == incident)?;
        let (dir, own, hash) = (self.archive.dir(incident), journal.path(), hash.clone());
        Some(move || match voices(&dir, &hash, &own) {
            Ok(voices) => voices,
            Err(error) => {
                tracing::warn!(%error, "could not look for a consent");
                Vec::new()
            }
        })
    }

    /// The work of writing an entry to an incident that this session does not write.
    pub(super) fn add(&self, id: IncidentId, dated: Dated) -> impl Future<Output = Result<(), Safe>> + Send + 'static {
        let (archive, start) = (self.archive.clone(), self.bearings.start(Some(id.clone()), self.last));
        async move {
            let Dated { draft, observed_at, .. } = dated;
            archive.add(&id, start, draft, observed_at).await.map_err(|error| Safe::from(error.to_string()))
        }
    }

    pub(super) fn tell_of_written(&mut self, tell: UnboundedSender<Envelope>) {
        self.tell = Some(tell);
    }

    pub(super) fn keep_time(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// What a seal is stamped with: nothing was written later.
    fn now(&self) -> World {
        self.clock.as_ref().map_or(self.last, |clock| clock.now().max(self.last))
    }

    pub(super) fn append(&mut self, dated: Dated, durability: Durability) -> Receipt {
        self.last = self.last.max(dated.observed_at);
        self.take_fresh();
        match self.current() {
            Ok(journal) => journal.append(dated.draft, dated.occurred_at, dated.observed_at, durability),
            Err(error) => Receipt::refused(error.clone()),
        }
    }

    pub(super) fn track(&mut self, samples: Vec<TrackSample>) {
        self.last = samples.iter().map(|sample| sample.at).fold(self.last, World::max);
        self.take_fresh();
        if let Ok(journal) = self.current() {
            journal.track(samples);
        }
    }

    /// The work of beginning the next rolling journal, when the present one has had its hour: to
    /// be done off the loop. What was written long ago is removed by it.
    pub(super) fn renew(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        if self.current.is_some() || self.rolling.is_err() || self.last - self.rolling_since < ROLLING {
            return None;
        }
        // Also if it fails: it is tried again after another hour, and the old one is written on.
        self.rolling_since = self.last;
        let (archive, start) = (self.archive.clone(), self.bearings.start(None, self.last));
        let fresh = Arc::clone(&self.fresh);
        Some(move || match archive.rolling(start) {
            Ok(journal) => *fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(journal),
            Err(error) => tracing::warn!(%error, "the rolling journal could not be renewed"),
        })
    }

    /// Goes over to the next rolling journal, if it stands ready. The engine, too.
    fn take_fresh(&mut self) {
        let Some(fresh) = self.fresh.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.rolled.push(fresh.path());
        let old = std::mem::replace(&mut self.rolling, Ok(fresh));
        self.point();
        if let Ok(old) = old {
            // What was handed over before is written before the seal; nobody waits for that.
            drop(old.close(self.now()));
        }
    }

    fn current(&self) -> Result<&Journal, &JournalError> {
        match &self.current {
            Some((_, journal)) => Ok(journal),
            None => self.rolling.as_ref(),
        }
    }

    /// What the engine writes its intents and outcomes to. Outcomes tell what users felt, before
    /// and after.
    pub(super) fn recorder(&self, before: Option<Vitals>, now: Arc<Mutex<Vitals>>) -> Option<EngineJournal> {
        self.current().ok()?;
        Some(EngineJournal {
            written: Arc::clone(&self.written),
            tell: self.tell.clone()?,
            before,
            now,
            ended: Arc::default(),
        })
    }

    /// Points the engine to the journal that is written now.
    fn point(&self) {
        let now = match (&self.current, &self.rolling) {
            (Some((id, journal)), _) => Some((Some(id.clone()), journal.clone())),
            (None, Ok(rolling)) => Some((None, rolling.clone())),
            (None, Err(_)) => None,
        };
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// The work of declaring an incident: to be done off the loop.
    pub(super) fn declare(&self, title: Safe, slug: Safe, at: World) -> impl FnOnce() -> Message + Send + 'static {
        let (archive, bearings, ready) = (self.archive.clone(), self.bearings.clone(), Arc::clone(&self.ready));
        let own = self.rolled.clone();
        move || {
            let made = archive.create(&slug, at).map_err(|error| error.0).and_then(|id| {
                let journal = archive
                    .journal_for(&id, bearings.start(Some(id.clone()), at))
                    .map_err(|error| Safe::from(error.to_string()))?;
                Ok((id, journal))
            });
            match made {
                Ok((id, journal)) => {
                    let carried = left_behind(&archive, &bearings, at, &own);
                    journal.track(carried.tracks);
                    keep(&ready, id.clone(), journal);
                    let dated = |(draft, occurred_at, observed_at)| Dated { draft, occurred_at, observed_at };
                    let before = carried.drafts.into_iter().map(dated).collect();
                    Message::IncidentReady { id, title, earlier: Vec::new(), before }
                }
                Err(why) => Message::IncidentRefused(why),
            }
        }
    }

    /// The work of taking up an incident: to be done off the loop.
    pub(super) fn take_up(&self, id: IncidentId) -> impl FnOnce() -> Message + Send + 'static {
        let (archive, bearings, ready, at) =
            (self.archive.clone(), self.bearings.clone(), Arc::clone(&self.ready), self.now());
        move || {
            let record = match archive.read(&id) {
                Ok(record) => record,
                Err(error) => return Message::IncidentRefused(error.0),
            };
            if record.closed_at().is_some() {
                let why = format!("{id} is closed and stays as it is: declare another incident with :open TITLE");
                return Message::IncidentRefused(Safe::from(why));
            }
            match archive.journal_for(&id, bearings.start(Some(id.clone()), at)) {
                Ok(journal) => {
                    keep(&ready, id.clone(), journal);
                    Message::IncidentReady { id, title: record.title(), earlier: record.entries, before: Vec::new() }
                }
                Err(error) => Message::IncidentRefused(Safe::from(error.to_string())),
            }
        }
    }

    pub(super) fn write_to(&mut self, id: &IncidentId) {
        let journal = self.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(journal) = journal {
            self.current = Some((id.clone(), journal));
            self.point();
        }
    }

    /// Seals the incident's journal and goes back to the rolling one.
    pub(super) fn seal(&mut self, id: &IncidentId) -> impl Future<Output = ()> + Send + 'static {
        let taken = self.current.take_if(|(current, _)| *current == *id);
        // First: what the engine writes meanwhile must not meet a journal that takes nothing more.
        self.point();
        let now = self.now();
        let sealed = taken.map(|(_, journal)| journal.close(now));
        async move {
            if let Some(sealed) = sealed
                && let Err(error) = sealed.await
            {
                tracing::error!(%error, "the incident's journal was not sealed");
            }
        }
    }

    /// The work of writing the postmortem of what is on the disk by now.
    pub(super) fn export(
        &self,
        incident: Option<IncidentId>,
        path: Option<PathBuf>,
    ) -> impl FnOnce() -> Message + Send + 'static {
        let (archive, tz) = (self.archive.clone(), self.tz);
        move || {
            let Some(id) = incident else {
                return Message::Exported(Err(Safe::fixed(
                    "no incident was declared: there is nothing to export; claim an alert, or :open TITLE",
                )));
            };
            Message::Exported(write_postmortem(&archive, &id, path, tz).map_err(Safe::from))
        }
    }

    /// Ends in good order: all files sealed, those included that no incident came to be written
    /// to. The error tells of the first that was not.
    pub(super) async fn close(&mut self) -> Result<(), JournalError> {
        let rolling = std::mem::replace(&mut self.rolling, Err(JournalError::Closed));
        let ready = std::mem::take(&mut *self.ready.lock().unwrap_or_else(PoisonError::into_inner));
        let current = self.current.take();
        self.point();
        let journals = current.map(|(_, journal)| journal).into_iter().chain(rolling.ok()).chain(ready.into_values());
        let now = self.now();
        let receipts: Vec<_> = journals.map(|journal| journal.close(now)).collect();
        let mut all = Ok(());
        for sealed in receipts {
            if let Err(error) = sealed.await {
                tracing::error!(%error, "a journal was not sealed");
                all = all.and(Err(error));
            }
        }
        all
    }
}

/// What processes that were stopped, or that run beside this one, noticed in the last hour. A
/// drill's hour is told many times, each time anew.
fn left_behind(archive: &Archive, bearings: &Bearings, at: World, own: &[PathBuf]) -> Carried {
    if bearings.drill { Carried::default() } else { archive.carry(&EnvId(bearings.env.clone()), false, at, own) }
}

fn keep(ready: &Mutex<HashMap<IncidentId, Journal>>, id: IncidentId, journal: Journal) {
    ready.lock().unwrap_or_else(PoisonError::into_inner).insert(id, journal);
}

/// Writes the postmortem of an incident beside its record, or to `path`; what people wrote in a
/// file that is there stays.
fn write_postmortem(
    archive: &Archive,
    id: &IncidentId,
    path: Option<PathBuf>,
    tz: Option<Tz>,
) -> Result<PathBuf, String> {
    let record = archive.read(id).map_err(|error| error.to_string())?;
    let path = path.unwrap_or_else(|| archive.root.join(format!("{id}.postmortem.md")));
    report::write(&record, &report::Options { tz, ..report::Options::default() }, &path)
        .map_err(|error| error.to_string())?;
    Ok(path)
}

#[cfg(test)]
mod tests;
