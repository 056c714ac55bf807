//! From a wish to a confirmed plan. The systems themselves are changed by the engine alone.

use crate::model::command::WorkloadChoice;
use crate::model::entry::{Body, EntryKind};
use crate::model::name::{Kind, Target};
use crate::model::plan::{Outcome, Plan, PlanId, Refusal, Replicas, Request, Tier};
use crate::observe::workloads::WorkloadRow;
use crate::record::Durability;
use crate::respond::{Cluster, Engine};
use crate::session::core::{Core, Next};
use crate::session::{Action, ActionState, Effect, NoticeKind, PlanView, WriteWindow};
use crate::text::Safe;

use super::{recording, silencing};

pub(super) fn open_write(core: &mut Core, env: &Safe, reason: Safe) -> Vec<Effect> {
    if let Some(why) = why_not_act(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    if *env != core.facing.env.0 {
        let here = core.facing.env.clone();
        core.say(NoticeKind::Error, format!("this is `{here}`, not `{env}`: the write window stays closed"));
        return Vec::new();
    }
    let until = core.now + core.facing.window;
    let title = format!("write window opened until {}: {reason}", until.format("%H:%MZ"));
    let mut draft = recording::said(core, EntryKind::WriteWindow, core.facing.env.0.clone(), title);
    let closed = core.window == WriteWindow::Closed;
    draft.before = Some(Safe::fixed(if closed { "read-only" } else { "open" }));
    draft.after = Some(Safe::fixed("open"));
    vec![recording::record_now(core, draft, Durability::Now, Next::OpenWindow { until, reason })]
}

pub(super) fn close_write(core: &mut Core) -> Vec<Effect> {
    // A window that is about to open does not open any more.
    let mut opening = false;
    for (_, next) in core.desk.in_flight.values_mut() {
        if matches!(next, Next::OpenWindow { .. }) {
            (*next, opening) = (Next::Nothing, true);
        }
    }
    if core.window == WriteWindow::Closed && !opening {
        core.say(NoticeKind::Info, "the write window is closed already");
        return Vec::new();
    }
    shut(core, "write window closed")
}

/// The time of the window is over: it is closed at once, and that is recorded.
pub(super) fn window_ran_out(core: &mut Core, title: &str) -> Vec<Effect> {
    core.say(NoticeKind::Info, "the write window is over: this session is read-only again");
    shut(core, title)
}

fn shut(core: &mut Core, title: &str) -> Vec<Effect> {
    core.window = WriteWindow::Closed;
    // A plan that is shown stays readable; it is neither confirmed nor read again, since even a
    // dry run is a request to write.
    let why = why_not_now(core).map(Safe::from);
    core.desk.planning = None;
    match &mut core.plan {
        Some(PlanView::Shown { blocked, .. }) => *blocked = why,
        Some(PlanView::Planning { .. }) => core.plan = None,
        Some(PlanView::Refused { .. }) | None => {}
    }
    let mut draft = recording::said(core, EntryKind::WriteWindow, core.facing.env.0.clone(), title);
    draft.before = Some(Safe::fixed("open"));
    draft.after = Some(Safe::fixed("read-only"));
    vec![recording::record_now(core, draft, Durability::Now, Next::CloseWindow)]
}

fn why_not_act(core: &Core) -> Option<String> {
    if let Some(why) = &core.journal_failed {
        return Some(format!("actions are off because the journal failed: {why}"));
    }
    (!core.may_act()).then(|| {
        format!(
            "`{}` is read-only by its configuration: `write = \"ask\"` in its section would let plans be confirmed",
            core.facing.env
        )
    })
}

pub(super) fn why_not_now(core: &Core) -> Option<String> {
    why_not_act(core).or_else(|| {
        (core.window == WriteWindow::Closed)
            .then(|| format!("this session is read-only: `:write {} REASON` opens a write window", core.facing.env))
    })
}

pub(super) fn scale(core: &mut Core, choice: &WorkloadChoice, to: Replicas) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    match find(core, choice) {
        Ok(row) => {
            let target = Target {
                origin: row.origin.clone(),
                kind: row.key.kind,
                path: row.key.path.clone(),
                uid: row.workload.as_ref().map(|workload| workload.uid.clone()),
            };
            plan(core, Request::Scale { target, to })
        }
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

fn find<'a>(core: &'a Core, choice: &WorkloadChoice) -> Result<&'a WorkloadRow, String> {
    match choice {
        WorkloadChoice::Exactly(key) => {
            core.picture.workloads.row(key).ok_or_else(|| format!("{key} is not known any more: nothing was planned"))
        }
        WorkloadChoice::Named(name) => match core.picture.workloads.named(name).as_slice() {
            [row] => Ok(row),
            [] => Err(format!("no workload `{name}` is known: nothing was planned")),
            several => {
                let names: Vec<_> = several.iter().take(4).map(|row| row.key.to_string()).collect();
                Err(format!(
                    "`{name}` is not one workload but {}: {}; give its namespace",
                    several.len(),
                    names.join(", ")
                ))
            }
        },
    }
}

