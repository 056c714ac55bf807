//! Filters and searches as people type them.
//!
//! `text` and `!text` (a regular expression; smart case), `column:text`, `!column:text`, `-f text`
//! (fuzzy), `-l a=b` and Alertmanager's matchers (`a="b"`, `a=~"b"`, `a!="b"`, `a!~"b"`). What is
//! no regular expression is taken literally: a filter is never an error.

use regex::{Regex, RegexBuilder};

use crate::model::log::Level;
use crate::model::name::ServiceName;
use crate::observe::logs::{LogFilter, LogPattern};

/// What a filter looks at.
pub(super) trait Fields {
    /// Everything that the row shows.
    fn whole(&self) -> String;
    /// One column or label; empty when it has none.
    fn field(&self, name: &str) -> Option<String>;
}

/// Which rows are shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) text: String,
    tests: Vec<Test>,
    /// The same for lines of logs.
    logs: LogFilter,
}

#[derive(Clone, Debug)]
struct Test {
    column: Option<String>,
    pattern: Pattern,
    inverted: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Like(Regex),
    Fuzzy(String),
}

impl Filter {
    /// Reads what was typed. Empty text passes everything.
    pub(super) fn new(text: &str) -> Self {
        let trimmed = text.trim();
        let tests = if trimmed.is_empty() {
            Vec::new()
        } else if let Some(needle) = trimmed.strip_prefix("-f ") {
            vec![Test { column: None, pattern: Pattern::Fuzzy(needle.trim().to_owned()), inverted: false }]
        } else if let Some(labels) = trimmed.strip_prefix("-l ") {
            labels.split(',').filter_map(label).collect()
        } else if let Some(matchers) = matchers(trimmed) {
            matchers
        } else {
            plain(trimmed).into_iter().collect()
        };
        Self { text: trimmed.to_owned(), tests, logs: lines(trimmed) }
    }

    pub(super) fn is_on(&self) -> bool {
        !self.tests.is_empty()
    }

    pub(super) fn passes(&self, row: &dyn Fields) -> bool {
        self.tests.iter().all(|test| {
            let text = match &test.column {
                Some(column) => row.field(column).unwrap_or_default(),
                None => row.whole(),
            };
            let hit = match &test.pattern {
                Pattern::Like(regex) => regex.is_match(&text),
                Pattern::Fuzzy(needle) => {
                    frizbee::Matcher::new(needle.as_str(), &frizbee::Config::default()).match_one(&text, 0).is_some()
                }
            };
            hit != test.inverted
        })
    }

    /// The same for lines of logs.
    pub(super) fn for_logs(&self, chip: Option<&ServiceName>) -> LogFilter {
        let mut filter = self.logs.clone();
        filter.service = filter.service.or_else(|| chip.cloned());
        filter
    }

    /// What has to be in a line of a log, or, `true`, must not be.
    pub(super) fn log_pattern(&self) -> Option<&(LogPattern, bool)> {
        self.logs.pattern.as_ref()
    }
}

/// `level:` and `service:` in front, then a pattern.
fn lines(text: &str) -> LogFilter {
    let mut filter = LogFilter::default();
    let mut rest = text;
    loop {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if let Some(level) = word.strip_prefix("level:").map(Level::detect).filter(|level| *level != Level::Unknown) {
            filter.level = Some(level);
        } else if let Some(service) = word.strip_prefix("service:").filter(|service| !service.is_empty()) {
            filter.service = Some(ServiceName::from(service));
        } else {
            break;
        }
        rest = after.trim_start();
    }
    let (pattern, inverted) = match rest.strip_prefix('!') {
        Some(pattern) => (pattern, true),
        None => (rest, false),
    };
    if !pattern.is_empty() {
        filter.pattern = log_pattern_of(pattern).map(|pattern| (pattern, inverted));
    }
    filter
}

fn is_sensitive(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
}

/// A regular expression, or the text itself where it is none. Capitals in it are heeded.
pub(super) fn pattern_of(text: &str) -> Option<Regex> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern).case_insensitive(!is_sensitive(text)).size_limit(1 << 20).build().ok()
    };
    build(text).or_else(|| build(&regex::escape(text)))
}

