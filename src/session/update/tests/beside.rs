//! Several sessions at one incident: what one does is not lost to the record of another, and none
//! closes it over what is in flight.

use super::*;
use crate::model::entry::{Body, Draft};
use crate::model::plan::PlanId;
use crate::record::{Holder, OpenIntent};
use crate::session::message::Dated;

fn verified() -> Outcome {
    Outcome::Verified { after_seconds: Some(5), words: "12 of 12 ready".into() }
}

fn tells(id: &str, kind: EntryKind, seconds: i64, body: Option<Body>) -> Entry {
    let mut entry = testing::by("ben", testing::entry(id, kind, at(seconds), "ben did it"));
    entry.draft.body = body;
    entry
}

fn intent(plan: &Plan) -> Entry {
    tells("I", EntryKind::Intent, 10, Some(Body::Intent(Box::new(plan.clone()))))
}

fn outcome(plan: &Plan) -> Entry {
    tells("O", EntryKind::Outcome, 20, Some(Body::Outcome { plan: plan.id.clone(), outcome: verified() }))
}

fn told(entries: &[Entry]) -> Vec<(Draft, World, World)> {
    entries.iter().map(|entry| (entry.draft.clone(), entry.occurred_at, entry.observed_at)).collect()
}

fn declared() -> Story {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x");
    story
}

fn settles(story: &Story) -> usize {
    story.effects.iter().filter(|effect| matches!(effect, Effect::Settle { .. })).count()
}

#[test]
fn what_another_session_does_without_the_incident_comes_into_its_record_once() {
    let mut story = declared();
    let theirs = [intent(&plan("p", at(10))), outcome(&plan("p", at(10)))];
    story.beside.told = told(&theirs);
    story.send(Message::Tick(at(59)));
    assert_eq!(story.kinds(), [EntryKind::Opened], "it is looked for once a minute");
    for seconds in [60, 121, 182] {
        story.send(Message::Tick(at(seconds)));
    }
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Intent, EntryKind::Outcome]);
    assert_eq!(story.core.entries[1].occurred_at, at(10), "its own time stays");
    assert_eq!(settles(&story), 0, "its outcome is told");
}

#[test]
fn whoever_closes_sees_first_what_another_session_did_meanwhile() {
    let mut story = declared();
    story.beside.told = told(&[tells("N", EntryKind::Note, 5, None)]);
    story.command("close");
    assert!(story.core.incident.is_some());
    assert!(story.notice().contains("an entry of other sessions came into the record"), "{}", story.notice());
    story.command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note, EntryKind::Closed]);
}

#[test]
fn an_incident_is_not_closed_over_what_another_session_has_in_flight_and_needs_no_restart_then() {
    let mut story = declared();
    let theirs = plan("p", at(10));
    story.beside = Beside {
        news: vec![intent(&theirs)],
        told: Vec::new(),
        under_way: vec![(theirs.id.clone(), theirs.title.clone())],
    };
    story.command("close");
    assert!(story.core.incident.is_some());
    assert!(story.notice().contains("payments is under way in another session"), "{}", story.notice());
    assert_eq!(settles(&story), 0, "it is theirs");
    story.beside = Beside { news: vec![intent(&theirs), outcome(&theirs)], ..Beside::default() };
    story.command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());
    let others = story.kinds().into_iter().filter(|kind| [EntryKind::Intent, EntryKind::Outcome].contains(kind));
    assert_eq!(others.count(), 2, "told once");
}

#[test]
fn what_another_session_left_in_flight_is_settled_once_it_is_gone() {
    let mut story = declared();
    let theirs = plan("p", at(10));
    story.beside = Beside {
        news: vec![intent(&theirs)],
        told: Vec::new(),
        under_way: vec![(theirs.id.clone(), theirs.title.clone())],
    };
    story.send(Message::Tick(at(60)));
    assert_eq!(settles(&story), 0);
    story.beside.under_way.clear();
    story.send(Message::Tick(at(120))).send(Message::Tick(at(180)));
    assert_eq!(settles(&story), 1, "once");
    // The same, by one who had not taken the incident up.
    let mut story = declared();
    story.beside.told = told(&[intent(&theirs)]);
    story.send(Message::Tick(at(60))).send(Message::Tick(at(120)));
    assert_eq!((settles(&story), story.kinds().len()), (1, 2));
}

