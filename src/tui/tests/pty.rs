//! A real terminal: this test program runs itself in a pty and reads what the pty shows.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::model::command::Command;
use crate::session::Front as _;
use crate::tui::fixture::Fixture;
use crate::tui::screen::{Options, Screen};
use crate::tui::term::Tty;

const PATIENCE: Duration = Duration::from_secs(20);

/// Not a test of its own: what the others start in their pty.
#[test]
#[ignore = "started in a pty by the other tests"]
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
                _ => {}
            }
        }
    });
}

struct Pty {
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Pty {
    fn start() -> Self {
        let pair =
            native_pty_system().openpty(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args([
            "tui::tests::pty::a_session_in_a_terminal",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ]);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shown = Arc::new((Mutex::new(vt100::Parser::new(24, 80, 0)), Condvar::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writes = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                writes.0.lock().unwrap().process(&bytes[..n]);
                writes.1.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { shown, keys, child, _master: pair.master }
    }

    fn sees(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let parser = self.shown.0.lock().unwrap();
        let (parser, timeout) =
            self.shown.1.wait_timeout_while(parser, PATIENCE, |parser| !wanted(parser.screen())).unwrap();
        assert!(!timeout.timed_out(), "never saw {what}:\n{}", parser.screen().contents());
    }

    fn presses(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn sees_the_screen(&self) {
        self.sees("the screen", |screen| {
            screen.alternate_screen() && screen.bracketed_paste() && screen.contents().contains("PRODUCTION prod-eu")
        });
    }
}

fn restored(screen: &vt100::Screen) -> bool {
    !screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor()
}

#[test]
fn leaving_gives_the_terminal_back_as_it_was() {
    let mut pty = Pty::start();
    pty.sees_the_screen();
    pty.presses("?");
    pty.sees("the help", |screen| screen.contents().contains("keys and commands"));
    pty.presses("qq");
    pty.sees("the terminal given back", restored);
    assert!(pty.child.wait().unwrap().success());
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_readable_there() {
    let mut pty = Pty::start();
    pty.sees_the_screen();
    pty.presses("a");
    pty.sees("the panic", |screen| restored(screen) && screen.contents().contains("the house is on fire"));
    assert!(!pty.child.wait().unwrap().success());
}

#[test]
fn suspending_where_no_shell_waits_comes_back_to_the_screen() {
    let mut pty = Pty::start();
    pty.sees_the_screen();
    pty.presses("\u{1a}");
    // The keys are heard again only after the screen was taken again.
    pty.presses("?");
    pty.sees("the help", |screen| screen.alternate_screen() && screen.contents().contains("keys and commands"));
    pty.presses("qq");
    pty.sees("the terminal given back", restored);
    assert!(pty.child.wait().unwrap().success());
}
