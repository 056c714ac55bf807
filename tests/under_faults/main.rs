//! Every source and the acting path, through a proxy that does to them what networks do, with the
//! drill's servers behind it.
#![cfg(feature = "operator")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

#[path = "../support/hurry.rs"]
mod hurry;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/proxy.rs"]
mod proxy;

mod acting;
mod kinds;
mod outage;
mod patience;
mod session;
mod silencing;
mod site;
mod tail;
