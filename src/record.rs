//! The record: entries, the journal, tracks, the timeline, milestones, the archive.
//!
//! Owns: every file of an incident's directory. Must not: know the screen, or read a system.

mod alerts;
mod archive;
mod chain;
mod consent;
mod disk;
mod durable;
mod follow;
mod journal;
mod layout;
mod leftover;
mod milestones;
mod open;
mod read;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
mod track;
mod verify;

pub(crate) use alerts::Alerts;
pub use archive::{Archive, Beside, Carried, HeldPlan, IncidentSummary, Said, Unfinished, said};
pub use consent::{Asked, Voice, awaiting, consent_hash, short, voices};
pub use disk::{Disk, DiskFile, Held, Member, RealDisk, Sharing};
pub use durable::{Durability, Durable, JournalError, Receipt};
pub use follow::Follower;
pub use journal::{Journal, StartInfo};
#[cfg(feature = "operator")]
pub(crate) use leftover::seen_to;
pub use leftover::{Leftover, leftovers};
pub use milestones::{Duration, Milestone, Milestones, milestones};
pub use open::{Holder, OpenIntent, begun, how_to_settle, open_intents};
pub use read::{IncidentRecord, RecordError, WriterFile, read_incident};
pub(crate) use timeline::corrected;
pub use timeline::{Row, is_key, timeline};
pub use verify::{Fault, Torn, Verified, verify};
