//! The logs of pods: those of the services that the person follows, current and previous.
//!
//! Owns: which containers are followed, one stream each, and going on after a cut or a restart.
//! Must not: find pods by itself while it runs; the roster tells who is there.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::{Hold, Wall, World, wall};
use crate::connect::{Ctx, Ended, Follow, Outlet, Source, SourceError};
use crate::model::log::LogStream;
use crate::model::name::ObjectPath;
use crate::text::Safe;

use super::access::Cluster;
use super::call::{Ask, Fault};
use super::lane::{Link, Out};
use super::loglines::Mark;
use super::logstream::{Log, Until};
use super::logtail::{Heard, Progress, Wire, locked, tail};
use super::namespaces::is_name;
use super::roster::{Member, Roster};
use super::until_cancelled;

pub(super) use super::pastlogs::PastLogs;

/// Streams at a time.
pub(super) const STREAMS: usize = 64;
/// Signs of life, in world time.
const BEAT: Duration = Duration::from_secs(15);
/// Rests of a stream that ended, by the wall: it doubles while nothing new comes.
const SHORT_REST: Duration = Duration::from_millis(250);
const LONG_REST: Duration = Duration::from_secs(30);

/// One container of one pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) pod: ObjectPath,
    pub(super) container: Safe,
}

/// A container that should be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) key: Key,
    pub(super) stream: LogStream,
    pub(super) restarts: u32,
    ended: Option<World>,
}

/// Reads pod logs.
pub(super) struct PodLogs {
    cluster: Arc<Cluster>,
    roster: Arc<Roster>,
    link: Link,
    known: BTreeMap<Key, Known>,
    /// How many logs were asked for alone, to see whether logs can be read again.
    probes: usize,
}

/// What is known of a container's log. It survives the run of the source.
#[derive(Debug)]
struct Known {
    /// Written by the stream as it reads.
    progress: Arc<Mutex<Progress>>,
    /// Restarts of which it was told: a new one breaks the rest.
    restarts: u32,
    open: Option<AbortHandle>,
    /// It rests until then, unless it is restarted.
    rest: Option<(Wall, Duration)>,
    failed: Option<SourceError>,
}

impl Wanted {
    /// How many of its lives were over by `start`: what the last one told after that is to be read.
    fn restarts_before(&self, start: World) -> u32 {
        let after = self.ended.is_some_and(|ended| ended.timestamp() >= start.timestamp());
        self.restarts.saturating_sub(u32::from(after))
    }
}

impl PodLogs {
    /// Follows the containers that `roster` knows.
    pub(super) fn new(cluster: Arc<Cluster>, roster: Arc<Roster>) -> Self {
        Self { cluster, roster, link: Link::default(), known: BTreeMap::new(), probes: 0 }
    }

    /// Reads until it fails or is cancelled.
    pub(super) async fn read<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Ended, SourceError> {
        until_cancelled(cx, self.follow(cx, out)).await
    }

    async fn follow<O: Out>(&mut self, cx: &Ctx, out: &O) -> Result<Infallible, SourceError> {
        let mut streams = JoinSet::new();
        let (opened, mut open) = mpsc::channel(STREAMS);
        let wire = Wire { opened, heard: Arc::new(Mutex::new(Heard::now(cx))) };
        let (mut roster, mut follow) = (self.roster.changed(), cx.follow.clone());
        let mut beat = cx.clock.next_multiple(BEAT);
        let hold = cx.clock.hold();
        self.contact(cx, &wire).await?;
        let (first, _) = wanted(&self.roster, &follow.borrow());
        self.probe(&first).await?;
        // What failed in the run before is tried again.
        self.known.values_mut().for_each(|known| (known.open, known.rest, known.failed) = (None, None, None));
        // That the server is there is no read as long as there is a log to be read.
        let mut read = first.is_empty();
        if read {
            self.beat(&wire, out, hold).await;
        } else {
            drop(hold);
        }
        loop {
            let now = wall();
            let (wanted, all) = wanted(&self.roster, &follow.borrow_and_update());
            roster.borrow_and_update();
            self.adjust(&wanted, now, cx, out, &wire, &mut streams);
            self.describe(&wanted, all)?;
            let wake = wake(self.known.values(), now);
            tokio::select! {
                // The roster's sender lives as long as `self`.
                _ = roster.changed() => {}
                Ok(()) = follow.changed() => {}
                Some(key) = open.recv() => {
                    if let Some(known) = self.known.get_mut(&key) {
                        known.failed = None;
                    }
                    if !std::mem::replace(&mut read, true) {
                        self.beat(&wire, out, cx.clock.hold()).await;
                    }
                }
                Some(ended) = streams.join_next(), if !streams.is_empty() => {
                    // An aborted stream is one that is not wanted any more.
                    if let Ok((key, end)) = ended {
                        self.ended(&key, end);
                    }
                }
                () = rested(wake), if wake.is_some() => {}
                hold = cx.clock.due(beat) => {
                    let quiet = locked(&wire.heard).is_quiet(cx);
                    if quiet {
                        self.contact(cx, &wire).await?;
                    }
                    if read {
                        self.beat(&wire, out, hold).await;
                    }
                    beat = cx.clock.next_multiple(BEAT);
                }
            }
        }
    }

