//! The journal's thread: lines into a buffer, the buffer to the disk, then the receipts.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ulid::{Generator, Ulid};

use crate::clock::{Wall, World, wall};
use crate::model::entry::{Actor, Body, Draft, Entry, EntryId, EntryKind, EntryOrigin, Evidence, Predecessor};
use crate::text::Safe;

use super::super::chain::{Chain, JOURNAL, TRACKS, hash_of, scan};
use super::super::disk::{Disk, DiskFile, make_dirs};
use super::super::layout;
use super::super::track::TrackLine;
use super::{Answer, Durability, JournalError, Op, StartInfo, Tell, redacted};
use crate::model::track::TrackSample;
use crate::record::Durable;

/// How long an entry of [`Durability::Soon`] may wait for company, by the wall.
const PATIENCE: Duration = Duration::from_millis(500);
/// At most this many requests are taken before a sync that somebody waits for.
const GROUP: usize = 512;

/// One chained file that is being written.
#[derive(Debug)]
struct Chained {
    file: Box<dyn DiskFile>,
    chain: Chain,
    /// Lines that are not handed to the file yet.
    buffer: Vec<u8>,
}

impl Chained {
    fn create(disk: &dyn Disk, path: &Path, domain: &str) -> io::Result<Self> {
        Ok(Self { file: disk.create(path)?, chain: Chain::new(domain), buffer: Vec::new() })
    }

    fn push<T: serde::Serialize>(&mut self, body: &T) -> io::Result<()> {
        let line = self.chain.line(body).map_err(io::Error::other)?;
        self.buffer.extend_from_slice(&line);
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer)?;
        self.buffer.clear();
        self.file.sync()
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    path: PathBuf,
    track_name: String,
    disk: Arc<dyn Disk>,
    journal: Chained,
    tracks: Chained,
    ids: Generator,
    actor: Actor,
    first: Entry,
    evidence: Vec<String>,
    /// Who waits for the next commit.
    waiting: Vec<(Tell, Entry)>,
    /// When the next commit is due, if anything waits for one.
    due: Option<Wall>,
    /// Why nothing is taken any more.
    failed: Option<Safe>,
}

impl Writer {
    pub(super) fn create(dir: &Path, info: &StartInfo, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        // By the calendar, also in a drill: the order of names is the order of starts.
        let name = format!("{}.jsonl", Ulid::generate());
        let path = dir.join(layout::JOURNAL).join(&name);
        Self::try_create(dir, &path, &name, info, disk).map_err(|error| failure(&path, &error))
    }

    fn try_create(dir: &Path, path: &Path, name: &str, info: &StartInfo, disk: Arc<dyn Disk>) -> io::Result<Self> {
        for part in [layout::JOURNAL, layout::TRACKS, layout::EVIDENCE] {
            make_dirs(disk.as_ref(), &dir.join(part))?;
        }
        let predecessor = predecessor(disk.as_ref(), dir)?;
        let mut journal = Chained::create(disk.as_ref(), path, JOURNAL)?;
        let mut tracks = Chained::create(disk.as_ref(), &dir.join(layout::TRACKS).join(name), TRACKS)?;
        tracks.push(&TrackLine::Of { journal: Safe::from(name) })?;
        tracks.commit()?;
        let mut ids = Generator::new();
        let first = Entry {
            id: next_id(&mut ids, info.at),
            occurred_at: info.at,
            observed_at: info.at,
            draft: redacted::draft(started(info, predecessor)),
        };
        journal.push(&first)?;
        journal.commit()?;
        Ok(Self {
            dir: dir.to_path_buf(),
            path: path.to_path_buf(),
            track_name: name.to_owned(),
            disk,
            journal,
            tracks,
            ids,
            actor: info.actor.clone(),
            first,
            evidence: Vec::new(),
            waiting: Vec::new(),
            due: None,
            failed: None,
        })
    }

