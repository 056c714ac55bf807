//! Declaring, taking up and closing incidents: no entry is lost, none is doubled.

use super::*;
use crate::model::plan::Tier;

#[test]
fn what_was_noted_before_is_carried_into_the_incident() {
    let mut story = Story::begin();
    story.command("note payments looks slow").send(Message::Tick(at(60))).command("open Checkout fails");
    assert!(matches!(&story.effects.last(), Some(Effect::Declare { title, .. }) if *title == "Checkout fails"));
    story.send(Message::IncidentReady {
        id: "2026-11-18-checkout".into(),
        title: "Checkout fails".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note]);
    assert_eq!(story.core.entries[1].occurred_at, at(0), "its own time stays");
    assert_eq!(story.core.incident.as_ref().unwrap().phase, Phase::Investigating);
    assert!(story.effects.contains(&Effect::WriteTo("2026-11-18-checkout".into())));
}

#[test]
fn an_entry_in_flight_while_the_incident_is_declared_is_neither_lost_nor_doubled() {
    let mut story = Story::begin();
    let handed = update(&mut story.core, Message::Command(Command::Note { text: "early".into() }));
    let Some(Effect::Record { ticket, dated, .. }) = handed.into_iter().next() else { unreachable!() };
    story.command("open Checkout");
    story.send(Message::IncidentReady { id: "i".into(), title: "t".into(), earlier: Vec::new(), before: Vec::new() });
    // The rolling journal's answer comes late.
    let entry = Entry {
        id: EntryId("late".into()),
        occurred_at: dated.occurred_at,
        observed_at: dated.observed_at,
        draft: dated.draft,
    };
    story.send(Message::Recorded { ticket, result: Ok(entry) });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note]);
    assert_eq!(story.core.unrecorded, 0);
}

#[test]
fn closing_seals_the_record_and_a_new_incident_starts_clean() {
    let mut story = Story::begin();
    story.command("open x").send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    story.command("note one").command("close");
    assert!(story.core.incident.is_none());
    assert!(story.effects.contains(&Effect::Seal("i".into())));
    story.command("note two").command("open y").send(Message::IncidentReady {
        id: "j".into(),
        title: "y".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    let titles: Vec<_> = story.core.entries.iter().map(|entry| entry.draft.title.to_string()).collect();
    assert_eq!(titles, ["incident declared: y", "two"]);
}

#[test]
fn what_an_earlier_process_wrote_is_not_told_twice() {
    let mut earlier = Story::begin();
    earlier.command("open x").send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    earlier.command("note one");
    let mut story = Story::begin();
    story.send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: earlier.core.entries.clone(),
        before: Vec::new(),
    });
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Note, EntryKind::Note]);
    assert_eq!(story.core.entries[2].draft.title, "incident taken up again");
    assert_eq!(story.core.entries[2].draft.actor, story.core.actor);
}

#[test]
fn an_incident_holds_the_old_alert_that_was_claimed_and_not_the_one_that_always_fires() {
    let mut story = Story::begin();
    story.hears(vec![alert("Watchdog", "w", at(-90_000)), alert("CheckoutSlow", "c", at(-7200))]);
    story.command("claim CheckoutSlow").ready("i", "t");
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::AlertFiring, EntryKind::Claimed]);
    assert_eq!(story.core.milestones.at(MilestoneName::Detected), Some(at(-7200)));
}

#[test]
fn a_second_incident_knows_what_was_seen_during_the_first_but_not_what_was_said_in_it() {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x").hears(vec![alert("CheckoutSlow", "c", at(-60))]);
    story.command("note about x").command("close");
    assert!(story.core.incident.is_none());
    story.send(Message::Tick(at(60))).command("claim CheckoutSlow").ready("j", "y");
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::AlertFiring, EntryKind::Claimed]);
}

