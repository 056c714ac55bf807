//! What is said, and what becomes durable.

use super::*;
use crate::model::alert::Claim;
use crate::model::entry::{ActorKind, Body};

#[test]
fn nothing_is_shown_before_it_is_durable() {
    let mut story = Story::begin();
    update(&mut story.core, Message::Command(Command::Note { text: "x".into() }));
    assert!(story.core.entries.is_empty());
    assert_eq!(story.core.unrecorded, 1);
}

#[test]
fn a_journal_that_fails_takes_the_actions_away_and_says_so() {
    let mut story = Story::begin();
    story.command("write prod-eu scale for the storm");
    assert!(matches!(story.core.window, WriteWindow::Open { .. }));
    let ticket = match update(&mut story.core, Message::Command(Command::Note { text: "x".into() })).as_slice() {
        [Effect::Record { ticket, .. }] => *ticket,
        other => panic!("{other:?}"),
    };
    let full = JournalError::Failed("could not write the journal: no space left on device".into());
    story.send(Message::Recorded { ticket, result: Err(full) });
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert!(story.notice().contains("no space left on device"));
    story.command("write prod-eu again");
    assert_eq!(story.core.window, WriteWindow::Closed);
    assert!(story.notice().contains("actions are off"));
}

#[test]
fn an_unknown_alert_is_not_claimed() {
    let mut story = Story::begin();
    story.send(Message::Command(Command::Claim(AlertChoice::Named(Safe::from("Nope")))));
    assert!(story.core.entries.is_empty());
    assert!(story.notice().contains("no alert `Nope` is known"));
}

#[test]
fn a_milestone_by_time_of_day_is_never_in_the_future() {
    let mut story = Story::begin();
    story.command("open x").send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    let now = at(0);
    let later = (now + TimeDelta::minutes(5)).time();
    story.send(Message::Command(Command::Milestone {
        name: MilestoneName::Detected,
        at: Some(MilestoneTime::OfDay(later)),
    }));
    let detected = story.core.milestones.at(MilestoneName::Detected);
    assert_eq!(detected, Some(now + TimeDelta::minutes(5) - TimeDelta::days(1)));
}

#[test]
fn milestones_are_weighed_once_for_all_entries_that_become_durable_together() {
    let mut story = Story::begin();
    let effects: Vec<_> = (0..3)
        .flat_map(|number| {
            update(&mut story.core, Message::Command(Command::Note { text: format!("{number}").into() }))
        })
        .collect();
    let mut weighed = Vec::new();
    for (number, effect) in effects.iter().enumerate() {
        let (ticket, entry) = durable(&format!("E{number}"), effect);
        update(&mut story.core, Message::Recorded { ticket, result: Ok(entry) });
        weighed.push(!story.core.desk.unweighed);
    }
    assert_eq!(weighed, [false, false, true]);
}

#[test]
fn an_export_waits_for_what_was_said_before_it() {
    let mut story = Story::begin();
    story.command("open x").ready("i", "x");
    let note = update(&mut story.core, Message::Command(Command::Note { text: "last word".into() }));
    assert_eq!(update(&mut story.core, Message::Command(Command::Export { path: None })), []);
    let (ticket, entry) = durable("E9", &note[0]);
    let effects = update(&mut story.core, Message::Recorded { ticket, result: Ok(entry) });
    assert_eq!(effects, [Effect::Export { incident: Some("i".into()), path: None }]);
    assert!(story.core.unsettled(), "leaving waits for the file");
    story.send(Message::Exported(Ok("/tmp/x.md".into())));
    assert!(!story.core.unsettled());
}

