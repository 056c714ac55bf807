//! What is behind a terminal: the real one, or a buffer that tests read.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// Writes all of `bytes`. May block as long as the link is slow.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
    /// Turns raw mode on or off.
    fn raw(&self, on: bool) -> io::Result<()>;
    /// Columns and rows.
    fn size(&self) -> io::Result<(u16, u16)>;
    /// Whether keys come from it.
    fn has_keys(&self) -> bool;
}

/// The process's own terminal, written past the standard library's line buffer and lock: a panic
/// can restore it while another thread writes.
#[derive(Debug)]
pub struct Tty(());

impl Tty {
    /// The terminal of standard input and output; refused if they are something else.
    pub fn open() -> Result<Self, TermError> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            Ok(Self(()))
        } else {
            Err(TermError::NotATerminal)
        }
    }
}

impl Device for Tty {
    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(rustix::stdio::stdout(), bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR) => {}
                // Another program left the terminal non-blocking: wait for the link.
                Err(rustix::io::Errno::AGAIN) => std::thread::sleep(std::time::Duration::from_millis(5)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn raw(&self, on: bool) -> io::Result<()> {
        if on { crossterm::terminal::enable_raw_mode() } else { crossterm::terminal::disable_raw_mode() }
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        // A serial console, or a pseudo-terminal that nobody told its size, says 0 by 0.
        crossterm::terminal::size().map(|size| if size.0 == 0 || size.1 == 0 { UNTOLD } else { size })
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
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let _open = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        if state.gone {
            return Err(rustix::io::Errno::IO.into());
        }
        state.bytes.extend_from_slice(bytes);
        state.writes += 1;
        Ok(())
    }

    fn raw(&self, on: bool) -> io::Result<()> {
        self.state().raw = on;
        Ok(())
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        Ok(self.state().size)
    }

    fn has_keys(&self) -> bool {
        false
    }
}
