//! The link to the terminal: lost, stopped, slow.

use std::time::Duration;

use rustix::process::Signal;

use crate::kit::{BOTH, FAST, Home, LIVE, until};
use crate::terminal::{Pull, Terminal};

#[test]
fn a_terminal_that_hangs_up_ends_the_program_at_once() {
    for world in BOTH {
        let home = Home::new();
        let terminal = home.start(world, 80, 24);
        terminal.draws(world.header);
        assert_eq!(terminal.hangs_up().exit_code(), 1);
    }
}

/// Nobody tells it by a signal: it finds out by itself, while it draws or on a screen on which
/// nothing changes.
#[test]
fn a_terminal_that_is_gone_without_a_signal_ends_it_too_and_the_record_is_whole() {
    for (world, columns) in [(FAST, 120), (LIVE, 80), (LIVE, 30)] {
        let home = Home::new();
        // The shell leads the session and is what the hang-up is told to; it leaves word of what
        // became of the program.
        let script = format!("trap '' HUP; \"$0\" {}; echo $? > ended", world.arguments.join(" "));
        let command = home.command("/bin/sh", &["-c", &script, env!("CARGO_BIN_EXE_warroom")]);
        let terminal = Terminal::start(command, columns, 24);
        terminal.draws(if columns == 30 { "needs" } else { world.header });
        terminal.hangs_up();
        let ended = std::fs::read_to_string(home.path().join("ended")).unwrap();
        assert_eq!(ended.trim(), "1");
        assert!(home.recorded() > 0);
    }
}

#[test]
fn while_the_reader_is_stopped_recording_goes_on_and_signals_are_heard() {
    let home = Home::new();
    let terminal = home.start(FAST, 120, 40);
    terminal.draws(FAST.header);
    terminal.pull(Pull::Stopped);
    // More than the kernel keeps for a reader is drawn meanwhile: each size is a whole picture.
    for n in 0..200 {
        terminal.resize(200 + n % 2, 60);
    }
    home.records_more(home.recorded());
    home.records_more(home.recorded());
    terminal.signal(Signal::TERM);
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
    ended.assert_restored();
}

#[test]
fn a_reader_that_goes_on_sees_the_newest_picture_and_not_what_it_missed() {
    let home = Home::new();
    let mut terminal = home.start(FAST, 120, 40);
    terminal.draws(FAST.header);
    terminal.pull(Pull::Stopped);
    home.records_more(home.recorded());
    home.records_more(home.recorded());
    let missed = terminal.bytes().len();
    terminal.press("?");
    terminal.pull(Pull::Free);
    terminal.draws("keys and commands");
    let frames = terminal.bytes().split_off(missed).windows(8).filter(|part| *part == b"\x1b[?2026h").count();
    assert!(frames < 30, "{frames} frames were kept for a reader that took none");
    terminal.press("qq");
    terminal.ends().assert_restored();
}

#[test]
fn over_a_slow_link_keys_are_answered_and_the_end_is_clean() {
    let home = Home::new();
    let mut terminal = home.start(FAST, 120, 40);
    terminal.draws(FAST.header);
    // 9600 baud and a bit.
    terminal.pull(Pull::Slow(64, Duration::from_millis(5)));
    terminal.press("?");
    terminal.draws("keys and commands");
    let before = home.recorded();
    terminal.press("q:open slow link\r");
    terminal.draws("slow-link");
    until("the incident was not recorded", || home.recorded() > before);
    terminal.press("q");
    terminal.draws("The incident is open");
    terminal.press("y");
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
    ended.assert_restored();
}
