//! The last hour before anybody declares an incident, kept on the disk and carried into it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use ulid::Ulid;

use crate::clock::{Clock, World};
use crate::model::entry::{Body, Draft, Entry, EntryId, EntryKind, Evidence};
use crate::model::name::EnvId;
use crate::model::track::TrackSample;
use crate::text::{Safe, clean_block};

use super::super::chain::hash_of;
use super::super::open::open_intents;
use super::super::read::{IncidentRecord, read_incident_on};
use super::super::{Journal, JournalError, StartInfo, layout};
use super::Archive;

/// How far back entries are carried.
pub(super) const CARRY: i64 = 60;
/// No text of evidence is longer than this many bytes.
const EVIDENCE_CAP: u64 = 1024 * 1024;
/// Rolling journals that nobody writes, and locks that nobody holds, are removed after so many minutes without a write.
pub(super) const KEEP: i64 = 120;

/// What the rolling journals have to give to an incident that is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    /// Drafts to append, each with the times at which it occurred and was observed, oldest
    /// first. Their evidence says where they come from.
    pub drafts: Vec<(Draft, World, World)>,
    /// Track samples, oldest first.
    pub tracks: Vec<TrackSample>,
}

impl Archive {
    /// Starts the rolling journal of this process, and removes those that nobody writes any
    /// more. A process that runs for long starts a new one each hour and closes the old one.
    pub fn rolling(&self, info: StartInfo) -> Result<Journal, JournalError> {
        self.sweep();
        let dir = self.root.join(layout::ROLLING).join(Ulid::generate().to_string());
        Journal::create(&dir, StartInfo { incident: None, ..info }, Arc::clone(&self.disk))
    }

    /// What the rolling journals of an environment tell of the hour before `now`. The same thing
    /// noticed by two processes is told once. `own` are the files that the caller knows already.
    /// It is read from the disk: of a journal that is being written the last half second may be
    /// missing.
    pub fn carry(&self, env: &EnvId, drill: bool, now: World, own: &[PathBuf]) -> Carried {
        let mut carried = Carried::default();
        let mut seen = BTreeSet::new();
        let mut minutes = BTreeMap::new();
        let from = now - TimeDelta::minutes(CARRY);
        for (name, record) in self.rolling_of(env, drill, own) {
            // What a living process has in flight is its own: it is told with its outcome.
            let under_way: HashSet<EntryId> = open_intents(&record.entries)
                .into_iter()
                .filter(|(_, plan)| self.is_held(&plan.id))
                .map(|(entry, _)| entry.id.clone())
                .collect();
            for entry in record.entries {
                if under_way.contains(&entry.id) {
                    continue;
                }
                let identity =
                    (entry.draft.kind, entry.draft.subject.clone(), entry.draft.dedupe.clone(), entry.occurred_at);
                if entry.occurred_at >= from && entry.occurred_at <= now && wanted(&entry) && seen.insert(identity) {
                    let (occurred, observed) = (entry.occurred_at, entry.observed_at);
                    carried.drafts.push((self.with_origin(entry, &name), occurred, observed));
                }
            }
            let samples = record.tracks.into_iter().filter(|sample| sample.at >= from && sample.at <= now);
            // A later file has the last word on a minute.
            minutes.extend(samples.map(|sample| ((sample.at, sample.track.clone()), sample)));
        }
        carried.drafts.sort_by_key(|(_, occurred, _)| *occurred);
        carried.tracks = minutes.into_values().collect();
        carried
    }

    /// The rolling journals of an environment with their names, but for those in whose folders the
    /// files `own` stand.
    pub(super) fn rolling_of(&self, env: &EnvId, drill: bool, own: &[PathBuf]) -> Vec<(String, IncidentRecord)> {
        let root = self.root.join(layout::ROLLING);
        let mine: HashSet<&Path> = own.iter().filter_map(|path| path.parent()?.parent()).collect();
        let members = self.disk.list(&root).unwrap_or_default();
        let others = members.into_iter().filter(|member| member.is_dir);
        let records = others.map(|member| (root.join(&member.name), member.name)).filter_map(|(dir, name)| {
            let record = if mine.contains(&*dir) { None } else { read_incident_on(self.disk.as_ref(), &dir).ok() };
            record.map(|record| (name, record))
        });
        let ours = |record: &IncidentRecord| {
            record.writers.iter().all(|writer| writer.env == env.as_str() && writer.drill == drill)
        };
        records.filter(|(_, record)| ours(record)).collect()
    }

    /// The entry's draft, saying where it comes from, with what its evidence's files hold: the
    /// files themselves stay behind.
    pub(super) fn with_origin(&self, entry: Entry, name: &str) -> Draft {
        let id = entry.id.0;
        let mut draft = entry.draft;
        let folder = self.root.join(layout::ROLLING).join(name).join(layout::EVIDENCE);
        for evidence in &mut draft.evidence {
            let Some(hash) = evidence.file.take() else { continue };
            let bytes = self.disk.read(&folder.join(format!("{hash}.txt")), EVIDENCE_CAP);
            // Another text than the one that was hashed is no evidence.
            let whole = bytes.ok().filter(|bytes| hash_of(&[bytes]) == hash.as_str());
            evidence.kept = whole.map(|bytes| clean_block(String::from_utf8_lossy(&bytes).trim_end()));
        }
        let whence = format!("carried from the rolling journal {name}, entry {id}");
        draft.evidence.push(Evidence::query(Safe::from(whence)));
        draft
    }

    /// Removes rolling journals that no process writes, that were last written long ago, and that
    /// nobody needs any more. That one cannot be removed is no reason not to start.
    fn sweep(&self) {
        let now = Clock::real().now();
        self.sweep_locks(now);
        for dir in self.needless(self.old(now), now) {
            if let Err(error) = self.disk.remove_dir(&dir) {
                tracing::warn!(dir = %dir.display(), %error, "an old rolling journal could not be removed");
            }
        }
    }

    /// The rolling journals that no process writes and that were last written long ago.
    fn old(&self, now: World) -> Vec<PathBuf> {
        let root = self.root.join(layout::ROLLING);
        let stale = |at: io::Result<World>| at.is_ok_and(|at| now - at > TimeDelta::minutes(KEEP));
        let members = self.disk.list(&root).unwrap_or_default();
        let journals = members.iter().filter(|member| member.is_dir && Ulid::from_string(&member.name).is_ok());
        journals
            .map(|member| root.join(&member.name))
            .filter(|dir| {
                let files = self.disk.list(&dir.join(layout::JOURNAL)).unwrap_or_default();
                let paths: Vec<_> = files.iter().map(|file| dir.join(layout::JOURNAL).join(&file.name)).collect();
                if paths.is_empty() {
                    stale(self.disk.modified(dir))
                } else {
                    paths.iter().all(|path| stale(self.disk.modified(path)) && !self.disk.is_locked(path))
                }
            })
            .collect()
    }
}

/// What the journal says of itself stays where it is.
pub(super) fn wanted(entry: &Entry) -> bool {
    !matches!(entry.draft.kind, EntryKind::Started | EntryKind::Sealed | EntryKind::Exported | EntryKind::Correction)
        && !matches!(entry.draft.body, Some(Body::Started { .. } | Body::Sealed { .. } | Body::Correction { .. }))
}
