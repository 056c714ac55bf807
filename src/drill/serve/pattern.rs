//! Filter patterns of CloudWatch Logs.
//!
//! Owns: terms (`ERROR timeout`), options (`?ERROR ?WARN`), exclusions (`-DEBUG`), quoted phrases,
//! `%regular expressions%` and JSON patterns (`{ $.level = "ERROR" && $.ms > 3 }`). Terms mind
//! case. Space-delimited patterns (`[a, b]`) are refused.

use regex::Regex;
use serde_json::Value as Json;

/// A pattern.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Terms { all: Vec<Term>, any: Vec<Term>, none: Vec<Term> },
    Fields(Fields),
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn found(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

/// A JSON pattern.
#[derive(Clone, Debug)]
pub(super) enum Fields {
    Compare { path: Vec<String>, op: &'static str, value: String, quoted: bool },
    Exists { path: Vec<String>, wanted: bool },
    And(Box<Fields>, Box<Fields>),
    Or(Box<Fields>, Box<Fields>),
}

impl Pattern {
    /// Reads a pattern. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // CloudWatch takes 1,024 characters.
        if text.len() > 1024 {
            return Err("it is longer than 1,024 characters".into());
        }
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or("a JSON pattern ends with }")?;
            let mut parser = Parser { rest: inner, depth: 0 };
            let fields = parser.any()?;
            return if parser.rest.trim().is_empty() {
                Ok(Self::Fields(fields))
            } else {
                Err("unexpected text in the JSON pattern".into())
            };
        }
        if text.starts_with('[') {
            return Err("this drill reads no space-delimited patterns".into());
        }
        let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
        let mut rest = text;
        while !rest.is_empty() {
            let sign = rest.chars().next().filter(|c| matches!(c, '?' | '-'));
            let body = if sign.is_some() { &rest[1..] } else { rest };
            let (term, after) = term(body)?;
            match sign {
                Some('?') => any.push(term),
                Some(_) => none.push(term),
                None => all.push(term),
            }
            rest = after.trim_start();
        }
        Ok(Self::Terms { all, any, none })
    }

    /// Whether a message fits.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                all.iter().all(|term| term.found(message))
                    // Beside required terms, options are ignored.
                    && (any.is_empty() || !all.is_empty() || any.iter().any(|term| term.found(message)))
                    && !none.iter().any(|term| term.found(message))
            }
            Self::Fields(fields) => serde_json::from_str::<Json>(message).is_ok_and(|json| fields.holds(&json)),
        }
    }
}

fn term(text: &str) -> Result<(Term, &str), String> {
    for (quote, is_regex) in [('"', false), ('%', true)] {
        if let Some(inner) = text.strip_prefix(quote) {
            let (value, after) = inner.split_once(quote).ok_or_else(|| format!("a {quote} is not closed"))?;
            let term = if is_regex {
                Term::Regex(Regex::new(value).map_err(|_| "it is not a regular expression".to_owned())?)
            } else {
                Term::Text(value.to_owned())
            };
            return Ok((term, after));
        }
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..end];
    if word.is_empty() || word.contains(['{', '}', '[', ']', '(', ')', '"', '=']) {
        return Err(format!("`{word}` has to be quoted"));
    }
    Ok((Term::Text(word.to_owned()), &text[end..]))
}

impl Fields {
    fn holds(&self, json: &Json) -> bool {
        match self {
            Self::And(a, b) => a.holds(json) && b.holds(json),
            Self::Or(a, b) => a.holds(json) || b.holds(json),
            Self::Exists { path, wanted } => at(json, path).is_some() == *wanted,
            Self::Compare { path, op, value, quoted } => match at(json, path) {
                None => false,
                Some(found) => compared(found, op, value, *quoted),
            },
        }
    }
}

fn at<'a>(json: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, key| match json {
        Json::Array(items) => items.get(key.parse::<usize>().ok()?),
        other => other.get(key),
    })
}

