//! A program in a pseudo-terminal, with an emulator that reads what it shows.
//!
//! Owns: the pseudo-terminal, everything that came out of it, and the judgement whether it was
//! given back as it was. Must not: know the program.
//!
//! Included by the tests that need it (`#[path]`): the program's own in `tests/terminal/`, those
//! inside the library that start the test binary itself, and the benchmarks of the screen.

#![allow(dead_code, unreachable_pub, reason = "each test that includes this uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed, and what is waited for is the wall's time"
)]

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// What is awaited has happened by then, also where two cores are shared by many.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A program that was told to end, or whose terminal is gone, ends within this.
pub const AT_ONCE: Duration = Duration::from_secs(20);

/// How the reader at the other end behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Takes everything at once.
    Free,
    /// Takes nothing: flow control, a link that stalls.
    Stopped,
    /// Takes so many bytes, and then pauses so long.
    Slow(usize, Duration),
    /// Goes away at the next byte.
    Away,
}

/// What came out of the terminal.
pub struct Shown {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
    /// When how many bytes came.
    arrivals: Vec<(Instant, usize)>,
    pull: Pull,
    ended: bool,
}

/// A program in a pseudo-terminal.
pub struct Terminal {
    shown: Arc<(Mutex<Shown>, Condvar)>,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    reader: std::thread::JoinHandle<()>,
    before: String,
    pub started: Instant,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    /// Starts a program in a terminal of that size.
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let before = modes(&*pair.master);
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shown = Arc::new((
            Mutex::new(Shown {
                emulator: vt100::Parser::new(rows, columns, 0),
                bytes: Vec::new(),
                arrivals: Vec::new(),
                pull: Pull::Free,
                ended: false,
            }),
            Condvar::new(),
        ));
        let (to, from) = (Arc::clone(&shown), pair.master.try_clone_reader().unwrap());
        let reader = std::thread::spawn(move || read(from, &to));
        let keys = pair.master.take_writer().unwrap();
        Self { shown, keys, child, master: pair.master, reader, before, started }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.0.lock().unwrap()
    }

    /// Waits until the screen is as wanted, and says how long after the start it was.
    pub fn sees(&self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) -> Duration {
        let shown = self.shown();
        let (shown, timeout) =
            self.shown.1.wait_timeout_while(shown, PATIENCE, |shown| !wanted(shown.emulator.screen())).unwrap();
        assert!(!timeout.timed_out(), "never saw {what}:\n{}", shown.emulator.screen().contents());
        self.started.elapsed()
    }

    /// Waits until a text is on the screen.
    pub fn reads(&self, text: &str) -> Duration {
        self.sees(text, |screen| screen.contents().contains(text))
    }

    /// Waits until a text is on the program's own screen.
    pub fn draws(&self, text: &str) -> Duration {
        self.sees(text, |screen| screen.alternate_screen() && screen.contents().contains(text))
    }

    /// What is on the screen now.
    pub fn contents(&self) -> String {
        self.shown().emulator.screen().contents()
    }

    /// Everything that came out so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.shown().bytes.clone()
    }

    /// When how many bytes came, since `from`.
    pub fn arrivals(&self, from: Instant) -> Vec<(Instant, usize)> {
        self.shown().arrivals.iter().copied().filter(|(at, _)| *at >= from).collect()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Presses keys again and again until the screen is as wanted.
    pub fn press_until(&mut self, keys: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.press(keys);
            let shown = self.shown();
            let pause = Duration::from_millis(50);
            let (shown, _) =
                self.shown.1.wait_timeout_while(shown, pause, |shown| !wanted(shown.emulator.screen())).unwrap();
            if wanted(shown.emulator.screen()) {
                return;
            }
            assert!(Instant::now() < deadline, "{keys:?} did nothing:\n{}", shown.emulator.screen().contents());
        }
    }

    /// What a terminal with bracketed paste sends for a paste.
    pub fn paste(&mut self, text: &str) {
        self.press(&format!("\u{1b}[200~{text}\u{1b}[201~"));
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.shown().emulator.screen_mut().set_size(rows, columns);
        self.master.resize(size(columns, rows)).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    pub fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    /// From now on the reader at the other end behaves like that.
    pub fn pull(&self, pull: Pull) {
        self.shown().pull = pull;
        self.shown.1.notify_all();
    }

    /// Waits for the program's end, which must come soon, and for its last words.
    pub fn ends(self) -> Ended {
        let Self { shown, mut keys, child, master, reader, before, .. } = self;
        let status = wait(child, || shown.0.lock().unwrap().emulator.screen().contents());
        let after = modes(&*master);
        let _ = keys.flush();
        // Whatever the reader left behind is still read.
        shown.0.lock().unwrap().pull = Pull::Free;
        shown.1.notify_all();
        drop((keys, master));
        reader.join().unwrap();
        let Ok(shown) = Arc::try_unwrap(shown) else { panic!("the reader has ended") };
        let shown = shown.0.into_inner().unwrap();
        Ended { status, emulator: shown.emulator, bytes: shown.bytes, before, after }
    }

    /// The terminal goes away, as when a connection is lost. The program must end soon.
    pub fn hangs_up(self) -> ExitStatus {
        let Self { shown, keys, child, master, reader, .. } = self;
        shown.0.lock().unwrap().pull = Pull::Away;
        shown.1.notify_all();
        // The reader comes around with the next byte: a clock ticks on the screen. A size that
        // changes brings one at once.
        let PtySize { rows, cols, .. } = master.get_size().unwrap();
        master.resize(size(cols, rows + 1)).unwrap();
        reader.join().unwrap();
        drop((keys, master));
        wait(child, || "its terminal is gone".to_owned())
    }
}

