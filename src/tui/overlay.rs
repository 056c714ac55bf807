//! What lies over the panes: plans, details, help, the command line, menus, questions.

pub(super) mod actions;
mod card;
pub(super) mod closing;
mod detail;
mod help;
pub(super) mod palette;
mod plan;
mod questions;
mod routes;
pub(super) mod runbook;
mod sources;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::session::PlanView;

use super::chrome::Brush;
use super::keymap::{Keymap, Where};
use super::panes::Ink;
use super::scene::Scene;
use super::state::{Overlay, State};
use super::theme::Role;

pub(super) use card::Card;

/// The keys of command lines there, each with a word. What nobody bound is left out; Esc always
/// leaves.
fn keys(ink: &mut Ink<'_>, keymap: &Keymap, at: Where, words: &[(&str, &str)]) {
    for (line, word) in words {
        let leaves = matches!(*line, "back" | "discard-plan");
        let Some(key) = keymap.key_in(at, line).or_else(|| leaves.then(|| "Esc".to_owned())) else { continue };
        ink.put(Role::Key, &key).gap(1).put(Role::Dim, word).gap(3);
    }
}

/// Draws what is on top. Where the cursor belongs, if somewhere.
pub(super) fn draw(
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    if let Some(view) = scene.plan {
        let cursor = plan::draw(view, state, scene, brush, body, buffer);
        return match (view, &state.overlay) {
            (PlanView::Shown { .. }, Some(Overlay::Palette { input, at, .. })) => {
                Some(palette::draw(input, *at, &state.keymap, scene, brush, body, buffer))
            }
            (PlanView::Shown { .. }, Some(Overlay::Write { env, reason, second })) => {
                let fields = questions::Fields { env, reason, second: *second };
                Some(questions::write(fields, &state.keymap, scene, brush, body, buffer))
            }
            _ => cursor,
        };
    }
    if let Some(offer) = state.resume(scene) {
        questions::resume(offer, state, scene, brush, body, buffer);
        return None;
    }
    match &state.overlay {
        None => None,
        Some(Overlay::Help { .. }) => {
            help::draw(state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Sources { .. }) => {
            sources::draw(state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Detail { .. }) => {
            detail::draw(state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Runbook { .. }) => {
            runbook::draw(state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Palette { input, at, .. }) => {
            Some(palette::draw(input, *at, &state.keymap, scene, brush, body, buffer))
        }
        Some(Overlay::Actions { at }) => {
            let at = *at;
            actions::draw(at, state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Write { env, reason, second }) => {
            let fields = questions::Fields { env, reason, second: *second };
            Some(questions::write(fields, &state.keymap, scene, brush, body, buffer))
        }
        Some(Overlay::Quit { why }) => {
            questions::quit(why, &state.keymap, brush, body, buffer);
            None
        }
        Some(Overlay::TakeOver { name, claim, .. }) => {
            questions::take_over(name, claim, state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Close { .. }) => closing::draw(state, scene, brush, body, buffer),
    }
}
