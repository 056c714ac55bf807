//! From files to a configuration.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::layers::{self, Node};
use super::problem::{file_error, sentence};
use super::schema::{self, Around};
use super::{Config, ConfigError, Places, ProcessEnv, discover};

/// More than this is not a configuration.
const CAP: u64 = 1 << 20;

/// Loads the files of `places`, the later laid over the earlier: tables are merged key by key,
/// everything else is replaced. Policies of an earlier file are not loosened by a later one. Files
/// that do not exist are left out; if none names an environment, that is discovered, read-only.
pub fn load(places: &Places, env: &ProcessEnv) -> Result<Config, ConfigError> {
    let mut sources = Vec::new();
    for path in &places.config {
        if let Some(text) = read(path)? {
            sources.push((path.clone(), text));
        }
    }
    if sources.is_empty() { Ok(discover(places, env)) } else { from_texts(sources, places, env) }
}

/// The same from the texts of the files.
pub fn from_texts(sources: Vec<(PathBuf, String)>, places: &Places, env: &ProcessEnv) -> Result<Config, ConfigError> {
    let files = sources.iter().map(|(path, _)| path.clone()).collect();
    let mut problems = Vec::new();
    let mut root: Option<Node> = None;
    for (path, text) in sources {
        match layers::parse(path, text) {
            Ok(layer) => {
                root = Some(match root {
                    Some(under) => {
                        problems.extend(schema::loosened(&under, &layer));
                        layers::merge(under, layer)
                    }
                    None => layer,
                });
            }
            Err(more) => problems.extend(more),
        }
    }
    match root {
        // A layer that could not be parsed is missing from the tree: what the rest lacks is no
        // news then.
        Some(root) if problems.is_empty() => {
            let config = schema::read(&root, &Around { env, places }).map_err(ConfigError::Wrong)?;
            if config.environments.is_empty() {
                let Config { environments, default_env, notes, .. } = discover(places, env);
                return Ok(Config { files, environments, default_env, notes, ..config });
            }
            Ok(Config { files, ..config })
        }
        _ => Err(ConfigError::Wrong(problems)),
    }
}

fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_error("read", path, &error)),
    };
    let meta = file.metadata().map_err(|error| file_error("read", path, &error))?;
    if meta.permissions().mode() & 0o002 != 0 {
        return Err(ConfigError::File(sentence(&format!(
            "{} can be written by anybody, and it may name commands to run: chmod o-w it",
            path.display()
        ))));
    }
    let mut text = String::new();
    let read = file.take(CAP + 1).read_to_string(&mut text).map_err(|error| file_error("read", path, &error))?;
    if read as u64 > CAP {
        return Err(ConfigError::File(sentence(&format!(
            "{} is larger than 1 MiB: is it the right file?",
            path.display()
        ))));
    }
    Ok(Some(text))
}