/// The same for lines of logs.
pub(super) fn log_pattern_of(text: &str) -> Option<LogPattern> {
    let sensitive = is_sensitive(text);
    LogPattern::new(text, sensitive).or_else(|| LogPattern::new(&regex::escape(text), sensitive))
}

fn plain(text: &str) -> Option<Test> {
    let (text, inverted) = match text.strip_prefix('!') {
        Some(rest) if !rest.is_empty() => (rest, true),
        _ => (text, false),
    };
    let column = text.split_once(':').filter(|(name, value)| {
        !value.is_empty() && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let (column, pattern) = match column {
        Some((name, value)) => (Some(name.to_owned()), value),
        None => (None, text),
    };
    Some(Test { column, pattern: Pattern::Like(pattern_of(pattern)?), inverted })
}

fn label(text: &str) -> Option<Test> {
    let (name, value) = text.split_once('=')?;
    exactly(name, value, false)
}

fn exactly(name: &str, value: &str, inverted: bool) -> Option<Test> {
    let regex = Regex::new(&format!("^{}$", regex::escape(value.trim()))).ok()?;
    Some(Test { column: Some(name.trim().to_owned()), pattern: Pattern::Like(regex), inverted })
}

fn matchers(text: &str) -> Option<Vec<Test>> {
    let text = text.trim_start_matches('{').trim_end_matches('}');
    let mut tests = Vec::new();
    for part in text.split(',') {
        let at = part.find(['=', '!'])?;
        let (name, rest) = part.split_at(at);
        if name.trim().is_empty() || !name.trim().chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return None;
        }
        let (operator, value) =
            ["=~", "!~", "!=", "="].iter().find_map(|operator| Some((*operator, rest.strip_prefix(operator)?)))?;
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let inverted = operator.starts_with('!');
        tests.push(if operator.ends_with('~') {
            let regex = Regex::new(&format!("^(?:{value})$")).ok()?;
            Test { column: Some(name.trim().to_owned()), pattern: Pattern::Like(regex), inverted }
        } else {
            exactly(name, value, inverted)?
        });
    }
    Some(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row;

    impl Fields for Row {
        fn whole(&self) -> String {
            "crit PaymentsCPUHigh payments unclaimed".into()
        }

        fn field(&self, name: &str) -> Option<String> {
            match name {
                "service" => Some("payments".into()),
                "team" => Some("core".into()),
                _ => None,
            }
        }
    }

    #[test]
    fn rows_pass_as_people_from_other_tools_expect() {
        for (text, passes) in [
            ("", true),
            ("payments", true),
            ("cpuhigh", true),
            ("CPUHIGH", false),
            ("!payments", false),
            ("!checkout", true),
            ("pay.*high", true),
            ("service:pay", true),
            ("!service:pay", false),
            ("team:edge", false),
            ("-f pcpuh", true),
            ("-f zzz", false),
            ("-l team=core", true),
            ("-l team=cor", false),
            (r#"service="payments""#, true),
            (r#"service=~"pay.*",team!="edge""#, true),
            (r#"{service!~"pay.*"}"#, false),
            ("(unclosed", false),
        ] {
            assert_eq!(Filter::new(text).passes(&Row), passes, "{text}");
        }
    }

    #[test]
    fn log_filters_take_a_level_a_service_and_a_pattern() {
        let filter = Filter::new("level:warn service:payments timed out after").for_logs(None);
        assert_eq!(filter.level, Some(Level::Warn));
        assert_eq!(filter.service, Some(ServiceName::from("payments")));
        assert_eq!(
            filter.pattern.map(|(pattern, inverted)| (pattern.as_str().to_owned(), inverted)),
            Some(("timed out after".into(), false))
        );
        let filter = Filter::new("!429").for_logs(Some(&ServiceName::from("checkout")));
        assert_eq!(filter.service, Some(ServiceName::from("checkout")));
        assert!(filter.pattern.is_some_and(|(_, inverted)| inverted));
    }
}
