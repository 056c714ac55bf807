//! Scans of the log beside the loop, on as many threads as the machine has.
//!
//! Owns: how the parts of a scan are shared out, in which order their results are told, and
//! ending a scan that nobody waits for any more. Must not: know what is looked for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Wall};
use crate::observe::logs::{Found, Scan};

use super::scans::{Errand, Purpose, Scanned};

/// Threads of one scan: more share the memory's bandwidth and take time from the loop.
const THREADS: usize = 8;
/// The first answer is told when so many lines were found, which is more than a screen shows …
const SCREEN: u64 = 120;
/// … or, if anything was found, after this time, …
const FIRST: Duration = Duration::from_millis(3);
/// … or after this time, and further ones after it each, by the wall.
const TELL: Duration = Duration::from_millis(12);

/// Runs scans. Of each purpose, the last scan that was started counts.
#[derive(Debug, Default)]
pub struct Scanner {
    current: [Arc<AtomicU64>; 2],
}

impl Scanner {
    /// Begins a scan; `tell` gets its answers, the newest lines first, on the threads that
    /// search. Scans of the same purpose with another ticket end without a further answer. Needs
    /// a runtime.
    pub fn start(&self, errand: Errand, scan: Scan, tell: impl Fn(Scanned) + Send + Sync + 'static) {
        let current = Arc::clone(self.of(errand.purpose));
        current.store(errand.ticket, Ordering::Relaxed);
        let ready = scan.start();
        if scan.parts() == 0 {
            tell(Scanned { errand, found: ready, done: true });
            return;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS).min(scan.parts());
        let told = Mutex::new(Told { waiting: BTreeMap::new(), parts: 0, ready, last: clock::wall(), any: false });
        let run = Arc::new(Run { errand, scan, current, next: AtomicUsize::new(0), told, tell });
        for _ in 0..threads {
            let run = Arc::clone(&run);
            tokio::task::spawn_blocking(move || run.work());
        }
    }

    /// Ends the scans of a purpose.
    pub fn stop(&self, purpose: Purpose) {
        self.of(purpose).store(0, Ordering::Relaxed);
    }

    fn of(&self, purpose: Purpose) -> &Arc<AtomicU64> {
        let [filter, search] = &self.current;
        match purpose {
            Purpose::Filter => filter,
            Purpose::Search => search,
        }
    }
}

/// Nobody waits for an answer of a session that is over.
impl Drop for Scanner {
    fn drop(&mut self) {
        self.stop(Purpose::Filter);
        self.stop(Purpose::Search);
    }
}

/// One scan, shared by its threads.
struct Run<F> {
    errand: Errand,
    scan: Scan,
    /// The ticket that counts now.
    current: Arc<AtomicU64>,
    /// The part that nobody has taken yet.
    next: AtomicUsize,
    told: Mutex<Told>,
    tell: F,
}

/// Results on their way out: parts are told in their order, without gaps.
struct Told {
    waiting: BTreeMap<usize, Found>,
    /// Parts that are told or in `ready`.
    parts: usize,
    ready: Found,
    last: Wall,
    any: bool,
}

impl<F: Fn(Scanned)> Run<F> {
    fn work(&self) {
        let hand = self.scan.hand();
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.scan.parts() || self.current.load(Ordering::Relaxed) != self.errand.ticket {
                return;
            }
            self.put(part, self.scan.part(part, &hand));
        }
    }

    fn put(&self, part: usize, found: Found) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = &mut *told;
        told.waiting.insert(part, found);
        while let Some(found) = told.waiting.remove(&told.parts) {
            told.ready.join(found);
            told.parts += 1;
        }
        let done = told.parts == self.scan.parts();
        let since = clock::wall().saturating_duration_since(told.last);
        let first = !told.any && (told.ready.count() >= SCREEN || (told.ready.count() > 0 && since >= FIRST));
        if done || first || (!told.ready.is_empty() && since >= TELL) {
            let rest = Found::at(told.ready.from());
            let found = std::mem::replace(&mut told.ready, rest);
            (told.last, told.any) = (clock::wall(), true);
            // Told under the lock: answers leave in their order.
            (self.tell)(Scanned { errand: self.errand, found, done });
        }
    }
}

#[cfg(test)]
#[path = "scanner/tests.rs"]
mod tests;