fn compared(found: &Json, op: &str, value: &str, quoted: bool) -> bool {
    if !quoted && let (Some(found), Ok(value)) = (found.as_f64(), value.parse::<f64>()) {
        return match op {
            "=" => found == value,
            "!=" => found != value,
            ">" => found > value,
            ">=" => found >= value,
            "<" => found < value,
            _ => found <= value,
        };
    }
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    let equal = match (value.strip_prefix('*'), value.strip_suffix('*')) {
        (Some(_), Some(_)) => text.contains(value.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == value,
    };
    match op {
        "=" => equal,
        "!=" => !equal,
        _ => false,
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: u8,
}

impl<'a> Parser<'a> {
    fn take(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | '!' | '<' | '>' | '&' | '|'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn any(&mut self) -> Result<Fields, String> {
        let mut fields = self.all()?;
        while self.take("||") {
            fields = Fields::Or(Box::new(fields), Box::new(self.all()?));
        }
        Ok(fields)
    }

    fn all(&mut self) -> Result<Fields, String> {
        let mut fields = self.one()?;
        while self.take("&&") {
            fields = Fields::And(Box::new(fields), Box::new(self.one()?));
        }
        Ok(fields)
    }

    fn one(&mut self) -> Result<Fields, String> {
        self.depth += 1;
        if self.depth > 60 {
            return Err("it has too many parts".into());
        }
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") { Ok(inner) } else { Err("a ( is not closed".into()) };
        }
        let selector = self.word();
        let path =
            selector.strip_prefix("$.").ok_or_else(|| format!("`{selector}` is not a selector such as $.level"))?;
        let path: Vec<String> =
            path.split(['.', '[', ']']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if self.take("IS NULL") || self.take("NOT EXISTS") {
            return Ok(Fields::Exists { path, wanted: false });
        }
        if self.take("EXISTS") {
            return Ok(Fields::Exists { path, wanted: true });
        }
        let op = ["!=", ">=", "<=", "=", ">", "<"].into_iter().find(|op| self.take(op));
        let op = op.ok_or("an operator is expected: = != < <= > >=")?;
        self.rest = self.rest.trim_start();
        if let Some(inner) = self.rest.strip_prefix('"') {
            let (value, rest) = inner.split_once('"').ok_or("a \" is not closed")?;
            self.rest = rest;
            return Ok(Fields::Compare { path, op, value: value.to_owned(), quoted: true });
        }
        let value = self.word();
        if value.is_empty() {
            return Err("a value is expected".into());
        }
        Ok(Fields::Compare { path, op, value: value.to_owned(), quoted: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_cloudwatch_says_they_do() {
        let plain = "2026-11-21T03:14:07Z ERROR order 7 failed: payments did not answer";
        let json = r#"{"level":"error","ms":2100,"msg":"timed out","peer":{"name":"partner"}}"#;
        for (pattern, message, expected) in [
            ("", plain, true),
            ("ERROR failed", plain, true),
            ("error", plain, false),
            ("?WARN ?ERROR", plain, true),
            ("?WARN ?DEBUG", plain, false),
            ("ERROR -payments", plain, false),
            ("\"did not answer\"", plain, true),
            ("%order [0-9]+%", plain, true),
            ("{ $.level = \"error\" }", json, true),
            ("{ $.level = \"err*\" && $.ms > 2000 }", json, true),
            ("{ ($.ms < 2000) || ($.peer.name = partner) }", json, true),
            ("{ $.level != \"error\" }", json, false),
            ("{ $.nope EXISTS }", json, false),
            ("{ $.level = \"error\" }", plain, false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(message), expected, "{pattern}");
        }
        for bad in ["\"open", "{ $.level }", "{ level = 3 }", "{ $.a = \"b\"", "[a, b]", "%(%", "a=b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse(&format!("{{ {} $.a = 1 }}", "(".repeat(900))).is_err());
    }
}
