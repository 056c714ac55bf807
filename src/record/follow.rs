//! Following an incident's directory that others write: read again when a file of it changed.

use std::path::{Path, PathBuf};

use crate::clock::World;

use super::disk::{Disk, RealDisk};
use super::layout;
use super::read::{IncidentRecord, RecordError, read_incident_on};

/// What tells that a file changed: its path, when it was last written, whether it is locked.
type Mark = (PathBuf, Option<World>, bool);

/// A reader of one incident's directory. It takes no lock and writes nothing.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    disk: RealDisk,
    seen: Option<Vec<Mark>>,
}

impl Follower {
    /// A follower of the incident in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), disk: RealDisk::default(), seen: None }
    }

    /// The record, if it changed since it was last given. A line that is being written at this
    /// moment comes with the next change.
    pub fn changed(&mut self) -> Result<Option<IncidentRecord>, RecordError> {
        let marks = self.marks();
        if self.seen.as_ref() == Some(&marks) {
            return Ok(None);
        }
        let record = read_incident_on(&self.disk, &self.dir)?;
        // Marked before it was read: what came meanwhile is a change of the next time.
        self.seen = Some(marks);
        Ok(Some(record))
    }

    fn marks(&self) -> Vec<Mark> {
        let mark = |path: &Path| (path.to_path_buf(), self.disk.modified(path).ok(), self.disk.is_locked(path));
        let mut marks = Vec::new();
        for folder in [layout::JOURNAL, layout::TRACKS] {
            let folder = self.dir.join(folder);
            let members = self.disk.list(&folder).unwrap_or_default();
            marks.extend(members.iter().map(|member| mark(&folder.join(&member.name))));
        }
        marks
    }
}
