//! The top tier: a second person's consent, or broken glass. What lets a plan be confirmed.
//!
//! A plan of the top tier is written to the record before anybody is asked, so that a second
//! person judges what the record holds. The countdown of break-glass goes by world time, as every
//! other length that a session knows: on real systems that is the wall's, and a drill that runs
//! faster tells the same story twice.

use chrono::TimeDelta;

use crate::model::entry::{Body, EntryKind};
use crate::model::plan::{Plan, Tier};
use crate::record::{Durability, consent_hash, short};
use crate::respond::{By, Warrant};
use crate::session::core::{Consent, Core, Grant, Next};
use crate::session::{Effect, NoticeKind, PlanView};
use crate::text::Safe;

use super::recording;

/// How long break-glass can be left.
const COUNTDOWN: TimeDelta = TimeDelta::seconds(10);

/// Why a plan of the top tier cannot even be asked about, if so.
pub(super) fn blocked(core: &Core, plan: &Plan) -> Option<Safe> {
    if plan.tier == Tier::Grave && core.desk.closing {
        return Some(Safe::fixed("the incident is being closed, and its record takes no more to consent to"));
    }
    (plan.tier == Tier::Grave && core.incident.is_none()).then(|| {
        Safe::fixed(
            "it takes a second person or break-glass, and both are told in an incident's record: declare one with \
             :open TITLE, then read the plan again",
        )
    })
}

/// A plan is shown. One of the top tier is put before a second person, unless it was already.
pub(super) fn ask(core: &mut Core, plan: &Plan) -> Vec<Effect> {
    let Some(incident) = core.incident.as_ref().filter(|_| plan.tier == Tier::Grave) else { return Vec::new() };
    let incident = incident.id.clone();
    if let Some(asked) = &core.consent
        && asked.incident == incident
        && consent_hash(&incident, &asked.asked, plan) == asked.hash
    {
        return Vec::new();
    }
    let hash = consent_hash(&incident, &plan.id, plan);
    core.consent = Some(Consent {
        incident: incident.clone(),
        asked: plan.id.clone(),
        title: plan.title.clone(),
        service: plan.service.clone(),
        hash: hash.clone(),
        grant: Grant::Recording,
    });
    let title = format!("a second person is asked to consent to {}: {} ({})", plan.title, plan.changed(), short(&hash));
    let mut draft = recording::said(core, EntryKind::ConsentAsked, plan.target.path.to_string(), title);
    draft.service = plan.service.clone();
    draft.body = Some(Body::ConsentAsked { plan: Box::new(plan.clone()), hash: hash.clone() });
    vec![recording::record_now(core, draft, Durability::Now, Next::AwaitConsent { hash })]
}

/// What a second person judges is on the disk: from now on a consent counts.
pub(super) fn asked(core: &mut Core, hash: &Safe) -> Vec<Effect> {
    let Some(consent) = core.consent.as_mut().filter(|consent| consent.hash == *hash) else { return Vec::new() };
    if consent.grant == Grant::Recording {
        consent.grant = Grant::Awaited;
    }
    vec![Effect::AwaitConsent { incident: consent.incident.clone(), hash: hash.clone() }]
}

/// Somebody consented.
pub(super) fn consented(core: &mut Core, hash: &Safe, name: &Safe, uid: u32, void: Option<&Safe>) -> Vec<Effect> {
    let Some(consent) = core.consent.as_mut().filter(|consent| consent.hash == *hash) else { return Vec::new() };
    if let Some(why) = void {
        core.say(NoticeKind::Error, format!("the consent of {name} does not count: {why}"));
        return Vec::new();
    }
    if matches!(consent.grant, Grant::Given(_)) {
        return Vec::new();
    }
    consent.grant = Grant::Given(Warrant {
        incident: consent.incident.clone(),
        asked: consent.asked.clone(),
        hash: hash.clone(),
        by: By::Second { name: name.clone(), uid },
    });
    let then = if core.shown_plan().is_some() { "the plan can be confirmed" } else { "plan it again to confirm it" };
    core.say(NoticeKind::Done, format!("{name} (user {uid}) consents: {then}"));
    vec![Effect::StopAwaiting]
}

