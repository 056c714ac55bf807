//! Everything that a system can write is hostile: the terminal stays as it is, and so does what
//! is printed and exported.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use chrono::TimeDelta;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value as Json;

use super::proxy::{Rule, behind};
use super::{Opening, Rehearsal, due, environment, run};
use crate::clock::wall;
use crate::model::command::Command;
use crate::model::entry::EntryKind;
use crate::record::Archive;
use crate::report;
use crate::session::{Front as _, Input, Plain};
use crate::tui::term::Capture;
use crate::tui::{Options, Screen};

/// A title, a cleared screen, the other screen left, the cursor shown, colours, a request for a
/// report, a device control string, bidi controls, and characters that move the cursor.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[?1049l\u{1b}[?25h\u{1b}[?1000h\u{1b}[31;7m\u{202e}\u{2066}\u{9b}5n\u{1b}P+q\u{1b}\\\u{1b}c\0\u{8}\r\n\t\u{200b}owned";
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

/// Texts that a system's owner, or anybody who can make it log, has a hand in.
fn spoil(media: &str, line: &[u8], lines: &AtomicUsize) -> Vec<u8> {
    if media.starts_with("text/plain") {
        // A megabyte now and then, without an end of line.
        let long = if lines.fetch_add(1, Ordering::Relaxed) % 1000 == 7 { 1 << 20 } else { 0 };
        return [line, EVIL.replace('\n', "").as_bytes(), &[0xff, 0xfe], &vec![b'x'; long]].concat();
    }
    match serde_json::from_slice::<Json>(line) {
        Ok(mut value) => {
            spoil_json(&mut value, "", "", lines);
            value.to_string().into_bytes()
        }
        Err(_) => line.to_vec(),
    }
}

fn spoil_json(value: &mut Json, parent: &str, key: &str, lines: &AtomicUsize) {
    match value {
        Json::Object(members) => members.iter_mut().for_each(|(name, value)| spoil_json(value, key, name, lines)),
        Json::Array(members) => members.iter_mut().for_each(|value| spoil_json(value, parent, key, lines)),
        Json::String(text) => {
            let written = matches!(
                key,
                "summary" | "description" | "message" | "reason" | "image" | "alertname" | "example.com/team"
            );
            if written && parent != "status" {
                text.push_str(EVIL);
                if key == "message" && lines.fetch_add(1, Ordering::Relaxed) % 1000 == 11 {
                    text.push_str(&"y".repeat(1 << 20));
                }
            }
        }
        _ => {}
    }
}

/// Every third query fails with a text of the server's.
fn rule(system: &str) -> Box<Rule> {
    if system != "prometheus" {
        return Box::new(|_| None);
    }
    let asked = AtomicUsize::new(0);
    Box::new(move |parts| {
        if !parts.uri.path().contains("query") || asked.fetch_add(1, Ordering::Relaxed) % 3 != 1 {
            return None;
        }
        let body = serde_json::json!({ "status": "error", "errorType": "execution", "error": EVIL });
        let answer = Response::builder().status(422).header("content-type", "application/json");
        Some(answer.body(Body::from(body.to_string())).unwrap())
    })
}

