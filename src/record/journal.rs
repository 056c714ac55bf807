//! One writer's file: locked, appended to, chained line by line, never opened for writing again.
//!
//! Owns: the journal's own thread, which does all writing and syncing, so that the screen never
//! waits for a disk. Must not: decide what is worth an entry. Secrets are taken out of every
//! entry here, so that no caller can forget to.

pub(super) mod redacted;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;

use crate::clock::World;
use crate::model::entry::{Actor, Draft, Entry};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::track::TrackSample;
use crate::text::Safe;

use super::disk::Disk;
use super::{Durability, JournalError, Receipt};
use writer::Writer;

/// More entries than this on their way to the disk mean that the disk is stuck.
const QUEUE: usize = 64 * 1024;

/// A handle to the journal's own thread. Clones write to the same file. When the last one is
/// dropped without [`Journal::close`], what was handed over is still written, but not sealed.
#[derive(Clone, Debug)]
pub struct Journal {
    ops: SyncSender<Op>,
    first: Arc<Entry>,
    path: Arc<Path>,
}

/// What a reader of the file needs to know of its writer.
#[derive(Clone, Debug, PartialEq)]
pub struct StartInfo {
    /// The incident; `None` for the rolling journal.
    pub incident: Option<IncidentId>,
    /// The program's version.
    pub version: Safe,
    /// Whether the world is a drill's.
    pub drill: bool,
    /// The environment.
    pub env: Safe,
    /// What users call the services, for stakeholders.
    pub titles: BTreeMap<ServiceName, Safe>,
    /// Who sits at the program.
    pub actor: Actor,
    /// World time.
    pub at: World,
}

/// What the journal's thread is asked to do, in order.
#[derive(Debug)]
enum Op {
    Append { draft: Box<Draft>, occurred_at: World, observed_at: World, durability: Durability, tell: Tell },
    Track(Vec<TrackSample>),
    Close { at: World, tell: Tell },
}

type Answer = Result<super::Durable, JournalError>;
type Tell = oneshot::Sender<Answer>;

impl Journal {
    /// Starts a new file `journal/<ulid>.jsonl` in the incident's directory `dir`, and its track
    /// file, with a first entry that is durable when this returns. Waits for the disk: not for
    /// the loop.
    pub fn create(dir: &Path, info: StartInfo, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        let writer = Writer::create(dir, &info, disk)?;
        let (ops, asked) = sync_channel(QUEUE);
        let journal =
            Self { ops, first: Arc::new(writer.first().clone()), path: Arc::from(writer.path().to_path_buf()) };
        let failed = |error: std::io::Error| {
            JournalError::Failed(Safe::from(format!("the journal's thread could not be started: {error}")))
        };
        std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&asked)).map_err(failed)?;
        Ok(journal)
    }

    /// Hands an entry over. Order of calls is the order in the file. Never blocks. Texts that its
    /// evidence has to keep are durable, each in a file of its own, before the entry is.
    pub fn append(&self, draft: Draft, occurred_at: World, observed_at: World, durability: Durability) -> Receipt {
        let (tell, told) = oneshot::channel();
        self.ask(Op::Append { draft: Box::new(draft), occurred_at, observed_at, durability, tell });
        Receipt::new(told)
    }

    /// Hands samples over, however many as one. Never blocks; they are durable within a second, and
    /// a failure shows in the next entry's receipt.
    pub fn track(&self, samples: Vec<TrackSample>) {
        self.ask(Op::Track(samples));
    }

    /// Seals the file: a last line lists the track and evidence files that belong to it. Resolves
    /// when that is durable and the file's lock is released; entries appended later are refused.
    pub fn close(self, at: World) -> Receipt {
        let (tell, told) = oneshot::channel();
        self.ask(Op::Close { at, tell });
        Receipt::new(told)
    }

    /// The entry that the file starts with; durable.
    pub fn started(&self) -> &Entry {
        &self.first
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    fn ask(&self, op: Op) {
        match self.ops.try_send(op) {
            Ok(()) => {}
            // Dropping the teller answers `Closed`.
            Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(Op::Append { tell, .. } | Op::Close { tell, .. })) => {
                let why = format!("the disk under {} is stuck: {QUEUE} entries wait for it", self.path.display());
                let _ = tell.send(Err(JournalError::Failed(Safe::from(why))));
            }
            Err(TrySendError::Full(_)) => {}
        }
    }
}
