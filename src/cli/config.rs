//! `warroom config`.

use crate::config::{ConfigError, Places, ProcessEnv, check, init, load, show};

use super::arguments::ConfigArguments;
use super::{Exit, Failure, print};

pub(super) fn run(what: &ConfigArguments) -> Result<Exit, Failure> {
    let env = ProcessEnv::read();
    let places = Places::of(&env).map_err(Failure::usage)?;
    match what {
        ConfigArguments::Init => {
            // The person's own layer: the team's is not theirs to write.
            let path = places.config.last().ok_or(ConfigError::NoHome)?;
            print(&init(path)?)?;
            Ok(Exit::Done)
        }
        ConfigArguments::Check => {
            let checked = check(&places, &env);
            print(&checked.text)?;
            Ok(if checked.good { Exit::Done } else { Exit::Found })
        }
        ConfigArguments::Show => {
            print(&show(&load(&places, &env).map_err(Failure::usage)?))?;
            Ok(Exit::Done)
        }
    }
}
