//! What is typed by hand to open the write window, and what the screen says of changes that are
//! under way, over, or of nobody knows what.

use crossterm::event::{Event, KeyCode};

use super::person::Person;
use crate::clock::wall;
use crate::model::command::Command;
use crate::model::plan::{Outcome, Plan, Request, Tier};
use crate::record::{Holder, OpenIntent};
use crate::session::{Action, ActionState, WriteWindow};
use crate::tui::fixture::{Fixture, at, plan};

#[test]
fn the_environments_name_is_typed_by_hand_however_the_window_is_asked_for() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char(':'));
    assert_eq!(ana.hears(Event::Paste("write prod-eu storm".into())), []);
    assert_eq!(ana.presses(KeyCode::Enter), [], "a paste and a key open nothing");
    let seen = ana.sees();
    assert!(seen.contains("Open a write window") && seen.contains("storm"), "the reason is there: {seen}");
    assert_eq!(ana.hears(Event::Paste("prod-eu".into())), []);
    assert!(ana.sees().contains("a paste confirms nothing"), "{}", ana.sees());
    assert_eq!(ana.presses(KeyCode::Enter), []);
    assert_eq!(ana.presses(KeyCode::Enter), [], "the name is missing");
    ana.types("prod-eu");
    ana.presses(KeyCode::Enter);
    let opened = Command::OpenWrite { env: "prod-eu".into(), reason: "storm".into() };
    assert_eq!(ana.presses(KeyCode::Enter), [opened]);
    // Nor is it a key away later.
    ana.presses(KeyCode::Char(':'));
    ana.presses(KeyCode::Up);
    assert!(!ana.sees().contains(":write"), "{}", ana.sees());
}

#[test]
fn a_key_that_a_keymap_binds_to_the_whole_line_leads_to_the_question_too() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Closed;
    let mut ana = Person::at(fixture);
    let line = Command::OpenWrite { env: "prod-eu".into(), reason: "storm".into() };
    let now = wall();
    assert_eq!(ana.state.command(line, &ana.fixture.scene(), now), []);
    assert!(ana.sees().contains("Open a write window"));
}

#[test]
fn leaving_while_a_step_of_a_runbook_runs_says_that_it_is_killed() {
    let mut ana = Person::at(Fixture::burning());
    let mut step = plan(12, Tier::Lowers);
    let command = "sleep 60".into();
    step.request = Request::RunStep { target: step.target.clone(), runbook: "payments.md".into(), step: 1, command };
    ana.fixture.actions.push(Action {
        plan: step,
        at: at(29, 0),
        state: ActionState::Under("running for 3 s".into()),
        undone_by: None,
    });
    assert_eq!(ana.presses(KeyCode::Char('q')), []);
    let seen = ana.sees();
    assert!(seen.contains("Leaving kills it") && !seen.contains("does not stop it"), "{seen}");
}

#[test]
fn the_menu_offers_the_undo_that_the_command_would_plan() {
    let mut fixture = Fixture::burning();
    fixture.window = WriteWindow::Open { until: at(45, 0), reason: "storm".into() };
    let ended = |title: &str, outcome: Outcome| Action {
        plan: Plan { title: title.into(), ..plan(12, Tier::Reversible) },
        at: at(29, 0),
        state: ActionState::Ended(outcome),
        undone_by: None,
    };
    fixture.actions = vec![
        ended("scale A", Outcome::Verified { after_seconds: Some(1), words: "live".into() }),
        ended("scale B", Outcome::Refused { why: "denied".into() }),
    ];
    let mut ana = Person::at(fixture);
    ana.presses(KeyCode::Char('x'));
    let seen = ana.sees();
    assert!(seen.contains("undo: scale A") && !seen.contains("undo: scale B"), "{seen}");
}

#[test]
fn what_has_no_outcome_is_in_sight_with_its_words() {
    let mut fixture = Fixture::burning();
    let held = Holder::Rolling("01KB3T5V8QWZX2R9F7G4ABCD1E".into());
    let open = OpenIntent { plan: plan(12, Tier::Reversible), at: at(2, 0), held, begun: None };
    fixture.open_intents.push(open);
    let mut ana = Person::at(fixture);
    assert!(ana.sees().contains("1 without an outcome"), "{}", ana.sees());
    ana.presses(KeyCode::Char('x'));
    assert!(ana.sees().contains("No outcome is recorded of"), "{}", ana.sees());
}
