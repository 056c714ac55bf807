//! What is looked for in lines: a literal or a regular expression that never reaches over the
//! end of a line, so that whole chunks are searched in one go.

use std::sync::Arc;

use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};
use regex_syntax::hir::{Literal, Repetition};

/// Compiled, a pattern takes no more than this, in bytes.
const SIZE: usize = 1 << 20;

/// A pattern for lines. Cloning shares it.
#[derive(Clone, Debug)]
pub struct LogPattern(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    sensitive: bool,
    regex: Regex,
    /// The same without a regular expression, where the pattern is nothing but its text.
    literal: Option<Finder<'static>>,
}

impl PartialEq for LogPattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.text, self.0.sensitive) == (&other.0.text, other.0.sensitive)
    }
}

impl LogPattern {
    /// Reads a regular expression, in the syntax of the `regex` crate. `None`: it is none, or
    /// one that is too large.
    pub fn new(text: &str, sensitive: bool) -> Option<Self> {
        let mut parser = regex_syntax::ParserBuilder::new().case_insensitive(!sensitive).build();
        let hir = within_a_line(&parser.parse(text).ok()?);
        let literal = match hir.kind() {
            HirKind::Literal(Literal(bytes)) => Some(Finder::new(bytes).into_owned()),
            _ => None,
        };
        let regex = RegexBuilder::new(&hir.to_string()).size_limit(SIZE).build().ok()?;
        Some(Self(Arc::new(Inner { text: text.to_owned(), sensitive, regex, literal })))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The pattern as a regular expression, for the places within a line.
    pub fn regex(&self) -> &Regex {
        &self.0.regex
    }

    /// Whether it is found in a line.
    pub fn is_match(&self, line: &str) -> bool {
        match &self.0.literal {
            Some(literal) => literal.find(line.as_bytes()).is_some(),
            None => self.0.regex.is_match(line),
        }
    }

    /// The pattern for one thread of a scan: what a search needs in memory is not shared.
    pub(super) fn apart(&self) -> Search {
        match &self.0.literal {
            Some(literal) => Search::Literal(Box::new(literal.clone())),
            None => Search::Regex(self.0.regex.clone()),
        }
    }
}

/// A pattern that is searched for by one thread.
pub(super) enum Search {
    Literal(Box<Finder<'static>>),
    Regex(Regex),
}

impl Search {
    /// A byte of the first line in which it is found, from the beginning of a line on: of the line
    /// itself or of the line feed behind it.
    pub(super) fn find(&self, lines: &str, from: usize) -> Option<usize> {
        match self {
            Self::Literal(literal) => Some(from + literal.find(lines.as_bytes().get(from..)?)?),
            // Where the earliest match ends is enough, and is found without looking for its
            // beginning. It ends in its own line.
            Self::Regex(regex) if from <= lines.len() => regex.shortest_match_at(lines, from),
            Self::Regex(_) => None,
        }
    }
}

/// The same pattern for a text of many lines as for each line alone: no part of it matches a line
/// feed, and what means the ends of the text means those of a line.
fn within_a_line(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(Literal(bytes)) if bytes.contains(&b'\n') => Hir::fail(),
        HirKind::Literal(Literal(bytes)) => Hir::literal(bytes.clone()),
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            class.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')]));
            Hir::class(Class::Unicode(class))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let mut class = class.clone();
            class.difference(&ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')]));
            Hir::class(Class::Bytes(class))
        }
        HirKind::Look(Look::Start | Look::StartCRLF) => Hir::look(Look::StartLF),
        HirKind::Look(Look::End | Look::EndCRLF) => Hir::look(Look::EndLF),
        HirKind::Look(look) => Hir::look(*look),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub: Box::new(within_a_line(sub)) })
        }
        HirKind::Capture(capture) => within_a_line(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(within_a_line).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(within_a_line).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines in which it is found, searched for in all of them at once.
    fn lines_with(pattern: &LogPattern, lines: &[String]) -> Vec<usize> {
        let text = lines.join("\n");
        let search = pattern.apart();
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(byte) = search.find(&text, from) {
            let line = text.as_bytes()[..byte].iter().filter(|byte| **byte == b'\n').count();
            found.push(line);
            from = lines[..=line].iter().map(|line| line.len() + 1).sum();
        }
        found
    }

    const PATTERNS: [&str; 30] = [
        "a",
        "ab|b",
        "^a",
        "a$",
        "^$",
        "",
        "a*",
        r"\s",
        r"a\s+b",
        r"[^a]",
        r"[^a]b",
        r"\Aa",
        r"b\z",
        "(?s)a.b",
        "(?s).*",
        r"\bab\b",
        r"\B",
        r"a\nb",
        r"\W",
        r"(?m)^b$",
        r"(a|\n)b",
        "(?R)a$",
        r"\D\D",
        "é",
        r"[\x00-\x20]",
        "(?i)AB",
        "a{2}",
        r"(?-u:\b)a",
        "x?$",
        r"\x0A",
    ];

    proptest! {
        #[test]
        fn searching_all_lines_at_once_is_searching_each(
            lines in proptest::collection::vec("[ab é]{0,5}", 1..8),
            pattern in prop_oneof![
                proptest::sample::select(&PATTERNS[..]).prop_map(str::to_owned),
                "(\\^|\\\\A|\\\\b)?([ab.]|\\[\\^[ab]\\]|\\\\s|\\\\w|\\\\W|\\\\n|[^a]b?){1,3}[*+?]?(\\$|\\\\z|\\\\b)?",
            ],
            sensitive in any::<bool>(),
        ) {
            let Some(quick) = LogPattern::new(&pattern, sensitive) else { return Ok(()) };
            let simple = RegexBuilder::new(&pattern).case_insensitive(!sensitive).build().unwrap();
            let expected: Vec<_> = (0..lines.len()).filter(|at| simple.is_match(&lines[*at])).collect();
            prop_assert_eq!(lines_with(&quick, &lines), expected.clone(), "{:?}", quick);
            let one_by_one: Vec<_> = (0..lines.len()).filter(|at| quick.is_match(&lines[*at])).collect();
            prop_assert_eq!(one_by_one, expected);
        }
    }

    #[test]
    fn what_is_no_regular_expression_is_no_pattern() {
        assert!(LogPattern::new("(unclosed", true).is_none());
        assert!(LogPattern::new(r"\w{1000}{1000}", true).is_none());
        assert!(LogPattern::new("plain", true).unwrap().0.literal.is_some());
        assert!(LogPattern::new("plain", false).unwrap().0.literal.is_none());
        assert!(LogPattern::new("429", false).unwrap().0.literal.is_some());
    }
}
