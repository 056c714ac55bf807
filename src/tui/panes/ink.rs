//! A line in the making: words with roles, cut at its width.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use regex::Regex;

use crate::tui::theme::{Role, Theme};
use crate::tui::words;

/// A line in the making.
pub(in crate::tui) struct Ink<'t> {
    theme: &'t Theme,
    ascii: bool,
    width: usize,
    used: usize,
    spans: Vec<Span<'static>>,
}

impl<'t> Ink<'t> {
    pub(in crate::tui) fn new(theme: &'t Theme, ascii: bool, width: usize) -> Self {
        Self { theme, ascii, width, used: 0, spans: Vec::new() }
    }

    /// Columns that are free.
    pub(in crate::tui) fn room(&self) -> usize {
        self.width.saturating_sub(self.used)
    }

    pub(in crate::tui) fn put(&mut self, role: Role, text: &str) -> &mut Self {
        self.paint(self.theme.get(role), text)
    }

    pub(in crate::tui) fn paint(&mut self, style: Style, text: &str) -> &mut Self {
        let text = words::fit(text, self.room(), self.ascii);
        self.used += words::width(&text);
        if !text.is_empty() {
            self.spans.push(Span::styled(text, style));
        }
        self
    }

    /// Text in a column of its own, and one space after it.
    pub(in crate::tui) fn cell(&mut self, role: Role, text: &str, columns: usize) -> &mut Self {
        let text = words::fit(text, columns, self.ascii);
        let pad = columns.saturating_sub(words::width(&text)) + 1;
        self.put(role, &text).gap(pad)
    }

    /// As [`Ink::cell`], set to the right of its column.
    pub(in crate::tui) fn number(&mut self, role: Role, text: &str, columns: usize) -> &mut Self {
        let text = words::fit(text, columns, self.ascii);
        self.gap(columns.saturating_sub(words::width(&text))).put(role, &text).gap(1)
    }

    pub(in crate::tui) fn gap(&mut self, columns: usize) -> &mut Self {
        let columns = columns.min(self.room());
        if columns > 0 {
            self.used += columns;
            self.spans.push(Span::raw(" ".repeat(columns)));
        }
        self
    }

    /// Text at the right end, if there is room for all of it.
    pub(in crate::tui) fn right(&mut self, role: Role, text: &str) -> &mut Self {
        let wide = words::width(text);
        if self.room() > wide {
            let gap = self.room() - wide;
            self.gap(gap).put(role, text);
        }
        self
    }

    pub(in crate::tui) fn line(self) -> Line<'static> {
        Line::from(self.spans)
    }
}

/// The same line with everything that matches painted over.
pub(in crate::tui) fn emphasise(line: Line<'static>, pattern: &Regex, style: Style) -> Line<'static> {
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    let found: Vec<_> = pattern.find_iter(&text).map(|found| found.range()).filter(|range| !range.is_empty()).collect();
    if found.is_empty() {
        return line;
    }
    let mut spans = Vec::new();
    let mut start = 0;
    for span in line.spans {
        let end = start + span.content.len();
        let mut at = start;
        for range in found.iter().filter(|range| range.start < end && range.end > start) {
            let (from, to) = (range.start.max(start), range.end.min(end));
            let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
            if from > at {
                spans.push(Span::styled(part(at, from), span.style));
            }
            spans.push(Span::styled(part(from, to), span.style.patch(style)));
            at = to;
        }
        if at < end {
            spans.push(Span::styled(text.get(at..end).unwrap_or_default().to_owned(), span.style));
        }
        start = end;
    }
    Line::from(spans)
}
