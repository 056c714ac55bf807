//! What people say, and what becomes durable. Nothing is shown as done before its entry is.

use std::collections::HashSet;

use crate::model::command::{Due, MilestoneTime};
use crate::model::entry::{Body, Draft, Entry, EntryKind, EntryOrigin, MilestoneName, Phase, Severity};
use crate::model::name::IncidentId;
use crate::observe::alerts::Claim;
use crate::record::{Durability, Holder, JournalError, Said, milestones, said as said_by};
use crate::respond::Pass;
use crate::session::core::{Core, Mark, Next};
use crate::session::effect::carried;
use crate::session::message::Dated;
use crate::session::{Effect, IncidentView, NoticeKind, WriteWindow};
use crate::text::Safe;

use super::{acting, asking, beside, carrying, claiming, granting, owning, settling};

/// A draft of something that the person here says or does.
pub(super) fn said(core: &Core, kind: EntryKind, subject: impl Into<Safe>, title: impl Into<Safe>) -> Draft {
    Draft {
        kind,
        source: Safe::fixed("warroom"),
        subject: subject.into(),
        title: title.into(),
        detail: None,
        actor: core.actor.clone(),
        service: None,
        before: None,
        after: None,
        evidence: Vec::new(),
        dedupe: None,
        origin: EntryOrigin::Manual,
        pinned: false,
        body: None,
    }
}

/// Hands an entry to the journal.
pub(super) fn record(core: &mut Core, dated: Dated, durability: Durability, next: Next) -> Effect {
    let ticket = core.next_ticket();
    core.desk.in_flight.insert(ticket, (dated.clone(), next));
    core.unrecorded = core.desk.in_flight.len();
    Effect::Record { ticket, dated, durability }
}

/// Hands an entry about now to the journal.
pub(super) fn record_now(core: &mut Core, draft: Draft, durability: Durability, next: Next) -> Effect {
    let dated = Dated { draft, occurred_at: core.now, observed_at: core.now };
    record(core, dated, durability, next)
}

/// An entry is durable: now it is part of what is known.
pub(super) fn recorded(core: &mut Core, ticket: u64, result: Result<Entry, JournalError>) -> Vec<Effect> {
    // An answer of a journal that is not written any more: its entries were carried over.
    let Some((_, next)) = core.desk.in_flight.remove(&ticket) else { return Vec::new() };
    core.unrecorded = core.desk.in_flight.len();
    let mut effects = match result {
        Ok(entry) => follow_up(core, entry, next),
        Err(error) => {
            core.desk.closing = false;
            core.cannot_record(Safe::from(error.to_string())).into_iter().collect()
        }
    };
    effects.extend(asking::exports_due(core));
    effects
}

fn follow_up(core: &mut Core, entry: Entry, next: Next) -> Vec<Effect> {
    let begins = matches!(entry.draft.body, Some(Body::Intent(_)));
    let mut effects = keep(core, entry);
    if begins {
        effects.extend(settling::tell_ends(core));
    }
    match next {
        Next::Nothing => {}
        // With the disk gone nothing opens, whatever became durable before.
        Next::OpenWindow { .. } if core.journal_failed.is_some() => {}
        Next::OpenWindow { until, reason } => {
            core.window = WriteWindow::Open { until, reason };
            // A window that is opened for longer is the same one.
            if core.desk.pass.is_withdrawn() {
                core.desk.pass = Pass::default();
            }
            core.say(NoticeKind::Done, "the write window is open: plans can be confirmed");
            effects.extend(acting::window_opened(core));
        }
        Next::CloseWindow => core.window = WriteWindow::Closed,
        Next::AwaitConsent { hash } => effects.extend(granting::asked(core, &hash)),
        Next::GlassBroken { hash } => granting::broken(core, &hash),
    }
    effects
}

/// The engine wrote an entry. One that went to another journal than the one that is written now,
/// because an incident was declared meanwhile, is written to this one too.
pub(super) fn written(core: &mut Core, entry: Entry, to: Option<&IncidentId>) -> Vec<Effect> {
    match &core.incident {
        Some(incident) if to != Some(&incident.id) => {
            vec![record(core, carried(&entry), Durability::Now, Next::Nothing)]
        }
        _ => keep(core, entry),
    }
}

