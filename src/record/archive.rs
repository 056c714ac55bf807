//! The folder of all incidents.
//!
//! Owns: ids, directories, the choice of what to resume, the rolling journals beside the incidents,
//! and what all of them together have not told to its end. Must not: decide whether to resume.

mod beside;
mod held;
mod rolling;
mod unsettled;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::World;
use crate::model::entry::{Draft, EntryId, Phase, Severity};
use crate::model::name::IncidentId;
use crate::model::plan::Plan;
use crate::text::Safe;

use super::disk::{Disk, RealDisk, Sharing, make_dirs};
use super::open::Holder;
use super::read::{IncidentRecord, RecordError, read_incident_on};
use super::{Durability, Journal, JournalError, StartInfo, layout};

pub use beside::{Beside, Said, said};
pub use held::HeldPlan;
pub use rolling::Carried;

/// Longest part of an id that comes from a title.
const SLUG_CAP: usize = 40;
/// After so many incidents of one name on one day something else is wrong.
const COLLISIONS: u32 = 1000;

/// The folder of all incidents. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it is.
    pub root: PathBuf,
    disk: Arc<dyn Disk>,
}

/// One incident in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentSummary {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: Safe,
    /// Where the response stands.
    pub phase: Phase,
    /// How bad it is, if said.
    pub severity: Option<Severity>,
    /// When it was declared.
    pub opened_at: World,
    /// When it was closed.
    pub closed_at: Option<World>,
}

/// An incident that was declared and not closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// Its id.
    pub id: IncidentId,
    /// Its title.
    pub title: Safe,
    /// When its last entry was written, in world time.
    pub last: World,
    /// Whether another process is writing to it now.
    pub being_written: bool,
    /// Intents without an outcome, oldest first: to be settled by reading the system again.
    pub open_intents: Vec<(EntryId, Plan)>,
    /// Everything that its directory tells.
    pub record: IncidentRecord,
}

