//! What is asked before a person's word goes on the record: whether an alert is taken over, and
//! what becomes of each change that is left over when an incident is closed.

use crossterm::event::KeyCode;

use super::grave::Person;
use crate::model::command::{AlertChoice, Command};
use crate::model::name::Kind;
use crate::model::plan::{Ends, Outcome, Plan, PlanId, Request, Tier};
use crate::record::Leftover;
use crate::session::{Action, ActionState, WriteWindow};
use crate::tui::fixture::{Fixture, at, plan};

/// Two changes are left over of the incident that is open, and one of another incident.
fn left_over() -> Person {
    let mut fixture = Fixture::burning();
    let here = fixture.incident.as_ref().map(|incident| incident.id.clone());
    let left = |id: &str, minute, incident| Leftover {
        plan: Plan { id: PlanId(id.into()), ends: Ends::Reminder, ..plan(12, Tier::Reversible) },
        at: at(minute, 0),
        incident,
    };
    let mut weights = left("p-bbbb", 24, here.clone());
    (weights.plan.target.kind, weights.plan.title) = (Kind::VirtualService, "divert VirtualService checkout".into());
    fixture.left_over = vec![left("p-0000", 2, Some("2026-11-20-search".into())), left("p-aaaa", 20, here), weights];
    Person::with(fixture)
}

/// Sources answer one after another at the start.
#[test]
fn until_the_past_was_read_the_worst_alert_is_the_selected_one_unless_somebody_went_elsewhere() {
    use crate::model::alert::AlertSeverity;
    use crate::tui::fixture::alert;
    for (backfilling, moved, claimed) in
        [(1, false, "EverythingBurns"), (1, true, "CheckoutErrorRate"), (0, false, "PaymentsCPUHigh")]
    {
        let mut fixture = Fixture::burning();
        fixture.backfilling = backfilling;
        let mut ana = Person::with(fixture);
        if moved {
            ana.presses(KeyCode::Char('j'));
        }
        ana.fixture.alerts.insert(0, alert("EverythingBurns", AlertSeverity::Critical, 20, "web", None, ""));
        ana.sees();
        let pressed = ana.presses(KeyCode::Char('a'));
        let Some(Command::Claim(AlertChoice::Exactly { key, .. })) = pressed.first() else { panic!("{pressed:?}") };
        assert_eq!(key.0, claimed, "{backfilling} {moved}");
    }
}

fn line(ana: &mut Person, text: &str) -> Vec<Command> {
    ana.presses(KeyCode::Char(':'));
    ana.types(text);
    ana.presses(KeyCode::Enter)
}

fn lines(screen: &str, of: &str) -> usize {
    screen.lines().filter(|line| line.contains(of)).count()
}

#[test]
fn closing_shows_the_first_change_that_is_left_over_and_what_can_be_done_about_it() {
    let mut ana = left_over();
    assert_eq!(line(&mut ana, "close"), [], "nothing is closed yet");
    insta::assert_snapshot!(ana.sees());
}

#[test]
fn each_change_is_undone_or_owned_and_then_one_key_closes() {
    let mut ana = left_over();
    line(&mut ana, "close");
    assert_eq!(ana.presses(KeyCode::Enter), [], "not before each was seen to");
    assert!(ana.sees().contains("not closed yet"), "{}", ana.sees());

    // The first is owned. The name that is offered is one's own.
    ana.presses(KeyCode::Char('o'));
    assert!(ana.sees().contains("owner    ana"), "{}", ana.sees());
    for _ in 0.."ana".len() {
        ana.presses(KeyCode::Backspace);
    }
    assert_eq!(ana.presses(KeyCode::Enter), [], "nobody is no owner");
    ana.types("quo team-money");
    let owned = ana.presses(KeyCode::Enter);
    assert_eq!(owned, [Command::Own { which: "aaaa".into(), owner: "quo team-money".into() }]);
    ana.fixture.left_over.remove(1);

    // The second is undone.
    let screen = ana.sees();
    assert!(screen.contains("divert VirtualService checkout") && !screen.contains("the first of"), "{screen}");
    assert_eq!(ana.presses(KeyCode::Char('u')), [Command::UndoLeftover { which: "bbbb".into() }]);
    let of = ana.fixture.left_over[1].plan.clone();
    let undo = Plan { id: PlanId("u".into()), request: Request::Undo { plan: Box::new(of) }, ..plan(6, Tier::Lowers) };
    let state = ActionState::Under("9 of 6 ready".into());
    ana.fixture.actions.push(Action { plan: undo, at: at(29, 0), state, undone_by: None });
    let screen = ana.sees();
    assert!(screen.contains("under way: 9 of 6 ready") && !screen.contains("undo it now"), "{screen}");
    assert_eq!(ana.presses(KeyCode::Char('u')), [], "once at a time");
    ana.fixture.actions[0].state = ActionState::Ended(Outcome::Failed { why: "quota".into() });
    let screen = ana.sees();
    assert!(screen.contains("tried: failed, quota") && screen.contains("undo it now"), "{screen}");
    ana.fixture.left_over.remove(1);

    // What another incident left over keeps nobody from closing this one.
    assert!(ana.sees().contains("Nothing is left over of 2026-11-21-checkout."), "{}", ana.sees());
    assert_eq!(ana.presses(KeyCode::Enter), [Command::Close]);
    assert_eq!(lines(&ana.sees(), "Close the incident"), 0);
}

