//! The screen front, put together from the arguments, the configuration and the terminal.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use crate::config::{Places, ProcessEnv, ScreenSettings};
use crate::model::name::IncidentId;
use crate::session::{Core, Done, Front as _};
use crate::tui::term::Tty;
use crate::tui::{Keymap, Options, Screen, Zone};

use super::Failure;
use super::arguments::{DrillArguments, SessionArguments};
use super::look::{look, named, zone};

/// The last frame is given this long to reach a slow terminal.
const LAST_FRAME: Duration = Duration::from_millis(500);

/// A screen on the process's own terminal that shows `core` already: nothing else is waited for
/// before the first frame.
pub(super) fn open(
    core: &Core,
    settings: &ScreenSettings,
    places: &Places,
    process: &ProcessEnv,
    arguments: &SessionArguments,
) -> Result<Screen, Failure> {
    let options = options(settings, places, process, arguments)?;
    let device = Tty::open().map_err(Failure::usage)?;
    let mut screen = Screen::new(options, Arc::new(device)).map_err(Failure::usage)?;
    screen.restore_on_panic();
    screen.show(core)?;
    Ok(screen)
}

/// Leaves the terminal as it was, and says what the person should know after the screen is gone.
/// `drill` are the arguments that its world was made by, if it is one.
pub(super) fn close(screen: Screen, done: &Done, core: &Core, drill: Option<&DrillArguments>) -> Result<(), Failure> {
    let mut screen = screen;
    let kept = screen.end_editor();
    screen.settle(LAST_FRAME);
    drop(screen);
    if matches!(done, Done::FrontGone(_)) {
        return Ok(());
    }
    if let Some(path) = kept {
        super::print(&format!("a note was being written: what was saved of it is in {}\n", path.display()))?;
    }
    if let Some(why) = &core.journal_failed {
        super::print(&format!("not everything was recorded: {why}\n"))?;
    }
    if let Some(incident) = &core.incident {
        super::print(&still_open(&incident.id, drill))?;
    }
    Ok(())
}

/// What can be done about an incident that was left open. A drill's world ends with its program:
/// another one like it can be opened at that time.
fn still_open(id: &IncidentId, drill: Option<&DrillArguments>) -> String {
    let Some(drill) = drill else {
        return format!(
            "{id} is still open; `warroom` offers to resume it, `warroom export {id}` writes its postmortem\n"
        );
    };
    let scenario = drill.scenario.as_deref().unwrap_or_default();
    let (out, record) = match &drill.out {
        Some(out) => (format!(" --out {}", out.display()), out.join(id.as_str()).display().to_string()),
        None => (String::new(), id.to_string()),
    };
    format!(
        "{id} is still open; `warroom drill {scenario} --seed {}{out} --incident {id}` opens the drill where it was \
         left, with nothing done to its world yet; `warroom export {record}` writes its postmortem\n",
        drill.seed
    )
}

/// How the screen is drawn: arguments over configuration over what the terminal says of itself.
pub(super) fn options(
    settings: &ScreenSettings,
    places: &Places,
    process: &ProcessEnv,
    arguments: &SessionArguments,
) -> Result<Options, Failure> {
    let look = look(settings, places, process, arguments)?;
    let tz = zone(settings, arguments)?;
    let mut zones = vec![Zone::Utc, Zone::Relative];
    if tz != Tz::UTC {
        zones.insert(0, Zone::In(tz));
    }
    let mut keymap = Keymap::shipped().map_err(Failure::usage)?;
    if let Some(name) = named(&arguments.keymap, &settings.keymap).filter(|name| name != "default") {
        let path = places.keymaps.join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::usage(anyhow::anyhow!("could not read the keymap {}: {error}", path.display()))
        })?;
        keymap.add(&path.display().to_string(), &text).map_err(Failure::usage)?;
    }
    Ok(Options {
        themes: look.themes,
        theme: look.theme,
        keymap,
        depth: look.depth,
        ascii: look.ascii,
        zones,
        mouse: arguments.mouse || settings.mouse,
        ssh: process.ssh,
        tmux: process.tmux,
        editor: process.editor.clone(),
        save_dir: places.incidents.parent().map(|state| state.join("views")),
        ..Options::shipped().map_err(Failure::usage)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_an_incident_open_is_told_the_command_that_goes_on() {
        let id = IncidentId::from("2026-11-21-x");
        assert!(still_open(&id, None).contains("`warroom` offers to resume it"));
        let mut drill =
            DrillArguments { scenario: Some("rate-limit-storm".into()), seed: 7, ..DrillArguments::default() };
        let told = still_open(&id, Some(&drill));
        assert!(told.contains("`warroom drill rate-limit-storm --seed 7 --incident 2026-11-21-x`"), "{told}");
        assert!(told.contains("`warroom export 2026-11-21-x`") && !told.contains("offers"), "{told}");
        drill.out = Some("/tmp/storm".into());
        let told = still_open(&id, Some(&drill));
        assert!(
            told.contains(" --seed 7 --out /tmp/storm --incident ") && told.contains("export /tmp/storm/"),
            "{told}"
        );
    }
}
