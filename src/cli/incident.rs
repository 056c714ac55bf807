//! `warroom incident`.

mod consent;

use chrono::{SecondsFormat, TimeDelta};

use crate::clock::{Clock, World};
use crate::config::ProcessEnv;
use crate::model::entry::{Actor, Body, Draft, EntryKind, EntryOrigin};
use crate::record::{
    Archive, Durability, IncidentRecord, Journal, StartInfo, begun, how_to_settle, leftovers, open_intents,
    read_incident, verify,
};
use crate::text::{BLOCK_CAP, Safe, titled};

use super::archive::{archive, configured, incident_dir};
use super::arguments::IncidentArguments;
use super::{Exit, Failure, print, tell};

/// The environment of a record that was opened without one: any may take it up.
pub(super) const NO_ENV: &str = "none";

/// `env`: the environment that an incident is opened for.
pub(super) fn run(what: IncidentArguments, env: Option<&str>) -> Result<Exit, Failure> {
    match what {
        IncidentArguments::List { json } => list(json),
        IncidentArguments::Show { id, json } => show(&id, json),
        IncidentArguments::Verify { id, json } => check(&id, json),
        IncidentArguments::Open { title } => open(&title, env),
        IncidentArguments::Note { id, text } => {
            if text.len() > BLOCK_CAP {
                return Err(Failure::usage(anyhow::anyhow!(
                    "the note is longer than {BLOCK_CAP} bytes: nothing was written; write it in parts"
                )));
            }
            let (archive, record) = to_write(&id)?;
            let (title, detail) = titled(&text);
            let draft = Draft { detail, ..said(EntryKind::Note, &record.id.0, title, None) };
            write(&archive, &record, draft)
        }
        IncidentArguments::Consent { id, hash, yes } => consent::run(&id, &hash, yes),
        IncidentArguments::Own { id, which, name } => own(&id, &which, &name),
        IncidentArguments::Close { id } => {
            let (archive, record) = to_write(&id)?;
            if record.closed_at().is_some() {
                return Err(anyhow::anyhow!("{} is closed already", record.id).into());
            }
            let open = open_intents(&record.entries);
            if !open.is_empty() {
                let all: Vec<_> =
                    open.iter().map(|(entry, plan)| format!("\n{}", begun(plan, entry.occurred_at))).collect();
                let env = record.writers.first().map(|writer| writer.env.clone()).unwrap_or_default();
                return Err(anyhow::anyhow!(
                    "{} was not closed, because no outcome is recorded of an action. {}{}",
                    record.id,
                    how_to_settle(env),
                    all.concat()
                )
                .into());
            }
            let left = leftovers(&record.entries, None, now(&record));
            if !left.is_empty() {
                let all: Vec<_> = left.iter().map(|one| format!("\n{} {}", one.handle(), one.words())).collect();
                return Err(anyhow::anyhow!(
                    "{} was not closed, because something is left over: undo each in a session, or say who sees to it with \
                     `warroom incident own {} HANDLE NAME`{}",
                    record.id,
                    record.id,
                    all.concat()
                )
                .into());
            }
            let draft = said(EntryKind::Closed, &record.id.0, Safe::fixed("incident closed"), None);
            write(&archive, &record, draft)
        }
    }
}

/// What is now for a record: a drill's world has a clock of its own, which stands a moment after
/// all that was written in it.
fn now(record: &IncidentRecord) -> World {
    let last = record.last_at().filter(|_| record.drill());
    last.and_then(|last| last.checked_add_signed(TimeDelta::milliseconds(1))).unwrap_or_else(|| Clock::real().now())
}

fn own(id: &str, which: &str, name: &str) -> Result<Exit, Failure> {
    let (archive, record) = to_write(id)?;
    let left = leftovers(&record.entries, None, now(&record));
    let Some(one) = left.iter().find(|one| one.handle() == which.to_lowercase()) else {
        let all: Vec<_> = left.iter().map(|one| format!("\n{} {}", one.handle(), one.words())).collect();
        let known = if all.is_empty() { ": nothing is".to_owned() } else { all.concat() };
        return Err(anyhow::anyhow!("`{which}` is none of what is left over of {}{known}", record.id).into());
    };
    let owner = Safe::from(name.trim());
    if owner.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!("the name of who sees to it is empty")));
    }
    let title = Safe::from(format!("{owner} owns what is left over: {}", one.words()));
    let body = Body::Owned { plan: one.plan.id.clone(), owner };
    let subject = Safe::from(one.plan.target.path.to_string());
    write(&archive, &record, said(EntryKind::Owned, &subject, title, Some(body)))
}

fn list(json: bool) -> Result<Exit, Failure> {
    let (config, ..) = configured()?;
    let incidents = archive(&config)?.list()?;
    let mut out = String::new();
    for incident in &incidents {
        let opened = incident.opened_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let severity = incident.severity.map(|severity| severity.to_string());
        if json {
            let line = serde_json::json!({
                "id": incident.id, "title": incident.title, "phase": incident.phase, "severity": severity,
                "opened_at": opened, "closed_at": incident.closed_at,
            });
            out += &format!("{line}\n");
        } else {
            let state = if incident.closed_at.is_some() { "closed" } else { incident.phase.as_str() };
            out += &format!(
                "{:<32} {opened} {:<5} {state:<14} {}\n",
                incident.id,
                severity.unwrap_or_default(),
                incident.title
            );
        }
    }
    if incidents.is_empty() && !json {
        out = format!("no incidents in {}\n", config.record.dir.display());
    }
    print(&out)?;
    Ok(Exit::Done)
}