#[test]
fn an_incident_that_another_session_closes_is_closed_here() {
    let mut story = declared();
    story.beside.news = vec![tells("C", EntryKind::Closed, 50, None)];
    story.send(Message::Tick(at(60)));
    assert_eq!(story.core.incident, None);
    assert!(story.effects.contains(&Effect::Seal("i".into())));
    assert!(story.notice().contains("i is closed"), "{}", story.notice());
}

#[test]
fn a_drill_asks_nobody_before_it_closes() {
    let mut story = declared();
    story.core.facing.drill = true;
    story.send(Message::Tick(at(60))).command("close");
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::LookBeside(_))));
    assert_eq!(story.core.incident, None);
}

/// The incident is declared while it is settled, and the outcome is there before what is carried.
#[test]
fn an_intent_that_is_carried_into_an_incident_after_its_outcome_was_told_does_not_stay_open() {
    let mut story = Story::begin();
    let one = OpenIntent {
        plan: plan("p", at(-600)),
        at: at(-600),
        held: Holder::Rolling("01KB3T5V8QWZX2R9F7G4ABCD1E".into()),
        begun: None,
    };
    story.send(Message::Open(vec![one.clone()])).command("open x");
    let mut ended = outcome(&one.plan);
    ended.occurred_at = at(0);
    story.send(Message::Settled(ended));
    story.send(Message::Ended { plan: one.plan.id.clone(), result: Ok(verified()) });
    let dated = Dated { draft: intent(&one.plan).draft, occurred_at: at(-600), observed_at: at(-600) };
    story.send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new(), before: vec![dated] });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Intent, EntryKind::Outcome]);
    story.command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());
}

#[test]
fn what_could_not_be_settled_is_read_again_when_the_incident_is_to_be_closed() {
    let mut story = Story::begin();
    let one = plan("p", at(-600));
    story.send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: vec![intent(&one)],
        before: Vec::new(),
    });
    let why = crate::model::plan::Refusal { why: "another action on it is under way".into() };
    story.send(Message::Ended { plan: one.id.clone(), result: Err(why) });
    story.command("close");
    assert_eq!(settles(&story), 2, "{}", story.notice());
    assert!(story.notice().contains("It is being read again"), "{}", story.notice());
    story.send(Message::Written { entry: outcome(&one), to: Some("i".into()) });
    story.send(Message::Ended { plan: PlanId("p".into()), result: Ok(verified()) }).command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());
}

#[test]
fn what_another_session_brought_into_the_record_is_not_told_twice_by_whoever_said_it() {
    let mut story = Story::begin();
    story.command("note the phone rang");
    let mut brought = story.core.entries[0].clone();
    brought.id = EntryId("theirs".into());
    let opened = tells("A", EntryKind::Opened, -5, None);
    story.send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: vec![opened, brought],
        before: Vec::new(),
    });
    let told = story.titles().iter().filter(|title| **title == "the phone rang").count();
    assert_eq!(told, 1, "{:?}", story.titles());
}

#[test]
fn a_claim_that_comes_to_be_known_late_takes_nothing_from_who_claimed_after() {
    let mut story = Story::begin();
    story.core.actor = testing::by("ana", testing::entry("x", EntryKind::Note, at(0), "")).draft.actor;
    story.hears(vec![alert("CheckoutSlow", "c", at(-60))]).send(Message::Tick(at(30)));
    story.command("claim CheckoutSlow").ready("i", "x");
    let claimed =
        |id: &str, seconds| tells(id, EntryKind::Claimed, seconds, Some(Body::Alert { keys: vec!["c".into()] }));
    let by = |story: &Story| story.core.picture.alerts.named("CheckoutSlow").unwrap().claim.clone().unwrap().by;
    story.beside.news = vec![claimed("early", 10)];
    story.send(Message::Tick(at(100)));
    assert_eq!(by(&story), "ana");
    story.beside.news.push(claimed("late", 110));
    story.send(Message::Tick(at(170)));
    assert_eq!(by(&story), "ben", "who takes it after, in another session, has it");
}