/// Puts a durable entry into the timeline and lets it take effect.
pub(super) fn keep(core: &mut Core, entry: Entry) -> Vec<Effect> {
    let mut effects = Vec::new();
    match (&entry.draft.kind, &entry.draft.body) {
        (EntryKind::Claimed, _) => {
            let claim = Claim { by: entry.draft.actor.name.clone(), at: entry.occurred_at };
            claiming::claimed(core, entry.draft.alert_keys(), claim);
        }
        (EntryKind::AlertResolved, _) => claiming::resolved(core, entry.draft.alert_keys()),
        (_, Some(Body::Phase(phase))) => {
            if let Some(incident) = &mut core.incident {
                incident.phase = *phase;
            }
        }
        (_, Some(Body::Severity(severity))) => {
            if let Some(incident) = &mut core.incident {
                incident.severity = Some(*severity);
            }
        }
        // Declared once; what is declared again is a better title.
        (EntryKind::Opened, Some(Body::Opened { title, .. })) => {
            if let Some(incident) = &mut core.incident {
                incident.title = title.clone();
            }
        }
        (EntryKind::Closed, _) => {
            if let Some(incident) = core.incident.take() {
                core.say(NoticeKind::Done, format!("{} is closed; :export writes its postmortem", incident.id));
                core.closed = Some(incident.id.clone());
                (core.desk.closing, core.desk.close_asked) = (false, false);
                effects.push(Effect::Seal(incident.id));
                effects.extend(acting::incident_closed(core));
            }
        }
        _ => {}
    }
    let closed = entry.draft.kind == EntryKind::Closed;
    let ends = matches!(entry.draft.body, Some(Body::Outcome { .. } | Body::Owned { .. } | Body::Undone { .. }));
    core.entries.push(entry);
    if ends {
        owning::weigh(core);
    }
    if closed {
        // What is shown of the closed incident stays as it is.
        weigh_all(core);
        core.desk.rolling_from = core.entries.len();
    } else {
        core.desk.unweighed = true;
    }
    effects
}

/// Proposes the milestones anew, if entries came to be known.
pub(super) fn weigh(core: &mut Core) {
    if core.desk.unweighed {
        weigh_all(core);
    }
}

fn weigh_all(core: &mut Core) {
    core.desk.unweighed = false;
    core.milestones = milestones(core.current_entries());
    if let Some(incident) = &mut core.incident
        && let Some(start) = core.milestones.at(MilestoneName::ImpactStart)
    {
        incident.since = start;
    }
}

/// Declares an incident; while one is open, gives it a better title.
pub(super) fn open(core: &mut Core, title: Safe) -> Vec<Effect> {
    if core.desk.closing {
        core.say(NoticeKind::Error, "the incident is being closed: nothing was opened or given another title");
        return Vec::new();
    }
    if let Some(incident) = &core.incident {
        let (id, before) = (incident.id.clone(), incident.title.clone());
        if before == title {
            core.say(NoticeKind::Info, format!("{id} has this title already"));
            return Vec::new();
        }
        let mut draft = said(core, EntryKind::Opened, id.0.clone(), format!("incident titled: {title}"));
        draft.before = Some(before);
        draft.after = Some(title.clone());
        draft.body = Some(Body::Opened { incident: id, title });
        return vec![record_now(core, draft, Durability::Now, Next::Nothing)];
    }
    if core.desk.declaring {
        core.say(NoticeKind::Error, "an incident is being declared at this moment: no other was");
        return Vec::new();
    }
    declare(core, title, None).into_iter().collect()
}

pub(super) fn declare(core: &mut Core, title: Safe, service: Option<Safe>) -> Option<Effect> {
    if core.journal_failed.is_some() {
        core.say(NoticeKind::Error, "the journal takes no more entries: an incident cannot be declared");
        return None;
    }
    core.desk.declaring = true;
    let slug = service.unwrap_or_else(|| title.clone());
    Some(Effect::Declare { title, slug, at: core.now })
}

