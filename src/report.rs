//! Reports: the postmortem, and its renewal around what people wrote.
//!
//! Owns: the document's facts, their words, Markdown in three flavours and the shipped template.
//! Must not: read a system, or change the record. Every text is escaped for Markdown where it
//! enters the document, and secrets are taken out once more.

mod briefing;
mod document;
mod markdown;
mod renew;
mod words;

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chrono_tz::Tz;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::record::IncidentRecord;
use crate::text::{Safe, redact};

pub use briefing::{Briefing, Moment, Standing, briefing};
pub use markdown::Flavor;
pub use renew::renew;

/// The shipped template.
pub const TEMPLATE: &str = include_str!("../assets/templates/postmortem.md.j2");

/// How a postmortem is written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For whom.
    pub flavor: Flavor,
    /// A zone whose local time stands beside UTC.
    pub tz: Option<Tz>,
    /// Another template than the shipped one: its text.
    pub template: Option<String>,
}

/// Why no report is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The template is wrong.
    #[error("the postmortem's template cannot be filled in: {0}; compare it with the shipped one")]
    Template(Safe),
    /// There is a file already, of a flavour in which nothing marks what people wrote.
    #[error(
        "could not write the postmortem to {0}: there is a file already, and in this flavour nothing tells what people \
         wrote in it; give another name, or move it away"
    )]
    Taken(Safe),
    /// The file could not be read or written.
    #[error("could not write the postmortem to {0}: {1}")]
    File(Safe, Safe),
}

/// Writes the postmortem of `record` to the file `path`, readable by its owner alone. If there is
/// one already, what people wrote in it stays; in a flavour without markers that cannot be told, and
/// the file is left as it is.
pub fn write(record: &IncidentRecord, options: &Options, path: &Path) -> Result<(), ReportError> {
    let fresh = postmortem(record, options)?;
    let failed = |error: std::io::Error| ReportError::File(path.display().to_string().into(), error.to_string().into());
    let text = match std::fs::read_to_string(path) {
        Ok(_) if options.flavor != Flavor::Github => return Err(ReportError::Taken(path.display().to_string().into())),
        Ok(existing) => renew(&existing, &fresh),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => fresh,
        Err(error) => return Err(failed(error)),
    };
    // Beside it first: a full disk must not cost what people wrote.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(beside, path).map_err(failed)
}

/// The postmortem of an incident, as Markdown. The same record and options give the same text.
pub fn postmortem(record: &IncidentRecord, options: &Options) -> Result<String, ReportError> {
    let failed = |error: minijinja::Error| {
        let place = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
        ReportError::Template(Safe::from(format!("{error:#}{place}")))
    };
    let flavor = options.flavor;
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    templates.set_syntax(syntax.map_err(failed)?);
    templates.set_auto_escape_callback(|_| AutoEscape::Custom("markdown".into()));
    // Whatever a template prints is escaped; only what this room made itself is not.
    templates.set_formatter(move |out, _state, value| {
        if value.is_none() || value.is_undefined() {
            return Ok(());
        }
        let text = value.to_string();
        let text = if value.is_safe() { text } else { markdown::escape(&redact(&text), flavor) };
        Ok(out.write_str(&text)?)
    });
    templates.add_function("table", move |heads: Vec<String>, items: Vec<Value>, keys: Vec<String>| {
        markdown::table(flavor, &heads, &items, &keys).map(Value::from_safe_string)
    });
    templates.add_function("begin", move |name: String| Value::from_safe_string(flavor.marker("begin", &name)));
    templates.add_function("end", move |name: String| Value::from_safe_string(flavor.marker("end", &name)));
    templates.add_filter("code", |text: String| Value::from_safe_string(markdown::code(&redact(&text))));
    templates.add_filter("fence", |text: String| Value::from_safe_string(markdown::fence(&redact(&text))));

    let facts = document::gather(record, options.tz, flavor);
    let source = options.template.as_deref().unwrap_or(TEMPLATE);
    let text = templates.render_named_str("postmortem.md.j2", source, Serde(facts)).map_err(failed)?;
    Ok(markdown::tidy(&text))
}
