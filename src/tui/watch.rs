//! The stakeholders' screen: one page of sentences.
//!
//! Owns: how a briefing is laid out, and its keys. They scroll and quit: there is no way from here
//! to a command, a file or a system.

use std::sync::Arc;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use crate::report::{Briefing, Standing};
use crate::text::Safe;

use super::term::{Depth, Device, Terminal};
use super::theme::{Role, Theme, Themes};
use super::{ScreenError, words};

/// The column of labels: `Affected  `.
const LABEL: usize = 10;
/// On a wide screen lines end here: longer ones are hard to read.
const WIDEST: usize = 110;

/// How the page is drawn.
#[derive(Clone, Debug)]
pub struct Look {
    /// All themes that can be chosen.
    pub themes: Themes,
    /// The chosen one.
    pub theme: String,
    /// How many colours are shown.
    pub depth: Depth,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
}

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The page has to be drawn again.
    Page,
    /// To leave.
    Leave,
}

/// The page on a terminal. Dropping it restores the terminal.
pub struct WatchScreen {
    theme: Theme,
    ascii: bool,
    terminal: Terminal,
    /// The first shown line of what scrolls.
    top: usize,
    /// How far it can scroll, and how much a page is.
    deepest: usize,
    page: usize,
}

impl std::fmt::Debug for WatchScreen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchScreen").field("area", &self.terminal.area()).finish_non_exhaustive()
    }
}

impl WatchScreen {
    /// Loads the theme, then enters the terminal.
    pub fn new(look: &Look, device: Arc<dyn Device>) -> Result<Self, ScreenError> {
        let theme = look.themes.load(&look.theme, look.depth)?;
        let terminal = Terminal::enter(device)?;
        terminal.restore_on_panic();
        terminal.drawn_here();
        Ok(Self { theme, ascii: look.ascii, terminal, top: 0, deepest: 0, page: 1 })
    }

    /// Draws the page. `false`: the terminal has not taken the last one yet.
    pub fn show(&mut self, briefing: &Briefing) -> bool {
        let area = self.terminal.area();
        let mut buffer = Buffer::empty(area);
        let (head, body) = page(briefing, &self.theme, usize::from(area.width).min(WIDEST));
        let footer = Line::styled(" arrows and page keys scroll   q leave", self.theme.get(Role::Dim));
        let room = usize::from(area.height).saturating_sub(head.len() + 1);
        self.page = room.max(1);
        self.deepest = body.len().saturating_sub(room);
        self.top = self.top.min(self.deepest);
        let shown = head.into_iter().chain(body.into_iter().skip(self.top).take(room));
        for (line, row) in shown.zip(area.top()..area.bottom()) {
            self.line(line).render(ratatui::layout::Rect { y: row, height: 1, ..area }, &mut buffer);
        }
        if let Some(last) = area.bottom().checked_sub(1) {
            footer.render(ratatui::layout::Rect { y: last, height: 1, ..area }, &mut buffer);
        }
        self.terminal.frame(buffer, None)
    }

    fn line(&self, line: Line<'static>) -> Line<'static> {
        if !self.ascii {
            return line;
        }
        let plain = |span: Span<'static>| {
            let text: String = span.content.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
            Span::styled(text, span.style)
        };
        Line::from(line.spans.into_iter().map(plain).collect::<Vec<_>>())
    }

    /// Waits for a key or a new size.
    pub async fn wanted(&mut self) -> Wanted {
        match self.terminal.event().await {
            Ok(event) => self.take(&event),
            Err(_) => Wanted::Leave,
        }
    }

    /// Why nothing reaches the terminal any more, if so.
    pub fn gone(&self) -> Option<Safe> {
        self.terminal.gone()
    }

