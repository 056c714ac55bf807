//! What a terminal receives, read back through an emulator.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;

use crate::config::testing::environment;
use crate::config::{Catalogue, WritePolicy};
use crate::model::alert::AlertSeverity;
use crate::model::entry::{Actor, EntryKind};
use crate::model::log::Level;
use crate::session::{Core, Front as _, Input, Notice, NoticeKind};
use crate::text::Safe;
use crate::tui::fixture::{Fixture, alert, at, row};
use crate::tui::screen::{Options, Screen};
use crate::tui::term::Capture;

const PATIENCE: Duration = Duration::from_secs(5);

fn open(columns: u16, rows: u16) -> (Screen, Arc<Capture>) {
    let device = Arc::new(Capture::new(columns, rows));
    (Screen::new(Options::shipped().unwrap(), device.clone()).unwrap(), device)
}

fn show(screen: &mut Screen, fixture: &Fixture) {
    screen.show_scene(&fixture.scene()).unwrap();
    assert!(screen.settle(PATIENCE));
}

fn emulate(device: &Capture, columns: u16, rows: u16) -> vt100::Parser {
    let mut parser = vt100::Parser::new(rows, columns, 0);
    parser.process(&device.bytes());
    parser
}

#[test]
fn an_idle_screen_writes_nothing_and_a_clock_tick_very_little() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    show(&mut screen, &fixture);
    let first = device.bytes().len();
    show(&mut screen, &fixture);
    assert_eq!(device.bytes().len(), first);
    fixture.now += chrono::TimeDelta::seconds(1);
    show(&mut screen, &fixture);
    let tick = device.bytes().len() - first;
    assert!(tick > 0 && tick < 200, "{tick} bytes");
}

#[test]
fn what_changes_nothing_on_the_screen_makes_it_be_drawn_more_seldom_until_something_does() {
    let (mut screen, device) = open(120, 40);
    let env = environment(WritePolicy::Deny);
    let mut core = Core::new(&env, Arc::new(Catalogue::default()), Actor::system(), at(12, 0), 0);
    let mut show = |core: &Core| {
        let before = device.bytes().len();
        screen.show(core).unwrap();
        assert!(screen.settle(PATIENCE));
        (device.bytes().len() > before, screen.pacing.unchanged, screen.pace())
    };
    let slowest = Duration::from_millis(250);
    assert!(matches!(show(&core), (true, 0, _)));
    let still = [(); 3].map(|()| show(&core));
    assert!(matches!(still, [(false, 1, _), (false, 2, _), (false, 3, pace)] if pace == slowest), "{still:?}");
    core.now += chrono::TimeDelta::seconds(1);
    assert!(matches!(show(&core), (true, 0, _)));
}

#[test]
fn a_minute_in_which_only_time_passes_costs_less_than_a_hundred_bytes_a_second() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    fixture.sources.truncate(5);
    show(&mut screen, &fixture);
    let first = device.bytes().len();
    for second in 1..=60 {
        fixture.now += chrono::TimeDelta::seconds(1);
        // All sources answer every 15 seconds, each at its own moment.
        for (at, source) in fixture.sources.iter_mut().enumerate() {
            if (second + at * 3) % 15 == 0 {
                (source.last_read, source.last_news) = (Some(fixture.now), Some(fixture.now));
            }
        }
        show(&mut screen, &fixture);
    }
    let bytes = device.bytes().len() - first;
    assert!(bytes < 60 * 100, "{} bytes a second", bytes / 60);
}