impl Archive {
    /// The archive under `root`, which is made when it is first needed. Nobody else may read it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::shared(root, Sharing::Private)
    }

    /// The archive under `root`, with files and directories shared so far.
    pub fn shared(root: impl Into<PathBuf>, sharing: Sharing) -> Self {
        Self::on(root, Arc::new(RealDisk::new(sharing)))
    }

    /// The archive under `root` of some disk.
    pub fn on(root: impl Into<PathBuf>, disk: Arc<dyn Disk>) -> Self {
        Self { root: root.into(), disk }
    }

    /// The directory of an incident of this archive.
    pub fn dir(&self, id: &IncidentId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// All incidents, newest first. A directory that is no incident is left out.
    pub fn list(&self) -> Result<Vec<IncidentSummary>, RecordError> {
        let records = self.records()?;
        let mut incidents: Vec<_> = records
            .into_iter()
            .filter_map(|record| {
                let opened_at = record.opened_at().or_else(|| record.entries.first().map(|entry| entry.occurred_at))?;
                Some(IncidentSummary {
                    id: record.id.clone(),
                    title: record.title(),
                    phase: record.phase(),
                    severity: record.severity(),
                    opened_at,
                    closed_at: record.closed_at(),
                })
            })
            .collect();
        incidents.sort_by(|a, b| (b.opened_at, &b.id).cmp(&(a.opened_at, &a.id)));
        Ok(incidents)
    }

    fn records(&self) -> Result<Vec<IncidentRecord>, RecordError> {
        let members = match self.disk.list(&self.root) {
            Ok(members) => members,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                let root = self.root.display();
                return Err(RecordError::new(format!(
                    "cannot list the incidents in {root}: {error}; check record.dir and who may read it"
                )));
            }
        };
        let dirs = members.iter().filter(|member| member.is_dir && !member.name.starts_with('.'));
        Ok(dirs.filter_map(|dir| read_incident_on(self.disk.as_ref(), &self.root.join(&dir.name)).ok()).collect())
    }

    /// The directory of an incident that is named by its id or by a path.
    pub fn find(&self, id_or_path: &str) -> Result<PathBuf, RecordError> {
        let is_incident = |dir: &Path| self.disk.list(&dir.join(layout::JOURNAL)).is_ok();
        let by_id = self.root.join(id_or_path);
        // An id is one plain name: `..` and `/etc` are paths.
        let plain = !id_or_path.is_empty() && !id_or_path.contains('/') && !id_or_path.starts_with('.');
        if plain && is_incident(&by_id) {
            return Ok(by_id);
        }
        let by_path = PathBuf::from(id_or_path);
        if !id_or_path.is_empty() && is_incident(&by_path) {
            // The id is the directory's name, also of `.`.
            return Ok(by_path.canonicalize().unwrap_or(by_path));
        }
        let known = self.disk.list(&self.root).unwrap_or_default();
        let near = known
            .iter()
            .filter(|member| member.is_dir && !member.name.starts_with('.'))
            .map(|member| (strsim::jaro_winkler(&member.name, id_or_path), member.name.as_str()))
            .filter(|(score, _)| *score > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match near {
            Some((_, name)) => format!("did you mean {name}?"),
            None => "`warroom incident list` prints all".to_owned(),
        };
        Err(RecordError::new(format!(
            "there is no incident `{id_or_path}` in {}, and no incident's directory of that path; {hint}",
            self.root.display()
        )))
    }

    /// Makes the directory of a new incident, with an id from its date and title:
    /// `2026-11-21-checkout`, with `-2` if that is taken.
    pub fn create(&self, title: &str, at: World) -> Result<IncidentId, RecordError> {
        let failed = |error: io::Error| {
            RecordError::new(format!(
                "cannot make a directory for the incident in {}: {error}; free some space, or set record.dir to a place \
                 that you may write to",
                self.root.display()
            ))
        };
        make_dirs(self.disk.as_ref(), &self.root).map_err(failed)?;
        let name = format!("{}-{}", at.format("%Y-%m-%d"), slug(title));
        for attempt in 1..=COLLISIONS {
            let id = if attempt == 1 { name.clone() } else { format!("{name}-{attempt}") };
            match self.disk.make_dir(&self.root.join(&id)) {
                Ok(()) => return Ok(IncidentId::from(id.as_str())),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// Starts a journal file of this process in an incident's directory.
    pub fn journal_for(&self, id: &IncidentId, info: StartInfo) -> Result<Journal, JournalError> {
        self.journal_at(&self.dir(id), id, info)
    }

    /// Starts a journal file of this process in the directory where an incident was read: that of
    /// a copy is another than the archive's own.
    pub fn journal_at(&self, dir: &Path, id: &IncidentId, info: StartInfo) -> Result<Journal, JournalError> {
        Journal::create(dir, StartInfo { incident: Some(id.clone()), ..info }, Arc::clone(&self.disk))
    }

    /// Starts a journal file of this process beside those of the record that `holder` names: what
    /// became of a change is told where it was begun.
    pub fn journal_beside(&self, holder: &Holder, info: StartInfo) -> Result<Journal, JournalError> {
        match holder {
            Holder::Incident(id) => self.journal_for(id, info),
            Holder::Rolling(name) => {
                let dir = self.root.join(layout::ROLLING).join(name.as_str());
                Journal::create(&dir, StartInfo { incident: None, ..info }, Arc::clone(&self.disk))
            }
        }
    }

    /// Reads an incident of this archive.
    pub fn read(&self, id: &IncidentId) -> Result<IncidentRecord, RecordError> {
        read_incident_on(self.disk.as_ref(), &self.dir(id))
    }

    /// Writes one entry to an incident, closed or not, in a file of its own, and seals that. Waits
    /// for the disk.
    pub async fn add(&self, id: &IncidentId, info: StartInfo, draft: Draft, at: World) -> Result<(), JournalError> {
        let journal = self.journal_for(id, info)?;
        journal.append(draft, at, at, Durability::Now).await?;
        journal.close(at).await?;
        Ok(())
    }

    /// The incident of an environment that was written to last, if it was declared and is not
    /// closed: to be offered for resumption. A drill's world is not the environment that it is
    /// named after.
    pub fn unfinished(&self, env: &str, drill: bool) -> Result<Option<Unfinished>, RecordError> {
        let open = self.records()?.into_iter().filter(|record| {
            record.opened_at().is_some()
                && record.closed_at().is_none()
                && record.writers.iter().any(|writer| writer.env == env && writer.drill == drill)
        });
        let newest = open.filter_map(|record| Some((record.last_at()?, record))).max_by_key(|(last, _)| *last);
        Ok(newest.map(|(last, record)| Unfinished {
            id: record.id.clone(),
            title: record.title(),
            last,
            being_written: record.being_written(),
            open_intents: record.open_intents(),
            record,
        }))
    }
}

/// The part of an id that comes from a title: lower-case words joined with `-`.
fn slug(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= SLUG_CAP {
            // At a word's end, if there is one not far back.
            if let Some(at) = out.rfind('-').filter(|at| *at > SLUG_CAP / 2) {
                out.truncate(at);
            }
            break;
        }
    }
    let slug = out.trim_end_matches('-');
    if slug.is_empty() { "incident".into() } else { slug.into() }
}

#[cfg(test)]
mod tests;