#[test]
fn the_claimed_alert_is_the_one_that_was_chosen_not_another_of_its_name() {
    let mut story = Story::begin();
    story.hears(vec![alert("PodCrashes", "a", at(-60)), alert("PodCrashes", "b", at(-30))]);
    let key = AlertKey("b".into());
    story.send(Message::Command(Command::Claim(AlertChoice::Exactly { origin: alertmanager(), key: key.clone() })));
    let claimed: Vec<_> =
        story.core.picture.alerts.rows().iter().filter(|row| row.claim.is_some()).map(|row| &row.alert.key).collect();
    assert_eq!(claimed, [&key]);
    // The other one ends: the claim is not over.
    let mut over = alert("PodCrashes", "a", at(10));
    over.state = AlertState::Resolved;
    story.send(Message::Tick(at(10))).hears(vec![over]);
    assert!(story.kinds().contains(&EntryKind::AlertResolved));
    assert_eq!(story.core.desk.claims.len(), 1);
    // Its own end is.
    let mut over = alert("PodCrashes", "b", at(20));
    over.state = AlertState::Resolved;
    story.send(Message::Tick(at(20))).hears(vec![over]);
    assert!(story.core.desk.claims.is_empty());
}

#[test]
fn a_claim_of_one_alert_is_none_of_another_of_its_name() {
    let mut earlier = Story::begin();
    earlier.hears(vec![alert("PodCrashes", "a", at(-60)), alert("PodCrashes", "b", at(-30))]);
    let key = AlertKey("b".into());
    earlier.command("open x").ready("i", "x");
    earlier.send(Message::Command(Command::Claim(AlertChoice::Exactly { origin: alertmanager(), key: key.clone() })));
    let claimed = earlier.core.entries.iter().find(|entry| entry.draft.kind == EntryKind::Claimed).unwrap();
    assert_eq!(claimed.draft.subject, "PodCrashes");
    assert_eq!(claimed.draft.alert_keys(), [Safe::from("b")]);
    // Taken up again: the other one is told first, and stays unclaimed.
    let mut story = Story::begin();
    story.send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: earlier.core.entries.clone(),
        before: Vec::new(),
    });
    let claimed = |story: &Story| {
        let rows = story.core.picture.alerts.rows().iter().filter(|row| row.claim.is_some());
        rows.map(|row| row.alert.key.clone()).collect::<Vec<_>>()
    };
    story.hears(vec![alert("PodCrashes", "a", at(-60))]);
    assert_eq!(claimed(&story), []);
    story.hears(vec![alert("PodCrashes", "b", at(-30))]);
    assert_eq!(claimed(&story), [key]);
}

#[test]
fn an_answer_is_an_entry_of_whoever_gave_it() {
    let mut story = Story::begin();
    story.command("ask developers");
    assert!(story.effects.contains(&Effect::Ask("developers".into())));
    story.send(Message::Answered { whom: "developers".into(), answer: Ok("2.9.1 is out".into()) });
    assert_eq!(story.kinds(), [EntryKind::Asked, EntryKind::Answered]);
    let draft = &story.core.entries[1].draft;
    assert_eq!((draft.title.as_str(), draft.actor.name.as_str()), ("developers: 2.9.1 is out", "developers"));
    assert_eq!(story.notice(), "2.9.1 is out");
    story.send(Message::Answered { whom: "nobody".into(), answer: Err("nobody is not known".into()) });
    assert_eq!(story.kinds().len(), 2, "no answer is none");
}

#[test]
fn an_export_that_is_asked_for_while_an_incident_is_declared_means_that_incident() {
    let mut story = Story::begin();
    story.command("open x").command("note y").command("export");
    assert!(!story.effects.iter().any(|effect| matches!(effect, Effect::Export { .. })));
    story.ready("i", "x");
    assert!(story.effects.contains(&Effect::Export { incident: Some("i".into()), path: None }));
}

