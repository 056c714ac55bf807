//! Signals and time: into the picture, and from its findings to the record.

use chrono::TimeDelta;

use crate::clock::World;
use crate::model::entry::{Actor, ActorKind, Body, Draft, EntryKind, EntryOrigin, Evidence};
use crate::model::finding::{Excerpt, Finding};
use crate::model::plan::FieldChange;
use crate::model::signal::{Signal, Stamped};
use crate::record::Durability;
use crate::session::core::{Core, Next};
use crate::session::message::Dated;
use crate::session::{Effect, NoticeKind, WriteWindow};
use crate::text::Safe;

use super::{acting, beside, carrying, claiming, granting, owning, recording, settling};

/// Replicas that an action set are seen to be set within this long.
const OWN: TimeDelta = TimeDelta::minutes(5);
/// A cluster's clock and ours differ by less than this.
const CLOCKS: TimeDelta = TimeDelta::seconds(30);
/// A notice stays this long.
const NOTICE: TimeDelta = TimeDelta::seconds(30);
/// Detectors that go by time are asked this often while the past is replayed.
const REPLAY_STEP: TimeDelta = TimeDelta::seconds(15);
/// No history reaches back further; a time before is a system's slip, and is not walked to.
const REPLAYED: TimeDelta = TimeDelta::hours(25);
/// The rolling record lets go of what is too old this often.
const FORGET: TimeDelta = TimeDelta::minutes(1);
/// A clock that is set right moves by less than this backwards.
const BACK: TimeDelta = TimeDelta::seconds(5);
/// A machine that did not sleep ticks at least this often.
const AHEAD: TimeDelta = TimeDelta::minutes(2);

/// World time passes.
pub(super) fn tick(core: &mut Core, now: World) -> Vec<Effect> {
    let mut effects = jumped(core, now);
    core.now = core.now.max(now);
    if core.backfilling == 0 {
        let findings = core.picture.tick(core.now);
        effects.extend(tell(core, findings));
        effects.extend(track(core));
    }
    if let WriteWindow::Open { until, .. } = &core.window
        && *until <= core.now
    {
        effects.extend(acting::window_ran_out(core, "write window ran out"));
    }
    effects.extend(acting::refresh_if_expired(core));
    effects.extend(granting::tick(core));
    owning::tick(core);
    if core.incident.is_some() {
        effects.extend(beside::tick(core));
    }
    if core.incident.is_none() && !core.desk.declaring && core.desk.forgotten + FORGET < core.now {
        core.desk.forgotten = core.now;
        owning::keep(core);
        carrying::forget_old(core);
    }
    if core.notice.as_ref().is_some_and(|notice| notice.at + NOTICE < core.now) {
        core.notice = None;
    }
    effects
}

/// This machine's clock was set, or it slept. Time that went back is followed, with the write
/// window closed: its end would be hours away otherwise. Time that nobody watched is a gap.
fn jumped(core: &mut Core, now: World) -> Vec<Effect> {
    // A drill's world is driven: it does not jump, it may only be far behind the wall.
    if core.facing.drill {
        return Vec::new();
    }
    let before = core.now;
    let (kind, what, from, to) = if now < before - BACK {
        core.now = now;
        // What is done once a minute is not put off until the time comes that it was before.
        core.desk.sampled.back_to(now);
        core.desk.forgotten = core.desk.forgotten.min(now);
        (
            "the clock went back",
            format!("the clock of this machine went back by {} s", (before - now).num_seconds()),
            now,
            before,
        )
    } else if now > before + AHEAD && core.desk.ticked {
        core.now = now;
        let minutes = (now - before).num_minutes();
        ("slept", format!("nothing was seen for {minutes} min: this machine slept, or its clock was set"), before, now)
    } else {
        core.desk.ticked = true;
        return Vec::new();
    };
    let mut effects = Vec::new();
    if now < before && core.window != WriteWindow::Closed {
        effects.extend(acting::window_ran_out(core, "write window closed: the clock went back"));
    }
    core.say(NoticeKind::Error, what.clone());
    let draft = Draft {
        actor: Actor::system(),
        origin: EntryOrigin::Auto,
        body: Some(Body::Gap { from, to }),
        ..recording::said(core, EntryKind::Gap, kind, what)
    };
    let dated = Dated { draft, occurred_at: from, observed_at: now };
    effects.push(recording::record(core, dated, Durability::Now, Next::Nothing));
    effects
}

/// Sources speak. While the past is still being read, only their states are taken in at once, and
/// what a cluster is like now and which alerts fire, to be shown: detectors must meet what happened
/// before first, so what they make of it waits.
pub(super) fn signals(core: &mut Core, signals: Vec<Stamped<Signal>>) -> Vec<Effect> {
    if core.backfilling == 0 {
        return take(core, signals);
    }
    let mut effects = Vec::new();
    for signal in signals {
        match signal.body {
            Signal::Link(_) => effects.extend(take(core, vec![signal])),
            Signal::PodNames(_)
            | Signal::Pods(_)
            | Signal::Usage(_)
            | Signal::Workloads(_)
            | Signal::Nodes(_)
            | Signal::Autoscalers(_) => {
                let findings = core.picture.apply(signal);
                core.desk.held.extend(findings);
            }
            Signal::Alerts(_) => {
                core.picture.preview(signal.clone());
                claiming::claim_again(core);
                core.desk.deferred.push(signal);
            }
            Signal::Logs(_) | Signal::Event(_) | Signal::Samples(_) | Signal::Change(_) | Signal::Gap(_) => {
                core.desk.deferred.push(signal)
            }
        }
    }
    effects
}