#[test]
fn hostile_text_in_every_field_leaves_the_terminal_as_it_is() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[?1049l\u{1b}[31;7m\u{202e}\u{9b}5n\u{1b}P+q\u{1b}\\\u{0}\u{8}\r\n\tx\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}👩‍👩‍👧漢";
    let mut fixture = Fixture::burning();
    fixture.alerts = vec![alert(evil, AlertSeverity::Critical, 12, evil, Some(evil), evil)];
    fixture.timeline = vec![row("e", EntryKind::Note, 12, evil, evil, Some(evil), 3)];
    fixture.facing.env = evil.into();
    fixture.notice = Some(Notice { kind: NoticeKind::Error, text: evil.into(), at: at(29, 50), number: 1 });
    fixture.clauses.iter_mut().for_each(|clause| clause.text = evil.into());
    fixture.services.iter_mut().for_each(|service| (service.name, service.why) = (evil.into(), evil.into()));
    fixture.workloads.iter_mut().for_each(|workload| workload.trouble = Some(evil.into()));
    fixture.changes.iter_mut().for_each(|change| change.change.title = evil.into());
    // Lines reach the store clean; what JSON escaped comes out while drawing.
    let escaped = r#"{"level":"error","msg":"\u001b]0;owned\u0007\u001b[2J\u202e","k\u001b[7m":"\u009b2J"}"#;
    for _ in 0..50 {
        fixture.logs.push(at(29, 51), Level::Error, escaped);
        fixture.logs.push(at(29, 51), Level::Error, &Safe::from(evil.repeat(1000)));
    }
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let (mut screen, device) = open(columns, rows);
        show(&mut screen, &fixture);
        for key in ["3", "3"] {
            let code = crossterm::event::KeyCode::Char(key.chars().next().unwrap());
            let event = Event::Key(crossterm::event::KeyEvent::new(code, crossterm::event::KeyModifiers::NONE));
            screen.handle_in(Input::Terminal(event), &fixture.scene());
            let enter =
                crossterm::event::KeyEvent::new(crossterm::event::KeyCode::Enter, crossterm::event::KeyModifiers::NONE);
            screen.handle_in(Input::Terminal(Event::Key(enter)), &fixture.scene());
            show(&mut screen, &fixture);
        }
        let bytes = device.bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("\u{1b}]") && !text.contains("\u{1b}P"), "no OSC and no DCS goes out");
        assert!(!text.contains('\u{9b}') && !text.contains('\u{202e}') && !text.contains('\u{7}'));
        for sequence in text.split('\u{1b}').skip(1) {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            assert!(matches!(&sequence[end..=end], "H" | "B" | "C" | "D" | "m" | "h" | "l" | "J"), "{sequence:?}");
        }
        let parser = emulate(&device, columns, rows);
        assert!(parser.screen().alternate_screen() && parser.screen().bracketed_paste());
        assert!(!parser.screen().inverse() && parser.screen().fgcolor() == vt100::Color::Default);
    }
}

#[test]
fn a_storm_of_resizes_ends_in_one_whole_picture() {
    let (mut screen, device) = open(120, 40);
    let fixture = Fixture::burning();
    show(&mut screen, &fixture);
    for (columns, rows) in [(0, 0), (1, 1), (300, 3), (59, 14), (10, 100), (200, 60), (80, 24)] {
        screen.handle_in(Input::Terminal(Event::Resize(columns, rows)), &fixture.scene());
        screen.show_scene(&fixture.scene()).unwrap();
    }
    assert!(screen.settle(PATIENCE));
    show(&mut screen, &fixture);
    show(&mut screen, &fixture);
    let mut fresh = open(80, 24);
    show(&mut fresh.0, &fixture);
    // Emulate from the last full frame: what was before had other sizes.
    let bytes = device.bytes();
    let clear = b"\x1b[2J";
    let last = bytes.windows(clear.len()).rposition(|window| window == clear).unwrap();
    let mut parser = vt100::Parser::new(24, 80, 0);
    parser.process(&bytes[last..]);
    assert_eq!(parser.screen().contents(), emulate(&fresh.1, 80, 24).screen().contents());
}

#[test]
fn what_is_drawn_step_by_step_is_what_is_drawn_at_once() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    for step in 0..30 {
        fixture.now += chrono::TimeDelta::seconds(1);
        fixture.logs.push(fixture.now, Level::Error, &format!("line {step} 漢字 {}", "x".repeat(step * 3)));
        if step % 7 == 0 {
            fixture.alerts.rotate_left(1);
        }
        show(&mut screen, &fixture);
    }
    let stepwise = emulate(&device, 120, 40).screen().contents();
    screen.handle_in(
        Input::Command(crate::model::command::Command::View(crate::model::command::View::Redraw)),
        &fixture.scene(),
    );
    show(&mut screen, &fixture);
    assert_eq!(emulate(&device, 120, 40).screen().contents(), stepwise);
}

