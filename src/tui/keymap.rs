//! Keys: chords and sequences of chords that stand for command lines.
//!
//! Owns: the shipped key file, the files that change it, and the tries that keys walk. What a
//! line means is the command table's.

use std::collections::HashMap;

use crokey::KeyCombination;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use toml::de::{DeTable, DeValue};

use crate::model::command::Pane;
use crate::session::commands;

use super::position::{Problem, Source, nearest};

const SHIPPED: &str = include_str!("../../keymaps/default.toml");
const SCOPES: [&str; 13] = [
    "anywhere",
    "alerts",
    "services",
    "logs",
    "workloads",
    "changes",
    "timeline",
    "plan",
    "dialog",
    "line",
    "resume",
    "leave",
    "close",
];
/// From here on a key is one chord: a question is not answered by half a sequence.
const ONE_CHORD: usize = 7;
/// The scope in which text is typed.
const LINE: usize = 9;

/// Why a key file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeymapError(pub Problem);

/// Where a key is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// In a pane: its own keys before those of anywhere.
    Pane(Pane),
    /// While a plan is shown: only the plan's keys.
    Plan,
    /// In any other dialog.
    Dialog,
    /// While something is typed.
    Line,
    /// While it is asked whether an old incident is taken up.
    Resume,
    /// While it is asked whether to leave.
    Leave,
    /// While what is left over is gone through, before an incident is closed.
    Close,
}

impl Where {
    fn scopes(self) -> [Option<usize>; 2] {
        match self {
            Self::Pane(pane) => [Some(pane.number()), Some(0)],
            Self::Plan => [Some(ONE_CHORD), None],
            Self::Dialog => [Some(ONE_CHORD + 1), None],
            Self::Line => [Some(LINE), None],
            Self::Resume => [Some(LINE + 1), None],
            Self::Leave => [Some(LINE + 2), None],
            Self::Close => [Some(LINE + 3), None],
        }
    }
}

/// What a sequence of keys stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A command line; a leading `:` asks for it to be opened for editing.
    Line(String),
    /// The beginning of a longer sequence.
    More,
    /// Nothing.
    Nothing,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: HashMap<KeyCombination, Node>,
    line: Option<String>,
}

impl Node {
    fn walk(&self, keys: &[KeyCombination]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.next.get(key))
    }

    fn is_end(&self) -> bool {
        self.next.is_empty()
    }
}

/// What keys do.
#[derive(Clone, Debug)]
pub struct Keymap {
    tries: [Node; SCOPES.len()],
    /// Sequences by scope in the order of the files, for help.
    listed: Vec<(usize, String, String)>,
    /// Bindings that hide each other.
    pub conflicts: Vec<Problem>,
}

impl Keymap {
    /// The shipped keys.
    pub fn shipped() -> Result<Self, KeymapError> {
        let mut keymap = Self { tries: Default::default(), listed: Vec::new(), conflicts: Vec::new() };
        keymap.add("keymaps/default.toml", SHIPPED)?;
        Ok(keymap)
    }

