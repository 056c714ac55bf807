//! What is changed by which action now: one at a time, but for what takes the one under way back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::World;
use crate::model::name::{EnvId, Kind, ObjectPath, Target};
use crate::model::plan::{Plan, PlanId, Refusal, Request};
use crate::respond::guard::refusal;
use crate::text::Safe;

/// What one action at a time may go on at.
type Place = (Kind, ObjectPath);

/// All actions that are under way, and where; and what was written last.
#[derive(Debug, Default)]
pub(super) struct Places {
    held: Mutex<Vec<Held>>,
    /// When something was last written that changes a place, and what that was a change of.
    written: Mutex<HashMap<Place, (World, Place)>>,
    /// Heard by who waits for a place.
    freed: Notify,
}

fn place(target: &Target) -> Place {
    (target.kind, target.path.clone())
}

/// What a plan changes. A workload and its autoscaler are one thing to be changed by one action at a
/// time.
fn places(plan: &Plan) -> impl Iterator<Item = Place> {
    [&plan.target, plan.request.origin().target()].into_iter().chain(&plan.affects).map(place)
}

/// An action that is under way.
#[derive(Debug)]
struct Held {
    plan: PlanId,
    places: Vec<Place>,
    /// Whether it is the end of a rollout.
    aborts: bool,
    /// Whether its write is known to have been taken: all that is left of it is looking.
    written: bool,
    /// The title of the undo that was written over it since.
    undone_by: Option<Safe>,
}

impl Held {
    /// Whether `plan` may go on at the same place: its undo, and the end of the rollout that it
    /// began, wait for no outcome, which may take an hour.
    fn lets(&self, plan: &Plan) -> bool {
        self.written
            && match &plan.request {
                Request::Undo { plan } => plan.id == self.plan,
                Request::Abort { .. } => !self.aborts,
                _ => false,
            }
    }
}

impl Places {
    /// Takes the places of `plan`, unless an action is under way there that does not let it in.
    pub(super) fn enter(&self, plan: &Plan, env: &EnvId) -> Result<Entered<'_>, Refusal> {
        let places: Vec<Place> = places(plan).collect();
        let mut held = self.held();
        let taken = held
            .iter()
            .filter(|one| !one.lets(plan))
            .find_map(|one| places.iter().find(|place| one.places.contains(*place)));
        if let Some((kind, path)) = taken {
            return Err(refusal(format!(
                "another action on {kind} {path} in {env} is under way: wait for its outcome, or undo it"
            )));
        }
        held.push(Held {
            plan: plan.id.clone(),
            places,
            aborts: matches!(plan.request, Request::Abort { .. }),
            written: false,
            undone_by: None,
        });
        Ok(Entered { places: self, plan: plan.id.clone() })
    }

    /// Takes the places of `plan` as soon as no other action is under way there.
    pub(super) async fn enter_when_free(&self, plan: &Plan) -> Entered<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on nothing is missed.
            freed.as_mut().enable();
            if let Ok(entered) = self.enter(plan, &plan.target.origin.env) {
                return entered;
            }
            freed.await;
        }
    }

    /// Why what a plan shows is not how it is any more, if so: something else was changed since it was
    /// read that changes what it does. What its own target holds is read again before the write.
    pub(super) fn outdated(&self, plan: &Plan) -> Option<String> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let own = place(&plan.target);
        let since = |at: &Place| written.get(at).is_some_and(|(when, of)| *when > plan.read_at && *of != own);
        let at = places(plan).find(since)?;
        let (_, (kind, path)) = written.get(&at)?;
        Some(format!(
            "{kind} {path} was changed since {} was planned, and what it shows is of before: plan it again and look at it \
             anew",
            plan.title
        ))
    }

    /// Notes that `plan` is written `now`.
    pub(super) fn mark(&self, plan: &Plan, now: World) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend(places(plan).map(|at| (at, (now, place(&plan.target)))));
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps other actions off what one affects while it lives.
#[derive(Debug)]
pub(super) struct Entered<'a> {
    places: &'a Places,
    plan: PlanId,
}

impl Entered<'_> {
    /// The write of `plan`, which this is of, was taken. If it is an undo, that is the end of what
    /// it takes back.
    pub(super) fn written(&self, plan: &Plan) {
        for held in self.places.held().iter_mut() {
            match &plan.request {
                _ if held.plan == self.plan => held.written = true,
                Request::Undo { plan: of } if of.id == held.plan => held.undone_by = Some(plan.title.clone()),
                _ => {}
            }
        }
    }

    /// The title of the undo that was written over it, if one was.
    pub(super) fn undone_by(&self) -> Option<Safe> {
        self.places.held().iter().find(|held| held.plan == self.plan)?.undone_by.clone()
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.places.held().retain(|held| held.plan != self.plan);
        self.places.freed.notify_waiters();
    }
}
