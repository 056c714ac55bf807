//! The program itself in a terminal: on an environment that nothing answers in, and on a drill.
//! However it ends, the terminal is as it was.

#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "what is waited for is the wall's time")]

mod disk;
mod editor;
mod kit;
mod life;
mod link;
mod paste;
mod runbook;
mod shell;
mod storm;
#[path = "../support/terminal.rs"]
mod terminal;
