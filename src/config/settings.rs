//! The configuration as the program uses it: complete, checked, with every default filled in.

use std::path::PathBuf;

use chrono_tz::Tz;

use crate::model::name::EnvId;
use crate::model::service::Service;
use crate::text::Safe;

use super::problem::{nearest, sentence};
use super::{Catalogue, ConfigError, Environment, Policy, Problem};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Environments, in the order of the files. At least one.
    pub environments: Vec<Environment>,
    /// Services, in the order of the files.
    pub services: Vec<Service>,
    /// What it says of plans, in the order of the files.
    pub policies: Vec<Policy>,
    /// Tests of policies that fail. They keep nobody from working: `config check` tells of them.
    pub untrue: Vec<Problem>,
    /// The environment that is faced if none is named: the one that the files name, or the only
    /// one there is.
    pub default_env: Option<EnvId>,
    /// Records of incidents.
    pub record: RecordSettings,
    /// The screen.
    pub screen: ScreenSettings,
    /// The files that were read. Empty: all this was discovered.
    pub files: Vec<PathBuf>,
    /// What was found and what was not, in words, where it was discovered.
    pub notes: Vec<Safe>,
}

/// Records of incidents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// Where they are.
    pub dir: PathBuf,
    /// The Unix group that may read them; nobody else may if not set.
    pub group: Option<String>,
    /// Whether its members may add files of their own to a record: notes, and consents.
    pub group_writes: bool,
}

/// The screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenSettings {
    /// The theme's name; the shipped default if not set.
    pub theme: Option<Safe>,
    /// The keymap's name; the shipped default if not set.
    pub keymap: Option<Safe>,
    /// The zone that times are shown in.
    pub tz: Tz,
    /// Whether lines and charts are drawn in ASCII; by the locale if not set.
    pub ascii: Option<bool>,
    /// Whether the mouse is captured.
    pub mouse: bool,
    /// Whether colours are used.
    pub color: ColorChoice,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self { theme: None, keymap: None, tz: Tz::UTC, ascii: None, mouse: false, color: ColorChoice::Auto }
    }
}

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// If the terminal has them and `NO_COLOR` is not set.
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

impl Config {
    /// The environment to face: the one of this name, else the default.
    pub fn environment(&self, name: Option<&str>) -> Result<&Environment, ConfigError> {
        let names = || self.environments.iter().map(|env| env.name.as_str());
        let wanted = match (name, &self.default_env) {
            (Some(name), _) => name,
            (None, Some(default)) => default.as_str(),
            (None, None) => {
                let all: Vec<_> = names().collect();
                return Err(ConfigError::Choice(sentence(&format!(
                    "which environment? choose one of {} with --env, or set default_env",
                    all.join(", ")
                ))));
            }
        };
        self.environments.iter().find(|env| env.name.as_str() == wanted).ok_or_else(|| {
            let hint = nearest(wanted, names()).map_or_else(
                || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean {near}?"),
            );
            ConfigError::Choice(sentence(&format!("there is no environment `{wanted}`: {hint}")))
        })
    }

    /// The services, to be looked up.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue::new(self.services.clone())
    }
}