fn show(id: &str, json: bool) -> Result<Exit, Failure> {
    let (_, dir) = incident_dir(id)?;
    let record = read_incident(&dir)?;
    let mut out = String::new();
    for entry in &record.entries {
        if json {
            out += &serde_json::to_string(entry)?;
            out.push('\n');
        } else {
            let at = entry.occurred_at.to_rfc3339_opts(SecondsFormat::Secs, true);
            out += &format!("{at} {:<17} {} [{}]\n", entry.draft.kind.as_str(), entry.draft.title, entry.draft.source);
        }
    }
    print(&out)?;
    for problem in &record.problems {
        tell(problem)?;
    }
    Ok(Exit::Done)
}

fn check(id: &str, json: bool) -> Result<Exit, Failure> {
    let (_, dir) = incident_dir(id)?;
    let verified = verify(&dir)?;
    if json {
        let faults: Vec<_> = verified
            .faults
            .iter()
            .map(|fault| serde_json::json!({ "file": fault.file, "entry": fault.position, "why": fault.why }))
            .collect();
        let torn: Vec<_> =
            verified.torn.iter().map(|torn| serde_json::json!({ "file": torn.file, "what": torn.what })).collect();
        let answer = serde_json::json!({
            "files": verified.files, "entries": verified.entries, "torn": torn, "faults": faults, "whole": verified.faults.is_empty(),
        });
        print(&format!("{answer}\n"))?;
    } else {
        let mut out = format!("{}: {} entries in {} files\n", dir.display(), verified.entries, verified.files);
        for torn in &verified.torn {
            out += &format!("unfinished: {}: {}\n", torn.file, torn.what);
        }
        for fault in &verified.faults {
            out += &format!("NOT AS WRITTEN: {fault}\n");
        }
        out +=
            if verified.faults.is_empty() { "every byte is as it was written\n" } else { "the record is not whole\n" };
        print(&out)?;
    }
    Ok(if verified.faults.is_empty() { Exit::Done } else { Exit::Found })
}

fn open(title: &str, env: Option<&str>) -> Result<Exit, Failure> {
    let (config, ..) = configured()?;
    let env = match (env, config.environment(env)) {
        (_, Ok(env)) => env.name.0.clone(),
        (Some(_), Err(unknown)) => return Err(Failure::usage(unknown)),
        (None, Err(_)) => Safe::fixed(NO_ENV),
    };
    let archive = archive(&config)?;
    let title = Safe::from(title);
    let now = Clock::real().now();
    let id = archive.create(&title, now)?;
    let body = Body::Opened { incident: id.clone(), title: title.clone() };
    let draft = said(EntryKind::Opened, &id.0, Safe::from(format!("incident declared: {title}")), Some(body));
    append(archive.journal_for(&id, start(env, false, now))?, draft, now)?;
    print(&format!("{id}\n"))?;
    Ok(Exit::Done)
}

/// The incident of an id or a path, with the archive that it stands in.
fn to_write(id: &str) -> Result<(Archive, IncidentRecord), Failure> {
    let (archive, dir) = incident_dir(id)?;
    Ok((archive, read_incident(&dir)?))
}

/// Writes where the record was read.
fn write(archive: &Archive, record: &IncidentRecord, draft: Draft) -> Result<Exit, Failure> {
    let env = record.writers.first().map_or_else(|| Safe::fixed(NO_ENV), |writer| writer.env.clone());
    let at = now(record);
    append(archive.journal_at(&record.dir, &record.id, start(env, record.drill(), at))?, draft, at)?;
    Ok(Exit::Done)
}

fn start(env: Safe, drill: bool, at: World) -> StartInfo {
    StartInfo {
        titles: Default::default(),
        incident: None,
        version: Safe::fixed(env!("CARGO_PKG_VERSION")),
        drill,
        env,
        actor: actor(),
        at,
    }
}

/// Writes, waits until it is durable, and seals the file.
fn append(journal: Journal, draft: Draft, at: World) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        journal.append(draft, at, at, Durability::Now).await?;
        journal.close(at).await?;
        Ok(())
    })
}

fn said(kind: EntryKind, subject: &Safe, title: Safe, body: Option<Body>) -> Draft {
    Draft {
        kind,
        source: Safe::fixed("warroom"),
        subject: subject.clone(),
        title,
        detail: None,
        actor: actor(),
        service: None,
        before: None,
        after: None,
        evidence: Vec::new(),
        dedupe: None,
        origin: EntryOrigin::Manual,
        pinned: kind == EntryKind::Note,
        body,
    }
}

fn actor() -> Actor {
    ProcessEnv::read().person()
}
