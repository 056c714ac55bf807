//! What matchers hold of, as Alertmanager has it: a regular expression is about the whole value,
//! and a label that is missing is empty.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::model::plan::Matcher;

/// A pattern larger than this when compiled is a mistake, or an attack.
const SIZE: usize = 1 << 20;
/// Values that no rule has: a matcher that takes all of them takes everything.
const ODD: [&str; 3] = ["q", "0-7 warroom, nobody's value", "~Zażółć"];

/// Matchers, ready to be asked.
pub(super) struct Matching<'a>(Vec<(&'a Matcher, Option<Regex>)>);

impl<'a> Matching<'a> {
    pub(super) fn new(matchers: &'a [Matcher]) -> Result<Self, String> {
        let ready = |matcher: &'a Matcher| {
            let regex = match matcher.is_regex {
                false => None,
                true => Some(RegexBuilder::new(&format!("^(?:{})$", matcher.value)).size_limit(SIZE).build().map_err(
                    |why| {
                        let why = why.to_string();
                        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                        format!("`{matcher}` is no regular expression: {why}")
                    },
                )?),
            };
            Ok((matcher, regex))
        };
        matchers.iter().map(ready).collect::<Result<_, String>>().map(Self)
    }

    /// Whether an alert with these labels is held.
    pub(super) fn covers(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(matcher, regex)| {
            let value = labels.get(matcher.name.as_str()).map_or("", String::as_str);
            takes(matcher, regex.as_ref(), value)
        })
    }

    /// Whether they narrow nothing down: each of them takes an alert that lacks the label, or any
    /// value of it.
    pub(super) fn take_everything(&self) -> bool {
        self.0.iter().all(|(matcher, regex)| {
            let takes = |value: &str| takes(matcher, regex.as_ref(), value);
            takes("") || ODD.into_iter().all(takes)
        })
    }
}

fn takes(matcher: &Matcher, regex: Option<&Regex>, value: &str) -> bool {
    let hit = regex.map_or(*matcher.value == *value, |regex| regex.is_match(value));
    hit == matcher.is_equal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(text: &str) -> Vec<Matcher> {
        Matcher::group(text).unwrap().0
    }

    fn covers(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Matching::new(&group(text)).unwrap().covers(&labels)
    }

    #[test]
    fn a_pattern_is_about_the_whole_value_and_a_missing_label_is_empty() {
        let alert = [("alertname", "PaymentsCPUHigh"), ("service", "payments")];
        assert!(covers(r#"{alertname="PaymentsCPUHigh", service=~"pay.*|cart"}"#, &alert));
        assert!(!covers(r#"{service=~"pay"}"#, &alert), "anchored");
        assert!(!covers(r#"{service=~"pay|ments"}"#, &alert), "anchored around the alternatives");
        assert!(
            covers(r#"{zone=""}"#, &alert) && covers(r#"{zone!="a"}"#, &alert) && covers(r#"{zone=~".*"}"#, &alert)
        );
        assert!(!covers(r#"{zone=~".+"}"#, &alert) && !covers(r#"{zone!=""}"#, &alert));
        assert!(!covers(r#"{service!~"pay.*"}"#, &alert) && covers(r#"{service!~"pay"}"#, &alert));
        assert!(!covers(r#"{alertname="PaymentsCPUHigh", service="cart"}"#, &alert), "all of them");
    }

    #[test]
    fn what_narrows_nothing_down_is_known_for_it() {
        for all in [
            "{}",
            r#"{a=""}"#,
            r#"{a=~".*"}"#,
            r#"{a=~".+"}"#,
            r#"{a!=""}"#,
            r#"{a=~"(?s).{1,}", b!="x"}"#,
            r#"{severity!="critical"}"#,
            r#"{severity!~"critical|warning"}"#,
            r#"{alertname=~"[^x].*|x.*"}"#,
        ] {
            assert!(Matching::new(&group(all)).unwrap().take_everything(), "{all}");
        }
        for some in [r#"{a="b"}"#, r#"{a=~"b.*"}"#, r#"{a=~".+", b="c"}"#, r#"{a=~"Payments.+", b!="x"}"#] {
            assert!(!Matching::new(&group(some)).unwrap().take_everything(), "{some}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_or_enormous_is_told() {
        for text in [r#"{a=~"("}"#, r#"{a=~"x{1000}{1000}"}"#] {
            assert!(Matching::new(&group(text)).err().unwrap().contains("is no regular expression"), "{text}");
        }
    }
}
