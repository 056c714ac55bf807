//! A panic while a drill runs on a real terminal: the screen is given back, the message stands
//! there, and what was recorded before is whole. The program has no key for that: this test
//! program runs itself in a pseudo-terminal, with a front that has one.

use std::sync::Arc;
use std::time::Duration;

use portable_pty::CommandBuilder;

use super::Rehearsal;
use crate::model::command::Command;
use crate::record::{Archive, verify};
use crate::session::{Core, Front, FrontError, Input, Signals};
use crate::terminal_under_test::Terminal;
use crate::tui::term::Tty;
use crate::tui::{Options, Screen};

/// A screen on which `:ask` whomever is a panic.
struct Trap(Screen);

impl Front for Trap {
    async fn input(&mut self) -> Input {
        self.0.input().await
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        let commands = self.0.handle(input, core);
        assert!(!matches!(commands.as_slice(), [Command::Ask { .. }]), "the house is on fire");
        commands
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.0.show(core)
    }

    fn pace(&self) -> Duration {
        self.0.pace()
    }

    fn ready(&self) -> bool {
        self.0.ready()
    }

    fn wants_frame(&self) -> bool {
        self.0.wants_frame()
    }
}

#[test]
#[ignore = "started in a terminal by the other test"]
fn a_drill_in_a_terminal() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let screen = Screen::new(Options::shipped().unwrap(), Arc::new(Tty::open().unwrap())).unwrap();
        screen.restore_on_panic();
        let world = Rehearsal::start(None, 10.0).await;
        // Where the other test looks: TMPDIR is its own.
        let opening = world.opening(&Archive::new(std::env::temp_dir().join("archive")));
        let core = super::Opening::core(&opening.env, &opening.catalogue, &opening.actor, &opening.clock);
        opening.run(core, &mut Trap(screen), Signals::listen()).await;
    });
}

#[test]
fn a_panic_while_a_drill_runs_gives_the_terminal_back_and_keeps_the_record() {
    let home = tempfile::tempdir().unwrap();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    let name = "cli::tests::terminal::a_drill_in_a_terminal";
    command.args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("TMPDIR", home.path());
    command.env("RUST_BACKTRACE", "0");
    let mut terminal = Terminal::start(command, 120, 40);
    terminal.draws("DRILL prod-eu");
    terminal.press(":open all burns\r");
    terminal.draws("-all-burns");
    terminal.press(":note before the panic\r");
    terminal.sees("the note in the timeline", |screen| {
        screen.contents().lines().any(|line| line.contains("note  ") && line.contains("before the panic"))
    });
    terminal.press(":ask developers\r");
    let ended = terminal.ends();
    ended.assert_restored();
    assert!(ended.contents().contains("the house is on fire"), "{}", ended.contents());
    assert_eq!(ended.status.exit_code(), 101);
    let archive = Archive::new(home.path().join("archive"));
    let open = archive.unfinished("prod-eu", true).unwrap().unwrap();
    assert!(!open.being_written);
    assert!(open.record.entries.iter().any(|entry| entry.draft.title == "before the panic"));
    let verified = verify(&archive.dir(&open.id)).unwrap();
    assert!(verified.faults.is_empty(), "{verified:?}");
}
