//! Silences and runbooks as they are seen at 80×24. Read the `.snap` files: they are the screen.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::clock::wall;
use crate::model::command::Command;
use crate::model::name::{Kind, ObjectPath, Target, Uid};
use crate::model::plan::{Blast, Ends, Fact, FieldChange, Matcher, Permission, Plan, Preview, Request, Room, Tier};
use crate::model::runbook::{Block, Runbook, Shell, Step};
use crate::session::{Action, ActionState, RunbookState, RunbookView, WriteWindow};
use crate::tui::chrome::{self, Brush};
use crate::tui::fixture::{Fixture, at, plan};
use crate::tui::keymap::Keymap;
use crate::tui::screen::Options;
use crate::tui::snapshot::text;
use crate::tui::state::{Overlay, State};
use crate::tui::tests::plans::picture;

fn fact(label: &'static str, words: &str, warns: bool) -> Fact {
    Fact { label: label.into(), words: words.into(), warns }
}

/// As `respond/alertmanager` makes it.
fn silence() -> Plan {
    let other = plan(12, Tier::Lowers);
    let target = Target {
        origin: crate::model::name::Origin { env: "prod-eu".into(), source: "alertmanager".into() },
        kind: Kind::Silence,
        path: ObjectPath::new("alertmanager", "PaymentsCPUHigh"),
        uid: Some(Uid::from("https://alerts.example.com")),
    };
    let matchers = vec![Matcher::equal("alertname", "PaymentsCPUHigh"), Matcher::equal("service", "payments")];
    let comment = "the partner knows".into();
    Plan {
        request: Request::Silence { target: target.clone(), matchers, minutes: 120, comment },
        target,
        title: "silence PaymentsCPUHigh".into(),
        changes: vec![FieldChange {
            pointer: "/silence".into(),
            label: "silence".into(),
            before: "null".into(),
            after: "{}".into(),
            words: Some(r#"none → 2h of {alertname="PaymentsCPUHigh", service="payments"}"#.into()),
        }],
        undo: Some("ends exactly this silence before its time, while nobody has changed it".into()),
        blast: Blast {
            ready_before: 0,
            wanted_before: None,
            wanted_after: 0,
            fewest_ready: None,
            words: "hides 1 alert that fires now: PaymentsCPUHigh of payments".into(),
        },
        room: Room::NotNeeded,
        owners: Vec::new(),
        load: None,
        permission: Permission::Unknown {
            why: "an Alertmanager does not tell, and refuses the silence if it is not".into(),
        },
        preview: Preview::Unavailable { why: "an Alertmanager has no dry run".into() },
        command: concat!(
            "amtool silence add --alertmanager.url=https://alerts.example.com --duration=120m ",
            "'--comment=the partner knows' 'alertname=\"PaymentsCPUHigh\"' 'service=\"payments\"'"
        )
        .into(),
        facts: vec![
            fact("careful", "1 of them critical: nobody is paged for it", true),
            fact("because", "the partner knows", false),
        ],
        ends: Ends::BySystem { at: at(29, 50) + chrono::TimeDelta::hours(2) },
        // As long as the engine lets a plan live.
        expires_at: at(31, 20),
        ..other
    }
}

/// As `respond/steps` makes it.
fn step() -> Plan {
    let other = plan(12, Tier::Lowers);
    let target = Target {
        origin: crate::model::name::Origin { env: "prod-eu".into(), source: "runbook".into() },
        kind: Kind::RunbookStep,
        path: ObjectPath::new("payments", "step-2"),
        uid: Some(Uid::from("0123456789abcdef")),
    };
    let command = "kubectl -n payments rollout status deploy/payments";
    Plan {
        request: Request::RunStep {
            target: target.clone(),
            runbook: "/etc/warroom/runbooks/payments.md".into(),
            step: 2,
            command: command.into(),
        },
        target,
        title: "run step 2 of the runbook of payments".into(),
        changes: vec![FieldChange {
            pointer: "/step".into(),
            label: "runs".into(),
            before: "null".into(),
            after: "\"…\"".into(),
            words: Some(command.into()),
        }],
        undo: None,
        blast: Blast {
            ready_before: 0,
            wanted_before: None,
            wanted_after: 0,
            fewest_ready: None,
            words: "what a command changes is not known to this program".into(),
        },
        room: Room::NotNeeded,
        owners: Vec::new(),
        load: None,
        permission: Permission::Unknown { why: "the systems that it talks to decide".into() },
        preview: Preview::Unavailable { why: "a command has no dry run".into() },
        command: command.into(),
        facts: vec![
            fact("how", "sh -c, in /etc/warroom/runbooks, without the terminal", false),
            fact("sees", "PATH, HOME, LANG, TERM=dumb, KUBECONFIG (context prod-eu), no AWS account", false),
            fact("limit", "60 s: it is killed then, with what it started", false),
        ],
        // As long as the engine lets a plan live.
        expires_at: at(31, 20),
        ..other
    }
}

fn runbook(fixture: &mut Fixture) {
    let step = |number, command: &str, refused: Option<&str>| {
        Block::Step(Step {
            number,
            shell: Shell::Sh,
            command: command.into(),
            limit: Duration::from_secs(60),
            refused: refused.map(Into::into),
        })
    };
    let blocks = vec![
        Block::Heading { level: 1, text: "Payments".into() },
        Block::Text { depth: 0, text: "What to do when the partner refuses our calls for their number.".into() },
        Block::Text { depth: 0, text: "1. Look who waits:".into() },
        step(1, "kubectl -n payments get pods", None),
        Block::Code(crate::text::clean_block("NAME       READY\npayments   0/1")),
        Block::Text { depth: 0, text: "2. Wait for the rollout:".into() },
        step(2, "kubectl -n payments rollout status deploy/payments", None),
        step(3, "kubectl -n payments logs <pod>", Some("`<pod>` looks like a place to be filled in: run it by hand")),
    ];
    fixture.runbook = Some(RunbookView {
        service: "payments".into(),
        source: "/etc/warroom/runbooks/payments.md".into(),
        state: RunbookState::Read(Arc::new(Runbook { blocks, ..Runbook::default() })),
    });
}

#[test]
fn the_plan_of_a_silence_at_80_by_24() {
    insta::assert_snapshot!(picture(&silence()));
}

#[test]
fn the_plan_of_a_runbooks_step_at_80_by_24() {
    insta::assert_snapshot!(picture(&step()));
}

fn state() -> State {
    State::new(Keymap::shipped().unwrap(), Vec::new(), Duration::ZERO)
}

fn press(state: &mut State, fixture: &Fixture, key: KeyCode) -> Vec<Command> {
    state.event(&Event::Key(KeyEvent::new(key, KeyModifiers::NONE)), &fixture.scene(), wall())
}

#[test]
fn o_opens_the_runbook_of_the_row_and_enter_plans_the_chosen_step() {
    let mut fixture = Fixture::burning();
    let mut state = state();
    let opened = press(&mut state, &fixture, KeyCode::Char('o'));
    assert_eq!(opened, [Command::Runbook { service: Some("payments".into()) }], "of the worst alert's service");
    runbook(&mut fixture);
    assert_eq!(press(&mut state, &fixture, KeyCode::Enter), [Command::RunStep { step: 1 }]);
    press(&mut state, &fixture, KeyCode::Tab);
    assert_eq!(press(&mut state, &fixture, KeyCode::Enter), [Command::RunStep { step: 2 }]);
    press(&mut state, &fixture, KeyCode::Char('3'));
    press(&mut state, &fixture, KeyCode::Char('n'));
    assert_eq!(press(&mut state, &fixture, KeyCode::Enter), [Command::RunStep { step: 1 }], "round and round");
    press(&mut state, &fixture, KeyCode::Char('9'));
    assert_eq!(press(&mut state, &fixture, KeyCode::Enter), [Command::RunStep { step: 1 }], "there is no step 9");
    // Where nothing may be changed the key does nothing.
    fixture.facing.write = crate::config::WritePolicy::Deny;
    assert_eq!(press(&mut state, &fixture, KeyCode::Enter), []);
    press(&mut state, &fixture, KeyCode::Esc);
    assert!(state.overlay.is_none());
}

#[test]
fn a_step_that_runs_is_stopped_by_its_key_and_by_no_other_steps() {
    let mut fixture = Fixture::burning();
    let mut state = state();
    press(&mut state, &fixture, KeyCode::Char('o'));
    runbook(&mut fixture);
    press(&mut state, &fixture, KeyCode::Char('2'));
    assert_eq!(press(&mut state, &fixture, KeyCode::Char('s')), [], "it does not run");
    let running = ActionState::Under("it runs, for 3 s, 1 line of output".into());
    fixture.actions.push(Action { plan: step(), at: at(29, 0), state: running, undone_by: None });
    // The window may have closed by itself meanwhile.
    fixture.window = WriteWindow::Closed;
    assert_eq!(press(&mut state, &fixture, KeyCode::Char('s')), [Command::StopStep { step: Some(2) }]);
    press(&mut state, &fixture, KeyCode::Char('1'));
    assert_eq!(press(&mut state, &fixture, KeyCode::Char('s')), []);
}

#[test]
fn a_runbook_beside_the_incident_at_80_by_24() {
    let mut fixture = Fixture::burning();
    runbook(&mut fixture);
    let options = Options::shipped().unwrap();
    let theme = options.themes.load(&options.theme, options.depth).unwrap();
    let draw = |fixture: &Fixture, overlay| {
        let mut state = state();
        state.overlay = Some(overlay);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        let brush = Brush { theme: &theme, ascii: false, wall: wall() };
        chrome::draw(&mut state, &fixture.scene(), &brush, &mut buffer);
        text(&buffer)
    };
    let picture = draw(&fixture, Overlay::Runbook { step: 2, scroll: 0, reveal: true });
    assert!(picture.contains("▸ 2 sh") && picture.contains("plan to run it"), "{picture}");
    insta::assert_snapshot!(picture);
    let running = ActionState::Under("it runs, for 3 s, 1 line of output".into());
    fixture.actions.push(Action { plan: step(), at: at(29, 0), state: running, undone_by: None });
    let picture = draw(&fixture, Overlay::Runbook { step: 2, scroll: 0, reveal: true });
    assert!(picture.contains("s stop it") && picture.contains("it runs, for 3 s"), "{picture}");
    fixture.actions.clear();
    fixture.window = WriteWindow::Closed;
    let picture = draw(&fixture, Overlay::Runbook { step: 1, scroll: 0, reveal: false });
    assert!(!picture.contains("plan to run it"), "what would be refused is not offered:\n{picture}");
}
