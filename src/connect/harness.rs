//! For tests: a server on loopback, and one source that runs in a world of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Driver, World};
use crate::config::{Catalogue, HttpAccess};
use crate::model::name::Origin;
use crate::model::service::{Service, SignalSpec, Unit};
use crate::model::signal::{Signal, SourceState, Stamped};

use super::{Ctx, Ended, Follow, Inbox, Source, SourceError};

/// Serves on a free port until the test's runtime ends; gives the base URL.
pub(super) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// `main` does it for the program.
pub(super) fn tls() {
    // Another test may have installed it: there is one for the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(super) fn access(url: &str) -> HttpAccess {
    tls();
    let every = Duration::from_secs(15);
    HttpAccess { name: "it".into(), url: url.into(), auth: None, ca_file: None, proxy: false, every }
}

/// The world's first moment in tests: a multiple of 15 s.
pub(super) fn epoch() -> World {
    at(0)
}

pub(super) fn at(seconds: i64) -> World {
    World::from_timestamp(1_795_000_005 + seconds, 0).unwrap()
}

pub(super) fn service(name: &str, log_groups: &[&str], signals: &[(&str, &str)]) -> Service {
    let spec = |(name, query): &(&str, &str)| SignalSpec {
        name: (*name).into(),
        query: (*query).into(),
        unit: Unit::Ratio,
        threshold: None,
    };
    Service {
        name: name.into(),
        owner: None,
        title: None,
        workloads: vec![],
        routes: vec![],
        log_groups: log_groups.iter().map(|group| (*group).into()).collect(),
        alarms: vec![],
        signals: signals.iter().map(spec).collect(),
        dashboards: vec![],
        runbook: None,
        depends_on: vec![],
    }
}

pub(super) fn catalogue(services: Vec<Service>) -> Arc<Catalogue> {
    Arc::new(Catalogue::new(services))
}

/// A context in the world of `clock`.
pub(super) fn context(clock: &Clock) -> (Ctx, watch::Sender<Follow>) {
    let (sender, follow) = watch::channel(Follow::default());
    let origin = Origin { env: "test".into(), source: "it".into() };
    (Ctx { clock: clock.clone(), origin, start: clock.now(), cancel: CancellationToken::new(), follow }, sender)
}

/// A source that runs, and the world it runs in.
pub(super) struct Running {
    pub(super) clock: Clock,
    pub(super) follow: watch::Sender<Follow>,
    inbox: Inbox,
    /// What came with the last sign of life, after it.
    pending: VecDeque<Stamped<Signal>>,
    driver: Driver,
    cancel: CancellationToken,
    task: JoinHandle<(Result<Ended, SourceError>, Box<dyn Source>)>,
}

impl Running {
    pub(super) fn start(source: impl Source + 'static) -> Self {
        Self::start_at(Box::new(source), epoch())
    }

    pub(super) fn start_at(mut source: Box<dyn Source>, epoch: World) -> Self {
        let (clock, driver) = Clock::driven(epoch);
        let (cx, follow) = context(&clock);
        let inbox = Inbox::new();
        let out = inbox.outlet(cx.origin.clone(), clock.clone());
        let cancel = cx.cancel.clone();
        let task = tokio::spawn(async move {
            let result = source.run(&cx, &out).await;
            (result, source)
        });
        Self { clock, follow, inbox, pending: VecDeque::new(), driver, cancel, task }
    }

    /// What the source tells up to its next sign of life, that included.
    pub(super) async fn until_live(&mut self) -> (Vec<Stamped<Signal>>, Option<String>) {
        let mut seen = Vec::new();
        loop {
            while let Some(signal) = self.pending.pop_front() {
                if let Signal::Link(SourceState::Live { limited }) = &signal.body {
                    let limited = limited.as_ref().map(ToString::to_string);
                    return (seen, limited);
                }
                seen.push(signal);
            }
            let batch =
                tokio::time::timeout(Duration::from_secs(20), self.inbox.next()).await.expect("no sign of life");
            self.pending.extend(batch.signals);
        }
    }

    /// Moves the world on when nobody holds it.
    pub(super) async fn advance(&mut self, seconds: i64) {
        // What was told and not taken in holds the world, too.
        loop {
            tokio::select! {
                biased;
                batch = self.inbox.next() => self.pending.extend(batch.signals),
                () = self.driver.settled() => break,
            }
        }
        let to = self.clock.now() + TimeDelta::seconds(seconds);
        self.driver.advance(to);
    }

    /// What the source's run ended with.
    pub(super) async fn end(self) -> (Result<Ended, SourceError>, Box<dyn Source>) {
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("it does not end").unwrap()
    }

    pub(super) async fn cancel(self) -> (Result<Ended, SourceError>, Box<dyn Source>) {
        self.cancel.cancel();
        self.end().await
    }
}
