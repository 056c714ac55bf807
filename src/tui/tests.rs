//! The user's story on the screen: what is seen, what keys do, what a terminal receives.

mod beside;
mod large;
mod pictures;
mod pty;
mod rows;
mod story;
mod terminal;
