//! Reading an incident's directory: tolerant, so that a damaged record is still told as far as
//! it goes, and honest about what is damaged.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::clock::World;
use crate::model::entry::{Body, Entry, EntryId, EntryKind, Phase, Predecessor, Severity};
use crate::model::name::{IncidentId, ServiceName};
use crate::model::plan::Plan;
use crate::text::Safe;

use super::chain::{JOURNAL, Scan, TRACKS, scan};
use super::disk::{Disk, RealDisk};
use super::layout;
use super::open::open_intents;
use super::track::{TrackLine, TrackRow};
use crate::model::track::TrackSample;

/// Everything that an incident's directory tells.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRecord {
    /// Its id: as its writers name it, else the directory's name.
    pub id: IncidentId,
    /// Where it is.
    pub dir: PathBuf,
    /// The entries of all writers, by the time they occurred, then by id.
    pub entries: Vec<Entry>,
    /// The samples of all writers, by time.
    pub tracks: Vec<TrackSample>,
    /// The writers' files, in the order of their starts.
    pub writers: Vec<WriterFile>,
    /// What could not be read, or is not as it was written. [`verify`](fn@super::verify) tells more.
    pub problems: Vec<Safe>,
    /// Files and whole lines of journals that could not be read: what they tell is not known.
    pub unread: usize,
}

/// One writer's file.
#[derive(Clone, Debug, PartialEq)]
pub struct WriterFile {
    /// Its name.
    pub file: Safe,
    /// How many entries it holds.
    pub entries: usize,
    /// The environment that the writer faced.
    pub env: Safe,
    /// The writer's version.
    pub version: Safe,
    /// Whether the writer's world was a drill's.
    pub drill: bool,
    /// The file that it continues.
    pub predecessor: Option<Predecessor>,
    /// Whether the writer ended in good order.
    pub sealed: bool,
    /// Whether a process is still writing it.
    pub open: bool,
}

/// Why a record cannot be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RecordError(pub Safe);

impl RecordError {
    pub(super) fn new(text: String) -> Self {
        Self(Safe::from(text))
    }
}

/// Reads an incident's directory.
pub fn read_incident(dir: &Path) -> Result<IncidentRecord, RecordError> {
    read_incident_on(&RealDisk::default(), dir)
}

pub(super) fn read_incident_on(disk: &dyn Disk, dir: &Path) -> Result<IncidentRecord, RecordError> {
    read_parted(disk, dir, None).map(|(record, _)| record)
}

