//! A session without a front: the sources, the core, and a count of all that was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::time::Instant;
use warroom::clock::{Clock, Hold, World};
use warroom::config::{Catalogue, Environment};
use warroom::connect::{Batch, Follow, Inbox, Supervisor, begin, registry};
use warroom::model::entry::{Actor, ActorKind, Entry, EntryId, EntryKind};
use warroom::model::signal::{Delta, Gap, Signal, Stamped};
use warroom::observe::sources::SourceRow;
use warroom::session::{Core, Effect, Message, update};
use warroom::tui::Options;
use warroom::tui::snapshot::{Format, Shot, picture};

use crate::site::{SOURCES, Site};

/// What was told, each with how often.
#[derive(Default)]
pub(crate) struct Told {
    /// By source, stream, time and text.
    pub(crate) lines: BTreeMap<(String, String, i64, String), usize>,
    /// By service, signal and time.
    pub(crate) samples: BTreeMap<(String, String, World), Vec<Option<f64>>>,
    /// By identity.
    pub(crate) changes: BTreeMap<(String, String), usize>,
    /// Warning events by identity and count.
    pub(crate) events: BTreeMap<(String, u32), usize>,
    pub(crate) gaps: Vec<(String, Gap)>,
    /// Names of pods, as the last delta of each left them.
    pub(crate) pods: std::collections::BTreeSet<String>,
}

impl Told {
    fn take(&mut self, signal: &Stamped<Signal>) {
        let source = signal.origin.source.to_string();
        match &signal.body {
            Signal::Logs(batch) => {
                for (line, stream, text) in batch.iter() {
                    let stream = format!("{} {}", stream.group, stream.name);
                    *self.lines.entry((source.clone(), stream, line.at_ms, text.to_owned())).or_default() += 1;
                }
            }
            Signal::Samples(samples) => {
                for sample in samples {
                    let key = (sample.service.to_string(), sample.signal.to_string(), sample.at);
                    self.samples.entry(key).or_default().push(sample.value);
                }
            }
            Signal::Change(change) => {
                *self.changes.entry((change.id.to_string(), change.title.to_string())).or_default() += 1;
            }
            Signal::Event(event) => {
                *self.events.entry((event.uid.0.to_string(), event.count)).or_default() += 1;
            }
            Signal::Gap(gap) => self.gaps.push((source, gap.clone())),
            Signal::Pods(Delta::All(all)) => self.pods = all.iter().map(|pod| pod.path.to_string()).collect(),
            Signal::Pods(Delta::Upsert(some)) => self.pods.extend(some.iter().map(|pod| pod.path.to_string())),
            Signal::Pods(Delta::Remove(some)) => some.iter().for_each(|path| _ = self.pods.remove(&path.to_string())),
            _ => {}
        }
    }
}

pub(crate) struct Session {
    pub(crate) core: Core,
    pub(crate) told: Told,
    clock: Clock,
    inbox: Inbox,
    supervisor: Supervisor,
    _follow: watch::Sender<Follow>,
    next: World,
}

impl Session {
    /// All sources of the site, from now on.
    pub(crate) fn start(site: &Site) -> Self {
        Self::open(&site.env, &site.catalogue, &site.clock)
    }

    pub(crate) fn open(env: &Environment, catalogue: &Arc<Catalogue>, clock: &Clock) -> Self {
        let inbox = Inbox::new();
        let (sender, follow) = watch::channel(Follow::default());
        let connectors = registry(env, Arc::clone(catalogue));
        let now = clock.now();
        let (_, supervisor) = begin(connectors, clock, follow, &inbox);
        let ana = Actor { kind: ActorKind::Human, name: "ana".into(), known_by: None };
        let core = Core::new(env, Arc::clone(catalogue), ana, now, 0);
        let told = Told::default();
        Self { core, told, clock: clock.clone(), inbox, supervisor, _follow: sender, next: now }
    }

