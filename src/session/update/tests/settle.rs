//! What processes that are gone had begun: found, read, told; never lost.

use super::*;
use crate::model::entry::{Body, Draft};
use crate::model::plan::{Ends, Request};
use crate::record::{Holder, OpenIntent};
use crate::session::message::Dated;

fn open(plan: Plan, held: Holder) -> OpenIntent {
    OpenIntent { plan, at: at(-600), held, begun: Some("checkout errors 9.1 %".into()) }
}

fn rolling(plan: Plan) -> OpenIntent {
    open(plan, Holder::Rolling("01KB3T5V8QWZX2R9F7G4ABCD1E".into()))
}

fn verified() -> Outcome {
    Outcome::Verified { after_seconds: Some(5), words: "12 of 12 ready".into() }
}

fn written() -> Outcome {
    Outcome::Written { words: "no pod runs it yet".into() }
}

fn intent(plan: &Plan) -> Entry {
    let mut intent = testing::by("ben", testing::entry("I", EntryKind::Intent, at(-20), "about to scale"));
    intent.draft.body = Some(Body::Intent(Box::new(plan.clone())));
    intent
}

fn outcome(id: &str, plan: &Plan, outcome: Outcome) -> Entry {
    let mut ended = testing::by("ben", testing::entry(id, EntryKind::Outcome, at(-10), "ended"));
    ended.draft.body = Some(Body::Outcome { plan: plan.id.clone(), outcome });
    ended
}

fn settled(story: &Story) -> Vec<&OpenIntent> {
    let asked = story.effects.iter().filter_map(|effect| match effect {
        Effect::Settle { open, .. } => Some(&**open),
        _ => None,
    });
    asked.collect()
}

fn taken_up(story: &mut Story, earlier: Vec<Entry>) {
    story.send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier, before: Vec::new() });
}

#[test]
fn what_was_begun_outside_an_incident_is_read_once_without_a_window_and_told() {
    let mut story = Story::begin();
    let one = rolling(plan("p", at(-600)));
    story.send(Message::Open(vec![one.clone()])).send(Message::Open(vec![one.clone()]));
    assert_eq!(settled(&story), [&one], "once");
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert_eq!(story.core.open_intents, std::slice::from_ref(&one), "listed until it is known");
    story.send(Message::Settled(outcome("O", &one.plan, verified())));
    story.send(Message::Ended { plan: one.plan.id.clone(), result: Ok(verified()) });
    assert!(story.core.open_intents.is_empty());
    assert!(story.notice().contains("verified, 12 of 12 ready"), "{}", story.notice());
    assert!(story.kinds().is_empty(), "the record that holds the intent has the outcome");
    // It can be undone from here.
    story.command("write prod-eu x").command("undo");
    assert!(matches!(story.effects.last(), Some(Effect::Plan { request: Request::Undo { .. }, .. })));
}

#[test]
fn what_is_found_while_the_past_is_read_is_settled_when_users_vitals_are_known() {
    let mut story = Story::begin();
    story.core.backfilling = 1;
    story.send(Message::Open(vec![rolling(plan("p", at(-600)))]));
    assert!(settled(&story).is_empty());
    story.send(Message::BackFilled(Vec::new()));
    assert_eq!(settled(&story).len(), 1);
}

#[test]
fn a_change_for_a_time_that_was_left_in_flight_is_left_over_once_it_is_known_to_be_on() {
    for (outcome, left) in [(verified(), 1), (written(), 1), (Outcome::Refused { why: "denied".into() }, 0)] {
        let mut story = Story::begin();
        let one = rolling(Plan { ends: Ends::Reminder, ..plan("p", at(-600)) });
        story.send(Message::Open(vec![one.clone()]));
        story.send(Message::Ended { plan: one.plan.id.clone(), result: Ok(outcome) });
        assert_eq!(story.core.left_over.len(), left);
        story.send(Message::Tick(at(3)));
        assert_eq!(story.core.left_over.len(), left);
    }
}

