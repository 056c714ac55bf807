//! The postmortem: what the record knows, as a Markdown document that people complete.
//!
//! Owns: the document's sections, their wording, escaping for Markdown, and keeping what people
//! wrote when the document is written again. Must not: read a system, or know more than the
//! record.

mod actions;
mod context;
mod durations;
mod markdown;
mod renew;
mod sections;
mod sparkline;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chrono_tz::Tz;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;

use crate::model::entry::Entry;
use crate::model::track::TrackSample;
use crate::record::IncidentRecord;
use crate::text::{Safe, redact};

pub use renew::{RenewError, renew};

/// The template as it is shipped: also the file that a user copies to start their own.
pub const TEMPLATE: &str = include_str!("../assets/templates/postmortem.md.j2");

/// What the report is written from: one incident's record.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// All writers' entries, in any order.
    pub entries: &'a [Entry],
    /// Samples of the tracks.
    pub tracks: &'a [TrackSample],
    /// What is wrong with the record itself, in words.
    pub problems: &'a [Safe],
}

/// How the report is written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it is pasted into.
    pub flavor: Flavor,
    /// A zone whose local time stands beside UTC.
    pub zone: Option<Tz>,
    /// A template instead of the shipped one.
    pub template: Option<String>,
}

/// What a document is pasted into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavor {
    /// GitHub and GitLab: tables, `<details>`, task lists.
    #[default]
    Github,
    /// Confluence: tables and fenced code, no HTML.
    Confluence,
    /// Text that reads well without any of it.
    Plain,
}

/// Why no report was written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The record holds no incident.
    #[error("the record holds no entries: there is nothing to report")]
    Empty,
    /// The template does not work.
    #[error("could not fill in the template: {0}; the shipped one is in assets/templates")]
    Template(String),
    /// The file could not be written.
    #[error("could not write the postmortem to {0}: {1}")]
    File(String, #[source] std::io::Error),
    /// The file that is there cannot be renewed.
    #[error("could not renew {0}: {1}")]
    Renew(String, #[source] RenewError),
}

impl<'a> From<&'a IncidentRecord> for Material<'a> {
    fn from(record: &'a IncidentRecord) -> Self {
        Self { entries: &record.entries, tracks: &record.tracks, problems: &record.problems }
    }
}

/// Writes the postmortem of `record` to the file `path`, readable by its owner alone. If the file
/// is a postmortem already, what people wrote in it stays.
pub fn write(record: &IncidentRecord, options: &Options, path: &Path) -> Result<(), ReportError> {
    let fresh = postmortem(record.into(), options)?;
    let failed = |error: std::io::Error| ReportError::File(path.display().to_string(), error);
    let text = match std::fs::read_to_string(path) {
        Ok(existing) => renew(&existing, &fresh).map_err(|error| ReportError::Renew(path.display().to_string(), error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
        Err(error) => return Err(failed(error)),
    };
    // Beside it first: a full disk must not cost what people wrote.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(beside, path).map_err(failed)
}

/// Writes the postmortem. Everything in it comes from the record; what only people know is left
/// as a question to them.
pub fn postmortem(material: Material<'_>, options: &Options) -> Result<String, ReportError> {
    if material.entries.is_empty() {
        return Err(ReportError::Empty);
    }
    let context = context::context(material, options);
    let failed = |error: minijinja::Error| ReportError::Template(format!("{error:#}"));
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build().map_err(failed)?;
    let mut environment = minijinja::Environment::new();
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    let template = options.template.as_deref().unwrap_or(TEMPLATE);
    let text = environment.template_from_str(template).map_err(failed)?.render(Serde(context)).map_err(failed)?;
    // Everything was redacted on its way into the journal; a record that was made by an older
    // program, or edited, may not have been.
    Ok(redact(&text).into_owned())
}