/// Breaks the glass: the countdown begins, in which putting the plan away leaves it.
pub(super) fn break_glass(core: &mut Core, reason: Safe) -> Vec<Effect> {
    let shown = match &core.plan {
        Some(PlanView::Shown { plan, blocked: None }) if plan.tier == Tier::Grave => true,
        Some(PlanView::Shown { blocked: Some(_), .. }) => {
            core.say(NoticeKind::Error, "the plan cannot be confirmed as it is, whoever consents: no glass was broken");
            return Vec::new();
        }
        _ => false,
    };
    let until = core.now + COUNTDOWN;
    match core.consent.as_mut().filter(|_| shown) {
        Some(consent) if matches!(consent.grant, Grant::Recording | Grant::Awaited) => {
            consent.grant = Grant::Counting { reason, until };
            core.say(
                NoticeKind::Info,
                format!("break-glass in {} s: putting the plan away leaves it", COUNTDOWN.num_seconds()),
            );
        }
        Some(_) => core.say(NoticeKind::Info, "the glass is being broken, or nobody has to be asked any more"),
        None => core.say(NoticeKind::Error, "no plan that takes a second person is shown: there is no glass to break"),
    }
    Vec::new()
}

/// The plan was put away: a countdown ends with it. A second person may still consent: whoever
/// waits for that looks at other things meanwhile, and plans the same again.
pub(super) fn put_away(core: &mut Core) -> Vec<Effect> {
    if let Some(consent) = &mut core.consent
        && matches!(consent.grant, Grant::Counting { .. })
    {
        consent.grant = Grant::Awaited;
        core.say(NoticeKind::Info, "break-glass was left: nothing was changed");
    }
    Vec::new()
}

/// Nothing can be confirmed any more, and nobody is asked.
pub(super) fn over(core: &mut Core) -> Vec<Effect> {
    core.consent.take().map(|_| Effect::StopAwaiting).into_iter().collect()
}

/// Time passes: a countdown that is over goes to the record, loudly.
pub(super) fn tick(core: &mut Core) -> Vec<Effect> {
    let Some(consent) = &mut core.consent else { return Vec::new() };
    let Grant::Counting { reason, until } = &consent.grant else { return Vec::new() };
    // While the plan is read again, whether it can go ahead at all is not known; nor is anything told
    // behind the word that closes the record.
    if *until > core.now || core.desk.closing || !matches!(core.plan, Some(PlanView::Shown { blocked: None, .. })) {
        return Vec::new();
    }
    let (reason, hash, asked) = (reason.clone(), consent.hash.clone(), consent.asked.clone());
    let (what, service) = (consent.title.clone(), consent.service.clone());
    consent.grant = Grant::Breaking { reason: reason.clone() };
    let mut draft = recording::said(
        core,
        EntryKind::BreakGlass,
        what.clone(),
        format!("BREAK-GLASS: {what} goes ahead without a second person: {reason}"),
    );
    draft.service = service;
    draft.pinned = true;
    draft.body = Some(Body::BreakGlass { plan: asked, hash: hash.clone() });
    vec![recording::record_now(core, draft, Durability::Now, Next::GlassBroken { hash })]
}

/// The entry is on the disk: the plan can be confirmed.
pub(super) fn broken(core: &mut Core, hash: &Safe) {
    let Some(consent) = core.consent.as_mut().filter(|consent| consent.hash == *hash) else { return };
    let Grant::Breaking { reason } = &consent.grant else { return };
    consent.grant = Grant::Given(Warrant {
        incident: consent.incident.clone(),
        asked: consent.asked.clone(),
        hash: hash.clone(),
        by: By::Glass { reason: reason.clone() },
    });
    core.say(NoticeKind::Done, "the glass is broken, and the record says so: the plan can be confirmed");
}

/// What lets `plan` be confirmed, or why nothing does yet.
pub(super) fn warrant(core: &Core, plan: &Plan) -> Result<Option<Warrant>, String> {
    if plan.tier < Tier::Grave {
        return Ok(None);
    }
    match core.consent.as_ref().map(|consent| (&consent.grant, &consent.hash)) {
        Some((Grant::Given(warrant), _)) if warrant.covers(plan) => Ok(Some(warrant.clone())),
        Some((Grant::Given(_), _)) | None => Err("it takes a second person: read the plan again to ask one".to_owned()),
        Some((Grant::Counting { until, .. }, _)) => {
            Err(format!("the glass breaks in {} s", (*until - core.now).num_seconds().max(1)))
        }
        Some((Grant::Recording | Grant::Breaking { .. }, _)) => Err("the record is being written".to_owned()),
        Some((Grant::Awaited, hash)) => {
            Err(format!("it waits for a second person's consent to {}, or for break-glass", short(hash)))
        }
    }
}
