//! A runbook beside the incident: its text, its commands, and what came of those that were run.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::entry::Body;
use crate::model::name::ServiceName;
use crate::model::plan::{Outcome, Request};
use crate::model::runbook::{Block, Runbook, Step};
use crate::session::{Action, ActionState, RunbookState, RunbookView, WriteWindow};
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::{Overlay, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Card, actions};

/// Columns of the whole.
const WIDE: u16 = 110;
/// Of what a step printed, so many of the last lines are shown here; the timeline has it all.
const PRINTED: usize = 8;

pub(super) fn draw(state: &mut State, scene: &Scene<'_>, brush: &Brush<'_>, body: Rect, buffer: &mut Buffer) {
    let Some(view) = scene.runbook else {
        // It could not be opened: why is said at the bottom.
        state.overlay = None;
        return;
    };
    let State { overlay, keymap, .. } = state;
    let Some(Overlay::Runbook { step, scroll, reveal }) = overlay else { return };
    let mut card = Card::new(brush, Role::Dialog, body, WIDE, 10);
    card.title(Role::TitleFocus, "Runbook").title(Role::Name, format!("  {}", view.service));
    let mut hints = vec![("down", "down"), ("up", "up")];
    match &view.state {
        RunbookState::Reading => {
            card.text(&format!("reading {}", view.source), Role::Dim);
        }
        RunbookState::Failed(why) => {
            card.text(why, Role::Bad);
        }
        RunbookState::Page => {
            card.text(&view.source, Role::Name).blank();
            card.text("It is a page: open it in a browser.", Role::Dim);
            hints = vec![("copy-selection", "copy the address")];
        }
        RunbookState::Read(runbook) => {
            let chosen = whole(&mut card, runbook, view, *step, scene);
            if let Some((from, to)) = chosen.filter(|_| std::mem::take(reveal)) {
                // A step that was chosen comes into sight, all of it if there is room.
                let shown = usize::from(body.height).saturating_sub(4);
                *scroll = (*scroll).max(to.saturating_sub(shown)).min(from.saturating_sub(1));
            }
            if runs(scene.runbook, *step, scene.actions) {
                hints.insert(0, ("stop-step", "stop it"));
            }
            if runbook.steps().next().is_some() {
                hints.extend([("next-match", "next step"), ("copy-selection", "copy it")]);
                // What would be refused is not offered.
                if actions::may_act(scene) && matches!(scene.window, WriteWindow::Open { .. }) {
                    hints.insert(0, ("accept", "plan to run it"));
                }
            }
        }
    }
    hints.push(("back", "leave"));
    let mut foot = card.ink();
    super::keys(&mut foot, keymap, Where::Dialog, &hints);
    card.foot = vec![foot.line()];
    card.draw(body, scroll, buffer);
}

/// All of it. The lines of the chosen step are returned.
fn whole(
    card: &mut Card<'_>,
    runbook: &Runbook,
    view: &RunbookView,
    chosen: u32,
    scene: &Scene<'_>,
) -> Option<(usize, usize)> {
    let mut lines = None;
    let mut item = false;
    for block in &runbook.blocks {
        // Items stand together, everything else apart.
        let is_item = matches!(block, Block::Text { text, .. } if text.starts_with("- "));
        let together = item && is_item;
        if !card.lines.is_empty() && !together {
            card.blank();
        }
        item = is_item;
        match block {
            Block::Heading { level, text } => {
                card.text(&format!("{} {text}", "#".repeat(usize::from(*level))), Role::TitleFocus);
            }
            Block::Text { depth, text } => set_in(card, 2 * depth, text, Role::Text),
            Block::Code(text) => set_in(card, 4, text, Role::Dim),
            Block::Step(step) => {
                let from = card.lines.len();
                one(card, step, step.number == chosen, &view.service, scene);
                if step.number == chosen {
                    lines = Some((from, card.lines.len()));
                }
            }
        }
    }
    if let Some(cut) = &runbook.cut {
        card.blank().text(cut, Role::Warn);
    }
    if runbook.blocks.is_empty() {
        card.text(&format!("{} is empty", view.source), Role::Dim);
    }
    lines
}

