//! `warroom snapshot`: one frame of the screen, without a terminal.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use crate::clock::{Clock, Hold, Wall, World, wall};
use crate::config::{Catalogue, Places, ProcessEnv, ScreenSettings, WritePolicy, load};
use crate::drill::{Drill, Scenario};
use crate::model::command::{Command, Pane};
use crate::model::entry::{Actor, ActorKind};
use crate::model::signal::SourceState;
use crate::record::Archive;
use crate::session::{Autopilot, Core, Front, FrontError, Input, Signals, Step};
use crate::text::Safe;
use crate::tui::snapshot::{Format, Shot, picture};
use crate::tui::{Options, term::Depth};

use super::archive::configured;
use super::arguments::{DrillArguments, PictureFormat, SessionArguments, SnapshotArguments};
use super::drill::{self, RunDir};
use super::start::{Opening, narrowed, prepare};
use super::{Exit, Failure, print};

/// Sources that have not answered by then are pictured as they are.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(arguments: &SnapshotArguments, session: &SessionArguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let taken = runtime.block_on(async {
        match &arguments.drill {
            Some(name) => rehearsed(name, arguments, session).await,
            None => live(arguments, session).await,
        }
    });
    runtime.shutdown_background();
    match taken? {
        Some(frame) => {
            print(&frame)?;
            Ok(Exit::Done)
        }
        None => Err(anyhow::anyhow!("the session ended before a frame could be taken").into()),
    }
}

/// A frame of the systems that the configuration names: read, and never written.
async fn live(arguments: &SnapshotArguments, session: &SessionArguments) -> Result<Option<String>, Failure> {
    let (config, process, places) = configured()?;
    let _log = prepare(&places, &process)?;
    let mut env = narrowed(config.environment(session.env.as_deref()).map_err(Failure::usage)?.clone(), session)?;
    env.write = WritePolicy::Deny;
    let catalogue = Arc::new(config.catalogue());
    let (clock, actor) = (Clock::real(), process.person());
    let core = Opening::core(&env, &catalogue, &actor, &clock);
    let own = RunDir::new()?;
    let opening = Opening {
        env,
        policies: Vec::new(),
        catalogue,
        archive: Archive::new(own.path().to_owned()),
        actor,
        clock: clock.clone(),
        since: since(session),
        ask: None,
        identify: false,
        tz: None,
        incident: None,
    };
    let camera = Camera::new(arguments, options(&config.screen, &places, &process, session, arguments)?);
    Ok(shoot(opening, core, camera).await)
}

/// A frame of a drill, as its own responder left it so long after the opening.
async fn rehearsed(
    name: &str,
    arguments: &SnapshotArguments,
    session: &SessionArguments,
) -> Result<Option<String>, Failure> {
    let scenario = Scenario::find(name).map_err(Failure::usage)?;
    let process = ProcessEnv::read();
    let places = Places::of(&process).map_err(Failure::usage)?;
    let _log = prepare(&places, &process)?;
    let screen = load(&places, &process).map(|config| config.screen).unwrap_or_default();
    let how = DrillArguments { speed: arguments.speed, seed: arguments.seed, ..DrillArguments::default() };
    let opens = drill::opening(&scenario, &how);
    let until = opens + TimeDelta::from_std(arguments.after).unwrap_or_default();
    let (clock, driver) = Clock::driven(opens);
    let catalogue = Arc::new(Catalogue::new(scenario.services().to_vec()));
    let actor = Actor { kind: ActorKind::Human, name: Safe::fixed("ana"), known_by: Some(Safe::fixed("scenario")) };
    let own = RunDir::new()?;
    let world = Drill::start(scenario.clone(), drill::options(&how, &own, opens), driver).await?;
    let env = narrowed(drill::environment(&scenario, Some(&world.endpoints)), session)?;
    let core = Opening::core(&env, &catalogue, &actor, &clock);
    let world = Arc::new(world);
    let opening = Opening {
        env,
        policies: Vec::new(),
        catalogue,
        archive: Archive::new(own.path().join("incidents")),
        actor,
        clock: clock.clone(),
        since: since(session),
        ask: Some(drill::ask(&world)),
        identify: false,
        tz: None,
        incident: None,
    };
    let steps = world.responder.iter().filter(|step| step.at >= opens && step.at < until);
    let steps: Vec<_> = steps.map(|step| Step { at: step.at, line: step.line.clone() }).collect();
    let mut camera = Camera::new(arguments, options(&screen, &places, &process, session, arguments)?);
    camera.script(clock, steps, until)?;
    Ok(shoot(opening, core, camera).await)
}

async fn shoot(opening: Opening, core: Core, mut camera: Camera) -> Option<String> {
    let (_, core) = opening.run(core, &mut camera, Signals::listen()).await;
    if let Some(why) = &core.journal_failed {
        tracing::warn!(%why, "the snapshot's own record failed");
    }
    camera.frame
}

