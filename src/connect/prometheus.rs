//! Prometheus: the values of the services' signals.
//!
//! Owns: one range query for each signal, from the last sample seen to now, so that no sample is
//! missed however late a poll comes. Must not: judge a value. A query that the server refuses
//! limits the view; it does not take the other signals with it.

mod query;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt as _;
use futures::future::BoxFuture;

use crate::clock::{Span, World};
use crate::config::{Catalogue, HttpAccess};
use crate::model::name::ServiceName;
use crate::model::service::SignalSpec;
use crate::model::signal::{Gap, Sample, Signal, SourceState, Stamped};
use crate::text::Safe;

use super::http::Reader;
use super::{Ctx, Ended, History, Outlet, Source, SourceError};

use query::{Failure, Found, Grid};

/// How far the first read looks back behind the start.
const FIRST: TimeDelta = TimeDelta::minutes(5);
/// How far a read looks back after an outage; what is older is a gap.
const FURTHEST: TimeDelta = TimeDelta::hours(6);
/// Queries that run at one time.
const TOGETHER: usize = 4;
/// Samples of one signal message.
const BATCH: usize = 4_096;

/// One Prometheus server.
pub(super) struct Prometheus {
    server: Server,
}

/// The past of the same server.
pub(super) struct PrometheusHistory {
    server: Server,
}

#[derive(Clone)]
struct Server {
    access: HttpAccess,
    catalogue: Arc<Catalogue>,
    drill: bool,
    /// For each signal the time of the last sample that was read. Shared, so that what is read
    /// live begins where the past ended.
    seen: Arc<Mutex<BTreeMap<Which, World>>>,
}

/// Which signal: the service and the signal's name.
type Which = (ServiceName, Safe);

/// One query for one signal.
#[derive(Clone)]
struct Asked {
    service: ServiceName,
    spec: SignalSpec,
    grid: Grid,
}

/// What it gave.
type Values = Result<Found, Failure>;

impl Prometheus {
    /// The server at `access`, which answers the queries of `catalogue`, and its past.
    pub(super) fn new(access: HttpAccess, catalogue: Arc<Catalogue>, drill: bool) -> (Self, PrometheusHistory) {
        let server = Server { access, catalogue, drill, seen: Arc::default() };
        (Self { server: server.clone() }, PrometheusHistory { server })
    }

    /// Reads all signals up to now.
    async fn poll(&self, reader: &Reader, cx: &Ctx) -> Poll {
        let now = cx.clock.now();
        let mut poll = Poll::default();
        let mut asked = Vec::new();
        for (service, spec) in self.server.signals() {
            let seen = self.server.seen(&service, &spec);
            let last = seen.unwrap_or(cx.start - FIRST);
            let grid = if now - last > FURTHEST {
                let from = now - FURTHEST;
                let what = format!("{service} {}: {} was not reachable for too long", spec.name, cx.origin.source);
                poll.signals.push((last, Signal::Gap(Gap { from: last, to: from, what: Safe::from(what) })));
                Grid::within(Span { from, to: now })
            } else if seen.is_some() {
                Grid::after(last, now)
            } else {
                Grid::within(Span { from: last, to: now })
            };
            if let Some(grid) = grid {
                asked.push(Asked { service, spec, grid });
            }
        }
        poll.asked = !asked.is_empty();
        let mut samples = Vec::new();
        for (Asked { service, spec, grid }, result) in read_all(reader, asked).await {
            match result {
                Ok(Found { values, warning }) => {
                    self.server.saw(&service, &spec, grid.end());
                    if let Some(warning) = warning {
                        poll.limits(&service, &spec, &warning);
                    }
                    samples.extend(values.into_iter().map(|(at, value)| sample(&service, &spec, at, value)));
                }
                Err(Failure::Refused(why)) => poll.limits(&service, &spec, &why),
                Err(Failure::Source(error)) => poll.error = Some(error),
            }
        }
        poll.signals.extend(batches(samples));
        poll
    }
}

/// What one round of queries gave.
#[derive(Default)]
struct Poll {
    asked: bool,
    signals: Vec<(World, Signal)>,
    /// What each signal that is not seen whole lacks.
    limits: Vec<String>,
    error: Option<SourceError>,
}

impl Poll {
    fn limits(&mut self, service: &ServiceName, spec: &SignalSpec, why: &str) {
        self.limits.push(format!("{service} {}: {why}", spec.name));
    }

    fn limited(&self) -> Option<Safe> {
        let first = self.limits.first()?;
        let more = self.limits.len() - 1;
        Some(Safe::from(if more == 0 { first.clone() } else { format!("{first} (and {more} more signals)") }))
    }
}

impl Server {
    fn signals(&self) -> impl Iterator<Item = (ServiceName, SignalSpec)> {
        let services = self.catalogue.services().iter();
        services.flat_map(|service| service.signals.iter().map(|spec| (service.name.clone(), spec.clone())))
    }