    fn take(&mut self, event: &Event) -> Wanted {
        match event {
            Event::Resize(columns, rows) => self.terminal.resize(*columns, *rows),
            Event::Key(key) if key.kind != KeyEventKind::Release => return self.key(*key),
            Event::Mouse(mouse) if mouse.kind == MouseEventKind::ScrollDown => self.scroll(3),
            Event::Mouse(mouse) if mouse.kind == MouseEventKind::ScrollUp => self.scroll(-3),
            _ => {}
        }
        Wanted::Page
    }

    fn key(&mut self, key: KeyEvent) -> Wanted {
        let page = isize::try_from(self.page).unwrap_or(isize::MAX);
        match (key.modifiers.contains(KeyModifiers::CONTROL), key.code) {
            (false, KeyCode::Char('q')) | (true, KeyCode::Char('c' | 'd')) => return Wanted::Leave,
            (true, KeyCode::Char('l')) => self.terminal.redraw(),
            (false, KeyCode::Down | KeyCode::Char('j')) => self.scroll(1),
            (false, KeyCode::Up | KeyCode::Char('k')) => self.scroll(-1),
            (false, KeyCode::PageDown | KeyCode::Char(' ')) => self.scroll(page),
            (false, KeyCode::PageUp) => self.scroll(-page),
            (false, KeyCode::Home | KeyCode::Char('g')) => self.top = 0,
            (false, KeyCode::End | KeyCode::Char('G')) => self.top = self.deepest,
            _ => {}
        }
        Wanted::Page
    }

    fn scroll(&mut self, lines: isize) {
        self.top = self.top.saturating_add_signed(lines).min(self.deepest);
    }
}

/// The page: what stays on top, and what scrolls below it.
fn page(briefing: &Briefing, theme: &Theme, columns: usize) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let dim = theme.get(Role::Dim);
    let (badge, badge_style) = match briefing.drill {
        true => (" DRILL ", theme.get(Role::EnvDrill)),
        false => (" INCIDENT ", theme.get(Role::EnvProduction)),
    };
    let (standing, style) = match &briefing.standing {
        Standing::Live => ("live, read-only".to_owned(), theme.get(Role::Good)),
        Standing::Left { since } => (format!("read-only, nobody writes this record: {since}"), theme.get(Role::Warn)),
        Standing::Closed { at } => (format!("closed at {at}"), dim),
    };
    let ended = matches!(briefing.standing, Standing::Closed { .. });
    let clock = Span::styled(if ended { String::new() } else { format!("  {}", briefing.clock) }, dim);
    let mut head =
        vec![Line::from(vec![Span::styled(badge, badge_style), Span::raw(" "), Span::styled(standing, style), clock])];
    let title = theme.get(Role::Situation);
    head.extend(
        words::wrap(&briefing.title, columns.saturating_sub(2))
            .into_iter()
            .map(|line| Line::styled(format!(" {line}"), title)),
    );
    head.push(Line::default());
    let mut body = Vec::new();
    for (label, texts, role) in [
        ("Affected", &briefing.affected, Role::Name),
        ("Now", &briefing.now, Role::Text),
        ("Next", &briefing.next, Role::Text),
    ] {
        let mut label = label;
        for text in texts {
            labelled(&mut body, label, text, (dim, theme.get(role)), columns);
            label = "";
        }
    }
    body.push(Line::default());
    body.push(Line::styled(" What happened, newest first", theme.get(Role::Title)));
    for moment in briefing.moments.iter().rev() {
        labelled(&mut body, &moment.at, &moment.text, (dim, theme.get(Role::Text)), columns);
    }
    (head, body)
}

/// A label with its text, wrapped beside it.
fn labelled(out: &mut Vec<Line<'static>>, label: &str, text: &str, (dim, style): (Style, Style), columns: usize) {
    let wide = LABEL.max(label.chars().count() + 1);
    let mut label = label.to_owned();
    for line in words::wrap(text, columns.saturating_sub(wide + 2).max(10)) {
        let first = Span::styled(format!(" {label:<wide$}"), dim);
        out.push(Line::from(vec![first, Span::styled(line, style)]));
        label.clear();
    }
}

#[cfg(test)]
mod tests;
