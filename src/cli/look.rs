//! How a screen looks: arguments over configuration over what the terminal says of itself.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;

use crate::config::{ColorChoice, Places, ProcessEnv, ScreenSettings};
use crate::text::Safe;
use crate::tui::Themes;
use crate::tui::term::{Depth, TermFacts};
use crate::tui::watch::Look;

use super::Failure;
use super::arguments::SessionArguments;

/// The look of a screen on this process's terminal.
pub(super) fn look(
    settings: &ScreenSettings,
    places: &Places,
    process: &ProcessEnv,
    arguments: &SessionArguments,
) -> Result<Look, Failure> {
    let facts = TermFacts {
        colorterm: process.colorterm.clone(),
        term: process.term.clone(),
        no_color: process.no_color,
        lang: process.locale.clone(),
        ssh: process.ssh,
        tmux: process.tmux,
    };
    let depth = match (arguments.no_color, settings.color) {
        (true, _) | (false, ColorChoice::Never) => Depth::Mono,
        (false, ColorChoice::Always) => Depth::decide(None, None, &TermFacts { no_color: false, ..facts.clone() }),
        (false, ColorChoice::Auto) => Depth::decide(None, None, &facts),
    };
    let mut themes = Themes::shipped();
    for (name, path, text) in files(&places.themes)? {
        themes.add(&name, &path, text);
    }
    Ok(Look {
        themes,
        theme: named(&arguments.theme, &settings.theme).unwrap_or_else(|| "default".into()),
        depth,
        ascii: facts.ascii(arguments.ascii || settings.ascii.unwrap_or(false)) && settings.ascii != Some(false)
            || arguments.ascii,
    })
}

/// The zone that times are shown in.
pub(super) fn zone(settings: &ScreenSettings, arguments: &SessionArguments) -> Result<Tz, Failure> {
    match &arguments.tz {
        Some(name) => name
            .parse::<Tz>()
            .map_err(|_| Failure::usage(anyhow::anyhow!("`{name}` is not a time zone; one reads like Europe/Berlin"))),
        None => Ok(settings.tz),
    }
}

/// The zone whose local times stand beside UTC; none if that is UTC.
#[cfg(feature = "operator")]
pub(super) fn local(settings: &ScreenSettings, arguments: &SessionArguments) -> Result<Option<Tz>, Failure> {
    Ok(Some(zone(settings, arguments)?).filter(|tz| *tz != Tz::UTC))
}

/// What an argument says, else the configuration.
pub(super) fn named(given: &Option<String>, configured: &Option<Safe>) -> Option<String> {
    given.clone().or_else(|| configured.as_ref().map(ToString::to_string))
}

/// The TOML files of a folder, which need not be there: name, path, text.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf, String)>, Failure> {
    let Ok(members) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for path in
        members.flatten().map(|member| member.path()).filter(|path| path.extension().is_some_and(|end| end == "toml"))
    {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::usage(anyhow::anyhow!("could not read {}: {error}", path.display())))?;
        if let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) {
            files.push((name.to_owned(), path.clone(), text));
        }
    }
    files.sort();
    Ok(files)
}
