//! Runbooks: opened beside the incident, one step of them planned, and one that runs stopped. What was run elsewhere is
//! noted here, too.

use std::sync::Arc;

use crate::model::command::MilestoneTime;
use crate::model::entry::{EntryKind, Evidence};
use crate::model::name::{Kind, ObjectPath, Origin, ServiceName, SourceId, Target};
use crate::model::plan::{Plan, Request};
use crate::model::runbook::Runbook;
use crate::record::Durability;
use crate::respond::stopping;
use crate::session::core::{Core, Next, RunbookState, RunbookView};
use crate::session::message::Dated;
use crate::session::{ActionState, Effect, NoticeKind};
use crate::text::{Safe, clean_capped, redact_safe};

use super::{acting, recording};

/// Of a command, so much stands in the title of its entry, in bytes.
const TITLE: usize = 200;

/// Opens the runbook of a service; without a name that of the only one that has any.
pub(super) fn open(core: &mut Core, service: Option<&ServiceName>) -> Vec<Effect> {
    let having: Vec<_> = core.picture.catalogue.services().iter().filter(|one| one.runbook.is_some()).collect();
    let found = match (service, having.as_slice()) {
        (Some(name), _) => core
            .picture
            .catalogue
            .service(name)
            .ok_or_else(|| format!("there is no service `{name}` in the configuration")),
        (None, [only]) => Ok(*only),
        (None, []) => Err("no service has a runbook: set `runbook` in [services.NAME]".to_owned()),
        (None, _) => Err("of which service? choose a row of one, or `:runbook SERVICE`".to_owned()),
    };
    let found = found.and_then(|one| match &one.runbook {
        Some(source) => Ok((one.name.clone(), source.clone(), one.runbook_file().map(std::path::Path::to_owned))),
        None => Err(format!("{} has no runbook: set `runbook` in [services.{}]", one.name, one.name)),
    });
    let (service, source, file) = match found {
        Ok(found) => found,
        Err(why) => {
            core.runbook = None;
            core.say(NoticeKind::Error, why);
            return Vec::new();
        }
    };
    let state = if file.is_some() { RunbookState::Reading } else { RunbookState::Page };
    core.runbook = Some(RunbookView { service: service.clone(), source, state });
    file.map(|path| Effect::ReadRunbook { service, path }).into_iter().collect()
}

/// The file was read, or not.
pub(super) fn read(core: &mut Core, service: &ServiceName, result: Result<Arc<Runbook>, Safe>) -> Vec<Effect> {
    // Another was opened meanwhile.
    if let Some(view) = core.runbook.as_mut().filter(|view| view.service == *service) {
        view.state = match result {
            Ok(runbook) => RunbookState::Read(runbook),
            Err(why) => RunbookState::Failed(why),
        };
    }
    Vec::new()
}

/// Plans to run a step of the runbook that is open.
pub(super) fn run_step(core: &mut Core, number: u32) -> Vec<Effect> {
    let request = match acting::why_not_now(core) {
        Some(why) => Err(why),
        None => step(core, number),
    };
    match request {
        Ok(request) => acting::want(core, request),
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

fn step(core: &Core, number: u32) -> Result<Request, String> {
    let Some(RunbookView { service, source, state: RunbookState::Read(runbook) }) = &core.runbook else {
        return Err("no runbook with commands is open: `:runbook SERVICE` opens it".to_owned());
    };
    let step = runbook.step(number).ok_or_else(|| {
        format!("the runbook of {service} has {} commands, and no number {number}", runbook.steps().count())
    })?;
    if let Some(why) = &step.refused {
        return Err(format!("step {number} is not run from here: {why}"));
    }
    let target = Target {
        origin: Origin { env: core.facing.env.clone(), source: SourceId(Safe::fixed("runbook")) },
        kind: Kind::RunbookStep,
        path: ObjectPath::new(service.0.clone(), format!("step-{number}").as_str()),
        uid: None,
    };
    Ok(Request::RunStep { target, runbook: source.clone(), step: number, command: step.command.clone() })
}

/// Ends a step that runs. That needs no write window: what it does is the graver thing.
pub(super) fn stop_step(core: &mut Core, number: Option<u32>) -> Vec<Effect> {
    let under = core
        .actions
        .iter()
        .filter(|action| matches!(action.state, ActionState::Under(_)))
        .filter_map(|action| match &action.plan.request {
            Request::RunStep { step, .. } => Some((*step, &action.plan)),
            _ => None,
        })
        .filter(|(step, _)| number.is_none_or(|number| number == *step));
    // What another process began is looked into here, and is not this one's to stop.
    let left = |plan: &Plan| core.open_intents.iter().any(|open| open.plan.id == plan.id);
    let (elsewhere, running): (Vec<_>, Vec<_>) = under.partition(|(_, plan)| left(plan));
    let found = match running.as_slice() {
        [(_, plan)] => Ok((plan.id.clone(), plan.title.clone())),
        [] if !elsewhere.is_empty() => Err(format!(
            "{} was begun by another session: it is stopped there, or by its process if that session is gone",
            elsewhere[0].1.title
        )),
        [] => Err(match number {
            Some(number) => format!("step {number} of no runbook runs: there is nothing to stop"),
            None => "no step of a runbook runs: there is nothing to stop".to_owned(),
        }),
        several => Err(format!("{} steps run: name one, as in `:stop-step {}`", several.len(), several[0].0)),
    };
    match found {
        Ok((plan, title)) => {
            core.say(
                NoticeKind::Info,
                format!("{title}: it and all that it started are stopped ({}); its outcome tells how", stopping()),
            );
            vec![Effect::Stop { plan, by: core.actor.name.clone() }]
        }
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

/// Notes a command that was run outside the program, at its time.
pub(super) fn ran(core: &mut Core, at: Option<MilestoneTime>, command: Safe) -> Vec<Effect> {
    let occurred_at = at.map_or(core.now, |at| at.before(core.now));
    if occurred_at > core.now {
        core.say(NoticeKind::Error, "that time is still to come: nothing was noted");
        return Vec::new();
    }
    let command = redact_safe(command);
    let short = clean_capped(&command, TITLE);
    let subject = core.facing.env.0.clone();
    let mut draft = recording::said(core, EntryKind::Ran, subject, format!("run elsewhere: {short}"));
    draft.detail = (short != command).then(|| command.clone());
    draft.evidence = vec![Evidence::query(command)];
    let dated = Dated { draft, occurred_at, observed_at: core.now };
    vec![recording::record(core, dated, Durability::Now, Next::Nothing)]
}
