//! A session without a front: all sources of a configuration file, taken into a picture.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use warroom::clock::{Clock, World};
use warroom::config::{Catalogue, Config, Environment, Places, ProcessEnv, from_texts};
use warroom::connect::{Follow, Inbox, Past, Supervisor, begin, registry};
use warroom::model::alert::AlertState;
use warroom::model::entry::EntryKind;
use warroom::model::finding::Finding;
use warroom::model::name::{Kind, ObjectPath, WorkloadKey};
use warroom::model::signal::{Delta, Sample, Signal, SourceState, Stamped};
use warroom::observe::Picture;
use warroom::observe::workloads::{PodRow, WorkloadRow};

/// How long anything may take: generous, because the machine may be busy with others.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `tests/run` says. A test that was asked to run without it fails.
#[allow(clippy::disallowed_methods, reason = "names the servers of these tests alone")]
pub(crate) fn said(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: start these tests by tests/run"))
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn command(program: &str, arguments: &[&str]) -> String {
    let out = Command::new(program).args(arguments).output().unwrap_or_else(|why| panic!("{program}: {why}"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// A name that no other test and no earlier run has.
pub(crate) fn unique(what: &str) -> String {
    format!("{what}-{}", ulid::Ulid::generate().to_string().to_lowercase())
}

/// Reads a configuration as the program does.
pub(crate) fn configured(text: &str) -> Config {
    let env = ProcessEnv { home: Some(PathBuf::from("/nowhere")), ..ProcessEnv::default() };
    let places = Places::of(&env).unwrap();
    from_texts(vec![(PathBuf::from("/etc/warroom/config.toml"), text.to_owned())], &places, &env)
        .unwrap_or_else(|why| panic!("{why}"))
}

/// A session that only looks.
pub(crate) struct Session {
    pub(crate) clock: Clock,
    /// From when it reads the present.
    pub(crate) start: World,
    pub(crate) env: Environment,
    pub(crate) picture: Picture,
    pub(crate) findings: Vec<Finding>,
    /// Lines in the order in which they came, as `group` or `namespace/pod`, and text.
    pub(crate) lines: Vec<(String, String)>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) gaps: Vec<String>,
    /// Alerts in the last whole set, those that are fine included.
    pub(crate) alerts: usize,
    /// What the alerts of the last whole set are, by name.
    pub(crate) states: BTreeMap<String, AlertState>,
    /// Every state that a source told, in order, `Live` once in a row.
    pub(crate) links: BTreeMap<String, Vec<SourceState>>,
    inbox: Inbox,
    supervisor: Supervisor,
    _follow: watch::Sender<Follow>,
}

impl Session {
    /// Starts all sources of the only environment.
    pub(crate) fn start(config: &Config) -> Self {
        Self::start_by(config, Clock::real())
    }

    /// The same in a drill's world time.
    pub(crate) fn start_by(config: &Config, clock: Clock) -> Self {
        Self::open(config, clock).1
    }

    /// Reads the past first, as long as `since`; then starts all sources. Back-fill is taken into
    /// the picture before anything that is live.
    pub(crate) async fn after_its_past(config: &Config, since: TimeDelta) -> Self {
        Self::after_its_past_by(config, Clock::real(), since).await
    }

    /// The same in a drill's world time.
    ///
    /// What a busy machine does not read in time is told as a gap, and that is other tests' matter: it
    /// is begun anew then, a few times.
    pub(crate) async fn after_its_past_by(config: &Config, clock: Clock, since: TimeDelta) -> Self {
        let late = |gap: &String| gap.contains("no answer in") || gap.contains("no time to read more");
        let mut tries = 5;
        loop {
            let (past, mut session) = Self::open(config, clock.clone());
            let past = past.read(since).await;
            for signal in past.signals.into_iter().chain(past.failures) {
                session.take(signal);
            }
            tries -= 1;
            if tries == 0 || !session.gaps.iter().any(late) {
                return session;
            }
            session.end().await;
        }
    }

    fn open(config: &Config, clock: Clock) -> (Past, Self) {
        // Another test may have installed it: there is one for the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let env = config.environments[0].clone();
        let catalogue: Arc<Catalogue> = Arc::new(config.catalogue());
        let connectors = registry(&env, Arc::clone(&catalogue));
        let (sender, follow) = watch::channel(Follow::default());
        let inbox = Inbox::new();
        let (past, supervisor) = begin(connectors, &clock, follow, &inbox);
        let session = Self {
            start: past.start(),
            clock,
            env,
            picture: Picture::new(catalogue),
            findings: Vec::new(),
            lines: Vec::new(),
            samples: Vec::new(),
            gaps: Vec::new(),
            alerts: 0,
            states: BTreeMap::new(),
            links: BTreeMap::new(),
            inbox,
            supervisor,
            _follow: sender,
        };
        (past, session)
    }

    fn take(&mut self, signal: Stamped<Signal>) {
        let source = signal.origin.source.to_string();
        match &signal.body {
            Signal::Logs(batch) => self.lines.extend(
                batch.iter().map(|(_, stream, text)| (format!("{} {}", stream.group, stream.name), text.to_owned())),
            ),
            Signal::Samples(samples) => self.samples.extend(samples.iter().cloned()),
            Signal::Alerts(Delta::All(all)) => {
                self.alerts = all.len();
                self.states = all.iter().map(|alert| (alert.name.to_string(), alert.state.clone())).collect();
            }
            Signal::Gap(gap) => self.gaps.push(format!("{source}: {}", gap.what)),
            Signal::Link(state) => {
                let all = self.links.entry(source).or_default();
                if all.last() != Some(state) {
                    all.push(state.clone());
                }
            }
            _ => {}
        }
        self.findings.extend(self.picture.apply(signal));
    }

    /// Takes in what comes until `done` says so; fails with `what` and the sources' states.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        while !done(self) {
            tokio::select! {
                batch = self.inbox.next() => {
                    for signal in batch.signals {
                        self.take(signal);
                    }
                }
                _ = tick.tick() => self.findings.extend(self.picture.tick(self.clock.now())),
                () = tokio::time::sleep_until(deadline) => {
                    let findings: Vec<_> = self.findings.iter().map(|one| format!("{:?} {}: {}", one.kind, one.subject, one.title)).collect();
                    panic!("not seen within {PATIENCE:?}: {what}\nlinks {:#?}\nfindings {findings:#?}\ngaps {:?}", self.links, self.gaps)
                }
            }
        }
    }

    /// Takes in what comes for so long: to see that something does not happen.
    pub(crate) async fn meanwhile(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(batch) = tokio::time::timeout_at(until, self.inbox.next()).await {
            for signal in batch.signals {
                self.take(signal);
            }
        }
    }

    pub(crate) async fn end(self) {
        self.supervisor.shutdown().await;
    }

    /// What limits a source that is live.
    pub(crate) fn limited(&self, source: &str) -> Option<String> {
        match self.links.get(source)?.last()? {
            SourceState::Live { limited } => limited.as_ref().map(ToString::to_string),
            _ => None,
        }
    }

    pub(crate) fn live(&self, source: &str) -> bool {
        matches!(self.links.get(source).and_then(|all| all.last()), Some(SourceState::Live { .. }))
    }

    pub(crate) fn count(&self, kind: EntryKind, subject: &str) -> usize {
        self.findings.iter().filter(|one| one.kind == kind && one.subject.contains(subject)).count()
    }

    /// What was noticed of one kind about the workloads of a namespace, in order. Others may use the
    /// cluster meanwhile.
    pub(crate) fn noticed<'s>(
        &'s self,
        kind: EntryKind,
        namespace: &'s str,
    ) -> impl DoubleEndedIterator<Item = &'s Finding> {
        let there = move |one: &&Finding| one.workload.as_ref().is_some_and(|key| key.path.namespace == namespace);
        self.findings.iter().filter(move |one| one.kind == kind).filter(there)
    }

    pub(crate) fn deployment(&self, namespace: &str, name: &str) -> Option<&WorkloadRow> {
        let key = WorkloadKey { kind: Kind::Deployment, path: ObjectPath::new(namespace, name) };
        self.picture.workloads.row(&key)
    }

    pub(crate) fn pods(&self, namespace: &str, name: &str) -> &[PodRow] {
        self.deployment(namespace, name).map(|row| row.pods.as_slice()).unwrap_or_default()
    }

    pub(crate) fn now(&self) -> World {
        self.clock.now()
    }
}
