//! A plan as a tired person has to judge it, and its confirmation by tier.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::model::name::Kind;
use crate::model::plan::{Ends, FieldChange, OwnerEffect, Permission, Plan, Preview, Request, Room, Tier};
use crate::record::short;
use crate::session::{Grant, PlanView};
use crate::tui::chrome::Brush;
use crate::tui::keymap::Where;
use crate::tui::scene::Scene;
use crate::tui::state::{BREAK_GLASS, State};
use crate::tui::theme::Role;
use crate::tui::words::{self, Zone};

use super::Card;

/// Lines that the command may take: it is there to be copied, and the facts to be read.
const COMMAND_LINES: usize = 3;
/// Columns that a value may take in a change. A whole template is told by its words.
const VALUE: usize = 160;

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
    let place = format!("{} {}", where_it_is(scene), plan.target.origin.env);
    let danger = scene.facing.production && !scene.facing.drill;
    card.fact("where", &place, if danger { Role::Bad } else { Role::Name });
    card.fact("target", &format!("{} {}", plan.target.kind, plan.target.path), Role::Name);
    facts(&mut card, plan, scene, state.zone(), brush.ascii);
    command(&mut card, plan, state);
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

/// How long it is looked for before it counts as timed out: `11 min`.
pub(in crate::tui) fn waits(plan: &Plan) -> String {
    words::long_age(chrono::TimeDelta::seconds(i64::from(plan.patience_seconds)))
}

/// One change, short enough to be read: `replicas 6 → 12`.
fn changed(change: &FieldChange, ascii: bool) -> String {
    if change.words.is_some() {
        return drawn(&change.shown(), ascii);
    }
    let arrow = if ascii { "->" } else { "→" };
    let [before, after] = [&change.before, &change.after].map(|value| match value.as_str() {
        "null" => "nothing".to_owned(),
        value => words::fit(value, VALUE, ascii),
    });
    format!("{} {before} {arrow} {after}", change.label)
}

/// Arrows of the program's own words, as the terminal can draw them.
fn drawn(text: &str, ascii: bool) -> String {
    if ascii { text.replace('→', "->") } else { text.to_owned() }
}

/// The same as a command line: its beginning, where it is long.
fn command(card: &mut Card<'_>, plan: &Plan, state: &State) {
    let before = card.lines.len();
    card.fact("same as", &plan.command, Role::Dim);
    if card.lines.len() - before > COMMAND_LINES {
        card.lines.truncate(before + COMMAND_LINES - 1);
        let key = state.keymap.key_in(Where::Plan, "copy-selection").map(|key| format!("; {key} copies all of it"));
        card.fact("", &format!("(goes on{})", key.unwrap_or_default()), Role::Dim);
    }
}

fn facts(card: &mut Card<'_>, plan: &Plan, scene: &Scene<'_>, zone: Zone, ascii: bool) {
    for (at, change) in plan.changes.iter().enumerate() {
        card.fact(if at == 0 { "change" } else { "" }, &changed(change, ascii), Role::Name);
    }
    for fact in &plan.facts {
        card.fact(&fact.label, &drawn(&fact.words, ascii), if fact.warns { Role::Warn } else { Role::Text });
    }
    if !plan.blast.words.is_empty() {
        card.fact("at stake", &plan.blast.words, Role::Text);
    }
    card.fact("waits", &format!("up to {} for it to show", waits(plan)), Role::Dim);
    match &plan.room {
        Room::NotNeeded => {
            card.fact("room", "none is needed: nothing is added", Role::Dim);
        }
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
    if plan.owners.is_empty() {
        card.fact("owner", "no controller was found that sets it back", Role::Dim);
    }
    for owner in &plan.owners {
        let role = match owner.effect {
            OwnerEffect::Reverts => Role::Bad,
            OwnerEffect::MayRevert => Role::Warn,
            OwnerEffect::Informs => Role::Text,
        };
        card.fact("owner", &format!("{} {}", owner.name, owner.words), role);
    }
    if let Some(instead) = &plan.instead {
        card.fact("instead", &instead.words, Role::Good);
    }
    if let Some(load) = &plan.load {
        card.fact("load", load, Role::Text);
    }
    card.fact(
        "undo",
        plan.undo.as_deref().unwrap_or("there is none"),
        if plan.undo.is_some() { Role::Text } else { Role::Warn },
    );
    match plan.ends {
        Ends::Stays => {}
        Ends::BySystem { at } => {
            card.fact("ends", &format!("by itself at {}", zone.minute(at, scene.now)), Role::Text);
        }
        Ends::Reminder => {
            card.fact("ends", "by nobody: it is listed as left over until it is undone or owned", Role::Warn);
        }
    }
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
}

fn hints(card: &Card<'_>, state: &State, at: Where, words: &[(&str, &str)]) -> Line<'static> {
    let mut ink = card.ink();
    super::keys(&mut ink, &state.keymap, at, words);
    ink.line()
}