    /// Lets sources talk and time pass until `done`, for at most `patience` by the wall, which a
    /// test drives.
    pub(crate) async fn until(&mut self, what: &str, patience: Duration, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !done(self) {
            tokio::select! {
                batch = self.inbox.next() => self.heard(batch),
                _hold = self.clock.due(self.next) => {
                    self.next = self.clock.now() + TimeDelta::seconds(1);
                    self.take(Message::Tick(self.clock.now()));
                }
                () = tokio::time::sleep_until(deadline) => panic!("{what}: not within {patience:?} at {}\n{}", self.core.now, self.states()),
            }
        }
    }

    fn heard(&mut self, batch: Batch) {
        for signal in &batch.signals {
            self.told.take(signal);
        }
        self.take(Message::Signals(batch.signals));
        drop(batch.hold);
    }

    /// Goes on until that world time.
    pub(crate) async fn run_to(&mut self, at: World) {
        self.until(&format!("run to {at}"), Duration::from_secs(3_600), |session| session.core.now >= at).await;
    }

    /// Goes on until that very second, and keeps the world there.
    pub(crate) async fn hold_at(&mut self, at: World) -> Hold {
        self.run_to(at - TimeDelta::seconds(1)).await;
        let clock = self.clock.clone();
        let mut due = std::pin::pin!(clock.due(at));
        loop {
            tokio::select! {
                hold = &mut due => return hold,
                batch = self.inbox.next() => self.heard(batch),
            }
        }
    }

    pub(crate) async fn run_for(&mut self, seconds: i64) {
        self.run_to(self.core.now + TimeDelta::seconds(seconds)).await;
    }

    /// Until every source has read something after now.
    pub(crate) async fn all_live(&mut self, patience: Duration) {
        let now = self.core.now;
        // A watch that has no news is heard by its bookmarks, about once a minute.
        self.until("all sources live", patience + Duration::from_secs(75), |session| {
            SOURCES.iter().all(|name| session.row(name).is_some_and(|row| row.is_live() && row.last_read > Some(now)))
        })
        .await;
    }

    pub(crate) fn row(&self, source: &str) -> Option<&SourceRow> {
        self.core.picture.sources.rows().iter().find(|row| row.origin.source.as_str() == source)
    }

    pub(crate) fn is_live(&self, source: &str) -> bool {
        self.row(source).is_some_and(SourceRow::is_live)
    }

    pub(crate) fn why(&self, source: &str) -> String {
        self.row(source).and_then(|row| row.why()).map(ToString::to_string).unwrap_or_default()
    }

    fn states(&self) -> String {
        let rows = self.core.picture.sources.rows().iter();
        rows.map(|row| format!("{} {:?} read {:?}\n", row.origin.source, row.state, row.age(self.core.now))).collect()
    }

    /// Entries by kind and subject, each with how often.
    pub(crate) fn entries(&self, kinds: &[EntryKind]) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.core.entries.iter().filter(|entry| kinds.contains(&entry.draft.kind)) {
            *counts
                .entry(format!("{:?} {} {}", entry.draft.kind, entry.draft.source, entry.draft.subject))
                .or_default() += 1;
        }
        counts
    }

    /// The screen now.
    pub(crate) fn screen(&self) -> String {
        let shot = Shot { size: (200, 60), pane: None, zoom: false, format: Format::Text };
        picture(&self.core, shot, &Options::shipped().unwrap()).unwrap()
    }

    pub(crate) async fn end(self) -> (Core, Told) {
        self.supervisor.shutdown().await;
        (self.core, self.told)
    }

    /// Into the core; a journal that always keeps what it is given answers.
    fn take(&mut self, message: Message) {
        let mut messages = std::collections::VecDeque::from([message]);
        while let Some(message) = messages.pop_front() {
            for effect in update(&mut self.core, message) {
                if let Effect::Record { ticket, dated, .. } = effect {
                    let id = EntryId(format!("{ticket:026}").into());
                    let (occurred_at, observed_at) = (dated.occurred_at, dated.observed_at);
                    let entry = Entry { id, occurred_at, observed_at, draft: dated.draft };
                    messages.push_back(Message::Recorded { ticket, result: Ok(entry) });
                }
            }
        }
    }
}
