//! `warroom export`.

use crate::record::read_incident;
use crate::report::{self, Options};

use super::archive::incident_dir;
use super::arguments::{ExportArguments, Flavor};
use super::{Exit, Failure, print};

/// `zone`: whose local times stand beside UTC.
pub(super) fn run(arguments: &ExportArguments, zone: Option<&str>) -> Result<Exit, Failure> {
    let tz = match zone {
        Some(name) => Some(name.parse().map_err(|_| {
            Failure::usage(anyhow::anyhow!("`{name}` is not a time zone; one reads like Europe/Berlin"))
        })?),
        None => None,
    };
    let flavor = match arguments.flavor {
        Flavor::Github => report::Flavor::Github,
        Flavor::Confluence => report::Flavor::Confluence,
        Flavor::Plain => report::Flavor::Plain,
    };
    let options = Options { flavor, tz, template: None };
    let (_, dir) = incident_dir(&arguments.id)?;
    let record = read_incident(&dir)?;
    match &arguments.output {
        Some(path) => report::write(&record, &options, path)?,
        None => print(&report::postmortem(&record, &options)?)?,
    }
    Ok(Exit::Done)
}
