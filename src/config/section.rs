//! Reading a table key by key. What is asked for is the schema: a key that nobody asked for is
//! an error, with the nearest one that was.

use std::cell::RefCell;
use std::time::Duration;

use super::layers::{At, Entry, Node, Table, Value};
use super::problem::{Problem, nearest};

/// Everything that was found to be wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, at: &At, what: &str) {
        self.0.borrow_mut().push(at.problem(what));
    }

    /// All of them, in the order of the files.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        all.dedup();
        all
    }
}

/// A table that is being read.
pub(super) struct Section<'a> {
    table: &'a Table,
    /// What it is called in messages, such as `environments.prod`.
    name: String,
    pub(super) at: &'a At,
    pub(super) problems: &'a Problems,
    asked: RefCell<Vec<&'static str>>,
}

/// Keys under which people put secrets, whatever the section.
const SECRETIVE: [&str; 9] =
    ["password", "passwd", "token", "secret", "api_key", "apikey", "access_key", "secret_key", "authorization"];

/// What to do instead of writing a secret down.
const IN_CLEAR: &str = "a secret does not belong in this file: take it out (change it, if others could read it), and \
                        name where it is kept: { env = \"VARIABLE\" }, { file = \"/path\" } with mode 0600, or \
                        { command = [\"program\", \"argument\"] }";

impl<'a> Section<'a> {
    /// Reads `node`, which has to be a table.
    pub(super) fn of(node: &'a Node, name: impl Into<String>, problems: &'a Problems) -> Option<Self> {
        let name = name.into();
        match &node.value {
            Value::Table(table) => Some(Self { table, name, at: &node.at, problems, asked: RefCell::default() }),
            other => {
                problems.add(&node.at, &format!("{name} is a table, not {}", other.sort()));
                None
            }
        }
    }

    /// The names in a table whose keys are names, with their values.
    pub(super) fn members(&self) -> impl Iterator<Item = (&'a str, &'a At, &'a Node)> {
        let table: &'a Table = self.table;
        table.iter().map(|(name, entry)| (name.as_str(), &entry.key, &entry.node))
    }

    /// The entry of a key, which from now on counts as known.
    pub(super) fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// A table inside.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        Section::of(&self.entry(key)?.node, self.name_of(key), self.problems)
    }

    /// One table, or a list of them.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let name = self.name_of(key);
        match &entry.node.value {
            Value::Array(items) => {
                items.iter().filter_map(|item| Section::of(item, name.clone(), self.problems)).collect()
            }
            _ => Section::of(&entry.node, name, self.problems).into_iter().collect(),
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.read(key, "a text", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A text that is neither empty nor several lines.
    pub(super) fn line(&self, key: &'static str) -> Option<&'a str> {
        let text = self.text(key)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.wrong(key, &format!("{key} is one line of text"));
            return None;
        }
        Some(text)
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        })
    }

    pub(super) fn number(&self, key: &'static str) -> Option<f64> {
        self.read(key, "a number", |value| match value {
            // Thresholds and rates: far below where a float would round.
            #[allow(clippy::cast_precision_loss, reason = "thresholds are far below 2^53")]
            Value::Integer(number) => Some(*number as f64),
            Value::Float(number) if number.is_finite() => Some(*number),
            _ => None,
        })
    }

    /// A length of time such as `15s`, at least `least` and at most `most`.
    pub(super) fn duration(&self, key: &'static str, least: Duration, most: Duration) -> Option<Duration> {
        let text = self.read(key, "a length of time such as \"15s\" or \"2m\"", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })?;
        match humantime::parse_duration(text) {
            Ok(length) if (least..=most).contains(&length) => Some(length),
            Ok(_) => {
                let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
                self.wrong(key, &format!("{key} lies between {least} and {most}"));
                None
            }
            Err(_) => {
                self.wrong(key, &format!("{key} is a length of time such as \"15s\", \"2m\" or \"1h 30m\""));
                None
            }
        }
    }

    /// A list of texts, each with its place.
    pub(super) fn texts(&self, key: &'static str) -> Vec<(&'a str, &'a At)> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let Value::Array(items) = &entry.node.value else {
            self.problems.add(&entry.node.at, &format!("{key} is a list of texts, not {}", entry.node.value.sort()));
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| match &item.value {
                Value::Text(text) if !text.trim().is_empty() => Some((text.as_str(), &item.at)),
                other => {
                    let what = if matches!(other, Value::Text(_)) { "an empty text" } else { other.sort() };
                    self.problems.add(&item.at, &format!("{key} is a list of texts, and this is {what}"));
                    None
                }
            })
            .collect()
    }

    /// One of few words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let all: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let hint = nearest(text, words.iter().map(|(word, _)| *word))
            .map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        self.wrong(key, &format!("{key} is one of {}{hint}", all.join(", ")));
        None
    }

    /// Says what is wrong with the value of `key`, or with the section if the key is missing.
    pub(super) fn wrong(&self, key: &str, what: &str) {
        let at = self.table.get(key).map_or(self.at, |entry| &entry.node.at);
        self.problems.add(at, what);
    }

    /// Says that a key is missing.
    pub(super) fn missing(&self, key: &str, why: &str) {
        self.problems.add(self.at, &format!("{} has no {key}: {why}", self.name));
    }

    /// Every key that nobody asked for is an error.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, entry) in self.table.iter().filter(|(key, _)| !asked.contains(&key.as_str())) {
            let lower = key.to_ascii_lowercase();
            if SECRETIVE.iter().any(|word| lower.ends_with(word)) {
                self.problems.add(&entry.key, IN_CLEAR);
                continue;
            }
            let hint = match nearest(&lower, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut all = asked.clone();
                    all.sort_unstable();
                    all.dedup();
                    format!("it takes {}", all.join(", "))
                }
            };
            let place = if self.name.is_empty() { "the configuration".to_owned() } else { self.name.clone() };
            self.problems.add(&entry.key, &format!("{place} has no key `{key}`: {hint}"));
        }
    }

    /// For a value that has to name where a secret is, and holds the secret itself.
    pub(super) fn in_clear(&self, at: &At) {
        self.problems.add(at, IN_CLEAR);
    }

    fn read<T>(&self, key: &'static str, sort: &str, take: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let entry = self.entry(key)?;
        let taken = take(&entry.node.value);
        if taken.is_none() {
            self.problems.add(&entry.node.at, &format!("{key} is {sort}, not {}", entry.node.value.sort()));
        }
        taken
    }

    fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}
