//! What lies over the panes: plans, details, help, the command line, menus, questions.

pub(super) mod actions;
mod card;
mod detail;
mod help;
pub(super) mod palette;
mod plan;
mod questions;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::chrome::Brush;
use super::scene::Scene;
use super::state::{Overlay, State};

pub(super) use card::Card;

/// Draws what is on top. Where the cursor belongs, if somewhere.
pub(super) fn draw(
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    if let Some(view) = scene.plan {
        return plan::draw(view, state, scene, brush, body, buffer);
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
        Some(Overlay::Detail { .. }) => {
            detail::draw(state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Palette { input, at, .. }) => Some(palette::draw(input, *at, scene, brush, body, buffer)),
        Some(Overlay::Actions { at }) => {
            let at = *at;
            actions::draw(at, state, scene, brush, body, buffer);
            None
        }
        Some(Overlay::Write { env, reason, second }) => {
            Some(questions::write(env, reason, *second, scene, brush, body, buffer))
        }
        Some(Overlay::Quit { under }) => {
            questions::quit(under, brush, body, buffer);
            None
        }
    }
}