fn one(card: &mut Card<'_>, step: &Step, chosen: bool, service: &ServiceName, scene: &Scene<'_>) {
    let mut ink = card.ink();
    let mark = if card.brush.ascii { ">" } else { "▸" };
    ink.put(Role::Accent, if chosen { mark } else { " " }).gap(1);
    ink.put(Role::Key, &step.number.to_string()).gap(1);
    let limit = humantime::format_duration(step.limit);
    ink.put(Role::Dim, &format!("{}, at most {limit}", step.shell.as_str()));
    card.lines.push(ink.line());
    set_in(card, 4, &step.command, if chosen { Role::Selected } else { Role::Name });
    if let Some(why) = &step.refused {
        set_in(card, 4, why, Role::Warn);
    }
    if let Some(action) = last(step, service, scene.actions) {
        let (words, role) = match &action.state {
            ActionState::Under(words) => (words.to_string(), Role::Accent),
            ActionState::Ended(outcome @ Outcome::Verified { .. }) => (outcome.words().to_string(), Role::Good),
            ActionState::Ended(outcome) => (format!("{}: {}", outcome.as_str(), outcome.words()), Role::Bad),
        };
        set_in(card, 4, &words, role);
        if let Some(printed) = printed(action, scene) {
            set_in(card, 6, &printed, Role::Dim);
        }
    }
}

/// The last run of a step.
fn last<'a>(step: &Step, service: &ServiceName, actions: &'a [Action]) -> Option<&'a Action> {
    actions.iter().rev().find(|action| match &action.plan.request {
        Request::RunStep { target, step: number, command, .. } => {
            *number == step.number && *command == step.command && target.path.namespace == service.0
        }
        _ => false,
    })
}

/// The last lines of what it printed, from the entry of its outcome.
fn printed(action: &Action, scene: &Scene<'_>) -> Option<String> {
    let entry = scene
        .timeline
        .iter()
        .rev()
        .map(|row| &row.entry)
        .find(|entry| matches!(&entry.draft.body, Some(Body::Outcome { plan, .. }) if *plan == action.plan.id))?;
    let text = entry.draft.evidence.iter().find_map(|evidence| evidence.excerpt.as_ref())?;
    let lines: Vec<_> = text.lines().collect();
    let kept = lines.iter().skip(lines.len().saturating_sub(PRINTED));
    Some(kept.copied().collect::<Vec<_>>().join("\n"))
}

/// Text that begins some columns in, on every line of it.
fn set_in(card: &mut Card<'_>, columns: usize, text: &str, role: Role) {
    let room = card.ink().room().saturating_sub(columns);
    for part in words::wrap(text, room) {
        let mut ink = card.ink();
        ink.gap(columns).put(role, part.trim_end());
        card.lines.push(ink.line());
    }
}

/// What is copied: the chosen command, or the address.
pub(in crate::tui) fn copied(view: &RunbookView, step: u32) -> Option<String> {
    match &view.state {
        RunbookState::Read(runbook) => runbook.step(step).map(|step| step.command.to_string()),
        RunbookState::Page => Some(view.source.to_string()),
        RunbookState::Reading | RunbookState::Failed(_) => None,
    }
}

/// Whether a step of it runs now.
pub(in crate::tui) fn runs(view: Option<&RunbookView>, number: u32, actions: &[Action]) -> bool {
    let Some(RunbookView { service, state: RunbookState::Read(runbook), .. }) = view else { return false };
    let last = runbook.step(number).and_then(|step| last(step, service, actions));
    last.is_some_and(|action| matches!(action.state, ActionState::Under(_)))
}

/// How many steps it has.
pub(in crate::tui) fn steps(view: Option<&RunbookView>) -> u32 {
    match view.map(|view| &view.state) {
        Some(RunbookState::Read(runbook)) => u32::try_from(runbook.steps().count()).unwrap_or(u32::MAX),
        _ => 0,
    }
}
