//! `warroom`: a session on real systems.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::session::{Core, Done, Plain, Signals};

use crate::text::Safe;

use super::archive::{archive, configured};
use super::arguments::SessionArguments;
use super::look::local;
use super::start::{Opening, named, narrowed, prepare, taken_up};
use super::{Exit, Failure};

pub(super) fn run(arguments: SessionArguments) -> Result<Exit, Failure> {
    let (config, process, places) = configured()?;
    let _log = prepare(&places, &process)?;
    let env = narrowed(config.environment(arguments.env.as_deref()).map_err(Failure::usage)?.clone(), &arguments)?;
    let catalogue = Arc::new(config.catalogue());
    let (clock, actor) = (Clock::real(), process.person());
    let archive = archive(&config)?;
    let incident = named(&archive, &arguments)?.map(|record| taken_up(&record, &env)).transpose()?;
    let opening = Opening {
        incident,
        archive,
        catalogue: Arc::clone(&catalogue),
        actor: actor.clone(),
        clock: clock.clone(),
        since: arguments.since.and_then(|since| TimeDelta::from_std(since).ok()).unwrap_or(TimeDelta::hours(1)),
        ask: None,
        identify: true,
        policies: config.policies.clone(),
        tz: local(&config.screen, &arguments)?,
        env,
    };
    let mut core = Opening::core(&opening.env, &catalogue, &actor, &clock);
    core.greet(&config.notes);
    if !config.untrue.is_empty() {
        core.greet(&[Safe::fixed("a test of a policy fails: warroom config check says which")]);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let (done, core) = runtime.block_on(async {
        let signals = Signals::listen();
        if arguments.plain {
            let mut front = Plain::new(tokio::io::stdin(), std::io::stdout());
            Ok(opening.run(core, &mut front, signals).await)
        } else {
            let mut screen = super::screen::open(&core, &config.screen, &places, &process, &arguments)?;
            let (done, core) = opening.run(core, &mut screen, signals).await;
            super::screen::close(screen, &done, &core, None)?;
            Ok::<_, Failure>((done, core))
        }
    })?;
    // A read of standard input that nobody ends must not keep the process.
    runtime.shutdown_background();
    ended(&done, &core, arguments.plain)
}

/// The exit code of an ended session: one that was not recorded whole did not succeed. Without a
/// screen that is said on standard error too, which a script keeps.
pub(super) fn ended(done: &Done, core: &Core, headless: bool) -> Result<Exit, Failure> {
    if let Some(why) = &core.journal_failed {
        if headless {
            super::tell(&Safe::from(format!("not everything was recorded: {why}")))?;
        }
        return Ok(Exit::Failed);
    }
    Ok(match done {
        Done::Left | Done::Told(_) => Exit::Done,
        Done::FrontGone(_) => Exit::Failed,
    })
}