/// While a name is typed the list moves under it: another change comes first, or this one is gone.
#[test]
fn the_owner_that_is_typed_is_the_owner_of_the_change_that_was_shown() {
    let mut ana = left_over();
    line(&mut ana, "close");
    ana.presses(KeyCode::Char('o'));
    let here = ana.fixture.incident.as_ref().map(|incident| incident.id.clone());
    let earlier = Leftover {
        plan: Plan { id: PlanId("p-cccc".into()), ends: Ends::Reminder, ..plan(3, Tier::Reversible) },
        at: at(19, 0),
        incident: here,
    };
    ana.fixture.left_over.insert(0, earlier);
    let owned = ana.presses(KeyCode::Enter);
    assert_eq!(owned, [Command::Own { which: "aaaa".into(), owner: "ana".into() }]);

    let mut ana = left_over();
    line(&mut ana, "close");
    ana.presses(KeyCode::Char('o'));
    ana.fixture.left_over.remove(1);
    assert_eq!(ana.presses(KeyCode::Enter), [], "the next one is not hers by that");
    assert!(ana.sees().contains("not left over any more"), "{}", ana.sees());
}

#[test]
fn the_incident_can_be_left_open_and_a_closed_window_is_opened_from_there() {
    let mut ana = left_over();
    line(&mut ana, "close");
    ana.presses(KeyCode::Char('o'));
    assert_eq!(ana.presses(KeyCode::Esc), [], "leaves the name");
    assert_eq!(lines(&ana.sees(), "Close the incident"), 1);
    assert_eq!(ana.presses(KeyCode::Esc), []);
    assert_eq!(lines(&ana.sees(), "Close the incident"), 0);

    ana.fixture.window = WriteWindow::Closed;
    line(&mut ana, "close");
    assert!(ana.sees().contains("w open a write window"), "{}", ana.sees());
    assert_eq!(ana.presses(KeyCode::Char('u')), [], "the window is closed");
    ana.presses(KeyCode::Char('w'));
    ana.types("prod-eu");
    ana.presses(KeyCode::Enter);
    ana.types("to undo it");
    assert!(matches!(ana.presses(KeyCode::Enter).as_slice(), [Command::OpenWrite { .. }]));
    assert_eq!(lines(&ana.sees(), "Close the incident"), 1, "back where it was asked for");
}

#[test]
fn an_alert_that_somebody_else_has_is_taken_over_with_one_key_more() {
    let mut fixture = Fixture::burning();
    fixture.alerts[0].claim.as_mut().unwrap().by = "bob".into();
    let mut ana = Person::with(fixture);
    assert_eq!(ana.presses(KeyCode::Char('a')), [], "asked first");
    let screen = ana.sees();
    assert!(screen.contains("already claimed by bob since "), "{screen}");
    insta::assert_snapshot!(screen);
    assert_eq!(ana.presses(KeyCode::Char('a')), [], "the key that asked does not answer");
    assert_eq!(ana.presses(KeyCode::Esc), []);
    assert!(!ana.sees().contains("Already claimed"), "{}", ana.sees());

    assert_eq!(line(&mut ana, "claim PaymentsCPUHigh"), [], "asked here, too");
    let taken = ana.presses(KeyCode::Enter);
    let shown = ana.fixture.alerts[0].claim.clone();
    let [Command::TakeOver { alert: AlertChoice::Exactly { .. }, from }] = taken.as_slice() else {
        panic!("{taken:?}")
    };
    assert_eq!(*from, shown, "from whom it was shown to be");
    assert!(!ana.sees().contains("Already claimed"));

    // Who takes it meanwhile is not who was shown.
    assert_eq!(line(&mut ana, "take-over PaymentsCPUHigh"), [], "asked here, too");
    ana.fixture.alerts[0].claim.as_mut().unwrap().by = "carol".into();
    let taken = ana.presses(KeyCode::Enter);
    assert!(matches!(taken.as_slice(), [Command::TakeOver { from, .. }] if *from == shown), "{taken:?}");

    // One's own is no question: the session says so.
    ana.fixture.alerts[0].claim.as_mut().unwrap().by = "ana".into();
    assert!(matches!(ana.presses(KeyCode::Char('a')).as_slice(), [Command::Claim(_)]));
}
