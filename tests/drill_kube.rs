//! The simulated cluster, as its world and its API's clients meet it.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

#[path = "drill_kube/api.rs"]
mod api;
#[path = "drill_kube/controllers.rs"]
mod controllers;
#[path = "drill_kube/gitops.rs"]
mod gitops;
#[path = "drill_kube/rollouts.rs"]
mod rollouts;
#[path = "drill_kube/sets.rs"]
mod sets;
#[path = "drill_kube/shop.rs"]
mod shop;
#[path = "drill_kube/traffic.rs"]
mod traffic;
