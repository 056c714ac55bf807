//! The program's own log: a file, never the terminal.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{Builder, Rotation};
use tracing_subscriber::EnvFilter;

use crate::config::ProcessEnv;

use super::Failure;

/// So many days are kept.
const DAYS: usize = 7;

/// Starts logging to `dir`. A place that cannot be written is no reason not to start: then there
/// is no log.
pub(super) fn start(dir: &Path, env: &ProcessEnv) -> Result<Option<WorkerGuard>, Failure> {
    if std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).is_err() {
        return Ok(None);
    }
    let Ok(file) = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("warroom")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(dir)
    else {
        return Ok(None);
    };
    let (writer, guard) = tracing_appender::non_blocking(file);
    let filter = env.log_filter.as_deref().unwrap_or("warn,warroom=info");
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(anyhow::anyhow!("WARROOM_LOG is not a filter: {error}")))?;
    // A subscriber that is there already, in a test, stays.
    let _ = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).with_env_filter(filter).try_init();
    Ok(Some(guard))
}
