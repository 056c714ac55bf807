//! Asking others: people outside, sources to read closely, the report.

use std::path::PathBuf;

use crate::model::entry::EntryKind;
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

pub(super) fn answered(core: &mut Core, answer: Result<Safe, Safe>) -> Vec<Effect> {
    match answer {
        Ok(text) => core.say(NoticeKind::Info, text),
        Err(why) => core.say(NoticeKind::Error, why),
    }
    Vec::new()
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

pub(super) fn export(core: &mut Core, path: Option<PathBuf>) -> Vec<Effect> {
    let incident = core.incident.as_ref().map(|incident| incident.id.clone()).or_else(|| core.closed.clone());
    vec![Effect::Export { incident, path }]
}

pub(super) fn exported(core: &mut Core, result: Result<PathBuf, Safe>) -> Vec<Effect> {
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
