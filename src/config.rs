//! What the program was told: files, layers, validation with positions, and the service
//! catalogue.
//!
//! Owns: the schema of the configuration, every read of the process environment, and the
//! places of files. Must not: talk to a system.

mod catalogue;
mod environment;
#[cfg(feature = "operator")]
mod secret;

pub use catalogue::Catalogue;
pub use environment::{
    Auth, AwsAccess, AwsCredentials, Environment, HttpAccess, KubeAccess, LogAccess, Secret, WritePolicy,
};
#[cfg(feature = "operator")]
pub(crate) use secret::command_output;
#[cfg(feature = "operator")]
pub use secret::{CommandError, SecretError};
