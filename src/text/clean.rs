//! Removal of everything in a text that could act on a terminal instead of being read.
//!
//! The rules are those of ECMA-48 for the shapes of control sequences (CSI, OSC, DCS, APC, PM,
//! SOS and their terminators) and of CVE-2021-42574 for bidirectional controls.

use std::fmt::Write as _;

use super::Safe;

/// Longest kept text of a name, a title or an annotation, in bytes.
pub const TEXT_CAP: usize = 4 * 1024;
/// Longest kept log line, in bytes. The rest is counted in a marker at its end.
pub const LINE_CAP: usize = 16 * 1024;
/// Longest kept text of several lines, in bytes.
pub const BLOCK_CAP: usize = 16 * TEXT_CAP;
/// More combining marks and joiners than this on one character are decoration, not language.
const MARKS_CAP: u32 = 6;

/// One line of at most [`TEXT_CAP`] bytes; line breaks and tabs become spaces.
pub fn clean(raw: &str) -> Safe {
    clean_capped(raw, TEXT_CAP)
}

/// One line of at most `cap` bytes; line breaks and tabs become spaces.
pub fn clean_capped(raw: &str, cap: usize) -> Safe {
    let mut out = String::with_capacity(raw.len().min(cap));
    clean_into(&mut out, raw, cap);
    Safe::trusted(out)
}

/// Several lines of at most [`BLOCK_CAP`] bytes: line feeds stay, everything else as in [`clean`].
pub fn clean_block(raw: &str) -> Safe {
    let mut out = String::with_capacity(raw.len().min(TEXT_CAP));
    append(&mut out, raw, BLOCK_CAP, true);
    Safe::trusted(out)
}

/// A text as a title, which is its first line, and the rest of it, if there is one. A title that
/// has no room for its line leaves nothing out: the whole text is the rest then.
pub fn titled(raw: &str) -> (Safe, Option<Safe>) {
    let (first, rest) = raw.split_once('\n').unwrap_or((raw, ""));
    let rest = if first.len() > TEXT_CAP { raw } else { rest };
    (clean(first), Some(clean_block(rest.trim())).filter(|rest| !rest.is_empty()))
}

/// Appends one cleaned line to `out`: the form for callers that keep many lines in one buffer.
/// Printable ASCII, which is nearly every log line, is copied whole.
pub fn clean_into(out: &mut String, raw: &str, cap: usize) {
    if raw.len() <= cap && printable(raw.as_bytes()) == raw.len() {
        out.push_str(raw);
        return;
    }
    append(out, raw, cap, false);
}

/// How many bytes of printable ASCII stand at the beginning.
fn printable(bytes: &[u8]) -> usize {
    let odd = |byte: &u8| byte.wrapping_sub(b' ') > b'~' - b' ';
    // Blocks without an early way out: the compiler looks at 16 bytes or more at once.
    let blocks = bytes.chunks_exact(32).take_while(|block| !block.iter().fold(false, |any, byte| any | odd(byte)));
    let whole = 32 * blocks.count();
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().position(odd).unwrap_or(rest.len())
}

fn append(out: &mut String, raw: &str, cap: usize, keep_breaks: bool) {
    let start = out.len();
    let mut marks = 0;
    let mut at = 0;
    // What is printable is copied in runs; what is not is looked at character by character.
    while let Some(ahead) = raw.get(at..).filter(|ahead| !ahead.is_empty()) {
        let run = printable(ahead.as_bytes());
        if run > 0 {
            let fits = run.min(cap.saturating_sub(out.len() - start));
            out.push_str(ahead.get(..fits).unwrap_or_default());
            at += fits;
            if fits < run {
                let _ = write!(out, "… [{} more bytes]", raw.len() - at);
                return;
            }
            marks = 0;
            continue;
        }
        let mut rest = ahead.char_indices();
        let Some((_, c)) = rest.next() else { return };
        if out.len() - start + c.len_utf8() > cap {
            // Writing to a String cannot fail.
            let _ = write!(out, "… [{} more bytes]", raw.len() - at);
            return;
        }
        match c {
            '\n' if keep_breaks => out.push('\n'),
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
            // CR LF is one break; a lone CR is the classic way to overwrite a line.
            '\r' => {}
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            c if c.is_control() => {}
            c if is_bidi(c) => {
                let _ = write!(out, "<U+{:04X}>", c as u32);
            }
            // Tags, variation selectors supplement, and the byte order mark carry no glyph.
            '\u{e0000}'..='\u{e0fff}' | '\u{feff}' => {}
            c if is_mark(c) => {
                marks += 1;
                if marks <= MARKS_CAP {
                    out.push(c);
                }
                at += rest.offset();
                continue;
            }
            c => out.push(c),
        }
        at += rest.offset();
        marks = 0;
    }
}

