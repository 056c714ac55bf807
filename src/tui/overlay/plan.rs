//! A plan as a tired person has to judge it, and its confirmation by tier.

use chrono::TimeDelta;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::model::card::{Tone, lines};
use crate::model::name::Kind;
use crate::model::plan::{Plan, Request, Tier};
use crate::record::short;
use crate::session::{Grant, PlanView};
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::{BREAK_GLASS, State};
use crate::tui::theme::Role;
use crate::tui::words;

use super::Card;

/// A plan that is read for so long says for how long.
const TOLD: TimeDelta = TimeDelta::seconds(3);
/// Lines that the command may take: it is there to be copied, and the facts to be read.
const COMMAND_LINES: usize = 3;

/// What can be done with a plan that waits for a second person.
const WAITING: [(&str, &str); 4] = [
    (BREAK_GLASS, "break the glass"),
    ("discard-plan", "leave"),
    ("copy-selection", "copy"),
    ("refresh-plan", "read again"),
];
/// What can be done with a plan, and with one that cannot be confirmed.
const CONFIRMED: [(&str, &str); 4] = [
    ("confirm-dialog", "confirm"),
    ("discard-plan", "leave"),
    ("copy-selection", "copy the command"),
    ("refresh-plan", "read again"),
];
/// The same of a plan that could go to another revision.
const REVISIONS: [(&str, &str); 4] = [
    ("confirm-dialog", "confirm"),
    ("discard-plan", "leave"),
    ("other-revision", "another revision"),
    ("refresh-plan", "read again"),
];
/// First, where the plan names another one instead of itself.
const INSTEAD: (&str, &str) = ("plan-instead", "plan that instead");
const BLOCKED: [(&str, &str); 3] =
    [("discard-plan", "leave"), ("refresh-plan", "read again"), ("copy-selection", "copy the command")];

pub(super) fn draw(
    view: &PlanView,
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    match view {
        PlanView::Planning { what, since } => {
            let mut card = Card::new(brush, Role::Dialog, body, 80, 10);
            card.title(Role::TitleFocus, "Plan").title(Role::Text, format!("  {what}"));
            // Over a slow link it takes a while.
            let took = match scene.now - *since {
                short if short < TOLD => String::new(),
                long => format!(" for {}", words::long_age(long)),
            };
            card.text(&format!("reading the system{took}; nothing is changed"), Role::Dim);
            card.foot = vec![hints(&card, state, Where::Dialog, &[("back", "leave")])];
            card.draw(body, &mut 0, buffer);
            None
        }
        PlanView::Refused { why } => {
            let mut card = Card::new(brush, Role::DialogDanger, body, 80, 10);
            card.title(Role::DialogDanger, "No plan");
            card.text(why, Role::Text).blank().text("Nothing was changed.", Role::Dim);
            card.foot = vec![hints(&card, state, Where::Dialog, &[("back", "leave")])];
            card.draw(body, &mut 0, buffer);
            None
        }
        PlanView::Shown { plan, blocked } => shown(plan, blocked.as_deref(), state, scene, brush, body, buffer),
    }
}

fn shown(
    plan: &Plan,
    blocked: Option<&str>,
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    let grave = blocked.is_some() || State::wants_name(plan);
    let mut card = Card::new(brush, if grave { Role::DialogDanger } else { Role::Dialog }, body, 96, 10);
    card.title(Role::TitleFocus, "Plan").title(Role::Name, format!("  {}", plan.title));
    facts(&mut card, plan, scene, state, brush.ascii);
    let expires = (plan.expires_at - scene.now).num_seconds();
    let (age, role) = match expires {
        1.. => (format!("valid for {expires} s"), Role::Dim),
        _ => ("too old: r reads again".to_owned(), Role::Warn),
    };
    let keys = |card: &Card<'_>, state: &State, words: &[(&str, &str)]| {
        let mut foot = card.ink();
        super::keys(&mut foot, &state.keymap, Where::Plan, words);
        foot.right(role, &age);
        foot.line()
    };
    if let Some(why) = blocked {
        card.blank().text(&format!("Cannot be confirmed as it is: {why}"), Role::Bad);
        let words: Vec<_> = plan.instead.iter().map(|_| INSTEAD).chain(BLOCKED).collect();
        card.foot = vec![keys(&card, state, &words)];
        card.draw(body, &mut state.plan_scroll, buffer);
        return None;
    }
    if State::waits(plan, scene) {
        return waiting(card, state, scene, body, buffer, keys);
    }
    if State::wants_name(plan) {
        let given = scene.consent.and_then(|consent| match &consent.grant {
            Grant::Given(warrant) if plan.tier == Tier::Grave => Some(warrant.words()),
            _ => None,
        });
        match given {
            Some(words) => card.blank().text(&words, Role::Warn),
            None => card.blank().text(at_stake(plan), Role::Warn),
        };
        let label = format!("Type {} and press Enter to confirm: ", plan.name_to_type());
        let mut line = card.ink();
        line.put(Role::Name, &label).put(Role::Text, state.typed.value());
        card.foot = vec![line.line(), keys(&card, state, &[("discard-plan", "leave")])];
        let foot = card.draw(body, &mut state.plan_scroll, buffer);
        let x = words::width(&label) + state.typed.visual_cursor();
        return Some(Position::new(foot.x + u16::try_from(x).unwrap_or(0).min(foot.width.saturating_sub(1)), foot.y));
    }
    let words = if matches!(plan.request, Request::RollBack { .. }) { &REVISIONS } else { &CONFIRMED };
    card.foot = vec![Line::default(), keys(&card, state, words)];
    card.draw(body, &mut state.plan_scroll, buffer);
    None
}