    /// Asks whether the API server is there: one question, before many streams are opened, and also
    /// when there is none to open.
    async fn contact(&self, cx: &Ctx, wire: &Wire) -> Result<(), SourceError> {
        let ask = Ask { uri: "/version".into(), accept: super::call::JSON, doing: "follow pod logs" };
        match self.cluster.open(&ask).await {
            // It is there, whatever it keeps to itself.
            Ok(_) | Err(Fault::Forbidden(_) | Fault::Missing(_)) => {
                *locked(&wire.heard) = Heard::now(cx);
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// When all logs failed, asks for the end of one of them, each time of another: a kubelet that
    /// is away is not asked for all its logs again and again.
    async fn probe(&mut self, wanted: &[Wanted]) -> Result<(), SourceError> {
        let failed = |wanted: &Wanted| self.known.get(&wanted.key).is_some_and(|known| known.failed.is_some());
        if wanted.is_empty() || !wanted.iter().all(failed) {
            return Ok(());
        }
        let Some(one) = wanted.get(self.probes % wanted.len()) else { return Ok(()) };
        self.probes += 1;
        let log = Log { cluster: Arc::clone(&self.cluster), key: one.key.clone(), stream: one.stream.clone() };
        let mark = self.known.get(&one.key).map(|known| locked(&known.progress).mark.clone());
        match log.open(Until::Now(1), &mark.unwrap_or(Mark::start(World::UNIX_EPOCH))).await {
            Ok(_) | Err(Fault::Missing(_) | Fault::Refused(_)) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Says that the source lives, as of when something was heard last.
    async fn beat<O: Out>(&self, wire: &Wire, out: &O, hold: Hold) {
        let heard = locked(&wire.heard).world;
        out.send(vec![(heard, self.link.live())], hold).await;
    }

    /// Opens what is wanted and not open, and closes what is open and not wanted.
    #[allow(clippy::too_many_arguments, reason = "the parts of one loop, borrowed apart")]
    fn adjust<O: Out>(
        &mut self,
        wanted: &[Wanted],
        now: Wall,
        cx: &Ctx,
        out: &O,
        wire: &Wire,
        streams: &mut JoinSet<(Key, Result<bool, Fault>)>,
    ) {
        let keys: BTreeSet<&Key> = wanted.iter().map(|wanted| &wanted.key).collect();
        let members = self.roster.members();
        self.known.retain(|key, known| {
            if !keys.contains(key)
                && let Some(open) = known.open.take()
            {
                open.abort();
            }
            // Its mark is worth keeping while the pod is there: it may be followed again.
            keys.contains(key) || members.contains_key(&key.pod)
        });
        for wanted in wanted {
            let known = self.known.entry(wanted.key.clone()).or_insert_with(|| Known {
                progress: Arc::new(Mutex::new(Progress::new(cx.start, wanted.restarts_before(cx.start)))),
                restarts: wanted.restarts,
                open: None,
                rest: None,
                failed: None,
            });
            let restarted = wanted.restarts > known.restarts;
            let resting = known.rest.is_some_and(|(until, _)| now < until) && !restarted;
            if known.open.is_some() || resting {
                continue;
            }
            known.restarts = wanted.restarts;
            let log =
                Log { cluster: Arc::clone(&self.cluster), key: wanted.key.clone(), stream: wanted.stream.clone() };
            let (progress, cx, out, wire) = (Arc::clone(&known.progress), cx.clone(), out.clone(), wire.clone());
            let restarts = wanted.restarts;
            known.open = Some(streams.spawn(async move {
                let end = tail(&log, restarts, &progress, &cx, &out, &wire).await;
                (log.key, end)
            }));
        }
    }

    fn ended(&mut self, key: &Key, end: Result<bool, Fault>) {
        let Some(known) = self.known.get_mut(key) else { return };
        known.open = None;
        let before = known.rest.map_or(SHORT_REST, |(_, rest)| rest);
        // A log that tells something and is cut again at once is not asked for twice a second: the
        // rest starts anew only after a stream that lasted longer than the rest before it.
        let lasted = known.rest.map_or(Duration::MAX, |(until, _)| wall().saturating_duration_since(until));
        let rest = match &end {
            Ok(true) if lasted >= before => SHORT_REST,
            Err(Fault::Retry(_, Some(after))) => (before * 2).min(LONG_REST).max(*after),
            _ => (before * 2).min(LONG_REST),
        };
        known.rest = Some((wall() + rest, rest));
        known.failed = match end {
            // Gone, not started yet, or its end was read: nothing that a person has to know.
            Ok(_) | Err(Fault::Missing(_) | Fault::Refused(_)) => None,
            Err(fault) => Some(fault.into()),
        };
    }

    /// Says what limits the view. When no log at all can be read, that is the source's failure.
    fn describe(&self, wanted: &[Wanted], all: usize) -> Result<(), SourceError> {
        let whole = (self.roster.catalogue().services().iter().all(|service| service.workloads.is_empty()))
            .then(|| Safe::fixed("no service declares workloads, so no pod logs are followed"));
        self.link.limit(("logs", "catalogue"), whole);
        let capped = (all > wanted.len()).then(|| {
            Safe::from(format!("{} of {all} containers are followed: focus a service to see its own", wanted.len()))
        });
        self.link.limit(("logs", "streams"), capped);
        let failed: Vec<&SourceError> =
            wanted.iter().filter_map(|wanted| self.known.get(&wanted.key)?.failed.as_ref()).collect();
        match failed.first() {
            Some(first) if failed.len() == wanted.len() => return Err((*first).clone()),
            Some(first) => {
                let why = format!("logs of {} of {} containers cannot be read: {first}", failed.len(), wanted.len());
                self.link.limit(("logs", "failed"), Some(Safe::from(why)));
            }
            None => self.link.limit(("logs", "failed"), None),
        }
        Ok(())
    }
}

impl Source for PodLogs {
    fn run<'a>(&'a mut self, cx: &'a Ctx, out: &'a Outlet) -> BoxFuture<'a, Result<Ended, SourceError>> {
        Box::pin(self.read(cx, out))
    }
}

/// When the next log that rests has rested. One that is open again, or that nobody wanted when its
/// rest was over, wakes nobody: its rest lies in the past for good.
fn wake<'a>(known: impl Iterator<Item = &'a Known>, now: Wall) -> Option<Wall> {
    let resting = known.filter(|known| known.open.is_none());
    resting.filter_map(|known| known.rest.map(|(until, _)| until)).filter(|until| *until > now).min()
}

async fn rested(until: Option<Wall>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

/// The containers to follow, at most [`STREAMS`], and how many there are. The cap is shared out
/// evenly, a container of each workload in turn, so that one large workload hides no other.
fn wanted(roster: &Roster, follow: &Follow) -> (Vec<Wanted>, usize) {
    let followed = |member: &Member| follow.services.is_empty() || follow.services.contains(&member.service);
    let mut by_workload: BTreeMap<_, Vec<Wanted>> = BTreeMap::new();
    let mut all = 0;
    for (pod, member) in roster.members().iter().filter(|(_, member)| followed(member)) {
        let containers = containers(pod, member);
        all += containers.len();
        by_workload.entry(member.workload.clone()).or_default().extend(containers);
    }
    let mut queues: Vec<_> = by_workload.into_values().map(Vec::into_iter).collect();
    let mut chosen = Vec::new();
    while chosen.len() < STREAMS.min(all) {
        chosen.extend(queues.iter_mut().filter_map(Iterator::next));
    }
    chosen.truncate(STREAMS);
    (chosen, all)
}

/// The containers of a pod that have a log.
pub(super) fn containers(pod: &ObjectPath, member: &Member) -> Vec<Wanted> {
    // They stand in a path: a name that is none is not asked for.
    let named = is_name(&pod.namespace) && is_name(&pod.name);
    let seats = member.containers.iter().filter(|seat| named && seat.has_log && is_name(&seat.name));
    seats
        .map(|seat| Wanted {
            key: Key { pod: pod.clone(), container: seat.name.clone() },
            stream: LogStream {
                group: Safe::from(format!("{}/{}", pod.namespace, member.workload.path.name)),
                name: Safe::from(format!("{}/{}", pod.name, seat.name)),
            },
            restarts: seat.restarts,
            ended: seat.ended,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_log_that_still_rests_wakes_the_source() {
        let now = wall();
        let known = |rest: Option<Wall>| Known {
            progress: Arc::new(Mutex::new(Progress::new(World::UNIX_EPOCH, 0))),
            restarts: 0,
            open: None,
            rest: rest.map(|until| (until, SHORT_REST)),
            failed: None,
        };
        let (soon, later) = (now + SHORT_REST, now + LONG_REST);
        let reopened = Known { open: Some(tokio::spawn(async {}).abort_handle()), ..known(Some(soon)) };
        let unwanted = known(now.checked_sub(SHORT_REST));
        assert_eq!(wake([&known(None), &unwanted, &reopened].into_iter(), now), None, "else it would spin");
        assert_eq!(wake([&unwanted, &known(Some(later)), &known(Some(soon))].into_iter(), now), Some(soon));
    }
}
