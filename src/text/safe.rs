//! The one type of text that may reach a terminal, a journal or a report.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::clean;

/// Text without control characters, escape sequences or bidirectional controls, of bounded
/// length. Only the functions of [`crate::text`] build one, and reading one back from a file
/// cleans it again, so a journal that was edited by hand cannot smuggle an escape sequence in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Safe(Box<str>);

impl Safe {
    /// The caller vouches that `text` went through the cleaner of this room.
    pub(super) fn trusted(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// Text of the program's own source code.
    pub fn fixed(text: &'static str) -> Self {
        debug_assert!(!text.chars().any(char::is_control), "a literal holds a control character");
        Self(text.into())
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Safe {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Safe {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Safe {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl PartialEq<str> for Safe {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Safe {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

/// Cleans on the way in: there is no conversion that does not.
impl From<&str> for Safe {
    fn from(text: &str) -> Self {
        clean::clean(text)
    }
}

/// Cleans on the way in: there is no conversion that does not.
impl From<String> for Safe {
    fn from(text: String) -> Self {
        clean::clean(&text)
    }
}

impl Serialize for Safe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Safe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| clean::clean_block(&text))
    }
}
