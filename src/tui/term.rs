//! The terminal itself: entering and leaving it, and frames as bytes.
//!
//! Owns: raw mode, the alternate screen, bracketed paste, the mouse, the cursor, synchronized
//! output, the clipboard sequence and the thread that writes. Must not: know what is drawn.
//! Escape sequences are written by hand: crossterm's own colour commands heed `NO_COLOR` in a
//! way that loses the selection, and every byte of a frame counts over a slow link.

pub mod clipboard;
mod device;
mod encode;
mod facts;
mod keys;
mod writer;

use std::io;
use std::sync::Arc;

use crossterm::event::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::text::Safe;

pub use device::{Capture, Device, TermError, Tty};
pub use facts::{Depth, TermFacts};

use keys::Keys;
use writer::Writer;

const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
const SYNC_END: &[u8] = b"\x1b[?2026l";
/// A frame of a 200×60 screen fits; growing beyond is allowed.
const FRAME_BYTES: usize = 64 * 1024;

/// A terminal that frames are sent to. Dropping it restores what was there.
#[derive(Debug)]
pub struct Terminal {
    writer: Writer,
    before: Buffer,
    cursor: Option<Position>,
    /// The next frame is drawn from nothing.
    anew: bool,
    /// Bytes outside the picture that go with the next frame.
    extra: Vec<u8>,
    keys: Option<Keys>,
    resized: Option<Signal>,
}

impl Terminal {
    /// Enters the terminal behind `device`.
    pub fn enter(device: Arc<dyn Device>) -> Result<Self, TermError> {
        let size = device.size().unwrap_or((80, 24));
        let writer = Writer::start(device)?;
        writer.shared().enter()?;
        Ok(Self {
            writer,
            before: Buffer::empty(Rect::new(0, 0, size.0, size.1)),
            cursor: None,
            anew: true,
            extra: Vec::new(),
            keys: None,
            resized: None,
        })
    }

    /// The size in columns and rows that the next frame has to have.
    pub fn area(&self) -> Rect {
        self.before.area
    }

