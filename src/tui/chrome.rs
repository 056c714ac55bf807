//! The frame around the rows: header, situation line, panes with their titles, bottom line.

mod footer;
pub(super) mod header;
mod layout;
mod pane;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::clock::Wall;

use super::overlay;
use super::scene::Scene;
use super::state::State;
use super::theme::{Role, Theme};

/// The smallest screen that is drawn.
pub(super) const SMALLEST: (u16, u16) = (60, 15);

/// How this frame is drawn.
#[derive(Clone, Copy)]
pub(super) struct Brush<'a> {
    pub(super) theme: &'a Theme,
    pub(super) ascii: bool,
    /// For how long sentences of the screen itself stay.
    pub(super) wall: Wall,
}

/// Draws everything. Where the cursor belongs, if somewhere.
pub(super) fn draw(state: &mut State, scene: &Scene<'_>, brush: &Brush<'_>, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    buffer.set_style(area, brush.theme.get(Role::Text));
    state.rects.clear();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        too_small(brush, buffer);
        return None;
    }
    let plan = layout::split(area, state);
    header::draw(state, scene, brush, plan.header, buffer);
    header::situation(state, scene, brush, plan.situation, buffer);
    for (place, boxed) in &plan.panes {
        pane::draw(place.0, place.1, *boxed, state, scene, brush, buffer);
    }
    let cursor = footer::draw(state, scene, brush, plan.footer, buffer);
    overlay::draw(state, scene, brush, plan.body, buffer).or(cursor)
}

fn too_small(brush: &Brush<'_>, buffer: &mut Buffer) {
    let area = buffer.area;
    let text = format!(
        "warroom needs {} columns and {} rows to show anything; here are {} and {}. It goes on reading and recording.",
        SMALLEST.0, SMALLEST.1, area.width, area.height
    );
    let lines = super::words::wrap(&text, usize::from(area.width));
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        put(buffer, Rect::new(area.x, y, area.width, 1), &Line::styled(line, brush.theme.get(Role::Warn)));
    }
}

/// A line in a row; what is longer is cut.
pub(super) fn put(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    let area = area.intersection(buffer.area);
    if area.width > 0 && area.height > 0 {
        buffer.set_line(area.x, area.y, line, area.width);
    }
}

/// The characters of lines and corners.
pub(super) struct Lines {
    pub(super) across: &'static str,
    pub(super) down: &'static str,
    pub(super) corners: [&'static str; 4],
}

/// Thin lines; heavy ones around what has the focus, so that it is seen without colours.
pub(super) fn lines(heavy: bool, ascii: bool) -> Lines {
    match (heavy, ascii) {
        (false, false) => Lines { across: "─", down: "│", corners: ["┌", "┐", "└", "┘"] },
        (true, false) => Lines { across: "━", down: "┃", corners: ["┏", "┓", "┗", "┛"] },
        (false, true) => Lines { across: "-", down: "|", corners: ["+", "+", "+", "+"] },
        (true, true) => Lines { across: "=", down: "|", corners: ["#", "#", "#", "#"] },
    }
}

/// A box, and the room inside.
pub(super) fn boxed(buffer: &mut Buffer, area: Rect, heavy: bool, role: Role, brush: &Brush<'_>) -> Rect {
    let area = area.intersection(buffer.area);
    if area.width < 2 || area.height < 2 {
        return Rect::new(area.x, area.y, 0, 0);
    }
    let (style, lines) = (brush.theme.get(role), lines(heavy, brush.ascii));
    let across = lines.across.repeat(usize::from(area.width - 2));
    let [a, b, c, d] = lines.corners;
    buffer.set_string(area.x, area.y, format!("{a}{across}{b}"), style);
    buffer.set_string(area.x, area.bottom() - 1, format!("{c}{across}{d}"), style);
    for y in area.y + 1..area.bottom() - 1 {
        buffer.set_string(area.x, y, lines.down, style);
        buffer.set_string(area.right() - 1, y, lines.down, style);
    }
    Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
}
