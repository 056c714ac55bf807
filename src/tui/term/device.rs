//! What is behind a terminal: the real one, or a buffer that tests read.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr};

use crate::clock::wall;

/// A link that takes nothing is asked again after so long, and then more and more seldom.
const ASK_FIRST: Duration = Duration::from_millis(1);
const ASK_LAST: Duration = Duration::from_millis(32);

/// What a terminal is taken for that does not know its size.
const UNTOLD: (u16, u16) = (80, 24);

/// Why a terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TermError {
    /// Standard input or output is a pipe or a file.
    #[error("standard input and output are not a terminal; use --plain for a stream of lines")]
    NotATerminal,
    /// The terminal refused.
    #[error("cannot {what} the terminal: {why}; use --plain for a stream of lines")]
    Refused {
        /// What was attempted.
        what: &'static str,
        /// What came back.
        why: io::Error,
    },
}

/// The device behind a terminal.
pub trait Device: Send + Sync + std::fmt::Debug {
    /// Writes all of `bytes`. Blocks while the link takes nothing, until [`Device::hurry`], and
    /// not beyond `patience` if that is given.
    fn write(&self, bytes: &[u8], patience: Option<Duration>) -> io::Result<()>;
    /// Gives up the write that is under way, and what the link has not taken yet: what is written
    /// next must not wait behind it. Until raw mode is turned on again.
    fn hurry(&self);
    /// Whether nobody is at the other end any more.
    fn is_gone(&self) -> bool;
    /// Turns raw mode on or off. Turned on again it is raw whatever somebody made of it meanwhile,
    /// without a moment in which it is not.
    fn raw(&self, on: bool) -> io::Result<()>;
    /// Brings the line's modes back to what they were when raw mode was turned off last, whatever
    /// another program made of them.
    fn mend(&self);
    /// Columns and rows.
    fn size(&self) -> io::Result<(u16, u16)>;
    /// Whether keys come from it.
    fn has_keys(&self) -> bool;
}

/// The process's own terminal, written past the standard library's line buffer and lock: a panic
/// can restore it while another thread writes.
///
/// It is opened anew for writing where that is possible, so that a write need not block: whoever
/// sits in a blocking write to a terminal that takes nothing keeps everybody else from writing
/// the sequences that restore it.
#[derive(Debug)]
pub struct Tty {
    own: Option<File>,
    hurried: AtomicBool,
    /// The line's modes when raw mode was turned off last.
    modes: Mutex<Option<Termios>>,
    /// Those of raw mode, once it was on.
    raw: Mutex<Option<Termios>>,
}

impl Tty {
    /// The terminal of standard input and output; refused if they are something else.
    pub fn open() -> Result<Self, TermError> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            return Err(TermError::NotATerminal);
        }
        // Another user's terminal, after `su`, cannot be opened: then writes block.
        let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits();
        let own = File::options().write(true).custom_flags(flags.cast_signed()).open("/proc/self/fd/1").ok();
        Ok(Self {
            own: own.filter(File::is_terminal),
            hurried: AtomicBool::new(false),
            modes: Mutex::new(tcgetattr(rustix::stdio::stdin()).ok()),
            raw: Mutex::new(None),
        })
    }

    fn out(&self) -> BorrowedFd<'_> {
        match &self.own {
            Some(own) => own.as_fd(),
            None => rustix::stdio::stdout(),
        }
    }

    fn modes(&self) -> MutexGuard<'_, Option<Termios>> {
        self.modes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// crossterm (0.29) does nothing when it has turned raw mode on before, also if a shell has
    /// turned it off since.
    fn make_raw(&self) -> io::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        let mut raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        match raw.as_ref() {
            Some(modes) => tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, modes)?,
            None => *raw = tcgetattr(rustix::stdio::stdin()).ok(),
        }
        Ok(())
    }
}

impl Device for Tty {
    fn write(&self, mut bytes: &[u8], patience: Option<Duration>) -> io::Result<()> {
        let mut wait = ASK_FIRST;
        let deadline = patience.map(|patience| wall() + patience);
        let over = || self.hurried.load(Ordering::SeqCst) || deadline.is_some_and(|deadline| wall() >= deadline);
        while !bytes.is_empty() {
            match rustix::io::write(self.out(), bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => (bytes, wait) = (bytes.get(n..).unwrap_or_default(), ASK_FIRST),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if over() => return Err(Errno::AGAIN.into()),
                Err(Errno::AGAIN) => {
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(ASK_LAST);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn hurry(&self) {
        self.hurried.store(true, Ordering::SeqCst);
        let _ = tcflush(self.out(), QueueSelector::OFlush);
    }

    fn is_gone(&self) -> bool {
        // Of a terminal that hung up every question fails so.
        tcgetwinsize(self.out()) == Err(Errno::IO)
    }

    fn raw(&self, on: bool) -> io::Result<()> {
        if on {
            self.hurried.store(false, Ordering::SeqCst);
            return self.make_raw();
        }
        let done = crossterm::terminal::disable_raw_mode();
        *self.modes() = tcgetattr(rustix::stdio::stdin()).ok();
        done
    }

    fn mend(&self) {
        if let Some(modes) = self.modes().as_ref() {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, modes);
        }
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(self.out())?;
        // A serial console, or a pseudo-terminal that nobody told its size, says 0 by 0.
        Ok(if size.ws_col == 0 || size.ws_row == 0 { UNTOLD } else { (size.ws_col, size.ws_row) })
    }

    fn has_keys(&self) -> bool {
        true
    }
}

/// Keeps what would be written, for tests and pictures.
#[derive(Debug)]
pub struct Capture {
    state: Mutex<Captured>,
    gate: Mutex<()>,
}

#[derive(Debug)]
struct Captured {
    bytes: Vec<u8>,
    writes: usize,
    raw: bool,
    gone: bool,
    size: (u16, u16),
}

impl Capture {
    /// A terminal of that size that shows nothing to anybody.
    pub fn new(columns: u16, rows: u16) -> Self {
        Self {
            state: Mutex::new(Captured {
                bytes: Vec::new(),
                writes: 0,
                raw: false,
                gone: false,
                size: (columns, rows),
            }),
            gate: Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, Captured> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// How many writes there were.
    pub fn writes(&self) -> usize {
        self.state().writes
    }

    /// Whether raw mode is on.
    pub fn is_raw(&self) -> bool {
        self.state().raw
    }

    /// As if the connection was lost.
    pub fn hang_up(&self) {
        self.state().gone = true;
    }

    /// Gives it another size.
    pub fn set_size(&self, columns: u16, rows: u16) {
        self.state().size = (columns, rows);
    }

    /// Writes wait until what is returned is dropped.
    pub fn block(&self) -> impl Drop + '_ {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for Capture {
    fn write(&self, bytes: &[u8], _patience: Option<Duration>) -> io::Result<()> {
        let _open = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        if state.gone {
            return Err(rustix::io::Errno::IO.into());
        }
        state.bytes.extend_from_slice(bytes);
        state.writes += 1;
        Ok(())
    }

    fn hurry(&self) {}

    fn is_gone(&self) -> bool {
        self.state().gone
    }

    fn raw(&self, on: bool) -> io::Result<()> {
        self.state().raw = on;
        Ok(())
    }

    fn mend(&self) {}

    fn size(&self) -> io::Result<(u16, u16)> {
        Ok(self.state().size)
    }

    fn has_keys(&self) -> bool {
        false
    }
}
