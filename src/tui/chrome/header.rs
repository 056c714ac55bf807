//! Where one is and what one may do, always in words; and the situation as one sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::config::WritePolicy;
use crate::observe::situation::Clause;
use crate::session::{ActionState, Facing, WriteWindow};
use crate::tui::panes::Ink;
use crate::tui::scene::{Freshness, Scene};
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Brush, put};

/// What the key that opens a write window is bound to.
pub(in crate::tui) const OPEN_WRITE: &str = ":write";

/// The environment in words.
pub(in crate::tui) fn environment(facing: &Facing) -> String {
    match (facing.drill, facing.production) {
        (true, _) => format!("DRILL {}", facing.env),
        (false, true) => format!("PRODUCTION {}", facing.env),
        (false, false) => format!("{} (not production)", facing.env),
    }
}

/// The action that is under way, with how far it is: the bottom line tells it until it ends.
pub(super) fn acting(scene: &Scene<'_>) -> Option<String> {
    scene.actions.iter().rev().find_map(|action| match &action.state {
        ActionState::Under(words) => {
            Some(format!("{}, {} under way: {words}", action.plan.title, words::long_age(scene.now - action.at)))
        }
        ActionState::Ended(_) => None,
    })
}

/// One part of the header. The least needed goes first when the screen is narrow.
struct Part {
    need: u8,
    spans: Vec<(Style, String)>,
    right: bool,
}

impl Part {
    fn width(&self) -> usize {
        self.spans.iter().map(|(_, text)| words::width(text)).sum::<usize>() + 2
    }
}

pub(super) fn draw(state: &State, scene: &Scene<'_>, brush: &Brush<'_>, area: Rect, buffer: &mut Buffer) {
    let mut parts = parts(state, scene, brush, area.width);
    let width = usize::from(area.width);
    while parts.iter().map(Part::width).sum::<usize>() > width + 1 && parts.len() > 1 {
        let least = parts.iter().enumerate().min_by_key(|(_, part)| part.need).map(|(at, _)| at);
        match least {
            Some(at) => drop(parts.remove(at)),
            None => break,
        }
    }
    let (right, left): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.right);
    let spans = |parts: Vec<Part>| {
        let mut spans = Vec::new();
        for part in parts {
            if !spans.is_empty() {
                spans.push(Span::raw("  "));
            }
            spans.extend(part.spans.into_iter().map(|(style, text)| Span::styled(text, style)));
        }
        Line::from(spans)
    };
    buffer.set_style(area, brush.theme.get(Role::Header));
    let (left, right) = (spans(left), spans(right));
    put(buffer, area, &left);
    let wide = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    put(buffer, Rect::new(area.right() - wide, area.y, wide, 1), &right);
}

fn parts(state: &State, scene: &Scene<'_>, brush: &Brush<'_>, width: u16) -> Vec<Part> {
    let roomy = width >= 100;
    let get = |role| brush.theme.get(role);
    let one = |need, style, text: String| Part { need, spans: vec![(style, text)], right: false };
    let facing = scene.facing;
    let role = match (facing.drill, facing.production) {
        (true, _) => Role::EnvDrill,
        (false, true) => Role::EnvProduction,
        (false, false) => Role::EnvOther,
    };
    let badge = facing.color.as_ref().and_then(|named| brush.theme.badge(named)).unwrap_or_else(|| get(role));
    let mut parts = vec![one(255, badge, format!(" {} ", environment(facing)))];
    if let Some(incident) = scene.incident {
        parts.push(one(20, get(Role::Text), incident.id.to_string()));
        let elapsed = words::elapsed(scene.now - incident.since, roomy);
        let phase = incident.phase.as_str().to_owned();
        let mut spans = Vec::new();
        match incident.severity {
            Some(severity) => spans.push((get(Role::Bad), format!("{severity} "))),
            None if width >= 120 => spans.push((get(Role::Dim), "no severity ".into())),
            None => {}
        }
        spans.extend([(get(Role::Name), phase), (get(Role::Text), format!(" {elapsed}"))]);
        parts.push(Part { need: 150, spans, right: false });
    } else {
        let mut spans = Vec::new();
        if let Some(since) = scene.burning() {
            spans.push((get(Role::Bad), format!("burning {}", words::elapsed(scene.now - since, roomy))));
            match width {
                100.. => spans.push((get(Role::Dim), ", no incident declared".into())),
                70.. => spans.push((get(Role::Dim), ", not declared".into())),
                _ => {}
            }
        } else {
            spans.push((get(Role::Dim), "no incident declared".into()));
        }
        parts.push(Part { need: 140, spans, right: false });
    }
    if let Some(service) = &state.chip {
        parts.push(one(200, get(Role::Chip), format!(" only {service} ")));
    }
    if !scene.left_over.is_empty() {
        parts.push(one(135, get(Role::Warn), format!("{} left over", scene.left_over.len())));
    }
    if !scene.open_intents.is_empty() {
        parts.push(one(136, get(Role::Warn), format!("{} without an outcome", scene.open_intents.len())));
    }
    parts.extend(sources(scene, brush, width));
    if scene.backfilling > 0 {
        parts.push(one(
            30,
            get(Role::Dim),
            format!("reading history of {}", words::plural(scene.backfilling, "source")),
        ));
    }
    if scene.journal_failed.is_some() {
        parts.push(one(240, get(Role::DialogDanger), " NOT RECORDING ".into()));
    }
    // How it is opened, or that it never is. The words beside go first where there is no room.
    let (role, word, beside) = match (facing.write, scene.window) {
        (WritePolicy::Deny, _) => (Role::ReadOnly, "READ-ONLY".to_owned(), Some("by configuration".to_owned())),
        (WritePolicy::Ask, WriteWindow::Closed) => {
            let key = state.keymap.key_of(OPEN_WRITE).filter(|_| scene.journal_failed.is_none());
            (Role::ReadOnly, "READ-ONLY".to_owned(), key.map(|key| format!("{key} opens")))
        }
        (WritePolicy::Ask, WriteWindow::Open { until, .. }) => {
            (Role::Writable, format!(" WRITE {} ", words::age(*until - scene.now)), None)
        }
    };
    parts.push(Part { need: 250, spans: vec![(get(role), word)], right: true });
    parts.extend(beside.map(|text| Part { need: 35, spans: vec![(get(Role::Dim), text)], right: true }));
    parts.push(Part { need: 200, spans: vec![(get(Role::Text), state.zone().clock(scene.now, roomy))], right: true });
    parts
}

