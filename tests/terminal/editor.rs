//! A note in the person's own editor: the terminal given over and taken back.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use crate::kit::{DRILL, FAST, Home, LIVE, World, until};
use crate::terminal::Terminal;

/// An editor that says where it is and waits to be told what to write.
const EDITOR: &str = r#"#!/bin/sh
echo "$2" > "$HOME/file"
cp "$2" "$HOME/before"
stat -c '%a' "$2" > "$HOME/mode"
stty -a > "$HOME/line"
env > "$HOME/environment"
printf 'EDITOR %s HERE\n' "$1"
while [ ! -e "$HOME/go" ]; do sleep 0.02; done
cat "$HOME/text" > "$2"
exit "$(cat "$HOME/code")"
"#;

struct Desk {
    home: Home,
    terminal: Terminal,
}

impl Desk {
    fn at(world: World) -> Self {
        let home = Home::new();
        let editor = home.path().join("editor with a space");
        std::fs::write(&editor, EDITOR).unwrap();
        std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = home.command(env!("CARGO_BIN_EXE_warroom"), world.arguments);
        command.env("EDITOR", "false");
        command.env("VISUAL", format!("'{}' --wait", editor.display()));
        let terminal = Terminal::start(command, 120, 40);
        terminal.draws(world.header);
        Self { home, terminal }
    }

    /// Types the beginning of a note and opens the editor on it.
    fn opens(&mut self, typed: &str) {
        self.terminal.press(&format!("n{typed}"));
        self.terminal.reads(&format!(":note {typed}"));
        self.terminal.press("\u{5}");
        self.terminal.sees("the editor", |screen| {
            screen.contents().contains("EDITOR --wait HERE") && !screen.alternate_screen() && !screen.bracketed_paste()
        });
    }

    fn writes(&self, text: &str, code: i32) {
        std::fs::write(self.home.path().join("text"), text).unwrap();
        std::fs::write(self.home.path().join("code"), code.to_string()).unwrap();
        std::fs::write(self.home.path().join("go"), "").unwrap();
    }

    fn told(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    /// The note's file is nowhere any more.
    fn left_nothing(&self) {
        let notes = || self.home.left_behind().into_iter().filter(|path| path.to_str().unwrap().contains("note"));
        until("the note's file is still there", || notes().count() == 0);
    }

    fn leaves(mut self) {
        self.terminal.press("q");
        let ended = self.terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

#[test]
fn a_note_is_written_in_the_editor_while_recording_goes_on() {
    let mut desk = Desk::at(FAST);
    desk.opens("draft");
    desk.home.records_more(desk.home.recorded());
    desk.home.records_more(desk.home.recorded());
    assert_eq!(desk.told("mode"), "600\n");
    assert_eq!(desk.told("before"), "draft\n");
    assert!(desk.told("line").contains(" icanon") && desk.told("line").contains(" echo "), "{}", desk.told("line"));
    assert!(!desk.told("environment").contains("AWS_SECRET_ACCESS_KEY"));
    desk.writes("pool is full\u{1b}]0;owned\u{7}\nsince 03:14\n", 0);
    // The world is fast: a small pane may have moved on before anybody looks.
    desk.terminal.sees("the screen again", vt100::Screen::alternate_screen);
    desk.terminal.press("6z");
    desk.terminal.sees("the note in the timeline", |screen| {
        screen.alternate_screen()
            && screen.contents().lines().any(|line| line.contains("note ") && line.contains("pool is full"))
    });
    desk.left_nothing();
    desk.leaves();
}

#[test]
fn an_empty_text_is_no_note_and_a_failed_editor_keeps_what_was_written() {
    for world in [LIVE, DRILL] {
        let mut desk = Desk::at(world);
        desk.opens("draft");
        desk.writes("  \n", 0);
        desk.terminal.draws("nothing was noted: the text is empty");
        desk.left_nothing();
        std::fs::remove_file(desk.home.path().join("go")).unwrap();
        desk.opens("draft");
        desk.writes("better\nthan before", 7);
        desk.terminal.draws(":note better than before");
        desk.terminal.reads("exit status: 7");
        desk.left_nothing();
        desk.terminal.press("\u{3}");
        desk.leaves();
    }
}

#[test]
fn ctrl_c_in_the_editor_is_the_editors() {
    let mut desk = Desk::at(LIVE);
    desk.opens("draft");
    desk.terminal.press("\u{3}");
    desk.terminal.draws(":note draft");
    desk.left_nothing();
    desk.terminal.press("\u{3}");
    desk.leaves();
}

#[test]
fn a_session_that_is_told_to_end_ends_the_editor_too() {
    for world in [LIVE, DRILL] {
        let mut desk = Desk::at(world);
        desk.opens("draft");
        desk.terminal.signal(Signal::TERM);
        let ended = desk.terminal.ends();
        assert!(ended.status.success(), "{:?}", ended.status);
        ended.assert_restored();
    }
}

#[test]
fn without_an_editor_it_says_what_to_set_and_what_was_typed_stays() {
    let home = Home::new();
    let mut terminal = home.start(LIVE, 120, 40);
    terminal.draws(LIVE.header);
    terminal.press("ndraft\u{5}");
    terminal.reads("set $VISUAL or $EDITOR");
    terminal.reads(":note draft");
    terminal.press("\u{3}q");
    let ended = terminal.ends();
    ended.assert_restored();
}
