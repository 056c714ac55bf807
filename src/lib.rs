//! `warroom`: the terminal that an on-call engineer opens when the pager goes off.
//!
//! `ARCHITECTURE.md` tells which room owns what and which way data flows. A room may use what
//! stands below it in this list, never above.

pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "operator")]
pub mod connect;
#[cfg(feature = "operator")]
pub mod drill;
pub mod model;
#[cfg(feature = "operator")]
pub mod observe;
pub mod record;
pub mod report;
#[cfg(feature = "operator")]
pub mod respond;
#[cfg(feature = "operator")]
pub mod session;
pub mod text;
pub mod tui;

#[cfg(all(test, feature = "operator"))]
#[path = "../tests/support/terminal.rs"]
mod terminal_under_test;

#[cfg(all(test, feature = "operator"))]
#[path = "../tests/support/port.rs"]
mod port_under_test;