#[test]
fn a_frame_of_a_scrolling_log_stays_within_its_budget() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    show(&mut screen, &fixture);
    let before = device.bytes().len();
    fixture.logs.push(fixture.now, Level::Error, "POST partner/charge timed out after 2000 ms (attempt 3)");
    show(&mut screen, &fixture);
    let bytes = device.bytes().len() - before;
    assert!(bytes < 3_000, "{bytes} bytes for one line of a log");
}

#[test]
fn a_lost_terminal_ends_the_front() {
    let (mut screen, device) = open(80, 24);
    let fixture = Fixture::burning();
    show(&mut screen, &fixture);
    device.hang_up();
    assert!(screen.show_scene(&fixture.scene()).is_err());
}

#[test]
fn after_a_stop_everything_is_drawn_anew() {
    let (mut screen, device) = open(80, 24);
    let fixture = Fixture::burning();
    show(&mut screen, &fixture);
    device.set_size(100, 30);
    screen.handle_in(Input::Continued, &fixture.scene());
    assert!(device.is_raw());
    show(&mut screen, &fixture);
    let parser = {
        let bytes = device.bytes();
        let enter = b"\x1b[?1049h";
        let last = bytes.windows(enter.len()).rposition(|window| window == enter).unwrap();
        let mut parser = vt100::Parser::new(30, 100, 0);
        parser.process(&bytes[last..]);
        parser
    };
    assert!(parser.screen().contents().contains("PRODUCTION prod-eu"));
}

#[test]
fn a_plan_that_nobody_could_read_is_not_confirmed() {
    use crate::model::plan::Tier;
    use crate::session::PlanView;
    use crate::tui::fixture::plan;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    let device = Arc::new(Capture::new(40, 10));
    let mut options = Options::shipped().unwrap();
    options.arm = Duration::ZERO;
    let mut screen = Screen::new(options, device.clone()).unwrap();
    let mut fixture = Fixture::burning();
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan(12, Tier::Reversible)), blocked: None });
    let yes = || Input::Terminal(Event::Key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE)));
    show(&mut screen, &fixture);
    assert_eq!(screen.handle_in(yes(), &fixture.scene()), []);
    screen.handle_in(Input::Terminal(Event::Resize(80, 24)), &fixture.scene());
    assert_eq!(screen.handle_in(yes(), &fixture.scene()), [], "the larger screen was not drawn yet");
    show(&mut screen, &fixture);
    assert_eq!(screen.handle_in(yes(), &fixture.scene()).len(), 1);
}

#[test]
fn rows_of_a_source_that_is_late_are_dimmed_and_the_others_are_not() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    for source in &mut fixture.sources {
        if source.origin.source.as_str() == "alertmanager" {
            source.last_read = Some(at(20, 0));
        }
    }
    show(&mut screen, &fixture);
    let parser = emulate(&device, 120, 40);
    let row = |text: &str| parser.screen().rows(0, 120).position(|row| row.contains(text)).unwrap() as u16;
    let alerts = row("CheckoutErrorRate  ");
    let column = |text: &str, row: u16| {
        let line: Vec<char> = parser.screen().rows(0, 120).nth(usize::from(row)).unwrap().chars().collect();
        let wanted: Vec<char> = text.chars().collect();
        line.windows(wanted.len()).position(|window| window == wanted).unwrap() as u16
    };
    let dim = |text: &str, row: u16| parser.screen().cell(row, column(text, row)).unwrap().dim();
    assert!(dim("CheckoutErrorRate", alerts), "what was last read 9 minutes ago is dimmed");
    assert!(!dim("checkout FAILING", alerts.min(row("checkout FAILING"))));
    assert!(
        parser.screen().contents().contains("last read 9 min ago")
            || parser.screen().contents().contains("alertmanager 9m ago")
    );
}

fn key(c: char) -> Input {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let modifiers = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    Input::Terminal(Event::Key(KeyEvent::new(KeyCode::Char(c), modifiers)))
}