fn wait(mut child: Box<dyn Child + Send + Sync>, shown: impl Fn() -> String) -> ExitStatus {
    let mut killer = child.clone_killer();
    let (tell, told): (_, Receiver<ExitStatus>) = channel();
    std::thread::spawn(move || tell.send(child.wait().unwrap()));
    match told.recv_timeout(AT_ONCE) {
        Ok(status) => status,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            killer.kill().unwrap();
            panic!("it did not end:\n{}", shown());
        }
    }
}

fn read(mut from: Box<dyn std::io::Read + Send>, to: &(Mutex<Shown>, Condvar)) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let pull = {
            let shown = to.0.lock().unwrap();
            to.1.wait_while(shown, |shown| shown.pull == Pull::Stopped).unwrap().pull
        };
        let room = match pull {
            Pull::Slow(bytes, pause) => {
                // The pause is the slow link, not a wait for anything.
                std::thread::sleep(pause);
                bytes.min(buffer.len())
            }
            _ => buffer.len(),
        };
        let read = from.read(&mut buffer[..room]);
        let mut shown = to.0.lock().unwrap();
        match read {
            Ok(n @ 1..) => {
                shown.emulator.process(&buffer[..n]);
                shown.bytes.extend_from_slice(&buffer[..n]);
                shown.arrivals.push((Instant::now(), n));
            }
            Ok(0) | Err(_) => shown.ended = true,
        }
        let over = shown.ended || shown.pull == Pull::Away;
        drop(shown);
        to.1.notify_all();
        if over {
            return;
        }
    }
}

/// The line's modes, in words that can be compared.
fn modes(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios())
}

/// A program that has ended, and what it left.
pub struct Ended {
    pub status: ExitStatus,
    pub emulator: vt100::Parser,
    pub bytes: Vec<u8>,
    before: String,
    after: String,
}

impl Ended {
    /// What stands on the screen after the end.
    pub fn contents(&self) -> String {
        self.emulator.screen().contents()
    }

    /// The terminal is as it was: line modes, screen, cursor, attributes, mouse, paste, keyboard,
    /// title.
    pub fn assert_restored(&self) {
        assert_eq!(self.before, self.after, "the line's modes");
        assert_given_back(&self.bytes, self.emulator.screen());
    }
}

/// What can be told of a terminal by what came out of it: everything that was turned on is off.
pub fn assert_given_back(bytes: &[u8], screen: &vt100::Screen) {
    let what = screen.contents();
    assert!(!screen.alternate_screen(), "still on the other screen:\n{what}");
    assert!(!screen.hide_cursor(), "the cursor is hidden:\n{what}");
    assert!(!screen.bracketed_paste() && !screen.application_cursor() && !screen.application_keypad(), "{what}");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "{what}");
    assert!(!screen.inverse() && !screen.bold() && screen.fgcolor() == vt100::Color::Default, "{what}");
    assert_eq!(left_on(bytes), Vec::<String>::new(), "modes that are still on");
}

/// Private modes that were set and not reset (the cursor the other way round), keyboard flags that
/// were pushed and not popped, and titles.
fn left_on(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut on: Vec<String> = Vec::new();
    for part in text.split('\u{1b}').skip(1) {
        let pushed =
            |part: &str| part.starts_with("[22t") || (part.starts_with("[22;") && part[4..].find('t') == Some(1));
        if part.starts_with("]0;") || part.starts_with("]2;") || pushed(part) {
            on.push(format!("title {part:.20}"));
        }
        if let Some(flags) = part.strip_prefix("[>")
            && flags.split_once('u').is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
        {
            on.push("keyboard flags".into());
        }
        if part.starts_with("[<u") {
            on.retain(|mode| mode != "keyboard flags");
        }
        let Some(rest) = part.strip_prefix("[?") else { continue };
        let Some(end) = rest.find(|c: char| !c.is_ascii_digit() && c != ';') else { continue };
        let set = match rest.as_bytes().get(end) {
            Some(b'h') => true,
            Some(b'l') => false,
            _ => continue,
        };
        for mode in rest[..end].split(';') {
            on.retain(|other| other != mode);
            // The cursor is on by itself.
            if set != (mode == "25") {
                on.push(mode.to_owned());
            }
        }
    }
    on
}
