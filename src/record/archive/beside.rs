//! What others do while an incident is written: in its own record, and in rolling journals by
//! those who did not take it up.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Body, Draft, Entry, EntryId, EntryKind, EntryOrigin};
use crate::model::name::{EnvId, IncidentId};
use crate::model::plan::PlanId;
use crate::text::Safe;

use super::super::open::{open_intents, settled};
use super::super::read::{RecordError, read_parted};
use super::Archive;
use super::rolling::{CARRY, wanted};

/// What others did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// The entries that other processes wrote to the incident's record: all of them, by time.
    pub news: Vec<Entry>,
    /// What stands in rolling journals and belongs to the incident, each with the times at which
    /// it occurred and was observed, oldest first. Its record does not tell it.
    pub told: Vec<(Draft, World, World)>,
    /// The plans that other living processes have in flight, with their titles.
    pub under_way: Vec<(PlanId, Safe)>,
}

/// What an entry is recognised by in another record: who said what, and when.
pub type Said = (EntryKind, World, Safe, Safe);

/// See [`Said`].
pub fn said(draft: &Draft, occurred_at: World) -> Said {
    (draft.kind, occurred_at, draft.actor.name.clone(), draft.title.clone())
}

impl Archive {
    /// What others did about the incident `id`, that this process writes in the file `own`;
    /// `rolled` are its rolling journals. Waits for the disk.
    pub fn beside(
        &self,
        id: &IncidentId,
        env: &EnvId,
        drill: bool,
        own: &Path,
        rolled: &[PathBuf],
    ) -> Result<Beside, RecordError> {
        let (record, mine) = read_parted(self.disk.as_ref(), &self.dir(id), Some(own))?;
        let mut beside = Beside::default();
        self.note_under_way(&record.entries, &mut beside);
        if let Some(opened) = record.opened_at() {
            let known: HashSet<Said> =
                record.entries.iter().map(|entry| said(&entry.draft, entry.occurred_at)).collect();
            for (name, rolling) in self.rolling_of(env, drill, rolled) {
                self.note_under_way(&rolling.entries, &mut beside);
                let belongs = belonging(&rolling.entries, opened, &beside.under_way);
                for entry in rolling.entries {
                    if belongs.contains(&entry.id) && !known.contains(&said(&entry.draft, entry.occurred_at)) {
                        let (occurred, observed) = (entry.occurred_at, entry.observed_at);
                        beside.told.push((self.with_origin(entry, &name), occurred, observed));
                    }
                }
            }
            beside.told.sort_by_key(|(_, occurred, _)| *occurred);
        }
        beside.news = record.entries;
        beside.news.retain(|entry| !mine.contains(&entry.id));
        Ok(beside)
    }

    fn note_under_way(&self, entries: &[Entry], beside: &mut Beside) {
        for (_, plan) in open_intents(entries) {
            if self.is_held(&plan.id) {
                beside.under_way.push((plan.id.clone(), plan.title.clone()));
            }
        }
    }
}

/// The entries of a rolling journal that an incident is to tell which was declared at `opened`:
/// what people said and did since, and changes that were still in flight then. One that is in
/// flight now is told with its outcome.
fn belonging(entries: &[Entry], opened: World, under_way: &[(PlanId, Safe)]) -> HashSet<EntryId> {
    let ended = settled(entries);
    let (mut begun, mut ended_since) = (HashSet::new(), HashSet::new());
    for entry in entries {
        match &entry.draft.body {
            // The hour before was carried when it was declared; what is older is another story.
            Some(Body::Intent(plan)) if entry.occurred_at >= opened - TimeDelta::minutes(CARRY) => {
                begun.insert(&plan.id);
            }
            Some(Body::Outcome { plan, .. }) if entry.occurred_at >= opened => {
                ended_since.insert(plan);
            }
            _ => {}
        }
    }
    let belongs = |entry: &&Entry| {
        let since = entry.occurred_at >= opened;
        match &entry.draft.body {
            Some(Body::Intent(plan)) => {
                begun.contains(&plan.id)
                    && !under_way.iter().any(|(id, _)| *id == plan.id)
                    && (since || ended_since.contains(&plan.id) || !ended.contains(&plan.id))
            }
            Some(Body::Outcome { plan, .. }) => since && begun.contains(plan),
            Some(Body::Owned { .. } | Body::Undone { .. }) => since,
            _ => since && entry.draft.origin == EntryOrigin::Manual && wanted(entry),
        }
    };
    entries.iter().filter(belongs).map(|entry| entry.id.clone()).collect()
}
