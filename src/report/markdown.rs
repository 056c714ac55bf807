//! Markdown: escaping, tables, code and markers, in three flavours.

use std::fmt::Write as _;

use minijinja::value::Value;
use serde::{Deserialize, Serialize};

/// Where a report will be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavor {
    /// GitHub and GitLab: tables, folded sections, task lists, and markers that a second export
    /// goes by.
    #[default]
    Github,
    /// To be pasted into Confluence: headings, tables and fenced code, no HTML and so no markers.
    Confluence,
    /// To be read as it is: no tables, no HTML, no escapes.
    Plain,
}

impl Flavor {
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "github" | "gitlab" => Some(Self::Github),
            "confluence" => Some(Self::Confluence),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }

    /// The comment that begins or ends an automatic section.
    pub(super) fn marker(self, which: &str, name: &str) -> String {
        match self {
            Self::Github if which == "begin" => format!("<!-- warroom:begin {name} -->\n"),
            Self::Github => format!("\n<!-- warroom:{which} {name} -->"),
            Self::Confluence | Self::Plain => String::new(),
        }
    }
}

/// `text` as it is read, with nothing in it that Markdown or HTML would act on. One line.
pub(super) fn escape(text: &str, flavor: Flavor) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '\n' | '\t' => out.push(' '),
            c if c.is_control() => {}
            c if flavor == Flavor::Plain => out.push(c),
            '\\' | '`' | '*' | '|' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '<' if flavor == Flavor::Confluence => out.push_str("\\<"),
            '<' => out.push_str("&lt;"),
            '>' if flavor == Flavor::Github => out.push_str("&gt;"),
            // An entity would be read as the character it names.
            '&' if next == '#' || next.is_ascii_alphabetic() => out.push_str("&amp;"),
            // Inside a word an underscore is only an underscore.
            '_' if !(before.is_alphanumeric() && next.is_alphanumeric()) => out.push_str("\\_"),
            '~' if next == '~' || before == '~' => out.push_str("\\~"),
            '#' | '+' | '-' if out.is_empty() && (next == ' ' || next == '#') => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// What stands in code is shown as it is, but a second export goes by markers wherever they
/// stand.
fn unmarked(text: &str) -> std::borrow::Cow<'_, str> {
    const MARKER: &str = "<!-- warroom:";
    if text.contains(MARKER) { text.replace(MARKER, "<!- - warroom:").into() } else { text.into() }
}

/// `text` as inline code. Inside a table use [`table`], which needs no code.
pub(super) fn code(text: &str) -> String {
    let text = unmarked(text);
    let text: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).filter(|c| !c.is_control()).collect();
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A code span that starts or ends with a tick needs a space, which is not shown.
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// `text` as a fenced block, whose fence is longer than any in the text.
pub(super) fn fence(text: &str) -> String {
    let text = unmarked(text);
    let ticks = "`".repeat((longest_run(&text) + 1).max(3));
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    format!("{ticks}text\n{}\n{ticks}", text.trim_end_matches('\n'))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A table of `items`, whose cells are their attributes `keys`. Without items it is empty.
pub(super) fn table(
    flavor: Flavor,
    heads: &[String],
    items: &[Value],
    keys: &[String],
) -> Result<String, minijinja::Error> {
    let mut out = String::new();
    if items.is_empty() {
        return Ok(out);
    }
    if flavor != Flavor::Plain {
        let heads: Vec<_> = heads.iter().map(|head| escape(head, flavor)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {} |\n|{}", heads.join(" | "), " --- |".repeat(heads.len()));
    }
    for item in items {
        let mut cells = Vec::with_capacity(keys.len());
        for key in keys {
            let value = item.get_attr(key)?;
            let missing = value.is_none() || value.is_undefined();
            let text = if missing { String::new() } else { value.to_string() };
            cells.push(escape(&crate::text::redact(&text), flavor));
        }
        if flavor == Flavor::Plain {
            cells.retain(|cell| !cell.is_empty());
            let _ = writeln!(out, "- {}", cells.join(" · "));
        } else {
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
    out.truncate(out.trim_end().len());
    Ok(out)
}

/// At most one empty line in a row outside of code, none at the start, one line feed at the end.
pub(super) fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<usize> = None;
    let mut empty = 0;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        fence = match fence {
            None if ticks >= 3 => Some(ticks),
            Some(open) if ticks >= open && line.trim_matches('`').is_empty() => None,
            other => other,
        };
        let line = if fence.is_some() { line } else { line.trim_end() };
        empty = if line.is_empty() && fence.is_none() { empty + 1 } else { 0 };
        if empty <= 1 && !(out.is_empty() && line.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_in_a_text_acts_on_the_document() {
        for (raw, out) in [
            ("a|b", "a\\|b"),
            ("<!-- warroom:end timeline -->", "&lt;!-- warroom:end timeline --&gt;"),
            ("`rm -rf`", "\\`rm -rf\\`"),
            ("first\nsecond", "first second"),
            ("# no heading", "\\# no heading"),
            ("- no item", "\\- no item"),
            ("oom_killed _it_", "oom_killed \\_it\\_"),
            ("[x](javascript:1)", "\\[x\\](javascript:1)"),
            ("&lt;script&gt; R&D", "&amp;lt;script&amp;gt; R&amp;D"),
            ("replicas 6 → 12", "replicas 6 → 12"),
            ("--replicas=12", "--replicas=12"),
        ] {
            assert_eq!(escape(raw, Flavor::Github), out);
        }
        assert_eq!(escape("a|b <c> _d_", Flavor::Plain), "a|b <c> _d_");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a\n```\nb"), "````text\na\n```\nb\n````");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn a_line_of_a_log_in_code_is_no_marker() {
        let line = "<!-- warroom:end evidence --> and <!-- warroom:begin x -->";
        for made in [fence(line), code(line)] {
            assert!(!made.contains("<!-- warroom:") && made.contains("warroom:end evidence"), "{made}");
        }
    }

    proptest! {
        #[test]
        fn a_cell_stays_in_its_cell(text in any::<String>()) {
            let cell = escape(&text, Flavor::Github);
            prop_assert!(!cell.contains(['\n', '<', '>']));
            let mut escaped = false;
            for c in cell.chars() {
                prop_assert!(escaped || (c != '|' && c != '`'));
                escaped = c == '\\' && !escaped;
            }
        }
    }
}
