//! The screens: panes, dialogs, keymaps, themes, the terminal itself.
//!
//! Owns: everything that is drawn and every key that is read. Must not: talk to a system, write
//! a journal file, or change the core other than by returning commands. The stakeholders' screen
//! stands in both builds; the screen front of a session, with all that leads to a command, only
//! in the operator's.

#[cfg(feature = "operator")]
mod chrome;
#[cfg(feature = "operator")]
mod editor;
#[cfg(feature = "operator")]
mod filter;
#[cfg(feature = "operator")]
mod keymap;
#[cfg(feature = "operator")]
mod list;
#[cfg(feature = "operator")]
mod overlay;
#[cfg(feature = "operator")]
mod pacing;
#[cfg(feature = "operator")]
mod panes;
mod position;
#[cfg(feature = "operator")]
mod saving;
#[cfg(feature = "operator")]
mod scene;
#[cfg(feature = "operator")]
mod screen;
#[cfg(feature = "operator")]
pub mod snapshot;
#[cfg(feature = "operator")]
mod state;
#[cfg_attr(not(feature = "operator"), allow(dead_code, reason = "the stakeholders' screen uses a part of it"))]
pub mod term;
#[cfg_attr(not(feature = "operator"), allow(dead_code, reason = "the stakeholders' screen uses a part of it"))]
mod theme;
pub mod watch;
#[cfg_attr(not(feature = "operator"), allow(dead_code, reason = "the stakeholders' screen uses a part of it"))]
mod words;

#[cfg(test)]
#[cfg(feature = "operator")]
mod fixture;
#[cfg(test)]
#[cfg(feature = "operator")]
pub(crate) mod tests;

#[cfg(feature = "operator")]
pub use keymap::{Keymap, KeymapError};
pub use position::Problem;
#[cfg(feature = "operator")]
pub use screen::{Options, Screen};
pub use theme::{Theme, ThemeError, Themes};
pub use words::Zone;

/// Why a screen cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The theme is wrong.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// The terminal is.
    #[error(transparent)]
    Terminal(#[from] term::TermError),
}