pub(super) fn undo(core: &mut Core) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    let last = core.actions.iter().rev().find(|action| {
        action.undone_by.is_none()
            && matches!(
                action.state,
                ActionState::Ended(
                    Outcome::Verified { .. }
                        | Outcome::TimedOut { .. }
                        | Outcome::Failed { .. }
                        | Outcome::Unknown { .. }
                )
            )
    });
    match last.map(|action| action.plan.clone()) {
        Some(applied) => plan(core, Request::Undo { plan: Box::new(applied) }),
        None => {
            core.say(NoticeKind::Error, "nothing was applied in this session that could be undone");
            Vec::new()
        }
    }
}

pub(super) fn plan(core: &mut Core, request: Request) -> Vec<Effect> {
    let ticket = core.next_ticket();
    let what = request.words();
    core.desk.planning = Some(ticket);
    // A plan that is being renewed stays readable meanwhile, and cannot be confirmed.
    match &mut core.plan {
        Some(PlanView::Shown { plan, blocked }) if plan.request == request => {
            *blocked = Some(Safe::fixed("it is being read again"));
        }
        shown => *shown = Some(PlanView::Planning { what: what.into() }),
    }
    let cluster = cluster(core, &request);
    vec![Effect::Plan { ticket, request, cluster }]
}

/// What the picture knows of a request's target.
fn cluster(core: &Core, request: &Request) -> Cluster {
    let target = request.target();
    if target.kind == Kind::Silence {
        return silencing::cluster(core, target, request);
    }
    let to = if let Request::Scale { to, .. } = request { Some(*to) } else { None };
    let row = core
        .picture
        .workloads
        .rows()
        .iter()
        .find(|row| row.origin == target.origin && row.key.kind == target.kind && row.key.path == target.path);
    let Some(row) = row else { return Cluster::default() };
    let added = row.workload.as_ref().map_or(0, |workload| match to {
        Some(Replicas::Exactly(wanted)) => wanted.saturating_sub(workload.desired),
        Some(Replicas::By(more)) => u32::try_from(more).unwrap_or(0),
        None => 0,
    });
    let fit = row.workload.as_ref().and_then(|workload| {
        core.picture.workloads.fit(&row.origin, workload.cpu_request, workload.memory_request, added)
    });
    Cluster {
        fits: fit.map(|fit| fit.fit),
        full: fit.filter(|fit| fit.fit < added).zip(row.workload.as_ref()).map(|(fit, workload)| {
            format!("no more room on {} nodes for {}m cpu each", fit.nodes, workload.cpu_request).into()
        }),
        load: load(core, row),
        service: row.service.clone(),
        ..Cluster::default()
    }
}

/// `cpu 97 % of the limit on 6 pods; errors 31 %, p99 9.8 s`.
fn load(core: &Core, row: &WorkloadRow) -> Option<Safe> {
    let mut parts = Vec::new();
    if let Some(share) = row.cpu_share {
        parts.push(format!("cpu {:.0} % on {} pods", share * 100.0, row.pods.len()));
    }
    if let Some(service) = row.service.as_ref().and_then(|name| core.picture.services.row(name)) {
        parts.extend(service.signals.iter().filter_map(|signal| {
            let (_, value) = signal.latest()?;
            Some(format!("{} {}", signal.name, signal.unit.write(value)))
        }));
    }
    (!parts.is_empty()).then(|| parts.join("; ").into())
}

/// A plan was made or refused.
pub(super) fn planned(core: &mut Core, ticket: u64, result: Result<Plan, Refusal>) -> Vec<Effect> {
    if core.desk.planning != Some(ticket) {
        return Vec::new();
    }
    core.desk.planning = None;
    let before = core.plan.take();
    core.plan = Some(match result {
        Ok(plan) => {
            if let Some(PlanView::Shown { plan: old, .. }) = before
                && let Some(why) = Engine::voided(&old, &plan)
            {
                core.say(NoticeKind::Error, format!("the plan is another now, look at it anew: {why}"));
            }
            PlanView::Shown { blocked: Engine::blocked(&plan), plan: Box::new(plan) }
        }
        Err(refusal) => PlanView::Refused { why: refusal.why },
    });
    Vec::new()
}

pub(super) fn refresh(core: &mut Core) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    match &core.plan {
        Some(PlanView::Shown { plan: shown, .. }) if core.desk.planning.is_none() => {
            let request = shown.request.clone();
            plan(core, request)
        }
        Some(PlanView::Shown { .. } | PlanView::Planning { .. }) => Vec::new(),
        Some(PlanView::Refused { .. }) | None => {
            core.say(NoticeKind::Error, "no plan is shown: there is nothing to read again");
            Vec::new()
        }
    }
}

