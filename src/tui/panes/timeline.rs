//! Rows of the timeline: the minute once, a word for what sort of thing it is, and its source.

use ratatui::text::Line;

use crate::model::entry::{ActorKind, Body, Draft, EntryKind, EntryOrigin};
use crate::model::plan::Outcome;
use crate::record::Row;
use crate::tui::scene::Scene;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Detail, Ink, Paint};

/// One word for a kind, and how it is painted.
fn word(kind: EntryKind) -> (&'static str, Role) {
    match kind {
        EntryKind::Started => ("started", Role::Dim),
        EntryKind::Opened => ("declared", Role::Accent),
        EntryKind::Closed => ("closed", Role::Good),
        EntryKind::Sealed => ("sealed", Role::Dim),
        EntryKind::AlertFiring => ("fires", Role::Bad),
        EntryKind::AlertResolved => ("resolved", Role::Good),
        EntryKind::AlertSuppressed => ("silenced", Role::Dim),
        EntryKind::Claimed => ("claimed", Role::Accent),
        EntryKind::Breach => ("breach", Role::Bad),
        EntryKind::Recovered => ("recovered", Role::Good),
        EntryKind::CrashLoop => ("crash loop", Role::Bad),
        EntryKind::OomKilled => ("oom kill", Role::Bad),
        EntryKind::Unschedulable => ("no room", Role::Warn),
        EntryKind::NodeTrouble => ("node", Role::Warn),
        EntryKind::NodeRecovered => ("node well", Role::Good),
        EntryKind::Rollout => ("rollout", Role::Accent),
        EntryKind::Rescaled => ("rescaled", Role::Accent),
        EntryKind::WarningEvent => ("warning", Role::Warn),
        EntryKind::ErrorBurst => ("errors", Role::Warn),
        EntryKind::ErrorBurstEnded => ("errors end", Role::Good),
        EntryKind::SourceLost => ("unseen", Role::Warn),
        EntryKind::SourceFound => ("seen again", Role::Dim),
        EntryKind::Gap => ("gap", Role::Warn),
        EntryKind::Note => ("note", Role::Accent),
        EntryKind::Phase => ("phase", Role::Accent),
        EntryKind::Severity => ("severity", Role::Accent),
        EntryKind::Milestone => ("milestone", Role::Accent),
        EntryKind::Intent => ("acts", Role::Accent),
        EntryKind::Outcome => ("acted", Role::Accent),
        EntryKind::WriteWindow => ("write", Role::Accent),
        EntryKind::Ran => ("ran", Role::Accent),
        EntryKind::Asked => ("asked", Role::Accent),
        EntryKind::ConsentAsked => ("consent?", Role::Warn),
        EntryKind::Consented => ("consents", Role::Accent),
        EntryKind::BreakGlass => ("BREAK-GLASS", Role::Bad),
        EntryKind::Owned => ("owned", Role::Accent),
        EntryKind::Undone => ("undone", Role::Accent),
        EntryKind::Answered => ("answered", Role::Accent),
        EntryKind::Update => ("update", Role::Accent),
        EntryKind::Exported => ("exported", Role::Dim),
        EntryKind::Correction => ("corrected", Role::Dim),
    }
}

pub(super) fn line(row: &Row, earlier: Option<&Row>, paint: &Paint<'_>, scene: &Scene<'_>) -> Line<'static> {
    let draft = &row.entry.draft;
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    let minute = paint.zone.minute(row.entry.occurred_at, paint.now);
    let same = earlier.is_some_and(|earlier| paint.zone.minute(earlier.entry.occurred_at, paint.now) == minute);
    let columns = words::width(&minute).max(5);
    ink.cell(Role::Dim, if same { "" } else { &minute }, columns);
    let milestone =
        scene.milestones.milestones.iter().find(|milestone| milestone.entry.as_ref() == Some(&row.entry.id));
    let (word, role) = word(draft.kind);
    match milestone {
        Some(milestone) => ink.cell(Role::New, &milestone.name.as_str().replace('_', " "), 12),
        None => ink.cell(role, word, 12),
    };
    let who = match draft.actor.kind {
        ActorKind::System => draft.source.rsplit('/').next().unwrap_or_default().to_owned(),
        ActorKind::Human | ActorKind::Automation => draft.actor.name.to_string(),
    };
    let who = words::fit(&who, 14, paint.ascii);
    let told = match draft.kind {
        EntryKind::Outcome => acted(draft, ink.room(), paint.ascii),
        _ => draft.title.to_string(),
    };
    // Who did it gives way to what came of it.
    let whole = words::width(&told) + words::width(&who) + 3 <= ink.room();
    let beside = if (ink.room() >= 80 && draft.kind != EntryKind::Outcome) || (ink.room() >= 50 && whole) {
        words::width(&who) + 2
    } else {
        0
    };
    let title = words::fit(&told, ink.room().saturating_sub(beside + if row.count > 1 { 8 } else { 0 }), paint.ascii);
    ink.put(if row.key { Role::Text } else { Role::Dim }, &title);
    if row.count > 1 {
        let times = if paint.ascii { format!(" x{}", row.count) } else { format!(" ×{}", row.count) };
        ink.put(Role::Warn, &times);
    }
    if beside > 0 {
        ink.right(Role::Dim, &who);
    }
    ink.line()
}