/// The incident's journal stands ready: what was seen before is carried into it.
pub(super) fn incident_ready(
    core: &mut Core,
    id: IncidentId,
    title: Safe,
    earlier: Vec<Entry>,
    before: Vec<Dated>,
) -> Vec<Effect> {
    core.desk.declaring = false;
    core.resume = None;
    core.desk.looked = Some(core.now);
    core.desk.under_way.clear();
    let mut carried = carrying::carry(core);
    let known: HashSet<_> = earlier.iter().map(told).collect();
    // Whoever writes to it already may have brought what was done here.
    let brought: HashSet<Said> = earlier.iter().map(|entry| said_by(&entry.draft, entry.occurred_at)).collect();
    carried.retain(|(dated, _)| match dated.draft.dedupe.clone() {
        Some(key) => !known.contains(&(dated.draft.kind, key, dated.occurred_at)),
        None => !brought.contains(&said_by(&dated.draft, dated.occurred_at)),
    });
    // What an earlier process noticed and this one as well is told once.
    let mine: HashSet<_> = carried.iter().filter_map(|(dated, _)| noticed(dated)).collect();
    let before: Vec<Dated> =
        before.into_iter().filter(|dated| noticed(dated).is_none_or(|mark| !mine.contains(&mark))).collect();
    for mark in before.iter().filter_map(noticed) {
        core.desk.told.insert(mark);
    }
    let left_in_flight = before.clone();
    carried.extend(before.into_iter().map(|dated| (dated, Next::Nothing)));
    carried.sort_by_key(|(dated, _)| dated.occurred_at);
    owning::keep(core);
    core.entries.clear();
    core.desk.rolling_from = 0;
    core.incident = Some(IncidentView {
        id: id.clone(),
        title: title.clone(),
        phase: Phase::Investigating,
        severity: None,
        since: core.now,
    });
    let resumed = !earlier.is_empty();
    let open = earlier.clone();
    for action in settling::actions_of(&earlier) {
        if !core.actions.iter().any(|known| known.plan.id == action.plan.id) {
            core.actions.push(action);
        }
    }
    core.actions.sort_by_key(|action| action.at);
    for entry in earlier {
        core.desk.told.insert(told(&entry));
        // What it led to was done by the process that wrote it.
        let _ = keep(core, entry);
    }
    let held = Holder::Incident(id.clone());
    let mut effects = vec![Effect::WriteTo(id.clone())];
    if resumed {
        core.say(NoticeKind::Done, format!("{id} is taken up again"));
        // By whom is the entry's actor: a name that is an address would be redacted in a title.
        let draft = said(core, EntryKind::Note, id.0.clone(), "incident taken up again");
        effects.push(record_now(core, draft, Durability::Now, Next::Nothing));
        effects.extend(settling::taken_up(core, &held, &open));
    } else {
        core.say(NoticeKind::Done, format!("incident {id} is declared; its record has begun"));
        let mut draft = said(core, EntryKind::Opened, id.0.clone(), format!("incident declared: {title}"));
        draft.body = Some(Body::Opened { incident: id, title });
        effects.push(record_now(core, draft, Durability::Now, Next::Nothing));
        effects.push(super::seeing::last_hour(core));
    }
    for (dated, next) in carried {
        effects.push(record(core, dated, Durability::Now, next));
    }
    effects.extend(settling::carried_over(core, &held, &left_in_flight));
    // An export that was asked for before waits for all of this.
    let last = core.desk.ticket;
    for (ticket, _) in &mut core.desk.exports {
        *ticket = last;
    }
    effects
}

/// What makes a finding the same as another; what people said is never the same.
fn noticed(dated: &Dated) -> Option<Mark> {
    Some((dated.draft.kind, dated.draft.dedupe.clone()?, dated.occurred_at))
}

pub(super) fn told(entry: &Entry) -> Mark {
    (entry.draft.kind, entry.draft.dedupe.clone().unwrap_or_default(), entry.occurred_at)
}

pub(super) fn resume(core: &mut Core) -> Vec<Effect> {
    if let Some(incident) = &core.incident {
        let id = incident.id.clone();
        core.say(NoticeKind::Error, format!("{id} is open: close it before another is taken up"));
        return Vec::new();
    }
    if core.desk.declaring {
        core.say(NoticeKind::Error, "an incident is being declared at this moment: no other was taken up");
        return Vec::new();
    }
    match core.resume.take() {
        // A drill's world begins anew with each start: its record would run backwards.
        Some(offer) if core.facing.drill && offer.last > core.now => {
            let (id, at) = (offer.id, offer.last.format("%H:%MZ"));
            core.say(
                NoticeKind::Error,
                format!(
                    "{id} stopped at {at}, later than it is in this world: leave, and start the drill with \
                     --incident {id}, which opens it there"
                ),
            );
            Vec::new()
        }
        Some(offer) => vec![core.take_up(offer.id)],
        None => {
            core.say(NoticeKind::Error, "no earlier process left an incident open: there is nothing to resume");
            Vec::new()
        }
    }
}