#[test]
fn a_plan_that_is_still_on_its_way_over_a_slow_link_is_not_confirmed() {
    use crate::model::plan::{PlanId, Tier};
    use crate::session::PlanView;
    use crate::tui::fixture::plan;

    let device = Arc::new(Capture::new(80, 24));
    let options = Options { arm: Duration::ZERO, ..Options::shipped().unwrap() };
    let mut screen = Screen::new(options, device.clone()).unwrap();
    let mut fixture = Fixture::burning();
    let shown = |id: &'static str| {
        let plan = crate::model::plan::Plan { id: PlanId(Safe::fixed(id)), ..plan(12, Tier::Reversible) };
        Some(PlanView::Shown { plan: Box::new(plan), blocked: None })
    };
    fixture.plan = shown("a");
    show(&mut screen, &fixture);
    // The frame of another plan is sent and stands in the link: what is seen is the first one.
    fixture.plan = shown("b");
    fixture.now += chrono::TimeDelta::seconds(1);
    let stalled = device.block();
    screen.show_scene(&fixture.scene()).unwrap();
    assert_eq!(screen.handle_in(key('y'), &fixture.scene()), []);
    drop(stalled);
    assert!(screen.settle(PATIENCE));
    assert_eq!(screen.handle_in(key('y'), &fixture.scene()).len(), 1);
}

#[test]
fn a_plan_is_read_from_when_its_frame_was_written_and_not_from_when_it_was_sent() {
    use crate::model::plan::Tier;
    use crate::session::PlanView;
    use crate::tui::fixture::plan;
    use crate::tui::state::State;

    let options = Options::shipped().unwrap();
    let mut state = State::new(options.keymap, options.zones, options.arm);
    let mut fixture = Fixture::burning();
    let plan = plan(12, Tier::Reversible);
    fixture.plan = Some(PlanView::Shown { plan: Box::new(plan.clone()), blocked: None });
    let sent = crate::clock::wall();
    assert!(state.note_drawn(&fixture.scene(), sent), "the first frame of this plan");
    state.on_its_way = Some(7);
    let written = sent + Duration::from_secs(2);
    state.note_written(6, written);
    assert!(!state.armed(&plan, written + options.arm), "that was the frame before");
    state.note_written(7, written);
    assert!(!state.armed(&plan, written + options.arm / 2));
    assert!(state.armed(&plan, written + options.arm));
    assert!(!state.note_drawn(&fixture.scene(), written), "it is on the screen");
}

#[test]
fn a_second_sentence_of_the_same_second_is_shown() {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    let says =
        |text: &'static str| Some(Notice { kind: NoticeKind::Error, text: text.into(), at: at(29, 50), number: 1 });
    fixture.notice = says("the first of two");
    show(&mut screen, &fixture);
    assert!(emulate(&device, 120, 40).screen().contents().contains("the first of two"));
    let esc = Input::Terminal(Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)));
    screen.handle_in(esc, &fixture.scene());
    show(&mut screen, &fixture);
    assert!(!emulate(&device, 120, 40).screen().contents().contains("the first of two"), "it was put away");
    fixture.notice = says("and the second");
    show(&mut screen, &fixture);
    assert!(emulate(&device, 120, 40).screen().contents().contains("and the second"));
}

#[test]
fn no_alert_fires_is_said_only_of_what_tells_of_alerts() {
    let (mut screen, device) = open(120, 40);
    let mut fixture = Fixture::burning();
    fixture.alerts.clear();
    for source in &mut fixture.sources {
        if fixture.facing.sources.get(&source.origin.source) == Some(&crate::model::name::SourceKind::Alerts) {
            source.last_read = None;
        }
    }
    assert!(fixture.sources.iter().any(|source| source.last_read.is_some()));
    show(&mut screen, &fixture);
    let text = emulate(&device, 120, 40).screen().contents();
    assert!(text.contains("nothing read yet") && !text.contains("no alert fires"), "{text}");
}

#[test]
fn a_source_that_is_read_seldom_is_not_late_before_three_of_its_reads() {
    use crate::tui::scene::Freshness;
    let mut fixture = Fixture::burning();
    let name = fixture.sources[0].origin.source.clone();
    fixture.sources[0].state = crate::model::signal::SourceState::Live { limited: None };
    let mut freshness = |minutes| {
        fixture.sources[0].last_read = Some(fixture.now - chrono::TimeDelta::minutes(minutes));
        fixture.facing.intervals = [(name.clone(), Duration::from_secs(600))].into();
        fixture.scene().told(&fixture.sources[0]).freshness
    };
    assert_eq!(freshness(29), Freshness::Live);
    assert_eq!(freshness(30), Freshness::Late);
}

