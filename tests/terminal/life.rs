//! Start and end: it is on the screen at once, and however it ends, the terminal is as it was.

use std::time::Duration;

use rustix::process::Signal;

use crate::kit::{BOTH, DRILL, Home, LIVE, World};

/// The bar is 100 ms, of a release build on a quiet machine: `tests/bench/first-frame` measures it.
const FIRST_FRAME: Duration = Duration::from_secs(5);

#[test]
fn the_first_frame_comes_before_any_answer_and_q_leaves() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = home.start(world, 120, 40);
        let took = terminal.draws(world.header);
        assert!(took < FIRST_FRAME, "{took:?}");
        terminal.press("q");
        let ended = terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

#[test]
fn being_told_to_end_gives_the_terminal_back() {
    for world in BOTH {
        for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::QUIT, 0), (Signal::HUP, 1)] {
            let home = Home::new();
            let terminal = home.start(world, 80, 24);
            terminal.draws(world.header);
            terminal.signal(signal);
            let ended = terminal.ends();
            assert_eq!(ended.status.exit_code(), code, "{signal:?}");
            ended.assert_restored();
        }
    }
}

#[test]
fn an_end_with_a_dialog_open_and_the_mouse_taken_gives_everything_back() {
    let home = Home::new();
    let mut terminal = home.start(LIVE, 80, 24);
    terminal.draws(LIVE.header);
    terminal.press("tm");
    terminal.reads("the mouse is the screen's");
    terminal.press(":note half a note");
    terminal.reads(":note half a note");
    terminal.signal(Signal::TERM);
    terminal.ends().assert_restored();
}

#[test]
fn a_signal_that_comes_while_a_drill_is_being_made_gives_the_terminal_back() {
    let home = Home::new();
    let terminal = home.start(DRILL, 80, 24);
    terminal.sees("the other screen", vt100::Screen::alternate_screen);
    terminal.signal(Signal::TERM);
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
    ended.assert_restored();
    assert_eq!(home.left_behind(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_drills_panes_know_their_sources_once_its_servers_are_there() {
    let home = Home::new();
    let mut terminal = home.start(DRILL, 120, 40);
    // The first frame is older than the servers.
    terminal.sees("the age of what the services tell", |screen| {
        let contents = screen.contents();
        let title = contents.lines().find_map(|line| line.split_once("2 Services"));
        title.is_some_and(|(_, title)| title.contains(" ago"))
    });
    terminal.press("q");
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
}

#[test]
fn a_declared_incident_is_named_after_the_screen_is_gone() {
    let home = Home::new();
    let mut terminal = home.start(LIVE, 80, 24);
    terminal.draws(LIVE.header);
    terminal.press(":open checkout fails\r");
    terminal.reads("-checkout-fails");
    terminal.press("q");
    terminal.draws("The incident is open");
    terminal.press("y");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.contents().contains("is still open"), "{}", ended.contents());
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_warroom"))
        .args(["drill", "rate-limit-storm"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--plain"), "{told}");
}

/// The stakeholders' page is in the same hands.
#[test]
fn the_page_for_stakeholders_is_left_as_cleanly() {
    let home = Home::new();
    let open = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_warroom"));
        command.args(arguments).env("XDG_STATE_HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
        assert!(command.env("HOME", home.path()).status().unwrap().success());
    };
    open(&["incident", "open", "checkout fails"]);
    let watch = World { arguments: &["watch"], header: "checkout fails" };
    let mut terminal = home.start(watch, 80, 24);
    terminal.draws(watch.header);
    for n in 0..100 {
        terminal.resize(60 + n % 40, 20 + n % 20);
    }
    terminal.resize(90, 30);
    terminal.sees("the last size", |screen| {
        screen.contents().lines().count() == 30 && screen.contents().contains(watch.header)
    });
    terminal.press("q");
    let ended = terminal.ends();
    assert!(ended.status.success(), "{:?}", ended.status);
    ended.assert_restored();
    for (signal, code) in [(Signal::TERM, 0), (Signal::HUP, 0), (Signal::INT, 0)] {
        let terminal = home.start(watch, 80, 24);
        terminal.draws(watch.header);
        terminal.signal(signal);
        let ended = terminal.ends();
        assert_eq!(ended.status.exit_code(), code, "{signal:?}");
        ended.assert_restored();
    }
    let terminal = home.start(watch, 80, 24);
    terminal.draws(watch.header);
    terminal.hangs_up();
}
