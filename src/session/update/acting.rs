//! From a wish to a confirmed plan. The systems themselves are changed by the engine alone.

use crate::model::command::WorkloadChoice;
use crate::model::entry::EntryKind;
use crate::model::name::{Kind, Target, WorkloadKey};
use crate::model::plan::{Outcome, Plan, PlanId, Refusal, Replicas, Request, Revision, Tier};
use crate::observe::workloads::WorkloadRow;
use crate::record::Durability;
use crate::respond::{Cluster, Engine};
use crate::session::core::{Core, Next};
use crate::session::{Action, ActionState, Effect, NoticeKind, PlanView, WriteWindow};
use crate::text::Safe;

use super::{declared, granting, naming, owning, recording, settling, silencing};

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
    core.desk.pass.withdraw();
    // A plan that is shown stays readable; it is neither confirmed nor read again, since even a
    // dry run is a request to write.
    let why = why_not_now(core).map(Safe::from);
    let mut effects = granting::over(core);
    core.desk.planning = None;
    match &mut core.plan {
        Some(PlanView::Shown { blocked, .. }) => *blocked = why,
        Some(PlanView::Planning { .. }) => core.plan = None,
        Some(PlanView::Refused { .. }) | None => {}
    }
    let mut draft = recording::said(core, EntryKind::WriteWindow, core.facing.env.0.clone(), title);
    draft.before = Some(Safe::fixed("open"));
    draft.after = Some(Safe::fixed("read-only"));
    effects.push(recording::record_now(core, draft, Durability::Now, Next::CloseWindow));
    effects
}

pub(super) fn why_not_act(core: &Core) -> Option<String> {
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
    of_workload(core, choice, |target| Request::Scale { target, to })
}

/// Other bounds, of the autoscaler that the workload has.
pub(super) fn bound(core: &mut Core, choice: &WorkloadChoice, floor: Option<u32>, cap: Option<u32>) -> Vec<Effect> {
    let scaler = naming::target(core, choice).map(|target| {
        let key = WorkloadKey { kind: target.kind, path: target.path };
        let row = core.picture.workloads.row(&key);
        let path = row.and_then(|row| row.autoscaler.as_ref()).map(|one| one.path.clone());
        (key, path)
    });
    if let Ok((key, None)) = &scaler
        && matches!(key.kind, Kind::Deployment | Kind::StatefulSet)
    {
        core.say(NoticeKind::Error, format!("{key} has no autoscaler that is known: `:scale` sets its replicas"));
        return Vec::new();
    }
    of_workload(core, choice, |target| match scaler {
        Ok((_, Some(path))) => {
            let target = Target { kind: Kind::HorizontalPodAutoscaler, path, uid: None, ..target };
            Request::Bound { target, floor, cap }
        }
        _ => Request::Bound { target, floor, cap },
    })
}

pub(super) fn roll_back(core: &mut Core, choice: &WorkloadChoice, to: Revision) -> Vec<Effect> {
    of_workload(core, choice, |target| Request::RollBack { target, to })
}

pub(super) fn restart(core: &mut Core, choice: &WorkloadChoice) -> Vec<Effect> {
    of_workload(core, choice, |target| Request::Restart { target })
}

pub(super) fn abort(core: &mut Core, choice: &WorkloadChoice) -> Vec<Effect> {
    of_workload(core, choice, |target| Request::Abort { target })
}

/// A plan of what is wanted of one workload.
fn of_workload(core: &mut Core, choice: &WorkloadChoice, wish: impl FnOnce(Target) -> Request) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    match naming::target(core, choice) {
        Ok(target) => want(core, wish(target)),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

pub(super) fn evacuate(core: &mut Core, of: &Safe, zone: Safe, minutes: u32) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    match declared::balancer(core, of) {
        Ok(target) => want(core, Request::Evacuate { target, zone, minutes }),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

/// What the plan that is shown offers instead of itself.
pub(super) fn instead(core: &mut Core) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    let offered = match &core.plan {
        Some(PlanView::Shown { plan, .. }) => plan.instead.as_ref().map(|instead| (*instead.request).clone()),
        _ => None,
    };
    match offered {
        Some(request) => want(core, request),
        None => {
            core.say(NoticeKind::Error, "no plan is shown that offers another one instead");
            Vec::new()
        }
    }
}

pub(super) fn undo(core: &mut Core) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    let last = core.actions.iter().rev().find(|action| action.undoable());
    match last.map(|action| action.plan.clone()) {
        Some(applied) => want(core, Request::Undo { plan: Box::new(applied) }),
        None => {
            core.say(NoticeKind::Error, "nothing is known to have been applied that could be undone");
            Vec::new()
        }
    }
}