    /// Lays a user's file over what is there. Wrong files change nothing.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), KeymapError> {
        let mut changed = self.clone();
        changed.lay(Source { file, text }).map_err(KeymapError)?;
        *self = changed;
        Ok(())
    }

    fn lay(&mut self, source: Source<'_>) -> Result<(), Problem> {
        let table = DeTable::parse(source.text).map_err(|error| source.syntax(&error))?;
        let mut laid: Vec<(usize, Vec<KeyCombination>, String)> = Vec::new();
        for (name, bindings) in table.get_ref() {
            let Some(scope) = SCOPES.iter().position(|scope| *scope == name.get_ref().as_ref()) else {
                let near = nearest(name.get_ref(), SCOPES);
                return Err(source.problem(&name.span(), format!("there are no keys for `{}`{near}", name.get_ref())));
            };
            let DeValue::Table(bindings) = bindings.get_ref() else {
                return Err(source.problem(&bindings.span(), "keys stand in a table: \"key\" = \"command\""));
            };
            // In the order of the file: the first key of a command is the one that is shown.
            let mut bindings: Vec<_> = bindings.iter().collect();
            bindings.sort_by_key(|(key, _)| key.span().start);
            for (key, value) in bindings {
                let written = key.get_ref().as_ref();
                let keys = sequence(written).map_err(|why| source.problem(&key.span(), why))?;
                if scope >= ONE_CHORD && keys.len() > 1 {
                    let what = format!("`{written}` is several keys, and in `{}` a key is one", name.get_ref());
                    return Err(source.problem(&key.span(), what));
                }
                if scope == LINE && keys.iter().any(types) {
                    let what = format!("`{written}` could not be typed any more; keys in `line` take ctrl or alt");
                    return Err(source.problem(&key.span(), what));
                }
                let line = match value.get_ref() {
                    DeValue::Boolean(false) => None,
                    DeValue::String(line) => {
                        if !line.starts_with(':') {
                            commands::parse(line).map_err(|why| source.problem(&value.span(), why))?;
                        }
                        Some(line.to_string())
                    }
                    _ => return Err(source.problem(&value.span(), "a key does a command line, or nothing: false")),
                };
                if let Some((_, _, other)) = laid.iter().find(|(at, other, _)| *at == scope && *other == keys) {
                    let what = format!("`{written}` and `{other}` are the same key; the later one counts");
                    self.conflicts.push(source.problem(&key.span(), what));
                }
                laid.push((scope, keys.clone(), written.to_owned()));
                self.bind(scope, &keys, written, line);
            }
        }
        for (scope, keys, written) in &laid {
            let hides = self
                .tries
                .get(*scope)
                .and_then(|trie| trie.walk(keys))
                .is_some_and(|node| !node.is_end() && node.line.is_some());
            if hides {
                let what = format!("`{written}` hides the longer keys that begin with it");
                self.conflicts.push(source.problem(&(0..0), what));
            }
        }
        Ok(())
    }

    fn bind(&mut self, scope: usize, keys: &[KeyCombination], written: &str, line: Option<String>) {
        let Some(mut node) = self.tries.get_mut(scope) else { return };
        for key in keys {
            node = node.next.entry(*key).or_default();
        }
        node.line = line.clone();
        self.listed.retain(|(at, other, _)| *at != scope || sequence(other).ok().as_deref() != Some(keys));
        if let Some(line) = line {
            self.listed.push((scope, written.to_owned(), line));
        }
    }

    /// What `keys`, pressed one after the other there, stand for.
    pub(super) fn find(&self, at: Where, keys: &[KeyCombination]) -> Found {
        let mut more = false;
        for scope in at.scopes().into_iter().flatten() {
            let Some(node) = self.tries.get(scope).and_then(|trie| trie.walk(keys)) else { continue };
            match &node.line {
                Some(line) => return Found::Line(line.clone()),
                None => more |= node.next.values().any(|next| next.line.is_some() || !next.is_end()),
            }
        }
        if more { Found::More } else { Found::Nothing }
    }

    /// The first key for a command line anywhere or in a pane, as files write it.
    pub(super) fn key_of(&self, line: &str) -> Option<&str> {
        let outside = self.listed.iter().filter(|(scope, ..)| *scope < ONE_CHORD);
        outside.into_iter().find(|(_, _, bound)| bound == line).map(|(_, written, _)| written.as_str())
    }

    /// The first key for a command line there, as people write it. Nothing, if nobody bound one.
    pub(super) fn key_in(&self, at: Where, line: &str) -> Option<String> {
        let scopes = at.scopes();
        let found = self.listed.iter().find(|(scope, _, bound)| scopes.contains(&Some(*scope)) && bound == line);
        found.map(|(_, written, _)| match written.as_str() {
            "esc" => "Esc".to_owned(),
            "enter" => "Enter".to_owned(),
            "tab" => "Tab".to_owned(),
            "up" => "Up".to_owned(),
            "down" => "Down".to_owned(),
            other => other.to_owned(),
        })
    }

    /// All keys of a command, each with its scope when it is not anywhere.
    pub(super) fn keys_of(&self, id: &str) -> Vec<String> {
        let of = |line: &str| line.trim_start_matches(':').split_whitespace().next() == Some(id);
        let mut keys: Vec<String> =
            self.listed.iter().filter(|(_, _, line)| of(line)).map(|(_, written, _)| written.clone()).collect();
        keys.sort_by_key(String::len);
        keys.dedup();
        keys
    }
}

/// Reads chords one after the other. A capital letter is that letter with shift.
fn sequence(text: &str) -> Result<Vec<KeyCombination>, String> {
    let chord = |text: &str| {
        let mut letters = text.chars();
        let parsed = match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_uppercase() => crokey::parse(&format!("shift-{letter}")),
            _ => crokey::parse(text),
        };
        parsed
            .map(KeyCombination::normalized)
            .map_err(|_| format!("`{text}` is no key; write it as `ctrl-d`, `G`, `space` or `F5`"))
    };
    let keys: Vec<_> = text.split_whitespace().map(chord).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err("a key is missing".into()) } else { Ok(keys) }
}

