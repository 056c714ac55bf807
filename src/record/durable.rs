//! The promise of the journal, and the proof that it was kept.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::model::entry::Entry;
use crate::text::Safe;

/// How surely an entry has to be kept before its receipt resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced to the disk at once.
    Now,
    /// Synced with the next group, at most a second later by the wall.
    Soon,
}

/// Proof that an entry is on the disk. Only the journal makes one.
#[derive(Clone, Debug)]
pub struct Durable {
    entry: Entry,
}

impl Durable {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry }
    }

    /// The entry as it was written.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The same, for keeping.
    pub fn into_entry(self) -> Entry {
        self.entry
    }
}

/// Why an entry is not kept. After one of these the journal takes no more entries: actions stop,
/// the screen goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A write or a sync failed: the disk is full, the file system is read-only.
    #[error("{0}")]
    Failed(Safe),
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// Resolves when the entry is durable, or will never be.
#[must_use = "an entry is not durable before its receipt says so"]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Durable, JournalError>>,
    look: Option<Look>,
}

type Look = Box<dyn FnOnce(&Entry) + Send>;

impl Receipt {
    pub(super) fn new(answer: oneshot::Receiver<Result<Durable, JournalError>>) -> Self {
        Self { answer, look: None }
    }

    /// A receipt for an entry that there is no journal for.
    pub fn refused(why: JournalError) -> Self {
        let (tell, told) = oneshot::channel();
        // The receiver is here.
        let _ = tell.send(Err(why));
        Self::new(told)
    }

    /// Shows the entry to `look` when it is durable, before whoever awaits the receipt learns of
    /// it.
    pub fn watched(self, look: impl FnOnce(&Entry) + Send + 'static) -> Self {
        Self { look: Some(Box::new(look)), ..self }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
    }
}

impl Future for Receipt {
    type Output = Result<Durable, JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(cx)).unwrap_or(Err(JournalError::Closed));
        if let (Ok(durable), Some(look)) = (&answer, self.look.take()) {
            look(durable.entry());
        }
        Poll::Ready(answer)
    }
}

/// For tests of the rooms that wait for a receipt, without a disk.
#[cfg(all(test, feature = "operator"))]
impl Receipt {
    /// A receipt that resolves when it is told.
    pub(crate) fn promised() -> (oneshot::Sender<Result<Durable, JournalError>>, Self) {
        let (tell, told) = oneshot::channel();
        (tell, Self::new(told))
    }
}

/// See the tests' [`Receipt::promised`].
#[cfg(all(test, feature = "operator"))]
impl Durable {
    /// A proof that proves nothing.
    pub(crate) fn pretended(entry: Entry) -> Self {
        Self::new(entry)
    }
}
