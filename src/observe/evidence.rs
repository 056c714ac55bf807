//! Excerpts of logs that show a finding.
//!
//! Owns: which lines, how many and how they are written. Must not: hold a secret, or more than
//! the record wants to keep.

use crate::model::finding::Excerpt;
use crate::text::{Safe, clean_block, redact};

use super::logs::{Errors, Line};
use super::words;

/// So many lines are shown.
const SHOWN: usize = 8;
/// So many are kept, if there are more than are shown.
const KEPT: usize = 200;
/// A line's own time is looked for within so many characters.
const HEAD: usize = 40;
/// Longest line, in characters.
const LONGEST: usize = 300;

/// Errors of one minute, of which there were `lines`.
pub(super) fn excerpt(errors: &Errors<'_>, lines: u32) -> Excerpt {
    let shown = block(&errors.telling(SHOWN));
    let all = (errors.lines.len() > SHOWN).then(|| {
        let mut lines = errors.lines.clone();
        lines.sort_by_key(|line| (line.at, line.id));
        lines.truncate(KEPT);
        block(&lines)
    });
    Excerpt { shown, all, lines }
}

/// One line each: when, of which stream, what.
fn block(lines: &[Line<'_>]) -> Safe {
    let mut text = String::new();
    for line in lines {
        // Cut before it is redacted, a secret at the cut might not be known for one.
        let told = redact(line.text);
        let told = words::excerpt(&told, LONGEST);
        // Most lines say themselves when they were written.
        let head: String = told.chars().take(HEAD).collect();
        if !head.contains(&line.at.format("%H:%M:%S").to_string()) {
            text.push_str(&line.at.format("%H:%M:%S%.3fZ ").to_string());
        }
        text.push_str(&format!("{} {told}\n", line.stream.name));
    }
    clean_block(text.trim_end())
}
