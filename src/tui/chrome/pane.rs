//! One pane: its title with counts and the age of its data, and its visible rows.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use crate::model::command::Pane;
use crate::model::name::{Origin, ServiceName};
use crate::observe::alerts::AlertCounts;
use crate::observe::services::Health;
use crate::observe::workloads::PodCounts;
use crate::session::Purpose;
use crate::tui::filter::Filter;
use crate::tui::panes::{self, Choice, Ink, Item, Paint, columns, emphasise, logs};
use crate::tui::scene::{Feed, Freshness, Scene};
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Brush, boxed, lines, put};

pub(super) fn draw(
    pane: Pane,
    area: Rect,
    in_box: bool,
    state: &mut State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    buffer: &mut Buffer,
) {
    let focused = state.focus == pane && state.clause.is_none();
    let border = if focused { Role::BorderFocus } else { Role::Border };
    let inner = if in_box {
        boxed(buffer, area, focused, border, brush)
    } else {
        let rule = lines(focused, brush.ascii).across.repeat(usize::from(area.width));
        buffer.set_string(area.x, area.y, rule, brush.theme.get(border));
        Rect::new(area.x, area.y + 1, area.width, area.height.saturating_sub(1))
    };
    state.rects.push((pane, inner));
    // One column at the left for the mark of the selected row.
    let paint = Paint {
        theme: brush.theme,
        ascii: brush.ascii,
        zone: state.zone(),
        now: scene.now,
        width: usize::from(inner.width).saturating_sub(2),
    };
    let (rows, origins, below) = if pane == Pane::Logs {
        let (rows, origins) = log_rows(state, scene, &paint, inner, focused);
        (rows, origins, 0)
    } else {
        list_rows(pane, state, scene, &paint, inner, focused)
    };
    let feed = scene.feed(pane, &origins.iter().collect::<Vec<_>>());
    for (y, (line, selected, old)) in (inner.y..inner.bottom()).zip(rows) {
        let mut line = line;
        if feed.stale || old {
            // Bold and dim at once is neither on many terminals.
            let style = brush.theme.get(Role::Stale);
            for span in &mut line.spans {
                span.style = span.style.remove_modifier(Modifier::BOLD).add_modifier(style.add_modifier);
            }
        }
        if let Some(pattern) = state.search.as_ref().filter(|_| focused) {
            line = emphasise(line, pattern.regex(), brush.theme.get(Role::Match));
        }
        let row = Rect::new(inner.x, y, inner.width, 1);
        if selected {
            let mark = if brush.ascii { ">" } else { "▸" };
            buffer.set_string(row.x, y, mark, brush.theme.get(Role::Accent));
            let style = brush.theme.get(Role::Selected);
            line.spans.iter_mut().for_each(|span| span.style = span.style.patch(style));
            buffer.set_style(Rect::new(row.x + 1, y, row.width.saturating_sub(1), 1), style);
        }
        put(buffer, Rect::new(row.x + 1, y, row.width.saturating_sub(2), 1), &line);
    }
    title(pane, area, in_box, focused, (&feed, below), state, scene, brush, buffer);
}