/// A plan that grew old is read again in place, as long as it may be confirmed at all.
pub(super) fn refresh_if_expired(core: &mut Core) -> Vec<Effect> {
    match &core.plan {
        Some(PlanView::Shown { plan, .. }) if plan.expires_at <= core.now && why_not_now(core).is_none() => {
            refresh(core)
        }
        _ => Vec::new(),
    }
}

/// The window opened: a plan that waited for it is read again.
pub(super) fn window_opened(core: &mut Core) -> Vec<Effect> {
    match &core.plan {
        Some(PlanView::Shown { .. }) => refresh(core),
        _ => Vec::new(),
    }
}

pub(super) fn confirm(core: &mut Core, seen: Option<&PlanId>, typed: Option<&Safe>) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    let Some(PlanView::Shown { plan, blocked }) = &core.plan else {
        core.say(NoticeKind::Error, "no plan is shown: there is nothing to confirm");
        return Vec::new();
    };
    let name = &plan.target.path.name;
    let why = match (blocked, plan.tier) {
        // What is confirmed is what was seen, whatever took its place meanwhile.
        _ if seen != Some(&plan.id) => Some("not confirmed: another plan is shown by now; look at it anew".to_owned()),
        (Some(why), _) => Some(format!("the plan cannot be confirmed: {why}")),
        (None, _) if plan.expires_at <= core.now => {
            core.say(
                NoticeKind::Error,
                "not confirmed: the plan is too old, it is being read again; look at it and confirm it then",
            );
            return refresh(core);
        }
        (None, Tier::Lowers) if typed != Some(name) => {
            Some(format!("the plan takes more than a key: type the target's name, `{name}`, to confirm it"))
        }
        (None, _) => None,
    };
    if let Some(why) = why {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    let plan = (**plan).clone();
    core.plan = None;
    core.actions.push(Action {
        plan: plan.clone(),
        at: core.now,
        state: ActionState::Under(Safe::fixed("the intent is being recorded")),
        undone_by: None,
    });
    vec![Effect::Apply { plan, actor: core.actor.clone() }]
}

pub(super) fn progressed(core: &mut Core, plan: &PlanId, words: Safe) -> Vec<Effect> {
    if let Some(action) = core.actions.iter_mut().find(|action| action.plan.id == *plan) {
        action.state = ActionState::Under(words);
    }
    Vec::new()
}

/// An applied plan ended: by now its outcome is durable.
pub(super) fn ended(core: &mut Core, plan: &PlanId, result: Result<Outcome, Refusal>) -> Vec<Effect> {
    let Some(at) = core.actions.iter().position(|action| action.plan.id == *plan) else { return Vec::new() };
    let (kind, outcome) = match result {
        Ok(outcome @ Outcome::Verified { .. }) => (NoticeKind::Done, outcome),
        Ok(outcome) => (NoticeKind::Error, outcome),
        Err(refusal) => (NoticeKind::Error, Outcome::Refused { why: refusal.why }),
    };
    let action = &mut core.actions[at];
    let text = format!("{}: {}, {}", action.plan.title, outcome.as_str(), outcome.words());
    let undone = match (&action.plan.request, &outcome) {
        (Request::Undo { plan }, Outcome::Verified { .. }) => Some(plan.id.clone()),
        _ => None,
    };
    action.state = ActionState::Ended(outcome);
    if let Some(undone) = undone
        && let Some(before) = core.actions.iter_mut().find(|action| action.plan.id == undone)
    {
        before.undone_by = Some(plan.clone());
    }
    core.say(kind, text);
    Vec::new()
}

/// Intents without an outcome, of processes that are gone: the systems tell what became of them.
/// Only a session that may write has an engine to ask them with.
pub(super) fn settle_open_intents(core: &mut Core) -> Vec<Effect> {
    let mut open: Vec<(Plan, crate::clock::World)> = Vec::new();
    for entry in &core.entries {
        match &entry.draft.body {
            Some(Body::Intent(plan)) => open.push(((**plan).clone(), entry.occurred_at)),
            Some(Body::Outcome { plan, .. }) => open.retain(|(intended, _)| intended.id != *plan),
            _ => {}
        }
    }
    if let Some(why) = why_not_act(core) {
        if !open.is_empty() {
            let left = open.len();
            core.say(
                NoticeKind::Error,
                format!("{left} actions were left in flight, and this session cannot tell how they ended: {why}"),
            );
        }
        return Vec::new();
    }
    let actor = core.actor.clone();
    open.into_iter()
        .map(|(plan, at)| {
            core.actions.push(Action {
                plan: plan.clone(),
                at,
                state: ActionState::Under(Safe::fixed(
                    "left in flight by an earlier process: the system is being read",
                )),
                undone_by: None,
            });
            Effect::Settle { plan, actor: actor.clone() }
        })
        .collect()
}
