//! The seam between systems and the session.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Hold, Span, World};
use crate::model::name::{Origin, ServiceName};
use crate::model::signal::{Signal, Stamped};
use crate::text::Safe;

use super::Outlet;

/// What a source is given.
#[derive(Clone)]
pub struct Ctx {
    /// World time.
    pub clock: Clock,
    /// What to stamp signals with.
    pub origin: Origin,
    /// From when the present is read. The past ends at this very moment, for sources and histories
    /// alike: what lies at either side of it is told once, however late a source comes to run.
    pub start: World,
    /// Cancelled when the source should end.
    pub cancel: CancellationToken,
    /// What the person wants to see closely; sources may read that more eagerly.
    pub follow: watch::Receiver<Follow>,
}

/// What the person wants to see closely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Follow {
    /// Services whose logs are followed; empty means those of all services.
    pub services: Vec<ServiceName>,
}

/// Reads one external system. It runs under a supervisor: returning an error is normal, and the
/// supervisor decides when it runs again.
pub trait Source: Send {
    /// Reads until cancelled. Everything learned goes to `out`; a `Link(Live)` signal with each
    /// successful read. World time is held (`clock.hold`, `clock.due`) from the moment a poll is
    /// due until its batch was handed over: the hold travels in the batch.
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>>;
}

/// The source ended because it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// Why a source stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Worth trying again; after the given time if the system named one.
    #[error("{why}")]
    Retry {
        /// What was attempted, on what, and what came back.
        why: Safe,
        /// What the system asked for, by `Retry-After`.
        after: Option<Duration>,
    },
    /// The system says no to what was asked; to something else it may say yes.
    #[error("{0}")]
    Denied(Safe),
    /// The system does not know us, and so says no to everything.
    #[error("{0}")]
    Unknown(Safe),
    /// Trying again in this run is of no use.
    #[error("{0}")]
    Fatal(Safe),
}

/// What a system remembers: read once at start, before the live signals are applied.
pub trait History: Send + Sync {
    /// What happened in `span`, in any order. `occurred` of each is the system's own time.
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>>;
}

/// A source with all that belongs to it.
pub struct Connector {
    /// Its environment and name.
    pub origin: Origin,
    /// Reads what is.
    pub source: Box<dyn Source>,
    /// Reads what was.
    pub history: Option<Box<dyn History>>,
}

/// Signals on their way to the core, in order. Bounded in size by their makers.
#[derive(Debug)]
pub struct Batch {
    /// The signals.
    pub signals: Vec<Stamped<Signal>>,
    /// Keeps a drill's world still until the core has applied them.
    pub hold: Hold,
}
