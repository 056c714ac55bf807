//! A real terminal: this test program runs itself in a pseudo-terminal and reads what it shows.

use std::sync::Arc;
use std::time::Duration;

use portable_pty::CommandBuilder;

use crate::model::command::Command;
use crate::session::Front as _;
use crate::terminal_under_test::Terminal;
use crate::tui::fixture::Fixture;
use crate::tui::screen::{Options, Screen};
use crate::tui::term::Tty;

const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test of its own: what the others start in their terminal. Here a claim is a panic, and
/// the actions are one of another thread.
#[test]
#[ignore = "started in a terminal by the other tests"]
fn a_session_in_a_terminal() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::burning();
        let mut screen = Screen::new(Options::shipped().unwrap(), Arc::new(Tty::open().unwrap())).unwrap();
        screen.restore_on_panic();
        loop {
            screen.show_scene(&fixture.scene()).unwrap();
            screen.settle(PATIENCE);
            let input = screen.input().await;
            match screen.handle_in(input, &fixture.scene()).as_slice() {
                [Command::Quit] => return,
                [Command::Claim(_)] => panic!("the house is on fire"),
                [Command::FollowLogs { .. }] => {
                    let other = std::thread::spawn(|| panic!("only the shed is on fire"));
                    assert!(other.join().is_err());
                }
                _ => {}
            }
        }
    });
}

fn start() -> Terminal {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    let name = "tui::tests::pty::a_session_in_a_terminal";
    command.args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("RUST_BACKTRACE", "0");
    let terminal = Terminal::start(command, 80, 24);
    terminal.draws("PRODUCTION prod-eu");
    terminal
}

#[test]
fn leaving_gives_the_terminal_back_as_it_was() {
    let mut terminal = start();
    terminal.press("?");
    terminal.draws("keys and commands");
    terminal.press("qqy");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.status.success());
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_readable_there() {
    let mut terminal = start();
    terminal.press("tma");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.contents().contains("the house is on fire"), "{}", ended.contents());
    assert_eq!(ended.status.exit_code(), 101);
}

#[test]
fn a_panic_of_another_thread_leaves_the_screen_alone() {
    let mut terminal = start();
    // A service is chosen.
    terminal.press("2 ");
    terminal.draws("only checkout");
    terminal.press("?");
    terminal.draws("keys and commands");
    assert!(!terminal.contents().contains("the shed"), "{}", terminal.contents());
    terminal.press("qqy");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.status.success() && !ended.contents().contains("the shed"), "{}", ended.contents());
}

#[test]
fn suspending_where_no_shell_waits_comes_back_to_the_screen() {
    let mut terminal = start();
    terminal.press("\u{1a}");
    terminal.sees("the terminal given back", |screen| !screen.alternate_screen());
    terminal.draws("PRODUCTION prod-eu");
    // The keys are heard again only after the screen was taken again.
    terminal.press("?");
    terminal.draws("keys and commands");
    terminal.press("qqy");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.status.success());
}
