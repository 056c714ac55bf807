//! The screen front: panes, dialogs, keymaps, themes, the terminal itself.
//!
//! Owns: everything that is drawn and every key that is read. Must not: talk to a system, write
//! a journal file, or change the core other than by returning commands.

mod chrome;
mod editor;
mod filter;
mod keymap;
mod list;
mod overlay;
mod panes;
mod position;
mod scene;
mod screen;
pub mod snapshot;
mod state;
pub mod term;
mod theme;
mod words;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use keymap::{Keymap, KeymapError};
pub use position::Problem;
pub use screen::{Options, Screen, ScreenError};
pub use theme::{Theme, ThemeError, Themes};
pub use words::Zone;
