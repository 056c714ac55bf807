//! Who has taken an alert on. Nobody takes one over from somebody else by the way.

use crate::model::alert::{AlertState, Claim};
use crate::model::command::AlertChoice;
use crate::model::entry::{Body, EntryKind};
use crate::observe::alerts::AlertRow;
use crate::record::Durability;
use crate::session::core::{Core, Next};
use crate::session::{Effect, NoticeKind};
use crate::text::Safe;

use super::recording;

/// Takes an alert on that nobody has.
pub(super) fn claim(core: &mut Core, choice: &AlertChoice) -> Vec<Effect> {
    let Some(row) = claimable(core, choice) else { return Vec::new() };
    match &row.claim {
        Some(Claim { by, at }) => {
            let (name, since) = (&row.alert.name, at.format("%H:%MZ"));
            let text =
                format!("{name} is already claimed by {by} since {since}: `:take-over {name}` takes it over from them");
            core.say(NoticeKind::Error, text);
            Vec::new()
        }
        None => claimed_now(core, row),
    }
}

/// Takes an alert on, also from somebody who has claimed it: from whom it was decided to, if that
/// was shown, and from nobody who took it meanwhile.
pub(super) fn take_over(core: &mut Core, choice: &AlertChoice, from: Option<&Claim>) -> Vec<Effect> {
    let Some(row) = claimable(core, choice) else { return Vec::new() };
    let Some(from) = from.filter(|from| row.claim.as_ref() != Some(from)) else { return claimed_now(core, row) };
    let name = &row.alert.name;
    let now = match &row.claim {
        Some(Claim { by, at }) => format!("{by} has it now, since {}", at.format("%H:%M:%SZ")),
        None => "nobody has it now".to_owned(),
    };
    core.say(
        NoticeKind::Error,
        format!("{name} was not taken over from {}: {now}. Ask for it again if you still want it", from.by),
    );
    Vec::new()
}

/// The row of an alert that could be claimed; else why it cannot is said.
fn claimable(core: &mut Core, choice: &AlertChoice) -> Option<AlertRow> {
    let row = match choice {
        AlertChoice::Exactly { origin, key } => core.picture.alerts.find(origin, key),
        AlertChoice::Named(name) => core.picture.alerts.named(name),
    };
    let Some(row) = row.cloned() else {
        let what = match choice {
            AlertChoice::Exactly { key, .. } => &key.0,
            AlertChoice::Named(name) => name,
        };
        core.say(NoticeKind::Error, format!("no alert `{what}` is known: nothing was claimed"));
        return None;
    };
    let name = &row.alert.name;
    if row.alert.state == AlertState::Resolved {
        core.say(NoticeKind::Error, format!("{name} is resolved: there is nothing to claim"));
        return None;
    }
    if let Some(Claim { by, at }) = &row.claim
        && *by == core.actor.name
    {
        core.say(NoticeKind::Info, format!("{name} is claimed by you already, since {}", at.format("%H:%MZ")));
        return None;
    }
    Some(row)
}

fn claimed_now(core: &mut Core, row: AlertRow) -> Vec<Effect> {
    let name = &row.alert.name;
    let mut effects = Vec::new();
    if core.incident.is_none() && !core.desk.declaring {
        effects.extend(recording::declare(core, title_of(&row), row.service.clone().map(|service| service.0)));
    }
    // Who did it is the entry's actor, and whose it was stands beside: a name that is an address
    // would be redacted in a title.
    let title = format!("{name} {}", if row.claim.is_some() { "taken over" } else { "claimed" });
    let mut draft = recording::said(core, EntryKind::Claimed, name.clone(), title);
    if let Some(Claim { by, at }) = row.claim.clone() {
        draft.detail = Some(format!("claimed by another since {}", at.format("%H:%M:%SZ")).into());
        (draft.before, draft.after) = (Some(by), Some(core.actor.name.clone()));
    }
    draft.body = Some(Body::Alert { keys: row.keys().cloned().collect() });
    draft.service = row.service;
    effects.push(recording::record_now(core, draft, Durability::Now, Next::Nothing));
    effects
}

fn title_of(row: &AlertRow) -> Safe {
    let what = row.alert.summary.as_ref().unwrap_or(&row.alert.name);
    match &row.service {
        Some(service) => Safe::from(format!("{service}: {what}")),
        None => what.clone(),
    }
}

/// A claim is durable: from now on the alert is theirs, whoever had it. One that comes to be known
/// late, from another session, takes nothing from who claimed it after.
pub(super) fn claimed(core: &mut Core, keys: &[Safe], claim: Claim) {
    if core.desk.claims.iter().any(|(known, other)| share(known, keys) && other.at > claim.at) {
        return;
    }
    core.desk.claims.retain(|(known, _)| !share(known, keys));
    let rows = core.picture.alerts.rows().iter();
    let before = rows.filter(|row| row.claim.is_some() && row.keys().any(|key| keys.contains(key)));
    let places: Vec<_> = before.map(|row| (row.origin.clone(), row.alert.key.clone())).collect();
    for (origin, key) in places {
        core.picture.alerts.unclaim(&origin, &key);
    }
    core.desk.claims.push((keys.to_vec(), claim));
    claim_again(core);
}

/// An alert has ended. It may fire again by now: the claim is not over then.
pub(super) fn resolved(core: &mut Core, keys: &[Safe]) {
    let fires = |row: &AlertRow| row.fires() && row.keys().any(|key| keys.contains(key));
    if !core.picture.alerts.rows().iter().any(fires) {
        core.desk.claims.retain(|(known, _)| !share(known, keys));
    }
}

/// Puts claims back on alerts that a source has told of again.
pub(super) fn claim_again(core: &mut Core) {
    for (keys, claim) in &core.desk.claims {
        let rows = core.picture.alerts.rows().iter();
        let mut unclaimed = rows.filter(|row| row.claim.is_none() && row.keys().any(|key| keys.contains(key)));
        let Some(row) = unclaimed.next() else { continue };
        let (origin, key) = (row.origin.clone(), row.alert.key.clone());
        core.picture.alerts.claim(&origin, &key, claim.clone());
    }
}

fn share(keys: &[Safe], others: &[Safe]) -> bool {
    keys.iter().any(|key| others.contains(key))
}
