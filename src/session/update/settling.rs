//! Changes that processes which are gone had begun: the systems tell what became of them. Nothing
//! is written but the record, so no write window is asked for.

use crate::model::entry::{Body, Entry};
use crate::model::plan::{Outcome, Plan, PlanId, Request};
use crate::record::{Durability, Holder, Leftover, OpenIntent, how_to_settle, open_intents};
use crate::session::core::{Core, Next};
use crate::session::effect::carried;
use crate::session::message::Dated;
use crate::session::{Action, ActionState, Effect, NoticeKind};
use crate::text::Safe;

use super::{acting, owning, recording};

/// How far a change is that is being settled.
const READ: &str = "left in flight by an earlier process: the system is being read";

/// All records were looked through. What the past felt like is read first: an outcome tells what
/// users feel by then.
pub(super) fn found(core: &mut Core, open: Vec<OpenIntent>) -> Vec<Effect> {
    know(core, open);
    if core.backfilling > 0 { Vec::new() } else { settle(core) }
}

/// An incident's record is written from here on: what it holds open is settled in it.
pub(super) fn taken_up(core: &mut Core, held: &Holder, entries: &[Entry]) -> Vec<Effect> {
    let open = open_intents(entries).into_iter().map(|(entry, plan)| OpenIntent::of(entry, plan, held.clone()));
    know(core, open.collect());
    settle(core)
}

/// The hour before is carried into an incident that is declared: so is what was left in flight in
/// it, and its outcome is to be told in that record too.
pub(super) fn carried_over(core: &mut Core, held: &Holder, before: &[Dated]) -> Vec<Effect> {
    let bodies = || before.iter().map(|dated| (dated, &dated.draft.body));
    let ended = |id: &PlanId| bodies().any(|(_, body)| matches!(body, Some(Body::Outcome { plan, .. }) if plan == id));
    let open = bodies().filter_map(|(dated, body)| match body {
        Some(Body::Intent(plan)) if !ended(&plan.id) => Some(OpenIntent {
            plan: (**plan).clone(),
            at: dated.occurred_at,
            held: held.clone(),
            begun: dated.draft.detail.clone(),
        }),
        _ => None,
    });
    know(core, open.collect());
    settle(core)
}

/// Others left it in flight: `brought` comes into the incident's record by now, and what that holds
/// open is nobody's any more, unless it is under way.
pub(super) fn left_by_others(core: &mut Core, held: &Holder, brought: &[Dated]) -> Vec<Effect> {
    let theirs = |plan: &Plan| core.desk.under_way.iter().any(|(id, _)| *id == plan.id);
    let open = open_intents(core.current_entries());
    let open = open.into_iter().filter(|(_, plan)| !theirs(plan));
    let open: Vec<_> = open.map(|(entry, plan)| OpenIntent::of(entry, plan, held.clone())).collect();
    let before = core.open_intents.len();
    know(core, open);
    let mut effects = if core.open_intents.len() > before { settle(core) } else { Vec::new() };
    if brought.iter().any(|dated| matches!(dated.draft.body, Some(Body::Intent(_)))) {
        effects.extend(carried_over(core, held, brought));
    }
    effects
}

fn know(core: &mut Core, open: Vec<OpenIntent>) {
    for one in open {
        if !core.open_intents.iter().any(|known| known.plan.id == one.plan.id) && !is_mine(core, &one.plan) {
            core.open_intents.push(one);
        }
    }
    core.open_intents.sort_by_key(|one| one.at);
}

fn is_mine(core: &Core, plan: &Plan) -> bool {
    core.actions.iter().any(|action| action.plan.id == plan.id)
}

/// Has each system read that was left with a change in flight. Only a session that may write has
/// an engine to ask them with; any other lists what is open.
pub(super) fn settle(core: &mut Core) -> Vec<Effect> {
    if core.open_intents.is_empty() {
        return Vec::new();
    }
    if let Some(why) = acting::why_not_act(core) {
        let all: Vec<_> = core.open_intents.iter().map(OpenIntent::words).collect();
        let (left, how) = (all.join("; "), how_to_settle(&core.facing.env));
        core.say(
            NoticeKind::Error,
            format!("left in flight, and this session cannot tell how it ended: {left} ({why}). {how}"),
        );
        return Vec::new();
    }
    let (mut effects, actor) = (Vec::new(), core.actor.clone());
    for open in core.open_intents.clone() {
        if is_mine(core, &open.plan) {
            continue;
        }
        core.actions.push(Action {
            plan: open.plan.clone(),
            at: open.at,
            state: ActionState::Under(Safe::fixed(READ)),
            undone_by: None,
        });
        effects.push(Effect::Settle { open: Box::new(open), last: false, actor: actor.clone() });
    }
    effects
}

