//! The top tier: a second person or broken glass; and what is left over.

use super::*;
use crate::model::entry::{Body, Draft};
use crate::model::plan::{Ends, Permission, PlanId, Request, Tier};
use crate::record::{Leftover, consent_hash};
use crate::respond::By;
use crate::session::Grant;

fn grave(id: &str, now: World) -> Plan {
    Plan { tier: Tier::Grave, ..plan(id, now) }
}

/// An incident, and a plan of the top tier that is shown.
fn waiting() -> Story {
    let mut story = Story::begin();
    story.ready("2026-11-21-checkout", "checkout").planned(grave("p", at(0)));
    story
}

fn hash(story: &Story) -> Safe {
    story.core.consent.as_ref().unwrap().hash.clone()
}

fn applied(story: &Story) -> Vec<Option<By>> {
    let warrants = story.effects.iter().filter_map(|effect| match effect {
        Effect::Apply { warrant, .. } => Some(warrant.as_ref().map(|warrant| warrant.by.clone())),
        _ => None,
    });
    warrants.collect()
}

fn consent(story: &mut Story, hash: Safe, void: Option<&'static str>) {
    story.send(Message::Consented { hash, name: "bob".into(), uid: 1002, void: void.map(Safe::fixed) });
}

#[test]
fn a_plan_of_the_top_tier_is_on_the_record_before_anybody_is_asked() {
    let mut story = Story::begin();
    story.planned(grave("p", at(0)));
    let Some(PlanView::Shown { blocked: Some(why), .. }) = &story.core.plan else { panic!("{:?}", story.core.plan) };
    assert!(why.contains("declare one with :open"), "{why}");

    let story = waiting();
    let asked = story.core.entries.iter().find(|entry| entry.draft.kind == EntryKind::ConsentAsked).unwrap();
    let Some(Body::ConsentAsked { plan, hash }) = &asked.draft.body else { panic!("{asked:?}") };
    assert_eq!(*hash, consent_hash(&"2026-11-21-checkout".into(), &plan.id, plan));
    let order: Vec<_> = story.effects.iter().rev().take(2).collect();
    assert!(matches!(order[..], [Effect::AwaitConsent { .. }, Effect::Record { .. }]), "{order:?}");
}

#[test]
fn a_second_persons_consent_and_the_targets_name_confirm_it() {
    let mut story = waiting();
    story.command("confirm payments");
    assert!(story.notice().contains("waits for a second person's consent"), "{}", story.notice());
    let hash = hash(&story);
    consent(&mut story, "0".repeat(64).into(), None);
    story.command("confirm payments");
    assert!(applied(&story).is_empty(), "a consent to another plan");
    consent(&mut story, hash.clone(), Some("it comes from the user who asked: it takes another one"));
    assert!(story.notice().contains("does not count"), "{}", story.notice());
    story.command("confirm payments");
    assert!(applied(&story).is_empty());
    consent(&mut story, hash, None);
    story.command("confirm");
    assert!(applied(&story).is_empty() && story.notice().contains("type the target's name"), "{}", story.notice());
    story.command("confirm payments");
    assert_eq!(applied(&story), [Some(By::Second { name: "bob".into(), uid: 1002 })]);
    assert_eq!(story.core.consent, None, "a consent is for one plan, once");
}

#[test]
fn a_plan_that_is_read_again_asks_nobody_anew_and_one_that_changed_does() {
    let mut story = waiting();
    let first = hash(&story);
    consent(&mut story, first.clone(), None);
    let again = |story: &mut Story, plan: Plan| {
        story.core.desk.planning = Some(8);
        story.send(Message::Planned { ticket: 8, result: Ok(plan) });
    };
    again(&mut story, grave("p2", at(50)));
    assert_eq!(hash(&story), first);
    assert!(matches!(story.core.consent.as_ref().unwrap().grant, Grant::Given(_)));
    let mut other = grave("p3", at(51));
    other.changes[0].after = "0".into();
    again(&mut story, other);
    assert_ne!(hash(&story), first);
    story.command("confirm payments");
    assert!(applied(&story).is_empty(), "what was consented to is not this");
}

#[test]
fn broken_glass_takes_ten_seconds_that_can_be_left_and_a_loud_entry() {
    let mut story = waiting();
    story.command("break-glass bob sleeps");
    story.send(Message::Tick(at(9))).command("confirm payments");
    assert!(story.notice().contains("the glass breaks in 1 s"), "{}", story.notice());
    // Left: nothing is recorded, and the time begins anew.
    story.command("discard-plan");
    story.send(Message::Tick(at(11)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass));
    story.core.desk.planning = Some(9);
    story.send(Message::Planned { ticket: 9, result: Ok(grave("p2", at(11))) });
    story.command("confirm payments");
    assert!(applied(&story).is_empty());

    story.command("break-glass bob sleeps").send(Message::Tick(at(20)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass));
    story.send(Message::Tick(at(21)));
    let loud = story.core.entries.last().unwrap();
    assert!(loud.draft.pinned && loud.draft.kind == EntryKind::BreakGlass, "{loud:?}");
    assert!(loud.draft.title.starts_with("BREAK-GLASS: ") && loud.draft.title.ends_with("bob sleeps"));
    story.command("confirm payments");
    assert_eq!(applied(&story), [Some(By::Glass { reason: "bob sleeps".into() })]);
}

