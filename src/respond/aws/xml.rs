//! XML of AWS as a small tree: what ELB, Route 53 and EC2 answer in, and what Route 53 is asked in.
//!
//! An answer may have members that this program does not know. What is sent back (an action list, a
//! record) has to hold them still: that is why it is a tree and not a struct.

use xmlparser::{ElementEnd, Token, Tokenizer};

/// No answer is nested deeper.
const DEEPEST: usize = 32;

/// An element with either text or children. Attributes are nothing that AWS tells anything by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` if it is none.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let mut open: Vec<Self> = Vec::new();
        for token in Tokenizer::from(text) {
            match token.ok()? {
                Token::ElementStart { local, .. } => {
                    if open.len() == DEEPEST {
                        return None;
                    }
                    open.push(Self { name: local.as_str().to_owned(), ..Self::default() });
                }
                Token::ElementEnd { end: ElementEnd::Open, .. } => {}
                Token::ElementEnd { .. } => {
                    let done = open.pop()?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => return Some(done),
                    }
                }
                Token::Text { text } => {
                    if let Some(element) = open.last_mut() {
                        element.text.push_str(&unescaped(text.as_str()));
                    }
                }
                Token::Cdata { text, .. } => open.last_mut()?.text.push_str(text.as_str()),
                // An entity of somebody's own has no place here.
                Token::DtdStart { .. } | Token::EmptyDtd { .. } | Token::EntityDeclaration { .. } => return None,
                _ => {}
            }
        }
        None
    }

    /// A leaf.
    pub(super) fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), children: Vec::new() }
    }

    /// A branch.
    pub(super) fn branch(name: &str, children: Vec<Self>) -> Self {
        Self { name: name.to_owned(), text: String::new(), children }
    }

    /// The element that `path` leads to, by names with slashes between.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |at, name| at.children.iter().find(|child| child.name == name))
    }

    /// The text there; empty if there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.at(path).map_or("", |found| found.text.trim())
    }

    /// The children of the element that `path` leads to.
    pub(super) fn list(&self, path: &str) -> &[Self] {
        self.at(path).map_or(&[], |found| &found.children)
    }

    /// Sets the text of a child, in its place if it is there.
    pub(super) fn set(&mut self, name: &str, text: String) {
        match self.children.iter_mut().find(|child| child.name == name) {
            Some(child) => child.text = text,
            None => self.children.push(Self::leaf(name, text)),
        }
    }

    /// As text.
    pub(super) fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        out.push('>');
        if self.children.is_empty() {
            escape(&self.text, out);
        }
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }

    /// As parameters of the query protocol below `name`: members of a list by their number from 1.
    pub(super) fn parameters(&self, name: &str, out: &mut Vec<(String, String)>) {
        if self.children.is_empty() {
            // An empty list or map is one that is not given; an empty text is one that is meant.
            let text = ["RedirectConfig", "FixedResponseConfig"].iter().any(|part| name.contains(part));
            if text || !self.text.trim().is_empty() {
                out.push((name.to_owned(), self.text.clone()));
            }
            return;
        }
        let mut number = 0;
        for child in &self.children {
            let step = if matches!(child.name.as_str(), "member" | "entry") {
                number += 1;
                format!("{}.{number}", child.name)
            } else {
                child.name.clone()
            };
            child.parameters(&format!("{name}.{step}"), out);
        }
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').filter(|end| *end <= 10);
        let character = end.and_then(|end| match &rest[1..end] {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)
            }
        });
        match (character, end) {
            (Some(character), Some(end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_comes_back_as_it_was_with_what_is_not_known_of_it() {
        let text = "<ResourceRecordSet><Name>a.example.</Name><TTL>60</TTL><Odd><New>&lt;&amp;&#34;\u{e9}</New></Odd>\
                    </ResourceRecordSet>";
        let element =
            Element::parse(format!("<?xml version=\"1.0\"?>\n<r xmlns=\"x\">\n {text}</r>").as_bytes()).unwrap();
        assert_eq!(element.text("ResourceRecordSet/Odd/New"), "<&\"\u{e9}");
        let mut out = String::new();
        element.list("ResourceRecordSet")[0].write(&mut out);
        assert_eq!(out, "<Name>a.example.</Name>");
        out.clear();
        element.children[0].write(&mut out);
        assert_eq!(Element::parse(out.as_bytes()).unwrap(), element.children[0]);
    }

    #[test]
    fn what_is_no_document_is_none() {
        for text in ["", "{}", "<a>", "<a></b", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Element::parse("<a>".repeat(100).as_bytes()), None, "nested too deeply");
    }

    proptest! {
        #[test]
        fn no_text_takes_the_reader_down(text in "[<>&;#xa/!\\[\\]-]{0,60}") {
            let _ = Element::parse(text.as_bytes());
        }

        #[test]
        fn text_survives_the_way_there_and_back(text in "[ -~é]{1,40}") {
            let mut out = String::new();
            Element::leaf("a", text.clone()).write(&mut out);
            prop_assert_eq!(Element::parse(out.as_bytes()).unwrap().text, text);
        }
    }
}
