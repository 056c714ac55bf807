//! The one place where the core changes: `update` takes a message in and says what is to be done.

mod acting;
mod asking;
mod beside;
mod carrying;
mod claiming;
mod declared;
mod diverting;
mod granting;
mod naming;
mod owning;
mod reading;
mod recording;
mod seeing;
mod settling;
mod silencing;
#[cfg(test)]
mod tests;

use crate::model::command::Command;

use super::{Core, Effect, Message, NoticeKind};

/// Takes a message in. Synchronous and without I/O: the same messages give the same core and
/// the same effects.
pub fn update(core: &mut Core, message: Message) -> Vec<Effect> {
    // Milestones are weighed once for all entries that became durable together, not for each:
    // when nothing more is on its way, at the latest with the next tick or command.
    if matches!(message, Message::Tick(_) | Message::Command(_)) {
        recording::weigh(core);
    }
    let effects = take(core, message);
    if core.desk.in_flight.is_empty() {
        recording::weigh(core);
    }
    effects
}

fn take(core: &mut Core, message: Message) -> Vec<Effect> {
    match message {
        Message::Tick(now) => seeing::tick(core, now),
        Message::Signals(signals) => seeing::signals(core, signals),
        Message::BackFilled(signals) => seeing::back_filled(core, signals),
        Message::Command(command) => obey(core, command),
        Message::Say(text) => {
            core.say(NoticeKind::Error, text);
            Vec::new()
        }
        Message::Recorded { ticket, result } => recording::recorded(core, ticket, result),
        Message::Written { entry, to } => recording::written(core, entry, to.as_ref()),
        Message::IncidentReady { id, title, earlier, before } => {
            recording::incident_ready(core, id, title, earlier, before)
        }
        Message::IncidentRefused(why) => {
            core.desk.declaring = false;
            core.say(NoticeKind::Error, why);
            asking::exports_due(core)
        }
        Message::ResumeFound(offer) => {
            core.resume = (core.incident.is_none() && !core.desk.declaring).then_some(offer);
            Vec::new()
        }
        Message::Planned { ticket, result } => acting::planned(core, ticket, result),
        Message::Progressed { plan, words } => acting::progressed(core, &plan, words),
        Message::Ended { plan, result } => acting::ended(core, &plan, result),
        Message::Unrecorded { plan, outcome, why } => acting::unrecorded(core, &plan, outcome, why),
        Message::Open(open) => settling::found(core, open),
        Message::Settled(entry) => settling::settled(core, &entry),
        Message::Beside { incident, beside } => beside::seen(core, &incident, *beside),
        Message::Consented { hash, name, uid, void } => granting::consented(core, &hash, &name, uid, void.as_ref()),
        Message::LeftOver(left) => owning::found(core, left),
        Message::Added { plan, result } => owning::added(core, &plan, result),
        Message::Identified(actor) => {
            core.actor = actor;
            Vec::new()
        }
        Message::Powers(told) => {
            core.powers = told;
            Vec::new()
        }
        Message::Answered { whom, answer } => asking::answered(core, whom, answer),
        Message::RunbookRead { service, result } => reading::read(core, &service, result),
        Message::Exported(result) => asking::exported(core, result),
        Message::Look(wanted) => core.scans.look(wanted, &core.picture.logs),
        Message::Scanned(scanned) => core.scans.scanned(scanned, &core.picture.logs),
    }
}

fn obey(core: &mut Core, command: Command) -> Vec<Effect> {
    match command {
        // Fronts keep their own view; one that does not has nothing to change.
        Command::View(_) => Vec::new(),
        Command::Claim(choice) => claiming::claim(core, &choice),
        Command::TakeOver { alert, from } => claiming::take_over(core, &alert, from.as_ref()),
        Command::Open { title } => recording::open(core, title),
        Command::Note { text } => recording::note(core, text),
        Command::Update { text, next } => recording::tell(core, text, next),
        Command::Phase(phase) => recording::phase(core, phase),
        Command::Severity(severity) => recording::severity(core, severity),
        Command::Milestone { name, at } => recording::milestone(core, name, at),
        Command::Close => recording::close(core),
        Command::Resume => recording::resume(core),
        Command::DeclineResume => {
            core.resume = None;
            Vec::new()
        }
        Command::OpenWrite { env, reason } => acting::open_write(core, &env, reason),
        Command::CloseWrite => acting::close_write(core),
        Command::Scale { workload, to } => acting::scale(core, &workload, to),
        Command::Bound { workload, floor, cap } => acting::bound(core, &workload, floor, cap),
        Command::Silence { what, minutes, comment } => silencing::silence(core, &what, minutes, comment),
        Command::Runbook { service } => reading::open(core, service.as_ref()),
        Command::RunStep { step } => reading::run_step(core, step),
        Command::StopStep { step } => reading::stop_step(core, step),
        Command::Ran { at, command } => reading::ran(core, at, command),
        Command::RollBack { workload, to } => acting::roll_back(core, &workload, to),
        Command::Abort { workload } => acting::abort(core, &workload),
        Command::PlanInstead => acting::instead(core),
        Command::Restart { workload } => acting::restart(core, &workload),
        Command::Divert { of, shares } => diverting::divert(core, &of, shares),
        Command::Switch { of, key, to } => diverting::switch(core, &of, key, to),
        Command::Evacuate { of, zone, minutes } => acting::evacuate(core, &of, zone, minutes),
        Command::Confirm { plan, typed } => acting::confirm(core, plan.as_ref(), typed.as_ref()),
        Command::RefreshPlan => acting::refresh(core),
        Command::DiscardPlan => {
            core.plan = None;
            core.desk.planning = None;
            granting::put_away(core)
        }
        Command::BreakGlass { reason } => granting::break_glass(core, reason),
        Command::UndoLeftover { which } => owning::undo(core, &which),
        Command::Own { which, owner } => owning::own(core, &which, owner),
        Command::Undo => acting::undo(core),
        Command::Ask { whom } => asking::ask(core, whom),
        Command::FollowLogs { service } => asking::follow(core, service),
        Command::Export { path } => asking::export(core, path),
        // The front owns the terminal; what reaches the core is only said.
        Command::Copy { text } => {
            core.say(NoticeKind::Done, format!("sent to the terminal's clipboard: {text}"));
            Vec::new()
        }
        Command::Quit => {
            core.leaving = true;
            Vec::new()
        }
    }
}
