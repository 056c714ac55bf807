//! Whose a change is that was begun and has no outcome yet.
//!
//! One rule: it belongs to the process that holds the lock of its plan. Whoever begins a change
//! takes that before the intent is written, and gives it back when the outcome is durable. A lock
//! that nobody holds means that its process is gone; whoever takes it then looks whether an outcome
//! has been told by now, and if none has, reads the system and tells it.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Body, Entry};
use crate::model::plan::PlanId;

use super::super::chain::hash_of;
use super::super::disk::{Held, make_dirs};
use super::super::layout;
use super::super::open::Holder;
use super::super::read::RecordError;
use super::Archive;
use super::rolling::KEEP;
use super::unsettled::{CHANGES, is_of};

/// A plan whose end is this process's to tell, until this is dropped.
#[derive(Debug)]
#[must_use = "it is held only until it is dropped"]
pub struct HeldPlan {
    _lock: Box<dyn Held>,
}

impl Archive {
    /// Takes a plan; `None` if another process has it. Waits for the disk.
    pub fn hold(&self, plan: &PlanId) -> Result<Option<HeldPlan>, RecordError> {
        let path = self.lock_of(plan);
        let folder = path.parent().unwrap_or(&self.root);
        let held = make_dirs(self.disk.as_ref(), folder).and_then(|()| self.disk.hold(&path));
        match held {
            Ok(held) => Ok(held.map(|lock| HeldPlan { _lock: lock })),
            Err(error) => Err(RecordError::new(format!(
                "cannot take the lock {}: {error}; free some space, or see to who may write there",
                path.display()
            ))),
        }
    }

    /// Whether a living process holds a plan.
    pub(super) fn is_held(&self, plan: &PlanId) -> bool {
        self.disk.is_locked(&self.lock_of(plan))
    }

    /// Every outcome of a plan that the records of an environment tell, each with the record that
    /// holds it.
    pub fn outcomes(&self, plan: &PlanId, env: &str, drill: bool) -> Result<Vec<(Holder, Entry)>, RecordError> {
        let of_plan = |entry: &Entry| matches!(&entry.draft.body, Some(Body::Outcome { plan: of, .. }) if of == plan);
        let held = self.telling(CHANGES, |record| is_of(record, env, drill))?;
        let told = held.into_iter().flat_map(|(holder, record)| {
            record.entries.into_iter().filter(of_plan).map(move |entry| (holder.clone(), entry))
        });
        Ok(told.collect())
    }

    /// Removes the locks that processes left which are gone. An intent that one of them stood for
    /// is as open without it.
    pub(super) fn sweep_locks(&self, now: World) {
        let root = self.root.join(layout::HELD);
        for member in self.disk.list(&root).unwrap_or_default() {
            let path = root.join(&member.name);
            let old = self.disk.modified(&path).is_ok_and(|at| now - at > TimeDelta::minutes(KEEP));
            if old {
                // Taken and given back at once: that removes it, and one that somebody has stays.
                drop(self.disk.hold(&path));
            }
        }
    }

    /// An identity comes from a record that anybody may have written: it names no path.
    fn lock_of(&self, plan: &PlanId) -> PathBuf {
        self.root.join(layout::HELD).join(format!("{}.lock", hash_of(&[plan.0.as_bytes()])))
    }
}
