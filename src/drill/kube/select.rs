//! Label and field selectors.
//!
//! Owns: their grammar. Must not: know where they came from; the texts are a client's and are
//! answered with a sentence when they make no sense.

use serde_json::Value;

use super::kinds::{Kind, selectable};
use super::value::{at, text};

/// Which objects a request is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Label>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
enum Label {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Clone, Debug)]
struct Field {
    path: &'static [&'static str],
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`; an error is the sentence for the client.
    pub(super) fn parse(kind: Kind, labels: &str, fields: &str) -> Result<Self, String> {
        let labels = split(labels).into_iter().map(label).collect::<Result<_, _>>()?;
        let fields = split(fields).into_iter().map(|text| field(kind, text)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether everything is picked.
    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = at(object, &["metadata", "labels"]);
        let value = |key: &String| labels.get(key.as_str()).and_then(Value::as_str);
        self.labels.iter().all(|label| match label {
            Label::In(key, values) => value(key).is_some_and(|found| values.iter().any(|value| value == found)),
            Label::NotIn(key, values) => value(key).is_none_or(|found| values.iter().all(|value| value != found)),
            Label::Exists(key) => value(key).is_some(),
            Label::Absent(key) => value(key).is_none(),
        }) && self.fields.iter().all(|field| (text(object, field.path) == field.value) == field.equal)
    }
}

/// Whether an object's labels hold all of a `matchLabels`.
pub(super) fn match_labels(wanted: &Value, object: &Value) -> bool {
    let labels = at(object, &["metadata", "labels"]);
    wanted
        .as_object()
        .is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

/// Parts between commas that stand outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
    .collect()
}

fn label(part: &str) -> Result<Label, String> {
    let set = |list: &str| -> Option<Vec<String>> {
        let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(list.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let bad = || format!("unable to parse requirement: {part:?} is no label requirement");
    let value = |text: &str| {
        let text = text.trim();
        let fine = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        fine.then(|| text.to_owned()).ok_or_else(bad)
    };
    let name = |key: &str| {
        let key = key.trim();
        let fine = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        fine.then(|| key.to_owned()).ok_or_else(bad)
    };
    if let Some((key, list)) = part.split_once(" notin") {
        return Ok(Label::NotIn(name(key)?, set(list).ok_or_else(bad)?));
    }
    if let Some((key, list)) = part.split_once(" in") {
        return Ok(Label::In(name(key)?, set(list).ok_or_else(bad)?));
    }
    if let Some((key, found)) = part.split_once("!=") {
        return Ok(Label::NotIn(name(key)?, vec![value(found)?]));
    }
    if let Some((key, found)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Label::In(name(key)?, vec![value(found)?]));
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(Label::Absent(name(key)?)),
        None => Ok(Label::Exists(name(part)?)),
    }
}

fn field(kind: Kind, part: &str) -> Result<Field, String> {
    let (key, value, equal) = if let Some((key, value)) = part.split_once("!=") {
        (key, value, false)
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, value, true)
    } else {
        return Err(format!("invalid selector: {part:?}; can't understand {part:?}"));
    };
    let path = selectable(kind, key.trim()).ok_or_else(|| format!("field label not supported: {}", key.trim()))?;
    Ok(Field { path, value: value.trim().to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn picks(labels: &str, fields: &str) -> bool {
        let pod = json!({
            "metadata": {"name": "a", "labels": {"app": "payments", "tier": "back"}},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running"},
        });
        Selector::parse(Kind::Pod, labels, fields).unwrap().matches(&pod)
    }

    #[test]
    fn selectors_pick_as_the_api_server_does() {
        assert!(picks("", ""));
        assert!(picks("app=payments,tier in (back, front)", "spec.nodeName=n1"));
        assert!(picks("app==payments,!canary", "status.phase!=Pending"));
        assert!(picks("zone notin (a),app", ""));
        assert!(!picks("app!=payments", ""));
        assert!(!picks("", "spec.nodeName=n2"));
        assert!(!picks("canary", ""));
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_a_sentence() {
        let error = Selector::parse(Kind::Pod, "", "spec.colour=red").unwrap_err();
        assert_eq!(error, "field label not supported: spec.colour");
        assert!(Selector::parse(Kind::Pod, "app in payments", "").is_err());
        assert!(Selector::parse(Kind::Node, "", "metadata.namespace=x").is_err());
    }
}
