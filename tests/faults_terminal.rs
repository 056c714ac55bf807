//! The program itself on a real terminal, with an environment that nothing answers in: it is on
//! the screen at once, and however it ends, the terminal is as it was.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "what is measured is the wall's time")]

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);
/// A program that was told to end, or whose terminal is gone, ends within this, also where two
/// cores are shared by many.
const AT_ONCE: Duration = Duration::from_secs(10);
/// The bar is 100 ms, of a release build on a quiet machine: `tests/bench/first-frame` measures it.
const FIRST_FRAME: Duration = Duration::from_secs(2);

/// The port 1 of this machine refuses every connection.
const CONFIG: &str = r#"
[environments.prod-eu]
production = true
[environments.prod-eu.aws]
region = "eu-central-1"
[environments.prod-eu.aws.endpoints]
cloudwatch = "http://127.0.0.1:1"
cloudwatch_logs = "http://127.0.0.1:1"
sts = "http://127.0.0.1:1"
[[environments.prod-eu.alertmanager]]
url = "http://127.0.0.1:1"
[[environments.prod-eu.prometheus]]
url = "http://127.0.0.1:1"
"#;

struct Pty {
    shown: Arc<(Mutex<vt100::Parser>, Condvar)>,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    hang_up: Arc<AtomicBool>,
    reader: std::thread::JoinHandle<()>,
    started: Instant,
    _home: tempfile::TempDir,
}

impl Pty {
    fn start(arguments: &[&str], columns: u16, rows: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("warroom")).unwrap();
        std::fs::write(home.path().join("warroom/config.toml"), CONFIG).unwrap();
        let pair =
            native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_warroom"));
        command.args(arguments);
        for (name, value) in [
            ("XDG_CONFIG_HOME", home.path().to_str().unwrap()),
            ("XDG_STATE_HOME", home.path().to_str().unwrap()),
            ("HOME", home.path().to_str().unwrap()),
            ("TERM", "xterm-256color"),
            ("LANG", "C.UTF-8"),
            ("AWS_ACCESS_KEY_ID", "none"),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            command.env(name, value);
        }
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shown = Arc::new((Mutex::new(vt100::Parser::new(rows, columns, 0)), Condvar::new()));
        let hang_up = Arc::new(AtomicBool::new(false));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (writes, ends) = (Arc::clone(&shown), Arc::clone(&hang_up));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                writes.0.lock().unwrap().process(&bytes[..n]);
                writes.1.notify_all();
                if ends.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { shown, keys, child, master: pair.master, hang_up, reader, started, _home: home }
    }

    /// Waits until the screen shows what is wanted, and says how long after the start it did.
    fn sees(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> Duration {
        let parser = self.shown.0.lock().unwrap();
        let (parser, timeout) =
            self.shown.1.wait_timeout_while(parser, PATIENCE, |parser| !wanted(parser.screen())).unwrap();
        assert!(!timeout.timed_out(), "never saw {what}:\n{}", parser.screen().contents());
        self.started.elapsed()
    }

    fn sees_a_frame(&self, environment: &str) -> Duration {
        self.sees("the screen", |screen| screen.alternate_screen() && screen.contents().contains(environment))
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.process_id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for its end, which must come soon.
    fn ends(mut self) -> (ExitStatus, Arc<(Mutex<vt100::Parser>, Condvar)>) {
        let (tell, told) = channel();
        let mut killer = self.child.clone_killer();
        let mut child = self.child;
        std::thread::spawn(move || tell.send(child.wait().unwrap()));
        let Ok(status) = told.recv_timeout(AT_ONCE) else {
            killer.kill().unwrap();
            panic!("it did not end:\n{}", self.shown.0.lock().unwrap().screen().contents());
        };
        if !self.hang_up.load(Ordering::Relaxed) {
            // Its last words are read before they are looked at.
            let _ = self.keys.flush();
            drop((self.keys, self.master));
            self.reader.join().unwrap();
        }
        (status, self.shown)
    }
}

fn restored(shown: &(Mutex<vt100::Parser>, Condvar)) -> bool {
    let parser = shown.0.lock().unwrap();
    let screen = parser.screen();
    !screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor()
}

#[test]
fn the_first_frame_comes_before_any_answer_and_q_leaves() {
    let mut pty = Pty::start(&[], 120, 40);
    let took = pty.sees_a_frame("prod-eu");
    eprintln!("first frame after {took:?}");
    assert!(took < FIRST_FRAME, "{took:?}");
    pty.press("q");
    let (status, shown) = pty.ends();
    assert!(status.success() && restored(&shown), "{status:?}");
}

#[test]
fn being_told_to_end_gives_the_terminal_back() {
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 0), (Signal::QUIT, 0), (Signal::HUP, 1)] {
        let pty = Pty::start(&[], 80, 24);
        pty.sees_a_frame("prod-eu");
        pty.signal(signal);
        let (status, shown) = pty.ends();
        assert_eq!(status.exit_code(), code, "{signal:?}");
        assert!(restored(&shown), "{signal:?}:\n{}", shown.0.lock().unwrap().screen().contents());
    }
}

#[test]
fn a_signal_that_comes_while_a_drill_is_being_made_gives_the_terminal_back() {
    let pty = Pty::start(&["drill", "rate-limit-storm"], 80, 24);
    pty.sees("the other screen", vt100::Screen::alternate_screen);
    pty.signal(Signal::TERM);
    let (status, shown) = pty.ends();
    assert!(status.success() && restored(&shown), "{status:?}");
}

#[test]
fn a_terminal_that_hangs_up_ends_the_program_at_once() {
    let pty = Pty::start(&[], 80, 24);
    pty.sees_a_frame("prod-eu");
    let Pty { shown, keys, mut child, master, hang_up, reader, .. } = pty;
    hang_up.store(true, Ordering::Relaxed);
    // The clock on the screen ticks: the reader comes around, and with it the last handle goes.
    reader.join().unwrap();
    drop((keys, master, shown));
    let (tell, told) = channel();
    let mut killer = child.clone_killer();
    std::thread::spawn(move || tell.send(child.wait().unwrap()));
    let Ok(status) = told.recv_timeout(AT_ONCE) else {
        killer.kill().unwrap();
        panic!("it goes on without a terminal");
    };
    assert_eq!(status.exit_code(), 1);
}

#[test]
fn a_terminal_that_is_too_small_says_so_and_grows_into_the_screen() {
    let mut pty = Pty::start(&[], 40, 10);
    pty.sees("what is wanted", |screen| screen.alternate_screen() && screen.contents().contains("60"));
    pty.shown.0.lock().unwrap().screen_mut().set_size(24, 80);
    pty.master.resize(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
    pty.sees_a_frame("prod-eu");
    pty.press("q");
    let (status, shown) = pty.ends();
    assert!(status.success() && restored(&shown));
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