type Chars<'a> = std::str::CharIndices<'a>;

/// After ESC: a control sequence, a string, or a two-character escape with intermediates.
fn skip_escape(rest: &mut Chars<'_>) {
    let ahead = rest.clone();
    match rest.next().map(|(_, c)| c) {
        Some('[') => skip_control_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some('\u{20}'..='\u{2f}') => {
            for (_, c) in rest.by_ref() {
                if !('\u{20}'..='\u{2f}').contains(&c) {
                    break;
                }
            }
        }
        Some('\u{30}'..='\u{7e}') | None => {}
        // Not the shape of an escape: only ESC itself goes.
        Some(_) => *rest = ahead,
    }
}

/// Parameters and intermediates up to the final byte; anything else ends it unconsumed.
fn skip_control_sequence(rest: &mut Chars<'_>) {
    loop {
        let ahead = rest.clone();
        match rest.next().map(|(_, c)| c) {
            Some('\u{20}'..='\u{3f}') => {}
            Some('\u{40}'..='\u{7e}') | None => return,
            Some(_) => {
                *rest = ahead;
                return;
            }
        }
    }
}

/// Up to BEL, ST (ESC \ or U+009C). A string that is never ended swallows no more than the
/// rest of its line, so that a truncated sequence does not hide what follows.
fn skip_string(rest: &mut Chars<'_>) {
    loop {
        let ahead = rest.clone();
        match rest.next().map(|(_, c)| c) {
            Some('\u{07}' | '\u{9c}') | None => return,
            Some('\u{1b}') => {
                let after = rest.clone();
                if rest.next().map(|(_, c)| c) != Some('\\') {
                    *rest = after;
                    skip_escape(rest);
                }
                return;
            }
            Some('\n') => {
                *rest = ahead;
                return;
            }
            Some(_) => {}
        }
    }
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
        || (c as u32 > 0x7f && unicode_width::UnicodeWidthChar::width(c) == Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_go_with_their_payload() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(clean("t\u{1b}]0;owned\u{7}itle"), "title");
        assert_eq!(clean("t\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\"), "tlink");
        assert_eq!(clean("\u{9b}2Jgone\u{90}q\u{9c}d"), "goned");
        assert_eq!(clean("\u{1b}Pq#0\u{1b}\\sixel"), "sixel");
        assert_eq!(clean("\u{1b}(Bascii"), "ascii");
    }

    #[test]
    fn an_unended_string_hides_only_its_own_line() {
        assert_eq!(clean_block("a\u{1b}]0;never ended\nnext"), "a\nnext");
    }

    #[test]
    fn a_carriage_return_cannot_overwrite_a_line() {
        assert_eq!(clean("real\r\nfake\rgood"), "real fakegood");
    }

    #[test]
    fn bidirectional_controls_are_shown() {
        assert_eq!(clean("user\u{202e}nimda"), "user<U+202E>nimda");
    }

    #[test]
    fn combining_marks_are_capped() {
        let zalgo: String = std::iter::once('a').chain(std::iter::repeat_n('\u{301}', 50)).chain(['b']).collect();
        assert_eq!(clean(&zalgo).chars().count(), 2 + MARKS_CAP as usize);
        // A joiner joins; it is no new character to put marks on.
        let joined = format!("a{}b", "\u{301}\u{301}\u{301}\u{200d}".repeat(50));
        assert_eq!(clean(&joined).chars().count(), 2 + MARKS_CAP as usize);
        assert_eq!(clean("❤\u{fe0f}\u{200d}🔥"), "❤\u{fe0f}\u{200d}🔥");
    }

    #[test]
    fn a_title_is_the_first_line_and_nothing_is_left_out() {
        let both = |title: &str, rest: Option<&str>| (Safe::from(title), rest.map(clean_block));
        assert_eq!(titled("pool is full"), both("pool is full", None));
        assert_eq!(titled("pool\n\n is full\nsince 3\n"), both("pool", Some("is full\nsince 3")));
        let long = "x".repeat(TEXT_CAP + 1);
        let (title, rest) = titled(&format!("{long}\nmore"));
        assert!(title.ends_with("[1 more bytes]"), "{title}");
        assert_eq!(rest, Some(clean_block(&format!("{long}\nmore"))));
    }

    #[test]
    fn a_long_line_says_how_much_is_missing() {
        let line = clean_capped(&"x".repeat(100), 10);
        assert_eq!(line, "xxxxxxxxxx… [90 more bytes]");
    }

    #[test]
    fn other_languages_pass() {
        for text in ["naïve café", "日本語のログ", "שלום", "👩‍💻 ok", "Ünïcödé"] {
            assert_eq!(clean(text), text);
        }
    }

    /// What [`append`] does, character by character and without haste.
    fn one_by_one(out: &mut String, raw: &str, cap: usize, keep_breaks: bool) {
        let start = out.len();
        let mut marks = 0;
        let mut rest = raw.char_indices();
        while let Some((at, c)) = rest.next() {
            if out.len() - start + c.len_utf8() > cap {
                out.push_str(&format!("… [{} more bytes]", raw.len() - at));
                return;
            }
            if is_mark(c)
                && c != '\u{feff}'
                && !c.is_control()
                && !is_bidi(c)
                && !('\u{e0000}'..='\u{e0fff}').contains(&c)
            {
                marks += 1;
                if marks <= MARKS_CAP {
                    out.push(c);
                }
                continue;
            }
            marks = 0;
            match c {
                '\n' if keep_breaks => out.push('\n'),
                '\n' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
                '\u{1b}' => skip_escape(&mut rest),
                '\u{9b}' => skip_control_sequence(&mut rest),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
                c if c.is_control() || c == '\u{feff}' || ('\u{e0000}'..='\u{e0fff}').contains(&c) => {}
                c if is_bidi(c) => out.push_str(&format!("<U+{:04X}>", c as u32)),
                c => out.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_that_acts_on_a_terminal_survives(raw in any::<String>(), tail in "[\\x1b\\x9b\\x90\\[\\]P0-9;m\\x07\\\\a-c]{0,40}") {
            let out = clean(&format!("{raw}{tail}"));
            prop_assert!(!out.chars().any(|c| c.is_control() || is_bidi(c)));
            prop_assert!(out.len() <= TEXT_CAP + 64);
        }

        #[test]
        fn cleaning_twice_changes_nothing(raw in any::<String>()) {
            let once = clean(&raw);
            prop_assert_eq!(clean(&once), once);
        }

        #[test]
        fn the_quick_way_equals_the_slow_one(
            raw in proptest::collection::vec(proptest::prop_oneof![
                "[ -~]{0,70}", "[\\t\\r\\n]", "\\x1b(\\[[0-9;]{0,4}[A-Za-z]|\\][^\\x07]{0,6}\\x07?|[ -~])", "\\PC{0,6}",
                "[\u{300}-\u{310}\u{200d}]{0,9}", "[\u{202a}-\u{202e}\u{90}\u{9b}\u{9c}\u{2028}\u{feff}]", any::<String>(),
            ], 0..8),
            cap in prop_oneof![0usize..200, Just(LINE_CAP)],
            keep_breaks in any::<bool>(),
        ) {
            let raw = raw.concat();
            let (mut slow, mut quick) = ("before ".to_owned(), "before ".to_owned());
            one_by_one(&mut slow, &raw, cap, keep_breaks);
            append(&mut quick, &raw, cap, keep_breaks);
            prop_assert_eq!(&slow, &quick);
            if !keep_breaks {
                quick.truncate(7);
                clean_into(&mut quick, &raw, cap);
                prop_assert_eq!(slow, quick);
            }
        }
    }
}