#[test]
fn no_glass_is_broken_for_a_plan_that_cannot_go_ahead_any_more() {
    let asked = |story: &Story| match story.effects.last() {
        Some(Effect::Plan { ticket, .. }) => *ticket,
        other => panic!("{other:?}"),
    };
    let why = "the role was taken away";
    let denied = |id: &str| Plan { permission: Permission::Denied { why: why.into() }, ..grave(id, at(5)) };
    // Read again within the countdown, and the answer comes before its end or after it.
    for answered in [7, 12] {
        let mut story = waiting();
        story.command("break-glass bob sleeps").send(Message::Tick(at(5))).command("refresh-plan");
        let ticket = asked(&story);
        story.send(Message::Tick(at(answered))).send(Message::Planned { ticket, result: Ok(denied("p2")) });
        story.send(Message::Tick(at(20)));
        assert!(!story.kinds().contains(&EntryKind::BreakGlass), "{:?}", story.titles());
        assert!(story.notice().contains(why), "{}", story.notice());
    }
    // Nor for one that takes no second person any more.
    let mut story = waiting();
    story.command("break-glass bob sleeps").command("refresh-plan");
    let ticket = asked(&story);
    story.send(Message::Planned { ticket, result: Ok(plan("p2", at(1))) }).send(Message::Tick(at(20)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass), "{:?}", story.titles());
    // One that is the same as before goes ahead when that is known.
    let mut story = waiting();
    story.command("break-glass bob sleeps").send(Message::Tick(at(5))).command("refresh-plan");
    let ticket = asked(&story);
    story.send(Message::Tick(at(12)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass));
    story.send(Message::Planned { ticket, result: Ok(grave("p2", at(12))) }).send(Message::Tick(at(13)));
    assert!(story.kinds().contains(&EntryKind::BreakGlass));
}

#[test]
fn without_the_entry_on_the_disk_no_glass_is_broken() {
    let mut story = waiting();
    story.command("break-glass bob sleeps");
    // The journal takes nothing any more.
    let effects = update(&mut story.core, Message::Tick(at(10)));
    let Some(Effect::Record { ticket, .. }) = effects.last() else { panic!("{effects:?}") };
    story.send(Message::Recorded { ticket: *ticket, result: Err(JournalError::Failed("the disk is full".into())) });
    assert_eq!(story.core.consent, None);
    assert_eq!(story.effects.last(), Some(&Effect::StopAwaiting), "and nobody is waited for");
    story.command("confirm payments");
    assert!(applied(&story).is_empty());
}

#[test]
fn lower_tiers_have_no_glass_and_a_closed_window_ends_the_asking() {
    let mut story = Story::begin();
    story.ready("2026-11-21-checkout", "checkout").planned(plan("p", at(0)));
    story.command("break-glass I can");
    assert!(story.notice().contains("no glass to break"), "{}", story.notice());
    let mut story = waiting();
    story.command("close-write");
    assert_eq!(story.core.consent, None);
    assert!(story.effects.contains(&Effect::StopAwaiting));
}

/// The engine's entries of an applied plan.
fn applies(story: &mut Story, plan: &Plan) {
    let ended = Outcome::Verified { after_seconds: Some(1), words: "live".into() };
    let bodies = [
        (EntryKind::Intent, Body::Intent(Box::new(plan.clone()))),
        (EntryKind::Outcome, Body::Outcome { plan: plan.id.clone(), outcome: ended }),
    ];
    for (kind, body) in bodies {
        let draft = Draft { body: Some(body), ..testing::draft(kind, "acts") };
        let (occurred_at, to) = (story.core.now, story.core.incident.as_ref().map(|incident| incident.id.clone()));
        let id = EntryId(format!("{}-{}", plan.id.0, kind.as_str()).into());
        story.send(Message::Written { entry: Entry { id, occurred_at, observed_at: occurred_at, draft }, to });
    }
}

#[test]
fn closing_asks_for_each_change_that_is_left_over_to_be_undone_or_owned() {
    let mut story = Story::begin();
    story.ready("2026-11-21-checkout", "checkout");
    let weights = Plan { ends: Ends::Reminder, ..plan("p-aaaa", at(0)) };
    let silence = Plan { ends: Ends::BySystem { at: at(600) }, ..plan("p-bbbb", at(0)) };
    let floor = Plan { ends: Ends::Reminder, ..plan("p-cccc", at(0)) };
    for plan in [&weights, &silence, &floor, &plan("p-dddd", at(0))] {
        applies(&mut story, plan);
    }
    assert_eq!(story.core.left_over.iter().map(Leftover::handle).collect::<Vec<_>>(), ["aaaa", "bbbb", "cccc"]);
    story.command("close");
    assert!(story.notice().contains("not closed") && story.notice().contains(":undo aaaa"), "{}", story.notice());
    story.command("own aaaa team-money");
    let owned = story.core.entries.last().unwrap();
    assert!(
        matches!(&owned.draft.body, Some(Body::Owned { plan, owner }) if *plan == weights.id && owner == "team-money")
    );
    applies(
        &mut story,
        &Plan { id: PlanId("u".into()), request: Request::Undo { plan: Box::new(floor) }, ..plan("u", at(0)) },
    );
    story.command("close");
    assert!(story.notice().contains("bbbb"), "{}", story.notice());
    // The system ended it.
    story.send(Message::Tick(at(600)));
    assert!(story.core.left_over.is_empty());
    story.command("close");
    assert!(story.core.incident.is_none(), "{}", story.notice());
}

