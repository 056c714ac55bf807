//! The bottom line: what is typed, what was said, else the keys that matter here.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::model::command::Pane;
use crate::session::NoticeKind;
use crate::tui::keymap::Where;
use crate::tui::panes::Ink;
use crate::tui::scene::Scene;
use crate::tui::state::{PromptKind, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Brush, header, put};

/// Rows that a long sentence may take from the panes.
const TALL: usize = 5;

/// A sentence in rows: one as a rule; a long one grows upwards, unless a dialog is open.
fn sentence(text: &str, kind: NoticeKind, state: &State, scene: &Scene<'_>, area: Rect) -> Vec<String> {
    let away = state.keymap.key_of("back").filter(|_| kind == NoticeKind::Error);
    let text = match away {
        Some(key) => format!("{text}  ({key} puts this away)"),
        None => text.to_owned(),
    };
    let dialog = scene.plan.is_some() || state.overlay.is_some() || state.resume(scene).is_some();
    let most = if dialog { 1 } else { TALL.min(usize::from(area.y) / 4).max(1) };
    let width = usize::from(area.width).saturating_sub(2);
    if most == 1 || words::width(&text) <= width {
        return vec![text];
    }
    let mut lines = words::wrap(&text, width);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines
}

pub(super) fn draw(
    state: &State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let mut ink = Ink::new(brush.theme, brush.ascii, usize::from(area.width));
    ink.gap(1);
    if let Some(prompt) = &state.prompt {
        let (label, help) = match prompt.kind {
            PromptKind::Filter => (format!("filter {} ", state.focus.title().to_lowercase()), ("keeps", "! inverts")),
            PromptKind::Search => ("search ".into(), ("goes there", "then n N")),
        };
        let key = |line| state.keymap.key_in(Where::Line, line).unwrap_or_else(|| "Esc".into());
        let help = format!("{} {}  {} leaves  {}", key("accept"), help.0, key("back"), help.1);
        let room = usize::from(area.width).saturating_sub(words::width(&label) + 3);
        let scroll = prompt.input.visual_scroll(room.max(1));
        let start = 1 + words::width(&label);
        ink.put(Role::Key, &label).put(Role::Text, words::skip(prompt.input.value(), scroll));
        ink.gap(1).right(Role::Dim, &help);
        put(buffer, area, &ink.line());
        let x = start + prompt.input.visual_cursor().saturating_sub(scroll);
        return Some(Position::new(area.x + u16::try_from(x).unwrap_or(0).min(area.width.saturating_sub(1)), area.y));
    }
    if let Some((kind, text)) = state.sentence(scene, brush.wall) {
        let (role, word) = match kind {
            NoticeKind::Info => (Role::NoticeInfo, ""),
            NoticeKind::Done => (Role::NoticeDone, "done: "),
            NoticeKind::Error => (Role::NoticeError, "error: "),
        };
        let lines = sentence(&format!("{word}{text}"), kind, state, scene, area);
        let rows = u16::try_from(lines.len()).unwrap_or(1);
        for (y, line) in (area.bottom().saturating_sub(rows)..area.bottom()).zip(lines) {
            let row = Rect::new(area.x, y, area.width, 1);
            // What stood there in the panes is gone while the sentence stands.
            let mut ink = Ink::new(brush.theme, brush.ascii, usize::from(area.width));
            ink.gap(1).put(role, &line);
            let rest = ink.room();
            ink.gap(rest);
            buffer.set_style(row, brush.theme.get(Role::Text));
            put(buffer, row, &ink.line());
        }
        return None;
    }
    if let (Some(acting), true) = (header::acting(scene), state.pending.is_empty()) {
        ink.put(Role::New, &acting);
        put(buffer, area, &ink.line());
        return None;
    }
    if !state.pending.is_empty() {
        let typed: Vec<String> = state.pending.iter().map(|key| key.to_string().to_lowercase()).collect();
        ink.put(Role::Key, &typed.join(" ")).put(Role::Dim, " …");
        put(buffer, area, &ink.line());
        return None;
    }
    let mut hints = vec![("actions", "act"), ("claim-selection", "claim")];
    if state.focus == Pane::Logs {
        hints = vec![("pause-logs", "pause"), ("next-error", "next error"), ("wrap-logs", "wrap")];
    }
    hints.extend([("help", "help"), ("palette", "command"), ("filter", "filter"), ("detail", "detail")]);
    hints.extend([("select-service", "one service"), ("zoom", "zoom"), ("copy-selection", "copy")]);
    for (line, word) in hints {
        let Some(key) = state.keymap.key_of(line) else { continue };
        if ink.room() < words::width(key) + words::width(word) + 10 {
            continue;
        }
        ink.put(Role::Key, key).gap(1).put(Role::Dim, word).gap(2);
    }
    if let Some(key) = state.keymap.key_of("quit") {
        ink.right(Role::Dim, &format!("{key} leave "));
    }
    put(buffer, area, &ink.line());
    None
}
