//! A theme file: `inherits`, `[palette]`, `[roles]`.

use std::collections::BTreeMap;
use std::ops::Range;

use ratatui::style::{Modifier, Style};
use toml::de::{DeTable, DeValue};

use super::{Role, color};
use crate::tui::position::{Problem, Source, nearest};

/// A file, read but not yet put together with those it inherits from.
pub(super) struct Parsed {
    pub(super) inherits: Option<String>,
    pub(super) palette: BTreeMap<String, String>,
    pub(super) roles: Vec<(Role, Brush)>,
}

/// What a file says of one role. Colours are still names: the palette may come from another file.
pub(super) struct Brush {
    pub(super) span: Range<usize>,
    fg: Option<String>,
    bg: Option<String>,
    modifiers: Modifier,
}

impl Brush {
    pub(super) fn style(&self, palette: &BTreeMap<String, String>) -> Result<Style, String> {
        let paint = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => color::parse(name, palette).map(Some).ok_or_else(|| {
                let known = palette.keys().map(String::as_str).chain(color::NAMES.iter().map(|(name, _)| *name));
                format!("`{name}` is no colour: use `#rrggbb`, 0 to 255, or a name{}", nearest(name, known))
            }),
        };
        let mut style = Style::new().add_modifier(self.modifiers);
        style.fg = paint(&self.fg)?;
        style.bg = paint(&self.bg)?;
        Ok(style)
    }
}

const FLAGS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reverse", Modifier::REVERSED),
];

pub(super) fn parse(file: &str, text: &str) -> Result<Parsed, Problem> {
    let source = Source { file, text };
    let table = DeTable::parse(text).map_err(|error| source.syntax(&error))?;
    let mut parsed = Parsed { inherits: None, palette: BTreeMap::new(), roles: Vec::new() };
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("inherits", DeValue::String(name)) => parsed.inherits = Some(name.to_string()),
            ("palette", DeValue::Table(colors)) => {
                for (name, value) in colors {
                    let Some(color) = word(value.get_ref()) else {
                        return Err(source.problem(&value.span(), "a colour is a string such as \"#ff5500\""));
                    };
                    parsed.palette.insert(name.get_ref().to_string(), color);
                }
            }
            ("roles", DeValue::Table(roles)) => {
                for (name, value) in roles {
                    let known = Role::ALL.iter().find(|(_, known, _)| *known == name.get_ref().as_ref());
                    let Some((role, ..)) = known else {
                        let near = nearest(name.get_ref(), Role::ALL.iter().map(|(_, name, _)| *name));
                        return Err(
                            source.problem(&name.span(), format!("there is no role `{}`{near}", name.get_ref()))
                        );
                    };
                    parsed.roles.push((*role, brush(&source, value.get_ref(), value.span())?));
                }
            }
            (name @ ("inherits" | "palette" | "roles"), _) => {
                return Err(source.problem(&value.span(), format!("`{name}` has the wrong type")));
            }
            (name, _) => {
                let near = nearest(name, ["inherits", "palette", "roles"]);
                return Err(source.problem(&key.span(), format!("there is no key `{name}`{near}")));
            }
        }
    }
    Ok(parsed)
}

fn brush(source: &Source<'_>, value: &DeValue<'_>, span: Range<usize>) -> Result<Brush, Problem> {
    let mut brush = Brush { span: span.clone(), fg: None, bg: None, modifiers: Modifier::empty() };
    let DeValue::Table(table) = value else {
        brush.fg = word(value);
        return match brush.fg {
            Some(_) => Ok(brush),
            None => Err(source.problem(&span, "a role is a colour, or a table such as { fg = \"red\", bold = true }")),
        };
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        match (name, value.get_ref()) {
            ("fg", value) => brush.fg = word(value),
            ("bg", value) => brush.bg = word(value),
            (name, DeValue::Boolean(on)) if FLAGS.iter().any(|(flag, _)| *flag == name) => {
                for (_, modifier) in FLAGS.iter().filter(|(flag, _)| *flag == name) {
                    brush.modifiers.set(*modifier, *on);
                }
            }
            _ => {
                let near = nearest(name, FLAGS.iter().map(|(flag, _)| *flag).chain(["fg", "bg"]));
                return Err(source.problem(&key.span(), format!("there is no key `{name}`{near}")));
            }
        }
    }
    Ok(brush)
}

fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}
