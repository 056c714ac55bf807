//! Cells as bytes: as few as possible, and robust against terminals that disagree on widths.

use std::io::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// Appends what turns `before` into `after`. Leaves the terminal's attributes reset.
pub(super) fn cells(out: &mut Vec<u8>, before: &Buffer, after: &Buffer) {
    let mut pen = Pen::default();
    let mut at: Option<(u16, u16)> = None;
    for (x, y, cell) in before.diff_iter(after) {
        if at != Some((x, y)) {
            match at.and_then(|from| near(from, (x, y))) {
                Some(steps) => out.extend_from_slice(&steps),
                None => move_to(out, x, y),
            }
        }
        pen.take(out, cell.fg, cell.bg, cell.modifier);
        let symbol = cell.symbol();
        out.extend_from_slice(symbol.as_bytes());
        // Widths of anything but plain characters are a matter of opinion among terminals:
        // after one of them the next cell is addressed anew.
        let plain = symbol.len() == 1 || matches!(symbol.chars().next(), Some('\u{2500}'..='\u{259f}'));
        at = (plain && x + 1 < after.area.width).then_some((x + 1, y));
    }
    pen.end(out);
}

/// Takes away what a later drawing covered half of: a wide character whose second column is
/// something else now, such as a dialog's border. A terminal would show either of the two.
pub(super) fn untangle(buffer: &mut Buffer) {
    let area = buffer.area;
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right().saturating_sub(1) {
            let wide = buffer.cell((x, y)).is_some_and(|cell| cell.symbol().len() > 1 && cell.symbol().width() > 1);
            if wide
                && buffer.cell((x + 1, y)).is_some_and(|cell| cell.symbol() != " ")
                && let Some(cell) = buffer.cell_mut((x, y))
            {
                cell.set_symbol(" ");
            }
        }
    }
}

/// One row with its attributes, ended by a reset.
pub(super) fn row<'c>(cells: impl Iterator<Item = &'c Cell>) -> String {
    let mut pen = Pen::default();
    let mut out = Vec::new();
    for cell in cells {
        pen.take(&mut out, cell.fg, cell.bg, cell.modifier);
        out.extend_from_slice(cell.symbol().as_bytes());
    }
    pen.end(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a move of the cursor to a cell counted from zero.
pub(super) fn move_to(out: &mut Vec<u8>, x: u16, y: u16) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "\x1b[{};{}H", y.saturating_add(1), x.saturating_add(1));
}

/// How to get from a cell to another on the same line or the next in fewer bytes than it takes to
/// address it: figures that change stand below each other. A step down is not a line feed, which
/// some modes of a terminal make more of.
fn near(from: (u16, u16), to: (u16, u16)) -> Option<Vec<u8>> {
    let mut steps = Vec::with_capacity(8);
    match to.1.checked_sub(from.1)? {
        0 => {}
        1 => steps.extend_from_slice(b"\x1b[B"),
        _ => return None,
    }
    let _ = match (from.0.saturating_sub(to.0), to.0.saturating_sub(from.0)) {
        (0, 0) => Ok(()),
        (1, 0) => write!(steps, "\x1b[D"),
        (back, 0) => write!(steps, "\x1b[{back}D"),
        (_, 1) => write!(steps, "\x1b[C"),
        (_, ahead) => write!(steps, "\x1b[{ahead}C"),
    };
    let mut whole = Vec::with_capacity(10);
    move_to(&mut whole, to.0, to.1);
    (steps.len() < whole.len()).then_some(steps)
}

/// The attributes that the terminal has now.
#[derive(Default)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Pen {
    fn take(&mut self, out: &mut Vec<u8>, fg: Color, bg: Color, modifier: Modifier) {
        if (self.fg, self.bg, self.modifier) == (fg, bg, modifier) {
            return;
        }
        let mut codes: Vec<u8> = Vec::with_capacity(24);
        if !modifier.contains(self.modifier) {
            codes.extend_from_slice(b"0;");
            *self = Self::default();
        }
        for (flag, code) in [
            (Modifier::BOLD, b'1'),
            (Modifier::DIM, b'2'),
            (Modifier::ITALIC, b'3'),
            (Modifier::UNDERLINED, b'4'),
            (Modifier::REVERSED, b'7'),
            (Modifier::CROSSED_OUT, b'9'),
        ] {
            if modifier.contains(flag) && !self.modifier.contains(flag) {
                codes.extend_from_slice(&[code, b';']);
            }
        }
        if fg != self.fg {
            color(&mut codes, fg, 30);
        }
        if bg != self.bg {
            color(&mut codes, bg, 40);
        }
        codes.pop();
        if !codes.is_empty() {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(&codes);
            out.push(b'm');
        }
        (self.fg, self.bg, self.modifier) = (fg, bg, modifier);
    }

    fn end(&self, out: &mut Vec<u8>) {
        if (self.fg, self.bg, self.modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
            out.extend_from_slice(b"\x1b[0m");
        }
    }
}

