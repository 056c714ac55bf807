//! A plan as a tired person has to judge it, and its confirmation by tier.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::model::name::Kind;
use crate::model::plan::{OwnerEffect, Permission, Plan, Preview, Room, Tier};
use crate::session::PlanView;
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words;

use super::Card;

/// What can be done with a plan, and with one that cannot be confirmed.
const CONFIRMED: [(&str, &str); 4] = [
    ("confirm-dialog", "confirm"),
    ("discard-plan", "leave"),
    ("copy-selection", "copy the command"),
    ("refresh-plan", "read again"),
];
const BLOCKED: [(&str, &str); 3] =
    [("discard-plan", "leave"), ("refresh-plan", "read again"), ("copy-selection", "copy the command")];

fn where_it_is(scene: &Scene<'_>) -> &'static str {
    match (scene.facing.drill, scene.facing.production) {
        (true, _) => "DRILL",
        (false, true) => "PRODUCTION",
        (false, false) => "not production",
    }
}

pub(super) fn draw(
    view: &PlanView,
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    body: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    match view {
        PlanView::Planning { what } => {
            let mut card = Card::new(brush, Role::Dialog, body, 80, 10);
            card.title(Role::TitleFocus, "Plan").title(Role::Text, format!("  {what}"));
            card.text("reading the system; nothing is changed", Role::Dim);
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
    let namespace = match plan.target.path.namespace.as_str() {
        "" => String::new(),
        namespace => format!(", namespace {namespace}"),
    };
    let place = format!("{} {}{namespace}", where_it_is(scene), plan.target.origin.env);
    let danger = scene.facing.production && !scene.facing.drill;
    card.fact("where", &place, if danger { Role::Bad } else { Role::Name });
    facts(&mut card, plan, scene, brush.ascii);
    let expires = (plan.expires_at - scene.now).num_seconds();
    if let Some(why) = blocked {
        card.blank().text(&format!("Cannot be confirmed as it is: {why}"), Role::Bad);
        card.foot = vec![hints(&card, state, Where::Plan, &BLOCKED)];
        card.draw(body, &mut state.plan_scroll, buffer);
        return None;
    }
    if State::wants_name(plan) {
        let why = match (plan.tier, plan.target.kind) {
            (Tier::Grave, _) => "This may take the last capacity.",
            (_, Kind::Silence) => "This keeps from people what they may have to know.",
            (_, Kind::RunbookStep) => "Nothing takes this back.",
            _ => "This lowers capacity.",
        };
        card.blank().text(why, Role::Warn);
        let label = format!("Type {} and press Enter to confirm: ", plan.target.path.name);
        let mut line = card.ink();
        line.put(Role::Name, &label).put(Role::Text, state.typed.value());
        card.foot = vec![line.line(), hints(&card, state, Where::Plan, &[("discard-plan", "leave")])];
        let foot = card.draw(body, &mut state.plan_scroll, buffer);
        let x = words::width(&label) + state.typed.visual_cursor();
        return Some(Position::new(foot.x + u16::try_from(x).unwrap_or(0).min(foot.width.saturating_sub(1)), foot.y));
    }
    let age = if expires > 0 { format!("valid for {expires} s") } else { "too old: r reads again".to_owned() };
    let mut foot = card.ink();
    super::keys(&mut foot, &state.keymap, Where::Plan, &CONFIRMED);
    foot.right(if expires > 0 { Role::Dim } else { Role::Warn }, &age);
    card.foot = vec![ratatui::text::Line::default(), foot.line()];
    card.draw(body, &mut state.plan_scroll, buffer);
    None
}

fn facts(card: &mut Card<'_>, plan: &Plan, scene: &Scene<'_>, ascii: bool) {
    let arrow = if ascii { "->" } else { "→" };
    for change in &plan.changes {
        let words = match &change.words {
            Some(words) => format!("{} {}", change.label, words.replace('→', arrow)),
            None => format!("{} {} {arrow} {}", change.label, change.before, change.after),
        };
        card.fact("change", &words, Role::Name);
    }
    if !plan.blast.words.is_empty() {
        card.fact("at stake", &plan.blast.words, Role::Text);
    }
    match &plan.room {
        Room::NotNeeded => {}
        Room::Counted { fit, wait, words } => {
            let role = if *wait > 0 { Role::Warn } else { Role::Good };
            let added = fit + wait;
            let text = if *wait == 0 {
                format!("all {added} fit now")
            } else {
                format!("{fit} of {added} fit now; {wait} would wait for a node")
            };
            // What the words say already is not said twice.
            let text = match words.as_str() {
                "" => text,
                words if words.starts_with(&text) => words.to_owned(),
                words => format!("{text} ({words})"),
            };
            card.fact("room", &text, role);
        }
        Room::Unknown { why } => {
            card.fact("room", &format!("unknown: {why}"), Role::Warn);
        }
    }
    for owner in &plan.owners {
        let role = match owner.effect {
            OwnerEffect::Reverts => Role::Bad,
            OwnerEffect::MayRevert => Role::Warn,
            OwnerEffect::Informs => Role::Text,
        };
        card.fact("owner", &format!("{} {}", owner.name, owner.words), role);
    }
    if let Some(load) = &plan.load {
        card.fact("load", load, Role::Text);
    }
    for fact in &plan.facts {
        card.fact(&fact.label, &fact.words, if fact.warns { Role::Warn } else { Role::Text });
    }
    card.fact(
        "undo",
        plan.undo.as_deref().unwrap_or("there is none"),
        if plan.undo.is_some() { Role::Text } else { Role::Warn },
    );
    let (permission, bad) = match &plan.permission {
        Permission::Allowed => ("allowed".to_owned(), false),
        Permission::Denied { why } => (format!("not allowed: {why}"), true),
        Permission::Unknown { why } => (format!("permission unknown: {why}"), false),
    };
    let (preview, worse) = match &plan.preview {
        Preview::Accepted => ("dry-run accepted".to_owned(), false),
        Preview::Refused { why } => (format!("dry-run refused: {why}"), true),
        Preview::Unavailable { why } => (format!("no preview: {why}"), false),
    };
    let read = words::long_age(scene.now - plan.read_at);
    let role = if bad || worse { Role::Bad } else { Role::Text };
    card.fact("checked", &format!("{permission}; {preview}; read {read} ago"), role);
    card.fact("same as", &plan.command, Role::Dim);
}

fn hints(card: &Card<'_>, state: &State, at: Where, words: &[(&str, &str)]) -> ratatui::text::Line<'static> {
    let mut ink = card.ink();
    super::keys(&mut ink, &state.keymap, at, words);
    ink.line()
}
