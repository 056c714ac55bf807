//! Sizes that change by the hundred, and a screen that is too small for a while.

use crate::kit::{BOTH, Home, LIVE, World};
use crate::terminal::Terminal;

const SIZES: u16 = 300;

/// A picture without what time changes in it.
fn still(contents: &str) -> String {
    contents
        .lines()
        .filter(|line| !line.contains(" ago") && !line.contains("reading history"))
        .collect::<Vec<_>>()
        .join("\n")
        .chars()
        .map(|c| if c.is_ascii_digit() { '#' } else { c })
        .collect()
}

fn storm(terminal: &Terminal) {
    for n in 0..SIZES {
        terminal.resize(20 + (n * 37) % 180, 5 + (n * 23) % 55);
    }
}

/// Where each of the panes begins, and the corners of the screen: what is wrong when a size was
/// missed.
fn is_whole(contents: &str, columns: usize, rows: usize) -> bool {
    let lines: Vec<&str> = contents.lines().collect();
    lines.len() == rows
        && ["1 Alerts", "2 Services", "3 Logs", "4 Workloads", "5 Changes", "6 Timeline"]
            .iter()
            .all(|title| lines.iter().filter(|line| line.contains(title)).count() == 1)
        && lines.iter().any(|line| line.chars().count() == columns && line.ends_with('┐'))
}

#[test]
fn after_a_storm_of_sizes_the_screen_is_that_of_the_last() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = home.start(world, 120, 40);
        terminal.draws(world.header);
        storm(&terminal);
        terminal.resize(130, 42);
        terminal.sees("the last size", |screen| is_whole(&screen.contents(), 130, 42));
        same_when_drawn_anew(&mut terminal, world);
        terminal.press("q");
        let ended = terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

/// In the world in which nothing happens the picture is compared whole.
fn same_when_drawn_anew(terminal: &mut Terminal, world: World) {
    if world.arguments.is_empty() {
        let before = still(&terminal.contents());
        terminal.press("\u{c}");
        terminal.sees("the same, drawn anew", |screen| still(&screen.contents()) == before);
    }
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_grows_into_the_screen_and_back() {
    for world in BOTH {
        let home = Home::new();
        let mut terminal = home.start(world, 40, 10);
        for _ in 0..3 {
            terminal.draws("needs 60");
            terminal.resize(80, 24);
            terminal.draws(world.header);
            terminal.resize(59, 24);
            terminal.draws("needs 60");
            terminal.resize(60, 15);
            terminal.draws(world.header.split(' ').next().unwrap());
            terminal.resize(60, 14);
        }
        terminal.draws("needs 60");
        terminal.resize(120, 40);
        terminal.sees("the whole screen", |screen| is_whole(&screen.contents(), 120, 40));
        terminal.press("q");
        terminal.ends().assert_restored();
    }
}

#[test]
fn a_screen_that_is_too_small_can_be_left_and_ends_with_its_terminal() {
    let home = Home::new();
    let mut terminal = home.start(LIVE, 30, 6);
    terminal.draws("needs");
    terminal.press("q");
    terminal.ends().assert_restored();
    let terminal = home.start(LIVE, 30, 6);
    terminal.draws("needs");
    assert_eq!(terminal.hangs_up().exit_code(), 1);
}