    /// Takes a new size; the next frame is drawn from nothing.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        if (self.before.area.width, self.before.area.height) != (columns, rows) {
            self.before = Buffer::empty(Rect::new(0, 0, columns, rows));
            self.anew = true;
        }
    }

    /// The device's size, if it is not the one that is drawn for.
    pub fn grown(&self) -> Option<(u16, u16)> {
        let size = self.writer.shared().size().ok()?;
        (size != (self.before.area.width, self.before.area.height)).then_some(size)
    }

    /// Waits for the next key, paste, click or size. Cancelled and called again at will. Needs a
    /// runtime. Once it has told something, nobody reads the terminal until it is called again.
    ///
    /// A size is heard of by a signal of our own: crossterm (0.29) loses one that comes together
    /// with a key.
    pub async fn event(&mut self) -> io::Result<Event> {
        // A device in memory has no events: whoever holds it has its own.
        if !self.has_keys() {
            return std::future::pending().await;
        }
        if self.keys.is_none() {
            self.resized = signal(SignalKind::window_change()).ok();
            self.keys = Some(Keys::start()?);
            // The first frame is older than that.
            if let Some((columns, rows)) = self.grown() {
                return Ok(Event::Resize(columns, rows));
            }
        }
        loop {
            let Some(keys) = &mut self.keys else { return Err(io::ErrorKind::BrokenPipe.into()) };
            tokio::select! {
                biased;
                () = heard(&mut self.resized) => {
                    if let Some((columns, rows)) = self.grown() {
                        return Ok(Event::Resize(columns, rows));
                    }
                }
                event = keys.next() => match event {
                    Some(Ok(Event::Resize(..))) => {}
                    Some(told) => return told,
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
            }
        }
    }

    /// Forgets what was typed ahead: it was meant for whoever gets the terminal now.
    pub(super) fn forget_keys(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.forget();
        }
    }

    /// The next frame is drawn from nothing, whatever the terminal shows now.
    pub fn redraw(&mut self) {
        self.anew = true;
    }

    /// Whether the last frame was taken by the terminal.
    pub fn ready(&self) -> bool {
        self.writer.ready()
    }

    /// Whether keys come from the device.
    pub fn has_keys(&self) -> bool {
        self.writer.shared().has_keys()
    }

    /// Why nothing reaches the terminal any more, if so.
    pub fn gone(&self) -> Option<Safe> {
        self.writer.shared().gone()
    }

    /// Sends what differs between the last frame and `next`: nothing at all when nothing does.
    /// `false`: the last frame was not taken yet, and this one is dropped.
    pub fn frame(&mut self, mut next: Buffer, cursor: Option<Position>) -> bool {
        if !self.ready() || next.area != self.before.area {
            return false;
        }
        encode::untangle(&mut next);
        let mut bytes = Vec::with_capacity(FRAME_BYTES);
        bytes.extend_from_slice(SYNC_BEGIN);
        bytes.append(&mut self.extra);
        if self.anew {
            bytes.extend_from_slice(b"\x1b[?25l\x1b[0m\x1b[2J");
            self.before.reset();
            self.cursor = None;
            self.anew = false;
        }
        let drawn = bytes.len();
        encode::cells(&mut bytes, &self.before, &next);
        let moved = bytes.len() > drawn;
        match cursor {
            Some(at) if moved || self.cursor != cursor => {
                encode::move_to(&mut bytes, at.x, at.y);
                if self.cursor.is_none() {
                    bytes.extend_from_slice(b"\x1b[?25h");
                }
            }
            None if self.cursor.is_some() => bytes.extend_from_slice(b"\x1b[?25l"),
            _ => {}
        }
        self.cursor = cursor;
        self.before = next;
        if bytes.len() > SYNC_BEGIN.len() {
            bytes.extend_from_slice(SYNC_END);
            self.writer.send(bytes);
        }
        true
    }

    /// The number of the last frame that was sent: what is on its way, or on the terminal.
    pub(super) fn sent(&self) -> u64 {
        self.writer.sent()
    }

    /// The number of the last frame that the terminal took, and when it had taken it.
    pub(super) fn written(&self) -> (u64, crate::clock::Wall) {
        self.writer.shared().written()
    }

    /// Hands `text` to the terminal's clipboard with the next frame. Says how many bytes went.
    pub fn copy(&mut self, text: &str, tmux: bool) -> clipboard::Sent {
        clipboard::osc52(&mut self.extra, text, tmux)
    }

    /// Takes the mouse (clicks and wheel, no motion), or leaves it to the terminal.
    pub fn mouse(&mut self, on: bool) {
        self.writer.shared().note_mouse(on);
        self.extra.extend_from_slice(if on { writer::MOUSE_ON } else { writer::MOUSE_OFF });
    }

    /// Restores the terminal as it was before. Doing it twice does it once.
    pub fn leave(&self) {
        self.writer.shared().leave();
    }

    /// Another program had the terminal, and may have left it in any state.
    pub(super) fn mend(&self) {
        self.writer.shared().mend();
    }

    /// Enters again after [`Terminal::leave`], or after a stop that was not ours.
    pub fn enter_again(&mut self) -> Result<(), TermError> {
        self.writer.shared().enter()?;
        if let Ok((columns, rows)) = self.writer.shared().size() {
            self.resize(columns, rows);
        }
        self.anew = true;
        Ok(())
    }

    /// From now on a panic of the thread that draws is logged, restores the terminal once, and
    /// is printed. A panic of another thread is logged only: the supervisor deals with it, and
    /// the screen stays.
    pub fn restore_on_panic(&self) {
        let shared = Arc::clone(self.writer.shared());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            tracing::error!(%panic, thread = std::thread::current().name(), "panic");
            if shared.drawn_by_this_thread() {
                shared.leave();
                before(panic);
            }
        }));
    }

    /// Notes which thread draws: see [`Terminal::restore_on_panic`].
    pub fn drawn_here(&self) {
        self.writer.shared().note_drawing_thread();
    }

    /// Waits until the writer took everything, at most `patience`.
    pub fn settle(&self, patience: std::time::Duration) -> bool {
        self.writer.settle(patience)
    }
}

