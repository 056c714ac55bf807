//! The command table: each command once, feeding keys, palette, help, the plain front and docs.

mod arguments;
mod table;
#[cfg(test)]
mod tests;

use crate::model::command::{Command, Pane};

pub use table::COMMANDS;

/// Where a command makes sense, for key bindings and help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere.
    Anywhere,
    /// In one pane.
    Pane(Pane),
    /// While a plan is shown.
    Plan,
}

/// What a command may do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    /// Changes what is shown.
    None,
    /// Writes to the record.
    Record,
    /// Leads to a change of a system: absent when the session is read-only.
    Act,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Its name in key files, in the palette and after `:`.
    pub id: &'static str,
    /// A few words for lists.
    pub title: &'static str,
    /// One or two sentences for help.
    pub help: &'static str,
    /// Its arguments as help shows them, such as `TEXT` or `WORKLOAD N`.
    pub args: &'static str,
    /// Where it makes sense.
    pub scope: Scope,
    /// What it may do to the world.
    pub danger: Danger,
    parse: fn(&str) -> Result<Command, String>,
}

impl Declaration {
    /// Reads its arguments. The error says what is missing or wrong.
    pub fn parse(&self, args: &str) -> Result<Command, String> {
        (self.parse)(args.trim()).map_err(|why| {
            let usage = if self.args.is_empty() { self.id.to_owned() } else { format!("{} {}", self.id, self.args) };
            format!("{why}; usage: {usage}")
        })
    }
}

/// The command called `id`.
pub fn find(id: &str) -> Option<&'static Declaration> {
    COMMANDS.iter().find(|command| command.id == id)
}

/// Reads a command line such as `scale payments 12`: the id, then its arguments.
pub fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim();
    let (id, args) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if let Some(command) = find(id) {
        return command.parse(args);
    }
    let nearest = COMMANDS
        .iter()
        .map(|command| (strsim::jaro_winkler(id, command.id), command.id))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    Err(match nearest {
        Some((likeness, near)) if likeness > 0.8 => format!("there is no command `{id}`; did you mean `{near}`?"),
        _ => format!("there is no command `{id}`; ? lists them"),
    })
}
