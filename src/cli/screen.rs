//! The screen front, put together from the arguments, the configuration and the terminal.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use crate::config::{Places, ProcessEnv, ScreenSettings};
use crate::session::{Core, Done, Front as _};
use crate::tui::term::Tty;
use crate::tui::{Keymap, Options, Screen, Zone};

use super::Failure;
use super::arguments::SessionArguments;
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
pub(super) fn close(screen: Screen, done: &Done, core: &Core) -> Result<(), Failure> {
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
        super::print(&format!(
            "{} is still open; `warroom` offers to resume it, `warroom export {}` writes its postmortem\n",
            incident.id, incident.id
        ))?;
    }
    Ok(())
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