/// Why one key is not enough.
fn at_stake(plan: &Plan) -> &'static str {
    match plan.target.kind {
        _ if plan.undo.is_none() => "Nothing takes this back.",
        Kind::Silence => "This keeps from people what they may have to know.",
        _ => "This lowers capacity or moves traffic.",
    }
}

/// The end of a plan that takes a second person and has none yet.
fn waiting(
    mut card: Card<'_>,
    state: &mut State,
    scene: &Scene<'_>,
    body: Rect,
    buffer: &mut Buffer,
    keys: impl Fn(&Card<'_>, &State, &[(&str, &str)]) -> Line<'static>,
) -> Option<Position> {
    card.blank();
    let Some(consent) = scene.consent else {
        card.text("This takes a second person. Read it again to ask one.", Role::Warn);
        card.foot = vec![keys(&card, state, &BLOCKED)];
        card.draw(body, &mut state.plan_scroll, buffer);
        return None;
    };
    if let Grant::Counting { reason, until } = &consent.grant {
        let left = (*until - scene.now).num_seconds().max(0);
        card.text(&format!("BREAK-GLASS in {left} s: {reason}"), Role::Bad);
        card.foot = vec![keys(&card, state, &[("discard-plan", "leave: nothing is broken")])];
        card.draw(body, &mut state.plan_scroll, buffer);
        return None;
    }
    card.text("This takes a second person, who runs as another user of this machine:", Role::Warn);
    card.text(&format!("warroom incident consent {} {}", consent.incident, short(&consent.hash)), Role::Name);
    let Some(glass) = &state.glass else {
        let words = match consent.grant {
            Grant::Awaited => "The record is looked at each second. Who is alone breaks the glass.",
            _ => "It is being written to the record.",
        };
        card.text(words, Role::Dim);
        card.foot = vec![keys(&card, state, &WAITING)];
        card.draw(body, &mut state.plan_scroll, buffer);
        return None;
    };
    let label = "Break the glass (Enter, then ten seconds), because: ";
    let mut line = card.ink();
    line.put(Role::Bad, label).put(Role::Text, glass.value());
    let x = words::width(label) + glass.visual_cursor();
    card.foot = vec![line.line(), keys(&card, state, &[("back", "back")])];
    let foot = card.draw(body, &mut state.plan_scroll, buffer);
    Some(Position::new(foot.x + u16::try_from(x).unwrap_or(0).min(foot.width.saturating_sub(1)), foot.y))
}

/// All that is told of the plan. Of a long command the beginning: all of it can be copied.
fn facts(card: &mut Card<'_>, plan: &Plan, scene: &Scene<'_>, state: &State, ascii: bool) {
    let zone = state.zone();
    for line in lines(plan, Some(scene.facing.place()), scene.now, &|at| zone.minute(at, scene.now)) {
        let role = match line.tone {
            Tone::Name => Role::Name,
            Tone::Text => Role::Text,
            Tone::Dim => Role::Dim,
            Tone::Good => Role::Good,
            Tone::Warn => Role::Warn,
            Tone::Bad => Role::Bad,
        };
        let text = if ascii { line.text.replace('→', "->").replace('…', "~") } else { line.text };
        let before = card.lines.len();
        card.fact(&line.label, &text, role);
        if line.label == "same as" && card.lines.len() - before > COMMAND_LINES {
            card.lines.truncate(before + COMMAND_LINES - 1);
            let key = state.keymap.key_in(Where::Plan, "copy-selection").map(|key| format!("; {key} copies all of it"));
            card.fact("", &format!("(goes on{})", key.unwrap_or_default()), Role::Dim);
        }
    }
}

fn hints(card: &Card<'_>, state: &State, at: Where, words: &[(&str, &str)]) -> Line<'static> {
    let mut ink = card.ink();
    super::keys(&mut ink, &state.keymap, at, words);
    ink.line()
}
