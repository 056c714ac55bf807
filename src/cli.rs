//! The command line: arguments, subcommands, exit codes. Must not hold logic.

mod archive;
mod arguments;
mod config;
#[cfg(feature = "operator")]
mod drill;
mod export;
mod incident;
#[cfg(feature = "operator")]
mod live;
#[cfg(feature = "operator")]
mod logfile;
mod look;
#[cfg(feature = "operator")]
mod screen;
#[cfg(feature = "operator")]
mod snapshot;
#[cfg(feature = "operator")]
mod start;
#[cfg(all(test, feature = "operator"))]
mod tests;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Arguments, Subcommand};

/// What a run ended with. The numbers are the program's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// A check found a problem.
    Found = 3,
}

/// An error with the exit code that it stands for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: Exit::Failed, error: error.into() }
    }
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into() }
    }
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(arguments) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            // One sentence, wherever in the chain its parts come from. If standard error is
            // closed, nobody is there to be told.
            let _ = writeln!(std::io::stderr(), "warroom: {:#}", failure.error);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Writes to standard output.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one sentence to standard error.
fn tell(text: &crate::text::Safe) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "warroom: {text}")
}

fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        #[cfg(feature = "operator")]
        None => live::run(arguments.session),
        #[cfg(not(feature = "operator"))]
        None => {
            Arguments::command().print_help()?;
            Ok(Exit::Usage)
        }
        #[cfg(feature = "operator")]
        Some(Subcommand::Drill(drill)) => drill::run(drill, arguments.session),
        #[cfg(feature = "operator")]
        Some(Subcommand::Snapshot(shot)) => snapshot::run(&shot, &arguments.session),
        Some(Subcommand::Watch { incident }) => watch::run(incident.as_deref(), &arguments.session),
        Some(Subcommand::Incident(incident)) => incident::run(incident, arguments.session.env.as_deref()),
        Some(Subcommand::Export(export)) => export::run(&export, arguments.session.tz.as_deref()),
        Some(Subcommand::Config(config)) => config::run(&config),
        Some(Subcommand::Completions { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "warroom", &mut std::io::stdout());
            Ok(Exit::Done)
        }
        Some(Subcommand::Man) => {
            clap_mangen::Man::new(Arguments::command()).render(&mut std::io::stdout())?;
            Ok(Exit::Done)
        }
    }
}
