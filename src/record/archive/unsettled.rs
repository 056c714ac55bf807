//! What the records have not told to its end: intents without an outcome, and changes for a time.
//!
//! All records are looked at together: what one tells to have begun, another may tell to have
//! ended.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::World;
use crate::model::entry::{Body, Entry};
use crate::model::plan::PlanId;
use crate::text::Safe;

use super::super::layout;
use super::super::leftover::{Leftover, leftovers, seen_to};
use super::super::open::{Holder, OpenIntent, open_intents, settled};
use super::super::read::{IncidentRecord, RecordError, read_incident_on};
use super::Archive;

/// What stands in a record that tells of changes at all.
pub(super) const CHANGES: &[&[u8]] = &[b"\"intent\"", b"\"outcome\"", b"\"undone\"", b"\"owned\""];
/// What stands in one that tells of changes for a time, or of their end.
const ENDS: &[&[u8]] = &[b"\"reminder\"", b"\"by_system\"", b"\"undone\"", b"\"owned\""];

/// A record and what it is.
type Held = (Holder, IncidentRecord);

impl Archive {
    /// What is left over at `now` in an environment, of all incidents, closed ones too, and of the
    /// changes that belong to none. Cheap: a record that holds no change for a time only is not
    /// taken apart.
    pub fn leftovers(&self, env: &str, drill: bool, now: World) -> Result<Vec<Leftover>, RecordError> {
        Ok(left_of(&self.telling(ENDS, |record| is_of(record, env, drill))?, now))
    }

    /// Intents without an outcome in an environment that nobody holds, oldest first: of all
    /// incidents that are not closed, and of what belongs to none.
    pub fn open_intents(&self, env: &str, drill: bool) -> Result<Vec<OpenIntent>, RecordError> {
        let mut open = open_of(&self.telling(CHANGES, |record| is_of(record, env, drill))?);
        open.retain(|one| !self.is_held(&one.plan.id));
        Ok(open)
    }

    /// The records of this archive in which one of `words` stands and that are `ours`.
    pub(super) fn telling(
        &self,
        words: &[&[u8]],
        ours: impl Fn(&IncidentRecord) -> bool,
    ) -> Result<Vec<Held>, RecordError> {
        let mut held = Vec::new();
        for (root, rolling) in [(self.root.clone(), false), (self.root.join(layout::ROLLING), true)] {
            let members = match self.disk.list(&root) {
                Ok(members) => members,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let root = root.display();
                    return Err(RecordError::new(format!(
                        "cannot look for what is left over in {root}: {error}; check record.dir and who may read it"
                    )));
                }
            };
            for member in members.iter().filter(|member| member.is_dir && !member.name.starts_with('.')) {
                let dir = root.join(&member.name);
                // What cannot be looked at cannot be read below either.
                if !self.mentions(&dir, words).unwrap_or(false) {
                    continue;
                }
                let Ok(record) = read_incident_on(self.disk.as_ref(), &dir) else { continue };
                if ours(&record) {
                    let name = Safe::from(member.name.as_str());
                    let holder = if rolling { Holder::Rolling(name) } else { Holder::Incident(record.id.clone()) };
                    held.push((holder, record));
                }
            }
        }
        Ok(held)
    }

    /// Whether one of `words` stands in a record: by its bytes alone.
    fn mentions(&self, dir: &Path, words: &[&[u8]]) -> io::Result<bool> {
        let folder = dir.join(layout::JOURNAL);
        let members = match self.disk.list(&folder) {
            Ok(members) => members,
            // A process that was ended before it wrote anything.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for member in members {
            let bytes = self.disk.read(&folder.join(&member.name), layout::FILE_CAP)?;
            if words.iter().any(|word| memchr::memmem::find(&bytes, word).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether it may tell of changes and cannot be read whole: what it holds is not known.
    fn is_unread(&self, dir: &Path) -> bool {
        match self.mentions(dir, CHANGES) {
            Ok(false) => false,
            Ok(true) => read_incident_on(self.disk.as_ref(), dir).map_or(true, |record| record.unread > 0),
            Err(_) => true,
        }
    }

    /// Those of the rolling journals `old` that nobody needs any more. One that alone holds an
    /// open intent or a change for a time that is still on stays, and so does one that tells the
    /// end of what another one that stays tells the beginning of, or that cannot be read. A drill's
    /// world is gone with its process: nothing is open in it.
    pub(super) fn needless(&self, old: Vec<PathBuf>, now: World) -> Vec<PathBuf> {
        if !old.iter().any(|dir| self.mentions(dir, CHANGES).unwrap_or(true)) {
            return old;
        }
        let held = match self.telling(CHANGES, |record| !record.drill()) {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "old rolling journals are kept: what they hold cannot be told");
                return Vec::new();
            }
        };
        let left = left_of(&held, now).into_iter().filter(|one| one.incident.is_none()).map(|one| one.plan.id);
        let open = open_of(&held).into_iter().filter(|one| one.held.incident().is_none()).map(|one| one.plan.id);
        let wanted: HashSet<PlanId> = left.chain(open).collect();
        let rolling: Vec<&IncidentRecord> =
            held.iter().filter(|(holder, _)| holder.incident().is_none()).map(|(_, record)| record).collect();
        let mut stay: BTreeSet<&Path> = BTreeSet::new();
        for record in &rolling {
            if !old.contains(&record.dir) || begun(&record.entries).any(|plan| wanted.contains(plan)) {
                stay.insert(&record.dir);
            }
        }
        // Each that stays may tell the beginning of what yet another one ends.
        let mut before = 0;
        while before < stay.len() {
            before = stay.len();
            let of_those: HashSet<&PlanId> = rolling
                .iter()
                .filter(|record| stay.contains(&*record.dir))
                .flat_map(|record| begun(&record.entries))
                .collect();
            for record in &rolling {
                let seen = seen_to(&record.entries);
                if settled(&record.entries).into_iter().chain(&seen).any(|plan| of_those.contains(plan)) {
                    stay.insert(&record.dir);
                }
            }
        }
        old.iter().filter(|dir| !stay.contains(dir.as_path()) && !self.is_unread(dir)).cloned().collect()
    }
}

