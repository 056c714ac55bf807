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

/// The directory of an incident, given by id or by path, and the archive that writes to it: what
/// is added to a record that was named by its path is shared as that directory is. A path needs no
/// configuration.
pub(super) fn incident_dir(id: &str) -> Result<(Archive, PathBuf), Failure> {
    if id.contains('/') || id == "." {
        let root = Path::new(id).parent().map_or_else(PathBuf::new, Path::to_path_buf);
        return Ok(beside(Archive::new(root).find(id)?));
    }
    let archive = archive(&configured()?.0)?;
    let dir = archive.find(id)?;
    // A plain name may be that of a directory here, of which the archive knows nothing.
    if dir == archive.root.join(id) { Ok((archive, dir)) } else { Ok(beside(dir)) }
}

fn beside(dir: PathBuf) -> (Archive, PathBuf) {
    let root = dir.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    (Archive::shared(root, Sharing::like(&dir)), dir)
}