/// Asks for a plan, if one may be confirmed here now.
pub(super) fn want(core: &mut Core, request: Request) -> Vec<Effect> {
    if let Some(why) = why_not_now(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    plan(core, request)
}

fn plan(core: &mut Core, request: Request) -> Vec<Effect> {
    let ticket = core.next_ticket();
    let what = request.words();
    core.desk.planning = Some(ticket);
    // Whoever asks for another plan has left the one whose glass was about to break.
    let mut effects = match &core.plan {
        Some(PlanView::Shown { plan, .. }) if plan.request == request => Vec::new(),
        _ => granting::put_away(core),
    };
    // A plan that is being renewed stays readable meanwhile, and cannot be confirmed.
    match &mut core.plan {
        Some(PlanView::Shown { plan, blocked }) if plan.request == request => {
            *blocked = Some(Safe::fixed("it is being read again"));
        }
        shown => *shown = Some(PlanView::Planning { what: what.into(), since: core.now }),
    }
    let cluster = Cluster { by: core.actor.name.clone(), ..cluster(core, &request) };
    effects.push(Effect::Plan { ticket, request, cluster, incident: core.incident.is_some() });
    effects
}

/// How many replicas a request comes to at least, if it says so.
fn wanted(request: &Request) -> Option<Replicas> {
    match request {
        Request::Scale { to, .. } => Some(*to),
        Request::Bound { floor, .. } => floor.map(Replicas::Exactly),
        Request::Undo { plan } => {
            let counts = ["/spec/replicas", "/spec/minReplicas", "/spec/minReplicaCount"];
            let change = plan.changes.iter().find(|change| counts.contains(&change.pointer.as_str()))?;
            change.before.parse().ok().map(Replicas::Exactly)
        }
        _ => None,
    }
}

/// What the picture knows of a request's target.
fn cluster(core: &Core, request: &Request) -> Cluster {
    // What is changed may be the workload's autoscaler; an undo names what was changed.
    let target = request.origin().target();
    if target.kind == Kind::Silence {
        return silencing::cluster(core, target, request);
    }
    let row =
        core.picture.workloads.rows().iter().filter(|row| row.origin.env == target.origin.env).find(|row| match target
            .kind
        {
            Kind::HorizontalPodAutoscaler => row.autoscaler.as_ref().is_some_and(|one| one.path == target.path),
            kind => row.origin == target.origin && row.key.kind == kind && row.key.path == target.path,
        });
    let Some(row) = row else { return declared::known(core, target) };
    let added = row.workload.as_ref().map_or(0, |workload| match (request.origin(), wanted(request)) {
        (_, Some(Replicas::Exactly(wanted))) => wanted.saturating_sub(workload.desired),
        (_, Some(Replicas::By(more))) => u32::try_from(more).unwrap_or(0),
        // So many at the most are there in addition while all are replaced.
        (Request::RollBack { .. } | Request::Restart { .. }, None) => workload.desired,
        (_, None) => 0,
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
    parts.extend(row.service.as_ref().map(|name| declared::signals(core, name)).unwrap_or_default());
    (!parts.is_empty()).then(|| parts.join("; ").into())
}

/// A plan was made or refused.
pub(super) fn planned(core: &mut Core, ticket: u64, result: Result<Plan, Refusal>) -> Vec<Effect> {
    if core.desk.planning != Some(ticket) {
        return Vec::new();
    }
    core.desk.planning = None;
    let before = core.plan.take();
    let plan = match result {
        Ok(plan) => plan,
        Err(refusal) => {
            core.plan = Some(PlanView::Refused { why: refusal.why });
            return granting::put_away(core);
        }
    };
    let blocked = Engine::blocked(&plan).or_else(|| granting::blocked(core, &plan));
    // The glass is not broken for what cannot go ahead, or goes ahead without.
    let mut effects = if blocked.is_some() || plan.tier < Tier::Grave { granting::put_away(core) } else { Vec::new() };
    if let Some(PlanView::Shown { plan: old, .. }) = before {
        if let Some(why) = Engine::voided(&old, &plan) {
            core.say(NoticeKind::Error, format!("the plan is another now, look at it anew: {why}"));
        } else if let (None, Some(why)) = (Engine::blocked(&old), &blocked) {
            core.say(NoticeKind::Error, format!("the plan cannot be confirmed any more: {why}"));
        }
    }
    if blocked.is_none() {
        effects.extend(granting::ask(core, &plan));
    }
    core.plan = Some(PlanView::Shown { blocked, plan: Box::new(plan) });
    effects
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

/// The incident is closed: nobody is asked for it any more, and a plan that was judged in it is
/// read again.
pub(super) fn incident_closed(core: &mut Core) -> Vec<Effect> {
    let mut effects = granting::over(core);
    let shown = match &core.plan {
        Some(PlanView::Shown { plan, .. }) if why_not_now(core).is_none() => Some(plan.request.clone()),
        _ => None,
    };
    effects.extend(shown.map(|request| plan(core, request)).unwrap_or_default());
    effects
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
    // Its intent would stand behind the word that closes the record.
    if core.desk.closing {
        core.say(NoticeKind::Error, "not confirmed: the incident is being closed; look at the plan anew when it is");
        return Vec::new();
    }
    let Some(PlanView::Shown { plan, blocked }) = &core.plan else {
        core.say(NoticeKind::Error, "no plan is shown: there is nothing to confirm");
        return Vec::new();
    };
    let name = plan.name_to_type();
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
        (None, Tier::Lowers | Tier::Grave) if typed.is_none_or(|typed| *typed != *name) => {
            Some(format!("the plan takes more than a key: type the target's name, `{name}`, to confirm it"))
        }
        (None, _) => None,
    };
    let warrant = match why {
        Some(why) => Err(why),
        None => granting::warrant(core, plan).map_err(|why| format!("not confirmed: {why}")),
    };
    let warrant = match warrant {
        Ok(warrant) => warrant,
        Err(why) => {
            core.say(NoticeKind::Error, why);
            return Vec::new();
        }
    };
    let mut plan = (**plan).clone();
    // The engine looks at the time once more before it writes: the window may have run out by then.
    if let WriteWindow::Open { until, .. } = &core.window {
        plan.expires_at = plan.expires_at.min(*until);
    }
    core.plan = None;
    core.actions.push(Action {
        plan: plan.clone(),
        at: core.now,
        state: ActionState::Under(Safe::fixed("the intent is being recorded")),
        undone_by: None,
    });
    // Whoever consented did so to this one, once.
    let mut effects = if warrant.is_some() { granting::over(core) } else { Vec::new() };
    let incident = core.incident.is_some();
    let (actor, pass) = (core.actor.clone(), core.desk.pass.clone());
    effects.push(Effect::Apply { plan, warrant, actor, incident, pass });
    effects
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
    let recorded = result.is_ok();
    let (kind, outcome) = match result {
        // Whether it was made is as unknown as before.
        Err(refusal) if core.open_intents.iter().any(|open| open.plan.id == *plan) => {
            (NoticeKind::Error, Outcome::Unknown { why: refusal.why })
        }
        Ok(outcome) if outcome.is_applied() => (NoticeKind::Done, outcome),
        Ok(outcome) => (NoticeKind::Error, outcome),
        Err(refusal) => (NoticeKind::Error, Outcome::Refused { why: refusal.why }),
    };
    let text = format!("{}: {}, {}", core.actions[at].plan.title, outcome.as_str(), outcome.words());
    let (applied, told) = (core.actions[at].plan.clone(), outcome.clone());
    if recorded {
        settling::over(core, &applied, &told);
    }
    let action = &mut core.actions[at];
    let undone = match &action.plan.request {
        Request::Undo { plan } if outcome.is_applied() => Some(plan.id.clone()),
        _ => None,
    };
    action.state = ActionState::Ended(outcome);
    if let Some(undone) = undone
        && let Some(before) = core.actions.iter_mut().find(|action| action.plan.id == undone)
    {
        before.undone_by = Some(plan.clone());
    }
    core.say(kind, text);
    owning::undone(core, &applied, &told)
}

/// An applied plan ended, and that is not in the record: what is known of it counts all the same,
/// and nothing more is changed without a record.
pub(super) fn unrecorded(core: &mut Core, plan: &PlanId, outcome: Outcome, why: Safe) -> Vec<Effect> {
    if let Some(action) = core.actions.iter_mut().find(|action| action.plan.id == *plan) {
        action.state = ActionState::Ended(outcome);
    }
    core.cannot_record(why).into_iter().collect()
}
