//! Where one is and what one may do, always in words; and the situation as one sentence.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::config::WritePolicy;
use crate::session::{ActionState, Facing, WriteWindow};
use crate::tui::panes::Ink;
use crate::tui::scene::{Freshness, Scene, Told};
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Brush, put};

/// The environment in words.
pub(in crate::tui) fn environment(facing: &Facing) -> String {
    match (facing.drill, facing.production) {
        (true, _) => format!("DRILL {}", facing.env),
        (false, true) => format!("PRODUCTION {}", facing.env),
        (false, false) => format!("{} (not production)", facing.env),
    }
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
        if let Some(severity) = incident.severity {
            spans.push((get(Role::Bad), format!("{severity} ")));
        }
        spans.extend([(get(Role::Name), phase), (get(Role::Text), format!(" {elapsed}"))]);
        parts.push(Part { need: 150, spans, right: false });
    } else {
        parts.push(one(60, get(Role::Dim), "no incident declared".into()));
    }
    let acting = scene.actions.iter().rev().find_map(|action| match &action.state {
        ActionState::Under(words) => Some(format!("{}: {words}", action.plan.title)),
        ActionState::Ended(_) => None,
    });
    if let Some(acting) = acting {
        parts.push(one(110, get(Role::New), words::fit(&acting, if roomy { 44 } else { 26 }, brush.ascii)));
    }
    if let Some(service) = &state.chip {
        parts.push(one(120, get(Role::Chip), format!(" only {service} ")));
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
    let window = match scene.window {
        WriteWindow::Closed => (Role::ReadOnly, "READ-ONLY".to_owned()),
        WriteWindow::Open { until, .. } => (Role::Writable, format!(" WRITE {} ", words::age(*until - scene.now))),
    };
    let denied = facing.write == WritePolicy::Deny;
    parts.push(Part {
        need: 250,
        spans: vec![(get(if denied { Role::ReadOnly } else { window.0 }), window.1)],
        right: true,
    });
    parts.push(Part { need: 200, spans: vec![(get(Role::Text), state.zone().clock(scene.now, roomy))], right: true });
    parts
}

/// `6 sources live`, or which are not: by name where there is room.
fn sources(scene: &Scene<'_>, brush: &Brush<'_>, width: u16) -> Option<Part> {
    let part = |need, role, text: String| Some(Part { need, spans: vec![(brush.theme.get(role), text)], right: false });
    if scene.sources.is_empty() {
        return part(50, Role::Dim, "no sources".into());
    }
    let told: Vec<_> = scene.sources.iter().map(|row| Told::of(row, scene.now)).collect();
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
    let key = state.keymap.key_of("situation").unwrap_or("0").to_owned();
    let focused = state.clause;
    let mut lines = Vec::new();
    let mut ink = Ink::new(brush.theme, brush.ascii, usize::from(area.width));
    ink.gap(1);
    for (at, clause) in scene.clauses.iter().enumerate() {
        // A clause that does not fit on this row begins the next, where there is one.
        let wide = words::width(&clause.text) + 2;
        if wide > ink.room() && at > 0 && lines.len() + 1 < usize::from(area.height) {
            lines.push(std::mem::replace(&mut ink, Ink::new(brush.theme, brush.ascii, usize::from(area.width))).line());
            ink.gap(1);
        }
        let role = if focused == Some(at) { Role::Selected } else { Role::Situation };
        ink.put(role, &clause.text);
        ink.gap(2);
    }
    if focused.is_some() {
        ink.right(Role::Key, "Enter evidence ");
    } else {
        ink.right(Role::Dim, &format!("{key} evidence "));
    }
    lines.push(ink.line());
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        put(buffer, Rect::new(area.x, y, area.width, 1), &line);
    }
}
