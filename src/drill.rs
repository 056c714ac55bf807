//! The drill: a simulated world that serves the real protocols on loopback.
//!
//! Owns: scenarios, the world's physics, the simulated cluster, and the protocol servers. Must
//! not: import `connect` (a shared bug would hide), or any room but `model`, `text` and `clock`;
//! listen on or talk to anything but loopback.

pub mod kube;
mod promql;
mod rng;
mod scenario;
mod world;

pub use scenario::{SHIPPED, Scenario, ScenarioError, Shipped, Step, Times, Truth};
pub use world::{Answer, UnknownPerson, World};
