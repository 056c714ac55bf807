//! Versions of an Application: which one is meant, and the sync that brings it.

use serde_json::{Value, json};

use crate::model::name::Target;
use crate::model::plan::{FieldChange, Refusal, Revision};
use crate::respond::guard::refusal;
use crate::respond::kubernetes::fields::{AFTER, OPERATION};
use crate::respond::kubernetes::{FIELD_MANAGER, said};

use super::objects::{App, Entry, Version};

/// The shortest beginning of a commit that names it.
const SHORTEST: usize = 7;
/// Entries that are told beside the one that is meant.
const TOLD: usize = 4;

/// The entry that is meant. The one before is the newest of another version than that which was
/// synced, or tried, last: a sync that failed has no entry, and one that was repeated has two.
pub(super) fn chosen<'a>(target: &Target, app: &'a App, to: &Revision) -> Result<&'a Entry, Refusal> {
    let history = &app.status.history;
    let kept = || {
        let names: Vec<_> = history.iter().rev().take(6).map(Entry::name).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let entry = match to {
        Revision::Previous => history.iter().rev().find(|entry| !is_current(app, entry)).ok_or_else(|| {
            refusal(said(&format!("{target} keeps no version before the one that runs: its history is {}", kept())))
        })?,
        Revision::Named(name) => named(history, name).ok_or_else(|| {
            refusal(said(&format!("{target} keeps no entry or revision `{name}`; the newest it keeps: {}", kept())))
        })?,
    };
    if !entry.version.is_whole() {
        return Err(refusal(format!(
            "entry {} of {target} does not say where its manifests were: sync it by its revision instead",
            entry.id
        )));
    }
    Ok(entry)
}

fn named<'a>(history: &'a [Entry], name: &str) -> Option<&'a Entry> {
    let begins = |revision: &String| revision == name || name.len() >= SHORTEST && revision.starts_with(name);
    let by_id = || history.iter().find(|entry| name.parse() == Ok(entry.id));
    let by_revision = || {
        history.iter().rev().find(|entry| begins(&entry.version.revision) || entry.version.revisions.iter().any(begins))
    };
    by_id().or_else(by_revision)
}

/// What else there is to go back to, the newest first.
pub(super) fn others(app: &App, chosen: &Entry) -> String {
    let fits = |entry: &&Entry| entry.id != chosen.id && !is_current(app, entry);
    let all: Vec<_> = app.status.history.iter().rev().filter(fits).map(Entry::name).collect();
    let (told, more) = all.split_at(all.len().min(TOLD));
    let more = if more.is_empty() { String::new() } else { format!("; and {} older", more.len()) };
    format!("{}{more}", told.join("; "))
}

/// The entry with that number.
pub(super) fn by_id(app: &App, id: i64) -> Option<&Entry> {
    app.status.history.iter().find(|entry| entry.id == id)
}

/// The newest entry of the version that was synced last, if the history has it.
pub(super) fn current(app: &App) -> Option<&Entry> {
    app.status.history.iter().rev().find(|entry| is_current(app, entry))
}

/// The version that was synced, or tried, last, as far as that is told beside the history. What was
/// tried without doing anything, and what was done to some resources alone, is not told of here.
fn last(app: &App) -> Option<&Version> {
    let state = app.status.operation_state.as_ref()?;
    let sync = &state.operation.sync;
    state.sync_result.as_ref().filter(|_| !sync.dry_run && sync.resources.is_empty())
}

/// Whether an entry is the version that was synced, or tried, last.
pub(super) fn is_current(app: &App, entry: &Entry) -> bool {
    match last(app) {
        Some(last) => last.is(&entry.version),
        None => app.status.history.last().is_some_and(|last| last.version.is(&entry.version)),
    }
}

/// The version that was tried last, where it did not come to an entry.
pub(super) fn tried(app: &App) -> String {
    match last(app) {
        Some(last) => format!("{} (not in the history)", short(&last.revision, &last.revisions)),
        None => "nothing".to_owned(),
    }
}

impl Version {
    fn is_multi(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Whether it says where its manifests are.
    fn is_whole(&self) -> bool {
        self.is_multi() || has_place(&self.source)
    }

    /// Whether the two are one version. A source that is not told is no difference.
    pub(super) fn is(&self, other: &Self) -> bool {
        let sources = !self.is_multi() || !other.is_multi() || self.sources == other.sources;
        let source = !has_place(&self.source) || !has_place(&other.source) || self.source == other.source;
        self.revision == other.revision && self.revisions == other.revisions && sources && source
    }
}

fn has_place(source: &Value) -> bool {
    source.get("repoURL").and_then(Value::as_str).is_some_and(|url| !url.is_empty())
}

/// `b4f0c1e`: a commit by its beginning, a chart's version as it is; of several sources, each.
pub(super) fn short(revision: &str, revisions: &[String]) -> String {
    let one = |revision: &str| {
        let commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        if commit { revision.chars().take(SHORTEST).collect() } else { revision.to_owned() }
    };
    match revisions {
        [] if revision.is_empty() => "an unknown revision".to_owned(),
        [] => one(revision),
        several => several.iter().map(|revision| one(revision)).collect::<Vec<_>>().join("+"),
    }
}

/// The sync of `entry`, as Argo CD's own rollback asks for it, in the name of who asks. What it
/// says of itself makes it another than every other sync of that version, before or after.
pub(super) fn operation(app: &App, entry: &Entry, by: &str) -> Value {
    let version = &entry.version;
    let mut sync = json!({ "syncStrategy": { "apply": {} } });
    if version.is_multi() {
        sync["sources"] = json!(version.sources);
        sync["revisions"] = json!(version.revisions);
    } else {
        sync["source"] = version.source.clone();
        sync["revision"] = json!(version.revision);
    }
    if !app.spec.sync_policy.sync_options.is_empty() {
        sync["syncOptions"] = json!(app.spec.sync_policy.sync_options);
    }
    let mut info = vec![json!({ "name": "to", "value": entry.id.to_string() })];
    if let Some(current) = current(app) {
        info.push(json!({ "name": BEFORE, "value": current.id.to_string() }));
    }
    if let Some(state) = app.status.operation_state.as_ref().filter(|state| !state.started_at.is_empty()) {
        info.push(json!({ "name": AFTER, "value": state.started_at }));
    }
    let username = if by.is_empty() { FIELD_MANAGER.to_owned() } else { format!("{by} via {FIELD_MANAGER}") };
    json!({ "info": info, "initiatedBy": { "username": username }, "sync": sync })
}

/// What an operation calls the entry that it replaces.
const BEFORE: &str = "from";

/// The entry that ran before an operation, by its number.
pub(super) fn before(change: &FieldChange) -> Option<i64> {
    if change.pointer != OPERATION {
        return None;
    }
    let operation: Value = serde_json::from_str(&change.after).ok()?;
    let info = operation.get("info")?.as_array()?;
    info.iter().find(|info| info["name"] == BEFORE)?.get("value")?.as_str()?.parse().ok()
}
