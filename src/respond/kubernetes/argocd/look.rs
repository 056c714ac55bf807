//! What an Application shows of a rollback, or of auto-sync that was turned on or off.

use serde::Deserialize as _;
use serde_json::Value;

use crate::clock::World;
use crate::model::plan::Plan;
use crate::respond::Seen;
use crate::respond::kubernetes::fields::OPERATION;
use crate::respond::kubernetes::said;

use super::objects::{App, OperationState};
use super::{block, is_on, version};

/// What the Application shows of `plan`, whose fields it holds.
pub(in crate::respond::kubernetes) fn look(plan: &Plan, object: &Value) -> Seen {
    let app = match App::deserialize(object) {
        Ok(app) => app,
        Err(error) => return Seen::Unread { why: said(&format!("{} could not be understood ({error})", plan.target)) },
    };
    if plan.changes.iter().any(|change| change.pointer == OPERATION) {
        return synced(&app);
    }
    let on = plan.changes.iter().any(|change| block(change, &change.after).is_some_and(|after| is_on(&after)));
    if on { forward(&app, plan.read_at) } else { held_still(&app) }
}

/// A rollback is live when its own sync has succeeded and what it made is healthy, by a look that
/// Argo CD took afterwards: the one before tells of what ran before.
fn synced(app: &App) -> Seen {
    let Some(state) = &app.status.operation_state else {
        return Seen::Under { words: said("Argo CD has not taken it up yet") };
    };
    if app.operation.is_some() {
        // Its status may still be that of the operation before.
        let going = ["Running", "Terminating"].contains(&state.phase.as_str());
        let words = match (going, state.message.as_str()) {
            (true, "") => state.phase.clone(),
            (true, message) => format!("{}: {message}", state.phase),
            (false, _) => "Argo CD has not taken it up yet".to_owned(),
        };
        return Seen::Under { words: said(&words) };
    }
    match state.phase.as_str() {
        "Succeeded" => {}
        "Failed" | "Error" => {
            return Seen::Failed { why: said(&format!("the sync {}: {}", state.phase.to_lowercase(), state.message)) };
        }
        phase => return Seen::Under { words: said(&format!("{phase}: {}", state.message)) },
    }
    let revision = state
        .sync_result
        .as_ref()
        .map_or_else(String::new, |result| version::short(&result.revision, &result.revisions));
    healthy(app, state, &format!("{revision} is synced"))
}

fn healthy(app: &App, state: &OperationState, words: &str) -> Seen {
    let health = match app.status.health.status.as_str() {
        "" => "of unknown health",
        health => health,
    };
    if health == "Healthy" && is_after(&app.status.reconciled_at, &state.finished_at) {
        return Seen::Live { words: said(&format!("{words} and Healthy")) };
    }
    let old = if health == "Healthy" { ", as it was before" } else { "" };
    Seen::Under { words: said(&format!("{words}, {health}{old}")) }
}

/// Auto-sync is back when Argo CD has followed git once more: a comparison after the plan says
/// that nothing differs, or a sync of its own has succeeded.
fn forward(app: &App, since: World) -> Seen {
    let status = &app.status;
    let git = version::short(&status.sync.revision, &status.sync.revisions);
    let state = status.operation_state.as_ref();
    // Its times are whole seconds.
    let later = |text: &str| time(text).is_some_and(|at| at.timestamp() >= since.timestamp());
    let own = state.filter(|state| state.operation.initiated_by.automated && later(&state.started_at));
    if app.operation.is_some() {
        return Seen::Under { words: said(&format!("auto-sync is on; it rolls forward to {git}")) };
    }
    if let Some(state) = own {
        return match state.phase.as_str() {
            "Succeeded" => healthy(app, state, &format!("auto-sync is on, {git} is synced")),
            "Failed" | "Error" => Seen::Failed {
                why: said(&format!("auto-sync is on, but its sync {}: {}", state.phase.to_lowercase(), state.message)),
            },
            phase => Seen::Under { words: said(&format!("auto-sync is on; {phase}: {}", state.message)) },
        };
    }
    let compared = time(&status.reconciled_at).is_some_and(|at| at > since)
        && state.is_none_or(|state| is_after(&status.reconciled_at, &state.finished_at));
    let words = format!("auto-sync is on, {}, {}", status.sync.status, status.health.status);
    if compared && status.sync.status == "Synced" && status.health.status == "Healthy" {
        return Seen::Live { words: said(&words) };
    }
    Seen::Under { words: said(&words) }
}

/// Nothing has to follow: auto-sync is off as soon as the field says so.
fn held_still(app: &App) -> Seen {
    let status = &app.status;
    Seen::Live { words: said(&format!("auto-sync is off; {}, {}", status.sync.status, status.health.status)) }
}

fn time(text: &str) -> Option<World> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// Whether the first is later. Both are of Argo CD's own clock, in whole seconds.
fn is_after(at: &str, other: &str) -> bool {
    time(at).zip(time(other)).is_some_and(|(at, other)| at > other)
}
