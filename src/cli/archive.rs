//! Where the archive is, as the configuration says.

use std::path::{Path, PathBuf};

use crate::config::{Config, Places, ProcessEnv, load};
use crate::record::{Archive, Sharing};

use super::Failure;

/// The configuration in force, with the process environment it was read in.
pub(super) fn configured() -> Result<(Config, ProcessEnv, Places), Failure> {
    let env = ProcessEnv::read();
    let places = Places::of(&env).map_err(Failure::usage)?;
    let config = load(&places, &env).map_err(Failure::usage)?;
    Ok((config, env, places))
}

/// The archive of that configuration.
pub(super) fn archive(config: &Config) -> Result<Archive, Failure> {
    let sharing = match &config.record.group {
        Some(name) => Sharing::with_group(name).map_err(Failure::usage)?,
        None => Sharing::Private,
    };
    let sharing = if config.record.group_writes { sharing.writing() } else { sharing };
    Ok(Archive::shared(&config.record.dir, sharing))
}

/// The directory of an incident, given by id or by path. A path needs no configuration.
pub(super) fn incident_dir(id: &str) -> Result<(Archive, PathBuf), Failure> {
    if id.contains('/') || id == "." {
        let path = Path::new(id);
        let root = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let archive = Archive::new(root);
        let dir = archive.find(id)?;
        return Ok((archive, dir));
    }
    let archive = archive(&configured()?.0)?;
    let dir = archive.find(id)?;
    Ok((archive, dir))
}
