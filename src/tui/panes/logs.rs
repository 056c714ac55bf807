//! The logs pane: follows the newest line, or stays where somebody looks.

mod says;

use ratatui::text::Line;

use crate::model::log::Level;
use crate::model::name::{Origin, ServiceName};
use crate::observe::logs::{Line as LogLine, LineId, LogFilter, LogPattern};
use crate::tui::filter::Filter;
use crate::tui::list::Move;
use crate::tui::scene::Lines;
use crate::tui::theme::Role;
use crate::tui::words;

use super::{Detail, Ink, Paint};

/// More new lines than this are `999+`.
const NEW_CAP: usize = 1_000;

/// Where the pane stands.
#[derive(Clone, Debug)]
pub(in crate::tui) struct LogView {
    pub(in crate::tui) filter: Filter,
    pub(in crate::tui) wrap: bool,
    pub(in crate::tui) times: bool,
    pub(in crate::tui) shift: usize,
    pub(in crate::tui) height: usize,
    held: Option<Held>,
}

/// What is gone to.
#[derive(Clone, Copy, Debug)]
pub(in crate::tui) enum Goal<'a> {
    /// The next line of at least this level.
    Level(Level),
    /// The next line with this in it.
    Pattern(&'a LogPattern),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    /// The line that is looked at.
    cursor: LineId,
    /// Its row on the screen.
    row: usize,
    /// The newest line when the log was paused.
    newest: LineId,
}

impl Default for LogView {
    fn default() -> Self {
        Self { filter: Filter::default(), wrap: false, times: true, shift: 0, height: 0, held: None }
    }
}

impl LogView {
    pub(in crate::tui) fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    /// The line that is looked at; while following, the newest. One that passes the filter: that
    /// which is marked, also where the line that somebody went to is hidden by now.
    pub(in crate::tui) fn cursor(&self, logs: &dyn Lines, chip: Option<&ServiceName>) -> Option<LineId> {
        let filter = self.filter.for_logs(chip);
        let upto = self.held.map(|held| held.cursor);
        let before = logs.before(&filter, upto, 1).last().map(|line| line.id);
        before.or_else(|| logs.after(&filter, upto?, 1).first().map(|line| line.id))
    }

    /// Lines that came since the log was paused: `+12 new`.
    pub(in crate::tui) fn news(&self, logs: &dyn Lines, chip: Option<&ServiceName>) -> Option<String> {
        let held = self.held?;
        let new = logs.after(&self.filter.for_logs(chip), held.newest, NEW_CAP).len();
        Some(if new >= NEW_CAP { "+999 new and more".into() } else { format!("+{new} new") })
    }

    /// Pauses where it stands, or follows again.
    pub(in crate::tui) fn pause(&mut self, logs: &dyn Lines, chip: Option<&ServiceName>) {
        if self.held.take().is_none() {
            self.hold(logs, chip);
        }
    }

    pub(in crate::tui) fn follow(&mut self) {
        self.held = None;
    }

    fn hold(&mut self, logs: &dyn Lines, chip: Option<&ServiceName>) -> Option<Held> {
        if self.held.is_none() {
            let newest = logs.before(&LogFilter::default(), None, 1).last()?.id;
            let shown = logs.before(&self.filter.for_logs(chip), None, self.height.max(1));
            let cursor = shown.last()?.id;
            self.held = Some(Held { cursor, row: shown.len().saturating_sub(1), newest });
        }
        self.held
    }