/// SGR parameters of a colour, each followed by `;`. `base` is 30 for the text, 40 behind it.
fn color(codes: &mut Vec<u8>, color: Color, base: u8) {
    let named = |n: u8| if n < 8 { base + n } else { base + 60 + n - 8 };
    let _ = match color {
        Color::Reset => write!(codes, "{};", base + 9),
        Color::Rgb(r, g, b) => write!(codes, "{};2;{r};{g};{b};", base + 8),
        Color::Indexed(n) if n >= 16 => write!(codes, "{};5;{n};", base + 8),
        other => write!(codes, "{};", named(ansi(other))),
    };
}

/// The number of one of the 16 colours that a terminal's user chose.
pub(super) fn ansi(color: Color) -> u8 {
    match color {
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        Color::Indexed(n) => n.min(15),
        Color::Black | Color::Reset | Color::Rgb(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn figures_below_each_other_are_reached_by_steps() {
        let area = Rect::new(0, 0, 120, 40);
        let frame = |cpu: &str| {
            let mut buffer = Buffer::empty(area);
            for y in 5..35 {
                buffer.set_string(40, y, format!("cpu {cpu} %  mem 4{} %", &cpu[1..]), Style::new());
            }
            buffer
        };
        let mut bytes = Vec::new();
        cells(&mut bytes, &frame("12"), &frame("13"));
        // Each addressed by itself would take 18 bytes a row.
        assert!(bytes.len() <= 8 + 30 * 14, "{} bytes for 60 figures", bytes.len());
    }

    proptest! {
        #[test]
        fn whatever_changes_arrives(
            before in prop::collection::vec((0u16..30, 0u16..6, "[a-z]{1,4}|漢"), 0..12),
            after in prop::collection::vec((0u16..30, 0u16..6, "[a-z]{1,4}|漢"), 0..12),
        ) {
            let area = Rect::new(0, 0, 30, 6);
            let drawn = |words: &[(u16, u16, String)]| {
                let mut buffer = Buffer::empty(area);
                for (x, y, word) in words {
                    buffer.set_string(*x, *y, word, Style::new());
                }
                untangle(&mut buffer);
                buffer
            };
            let (before, after) = (drawn(&before), drawn(&after));
            let (mut step, mut whole) = (Vec::new(), Vec::new());
            let blank = Buffer::empty(area);
            cells(&mut step, &blank, &before);
            cells(&mut step, &before, &after);
            cells(&mut whole, &blank, &after);
            let shown = |bytes: &[u8]| {
                let mut screen = vt100::Parser::new(6, 30, 0);
                screen.process(bytes);
                // A blank that was drawn and one that was never touched look the same.
                screen.screen().rows(0, 30).map(|row| row.trim_end().to_owned()).collect::<Vec<_>>()
            };
            prop_assert_eq!(shown(&step), shown(&whole));
        }
    }

    #[test]
    fn a_border_over_half_of_a_wide_character_is_seen() {
        let area = Rect::new(0, 0, 10, 1);
        let mut drawn = Buffer::empty(area);
        drawn.set_string(0, 0, "a漢字b", Style::new());
        drawn.set_string(2, 0, "|", Style::new());
        untangle(&mut drawn);
        let mut bytes = Vec::new();
        cells(&mut bytes, &Buffer::empty(area), &drawn);
        let mut screen = vt100::Parser::new(1, 10, 0);
        screen.process(&bytes);
        assert_eq!(screen.screen().contents(), "a |字b");
    }

    #[test]
    fn what_a_terminal_shows_is_what_was_drawn() {
        let area = Rect::new(0, 0, 20, 3);
        let blank = Buffer::empty(area);
        let mut drawn = Buffer::empty(area);
        drawn.set_string(0, 0, "err", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        drawn.set_string(3, 0, " 漢字 ok", Style::new());
        drawn.set_string(0, 2, "sel", Style::new().add_modifier(Modifier::REVERSED));
        drawn.set_string(4, 2, "rgb", Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Indexed(200)));
        let mut bytes = Vec::new();
        cells(&mut bytes, &blank, &drawn);
        let mut screen = vt100::Parser::new(3, 20, 0);
        screen.process(&bytes);
        let screen = screen.screen();
        assert_eq!(screen.contents(), "err 漢字 ok\n\nsel rgb");
        let cell = |row, column| screen.cell(row, column).unwrap();
        assert!(cell(0, 0).bold() && cell(0, 0).fgcolor() == vt100::Color::Idx(1));
        assert!(!cell(0, 4).bold() && cell(0, 4).fgcolor() == vt100::Color::Default);
        assert!(cell(2, 0).inverse() && !cell(2, 4).inverse());
        assert_eq!(cell(2, 4).fgcolor(), vt100::Color::Rgb(1, 2, 3));
        assert_eq!(cell(2, 4).bgcolor(), vt100::Color::Idx(200));
    }
}
