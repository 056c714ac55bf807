//! `warroom drill`: a session on a simulated world.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use futures::FutureExt as _;

use crate::clock::{Clock, World};
use crate::config::{
    AwsAccess, AwsCredentials, Catalogue, Environment, HttpAccess, KubeAccess, LogAccess, Places, ProcessEnv,
    WritePolicy, load,
};
use crate::drill::{self, Drill, Endpoints, Pace, SHIPPED, Scenario};
use crate::model::entry::{Actor, ActorKind};
use crate::record::{Archive, IncidentRecord, read_incident};
use crate::report;
use crate::session::{AskFn, Autopilot, Core, Plain, Signals, Step};
use crate::text::Safe;

use super::arguments::{DrillArguments, SessionArguments};
use super::look::local;
use super::start::{Opening, named, narrowed, prepare};
use super::{Exit, Failure, print};

/// Everything of a drill that is read before its second minute.
const EVERY: Duration = Duration::from_secs(15);
/// The drill's CloudWatch has no quota: a budget, which goes by the wall, would hold its world back.
const CALLS: f64 = 1_000.0;

pub(super) fn run(arguments: DrillArguments, session: SessionArguments) -> Result<Exit, Failure> {
    let Some(name) = &arguments.scenario else {
        return list();
    };
    let scenario = Scenario::find(name).map_err(Failure::usage)?;
    let process = ProcessEnv::read();
    let places = Places::of(&process).map_err(Failure::usage)?;
    let _log = prepare(&places, &process)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let exit = runtime.block_on(async {
        if arguments.serve {
            serve(&scenario, &arguments).await
        } else {
            rehearse(scenario, &arguments, &session, &places, &process).await
        }
    });
    runtime.shutdown_background();
    exit
}

fn list() -> Result<Exit, Failure> {
    for shipped in SHIPPED {
        let scenario = Scenario::shipped(shipped.id)?;
        print(&format!(
            "{:<20} {}\n{:<20} {}\n",
            scenario.id(),
            scenario.title(),
            "",
            scenario.summary().replace('\n', " ")
        ))?;
    }
    print("\nwarroom drill NAME starts one; warroom drill PATH one of your own\n")?;
    Ok(Exit::Done)
}

/// The world's servers alone.
async fn serve(scenario: &Scenario, arguments: &DrillArguments) -> Result<Exit, Failure> {
    // Before there is a folder to leave behind.
    let mut signals = Signals::listen();
    let opens = opening(scenario, arguments);
    let (_clock, driver) = Clock::driven(opens);
    let run_dir = RunDir::new()?;
    let drill = Drill::start(scenario.clone(), options(arguments, &run_dir, opens), driver).await?;
    print(&endpoints(&drill.endpoints))?;
    signals.next().await;
    drill.shutdown().await;
    Ok(Exit::Done)
}

fn endpoints(at: &Endpoints) -> String {
    format!(
        "export KUBECONFIG={}\nexport AWS_ENDPOINT_URL_CLOUDWATCH={}\nexport AWS_ENDPOINT_URL_CLOUDWATCH_LOGS={}\n\
         export AWS_ENDPOINT_URL_STS={}\nexport AWS_ENDPOINT_URL_ECS={}\n\
         export AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING={}\nexport AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2={}\n\
         export AWS_ENDPOINT_URL_ROUTE_53={}\nexport AWS_ENDPOINT_URL_ARC_ZONAL_SHIFT={}\nexport AWS_ENDPOINT_URL_EC2={}\n\
         export AWS_REGION={} AWS_DEFAULT_REGION={}\n\
         export AWS_ACCESS_KEY_ID=drill AWS_SECRET_ACCESS_KEY=drill AWS_EC2_METADATA_DISABLED=true\n\
         # kubernetes   {}\n# alertmanager {}\n# prometheus   {}\n# Ctrl-C ends it\n",
        at.kubeconfig.display(),
        at.cloudwatch,
        at.cloudwatch_logs,
        at.sts,
        at.aws,
        at.aws,
        at.aws,
        at.aws,
        at.aws,
        at.aws,
        at.region,
        at.region,
        at.kubernetes,
        at.alertmanager,
        at.prometheus
    )
}

