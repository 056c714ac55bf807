use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::report::Moment;
use crate::tui::term::Capture;

fn told() -> Briefing {
    let moment = |minute: u32| Moment {
        when: crate::record::testing::at(minute, 0),
        at: Safe::from(format!("05:{minute:02} CEST")),
        text: Safe::from(format!("Moment {minute} of a long night.")),
    };
    Briefing {
        title: Safe::fixed("Severity 2: payments are slow and some checkouts fail"),
        drill: false,
        clock: Safe::fixed("05:30 CEST"),
        standing: Standing::Live,
        affected: vec![Safe::fixed("checkout: about 7 of 100 attempts fail, since 05:14 CEST, 16 min.")],
        now: vec![Safe::fixed("The team is easing the impact.")],
        next: vec![Safe::fixed("Update promised by 05:40 CEST, in 10 min.")],
        moments: (0..40).map(moment).collect(),
    }
}

fn open(columns: u16, rows: u16) -> (WatchScreen, Arc<Capture>) {
    let look = Look { themes: Themes::shipped(), theme: "default".into(), depth: Depth::Ansi16, ascii: false };
    let device = Arc::new(Capture::new(columns, rows));
    (WatchScreen::new(&look, device.clone()).unwrap(), device)
}

fn screen_of(device: &Capture, columns: u16, rows: u16) -> String {
    let mut parser = vt100::Parser::new(rows, columns, 0);
    parser.process(&device.bytes());
    parser.screen().contents()
}

fn shown(screen: &mut WatchScreen, device: &Capture, columns: u16, rows: u16) -> String {
    assert!(screen.show(&told()));
    assert!(screen.terminal.settle(Duration::from_secs(5)));
    screen_of(device, columns, rows)
}

fn press(screen: &mut WatchScreen, code: KeyCode) -> Wanted {
    screen.take(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

#[test]
fn the_page_says_what_is_affected_what_is_done_and_what_comes() {
    let (mut screen, device) = open(80, 24);
    let page = shown(&mut screen, &device, 80, 24);
    for text in
        ["INCIDENT", "live, read-only", "Severity 2", "about 7 of 100", "easing", "05:40", "Moment 39", "q leave"]
    {
        assert!(page.contains(text), "{text} is missing in\n{page}");
    }
    assert!(!page.contains("Moment 10 "), "it is further down:\n{page}");
}

#[test]
fn keys_scroll_and_leave_and_do_nothing_else() {
    let (mut screen, device) = open(80, 24);
    shown(&mut screen, &device, 80, 24);
    assert_eq!(press(&mut screen, KeyCode::End), Wanted::Page);
    let page = shown(&mut screen, &device, 80, 24);
    assert!(page.contains("Moment 0 ") && page.contains("Severity 2"), "{page}");
    assert_eq!(press(&mut screen, KeyCode::Home), Wanted::Page);
    let top = shown(&mut screen, &device, 80, 24);
    for code in (' '..='~').filter(|c| !"qjkgG ".contains(*c)).map(KeyCode::Char).chain([KeyCode::Enter, KeyCode::Esc])
    {
        assert_eq!(press(&mut screen, code), Wanted::Page);
    }
    assert_eq!(shown(&mut screen, &device, 80, 24), top);
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Wanted::Leave);
}

#[test]
fn a_page_that_does_not_change_writes_no_byte() {
    let (mut screen, device) = open(100, 30);
    shown(&mut screen, &device, 100, 30);
    let before = device.bytes().len();
    shown(&mut screen, &device, 100, 30);
    assert_eq!(device.bytes().len(), before);
}

#[test]
fn the_smallest_terminal_is_no_panic() {
    for (columns, rows) in [(1, 1), (10, 2), (20, 5), (300, 3)] {
        let (mut screen, device) = open(columns, rows);
        shown(&mut screen, &device, columns, rows);
    }
}