/// `6 sources live`, or which are not: by name where there is room.
fn sources(scene: &Scene<'_>, brush: &Brush<'_>, width: u16) -> Option<Part> {
    let part = |need, role, text: String| Some(Part { need, spans: vec![(brush.theme.get(role), text)], right: false });
    if scene.sources.is_empty() {
        return part(50, Role::Dim, "no sources".into());
    }
    let told: Vec<_> = scene.sources.iter().map(|row| scene.told(row)).collect();
    let all = told.len();
    let mut troubled: Vec<_> = told.into_iter().filter(|told| told.freshness != Freshness::Live).collect();
    troubled.sort_by_key(|told| std::cmp::Reverse(told.freshness));
    let Some(worst) = troubled.first() else {
        return part(40, Role::Text, format!("{} live", words::plural(all, "source")));
    };
    let role = if worst.freshness >= Freshness::Late { Role::Warn } else { Role::Dim };
    let others = if troubled.len() > 1 { format!(" +{}", troubled.len() - 1) } else { String::new() };
    let live = all - troubled.len();
    let text = match width {
        150.. => format!("{live} of {all} sources live, {}{others}", words::fit(&worst.long, 60, brush.ascii)),
        100.. => format!("{}{others}", words::fit(&worst.short, 32, brush.ascii)),
        _ => {
            let word = match worst.freshness {
                Freshness::Live | Freshness::Limited => "limited",
                Freshness::Late => "late",
                Freshness::Lost => "lost",
            };
            format!("{} {word}", words::plural(troubled.len(), "source"))
        }
    };
    part(130, role, text)
}

pub(super) fn situation(state: &State, scene: &Scene<'_>, brush: &Brush<'_>, area: Rect, buffer: &mut Buffer) {
    let key = state.keymap.key_of("situation").unwrap_or("0");
    let focused = state.clause;
    let hint = if focused.is_some() { "Enter evidence ".to_owned() } else { format!("{key} evidence ") };
    let height = usize::from(area.height).max(1);
    let width = usize::from(area.width);
    let rows = flow(scene, focused, brush, width);
    // The clause that is focused is in sight, else the beginning.
    let seen = rows.iter().position(|(_, clauses)| focused.is_some_and(|at| clauses.contains(&at)));
    let from = seen.map_or(0, |at| (at + 1).saturating_sub(height));
    let more = rows.len() > from + height;
    let mut shown: Vec<Ink<'_>> = rows.into_iter().skip(from).take(height).map(|(ink, _)| ink).collect();
    shown.resize_with(height, || Ink::new(brush.theme, brush.ascii, width));
    if let Some(last) = shown.last_mut() {
        if more {
            last.put(Role::Dim, if brush.ascii { "~" } else { "…" });
        }
        last.right(if focused.is_some() { Role::Key } else { Role::Dim }, &hint);
    }
    for (y, ink) in (area.y..area.bottom()).zip(shown) {
        put(buffer, Rect::new(area.x, y, area.width, 1), &ink.line());
    }
}

/// The clauses as sentences, broken at words; beside each row the clauses that it has a part of.
fn flow<'b>(scene: &Scene<'_>, focused: Option<usize>, brush: &Brush<'b>, width: usize) -> Vec<(Ink<'b>, Vec<usize>)> {
    let begin = || {
        let mut ink = Ink::new(brush.theme, brush.ascii, width);
        ink.gap(1);
        (ink, Vec::new())
    };
    let mut rows = vec![begin()];
    for (at, (clause, stop)) in scene.clauses.iter().zip(Clause::stops(&scene.clauses)).enumerate() {
        let role = if focused == Some(at) { Role::Selected } else { Role::Situation };
        let text = format!("{}{stop}", clause.text);
        for (index, word) in text.split(' ').enumerate() {
            // A column stays free for the mark that there is more.
            let full = |ink: &Ink<'_>| words::width(word) + 2 > ink.room();
            if rows.last().is_some_and(|(ink, held)| full(ink) && !held.is_empty()) {
                rows.push(begin());
            }
            let Some((ink, held)) = rows.last_mut() else { continue };
            if !held.is_empty() {
                // Between the words of the focused clause the blank is painted too.
                let blank = if index > 0 { role } else { Role::Situation };
                ink.put(blank, " ");
            }
            ink.put(role, word);
            if held.last() != Some(&at) {
                held.push(at);
            }
        }
    }
    rows
}