#[test]
fn what_is_done_after_an_incident_was_closed_is_told_in_none() {
    let mut story = Story::begin();
    story.ready("2026-11-21-checkout", "checkout");
    story.command("close");
    assert_eq!(story.core.closed, Some("2026-11-21-checkout".into()), "{}", story.notice());
    applies(&mut story, &Plan { ends: Ends::Reminder, ..plan("p-aaaa", at(0)) });
    let left: Vec<_> = story.core.left_over.iter().map(|one| one.incident.clone()).collect();
    assert_eq!(left, [None]);
    story.command("own aaaa team-money");
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Add { .. })), "the closed record stays");
    let Some(Effect::Record { dated, .. }) = story.effects.last() else { panic!("{:?}", story.effects) };
    assert_eq!(dated.draft.kind, EntryKind::Owned);
    assert!(story.core.left_over.is_empty());
}

#[test]
fn what_an_earlier_incident_left_over_is_shown_and_told_there_when_it_is_seen_to() {
    let mut story = Story::begin();
    let old = |id: &str| Leftover {
        plan: Plan { ends: Ends::Reminder, ..plan(id, at(-90_000)) },
        at: at(-90_000),
        incident: Some("2026-11-20-search".into()),
    };
    story.send(Message::LeftOver(vec![old("p-aaaa"), old("p-bbbb")]));
    assert!(
        story.notice().contains("left over from before") && story.notice().contains("1 more"),
        "{}",
        story.notice()
    );
    assert_eq!(story.core.left_over.len(), 2);
    story.command("own aaaa team-money");
    let Some(Effect::Add { incident, plan, dated }) = story.effects.last().cloned() else {
        panic!("{:?}", story.effects)
    };
    assert_eq!((incident.as_str(), dated.draft.kind), ("2026-11-20-search", EntryKind::Owned));
    assert_eq!(story.core.left_over.len(), 2, "not before it is on the disk");
    story.send(Message::Added { plan, result: Ok(()) });
    assert_eq!(story.core.left_over.len(), 1);

    story.command("write prod-eu back").command("undo bbbb");
    let Some(Effect::Plan { request: Request::Undo { plan }, .. }) = story.effects.last() else { panic!("no plan") };
    assert_eq!(plan.id.0, "p-bbbb");
    let undo = Plan { request: Request::Undo { plan: plan.clone() }, ..self::plan("u", at(0)) };
    story.core.desk.planning = Some(7);
    story.send(Message::Planned { ticket: 7, result: Ok(undo.clone()) }).command("confirm");
    applies(&mut story, &undo);
    let outcome = Outcome::Verified { after_seconds: Some(1), words: "live".into() };
    story.send(Message::Ended { plan: undo.id, result: Ok(outcome) });
    assert!(story.core.left_over.is_empty());
    assert!(
        matches!(story.effects.last(), Some(Effect::Add { incident, dated, .. })
            if incident.as_str() == "2026-11-20-search" && dated.draft.kind == EntryKind::Undone),
        "{:?}",
        story.effects.last()
    );
}

#[test]
fn whoever_asks_for_another_plan_has_left_the_glass_and_what_is_told_is_what_was_asked_about() {
    let mut story = waiting();
    let other = |story: &Story| {
        let target = story.core.shown_plan().unwrap().target.clone();
        Request::Scale { target, to: Replicas::Exactly(3) }
    };
    story.command("break-glass bob sleeps").send(Message::Tick(at(5)));
    let request = other(&story);
    let Some(PlanView::Shown { plan, .. }) = &mut story.core.plan else { panic!("{:?}", story.core.plan) };
    plan.instead = Some(Instead { words: "three".into(), request: Box::new(request) });
    story.command("plan-instead");
    assert!(story.notice().contains("break-glass was left"), "{}", story.notice());
    story.send(Message::Tick(at(30)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass), "nobody waited for that");

    // The countdown was over when another plan was asked for: it is told by its own name.
    let mut story = waiting();
    story.command("break-glass bob sleeps");
    let shown = story.core.shown_plan().unwrap().clone();
    story.core.plan = Some(PlanView::Shown {
        plan: Box::new(Plan { title: "scale Deployment other".into(), ..shown }),
        blocked: None,
    });
    story.send(Message::Tick(at(10)));
    let loud = story.core.entries.last().unwrap();
    assert!(loud.draft.title.starts_with("BREAK-GLASS: scale Deployment payments goes ahead"), "{}", loud.draft.title);
}
