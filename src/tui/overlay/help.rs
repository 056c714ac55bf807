//! Help: keys and commands, from the keymap and the command table.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::session::WriteWindow;
use crate::session::commands::{COMMANDS, Danger, Declaration, Scope};
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::{Overlay, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Card, actions};

/// Columns of the keys, and of the command.
const KEYS: usize = 11;
const NAME: usize = 20;

/// The heading that a command stands under.
fn group(it: &Declaration) -> &'static str {
    match (it.danger, it.scope) {
        (Danger::Act, _) | (_, Scope::Plan) => "Acting",
        (Danger::Record, _) => "The record",
        (Danger::None, Scope::Pane(_)) => "In one pane",
        (Danger::None, Scope::Anywhere) => "Seeing",
    }
}

pub(super) fn draw(state: &mut State, scene: &Scene<'_>, brush: &Brush<'_>, body: Rect, buffer: &mut Buffer) {
    let mut card = Card::new(brush, Role::Dialog, body, 116, 12);
    card.title(Role::TitleFocus, "Help").title(Role::Dim, "  keys and commands");
    let (may_act, offered) = (actions::may_act(scene), actions::offered(scene));
    for title in ["The record", "Acting", "Seeing", "In one pane"] {
        card.text(title, Role::Title);
        if title == "Acting" && !may_act {
            card.text("This environment is read-only: nothing can be changed from here.", Role::Dim);
            continue;
        }
        if title == "Acting" && scene.window == &WriteWindow::Closed {
            card.text("This session is read-only until the write window is open.", Role::Dim);
        }
        for it in COMMANDS.iter().filter(|it| group(it) == title && offered(it)) {
            let keys = state.keymap.keys_of(it.id).join(" ");
            let args = if it.args.is_empty() { String::new() } else { format!(" {}", it.args) };
            let name = format!(":{}{args}", it.id);
            let mut ink = card.ink();
            ink.number(Role::Key, &words::fit(&keys, KEYS, brush.ascii), KEYS).gap(1);
            // A long command has its line, and the help stands below it.
            let beside = words::width(&name) <= NAME;
            ink.cell(Role::Name, &name, NAME.max(words::width(&name)));
            let room = (card.room() + 2).saturating_sub(KEYS + NAME + 3);
            let mut parts = words::wrap(it.help, room).into_iter().peekable();
            if let Some(first) = parts.next_if(|_| beside) {
                ink.put(Role::Text, &first);
            }
            card.lines.push(ink.line());
            for part in parts {
                let mut ink = card.ink();
                ink.gap(KEYS + NAME + 3).put(Role::Text, &part);
                card.lines.push(ink.line());
            }
        }
        card.blank();
    }
    if !state.keymap.conflicts.is_empty() {
        card.text("Keys that hide each other", Role::Title);
        for problem in &state.keymap.conflicts {
            card.text(&problem.to_string(), Role::Warn);
        }
    }
    let mut foot = card.ink();
    let words = [("back", "back"), ("down", "down"), ("up", "up"), ("page-down", "page"), ("bottom", "end")];
    super::keys(&mut foot, &state.keymap, Where::Dialog, &words);
    card.foot = vec![foot.line()];
    let Some(Overlay::Help { scroll }) = &mut state.overlay else { return };
    card.draw(body, scroll, buffer);
}
