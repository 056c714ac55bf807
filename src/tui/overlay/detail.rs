//! Everything known of one row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::chrome::Brush;
use crate::tui::filter::Filter;
use crate::tui::keymap::Where;
use crate::tui::list::Keyed as _;
use crate::tui::panes::{self, Choice, Detail, Item, Paint, logs};
use crate::tui::scene::Scene;
use crate::tui::state::{Overlay, Shown, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::Card;

pub(super) fn draw(state: &mut State, scene: &Scene<'_>, brush: &Brush<'_>, body: Rect, buffer: &mut Buffer) {
    let zone = state.zone();
    let keymap = &state.keymap;
    let Some(Overlay::Detail { of, scroll }) = &mut state.overlay else { return };
    let mut card = Card::new(brush, Role::Dialog, body, 110, 12);
    let paint = Paint { theme: brush.theme, ascii: brush.ascii, zone, now: scene.now, width: 100 };
    let detail = match of {
        Shown::Row(pane, key) => {
            // Whatever limits the pane now: the row that was opened stays open.
            let all = Choice { filter: &Filter::default(), service: None, whole: true };
            let items = panes::items(*pane, scene, &all);
            let fine = Choice { filter: &Filter::default(), service: None, whole: false };
            let folded = panes::items(*pane, scene, &fine);
            items.iter().chain(&folded).find(|item| item.has(key)).map(|item: &Item<'_>| item.detail(&paint, scene))
        }
        Shown::Line(id) => scene.logs.line(*id).map(|line| logs::detail(&line, &paint)),
    };
    let detail = detail.unwrap_or_else(|| Detail { title: "This is gone.".into(), facts: Vec::new() });
    // What does not fit into the frame's own line is told in full below it.
    if words::width(&detail.title) > card.room() {
        card.fact("text", &detail.title, Role::Name);
    }
    card.title(Role::TitleFocus, detail.title.clone());
    for (label, text, role) in &detail.facts {
        card.fact(label, text, *role);
    }
    let mut foot = card.ink();
    let words = [("back", "back"), ("down", "down"), ("up", "up"), ("copy-selection", "copy")];
    super::keys(&mut foot, keymap, Where::Dialog, &words);
    card.foot = vec![foot.line()];
    card.draw(body, scroll, buffer);
}
