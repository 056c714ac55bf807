//! Where files are, by the XDG base directory specification.

use std::path::PathBuf;

use super::{ConfigError, ProcessEnv};

/// Where files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The files of the configuration, the team's layer first. They need not exist.
    pub config: Vec<PathBuf>,
    /// Records of incidents, unless `record.dir` says otherwise.
    pub incidents: PathBuf,
    /// The program's own log.
    pub log: PathBuf,
    /// Themes of the user's, over the embedded ones.
    pub themes: PathBuf,
    /// Keymaps of the user's, over the embedded ones.
    pub keymaps: PathBuf,
}

impl Places {
    /// The places of a user. Fails if there is no home directory to go by.
    pub fn of(env: &ProcessEnv) -> Result<Self, ConfigError> {
        let under = |set: &Option<PathBuf>, fallback: &str| {
            set.clone().or_else(|| Some(env.home.as_ref()?.join(fallback))).ok_or(ConfigError::NoHome)
        };
        let config = under(&env.xdg_config_home, ".config")?.join("warroom");
        let state = under(&env.xdg_state_home, ".local/state")?.join("warroom");
        Ok(Self {
            config: vec![PathBuf::from("/etc/warroom/config.toml"), config.join("config.toml")],
            incidents: state.join("incidents"),
            log: state.join("log"),
            themes: config.join("themes"),
            keymaps: config.join("keymaps"),
        })
    }
}
