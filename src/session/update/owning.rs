//! What is left over: shown until it is undone, owned or over.

use crate::model::entry::{Body, EntryKind};
use crate::model::name::IncidentId;
use crate::model::plan::{Outcome, Plan, PlanId, Request};
use crate::record::{Durability, Leftover, leftovers};
use crate::session::core::{Core, Next};
use crate::session::message::Dated;
use crate::session::{Effect, NoticeKind};
use crate::text::Safe;

use super::{acting, recording};

/// What earlier records tell, once they were looked through.
pub(super) fn found(core: &mut Core, left: Vec<Leftover>) -> Vec<Effect> {
    core.desk.left_before.extend(left);
    weigh(core);
    if let (false, [first, rest @ ..]) = (core.left_over.is_empty(), core.left_over.as_slice()) {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        let text = format!("left over from before: {} ({}){more}; x offers to undo it", first.words(), first.handle());
        core.say(NoticeKind::Info, text);
    }
    Vec::new()
}

/// Judges anew what is left over.
pub(super) fn weigh(core: &mut Core) {
    let seen = crate::record::seen_to(&core.entries);
    let now = core.now;
    // What was done since an incident was closed is in no incident's record.
    let (closed, current) = core.entries.split_at(core.entries.len() - core.current_entries().len());
    let open = core.incident.as_ref().map(|incident| &incident.id);
    let mut here = leftovers(closed, core.closed.as_ref(), now);
    here.extend(leftovers(current, open, now));
    let mut all = core.desk.left_before.clone();
    all.retain(|one| !here.iter().any(|other| other.plan.id == one.plan.id));
    all.extend(here);
    all.retain(|one| !seen.contains(&one.plan.id) && one.lasts(now));
    all.sort_by_key(|one| one.at);
    core.left_over = all;
}

/// Entries go, because they are too old or belong to another record: what they leave over stays.
pub(super) fn keep(core: &mut Core) {
    weigh(core);
    core.desk.left_before.clone_from(&core.left_over);
}

/// Time passes: what the system ended is over.
pub(super) fn tick(core: &mut Core) {
    let now = core.now;
    if core.left_over.iter().any(|one| !one.lasts(now)) {
        weigh(core);
    }
}

/// Why the incident cannot be closed yet, if so: what is left over is to be undone or owned.
pub(super) fn why_not_close(core: &Core) -> Option<String> {
    let left = leftovers(core.current_entries(), None, core.now);
    let all: Vec<_> = left.iter().map(|one| format!("{} {}", one.handle(), one.words())).collect();
    let [first, ..] = left.as_slice() else { return None };
    let handle = first.handle();
    Some(format!(
        "not closed, because something is left over: {}. Undo each with `:undo {handle}`, or say who sees to it with `:own \
         {handle} NAME`; then close",
        all.join("; ")
    ))
}

fn named<'a>(core: &'a Core, which: &str) -> Result<&'a Leftover, String> {
    let which = which.trim_matches('`').to_lowercase();
    let fits: Vec<_> = core
        .left_over
        .iter()
        .filter(|one| {
            let names = [one.plan.target.path.name.as_str(), one.plan.name_to_type()];
            one.handle() == which || names.iter().any(|name| name.to_lowercase() == which)
        })
        .collect();
    match fits.as_slice() {
        [one] => Ok(one),
        [] if core.left_over.is_empty() => Err("nothing is left over".to_owned()),
        [] => {
            let all: Vec<_> =
                core.left_over.iter().map(|one| format!("{} ({})", one.handle(), one.plan.title)).collect();
            Err(format!("`{which}` is none of what is left over: {}", all.join(", ")))
        }
        several => Err(format!(
            "`{which}` is {} of what is left over: say which, {}",
            several.len(),
            several.iter().map(|one| one.handle()).collect::<Vec<_>>().join(" or ")
        )),
    }
}

/// Plans to undo one of them.
pub(super) fn undo(core: &mut Core, which: &Safe) -> Vec<Effect> {
    match named(core, which).map(|one| one.plan.clone()) {
        Ok(applied) => acting::want(core, Request::Undo { plan: Box::new(applied) }),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

/// Somebody sees to one of them: that is recorded where the change is.
pub(super) fn own(core: &mut Core, which: &Safe, owner: Safe) -> Vec<Effect> {
    let one = match named(core, which) {
        Ok(one) => one.clone(),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            return Vec::new();
        }
    };
    let title = format!("{owner} owns what is left over: {}", one.words());
    let body = Body::Owned { plan: one.plan.id.clone(), owner };
    tell(core, EntryKind::Owned, &one, title, body)
}

/// An undo took effect. What another record holds as left over learns of it there.
pub(super) fn undone(core: &mut Core, undo: &Plan, outcome: &Outcome) -> Vec<Effect> {
    let Request::Undo { plan } = &undo.request else { return Vec::new() };
    if !outcome.is_applied() {
        return Vec::new();
    }
    let Some(one) = core.desk.left_before.iter().find(|one| one.plan.id == plan.id).cloned() else { return Vec::new() };
    if is_here(core, one.incident.as_ref()) {
        return Vec::new();
    }
    let title = format!("undone later: {}", one.words());
    let body = Body::Undone { plan: one.plan.id.clone() };
    tell(core, EntryKind::Undone, &one, title, body)
}

fn is_here(core: &Core, incident: Option<&IncidentId>) -> bool {
    incident.is_none_or(|id| core.incident.as_ref().is_some_and(|here| here.id == *id))
}

/// Writes it to the record that holds the change.
fn tell(core: &mut Core, kind: EntryKind, one: &Leftover, title: String, body: Body) -> Vec<Effect> {
    let mut draft = recording::said(core, kind, one.plan.target.path.to_string(), title);
    draft.service = one.plan.service.clone();
    draft.body = Some(body);
    match one.incident.clone().filter(|id| !is_here(core, Some(id))) {
        Some(incident) => {
            let dated = Dated { draft, occurred_at: core.now, observed_at: core.now };
            vec![Effect::Add { incident, plan: one.plan.id.clone(), dated }]
        }
        None => vec![recording::record_now(core, draft, Durability::Now, Next::Nothing)],
    }
}

/// The other record has it now, or it has not.
pub(super) fn added(core: &mut Core, plan: &PlanId, result: Result<(), Safe>) -> Vec<Effect> {
    match result {
        Ok(()) => {
            core.desk.left_before.retain(|one| one.plan.id != *plan);
            core.left_over.retain(|one| one.plan.id != *plan);
            core.say(NoticeKind::Done, "the record of that incident tells it now");
        }
        Err(why) => core.say(NoticeKind::Error, format!("it could not be recorded: {why}")),
    }
    Vec::new()
}
