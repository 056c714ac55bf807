//! Contracts with servers that others wrote. A case is written once and registered twice: against
//! the drill's servers (`drill::NAME`, with every `cargo test`) and against a real system
//! (`real::SYSTEM::NAME`), where the drill has such a server.
//!
//! A real one carries `#[ignore = "needs FOLDER: tests/run starts it"]`: `tests/run` starts what
//! `tests/servers/FOLDER` describes, runs the tests that name it, and ends it. Asked to run without
//! their servers, they fail.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod argo;
mod aws;
mod desk;
mod kit;
mod kubernetes;
mod kubernetes_denied;
mod metrics;
#[path = "../support/port.rs"]
mod port;
mod stage;
