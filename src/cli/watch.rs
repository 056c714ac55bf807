//! `warroom watch`.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::{Clock, World};
use crate::record::{Follower, IncidentRecord};
use crate::report::{Briefing, Standing, briefing};
use crate::text::Safe;
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

/// Everything at first; then the moments that came, wherever in the timeline they belong, with what
/// they changed, and whether anybody still writes the record.
fn news(before: Option<&Briefing>, briefing: &Briefing) -> String {
    let mut known: BTreeMap<(World, &Safe), usize> = BTreeMap::new();
    for moment in before.map_or(&[][..], |before| before.moments.as_slice()) {
        *known.entry((moment.when, &moment.text)).or_default() += 1;
    }
    let mut came = Vec::new();
    for moment in &briefing.moments {
        match known.get_mut(&(moment.when, &moment.text)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => came.push(moment),
        }
    }
    let titled = before.is_none_or(|before| before.title != briefing.title);
    let turned = before.is_none_or(|before| discriminant(&before.standing) != discriminant(&briefing.standing));
    let mut out = String::new();
    if titled {
        let drill = if briefing.drill { "Drill. " } else { "" };
        out += &format!("{drill}{}\n", briefing.title);
    }
    for moment in &came {
        out += &format!("{:<10}{}\n", moment.at, moment.text);
    }
    if titled || !came.is_empty() {
        for (label, texts) in [("Affected", &briefing.affected), ("Now", &briefing.now), ("Next", &briefing.next)] {
            for text in texts {
                out += &format!("{label:<10}{text}\n");
            }
        }
    }
    if turned {
        out += &format!("{:<10}{}\n", "Record", stands(&briefing.standing));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn stands(standing: &Standing) -> String {
    match standing {
        Standing::Live => "the team writes it now".to_owned(),
        Standing::Left { since } => format!("nobody writes it: {since}"),
        Standing::Closed { at } => format!("closed at {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::at;
    use crate::report::Moment;

    fn told(minutes: &[u32], standing: Standing) -> Briefing {
        let moment = |minute: &u32| Moment {
            when: at(*minute, 0),
            at: Safe::from(format!("03:{minute:02}Z")),
            text: Safe::from(format!("Moment {minute}.")),
        };
        Briefing {
            title: Safe::fixed("Severity 2: x"),
            drill: false,
            clock: Safe::fixed("03:30Z"),
            standing,
            affected: vec![Safe::fixed("shop: about 7 of 100 attempts fail.")],
            now: Vec::new(),
            next: Vec::new(),
            moments: minutes.iter().map(moment).collect(),
        }
    }

    #[test]
    fn a_moment_that_is_told_late_is_not_lost_and_no_other_is_told_twice() {
        let before = told(&[14, 16, 16, 20], Standing::Live);
        assert_eq!(news(Some(&before), &before), "");
        let said = news(Some(&before), &told(&[4, 14, 16, 16, 16, 20], Standing::Live));
        let moments: Vec<_> = said.lines().filter(|line| line.starts_with("03:")).collect();
        assert_eq!(moments, ["03:04Z    Moment 4.", "03:16Z    Moment 16."], "{said}");
        assert!(said.contains("Affected  shop"), "{said}");
    }

    #[test]
    fn that_a_second_day_begins_is_no_news() {
        let before = told(&[14], Standing::Live);
        let mut later = before.clone();
        later.moments[0].at = Safe::fixed("11-21 03:14Z");
        assert_eq!(news(Some(&before), &later), "");
    }

    #[test]
    fn whether_anybody_writes_the_record_is_said_at_first_and_when_it_changes() {
        let left = |since: &'static str| told(&[14], Standing::Left { since: Safe::fixed(since) });
        let live = told(&[14], Standing::Live);
        assert!(news(None, &live).contains("Record    the team writes it now\n"));
        let said = news(Some(&live), &left("last written at 03:20Z, 1 min ago"));
        assert_eq!(said, "Record    nobody writes it: last written at 03:20Z, 1 min ago\n\n");
        let minute_later = news(Some(&left("1 min ago")), &left("2 min ago"));
        assert_eq!(minute_later, "", "that it grows older is no news");
    }
}
