//! TOML files as one tree, in which every value knows the file and the place it came from.

use std::path::PathBuf;
use std::rc::Rc;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, position, sentence};

/// The text of one file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Where something stands.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) source: Rc<Source>,
    pub(super) offset: usize,
}

impl At {
    pub(super) fn problem(&self, what: &str) -> Problem {
        let (line, column) = position(&self.source.text, self.offset);
        Problem { file: self.source.path.clone(), line, column, what: sentence(what) }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Array(Vec<Node>),
    Table(Table),
    /// Dates, and numbers that do not fit: no key takes one.
    Other,
}

/// A table, in the order of its files.
pub(super) type Table = IndexMap<String, Entry>;

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: At,
    pub(super) node: Node,
}

impl Value {
    /// The sort of value, for people.
    pub(super) fn sort(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other => "a date or an enormous number",
        }
    }
}

/// The tree of one file. All its syntax errors, if it has any.
pub(super) fn parse(path: PathBuf, text: String) -> Result<Node, Vec<Problem>> {
    let source = Rc::new(Source { path, text });
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        let at = At { source: Rc::clone(&source), offset: 0 };
        return Ok(Node { at, value: Value::Table(table(&source, root.get_ref())) });
    }
    Err(errors
        .iter()
        .map(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            // The message alone: the error's display quotes the line, and a secret may stand in it.
            At { source: Rc::clone(&source), offset }.problem(error.message())
        })
        .collect())
}

/// `over` laid over `under`: tables are merged, everything else is replaced.
pub(super) fn merge(under: Node, over: Node) -> Node {
    match (under.value, over.value) {
        (Value::Table(mut table), Value::Table(more)) => {
            for (name, entry) in more {
                let merged = match table.get(&name) {
                    Some(old) => Entry { key: entry.key, node: merge(old.node.clone(), entry.node) },
                    None => entry,
                };
                table.insert(name, merged);
            }
            Node { at: over.at, value: Value::Table(table) }
        }
        (_, value) => Node { at: over.at, value },
    }
}

fn table(source: &Rc<Source>, from: &DeTable<'_>) -> Table {
    let mut entries: Vec<_> = from.iter().collect();
    // The parser sorts by name; people sort by importance.
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
        .into_iter()
        .map(|(key, value)| {
            let at = At { source: Rc::clone(source), offset: key.span().start };
            (key.get_ref().to_string(), Entry { key: at, node: node(source, value) })
        })
        .collect()
}

fn node(source: &Rc<Source>, from: &Spanned<DeValue<'_>>) -> Node {
    let value = match from.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Other, Value::Float),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| node(source, item)).collect()),
        DeValue::Table(inner) => Value::Table(table(source, inner)),
        DeValue::Datetime(_) => Value::Other,
    };
    Node { at: At { source: Rc::clone(source), offset: from.span().start }, value }
}
