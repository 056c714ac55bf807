//! The thread that writes, so that the loop never waits for a slow link.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::thread::ThreadId;
use std::time::Duration;

use crate::clock::{Wall, wall};
use crate::text::Safe;

use super::device::{Device, TermError};

/// Clicks and the wheel with SGR coordinates; no motion tracking.
pub(super) const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
pub(super) const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l\x1b[0m\x1b[2J";
const END_SYNC: &[u8] = b"\x1b[?2026l";
const LEAVE: &[u8] = b"\x1b[?2004l\x1b[0m\x1b[?1049l\x1b[?25h";
/// A frame that is being written is given this long before the restore throws it away.
const RESTORE_PATIENCE: Duration = Duration::from_millis(250);

/// What the loop, the writing thread and a panic share.
#[derive(Debug)]
pub(super) struct Shared {
    device: Arc<dyn Device>,
    entered: AtomicBool,
    mouse: AtomicBool,
    busy: Mutex<bool>,
    idle: Condvar,
    /// The number of the last frame that was written, and when.
    written: Mutex<(u64, Wall)>,
    /// Held while bytes go out, so that a restore never stands inside a frame.
    output: Mutex<()>,
    gone: Mutex<Option<Safe>>,
    drawing: Mutex<Option<ThreadId>>,
}

impl Shared {
    /// Takes the terminal, also one that is taken already: whoever stopped us may have left it in
    /// any state. Its line stays raw throughout, so that no key of that moment goes astray.
    pub(super) fn enter(&self) -> Result<(), TermError> {
        self.device.raw(true).map_err(|why| TermError::Refused { what: "take", why })?;
        let again = [END_SYNC, MOUSE_OFF, LEAVE, ENTER].concat();
        // A link that takes nothing is left first: that throws away what it does not take.
        if !self.entered.load(Ordering::SeqCst) || self.until(wall() + RESTORE_PATIENCE, &again).is_err() {
            self.leave();
            self.device.raw(true).map_err(|why| TermError::Refused { what: "take", why })?;
            self.entered.store(true, Ordering::SeqCst);
            self.device.write(ENTER, None).map_err(|why| TermError::Refused { what: "write to", why })?;
        }
        if self.mouse.load(Ordering::SeqCst) {
            let _ = self.device.write(MOUSE_ON, None);
        }
        Ok(())
    }

    /// In the order of the checklist; errors are of no use any more.
    pub(super) fn leave(&self) {
        if !self.entered.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut bytes = END_SYNC.to_vec();
        bytes.extend_from_slice(MOUSE_OFF);
        bytes.extend_from_slice(LEAVE);
        if self.until(wall() + RESTORE_PATIENCE, &bytes).is_err() {
            // The link takes nothing: our write would wait for ever behind the frame's.
            self.device.hurry();
            let _ = self.until(wall() + RESTORE_PATIENCE, &bytes);
        }
        let _ = self.device.raw(false);
    }

    /// Writes between two frames, if the one that is under way ends by then.
    fn until(&self, deadline: Wall, bytes: &[u8]) -> Result<(), ()> {
        loop {
            match self.output.try_lock() {
                Ok(_) | Err(TryLockError::Poisoned(_)) => {
                    return self.device.write(bytes, Some(RESTORE_PATIENCE)).map_err(|_| ());
                }
                Err(TryLockError::WouldBlock) if wall() >= deadline => return Err(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// After another program had the terminal: its modes are what they were before.
    pub(super) fn mend(&self) {
        self.device.mend();
    }

    pub(super) fn size(&self) -> std::io::Result<(u16, u16)> {
        self.device.size()
    }

    pub(super) fn has_keys(&self) -> bool {
        self.device.has_keys()
    }

    /// Why nothing reaches the terminal any more. Asked of the device too: a screen on which
    /// nothing changes would never learn of it by writing.
    pub(super) fn gone(&self) -> Option<Safe> {
        let told = self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.or_else(|| self.device.is_gone().then(|| Safe::fixed("it hung up")))
    }

    pub(super) fn note_mouse(&self, on: bool) {
        self.mouse.store(on, Ordering::SeqCst);
    }

    pub(super) fn note_drawing_thread(&self) {
        *self.drawing.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
    }

    pub(super) fn drawn_by_this_thread(&self) -> bool {
        self.drawing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|thread| thread == std::thread::current().id())
    }

    fn set_busy(&self, busy: bool) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = busy;
        self.idle.notify_all();
    }

    /// The number of the last frame that the device took, and when it had taken it.
    pub(super) fn written(&self) -> (u64, Wall) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, number: u64, bytes: &[u8]) {
        let _out = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.entered.load(Ordering::SeqCst) {
            return;
        }
        match self.device.write(bytes, None) {
            Ok(()) => *self.written.lock().unwrap_or_else(PoisonError::into_inner) = (number, wall()),
            Err(error) if self.entered.load(Ordering::SeqCst) => {
                *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(Safe::from(error.to_string()));
            }
            // What a restore threw away is no fault of the terminal's.
            Err(_) => {}
        }
    }
}

/// A handle to the thread. It ends when the handle is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    frames: SyncSender<(u64, Vec<u8>)>,
    /// How many frames were handed over: the number of the last.
    sent: u64,
}

impl Writer {
    pub(super) fn start(device: Arc<dyn Device>) -> Result<Self, TermError> {
        let shared = Arc::new(Shared {
            device,
            entered: AtomicBool::new(false),
            mouse: AtomicBool::new(false),
            busy: Mutex::new(false),
            idle: Condvar::new(),
            written: Mutex::new((0, wall())),
            output: Mutex::new(()),
            gone: Mutex::new(None),
            drawing: Mutex::new(None),
        });
        let (frames, taken) = sync_channel::<(u64, Vec<u8>)>(1);
        let writing = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                for (number, bytes) in taken {
                    writing.put(number, &bytes);
                    writing.set_busy(false);
                }
            })
            .map_err(|why| TermError::Refused { what: "start a thread for", why })?;
        Ok(Self { shared, frames, sent: 0 })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn ready(&self) -> bool {
        !*self.shared.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a frame over. Only called when `ready`, so there is room for it.
    pub(super) fn send(&mut self, bytes: Vec<u8>) {
        self.shared.set_busy(true);
        self.sent += 1;
        if self.frames.try_send((self.sent, bytes)).is_err() {
            self.shared.set_busy(false);
        }
    }

    /// The number of the last frame that was handed over.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn settle(&self, patience: Duration) -> bool {
        let busy = self.shared.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.idle.wait_timeout_while(busy, patience, |busy| *busy);
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }
}
