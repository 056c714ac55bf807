//! What others do about the incident: those who write to its record too, and those who did not take
//! it up. A drill's world is its session's own.

use std::collections::HashSet;

use chrono::TimeDelta;

use crate::model::entry::EntryId;
use crate::model::name::IncidentId;
use crate::model::plan::PlanId;
use crate::record::{Beside, Durability, Holder, Said, said};
use crate::session::core::{Core, Next};
use crate::session::message::Dated;
use crate::session::{Effect, NoticeKind};

use super::{recording, settling};

/// It is looked for this often.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// Time passes.
pub(super) fn tick(core: &mut Core) -> Vec<Effect> {
    let due = core.desk.looked.is_none_or(|at| (core.now - at).abs() >= EVERY);
    if due { look(core) } else { Vec::new() }
}

/// Asks what others do.
pub(super) fn look(core: &mut Core) -> Vec<Effect> {
    core.desk.looked = Some(core.now);
    match &core.incident {
        Some(incident) if !core.facing.drill => vec![Effect::LookBeside(incident.id.clone())],
        _ => Vec::new(),
    }
}

/// What others do is known: their entries are shown, what the incident's record lacks is written to
/// it, and what they left in flight is settled.
pub(super) fn seen(core: &mut Core, id: &IncidentId, beside: Beside) -> Vec<Effect> {
    let here = |core: &Core| core.incident.as_ref().is_some_and(|incident| incident.id == *id);
    if !here(core) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let known: HashSet<EntryId> = core.entries.iter().map(|entry| entry.id.clone()).collect();
    for entry in beside.news.into_iter().filter(|entry| !known.contains(&entry.id)) {
        core.desk.told.insert(recording::told(&entry));
        effects.extend(recording::keep(core, entry));
        if !here(core) {
            // Somebody else has closed it.
            return effects;
        }
    }
    let mine = |id: &PlanId| core.actions.iter().any(|action| action.plan.id == *id);
    core.desk.under_way = beside.under_way.into_iter().filter(|(id, _)| !mine(id)).collect();
    let in_flight = core.desk.in_flight.values().map(|(dated, _)| said(&dated.draft, dated.occurred_at));
    let told: HashSet<Said> =
        core.entries.iter().map(|entry| said(&entry.draft, entry.occurred_at)).chain(in_flight).collect();
    let lacking = beside.told.into_iter().filter(|(draft, at, _)| !told.contains(&said(draft, *at)));
    let lacking: Vec<Dated> =
        lacking.map(|(draft, occurred_at, observed_at)| Dated { draft, occurred_at, observed_at }).collect();
    for dated in lacking.clone() {
        effects.push(recording::record(core, dated, Durability::Now, Next::Nothing));
    }
    let held = Holder::Incident(id.clone());
    effects.extend(settling::left_by_others(core, &held, &lacking));
    if std::mem::take(&mut core.desk.close_asked) {
        effects.extend(close(core, lacking.len()));
    }
    effects
}

/// Closes the incident, unless its record came to tell more than whoever closes it has seen.
fn close(core: &mut Core, more: usize) -> Vec<Effect> {
    if more == 0 {
        return recording::close_now(core);
    }
    let what = if more == 1 { "an entry".to_owned() } else { format!("{more} entries") };
    core.say(
        NoticeKind::Error,
        format!("not closed yet: {what} of other sessions came into the record; look at it, and close it then"),
    );
    Vec::new()
}