    fn seen(&self, service: &ServiceName, spec: &SignalSpec) -> Option<World> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(service.clone(), spec.name.clone())).copied()
    }

    fn saw(&self, service: &ServiceName, spec: &SignalSpec, at: World) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.entry((service.clone(), spec.name.clone())).or_insert(at);
        *last = at.max(*last);
    }

    async fn reader(&self) -> Result<Reader, SourceError> {
        Reader::new("Prometheus", &self.access, self.drill, query::ALLOWED).await
    }
}

impl Source for Prometheus {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(async move {
            let reader = self.server.reader().await?;
            let every = self.server.access.every.max(Duration::from_secs(1));
            let idle = self.server.signals().next().is_none();
            let mut first = true;
            let mut hold = cx.clock.hold();
            loop {
                let mut poll = self.poll(&reader, cx).await;
                let mut read = poll.asked;
                if !poll.asked && (idle || first) {
                    // Nothing is due: that the server answers is all there is to know.
                    query::alive(&reader).await?;
                    read = true;
                }
                first = false;
                if read && poll.error.is_none() {
                    let nothing = || idle.then(|| Safe::fixed("no service declares a signal to ask for"));
                    let limited = poll.limited().or_else(nothing);
                    poll.signals.push((cx.clock.now(), Signal::Link(SourceState::Live { limited })));
                }
                // What was read is told, also when the rest failed.
                out.send(poll.signals, hold).await;
                if let Some(error) = poll.error {
                    return Err(error);
                }
                hold = tokio::select! {
                    () = cx.cancel.cancelled() => return Ok(Ended),
                    hold = cx.clock.due(cx.clock.next_multiple(every)) => hold,
                };
            }
        })
    }
}

impl History for PrometheusHistory {
    fn between<'a>(&'a self, cx: &'a Ctx, span: Span) -> BoxFuture<'a, Result<Vec<Stamped<Signal>>, SourceError>> {
        Box::pin(async move {
            let reader = self.server.reader().await?;
            let mut asked = Vec::new();
            for (service, spec) in self.server.signals() {
                let grids = Grid::within(span).map(Grid::pieces).unwrap_or_default();
                let of = |grid| Asked { service: service.clone(), spec: spec.clone(), grid };
                asked.extend(grids.into_iter().map(of));
            }
            let mut samples = Vec::new();
            let mut signals = Vec::new();
            let read = read_all(&reader, asked).await;
            // Nothing was read: that is the server's failure, not a signal's.
            if let Some((_, Err(Failure::Source(error)))) = read.first() {
                return Err(error.clone());
            }
            for (Asked { service, spec, grid }, result) in read {
                match result {
                    Ok(Found { values, .. }) => {
                        // A past that ends long ago is no place to go on from.
                        if cx.clock.now() - grid.end() < FIRST {
                            self.server.saw(&service, &spec, grid.end());
                        }
                        samples.extend(values.into_iter().map(|(at, value)| sample(&service, &spec, at, value)));
                    }
                    Err(failure) => {
                        let what = Safe::from(format!("{service} {}: {failure}", spec.name));
                        signals.push((grid.start(), Signal::Gap(Gap { from: grid.start(), to: grid.end(), what })));
                    }
                }
            }
            signals.extend(batches(samples));
            let observed = cx.clock.now();
            let stamp = |(occurred, body)| Stamped { origin: cx.origin.clone(), occurred, observed, body };
            Ok(signals.into_iter().map(stamp).collect())
        })
    }
}

/// Runs the queries, a few at a time; the results come in the order of the questions. A server that
/// fails is not asked the rest, which fails in the same way: to ask would take a time-out for each.
async fn read_all(reader: &Reader, asked: Vec<Asked>) -> Vec<(Asked, Values)> {
    let mut rest = asked.clone();
    let reads = asked.into_iter().map(|asked| async move {
        let values = query::range(reader, &asked.spec.query, asked.grid).await;
        (asked, values)
    });
    let mut reads = futures::stream::iter(reads).buffered(TOGETHER);
    let mut all = Vec::new();
    while let Some(read) = reads.next().await {
        let failure = if let Err(Failure::Source(error)) = &read.1 { Some(error.clone()) } else { None };
        all.push(read);
        if let Some(error) = failure {
            let unasked = rest.split_off(all.len().min(rest.len()));
            all.extend(unasked.into_iter().map(|asked| (asked, Err(Failure::Source(error.clone())))));
            break;
        }
    }
    all
}

fn sample(service: &ServiceName, spec: &SignalSpec, at: World, value: Option<f64>) -> Sample {
    Sample { service: service.clone(), signal: spec.name.clone(), at, value }
}

/// All samples in the order of their times, in messages of bounded size. A message occurred when
/// its last sample did.
fn batches(mut samples: Vec<Sample>) -> Vec<(World, Signal)> {
    samples.sort_by_key(|sample| sample.at);
    let mut signals = Vec::new();
    while !samples.is_empty() {
        let rest = samples.split_off(samples.len().min(BATCH));
        if let Some(last) = samples.last() {
            signals.push((last.at, Signal::Samples(samples)));
        }
        samples = rest;
    }
    signals
}

#[cfg(test)]
#[path = "prometheus/tests.rs"]
mod tests;
