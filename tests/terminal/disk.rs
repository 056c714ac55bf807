//! A disk that takes no more: the screen goes on, says so, and offers no action.

use crate::kit::{FAST, Home};
use crate::terminal::Terminal;

#[test]
fn when_nothing_more_can_be_written_the_screen_goes_on_and_actions_are_off() {
    let home = Home::new();
    // No file of this process grows beyond 8 KiB; without its signal a write fails, as on a full
    // disk.
    let script = format!("trap '' XFSZ; ulimit -f 16; exec \"$0\" {}", FAST.arguments.join(" "));
    let command = home.command("/bin/sh", &["-c", &script, env!("CARGO_BIN_EXE_warroom")]);
    let mut terminal = Terminal::start(command, 120, 40);
    terminal.draws(FAST.header);
    terminal.press(":open a full disk\r");
    terminal.reads("NOT RECORDING");
    terminal.press("w");
    terminal.reads("actions are off while the record cannot be written");
    terminal.press("x");
    terminal.reads("Nothing can be changed: the record cannot be written.");
    terminal.press("q");
    let header = |contents: String| contents.lines().next().unwrap_or_default().to_owned();
    let before = header(terminal.contents());
    terminal.sees("a clock that goes on", |screen| header(screen.contents()) != before);
    terminal.press("q");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.contents().contains("not everything was recorded"), "{}", ended.contents());
    assert_eq!(ended.status.exit_code(), 1);
}