fn press(code: KeyCode) -> Input {
    Input::Terminal(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn emulate(bytes: &[u8]) -> vt100::Parser {
    let mut parser = vt100::Parser::new(ROWS, COLUMNS, 0);
    parser.process(bytes);
    parser
}

/// Panics with the surroundings of the first character that does something to a terminal.
fn check_harmless(text: &str) {
    let hostile = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if let Some(at) = text.find(hostile) {
        let around: String = text[..at].chars().rev().take(80).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{:?} after {around:?}", text[at..].chars().next());
    }
}

/// What the plain front printed.
#[derive(Clone, Default)]
struct Printed(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_text_from_every_system_leaves_screen_stream_and_postmortem_clean() {
    let world = Rehearsal::start(None, 300.0).await;
    let dir = tempfile::tempdir().unwrap();
    let lines = AtomicUsize::new(0);
    let spoiled = behind(
        &world.drill.endpoints,
        dir.path(),
        Some(Arc::new(move |media: &str, line: &[u8]| spoil(media, line, &lines))),
        rule,
    )
    .await;
    let archive = Archive::new(dir.path().join("records"));
    let opening = Opening { env: environment(&world.scenario, Some(&spoiled.endpoints)), ..world.opening(&archive) };

    let device = Arc::new(Capture::new(COLUMNS, ROWS));
    let mut screen = Screen::new(Options::shipped().unwrap(), device.clone()).unwrap();
    let clean = {
        let core = Opening::core(&opening.env, &opening.catalogue, &opening.actor, &opening.clock);
        screen.show(&core).unwrap();
        assert!(screen.settle(Duration::from_secs(5)));
        emulate(&device.bytes())
    };
    let printed = Printed::default();
    let mut plain = Plain::new(tokio::io::empty(), printed.clone());
    let (mut steps, until) = (world.responder(), world.drill.opens + TimeDelta::minutes(9));
    let (mut frames, mut seen) = (0_usize, std::collections::BTreeSet::new());
    // Through every pane, its details, the help, and back.
    let keys = "123456".chars().flat_map(|pane| [KeyCode::Char(pane), KeyCode::Enter, KeyCode::Down, KeyCode::Esc]);
    let keys: Vec<KeyCode> = keys.collect();
    let mut opened = false;
    let core = run(opening, |core| {
        screen.show(core).unwrap();
        plain.show(core).unwrap();
        frames += 1;
        let mut commands = due(&mut steps, core.now);
        if frames.is_multiple_of(5) {
            let key = keys[frames / 5 % keys.len()];
            commands.extend(screen.handle(press(key), core).into_iter().filter(|command| *command != Command::Quit));
        }
        if frames.is_multiple_of(50) {
            assert!(screen.settle(Duration::from_secs(5)));
            seen.extend(
                emulate(&device.bytes())
                    .screen()
                    .contents()
                    .lines()
                    .filter(|line| line.contains("owned"))
                    .map(str::to_owned),
            );
        }
        if core.incident.is_none() && core.now > until - TimeDelta::minutes(2) && !std::mem::replace(&mut opened, true)
        {
            commands.push(Command::Open { title: crate::text::Safe::from(EVIL) });
        }
        if core.now >= until && core.incident.is_some() {
            commands.push(Command::Quit);
        }
        commands
    })
    .await;
    assert!(screen.settle(Duration::from_secs(5)));

    let bytes = device.bytes();
    let text = String::from_utf8(bytes.clone()).expect("what goes out is UTF-8");
    for sequence in text.split('\u{1b}').skip(1) {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        assert!(
            sequence.starts_with('[') && matches!(&sequence[end..=end], "H" | "B" | "C" | "D" | "m" | "h" | "l" | "J"),
            "{sequence:?}"
        );
    }
    check_harmless(&text.replace('\u{1b}', ""));
    let end = emulate(&bytes);
    assert_eq!(end.screen().input_mode_formatted(), clean.screen().input_mode_formatted());
    assert_eq!(end.screen().alternate_screen(), clean.screen().alternate_screen());
    assert_eq!(end.screen().hide_cursor(), clean.screen().hide_cursor());
    assert!(!seen.is_empty(), "the hostile text was on the screen, without its teeth");

    // The stream is written on a thread of its own.
    let written = wall() + Duration::from_secs(5);
    while !plain.ready() && wall() < written {
        tokio::task::yield_now().await;
    }
    let printed = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
    check_harmless(&printed);
    assert!(printed.contains("owned"), "{printed}");
    assert!(core.entries.iter().any(|entry| entry.draft.kind == EntryKind::AlertFiring));
    assert!(core.picture.logs.counts().lines > 100, "lines were read");
    let id = core.incident.unwrap().id;
    let path = dir.path().join("postmortem.md");
    report::write(&archive.read(&id).unwrap(), &report::Options::default(), &path).unwrap();
    let document = std::fs::read_to_string(path).unwrap();
    check_harmless(&document);
    assert!(document.contains("owned"), "{document}");
    drop(screen);
    let left = emulate(&device.bytes());
    assert!(!left.screen().alternate_screen() && !left.screen().hide_cursor());
}