/// Whether pressing the chord types a character.
fn types(key: &KeyCombination) -> bool {
    let letter = |code: &KeyCode| matches!(code, KeyCode::Char(_) | KeyCode::Backspace);
    key.codes.iter().any(letter) && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// The chord of a key event. Shift on anything but letters is in the character already.
pub(super) fn chord(event: KeyEvent) -> KeyCombination {
    let mut event = event;
    if let KeyCode::Char(c) = event.code
        && !c.is_alphabetic()
    {
        event.modifiers.remove(KeyModifiers::SHIFT);
    }
    KeyCombination::from(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keymap: &Keymap, pane: Pane, keys: &[(KeyCode, KeyModifiers)]) -> Found {
        let keys: Vec<_> = keys.iter().map(|(code, mods)| chord(KeyEvent::new(*code, *mods))).collect();
        keymap.find(Where::Pane(pane), &keys)
    }

    fn letter(c: char) -> (KeyCode, KeyModifiers) {
        (KeyCode::Char(c), if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE })
    }

    #[test]
    fn the_shipped_keys_are_those_that_hands_know() {
        let keymap = Keymap::shipped().unwrap();
        assert_eq!(keymap.conflicts, []);
        for (keys, line) in [
            (vec![letter('j')], "down"),
            (vec![letter('G')], "bottom"),
            (vec![letter('g'), letter('g')], "top"),
            (vec![letter('?')], "help"),
            (vec![(KeyCode::Char('?'), KeyModifiers::SHIFT)], "help"),
            (vec![letter(':')], "palette"),
            (vec![(KeyCode::Char('d'), KeyModifiers::CONTROL)], "half-page-down"),
            (vec![(KeyCode::BackTab, KeyModifiers::SHIFT)], "previous-pane"),
            (vec![(KeyCode::Enter, KeyModifiers::NONE)], "detail"),
            (vec![letter(' ')], "select-service"),
        ] {
            assert_eq!(press(&keymap, Pane::Alerts, &keys), Found::Line(line.into()), "{keys:?}");
        }
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('g')]), Found::More);
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('g'), letter('x')]), Found::Nothing);
        for left in ['k', 'a', 'b'] {
            assert_eq!(press(&keymap, Pane::Logs, &[(KeyCode::Char(left), KeyModifiers::CONTROL)]), Found::Nothing);
        }
    }

    #[test]
    fn a_panes_own_key_goes_before_that_of_anywhere() {
        let keymap = Keymap::shipped().unwrap();
        assert_eq!(press(&keymap, Pane::Logs, &[letter('e')]), Found::Line("next-error".into()));
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('e')]), Found::Nothing);
        assert_eq!(press(&keymap, Pane::Logs, &[letter('t'), letter('z')]), Found::Line("cycle-zone".into()));
    }

    #[test]
    fn a_plan_hears_only_its_own_keys() {
        let keymap = Keymap::shipped().unwrap();
        let key = |c| keymap.find(Where::Plan, &[chord(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))]);
        assert_eq!(key('y'), Found::Line("confirm-dialog".into()));
        assert_eq!(key('f'), Found::Line("plan-instead".into()), "not the zoom of anywhere");
        assert_eq!(key('x'), Found::Nothing);
        assert_eq!(
            keymap.find(Where::Plan, &[chord(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE))]),
            Found::Nothing
        );
    }

    #[test]
    fn a_users_file_stands_over_the_shipped_one() {
        let mut keymap = Keymap::shipped().unwrap();
        keymap.add("mine.toml", "[anywhere]\n\"z\" = \"help\"\n\"x\" = false\n\"F2\" = \":severity \"\n").unwrap();
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('z')]), Found::Line("help".into()));
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('x')]), Found::Nothing);
        assert_eq!(
            press(&keymap, Pane::Alerts, &[(KeyCode::F(2), KeyModifiers::NONE)]),
            Found::Line(":severity ".into())
        );
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('j')]), Found::Line("down".into()));
    }

    #[test]
    fn keys_that_hide_each_other_are_reported() {
        let mut keymap = Keymap::shipped().unwrap();
        keymap.add("mine.toml", "[anywhere]\n\"g\" = \"top\"\n\"G\" = \"up\"\n\"shift-g\" = \"down\"\n").unwrap();
        let told: Vec<_> = keymap.conflicts.iter().map(|problem| problem.what.as_str()).collect();
        assert!(told.contains(&"`g` hides the longer keys that begin with it"), "{told:?}");
        assert!(told.iter().any(|what| what.contains("are the same key")), "{told:?}");
    }

    #[test]
    fn a_wrong_file_says_where_and_changes_nothing() {
        let mut keymap = Keymap::shipped().unwrap();
        for (text, wanted) in [
            ("[anywhere]\n\"z\" = \"zom\"\n", "mine.toml:2:7: there is no command `zom`; did you mean `zoom`?"),
            ("[logz]\n", "mine.toml:1:2: there are no keys for `logz`; did you mean `logs`?"),
            ("[logs]\n\"hyper-q\" = \"quit\"\n", "mine.toml:2:1: `hyper-q` is no key"),
            ("[plan]\n\"y y\" = \"confirm-dialog\"\n", "mine.toml:2:1: `y y` is several keys, and in `plan`"),
            ("[line]\n\"Q\" = \"back\"\n", "mine.toml:2:1: `Q` could not be typed any more"),
        ] {
            let error = keymap.add("mine.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
        assert_eq!(press(&keymap, Pane::Alerts, &[letter('z')]), Found::Line("zoom".into()));
    }
}
