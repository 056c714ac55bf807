//! Who has taken an alert on. Nobody takes one over from somebody else by the way.

use crate::model::alert::AlertState;
use crate::model::command::AlertChoice;
use crate::model::entry::{Body, EntryKind};
use crate::observe::alerts::{AlertRow, Claim};
use crate::record::Durability;
use crate::session::core::{Core, Next};
use crate::session::{Effect, NoticeKind};
use crate::text::Safe;

use super::recording;

/// Takes an alert on. `over`: also from somebody who has claimed it.
pub(super) fn claim(core: &mut Core, choice: &AlertChoice, over: bool) -> Vec<Effect> {
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
        return Vec::new();
    };
    let name = &row.alert.name;
    if row.alert.state == AlertState::Resolved {
        core.say(NoticeKind::Error, format!("{name} is resolved: there is nothing to claim"));
        return Vec::new();
    }
    if let Some(Claim { by, at }) = &row.claim {
        let since = at.format("%H:%MZ");
        if *by == core.actor.name {
            core.say(NoticeKind::Info, format!("{name} is claimed by you already, since {since}"));
            return Vec::new();
        }
        if !over {
            let text =
                format!("{name} is already claimed by {by} since {since}: `:take-over {name}` takes it over from them");
            core.say(NoticeKind::Error, text);
            return Vec::new();
        }
    }
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

/// A claim is durable: from now on the alert is theirs, whoever had it.
pub(super) fn claimed(core: &mut Core, keys: &[Safe], claim: Claim) {
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
