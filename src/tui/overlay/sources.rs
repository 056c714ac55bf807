//! All sources: how each is, how old what it told is, what limits it, and what happens next; and
//! what the credentials could do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::signal::SourceState;
use crate::observe::sources::SourceRow;
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::{Freshness, Scene};
use crate::tui::state::{Overlay, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::Card;

pub(super) fn draw(state: &mut State, scene: &Scene<'_>, brush: &Brush<'_>, body: Rect, buffer: &mut Buffer) {
    let mut card = Card::new(brush, Role::Dialog, body, 110, 16);
    card.title(Role::TitleFocus, "Sources").title(Role::Dim, "  what is read, and what cannot be");
    if scene.sources.is_empty() {
        card.text("There is none: `warroom config check` says what the configuration names.", Role::Warn);
    }
    let mut rows: Vec<(Freshness, &SourceRow)> =
        scene.sources.iter().map(|row| (scene.told(row).freshness, row)).collect();
    // What needs a look first.
    rows.sort_by_key(|(freshness, _)| std::cmp::Reverse(*freshness));
    for (freshness, row) in rows {
        let role = match freshness {
            Freshness::Live => Role::Good,
            Freshness::Limited => Role::Text,
            Freshness::Late => Role::Warn,
            Freshness::Lost => Role::Bad,
        };
        card.fact(row.origin.source.as_str(), &state_of(row, scene), role);
        if let Some(why) = row.why() {
            card.fact("", why, Role::Text);
        }
        if row.dropped > 0 {
            card.fact("", &format!("{} lines were dropped on the way", words::count(row.dropped)), Role::Warn);
        }
    }
    for (at, told) in scene.powers.iter().enumerate() {
        if at == 0 {
            card.blank();
        }
        card.fact(if at == 0 { "credentials" } else { "" }, told, Role::Text);
    }
    let mut foot = card.ink();
    super::keys(&mut foot, &state.keymap, Where::Dialog, &[("back", "back"), ("down", "down"), ("up", "up")]);
    card.foot = vec![foot.line()];
    let Some(Overlay::Sources { scroll }) = &mut state.overlay else { return };
    card.draw(body, scroll, buffer);
}

/// `live for 12 min, read 4 s ago`.
fn state_of(row: &SourceRow, scene: &Scene<'_>) -> String {
    let since = words::long_age(scene.now - row.since);
    let read = match row.age(scene.now) {
        Some(age) => format!("last read {} ago", words::long_age(age)),
        None => "never read".to_owned(),
    };
    match &row.state {
        SourceState::Connecting => format!("connecting for {since}, {read}"),
        SourceState::Live { limited: None } => format!("live, {read}"),
        SourceState::Live { limited: Some(_) } => format!("live, but sees less than everything; {read}"),
        SourceState::Retrying { until, .. } if *until > scene.now => {
            format!("does not answer for {since}, {read}; next try in {}", words::long_age(*until - scene.now))
        }
        SourceState::Retrying { .. } => format!("does not answer for {since}, {read}; trying now"),
        SourceState::Denied { .. } => format!("refuses us for {since}, {read}"),
        SourceState::Ended { .. } => format!("ended {since} ago, {read}"),
    }
}