/// What an action did, and beside it what that did to what users feel: in full where there is
/// room, else what changed from what to what, and as many of the figures as fit.
fn acted(draft: &Draft, room: usize, ascii: bool) -> String {
    let Some(felt) = &draft.detail else { return draft.title.to_string() };
    let whole = format!("{}; {felt}", draft.title);
    let verified = matches!(&draft.body, Some(Body::Outcome { outcome: Outcome::Verified { .. }, .. }));
    // Of what did not go well every word is wanted, and the end of it is in the detail.
    if words::width(&whole) <= room || !verified {
        return whole;
    }
    let (Some(before), Some(after)) = (&draft.before, &draft.after) else { return whole };
    let name = draft.subject.rsplit('/').next().unwrap_or_default();
    let arrow = if ascii { "->" } else { "→" };
    let mut told = format!("{name} {before}{arrow}{after}");
    let felt: Vec<String> = felt.split("; ").map(|figure| tight(figure, arrow)).collect();
    for (at, figure) in felt.iter().enumerate() {
        let left = felt.len() - at - 1;
        let more = if left > 0 { format!(" +{left}") } else { String::new() };
        let longer = format!("{told}{} {figure}", if at == 0 { ":" } else { "," });
        if words::width(&longer) + words::width(&more) > room && at > 0 {
            return format!("{told} +{}", left + 1);
        }
        told = longer;
    }
    told
}

/// `checkout errors 9.1 % → 7.2 %` as `checkout errors 9.1→7.2 %`.
fn tight(figure: &str, arrow: &str) -> String {
    let Some((before, after)) = figure.split_once(" → ") else { return figure.to_owned() };
    let unit = after.rsplit_once(' ').map_or("", |(_, unit)| unit);
    let before = before.strip_suffix(unit).filter(|_| !unit.is_empty()).map_or(before, str::trim_end);
    format!("{before}{arrow}{after}")
}

pub(super) fn detail(row: &Row, paint: &Paint<'_>) -> Detail {
    let entry = &row.entry;
    let draft = &entry.draft;
    let known = draft.actor.known_by.as_ref().map_or_else(String::new, |how| format!(" ({how})"));
    let origin = match draft.origin {
        EntryOrigin::Auto => "noticed by the program",
        EntryOrigin::Confirmed => "noticed, and confirmed by a person",
        EntryOrigin::Manual => "said or done by a person",
    };
    let mut detail = Detail::new(draft.title.as_str())
        .fact("at", paint.zone.full(entry.occurred_at))
        .fact("learned", paint.zone.full(entry.observed_at))
        .fact("kind", draft.kind.as_str())
        .fact("about", &draft.subject)
        .maybe("service", draft.service.as_ref())
        .fact("by", format!("{}{known}", draft.actor.name))
        .fact("origin", origin)
        .fact("source", &draft.source)
        .maybe("before", draft.before.as_ref())
        .maybe("after", draft.after.as_ref())
        .maybe("more", draft.detail.as_ref());
    if row.count > 1 {
        detail = detail.fact("seen", format!("{} times, last at {}", row.count, paint.zone.full(row.last)));
    }
    for evidence in &draft.evidence {
        detail = detail
            .maybe("query", evidence.query.as_ref())
            .maybe("excerpt", evidence.excerpt.as_ref())
            .maybe("file", evidence.file.as_ref());
    }
    detail.fact("entry", &entry.id.0)
}
