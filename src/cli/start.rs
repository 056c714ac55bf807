//! Opening a session: everything that it runs on, in the order in which a person waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Catalogue, Environment, Places, Policy, ProcessEnv, WritePolicy};
use crate::connect::{self, Follow, Inbox};
use crate::model::entry::{Actor, ActorKind};
use crate::model::name::IncidentId;
use crate::record::{Archive, IncidentRecord, read_incident};
use crate::respond::Engine;
use crate::session::{AskFn, Bearings, Core, Done, Front, Ledger, Means, Message, Runner, Setup, Signals};
use crate::text::Safe;

use super::Failure;
use super::arguments::SessionArguments;
use super::incident::NO_ENV;

/// What a session is opened with.
pub(super) struct Opening {
    pub(super) env: Environment,
    /// What the configuration says of plans.
    pub(super) policies: Vec<Policy>,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) archive: Archive,
    pub(super) actor: Actor,
    pub(super) clock: Clock,
    /// How far back the past is read.
    pub(super) since: TimeDelta,
    pub(super) ask: Option<AskFn>,
    /// Whether the systems are asked who sits here.
    pub(super) identify: bool,
    /// Whose local times stand beside UTC in postmortems.
    pub(super) tz: Option<Tz>,
    /// An open incident to take up at once.
    pub(super) incident: Option<IncidentId>,
}

impl Opening {
    /// The core as it stands before anything is known: what the first frame shows.
    pub(super) fn core(env: &Environment, catalogue: &Arc<Catalogue>, actor: &Actor, clock: &Clock) -> Core {
        Core::new(env, Arc::clone(catalogue), actor.clone(), clock.now(), 1)
    }

    /// Runs the session on `core` until it ends.
    pub(super) async fn run<F: Front>(self, mut core: Core, front: &mut F, signals: Signals) -> (Done, Core) {
        let Self { env, policies, catalogue, archive, actor, clock, since, ask, identify, tz, incident } = self;
        core.reaches(&env);
        let bearings =
            Bearings { env: env.name.0.clone(), drill: env.drill, titles: catalogue.titles(), actor, at: clock.now() };
        let ledger = Ledger::open(archive, bearings).in_zone(tz);
        if let Some(why) = ledger.trouble() {
            // Nobody was asked for anything yet.
            let _ = core.cannot_record(why);
        }
        let (left_open, left_over, open) = (ledger.left_open(), ledger.left_over(), ledger.open_intents());
        // Those where something is that this program could act on.
        let places: BTreeSet<Safe> = catalogue
            .services()
            .iter()
            .flat_map(|service| service.workloads.iter().map(|workload| workload.namespace.clone()))
            .collect();
        let (follow, followed) = watch::channel(Follow::default());
        let inbox = Inbox::new();
        let (past, supervisor) = connect::begin(connect::registry(&env, catalogue), &clock, followed, &inbox);
        // An environment that may not be changed has no gateway at all.
        let engine = Engine::new(&env, clock.clone()).map(|engine| engine.with_policies(policies));
        let no_engine = engine.as_ref().err().filter(|_| env.write == WritePolicy::Ask).map(|none| none.why.clone());
        let (mut runner, answers) = Runner::new(Means { clock: clock.clone(), ledger, engine, ask, follow });
        runner.beside(async move { no_engine.map(Message::Say).into_iter().collect() });
        runner.beside(async move {
            let mut filled = past.read(since).await;
            filled.signals.extend(filled.failures);
            vec![Message::BackFilled(filled.signals)]
        });
        if identify {
            runner.beside(who(env.clone()));
            runner.beside(could(env.clone(), places));
        }
        if let Some(id) = incident {
            let effect = core.take_up(id);
            runner.perform(effect);
        }
        runner.beside(async move {
            let found = tokio::task::spawn_blocking(left_open).await.ok().flatten();
            found.map(Message::ResumeFound).into_iter().collect()
        });
        runner.beside(async move {
            let found = tokio::task::spawn_blocking(left_over).await.unwrap_or_default();
            if found.is_empty() { Vec::new() } else { vec![Message::LeftOver(found)] }
        });
        runner.beside(async move {
            let found = tokio::task::spawn_blocking(open).await.unwrap_or_default();
            if found.is_empty() { Vec::new() } else { vec![Message::Open(found)] }
        });
        let ended = crate::session::run(Setup { core, clock, inbox, runner, answers, signals }, front).await;
        supervisor.shutdown().await;
        ended
    }
}

