//! Secrets are taken out of an entry, text by text.
//!
//! The structures are taken apart field by field, without `..`: whoever adds a text to an entry
//! or a plan is made to decide here. Names that identify things (sources, actors, targets, ids)
//! stay as they are.

use crate::model::entry::{Body, Draft, Evidence};
use crate::model::plan::{
    Blast, Fact, FieldChange, Guard, Instead, Outcome, Owner, Permission, Plan, Preview, Request, Room,
};
use crate::text::redact_safe;

pub(super) fn draft(draft: Draft) -> Draft {
    let Draft {
        kind,
        source,
        subject,
        title,
        detail,
        actor,
        service,
        before,
        after,
        evidence,
        dedupe,
        origin,
        pinned,
        body,
    } = draft;
    Draft {
        kind,
        source,
        subject: redact_safe(subject),
        title: redact_safe(title),
        detail: detail.map(redact_safe),
        actor,
        service,
        before: before.map(redact_safe),
        after: after.map(redact_safe),
        evidence: evidence.into_iter().map(shown).collect(),
        dedupe: dedupe.map(redact_safe),
        origin,
        pinned,
        body: body.map(carried),
    }
}

fn shown(evidence: Evidence) -> Evidence {
    let Evidence { query, excerpt, lines, file, kept } = evidence;
    let (query, excerpt, kept) = (query.map(redact_safe), excerpt.map(redact_safe), kept.map(redact_safe));
    Evidence { query, excerpt, lines, file, kept }
}

fn carried(body: Body) -> Body {
    match body {
        Body::Alert { keys } => Body::Alert { keys: keys.into_iter().map(redact_safe).collect() },
        Body::Opened { incident, title } => Body::Opened { incident, title: redact_safe(title) },
        Body::Intent(plan) => Body::Intent(Box::new(planned(*plan))),
        Body::Outcome { plan, outcome } => Body::Outcome { plan, outcome: ended(outcome) },
        Body::ConsentAsked { plan, hash } => Body::ConsentAsked { plan: Box::new(planned(*plan)), hash },
        same @ (Body::Started { .. }
        | Body::Consented { .. }
        | Body::BreakGlass { .. }
        | Body::Owned { .. }
        | Body::Undone { .. }
        | Body::Phase(_)
        | Body::Severity(_)
        | Body::Milestone { .. }
        | Body::Update { .. }
        | Body::Correction { .. }
        | Body::Gap { .. }
        | Body::Sealed { .. }) => same,
    }
}

/// The plan as the journal keeps it.
pub(in crate::record) fn planned(plan: Plan) -> Plan {
    let Plan {
        id,
        request,
        target,
        title,
        changes,
        guards,
        affects,
        undo,
        blast,
        room,
        owners,
        load,
        tier,
        permission,
        preview,
        service,
        services,
        command,
        facts,
        instead,
        ends,
        read_at,
        expires_at,
        patience_seconds,
        raised_from,
    } = plan;
    let Blast { ready_before, wanted_before, wanted_after, fewest_ready, words } = blast;
    Plan {
        id,
        request: wanted(request),
        target,
        title: redact_safe(title),
        changes: changes
            .into_iter()
            .map(|FieldChange { pointer, label, before, after, words }| FieldChange {
                pointer,
                label,
                before: redact_safe(before),
                after: redact_safe(after),
                words: words.map(redact_safe),
            })
            .collect(),
        guards: guards
            .into_iter()
            .map(|Guard { pointer, label, value }| Guard { pointer, label, value: redact_safe(value) })
            .collect(),
        affects,
        undo: undo.map(redact_safe),
        blast: Blast { ready_before, wanted_before, wanted_after, fewest_ready, words: redact_safe(words) },
        room: match room {
            Room::NotNeeded => Room::NotNeeded,
            Room::Counted { fit, wait, words } => Room::Counted { fit, wait, words: redact_safe(words) },
            Room::Unknown { why } => Room::Unknown { why: redact_safe(why) },
        },
        owners: owners
            .into_iter()
            .map(|Owner { name, effect, words }| Owner { name, effect, words: redact_safe(words) })
            .collect(),
        load: load.map(redact_safe),
        tier,
        permission: match permission {
            Permission::Allowed => Permission::Allowed,
            Permission::Denied { why } => Permission::Denied { why: redact_safe(why) },
            Permission::Unknown { why } => Permission::Unknown { why: redact_safe(why) },
        },
        preview: match preview {
            Preview::Accepted => Preview::Accepted,
            Preview::Refused { why } => Preview::Refused { why: redact_safe(why) },
            Preview::Unavailable { why } => Preview::Unavailable { why: redact_safe(why) },
        },
        service,
        services,
        command: redact_safe(command),
        facts: facts
            .into_iter()
            .map(|Fact { label, words, warns }| Fact { label, words: redact_safe(words), warns })
            .collect(),
        instead: instead.map(|Instead { words, request }| Instead {
            words: redact_safe(words),
            request: Box::new(wanted(*request)),
        }),
        ends,
        read_at,
        expires_at,
        patience_seconds,
        raised_from,
    }
}

fn wanted(request: Request) -> Request {
    match request {
        Request::Undo { plan } => Request::Undo { plan: Box::new(planned(*plan)) },
        Request::Silence { target, matchers, minutes, comment } => {
            Request::Silence { target, matchers, minutes, comment: redact_safe(comment) }
        }
        Request::RunStep { target, runbook, step, command } => {
            Request::RunStep { target, runbook, step, command: redact_safe(command) }
        }
        // Names and numbers, nothing that people write.
        other => other,
    }
}

fn ended(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Verified { after_seconds, words } => Outcome::Verified { after_seconds, words: redact_safe(words) },
        Outcome::Written { words } => Outcome::Written { words: redact_safe(words) },
        Outcome::Overridden { words } => Outcome::Overridden { words: redact_safe(words) },
        Outcome::Refused { why } => Outcome::Refused { why: redact_safe(why) },
        Outcome::Failed { why } => Outcome::Failed { why: redact_safe(why) },
        Outcome::TimedOut { words } => Outcome::TimedOut { words: redact_safe(words) },
        Outcome::Unknown { why } => Outcome::Unknown { why: redact_safe(why) },
    }
}
