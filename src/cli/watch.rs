//! `warroom watch`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Clock;
use crate::record::{Follower, IncidentRecord};
use crate::report::{Briefing, Standing, briefing};
use crate::tui::term::Tty;
use crate::tui::watch::{Wanted, WatchScreen};

use super::archive::{archive, configured, incident_dir};
use super::arguments::SessionArguments;
use super::look::{look, zone};
use super::{Exit, Failure, print};

/// The record is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn run(incident: Option<&str>, arguments: &SessionArguments) -> Result<Exit, Failure> {
    let (config, process, places) = configured()?;
    let dir = match incident.or(arguments.incident.as_deref()) {
        Some(id) => incident_dir(id)?.1,
        None => match newest(&archive(&config)?)? {
            Ok(dir) => dir,
            Err(none) => {
                print(&none)?;
                return Ok(Exit::Done);
            }
        },
    };
    let tz = Some(zone(&config.screen, arguments)?).filter(|tz| *tz != Tz::UTC);
    let page = Page { follower: Follower::new(dir), record: None, tz };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.plain {
        return runtime.block_on(told(page));
    }
    let look = look(&config.screen, &places, &process, arguments)?;
    let device = Tty::open().map_err(Failure::usage)?;
    let ended = runtime.block_on(shown(page, || WatchScreen::new(&look, Arc::new(device)).map_err(Failure::usage)));
    // A read of the terminal that nobody ends must not keep the process.
    runtime.shutdown_background();
    ended
}

/// The directory of the open incident that was declared last, or a sentence that there is none.
fn newest(archive: &crate::record::Archive) -> Result<Result<PathBuf, String>, Failure> {
    let incidents = archive.list()?;
    if let Some(open) = incidents.iter().find(|incident| incident.closed_at.is_none()) {
        return Ok(Ok(archive.dir(&open.id)));
    }
    Ok(Err(match incidents.first() {
        Some(last) => format!("No incident is open. The last one is closed: `warroom watch {}` shows it.\n", last.id),
        None => format!("No incident is open, and none is recorded in {}.\n", archive.root.display()),
    }))
}

/// What is shown, kept up with the record.
struct Page {
    follower: Follower,
    record: Option<IncidentRecord>,
    tz: Option<Tz>,
}

impl Page {
    /// The briefing as of now. The record is read again only when it changed.
    fn briefing(&mut self) -> Result<Briefing, Failure> {
        if let Some(record) = self.follower.changed()? {
            self.record = Some(record);
        }
        let record = self.record.as_ref().ok_or_else(|| anyhow::anyhow!("the record was not read"))?;
        Ok(briefing(record, Clock::real().now(), self.tz))
    }
}

/// The signals that end a process, as one. Heard from this call on: one that comes while the
/// terminal is being taken must not end the process with the terminal as it is.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn shown(mut page: Page, open: impl FnOnce() -> Result<WatchScreen, Failure>) -> Result<Exit, Failure> {
    // Before the terminal is taken: an error is a sentence on a screen as it was.
    let mut briefing = page.briefing()?;
    let mut end = std::pin::pin!(told_to_end()?);
    let mut screen = open()?;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        screen.show(&briefing);
        if screen.gone().is_some() {
            return Ok(Exit::Failed);
        }
        tokio::select! {
            biased;
            () = &mut end => return Ok(Exit::Done),
            wanted = screen.wanted() => {
                if wanted == Wanted::Leave {
                    return Ok(Exit::Done);
                }
            }
            _ = looks.tick() => briefing = page.briefing()?,
        }
    }
}

/// Prints what changed, a line each, until the incident is closed.
async fn told(mut page: Page) -> Result<Exit, Failure> {
    let mut end = std::pin::pin!(told_to_end()?);
    let mut looks = tokio::time::interval(LOOK);
    let mut before: Option<Briefing> = None;
    loop {
        tokio::select! {
            biased;
            () = &mut end => return Ok(Exit::Done),
            _ = looks.tick() => {}
        }
        let briefing = page.briefing()?;
        print(&news(before.as_ref(), &briefing))?;
        if matches!(briefing.standing, Standing::Closed { .. }) {
            return Ok(Exit::Done);
        }
        before = Some(briefing);
    }
}

/// Everything at first; then the moments that came, with what they changed.
fn news(before: Option<&Briefing>, briefing: &Briefing) -> String {
    let known = before.map_or(0, |before| before.moments.len());
    let moved = before.is_none_or(|before| before.moments != briefing.moments || before.title != briefing.title);
    if !moved {
        return String::new();
    }
    let mut out = String::new();
    if before.is_none_or(|before| before.title != briefing.title) {
        let drill = if briefing.drill { "Drill. " } else { "" };
        out += &format!("{drill}{}\n", briefing.title);
    }
    for moment in briefing.moments.iter().skip(known.min(briefing.moments.len())) {
        out += &format!("{:<10}{}\n", moment.at, moment.text);
    }
    for (label, texts) in [("Affected", &briefing.affected), ("Now", &briefing.now), ("Next", &briefing.next)] {
        for text in texts {
            out += &format!("{label:<10}{text}\n");
        }
    }
    out.push('\n');
    out
}
