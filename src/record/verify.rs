//! Whether a record is as it was written. Never repairs.
//!
//! A *fault* is a deviation that no stop of a writer explains. *Torn* is what a writer leaves
//! that was killed or lost power: an unterminated last line that is a proper prefix of a valid
//! one, an evidence file whose entry was not written any more, a seal whose last word is
//! missing. Nothing that was shown as recorded is among it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::entry::{Body, Entry, EntryKind};
use crate::model::name::IncidentId;
use crate::text::Safe;

use super::chain::{JOURNAL, hash_of};
use super::disk::{Disk, RealDisk};
use super::layout;
use super::read::{ChainedFile, FileKind, RecordError, chained_files};
use super::track::{TrackLine, TrackRow};

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files that were read: journals, tracks, evidence.
    pub files: usize,
    /// Entries that were read.
    pub entries: usize,
    /// What writers left that were stopped: no fault, and worth knowing.
    pub torn: Vec<Torn>,
    /// What is not as it was written. Empty means that the record is whole.
    pub faults: Vec<Fault>,
}

/// Something unfinished that a writer left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The file, inside the incident's directory.
    pub file: Safe,
    /// What it is.
    pub what: Safe,
}

/// A deviation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, inside the incident's directory.
    pub file: Safe,
    /// The line, which is the entry's `seq`; for an evidence file that of the entry that names
    /// it. `None` if the whole file is meant.
    pub position: Option<u64>,
    /// What is wrong.
    pub why: Safe,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.position {
            Some(position) => write!(f, "{}, entry {position}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

/// Reads every byte of an incident's directory and says what is not as it was written.
pub fn verify(dir: &Path) -> Result<Verified, RecordError> {
    verify_on(&RealDisk::default(), dir)
}

pub(super) fn verify_on(disk: &dyn Disk, dir: &Path) -> Result<Verified, RecordError> {
    let files = chained_files(disk, dir)?;
    let mut check = Check { done: Verified::default(), named: BTreeMap::new(), incidents: BTreeSet::new() };
    let journals: BTreeMap<&str, &ChainedFile> = of_kind(&files, FileKind::Journal);
    let tracks: BTreeMap<&str, &ChainedFile> = of_kind(&files, FileKind::Tracks);
    if journals.is_empty() {
        check.fault(layout::JOURNAL, None, "there is no journal file");
    }
    for file in &files {
        check.chained(file);
    }
    let mut seals = BTreeMap::new();
    for (name, file) in &journals {
        let seal = check.journal(file, &journals);
        if !tracks.contains_key(name) {
            check.fault(&format!("{}/{name}", layout::TRACKS), None, "the track file of this journal is missing");
        }
        seals.insert(*name, seal);
    }
    for (name, file) in &tracks {
        check.tracks(file, journals.get(name).copied(), seals.get(name).and_then(Option::as_ref));
    }
    for seal in seals.values().flatten() {
        for (path, _) in &seal.files {
            if let Some(hash) = evidence_hash(path) {
                check.named.entry(hash.to_owned()).or_insert((seal.file.clone(), seal.position));
            }
        }
    }
    check.evidence(disk, dir);
    check.strangers(disk, dir);
    check.done.faults.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    Ok(check.done)
}

fn of_kind(files: &[ChainedFile], kind: FileKind) -> BTreeMap<&str, &ChainedFile> {
    files.iter().filter(|file| file.kind == kind).map(|file| (file.name.as_str(), file)).collect()
}

fn evidence_hash(path: &str) -> Option<&str> {
    path.strip_prefix(layout::EVIDENCE)?.strip_prefix('/')?.strip_suffix(".txt")
}

/// The last line of a journal that was closed in good order.
struct Seal {
    file: String,
    position: u64,
    head: String,
    files: Vec<(Safe, Safe)>,
}

struct Check {
    done: Verified,
    /// Evidence by hash, with the first entry that names it.
    named: BTreeMap<String, (String, u64)>,
    incidents: BTreeSet<IncidentId>,
}

impl Check {
    fn fault(&mut self, file: &str, position: Option<u64>, why: &str) {
        self.done.faults.push(Fault { file: Safe::from(file), position, why: Safe::from(why) });
    }

    fn torn(&mut self, file: &str, what: &str) {
        self.done.torn.push(Torn { file: Safe::from(file), what: Safe::from(what) });
    }

    /// What every chained file has to fulfil.
    fn chained(&mut self, file: &ChainedFile) {
        self.done.files += 1;
        let short = file.short();
        if let Some(why) = &file.unreadable {
            self.fault(&short, None, why);
        }
        for (number, why) in &file.scan.faults {
            self.fault(&short, Some(*number), why);
        }
        if let Some(length) = file.scan.torn {
            self.torn(&short, &format!("the last {length} bytes are a line that was never finished"));
        }
    }

    fn journal(&mut self, file: &ChainedFile, journals: &BTreeMap<&str, &ChainedFile>) -> Option<Seal> {
        let short = file.short();
        let mut seal: Option<Seal> = None;
        for (line, (number, entry)) in file.scan.lines.iter().zip(file.parsed::<Entry>()) {
            if let Some(seal) = &seal {
                self.fault(&short, Some(number), &format!("it stands after the seal in line {}", seal.position));
            }
            let entry = match entry {
                Ok(entry) => entry,
                // A line that is not good has its fault already.
                Err(_) if !line.good => continue,
                Err(why) => {
                    self.fault(&short, Some(number), &format!("it is not an entry: {why}"));
                    continue;
                }
            };
            self.done.entries += 1;
            for evidence in &entry.draft.evidence {
                if let Some(hash) = &evidence.file {
                    self.named.entry(hash.to_string()).or_insert_with(|| (short.clone(), number));
                }
            }
            if number == 1 && entry.draft.kind != EntryKind::Started && line.good {
                self.fault(&short, Some(1), "the first entry does not tell of the writer's start");
            }
            match entry.draft.body {
                Some(Body::Started { incident, predecessor, .. }) => {
                    self.incidents.extend(incident);
                    if self.incidents.len() > 1 && line.good {
                        self.fault(&short, Some(number), "it belongs to another incident than the files before it");
                    }
                    if let Some(before) = predecessor {
                        let earlier = journals.get(before.file.as_str()).copied();
                        self.predecessor(&short, number, earlier, &before);
                    }
                }
                Some(Body::Sealed { files }) => {
                    seal = Some(Seal { file: short.clone(), position: number, head: line.hash.clone(), files });
                }
                _ => {}
            }
        }
        if file.scan.lines.is_empty() && file.scan.faults.is_empty() {
            self.torn(&short, "the writer was stopped before its first entry");
        }
        seal
    }

    fn predecessor(
        &mut self,
        short: &str,
        number: u64,
        earlier: Option<&ChainedFile>,
        before: &crate::model::entry::Predecessor,
    ) {
        let Some(earlier) = earlier else {
            let missing = format!("{}/{}", layout::JOURNAL, before.file);
            return self.fault(&missing, None, &format!("the file is missing; {short}, entry {number}, continues it"));
        };
        let fits = match before.length {
            0 => before.head == JOURNAL,
            length => earlier.scan.up_to(length).is_some_and(|line| before.head == line.hash.as_str()),
        };
        if !fits {
            let why = format!(
                "it was {} bytes long when {short}, entry {number}, continued it, and is not the same up to there",
                before.length
            );
            let at = earlier.scan.faults.first().map(|fault| fault.0);
            self.fault(&earlier.short(), at.or(Some(earlier.scan.lines.len() as u64)), &why);
        }
    }

    fn tracks(&mut self, file: &ChainedFile, journal: Option<&ChainedFile>, seal: Option<&Seal>) {
        let short = file.short();
        let Some(journal) = journal else {
            let missing = format!("{}/{}", layout::JOURNAL, file.name);
            return self.fault(&missing, None, &format!("the file is missing; {short} stands beside it"));
        };
        let mut end = None;
        let mut before_end = None;
        for (line, (number, parsed)) in file.scan.lines.iter().zip(file.parsed::<TrackRow>()) {
            if end.is_some() {
                self.fault(&short, Some(number), "it stands after the end of the tracks");
            }
            match parsed.map(|row| row.line) {
                Ok(TrackLine::Of { journal }) if number != 1 || journal != file.name.as_str() => {
                    if line.good {
                        self.fault(&short, Some(number), "it belongs to another journal file");
                    }
                }
                Ok(TrackLine::End { head }) => end = Some((number, head)),
                Ok(_) => {}
                Err(why) if line.good => self.fault(&short, Some(number), &format!("it is not a sample: {why}")),
                Err(_) => {}
            }
            if end.is_none() {
                before_end = Some((number, line.hash.as_str()));
            }
        }
        match (seal, &end) {
            (Some(seal), _) => {
                let (_, listed) =
                    seal.files.iter().find(|(path, _)| *path == short.as_str()).cloned().unwrap_or_default();
                if before_end.is_none_or(|(_, hash)| listed != hash) {
                    let at = file.scan.faults.first().map(|fault| fault.0).or(before_end.map(|(number, _)| number));
                    self.fault(&short, at, "it is not the file that the journal's seal lists");
                }
                match &end {
                    Some((number, head)) if *head != seal.head.as_str() => {
                        self.fault(&short, Some(*number), "its end does not name the journal's seal");
                    }
                    Some(_) => {}
                    None if file.scan.torn.is_some() => {
                        let number = file.scan.lines.len() as u64 + 1;
                        self.fault(&short, Some(number), "the journal is sealed, but the end of its tracks is cut off");
                    }
                    None => self.torn(&short, "the writer was stopped between its seal and the end of its tracks"),
                }
            }
            // A damaged journal has its fault already, which may well be in its seal.
            (None, Some(_)) if !journal.scan.faults.is_empty() => {}
            (None, Some(_)) => {
                let number = journal.scan.lines.len() as u64 + 1;
                self.fault(&journal.short(), Some(number), "the file was sealed, and the seal is cut off");
            }
            (None, None) => {}
        }
    }

    fn evidence(&mut self, disk: &dyn Disk, dir: &Path) {
        let folder = dir.join(layout::EVIDENCE);
        let members = disk.list(&folder).unwrap_or_default();
        let mut there = BTreeSet::new();
        for member in members {
            let short = format!("{}/{}", layout::EVIDENCE, member.name);
            if member.name.starts_with('.') {
                self.torn(&short, "the writer was stopped while it kept this text");
                continue;
            }
            self.done.files += 1;
            let hash = member.name.strip_suffix(".txt").unwrap_or_default().to_owned();
            let by = self.named.get(&hash).cloned();
            match disk.read(&folder.join(&member.name), layout::FILE_CAP) {
                Ok(bytes) if hash_of(&[&bytes]) == hash => {
                    if by.is_none() {
                        self.torn(&short, "no entry names this text: the writer was stopped before it");
                    }
                }
                Ok(_) => {
                    self.fault(&short, by.map(|by| by.1), "the text is not the one that was kept: its hash differs")
                }
                Err(error) => self.fault(&short, by.map(|by| by.1), &format!("it cannot be read: {error}")),
            }
            there.insert(hash);
        }
        let missing: Vec<_> = self.named.iter().filter(|(hash, _)| !there.contains(*hash)).collect();
        let missing: Vec<_> = missing.into_iter().map(|(hash, by)| (hash.clone(), by.clone())).collect();
        for (hash, (by, number)) in missing {
            let short = format!("{}/{hash}.txt", layout::EVIDENCE);
            self.fault(&short, Some(number), &format!("the file is missing; {by}, entry {number}, names it"));
        }
    }

    /// A file among the record's that no writer makes.
    fn strangers(&mut self, disk: &dyn Disk, dir: &Path) {
        for folder in [layout::JOURNAL, layout::TRACKS] {
            for member in disk.list(&dir.join(folder)).unwrap_or_default() {
                if member.is_dir || !member.name.ends_with(".jsonl") {
                    self.fault(&format!("{folder}/{}", member.name), None, "no writer makes such a file");
                }
            }
        }
    }
}