/// The past is known: it is replayed in order, with time passing in between, then what was noticed
/// and said meanwhile.
pub(super) fn back_filled(core: &mut Core, past: Vec<Stamped<Signal>>) -> Vec<Effect> {
    let mut effects = Vec::new();
    core.picture.replay();
    let earliest = core.now - REPLAYED;
    let mut next = past.first().map(|first| first.occurred.max(earliest) + REPLAY_STEP);
    for signal in past {
        while let Some(at) = next
            && at <= signal.occurred.min(core.now)
        {
            let findings = core.picture.tick(at);
            effects.extend(tell(core, findings));
            next = Some(at + REPLAY_STEP);
        }
        effects.extend(take(core, vec![signal]));
    }
    core.backfilling = 0;
    core.picture.recalled(core.now);
    let held = std::mem::take(&mut core.desk.held);
    effects.extend(tell(core, held));
    let deferred = std::mem::take(&mut core.desk.deferred);
    effects.extend(take(core, deferred));
    effects.push(last_hour(core));
    effects.extend(settling::settle(core));
    effects
}

/// The tracks of the last hour, as far as the picture knows them.
pub(super) fn last_hour(core: &mut Core) -> Effect {
    Effect::Track(core.desk.sampled.hour(&mut core.picture, core.now))
}

fn take(core: &mut Core, signals: Vec<Stamped<Signal>>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for signal in signals {
        let alerts = matches!(signal.body, Signal::Alerts(_));
        let findings = core.picture.apply(signal);
        if alerts {
            claiming::claim_again(core);
        }
        effects.extend(tell(core, findings));
    }
    effects.extend(core.scans.keep_up(&core.picture.logs));
    effects
}

/// Findings become entries, each once.
fn tell(core: &mut Core, findings: Vec<Finding>) -> Vec<Effect> {
    findings
        .into_iter()
        .filter_map(|finding| {
            if !core.desk.told.insert((finding.kind, finding.dedupe.clone(), finding.occurred)) {
                return None;
            }
            let occurred_at = finding.occurred;
            let durability = match finding.kind {
                EntryKind::WarningEvent | EntryKind::Gap | EntryKind::Unschedulable => Durability::Soon,
                _ => Durability::Now,
            };
            let own = own_scale(core, &finding);
            let mut draft = draft(finding);
            if let Some((actor, action)) = own {
                draft.actor = actor;
                draft.detail = Some(action);
            }
            let dated = Dated { draft, occurred_at, observed_at: core.now };
            Some(recording::record(core, dated, durability, Next::Nothing))
        })
        .collect()
}

/// Of replicas that an action of this record set: who took it, and which it was. The target is
/// known by its UID: another object of that name was set by somebody else.
fn own_scale(core: &Core, finding: &Finding) -> Option<(Actor, Safe)> {
    let key = finding.workload.as_ref().filter(|_| finding.kind == EntryKind::Rescaled)?;
    let uid = &core.picture.workloads.row(key)?.workload.as_ref()?.uid;
    core.entries.iter().rev().find_map(|entry| {
        let Some(Body::Intent(plan)) = &entry.draft.body else { return None };
        let replicas =
            |change: &FieldChange| change.pointer == "/spec/replicas" && Some(&change.after) == finding.after.as_ref();
        let since = finding.occurred - entry.occurred_at;
        let meant = plan.target.uid.as_ref() == Some(uid)
            && plan.changes.iter().any(replicas)
            && (-CLOCKS..=OWN).contains(&since);
        let action = || format!("by the action of {}, {}", entry.occurred_at.format("%H:%M:%SZ"), plan.id.0);
        meant.then(|| (entry.draft.actor.clone(), Safe::from(action())))
    })
}

/// Who made a change, as its source tells. A note on it may be a whole command: that is no name.
fn changed_by(by: Option<&Safe>) -> Actor {
    let name = by.filter(|by| !by.is_empty() && by.len() <= 100 && !by.contains(char::is_whitespace));
    let kind = if name.is_some_and(|name| name.contains('@')) { ActorKind::Human } else { ActorKind::Automation };
    match name {
        Some(name) => Actor { kind, name: name.clone(), known_by: Some(Safe::fixed("the change's source")) },
        None => Actor { kind, name: Safe::fixed("unknown"), known_by: None },
    }
}

fn draft(finding: Finding) -> Draft {
    Draft {
        kind: finding.kind,
        source: finding.origin.to_string().into(),
        subject: finding.subject,
        title: finding.title,
        detail: finding.detail,
        actor: match finding.kind {
            EntryKind::Rollout | EntryKind::Rescaled => changed_by(finding.by.as_ref()),
            _ => Actor::system(),
        },
        service: finding.service,
        before: finding.before,
        after: finding.after,
        evidence: evidence(finding.evidence, finding.excerpt),
        dedupe: Some(finding.dedupe),
        origin: EntryOrigin::Auto,
        pinned: false,
        body: match finding.until {
            _ if !finding.alert.is_empty() => Some(Body::Alert { keys: finding.alert }),
            until => until.map(|to| Body::Gap { from: finding.occurred, to }),
        },
    }
}

fn evidence(query: Option<Safe>, excerpt: Option<Excerpt>) -> Vec<Evidence> {
    let evidence = match (query, excerpt) {
        (None, None) => return Vec::new(),
        (query, None) => Evidence { query, ..Evidence::default() },
        (query, Some(Excerpt { shown, all, lines })) => {
            Evidence { query, excerpt: Some(shown), lines: Some(lines), file: None, kept: all }
        }
    };
    vec![evidence]
}

/// The samples of the minutes that are over by now, and what came late of earlier ones.
fn track(core: &mut Core) -> Option<Effect> {
    let samples = core.desk.sampled.due(&mut core.picture, core.now);
    (!samples.is_empty()).then_some(Effect::Track(samples))
}