#[test]
fn where_nothing_can_be_read_it_is_listed_with_its_words_and_how_to_settle_it() {
    let mut story = Story::begin();
    story.core.facing.write = WritePolicy::Deny;
    story.send(Message::Open(vec![rolling(plan("p", at(-600)))]));
    assert!(settled(&story).is_empty());
    assert_eq!(story.core.open_intents.len(), 1);
    for part in ["scale Deployment payments in drill: replicas 6 → 12", "read-only by its", "warroom --env prod-eu"] {
        assert!(story.notice().contains(part), "{part}: {}", story.notice());
    }
}

#[test]
fn an_outcome_that_could_not_be_read_leaves_it_listed() {
    let mut story = Story::begin();
    let one = rolling(plan("p", at(-600)));
    story.send(Message::Open(vec![one.clone()]));
    let why = crate::model::plan::Refusal { why: "the disk is full".into() };
    story.send(Message::Ended { plan: one.plan.id.clone(), result: Err(why) });
    assert_eq!(story.core.open_intents, [one]);
    assert!(
        matches!(&story.core.actions[0].state, ActionState::Ended(Outcome::Unknown { .. })),
        "nobody may say that it was refused: {:?}",
        story.core.actions
    );
}

#[test]
fn who_closes_over_what_could_not_be_read_has_it_read_for_the_last_time() {
    let mut story = Story::begin();
    let plan = plan("p", at(-600));
    taken_up(&mut story, vec![intent(&plan)]);
    let lasts = |story: &Story| -> Vec<bool> {
        let asked = story.effects.iter().filter_map(|effect| match effect {
            Effect::Settle { last, .. } => Some(*last),
            _ => None,
        });
        asked.collect()
    };
    assert_eq!(lasts(&story), [false]);
    let why = crate::model::plan::Refusal { why: "it could not be read".into() };
    story.send(Message::Ended { plan: plan.id, result: Err(why) }).command("close");
    assert!(story.core.incident.is_some() && story.notice().contains("not closed"), "{}", story.notice());
    assert_eq!(lasts(&story), [false, true]);
}

#[test]
fn an_incident_is_not_sealed_over_an_open_intent() {
    let mut story = Story::begin();
    story.core.facing.write = WritePolicy::Deny;
    let one = plan("p", at(-600));
    taken_up(&mut story, vec![intent(&one)]);
    story.command("close");
    assert!(story.core.incident.is_some() && !story.kinds().contains(&EntryKind::Closed));
    assert!(story.notice().contains("no outcome is recorded of scale Deployment payments"), "{}", story.notice());
    assert!(story.notice().contains("warroom --env prod-eu"), "{}", story.notice());
    story.send(Message::Written { entry: outcome("O", &one, verified()), to: Some("i".into()) });
    story.command("close");
    assert!(story.kinds().contains(&EntryKind::Closed), "{}", story.notice());
}

#[test]
fn an_intent_that_was_carried_into_an_incident_is_settled_in_its_record_too() {
    let mut story = Story::begin();
    let one = rolling(plan("p", at(-600)));
    let dated = Dated { draft: intent(&one.plan).draft, occurred_at: at(-600), observed_at: at(-600) };
    // Found at the start, and being read when the incident is declared.
    story.send(Message::Open(vec![one.clone()])).command("open x");
    story.send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: Vec::new(),
        before: vec![dated.clone()],
    });
    assert_eq!(settled(&story).len(), 1, "it is being read already");
    story.send(Message::Settled(outcome("O", &one.plan, verified())));
    story.send(Message::Ended { plan: one.plan.id.clone(), result: Ok(verified()) });
    assert!(story.kinds().contains(&EntryKind::Outcome), "{:?}", story.kinds());
    story.command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());

    // Its process died after this one had looked: it is found in what is carried.
    let mut story = Story::begin();
    story.command("open x");
    story.send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: Vec::new(), before: vec![dated] });
    assert_eq!(settled(&story)[0].held, Holder::Incident("i".into()));
}

