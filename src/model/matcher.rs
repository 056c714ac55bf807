//! Matchers in Alertmanager's own notation: `{alertname="PaymentsCPUHigh", service=~"pay.*"}`.

use std::fmt;

use crate::text::Safe;

use super::plan::Matcher;

/// More of them in one silence are a mistake.
const MOST: usize = 32;

impl Matcher {
    /// `name="value"`.
    pub fn equal(name: impl Into<Safe>, value: impl Into<Safe>) -> Self {
        Self { name: name.into(), value: value.into(), is_regex: false, is_equal: true }
    }

    /// Reads the matchers in braces at the beginning of `text`, and gives what stands behind them.
    pub fn group(text: &str) -> Result<(Vec<Self>, &str), String> {
        let mut rest = text
            .trim_start()
            .strip_prefix('{')
            .ok_or_else(|| "matchers stand in braces: {alertname=\"NAME\", service=~\"a|b\"}".to_owned())?;
        let mut matchers = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(behind) = rest.strip_prefix('}') {
                return Ok((matchers, behind));
            }
            if rest.is_empty() {
                return Err("the matchers have no closing brace".into());
            }
            let (one, behind) = Self::read(rest)?;
            if matchers.len() == MOST {
                return Err(format!("there are more than {MOST} matchers"));
            }
            matchers.push(one);
            rest = behind.trim_start();
            match rest.strip_prefix(',') {
                Some(behind) => rest = behind,
                None if rest.is_empty() || rest.starts_with('}') => {}
                None => return Err(format!("a comma is missing before `{}`", head(rest))),
            }
        }
    }

    fn read(text: &str) -> Result<(Self, &str), String> {
        let (name, rest) = match text.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
                (text[..end].to_owned(), &text[end..])
            }
        };
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`{}` does not begin with a label's name", head(text)));
        }
        let rest = rest.trim_start();
        let operators = [("=~", true, true), ("!~", true, false), ("!=", false, false), ("=", false, true)];
        let (is_regex, is_equal, rest) = operators
            .into_iter()
            .find_map(|(sign, is_regex, is_equal)| Some((is_regex, is_equal, rest.strip_prefix(sign)?)))
            .ok_or_else(|| format!("after `{name}` one of =, !=, =~ and !~ is missing"))?;
        let rest = rest.trim_start();
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | '{' | '"'));
                let end = end.unwrap_or(rest.len());
                if end == 0 {
                    return Err(format!("the value of `{name}` is missing: {name}=\"…\""));
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        let kept = (Safe::from(name.as_str()), Safe::from(value.as_str()));
        if kept.0 != name.as_str() || kept.1 != value.as_str() {
            return Err("a matcher holds characters that cannot be shown: what is not seen is not silenced".into());
        }
        Ok((Self { name: kept.0, value: kept.1, is_regex, is_equal }, rest))
    }

    /// What stands between name and value.
    pub fn operator(&self) -> &'static str {
        match (self.is_equal, self.is_regex) {
            (true, false) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (false, true) => "!~",
        }
    }
}

/// As Alertmanager and `amtool` read it.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.name.chars().all(is_name) && !self.name.starts_with(|c: char| c.is_ascii_digit());
        let name = if plain { self.name.to_string() } else { quoted(&self.name) };
        write!(f, "{name}{}{}", self.operator(), quoted(&self.value))
    }
}

/// `{a="b", c=~"d"}`.
pub fn braced(matchers: &[Matcher]) -> String {
    let all: Vec<_> = matchers.iter().map(Matcher::to_string).collect();
    format!("{{{}}}", all.join(", "))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A value up to its closing quote. An escape that means nothing stands for itself, as
/// Alertmanager has it: `"\."` is a backslash and a dot.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("a quote is not closed".into())
}

/// The beginning of a text, for a sentence.
fn head(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Matcher> {
        let (matchers, rest) = Matcher::group(text).unwrap();
        assert_eq!(rest, "");
        matchers
    }

    #[test]
    fn all_four_operators_and_both_ways_to_write_a_value_are_read() {
        let read = read(r#"{a="b", c=~"d|e" , f!="", "g.h"!~"\\d+\.x",i=j,}"#);
        let shown: Vec<_> = read.iter().map(Matcher::to_string).collect();
        assert_eq!(shown, [r#"a="b""#, r#"c=~"d|e""#, r#"f!="""#, r#""g.h"!~"\\d+\\.x""#, r#"i="j""#]);
        assert_eq!(read[3].value.as_str(), r"\d+\.x");
        assert_eq!(braced(&read[..2]), r#"{a="b", c=~"d|e"}"#);
    }

    #[test]
    fn what_stands_behind_the_braces_is_handed_back_even_where_a_value_holds_one() {
        let (matchers, rest) = Matcher::group(r#" {a="} 2h\"", b="c"} 2h partner knows"#).unwrap();
        assert_eq!((matchers.len(), matchers[0].value.as_str()), (2, r#"} 2h""#));
        assert_eq!(rest, " 2h partner knows");
        assert_eq!(Matcher::group("{} 2h").unwrap(), (Vec::new(), " 2h"));
    }

    #[test]
    fn a_wrong_matcher_says_what_is_wrong() {
        for (text, why) in [
            ("a=\"b\"", "in braces"),
            ("{a=\"b\"", "no closing brace"),
            ("{a=\"b}", "quote is not closed"),
            ("{a}", "after `a` one of"),
            ("{a=}", "the value of `a` is missing"),
            ("{=\"b\"}", "label's name"),
            ("{1a=\"b\"}", "label's name"),
            ("{a=\"b\" c=\"d\"}", "a comma is missing before `c="),
            ("{a=\"b\u{202e}\"}", "cannot be shown"),
            ("{a=\"b\\nc\"}", "cannot be shown"),
        ] {
            let found = Matcher::group(text).unwrap_err();
            assert!(found.contains(why), "{text}: {found}");
        }
        let many = format!("{{{}}}", "a=\"b\",".repeat(33));
        assert!(Matcher::group(&many).unwrap_err().contains("more than 32"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(
            name in "[a-z_][a-z0-9_.]{0,8}", value in r#"[ -~]{0,16}"#, is_regex: bool, is_equal: bool,
        ) {
            let one = Matcher { name: name.into(), value: value.into(), is_regex, is_equal };
            prop_assert_eq!(read(&braced(&[one.clone(), one.clone()])), [one.clone(), one]);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in r#"[{}=!~"\\,a-c \u{301}é]{0,24}"#) {
            let _ = Matcher::group(&text);
        }
    }
}