    pub(in crate::tui) fn go(&mut self, to: Move, logs: &dyn Lines, chip: Option<&ServiceName>) {
        if to == Move::Last {
            return self.follow();
        }
        let Some(mut held) = self.hold(logs, chip) else { return };
        let filter = self.filter.for_logs(chip);
        match to {
            Move::First => {
                let first = logs.after(&filter, LineId(0), 1).first().map(|line| line.id);
                let zero = logs.line(LineId(0)).map(|line| line.id).filter(|_| !self.filter.is_on() && chip.is_none());
                held.cursor = zero.or(first).unwrap_or(held.cursor);
                held.row = 0;
            }
            Move::By(rows) if rows < 0 => {
                let up = rows.unsigned_abs();
                let above = logs.before(&filter, Some(held.cursor), up + 1);
                held.row = held.row.saturating_sub(above.len().saturating_sub(1));
                held.cursor = above.first().map_or(held.cursor, |line| line.id);
            }
            Move::By(rows) => {
                let below = logs.after(&filter, held.cursor, rows.unsigned_abs());
                held.row = (held.row + below.len()).min(self.height.saturating_sub(1));
                held.cursor = below.last().map_or(held.cursor, |line| line.id);
            }
            Move::Last => {}
        }
        self.held = Some(held);
    }

    /// Goes to the nearest line before (or after) the cursor that is of a level, or holds a
    /// pattern. `false`: there is none as far as is known.
    pub(in crate::tui) fn seek(
        &mut self,
        back: bool,
        goal: Goal<'_>,
        logs: &dyn Lines,
        chip: Option<&ServiceName>,
    ) -> bool {
        let mut filter = self.filter.for_logs(chip);
        let Some(start) = self.cursor(logs, chip) else { return false };
        let found = match goal {
            Goal::Pattern(pattern) => logs.sought(&filter, pattern, start, back),
            Goal::Level(level) => {
                filter.level = filter.level.max(Some(level));
                let last = start.0.checked_sub(1).map(LineId);
                let lines = match last {
                    Some(last) if back => logs.before(&filter, Some(last), 1),
                    None if back => Vec::new(),
                    _ => logs.after(&filter, start, 1),
                };
                lines.first().map(|line| line.id)
            }
        };
        let Some(cursor) = found else { return false };
        let row = self.height / 2;
        if self.hold(logs, chip).is_some()
            && let Some(held) = &mut self.held
        {
            (held.cursor, held.row) = (cursor, row);
        }
        true
    }

    /// The lines for so many rows, and which of them is looked at.
    pub(in crate::tui) fn shown<'l>(
        &mut self,
        logs: &'l dyn Lines,
        chip: Option<&ServiceName>,
        height: usize,
    ) -> (Vec<LogLine<'l>>, Option<usize>) {
        self.height = height;
        let filter = self.filter.for_logs(chip);
        let Some(held) = self.held else { return (logs.before(&filter, None, height), None) };
        let row = held.row.min(height.saturating_sub(1));
        let mut lines = logs.before(&filter, Some(held.cursor), row + 1);
        let at = lines.len().saturating_sub(1);
        let below = height.saturating_sub(lines.len());
        lines.extend(logs.after(&filter, held.cursor, below));
        let marked = (!lines.is_empty()).then_some(at);
        (lines, marked)
    }
}

/// Sources that the lines shown come from.
pub(in crate::tui) fn origins<'l>(lines: &[LogLine<'l>]) -> Vec<&'l Origin> {
    let mut origins: Vec<&Origin> = lines.iter().map(|line| line.origin).collect();
    origins.dedup();
    origins
}

fn role(level: Level) -> Role {
    match level {
        Level::Error | Level::Fatal => Role::LogError,
        Level::Warn => Role::LogWarn,
        Level::Debug | Level::Trace => Role::LogDebug,
        Level::Info | Level::Unknown => Role::LogInfo,
    }
}

/// Where a line comes from, short: the pod, or the log stream's last part.
fn stream(line: &LogLine<'_>) -> String {
    let name = line.stream.name.as_str();
    let pod = name.split('/').next().unwrap_or(name);
    match line.stream.group.split_once('/') {
        Some((_, workload)) => pod.strip_prefix(workload).map_or(pod, |rest| rest.trim_start_matches('-')).to_owned(),
        None => pod.to_owned(),
    }
}

