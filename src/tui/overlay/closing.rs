//! Before an incident is closed: each change that is left over, one at a time, to be undone or owned.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::model::plan::Request;
use crate::record::Leftover;
use crate::session::{Action, ActionState, WriteWindow};
use crate::tui::chrome::{Brush, header};
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::{Overlay, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Card, actions};

/// What the key that asks who owns it is bound to.
pub(in crate::tui) const OWN: &str = ":own";
/// Columns of the labels.
const LABEL: usize = 8;

/// What is left over of the incident that is open, oldest first. What earlier incidents left over
/// keeps nobody from closing this one.
pub(in crate::tui) fn left<'a>(scene: &Scene<'a>) -> impl Iterator<Item = &'a Leftover> {
    let incident = scene.incident.map(|incident| &incident.id);
    let all: &'a [Leftover] = scene.left_over;
    all.iter().filter(move |one| incident.is_some() && one.incident.as_ref() == incident)
}

/// Whether its undo can be planned now.
pub(in crate::tui) fn undoable(one: &Leftover, scene: &Scene<'_>) -> bool {
    let under = undo_of(one, scene).is_some_and(|action| matches!(action.state, ActionState::Under(_)));
    let open = matches!(scene.window, WriteWindow::Open { .. });
    actions::may_act(scene) && open && !under && one.plan.undo.is_some()
}

/// Its last undo.
fn undo_of<'a>(one: &Leftover, scene: &Scene<'a>) -> Option<&'a Action> {
    let undoes = |action: &&Action| matches!(&action.plan.request, Request::Undo { plan } if plan.id == one.plan.id);
    scene.actions.iter().rev().find(undoes)
}

pub(super) fn draw(
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let Some(incident) = scene.incident else {
        // It was closed meanwhile.
        state.overlay = None;
        return None;
    };
    let zone = state.zone();
    let State { overlay, keymap, .. } = state;
    let Some(Overlay::Close { owner, scroll }) = overlay else { return None };
    let mut card = Card::new(brush, Role::Dialog, body, 76, LABEL);
    card.title(Role::TitleFocus, "Close the incident");
    let count = left(scene).count();
    // What it is typed of may have gone meanwhile: then so does the field.
    let typed_of = owner.as_ref().and_then(|(of, _)| left(scene).find(|one| one.plan.id == *of));
    if typed_of.is_none() {
        *owner = None;
    }
    let Some(one) = typed_of.or_else(|| left(scene).next()) else {
        card.text(&format!("Nothing is left over of {}.", incident.id), Role::Text);
        card.text("Closing it seals its record.", Role::Text);
        let mut foot = card.ink();
        super::keys(&mut foot, keymap, Where::Close, &[("close", "close it"), ("back", "leave it open")]);
        card.foot = vec![Line::default(), foot.line()];
        card.draw(body, &mut 0, buffer);
        return None;
    };
    let rest = if count > 1 { format!("  the first of {count} that are left over") } else { String::new() };
    card.title(Role::Dim, rest);
    card.text("This change is still there. It has to be undone, or owned by somebody, first.", Role::Text).blank();
    card.fact("change", &one.plan.title, Role::Name);
    card.fact("", &one.plan.changed(), Role::Text);
    let since = format!("{} ({} ago)", zone.full(one.at), words::long_age(scene.now - one.at));
    card.fact("since", &since, Role::Text);
    card.fact("ends", &one.ends(), Role::Text);
    match &one.plan.undo {
        Some(undo) => card.fact("undo", undo, Role::Text),
        None => card.fact("undo", "there is none", Role::Warn),
    };
    match undo_of(one, scene).map(|action| &action.state) {
        Some(ActionState::Under(words)) => drop(card.fact("", &format!("under way: {words}"), Role::Accent)),
        // It is gone from here as soon as the record tells it.
        Some(ActionState::Ended(outcome)) if !outcome.is_applied() => {
            card.fact("", &format!("tried: {}, {}", outcome.as_str(), outcome.words()), Role::Bad);
        }
        Some(ActionState::Ended(_)) | None => {}
    }
    let mut foot = card.ink();
    let mut above = Line::default();
    let mut cursor = None;
    if let Some((_, name)) = owner {
        let mut ink = card.ink();
        ink.cell(Role::Key, "owner", LABEL).put(Role::Text, name.value());
        above = ink.line();
        cursor = Some(name.visual_cursor());
        super::keys(&mut foot, keymap, Where::Line, &[("accept", "put that on the record"), ("back", "back")]);
    } else {
        let mut hints = Vec::new();
        if undoable(one, scene) {
            hints.push(("undo", "undo it now"));
        } else if actions::may_act(scene) && *scene.window == WriteWindow::Closed && one.plan.undo.is_some() {
            hints.push((header::OPEN_WRITE, "open a write window, to undo it"));
        }
        hints.extend([(OWN, "own it"), ("back", "leave the incident open")]);
        super::keys(&mut foot, keymap, Where::Close, &hints);
    }
    card.foot = vec![above, foot.line()];
    let place = card.draw(body, scroll, buffer);
    cursor.map(|at| {
        let x = u16::try_from(LABEL + 1 + at).unwrap_or(u16::MAX).min(place.width.saturating_sub(1));
        Position::new(place.x + x, place.y)
    })
}
