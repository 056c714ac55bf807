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
        Some(name) => Sharing::Group { id: Some(group_id(name)?) },
        None => Sharing::Private,
    };
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

/// The number of a Unix group, from `/etc/group`. Groups of a directory service have to be given
/// by number.
fn group_id(name: &str) -> Result<u32, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group").map_err(|error| {
        anyhow::anyhow!("could not look up record.group `{name}` in /etc/group: {error}; give its number")
    })?;
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| {
        Failure::usage(anyhow::anyhow!(
            "there is no group `{name}` in /etc/group, as record.group wants it; make it, or give its number"
        ))
    })
}
