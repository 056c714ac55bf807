//! Untrusted text becomes [`Safe`] text here, once, at the edge of the program.
//!
//! Owns: cutting bytes into lines, removal of terminal control sequences, marking of bidirectional
//! controls, caps on length and on combining marks, and the redaction of secrets. Must not: know what a text
//! is for. Everything that is drawn, journalled or exported is `Safe`, so no later step has to
//! remember to escape it for the terminal.

mod clean;
mod lines;
mod redact;
mod safe;

pub use clean::{BLOCK_CAP, LINE_CAP, TEXT_CAP, clean, clean_block, clean_capped, clean_into, titled};
pub use lines::Lines;
pub use redact::{redact, redact_safe};
pub use safe::Safe;