fn since(session: &SessionArguments) -> TimeDelta {
    session.since.and_then(|since| TimeDelta::from_std(since).ok()).unwrap_or(TimeDelta::hours(1))
}

fn options(
    settings: &ScreenSettings,
    places: &Places,
    process: &ProcessEnv,
    session: &SessionArguments,
    arguments: &SnapshotArguments,
) -> Result<Options, Failure> {
    let mut options = super::screen::options(settings, places, process, session)?;
    if arguments.format == PictureFormat::Svg {
        // A picture has colours and every character, whatever this terminal has.
        (options.depth, options.ascii) = (Depth::Ansi16, session.ascii);
    }
    Ok(options)
}

/// A front that keeps one frame and leaves.
struct Camera {
    shot: Shot,
    options: Options,
    /// What a responder does before, and the world time of the frame.
    script: Option<(Autopilot, usize, Clock, World)>,
    hold: Option<Hold>,
    deadline: Wall,
    read: bool,
    frame: Option<String>,
}

impl Camera {
    fn new(arguments: &SnapshotArguments, options: Options) -> Self {
        let format = match arguments.format {
            PictureFormat::Text => Format::Text,
            PictureFormat::Ansi => Format::Ansi,
            PictureFormat::Svg => Format::Svg,
        };
        let shot = Shot { size: arguments.size, pane: arguments.view, zoom: arguments.view.is_some(), format };
        Self { shot, options, script: None, hold: None, deadline: wall() + PATIENCE, read: false, frame: None }
    }

    fn script(&mut self, clock: Clock, steps: Vec<Step>, until: World) -> Result<(), Failure> {
        let left = steps.len();
        let pilot = Autopilot::new(clock.clone(), steps, std::io::sink())
            .map_err(|why| Failure::usage(anyhow::anyhow!(why)))?;
        self.script = Some((pilot, left, clock, until));
        Ok(())
    }
}

/// Whether every source has been read once, or has said why it is not.
fn all_read(core: &Core) -> bool {
    let rows = core.picture.sources.rows();
    let told = |state: &SourceState| !matches!(state, SourceState::Connecting);
    core.backfilling == 0
        && !core.picture.workloads.pod_counts().reading
        && !rows.is_empty()
        && rows.iter().all(|row| match &row.state {
            SourceState::Live { .. } => row.last_read.is_some(),
            state => told(state),
        })
}

impl Front for Camera {
    async fn input(&mut self) -> Input {
        if let Some((pilot, left, clock, until)) = &mut self.script {
            if *left > 0 {
                let input = pilot.input().await;
                *left -= 1;
                return input;
            }
            self.hold = Some(clock.due(*until).await);
            return Input::Ended;
        }
        if !self.read {
            tokio::time::sleep_until(self.deadline.into()).await;
        }
        Input::Ended
    }

    fn handle(&mut self, input: Input, core: &Core) -> Vec<Command> {
        match input {
            Input::Command(command) => vec![command],
            Input::Ended => {
                match picture(core, self.shot, &self.options) {
                    Ok(frame) => self.frame = Some(frame),
                    Err(error) => tracing::error!(%error, "the frame cannot be drawn"),
                }
                vec![Command::Quit]
            }
            Input::Terminal(_) | Input::Continued => Vec::new(),
        }
    }

    fn show(&mut self, core: &Core) -> Result<(), FrontError> {
        self.read |= all_read(core);
        Ok(())
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(50)
    }
}

/// `120x40` as columns and rows.
pub(super) fn size(text: &str) -> Result<(u16, u16), String> {
    let (columns, rows) = text.split_once('x').ok_or("columns and rows, such as 120x40")?;
    match (columns.parse(), rows.parse()) {
        (Ok(columns @ 60..=500), Ok(rows @ 15..=200)) => Ok((columns, rows)),
        (Ok(_), Ok(_)) => Err("from 60x15 to 500x200".into()),
        _ => Err("columns and rows, such as 120x40".into()),
    }
}

/// A pane by its name.
pub(super) fn view(text: &str) -> Result<Pane, String> {
    let names = || Pane::ALL.iter().map(|pane| pane.title().to_lowercase());
    let found = Pane::ALL.iter().zip(names()).find(|(_, name)| name == text);
    found.map(|(pane, _)| *pane).ok_or_else(|| names().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_columns_and_rows_that_a_screen_can_have() {
        assert_eq!(size("120x40"), Ok((120, 40)));
        for wrong in ["120", "59x40", "120x14", "x", "120x40x2", "-1x40", "9999x40"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_view_is_a_panes_name() {
        assert_eq!(view("logs"), Ok(Pane::Logs));
        assert!(view("log").unwrap_err().contains("workloads, changes"));
    }
}
