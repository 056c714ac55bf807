//! A stream's writer on a thread of its own: whoever stops reading the stream stops the stream,
//! not the recording.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The end waits no longer than this, by the wall, for a reader that does not read.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is written is collected until the next `flush` and then handed to the thread. Never
/// blocks; an error of the stream shows at the next `flush`.
#[derive(Debug)]
pub(super) struct Outflow {
    buffer: Vec<u8>,
    chunks: Option<Sender<Vec<u8>>>,
    shared: Arc<Shared>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    failed: Mutex<Option<io::Error>>,
}

impl Shared {
    fn fail(&self, error: io::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Outflow {
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let (chunks, given) = channel();
        let (alive, ended) = channel();
        let work = {
            let shared = Arc::clone(&shared);
            move || {
                pour(out, &given, &shared);
                drop(alive);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("stream".into()).spawn(work) {
            shared.fail(error);
        }
        Self { buffer: Vec::new(), chunks: Some(chunks), shared, ended }
    }

    /// Whether everything that was handed over has been taken, or nothing will be any more: then the
    /// next `flush` says why.
    pub(super) fn is_dry(&self) -> bool {
        self.shared.waiting.load(Ordering::Acquire) == 0 || self.chunks.is_none() || self.shared.has_failed()
    }
}

fn pour(mut out: impl Write, given: &Receiver<Vec<u8>>, shared: &Shared) {
    for chunk in given {
        if let Err(error) = out.write_all(&chunk).and_then(|()| out.flush()) {
            // What waits stays untaken: that it failed has to be known first.
            shared.fail(error);
            return;
        }
        shared.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Write for Outflow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.chunks = None;
            return Err(error);
        }
        let Some(chunks) = &self.chunks else { return Err(io::ErrorKind::BrokenPipe.into()) };
        if !self.buffer.is_empty() {
            self.shared.waiting.fetch_add(1, Ordering::AcqRel);
            // A thread that ended by an error has told of it.
            if chunks.send(std::mem::take(&mut self.buffer)).is_err() {
                self.shared.waiting.fetch_sub(1, Ordering::AcqRel);
            }
        }
        Ok(())
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        let _ = self.flush();
        self.chunks = None;
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(FAREWELL) {
            tracing::warn!("the last lines were not taken: nobody reads the stream");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe whose reader has stopped: it takes nothing until it is let go.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_does_not_keep_the_writer() {
        let (go, wait) = channel();
        let taken = Arc::default();
        let mut out = Outflow::new(Stuck(wait, Arc::clone(&taken)));
        writeln!(out, "one").unwrap();
        out.flush().unwrap();
        assert!(!out.is_dry(), "no frame is due before this one was taken");
        drop(go);
        drop(out);
        assert_eq!(*taken.lock().unwrap(), b"one\n", "the end waits for what was written");
    }

    #[test]
    fn a_reader_that_is_gone_is_told_at_the_next_line() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut out = Outflow::new(Gone);
        writeln!(out, "one").unwrap();
        out.flush().unwrap();
        assert_eq!(out.ended.recv(), Err(std::sync::mpsc::RecvError), "the thread has ended");
        assert!(out.flush().is_err());
        assert!(out.flush().is_err(), "and stays so");
    }

    #[test]
    fn a_reader_that_goes_while_lines_wait_for_it_is_told_too() {
        struct Going(Receiver<()>);
        impl Write for Going {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (go, wait) = channel();
        let mut out = Outflow::new(Going(wait));
        for line in ["one", "two"] {
            writeln!(out, "{line}").unwrap();
            out.flush().unwrap();
        }
        assert!(!out.is_dry());
        drop(go);
        assert_eq!(out.ended.recv(), Err(std::sync::mpsc::RecvError), "the thread has ended");
        // Nothing takes the second line any more: whoever waits for that would wait for ever.
        assert!(out.is_dry(), "the next frame is due, and hears of it");
        assert!(out.flush().is_err());
        assert!(out.is_dry() && out.flush().is_err());
    }
}