#[tokio::test]
async fn a_disk_that_hangs_does_not_keep_the_keys() {
    use crate::session::Front as _;
    use std::io::Read as _;
    use std::sync::mpsc::channel;

    let folder = tempfile::tempdir().unwrap();
    let options = Options { save_dir: Some(folder.path().to_owned()), ..Options::shipped().unwrap() };
    let mut screen = Screen::new(options, Arc::new(Capture::new(80, 24))).unwrap();
    let fixture = Fixture::burning();
    // A file that nobody takes anything from.
    let file = folder.path().join(format!("alerts-{}.txt", fixture.now.format("%Y%m%dT%H%M%SZ")));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &file,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let (go_on, awaited) = channel();
    let reader = std::thread::spawn({
        let file = file.clone();
        move || {
            let in_time = awaited.recv_timeout(PATIENCE).is_ok();
            let mut text = String::new();
            std::fs::File::open(file).unwrap().read_to_string(&mut text).unwrap();
            (in_time, text)
        }
    });
    assert_eq!(screen.handle_in(key('S'), &fixture.scene()), []);
    assert_eq!(screen.handle_in(key('S'), &fixture.scene()), [], "one at a time");
    go_on.send(()).unwrap();
    let told = tokio::time::timeout(PATIENCE, screen.input()).await.unwrap();
    assert!(matches!(told, Input::Continued));
    screen.handle_in(told, &fixture.scene());
    let (in_time, text) = reader.join().unwrap();
    assert!(in_time, "the key waited for the disk");
    assert!(text.contains("CheckoutErrorRate"), "{text}");
    screen.show_scene(&fixture.scene()).unwrap();
    assert!(screen.settle(PATIENCE));
}

/// Ctrl-C that ends the editor is told to both, and to us perhaps after the editor's end.
#[tokio::test(start_paused = true)]
async fn what_the_keys_of_an_editor_signal_is_its_own_for_a_moment_after_its_end_too() {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::session::Front as _;
    let options = Options { editor: Some("true".into()), ..Options::shipped().unwrap() };
    let mut screen = Screen::new(options, Arc::new(Capture::new(80, 24))).unwrap();
    let fixture = Fixture::burning();
    assert!(!screen.is_away());
    screen.handle_in(key('n'), &fixture.scene());
    let ctrl_e = Event::Key(KeyEvent::new(KeyCode::Char('e'), KeyModifiers::CONTROL));
    screen.handle_in(Input::Terminal(ctrl_e), &fixture.scene());
    assert!(screen.is_away());
    assert!(matches!(screen.input().await, Input::Continued));
    assert!(screen.is_away(), "the signal may come yet");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!screen.is_away(), "from now on it ends the session");
}

#[test]
fn nothing_is_told_of_what_was_not_read_or_waits_for_the_past() {
    use crate::model::command::Pane;
    use crate::observe::situation::Heard;
    use crate::tui::scene::Scene;
    let mut fixture = Fixture::burning();
    let alerts = crate::model::name::SourceKind::Alerts;
    let mut told = fixture.sources.clone();
    told.retain(|row| fixture.facing.sources.get(&row.origin.source) == Some(&alerts));
    let mut other = told[0].clone();
    other.origin.env = "elsewhere".into();
    fixture.sources = vec![told[0].clone(), other];
    assert_eq!(fixture.scene().heard_of_alerts(), Heard::All);
    fixture.sources[0].last_read = None;
    assert_eq!(fixture.scene().heard_of_alerts(), Heard::Some);
    fixture.sources[1].last_read = None;
    assert_eq!(fixture.scene().heard_of_alerts(), Heard::Nothing);

    let fixture = Fixture::burning();
    for backfilling in [0, 1] {
        let scene = Scene { backfilling, ..fixture.scene() };
        for pane in [Pane::Alerts, Pane::Services, Pane::Logs, Pane::Workloads, Pane::Changes] {
            let waits = backfilling > 0 && matches!(pane, Pane::Services | Pane::Logs | Pane::Changes);
            let feed = scene.feed(pane, &[]);
            assert_eq!(feed.words.contains("reading the past"), waits, "{pane:?}: {feed:?}");
            assert_eq!(feed.brief == "reading the past", waits, "{pane:?}: {feed:?}");
        }
    }
}