/// What could not be settled before is tried once more, for a person who wants it over: what stood in
/// its way may be gone, and if it is not, nobody will know.
pub(super) fn again(core: &mut Core) -> Vec<Effect> {
    let (mut effects, actor) = (Vec::new(), core.actor.clone());
    for open in core.open_intents.clone() {
        let stuck = core.actions.iter_mut().find(|action| {
            action.plan.id == open.plan.id && matches!(action.state, ActionState::Ended(Outcome::Unknown { .. }))
        });
        if let Some(action) = stuck {
            action.state = ActionState::Under(Safe::fixed(READ));
            effects.push(Effect::Settle { open: Box::new(open), last: true, actor: actor.clone() });
        }
    }
    effects
}

/// The outcome is durable, in the record that holds the intent or in another one.
pub(super) fn settled(core: &mut Core, entry: &Entry) -> Vec<Effect> {
    let Some(Body::Outcome { plan: id, .. }) = &entry.draft.body else { return Vec::new() };
    let here = core.incident.as_ref().map(|incident| &incident.id);
    let held = core.open_intents.iter().find(|open| open.plan.id == *id).and_then(|open| open.held.incident());
    if here.is_some() && held == here {
        // It stands beside what this session writes: the record has it.
        let known = core.entries.iter().any(|known| known.id == entry.id);
        return if known { Vec::new() } else { recording::keep(core, entry.clone()) };
    }
    core.desk.ends.push(entry.clone());
    tell_ends(core)
}

/// Brings the outcomes that other records tell into the one that is written now, if it tells their
/// beginning: that may have been carried into it while they were read.
pub(super) fn tell_ends(core: &mut Core) -> Vec<Effect> {
    let on_its_way = |id: &PlanId| {
        let mut bodies = core.desk.in_flight.values().map(|(dated, _)| &dated.draft.body);
        bodies.any(|body| matches!(body, Some(Body::Outcome { plan, .. }) if plan == id))
    };
    let open: Vec<PlanId> = open_intents(core.current_entries())
        .into_iter()
        .map(|(_, plan)| plan.id.clone())
        .filter(|id| !on_its_way(id))
        .collect();
    let lacking = core
        .desk
        .ends
        .iter()
        .filter(|end| matches!(&end.draft.body, Some(Body::Outcome { plan, .. }) if open.contains(plan)));
    let lacking: Vec<Dated> = lacking.map(carried).collect();
    let mut effects = Vec::new();
    for dated in lacking {
        effects.push(recording::record(core, dated, Durability::Now, Next::Nothing));
    }
    effects
}

/// An outcome is known and durable. A change for a time that no entry here tells of is left over
/// all the same.
pub(super) fn over(core: &mut Core, plan: &Plan, outcome: &Outcome) {
    let Some(at) = core.open_intents.iter().position(|open| open.plan.id == plan.id) else { return };
    let open = core.open_intents.remove(at);
    let one = Leftover { incident: open.held.incident().cloned(), plan: open.plan, at: open.at };
    if outcome.may_be_on() && !one.plan.request.is_undo() && one.lasts(core.now) {
        core.desk.left_before.push(one);
    }
    owning::weigh(core);
}

/// Why the incident cannot be closed yet, if so: a sealed record could not tell how it ended.
pub(super) fn why_not_close(core: &Core) -> Option<String> {
    if let [(_, title), ..] = core.desk.under_way.as_slice() {
        return Some(format!(
            "not closed: {title} is under way in another session; close it when its outcome is known"
        ));
    }
    let open: Vec<_> = open_intents(core.current_entries())
        .into_iter()
        .map(|(entry, plan)| crate::record::begun(plan, entry.occurred_at))
        .collect();
    let how = how_to_settle(&core.facing.env);
    (!open.is_empty()).then(|| format!("not closed, because no outcome is recorded of {}. {how}", open.join("; ")))
}

/// What an incident's record tells was done to the systems: what `:undo` can take back.
pub(super) fn actions_of(entries: &[Entry]) -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    for entry in entries {
        match &entry.draft.body {
            Some(Body::Outcome { plan: id, outcome }) => {
                let intended = entries.iter().find_map(|intent| match &intent.draft.body {
                    Some(Body::Intent(plan)) if plan.id == *id => Some((&**plan, intent.occurred_at)),
                    _ => None,
                });
                let Some((plan, at)) = intended else { continue };
                // The last word on it: a successor may settle what was unknown.
                actions.retain(|action| action.plan.id != *id);
                if let Request::Undo { plan: of } = &plan.request
                    && outcome.is_applied()
                    && let Some(before) = actions.iter_mut().find(|action| action.plan.id == of.id)
                {
                    before.undone_by = Some(id.clone());
                }
                let state = ActionState::Ended(outcome.clone());
                actions.push(Action { plan: plan.clone(), at, state, undone_by: None });
            }
            // Under another record, by a plan that this one does not know.
            Some(Body::Undone { plan: id }) => actions.retain(|action| action.plan.id != *id),
            _ => {}
        }
    }
    actions.sort_by_key(|action| action.at);
    actions
}