async fn rehearse(
    scenario: Scenario,
    arguments: &DrillArguments,
    session: &SessionArguments,
    places: &Places,
    process: &ProcessEnv,
) -> Result<Exit, Failure> {
    let archive = Archive::new(arguments.out.clone().unwrap_or_else(|| places.incidents.clone()));
    let incident = named(&archive, session)?;
    let opens = match &incident {
        Some(record) => left_at(record, opening(&scenario, arguments))?,
        None => opening(&scenario, arguments),
    };
    let (clock, driver) = Clock::driven(opens);
    let catalogue = Arc::new(Catalogue::new(scenario.services().to_vec()));
    let actor = if arguments.autopilot {
        Actor { kind: ActorKind::Human, name: Safe::fixed("on-call"), known_by: Some(Safe::fixed("scenario")) }
    } else {
        process.person()
    };
    let mut env = narrowed(environment(&scenario, None), session)?;
    let mut core = Opening::core(&env, &catalogue, &actor, &clock);
    core.greet(&[Safe::fixed("the drill's world is being made")]);
    // A drill rehearses with the person's own screen and policies; a configuration that is wrong must
    // not keep anybody from it. The scenario's responder knows no policies but its own.
    let config = load(places, process).ok();
    let policies = config.as_ref().filter(|_| !arguments.autopilot).map(|config| config.policies.clone());
    let screen = config.map(|config| config.screen).unwrap_or_default();
    let tz = local(&screen, session)?;
    let signals = Signals::listen();
    let headless = arguments.autopilot || session.plain;
    let shown = if headless { None } else { Some(super::screen::open(&core, &screen, places, process, session)?) };

    let run_dir = RunDir::new()?;
    let drill = Drill::start(scenario.clone(), options(arguments, &run_dir, opens), driver).await?;
    core.notice = None;
    env = Environment { write: env.write, ..environment(&scenario, Some(&drill.endpoints)) };
    let drill = Arc::new(drill);
    let opening = Opening {
        incident: incident.map(|record| record.id),
        env,
        policies: policies.unwrap_or_default(),
        catalogue,
        archive: archive.clone(),
        actor,
        clock: clock.clone(),
        since: session.since.and_then(|since| TimeDelta::from_std(since).ok()).unwrap_or(TimeDelta::hours(1)),
        ask: Some(ask(&drill)),
        // Nobody is there but the scenario's responder.
        identify: !arguments.autopilot,
        tz,
    };
    let (done, core) = match shown {
        Some(mut screen) => {
            let (done, core) = opening.run(core, &mut screen, signals).await;
            super::screen::close(screen, &done, &core, Some(arguments))?;
            (done, core)
        }
        None if arguments.autopilot => {
            let steps = drill.responder.iter().filter(|step| step.at >= opens);
            let steps = steps.map(|step| Step { at: step.at, line: step.line.clone() }).collect();
            let mut front =
                Autopilot::new(clock, steps, std::io::stdout()).map_err(|why| Failure::usage(anyhow::anyhow!(why)))?;
            opening.run(core, &mut front, signals).await
        }
        None => opening.run(core, &mut Plain::new(tokio::io::stdin(), std::io::stdout()), signals).await,
    };
    if let Some(out) = &arguments.out {
        postmortem(&archive, &core, tz, out)?;
    }
    super::live::ended(&done, &core, headless)
}

fn postmortem(archive: &Archive, core: &Core, tz: Option<Tz>, out: &Path) -> Result<(), Failure> {
    let id = core.incident.as_ref().map(|incident| &incident.id).or(core.closed.as_ref());
    let Some(id) = id else {
        return Err(anyhow::anyhow!(
            "no incident was declared in this drill: there is no postmortem to write to {}",
            out.display()
        )
        .into());
    };
    let record = read_incident(&archive.dir(id))?;
    let options = report::Options { tz, ..report::Options::default() };
    report::write(&record, &options, &out.join("postmortem.md"))?;
    print(&format!("{}\n{}\n", archive.dir(id).display(), out.join("postmortem.md").display()))?;
    Ok(())
}

/// When the world of a record that is taken up opens: where the record stops, or it would run
/// backwards.
fn left_at(record: &IncidentRecord, opens: World) -> Result<World, Failure> {
    if !record.drill() {
        let id = &record.id;
        return Err(Failure::usage(anyhow::anyhow!("{id} is no drill: `warroom --incident {id}` takes it up")));
    }
    Ok(record.last_at().map_or(opens, |last| last.max(opens)))
}

pub(super) fn opening(scenario: &Scenario, arguments: &DrillArguments) -> crate::clock::World {
    let later = TimeDelta::from_std(arguments.join_after).unwrap_or_default();
    scenario.opens(arguments.seed) + later
}