#[test]
fn an_update_for_stakeholders_carries_its_promise() {
    let mut story = Story::begin();
    story.command("update all is well");
    assert!(story.core.entries.is_empty());
    assert!(story.notice().contains("needs an incident"));
    story.command("open x").send(Message::IncidentReady {
        id: "i".into(),
        title: "x".into(),
        earlier: Vec::new(),
        before: Vec::new(),
    });
    story.command("update 7 of 100 fail -- still --next 20m");
    let entry = story.core.entries.last().unwrap().clone();
    assert_eq!((entry.draft.kind, entry.draft.title.as_str()), (EntryKind::Update, "7 of 100 fail -- still"));
    let promised = story.core.now + TimeDelta::minutes(20);
    assert_eq!(entry.draft.body, Some(Body::Update { next: Some(promised) }));
    let past = story.core.now - TimeDelta::minutes(1);
    story.command(&format!("update late --next {}", past.to_rfc3339()));
    assert!(story.notice().contains("later than now"), "{}", story.notice());
    let of_day = (story.core.now - TimeDelta::minutes(1)).format("%H:%M").to_string();
    story.command(&format!("update tomorrow --next {of_day}"));
    let next = match story.core.entries.last().unwrap().draft.body {
        Some(Body::Update { next }) => next.unwrap(),
        ref other => panic!("{other:?}"),
    };
    assert!(next > story.core.now + TimeDelta::hours(23));
}

#[test]
fn a_claim_of_somebody_else_is_told_and_taken_over_only_when_that_is_asked_for() {
    let person = |name: &str| Actor { kind: ActorKind::Human, name: name.into(), known_by: None };
    let mut story = Story::begin();
    story.core.actor = person("bob");
    story.hears(vec![alert("CheckoutSlow", "c", at(-60))]).command("claim CheckoutSlow").ready("i", "t");
    let by = |story: &Story| story.core.picture.alerts.named("CheckoutSlow").unwrap().claim.clone().unwrap().by;
    assert_eq!(by(&story), "bob");
    let entries = story.core.entries.len();
    story.command("claim CheckoutSlow");
    assert_eq!(story.notice(), "CheckoutSlow is claimed by you already, since 11:06Z");

    story.core.actor = person("ana");
    story.send(Message::Tick(at(60))).command("claim CheckoutSlow");
    assert_eq!(
        story.notice(),
        "CheckoutSlow is already claimed by bob since 11:06Z: `:take-over CheckoutSlow` takes it over from them"
    );
    assert_eq!((story.core.entries.len(), by(&story).as_str()), (entries, "bob"), "nothing came of it");

    story.command("take-over CheckoutSlow");
    assert_eq!(by(&story), "ana");
    let entry = story.core.entries.last().unwrap();
    assert_eq!((entry.draft.kind, entry.draft.title.as_str()), (EntryKind::Claimed, "CheckoutSlow taken over"));
    assert_eq!((entry.draft.before.as_deref(), entry.draft.after.as_deref()), (Some("bob"), Some("ana")));
    assert_eq!((entry.draft.actor.name.as_str(), story.core.desk.claims.len()), ("ana", 1));
    // Somebody else took it meanwhile: it is not taken from whom nobody meant.
    let from = Some(Claim { by: "bob".into(), at: at(0) });
    let choice = AlertChoice::Named("CheckoutSlow".into());
    story.core.actor = person("carol");
    story.send(Message::Command(Command::TakeOver { alert: choice.clone(), from }));
    assert_eq!(
        story.notice(),
        "CheckoutSlow was not taken over from bob: ana has it now, since 11:07:40Z. Ask for it again if you still want it"
    );
    assert_eq!(by(&story), "ana");
    let from = story.core.picture.alerts.named("CheckoutSlow").unwrap().claim.clone();
    story.send(Message::Command(Command::TakeOver { alert: choice, from }));
    assert_eq!(by(&story), "carol");
    story.core.actor = person("ana");
    story.send(Message::Tick(at(61))).command("take-over CheckoutSlow");

    // A source tells of the alert again: it stays with who has it now.
    story.hears(vec![alert("CheckoutSlow", "c", at(-60))]);
    assert_eq!(by(&story), "ana");
}
