//! The user's story on the screen: what is seen, what keys do, what a terminal receives.

mod asked;
mod beside;
mod by_hand;
pub(crate) mod fingers;
mod grave;
mod large;
mod person;
mod pictures;
pub(crate) mod plans;
mod pty;
mod reading;
mod rows;
mod story;
mod terminal;