/// Who sits here, as the systems know them: the cluster before the account.
async fn who(env: Environment) -> Vec<Message> {
    let mut name = None;
    if let Some(access) = &env.kubernetes {
        name = connect::kubernetes::identity(access).await.map(|name| (name, "kubernetes self-review"));
    }
    if name.is_none()
        && let Some(access) = &env.aws
    {
        name = connect::identity(access).await.map(|name| (name, "aws caller identity"));
    }
    name.map(|(name, known_by)| {
        Message::Identified(Actor { kind: ActorKind::Human, name, known_by: Some(Safe::fixed(known_by)) })
    })
    .into_iter()
    .collect()
}

/// What the credentials could do, as the systems say: read-only or not, whoever sits here should
/// know. AWS tells nobody without an attempt.
async fn could(env: Environment, places: BTreeSet<Safe>) -> Vec<Message> {
    let mut told = Vec::new();
    if let Some(access) = &env.kubernetes {
        let places: Vec<Safe> = places.into_iter().collect();
        told = connect::kubernetes::powers(access, &places).await;
        if places.is_empty() {
            told.push(Safe::fixed(
                "no service names a workload: the cluster was not asked what these credentials could do",
            ));
        }
    }
    if env.aws.is_some() {
        told.push(Safe::fixed(
            "AWS does not tell what these credentials could do there: nothing was tried to find out",
        ));
    }
    if told.is_empty() { Vec::new() } else { vec![Message::Powers(told)] }
}

/// The incident that `--incident` names: it has to be there, and to be the archive's own, since
/// that is what is written to.
pub(super) fn named(archive: &Archive, arguments: &SessionArguments) -> Result<Option<IncidentRecord>, Failure> {
    let Some(name) = &arguments.incident else { return Ok(None) };
    let dir = archive.find(name).map_err(Failure::usage)?;
    let record = read_incident(&dir).map_err(Failure::usage)?;
    let own = archive.dir(&record.id);
    if dir != own && own.canonicalize().ok() != dir.canonicalize().ok() {
        return Err(Failure::usage(anyhow::anyhow!(
            "{} is not where the archive has {}, which is {}: a session writes there alone; `warroom incident note` \
             writes to a copy",
            dir.display(),
            record.id,
            own.display()
        )));
    }
    Ok(Some(record))
}

/// The same for a session on real systems: neither a drill's record nor that of another
/// environment, whose entries would be taken for this one's.
pub(super) fn taken_up(record: &IncidentRecord, env: &Environment) -> Result<IncidentId, Failure> {
    let id = &record.id;
    if record.drill() {
        return Err(Failure::usage(anyhow::anyhow!(
            "{id} is a drill's record, which says that no real user was affected: `warroom drill SCENARIO --incident \
             {id}` takes it up"
        )));
    }
    let of: BTreeSet<&str> = record.writers.iter().map(|writer| writer.env.as_str()).collect();
    if !of.is_empty() && !of.contains(env.name.as_str()) && of != BTreeSet::from([NO_ENV]) {
        let names: Vec<_> = of.into_iter().filter(|name| *name != NO_ENV).collect();
        return Err(Failure::usage(anyhow::anyhow!(
            "{id} is of the environment {}, and this session faces {}: `warroom --env {} --incident {id}` takes it up",
            names.join(" and "),
            env.name,
            names.first().unwrap_or(&"NAME")
        )));
    }
    Ok(id.clone())
}

/// The environment as the arguments narrow it.
pub(super) fn narrowed(mut env: Environment, arguments: &SessionArguments) -> Result<Environment, Failure> {
    if arguments.read_only {
        env.write = WritePolicy::Deny;
    }
    if arguments.write && env.write == WritePolicy::Deny {
        return Err(Failure::usage(anyhow::anyhow!(
            "--write was given, but `{}` is read-only: its section of the configuration would have to say write = \"ask\"",
            env.name
        )));
    }
    Ok(env)
}

/// What every run needs before anything else: the program's own log, and the one TLS provider of
/// the tree.
pub(super) fn prepare(
    places: &Places,
    env: &ProcessEnv,
) -> Result<Option<tracing_appender::non_blocking::WorkerGuard>, Failure> {
    // A second call in one process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    super::logfile::start(&places.log, env)
}
