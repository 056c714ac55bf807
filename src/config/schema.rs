//! The schema: which keys there are, what they take, and what is meant if they are not set.
//!
//! `assets/config/example.toml` shows every key; a test loads it and another compares.

mod environment;
mod policy;
mod route;
mod service;
mod team;

use chrono_tz::{TZ_VARIANTS, Tz};

use crate::model::name::EnvId;
use crate::text::Safe;

pub(super) use policy::{DAYS, TIERS};
pub(super) use service::UNITS;
pub(super) use team::loosened;

use super::layers::{At, Node};
use super::problem::{Problem, nearest};
use super::section::{Problems, Section};
use super::{ColorChoice, Config, Environment, Places, ProcessEnv, RecordSettings, ScreenSettings};

/// What a reader of values needs beside the tree.
pub(super) struct Around<'a> {
    pub(super) env: &'a ProcessEnv,
    pub(super) places: &'a Places,
}

/// Reads the whole tree. All problems together, if there is one.
pub(super) fn read(root: &Node, around: &Around<'_>) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let config = Section::of(root, "", &problems).map(|top| {
        let environments = environments(&top, around);
        let services = top.section("services").map(|all| service::all(&all, around)).unwrap_or_default();
        let (policies, untrue) = top.section("policies").map(|all| policy::all(&all)).unwrap_or_default();
        let default_env = default_env(&top, &environments);
        let record = record(top.section("record"), around);
        let screen = top.section("screen").map(screen).unwrap_or_default();
        top.finish();
        Config {
            environments,
            services,
            policies,
            untrue,
            default_env,
            record,
            screen,
            files: Vec::new(),
            notes: Vec::new(),
        }
    });
    let problems = problems.into_sorted();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

fn environments(top: &Section<'_>, around: &Around<'_>) -> Vec<Environment> {
    // Whoever sets a theme or where records are has said nothing of systems: they are discovered.
    let Some(all) = top.section("environments") else { return Vec::new() };
    let mut read = Vec::new();
    for (name, key, node) in all.members() {
        if !is_name(name) {
            all.problems.add(key, NAMES);
        }
        if let Some(section) = Section::of(node, format!("environments.{name}"), all.problems) {
            read.push(environment::read(name, section, around));
        }
    }
    if read.is_empty() {
        all.problems.add(all.at, "there is no environment: add [environments.NAME]");
    }
    read
}

fn default_env(top: &Section<'_>, environments: &[Environment]) -> Option<EnvId> {
    let only = match environments {
        [only] => Some(only.name.clone()),
        _ => None,
    };
    let Some(wanted) = top.text("default_env") else { return only };
    let found = environments.iter().find(|env| env.name.as_str() == wanted);
    if environments.is_empty() {
        top.wrong("default_env", "there is no environment: add [environments.NAME] with the systems to look at");
    } else if found.is_none() {
        let names = || environments.iter().map(|env| env.name.as_str());
        let hint = nearest(wanted, names()).map_or_else(
            || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        top.wrong("default_env", &format!("there is no environment \"{wanted}\": {hint}"));
    }
    found.map(|env| env.name.clone())
}

fn record(section: Option<Section<'_>>, around: &Around<'_>) -> RecordSettings {
    let mut settings = RecordSettings { dir: around.places.incidents.clone(), group: None, group_writes: false };
    if let Some(section) = section {
        if let Some((dir, at)) = section.line("dir").zip(section.entry("dir").map(|entry| &entry.node.at)) {
            settings.dir = path(dir, at, around);
        }
        settings.group = section.line("group").map(str::to_owned);
        settings.group_writes = section.boolean("group_writes").unwrap_or(false);
        if settings.group_writes && settings.group.is_none() {
            section.wrong("group_writes", "group_writes goes with a group: name it with group");
        }
        section.finish();
    }
    settings
}

fn screen(section: Section<'_>) -> ScreenSettings {
    let mut settings = ScreenSettings {
        theme: section.line("theme").map(Safe::from),
        keymap: section.line("keymap").map(Safe::from),
        ..ScreenSettings::default()
    };
    if let Some(zone) = section.text("tz") {
        match zone.parse::<Tz>() {
            Ok(zone) => settings.tz = zone,
            Err(_) => {
                let hint = nearest(zone, TZ_VARIANTS.iter().map(|zone| zone.name()))
                    .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
                section.wrong(
                    "tz",
                    &format!("tz is a zone of the IANA database, such as \"Europe/Berlin\" or \"UTC\"{hint}"),
                );
            }
        }
    }
    settings.ascii = section.boolean("ascii");
    settings.mouse = section.boolean("mouse").unwrap_or(false);
    let words = [("auto", ColorChoice::Auto), ("always", ColorChoice::Always), ("never", ColorChoice::Never)];
    settings.color = section.word("color", &words).unwrap_or(ColorChoice::Auto);
    section.finish();
    settings
}

/// What names of environments and services look like.
const NAMES: &str = "a name starts with a letter or digit and has letters, digits, '.', '_' and '-', at most 64: \
                     it is typed by hand, and it names files";

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A path of the file at `at`: `~/` is the home directory, and a relative one starts where the
/// file is.
fn path(text: &str, at: &At, around: &Around<'_>) -> std::path::PathBuf {
    let path = around.env.expand(text);
    match at.source.path.parent() {
        Some(folder) if path.is_relative() => folder.join(path),
        _ => path,
    }
}