/// One line of a log as one row, or as several when it is wrapped.
pub(in crate::tui) fn rows(line: &LogLine<'_>, view: &LogView, paint: &Paint<'_>) -> Vec<Line<'static>> {
    let mut ink = Ink::new(paint.theme, paint.ascii, paint.width);
    if view.times {
        let at = paint.zone.milli(line.at, paint.now);
        // Without the hour it would read as an hour and a minute.
        let at = if paint.width < 90 && at.len() == 12 { at.get(..8).unwrap_or(&at) } else { &at };
        ink.put(Role::LogTime, at).gap(1);
    }
    ink.cell(role(line.level), line.level.as_str(), 5);
    if paint.width >= 60 {
        let from = match line.service {
            Some(service) if paint.width < 90 => service.to_string(),
            Some(service) => format!("{service} {}", stream(line)),
            None => stream(line),
        };
        ink.cell(Role::Dim, &from, if paint.width < 90 { 10 } else { 26 });
    }
    let mut text = says::says(line);
    // A filter looks through whole lines: what it found is shown, whatever else is hidden.
    let found = |text: &str| view.filter.log_pattern().is_none_or(|(sought, not)| *not || sought.is_match(text));
    if view.filter.is_on() && !found(&text) && found(line.text) {
        line.text.clone_into(&mut text);
    }
    let text_role = match line.level {
        Level::Error | Level::Fatal | Level::Warn => Role::Text,
        level => role(level),
    };
    if !view.wrap {
        ink.put(text_role, words::skip(&text, view.shift));
        return vec![ink.line()];
    }
    let (room, indent) = (ink.room(), paint.width - ink.room());
    let mut rows = Vec::new();
    for (at, part) in words::wrap(&text, room).into_iter().enumerate() {
        if at == 0 {
            ink.put(text_role, &part);
            rows.push(std::mem::replace(&mut ink, Ink::new(paint.theme, paint.ascii, paint.width)).line());
        } else {
            let mut more = Ink::new(paint.theme, paint.ascii, paint.width);
            more.gap(indent).put(text_role, &part);
            rows.push(more.line());
        }
    }
    rows
}

pub(in crate::tui) fn detail(line: &LogLine<'_>, paint: &Paint<'_>) -> Detail {
    let detail = Detail::new(format!("{} {}", line.level.as_str(), paint.zone.full(line.at)))
        .maybe("service", line.service)
        .fact("group", &line.stream.group)
        .fact("stream", &line.stream.name)
        .fact("source", line.origin);
    match says::decoded(line.text) {
        Some(decoded) => decoded
            .fields
            .into_iter()
            .fold(detail.fact("message", crate::text::clean_block(&decoded.message)), |detail, (name, value)| {
                detail.fact("field", format!("{} = {}", crate::text::clean(&name), crate::text::clean_block(&value)))
            })
            .fact("line", line.text),
        None => detail.fact("line", line.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixture::Fixture;

    #[test]
    fn what_keys_act_on_is_the_line_that_is_marked_also_when_a_filter_hides_the_one_before() {
        let log = Fixture::burning().logs;
        let mut view = LogView { height: 20, ..LogView::default() };
        let marked = |view: &mut LogView| {
            let (lines, at) = view.shown(&log, None, 20);
            (at.and_then(|at| lines.get(at)).map(|line| line.id), lines.first().map(|line| line.id))
        };
        view.go(Move::By(-7), &log, None);
        let went = view.cursor(&log, None);
        assert_eq!(marked(&mut view).0, went);
        view.filter = Filter::new("retry 3");
        let (now, _) = marked(&mut view);
        assert_eq!(view.cursor(&log, None), now);
        assert!(now.is_some() && now < went, "the line itself does not pass: {now:?} {went:?}");
        // Nothing before it passes: the first one after it.
        view.go(Move::First, &log, None);
        view.filter = Filter::new("request=4115");
        view.held = view.held.map(|held| Held { cursor: LineId(0), ..held });
        let (now, first) = marked(&mut view);
        assert_eq!(view.cursor(&log, None), first);
        assert!(now == first && first.is_some(), "{now:?} {first:?}");
    }
}
