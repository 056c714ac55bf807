//! What the program was told: files, layers, validation with positions, and the service
//! catalogue.
//!
//! Owns: the schema of the configuration, every read of the process environment, and the
//! places of files. Must not: talk to a system.
//!
//! To add a key: one line in `schema`, one in `assets/config/example.toml`, one in `show`.

mod catalogue;
mod discover;
mod environment;
mod layers;
mod load;
mod places;
mod policy;
mod problem;
mod process;
mod schema;
#[cfg(feature = "operator")]
mod secret;
mod section;
mod settings;
mod show;
#[cfg(all(test, feature = "operator"))]
pub(crate) mod testing;

pub use catalogue::Catalogue;
#[cfg(feature = "operator")]
pub(crate) use catalogue::matches;
pub use discover::discover;
pub use environment::{
    Auth, AwsAccess, AwsCredentials, Environment, HttpAccess, KubeAccess, LogAccess, Secret, WritePolicy,
};
pub use load::{from_texts, load};
pub use places::Places;
pub use policy::{ACTIONS, Case, Freeze, Policy, PolicyTest, Rule, Verdict};
pub use problem::{ConfigError, Problem};
#[cfg(feature = "operator")]
pub(crate) use process::Inherited;
pub use process::{AwsEnv, ProcessEnv};
#[cfg(feature = "operator")]
pub(crate) use secret::command_output;
#[cfg(feature = "operator")]
pub use secret::{CommandError, SecretError};
pub use settings::{ColorChoice, Config, RecordSettings, ScreenSettings};
pub use show::{Checked, EXAMPLE, check, init, show};