#[test]
fn an_outcome_that_went_to_the_rolling_journal_reaches_the_incident_declared_meanwhile() {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x");
    let mut outcome = testing::by("ana", testing::entry("O", EntryKind::Outcome, at(5), "scale: verified"));
    outcome.observed_at = at(5);
    story.send(Message::Written { entry: outcome.clone(), to: None });
    assert_eq!(story.titles(), ["incident declared: x", "scale: verified"]);
    assert!(matches!(story.effects.last(), Some(Effect::Record { .. })), "written to the incident's journal too");
    // One that is there already is not written again.
    let effects = story.effects.len();
    story.send(Message::Written { entry: outcome, to: Some("i".into()) });
    assert_eq!((story.core.entries.len(), story.effects.len()), (3, effects));
}

#[test]
fn an_incident_is_not_closed_while_an_action_is_under_way_nor_twice() {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x").planned(plan("p", at(0))).command("confirm");
    story.command("close");
    assert!(story.core.incident.is_some());
    assert!(story.notice().contains("is under way"), "{}", story.notice());
    let outcome = Outcome::Verified { after_seconds: Some(5), words: "12 of 12 ready".into() };
    story.send(Message::Ended { plan: testing::plan("p", "").id, result: Ok(outcome) });
    let first = update(&mut story.core, Message::Command(Command::Close));
    assert_eq!(first, [Effect::LookBeside("i".into())]);
    assert_eq!(update(&mut story.core, Message::Command(Command::Close)), [], "one word is enough");
    let seen = Message::Beside { incident: "i".into(), beside: Box::default() };
    assert!(matches!(update(&mut story.core, seen)[..], [Effect::Record { .. }]));
    assert_eq!(update(&mut story.core, Message::Command(Command::Close)), [], "it is on its way");
}

#[test]
fn a_read_only_session_says_that_it_cannot_settle_what_was_left_in_flight() {
    let mut intent = testing::by("ben", testing::entry("I", EntryKind::Intent, at(-20), "about to scale"));
    intent.draft.body = Some(crate::model::entry::Body::Intent(Box::new(testing::plan("p", "kubectl"))));
    let mut story = Story::begin();
    story.core.facing.write = WritePolicy::Deny;
    story.send(Message::IncidentReady { id: "i".into(), title: "x".into(), earlier: vec![intent], before: Vec::new() });
    assert!(story.core.actions.is_empty());
    assert!(story.notice().contains("read-only by its configuration"), "{}", story.notice());
}

#[test]
fn only_one_incident_is_declared_or_taken_up_at_a_time() {
    let mut story = Story::begin();
    let offer = crate::session::ResumeOffer {
        id: "old".into(),
        title: "t".into(),
        last: at(-600),
        open_intents: 0,
        being_written: false,
    };
    story.send(Message::ResumeFound(offer)).command("open x").command("resume");
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::TakeUp(_))));
    story.command("open y");
    assert_eq!(story.effects.iter().filter(|effect| matches!(effect, Effect::Declare { .. })).count(), 1);
    assert!(story.notice().contains("is being declared"));
}

#[test]
fn a_drills_record_is_not_taken_up_in_a_world_that_has_not_come_that_far() {
    let offer = |last| crate::session::ResumeOffer {
        id: "old".into(),
        title: "t".into(),
        last,
        open_intents: 0,
        being_written: false,
    };
    let mut story = Story::begin();
    story.core.facing.drill = true;
    story.send(Message::ResumeFound(offer(at(600)))).command("resume");
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::TakeUp(_))));
    assert!(story.notice().contains("start the drill with --incident old"), "{}", story.notice());
    // Of a world that has, it is; and the calendar is never behind by more than a clock's error.
    story.send(Message::ResumeFound(offer(at(-600)))).command("resume");
    assert!(story.effects.contains(&Effect::TakeUp("old".into())));
    let mut real = Story::begin();
    real.send(Message::ResumeFound(offer(at(1)))).command("resume");
    assert!(real.effects.contains(&Effect::TakeUp("old".into())));
}