pub(super) fn note(core: &mut Core, text: Safe) -> Vec<Effect> {
    let (title, detail) = crate::text::titled(&text);
    let mut draft = said(core, EntryKind::Note, core.actor.name.clone(), title);
    draft.detail = detail;
    draft.pinned = true;
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

/// Tells stakeholders where things stand, and when they hear more.
pub(super) fn tell(core: &mut Core, text: Safe, next: Option<Due>) -> Vec<Effect> {
    let Some(incident) = needs_incident(core, "an update") else { return Vec::new() };
    let next = match next.map(|next| next.from(core.now)) {
        Some(None) => {
            core.say(NoticeKind::Error, "the next update has to be later than now: nothing was written");
            return Vec::new();
        }
        next => next.flatten(),
    };
    let mut draft = said(core, EntryKind::Update, incident.id.0, text);
    draft.detail = next.map(|next| format!("next update by {}", next.format("%H:%MZ")).into());
    draft.body = Some(Body::Update { next });
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

pub(super) fn phase(core: &mut Core, phase: Phase) -> Vec<Effect> {
    let Some(incident) = needs_incident(core, "a phase") else { return Vec::new() };
    let mut draft = said(core, EntryKind::Phase, incident.id.0, format!("phase: {}", phase.as_str()));
    draft.before = Some(Safe::fixed(incident.phase.as_str()));
    draft.after = Some(Safe::fixed(phase.as_str()));
    draft.body = Some(Body::Phase(phase));
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

pub(super) fn severity(core: &mut Core, severity: Severity) -> Vec<Effect> {
    let Some(incident) = needs_incident(core, "a severity") else { return Vec::new() };
    let mut draft = said(core, EntryKind::Severity, incident.id.0, format!("severity: {severity}"));
    draft.before = incident.severity.map(|before| before.to_string().into());
    draft.after = Some(severity.to_string().into());
    draft.body = Some(Body::Severity(severity));
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

pub(super) fn milestone(core: &mut Core, name: MilestoneName, at: Option<MilestoneTime>) -> Vec<Effect> {
    let Some(incident) = needs_incident(core, "a milestone") else { return Vec::new() };
    let proposed = core.milestones.at(name);
    let at = match at {
        Some(time) => Some(time.before(core.now)),
        None => proposed,
    };
    let Some(at) = at else {
        core.say(
            NoticeKind::Error,
            format!("{} is not known yet: give its time, as in `milestone {} 03:14`", name.as_str(), name.as_str()),
        );
        return Vec::new();
    };
    let title = format!("{} confirmed at {}", name.as_str(), at.format("%H:%M:%SZ"));
    let mut draft = said(core, EntryKind::Milestone, incident.id.0, title);
    draft.before = proposed.map(|before| before.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into());
    draft.body = Some(Body::Milestone { name, at: Some(at) });
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

pub(super) fn close(core: &mut Core) -> Vec<Effect> {
    if needs_incident(core, "closing").is_none() {
        return Vec::new();
    }
    if core.desk.closing || core.desk.close_asked {
        core.say(NoticeKind::Info, "the incident is being closed already");
        return Vec::new();
    }
    if core.facing.drill {
        return close_now(core);
    }
    // Others may have written to its record, or acted without it.
    core.desk.close_asked = true;
    beside::look(core)
}

/// What others did is known: writes the word that closes the incident, if nothing is open in it.
pub(super) fn close_now(core: &mut Core) -> Vec<Effect> {
    let Some(incident) = needs_incident(core, "closing") else { return Vec::new() };
    if let Some(action) = core.acting() {
        // A sealed record could not tell how it ended.
        let title = action.plan.title.clone();
        core.say(NoticeKind::Error, format!("not closed: {title} is under way; close it when its outcome is known"));
        return Vec::new();
    }
    if let Some(why) = settling::why_not_close(core) {
        let again = settling::again(core);
        let more = if again.is_empty() { "" } else { ". It is being read again: close it when that has ended" };
        core.say(NoticeKind::Error, format!("{why}{more}"));
        return again;
    }
    if let Some(why) = owning::why_not_close(core) {
        core.say(NoticeKind::Error, why);
        return Vec::new();
    }
    core.desk.closing = true;
    let draft = said(core, EntryKind::Closed, incident.id.0, "incident closed");
    vec![record_now(core, draft, Durability::Now, Next::Nothing)]
}

fn needs_incident(core: &mut Core, what: &str) -> Option<IncidentView> {
    let incident = core.incident.clone();
    if incident.is_none() {
        core.say(
            NoticeKind::Error,
            format!("{what} needs an incident: claim an alert, or declare one with :open TITLE"),
        );
    }
    incident
}
