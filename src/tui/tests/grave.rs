//! The top tier on the screen, and what is left over.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::clock::{Wall, wall};
use crate::model::command::Command;
use crate::model::plan::{Ends, Plan, Tier};
use crate::record::{Leftover, consent_hash};
use crate::respond::{By, Warrant};
use crate::session::{Consent, Grant, PlanView};
use crate::tui::chrome::{self, Brush};
use crate::tui::fixture::{Fixture, at, plan};
use crate::tui::keymap::Keymap;
use crate::tui::snapshot;
use crate::tui::state::State;
use crate::tui::term::Depth;
use crate::tui::theme::Themes;
use crate::tui::words::Zone;

/// A person at a screen of 80×24.
pub(super) struct Person {
    pub(super) fixture: Fixture,
    state: State,
    now: Wall,
}

impl Person {
    fn at(grant: Grant) -> Self {
        let mut fixture = Fixture::burning();
        let mut last = plan(0, Tier::Grave);
        last.blast.words = "-6 of 6 ready replicas (100 % less)".into();
        let incident = fixture.incident.as_ref().unwrap().id.clone();
        let hash = consent_hash(&incident, &last.id, &last);
        fixture.consent = Some(Consent {
            incident,
            asked: last.id.clone(),
            title: last.title.clone(),
            service: last.service.clone(),
            hash,
            grant,
        });
        fixture.plan = Some(PlanView::Shown { plan: Box::new(last), blocked: None });
        Self::with(fixture)
    }

    pub(super) fn with(fixture: Fixture) -> Self {
        let state = State::new(Keymap::shipped().unwrap(), vec![Zone::Utc], Duration::ZERO);
        let mut person = Self { fixture, state, now: wall() };
        person.sees();
        person
    }

    pub(super) fn sees(&mut self) -> String {
        let theme = Themes::shipped().load("default", Depth::Ansi16).unwrap();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        let scene = self.fixture.scene();
        chrome::draw(&mut self.state, &scene, &Brush { theme: &theme, ascii: false, wall: self.now }, &mut buffer);
        self.state.note_drawn(&scene, self.now);
        snapshot::text(&buffer)
    }

    pub(super) fn presses(&mut self, code: KeyCode) -> Vec<Command> {
        let scene = self.fixture.scene();
        self.state.event(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), &scene, self.now)
    }

    pub(super) fn types(&mut self, text: &str) -> Vec<Command> {
        text.chars().flat_map(|c| self.presses(KeyCode::Char(c))).collect()
    }

    fn given(&mut self) {
        let Some(PlanView::Shown { plan, .. }) = &self.fixture.plan else { panic!("a plan is shown") };
        let consent = self.fixture.consent.as_mut().unwrap();
        let by = By::Second { name: "bob".into(), uid: 1002 };
        let (incident, asked, hash) = (consent.incident.clone(), plan.id.clone(), consent.hash.clone());
        consent.grant = Grant::Given(Warrant { incident, asked, hash, by });
    }
}

#[test]
fn a_plan_of_the_top_tier_says_whom_it_takes_and_how() {
    insta::assert_snapshot!(Person::at(Grant::Awaited).sees());
}

#[test]
fn nothing_confirms_it_before_somebody_consented_and_then_the_targets_name_does() {
    let mut ana = Person::at(Grant::Awaited);
    for code in [KeyCode::Char('y'), KeyCode::Enter] {
        assert_eq!(ana.presses(code), [], "{code:?}");
    }
    assert_eq!(ana.types("payments"), []);
    assert_eq!(ana.presses(KeyCode::Enter), []);
    ana.given();
    assert!(ana.sees().contains("with the consent of bob (user 1002)"), "{}", ana.sees());
    assert_eq!(ana.presses(KeyCode::Char('y')), []);
    ana.presses(KeyCode::Backspace);
    ana.types("payments");
    let confirmed = ana.presses(KeyCode::Enter);
    assert!(matches!(confirmed.as_slice(), [Command::Confirm { typed: Some(typed), .. }] if typed == "payments"));
}

#[test]
fn who_is_alone_breaks_the_glass_with_a_reason_and_can_leave_it() {
    let mut ana = Person::at(Grant::Awaited);
    ana.presses(KeyCode::Char('b'));
    assert_eq!(ana.presses(KeyCode::Enter), [], "without a reason");
    ana.types("bob sleeps");
    assert!(ana.sees().contains("because: bob sleeps"), "{}", ana.sees());
    assert_eq!(ana.presses(KeyCode::Enter), [Command::BreakGlass { reason: "bob sleeps".into() }]);
    ana.fixture.consent.as_mut().unwrap().grant = Grant::Counting { reason: "bob sleeps".into(), until: at(30, 0) };
    let counting = ana.sees();
    assert!(counting.contains("BREAK-GLASS in 8 s: bob sleeps") && counting.contains("Esc leave"), "{counting}");
    assert_eq!(ana.presses(KeyCode::Char('y')), []);
    assert_eq!(ana.presses(KeyCode::Esc), [Command::DiscardPlan]);
    // A paste is no reason.
    let mut ana = Person::at(Grant::Awaited);
    ana.presses(KeyCode::Char('b'));
    let scene = ana.fixture.scene();
    assert_eq!(ana.state.event(&Event::Paste("because\n".into()), &scene, ana.now), []);
    assert_eq!(ana.presses(KeyCode::Enter), []);
}

#[test]
fn what_is_typed_stays_when_the_same_plan_is_read_again_and_goes_when_it_is_another() {
    let mut ana = Person::at(Grant::Awaited);
    ana.given();
    ana.types("pay");
    let renewed = |id: &str, after: &str| {
        let mut renewed = plan(0, Tier::Grave);
        renewed.id = crate::model::plan::PlanId(id.into());
        renewed.changes[0].after = after.into();
        Some(PlanView::Shown { plan: Box::new(renewed), blocked: None })
    };
    ana.fixture.plan = renewed("p2", "0");
    ana.sees();
    ana.types("ments");
    assert!(matches!(ana.presses(KeyCode::Enter).as_slice(), [Command::Confirm { .. }]));
    ana.fixture.plan = renewed("p3", "1");
    ana.sees();
    assert_eq!(ana.presses(KeyCode::Enter), [], "nothing is typed, and nobody consented to this");
}

#[test]
fn what_is_left_over_is_in_sight_and_offered_to_be_undone_or_owned() {
    let mut fixture = Fixture::burning();
    let weights = Plan { ends: Ends::Reminder, ..plan(12, Tier::Reversible) };
    fixture.left_over = vec![Leftover { plan: weights, at: at(20, 0), incident: None }];
    let mut ana = Person { fixture, ..Person::at(Grant::Awaited) };
    assert!(ana.sees().lines().next().is_some_and(|header| header.contains("1 left over")), "{}", ana.sees());
    ana.presses(KeyCode::Char('x'));
    let menu = ana.sees();
    assert!(menu.contains("undo what is left over: scale Deployment payments"), "{menu}");
    assert!(menu.contains("say who owns what is left over"), "{menu}");
}
