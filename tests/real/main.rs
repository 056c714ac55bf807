//! Contracts with servers that others wrote: a real Kubernetes control plane, Prometheus,
//! Alertmanager, and two servers that speak AWS.
//!
//! `tests/real/run` starts them, runs this and stops them. Without it these tests are ignored;
//! asked to run without their servers, they fail.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod aws;
mod kit;
mod kubernetes;
mod kubernetes_denied;
mod metrics;
