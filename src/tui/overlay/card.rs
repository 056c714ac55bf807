//! A box of lines in the middle: labelled facts, scrolled when they are many.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::tui::chrome::{Brush, boxed, put};
use crate::tui::panes::Ink;
use crate::tui::theme::Role;
use crate::tui::words;

/// A box of lines.
pub(in crate::tui) struct Card<'a> {
    pub(in crate::tui) brush: &'a Brush<'a>,
    pub(in crate::tui) role: Role,
    pub(in crate::tui) title: Vec<(Role, String)>,
    pub(in crate::tui) lines: Vec<Line<'static>>,
    /// Below the lines, always visible.
    pub(in crate::tui) foot: Vec<Line<'static>>,
    width: usize,
    label: usize,
}

impl<'a> Card<'a> {
    /// A card at most `width` columns wide in `body`, with labels of at most `label` columns.
    pub(in crate::tui) fn new(brush: &'a Brush<'a>, role: Role, body: Rect, width: u16, label: usize) -> Self {
        // A border of leftovers beside the card would only be noise.
        let width = if body.width < width + 8 { body.width } else { width };
        let width = usize::from(width).saturating_sub(4);
        Self { brush, role, title: Vec::new(), lines: Vec::new(), foot: Vec::new(), width, label }
    }

    pub(in crate::tui) fn title(&mut self, role: Role, text: impl Into<String>) -> &mut Self {
        self.title.push((role, text.into()));
        self
    }

    /// Columns of a line, and of the title but for its margins.
    pub(in crate::tui) fn room(&self) -> usize {
        self.width.saturating_sub(2)
    }

    pub(in crate::tui) fn ink(&self) -> Ink<'a> {
        Ink::new(self.brush.theme, self.brush.ascii, self.width)
    }

    /// A labelled text, wrapped beside its label.
    pub(in crate::tui) fn fact(&mut self, label: &str, text: &str, role: Role) -> &mut Self {
        let room = self.width.saturating_sub(self.label + 1);
        for (at, part) in words::wrap(text, room).into_iter().enumerate() {
            let mut ink = self.ink();
            ink.cell(Role::Dim, if at == 0 { label } else { "" }, self.label).put(role, &part);
            self.lines.push(ink.line());
        }
        self
    }

    /// A paragraph over the whole width.
    pub(in crate::tui) fn text(&mut self, text: &str, role: Role) -> &mut Self {
        for part in words::wrap(text, self.width) {
            let mut ink = self.ink();
            ink.put(role, &part);
            self.lines.push(ink.line());
        }
        self
    }

    pub(in crate::tui) fn blank(&mut self) -> &mut Self {
        self.lines.push(Line::default());
        self
    }

    /// Draws it in the middle of `body`. `scroll` is brought within its bounds. Where the lines
    /// of the foot stand is returned.
    pub(in crate::tui) fn draw(self, body: Rect, scroll: &mut usize, buffer: &mut Buffer) -> Rect {
        let most = usize::from(body.height);
        let extra = 2 + self.foot.len();
        let height = (self.lines.len() + extra).min(most);
        let shown = height.saturating_sub(extra);
        *scroll = (*scroll).min(self.lines.len().saturating_sub(shown));
        let width = (self.width + 4) as u16;
        let area = Rect::new(
            body.x + (body.width.saturating_sub(width)) / 2,
            body.y + (body.height.saturating_sub(height as u16)) / 3,
            width,
            height as u16,
        );
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(self.brush.theme.get(Role::Text));
                }
            }
        }
        // A wide character that the box cut in half leaves no half behind.
        let inner = boxed(buffer, area, true, self.role, self.brush);
        let mut title = Ink::new(self.brush.theme, self.brush.ascii, self.width);
        title.gap(1);
        for (role, text) in &self.title {
            title.put(*role, text);
        }
        title.gap(1);
        put(buffer, Rect::new(area.x + 2, area.y, area.width.saturating_sub(4), 1), &title.line());
        let row = |y: u16| Rect::new(inner.x + 1, y, inner.width.saturating_sub(2), 1);
        for (y, line) in (inner.y..inner.bottom()).zip(self.lines.iter().skip(*scroll).take(shown)) {
            put(buffer, row(y), line);
        }
        let more = self.lines.len().saturating_sub(*scroll + shown);
        if more > 0 || *scroll > 0 {
            let mut ink = Ink::new(self.brush.theme, self.brush.ascii, self.width);
            ink.put(Role::Accent, &format!(" {} above, {more} below ", scroll));
            let line = ink.line();
            let wide = line.width() as u16;
            put(
                buffer,
                Rect::new(area.right().saturating_sub(wide + 2), area.bottom().saturating_sub(1), wide, 1),
                &line,
            );
        }
        let foot = Rect::new(row(0).x, inner.y + shown as u16, row(0).width, self.foot.len() as u16);
        for (y, line) in (foot.y..foot.bottom()).zip(&self.foot) {
            put(buffer, row(y), line);
        }
        foot
    }
}