/// Rows, whether each is the selected one, and whether its source is late.
type Rows = Vec<(Line<'static>, bool, bool)>;

fn list_rows(
    pane: Pane,
    state: &mut State,
    scene: &Scene<'_>,
    paint: &Paint<'_>,
    inner: Rect,
    focused: bool,
) -> (Rows, Vec<Origin>, usize) {
    let items = state.items(pane, scene);
    let height = usize::from(inner.height);
    // At the start the sources' alerts come one after another: whose answer came first is not the worst.
    if pane == Pane::Alerts && scene.backfilling > 0 {
        state.list_mut(pane).stay_first();
    }
    let (offset, at) = state.list_mut(pane).place(&items, height, pane == Pane::Timeline);
    // Whoever looks elsewhere sees the worst alerts, wherever the selected one went.
    let offset = if pane == Pane::Alerts && !focused { 0 } else { offset };
    let shift = state.list(pane).shift;
    let paint = Paint { width: paint.width + shift, ..*paint };
    let columns = columns(&items, paint.width);
    // A filter hides rows, not the sources that were read for them.
    let all = Choice { filter: &Filter::default(), service: None, whole: false };
    let mut origins: Vec<Origin> = Vec::new();
    for origin in panes::items(pane, scene, &all).iter().filter_map(Item::origin) {
        if !origins.contains(origin) {
            origins.push(origin.clone());
        }
    }
    origins.sort();
    let mut rows: Rows = Vec::with_capacity(height);
    for (index, item) in items.iter().enumerate().skip(offset).take(height) {
        // The minute is written once, and always on the first visible row.
        let before = if index > offset { items.get(index - 1) } else { None };
        let line = item.line(&paint, &columns, before, scene);
        let old = item.origin().is_some_and(|origin| scene.is_stale(origin));
        rows.push((shifted(line, shift), focused && at == Some(index), old));
    }
    if rows.is_empty() {
        rows.push((Line::from(Span::styled(nothing(pane, state, scene), paint.theme.get(Role::Dim))), false, false));
    }
    (rows, origins, items.len().saturating_sub(offset + height))
}

fn log_rows(
    state: &mut State,
    scene: &Scene<'_>,
    paint: &Paint<'_>,
    inner: Rect,
    focused: bool,
) -> (Rows, Vec<Origin>) {
    let height = usize::from(inner.height);
    let chip = state.chip.clone();
    let (lines, at) = state.logs.shown(scene.logs, chip.as_ref(), height);
    let origins: Vec<Origin> = logs::origins(&lines).into_iter().cloned().collect();
    let mut rows: Rows = Vec::new();
    let mut end = None;
    for (index, line) in lines.iter().enumerate() {
        let old = scene.is_stale(line.origin);
        for row in logs::rows(line, &state.logs, paint) {
            rows.push((row, focused && at == Some(index), old));
        }
        if at == Some(index) {
            end = Some(rows.len());
        }
    }
    // Wrapped lines take more rows than there are: the newest, or the one looked at, is shown.
    let end = end.unwrap_or(rows.len()).max(height).min(rows.len());
    let rows: Rows = rows.into_iter().take(end).skip(end.saturating_sub(height)).collect();
    if rows.is_empty() {
        let text = nothing(Pane::Logs, state, scene);
        return (vec![(Line::from(Span::styled(text, paint.theme.get(Role::Dim))), false, false)], origins);
    }
    (rows, origins)
}

/// What an empty pane says: never that all is well because nothing was seen.
fn nothing(pane: Pane, state: &State, scene: &Scene<'_>) -> String {
    let filtered = if pane == Pane::Logs { state.logs.filter.is_on() } else { state.list(pane).filter.is_on() };
    if let Some(progress) = scene.logs.progress(Purpose::Filter).filter(|_| pane == Pane::Logs && filtered) {
        return format!("nothing passes the filter yet: {}", words::scanned(progress));
    }
    if filtered {
        return "nothing passes the filter; u clears it".into();
    }
    if let Some(service) = state.chip.as_ref().filter(|_| pane != Pane::Services) {
        return format!("nothing here belongs to {service}; u shows all");
    }
    let read = scene.was_read(pane);
    let text = match pane {
        Pane::Logs | Pane::Changes if scene.awaits_the_past(pane) => {
            "the past is being read; what is new comes with it"
        }
        Pane::Alerts if read => "no alert fires in what was read",
        Pane::Services => "no service is declared; see `warroom config init`",
        Pane::Logs if read => "no lines yet",
        Pane::Workloads if read => "no workloads seen",
        Pane::Changes if read => "no change seen in the last 24 hours",
        Pane::Timeline => "nothing recorded yet",
        _ => "nothing read yet",
    };
    text.into()
}

fn shifted(line: Line<'static>, shift: usize) -> Line<'static> {
    let mut left = shift;
    let mut spans = Vec::new();
    for span in line.spans {
        let wide = words::width(&span.content);
        if wide <= left {
            left -= wide;
        } else {
            spans.push(Span::styled(words::skip(&span.content, left).to_owned(), span.style));
            left = 0;
        }
    }
    Line::from(spans)
}

#[allow(clippy::too_many_arguments, reason = "a title says something of everything")]
fn title(
    pane: Pane,
    area: Rect,
    in_box: bool,
    focused: bool,
    (feed, below): (&Feed, usize),
    state: &State,
    scene: &Scene<'_>,
    brush: &Brush<'_>,
    buffer: &mut Buffer,
) {
    let inset = if in_box { 2 } else { 1 };
    let room = usize::from(area.width).saturating_sub(2 * inset);
    let mut ink = Ink::new(brush.theme, brush.ascii, room);
    let role = if focused { Role::TitleFocus } else { Role::Title };
    ink.gap(1).put(role, &format!("{} {}", pane.number(), pane.title()));
    for (role, text) in counts(pane, scene, state.chip.as_ref()) {
        ink.gap(2).put(role, &text);
    }
    // The timeline follows its end, and says how many rows it has.
    if below > 0 && pane != Pane::Timeline {
        ink.gap(2).put(Role::Dim, &format!("+{below} below"));
    }
    let filter = if pane == Pane::Logs { &state.logs.filter } else { &state.list(pane).filter };
    if filter.is_on() {
        ink.gap(2).put(Role::Chip, &format!(" /{} ", filter.text));
    }
    if let Some(progress) = scene.logs.progress(Purpose::Filter).filter(|_| pane == Pane::Logs) {
        ink.gap(2).put(Role::Dim, &words::scanned(progress));
    }
    if let Some(service) = state.chip.as_ref().filter(|_| pane == Pane::Logs) {
        ink.gap(2).put(Role::Chip, &format!(" {service} "));
    }
    if let Some(new) = (pane == Pane::Logs).then(|| state.logs.news(scene.logs, state.chip.as_ref())).flatten() {
        ink.gap(2).put(Role::Warn, "paused").gap(1).put(Role::New, &new);
    }
    ink.gap(1);
    let left = ink.line();
    let used = left.width();
    put(buffer, Rect::new(area.x + inset as u16, area.y, room as u16, 1), &left);
    let role = if feed.freshness >= Freshness::Late { Role::Warn } else { Role::Dim };
    // Where there is no room for the sentence, the age alone; a stump of it says nothing.
    let free = room.saturating_sub(used + 3);
    let words = if words::width(&feed.words) > free { &feed.brief } else { &feed.words };
    let words =
        if words::width(words) > free && free < 12 { String::new() } else { words::fit(words, free, brush.ascii) };
    let wide = words::width(&words) + 2;
    if words::width(&words) > 3 && used + wide < room {
        let x = area.right() - (inset + wide) as u16;
        let line = Line::from(Span::styled(format!(" {words} "), brush.theme.get(role)));
        put(buffer, Rect::new(x, area.y, wide as u16, 1), &line);
    }
}

/// What a title counts: what the pane would show without a filter.
fn counts(pane: Pane, scene: &Scene<'_>, chip: Option<&ServiceName>) -> Vec<(Role, String)> {
    let chosen = |service: Option<&ServiceName>| chip.is_none_or(|chip| service == Some(chip));
    let some = |number: usize, role: Role, word: &str| (number > 0).then(|| (role, format!("{number} {word}")));
    match pane {
        Pane::Alerts => {
            let counts = AlertCounts::of(scene.alerts.iter().filter(|row| chosen(row.service.as_ref())));
            let firing = if counts.firing > 0 { Role::Bad } else { Role::Dim };
            let mut told = vec![(firing, format!("{} firing", counts.firing))];
            told.extend(some(counts.claimed, Role::Good, "claimed"));
            told.extend(some(counts.suppressed, Role::Dim, "silenced"));
            told.extend(some(counts.resolved, Role::Dim, "resolved"));
            told
        }
        Pane::Services => {
            let of = |health: Health| scene.services.iter().filter(|row| row.health == health).count();
            let told = [
                some(of(Health::Failing), Role::Bad, "failing"),
                some(of(Health::Hurt), Role::Warn, "hurt"),
                some(of(Health::Unknown), Role::Dim, "unknown"),
                some(of(Health::Fine), Role::Good, "fine"),
            ];
            told.into_iter().flatten().collect()
        }
        Pane::Logs => {
            let counts = scene.logs.counts();
            let mut told = vec![(Role::Dim, crate::model::service::Unit::PerSecond.write(counts.per_second))];
            if counts.errors_per_minute >= 1.0 {
                told.push((
                    Role::Warn,
                    format!("{} errors/min", words::count(counts.errors_per_minute.round() as u64)),
                ));
            }
            if let Some((origin, lines)) = scene.told_twice {
                told.push((Role::Dim, format!("{} also in {}", words::count(lines), origin.source)));
            }
            if counts.evicted > 0 {
                told.push((Role::Dim, format!("{} older let go", words::count(counts.evicted))));
            }
            told
        }
        Pane::Workloads if scene.pods.reading => {
            let counts = scene.pods;
            let all = words::count((counts.all + counts.named) as u64);
            let mut told = vec![(Role::Text, format!("{all} pods")), (Role::Dim, "reading".to_owned())];
            if counts.named > 0 {
                told.push((Role::Dim, format!("{} by name alone", words::count(counts.named as u64))));
            }
            told.extend(some(counts.hurt, Role::Warn, "hurt so far"));
            told
        }
        Pane::Workloads => {
            let of = |count: fn(&PodCounts) -> usize| match chip {
                None => count(&scene.pods),
                Some(_) => scene
                    .workloads
                    .iter()
                    .filter(|row| chosen(row.service.as_ref()))
                    .map(|row| count(&row.counts))
                    .sum(),
            };
            let (all, hurt) = (of(|counts| counts.all), of(|counts| counts.hurt));
            let role = if hurt > 0 { Role::Warn } else { Role::Dim };
            vec![(role, format!("{} of {} hurt", words::count(hurt as u64), words::plural(all, "pod")))]
        }
        Pane::Changes => {
            let changes = scene
                .changes
                .iter()
                .filter(|row| chosen(scene.service_of(row.change.service.as_ref(), row.change.workload.as_ref())));
            vec![(Role::Dim, format!("{} in 24 h", changes.count()))]
        }
        Pane::Timeline => {
            let rows = scene.timeline.iter().filter(|row| chosen(row.entry.draft.service.as_ref()));
            let mut told = vec![(Role::Dim, format!("{} rows", rows.count()))];
            told.extend(some(scene.unrecorded, Role::Warn, "not yet on disk"));
            told
        }
    }
}