#[test]
fn an_incident_that_is_taken_up_while_its_intent_is_being_settled_has_one_outcome() {
    let mut story = Story::begin();
    let one = open(plan("p", at(-600)), Holder::Incident("i".into()));
    story.send(Message::Open(vec![one.clone()]));
    taken_up(&mut story, vec![intent(&one.plan)]);
    assert_eq!(settled(&story).len(), 1, "it is being read already");
    story.send(Message::Settled(outcome("O", &one.plan, verified())));
    story.send(Message::Ended { plan: one.plan.id.clone(), result: Ok(verified()) });
    let handed_over = story
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Record { dated, .. } if dated.draft.kind == EntryKind::Outcome));
    assert_eq!(handed_over.count(), 0, "it is on the disk");
    assert_eq!(story.kinds().iter().filter(|kind| **kind == EntryKind::Outcome).count(), 1);
    story.command("close");
    assert_eq!(story.core.incident, None, "{}", story.notice());
}

#[test]
fn an_incident_that_is_taken_up_again_knows_what_was_done_and_undone() {
    taken_up_again(&verified());
    taken_up_again(&written());
}

/// With an undo that ended so.
fn taken_up_again(undone: &Outcome) {
    let (first, second, third) = (plan("p1", at(-60)), plan("p2", at(-50)), plan("p3", at(-40)));
    let undo = Plan { request: Request::Undo { plan: Box::new(second.clone()) }, undo: None, ..plan("u", at(-30)) };
    let mut story = Story::begin();
    let earlier = vec![
        intent(&first),
        outcome("1", &first, verified()),
        intent(&second),
        outcome("2", &second, verified()),
        intent(&third),
        outcome("3", &third, Outcome::Refused { why: "denied".into() }),
        intent(&undo),
        outcome("4", &undo, undone.clone()),
    ];
    taken_up(&mut story, earlier);
    assert!(settled(&story).is_empty());
    story.command("write prod-eu x").command("undo");
    let Some(Effect::Plan { request: Request::Undo { plan }, .. }) = story.effects.last() else {
        panic!("{:?}: {}", story.effects.last(), story.notice())
    };
    assert_eq!(plan.id, first.id, "neither the one that was refused nor the one that was undone");
}

#[test]
fn a_change_whose_outcome_could_not_be_recorded_is_not_called_refused() {
    let mut story = Story::begin();
    story.planned(plan("p", at(0))).command("confirm");
    let why = Safe::fixed("scale ended verified (12 of 12 ready), but that could not be recorded");
    story.send(Message::Unrecorded { plan: testing::plan("p", "").id, outcome: verified(), why });
    assert!(story.core.actions[0].undoable(), "{:?}", story.core.actions[0]);
    assert!(story.notice().contains("could not be recorded") && story.core.journal_failed.is_some());
}

#[test]
fn an_undo_that_another_record_tells_is_not_offered_again() {
    let one = plan("p1", at(-60));
    let mut undone = testing::entry("U", EntryKind::Undone, at(-5), "undone later");
    undone.draft = Draft { body: Some(Body::Undone { plan: one.id.clone() }), ..undone.draft };
    let mut story = Story::begin();
    taken_up(&mut story, vec![intent(&one), outcome("1", &one, verified()), undone]);
    assert!(story.core.actions.is_empty());
}

#[test]
fn a_plan_is_good_for_no_longer_than_the_window_it_was_confirmed_in() {
    let mut story = Story::begin();
    story.command("write prod-eu storm").send(Message::Tick(at(880)));
    story.core.desk.planning = Some(7);
    story.send(Message::Planned { ticket: 7, result: Ok(plan("p", at(880))) }).command("confirm");
    let Some(Effect::Apply { plan, .. }) = story.effects.last() else { panic!("{:?}", story.effects.last()) };
    assert_eq!(plan.expires_at, at(900), "the engine looks at it right before the write");
}
