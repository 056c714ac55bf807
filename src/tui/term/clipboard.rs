//! OSC 52: text into the clipboard of the terminal, also over SSH and through tmux.
//!
//! There is no acknowledgement: a caller says "sent", never "copied".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::text;

/// More than this is cut: xterm and tmux drop longer sequences whole.
pub const CAP: usize = 64 * 1024;

/// What was handed to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes of the text.
    pub bytes: usize,
    /// Whether the rest was left out.
    pub cut: bool,
}

/// Appends the sequence that puts `text` into the clipboard, redacted. The text travels as
/// base64, so nothing in it can end the sequence.
pub(super) fn osc52(out: &mut Vec<u8>, text: &str, tmux: bool) -> Sent {
    let text = text::redact(text);
    let mut end = text.len().min(CAP);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    let sequence = format!("\x1b]52;c;{}\x07", STANDARD.encode(kept));
    if tmux {
        // Inside tmux's pass-through every escape is doubled.
        out.extend_from_slice(b"\x1bPtmux;");
        out.extend_from_slice(sequence.replace('\x1b', "\x1b\x1b").as_bytes());
        out.extend_from_slice(b"\x1b\\");
    } else {
        out.extend_from_slice(sequence.as_bytes());
    }
    Sent { bytes: end, cut: end < text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_travels_as_base64_whatever_it_holds() {
        let mut out = Vec::new();
        let sent = osc52(&mut out, "a\x07b\x1b\\c", false);
        assert_eq!(sent, Sent { bytes: 6, cut: false });
        assert_eq!(out, b"\x1b]52;c;YQdiG1xj\x07");
        assert_eq!(out.iter().filter(|byte| **byte == 0x1b).count(), 1);
    }

    #[test]
    fn tmux_gets_its_wrapping_and_long_text_is_cut_between_characters() {
        let mut out = Vec::new();
        let sent = osc52(&mut out, &"ä".repeat(CAP), true);
        assert_eq!(sent, Sent { bytes: CAP, cut: true });
        assert!(out.starts_with(b"\x1bPtmux;\x1b\x1b]52;c;") && out.ends_with(b"\x07\x1b\\"));
    }
}