#[test]
fn an_open_incident_that_is_opened_again_gets_a_better_title_once_that_is_durable() {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x");
    update(&mut story.core, Message::Command(Command::Open { title: "not yet durable".into() }));
    assert_eq!(story.core.incident.as_ref().unwrap().title, "x");
    story.command("open Checkout fails");
    let incident = story.core.incident.clone().unwrap();
    assert_eq!((incident.id.0.as_str(), incident.title.as_str()), ("i", "Checkout fails"));
    assert_eq!(story.kinds(), [EntryKind::Opened, EntryKind::Opened]);
    let titled = &story.core.entries[1].draft;
    assert_eq!((titled.before.as_deref(), titled.after.as_deref()), (Some("x"), Some("Checkout fails")));
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Declare { title, .. } if *title != "x")));
    story.command("open Checkout fails");
    assert_eq!(story.kinds().len(), 2, "the same title again is no entry");
}

/// An incident with a plan that is shown, and the word that closes it on its way to the disk.
fn closing(plan: Plan) -> (Story, Effect) {
    let mut story = Story::begin();
    story.ready("2026-11-21-checkout", "checkout").planned(plan);
    // What others do about it is looked for first.
    let looks = update(&mut story.core, Message::Command(Command::Close));
    let [Effect::LookBeside(incident)] = looks.as_slice() else { panic!("{looks:?}") };
    let beside = Message::Beside { incident: incident.clone(), beside: Box::default() };
    let mut effects = update(&mut story.core, beside);
    assert_eq!(effects.len(), 1, "{}", story.notice());
    (story, effects.remove(0))
}

#[test]
fn nothing_is_confirmed_or_titled_behind_the_word_that_closes_the_record() {
    let (mut story, closed) = closing(plan("p", at(0)));
    let before = story.effects.len();
    story.command("confirm");
    assert!(story.core.actions.is_empty() && story.notice().contains("is being closed"), "{}", story.notice());
    story.command("open better title");
    assert!(story.notice().contains("is being closed"), "{}", story.notice());
    assert_eq!(story.effects.len(), before, "{:?}", &story.effects[before..]);

    // A freeze only warned of what was planned in the incident: it is judged anew without it.
    let (ticket, entry) = durable("E9", &closed);
    story.send(Message::Recorded { ticket, result: Ok(entry) });
    let Some(Effect::Plan { ticket, incident: false, .. }) = story.effects.last() else {
        panic!("{:?}", story.effects)
    };
    let ticket = *ticket;
    story.command("confirm");
    assert!(story.core.actions.is_empty(), "not before it was read again");
    story.send(Message::Planned { ticket, result: Ok(plan("p2", at(1))) }).command("confirm");
    assert_eq!(story.core.actions.len(), 1, "outside of it");

    // The disk took it not: the incident goes on.
    let (mut story, closed) = closing(plan("p", at(0)));
    let (ticket, _) = durable("E9", &closed);
    story.send(Message::Recorded { ticket, result: Err(JournalError::Closed) });
    assert!(!story.core.desk.closing);
}

#[test]
fn a_closed_incident_takes_the_consents_with_it() {
    let (mut story, closed) = closing(Plan { tier: Tier::Grave, ..plan("p", at(0)) });
    let hash = story.core.consent.as_ref().unwrap().hash.clone();
    story.command("break-glass bob sleeps").send(Message::Tick(at(10)));
    assert!(!story.kinds().contains(&EntryKind::BreakGlass), "nothing is told behind the word");
    story.send(Message::Consented { hash, name: "bob".into(), uid: 1002, void: None });
    let (ticket, entry) = durable("E9", &closed);
    story.send(Message::Recorded { ticket, result: Ok(entry) });
    assert_eq!(story.core.consent, None);
    assert!(story.effects.contains(&Effect::StopAwaiting));
    let Some(PlanView::Shown { blocked: Some(_), .. }) = &story.core.plan else { panic!("{:?}", story.core.plan) };
    story.command("confirm payments");
    assert!(story.core.actions.is_empty(), "who consented did so in the incident");
}
