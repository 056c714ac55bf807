//! Asking others: people outside, sources to read closely, the report.

use std::path::PathBuf;

use crate::model::entry::{Actor, ActorKind, EntryKind};
use crate::model::name::ServiceName;
use crate::record::Durability;
use crate::session::core::{Core, Next};
use crate::session::{Effect, NoticeKind};
use crate::text::Safe;

use super::recording;

pub(super) fn ask(core: &mut Core, whom: Safe) -> Vec<Effect> {
    let draft = recording::said(core, EntryKind::Asked, whom.clone(), format!("asked {whom} for help"));
    vec![recording::record_now(core, draft, Durability::Now, Next::Nothing), Effect::Ask(whom)]
}

/// What was answered belongs to the record as much as that it was asked.
pub(super) fn answered(core: &mut Core, whom: Safe, answer: Result<Safe, Safe>) -> Vec<Effect> {
    match answer {
        Ok(text) => {
            core.say(NoticeKind::Info, text.clone());
            let mut draft = recording::said(core, EntryKind::Answered, whom.clone(), format!("{whom}: {text}"));
            draft.actor =
                Actor { kind: ActorKind::Human, name: whom, known_by: Some(Safe::fixed("an answer to `:ask`")) };
            vec![recording::record_now(core, draft, Durability::Now, Next::Nothing)]
        }
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}

pub(super) fn follow(core: &mut Core, service: Option<ServiceName>) -> Vec<Effect> {
    if let Some(name) = &service
        && core.picture.catalogue.service(name).is_none()
    {
        core.say(
            NoticeKind::Error,
            format!("there is no service `{name}` in the configuration: its logs cannot be followed"),
        );
        return Vec::new();
    }
    vec![Effect::Follow(service.into_iter().collect())]
}

/// The postmortem is written from the disk: it waits for what was handed over before it.
pub(super) fn export(core: &mut Core, path: Option<PathBuf>) -> Vec<Effect> {
    match core.desk.in_flight.keys().next_back() {
        Some(last) => {
            core.desk.exports.push((*last, path));
            Vec::new()
        }
        None if core.desk.declaring => {
            core.desk.exports.push((core.desk.ticket, path));
            Vec::new()
        }
        None => vec![export_now(core, path)],
    }
}

/// Exports whose entries are all on the disk by now.
pub(super) fn exports_due(core: &mut Core) -> Vec<Effect> {
    // An incident that is being declared is what is meant.
    if core.desk.declaring {
        return Vec::new();
    }
    let first = core.desk.in_flight.keys().next().copied().unwrap_or(u64::MAX);
    let (due, later) = std::mem::take(&mut core.desk.exports).into_iter().partition(|(ticket, _)| *ticket < first);
    core.desk.exports = later;
    let due: Vec<(u64, Option<PathBuf>)> = due;
    due.into_iter().map(|(_, path)| export_now(core, path)).collect()
}

fn export_now(core: &mut Core, path: Option<PathBuf>) -> Effect {
    core.desk.exporting += 1;
    let incident = core.incident.as_ref().map(|incident| incident.id.clone()).or_else(|| core.closed.clone());
    Effect::Export { incident, path }
}

pub(super) fn exported(core: &mut Core, result: Result<PathBuf, Safe>) -> Vec<Effect> {
    core.desk.exporting = core.desk.exporting.saturating_sub(1);
    match result {
        Ok(path) => {
            let path = Safe::from(path.display().to_string());
            core.say(NoticeKind::Done, format!("the postmortem is in {path}"));
            let draft =
                recording::said(core, EntryKind::Exported, path.clone(), format!("postmortem written to {path}"));
            // A closed incident's record is sealed: the export is then nobody's entry.
            core.incident
                .is_some()
                .then(|| recording::record_now(core, draft, Durability::Soon, Next::Nothing))
                .into_iter()
                .collect()
        }
        Err(why) => {
            core.say(NoticeKind::Error, why);
            Vec::new()
        }
    }
}