    pub(super) fn first(&self) -> &Entry {
        &self.first
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Serves until the file is sealed or every handle is gone.
    pub(super) fn run(mut self, asked: &Receiver<Op>) {
        loop {
            let op = match self.due {
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => asked.recv_timeout(due.saturating_duration_since(wall())),
            };
            match op {
                Ok(op) => {
                    let mut next = Some(op);
                    let mut taken = 0;
                    while let Some(op) = next {
                        if let ControlFlow::Break((tell, answer)) = self.take(op) {
                            // Whoever hears of the seal finds the file free.
                            drop(self);
                            let _ = tell.send(answer);
                            return;
                        }
                        taken += 1;
                        next = if taken < GROUP { asked.try_recv().ok() } else { None };
                    }
                    if self.due.is_some_and(|due| due <= wall()) {
                        self.commit();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.commit(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.commit();
                    return;
                }
            }
        }
    }

    /// Breaks when the file is sealed, with the receipt to give.
    fn take(&mut self, op: Op) -> ControlFlow<(Tell, Answer)> {
        if let Some(why) = &self.failed {
            if let Op::Append { tell, .. } | Op::Close { tell, .. } = op {
                let _ = tell.send(Err(JournalError::Failed(why.clone())));
            }
            return ControlFlow::Continue(());
        }
        match op {
            Op::Append { draft, occurred_at, observed_at, durability, tell } => {
                self.append(redacted::draft(*draft), occurred_at, observed_at, durability, tell);
            }
            Op::Track(samples) => {
                let pushed = samples.into_iter().try_for_each(|sample| {
                    let track = crate::text::redact_safe(sample.track);
                    self.tracks.push(&TrackLine::Sample(TrackSample { track, ..sample }))
                });
                self.schedule(Durability::Soon);
                self.heed(pushed);
            }
            Op::Close { at, tell } => return ControlFlow::Break((tell, self.close(at))),
        }
        ControlFlow::Continue(())
    }

    fn append(&mut self, mut draft: Draft, occurred_at: World, observed_at: World, durability: Durability, tell: Tell) {
        let kept: io::Result<()> = draft.evidence.iter_mut().try_for_each(|evidence| self.keep(evidence));
        let entry = Entry { id: next_id(&mut self.ids, observed_at), occurred_at, observed_at, draft };
        // An entry must not name a file that is not there.
        let pushed = kept.and_then(|()| self.journal.push(&entry));
        self.waiting.push((tell, entry));
        self.schedule(durability);
        self.heed(pushed);
    }

    /// Makes the file of a text that is to be kept, and names it by its hash.
    fn keep(&mut self, evidence: &mut Evidence) -> io::Result<()> {
        let Some(kept) = &evidence.kept else { return Ok(()) };
        let mut text = String::with_capacity(kept.len() + 1);
        for line in kept.lines() {
            text.push_str(line);
            text.push('\n');
        }
        let hash = hash_of(&[text.as_bytes()]);
        evidence.file = Some(Safe::from(hash.as_str()));
        if self.evidence.contains(&hash) {
            return Ok(());
        }
        let path = self.dir.join(layout::EVIDENCE).join(format!("{hash}.txt"));
        self.disk.publish(&path, text.as_bytes())?;
        self.evidence.push(hash);
        Ok(())
    }

    fn schedule(&mut self, durability: Durability) {
        let due = match durability {
            Durability::Now => wall(),
            Durability::Soon => wall() + PATIENCE,
        };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Makes everything that was taken durable and says so, or fails for good.
    fn commit(&mut self) {
        self.due = None;
        if self.failed.is_none() {
            let done = self.tracks.commit().and_then(|()| self.journal.commit());
            self.heed(done);
        }
        if self.failed.is_none() {
            for (tell, entry) in self.waiting.drain(..) {
                // Nobody has to wait for a receipt.
                let _ = tell.send(Ok(Durable::new(entry)));
            }
        }
    }

    /// After a failed write or sync nothing is known of what reached the disk, and trying again
    /// could report success for bytes that were lost. So it ends here.
    fn heed(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        let JournalError::Failed(why) = failure(&self.path, &error) else { return };
        self.due = None;
        for (tell, _) in self.waiting.drain(..) {
            let _ = tell.send(Err(JournalError::Failed(why.clone())));
        }
        self.failed = Some(why);
    }

    /// The seal lists the tracks' head; only then the tracks' end names the seal. Whichever is
    /// cut off later, the other tells.
    fn close(&mut self, at: World) -> Answer {
        self.commit();
        let tracks = (
            Safe::from(format!("{}/{}", layout::TRACKS, self.track_name)),
            Safe::from(self.tracks.chain.head().to_owned()),
        );
        let kept = |hash: &String| (Safe::from(format!("{}/{hash}.txt", layout::EVIDENCE)), Safe::from(hash.as_str()));
        let files = std::iter::once(tracks).chain(self.evidence.iter().map(kept)).collect();
        let draft = Draft { body: Some(Body::Sealed { files }), ..sealed(&self.actor, self.journal.chain.seq()) };
        let entry = Entry { id: next_id(&mut self.ids, at), occurred_at: at, observed_at: at, draft };
        if self.failed.is_none() {
            let done = self.journal.push(&entry).and_then(|()| self.journal.commit()).and_then(|()| {
                self.tracks.push(&TrackLine::End { head: Safe::from(self.journal.chain.head().to_owned()) })?;
                self.tracks.commit()
            });
            self.heed(done);
        }
        match &self.failed {
            Some(why) => Err(JournalError::Failed(why.clone())),
            None => Ok(Durable::new(entry)),
        }
    }
}

fn next_id(ids: &mut Generator, at: World) -> EntryId {
    let id = match ids.generate_from_datetime(at.into()) {
        Ok(id) => id,
        Err(overflow) => overflow.commit_overflow_increment(),
    };
    EntryId(Safe::from(id.to_string()))
}

/// The file that was started last, as far as it is written whole.
fn predecessor(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Predecessor>> {
    let folder = dir.join(layout::JOURNAL);
    let files = disk.list(&folder)?;
    let Some(last) = files.iter().rev().find(|member| !member.is_dir && member.name.ends_with(".jsonl")) else {
        return Ok(None);
    };
    let bytes = disk.read(&folder.join(&last.name), layout::FILE_CAP)?;
    let scan = scan(&bytes, JOURNAL);
    let (length, head) = scan.head().unwrap_or((0, JOURNAL));
    Ok(Some(Predecessor { file: Safe::from(last.name.as_str()), length, head: Safe::from(head) }))
}

fn started(info: &StartInfo, predecessor: Option<Predecessor>) -> Draft {
    let title = match &info.incident {
        Some(_) => format!("warroom {} writes the record in {}", info.version, info.env),
        None => format!("warroom {} keeps the last hour of {}", info.version, info.env),
    };
    Draft {
        kind: EntryKind::Started,
        title: Safe::from(title),
        actor: info.actor.clone(),
        body: Some(Body::Started {
            incident: info.incident.clone(),
            version: info.version.clone(),
            drill: info.drill,
            predecessor,
            env: info.env.clone(),
            titles: info.titles.clone(),
        }),
        ..own(&info.actor)
    }
}

fn sealed(actor: &Actor, entries: u64) -> Draft {
    Draft {
        kind: EntryKind::Sealed,
        title: Safe::from(format!("the record was closed in good order after {entries} entries")),
        ..own(actor)
    }
}

/// An entry of the journal about itself.
fn own(actor: &Actor) -> Draft {
    Draft {
        kind: EntryKind::Note,
        source: Safe::fixed("warroom"),
        subject: Safe::fixed("record"),
        title: Safe::default(),
        detail: None,
        actor: actor.clone(),
        service: None,
        before: None,
        after: None,
        evidence: Vec::new(),
        dedupe: None,
        origin: EntryOrigin::Auto,
        pinned: false,
        body: None,
    }
}

/// One clear sentence.
fn failure(path: &Path, error: &io::Error) -> JournalError {
    let (what, next) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ("the disk is full", "free some space"),
        io::ErrorKind::ReadOnlyFilesystem => ("the file system is read-only", "mount it for writing"),
        io::ErrorKind::PermissionDenied => ("permission is denied", "give yourself write access or set record.dir"),
        io::ErrorKind::NotADirectory => ("a part of the path is a file", "set record.dir to a folder"),
        io::ErrorKind::NotFound => ("the directory is gone", "put it back"),
        _ => ("the system reports an error", "check the disk"),
    };
    JournalError::Failed(Safe::from(format!(
        "the record cannot be written to {}: {what} ({error}); {next} and start warroom again",
        path.display()
    )))
}
