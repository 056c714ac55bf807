//! What of the rolling record belongs to an incident that is declared, and what of it is kept at
//! all while there is none.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Entry, EntryKind, EntryOrigin};
use crate::model::name::ServiceName;
use crate::record::Alerts;
use crate::session::core::{Core, Next};
use crate::session::effect::carried;
use crate::session::message::Dated;
use crate::text::Safe;

/// So much of the rolling record is carried into an incident; changes for a day.
const CARRIED: TimeDelta = TimeDelta::hours(1);
const CARRIED_CHANGES: TimeDelta = TimeDelta::hours(24);

/// Everything that an incident's record starts with, by the time it occurred, with what follows
/// when it is durable there: what was seen lately, also under an incident that was closed before;
/// what was said since; older trouble that goes on and is what was claimed; and what is still on
/// its way to the disk.
pub(super) fn carry(core: &mut Core) -> Vec<(Dated, Next)> {
    let (now, current) = (core.now, core.entries.len() - core.current_entries().len());
    let going_on = going_on(&core.entries);
    let ours = Claimed::of(core);
    let worth = |place: usize, entry: &Entry| {
        let seen = entry.draft.origin == EntryOrigin::Auto;
        (place >= current || seen) && (recent(now, entry) || (going_on.contains(&place) && ours.concerns(entry)))
    };
    let kept = core.entries.iter().enumerate().filter(|(place, entry)| worth(*place, entry));
    let mut all: Vec<_> = kept.map(|(_, entry)| (carried(entry), Next::Nothing)).collect();
    all.extend(std::mem::take(&mut core.desk.in_flight).into_values());
    all.retain(|(dated, _)| !matches!(dated.draft.kind, EntryKind::Started | EntryKind::Sealed | EntryKind::Opened));
    all.sort_by_key(|(dated, _)| dated.occurred_at);
    all
}

/// Lets go of what no incident would be given any more. What people said stays, and trouble that
/// goes on.
pub(super) fn forget_old(core: &mut Core) {
    let (now, from) = (core.now, core.entries.len() - core.current_entries().len());
    let going_on = going_on(&core.entries);
    let mut place = 0;
    let before = core.entries.len();
    core.entries.retain(|entry| {
        let said = entry.draft.origin != EntryOrigin::Auto;
        let keep = place < from || said || recent(now, entry) || going_on.contains(&place);
        place += 1;
        keep
    });
    core.desk.unweighed |= core.entries.len() != before;
}

fn recent(now: World, entry: &Entry) -> bool {
    let span = if entry.draft.kind == EntryKind::Rollout { CARRIED_CHANGES } else { CARRIED };
    entry.occurred_at >= now - span
}

/// What trouble is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Thing<'a> {
    Alert(usize),
    Of(&'a Safe, Option<&'a ServiceName>),
}

/// The places of entries whose trouble has not been told to be over.
fn going_on(entries: &[Entry]) -> HashSet<usize> {
    let alerts = Alerts::of_entries(entries);
    let mut open: HashMap<(EntryKind, Thing<'_>), Vec<usize>> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let draft = &entry.draft;
        let thing = match alerts.id(draft) {
            Some(alert) => Thing::Alert(alert),
            None => Thing::Of(&draft.subject, draft.service.as_ref()),
        };
        let slot = |kind| (kind, thing);
        open.remove(&slot(draft.kind));
        if let Some(end) = draft.kind.ended_by() {
            open.entry(slot(end)).or_default().push(place);
        }
    }
    open.into_values().flatten().collect()
}

/// What people took on: trouble that is older than the record reaches counts only if it is that.
/// Alerts that always fire would move every incident's start otherwise.
struct Claimed {
    /// Their keys.
    alerts: HashSet<Safe>,
    services: HashSet<ServiceName>,
}

impl Claimed {
    fn of(core: &Core) -> Self {
        let in_flight = core.desk.in_flight.values().map(|(dated, _)| &dated.draft);
        let claims: Vec<_> = core
            .current_entries()
            .iter()
            .map(|entry| &entry.draft)
            .chain(in_flight)
            .filter(|draft| draft.kind == EntryKind::Claimed)
            .collect();
        Self {
            alerts: claims.iter().flat_map(|draft| draft.alert_keys()).cloned().collect(),
            services: claims.iter().filter_map(|draft| draft.service.clone()).collect(),
        }
    }

    fn concerns(&self, entry: &Entry) -> bool {
        let draft = &entry.draft;
        match draft.kind {
            EntryKind::AlertFiring => draft.alert_keys().iter().any(|key| self.alerts.contains(key)),
            EntryKind::Breach | EntryKind::ErrorBurst => {
                draft.service.as_ref().is_some_and(|service| self.services.contains(service))
            }
            _ => false,
        }
    }
}
