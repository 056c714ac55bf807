//! Pasted text is text: it confirms nothing, triggers nothing, and is clean.

use crate::kit::{BOTH, DRILL, Home};

const EVIL: &str = "pool is\u{1b}]0;owned\u{7} full\u{1b}[2J\rquit\n\u{202e}q";

#[test]
fn a_paste_goes_into_a_field_clean_and_runs_nothing() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = home.start(world, 120, 40);
        terminal.draws(world.header);
        terminal.paste("q\n:quit\n");
        terminal.reads("the paste was left out: no field is open");
        terminal.press(":note ");
        terminal.paste(EVIL);
        terminal.reads(":note pool is fullquit <U+202E>q");
        terminal.press("\r");
        terminal.sees("the note in the timeline", |screen| {
            screen.contents().lines().any(|line| line.contains("note ") && line.contains("pool is fullquit <U+202E>q"))
        });
        terminal.press("1/");
        terminal.paste("no such\nalert");
        terminal.reads("filter alerts no such alert");
        // Esc and another key at once would be Alt with that key.
        terminal.press("\u{3}q");
        let ended = terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

#[test]
fn a_paste_confirms_no_plan_and_opens_no_write_window() {
    let home = Home::new();
    let mut terminal = home.start(DRILL, 120, 40);
    terminal.draws(DRILL.header);
    terminal.press("w");
    terminal.draws("Open a write window");
    terminal.paste("prod-eu");
    terminal.reads("a paste confirms nothing: type it");
    terminal.press("prod-eu\t");
    terminal.paste("because\nof this");
    terminal.reads("because of this");
    terminal.press("\r");
    terminal.reads("WRITE ");
    terminal.reads(" ready");
    terminal.press(":scale payments +1\r");
    terminal.draws("same as ");
    for text in ["y", "y\n", "\ny\r\n", "payments"] {
        terminal.paste(text);
    }
    terminal.press("q");
    terminal.sees("no plan", |screen| !screen.contents().contains("same as "));
    assert!(!terminal.contents().contains("under way"), "{}", terminal.contents());
    terminal.press("q");
    terminal.ends().assert_restored();
}
