//! The user's story on the screen: what is seen, what keys do, what a terminal receives.

mod pictures;
mod story;
mod terminal;
