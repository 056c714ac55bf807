//! Sessions as the command line opens them, in this process: what happens to them when disks,
//! systems and texts are at their worst.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod durability;
mod faults;
mod hostile;
mod keys;
mod proxy;
mod rivals;
mod terminal;
mod wire;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::drill::{ask, environment};
use super::start::Opening;
use crate::clock::{Clock, World};
use crate::config::{Catalogue, Environment};
use crate::drill::{Drill, Options, Pace, Scenario, Step};
use crate::model::command::Command;
use crate::model::entry::{Actor, ActorKind};
use crate::record::Archive;
use crate::session::{Core, Done, Front, FrontError, Input, Signals, commands};
use crate::text::Safe;

/// By the wall: a session that has not ended by then hangs.
const PATIENCE: Duration = Duration::from_secs(100);

/// A drill's world in this process, which goes on while sessions come and go.
struct Rehearsal {
    drill: Arc<Drill>,
    scenario: Scenario,
    clock: Clock,
    _dir: tempfile::TempDir,
}

impl Rehearsal {
    async fn start(opens: Option<World>, speed: f64) -> Self {
        Self::of("rate-limit-storm", opens, speed).await
    }

    async fn of(name: &str, opens: Option<World>, speed: f64) -> Self {
        Self::in_scenario(Scenario::shipped(name).unwrap(), opens, speed).await
    }

    async fn in_scenario(scenario: Scenario, opens: Option<World>, speed: f64) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let opens = opens.unwrap_or_else(|| scenario.opens(1));
        let (clock, driver) = Clock::driven(opens);
        let options =
            Options { pace: Pace::Speed(speed), open_at: Some(opens), ..Options::new(1, dir.path().join("run")) };
        let drill = Arc::new(Drill::start(scenario.clone(), options, driver).await.unwrap());
        Self { drill, scenario, clock, _dir: dir }
    }

    fn environment(&self) -> Environment {
        environment(&self.scenario, Some(&self.drill.endpoints))
    }

    fn opening(&self, archive: &Archive) -> Opening {
        Opening {
            env: self.environment(),
            policies: Vec::new(),
            catalogue: Arc::new(Catalogue::new(self.scenario.services().to_vec())),
            archive: archive.clone(),
            actor: ana(),
            clock: self.clock.clone(),
            since: TimeDelta::hours(1),
            ask: Some(ask(&self.drill)),
            identify: false,
            tz: None,
            incident: None,
        }
    }

    /// The responder's steps from the opening on, but for the last: when to leave is the test's.
    fn responder(&self) -> VecDeque<Step> {
        let opens = self.drill.opens;
        self.drill.responder.iter().filter(|step| step.at >= opens && step.line != "quit").cloned().collect()
    }
}

fn ana() -> Actor {
    Actor { kind: ActorKind::Human, name: Safe::fixed("ana"), known_by: Some(Safe::fixed("scenario")) }
}

/// The steps that are due.
fn due(steps: &mut VecDeque<Step>, now: World) -> Vec<Command> {
    let mut commands = Vec::new();
    while let Some(step) = steps.pop_front_if(|step| step.at <= now) {
        commands.push(commands::parse(&step.line).unwrap());
    }
    commands
}

/// A front whose person looks at every picture and says what to do.
struct Director<P> {
    play: P,
    said: VecDeque<Command>,
    /// What there was to see last, for a test that waited in vain.
    last: String,
}

impl<P: FnMut(&Core) -> Vec<Command>> Director<P> {
    fn new(play: P) -> Self {
        Self { play, said: VecDeque::new(), last: String::new() }
    }
}

impl<P: FnMut(&Core) -> Vec<Command>> Front for Director<P> {
    async fn input(&mut self) -> Input {
        match self.said.pop_front() {
            Some(command) => Input::Command(command),
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        match input {
            Input::Command(Command::Confirm { typed, .. }) => {
                vec![Command::Confirm { plan: core.shown_plan().map(|plan| plan.id.clone()), typed }]
            }
            Input::Command(command) => vec![command],
            _ => Vec::new(),
        }
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        let sources = core.picture.sources.rows().iter().map(|row| (row.origin.source.as_str(), &row.state));
        self.last = format!("{} {:?} {:?}", core.now, core.notice, sources.collect::<Vec<_>>());
        self.said.extend((self.play)(core));
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

/// Runs a session until the person leaves.
async fn run(opening: Opening, play: impl FnMut(&Core) -> Vec<Command>) -> Core {
    let core = Opening::core(&opening.env, &opening.catalogue, &opening.actor, &opening.clock);
    let mut front = Director::new(play);
    let session = opening.run(core, &mut front, Signals::listen());
    let Ok((done, core)) = tokio::time::timeout(PATIENCE, session).await else {
        panic!("the person never left; the last that was shown: {}", front.last);
    };
    assert_eq!(done, Done::Left);
    core
}