/// The same, with the entries that stand in the file `own`.
pub(super) fn read_parted(
    disk: &dyn Disk,
    dir: &Path,
    own: Option<&Path>,
) -> Result<(IncidentRecord, HashSet<EntryId>), RecordError> {
    let mut mine = HashSet::new();
    let files = chained_files(disk, dir)?;
    let mut record = IncidentRecord {
        id: IncidentId::from(dir.file_name().map(|name| name.to_string_lossy()).unwrap_or_default().as_ref()),
        dir: dir.to_path_buf(),
        entries: Vec::new(),
        tracks: Vec::new(),
        writers: Vec::new(),
        problems: Vec::new(),
        unread: 0,
    };
    for file in &files {
        match file.kind {
            FileKind::Journal => {
                let before = record.entries.len();
                record.take_journal(disk, file);
                if own == Some(&*file.path) {
                    mine.extend(record.entries.iter().skip(before).map(|entry| entry.id.clone()));
                }
            }
            FileKind::Tracks => record.take_tracks(file),
        }
    }
    record.entries.sort_by(|a, b| (a.occurred_at, &a.id).cmp(&(b.occurred_at, &b.id)));
    // A file that was copied twice into the directory tells nothing twice.
    record.entries.dedup_by(|a, b| a.id == b.id);
    record.tracks.sort_by(|a, b| (a.at, &a.track).cmp(&(b.at, &b.track)));
    // The last word on a minute counts: something of it came late.
    record.tracks.dedup_by(|later, earlier| {
        let same = later.at == earlier.at && later.track == earlier.track;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    if let Some(id) = record.named_by_writers() {
        record.id = id;
    }
    Ok((record, mine))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Journal,
    Tracks,
}

/// A chained file with what was read of it.
#[derive(Debug)]
pub(super) struct ChainedFile {
    pub(super) kind: FileKind,
    /// The name inside its folder, the same for a journal and its tracks.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) scan: Scan,
    /// Why nothing was read.
    pub(super) unreadable: Option<String>,
}

impl ChainedFile {
    /// `journal/<name>` or `tracks/<name>`.
    pub(super) fn short(&self) -> String {
        let folder = match self.kind {
            FileKind::Journal => layout::JOURNAL,
            FileKind::Tracks => layout::TRACKS,
        };
        format!("{folder}/{}", self.name)
    }

    /// Whole lines as values of `T`, with their numbers; `Err` says why one is none.
    pub(super) fn parsed<T: for<'de> Deserialize<'de>>(&self) -> impl Iterator<Item = (u64, Result<T, String>)> {
        self.scan.lines.iter().map(|line| {
            let bytes = self.bytes.get(line.at.clone()).unwrap_or_default();
            let value = serde_json::from_slice(bytes).map_err(|error| error.to_string());
            (line.number, value)
        })
    }
}

/// All chained files of an incident, journals first, each in the order of names.
pub(super) fn chained_files(disk: &dyn Disk, dir: &Path) -> Result<Vec<ChainedFile>, RecordError> {
    let mut files = Vec::new();
    for (kind, folder, domain) in
        [(FileKind::Journal, layout::JOURNAL, JOURNAL), (FileKind::Tracks, layout::TRACKS, TRACKS)]
    {
        let members = match disk.list(&dir.join(folder)) {
            Ok(members) => members,
            Err(error) if kind == FileKind::Tracks && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(RecordError::new(format!(
                    "cannot read the incident in {}: its {folder} directory gives `{error}`; name an incident's id or \
                     its directory",
                    dir.display()
                )));
            }
        };
        for member in members {
            if member.is_dir || !member.name.ends_with(".jsonl") {
                continue;
            }
            let path = dir.join(folder).join(&member.name);
            let (bytes, unreadable) = match disk.read(&path, layout::FILE_CAP) {
                Ok(bytes) => (bytes, None),
                Err(error) => (Vec::new(), Some(format!("it cannot be read: {error}"))),
            };
            files.push(ChainedFile { kind, name: member.name, scan: scan(&bytes, domain), path, bytes, unreadable });
        }
    }
    Ok(files)
}

impl IncidentRecord {
    fn take_journal(&mut self, disk: &dyn Disk, file: &ChainedFile) {
        self.complain(file);
        self.unread += usize::from(file.unreadable.is_some());
        let mut writer = WriterFile {
            file: Safe::from(file.name.as_str()),
            entries: 0,
            env: Safe::fixed("unknown"),
            version: Safe::fixed("unknown"),
            drill: false,
            predecessor: None,
            sealed: false,
            open: disk.is_locked(&file.path),
        };
        for (number, entry) in file.parsed::<Entry>() {
            match entry {
                Ok(entry) => {
                    writer.entries += 1;
                    writer.sealed |= entry.draft.kind == EntryKind::Sealed;
                    if let Some(Body::Started { version, drill, predecessor, env, .. }) = &entry.draft.body {
                        writer.env = env.clone();
                        writer.version = version.clone();
                        writer.drill = *drill;
                        writer.predecessor = predecessor.clone();
                    }
                    self.entries.push(entry);
                }
                Err(why) => {
                    self.unread += 1;
                    self.problem(format!("{} line {number} is not an entry: {why}", file.short()));
                }
            }
        }
        self.writers.push(writer);
    }

    fn take_tracks(&mut self, file: &ChainedFile) {
        self.complain(file);
        for (number, line) in file.parsed::<TrackRow>() {
            match line.map(|row| row.line) {
                Ok(TrackLine::Sample(sample)) => self.tracks.push(sample),
                Ok(TrackLine::Of { .. } | TrackLine::End { .. }) => {}
                Err(why) => self.problem(format!("{} line {number} is not a sample: {why}", file.short())),
            }
        }
    }

    fn complain(&mut self, file: &ChainedFile) {
        if let Some(why) = &file.unreadable {
            self.problem(format!("{}: {why}", file.short()));
        }
        for (number, why) in &file.scan.faults {
            self.problem(format!("{} line {number}: {why}", file.short()));
        }
        if let Some(length) = file.scan.torn {
            self.problem(format!(
                "{} ends in a torn line of {length} bytes: its writer was stopped while writing an entry that was never \
                 shown as recorded",
                file.short()
            ));
        }
    }

    fn problem(&mut self, text: String) {
        self.problems.push(Safe::from(text));
    }

    fn named_by_writers(&self) -> Option<IncidentId> {
        self.entries.iter().find_map(|entry| match &entry.draft.body {
            Some(Body::Opened { incident, .. } | Body::Started { incident: Some(incident), .. }) => {
                Some(incident.clone())
            }
            _ => None,
        })
    }

    /// The last of some bodies in the order in which entries were written.
    fn last_said<T>(&self, read: impl Fn(&Entry) -> Option<T>) -> Option<T> {
        let latest = self.entries.iter().filter(|entry| read(entry).is_some());
        latest.max_by(|a, b| (a.observed_at, &a.id).cmp(&(b.observed_at, &b.id))).and_then(read)
    }

    /// Its title, as people put it; the id if nobody did.
    pub fn title(&self) -> Safe {
        let title = self.last_said(|entry| match &entry.draft.body {
            Some(Body::Opened { title, .. }) => Some(title.clone()),
            _ => None,
        });
        title.unwrap_or_else(|| self.id.0.clone())
    }

    /// Where the response stands.
    pub fn phase(&self) -> Phase {
        let phase = self.last_said(|entry| match entry.draft.body {
            Some(Body::Phase(phase)) => Some(phase),
            _ => None,
        });
        phase.unwrap_or(if self.closed_at().is_some() { Phase::Resolved } else { Phase::Investigating })
    }

    /// How bad it is, if said.
    pub fn severity(&self) -> Option<Severity> {
        self.last_said(|entry| match entry.draft.body {
            Some(Body::Severity(severity)) => Some(severity),
            _ => None,
        })
    }

    /// When it was declared.
    pub fn opened_at(&self) -> Option<World> {
        self.entries.iter().find(|entry| entry.draft.kind == EntryKind::Opened).map(|entry| entry.occurred_at)
    }

    /// When it was closed, if it was and was not opened again.
    pub fn closed_at(&self) -> Option<World> {
        let last = self.last_said(|entry| match entry.draft.kind {
            EntryKind::Closed => Some(Some(entry.occurred_at)),
            EntryKind::Opened => Some(None),
            _ => None,
        });
        last.flatten()
    }

    /// When its last entry was written, in world time.
    pub fn last_at(&self) -> Option<World> {
        self.entries.iter().map(|entry| entry.observed_at).max()
    }

    /// Whether it was a drill.
    pub fn drill(&self) -> bool {
        self.writers.iter().any(|writer| writer.drill)
    }

    /// Whether a process is writing to it now.
    pub fn being_written(&self) -> bool {
        self.writers.iter().any(|writer| writer.open)
    }

    /// The services that entries belong to, in the order of their first entry from the incident's
    /// own kinds of trouble: breaches, alerts, crashes, bursts.
    pub fn services(&self) -> Vec<ServiceName> {
        let mut seen = BTreeSet::new();
        let hurt = self.entries.iter().filter(|entry| {
            matches!(
                entry.draft.kind,
                EntryKind::Breach
                    | EntryKind::AlertFiring
                    | EntryKind::ErrorBurst
                    | EntryKind::CrashLoop
                    | EntryKind::OomKilled
            )
        });
        hurt.filter_map(|entry| entry.draft.service.clone()).filter(|name| seen.insert(name.clone())).collect()
    }

    /// Changes that were about to be made and of which no outcome is recorded: what a successor
    /// has to look into.
    pub fn open_intents(&self) -> Vec<(EntryId, Plan)> {
        let mut open: Vec<_> =
            open_intents(&self.entries).into_iter().map(|(entry, plan)| (entry.id.clone(), plan.clone())).collect();
        open.sort_by(|a, b| a.0.cmp(&b.0));
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::disk::memory::MemoryDisk;
    use crate::record::verify::verify_on;
    use proptest::prelude::*;

    fn disk_with(journal: &[u8], tracks: &[u8]) -> MemoryDisk {
        let disk = MemoryDisk::default();
        for dir in ["/r", "/r/i", "/r/i/journal", "/r/i/tracks", "/r/i/evidence"] {
            disk.make_dir(Path::new(dir)).expect("it is new");
        }
        disk.overwrite(Path::new("/r/i/journal/a.jsonl"), journal.to_vec());
        disk.overwrite(Path::new("/r/i/tracks/a.jsonl"), tracks.to_vec());
        disk
    }

    #[test]
    fn an_edited_entry_is_still_told_and_named() {
        let line = r#"{"seq":1,"id":"01","occurred_at":"2026-11-21T03:00:00Z","observed_at":"2026-11-21T03:00:00Z","kind":"note","source":"warroom","subject":"s","title":"evil \u001b[2J","actor":{"kind":"human","name":"ana"},"origin":"manual","hash":"00"}"#;
        let record =
            read_incident_on(&disk_with(format!("{line}\n").as_bytes(), b""), Path::new("/r/i")).expect("it reads");
        assert_eq!(record.entries.len(), 1);
        assert_eq!(record.entries[0].draft.title, "evil ", "an edited file cannot act on a terminal");
        assert_eq!(record.problems.len(), 1, "{:?}", record.problems);
    }

    proptest! {
        #[test]
        fn arbitrary_files_are_read_without_harm(
            journal in proptest::collection::vec(any::<u8>(), 0..300),
            tracks in r#"(\{"seq":1,|"sample":\{|"at":"2026-11-21T03:00:00Z"|"values":\{"v":1e999\}|\}|\n|,){0,20}"#,
        ) {
            let disk = disk_with(&journal, tracks.as_bytes());
            let record = read_incident_on(&disk, Path::new("/r/i")).expect("the directory is there");
            prop_assert!(record.entries.is_empty());
            let _ = verify_on(&disk, Path::new("/r/i"));
            let _ = crate::report::postmortem(&record, &crate::report::Options::default());
        }
    }
}