pub(super) fn options(arguments: &DrillArguments, run_dir: &RunDir, opens: crate::clock::World) -> drill::Options {
    drill::Options {
        pace: Pace::Speed(arguments.speed),
        open_at: Some(opens),
        ..drill::Options::new(arguments.seed, run_dir.0.clone())
    }
}

pub(super) fn ask(drill: &Arc<Drill>) -> AskFn {
    let drill = Arc::clone(drill);
    Arc::new(move |whom: Safe| {
        let answer = drill
            .ask(&whom)
            .map(|answer| Safe::from(answer.to_string()))
            .map_err(|error| Safe::from(error.to_string()));
        futures::future::ready(answer).boxed()
    })
}

/// The drill's world as an environment. Nothing ambient: explicit endpoints and dummy
/// credentials. Before its servers listen there is nothing in it to read.
pub(super) fn environment(scenario: &Scenario, at: Option<&Endpoints>) -> Environment {
    let http = |name: &str, url: &str| HttpAccess {
        name: name.into(),
        url: url.into(),
        auth: None,
        ca_file: None,
        proxy: false,
        every: EVERY,
    };
    Environment {
        name: scenario.environment().into(),
        production: false,
        color: None,
        write: WritePolicy::Ask,
        write_window: Duration::from_secs(30 * 60),
        drill: true,
        kubernetes: at.map(|at| KubeAccess {
            kubeconfig: Some(at.kubeconfig.clone()),
            context: None,
            namespaces: Vec::new(),
            usage_every: EVERY,
        }),
        aws: at.map(|at| AwsAccess {
            credentials: AwsCredentials::Drill,
            region: Some(at.region.clone()),
            endpoints: [
                ("cloudwatch", &at.cloudwatch),
                ("cloudwatch_logs", &at.cloudwatch_logs),
                ("sts", &at.sts),
                ("ecs", &at.aws),
                ("application_auto_scaling", &at.aws),
                ("elastic_load_balancing_v2", &at.aws),
                ("route_53", &at.aws),
                ("arc_zonal_shift", &at.aws),
                ("ec2", &at.aws),
            ]
            .into_iter()
            .map(|(service, url)| (service.to_owned(), url.clone()))
            .collect(),
            alarm_prefixes: Vec::new(),
            alarms_every: EVERY,
            logs: LogAccess { groups: Vec::new(), every: EVERY, live_tail: Vec::new(), calls_per_second: CALLS },
        }),
        alertmanager: at.map(|at| http("alertmanager", &at.alertmanager)).into_iter().collect(),
        prometheus: at.map(|at| http("prometheus", &at.prometheus)).into_iter().collect(),
    }
}

/// A private folder for the kubeconfig, removed at the end.
pub(super) struct RunDir(PathBuf);

impl RunDir {
    pub(super) fn new() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = std::env::temp_dir().join(format!("warroom-drill-{}", ulid::Ulid::generate()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| anyhow::anyhow!("could not make the drill's folder {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // Left behind if it cannot be removed: it holds nothing but a loopback address.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::EntryKind;
    use crate::record::testing::{MemoryDisk, at, draft, wait};
    use crate::record::{Durability, StartInfo};

    #[test]
    fn a_record_that_is_taken_up_opens_its_world_where_it_stops() {
        let archive = Archive::on("/records", Arc::new(MemoryDisk::default()));
        let written = |drill| {
            let id = archive.create("x", at(0, 0)).expect("there is room");
            let info = StartInfo {
                incident: None,
                version: Safe::fixed("0"),
                drill,
                env: Safe::fixed("prod-eu"),
                titles: std::collections::BTreeMap::new(),
                actor: Actor::system(),
                at: at(5, 0),
            };
            let journal = archive.journal_for(&id, info).expect("there is room");
            let note = journal.append(draft(EntryKind::Note, "x"), at(20, 0), at(20, 0), Durability::Now);
            wait(note).expect("it is kept");
            archive.read(&id).expect("it can be read")
        };
        let record = written(true);
        assert_eq!(left_at(&record, at(10, 0)).ok(), Some(at(20, 0)));
        assert_eq!(left_at(&record, at(30, 0)).ok(), Some(at(30, 0)), "--join-after is later");
        assert!(left_at(&written(false), at(10, 0)).is_err(), "a real one is no drill's");
    }
}
