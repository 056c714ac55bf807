//! A plan as lines: all that a person is told of it before confirming it, on whatever they read.
//!
//! Owns: which facts of a plan are told, in which order, and in which words. Must not: know how
//! they are drawn.

use crate::clock::World;

use super::plan::{Ends, FieldChange, OwnerEffect, Permission, Plan, Preview, Room};

/// Characters that a value may take in a change. A whole template is told by its words.
const VALUE: usize = 160;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What is changed, and where.
    Name,
    /// A fact.
    Text,
    /// A fact that is seldom looked for.
    Dim,
    /// It speaks for the plan.
    Good,
    /// It speaks against the plan.
    Warn,
    /// The plan cannot work like that, or the place is one to be careful in.
    Bad,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// One or two words; empty where the label of the line before goes on.
    pub label: String,
    /// The fact.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

impl Line {
    /// A line of that label.
    pub fn new(label: impl Into<String>, text: impl Into<String>, tone: Tone) -> Self {
        Self { label: label.into(), text: text.into(), tone }
    }
}

/// What kind of place an environment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A drill's world.
    Drill,
    /// Users depend on it.
    Production,
    /// They do not.
    Other,
}

impl Place {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drill => "DRILL",
            Self::Production => "PRODUCTION",
            Self::Other => "not production",
        }
    }
}

/// All lines of a plan at `now`. `minute` writes a time as the reader has times. A record alone does
/// not tell what kind of place it was.
pub fn lines(plan: &Plan, place: Option<Place>, now: World, minute: &dyn Fn(World) -> String) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |label: &str, text: String, tone: Tone| lines.push(Line::new(label, text, tone));
    let danger = if place == Some(Place::Production) { Tone::Bad } else { Tone::Name };
    let kind = place.map(|place| format!("{} ", place.as_str())).unwrap_or_default();
    add("where", format!("{kind}{}", plan.target.origin.env), danger);
    add("target", format!("{} {}", plan.target.kind, plan.target.path), Tone::Name);
    for (at, change) in plan.changes.iter().enumerate() {
        add(if at == 0 { "change" } else { "" }, changed(change), Tone::Name);
    }
    for fact in &plan.facts {
        add(&fact.label, fact.words.to_string(), if fact.warns { Tone::Warn } else { Tone::Text });
    }
    if !plan.blast.words.is_empty() {
        add("at stake", plan.blast.words.to_string(), Tone::Text);
    }
    add("waits", format!("up to {} for it to show", waits(plan)), Tone::Dim);
    let (room, tone) = room(&plan.room);
    add("room", room, tone);
    if plan.owners.is_empty() {
        add("owner", "no controller was found that sets it back".to_owned(), Tone::Dim);
    }
    for owner in &plan.owners {
        let tone = match owner.effect {
            OwnerEffect::Reverts => Tone::Bad,
            OwnerEffect::MayRevert => Tone::Warn,
            OwnerEffect::Informs => Tone::Text,
        };
        add("owner", format!("{} {}", owner.name, owner.words), tone);
    }
    if let Some(instead) = &plan.instead {
        add("instead", instead.words.to_string(), Tone::Good);
    }
    if let Some(load) = &plan.load {
        add("load", load.to_string(), Tone::Text);
    }
    match &plan.undo {
        Some(undo) => add("undo", undo.to_string(), Tone::Text),
        None => add("undo", "there is none".to_owned(), Tone::Warn),
    }
    match plan.ends {
        Ends::Stays => {}
        Ends::BySystem { at } => add("ends", format!("by itself at {}", minute(at)), Tone::Text),
        Ends::Reminder => {
            add("ends", "by nobody: it is listed as left over until it is undone or owned".to_owned(), Tone::Warn);
        }
    }
    let (checked, tone) = checked(plan, now);
    add("checked", checked, tone);
    add("same as", plan.command.to_string(), Tone::Dim);
    lines
}

/// How long it is looked for before it counts as timed out: `11 min`.
pub(crate) fn waits(plan: &Plan) -> String {
    match plan.patience_seconds {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds if seconds < 7200 => format!("{} min", seconds / 60),
        seconds if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// One change, short enough to be read: `replicas 6 → 12`.
fn changed(change: &FieldChange) -> String {
    if change.words.is_some() {
        return change.shown();
    }
    let [before, after] = [&change.before, &change.after].map(|value| match value.as_str() {
        "null" => "nothing".to_owned(),
        value if value.chars().nth(VALUE).is_some() => value.chars().take(VALUE - 1).chain(['…']).collect(),
        value => value.to_owned(),
    });
    format!("{} {before} → {after}", change.label)
}

fn room(room: &Room) -> (String, Tone) {
    match room {
        Room::NotNeeded => ("none is needed: nothing is added".to_owned(), Tone::Dim),
        Room::Counted { fit, wait, words } => {
            let added = fit + wait;
            let text = if *wait == 0 {
                format!("all {added} fit now")
            } else {
                format!("{fit} of {added} fit now; {wait} would wait for a node")
            };
            // What the words say already is not said twice.
            let text = match words.as_str() {
                "" => text,
                words if words.starts_with(&text) => words.to_owned(),
                words => format!("{text} ({words})"),
            };
            (text, if *wait > 0 { Tone::Warn } else { Tone::Good })
        }
        Room::Unknown { why } => (format!("unknown: {why}"), Tone::Warn),
    }
}

/// What the system said of it, and when it was read.
fn checked(plan: &Plan, now: World) -> (String, Tone) {
    let (permission, bad) = match &plan.permission {
        Permission::Allowed => ("allowed".to_owned(), false),
        Permission::Denied { why } => (format!("not allowed: {why}"), true),
        Permission::Unknown { why } => (format!("permission unknown: {why}"), false),
    };
    let (preview, worse) = match &plan.preview {
        Preview::Accepted => ("dry-run accepted".to_owned(), false),
        Preview::Refused { why } => (format!("dry-run refused: {why}"), true),
        Preview::Unavailable { why } => (format!("no preview: {why}"), false),
    };
    let read = match (now - plan.read_at).num_seconds().max(0) {
        0 => "just now".to_owned(),
        seconds @ 1..120 => format!("{seconds} s ago"),
        seconds => format!("{} min ago", seconds / 60),
    };
    (format!("{permission}; {preview}; read {read}"), if bad || worse { Tone::Bad } else { Tone::Text })
}