pub(super) fn is_of(record: &IncidentRecord, env: &str, drill: bool) -> bool {
    record.writers.iter().any(|writer| writer.env == env && writer.drill == drill)
}

/// The plans that entries tell to be about to be applied.
fn begun(entries: &[Entry]) -> impl Iterator<Item = &PlanId> {
    entries.iter().filter_map(|entry| match &entry.draft.body {
        Some(Body::Intent(plan)) => Some(&plan.id),
        _ => None,
    })
}

fn left_of(held: &[Held], now: World) -> Vec<Leftover> {
    let seen: HashSet<PlanId> = held.iter().flat_map(|(_, record)| seen_to(&record.entries)).collect();
    let mut left: Vec<Leftover> =
        held.iter().flat_map(|(holder, record)| leftovers(&record.entries, holder.incident(), now)).collect();
    left.retain(|one| !seen.contains(&one.plan.id));
    // What was carried into an incident is told by it.
    left.sort_by_key(|one| (one.plan.id.clone(), one.incident.is_none()));
    left.dedup_by(|a, b| a.plan.id == b.plan.id);
    left.sort_by_key(|one| one.at);
    left
}

/// Whoever holds them.
fn open_of(held: &[Held]) -> Vec<OpenIntent> {
    let ended: HashSet<&PlanId> = held.iter().flat_map(|(_, record)| settled(&record.entries)).collect();
    let mut open = Vec::new();
    for (holder, record) in held.iter().filter(|(_, record)| record.closed_at().is_none()) {
        for (entry, plan) in open_intents(&record.entries) {
            // An incident's record is to tell the end itself: it outlives the others.
            let ended = holder.incident().is_none() && ended.contains(&plan.id);
            if !ended {
                open.push(OpenIntent::of(entry, plan, holder.clone()));
            }
        }
    }
    // What was carried into an incident is told by it.
    open.sort_by(|a, b| (&a.plan.id, &a.held).cmp(&(&b.plan.id, &b.held)));
    open.dedup_by(|a, b| a.plan.id == b.plan.id);
    open.sort_by_key(|one| one.at);
    open
}
