//! Text from the record as Markdown that means what the text says.

/// `text` inside a paragraph or a table cell: no character of it acts as markup.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

/// `text` as code inside a paragraph or a table cell.
pub(super) fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    // A pipe ends a cell even inside code.
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// `text` as a block of code; the fence is longer than any run of backticks in it.
pub(super) fn block(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// `text` as a YAML scalar: JSON strings are YAML.
pub(super) fn yaml(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_log_line_stays_text() {
        assert_eq!(inline("a|b <script> *x* [l](u) `c`\nd"), "a\\|b &lt;script&gt; \\*x\\* \\[l\\](u) \\`c\\` d");
    }

    #[test]
    fn code_survives_its_own_backticks_and_pipes() {
        assert_eq!(code("kubectl scale"), "`kubectl scale`");
        assert_eq!(code("a `b` | c"), "``a `b` \\| c``");
        assert_eq!(code("`x`"), "`` `x` ``");
        assert!(block("```\nout\n```").starts_with("````text\n"));
    }

    #[test]
    fn yaml_strings_cannot_end_early() {
        assert_eq!(yaml("a\": b\n"), "\"a\\\": b\\n\"");
    }
}
