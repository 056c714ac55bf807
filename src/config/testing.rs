//! An environment for tests.

use std::time::Duration;

use super::{Environment, WritePolicy};

/// A production environment in which no system is reached; `write` is what it allows.
pub(crate) fn environment(write: WritePolicy) -> Environment {
    Environment {
        name: "prod-eu".into(),
        production: true,
        color: None,
        write,
        write_window: Duration::from_secs(900),
        drill: false,
        kubernetes: None,
        aws: None,
        alertmanager: Vec::new(),
        prometheus: Vec::new(),
    }
}