/// Waits for the next signal; for ever if it cannot be listened to.
pub(super) async fn heard(signal: &mut Option<Signal>) {
    let told = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if told.is_none() {
        std::future::pending().await
    }
}

/// One row with its attributes, for text that is shown elsewhere.
pub(super) fn sgr_row<'c>(cells: impl Iterator<Item = &'c ratatui::buffer::Cell>) -> String {
    encode::row(cells)
}

/// The number of one of the 16 colours.
pub(super) fn ansi_number(color: ratatui::style::Color) -> u8 {
    encode::ansi(color)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::style::{Color, Modifier, Style};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn open(columns: u16, rows: u16) -> (Terminal, Arc<Capture>) {
        let device = Arc::new(Capture::new(columns, rows));
        let terminal = Terminal::enter(device.clone()).unwrap();
        (terminal, device)
    }

    fn picture(terminal: &Terminal, text: &str) -> Buffer {
        let mut buffer = Buffer::empty(terminal.area());
        buffer.set_string(0, 0, text, Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        buffer
    }

    #[test]
    fn a_frame_with_nothing_new_writes_no_byte() {
        let (mut terminal, device) = open(40, 5);
        assert!(terminal.frame(picture(&terminal, "checkout burns"), None));
        assert!(terminal.settle(PATIENCE));
        let written = device.bytes().len();
        assert!(terminal.frame(picture(&terminal, "checkout burns"), None));
        assert!(terminal.settle(PATIENCE));
        assert_eq!(device.bytes().len(), written);
    }

    #[test]
    fn a_clock_tick_writes_a_few_bytes_in_one_synchronized_write() {
        let (mut terminal, device) = open(120, 40);
        terminal.frame(picture(&terminal, "03:29:51Z"), None);
        terminal.settle(PATIENCE);
        let (before, writes) = (device.bytes().len(), device.writes());
        terminal.frame(picture(&terminal, "03:29:52Z"), None);
        terminal.settle(PATIENCE);
        let tick = device.bytes().split_off(before);
        assert_eq!(device.writes(), writes + 1);
        assert!(tick.starts_with(SYNC_BEGIN) && tick.ends_with(SYNC_END));
        assert!(tick.len() < 50, "{} bytes: {:?}", tick.len(), String::from_utf8_lossy(&tick));
    }

    #[test]
    fn leaving_twice_restores_once() {
        let (terminal, device) = open(40, 5);
        terminal.leave();
        let once = device.bytes();
        terminal.leave();
        drop(terminal);
        assert_eq!(device.bytes(), once);
        assert!(!device.is_raw());
    }

    #[test]
    fn after_leaving_the_terminal_is_as_it_was() {
        let (mut terminal, device) = open(40, 5);
        terminal.mouse(true);
        terminal.frame(picture(&terminal, "x"), Some(Position::new(1, 1)));
        terminal.settle(PATIENCE);
        drop(terminal);
        let mut screen = vt100::Parser::new(5, 40, 0);
        screen.process(&device.bytes());
        let screen = screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(!screen.bold() && screen.fgcolor() == vt100::Color::Default);
    }

    #[test]
    fn a_frame_is_dropped_while_the_link_is_slow_and_the_loop_never_waits() {
        let (mut terminal, device) = open(40, 5);
        let slow = device.block();
        assert!(terminal.frame(picture(&terminal, "one"), None));
        assert!(!terminal.ready());
        assert!(!terminal.frame(picture(&terminal, "two"), None));
        drop(slow);
        assert!(terminal.settle(PATIENCE));
        assert!(terminal.frame(picture(&terminal, "three"), None));
        assert!(terminal.settle(PATIENCE));
        let mut screen = vt100::Parser::new(5, 40, 0);
        screen.process(&device.bytes());
        assert!(screen.screen().contents().starts_with("three"));
    }

    #[test]
    fn a_terminal_that_is_gone_is_told() {
        let (mut terminal, device) = open(40, 5);
        device.hang_up();
        terminal.frame(picture(&terminal, "x"), None);
        terminal.settle(PATIENCE);
        assert!(terminal.gone().is_some());
    }
}
