//! What can be wrong with a configuration, with its position. No value is ever quoted that could
//! be a secret: only names of keys, and words of which few are right.

use std::path::{Path, PathBuf};

use crate::text::{Safe, clean_capped};

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read or written.
    #[error("{0}")]
    File(Safe),
    /// A file says something that is wrong: everything that is, in the order of the files.
    #[error("{}", list(.0))]
    Wrong(Vec<Problem>),
    /// The named environment is not there, or none was named.
    #[error("{0}")]
    Choice(Safe),
    /// There is no place for files.
    #[error("neither HOME nor XDG_CONFIG_HOME and XDG_STATE_HOME are set, so there is no place for files: set HOME")]
    NoHome,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub what: Safe,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.what)
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// Line and column of a byte offset.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(start..).unwrap_or_default().chars().count() + 1)
}

/// A sentence in which names of the user's stand.
pub(super) fn sentence(text: &str) -> Safe {
    clean_capped(text, 600)
}

/// The candidate that was probably meant by `word`, if one is close.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A file that could not be handled.
pub(super) fn file_error(what: &str, path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::File(sentence(&format!("could not {what} {}: {error}", path.display())))
}
